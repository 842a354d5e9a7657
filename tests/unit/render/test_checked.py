"""What Argo CD need not hold against the API server's schemas again, because it has been here."""

from pathlib import Path

from click.testing import CliRunner

from layersite.cli import main
from layersite.model.yaml import dump, load_all

SITE = {
    "organization": "acme",
    "environments": {"url": "environments.git"},
    "cluster": {"baseline": {"namespace": "staging"}},
    "exposure": {"domain": "preview.example.com"},
    "allowed_kinds": ["example.com/Widget"],
}
APP = {"base": {"directory": "base"}, "expose": {}}
OBJECTS = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}], selector: {app: web}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, annotations: {argocd.argoproj.io/sync-options: ServerSideApply=true}}
---
apiVersion: example.com/v1
kind: Widget
metadata: {name: own}
"""


def test_what_has_a_schema_here_is_not_validated_again(tmp_path: Path) -> None:
    base = tmp_path / "apps" / "web" / "base"
    base.mkdir(parents=True)
    (tmp_path / "layersite.yaml").write_text(dump(SITE))
    (base.parent / "app.yaml").write_text(dump(APP))
    (base / "all.yaml").write_text(OBJECTS)
    out = tmp_path / "out"
    result = CliRunner().invoke(main, ["--site", str(tmp_path), "render", "--app", "web", "--directory", str(out)])
    assert result.exit_code == 0, result.output
    items = [item for path in out.glob("manifests/*.yaml") for item in load_all(path.read_text(), path.name)]
    options = {
        f"{item['kind']}/{item['metadata']['name']}": item["metadata"]
        .get("annotations", {})
        .get("argocd.argoproj.io/sync-options")
        for item in items
    }
    assert options.pop("Widget/own") is None
    assert options.pop("ConfigMap/kept") == "ServerSideApply=true,Validate=false"
    assert {"Service/web", "HTTPRoute/web", "Namespace/env-render"} < options.keys()
    assert set(options.values()) == {"Validate=false"}
