"""A server of a clone's own: a folder with its data, its settings and its log, and the process that has it open.

Only folders that bear a mark are touched. A process is known by the settings that it was started with, so one whose
starter was killed is found too.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from layersite.database.mariadb.files import clone_file
from layersite.database.mariadb.ports import held, unused
from layersite.model.errors import DatabaseError

__all__ = ["Daemon", "program"]

_MARK = "layersite"
_PATIENCE = 60
_OWN = """[mysqld]
datadir={home}/data
tmpdir={home}/tmp
secure-file-priv={home}/tmp
log-error={home}/error.log
pid-file={home}/pid
socket=socket
init-file={home}/init.sql
skip-name-resolve
skip-log-bin
innodb-buffer-pool-size=64M
loose-innodb-log-file-size=32M
loose-mysqlx=OFF
"""
"""The socket lies in the data, for the whole of its path may be too long for one."""


def program(name: str, package: str) -> str:
    """Return where a program of the server's is. Raises DatabaseError."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin"))
    if (found := shutil.which(name, path=path)) is None:
        raise DatabaseError(f"`{name}` is needed here for `instances`; install it (package {package})")
    return found


@dataclass(frozen=True)
class Daemon:
    """The server in the folder `home`, beside which are others; the owner of the folder that they are in runs it."""

    home: Path

    @property
    def port(self) -> int:
        """The port that it has, whether it runs or not."""
        return int((self.home / "port").read_text())

    @property
    def is_ours(self) -> bool:
        """Whether we made the folder: it bears our mark, or has nothing in it."""
        return (self.home / _MARK).is_file() or (self.home.is_dir() and not any(self.home.iterdir()))

    def make(self, ports: tuple[int, int], first: int) -> None:
        """Make the folder, with a port that no other has: of `ports`, the first that is free from the `first` on."""
        with held(self.home.parent):
            port = unused(self.home.parent, ports, first)
            self.home.mkdir(0o700)
            (self.home / _MARK).touch()
            self._write("port", str(port))
            self._write("error.log", "")
        for name in ("data", "tmp"):
            (self.home / name).mkdir(0o700)
            self._give(self.home / name)
        self._give(self.home)

    def install(self, argv: Sequence[str]) -> None:
        """Fill the data with a new server's. Raises DatabaseError."""
        if self._run(argv) != 0:
            raise DatabaseError(f"`{argv[0]}` cannot make a server in {self.home}; `error.log` there says why")

    def copy(self, other: "Daemon") -> bool:
        """Fill the data with that of another, which does not run; return whether the copy shares its blocks.

        Raises DatabaseError: it cannot be copied, and what there was of it is gone again.
        """
        source, shared = other.home / "data", []
        try:
            for folder, _, names in os.walk(source):
                to = self.home / "data" / Path(folder).relative_to(source)
                to.mkdir(0o700, exist_ok=True)
                self._give(to)
                shared += [clone_file(Path(folder, name), to / name) for name in names]
        except OSError as error:
            self.remove()
            raise DatabaseError(f"{source} cannot be copied into {self.home}: {error.strerror}") from error
        return all(shared)

    def configure(self, address: str, port: int, settings: Mapping[str, str], said: Sequence[str]) -> None:
        """Set where the server listens, and how it is; `said` are the statements that it begins with."""
        lines = [f"bind-address={address}", f"port={port}", *(f"{name}={value}" for name, value in settings.items())]
        common = self.home.parent / "my.cnf"
        more = [f"!include {common}"] if common.is_file() else []
        self._write("port", str(port))
        self._write("init.sql", "".join(f"{each};\n" for each in said))
        self._write("my.cnf", "\n".join((_OWN.format(home=self.home), *lines, *more, "")))

    def start(self, server: str) -> None:
        """Start the process, which goes on when this one ends."""
        # A MySQL that was killed leaves its number there, and the next one ends where any process has that number now.
        (self.home / "data" / "socket.lock").unlink(missing_ok=True)
        self._run(["setsid", "--fork", server, f"--defaults-file={self.home / 'my.cnf'}"])

    def is_running(self) -> bool:
        """Whether there is such a process."""
        return any(self._processes())

    def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """End the process, if there is one: SIGTERM lets it complete its files, SIGKILL does not."""
        for number in (first, signal.SIGKILL):
            end = time.monotonic() + _PATIENCE
            for process in self._processes():
                with suppress(ProcessLookupError):
                    os.kill(process, number)
            while time.monotonic() < end:
                if not self.is_running():
                    return
                time.sleep(0.02)
        raise DatabaseError(f"the server in {self.home} cannot be stopped")

    def rename(self, name: str) -> "Daemon":
        """Give the folder another name, where there is none yet."""
        new = Daemon(self.home.with_name(name))
        self.home.rename(new.home)
        return new

    def remove(self) -> None:
        """End the process and remove the folder. Raises DatabaseError: it is not ours."""
        if not self.home.exists():
            return
        if not self.is_ours:
            raise DatabaseError(f"there is a folder {self.home} that layersite did not make; it was not touched")
        self.stop(signal.SIGKILL)
        for path in self.home.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != _MARK:
                path.unlink()
        (self.home / _MARK).unlink(missing_ok=True)  # the last, for a run that is killed here leaves ours
        self.home.rmdir()

    def _processes(self) -> Iterator[int]:
        mine = f"--defaults-file={self.home / 'my.cnf'}".encode()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if mine in path.read_bytes().split(b"\0"):
                    yield int(path.parent.name)

    def _write(self, name: str, text: str) -> None:
        path = self.home / f"{name}.new"
        path.touch(0o600)
        path.write_text(text, encoding="utf-8")
        self._give(path)
        path.replace(self.home / name)

    def _give(self, path: Path) -> None:
        if os.geteuid() == 0:
            owner = self.home.parent.stat()
            os.chown(path, owner.st_uid, owner.st_gid)

    def _run(self, argv: Sequence[str]) -> int:
        """Run a program as the owner of all this, who reads in `error.log` what it says, and return its exit code."""
        owner, is_root = self.home.parent.stat(), os.geteuid() == 0
        try:
            with (self.home / "error.log").open("ab") as log:
                return subprocess.run(
                    argv,
                    user=owner.st_uid if is_root else None,
                    group=owner.st_gid if is_root else None,
                    extra_groups=[] if is_root else None,
                    check=False,
                    cwd="/",
                    env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                ).returncode
        except OSError as error:
            text = f"`{argv[0]}` cannot be run as the owner of {self.home.parent}: {error.strerror}"
            raise DatabaseError(f"{text}; see that this user may read and execute it") from error
