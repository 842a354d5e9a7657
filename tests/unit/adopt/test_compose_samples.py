"""Real compose files: each adopts, with the calls that it declares, valid objects, and no secret in any file."""

from pathlib import Path

import pytest

from layersite.adopt import Adoption, adopt
from layersite.model.yaml import load_all
from layersite.render.schema import schemas
from tests.unit.adopt.helpers import SAMPLES, edges, everything, needs_samples, refusal, text_of

pytestmark = needs_samples
COMPOSE = SAMPLES / "compose"
SAMPLE_FILES = sorted(path.name for path in COMPOSE.glob("*.y*ml") if "override" not in path.name)


def _adopt(name: str) -> Adoption:
    return adopt(COMPOSE / name, env_file=COMPOSE / "opentelemetry-demo.env" if "telemetry" in name else None)


@pytest.mark.parametrize("name", SAMPLE_FILES)
def test_objects_are_valid(name: str) -> None:
    kubernetes = schemas("1.33")
    for app in _adopt(name).apps:
        bases = [path for path in app.files if path.startswith("base/")]
        objects = [item for path in bases for item in load_all(app.files[path], path)]
        assert objects
        assert [problem for item in objects for problem in kubernetes.problems(item)] == []


CALLS = {
    "example-voting-app.docker-compose.yml": {
        ("vote", "redis"),
        ("result", "db"),
        ("worker", "redis"),
        ("worker", "db"),
    },
    "awesome-compose_nginx-golang-postgres.compose.yaml": {("backend", "db"), ("proxy", "backend")},
    "awesome-compose_nginx-flask-mysql.compose.yaml": {("backend", "db"), ("proxy", "backend")},
    "awesome-compose_nextcloud-redis-mariadb.compose.yaml": {("nc", "redis"), ("nc", "db")},
    "flagsmith.docker-compose.yml": {
        ("migrate-db", "postgres"),
        ("flagsmith", "postgres"),
        ("flagsmith", "migrate-db"),
        ("flagsmith-task-processor", "postgres"),
        ("flagsmith-task-processor", "migrate-db"),
    },
    "retail-store-orders.docker-compose.yml": {("orders", "orders-db"), ("orders", "rabbitmq")},
    "superset.docker-compose-image-tag.yml": {
        ("superset", "superset-init"),
        ("superset-worker", "superset-init"),
        ("superset-worker-beat", "superset-init"),
        ("superset-init", "db"),
        ("superset-init", "redis"),
    },
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_exact_calls(name: str) -> None:
    assert edges(_adopt(name)) == CALLS[name]


def test_exact_calls_by_variables_of_an_env_file() -> None:
    needs = {
        "ad": "flagd otel-collector",
        "cart": "flagd otel-collector valkey-cart",
        "checkout": "cart currency email flagd otel-collector payment product-catalog shipping",
        "currency": "otel-collector",
        "email": "flagd otel-collector",
        "flagd": "otel-collector",
        "flagd-ui": "flagd otel-collector",
        "frontend": "ad cart checkout currency flagd image-provider otel-collector product-catalog quote"
        " recommendation shipping",
        "frontend-proxy": "flagd flagd-ui frontend image-provider otel-collector telemetry-docs",
        "image-provider": "otel-collector",
        "load-generator": "flagd frontend frontend-proxy otel-collector",
        "otel-collector": "astronomy-db frontend-proxy image-provider",
        "payment": "flagd otel-collector",
        "product-catalog": "astronomy-db flagd otel-collector",
        "quote": "otel-collector",
        "recommendation": "flagd otel-collector product-catalog",
        "shipping": "flagd otel-collector quote",
        "telemetry-docs": "otel-collector",
    }
    expected = {(app, needed) for app, listed in needs.items() for needed in listed.split()}
    assert edges(_adopt("opentelemetry-demo.compose.yaml")) == expected


@pytest.mark.parametrize(
    ("name", "literals"),
    [
        ("flagsmith.docker-compose.yml", ["postgres:password@", "value: password", "value: secret"]),
        ("example-voting-app.docker-compose.yml", ["name: POSTGRES_PASSWORD\n              value: "]),
        ("awesome-compose_nextcloud-redis-mariadb.compose.yaml", ["MYSQL_PASSWORD\n              value: "]),
        (
            "opentelemetry-demo.compose.yaml",
            ["changeit", "astronomy_password", "monitoring_password", "yYrECL4qbNwleYInGJYvVnSkwJuSQJ4ijPTx5tirGUXr"],
        ),
    ],
)
def test_no_literal_secret_is_written_or_reported(name: str, literals: list[str]) -> None:
    seen = everything(_adopt(name))
    assert [literal for literal in literals if literal in seen] == []


def test_url_with_a_password_is_redacted_in_the_evidence() -> None:
    text = text_of(_adopt("flagsmith.docker-compose.yml"), "flagsmith")
    assert "# flagsmith.docker-compose.yml: env DATABASE_URL = postgresql://***@postgres:5432/flagsmith\n" in text


def test_migration_that_others_wait_for_is_a_job() -> None:
    assert "base/job-migrate-db.yaml" in {
        path for app in _adopt("flagsmith.docker-compose.yml").apps for path in app.files
    }


def test_probe_that_runs_a_script_of_the_developers_machine_is_left_out() -> None:
    adoption = _adopt("example-voting-app.docker-compose.yml")
    assert "readinessProbe" not in text_of(adoption, "redis", "base/deployment-redis.yaml")
    assert "healthcheck of db, redis" in {entry.what for entry in adoption.left_out}


def test_service_behind_a_profile_is_left_out() -> None:
    left_out = {entry.what: entry.reason for entry in _adopt("example-voting-app.docker-compose.yml").left_out}
    assert left_out["service of seed"] == "only started with profile seed"


def test_override_file_is_refused_with_what_to_do() -> None:
    message = refusal(COMPOSE / "retail-store-app.compose.override.yaml")
    assert "this is an override file of another one; pass the merged output of `docker compose config`" in message


def test_unset_variable_is_noted() -> None:
    notes = "\n".join(_adopt("retail-store-orders.docker-compose.yml").notes)
    assert "`DB_PASSWORD` is not set" in notes


def test_only_ports_fixed_on_the_host_expose_an_app() -> None:
    adoption = _adopt("opentelemetry-demo.compose.yaml")
    assert [app.name for app in adoption.apps if "expose:" in app.files["app.yaml"]] == ["frontend-proxy"]
    assert "port: 8080\n" in text_of(adoption, "frontend-proxy")


def test_sample_folder_path_is_not_written(tmp_path: Path) -> None:
    assert str(COMPOSE) not in everything(_adopt("superset.docker-compose-image-tag.yml"))
