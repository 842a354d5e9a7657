"""Rule 3: answers land in one file, and in the bot's source or the choice of CI files, so updates conflict nowhere."""

from pathlib import Path
from typing import Any

import pytest

from tests.template.helpers import contents, generate
from tests.template.test_questions import ASKED

OTHER: dict[str, Any] = {
    "organization": "Other",
    "environments_url": "https://git.example.com/other.git",
    "default_branch": "trunk",
    "forge": "gitea",
    "forge_url": "https://other.example.com",
    "argocd_url": "https://argocd.example.com",
    "applicationset_url": "https://other.example.com",
    "branch_prefix": "preview/",
    "repositories": {"web": {"url": "https://git.example.com/web.git"}},
    "cluster": "other",
    "kubernetes": "1.33",
    "namespace_prefix": "other-",
    "baseline": "existing",
    "baseline_namespace": "other",
    "domain": "other.example.com",
    "exposure": "ingress",
    "gateway_name": "other",
    "gateway_namespace": "other",
    "ingress_class": "other",
    "ingress_namespace": "other",
    "ci": ["gitlab"],
    "layersite_source": "file:///srv/other",
}
CI_FILES = {
    ".github/workflows/check.yml",
    ".github/workflows/reap.yml",
    ".github/workflows/reconcile.yml",
    ".gitlab-ci.yml",
}


@pytest.fixture(scope="module")
def default(shipped: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return contents(generate(shipped, tmp_path_factory.mktemp("default")))


@pytest.mark.parametrize("question", ASKED)
def test_the_answer_changes_no_other_file(
    shipped: Path, tmp_path: Path, default: dict[str, bytes], question: str
) -> None:
    site = contents(generate(shipped, tmp_path, **{question: OTHER[question]}))
    changed = {path for path in site.keys() | default.keys() if site.get(path) != default.get(path)}
    places = {"ci": CI_FILES, "layersite_source": {"requirements/layersite.txt"}}
    assert changed - {".copier-answers.yml"} <= places.get(question, {"layersite.yaml"})
