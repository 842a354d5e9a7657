"""Where the demo plays: a folder, the commands that are run in it as a person would, and how long each step takes."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

__all__ = ["ROOT", "Stage"]

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


@dataclass
class Stage:
    """One run of the demo in `folder`; remembers how long each step took, in seconds.

    `environment` are the variables that commands see beside those that are there.
    """

    folder: Path
    console: Console
    environment: dict[str, str] = field(default_factory=dict)
    steps: list[tuple[str, float]] = field(default_factory=list)

    @property
    def site(self) -> Path:
        """The checkout of the environments repository."""
        return self.folder / "site"

    def step(self, title: str) -> None:
        """Begin a step."""
        self.steps.append((title, time.perf_counter()))
        self.console.print(f"\n[bold]{len(self.steps)}. {title}[/bold]")

    def run(self, *argv: str, cwd: Path | None = None, show: bool = True, code: int = 0) -> str:
        """Run a command as a person would, show it and what it says, and stop the demo unless it ends with `code`."""
        if show:
            shown = shlex.join(
                argument.replace(str(self.folder), "…").replace(str(ROOT), "layersite") for argument in argv
            )
            self.console.print(f"  $ {shown}", style="cyan", markup=False, highlight=False)
        tool = str(BIN / argv[0]) if (BIN / argv[0]).exists() else argv[0]
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            [tool, *argv[1:]], cwd=cwd or self.site, capture_output=True, text=True, check=False, env=environment
        )
        if show or done.returncode:
            said = (done.stdout + done.stderr if done.returncode else done.stdout).replace(str(self.folder), "…")
            self.console.print(
                "".join(f"    {line}\n" for line in said.splitlines()),
                markup=False,
                highlight=False,
                soft_wrap=True,
                end="",
            )
        if done.returncode != code:
            sys.exit(f"`{shlex.join(argv)}` ended with exit code {done.returncode}")
        return done.stdout

    def git(self, *argv: str, cwd: Path) -> str:
        """Run git without showing it."""
        return self.run("git", *argv, cwd=cwd, show=False)

    def commit(self, cwd: Path, message: str) -> None:
        """Commit everything below `cwd`."""
        self.git("add", "-A", cwd=cwd)
        self.git("-c", "user.name=Demo", "-c", "user.email=demo@example.com", "commit", "-qm", message, cwd=cwd)

    def table(self, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Show a table."""
        table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
        for title in header:
            table.add_column(title, overflow="fold")
        for row in rows:
            table.add_row(*row)
        self.console.print(Padding(table, (0, 0, 0, 4)))

    def summary(self) -> None:
        """Say what happened and how long each step took."""
        ends = [start for _, start in self.steps[1:]] + [time.perf_counter()]
        self.console.print("\n[bold]What happened[/bold]")
        timed = zip(self.steps, ends, strict=True)
        self.table(("step", "seconds"), [(title, f"{end - start:.1f}") for (title, start), end in timed])
