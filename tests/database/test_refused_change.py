"""A change that is behind production's migrations, from the server's ledger to the comment, and on to its clone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from layersite.cli import main
from layersite.forge.gitea import GiteaForge
from layersite.model.yaml import dump, load_all
from layersite.place import Place
from layersite.process import git
from tests.database.api_server import serving
from tests.database.server import Server
from tests.unit.cluster.fake import FakeCluster, namespace
from tests.unit.forge.fake_forge import BOT, TOKEN
from tests.unit.forge.fake_gitea import FakeGitea
from tests.unit.test_reconcile import DEPLOYMENT, committed, write

ROOT = Path(__file__).parents[2]
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg:")).begin() as connection:
    context.configure(connection=connection)
    context.run_migrations()
"""
REVISION = """from alembic import op

revision = {name!r}
down_revision = {after!r}


def upgrade():
    op.execute({sql!r})
"""
CONTRACT = {
    "relations": {
        "public.customer": {"id": "keep", "mail": {"mask": "email"}},
        "public.alembic_version": {"version_num": "keep"},
    }
}
Command = Callable[..., Result]

pytestmark = pytest.mark.stress


@pytest.fixture
def gitea(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGitea]:
    monkeypatch.setenv("LAYERSITE_FORGE_TOKEN", TOKEN)
    server = FakeGitea()
    yield server
    server.stop()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A repository whose migration `b2` is on its main branch, and `c3` on a change that was begun before it."""
    shop = tmp_path / "acme" / "shop"
    git("init", "-q", "-b", "main", str(shop))
    write(shop / "db" / "env.py", ENV)
    commit(shop, "a1", None, "CREATE TABLE customer (id int PRIMARY KEY)")
    git("checkout", "-q", "-b", "change", cwd=shop)
    commit(shop, "c3", "a1", "ALTER TABLE customer ADD COLUMN age int")
    git("checkout", "-q", "main", cwd=shop)
    commit(shop, "b2", "a1", "ALTER TABLE customer ADD COLUMN mail text")
    return shop


@pytest.fixture
def site(
    tmp_path: Path, postgres: Server, shop: Path, gitea: FakeGitea, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A site whose source has applied what the main branch has; its cluster is one in memory."""
    root = tmp_path / "site"
    root.mkdir()
    for name in ("playbooks", "roles", "library", "inventory", "ansible.cfg"):
        (root / name).symlink_to(ROOT / name)
    migrations = {"tool": "alembic", "repository": "shop", "path": "db"}
    settings = {
        "organization": "acme",
        "environments": {"url": "../environments.git"},
        "forge": {"kind": "gitea", "url": gitea.url},
        "repositories": {"shop": {"url": str(shop)}},
        "cluster": {"baseline": {"namespace": "staging"}, "namespace_prefix": "refused-"},
        "exposure": {"domain": "preview.example.com"},
        "images": {"by_digest": False},
        "databases": {"store": {"host": "127.0.0.1", "port": postgres.port, "migrations": migrations}},
    }
    write(root / "layersite.yaml", dump(settings))
    app = {"repository": "shop", "needs": [{"database": "store"}], "base": {"directory": "base"}}
    write(root / "apps" / "web" / "app.yaml", dump(app))
    write(root / "apps" / "web" / "base" / "all.yaml", DEPLOYMENT.replace("APP", "web"))
    write(root / "data" / "store" / "contract.yaml", dump(CONTRACT))
    git("init", "-q", "--bare", "-b", "main", str(tmp_path / "environments.git"))
    source = postgres.create("source")
    migrate(shop, source)
    postgres.run("source", "INSERT INTO customer SELECT n, n || '@real.example' FROM generate_series(1, 50) n")
    for what, value in (("SOURCE", source), ("SERVER", postgres.uri()), ("KEY", "0123456789abcdef" * 2)):
        monkeypatch.setenv(f"LAYERSITE_DATABASE_STORE_{what}", value)
    monkeypatch.setenv("KUBECONFIG", str(root / "kubeconfig"))
    with serving(FakeCluster(namespace("refused-shop-1", "shop-1")), root / "kubeconfig"):
        yield root


@pytest.fixture
def layersite(site: Path) -> Command:
    def invoke(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(main, ["--site", str(site), *arguments])
        assert result.exit_code == code, result.output
        return result

    return invoke


def commit(shop: Path, name: str, after: str | None, sql: str) -> None:
    write(shop / "db" / "versions" / f"{name}.py", REVISION.format(name=name, after=after, sql=sql))
    git("add", "-A", cwd=shop)
    git("commit", "-q", "-m", name, cwd=shop)


def migrate(shop: Path, uri: str) -> None:
    """Let Alembic apply what is checked out in `shop`."""
    write(shop.parent / "alembic.ini", f"[alembic]\nscript_location = {shop / 'db'}\n")
    argv = [sys.executable, "-B", "-m", "alembic", "upgrade", "head"]
    environment = os.environ | {"DATABASE_URL": uri}
    subprocess.run(argv, cwd=shop.parent, env=environment, check=True, capture_output=True)


def reconcile(site: Path, failed: int = 0) -> None:
    bot = Place(site).bot(lambda step: None)
    assert isinstance(bot.forge, GiteaForge)
    with closing(bot.forge):
        assert len(bot.reconcile().failed) == failed


def told(gitea: FakeGitea) -> str:
    """Return the text of the bot's only comment."""
    (text,) = [comment["body"] for comment in gitea.comments if comment["user"]["id"] == BOT]
    return str(text)


def test_a_change_behind_production_is_told_by_which_migration_and_once_rebased_has_its_clone(
    layersite: Command, site: Path, shop: Path, gitea: FakeGitea, postgres: Server
) -> None:
    golden = json.loads(layersite("golden", "build", "store", "--output", "json").stdout)["name"]
    pull = gitea.open(1, head={"sha": git("rev-parse", "change", cwd=shop).strip()})
    reconcile(site, failed=1)
    why = f"golden `{golden}` does not fit: it has applied `b2`, which the change does not have"
    assert f"{why}; bring the change up to date with its target branch" in told(gitea)
    assert committed(site) == {}

    git("checkout", "-q", "change", cwd=shop)
    git("rebase", "-q", "main", cwd=shop)
    commit(shop, "c3", "b2", "ALTER TABLE customer ADD COLUMN age int")
    pull["head"]["sha"] = git("rev-parse", "change", cwd=shop).strip()
    reconcile(site)
    (environment,) = load_all(committed(site)["shop-1/environment.yaml"], "environment.yaml")
    assert environment["data"]["store"]["golden"] == golden
    assert "Environment `shop-1` is ready" in told(gitea)
    assert "does not fit" not in told(gitea)

    layersite("clone", "shop-1")
    uri = postgres.uri("refused_shop_1__store")
    with psycopg.connect(uri) as clone:
        assert clone.execute("SELECT version_num FROM alembic_version").fetchall() == [("b2",)]
        assert clone.execute("SELECT count(*) FROM customer WHERE mail NOT LIKE '%real%'").fetchone() == (50,)
    migrate(shop, uri)
    with psycopg.connect(uri) as clone:
        assert clone.execute("SELECT version_num FROM alembic_version").fetchall() == [("c3",)]
