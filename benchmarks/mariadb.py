"""Make goldens and clones of a generated MariaDB database, beside `mariadb-dump | mariadb`, in one run.

Only the ratios mean something. Seconds of processors are those of the server and of this program, with all it started
but servers of clones' own.
"""

import argparse
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.masking import CANARY, KEPT, MASKED
from layersite.database.clone import Order, provide
from layersite.database.golden.make import Wish, build
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.fetch import fetch
from layersite.database.mariadb.instance import InstanceClones
from layersite.model.database import Golden
from layersite.model.site import Instances
from tests.database.instances import instance_settings
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.test_mariadb_clone import REACHES
from tests.database.test_mariadb_golden import wish

__all__ = ["main"]

SHOP = """
CREATE TABLE customer (id bigint PRIMARY KEY, first varchar(60), last varchar(60), email varchar(90), phone varchar(20),
  street varchar(90), city varchar(60), zip varchar(9), born date, iban varchar(40), national_id varchar(40),
  state varchar(9), created datetime, KEY (email), KEY (last, first));
INSERT INTO customer SELECT seq, CONCAT('first ', seq % 5000), CONCAT('last ', seq % 40000),
  IF(seq = 1, 'canary.7f3a91@layersite.example', CONCAT('customer', seq, '@real.example')),
  CONCAT('+49', seq), CONCAT(seq % 900, ' ', MD5(seq), ' street'),
  CONCAT('city ', seq % 3000), seq % 99999, date '1950-01-01' + INTERVAL seq % 20000 DAY, CONCAT('DE', seq * 7919),
  seq * 104729, ELT(1 + seq % 2, 'new', 'paid'), NOW() FROM seq_1_to_{customers};
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, email varchar(90), total decimal(10, 2), state varchar(9),
  created datetime, KEY (created), FOREIGN KEY (customer) REFERENCES customer (id));
INSERT INTO orders SELECT seq, 1 + seq % {customers}, CONCAT('customer', 1 + seq % {customers}, '@real.example'),
  seq % 10000 / 100, ELT(1 + seq % 3, 'new', 'paid', 'sent'), NOW() FROM seq_1_to_{orders};
"""
_HONEST = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-buffer-pool-size=1G",
    "--innodb-log-file-size=1G",
    "--max-allowed-packet=64M",
)


@dataclass(frozen=True)
class _Spent:
    wall: float
    processors: float


def main() -> None:
    """Print a table of each part: the medians of all runs, in any order, and how many times the peer's they are."""
    parser = argparse.ArgumentParser(prog="benchmarks mariadb")
    parser.add_argument("--mb", type=int, default=300, help="how large the database is, about")
    parser.add_argument("--runs", type=int, default=3, help="how often each way is gone")
    given = parser.parse_args()
    with running_mariadb(*_HONEST) as server, running_mariadb(*_HONEST) as other, instance_settings() as instances:
        Path(instances.directory, "my.cnf").unlink()  # with which tests let the disk be
        server.create("shop", SHOP.format(customers=given.mb * 1400, orders=given.mb * 2000))
        kept, masked = (
            wish(server, server, "shop", {key.removeprefix("public."): each[key] for key in each}, canaries=[CANARY])
            for each in (KEPT, MASKED)
        )
        golden = _build(masked)
        print(f"{golden.bytes / 1e6:,.0f} MB, MariaDB {golden.server}", flush=True)
        ways: dict[str, Callable[[], object]] = {
            "mariadb-dump | mariadb": lambda: _pipe(server, golden.name, "restored"),
            "unmasked copy: the same way without masks": lambda: _fill(kept),
            "layersite, masked": lambda: _fill(masked),
            "layersite, masked, checked and published": lambda: _build(masked),
            "layersite, a golden from another server": lambda: _fetch(server, other, golden),
            "layersite, a clone by tablespace files": lambda: _clone(server, golden, "tablespace files"),
            "layersite, a clone row by row": lambda: _clone(server, golden, "rows"),
            "layersite, a golden's own server": lambda: _serve(server, golden, instances),
            "layersite, a clone with a server of its own": lambda: _clone_server(server, golden, instances),
        }
        _clone_server(server, golden, instances)  # so that there is one of the golden, whatever the order
        chance = random.Random(29)  # noqa: S311  the order
        rounds = [chance.sample([*ways], len(ways)) for _ in range(given.runs)]
        found = [{title: _spent(ways[title], server, other) for title in each} for each in rounds]
        for title in ways:
            mine, peer = ([each[name] for each in found] for name in (title, "mariadb-dump | mariadb"))
            wall, its = (median(each.wall for each in some) for some in (mine, peer))
            used, its_use = (median(each.processors for each in some) for some in (mine, peer))
            print(f"{title:<45}{wall:8.1f} s {wall / its:6.2f}    {used:8.1f} s of processors {used / its_use:6.2f}")


def _build(wished: Wish) -> Golden:
    made = build(replace(wished, keep=1000), datetime.now(UTC), lambda _: None)
    assert made is not None
    return made.golden


def _fill(wished: Wish) -> None:
    with wished.engine.open_server() as server, wished.engine.open_source() as source:
        server.drop(server.fill(source, wished.contract).name)


def _clone(server: MariaDBServer, golden: Golden, way: str) -> None:
    with closing(MariaDBClones(server.uri(""), "SERVER", REACHES[way])) as engine:
        clone, _ = provide(engine, _order(golden))
        assert clone.method == way
        engine.drop(clone.name)


def _serve(server: MariaDBServer, golden: Golden, instances: Instances) -> None:
    """Load a golden's own server, and copy it once."""
    shutil.rmtree(Path(instances.directory, f"{golden.name}.golden"), ignore_errors=True)
    assert _clone_server(server, golden, instances).startswith("parallel load of the golden, then")


def _clone_server(server: MariaDBServer, golden: Golden, instances: Instances) -> str:
    with closing(InstanceClones(server.uri(""), "SERVER", instances)) as engine:
        clone, _ = provide(engine, _order(golden))
        engine.drop(clone.name)
        return clone.method


def _order(golden: Golden) -> Order:
    return Order("bench", "bench-", "web-1", "shop", golden.name)


def _fetch(server: MariaDBServer, other: MariaDBServer, golden: Golden) -> None:
    with closing(MariaDBClones(server.uri(""), "A")) as here, closing(MariaDBClones(other.uri(""), "B")) as there:
        fetch(here, there, golden.name)
        there.drop(golden.name)


def _pipe(server: MariaDBServer, name: str, target: str) -> None:
    """Copy a database as people do, each table after the other."""
    server.create(target)
    signs_in = f"--defaults-file={server.folder / 'client.cnf'}"
    dump = ["mariadb-dump", signs_in, "--single-transaction", name]
    with subprocess.Popen(dump, stdout=subprocess.PIPE) as reader:
        subprocess.run(["mariadb", signs_in, target], stdin=reader.stdout, check=True)
    assert reader.returncode == 0


def _spent(work: Callable[[], object], *servers: MariaDBServer) -> _Spent:
    begun, used = time.perf_counter(), _used(*servers)
    work()
    return _Spent(time.perf_counter() - begun, _used(*servers) - used)


def _used(*servers: MariaDBServer) -> float:
    processes = [(server.folder / "pid").read_text().strip() for server in servers]
    fields = [Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split() for each in processes]
    return sum(os.times()[:4]) + sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
