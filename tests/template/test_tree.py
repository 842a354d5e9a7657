"""Rules 1 and 4: a site consists of exactly the listed files, and of nothing that only the product needs."""

from pathlib import Path

import pytest

from tests.template.helpers import PRODUCT_ONLY, ROOT, contents, generate, work_tree


def listed(ci: list[str]) -> set[str]:
    """Return the paths of `tree.txt`; one that only a CI system needs stands behind the system's name."""
    lines = (Path(__file__).parent / "tree.txt").read_text("utf-8").splitlines()
    entries = [line.partition(": ") for line in lines]
    return {path or name for name, _, path in entries if not path or name in ci}


@pytest.mark.parametrize(
    "ci",
    [[], ["github"], ["gitlab"], ["jenkins"], ["github", "gitlab", "jenkins"]],
    ids=lambda ci: "+".join(ci) or "none",
)
def test_a_site_consists_of_the_listed_files(shipped: Path, tmp_path: Path, ci: list[str]) -> None:
    assert sorted(contents(generate(shipped, tmp_path, ci=ci))) == sorted(listed(ci))


@pytest.fixture(scope="module")
def site(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(plain, tmp_path_factory.mktemp("site"), ci=["github"])


def test_a_site_has_no_empty_folder(site: Path) -> None:
    assert not [path for path in site.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_what_only_the_product_needs_stays_there(site: Path) -> None:
    paths = contents(site)
    assert sorted(paths) == sorted(listed(["github"]))
    product = {path for path in paths if path.startswith((*PRODUCT_ONLY, "copier.")) or "/template-" in path}
    assert {path for path in product if not path.startswith("tests/smoke/")} == set()


def test_every_rendered_file_is_named_after_its_template() -> None:
    assert [path for path in work_tree() if path.endswith(".jinja")] == [
        "README.md.jinja",
        "layersite.yaml.jinja",
        "requirements/layersite.txt.jinja",
        "{{ _copier_conf.answers_file }}.jinja",
    ]


def test_no_path_holds_braces_but_the_answers_file_whose_name_copier_demands() -> None:
    assert [path for path in work_tree() if "{" in path] == ["{{ _copier_conf.answers_file }}.jinja"]


def test_files_of_the_bot_and_of_ci_keep_their_own_braces(site: Path) -> None:
    for path in ("apps/hello-web/overlays/web.yaml.j2", ".github/workflows/reconcile.yml"):
        assert "{{" in (site / path).read_text("utf-8")
        assert (site / path).read_bytes() == (ROOT / path).read_bytes()
