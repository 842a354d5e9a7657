"""A database can be removed by its owner, whoever is in it."""

import time

import psycopg

from layersite.database.dropping import drop_database
from tests.database.server import EMBEDDED, running

DEAD_ROWS = """
CREATE TABLE t (n int, text text);
INSERT INTO t SELECT n, repeat('x', 500) FROM generate_series(1, 40000) n;
DELETE FROM t WHERE n % 2 = 0;
"""
SLOW_AUTOVACUUM = ("autovacuum_naptime=1s", "autovacuum_vacuum_cost_delay=100", "autovacuum_vacuum_cost_limit=1")


def test_one_that_autovacuum_works_in_goes_without_a_superuser() -> None:
    with running(EMBEDDED, *SLOW_AUTOVACUUM) as server:
        server.run("postgres", "CREATE ROLE keeper LOGIN CREATEDB PASSWORD 'keeper'")
        server.create("busy", DEAD_ROWS)
        with server.connect() as admin:
            admin.execute("ALTER DATABASE busy OWNER TO keeper")
            asked = "SELECT FROM pg_stat_activity WHERE datname = 'busy' AND backend_type = 'autovacuum worker'"
            end = time.monotonic() + 60
            while admin.execute(asked).fetchone() is None:
                assert time.monotonic() < end
                time.sleep(0.05)
            with psycopg.connect(server.uri("postgres", "keeper", "keeper"), autocommit=True) as keeper:
                drop_database(keeper, "busy")
            assert admin.execute("SELECT FROM pg_database WHERE datname = 'busy'").fetchone() is None
