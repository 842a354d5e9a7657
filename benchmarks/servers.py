"""What the benchmarks of databases share: how their servers are set, and what a piece of work takes there and here."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.database.server import Server

__all__ = ["HONEST", "Spent", "spent"]

HONEST = ("fsync=on", "shared_buffers=1GB", "max_wal_size=8GB", "maintenance_work_mem=256MB")


@dataclass(frozen=True)
class Spent:
    """Seconds on the wall, and seconds of processors, which other work on the machine adds less to."""

    wall: float
    processors: float


def spent(work: Callable[[], object], server: Server) -> Spent:
    """Do `work` and return what it took, here and in `server`."""
    begun, used = time.perf_counter(), _used(server)
    work()
    return Spent(time.perf_counter() - begun, _used(server) - used)


def _used(server: Server) -> float:
    """Return the processor seconds of this process and of the server, with all that they have started."""
    parent = (server.data / "postmaster.pid").read_text().split()[0]
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ticks = sum(_ticks(each) for each in (parent, *children))
    return sum(os.times()[:4]) + ticks / os.sysconf("SC_CLK_TCK")


def _ticks(process: str) -> int:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:  # it has just ended, and counts as its parent's
        return 0
    return sum(map(int, fields[11:15]))
