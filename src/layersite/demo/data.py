"""The second part: a database with people in it, its masked golden, a clone for each environment, and a refusal.

The server is an embedded PostgreSQL, the one that the tests run on; it goes when the demo ends.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layersite.database.clone import Order, admit, provide
from layersite.demo.stage import ROOT, Stage
from layersite.model.yaml import dump, load_all

if TYPE_CHECKING:
    from tests.database.server import Server

__all__ = ["Data", "database_server"]

PAGILA = ROOT.parent / "shared" / "samples" / "pagila"
SMALL = """
CREATE TABLE customer (
  customer_id int PRIMARY KEY, first_name text NOT NULL, last_name text NOT NULL, email text UNIQUE
);
CREATE TABLE payment (payment_id int PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, amount numeric(5, 2));
INSERT INTO customer SELECT n, f, l, lower(f || '.' || l || n || '@mail.example') FROM generate_series(1, 600) n,
  (VALUES (ARRAY['Mary', 'Linda', 'Ahmed', 'José', 'Yuki'], ARRAY['Smith', 'Okafor', 'Wang'])) names (first, last),
  LATERAL (VALUES (first[1 + n % 5], last[1 + n % 3])) person (f, l);
INSERT INTO payment SELECT n, 1 + n % 600, n % 100 FROM generate_series(1, 5000) n;
"""
"""What stands in where Pagila is not beside the checkout."""
PERSON = "SELECT first_name, last_name, email FROM customer ORDER BY customer_id LIMIT 2"


@contextmanager
def database_server() -> Iterator["Server"]:
    """Give an embedded PostgreSQL, whose client programs come first on PATH."""
    sys.path.insert(0, str(ROOT))
    from tests.database.server import EMBEDDED, running

    with running(EMBEDDED) as server:
        yield server


@dataclass(frozen=True)
class Data:
    """The database `pagila` of the site on `stage`, on `server`."""

    stage: Stage
    server: "Server"

    def make_golden(self, apps: Sequence[str]) -> None:
        """Give `apps` the database `pagila`, which gets a contract and a golden."""
        self.stage.step("a masked, verified golden of a database with people in it")
        scripts = sorted(PAGILA.glob("*.sql"), reverse=True)  # the schema, then the data
        source = self.server.create("production", "".join(path.read_text("utf-8") for path in scripts) or SMALL)
        given = {"SOURCE": source, "SERVER": self.server.uri(), "KEY": secrets.token_hex(32)}
        self.stage.environment.update({f"LAYERSITE_DATABASE_PAGILA_{what}": value for what, value in given.items()})
        self.stage.environment["PATH"] = f"{self.server.programs}{os.pathsep}{os.environ['PATH']}"
        site = self.stage.site / "layersite.yaml"
        databases = "databases:\n  pagila:\n    host: postgres.databases.svc\n"
        site.write_text(site.read_text("utf-8").replace("databases: {}\n", databases), encoding="utf-8")
        for app in apps:
            path = self.stage.site / "apps" / app / "app.yaml"
            (described,) = load_all(path.read_text("utf-8"), app)
            needs = [*described.get("needs", []), {"database": "pagila"}]
            path.write_text(dump({**described, "needs": needs}), encoding="utf-8")
        self.stage.run("layersite", "golden", "propose", "pagila")
        with (self.stage.site / "data" / "pagila" / "contract.yaml").open("a", encoding="utf-8") as contract:
            contract.write(f"canaries: [{self._ask('production')[0][2]}]  # it may be found nowhere in a golden\n")
        self.stage.run("grep", "-A", "14", "public.customer:", "data/pagila/contract.yaml")
        self.stage.run("layersite", "golden", "build", "pagila")
        self.stage.run("layersite", "golden", "list", "pagila")
        self.stage.commit(self.stage.site, "Give services the database pagila")
        self.stage.git("push", "-q", "origin", "main", cwd=self.stage.site)

    def clone(self) -> None:
        """Clone the golden that each committed environment names, and show a person of each beside the real one."""
        self.stage.step("a clone for each environment")
        found = [self._clone(path) for path in sorted(self.stage.site.glob("environments/*/*/environment.yaml"))]
        self.stage.table(("clone", "golden", "way", "seconds"), found)
        people = [("production", *person) for person in self._ask("production")]
        people += [(name, *person) for name, *_ in found for person in self._ask(name)]
        self.stage.table(("database", "first name", "last name", "e-mail"), people)

    def _clone(self, environment: Path) -> tuple[str, str, str, str]:
        """Do what `layersite clone` does on the server; there is no cluster here to bring the password to."""
        from layersite.database.clone.postgresql import PostgreSQL

        (said,) = load_all(environment.read_text("utf-8"), environment.name)
        order = Order("demo", "env-", said["name"], "pagila", said["data"]["pagila"]["golden"])
        with closing(PostgreSQL(self.server.uri(), "LAYERSITE_DATABASE_PAGILA_SERVER")) as engine:
            made, _ = provide(engine, order)
            admit(engine, order.name, None)
        return made.name, made.golden or "none", made.method, f"{made.seconds:.2f}"

    def refuse(self) -> None:
        """Add a column that nobody has judged: no golden is built until somebody does."""
        self.stage.step("a new column in production stops the build")
        self.server.run("production", "ALTER TABLE customer ADD COLUMN passport text")
        self.stage.run("layersite", "golden", "build", "pagila", code=3)

    def _ask(self, database: str) -> list[tuple[Any, ...]]:
        with self.server.connect(database) as connection:
            return connection.execute(PERSON).fetchall()
