"""Make goldens of a generated database, and clones of a golden, each way beside what others do, in one run.

Only the ratios mean something.
"""

import argparse
import os

import psycopg

from benchmarks import cloning, masking
from benchmarks.servers import HONEST
from tests.database.server import EMBEDDED, running

__all__ = ["main"]


def main() -> None:
    """Print a table of each part."""
    parser = argparse.ArgumentParser(prog="benchmarks database")
    parser.add_argument("part", nargs="?", choices=("masking", "cloning"), help="only this one")
    parser.add_argument("--mb", type=int, default=1000, help="how large the database is, about")
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        help="how often clones are made; the rest half as often",
    )
    given = parser.parse_args()
    os.environ["PATH"] = f"{EMBEDDED}{os.pathsep}{os.environ['PATH']}"
    with running(EMBEDDED, *HONEST) as server:
        source = server.create("shop", masking.SHOP.format(customers=given.mb * 2000, orders=given.mb * 2900))
        with psycopg.connect(source) as asked:
            size = asked.execute("SELECT pg_database_size(current_database())").fetchall()[0][0]
            print(f"{size / 1e6:,.0f} MB, PostgreSQL {asked.info.parameter_status('server_version')}", flush=True)
        alone = given.part == "cloning"
        golden = masking.build_golden(server) if alone else masking.compare(server, source, (given.runs + 1) // 2)
        if given.part != "masking":
            cloning.compare(server, golden, given.runs)
