"""A Helm chart: rendered with its values, each object with its template's name; hooks are no part of an app."""

import shutil
import textwrap
from pathlib import Path

import pytest

from layersite.adopt import adopt
from layersite.model.errors import ToolError
from tests.unit.adopt.helpers import edges, refusal, service, text_of, workload

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
HOOK = """\
    apiVersion: batch/v1
    kind: Job
    metadata: {name: check, annotations: {helm.sh/hook: test}}
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: 'a:1'}]}}}
    """


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    folder = tmp_path / "chart"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: shop\nversion: 1.0.0\n", encoding="utf-8")
    (folder / "values.yaml").write_text("backend: db\n", encoding="utf-8")
    web = workload("web", "env: [{name: BACKEND_URL, value: 'http://{{ .Values.backend }}'}]")
    web = web.replace("{name: web}", "{name: web, labels: {helm.sh/chart: shop-1.0.0}}", 1)
    parts = {"web": web, "db": workload("db"), "service": service("db", "db"), "hook": textwrap.dedent(HOOK)}
    for name, text in parts.items():
        (folder / "templates" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@needs_helm
def test_chart(chart: Path) -> None:
    adoption = adopt(chart)
    assert adoption.kind == "helm"
    assert edges(adoption) == {("web", "db")}
    assert str(adoption.edges[0].evidence[0]) == "templates/web.yaml: env BACKEND_URL = http://db"
    assert "helm.sh" not in text_of(adoption, "web", "base/deployment-web.yaml")


@needs_helm
def test_hook_is_left_out(chart: Path) -> None:
    (entry,) = adopt(chart).left_out
    assert (entry.file, entry.what) == ("templates/hook.yaml", "Job check")
    assert entry.reason.startswith("is a Helm hook (test)")


@needs_helm
def test_values_are_used(chart: Path, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("backend: search\n", encoding="utf-8")
    assert [found.host for found in adopt(chart, values=[values]).unresolved] == ["search"]


@needs_helm
def test_template_error(chart: Path) -> None:
    (chart / "templates" / "bad.yaml").write_text("{{ .Values.nothing.here }}\n", encoding="utf-8")
    with pytest.raises(ToolError, match=r"templates/bad\.yaml"):
        adopt(chart)


def test_values_without_a_chart_are_refused(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(workload("web"), encoding="utf-8")
    with pytest.raises(Exception, match="values belong to a Helm chart"):
        adopt(tmp_path, values=[tmp_path / "values.yaml"])
    assert "does not exist" in refusal(tmp_path / "chart")
