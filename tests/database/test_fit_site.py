"""A change's migrations against the goldens of a real server: which golden is committed, and what people are told."""

import itertools
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from layersite.cli import main
from layersite.model.yaml import Yaml, dump, load_all
from layersite.process import git
from tests.database.goldens import publish
from tests.database.server import Server
from tests.unit.test_reconcile import DEPLOYMENT, committed, push, write

SETTINGS: Yaml = {
    "organization": "acme",
    "environments": {"url": "../environments.git"},
    "repositories": {"shop": {"url": "../shop"}},
    "cluster": {"baseline": {"namespace": "staging"}},
    "exposure": {"domain": "preview.example.com"},
    "images": {"by_digest": False},
}


_NUMBERS = itertools.count()


@pytest.fixture
def database() -> str:
    """A database of each test's own, so that it sees no other's goldens."""
    return f"fits{next(_NUMBERS)}"


@pytest.fixture
def site(tmp_path: Path, postgres: Server, database: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site whose app `web` needs the database, which Prisma migrates from `db` of the repository `shop`."""
    root = tmp_path / "site"
    migrations = {"tool": "prisma", "repository": "shop", "path": "db"}
    databases = {database: {"host": "db.databases.svc", "migrations": migrations}}
    write(root / "layersite.yaml", dump({**SETTINGS, "databases": databases}))
    app = {"repository": "shop", "needs": [{"database": database}], "base": {"directory": "base"}}
    write(root / "apps" / "web" / "app.yaml", dump(app))
    write(root / "apps" / "web" / "base" / "all.yaml", DEPLOYMENT.replace("APP", "web"))
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    git("init", "-q", "-b", "main", str(tmp_path / "shop"))
    git("commit", "-q", "--allow-empty", "-m", "start", cwd=tmp_path / "shop")
    monkeypatch.setenv(f"LAYERSITE_DATABASE_{database.upper()}_SERVER", postgres.uri())
    return root


def migrate(site: Path, *names: str, sql: str = "SELECT 1;\n") -> None:
    for name in names:
        write(site.parent / "shop" / "db" / name / "migration.sql", sql)
    git("add", "-A", cwd=site.parent / "shop")


def reconcile(site: Path) -> Result:
    return CliRunner().invoke(main, ["--site", str(site), "reconcile"])


@pytest.mark.parametrize("is_ahead", [False, True], ids=["newest fits", "newest is ahead"])
def test_the_newest_golden_that_fits_is_committed_with_what_to_know(
    site: Path, postgres: Server, database: str, is_ahead: bool
) -> None:
    golden = publish(postgres, built="2026-01-01T00:00:00Z", database=database, migrations=("0001_initial",))
    if is_ahead:
        publish(postgres, built="2026-02-01T00:00:00Z", database=database, migrations=("0001_initial", "0009_ahead"))
    migrate(site, "0001_initial")
    migrate(site, "0002_age", sql="ALTER TABLE customer ADD COLUMN age int NOT NULL;\n")
    push(site, "shop", "topic")
    done = reconcile(site)
    assert done.exit_code == 0, done.output
    (text,) = [text for path, text in committed(site).items() if path.endswith("topic/environment.yaml")]
    found = load_all(text, "environment.yaml")[0]["data"][database]
    assert found["golden"] == golden.name
    about_new = [note for note in found["notes"] if note.startswith("`db/0002_age/migration.sql:1`: ")]
    assert [note for note in about_new if note.endswith("(adding-required-field)")]
    others = [note for note in found["notes"] if note not in about_new]
    ahead = "does not fit: it has applied `0009_ahead`, which the change does not have"
    assert [note.partition("` ")[2] for note in others] == ([ahead] if is_ahead else [])


def test_a_change_that_no_golden_fits_is_refused_by_the_name_of_the_migration(
    site: Path, postgres: Server, database: str
) -> None:
    golden = publish(postgres, database=database, migrations=("0001_initial", "0009_ahead"))
    migrate(site, "0001_initial")
    push(site, "shop", "topic")
    done = reconcile(site)
    assert done.exit_code == 8
    assert f"golden `{golden.name}` does not fit: it has applied `0009_ahead`, which the change does not" in done.output
    assert "bring the change up to date with its target branch" in done.output
    assert committed(site) == {}
