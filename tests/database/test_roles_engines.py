"""The roles on every kind of server: a golden is built and a clone of it brought once, and then nothing changes."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from layersite.database.clone import list_goldens
from layersite.model.database import Golden
from layersite.model.yaml import dump
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.test_golden_role import KEY, Play
from tests.database.test_roles import PREFIX, Stage, staged

SHOP = """CREATE TABLE customer (id int PRIMARY KEY, mail varchar(90));
INSERT INTO customer VALUES (1, 'anna@real.example'), (2, 'bert@real.example');"""
CHECK = ("--check", "--diff")


@dataclass(frozen=True)
class Kind:
    """What is different from one kind of server to the next."""

    engine: str
    scheme: str
    relation: str


KINDS = {
    "postgres15": Kind("postgresql", "postgresql", "public.customer"),
    "mariadb": Kind("mariadb", "mysql", "customer"),
}


def mails(url: str) -> list[str]:
    """Return what an app finds that knows no more than the URL of its Secret."""
    parts = urlsplit(url)
    query = "SELECT mail FROM customer"
    if parts.scheme == "postgresql":
        with psycopg.connect(url) as app:
            return [str(mail) for (mail,) in app.execute(query)]
    with (
        pymysql.connect(
            host=parts.hostname,
            port=parts.port or 0,
            user=parts.username,
            password=parts.password or "",
            database=parts.path[1:],
        ) as mariadb,
        mariadb.cursor() as cursor,
    ):
        cursor.execute(query)
        return [str(mail) for (mail,) in cursor.fetchall()]


def is_gone(url: str) -> bool:
    try:
        mails(url)
    except (psycopg.OperationalError, pymysql.OperationalError):
        return True
    return False


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        pytest.param("mariadb", ((), CHECK), id="mariadb"),
        *(pytest.param(name, (CHECK, (), (), CHECK), id=f"{name} twice", marks=pytest.mark.stress) for name in KINDS),
    ],
)
def test_the_roles_change_once_check_clean_and_take_away(
    name: str, runs: tuple[tuple[str, ...], ...], request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """The first half of the runs has something to change."""
    server: Server | MariaDBServer = request.getfixturevalue(name)
    kind, half = KINDS[name], len(runs) // 2
    with staged(tmp_path, server.uri(), kind.engine, server.port) as stage:
        golden = built(stage, server.create("roles_source", SHOP), server.uri(), kind, runs)
        changed = [stage.clone("web-1", golden=golden, options=options)[0] for options in runs]
        assert changed == [1] * half + [0] * half, stage.said
        secret = stage.secret("web-1")
        assert secret is not None
        user, password = f"{PREFIX}web_1__shop".replace("-", "_"), secret["password"]
        assert secret == {
            "host": "127.0.0.1",
            "port": str(server.port),
            "name": user,
            "user": user,
            "password": password,
            "url": f"{kind.scheme}://{user}:{password}@127.0.0.1:{server.port}/{user}",
        }
        found = mails(secret["url"])
        assert len(found) == 2
        assert all(mail.endswith("@example.com") for mail in found)
        assert [text for text in (password, server.password) if any(text in said for said in stage.said)] == []
        assert [stage.reap("web-1", apply=True)[0] for _ in range(half)] == [1] + [0] * (half - 1)
        assert is_gone(secret["url"])


def built(stage: Stage, source: str, server: str, kind: Kind, runs: tuple[tuple[str, ...], ...]) -> Golden:
    """Build the golden with its role, which changes something only once."""
    folder = stage.root / "data" / "shop"
    folder.mkdir(parents=True)
    contract = {"relations": {kind.relation: {"id": "keep", "mail": {"mask": "email"}}}}
    (folder / "contract.yaml").write_text(dump(contract), "utf-8")
    values = {"SOURCE": source, "SERVER": server, "KEY": KEY}
    play = Play(stage.root, {f"LAYERSITE_DATABASE_SHOP_{what}": value for what, value in values.items()}, "shop")
    codes, said = zip(*(play(*options) for options in runs), strict=True)
    assert set(codes) == {0}, said[0]
    half = len(runs) // 2
    assert ["changed=1" in each for each in said] == [True] * half + [False] * half
    assert [secret for secret in (KEY, "anna@real.example") if any(secret in each for each in said)] == []
    (golden,) = list_goldens("shop", kind.engine)
    return golden
