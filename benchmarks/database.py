"""Clone a generated database by every method, beside `pg_dump | pg_restore -j`.

On a file system with reflinks too, in a loop file, where the machine lets us make one: as root, with `mkfs.xfs`.
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from psycopg.sql import SQL, Identifier

from layersite.database.clone import Order, provide
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.database import Golden
from tests.database.goldens import publish, seal
from tests.database.server import EMBEDDED, Server, running

__all__ = ["main"]

SHOP = """
CREATE TABLE customer (id bigint PRIMARY KEY, first text, last text, email text, phone text, street text, city text,
  zip text, born date, iban text, national_id text, notes text, created timestamptz);
INSERT INTO customer SELECT n, 'first ' || n % 5000, 'last ' || n % 40000, 'customer' || n || '@example.com',
  '+1555' || n, n % 900 || ' ' || md5(n::text) || ' street', 'city ' || n % 3000, n % 99999,
  date '1950-01-01' + (n % 20000)::int, 'XX' || n * 7919, n * 104729, repeat(md5((n * 3)::text), 3), now()
  FROM generate_series(1, {customers}::bigint) n;
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customer, email text, total numeric, state text,
  created timestamptz);
INSERT INTO orders SELECT n, 1 + n % {customers}, 'customer' || (1 + n % {customers}) || '@example.com',
  n % 10000 / 100.0, (ARRAY['new', 'paid', 'sent'])[1 + n % 3], now() FROM generate_series(1, {orders}::bigint) n;
CREATE INDEX ON customer (email); CREATE INDEX ON customer (last, first); CREATE INDEX ON orders (customer);
CREATE INDEX ON orders (created); VACUUM (FREEZE, ANALYZE);
"""


def main() -> None:
    """Print the table: seconds of each method, and how many times faster than the restore it is."""
    parser = argparse.ArgumentParser(prog="benchmarks database")
    parser.add_argument("--mb", type=int, default=1000, help="how large the database is, about")
    parser.add_argument("--runs", type=int, default=3, help="how often each clone is made; the median counts")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running(EMBEDDED, *_HONEST) as server:
        Path(folder).chmod(0o755)
        golden = publish(server, SHOP.format(customers=given.mb * 1400, orders=given.mb * 2000))
        size = _size(server, golden.name)
        print(f"{size / 1e6:,.0f} MB, PostgreSQL {_version(server)}; seconds, and against pg_restore -j2")
        dump = Path(folder, "dump")
        dumped = _timed(lambda: _dump(server, golden, dump))
        restored = _timed(lambda: _restore(server, dump, "restored"))
        _row("pg_dump -Fd -j2 (once per golden)", dumped, restored)
        _row("pg_restore -j2", restored, restored)
        _row("CREATE DATABASE, WAL log", _timed(lambda: _by_wal(server, golden)), restored)
        _row(*_clones(server, golden, given.runs), restored)
        with _reflinks(Path(folder), size) as there, running(EMBEDDED, *_HONEST) if there else _nothing() as other:
            if other is not None:
                _restore(other, dump, golden.name)
                seal(other, golden)
                _row(*_clones(other, golden, given.runs), restored)


_HONEST = ("fsync=on", "shared_buffers=512MB", "max_wal_size=4GB")


def _clones(server: Server, golden: Golden, runs: int) -> tuple[str, float]:
    """Return how layersite clones here, and the median of the seconds, ownership and all."""
    found = []
    with closing(PostgreSQL(server.uri(), "SERVER")) as engine:
        for number in range(runs):
            order = Order("bench", "bench-", f"web-{number}", "shop", golden.name)
            begun = time.perf_counter()
            clone, _ = provide(engine, order)
            found.append(time.perf_counter() - begun)
    return f"layersite clone, by {clone.method}", sorted(found)[runs // 2]


def _by_wal(server: Server, golden: Golden) -> None:
    with server.connect() as admin:
        admin.execute(SQL("CREATE DATABASE by_wal TEMPLATE {} STRATEGY WAL_LOG").format(Identifier(golden.name)))


def _dump(server: Server, golden: Golden, dump: Path) -> None:
    with server.connect() as admin:  # a golden lets nobody in
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(golden.name)))
    _run(server, "pg_dump", "-Fd", "-j2", "-f", str(dump), "-d", server.uri(golden.name))
    with server.connect() as admin:
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(golden.name)))


def _restore(server: Server, dump: Path, name: str) -> None:
    server.create(name)
    _run(server, "pg_restore", "-j2", "-d", server.uri(name), str(dump))


def _run(server: Server, program: str, *arguments: str) -> None:
    subprocess.run([str(server.programs / program), *arguments], check=True)


def _timed(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _row(title: str, seconds: float, restored: float) -> None:
    print(f"{title:<45}{seconds:9.2f} s {restored / seconds:9.1f} times as fast", flush=True)


def _size(server: Server, name: str) -> int:
    with server.connect() as admin:
        return int(admin.execute("SELECT pg_database_size(%s::name)", [name]).fetchall()[0][0])


def _version(server: Server) -> str:
    with server.connect() as admin:
        return str(admin.execute("SHOW server_version").fetchall()[0][0])


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


@contextmanager
def _reflinks(folder: Path, size: int) -> Iterator[bool]:
    """Put what is made meanwhile on XFS in a loop file; give False where that may not be."""
    image, place = folder / "xfs.img", folder / "xfs"
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mkfs.xfs") is None:
        print("no reflinks: this needs root and mkfs.xfs")
        yield False
        return
    with image.open("wb") as file:
        file.truncate(size * 4 + 4_000_000_000)
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=False).returncode != 0:
        print("no reflinks: this machine mounts no loop file")
        yield False
        return
    place.chmod(0o755)
    before, tempfile.tempdir = tempfile.tempdir, str(place)
    try:
        yield True
    finally:
        tempfile.tempdir = before
        subprocess.run(["umount", str(place)], check=True)
