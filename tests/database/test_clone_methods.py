"""How a large golden is copied, and that what is said of it is what happened: the file system knows."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from layersite.database.clone import Order, provide
from layersite.database.clone.postgresql import PostgreSQL
from tests.database.goldens import publish
from tests.database.reflinks import sharing_blocks
from tests.database.server import DEBIAN, EMBEDDED, Server, running

LARGE = "CREATE TABLE large AS SELECT n, repeat(md5(n::text), 10) AS text FROM generate_series(1, 500000) n"
MEDIUM = LARGE.replace("500000", "250000")


@pytest.fixture
def reflinks(tmp_path: Path) -> Iterator[Path]:
    with sharing_blocks(tmp_path) as folder:
        yield folder


def clone(server: Server, sql: str = LARGE) -> tuple[str, int]:
    """Clone the golden that `sql` makes; return how, and by how many bytes the disk became fuller."""
    golden = publish(server, sql)
    with closing(PostgreSQL(server.uri(), "V")) as engine, server.connect() as admin:
        admin.execute("CHECKPOINT")
        before = shutil.disk_usage(server.data).used
        made, _ = provide(engine, Order("site.git", "way-", "web-1", "shop", golden.name))
        admin.execute("CHECKPOINT")
        return made.method, shutil.disk_usage(server.data).used - before


def test_on_a_file_system_with_reflinks_a_clone_takes_no_room(reflinks: Path) -> None:
    with running(EMBEDDED, place=reflinks) as server:
        large, medium = clone(server), clone(server, MEDIUM)
    assert (large[0], medium[0]) == ("reflink", "reflink")
    assert max(large[1], medium[1]) < 40_000_000


def test_without_reflinks_the_same_server_says_that_it_copied(reflinks: Path) -> None:
    subprocess.run(["umount", str(reflinks)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(reflinks)], check=True)
    reflinks.chmod(0o755)
    with running(EMBEDDED, place=reflinks) as server:
        method, grown = clone(server)
    assert method == "file copy"
    assert grown > 150_000_000


def test_whoever_may_not_read_the_count_claims_nothing(reflinks: Path) -> None:
    with running(EMBEDDED, place=reflinks) as server:
        with server.connect() as admin:
            admin.execute("CREATE ROLE keeper LOGIN CREATEDB CREATEROLE PASSWORD 'keeper'")
        golden = publish(server, LARGE, owner="keeper")
        with closing(PostgreSQL(server.uri(user="keeper", password="keeper"), "V")) as engine:
            made, _ = provide(engine, Order("site.git", "way-", "web-1", "shop", golden.name))
    assert made.method == "file copy, by reflink where the server's file system can"


def test_an_older_server_copies_files(postgres15: Server) -> None:
    assert postgres15.programs == DEBIAN
    assert clone(postgres15)[0] == "file copy"
