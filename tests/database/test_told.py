"""What plays say that fail, whatever is wrong: which database, and why; never a row, the key or a password.

Each database of the site fails in a way of its own, so that one play tells of all of them.
"""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from layersite.database.golden.make import subkey
from layersite.model.database import Golden
from layersite.model.yaml import dump
from tests.database.api_server import serving
from tests.database.goldens import publish
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.tap import Fate, MariaDBTap, Tap
from tests.database.test_mariadb_clone import publish as publish_mariadb
from tests.unit.cluster.fake import FakeCluster, namespace

ROOT = Path(__file__).parents[2]
KEY = "0123456789abcdef" * 2
WRONG, UNREADABLE = "wrong-password", "un/readable-password"
"""A slash that is not escaped makes a URI that cannot be read."""

_ROWS = ", ".join(f"({n}, 'Private\nRawplan', '{chr(96 + n)}.rawmail@real.example')" for n in range(1, 27))
_CUSTOMER = "CREATE TABLE customer (id int PRIMARY KEY, plan varchar(60), mail varchar(90){more});\n"
CUSTOMER = f"{_CUSTOMER}INSERT INTO customer (id, plan, mail) VALUES {_ROWS};"
COLLIDING = ", initial varchar(9) GENERATED ALWAYS AS (left(mail, 1)) STORED, UNIQUE (plan, initial)"
"""Masked mails have fewer initials than these have, so two rows become one."""
JUDGE = """
CREATE FUNCTION judge(plan text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
    IF current_database() <> 'told_raised' THEN RAISE '% has no room', plan USING ERRCODE = '42501'; END IF;
    RETURN true;
END $$;
"""
"""Lets rows into the source and none into a draft, and says so in the words of missing rights."""
LISTED: dict[str, Any] = {"id": "keep", "plan": "keep", "mail": {"mask": "email"}}
HIDDEN = ("Rawplan", "rawmail", "real.example", KEY, *(subkey(KEY, each).hex() for each in ("mask", "sign")))


class Cut(Tap):
    """Hangs up at the statement that holds its word."""

    def _pass_on(self, server: socket.socket, message: bytes, statement: bytes | None, changed: bool) -> bool:
        if statement is not None and self._fate.is_due(statement):
            raise ConnectionResetError
        return super()._pass_on(server, message, None, changed)


class MariaDBCut(Cut, MariaDBTap):
    """The same for MariaDB."""


@contextmanager
def cut(uri: str, word: bytes) -> Iterator[str]:
    """Give a way to the server at `uri` that breaks off at `word`."""
    port = urlsplit(uri).port
    assert port is not None
    tap = (Cut if uri.startswith("postgresql") else MariaDBCut)(port, Fate(word))
    tap.open()
    try:
        yield uri.replace(f":{port}/", f":{tap.port}/") + "?sslmode=disable" * uri.startswith("postgresql")
    finally:
        tap.close()


@dataclass
class Site:
    """A site whose databases have each an engine, and variables that lead to servers."""

    root: Path
    engines: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, engine: str, variables: Mapping[str, str], contract: Mapping[str, Any] = {}) -> None:
        """Add a database; `variables` are SOURCE, SERVER and the like."""
        self.engines[name] = engine
        self.variables |= {f"LAYERSITE_DATABASE_{name.upper()}_{what}": value for what, value in variables.items()}
        (self.root / "data" / name).mkdir(parents=True)
        (self.root / "data" / name / "contract.yaml").write_text(dump({"relations": dict(contract)}), "utf-8")

    def play(self, playbook: str, role: str, **variables: Any) -> str:
        """Run a playbook that fails, and return all that it said and left, in whatever file."""
        for name in ("playbooks", "roles", "library", "inventory", "ansible.cfg"):
            (self.root / name).symlink_to(ROOT / name)
        databases = {name: {"engine": engine, "host": "127.0.0.1"} for name, engine in self.engines.items()}
        site = {"organization": "acme", "environments": {"url": "site.git"}, "databases": databases}
        cluster = {"cluster": {"baseline": {"namespace": "staging"}}, "exposure": {"domain": "preview.example.com"}}
        (self.root / "layersite.yaml").write_text(dump({**site, **cluster}), "utf-8")
        left = self.root / "left"
        left.mkdir()
        (self.root / "given.json").write_text(json.dumps({f"{role}_{key}": each for key, each in variables.items()}))
        argv = [str(Path(sys.executable).parent / "ansible-playbook"), f"playbooks/{playbook}.yml", "-vvv", "--diff"]
        kept = {"HOME": "home", "REMOTE_TMP": "remote", "LOG_PATH": "ansible.log"}
        environment = {
            **os.environ,
            **self.variables,
            **{f"ANSIBLE_{name}": str(left / place) for name, place in kept.items()},
            "ANSIBLE_KEEP_REMOTE_FILES": "1",
            "TMPDIR": str(left),
            "LC_ALL": "C.UTF-8",
        }
        argv += ["-e", f"@{self.root / 'given.json'}"]
        done = subprocess.run(argv, cwd=self.root, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 2, done.stdout + done.stderr
        files = [path.read_text("utf-8", "replace") for path in left.rglob("*") if path.is_file()]
        assert any("AnsiballZ" in path.name for path in left.rglob("*"))
        return "\n".join((done.stdout, done.stderr, *files))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def servers(postgres: Server, mariadb: MariaDBServer) -> dict[str, Server | MariaDBServer]:
    return {"postgresql": postgres, "mariadb": mariadb}


Servers = Mapping[str, Server | MariaDBServer]


def whole(server: Server | MariaDBServer, password: str = "") -> str:
    """Return the URI of a whole server."""
    return server.uri(password=password or None) if isinstance(server, Server) else server.uri("", password=password)


def add_closed(site: Site, servers: Servers, what: str) -> None:
    """Add databases of both engines to which the variable `what` leads nowhere."""
    for engine, server in servers.items():
        others = {each: whole(server) for each in ("SOURCE", "SERVER") if each != what}
        for name, password in (("refused", WRONG), ("unreadable", UNREADABLE)):
            site.add(f"{name}{engine[:2]}", engine, {what: whole(server, password), "KEY": KEY, **others})


CLOSED = {
    "refusedpo": 'password authentication failed for user "postgres"',
    "unreadablepo": "is no URI of a PostgreSQL server",
    "refusedma": "Access denied for user",
    "unreadablema": "has no URI of a MariaDB server",
}


def is_told(said: str, hidden: Mapping[str, Server | MariaDBServer]) -> bool:
    """Whether nothing that must not be told stands in `said`, and no program broke down."""
    passwords = [server.password for server in hidden.values()]
    secrets = (*HIDDEN, *passwords, WRONG, UNREADABLE, "readable-password")
    assert [each for each in secrets if each in said] == []
    return not re.search("Traceback|psycopg\\.|pymysql\\.", said)


def test_a_build_that_fails_tells_no_value_no_key_and_no_password(site: Site, servers: Servers) -> None:
    add_closed(site, servers, "SOURCE")
    sources = {
        "collidedpo": CUSTOMER.format(more=COLLIDING),
        "collidedma": CUSTOMER.format(more=COLLIDING),
        "raised": JUDGE + CUSTOMER.format(more=", CHECK (judge(plan))"),
        "uncovered": CUSTOMER.format(more=", more text"),
        "checkcut": CUSTOMER.format(more=""),
        "copycut": CUSTOMER.format(more=""),
    }
    with ExitStack() as stack:
        for name, sql in sources.items():
            engine = "mariadb" if name in ("collidedma", "copycut") else "postgresql"
            server = servers[engine]
            source, goldens = server.create(f"told_{name}", sql), whole(server)
            if name == "copycut":
                source = stack.enter_context(cut(source, b"SELECT CAST(CONCAT("))
            if name == "checkcut":
                goldens = stack.enter_context(cut(goldens, b"most_common_vals"))
            listed = LISTED | ({"initial": "keep"} if "collided" in name else {})
            relation = "customer" if engine == "mariadb" else "public.customer"
            site.add(name, engine, {"SOURCE": source, "SERVER": goldens, "KEY": KEY}, {relation: listed})
        said = site.play("golden", "database_golden", site=str(site.root))
    assert is_told(said, servers)
    reasons = {
        **CLOSED,
        "collidedpo": "UniqueViolation (SQLSTATE 23505)",
        "collidedma": "the rows of customer cannot be written: Duplicate entry …",
        "raised": "the rows of public.customer cannot be copied: InsufficientPrivilege (SQLSTATE 42501)",
        "uncovered": "the column `more` of public.customer is not listed",
        "checkcut": "a server of checkcut breaks off",
        "copycut": "the source of copycut: Lost connection",
    }
    assert [name for name, reason in reasons.items() if not re.search(f"{name}: .*{re.escape(reason)}", said)] == []


def test_a_clone_that_fails_tells_no_value_and_no_password(site: Site, servers: Servers, tmp_path: Path) -> None:
    add_closed(site, servers, "SERVER")
    guard = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'keep off %', OLD.plan; END $$;
    CREATE TRIGGER guard BEFORE UPDATE ON customer FOR EACH ROW EXECUTE FUNCTION refuse()"""
    postgres, mariadb = servers["postgresql"], servers["mariadb"]
    assert isinstance(postgres, Server)
    assert isinstance(mariadb, MariaDBServer)
    goldens = {
        "guarded": publish(postgres, CUSTOMER.format(more="") + guard, database="guarded"),
        "doubled": publish_mariadb(mariadb, CUSTOMER.format(more=", UNIQUE (mail)")),
    }
    for name, golden in goldens.items():
        site.add(name, golden.engine, {"SERVER": whole(servers[golden.engine])})
    quiet = {"set": {"customer": {"mail": "quiet\nnobody"}}}
    wanted = [
        {"name": name, "engine": engine, "host": "127.0.0.1", "port": 1, "quiet": quiet, "golden": _name(goldens, name)}
        for name, engine in site.engines.items()
    ]
    environment = {"name": "web-1", "namespace": "told-web-1", "databases": wanted}
    result = tmp_path / "result.json"
    with serving(FakeCluster(namespace("told-web-1", "web-1")), tmp_path / "kubeconfig"):
        site.variables["KUBECONFIG"] = str(tmp_path / "kubeconfig")
        owner = {"site": "site.git", "prefix": "told-", "result": str(result)}
        said = site.play("database", "database_clone", environments=[environment], timeout=1, **owner)
    message = json.loads(result.read_text())["environments"]["web-1"]["message"]
    assert "nobody" not in message
    assert is_told(said + message, servers)
    reasons = (*CLOSED.values(), "RaiseException (SQLSTATE P0001)", "Duplicate entry …")
    assert [reason for reason in reasons if reason not in message] == []
    assert "output has been hidden" in said


def _name(goldens: Mapping[str, Golden], name: str) -> str:
    return goldens[name].name if name in goldens else "golden_shop_0123456789ab"


@pytest.mark.stress
def test_a_removal_that_fails_tells_no_password(site: Site, servers: Servers, tmp_path: Path) -> None:
    add_closed(site, servers, "SERVER")
    going = [{"name": "web-1", "namespace": "told-web-1", "databases": [*site.engines]}]
    databases = [{"name": name, "engine": engine} for name, engine in site.engines.items()]
    owner = {"site": "site.git", "prefix": "told-", "result": str(tmp_path / "result.json"), "apply": True}
    said = site.play("database_reap", "database_reap", environments=going, databases=databases, **owner)
    assert [reason for reason in CLOSED.values() if reason not in said] == []
    assert is_told(said + (tmp_path / "result.json").read_text(), servers)
