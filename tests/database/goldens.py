"""A golden made by hand, as a build would publish one: frozen, a template, with its record."""

import secrets

from psycopg.sql import SQL, Identifier

from layersite.database import ledger
from layersite.model.database import Golden, golden_name
from tests.database.server import Server

__all__ = ["SHOP", "publish"]

SHOP = """
CREATE TABLE customer (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
CREATE TABLE orders (id serial PRIMARY KEY, customer int REFERENCES customer, total numeric);
CREATE TABLE outbox (id int, message text);
CREATE TABLE webhook (id int, url text, is_on bool);
INSERT INTO customer (name) SELECT 'customer ' || n FROM generate_series(1, 100) n;
INSERT INTO orders (customer, total) SELECT n, n FROM generate_series(1, 100) n;
INSERT INTO outbox VALUES (1, 'to be sent');
INSERT INTO webhook VALUES (1, 'https://shop.example.com/hook', true);
"""


def publish(
    server: Server,
    sql: str = SHOP,
    built: str = "2026-01-02T03:04:05Z",
    database: str = "shop",
    owner: str = "postgres",
    migrations: tuple[str, ...] = ("0001_initial", "0002_webhooks"),
    options: str = "",
) -> Golden:
    """Make a golden that holds what `sql` makes, all of it owned by `owner`; CREATE DATABASE takes `options`."""
    name = golden_name(database, secrets.token_hex(6))
    server.create(name, options=options)
    with server.connect() as admin:
        admin.execute(SQL("ALTER DATABASE {} OWNER TO {}").format(Identifier(name), Identifier(owner)))
    server.run(name, f"SET SESSION AUTHORIZATION {owner};{sql}")
    golden = Golden(
        name=name,
        database=database,
        engine="postgresql",
        built=built,
        contract="a" * 64,
        attestation="b" * 64,
        server="18",
        migrations=migrations,
        rows=202,
    )
    seal(server, golden)
    return golden


def seal(server: Server, golden: Golden) -> None:
    """Record `golden` and freeze its database."""
    with server.connect() as admin:
        admin.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(golden.name), ledger.text(golden)))
        for setting in ("IS_TEMPLATE true", "ALLOW_CONNECTIONS false"):
            admin.execute(SQL("ALTER DATABASE {} WITH " + setting).format(Identifier(golden.name)))
