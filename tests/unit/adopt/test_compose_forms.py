"""The forms that a compose file may take, and the Kubernetes objects that they become."""

from pathlib import Path
from typing import Any

import pytest

from layersite.adopt import Adoption, adopt
from layersite.model.yaml import load_all
from tests.unit.adopt.helpers import compose, edges, text_of


def _adopt(folder: Path, fields: str, rest: str = "") -> Adoption:
    return adopt(compose(folder, f"services:\n  web: {{image: shop/web:1, {fields}}}\n{rest}"))


def _object(adoption: Adoption, file: str, app: str = "web") -> Any:
    return load_all(text_of(adoption, app, f"base/{file}.yaml"), file)[0]


def _container(adoption: Adoption) -> Any:
    return _object(adoption, "deployment-web")["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.parametrize(
    ("ports", "expected", "exposed"),
    [
        ("['8080:80']", [80], True),
        ("['80']", [80], False),
        ("['127.0.0.1:8080:80']", [80], False),
        ("['[::1]:8080:80']", [80], False),
        ("['53:53/udp']", [53], False),
        ("['3000-3002:4000-4002']", [4000, 4001, 4002], True),
        ("[{target: 80, published: '8080'}]", [80], True),
        ("[{target: 80}]", [80], False),
        ("['5432:5432']", [5432], False),
    ],
)
def test_ports(tmp_path: Path, ports: str, expected: list[int], exposed: bool) -> None:
    adoption = _adopt(tmp_path, f"ports: {ports}")
    assert [port["port"] for port in _object(adoption, "service-web")["spec"]["ports"]] == expected
    assert ("expose:" in text_of(adoption, "web")) == exposed


def test_port_on_which_another_service_calls_is_added(tmp_path: Path) -> None:
    text = "services:\n  web: {image: a:1, environment: {Q: 'amqp://queue:5672'}}\n  queue: {image: q:1}\n"
    adoption = adopt(compose(tmp_path, text))
    assert [port["port"] for port in _object(adoption, "service-queue", "queue")["spec"]["ports"]] == [5672]
    assert edges(adoption) == {("web", "queue")}


def test_service_without_a_known_port_keeps_its_name(tmp_path: Path) -> None:
    assert _object(_adopt(tmp_path, ""), "service-web")["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${A}", "one"),
        ("$A", "one"),
        ("${UNSET}", ""),
        ("${UNSET:-two}", "two"),
        ("${EMPTY:-two}", "two"),
        ("${EMPTY-two}", ""),
        ("${UNSET-two}", "two"),
        ("${A:+three}", "three"),
        ("${UNSET:+three}", ""),
        ("${EMPTY+three}", "three"),
        ("${UNSET:-${A}}", "one"),
        ("$$A", "$A"),
        ("$${A}", "${A}"),
        ("a\\b", "a\\b"),
        ("${NESTED}", "one/x"),
        ("${LITERAL}", "${A}"),
    ],
)
def test_interpolation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, value: str) -> None:
    monkeypatch.setenv("UNSET", "from this process")
    (tmp_path / ".env").write_text("A=one\nEMPTY=\nNESTED=${A}/x\nLITERAL='${A}'\n", encoding="utf-8")
    assert _container(_adopt(tmp_path, f"environment: {{X: '{text}'}}"))["env"] == [{"name": "X", "value": value}]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ("[A=1, B=x=y]", {"A": "1", "B": "x=y"}),
        ("{A: 1, B: true, C: 'no'}", {"A": "1", "B": "true", "C": "no"}),
        ("{A: yes, B: off}", {"A": "yes", "B": "off"}),
        ("[KNOWN, UNKNOWN]", {"KNOWN": "here"}),
        ("{KNOWN: , UNKNOWN: }", {"KNOWN": "here"}),
    ],
)
def test_environment(tmp_path: Path, environment: str, expected: dict[str, str]) -> None:
    (tmp_path / ".env").write_text("KNOWN=here\n", encoding="utf-8")
    env = _container(_adopt(tmp_path, f"environment: {environment}"))["env"]
    assert {entry["name"]: entry["value"] for entry in env} == expected


def test_env_file_of_a_service(tmp_path: Path) -> None:
    (tmp_path / "web.env").write_text("A=1\nB=2\n", encoding="utf-8")
    env = _container(_adopt(tmp_path, "env_file: web.env, environment: {B: 3}"))["env"]
    assert env == [{"name": "A", "value": "1"}, {"name": "B", "value": "3"}]


@pytest.mark.parametrize(
    ("fields", "key", "expected"),
    [
        ("command: 'run --name \"a b\"'", "args", ["run", "--name", "a b"]),
        ("entrypoint: [a, b]", "command", ["a", "b"]),
        ("working_dir: /app", "workingDir", "/app"),
        ("read_only: true", "securityContext", {"readOnlyRootFilesystem": True}),
        ("user: '1000:2000'", "securityContext", {"runAsUser": 1000, "runAsGroup": 2000}),
        ("user: root", "securityContext", {"runAsUser": 0}),
        ("security_opt: ['no-new-privileges:true']", "securityContext", {"allowPrivilegeEscalation": False}),
        (
            "cap_drop: [all], cap_add: [CAP_CHOWN]",
            "securityContext",
            {"capabilities": {"add": ["CHOWN"], "drop": ["ALL"]}},
        ),
        ("mem_limit: 300m, cpus: 0.5", "resources", {"limits": {"memory": "300Mi", "cpu": "500m"}}),
        (
            "deploy: {resources: {limits: {memory: 1G}, reservations: {cpus: '0.1'}}}",
            "resources",
            {"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m"}},
        ),
        (
            "healthcheck: {test: [CMD, ok], interval: 1m30s, timeout: 500ms, retries: 3}",
            "readinessProbe",
            {"exec": {"command": ["ok"]}, "periodSeconds": 90, "timeoutSeconds": 1, "failureThreshold": 3},
        ),
        ("healthcheck: {test: ok -q}", "readinessProbe", {"exec": {"command": ["sh", "-c", "ok -q"]}}),
        ("healthcheck: {test: [NONE]}", "readinessProbe", None),
        ("healthcheck: {disable: true}", "readinessProbe", None),
        ("tmpfs: '/tmp:size=1m'", "volumeMounts", [{"name": "tmp", "mountPath": "/tmp"}]),
    ],
)
def test_container_field(tmp_path: Path, fields: str, key: str, expected: object) -> None:
    assert _container(_adopt(tmp_path, fields)).get(key) == expected


def test_named_volume_is_an_empty_dir_and_a_bind_mount_is_left_out(tmp_path: Path) -> None:
    volumes = "volumes: ['data:/data', './src:/app:ro', {type: bind, source: /x, target: /y}]"
    adoption = _adopt(tmp_path, volumes, "volumes: {data: }\n")
    spec = _object(adoption, "deployment-web")["spec"]["template"]["spec"]
    assert spec["volumes"] == [{"name": "data", "emptyDir": {}}]
    left_out = {entry.what for entry in adoption.left_out}
    assert left_out == {"bind mount on /app of web", "bind mount on /y of web", "the data of volume data of web"}


def test_replicas(tmp_path: Path) -> None:
    assert _object(_adopt(tmp_path, "deploy: {replicas: 3}"), "deployment-web")["spec"]["replicas"] == 3


def test_secret_is_declared_and_mounted_where_compose_puts_it(tmp_path: Path) -> None:
    adoption = _adopt(tmp_path, "secrets: [word]", "secrets: {word: {file: ./word.txt}}\n")
    (mount,) = _container(adoption)["volumeMounts"]
    assert (mount["mountPath"], mount["subPath"]) == ("/run/secrets/word", "word")
    assert [(secret.name, secret.keys) for secret in adoption.secrets] == [("word", ("word",))]


@pytest.mark.parametrize("alias", ["hostname: shop", "container_name: shop", "networks: {default: {aliases: [shop]}}"])
def test_other_names_of_a_service_are_services(tmp_path: Path, alias: str) -> None:
    selector = _object(_adopt(tmp_path, f"{alias}, expose: ['80']"), "service-shop")["spec"]["selector"]
    assert selector == {"app.kubernetes.io/name": "web"}


def test_link_with_an_alias_is_a_call(tmp_path: Path) -> None:
    adoption = _adopt(tmp_path, "links: ['db:store']", "  db: {image: postgres}\n")
    assert edges(adoption) == {("web", "db")}
    assert _object(adoption, "service-store", "db")["spec"]["ports"] == [{"name": "port-5432", "port": 5432}]


def test_name_that_is_no_dns_label_is_mapped_wherever_it_is_called(tmp_path: Path) -> None:
    text = "services:\n  web: {image: a:1, environment: {DB: 'pg://my_db:5432/x'}}\n  my_db: {image: d:1}\n"
    adoption = adopt(compose(tmp_path, text))
    assert edges(adoption) == {("web", "my-db")}
    assert _container(adoption)["env"] == [{"name": "DB", "value": "pg://my-db:5432/x"}]
    assert "compose.yaml: service `my_db` becomes `my-db`, a DNS label" in adoption.notes


@pytest.mark.parametrize(
    ("fields", "image", "declared"),
    [
        ("image: nginx", "nginx:latest", False),
        ("build: .", "web", True),
        ("image: shop/web, build: .", "shop/web", True),
    ],
)
def test_image(tmp_path: Path, fields: str, image: str, declared: bool) -> None:
    adoption = adopt(compose(tmp_path, f"services: {{web: {{{fields}}}}}"))
    assert _container(adoption)["image"] == image
    assert (f"  - name: {image}\n" in text_of(adoption, "web")) == declared


@pytest.mark.parametrize("key", ["privileged: true", "pid: host", "devices: ['/dev/a:/dev/a']", "restart: always"])
def test_key_without_a_counterpart_is_listed(tmp_path: Path, key: str) -> None:
    (entry,) = _adopt(tmp_path, key).left_out
    assert entry.what == f"{key.partition(':')[0]} of web"


def test_override_file_beside_it_is_noted(tmp_path: Path) -> None:
    (tmp_path / "compose.override.yaml").write_text("services: {}", encoding="utf-8")
    (note,) = _adopt(tmp_path, "").notes
    assert "compose.override.yaml beside it is not merged" in note


def test_file_of_any_name_with_services_is_a_compose_file(tmp_path: Path) -> None:
    compose(tmp_path, "services: {web: {image: a}}").rename(tmp_path / "stack.yml")
    assert adopt(tmp_path / "stack.yml").kind == "compose"
