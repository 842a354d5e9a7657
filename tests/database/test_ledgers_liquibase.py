"""Ledgers that Liquibase itself writes, on both engines, against the change logs that it wrote them from."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from layersite.database.fit import History, read_history
from tests.database.ledgers import Tool, applied, files, running_tool
from tests.database.mariadb import MariaDBServer
from tests.database.server import Server
from tests.database.tools import liquibase

pytestmark = pytest.mark.stress

_XSD = "http://www.liquibase.org/xml/ns/dbchangelog"
XML = (
    f'<databaseChangeLog xmlns="{_XSD}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    f' xsi:schemaLocation="{_XSD} {_XSD}/dbchangelog-latest.xsd"'
)
ROOT = f"""{XML}>
<include file="one.sql" relativeToChangelogFile="true"/>
<includeAll path="sub/" relativeToChangelogFile="true"/>
<include file="./db/log//two.yaml"/>
<include file="db/log/three.json" logicalFilePath="by-include"/>
<include file="../other/../other/plain.sql" relativeToChangelogFile="true"/>
<include file="db/log/own.xml" logicalFilePath="not-this"/>
<includeAll path="db/log/all" logicalFilePath="by-all"/>
<changeSet id="in root" author="ann"><sql>select 1</sql></changeSet>
<changeSet id=" spaced " author="B &amp; C"><sql>select 1</sql></changeSet>
<changeSet id="own" author="ann" logicalFilePath="classpath:own/path.xml"><sql>select 1</sql></changeSet>
<changeSet id="always" author="ann" runAlways="true"><sql>select 1</sql></changeSet>
<changeSet id="onchange" author="ann" runOnChange="true"><sql>select 1</sql></changeSet>
<changeSet id="marked" author="ann">
  <preConditions onFail="MARK_RAN"><sqlCheck expectedResult="2">select 1</sqlCheck></preConditions><sql>select 1</sql>
</changeSet>
<changeSet id="waits" author="ann">
  <preConditions onFail="CONTINUE"><sqlCheck expectedResult="2">select 1</sqlCheck></preConditions><sql>select 1</sql>
</changeSet>
<changeSet id="elsewhere" author="ann" context="prod"><sql>select 1</sql></changeSet>
<changeSet id="labelled" author="ann" labels="never"><sql>select 1</sql></changeSet>
<changeSet id="oracle" author="ann" dbms="oracle"><sql>select 1</sql></changeSet>
<changeSet id="fails" author="ann" failOnError="false"><sql>selec 1</sql></changeSet>
</databaseChangeLog>
"""
NOT_RUN = {f"db/log/root.xml::{name}::ann" for name in ("waits", "elsewhere", "labelled", "oracle", "fails")}
LOGS = {
    "db/log/root.xml": ROOT,
    "db/log/one.sql": "--liquibase formatted sql\n\n--changeset ann:1\ncreate table one (id int);\n\n"
    '-- changeset "B B":"two words" splitStatements:false\nselect 1;\n'
    "--changeset John Doe:1.5 logicalFilePath:logical.sql\nselect 1;\n"
    "\t--\tChangeset\tann:tab:bed runOnChange:true\nselect 1;\n",
    "db/log/sub/a.sql": "\ufeff-- liquibase formatted sql logicalFilePath:whole/file.sql\r\n-- changeset ann:ä\r\n"
    "select 1;\r\n-- changeset ann:a2 logicalFilePath:not-this.sql\r\nselect 1;\r\n",
    "db/log/sub/deep/plain.sql": "create table two (id int);\n",
    "db/log/two.yaml": "databaseChangeLog:\n"
    + "".join(
        f"- changeSet: {{id: {identifier}, author: {author}, changes: [{{sql: {{sql: select 1}}}}]}}\n"
        for identifier, author in [
            ("1", "ann"),
            ("'007'", "ann"),
            ("0010", "yes"),
            ("1.10", "0x1f"),
            ("20260101.1", "ann"),
            ("1e3", "ann"),
            ("0.00001", "ann"),
            ("1_000", "ann"),
            ("123456789012345678901", "ann"),
            ("20260101-1", "ann"),
        ]
    )
    + "- include: {file: inner.yml, relativeToChangelogFile: true}\n",
    "db/log/inner.yml": "databaseChangeLog:\n- changeSet: {id: 1, author: ann, changes: [{sql: {sql: select 1}}]}\n"
    "- logicalFilePath: at-the-end\n",
    "db/log/three.json": '{"databaseChangeLog": [{"changeSet": {"id": true, "author": "ann", "changes":'
    ' [{"sql": {"sql": "select 1"}}]}}]}',
    "db/other/plain.sql": "create table three (id int);\n",
    "db/other/not-included.sql": "drop table one;\n",
    "db/log/own.xml": f'{XML} logicalFilePath="of-file">\n'
    '<changeSet id="1" author="ann"><sql>select 1</sql></changeSet>\n'
    '<changeSet id="2" author="ann" logicalFilePath="of-set"><sql>select 1</sql></changeSet>\n</databaseChangeLog>',
    "db/log/all/a.sql": "--liquibase formatted sql\n--changeset ann:1 logicalFilePath:not-this.sql\nselect 1;\n",
    "db/log/all/b.sql": "create table four (id int);\n",
}
UPDATE = ("update", "--context-filter=test", "--label-filter=!never")


def lay(folder: Path, logs: Mapping[str, str]) -> None:
    for name, text in logs.items():
        (folder / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "src" / name).write_bytes(text.encode())


def history(folder: Path) -> History:
    return read_history("liquibase", files(folder))


@pytest.fixture
def on_postgres(postgres: Server, tmp_path: Path) -> Tool:
    postgres.create("liquibase")
    return run_on(f"postgresql://127.0.0.1:{postgres.port}", "postgres", postgres.password, tmp_path)


def run_on(server: str, user: str, password: str, folder: Path) -> Tool:
    where = {
        "LIQUIBASE_COMMAND_URL": f"jdbc:{server}/liquibase",
        "LIQUIBASE_COMMAND_USERNAME": user,
        "LIQUIBASE_COMMAND_PASSWORD": password,
        "LIQUIBASE_SEARCH_PATH": "src",
        "LIQUIBASE_COMMAND_CHANGELOG_FILE": "db/log/root.xml",
        "LIQUIBASE_SHOW_BANNER": "false",
    }
    return running_tool(liquibase(), folder, **where)


def test_what_liquibase_has_run_is_pending_no_more_by_whatever_path(
    on_postgres: Tool, postgres: Server, tmp_path: Path
) -> None:
    lay(tmp_path, LOGS)
    on_postgres("update-count", "--count=4", *UPDATE[1:])
    ledger = applied(postgres, "liquibase", "liquibase")
    pending = history(tmp_path).pending(ledger)
    assert (history(tmp_path).obstacle(ledger), len(ledger)) == (None, 4)
    on_postgres(*UPDATE)
    ledger = applied(postgres, "liquibase", "liquibase")
    assert (history(tmp_path).obstacle(ledger), len(ledger)) == (None, 4 + len(pending) - len(NOT_RUN))
    assert set(history(tmp_path).pending(ledger)) == {f"src/{name}" for name in NOT_RUN}
    lay(
        tmp_path,
        {"db/log/root.xml": ROOT.replace('runOnChange="true"><sql>select 1', 'runOnChange="true"><sql>select 2')},
    )
    on_postgres(*UPDATE)
    again = applied(postgres, "liquibase", "liquibase")
    assert (history(tmp_path).obstacle(again), set(again)) == (None, set(ledger))


def test_what_liquibase_rolls_back_or_marks_is_read_as_such(
    on_postgres: Tool, postgres: Server, tmp_path: Path
) -> None:
    sql = "--liquibase formatted sql\n"
    for number in (1, 2, 3):
        sql += f"--changeset ann:{number}\ncreate table t{number} (id int);\n--rollback drop table t{number};\n"
    sql += "--changeset ann:4\ncreate table t1 (id int);\n"
    lay(tmp_path, {"db/log/root.sql": sql})
    there = ("--changelog-file=db/log/root.sql",)
    on_postgres("update", *there, code=1)
    assert len(applied(postgres, "liquibase", "liquibase")) == 3
    on_postgres("rollback-count", "--count=2", *there)
    names = [f"src/db/log/root.sql::{number}::ann" for number in (2, 3, 4)]
    assert history(tmp_path).pending(applied(postgres, "liquibase", "liquibase")) == tuple(names)
    on_postgres("changelog-sync", *there)
    assert history(tmp_path).pending(applied(postgres, "liquibase", "liquibase")) == ()


def test_the_ledger_of_liquibase_is_found_by_the_name_that_it_has_on_mariadb(
    mariadb: MariaDBServer, tmp_path: Path
) -> None:
    mariadb.create("liquibase")
    lay(tmp_path, LOGS)
    run = run_on(f"mariadb://127.0.0.1:{mariadb.port}", "admin", mariadb.password, tmp_path)
    run(*UPDATE)
    ledger = applied(mariadb, "liquibase", "liquibase")
    assert history(tmp_path).obstacle(ledger) is None
    assert set(history(tmp_path).pending(ledger)) == {f"src/{name}" for name in NOT_RUN}
