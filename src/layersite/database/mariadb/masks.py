"""Masking rules as MariaDB expressions that run inside the source server: the same hashes, and so the same masks, as
on PostgreSQL.

The key is in a variable of the session. Another holds the hash of the value at hand while its mask is made, for a
subquery that computes it once would have the server write all rows of it to disk first. A row leaves the server as what
an INSERT says of it, so whoever carries it over need not look into it.
"""

from collections.abc import Mapping, Sequence

from layersite.database.contract.rules import SYLLABLES, domain_of
from layersite.database.mariadb.connect import Session, identifier, literal
from layersite.database.schema import Column, Relation
from layersite.model.contract import Action, Choice, Constant, Date, Identifier, Json, Number, Rule, Value
from layersite.model.errors import DatabaseError

__all__ = ["columns_of", "query", "set_key"]

_HASH = "@layersite_hash"
_SHAPES = ("geometry", "point", "linestring", "polygon", "multi")


def set_key(session: Session, key: bytes) -> None:
    """Let the session mask under `key`, of 32 bytes.

    Raises:
        DatabaseError: the server would write the key to its general log.
    """
    if session.one("SELECT @@general_log AND NOT @@sql_log_off") != "0":
        try:
            session.ask("SET SESSION sql_log_off = 1")
        except DatabaseError as error:
            text = "the source writes every statement to its general log, and with it the masking key"
            raise DatabaseError(f"{text}; switch `general_log` off, or let the role set `sql_log_off`") from error
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
        return f"CASE WHEN {value} IS NULL THEN 'NULL' ELSE CONCAT('_binary', QUOTE({value})) END"
    return f"QUOTE({_text(value)})"


def _expression(column: Column, action: Action) -> str:
    there = identifier(column.name)
    if action == "keep":
        return f"CAST({there} AS DOUBLE)" if column.type.startswith("float") else there
    if isinstance(action, str):
        return "NULL"
    if isinstance(action, Constant):
        return f"CASE WHEN {there} IS NOT NULL THEN {literal(action.value)} END"
    if isinstance(action, Date):
        subject = f"{_text(identifier(action.subject))}" if action.subject else "NULL"
        return _hashed(domain_of(action), f"COALESCE({subject}, {_text(there)})", _moved(there, action, _HASH))
    if isinstance(action, Json):
        return f"CASE WHEN {there} IS NOT NULL THEN JSON_MERGE_PATCH('{{}}', {_document(action, there)}) END"
    text = f"HEX({there})" if column.family == "bytes" else _text(there)
    folded = f"LOWER({text})" if column.folds_case else text
    return _hashed(domain_of(action), folded, _value(action, _HASH, text, column))


def _text(there: str) -> str:
    return f"CONVERT(CAST({there} AS CHAR) USING utf8mb4)"


def _hashed(domain: str, value: str, made: str) -> str:
    """Return the expression `made`, with the keyed hash of `value`, 64 hex digits, in its variable; NULL of NULL."""
    key = f"UNHEX(LEFT(SHA2(CONCAT(@layersite_key, CAST({literal(domain)} AS BINARY)), 256), 32))"
    hashed = f"SHA2(CONCAT({key}, CAST({value} AS BINARY)), 256)"
    return f"CASE WHEN ({_HASH} := {hashed}) IS NOT NULL THEN {made} END"


def _document(rule: Json, there: str) -> str:
    tree: dict[str, object] = {}
    for path, leaf in rule.paths.items():
        *parents, last = path.split(".")
        node = tree
        for key in parents:
            node = node.setdefault(key, {})  # type: ignore[assignment]
        steps = literal(
            "$" + "".join('."' + key.replace("\\", "\\\\").replace('"', '\\"') + '"' for key in path.split("."))
        )
        value = f"JSON_VALUE({there}, {steps})"
        node[last] = f"JSON_EXTRACT({there}, {steps})" if leaf == "keep" else _leaf(leaf, value)
    return _object(tree)


def _leaf(rule: Value, there: str) -> str:
    text = f"CONVERT({there} USING utf8mb4)"
    return _hashed(domain_of(rule), text, _value(rule, _HASH, text, None))


def _object(tree: Mapping[str, object]) -> str:
    pairs = [f"{literal(key)}, {_object(value) if isinstance(value, dict) else value}" for key, value in tree.items()]
    return f"JSON_OBJECT({', '.join(pairs)})"


def _moved(there: str, rule: Date, hashed: str) -> str:
    step = f"({_number(hashed, 1)} % {2 * rule.days})"
    return f"{there} + INTERVAL (CAST({step} AS SIGNED) - {rule.days} + ({step} >= {rule.days})) DAY"


def _value(rule: Rule, hashed: str, text: str, column: Column | None) -> str:
    """Return the masked value; an empty text stays empty."""
    if isinstance(rule, Value):
        return f"CASE WHEN {text} = '' THEN '' ELSE {_VALUES[rule.mask](hashed, text)} END"
    if isinstance(rule, Choice):
        return _choice(hashed, 1, rule.values)
    assert column is not None  # noqa: S101  only plain values stand in documents
    if isinstance(rule, Number):
        unit = 10**column.scale
        steps = f"({_number(hashed, 1)} % {(rule.max - rule.min) * unit + 1})"
        return (
            f"{rule.min} + CAST({steps} AS DECIMAL(38, 0)) / {unit}"
            if unit > 1
            else f"{rule.min} + CAST({steps} AS SIGNED)"
        )
    assert isinstance(rule, Identifier)  # noqa: S101  each other rule has its own form above
    return _identifier(hashed, column)


def _identifier(hashed: str, column: Column) -> str:
    if column.family == "uuid":
        return f"LEFT({hashed}, 32)"
    if column.family == "bytes":
        return f"UNHEX(LEFT({hashed}, {2 * min(column.length or 16, 16)}))"
    if column.family == "text":
        return f"LEFT({hashed}, {min(column.length or 24, 24) // 2 * 2})"
    return f"{_number(hashed, 1, 8)} % {10 ** (min(column.length or 18, 18) - column.scale)}"


def _number(hashed: str, at: int, size: int = 7) -> str:
    """Return `size` bytes of a hash, from the `at`th, as a number that is not negative."""
    number = f"CAST(CONV(SUBSTR({hashed}, {2 * at - 1}, {2 * size}), 16, 10) AS UNSIGNED)"
    return f"({number} & 9223372036854775807)" if size == 8 else number


def _byte(hashed: str, index: int) -> str:
    return _number(hashed, index + 1, 1)


def _syllables(hashed: str, at: int, count: int, capital: bool = False) -> str:
    first = f"1 + 2 * ({_byte(hashed, at)} & 63)"
    all_of_them = [f"SUBSTR('{SYLLABLES}', 1 + 2 * ({_byte(hashed, at + n)} & 63), 2)" for n in range(count)]
    if capital:
        all_of_them[0] = f"UPPER(SUBSTR('{SYLLABLES}', {first}, 1)), SUBSTR('{SYLLABLES}', {first} + 1, 1)"
    return ", ".join(all_of_them)


def _choice(hashed: str, at: int, values: Sequence[str]) -> str:
    return f"ELT(1 + {_number(hashed, at, 4)} % {len(values)}, {', '.join(map(literal, values))})"


def _name(hashed: str, at: int = 0) -> str:
    return _syllables(hashed, at, 3, capital=True)


def _surname(hashed: str, at: int = 3) -> str:
    return f"{_syllables(hashed, at, 3, capital=True)}, SUBSTR('lnrs', 1 + ({_byte(hashed, at + 3)} & 3), 1)"


def _email(hashed: str, text: str) -> str:
    return f"CONCAT({_syllables(hashed, 0, 3)}, '.', SUBSTR({hashed}, 17, 12), '@example.com')"


def _iban(hashed: str, text: str) -> str:
    """As on PostgreSQL: a country that is none, and the two check digits that its number asks for."""
    account = f"(100000000000000000 + {_number(hashed, 1, 8)} % 900000000000000000)"
    check = f"LPAD(98 - ({account} % 97 * 27 + 8) % 97, 2, '0')"
    return f"CONCAT('XX', {check}, {account})"


def _sentence(hashed: str, text: str) -> str:
    words = ", ' ', ".join(_syllables(hashed, 2 * n, 2) for n in range(8))
    return f"LEFT(REPEAT(CONCAT({words}, ' '), 1 + CHAR_LENGTH({text}) DIV 40), CHAR_LENGTH({text}))"


_VALUES = {
    "first_name": lambda hashed, _: f"CONCAT({_name(hashed)})",
    "last_name": lambda hashed, _: f"CONCAT({_surname(hashed, 0)})",
    "full_name": lambda hashed, _: f"CONCAT({_name(hashed)}, ' ', {_surname(hashed)})",
    "company": lambda hashed, _: (
        f"CONCAT({_surname(hashed, 0)}, ' ', {_choice(hashed, 8, ('Ltd', 'Inc', 'Group', 'Works'))})"
    ),
    "email": _email,
    "phone": lambda hashed, _: f"CONCAT('+', 15550000000 + {_number(hashed, 1)} % 10000000)",
    "street": lambda hashed, _: f"CONCAT(1 + {_number(hashed, 8, 4)} % 999, ' ', {_surname(hashed, 0)}, ' Street')",
    "city": lambda hashed, _: f"CONCAT({_name(hashed)}, {_choice(hashed, 8, ('ton', 'ville', 'ford', 'field'))})",
    "postal_code": lambda hashed, _: f"LPAD({_number(hashed, 1)} % 100000, 5, '0')",
    "ip": lambda hashed, _: (
        f"CONCAT('198.', 18 + ({_byte(hashed, 0)} & 1), '.', {_byte(hashed, 1)}, '.', {_byte(hashed, 2)})"
    ),
    "iban": _iban,
    "text": _sentence,
}
