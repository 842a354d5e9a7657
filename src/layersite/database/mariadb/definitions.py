"""Whether a golden on MariaDB is defined as its source is: tables line by line, and each thing that rests on them."""

import re
from collections.abc import Iterator

from layersite.database.golden.attestation import Check
from layersite.database.golden.definitions import compared
from layersite.database.mariadb.connect import identifier
from layersite.database.mariadb.ddl import Definition
from layersite.model.contract import Contract

__all__ = ["definitions"]

_NAME = "`(?:[^`]|``)+`"
_LINE = re.compile(rf"(?:(?:(?:UNIQUE |FULLTEXT |SPATIAL )?(KEY)|(CONSTRAINT)) )?({_NAME}|PRIMARY KEY) ")
_PROGRAM = re.compile(rf"(\w+(?:\s+FUNCTION)?)\s+(?:IF\s+NOT\s+EXISTS\s+)?({_NAME}|[^\s(]+)", re.IGNORECASE)


def definitions(source: Definition, golden: Definition, contract: Contract, is_alike: bool) -> Check:
    """All that the source's database consists of is there and says the same, but what the contract drops."""
    wanted, found = (dict(_parts(each)) for each in (source, golden))
    gone = {("view", name) for name, action in contract.relations.items() if action == "drop"}
    for name in source.tables:
        dropped = [identifier(column) for column, action in contract.columns(name).items() if action == "drop"]
        of_it = f" of {name}"
        gone |= {key for key, sql in wanted.items() if key[1].endswith(of_it) and any(each in sql for each in dropped)}
    for key in gone:
        wanted.pop(key, None)
        found.pop(key, None)
    return compared(wanted, found, is_alike)


def _parts(definition: Definition) -> Iterator[tuple[tuple[str, str], str]]:
    """Give everything by kind and name, with its text."""
    yield ("character set", "of all"), f"{definition.character_set} {definition.collation}"
    for table, sql in definition.tables.items():
        rest = []
        for line in (*sql.splitlines()[1:], *definition.foreign.get(table, ())):
            text = line.strip().removesuffix(",")
            if found := _LINE.match(text):
                kind = next((word for word in found.groups()[:2] if word), "column").lower()
                yield (kind, f"{found[3].strip('`')} of {table}"), text
            else:
                rest.append(text)
        yield ("table", table), "\n".join(rest)
    yield from ((("view", name), sql) for name, sql in definition.views.items())
    for mode, sql in (*definition.routines, *definition.triggers):
        begin = _PROGRAM.match(sql)
        assert begin is not None  # noqa: S101  a kind and a name
        yield (begin[1].lower(), begin[2].strip("`")), f"{mode} {sql}"
