"""What the tests on real servers share: one server of each kind, and real data where it lies beside the checkout.

Each file of tests finds the servers without what another has made there.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database.building import Build
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.server import DEBIAN, EMBEDDED, Server, running

ON_BOTH = pytest.mark.parametrize(
    "postgres",
    [pytest.param("one_postgres", id="18"), pytest.param("one_postgres15", id="15", marks=pytest.mark.stress)],
    indirect=True,
    scope="module",
)
PAGILA = Path(__file__).parents[3] / "shared" / "samples" / "pagila"


@pytest.fixture(scope="session", autouse=True)
def client_programs() -> Iterator[None]:
    """The embedded server's `pg_dump` and `psql` come first on PATH."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{EMBEDDED}{os.pathsep}{os.environ['PATH']}")
        yield


@pytest.fixture(scope="session")
def one_postgres() -> Iterator[Server]:
    with running(EMBEDDED) as server:
        yield server


@pytest.fixture(scope="module")
def postgres(request: pytest.FixtureRequest) -> Iterator[Server]:
    """An embedded PostgreSQL 18; where a file says `ON_BOTH`, once more with Debian's 15."""
    server: Server = request.getfixturevalue(getattr(request, "param", "one_postgres"))
    yield server
    server.clear("pagila")


@pytest.fixture(scope="session")
def one_postgres15() -> Iterator[Server]:
    if not DEBIAN.is_dir():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    with running(DEBIAN) as server:
        yield server


@pytest.fixture(scope="module")
def postgres15(one_postgres15: Server) -> Iterator[Server]:
    """Debian's PostgreSQL 15."""
    yield one_postgres15
    one_postgres15.clear()


@pytest.fixture(scope="session")
def one_mariadb() -> Iterator[MariaDBServer]:
    with running_mariadb() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb(one_mariadb: MariaDBServer) -> Iterator[MariaDBServer]:
    """Debian's MariaDB 10.11."""
    yield one_mariadb
    one_mariadb.clear()


@pytest.fixture(scope="session")
def pagila(one_postgres: Server) -> str:
    """The URI of the Pagila database, with all its data, on the embedded server; no test may change it."""
    if not PAGILA.is_dir():
        pytest.skip("the Pagila samples are not beside the checkout")
    scripts = (PAGILA / "pagila-schema.sql", PAGILA / "pagila-data.sql")
    return one_postgres.create("pagila", "".join(path.read_text(encoding="utf-8") for path in scripts))


@pytest.fixture
def build(postgres: Server) -> Build:
    """Build goldens on the embedded server."""
    return Build(postgres, postgres)
