"""Each broken source is refused with a message that names the place and the mend, and nothing is written."""

import os
import shutil
from pathlib import Path

import pytest

from layersite.adopt import adopt
from layersite.model.errors import ToolError
from tests.unit.adopt.helpers import compose, manifests, refusal, service, workload

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"a: [", "all.yaml:2: not valid YAML", id="not YAML"),
        pytest.param(b"- a\n- b\n", "all.yaml:1: expected a Kubernetes object, found a list", id="a list"),
        pytest.param(b"hello", "found a list or a plain value", id="a word"),
        pytest.param(b"metadata: {name: a}\nkind: Service\n", "`apiVersion` is missing", id="no apiVersion"),
        pytest.param(b"apiVersion: v1\nmetadata: {name: a}\n", "`kind` is missing", id="no kind"),
        pytest.param(b"apiVersion: v1\nkind: Service\n", "the Service has no `metadata.name`", id="no name"),
        pytest.param(b"\xff\xfe\x00binary\x00", "cannot be read as UTF-8 text", id="binary"),
        pytest.param("name: sömmer".encode("latin-1"), "cannot be read as UTF-8 text", id="latin-1"),
        pytest.param(b"kind: a\x00b\n", "not valid YAML", id="NUL byte"),
        pytest.param(BOMB.encode(), "its aliases expand to more than 200,000 nodes", id="bomb"),
        pytest.param(b"", "holds no Kubernetes object", id="empty file"),
        pytest.param(service("a", "a").encode(), "holds no workload", id="no workload"),
        pytest.param(
            (workload("web") + "---\n" + workload("web")).encode(),
            "Deployment web: stands in all.yaml:1 too",
            id="duplicate",
        ),
        pytest.param(
            (workload("web") + "---\n" + workload("web", kind="StatefulSet")).encode(),
            "would be the app `web`, as Deployment web in all.yaml is; rename one of them",
            id="two workloads of one name",
        ),
        pytest.param(
            b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {}}}\n",
            '"containers" is a required property',
            id="no containers",
        ),
        pytest.param(
            b"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: [1]\n",
            'Deployment web spec: the value is not of type "object"',
            id="spec is a list",
        ),
        pytest.param(
            workload("web", "env: {A: b}").encode(),
            "Deployment web spec.template.spec.containers.0.env: the value is not of type",
            id="env is a mapping",
        ),
        pytest.param(
            (workload("web") + "---\n" + service("web", "web").replace("port: 80", "port: http")).encode(),
            'Service web spec.ports.0.port: the value is not of type "integer"',
            id="port is a word",
        ),
        pytest.param(
            workload("a" * 64).encode(), "cannot name an app: use at most 63 lower-case letters", id="name too long"
        ),
    ],
)
def test_malformed_manifest(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "all.yaml").write_bytes(content)
    assert message in refusal(tmp_path / "all.yaml")
    assert message in refusal(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("services: {web: {image: 5}}", "compose.yaml:1: services.web.image: ", id="schema"),
        pytest.param("services: {web: {imagee: x}}", "'imagee' was unexpected", id="unknown key"),
        pytest.param("services: {}", "holds no service", id="no services"),
        pytest.param("services: [", "not valid YAML", id="not YAML"),
        pytest.param(
            "services: {web: {image: a}, b: {}}", "services.b: has neither `image` nor `build`", id="no image"
        ),
        pytest.param("services: {web: {ports: !override []}}", "an override file of another one", id="override"),
        pytest.param("services: {web: {extends: {service: b}}}", "services.web.extends: is not followed", id="extends"),
        pytest.param("include: [a.yaml]\nservices: {web: {image: a}}", "other files are not read", id="include"),
        pytest.param("services: {web: {image: '${X:?pin it}'}}", "X: pin it", id="variable that must be set"),
        pytest.param("services: {web: {image: '${X'}}", "is a brace missing", id="brace"),
        pytest.param("services: {web: {image: a, ports: ['80:x']}}", "services.web: `80:x` is no port", id="port"),
        pytest.param(
            "services: {web: {image: a, volumes: [{type: bind, source: /x}]}}", "a volume has no `target`", id="target"
        ),
        pytest.param(
            "services: {web: {image: a, secrets: [{target: x}]}}",
            "a secret has no `source`",
            id="secret without source",
        ),
        pytest.param("services: {web: {image: a, mem_limit: lots}}", "`lots` is no size", id="memory"),
        pytest.param("services: {web: {image: a, command: 'a \"b'}}", "services.web: No closing quotation", id="quote"),
        pytest.param(
            "services: {web: {image: a, depends_on: [db]}}", "names `db`, which is no service", id="dependency"
        ),
        pytest.param("services: {a_b: {image: a}, a.b: {image: a}}", "as does `a_b`; rename it", id="collision"),
    ],
)
def test_malformed_compose_file(tmp_path: Path, text: str, message: str) -> None:
    assert message in refusal(compose(tmp_path, text))


def test_value_of_a_bad_key_is_not_shown(tmp_path: Path) -> None:
    assert "hunter2" not in refusal(compose(tmp_path, "services: {web: {image: a, environment: {P: [hunter2]}}}"))


def test_missing_source(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "nowhere")


def test_empty_folder(tmp_path: Path) -> None:
    assert "holds no manifest (*.yaml, *.yml, *.json), kustomization, chart or compose file" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("files", "kinds"),
    [
        (("kustomization.yaml", "Chart.yaml"), "kustomize or helm"),
        (("Chart.yaml", "compose.yaml"), "helm or compose"),
    ],
)
def test_folder_of_two_kinds(tmp_path: Path, files: tuple[str, ...], kinds: str) -> None:
    for name in files:
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert f"could be {kinds}; name the file that is meant" in refusal(tmp_path)


def test_compose_file_beside_manifests(tmp_path: Path) -> None:
    compose(tmp_path, "services: {web: {image: a}}")
    manifests(tmp_path, workload("web"))
    assert "could be compose or manifests" in refusal(tmp_path)


def test_symbolic_link_out_of_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "all.yaml").symlink_to(manifests(tmp_path, workload("web")))
    assert "is a symbolic link that leads out of" in refusal(folder)


def test_symbolic_link_to_itself(tmp_path: Path) -> None:
    (tmp_path / "all.yaml").symlink_to("all.yaml")
    assert "is a symbolic link to no file" in refusal(tmp_path)


@pytest.mark.skipif(shutil.which("kustomize") is None and shutil.which("kubectl") is None, reason="needs kustomize")
def test_kustomization_that_names_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("resources: [gone.yaml]\n", encoding="utf-8")
    with pytest.raises(ToolError, match=r"gone\.yaml"):
        adopt(tmp_path)


@pytest.mark.parametrize(
    ("file", "message"), [("kustomization.yaml", "install `kustomize`"), ("Chart.yaml", "install `helm`")]
)
def test_missing_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, message: str) -> None:
    (tmp_path / file).write_text("name: shop\n", encoding="utf-8")
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(ToolError, match=message):
        adopt(tmp_path)
