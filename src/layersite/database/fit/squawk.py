"""What squawk says of new PostgreSQL migrations in SQL: locks, rewrites, what breaks the version that still runs."""

import sysconfig
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from layersite.database.fit.history import Step
from layersite.process import CommandError, run

__all__ = ["warnings"]


class _Finding(BaseModel):
    line: int
    rule_name: str
    message: str
    help: str | None = None


def warnings(files: Mapping[str, str], new: Iterable[Step]) -> tuple[str, ...]:
    """Return squawk's findings on what is `new` and in SQL, each as one line of text.

    A migration that a tool makes in another language is not looked at. Raises ToolError.
    """
    lines: dict[str, set[int]] = {}
    for step in new:
        if step.file.endswith(".sql"):
            every = range(files[step.file].count("\n") + 1)
            lines.setdefault(step.file, set()).update(every[slice(*step.lines)])
    return tuple(line for file in sorted(lines) for line in _look(file, files[file], lines[file]))


def _look(file: str, sql: str, lines: set[int]) -> list[str]:
    squawk = Path(sysconfig.get_path("scripts")) / "squawk"
    argv = [str(squawk), "--reporter=json", f"--stdin-filepath={file}"]
    try:
        said = run(argv, stdin=sql.encode())
    except CommandError as error:
        if error.code != 1:  # 1: it has found something
            raise
        said = error.stdout.encode()
    found = TypeAdapter(list[_Finding]).validate_json(said)
    found = [each for each in found if each.line in lines]
    return [f"`{file}:{each.line + 1}`: {_one_line(each)} ({each.rule_name})" for each in found]


def _one_line(finding: _Finding) -> str:
    return " ".join(f"{finding.message} {finding.help or ''}".split())
