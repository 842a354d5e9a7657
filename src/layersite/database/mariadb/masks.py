"""Masking rules as MariaDB expressions that run inside the source server: the same hashes, and so the same masks, as
on PostgreSQL.

The key is in a variable of the session. Another holds the hash of the value at hand while its mask is made, for a
subquery that computes it once would have the server write all rows of it to disk first. A row leaves the server as what
an INSERT says of it, so whoever carries it over need not look into it.
"""

from collections.abc import Mapping

from layersite.database.contract.rules import LEAF, domain_of
from layersite.database.mariadb.connect import Session, identifier, literal, text_of
from layersite.database.mariadb.values import VALUES, choice, number
from layersite.database.schema import Column, Relation
from layersite.model.contract import Action, Choice, Constant, Date, Identifier, Json, Leaf, Number, Rule, Value
from layersite.model.errors import DatabaseError

__all__ = ["columns_of", "path_of", "projection", "query", "set_key"]

_HASH = "@layersite_hash"
_SHAPES = ("geometry", "point", "linestring", "polygon", "multi")


def set_key(session: Session, key: bytes) -> None:
    """Let the session mask under `key`, of 32 bytes.

    It leaves the general log and the slow one first.

    Raises:
        DatabaseError: the server would write the key to its general log.
    """
    if session.one("SELECT @@general_log AND NOT @@sql_log_off") != "0":
        try:
            session.ask("SET SESSION sql_log_off = 1")
        except DatabaseError as error:
            text = "the source writes every statement to its general log, and with it the masking key"
            raise DatabaseError(f"{text}; switch `general_log` off, or let the role set `sql_log_off`") from error
    session.ask(f"SET SESSION {'long_query_time = 31536000' if session.is_mysql else 'slow_query_log = 0'}")
    session.ask("SET @layersite_key = UNHEX(%s)", key.hex())
    session.ask(f"SET {_HASH} = SHA2('', 256)")  # so that its type is known


def columns_of(relation: Relation, actions: Mapping[str, Action]) -> list[str]:
    """Return the columns of `relation` that get values: not those that are computed or dropped."""
    return [name for name, each in relation.columns.items() if not each.generated and actions[name] != "drop"]


def query(relation: Relation, actions: Mapping[str, Action], condition: str = "TRUE") -> str:
    """Return the SELECT of the masked rows of `relation` that meet `condition`, in which it is `t`, as `('a','1')`."""
    columns = [relation.columns[name] for name in columns_of(relation, actions)]
    listed = ", ',', ".join(_written(column, _expression(column, actions[column.name])) for column in columns)
    row = f"CONCAT('(', {listed}, ')')" if columns else "'()'"
    return f"SELECT CAST({row} AS BINARY) FROM {identifier(relation.name)} t WHERE {condition}"


def _written(column: Column, value: str) -> str:
    """Return the expression of `value` as a statement writes it."""
    if column.type.startswith("bit"):
        return f"COALESCE(CONCAT('0x', LPAD(HEX({value} + 0), 16, '0')), 'NULL')"
    if column.family == "bytes" or column.type.startswith(_SHAPES):
        quoted = f"CAST({value} AS BINARY)"  # the newest MySQL refuses to QUOTE bytes that are no text
        for special in ("\\", "'"):
            quoted = f"REPLACE({quoted}, {literal(special)}, {literal(chr(92) + special)})"
        return f"CASE WHEN {value} IS NULL THEN 'NULL' ELSE CONCAT('_binary''', {quoted}, '''') END"
    return f"QUOTE({text_of(value)})"


def _expression(column: Column, action: Action) -> str:
    there = identifier(column.name)
    if action == "keep":
        return f"{there} + 0e0" if column.type.startswith("float") else there
    if isinstance(action, str):
        return "NULL"
    if isinstance(action, Constant):
        return f"CASE WHEN {there} IS NOT NULL THEN {literal(action.value)} END"
    if isinstance(action, Date):
        subject = f"{text_of(identifier(action.subject))}" if action.subject else "NULL"
        return _hashed(domain_of(action), f"COALESCE({subject}, {text_of(there)})", _moved(there, action, _HASH))
    if isinstance(action, Json):
        return f"CASE WHEN {there} IS NOT NULL THEN {_document(action, there)} END"
    text = f"HEX({there})" if column.family == "bytes" else text_of(there)
    folded = f"LOWER({text})" if column.folds_case else text
    return _hashed(domain_of(action), folded, _value(action, _HASH, text, column))


def _hashed(domain: str, value: str, made: str) -> str:
    """Return the expression `made`, with the keyed hash of `value`, 64 hex digits, in its variable; NULL of NULL."""
    key = f"UNHEX(LEFT(SHA2(CONCAT(@layersite_key, CAST({literal(domain)} AS BINARY)), 256), 32))"
    hashed = f"SHA2(CONCAT({key}, CAST({value} AS BINARY)), 256)"
    return f"CASE WHEN ({_HASH} := {hashed}) IS NOT NULL THEN {made} END"


def projection(rule: Json, there: str) -> str:
    """Return what is left of a document where nothing but the listed paths is kept, each as it is."""
    return _document(Json(mask="json", paths=dict.fromkeys(rule.paths, "keep")), there)


def path_of(path: str) -> str:
    """Return keys joined by points as MariaDB writes a path."""
    steps = (key.replace("\\", "\\\\").replace('"', '\\"') for key in path.split("."))
    return literal("$" + "".join(f'."{step}"' for step in steps))


def _document(rule: Json, there: str) -> str:
    tree: dict[str, object] = {}
    for path, leaf in rule.paths.items():
        *parents, last = path.split(".")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})  # type: ignore[assignment]
        steps = path_of(path)
        found = f"JSON_EXTRACT({there}, {steps})"
        node[last] = found if leaf == "keep" else _leaf(leaf, found)
    return f"JSON_MERGE_PATCH('{{}}', {_object(tree)})"


def _leaf(rule: Leaf, found: str) -> str:
    """Return the mask of the value that a path leads to; a list and a document are none."""
    text = f"CONVERT(IF(JSON_TYPE({found}) IN ('OBJECT', 'ARRAY', 'NULL'), NULL, JSON_UNQUOTE({found})) USING utf8mb4)"
    if isinstance(rule, Constant):
        return f"CASE WHEN {text} IS NOT NULL THEN {literal(rule.value)} END"
    return _hashed(domain_of(rule), text, _value(rule, _HASH, text, LEAF))


def _object(tree: Mapping[str, object]) -> str:
    pairs = [f"{literal(key)}, {_object(value) if isinstance(value, dict) else value}" for key, value in tree.items()]
    return f"JSON_OBJECT({', '.join(pairs)})"


def _moved(there: str, rule: Date, hashed: str) -> str:
    step = f"({number(hashed, 1)} % {2 * rule.days})"
    return f"{there} + INTERVAL (CAST({step} AS SIGNED) - {rule.days} + ({step} >= {rule.days})) DAY"


def _value(rule: Rule, hashed: str, text: str, column: Column) -> str:
    """Return the masked value; an empty text stays empty."""
    if isinstance(rule, Value):
        return f"CASE WHEN {text} = '' THEN '' ELSE {VALUES[rule.mask](hashed, text)} END"
    if isinstance(rule, Choice):
        return choice(hashed, 1, rule.values)
    if isinstance(rule, Number):
        unit = 10**column.scale
        steps = f"({number(hashed, 1)} % {(rule.max - rule.min) * unit + 1})"
        return (
            f"{rule.min} + CAST({steps} AS DECIMAL(38, 0)) / {unit}"
            if unit > 1
            else f"{rule.min} + CAST({steps} AS SIGNED)"
        )
    assert isinstance(rule, Identifier)  # noqa: S101  each other rule has its own form above
    return _identifier(hashed, column)


def _identifier(hashed: str, column: Column) -> str:
    if column.family == "uuid":
        return f"INSERT(INSERT(LEFT({hashed}, 32), 13, 1, '4'), 17, 1, '8')"  # the server refuses some other versions
    if column.family == "bytes":
        return f"UNHEX(LEFT({hashed}, {2 * min(column.length or 16, 16)}))"
    if column.family == "text":
        return f"LEFT({hashed}, {min(column.length or 24, 24) // 2 * 2})"
    return f"{number(hashed, 1, 8)} % {10 ** (min(column.length or 18, 18) - column.scale)}"
