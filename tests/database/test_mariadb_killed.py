"""A run on MariaDB that is killed leaves nothing that counts as a clone or a golden, and the next run ends right."""

import json
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict

from layersite.database.clone import Order, admit, provide, reap
from layersite.database.mariadb.clone import MariaDBClones
from layersite.model.contract import Quiet
from layersite.model.database import Clone
from tests.database.mariadb import MariaDBServer
from tests.database.tap import MariaDBTap, tapped
from tests.database.test_mariadb_clone import SHOP as GOLDEN
from tests.database.test_mariadb_clone import publish
from tests.database.test_mariadb_golden import CONTRACT, SHOP, databases, wish

PROVIDE = """
order = json.loads(sys.argv[2])
engine = MariaDBClones(sys.argv[1], "V")
print("ready", flush=True)
sys.stdin.readline()
provide(engine, Order(**{**order, "quiet": Quiet(**order["quiet"])}))
"""
BUILD = """
document = read_document(Path("contract.yaml"), text=sys.argv[2])
engine = MariaDB("killed", sys.argv[3], sys.argv[1], subkey(KEY, "mask"))
print("ready", flush=True)
sys.stdin.readline()
build(Wish("killed", document.parse(Contract), document, engine, KEY), datetime.now(UTC), print)
"""
IMPORTS = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from layersite.database.clone import Order, provide
from layersite.database.golden.make import Wish, build, subkey
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.engine import MariaDB
from layersite.model.contract import Contract, Quiet
from layersite.model.document import read_document
from tests.database.building import KEY
"""


def run_until(server: MariaDBServer, script: str, arguments: list[str], last: int) -> tuple[int, int]:
    """Run `script` in a process that dies with statement `last` (0: never); return its exit code and its statements."""
    with tapped(server.port, MariaDBTap) as tap:
        uri = server.uri("").replace(f":{server.port}/", f":{tap.port}/")
        argv = [sys.executable, "-c", IMPORTS + script, uri, *arguments]
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.readline()
            tap.victim, tap.last, tap.statements = process.pid, last, 0
            process.stdin.write(b"go\n")
            process.stdin.close()
            code = process.wait(60)
        return code, tap.statements


def test_a_clone_that_was_killed_is_made_by_the_next_run(mariadb: MariaDBServer) -> None:
    golden = publish(mariadb, GOLDEN)
    order = Order("killed.git", "killed-", "web-1", "shop", golden.name, Quiet(empty=("outbox",)), reset=True)
    given = json.dumps({**asdict(order), "quiet": order.quiet.model_dump(mode="json")})
    with closing(MariaDBClones(mariadb.uri(""), "V")) as engine:
        provide(engine, order)
        code, total = run_until(mariadb, PROVIDE, [given], 0)
        assert (code, total > 40) == (0, True)
        for last in range(2, total + 1, 9):
            assert run_until(mariadb, PROVIDE, [given], last)[0] == -signal.SIGKILL
            with engine.locked(order.name):  # once the server has ended what the dead process asked for
                clone, _ = provide(engine, order)
                assert engine.records()[order.name] == clone
            password = admit(engine, order.name, None)
            counts = "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM outbox), (SELECT count(*) FROM list)"
            assert mariadb.ask(counts, order.name, order.name, password) == [(100, 0, 100)]
            assert [each.databases for each in engine.taken(order.site, order.prefix)] == [(order.name,)]
        for each in engine.taken(order.site, order.prefix):
            reap(engine, each)
        assert {name for name in databases(mariadb) if "killed" in name} == set()
        assert not isinstance(engine.records().get(order.name), Clone)


def test_a_build_that_was_killed_leaves_nothing_once_the_next_has_run(mariadb: MariaDBServer) -> None:
    mariadb.create("source_of_killed", SHOP)
    wished = wish(mariadb, mariadb, "source_of_killed", CONTRACT)
    contract = json.dumps({"relations": CONTRACT})
    arguments = [contract, mariadb.uri("source_of_killed")]
    code, total = run_until(mariadb, BUILD, arguments, 0)
    assert (code, total > 20) == (0, True)
    for last in range(2, total + 1, 7):
        assert run_until(mariadb, BUILD, arguments, last)[0] == -signal.SIGKILL
    assert run_until(mariadb, BUILD, arguments, 0)[0] == 0
    with wished.engine.open_server() as server:
        assert server.clean() == []
    assert not [name for name in databases(mariadb) if name.startswith("layersite_draft_killed")]
    recorded = {name for (name,) in mariadb.ask("SELECT name FROM layersite.ledger WHERE record IS NOT NULL")}
    assert {name for name in databases(mariadb) if name.startswith("golden_killed_")} <= recorded
