"""Look at and tidy what the kernel keeps: processes, cgroups, folders."""

import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.testbed.programs import BedError

__all__ = ["remove_cgroup", "remove_folder", "retry", "run", "start_time"]


def start_time(pid: int) -> str:
    """Return when a process started, as nobody else with its number could have; nothing if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return "" if fields[0] in "ZX" else f"{boot}/{fields[19]}"


def remove_cgroup(root: Path) -> bool:
    """Remove a cgroup and all below it; this fails while a process is in one."""
    for folder in sorted(root.rglob("*/"), reverse=True):
        folder.rmdir()
    if root.exists():
        root.rmdir()
    return True


def remove_folder(folder: Path) -> bool:
    """Remove a folder if it is there."""
    if folder.exists():
        shutil.rmtree(folder)
    return True


def retry(action: Callable[[], bool], trouble: str) -> None:
    """Act until it succeeds, for twenty seconds."""
    end = time.monotonic() + 20
    while True:
        with suppress(OSError):  # busy until the last process is gone
            if action():
                return
        if time.monotonic() > end:
            raise BedError(f"the bed cannot be taken away: {trouble}")
        time.sleep(0.05)


def run(*argv: str) -> None:
    """Run a command that needs root."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BedError(f"`{' '.join(argv)}` failed: {done.stderr.strip()}; the bed needs root")
