"""Build a masked golden of a generated database, beside an unmasked copy and what others do.

The floor is the same way without any mask, made in turn with what is ours. The peers, made once, are masking in
place (UPDATE, VACUUM FULL) in a copy of the database, and a Python program that streams the rows through itself.
"""

import hmac
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg

from benchmarks.servers import Spent, spent
from layersite.database.golden.make import Wish, build
from layersite.database.golden.postgresql.connect import connect
from layersite.database.golden.postgresql.masks import key_settings, selection
from layersite.model.database import Golden
from tests.database.building import wish
from tests.database.server import Server

__all__ = ["CANARY", "KEPT", "MASKED", "SHOP", "build_golden", "compare"]

CANARY = "canary.7f3a91@layersite.example"
"""What the first customer has for an address."""
SHOP = """
CREATE TABLE customer (id bigint PRIMARY KEY, first text, last text, email text, phone text, street text, city text,
  zip text, born date, iban text, national_id text, state text, created timestamptz);
INSERT INTO customer SELECT n, 'first ' || n % 5000, 'last ' || n % 40000,
  CASE n WHEN 1 THEN 'canary.7f3a91@layersite.example' ELSE 'customer' || n || '@real.example' END,
  '+49' || n, n % 900 || ' ' || md5(n::text) || ' street', 'city ' || n % 3000, n % 99999,
  date '1950-01-01' + (n % 20000)::int, 'DE' || n * 7919, n * 104729, (ARRAY['new', 'paid'])[1 + n % 2], now()
  FROM generate_series(1, {customers}::bigint) n;
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint REFERENCES customer, email text, total numeric, state text,
  created timestamptz);
INSERT INTO orders SELECT n, 1 + n % {customers}, 'customer' || (1 + n % {customers}) || '@real.example',
  n % 10000 / 100.0, (ARRAY['new', 'paid', 'sent'])[1 + n % 3], now() FROM generate_series(1, {orders}::bigint) n;
CREATE INDEX ON customer (email); CREATE INDEX ON customer (last, first); CREATE INDEX ON orders (customer);
CREATE INDEX ON orders (created); VACUUM (FREEZE, ANALYZE);
"""
MASKED: dict[str, dict[str, Any]] = {
    "public.customer": {
        **dict.fromkeys(("id", "zip", "born", "state", "created"), "keep"),
        "first": {"mask": "first_name"},
        "last": {"mask": "last_name"},
        "email": {"mask": "email"},
        "phone": {"mask": "phone"},
        "street": {"mask": "street"},
        "city": {"mask": "city"},
        "iban": {"mask": "iban"},
        "national_id": {"mask": "identifier"},
    },
    "public.orders": {
        **dict.fromkeys(("id", "customer", "total", "state", "created"), "keep"),
        "email": {"mask": "email"},
    },
}
KEPT = {relation: dict.fromkeys(columns, "keep") for relation, columns in MASKED.items()}


def compare(server: Server, source: str, runs: int) -> Golden:
    """Print what each way takes, and how many times the floor that is: the best of its runs, and the range.

    What is ours goes in any order with the floor, `runs` times, what others do once. Return the golden.
    """
    kept, masked, goldens = wish(server, KEPT), wish(server, MASKED), []
    ours: dict[str, Callable[[], object]] = {
        "unmasked copy (the floor)": lambda: _fill(kept),
        "layersite: masked copy": lambda: _fill(masked),
        "layersite: the same, checked and published": lambda: goldens.append(build_golden(server)),
    }
    others: dict[str, Callable[[], object]] = {
        "copy, UPDATE, VACUUM FULL, ANALYZE": lambda: _in_place(server, masked),
        "Python streams the rows, then indexes": lambda: _stream(server, source),
    }
    found: dict[str, list[Spent]] = {title: [] for title in ours}
    chance = random.Random(29)  # noqa: S311  the order
    for title in [title for _ in range(runs) for title in chance.sample([*ours], len(ours))]:
        found[title].append(spent(ours[title], server))
    floors, *_ = found.values()
    print(f"{'':<45}{'on the wall':<32}processors")
    for title, each in found.items():
        _row(title, each, floors)
    for title, way in others.items():
        _row(title, [spent(way, server)] * runs, floors)
    return goldens[-1]


def build_golden(server: Server) -> Golden:
    """Make a golden as the command does, and drop those before it."""
    ordered = wish(server, MASKED, canaries=[CANARY])
    made = build(replace(ordered, keep=1), datetime.now(UTC), lambda _: None)
    assert made is not None
    return made.golden


def _row(title: str, mine: Sequence[Spent], floors: Sequence[Spent]) -> None:
    wall = _cell([each.wall for each in mine], [each.wall for each in floors])
    processors = _cell([each.processors for each in mine], [each.processors for each in floors])
    print(f"{title:<45}{wall:<32}{processors}", flush=True)


def _cell(mine: Sequence[float], floors: Sequence[float]) -> str:
    ratios = [one / floor for one, floor in zip(mine, floors, strict=True)]
    return f"{min(mine):7.1f} s {min(mine) / min(floors):5.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _fill(wished: Wish) -> None:
    with wished.engine.open_server() as server, wished.engine.open_source() as source:
        server.drop(server.fill(source, wished.contract).name)


def _in_place(server: Server, wished: Wish) -> None:
    """Mask by the very same expressions."""
    server.copy("shop", "in_place")
    with wished.engine.open_source() as source:
        schema = source.schema
    with connect(server.uri("in_place"), read_only=False, **key_settings(bytes(32))) as copy:
        for name, columns in MASKED.items():
            made = selection(schema.relations[name], wished.contract.columns(name))
            pairs = dict(zip(made.columns, made.expressions, strict=True))
            changed = {column: pairs[f'"{column}"'] for column, action in columns.items() if action != "keep"}
            hashes = ", ".join(f"{sql} AS h{number}" for number, sql in enumerate(made.hashes))
            values = ", ".join(f'{expression} AS "{column}"' for column, expression in changed.items())
            inner = f"SELECT t.id, {values} FROM {name} t CROSS JOIN LATERAL (SELECT {hashes} OFFSET 0) m"
            assignments = ", ".join(f'"{column}" = s."{column}"' for column in changed)
            copy.execute(f"UPDATE {name} u SET {assignments} FROM ({inner}) s WHERE s.id = u.id".encode())
            copy.execute(f"VACUUM (FULL, ANALYZE) {name}".encode())


def _stream(server: Server, source: str) -> None:
    """Mask every row in Python, as tools do that read and write dumps."""
    target = server.create("streamed", SHOP.format(customers=0, orders=0).partition("CREATE INDEX")[0])
    with psycopg.connect(source) as reader, psycopg.connect(target) as writer:
        for name, columns in MASKED.items():
            masks = [_PYTHON.get(str(action["mask"])) if action != "keep" else None for action in columns.values()]
            listed = ", ".join(columns)
            with (
                reader.cursor().copy(f"COPY (SELECT {listed} FROM {name}) TO STDOUT".encode()) as rows,
                writer.cursor().copy(f"COPY {name} ({listed}) FROM STDIN".encode()) as copy,
            ):
                for row in rows:
                    fields = bytes(row)[:-1].split(b"\t")
                    masked = [mask(value) if mask else value for mask, value in zip(masks, fields, strict=True)]
                    copy.write(b"\t".join(masked) + b"\n")
    server.run("streamed", "CREATE INDEX" + SHOP.partition("CREATE INDEX")[2])


def _hashed(value: bytes) -> str:
    return hmac.digest(b"key", value, "sha256").hex()


_PYTHON: Mapping[str, Callable[[bytes], bytes]] = {
    "first_name": lambda value: _hashed(value)[:6].encode(),
    "last_name": lambda value: _hashed(value)[:7].encode(),
    "email": lambda value: f"{_hashed(value)[:20]}@example.com".encode(),
    "phone": lambda value: f"+1555{int(_hashed(value)[:12], 16) % 10**7:07}".encode(),
    "street": lambda value: f"{int(_hashed(value)[:4], 16) % 999} {_hashed(value)[:7]} Street".encode(),
    "city": lambda value: f"{_hashed(value)[:6]}ville".encode(),
    "iban": lambda value: f"XX{int(_hashed(value)[:16], 16) % 10**18:018}".encode(),
    "identifier": lambda value: _hashed(value)[:24].encode(),
}
