"""Clone a golden by every method, beside `pg_dump | pg_restore -j`, on its own server and on another one.

On a file system with reflinks too, in a loop file, where the machine lets us make one: as root, with `mkfs.xfs`.
"""

import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import LiteralString

from psycopg.sql import SQL, Identifier

from benchmarks.servers import HONEST
from layersite.database.clone import Order, admit, engine_of, fetcher, provide
from layersite.model.database import Golden, variable_of
from tests.database.goldens import seal
from tests.database.server import EMBEDDED, Server, running

__all__ = ["compare"]


Unit = Mapping[str, Callable[[], str]]
"""Ways that are gone one after the other, by title; each says how it went."""


def compare(server: Server, golden: Golden, runs: int) -> None:
    """Print what restores, the server's own copies and clones take, on another server and with reflinks too."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        dump = Path(folder, "dump")
        begun = time.perf_counter()
        _dump(server, golden, dump)
        print(f"pg_dump -Fd -j2, once per golden: {time.perf_counter() - begun:.1f} s", flush=True)
        _table("on its server", golden, _here(server, golden, dump), runs, server, golden.name)
        with running(EMBEDDED, *HONEST) as other:
            _table(
                "on another server",
                golden,
                _elsewhere(server, other, golden, Path(folder, "other")),
                (runs + 1) // 2,
                other,
            )
        with _reflinks(Path(folder), golden.bytes) as there:
            if there:
                with running(EMBEDDED, *HONEST, "file_copy_method=clone") as other:
                    _restore(other, dump, golden.name)
                    other.run(golden.name, "VACUUM (FREEZE, ANALYZE)")  # as it is done with one from another server
                    seal(other, golden)
                    _table("on XFS with reflinks", golden, _here(other, golden, dump), runs, other, golden.name)


def _here(server: Server, golden: Golden, dump: Path) -> list[Unit]:
    """Return the ways from a golden, or from its dump, to a database on its server."""
    return [
        {"pg_restore -j2": lambda: _restore(server, dump, "made")},
        {"CREATE DATABASE, WAL log": lambda: _copy(server, golden, "WAL_LOG")},
        {"CREATE DATABASE, files (the floor)": lambda: _copy(server, golden, "FILE_COPY")},
        {"layersite clone": lambda: _clone(server, golden)},
    ]


def _elsewhere(server: Server, other: Server, golden: Golden, dump: Path) -> list[Unit]:
    """Return the ways from a golden to a database on another server, where nothing of it is yet."""

    def by_hand() -> str:
        _dump(server, golden, dump)
        _restore(other, dump, "made")
        shutil.rmtree(dump)
        return ""

    return [
        {"pg_dump -Fd -j2, then pg_restore -j2": by_hand},
        {
            "layersite, the first clone": lambda: _clone(other, golden, 1, server),
            "layersite, each further one": lambda: _clone(other, golden, 2, server),
        },
    ]


def _table(where: str, golden: Golden, units: Sequence[Unit], runs: int, server: Server, *kept: str) -> None:
    """Print the median and the range of each way's seconds, gone in any order, and the same of their ratios.

    What a way leaves on `server` goes afterwards, but what is `kept`.
    """
    ways = {title: way for unit in units for title, way in unit.items()}
    found: dict[str, list[float]] = {title: [] for title in ways}
    how = dict.fromkeys(ways, "")
    _remove(server, *kept)
    print(f"{where}: {golden.bytes / 1e6:,.0f} MB, load {os.getloadavg()[0]:.1f}", flush=True)
    chance = random.Random(29)  # noqa: S311  each way follows most others with it
    for _ in range(runs):
        for unit in chance.sample([*units], len(units)):  # for a disk is slower after a way that wrote much
            for title, way in unit.items():
                with server.connect() as admin:
                    admin.execute("CHECKPOINT")  # a golden is older than the minute in which it was built
                begun = time.perf_counter()
                how[title] = way()
                found[title].append(time.perf_counter() - begun)
            _remove(server, *kept)
    peer, *_ = ways
    for title, seconds in found.items():
        _row(title + how[title], seconds, found[peer])


def _row(title: str, mine: Sequence[float], restored: Sequence[float]) -> None:
    ratios = sorted(peer / one for peer, one in zip(restored, mine, strict=True))
    wall = f"{median(mine):7.2f} s ({min(mine):.2f} to {max(mine):.2f})"
    print(f"{title:<78}{wall:<30}{median(ratios):6.1f} times as fast ({ratios[0]:.1f} to {ratios[-1]:.1f})", flush=True)


def _clone(server: Server, golden: Golden, number: int = 1, source: Server | None = None) -> str:
    """Make a clone as a run does: sign in, bring the golden if need be, copy, hand over, rename, set a password."""
    order = Order("bench", "bench-", f"web-{number}", "shop", golden.name)
    os.environ[variable_of("shop", "GOLDENS")] = (source or server).uri()
    os.environ[variable_of("shop", "SERVER")] = server.uri()
    with engine_of("shop", "postgresql") as engine:
        clone, _ = provide(engine, order, fetch=fetcher("shop", "postgresql", golden.name))
        admit(engine, clone.name, None)
    return f", by {clone.method}"


def _copy(server: Server, golden: Golden, strategy: LiteralString) -> str:
    with server.connect() as admin:
        admin.execute(SQL("CREATE DATABASE made TEMPLATE {} STRATEGY " + strategy).format(Identifier(golden.name)))
    return ""


def _remove(server: Server, *kept: str) -> None:
    server.clear(*kept)
    with server.connect() as admin:
        for number in (1, 2):
            admin.execute(SQL("DROP ROLE IF EXISTS {}").format(Identifier(f"bench_web_{number}__shop")))


def _dump(server: Server, golden: Golden, dump: Path) -> None:
    with server.connect() as admin:  # a golden lets nobody in
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(Identifier(golden.name)))
    _run(server, "pg_dump", "-Fd", "-j2", "-f", str(dump), "-d", server.uri(golden.name))
    with server.connect() as admin:
        admin.execute(SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(Identifier(golden.name)))


def _restore(server: Server, dump: Path, name: str) -> str:
    with server.connect() as admin:
        admin.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    _run(server, "pg_restore", "-j2", "-d", server.uri(name), str(dump))
    return ""


def _run(server: Server, program: str, *arguments: str) -> None:
    subprocess.run([str(server.programs / program), *arguments], check=True)


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
