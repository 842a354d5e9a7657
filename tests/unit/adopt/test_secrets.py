"""Literal secrets become declared ones, wherever they stand; settings that only sound like secrets stay."""

from pathlib import Path

import pytest

from layersite.adopt import Adoption, DeclaredSecret, adopt
from tests.unit.adopt.helpers import everything, manifests, text_of, workload

WORD = "hunter2hunter2"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata:\n  "
MOUNT = "      volumes: [{name: c, configMap: {name: settings}}]\n"


def _adopt(folder: Path, field: str, *more: str) -> Adoption:
    return adopt(manifests(folder, workload("web", field), *more))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_PASSWORD", WORD),
        ("db_passwd", WORD),
        ("RABBITMQ_DEFAULT_PASS", WORD),
        ("API_KEY", WORD),
        ("STRIPE_SECRET", WORD),
        ("SECRET_KEY_BASE", WORD),
        ("AWS_ACCESS_KEY_ID", WORD),
        ("GITHUB_TOKEN", WORD),
        ("GCP_CREDENTIALS", WORD),
        ("SSH_PRIVATE_KEY", WORD),
        ("DATABASE_URL", f"postgres://me:{WORD}@example.com/x"),
        ("REDIS", f"redis://:{WORD}@example.com"),
        ("DSN", f"me:{WORD}@tcp(example.com:3306)/x"),
        ("CONNECTION", f"Server=example.com;Password={WORD};"),
        ("JDBC", f"jdbc:postgresql://example.com/x?user=me&password={WORD}"),
        ("HEADER", f"Authorization: Bearer {WORD}"),
        ("CLOUD", "AKIAABCDEFGHIJKLMNOP"),
    ],
)
def test_literal_in_a_variable_is_declared(tmp_path: Path, name: str, value: str) -> None:
    adoption = _adopt(tmp_path, f"env: [{{name: {name}, value: '{value}'}}]")
    assert adoption.secrets == (DeclaredSecret("web", "web-secrets", (name,)),)
    assert f"secrets:\n  - name: web-secrets\n    source: copy\n    keys:\n      - {name}\n" in text_of(adoption, "web")
    assert WORD not in everything(adoption)
    assert value not in everything(adoption)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTGRES_PASSWORD_FILE", "/run/secrets/db"),
        ("SECRET_NAME", "db"),
        ("TOKEN_PATH", "/var/token"),
        ("TOKEN_URL", "https://example.com/token"),
        ("TOKEN_TTL", "3600"),
        ("MAX_TOKENS", "4096"),
        ("PASSWORD", ""),
        ("PASSWORD", "$(OTHER)"),
        ("DATABASE_URL", "postgres://me:$(PASSWORD)@example.com/x"),
        ("MYSQL_ALLOW_EMPTY_PASSWORD", "yes"),
        ("IMAGE", "redis:7@sha256:0123abcd"),
        ("PATH", "/usr/bin:/bin"),
        ("URL", "https://example.com:8443/@scope"),
    ],
)
def test_setting_stays(tmp_path: Path, name: str, value: str) -> None:
    adoption = _adopt(tmp_path, f"env: [{{name: {name}, value: '{value}'}}]")
    assert adoption.secrets == ()
    assert f"- name: {name}\n              value: " in text_of(adoption, "web", "base/deployment-web.yaml")


@pytest.mark.parametrize(
    ("argument", "written"),
    [
        (f"['--password={WORD}']", '- "--password=$(PASSWORD)"'),
        (f"['--password', {WORD}]", '- "$(PASSWORD)"'),
        (f"['--url=redis://:{WORD}@example.com']", '- "--url=redis://$(ARGUMENT)@example.com"'),
    ],
)
def test_literal_in_an_argument_is_filled_in_from_the_secret(tmp_path: Path, argument: str, written: str) -> None:
    adoption = _adopt(tmp_path, f"args: {argument}")
    assert written in text_of(adoption, "web", "base/deployment-web.yaml")
    assert "secretKeyRef" in text_of(adoption, "web", "base/deployment-web.yaml")
    assert WORD not in everything(adoption)


def test_probe_with_a_secret_is_left_out(tmp_path: Path) -> None:
    adoption = _adopt(tmp_path, f"readinessProbe: {{exec: {{command: [mysqladmin, ping, '--password={WORD}']}}}}")
    assert [entry.what for entry in adoption.left_out] == ["Deployment web readinessProbe of main"]
    assert WORD not in everything(adoption)


def test_entry_of_a_config_map_becomes_a_variable(tmp_path: Path) -> None:
    field = "envFrom: [{prefix: APP_, configMapRef: {name: settings}}]"
    adoption = _adopt(tmp_path, field, f"{CONFIG}DB_PASSWORD: {WORD}\n  COLOUR: red\n")
    deployment = text_of(adoption, "web", "base/deployment-web.yaml")
    assert "name: APP_DB_PASSWORD\n              valueFrom:\n                secretKeyRef:" in deployment
    assert text_of(adoption, "web", "base/configmap-settings.yaml").count("COLOUR: red") == 1
    assert WORD not in everything(adoption)


def test_key_of_a_config_map_becomes_a_key_of_the_secret(tmp_path: Path) -> None:
    field = "env: [{name: P, valueFrom: {configMapKeyRef: {name: settings, key: password}}}]"
    adoption = _adopt(tmp_path, field, f"{CONFIG}password: {WORD}\n")
    assert "secretKeyRef:\n                  key: password\n" in text_of(adoption, "web", "base/deployment-web.yaml")
    assert WORD not in everything(adoption)


def test_mounted_file_with_a_secret_comes_from_the_secret(tmp_path: Path) -> None:
    config = f"{CONFIG}app.ini: |\n    [db]\n    password = {WORD}\n  plain.ini: colour = red\n"
    adoption = adopt(manifests(tmp_path, workload("web") + MOUNT, config))
    volume = text_of(adoption, "web", "base/deployment-web.yaml").split("volumes:")[1]
    assert "configMap:\n                  name: settings" in volume
    assert "- key: app.ini\n                      path: app.ini\n                  name: web-secrets" in volume
    assert adoption.secrets == (DeclaredSecret("web", "web-secrets", ("app.ini",)),)
    assert WORD not in everything(adoption)


def test_applied_configuration_with_the_whole_object_is_dropped(tmp_path: Path) -> None:
    note = f"kubectl.kubernetes.io/last-applied-configuration: '{WORD}'"
    web = workload("web").replace("{name: web}", f"{{name: web, annotations: {{{note}}}}}", 1)
    assert WORD not in everything(adopt(manifests(tmp_path, web)))


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData: {one: hunter2, two: hunter2}\n"


def test_secret_object_is_declared_and_left_out(tmp_path: Path) -> None:
    adoption = _adopt(tmp_path, "envFrom: [{secretRef: {name: keys}}]", SECRET)
    assert adoption.secrets == (DeclaredSecret("web", "keys", ("one", "two")),)
    assert [(entry.what, entry.reason) for entry in adoption.left_out] == [
        ("Secret keys", "values stay out of git; declared in web")
    ]
    assert "hunter2" not in everything(adoption)


def test_secret_object_that_nobody_reads_is_listed(tmp_path: Path) -> None:
    (entry,) = _adopt(tmp_path, "", SECRET).left_out
    assert (entry.what, entry.reason) == ("Secret keys", "no adopted workload reads it")


def test_secret_from_elsewhere_is_declared_with_the_keys_in_use(tmp_path: Path) -> None:
    adoption = _adopt(tmp_path, "env: [{name: P, valueFrom: {secretKeyRef: {name: theirs, key: word}}}]")
    assert adoption.secrets == (DeclaredSecret("web", "theirs", ("word",)),)


def test_equal_names_of_different_values_get_keys_of_their_own(tmp_path: Path) -> None:
    side = "        - {name: side, image: 'b:1', env: [{name: PASSWORD, value: other2other2}]}\n"
    field = f"env: [{{name: PASSWORD, value: {WORD}}}]"
    adoption = adopt(manifests(tmp_path, workload("web", field) + side))
    assert adoption.secrets == (DeclaredSecret("web", "web-secrets", ("PASSWORD", "PASSWORD-2")),)
