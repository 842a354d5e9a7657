"""A change's migrations against the goldens of a real server: which golden is committed, and what people are told."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from layersite.cli import main
from layersite.model.yaml import Yaml, dump, load_all
from layersite.process import git
from tests.database.goldens import publish
from tests.database.server import Server
from tests.unit.test_reconcile import DEPLOYMENT, committed, push, write

Edit = Callable[[Path], object]
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


def push_again(site: Path, edit: Edit) -> None:
    """Commit what `edit` does to the folder of migrations to the branch of the change."""
    work = site.parent / "shop"
    git("checkout", "-q", "change/topic", cwd=work)
    edit(work / "db")
    git("add", "-A", cwd=work)
    git("commit", "-q", "--allow-empty", "-m", "more", cwd=work)
    git("checkout", "-q", "main", cwd=work)


def data(site: Path, database: str) -> dict[str, Any]:
    (text,) = [text for path, text in committed(site).items() if path.endswith("topic/environment.yaml")]
    found: dict[str, Any] = load_all(text, "environment.yaml")[0]["data"][database]
    return found


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
    found = data(site, database)
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


def test_where_the_site_says_so_a_change_that_no_golden_fits_is_made_empty(
    site: Path, postgres: Server, database: str
) -> None:
    write(
        site / "layersite.yaml",
        (site / "layersite.yaml").read_text().replace("host:", "otherwise: fixtures\n    host:"),
    )
    golden = publish(postgres, database=database, migrations=("0001_initial", "0009_ahead"))
    migrate(site, "0001_initial")
    push(site, "shop", "topic")
    assert reconcile(site).exit_code == 0
    why = f"golden `{golden.name}` does not fit: it has applied `0009_ahead`, which the change does not have"
    end = "so it is made empty, for the app to migrate and for made-up rows"
    assert data(site, database) == {"name": f"env_topic__{database}", "notes": [f"{why}, {end}"]}


def rename(folder: Path) -> None:
    (folder / "0002_mine").rename(folder / "0003_mine")


def edit(folder: Path) -> None:
    (folder / "0002_mine" / "migration.sql").write_text("SELECT 2;\n")


def add(folder: Path) -> None:
    (folder / "0003_more").mkdir()
    (folder / "0003_more" / "migration.sql").write_text("DROP TABLE customer;\n")


@pytest.mark.parametrize(
    ("change", "again", "note"),
    [
        (add, None, "`db/0003_more/migration.sql:1`: "),
        (rename, 1, "it may have applied `db/0002_mine/migration.sql`, which the change no longer has"),
        (edit, 1, "it may have applied `db/0002_mine/migration.sql` as it was before the change edited it"),
    ],
    ids=["adds", "renames", "edits"],
)
def test_a_push_is_judged_by_what_the_database_may_have_applied(
    site: Path, postgres: Server, database: str, change: Edit, again: int | None, note: str
) -> None:
    golden = publish(postgres, database=database, migrations=("0001_initial",))
    migrate(site, "0001_initial", "0002_mine")
    push(site, "shop", "topic")
    assert reconcile(site).exit_code == 0
    newer = publish(postgres, database=database, migrations=("0001_initial",), built="2026-03-01T00:00:00Z")
    push_again(site, change)
    done = reconcile(site)
    assert done.exit_code == 0, done.output
    found = data(site, database)
    assert (found["golden"], found.get("again")) == (newer.name if again else golden.name, again)
    assert note in "\n".join(found["notes"])


def test_a_push_that_leaves_migrations_alone_asks_no_server(
    site: Path, postgres: Server, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(postgres, database=database, migrations=("0001_initial",))
    migrate(site, "0001_initial")
    push(site, "shop", "topic")
    assert reconcile(site).exit_code == 0
    before = data(site, database)
    monkeypatch.delenv(f"LAYERSITE_DATABASE_{database.upper()}_SERVER")
    push_again(site, lambda folder: None)
    done = reconcile(site)
    assert (done.exit_code, data(site, database)) == (0, before), done.output


def test_a_commit_that_the_forge_has_lost_leaves_the_database_and_is_said(
    site: Path, postgres: Server, database: str
) -> None:
    golden = publish(postgres, database=database, migrations=("0001_initial",))
    migrate(site, "0001_initial", "0002_mine")
    push(site, "shop", "topic")
    assert reconcile(site).exit_code == 0
    push_again(site, rename)
    work = site.parent / "shop"
    tree = git("rev-parse", "change/topic^{tree}", cwd=work).strip()
    orphan = git("commit-tree", tree, "-m", "all at once", cwd=work).strip()
    git("update-ref", "refs/heads/change/topic", orphan, cwd=work)  # a forced push
    git("reflog", "expire", "--expire=now", "--all", cwd=work)
    git("gc", "--quiet", "--prune=now", cwd=work)
    done = reconcile(site)
    assert done.exit_code == 0, done.output
    found = data(site, database)
    assert (found["golden"], "again" in found) == (golden.name, False)
    assert "whether it has applied what this push took back is not known" in found["notes"][0]
