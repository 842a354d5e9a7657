"""A MariaDB schema as statements that make it again elsewhere: nobody's as a golden, its user's as a clone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from layersite.database.mariadb.connect import Session, identifier
from layersite.model.errors import DatabaseError

__all__ = ["Definition", "move", "read_definition"]

_DEFINER = re.compile(r" DEFINER=(?:`(?:[^`]|``)*`@`(?:[^`]|``)*`|\S+)")
_FOREIGN = re.compile(r",?\n  (CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY [^\n]*?)(?=,?\n)")

_CHARSET = """
SELECT default_character_set_name, default_collation_name FROM information_schema.schemata WHERE schema_name = %s"""
_ROUTINES = "SELECT routine_type, routine_name FROM information_schema.routines WHERE routine_schema = %s ORDER BY 1, 2"
_TRIGGERS = """
SELECT 'TRIGGER', trigger_name FROM information_schema.triggers WHERE trigger_schema = %s
ORDER BY event_object_table, action_timing, event_manipulation, action_order"""


@dataclass(frozen=True)
class Definition:
    """Tables without their foreign keys, those by table, and what rests on tables, in statements without a definer."""

    character_set: str
    collation: str
    tables: dict[str, str]
    foreign: dict[str, tuple[str, ...]]
    routines: tuple[tuple[str, str], ...]
    views: dict[str, str]
    triggers: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """All that is written in it."""
        keys = (key for keys in self.foreign.values() for key in keys)
        programs = (sql for _, sql in (*self.routines, *self.triggers))
        return "\n".join((*self.tables.values(), *keys, *self.views.values(), *programs))

    def make_database(self, session: Session, name: str) -> None:
        """Make the empty database `name`."""
        charset = f"CHARACTER SET {self.character_set} COLLATE {self.collation}"
        session.ask(f"CREATE DATABASE {identifier(name)} {charset}")

    def make_tables(self, session: Session) -> None:
        """Make the empty tables in the session's database."""
        for sql in self.tables.values():
            session.ask(sql)

    def add_keys(self, session: Session) -> None:
        """Add the foreign keys, without looking at rows: the rows are those of a database that has them."""
        session.ask("SET foreign_key_checks = 0")
        for table, keys in self.foreign.items():
            session.ask(f"ALTER TABLE {identifier(table)} {', '.join(f'ADD {key}' for key in keys)}")

    def analyze(self, session: Session) -> None:
        """Let the server count rows and keys, and remember no values."""
        if not session.is_mysql:
            session.ask("SET use_stat_tables = never")
        for table in self.tables:
            session.ask(f"ANALYZE TABLE {identifier(table)}")

    def add_programs(self, session: Session, definer: str | None = None) -> None:
        """Add routines, views and triggers, which act with the rights of `definer`, by default the session's."""
        by = f" DEFINER={definer}@`%`" if definer else ""
        kept = session.one("SELECT @@sql_mode")
        for mode, sql in self.routines:
            session.ask("SET sql_mode = %s", mode)
            session.ask(f"CREATE{by} {sql}")
        session.ask("SET sql_mode = %s", kept)
        _add_views(session, [f"CREATE{by} SQL SECURITY INVOKER {sql}" for sql in self.views.values()])
        for mode, sql in self.triggers:
            session.ask("SET sql_mode = %s", mode)
            session.ask(f"CREATE{by} {sql}")
        session.ask("SET sql_mode = %s", kept)


def read_definition(session: Session) -> Definition:
    """Read the definition of the session's database. Raises DatabaseError."""
    database = session.database
    charset, collation = session.ask(_CHARSET, database)[0]
    found = session.ask("SHOW FULL TABLES")
    tables: dict[str, str] = {}
    foreign: dict[str, tuple[str, ...]] = {}
    for name in (name for name, kind in found if kind == "BASE TABLE"):
        sql = str(session.ask(f"SHOW CREATE TABLE {identifier(name)}")[0][1])
        if keys := tuple(_FOREIGN.findall(sql)):
            foreign[name] = keys
        sql = re.sub(r"(?m)^(\) ENGINE=)\w+( AUTO_INCREMENT=\d+)?", r"\1InnoDB", _FOREIGN.sub("", sql))
        tables[name] = re.sub(r" (?:(?:DATA|INDEX) DIRECTORY|CONNECTION)='(?:[^']|'')*'", "", sql)
    views = {}
    for name in (name for name, kind in found if kind == "VIEW"):
        sql = str(session.ask(f"SHOW CREATE VIEW {identifier(name)}")[0][1])
        views[name] = f"VIEW{sql.partition(' VIEW')[2]}"
    routines, triggers = (
        tuple(_of_program(session, kind, name) for kind, name in session.ask(listed, database))
        for listed in (_ROUTINES, _TRIGGERS)
    )
    return Definition(charset, collation, tables, foreign, routines, views, triggers)


def _of_program(session: Session, kind: str, name: str) -> tuple[str, str]:
    """Return the SQL mode of a routine or trigger, and what makes it, without `CREATE` and definer."""
    if kind not in ("FUNCTION", "PROCEDURE", "TRIGGER"):
        raise DatabaseError(f"the source has what no golden can have yet: {kind.lower()} {name}; take it out there")
    _, mode, sql, *_ = session.ask(f"SHOW CREATE {kind} {identifier(name)}")[0]
    if sql is None:
        rights = "`TRIGGER` and, for routines, `SHOW CREATE ROUTINE` (before MariaDB 11.3 `SELECT` on mysql.proc)"
        raise DatabaseError(f"the role may not read the {kind.lower()} {name}; grant it {rights}")
    return mode, _DEFINER.sub("", str(sql), count=1).removeprefix("CREATE ")


def _add_views(session: Session, views: Sequence[str]) -> None:
    """Make views in whatever order they need each other."""
    waiting = list(views)
    while waiting:
        left, last = [], None
        for sql in waiting:
            try:
                session.ask(sql)
            except DatabaseError as error:
                left.append(sql)
                last = error
        if last is not None and len(left) == len(waiting):
            raise last
        waiting = left


def move(session: Session, old: str, new: str, definition: Definition, definer: str | None = None) -> None:
    """Make the database `old`, which has tables alone, the database `new`, with all of `definition`.

    A server cannot rename a database: its tables move, then follows what cannot move.
    """
    definition.make_database(session, new)
    session.ask("SET foreign_key_checks = 0")
    pairs = [
        f"{identifier(old)}.{identifier(name)} TO {identifier(new)}.{identifier(name)}" for name in definition.tables
    ]
    if pairs:
        session.ask(f"RENAME TABLE {', '.join(pairs)}")
    inside = session.another(new)
    try:
        definition.add_programs(inside, definer)
    finally:
        inside.close()
    session.ask(f"DROP DATABASE {identifier(old)}")
