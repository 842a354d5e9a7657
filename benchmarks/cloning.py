"""Clone a golden by every method, beside `pg_dump | pg_restore -j`.

On a file system with reflinks too, in a loop file, where the machine lets us make one: as root, with `mkfs.xfs`.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

from psycopg.sql import SQL, Identifier

from benchmarks.servers import HONEST
from layersite.database.clone import Order, provide
from layersite.database.clone.postgresql import PostgreSQL
from layersite.model.database import Golden
from tests.database.goldens import seal
from tests.database.server import EMBEDDED, Server, running

__all__ = ["compare"]


def compare(server: Server, golden: Golden, runs: int) -> None:
    """Print the median of each method's seconds, all gone in turn, and how many times as fast as the restore it is."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        dump = Path(folder, "dump")
        dumped = _timed(lambda: _dump(server, golden, dump))
        restored, by_wal, cloned = [], [], []
        for number in range(runs):
            restored.append(_timed(lambda: _restore(server, dump, "restored")))
            by_wal.append(_timed(lambda: _by_wal(server, golden)))
            method, seconds = _clone(server, golden, number)
            cloned.append(seconds)
        peer = median(restored)
        _row("pg_dump -Fd -j2 (once per golden)", dumped, peer)
        _row("pg_restore -j2", peer, peer)
        _row("CREATE DATABASE, WAL log", median(by_wal), peer)
        _row(f"layersite clone, by {method}", median(cloned), peer)
        with _reflinks(Path(folder), golden.bytes) as there:
            if there:
                with running(EMBEDDED, *HONEST) as other:
                    _restore(other, dump, golden.name)
                    seal(other, golden)
                    found = [_clone(other, golden, number) for number in range(runs)]
                    _row(f"layersite clone, by {found[0][0]}", median(seconds for _, seconds in found), peer)


def _clone(server: Server, golden: Golden, number: int) -> tuple[str, float]:
    """Make a clone, ownership and all, and return how it came to be and its seconds; then it goes."""
    order = Order("bench", "bench-", f"web-{number}", "shop", golden.name)
    with server.connect() as admin:
        admin.execute("CHECKPOINT")  # a golden is older than the minute in which it was built
    with closing(PostgreSQL(server.uri(), "SERVER")) as engine:
        begun = time.perf_counter()
        clone, _ = provide(engine, order)
        seconds = time.perf_counter() - begun
        engine.drop(order.name)
    return clone.method, seconds


def _by_wal(server: Server, golden: Golden) -> None:
    with server.connect() as admin:
        admin.execute("DROP DATABASE IF EXISTS by_wal")
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
