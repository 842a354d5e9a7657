"""Build, start, use and stop a bed: `python -m tests.testbed --help`."""

import argparse
import os
import signal
import subprocess
import sys

from tests.testbed.lifecycle import down, running, up
from tests.testbed.programs import BedError, build_all
from tests.testbed.space import Space

_HELP = {
    "up": "start the bed, unless it runs",
    "down": "stop it and leave nothing behind",
    "status": "say what runs, and where",
    "build": "build its programs and start nothing",
    "exec": "run a command in the running bed: exec -- CMD",
    "run": "start the bed, run a command in it, and stop it again if it did not run before: run -- CMD",
}


def main() -> int:
    """Carry out one command and return its exit code."""
    arguments = _parser().parse_args()
    space = Space(arguments.id)
    if arguments.command == "build":
        build_all()
    elif arguments.command == "down":
        down(space)
    elif arguments.command == "exec":
        return _run(space, arguments.argv)
    elif arguments.command == "run":
        return _up_and_run(space, arguments.argv, keep=arguments.keep)
    else:
        if arguments.command == "up":
            up(space)
        return _status(space)
    return 0


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--id", default="default", help="which bed; several can run side by side")
    parser = argparse.ArgumentParser(prog="python -m tests.testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in _HELP.items():
        command = commands.add_parser(name, help=text, parents=[shared])
        if name == "run":
            command.add_argument("--keep", action="store_true", help="leave the bed running")
        if name in ("exec", "run"):
            command.add_argument("argv", nargs="+", metavar="CMD")
    return parser


def _status(space: Space) -> int:
    for name, runs in space.processes().items():
        print(f"{'runs' if runs else 'DEAD'}  {name}")
    bed = running(space)
    if bed is None:
        print(f"the bed {space.id} is not up; start it with: python -m tests.testbed up --id {space.id}")
        return 1
    print(f"the bed {space.id} is up; its addresses and keys: {space.state_file}; into it: {_into(space)} COMMAND")
    return 0


def _into(space: Space) -> str:
    return f"python -m tests.testbed exec --id {space.id} --"


def _up_and_run(space: Space, argv: list[str], *, keep: bool) -> int:
    keep = keep or running(space) is not None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as CI ends what it cancels: the bed goes then, too
    bed = [sys.executable, "-m", "tests.testbed"]  # another process, as both steps move into the bed's network
    try:
        return _call(*bed, "up", f"--id={space.id}") or _call(*bed, "exec", f"--id={space.id}", "--", *argv)
    finally:
        if not keep:
            down(space)


def _call(*argv: str) -> int:
    return subprocess.run(argv, check=False).returncode


def _run(space: Space, argv: list[str]) -> int:
    bed = running(space)
    if bed is None:
        raise BedError(f"the bed {space.id} is not up; start it with: python -m tests.testbed up --id {space.id}")
    outside = os.open("/proc/self/ns/net", os.O_RDONLY)
    os.set_inheritable(
        outside, True
    )  # for the command, whose process this becomes: the way back to the machine's network
    space.enter()
    path = f"{space.directory / 'bin'}:{os.environ['PATH']}"
    settings = {"PATH": path, "KUBECONFIG": bed.kubeconfig, "LAYERSITE_BED": str(space.state_file)}
    settings["LAYERSITE_BED_OUTSIDE"] = f"/proc/{os.getpid()}/fd/{outside}"
    os.execvpe(argv[0], argv, os.environ | settings)  # noqa: S606


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BedError as error:
        sys.exit(f"testbed: {error}")
