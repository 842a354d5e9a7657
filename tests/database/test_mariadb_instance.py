"""Clones with a MariaDB server of their own: apart from all others, started again, made anew, and taken away whole."""

import itertools
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pymysql
import pytest

from layersite.data.fill import complete
from layersite.database.clone import Order, admit, engine_of, provide, reap
from layersite.database.mariadb.clone import MariaDBClones
from layersite.database.mariadb.instance import InstanceClones
from layersite.model.contract import Quiet
from layersite.model.database import Brought, Clone, Golden
from layersite.model.errors import DatabaseError
from layersite.model.site import Instances
from tests.database.instances import ask, directory_of, instance_settings, port_of, running
from tests.database.mariadb import MariaDBServer, running_mariadb
from tests.database.reflinks import sharing_blocks
from tests.database.server import UNPRIVILEGED, free_port
from tests.database.tap import MariaDBTap, run_until
from tests.database.test_mariadb_clone import SHOP, publish
from tests.database.test_roles import staged

_NUMBERS = itertools.count()
CHECK = ("--check", "--diff")
PARTITIONED = """
CREATE TABLE visit (id int PRIMARY KEY, place varchar(20), KEY (place)) PARTITION BY RANGE (id)
  (PARTITION low VALUES LESS THAN (50), PARTITION high VALUES LESS THAN MAXVALUE);
INSERT INTO visit SELECT seq, concat('place ', seq % 7) FROM seq_1_to_100;
INSERT INTO outbox VALUES (7, 'anna wrote a letter');
"""


@pytest.fixture(scope="module")
def settings() -> Iterator[Instances]:
    with instance_settings() as found:
        yield found


@pytest.fixture(scope="module")
def folder(settings: Instances) -> Path:
    return Path(settings.directory)


@pytest.fixture(scope="module")
def golden(mariadb: MariaDBServer) -> Golden:
    return publish(mariadb, SHOP + PARTITIONED)


@pytest.fixture
def engine(mariadb: MariaDBServer, settings: Instances) -> Iterator[InstanceClones]:
    with closing(InstanceClones(mariadb.uri(""), "LAYERSITE_DATABASE_SHOP_SERVER", settings)) as engine:
        yield engine


@pytest.fixture
def order(golden: Golden) -> Order:
    number = next(_NUMBERS)
    return Order(f"own-{number}.git", f"o{number}-", "web-1", "shop", golden.name)


def engine_with(server: MariaDBServer, settings: Instances) -> InstanceClones:
    return InstanceClones(server.uri(""), "V", settings)


@pytest.fixture(scope="module")
def one(mariadb: MariaDBServer, settings: Instances, golden: Golden) -> Iterator[tuple[Order, Clone, str]]:
    """An environment's clone, and its password."""
    order = Order("one.git", "one-", "web-1", "shop", golden.name, quiet=Quiet(set={"webhook": {"url": "quiet"}}))
    with closing(InstanceClones(mariadb.uri(""), "V", settings)) as engine:
        clone, _ = provide(engine, order)
        yield order, clone, admit(engine, order.name, None)


One = tuple[Order, Clone, str]


def test_a_clone_is_all_of_its_golden_and_its_users_own(mariadb: MariaDBServer, one: One, golden: Golden) -> None:
    """Full-text indexes and partitions come along, though on one server they would go row by row."""
    _, clone, password = one
    assert clone.method == "parallel load of the golden, then instance, file copy"
    for table in ("customer", "orders", "outbox", "visit", "list"):
        rows = f"SELECT * FROM {table} ORDER BY 1"
        assert ask(clone, password, rows) == mariadb.ask(rows, golden.name)
    assert ask(clone, password, "SELECT url FROM webhook") == [("quiet",)]
    assert ask(clone, password, "SELECT id FROM outbox WHERE MATCH (message) AGAINST ('letter')") == [(7,)]
    assert ask(clone, password, "SELECT count(*) FROM visit PARTITION (low)") == [(49,)]
    assert ask(clone, password, "SELECT me()") == [(f"{clone.name}@%",)]
    ask(clone, password, "INSERT INTO orders (customer, total) VALUES (1, 5)")
    with pytest.raises(pymysql.IntegrityError, match="by_customer"):
        ask(clone, password, "INSERT INTO orders (customer, total) VALUES (999, 5)")


def test_none_of_its_files_holds_a_password_and_none_is_for_others(
    mariadb: MariaDBServer, one: One, folder: Path
) -> None:
    _, clone, password = one
    home = folder / clone.name
    files = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    assert b"IDENTIFIED" in files[home / "init.sql"]
    hidden = (password.encode(), mariadb.password.encode())
    assert [path for path, held in files.items() if any(each in held for each in hidden)] == []
    assert home.stat().st_mode & 0o077 == 0


def test_it_is_set_as_the_shared_server_is_and_lets_nobody_else_in(
    mariadb: MariaDBServer, one: One, folder: Path
) -> None:
    _, clone, password = one
    settings = "SELECT @@global.sql_mode, @@collation_server, @@innodb_page_size, @@max_allowed_packet"
    assert ask(clone, password, settings) == mariadb.ask(settings)
    assert sorted(ask(clone, password, "SHOW DATABASES")) == [("information_schema",), (clone.name,)]
    assert ask(clone, password, "SELECT @@datadir") == [(f"{folder}/{clone.name}/data/",)]
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        ask(clone, password, "SELECT 1", "mysql")
    with pytest.raises(pymysql.OperationalError, match="Access denied"):  # its user on the shared server is shut out
        mariadb.connect(clone.name, clone.name, password)
    for user in ("root", ""):
        with pytest.raises(pymysql.OperationalError, match="Access denied"):
            pymysql.connect(host="127.0.0.1", port=port_of(clone), user=user)


def test_two_environments_side_by_side_are_apart(engine: InstanceClones, one: One) -> None:
    order, first, password = one
    second, changed = provide(engine, replace(order, environment="web-2"))
    assert (changed, second.method) == (True, "instance, file copy")
    assert port_of(second) != port_of(first)
    ask(second, admit(engine, second.name, password), "DELETE FROM visit")
    assert ask(first, password, "SELECT count(*) FROM visit") == [(100,)]
    with pytest.raises(pymysql.OperationalError, match="Access denied"):
        ask(first, password, "SELECT 1", second.name)
    (found,) = (each for each in engine.taken(order.site, order.prefix) if each.environment == "web-2")
    reap(engine, found)
    assert not Path(directory_of(second)).exists()
    assert [each.environment for each in engine.taken(order.site, order.prefix)] == ["web-1"]
    assert ask(first, password, "SELECT count(*) FROM visit") == [(100,)]


def test_one_whose_process_is_gone_is_started_again(engine: InstanceClones, one: One) -> None:
    order, clone, password = one
    assert provide(engine, order) == (clone, False)
    (process,) = running(Path(directory_of(clone)))
    os.kill(process, signal.SIGKILL)
    while running(Path(directory_of(clone))):
        time.sleep(0.01)
    assert [each.is_down for each in engine.taken(order.site, order.prefix)] == [True]
    assert provide(engine, order, dry_run=True) == (clone, True)
    assert running(Path(directory_of(clone))) == []
    assert provide(engine, order) == (clone, True)
    assert provide(engine, order) == (clone, False)
    assert [each.is_down for each in engine.taken(order.site, order.prefix)] == [False]
    assert admit(engine, order.name, password) == password


def test_reset_makes_it_anew_at_the_same_port(engine: InstanceClones, one: One) -> None:
    order, clone, password = one
    ask(clone, password, "DELETE FROM visit")
    again, changed = provide(engine, replace(order, reset=True))
    assert (changed, again.instance) == (True, clone.instance)
    assert admit(engine, order.name, password) == password
    assert ask(again, password, "SELECT count(*) FROM visit") == [(100,)]
    assert len(running(Path(directory_of(clone)))) == 1


def test_what_others_made_is_not_touched(engine: InstanceClones, order: Order, folder: Path) -> None:
    precious = folder / order.name / "precious"
    precious.parent.mkdir()
    precious.touch()
    with pytest.raises(DatabaseError, match=f"a folder {precious.parent} that layersite did not make"):
        provide(engine, replace(order, reset=True))
    with pytest.raises(DatabaseError, match="that layersite did not make; it was not touched"):
        engine.drop(order.name)
    assert engine.taken(order.site, order.prefix) == []
    assert precious.exists()


@pytest.mark.usefixtures("one")
def test_a_folder_is_for_the_clones_of_one_server_and_not_roots(
    engine: InstanceClones, mariadb: MariaDBServer, settings: Instances, order: Order, folder: Path
) -> None:
    mark = folder / "layersite-server"
    known = mark.read_text()
    mark.write_text("another")
    with pytest.raises(DatabaseError, match=f"the folder {folder} is for clones of another server"):
        provide(engine, order)
    mark.write_text(known)
    other = engine_with(mariadb, settings.model_copy(update={"directory": f"{folder}/none"}))
    with closing(other), pytest.raises(DatabaseError, match=f"needs the folder {folder}/none here, its owner the user"):
        provide(other, order)


def test_without_the_servers_programs_it_names_the_package(
    engine: InstanceClones, mariadb: MariaDBServer, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = publish(mariadb, "CREATE TABLE t (id int)")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DatabaseError, match=r"`mariadb-install-db` is needed here .* \(package mariadb-server-core\)"):
        provide(engine, replace(order, golden=golden.name))
    (tmp_path / "mariadb-install-db").write_text("#!/none\n")
    (tmp_path / "mariadb-install-db").chmod(0o755)
    with pytest.raises(DatabaseError, match=r"mariadb-install-db` cannot be run as the owner of "):
        provide(engine, replace(order, golden=golden.name))


def test_without_its_setting_no_clone_is_forgotten(
    mariadb: MariaDBServer, one: One, settings: Instances, monkeypatch: pytest.MonkeyPatch
) -> None:
    order, clone, _ = one
    for name in ("SHOP", "BOOKS"):
        monkeypatch.setenv(f"LAYERSITE_DATABASE_{name}_SERVER", mariadb.uri(""))
    with pytest.raises(DatabaseError, match="put its `instances` back"), engine_of("shop", "mariadb"):
        pass
    with engine_of("books", "mariadb") as beside:
        assert order.name in beside.records()
    with engine_of("shop", "mariadb", settings) as engine:
        found = engine.records()[order.name]
        assert isinstance(found, Clone)
        assert found.instance == clone.instance


@pytest.mark.stress
def test_the_roles_change_once_check_clean_and_take_away(
    mariadb: MariaDBServer, settings: Instances, golden: Golden, tmp_path: Path
) -> None:
    with staged(tmp_path, mariadb.uri(), "mariadb", mariadb.port, settings.model_dump(mode="json")) as stage:
        changed = [stage.clone("web-1", golden=golden, options=each) for each in (CHECK, (), (), CHECK)]
        assert [count for count, _ in changed] == [1, 1, 0, 0], stage.said
        methods = {found["web-1"]["databases"][0]["method"] for _, found in changed[1:]}
        assert {method.rpartition("then ")[2] for method in methods} == {"instance, file copy"}
        secret = stage.secret("web-1")
        assert secret is not None
        (process,) = running(Path(settings.directory, secret["name"]))
        first, last = settings.port_range
        assert first <= int(secret["port"]) <= last
        assert secret["url"].endswith(f"@127.0.0.1:{secret['port']}/{secret['name']}")
        os.kill(process, signal.SIGKILL)
        changed = [stage.clone("web-1", golden=golden, options=each) for each in (CHECK, (), ())]
        assert [count for count, _ in changed] == [1, 1, 0], stage.said
        assert stage.secret("web-1") == secret
        login = pymysql.connect(
            host=secret["host"],
            port=int(secret["port"]),
            user=secret["user"],
            password=secret["password"],
            database=secret["name"],
        )
        with login as app, app.cursor() as cursor:
            assert cursor.execute("SELECT id FROM visit") == 100
        assert [
            text for text in (secret["password"], mariadb.password) if any(text in said for said in stage.said)
        ] == []
        assert [stage.reap("web-1", apply=each)[0] for each in (False, True, True)] == [0, 1, 0], stage.said
        assert running(Path(settings.directory, secret["name"])) == []
        assert not Path(settings.directory, secret["name"]).exists()


@pytest.fixture
def reflinks(tmp_path: Path) -> Iterator[Path]:
    with sharing_blocks(tmp_path) as folder:
        yield folder


@pytest.mark.stress
def test_where_blocks_can_be_shared_a_clone_takes_next_to_no_room(
    mariadb: MariaDBServer, reflinks: Path, order: Order
) -> None:
    own = Instances(directory=str(reflinks / "own"), ports=f"{free_port()}-65535")
    Path(own.directory).mkdir()
    if os.geteuid() == 0:
        os.chown(own.directory, UNPRIVILEGED, UNPRIVILEGED)
    golden = publish(mariadb, "CREATE TABLE t (text longblob); INSERT INTO t VALUES (repeat('x', 15000000));")
    with closing(InstanceClones(mariadb.uri(""), "V", own)) as engine:
        provide(engine, replace(order, golden=golden.name))
        before = shutil.disk_usage(reflinks).used
        clone, _ = provide(engine, replace(order, golden=golden.name, environment="web-2"))
        taken = shutil.disk_usage(reflinks).used - before
        for each in engine.taken(order.site, order.prefix):
            reap(engine, each)
    size = sum(each.stat().st_size for each in Path(own.directory, f"{golden.name}.golden").rglob("*"))
    assert (clone.method, taken < size // 2) == ("instance, reflink", True), (taken, size)


@pytest.mark.stress
def test_the_sites_own_commands_start_and_stop_it(
    mariadb: MariaDBServer, settings: Instances, order: Order, tmp_path: Path
) -> None:
    """As systemd would, they start the program with the settings in the clone's folder."""
    log, program = tmp_path / "log", shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    start = f"echo start $1 >> {log}; setsid --fork {program} --defaults-file=$2/my.cnf --user=nobody"
    stop = f"echo stop $1 >> {log}; kill $(cat $2/pid)"
    own = settings.model_copy(
        update={
            "start": ("sh", "-c", f"({start}) > {tmp_path}/out 2>&1", "sh", "{name}", "{directory}"),
            "stop": ("sh", "-c", stop, "sh", "{name}", "{directory}"),
        }
    )
    with closing(InstanceClones(mariadb.uri(""), "V", own)) as engine:
        clone, _ = provide(engine, order)
        assert ask(clone, admit(engine, order.name, None), "SELECT count(*) FROM visit") == [(100,)]
        (found,) = engine.taken(order.site, order.prefix)
        reap(engine, found)
        assert log.read_text().splitlines() == [f"start {order.name}", f"stop {order.name}"]
        failing = engine_with(mariadb, own.model_copy(update={"start": ("sh", "-c", "echo no >&2; exit 3")}))
        with closing(failing), pytest.raises(DatabaseError, match=r"the command to start .* does not work: .* no"):
            provide(failing, order)
    assert running(Path(directory_of(clone))) == []


@pytest.mark.stress
def test_a_new_password_of_the_administrators_reaches_it(
    mariadb: MariaDBServer, settings: Instances, order: Order
) -> None:
    mariadb.ask("CREATE OR REPLACE USER bot IDENTIFIED BY 'old'")
    mariadb.ask("GRANT ALL ON *.* TO bot WITH GRANT OPTION")
    with closing(InstanceClones(mariadb.uri("", "bot", "old"), "V", settings)) as engine:
        clone, _ = provide(engine, order)
    mariadb.ask("ALTER USER bot IDENTIFIED BY 'new'")
    with closing(InstanceClones(mariadb.uri("", "bot", "new"), "V", settings)) as engine:
        assert provide(engine, order) == (clone, True)
        assert provide(engine, order) == (clone, False)


def provide_at(uri: str, order: Order, settings: Instances) -> None:
    provide(InstanceClones(uri, "V", settings), order)


@pytest.mark.stress
def test_what_a_killed_run_left_is_finished_or_taken_away_by_the_next(
    mariadb: MariaDBServer, settings: Instances, golden: Golden, folder: Path
) -> None:
    order = Order("killed.git", "killed-", "web-1", "shop", golden.name, reset=True)
    work = (provide_at, mariadb.uri(""), order, settings)
    with closing(InstanceClones(mariadb.uri(""), "V", settings)) as engine:
        provide(engine, order)
        code, total = run_until(0, *work, kind=MariaDBTap)
        assert (code, total > 20) == (0, True)
        for last in range(1, total + 1, 9):
            assert run_until(last, *work, kind=MariaDBTap)[0] == -signal.SIGKILL
            if last % 2:
                with engine.locked(order.name):
                    clone, _ = provide(engine, replace(order, reset=False))
                assert engine.records()[order.name] == clone
                rows = ask(clone, admit(engine, order.name, None), "SELECT count(*) FROM visit")
                assert rows == [(100,)]
                assert len(running(folder / order.name)) == 1
            else:
                for each in engine.taken(order.site, order.prefix):
                    reap(engine, each)
                assert list(folder.glob("killed_*")) == []
        for each in engine.taken(order.site, order.prefix):
            reap(engine, each)
        assert list(folder.glob("killed_*")) == []
        assert [each for each in engine.records() if each.startswith("killed")] == []


@pytest.mark.stress
def test_a_run_may_be_killed_while_it_works_on_the_clones_own_server(
    mariadb: MariaDBServer, settings: Instances, golden: Golden, folder: Path
) -> None:
    """At twelve times between its beginning and its end, as long as one takes here."""
    order = Order("ended.git", "ended-", "web-1", "shop", golden.name, reset=True)
    processes = get_context("forkserver")
    with closing(engine_with(mariadb, settings)) as engine:
        begun = time.monotonic()
        provide(engine, order)
        length = time.monotonic() - begun
        for step in range(1, 13):
            process = processes.Process(target=provide_at, args=(mariadb.uri(""), order, settings))
            process.start()
            process.join(length * step / 10)
            process.kill()
            process.join()
            with engine.locked(order.name):
                clone, _ = provide(engine, replace(order, reset=False))
            rows = ask(clone, admit(engine, order.name, None), "SELECT count(*) FROM visit")
            assert (rows, len(running(folder / order.name))) == ([(100,)], 1)
            assert [path.name for path in folder.glob("ended_*")] == [order.name]
        (found,) = engine.taken(order.site, order.prefix)
        reap(engine, found)
    assert list(folder.glob("ended_*")) == []


@pytest.mark.stress
def test_one_whose_folder_somebody_removed_is_made_anew_on_request(engine: InstanceClones, order: Order) -> None:
    clone, _ = provide(engine, order)
    (process,) = running(Path(directory_of(clone)))
    os.kill(process, signal.SIGKILL)
    shutil.rmtree(directory_of(clone))
    with pytest.raises(DatabaseError, match=f"the server of `{clone.name}` is no longer in"):
        provide(engine, order)
    again, _ = provide(engine, replace(order, reset=True))
    assert ask(again, admit(engine, order.name, None), "SELECT count(*) FROM visit") == [(100,)]
    for each in engine.taken(order.site, order.prefix):
        reap(engine, each)
    assert not Path(directory_of(again)).exists()


@pytest.mark.stress
def test_another_servers_clones_in_the_same_folder_are_not_touched(
    engine: InstanceClones, one: One, settings: Instances
) -> None:
    order, clone, password = one
    with running_mariadb() as server:
        golden = publish(server, SHOP)
        with closing(engine_with(server, settings)) as other:
            with pytest.raises(DatabaseError, match="is for clones of another server"):
                provide(other, replace(order, golden=golden.name))
            for each in other.taken(order.site, order.prefix):
                reap(other, each)
    assert provide(engine, order)[1] is False
    assert ask(clone, password, "SELECT count(*) FROM webhook") == [(1,)]


@pytest.mark.stress
def test_a_goldens_server_goes_with_the_golden(
    mariadb: MariaDBServer, engine: InstanceClones, order: Order, folder: Path
) -> None:
    golden = publish(mariadb, "CREATE TABLE t (id int)")
    provide(engine, replace(order, golden=golden.name))
    assert (folder / f"{golden.name}.golden").is_dir()
    MariaDBClones(mariadb.uri(""), "V").drop(golden.name)
    (found,) = engine.taken(order.site, order.prefix)
    reap(engine, found)
    assert not (folder / f"{golden.name}.golden").exists()


@pytest.mark.stress
def test_a_clone_of_the_shared_server_moves_out_when_it_is_made_anew(
    mariadb: MariaDBServer, engine: InstanceClones, order: Order
) -> None:
    with closing(MariaDBClones(mariadb.uri(""), "V")) as shared:
        first, _ = provide(shared, order)
        password = admit(shared, order.name, None)
    assert provide(engine, order) == (first, False)
    assert admit(engine, order.name, password) == password
    clone, _ = provide(engine, replace(order, reset=True))
    assert ask(clone, admit(engine, order.name, password), "SELECT count(*) FROM visit") == [(100,)]
    assert mariadb.ask(f"SHOW TABLES FROM {order.name}") == []
    with pytest.raises(pymysql.OperationalError, match="denied"):
        mariadb.connect(order.name, order.name, password)


@pytest.mark.stress
def test_without_a_golden_it_is_empty_and_filled_there(
    mariadb: MariaDBServer, settings: Instances, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with staged(tmp_path, mariadb.uri(""), "mariadb", mariadb.port, settings.model_dump(mode="json")):
        with engine_of("shop", "mariadb", settings) as engine:
            clone, _ = provide(engine, replace(order, golden=None))
            password = admit(engine, order.name, None)
        assert clone.method == "instance, file copy"
        ask(clone, password, "CREATE TABLE person (id int PRIMARY KEY AUTO_INCREMENT, name varchar(40) NOT NULL)")
        assert complete(tmp_path, Brought.of(clone, None)).rows == 50
        assert ask(clone, password, "SELECT count(*) FROM person") == [(50,)]
