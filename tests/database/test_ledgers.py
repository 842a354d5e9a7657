"""Ledgers that the migration tools themselves write, on a real server, against the files that they wrote them from."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from layersite.database.fit import read_history
from layersite.model.errors import DatabaseError
from tests.database.ledgers import applied, files
from tests.database.server import Server
from tests.testbed.programs import binary

SETTINGS = """
import os
SECRET_KEY, USE_TZ, DEFAULT_AUTO_FIELD = "made up", True, "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "django", "USER": "postgres",
    "HOST": "127.0.0.1", "PORT": os.environ["PGPORT"], "PASSWORD": os.environ["PGPASSWORD"]}}
"""
MODEL = """
from django.conf import settings
from django.db import models


class Order(models.Model):
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
"""
COMMANDS = """
import sys
import django
from django.core.management import call_command

django.setup()
for command in sys.argv[1:]:
    call_command(*command.split(), verbosity=0)
"""
Django = Callable[..., None]


@pytest.fixture
def django(postgres: Server, tmp_path: Path) -> Django:
    """Django's own commands in a project with the app `shop`, on an empty database."""
    postgres.create("django")
    shop = tmp_path / "shop"
    shop.mkdir()
    (tmp_path / "settings.py").write_text(SETTINGS)
    (shop / "__init__.py").touch()
    (shop / "models.py").write_text(MODEL)
    where = {
        "PGPORT": str(postgres.port),
        "PGPASSWORD": postgres.password,
        "PYTHONPATH": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "settings",
    }

    def run(*commands: str) -> None:
        argv = [sys.executable, "-c", COMMANDS, *commands]
        subprocess.run(argv, cwd=tmp_path, env={**os.environ, **where}, check=True, capture_output=True)

    return run


def test_what_django_has_applied_is_what_is_pending_no_more(django: Django, postgres: Server, tmp_path: Path) -> None:
    django("makemigrations shop", "migrate")
    model = tmp_path / "shop" / "models.py"
    model.write_text(MODEL + "    note = models.TextField(default='')\n")
    django("makemigrations shop --name note")
    ledger = applied(postgres, "django", "django")
    history = read_history("django", files(tmp_path))
    assert (history.obstacle(ledger), history.pending(ledger)) == (None, ("shop.0002_note",))
    django("migrate", "squashmigrations shop 0002 --no-input --squashed-name all")
    ahead = applied(postgres, "django", "django")
    assert history.pending(ahead) == ()
    squashed = read_history("django", files(tmp_path))
    assert (squashed.obstacle(ahead), squashed.pending(ahead)) == (None, ())
    django("migrate")
    assert squashed.obstacle(applied(postgres, "django", "django")) is None
    only = tmp_path / "shop" / "migrations" / "0001_all.py"
    only.write_text(re.sub(r"replaces = \[.*\]", "replaces = []", only.read_text()))
    for old in ("0001_initial", "0002_note"):
        (only.parent / f"{old}.py").unlink()
    alone = read_history("django", files(tmp_path))
    assert "has applied `shop.0001_initial`" in str(alone.obstacle(applied(postgres, "django", "django")))
    django("migrate shop --prune")
    pruned = applied(postgres, "django", "django")
    assert (alone.obstacle(pruned), alone.pending(pruned)) == (None, ())


@pytest.mark.stress
def test_what_goose_has_applied_is_what_is_pending_no_more(postgres: Server, tmp_path: Path) -> None:
    uri = postgres.create("goose")
    for number in (1, 2, 20260102030405):
        sql = f"-- +goose Up\nCREATE TABLE t{number} ();\n-- +goose Down\nDROP TABLE t{number};\n"
        (tmp_path / f"{number:05}_step.sql").write_text(sql)
    history = read_history("goose", files(tmp_path))

    def goose(*arguments: str) -> tuple[str, ...]:
        environment = {**os.environ, "GOOSE_DRIVER": "postgres", "GOOSE_DBSTRING": uri, "GOOSE_MIGRATION_DIR": "."}
        argv = [str(binary("goose")), *arguments]
        subprocess.run(argv, cwd=tmp_path, env=environment, check=True, capture_output=True)
        return applied(postgres, "goose", "goose")

    assert goose("up-to", "2") == ("1", "2")
    assert history.pending(goose("up-to", "2")) == ("20260102030405",)
    assert history.pending(goose("up")) == ()
    assert history.pending(goose("down-to", "1")) == ("2", "20260102030405")
    assert history.pending(goose("up")) == ()
    (tmp_path / "00001_step.sql").unlink()
    (tmp_path / "20260102030406_more.sql").write_text("-- +goose Up\nSELECT 1;\n")
    fewer, ledger = read_history("goose", files(tmp_path)), goose("up")
    assert (fewer.obstacle(ledger), fewer.pending(ledger)) == (None, ())
    (tmp_path / "00003_late.sql").write_text("-- +goose Up\nSELECT 1;\n")
    late = read_history("goose", files(tmp_path)).obstacle(ledger)
    assert late == "it has applied `20260102030405`, which comes after `00003_late.sql` of the change; renumber that"
    with pytest.raises(subprocess.CalledProcessError):
        goose("up")


@pytest.mark.stress
def test_what_golang_migrate_has_applied_is_what_is_pending_no_more(postgres: Server, tmp_path: Path) -> None:
    uri = postgres.create("golang").replace("postgresql:", "pgx5:")
    for number, sql in ((1, "CREATE TABLE a ();"), (2, "CREATE TABLE b ();"), (3, "CREATE TABLE a ();")):
        (tmp_path / f"{number:06}_step.up.sql").write_text(sql)
        (tmp_path / f"{number:06}_step.down.sql").write_text(f"DROP TABLE {'ab'[number % 2 - 1]};")
    history = read_history("golang-migrate", files(tmp_path))

    def migrate(*arguments: str, code: int = 0) -> tuple[str, ...]:
        argv = [str(binary("migrate")), "-path", ".", "-database", uri, *arguments]
        assert subprocess.run(argv, cwd=tmp_path, capture_output=True, check=False).returncode == code
        return applied(postgres, "golang", "golang-migrate")

    assert migrate("up", "1") == ("1",)
    assert history.pending(migrate("up", "1")) == ("3",)
    assert history.pending(migrate("down", "1")) == ("2", "3")
    with pytest.raises(DatabaseError, match="golang-migrate stopped in the middle of `3`"):
        migrate("up", code=1)  # its third fails, for there is such a table
