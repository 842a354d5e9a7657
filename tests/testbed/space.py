"""One bed's own corner of the machine: network, process and mount namespace, cgroup, folder, and what runs in there.

One process, the anchor, is the first of the bed's process namespace: when it dies, so does everything in the bed, and
with it every mount. So nothing is left behind however the bed ended, and nobody else's process can be hit.
"""

import ctypes
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.testbed.machine import remove_cgroup, remove_folder, retry, run, start_time
from tests.testbed.programs import BedError

__all__ = ["ADDRESS", "Space"]

ADDRESS = "10.90.0.1"
_ROOT = Path("/var/lib/layersite-testbed")
_CLONE_NEWNET = 0x40000000
_started: list[subprocess.Popen[bytes]] = []
"""Kept because Python warns of one that it forgets while it runs."""
_NAMESPACES = ("--mount=/proc/{0}/ns/mnt", "--pid=/proc/{0}/ns/pid_for_children")


@dataclass(frozen=True)
class Space:
    """Where the bed called `id` lives."""

    id: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?", self.id):
            raise BedError(f"{self.id!r} cannot name a bed: use up to 20 small letters, digits and inner hyphens")

    @property
    def directory(self) -> Path:
        """The folder that holds all of the bed's files."""
        return _ROOT / self.id

    @property
    def netns(self) -> str:
        """The name of the network namespace, and of the cgroup."""
        return f"layersite-{self.id}"

    @property
    def state_file(self) -> Path:
        """The file that says what runs and how to use it; it holds tokens."""
        return self.directory / "state.json"

    def state(self) -> dict[str, Any]:
        """Return what is known of the bed, `{}` if there is none."""
        if not self.state_file.is_file():
            return {}
        loaded: dict[str, Any] = json.loads(self.state_file.read_bytes())
        return loaded

    def write_state(self, **changes: Any) -> None:
        """Replace parts of the state in one step, readable to the owner alone."""
        half = self.state_file.with_suffix(".new")
        half.touch(0o600)
        half.write_text(json.dumps(self.state() | changes, indent=2), encoding="utf-8")
        half.rename(self.state_file)

    def processes(self) -> dict[str, bool]:
        """Return the name of everything that was started, and whether it still runs."""
        return {name: start_time(pid) == start for name, (pid, start) in self._recorded().items()}

    def create(self) -> None:
        """Make the folder, the namespaces and the cgroups, and enter the network namespace."""
        for folder in ("logs", "tmp", "home", "bin"):
            (self.directory / folder).mkdir(parents=True)
        self.directory.chmod(0o700)
        for cgroup in self._cgroups():
            cgroup.mkdir()
        run("ip", "netns", "add", self.netns)
        self.enter()
        # The node's address: a bridge without ports, and a default route over it so that no address is unreachable.
        for line in (
            "link set lo up",
            "link add node0 type bridge",
            f"address add {ADDRESS}/32 dev node0",
            "link set node0 up",
            "route add default dev node0",
        ):
            run("ip", *line.split())
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="utf-8")
        resolver = self.directory / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\n", encoding="utf-8")  # refuses at once; a real one would time out
        # Argo CD's repo-server asks for passwords through a socket of one fixed name in /tmp.
        private = f"mount --bind {resolver} /etc/resolv.conf && mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /tmp"
        script = f"{private} && {{ sleep infinity & wait; }}"  # the shell also reaps orphans
        argv = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script]
        self._spawn("anchor", argv, {})

    def enter(self) -> None:
        """Move this process into the bed's network namespace."""
        with Path("/run/netns", self.netns).open() as namespace:
            libc = ctypes.CDLL(None, use_errno=True)  # os.setns is new in Python 3.12
            if libc.setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                raise BedError(f"cannot enter the network namespace {self.netns}: {os.strerror(ctypes.get_errno())}")

    def is_entered(self) -> bool:
        """Say whether this process is in the bed's network namespace."""
        named = Path("/run/netns", self.netns)
        return named.exists() and named.stat().st_ino == Path("/proc/self/ns/net").stat().st_ino

    def start(self, name: str, *argv: str | Path, env: Mapping[str, str] | None = None) -> None:
        """Start a program in the bed, with a log file of its name."""
        anchor = self._recorded()["anchor"][0]
        inside = [option.format(anchor) for option in _NAMESPACES]
        self._spawn(name, ["nsenter", *inside, *map(str, argv)], env or {})

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Kill one program, and start it again as it was."""
        group = self._recorded()[name][0]
        argv, env = (
            Path(f"/proc/{group}/{what}").read_text("utf-8").split("\0")[:-1] for what in ("cmdline", "environ")
        )
        os.killpg(group, signal.SIGKILL)
        retry(lambda: not self.processes()[name], f"{name} does not end")
        try:
            yield
        finally:
            self._spawn(name, argv, dict(variable.split("=", 1) for variable in env))

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Stop one program where it is, so that it takes connections and answers none, and let it go on."""
        group = self._recorded()[name][0]
        program = Path(f"/proc/{group}/task/{group}/children").read_text("utf-8").split()[0]
        os.kill(int(program), signal.SIGSTOP)  # nsenter, which leads the group, then stops by itself
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    def environment(self) -> dict[str, str]:
        """Return the environment that programs in the bed see."""
        path = f"{self.directory / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        home, temporary = self.directory / "home", self.directory / "tmp"
        kubeconfig = self.directory / "kubeconfig"
        return {"PATH": path, "HOME": str(home), "TMPDIR": str(temporary), "KUBECONFIG": str(kubeconfig)}

    def wait(self, what: str, is_done: Callable[[], bool], timeout: float = 120) -> None:
        """Wait until `is_done`; give up when a process of the bed has died meanwhile."""
        end = time.monotonic() + timeout
        while not is_done():
            dead = [name for name, runs in self.processes().items() if not runs]
            if dead or time.monotonic() > end:
                cause = f"{', '.join(dead)} died" if dead else f"it took more than {timeout:g} s"
                tails = "\n".join(self.log_tail(name) for name in dead)
                raise BedError(f"no {what}: {cause}; see {self.directory / 'logs'}\n{tails}")
            time.sleep(0.05)

    def log_tail(self, name: str, lines: int = 15) -> str:
        """Return the end of one program's log."""
        text = (self.directory / "logs" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def destroy(self) -> None:
        """Stop everything in the bed and remove all that it left on the machine."""
        pid, start = self._recorded().get("anchor", (0, ""))
        if start and start_time(pid) == start:
            os.kill(pid, signal.SIGKILL)
        retry(lambda: not any(self.processes().values()), "its processes do not end")
        for root in self._cgroups():
            retry(partial(remove_cgroup, root), f"the cgroup {root} is still in use")
        if Path("/run/netns", self.netns).exists():
            run("ip", "netns", "delete", self.netns)
        retry(partial(remove_folder, self.directory), f"{self.directory} is still in use")

    def _recorded(self) -> dict[str, tuple[int, str]]:
        return {name: (pid, start) for name, (pid, start) in self.state().get("processes", {}).items()}

    def _spawn(self, name: str, argv: list[str], env: Mapping[str, str]) -> None:
        with (self.directory / "logs" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                env=self.environment() | dict(env),
                start_new_session=True,
            )
        _started.append(process)
        self.write_state(processes=self._recorded() | {name: (process.pid, start_time(process.pid))})

    def _cgroups(self) -> list[Path]:
        """Return the bed's cgroup: one under each controller, or the only one where there is one hierarchy."""
        root = Path("/sys/fs/cgroup")
        hierarchies = [root] if (root / "cgroup.controllers").exists() else list(root.iterdir())
        return [path / self.netns for path in hierarchies if not path.is_symlink()]
