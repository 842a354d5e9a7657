"""What the adoption tests share: sources written by a test, the sample inputs, and short views of a result."""

import textwrap
from pathlib import Path

import pytest

from layersite.adopt import Adoption, adopt
from layersite.model.errors import InvalidInputError

SAMPLES = Path(__file__).parents[3] / ".." / "shared" / "samples"
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample inputs are not beside this checkout")


def workload(name: str, pod: str = "", kind: str = "Deployment", image: str = "shop/app:1") -> str:
    """Return a workload with one container; `pod` is YAML of further fields of the container."""
    fields = textwrap.indent(textwrap.dedent(pod).strip(), "              ").strip()
    return textwrap.dedent(f"""\
        apiVersion: apps/v1
        kind: {kind}
        metadata: {{name: {name}}}
        spec:
          selector: {{matchLabels: {{app: {name}}}}}
          template:
            metadata: {{labels: {{app: {name}}}}}
            spec:
              containers:
                - name: main
                  image: {image}
                  FIELDS
        """).replace("FIELDS", fields.replace("\n              ", "\n          "))


def service(name: str, app: str, port: int = 80, extra: str = "") -> str:
    """Return a Service on the pods of `app`."""
    spec = f"{{selector: {{app: {app}}}, ports: [{{port: {port}}}]{extra}}}"
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {spec}\n"


def manifests(folder: Path, *documents: str) -> Path:
    """Write the documents into one file below `folder`."""
    path = folder / "all.yaml"
    path.write_text("---\n".join(textwrap.dedent(document) for document in documents), encoding="utf-8")
    return path


def compose(folder: Path, text: str) -> Path:
    """Write a compose file below `folder`."""
    path = folder / "compose.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def edges(adoption: Adoption) -> set[tuple[str, str]]:
    """Return who calls whom."""
    return {(edge.app, edge.needs) for edge in adoption.edges}


def text_of(adoption: Adoption, app: str, file: str = "app.yaml") -> str:
    """Return one file of one app."""
    return next(found.files[file] for found in adoption.apps if found.name == app)


def everything(adoption: Adoption) -> str:
    """Return all that a person or git gets to see."""
    files = "".join(text for app in adoption.apps for text in app.files.values())
    return files + repr((adoption.edges, adoption.unresolved, adoption.ambiguous, adoption.left_out, adoption.notes))


def refusal(source: Path) -> str:
    """Return the message by which `source` is refused."""
    with pytest.raises(InvalidInputError) as caught:
        adopt(source)
    return str(caught.value)
