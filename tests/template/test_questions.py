"""Every question explains itself; an answer makes a valid site or is refused with a hint."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from layersite.model.site import Limits, Safety, Site, Waves, load_site
from tests.template.helpers import ROOT, generate, git

TEMPLATE = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
QUESTIONS = {name: question for name, question in TEMPLATE.items() if not name.startswith("_")}
ASKED = {name: question for name, question in QUESTIONS.items() if question.get("when") is not False}

URL = "https://git.example.com/web.git"
GOOD: dict[str, list[Any]] = {
    "organization": ["x", "x" * 63, 'a: b # "x"', "no", "- [x", "0123", "{{ x }}", "Société 🚀", "back\\slash", "it's"],
    "environments_url": [
        "git@git.example.com:a/b.git",
        "ssh://git@git.example.com:22/a.git",
        "file:///srv/a.git",
        "../a",
    ],
    "default_branch": ["release/1.x", "no", "1e3"],
    "branch_prefix": ["a/", "team/preview/", "1.0/"],
    "repositories": [
        {"no": {"url": URL}},
        {"web": {"url": URL, "branch": "1e3"}, "api-2": {"url": "git@git.example.com:api"}},
    ],
    "cluster": ["arn:aws:eks:eu-west-1:1:cluster/x", "https://10.0.0.1:6443", "0123"],
    "forge_url": ["http://127.0.0.1:3000", "https://git.example.com/forgejo"],
    "argocd_url": ["http://127.0.0.1:8080", "https://example.com/argocd"],
    "applicationset_url": ["http://127.0.0.1:7000"],
    "kubernetes": ["1.30", "1.35"],
    "namespace_prefix": ["a-", "team-preview-2-"],
    "domain": ["localhost", "a.b.c.example.com", "0.1"],
    "layersite_source": ["git+ssh://git@git.example.com/layersite.git", "file:///srv/layersite"],
}
BAD: list[tuple[str, Any, str]] = [
    ("organization", "", "1 to 63 printable characters"),
    ("organization", "- [", "a letter or digit among them"),
    ("organization", "x" * 64, "1 to 63 printable characters"),
    ("organization", 'a: b # "x"\nsafety: {removals: 999}', "in one line"),
    ("organization", "x\u202ey", "printable"),
    ("environments_url", "", "URL or path of a git repository"),
    ("environments_url", "--upload-pack=x", "URL or path of a git repository"),
    ("environments_url", "ext::sh -c x", "URL or path of a git repository"),
    ("environments_url", "https://bot:secret@git.example.com/a.git", "without a password"),
    ("default_branch", "-x", "branch name"),
    ("default_branch", "a..b", "branch name"),
    ("default_branch", "a.lock/b", "branch name"),
    ("default_branch", "main\n", "branch name"),
    ("forge", "bitbucket", "Invalid choice"),
    ("forge_url", "git.example.com", "an address without user"),
    ("forge_url", "https://bot:secret@git.example.com", "an address without user"),
    ("argocd_url", "argocd.example.com", "an address without user"),
    ("applicationset_url", "https://x/?token=1", "an address without user"),
    ("branch_prefix", "change", "ends with a slash"),
    ("branch_prefix", "../", "ends with a slash"),
    ("branch_prefix", "a b/", "ends with a slash"),
    ("repositories", [], "a mapping from names to repositories"),
    ("repositories", {"Web": {"url": URL}}, 'name "Web" must be lower-case'),
    ("repositories", {1: {"url": URL}}, "name 1 must be lower-case"),
    ("repositories", {"web": URL}, "The repository web needs a url"),
    ("repositories", {"web": {"url": URL, "token": "x"}}, "has keys besides url and branch"),
    ("repositories", {"web": {"url": "-x"}}, "url of web"),
    ("repositories", {"web": {"url": URL, "branch": 1}}, "branch of web"),
    ("cluster", "*", "as `argocd cluster list` shows it"),
    ("cluster", "", "as `argocd cluster list` shows it"),
    ("kubernetes", "1.34.2", "the minor version alone"),
    ("kubernetes", "v1.34", "the minor version alone"),
    ("namespace_prefix", "env", "end with a hyphen"),
    ("namespace_prefix", "a--", "end with a hyphen"),
    ("namespace_prefix", "1-", "start with a letter"),
    ("namespace_prefix", "x" * 20 + "-", "at most 20 characters"),
    ("baseline", "none", "Invalid choice"),
    ("domain", "", "domain name"),
    ("domain", "https://example.com", "domain name"),
    ("domain", "a..b", "domain name"),
    ("domain", "Example.com", "domain name"),
    ("domain", "a." * 80 + "com", "at most 150 characters"),
    ("exposure", "nodeport", "Invalid choice"),
    ("ci", ["travis"], "Invalid choice"),
    ("layersite_source", "https://git.example.com/layersite", "git+https://"),
    ("layersite_source", "git+https://git.example.com/x @ y", "without spaces"),
    ("layersite_source", "git+https://me:secret@git.example.com/x", "without spaces and without a password"),
]
ASKED_WITH = {
    "forge_url": {"forge": "gitea"},
    "applicationset_url": {"argocd_url": "https://argocd.example.com"},
}
"""The answers without which a question is not asked."""
LABELS = {
    "baseline_namespace": {"baseline": "existing"},
    "gateway_name": {},
    "gateway_namespace": {},
    "ingress_class": {"exposure": "ingress"},
    "ingress_namespace": {"exposure": "ingress"},
}


def where(site: Site, question: str) -> Any:
    """Return what the generated `site` has where the answer to `question` belongs."""
    return {
        "organization": site.organization,
        "environments_url": site.environments.url,
        "default_branch": site.environments.branch,
        "branch_prefix": site.forge.branch_prefix,
        "repositories": {
            name: repository.model_dump(exclude_unset=True) for name, repository in site.repositories.items()
        },
        "forge_url": site.forge.url,
        "argocd_url": site.argocd and site.argocd.url,
        "applicationset_url": site.argocd and site.argocd.applicationset_url,
        "cluster": site.cluster.name,
        "kubernetes": site.cluster.kubernetes,
        "namespace_prefix": site.cluster.namespace_prefix,
        "domain": site.exposure.domain,
    }[question]


@pytest.mark.parametrize("name", ASKED)
def test_the_question_explains_itself_and_checks_its_answer(name: str) -> None:
    question = ASKED[name]
    assert question["type"] in {"str", "yaml"}
    assert question["help"].endswith(("?", "."))
    assert "default" in question
    assert "validator" in question or "choices" in question


def test_nothing_in_the_template_needs_trust() -> None:
    assert TEMPLATE["_envops"] == {"undefined": "jinja2.StrictUndefined"}
    assert not {"_tasks", "_migrations", "_jinja_extensions", "_external_data"} & TEMPLATE.keys()


def test_the_defaults_make_a_valid_site(questions: Path, tmp_path: Path) -> None:
    site, _ = load_site(generate(questions, tmp_path))
    assert site.organization == "Example"
    assert site.cluster.baseline.managed


def test_what_is_not_asked_stands_there_with_its_default(questions: Path, tmp_path: Path) -> None:
    site, document = load_site(generate(questions, tmp_path))
    assert document.data.keys() == Site.model_fields.keys()
    assert (site.limits, site.safety, site.waves) == (Limits(), Safety(), Waves())
    for key in (
        "dependencies",
        "lease_hours",
        "lease",
        "working_hours",
        "named_hours",
        "capacity",
        "images",
        "allowed_kinds",
        "argocd",
    ):
        assert getattr(site, key) == Site.model_fields[key].default


@pytest.mark.parametrize(
    ("question", "answer"),
    [(question, answer) for question, answers in GOOD.items() for answer in answers if question != "layersite_source"],
)
def test_the_answer_arrives_as_it_was_given(questions: Path, tmp_path: Path, question: str, answer: Any) -> None:
    site, document = load_site(generate(questions, tmp_path, **ASKED_WITH.get(question, {}), **{question: answer}))
    expected = {n: {"branch": "main", **r} for n, r in answer.items()} if question == "repositories" else answer
    assert where(site, question) == expected
    assert document.data.keys() == Site.model_fields.keys()


@pytest.mark.parametrize(("question", "answer", "hint"), BAD)
def test_the_answer_is_refused_with_a_hint(
    questions: Path, tmp_path: Path, question: str, answer: Any, hint: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(hint)):
        generate(questions, tmp_path, **ASKED_WITH.get(question, {}), **{question: answer})


@pytest.mark.parametrize("question", LABELS)
@pytest.mark.parametrize(
    "answer", ["", "A", "a--b", "x" * 64, "a\n"], ids=["empty", "upper", "doubled", "long", "newline"]
)
def test_a_name_that_kubernetes_refuses_is_refused(questions: Path, tmp_path: Path, question: str, answer: str) -> None:
    with pytest.raises(ValueError, match="lower-case letters, digits and single hyphens"):
        generate(questions, tmp_path, **{**LABELS[question], question: answer})


@pytest.mark.parametrize("kind", [kind for kind in QUESTIONS["forge"]["choices"].values() if kind != "git"])
def test_each_forge_is_written_with_its_address(questions: Path, tmp_path: Path, kind: str) -> None:
    site, _ = load_site(generate(questions, tmp_path, forge=kind, forge_url="https://forge.example.com"))
    assert (site.forge.kind, site.forge.url) == (kind, "https://forge.example.com")


def test_github_is_where_most_have_it_unless_another_address_is_given(questions: Path, tmp_path: Path) -> None:
    site, _ = load_site(generate(questions, tmp_path, forge="github"))
    assert site.forge.url == "https://github.com"


def test_an_existing_baseline_is_written_instead_of_a_managed_one(questions: Path, tmp_path: Path) -> None:
    site, _ = load_site(generate(questions, tmp_path, baseline="existing", baseline_namespace="stage"))
    assert site.baseline_namespace == "stage"


def test_an_ingress_is_written_instead_of_a_gateway(questions: Path, tmp_path: Path) -> None:
    answers = {"exposure": "ingress", "ingress_class": "traefik", "ingress_namespace": "edge"}
    site, document = load_site(generate(questions, tmp_path, **answers))
    assert site.exposure.ingress is not None
    assert (site.exposure.ingress.class_name, site.exposure.ingress.namespace) == ("traefik", "edge")
    assert "gateway" not in document.data["exposure"]


def test_the_gateway_is_the_one_that_was_named(questions: Path, tmp_path: Path) -> None:
    site, _ = load_site(generate(questions, tmp_path, gateway_name="public", gateway_namespace="edge"))
    assert (site.exposure.gateway.name, site.exposure.gateway.namespace) == ("public", "edge")


@pytest.mark.parametrize("source", GOOD["layersite_source"])
def test_the_bot_is_pinned_to_the_template_s_commit_where_git_has_it(
    shipped: Path, tmp_path: Path, source: str
) -> None:
    site = generate(shipped, tmp_path, vcs_ref="v0.0.2", layersite_source=source)
    commit = git(shipped, "rev-parse", "v0.0.2").strip()
    pin = f"@{commit}" if source.startswith("git+") else ""
    assert (site / "requirements/layersite.txt").read_text("utf-8").splitlines()[-1] == f"layersite @ {source}{pin}"
