"""Migrations that are told by the number or name of their file: Flyway, Rails, Prisma, golang-migrate and goose."""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from layersite.database.fit.history import History, Step
from layersite.model.errors import InvalidInputError, Problem

__all__ = ["flyway_version", "read_flyway", "read_golang_migrate", "read_goose", "read_prisma", "read_rails"]


_GOOSE_DOWN = re.compile(r"(?mi)^--\s*\+goose\s+down\b")


def read_flyway(files: Mapping[str, str]) -> History:
    """Read versioned migrations with their checksums; repeatable ones run whenever they change and decide nothing."""
    steps = _chain(files, r"(?:^|/)V(\d+(?:[._]\d+)*)__[^/]*\.(?!conf$)\w+$", flyway_version)
    sums = {name: _flyway_checksum(files[step.file]) for name, step in steps.items() if step.file.endswith(".sql")}
    return History(steps, checksums=sums)


def read_rails(files: Mapping[str, str]) -> History:
    """Read Active Record migrations, an engine's too; Rails applies whatever is missing, in any order."""
    return History(_chain(files, r"(?:^|/)(\d+)_\w+(?:\.\w+)?\.rb$", _number, linked=False), forgets=True)


def read_goose(files: Mapping[str, str]) -> History:
    """Read goose's migrations in SQL and Go; what they do on the way back is left aside."""
    steps = _chain(files, r"(?:^|/)(\d+)_[^/]*(?<!_test)\.(?:sql|go)$", _number)
    ends = {name: _GOOSE_DOWN.search(files[step.file]) for name, step in steps.items()}
    return History({name: replace(step, lines=(0, _line(ends[name]))) for name, step in steps.items()}, forgets=True)


def read_golang_migrate(files: Mapping[str, str]) -> History:
    """Read golang-migrate's upward migrations; its ledger holds one number."""
    return History(_chain(files, r"(?:^|/)(\d+)_[^/]*\.up\.\w+$", _number), by_head=True)


def read_prisma(files: Mapping[str, str]) -> History:
    """Read Prisma's folders, each with a `migration.sql`."""
    return History(_chain(files, r"(?:^|/)([^/]+)/migration\.sql$", str, linked=False))


def flyway_version(text: str) -> str:
    """Return a version as Flyway compares it: `1_02.0` is `1.2`."""
    parts = [str(int(part)) for part in re.split(r"[._]", text)]
    while len(parts) > 1 and parts[-1] == "0":
        parts.pop()
    return ".".join(parts)


def _line(found: re.Match[str] | None) -> int | None:
    return found.string.count("\n", 0, found.start()) if found else None


def _number(text: str) -> str:
    return str(int(text))


def _chain(files: Iterable[str], pattern: str, name: Callable[[str], str], linked: bool = True) -> dict[str, Step]:
    """Return the files that match as steps by name, if `linked` each after the one before. Raises InvalidInputError."""
    found: dict[str, str] = {}
    for file in sorted(files):
        if match := re.search(pattern, file):
            called = name(match[1])
            if called in found:
                text = f"has the number `{called}`, and so has {found[called]}; give one of them a new number"
                raise InvalidInputError([Problem(file, 0, "", text)])
            found[called] = file
    names = sorted(found, key=_order)
    pairs = zip(["", *names], names, strict=False)
    return {name: Step(name, found[name], (before,) if before and linked else ()) for before, name in pairs}


def _order(name: str) -> tuple[tuple[int, ...], str]:
    is_version = re.fullmatch(r"[\d.]+", name)
    return tuple(map(int, name.split("."))) if is_version else (), name


def _flyway_checksum(text: str) -> str:
    """Return Flyway's CRC-32 of the lines without their ends, as the signed number that its ledger holds."""
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    total = zlib.crc32("".join(lines).encode())
    return str(total - (1 << 32) if total >> 31 else total)
