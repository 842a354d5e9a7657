"""Which golden fits a change: each tool's files and ledger, and the decision."""

import re
from pathlib import Path

import pytest

from layersite.database.fit import History, choose, read_applied, read_history, taken_back
from layersite.model.database import Golden
from layersite.model.errors import DatabaseError, InvalidInputError


def golden(*migrations: str, day: int = 1) -> Golden:
    return Golden(
        name=f"golden_shop_{day:012d}",
        database="shop",
        engine="postgresql",
        built=f"2026-01-{day:02d}T00:00:00Z",
        contract="a" * 64,
        attestation="b" * 64,
        server="18.4",
        migrations=migrations,
    )


def alembic(**steps: object) -> History:
    files = {
        f"db/versions/{name}.py": f"revision: str = {name!r}\ndown_revision = {after!r}\n"
        for name, after in steps.items()
    }
    return read_history("alembic", {**files, "db/env.py": "import nothing"})


def django(**steps: str) -> History:
    places = {name: "src/{}/migrations/{}.py".format(*name.split("__", 1)) for name in steps}
    return read_history(
        "django", {places[name]: f"class Migration(x.Y):\n    {body}\n" for name, body in steps.items()}
    )


def sql(tool: str, *files: str) -> History:
    return read_history(tool, dict.fromkeys(files, "select 1;\n"))


LINEAR = {
    "flyway": sql("flyway", "db/V1__a.sql", "db/V2__b.sql", "db/V3__c.sql", "db/R__view.sql"),
    "golang-migrate": sql("golang-migrate", "db/1_a.up.sql", "db/1_a.down.sql", "db/2_b.up.sql", "db/3_c.up.sql"),
    "goose": sql("goose", "db/00001_a.sql", "db/00002_b.go", "db/00003_c.sql", "db/00003_c_test.go"),
    "rails": sql("rails", "db/migrate/1_a.rb", "db/migrate/2_b.rb", "db/migrate/3_c.rb", "db/schema.rb"),
}
ALL = {
    **LINEAR,
    "alembic": alembic(**{"1": None, "2": "1", "3": "2"}),
    "prisma": sql("prisma", "p/1/migration.sql", "p/2/migration.sql", "p/3/migration.sql", "p/migration_lock.toml"),
}
NAMED = {"alembic", "golang-migrate"}


def ledger(tool: str, *names: str) -> tuple[str, ...]:
    """What the ledger holds once `names` are applied: some tools keep the last alone."""
    return names[-1:] if tool in NAMED else names


@pytest.mark.parametrize("tool", ALL)
def test_a_golden_behind_the_change_is_migrated_forward(tool: str) -> None:
    fit = choose([golden(*ledger(tool, "1", "2"))], ALL[tool])
    assert (fit.kind, fit.pending, fit.reason) == ("clone", ("3",), "")


@pytest.mark.parametrize("tool", ALL)
def test_a_golden_ahead_of_the_change_is_refused_by_the_name_of_its_migration(tool: str) -> None:
    fit = choose([golden(*ledger(tool, "1", "2", "4"))], ALL[tool])
    assert (fit.kind, fit.golden) == ("refused", None)
    assert (
        "golden `golden_shop_000000000001` does not fit: it has applied `4`, which the change does not have"
        in fit.reason
    )


@pytest.mark.parametrize("tool", ALL)
def test_an_older_golden_that_fits_is_taken_and_the_newest_explained(tool: str) -> None:
    goldens = [
        golden(*ledger(tool, *"12"), day=1),
        golden(*ledger(tool, *"1"), day=2),
        golden(*ledger(tool, *"1234"), day=3),
    ]
    fit = choose(goldens, ALL[tool])
    assert fit.golden == goldens[1]
    assert fit.pending == ("2", "3")
    assert "golden_shop_000000000003` does not fit: it has applied `4`" in fit.reason


def test_fixtures_stand_in_where_no_golden_fits_and_the_reason_stays() -> None:
    fit = choose([golden("9")], ALL["rails"], has_fixtures=True)
    assert (fit.kind, fit.pending) == ("fixtures", ("1", "2", "3"))
    assert "`9`" in fit.reason


def test_without_a_golden_it_says_how_to_get_one() -> None:
    assert choose([], ALL["rails"]).reason == "there is no golden yet; build one with `layersite golden build`"


def test_a_golden_of_an_empty_ledger_fits_everything() -> None:
    assert choose([golden()], ALL["alembic"]).pending == ("1", "2", "3")


@pytest.mark.parametrize("tool", ["flyway", "goose"])
def test_a_new_number_below_what_is_applied_is_refused(tool: str) -> None:
    fit = choose([golden("1", "3")], LINEAR[tool])
    assert fit.kind == "refused"
    assert re.search(r"applied `3`, which comes after `db/\w+2_+b\.\w+` of the change; renumber", fit.reason)


@pytest.mark.parametrize(
    ("ledger", "kind"), [(("1", "2"), "clone"), (("1",), "refused"), (("2", "4"), "refused"), (("x", "2"), "refused")]
)
@pytest.mark.parametrize("tool", ["goose", "rails"])
def test_old_files_may_go_once_what_follows_them_is_applied(tool: str, ledger: tuple[str, ...], kind: str) -> None:
    history = sql(tool, "00002_b.rb", "00003_c.rb") if tool == "rails" else sql(tool, "00002_b.sql", "00003_c.sql")
    assert choose([golden(*ledger)], history).kind == kind


def test_rails_applies_a_number_below_what_is_applied() -> None:
    assert choose([golden("1", "3")], LINEAR["rails"]).pending == ("2",)


@pytest.mark.parametrize(
    ("tool", "files"),
    [
        ("flyway", ("a/V1__a.sql", "b/V01.0__b.sql")),
        ("goose", ("1_a.sql", "01_b.sql")),
        ("rails", ("1_a.rb", "1_b.rb")),
        ("golang-migrate", ("1_a.up.sql", "1_b.up.sql")),
    ],
)
def test_two_files_of_one_number_are_refused(tool: str, files: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"has the number `1`, and so has .*give one of them a new number"):
        sql(tool, *files)


class TestAlembic:
    def test_branches_and_merges_are_followed(self) -> None:
        history = alembic(root=None, left="root", right="root", merge=("left", "right"), last="merge")
        assert choose([golden("left", "right")], history).pending == ("merge", "last")
        assert choose([golden("left")], history).pending == ("right", "merge", "last")
        assert choose([golden("left", "elsewhere")], history).kind == "refused"

    def test_a_dependency_on_a_label_is_one_on_its_revision(self) -> None:
        files = {
            "a.py": "revision = 'a'\ndown_revision = None\nbranch_labels = ('billing',)\n",
            "b.py": "revision = 'b'\ndown_revision = None\ndepends_on = 'billing'\n",
        }
        assert choose([golden("b")], read_history("alembic", files)).pending == ()

    def test_two_heads_are_pointed_out(self) -> None:
        fit = choose([golden("root")], alembic(root=None, left="root", right="root"))
        assert fit.kind == "clone"
        assert "end in `left` and `right`; merge them" in fit.reason

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("revision = 'a'\ndown_revision = 'gone'\n", r"`a` comes after `gone`, which is not there"),
            ("revision = 'a'\ndown_revision = 'a'\n", r"`a` comes after itself"),
            ("revision = open('/etc/passwd').read()\n", r"a\.py:1: `revision` is worked out by code"),
            ("revision = (\n", r"a\.py:1: is not Python"),
            ("revision = 'x'\n" + "(" * 5000, r"is not Python"),
        ],
        ids=["missing", "cycle", "code", "syntax", "deep"],
    )
    def test_files_that_cannot_be_understood_are_refused(self, text: str, message: str) -> None:
        with pytest.raises(InvalidInputError, match=message):
            read_history("alembic", {"versions/a.py": text})

    def test_nothing_of_a_migration_runs(self, tmp_path: Path) -> None:
        mark = tmp_path / "ran"
        text = f"open({str(mark)!r}, 'w')\nrevision = 'a'\ndown_revision = None\n"
        assert read_history("alembic", {"a.py": text}).steps.keys() == {"a"}
        assert not mark.exists()


class TestDjango:
    def test_dependencies_lead_across_apps_and_packages_are_left_aside(self) -> None:
        history = django(
            shop__0001="dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), ('auth', '0012')]",
            shop__0002="dependencies = [('shop', '0001'), ('people', '0001'), ('people', '__first__')]",
            people__0001="dependencies = []",
        )
        fit = choose([golden("auth.0001", "auth.0099", "shop.0001")], history)
        assert (fit.kind, fit.pending) == ("clone", ("people.0001", "shop.0002"))

    def test_a_migration_applied_without_what_it_now_depends_on_is_refused(self) -> None:
        history = django(shop__0001="dependencies = []", shop__0002="dependencies = [('shop', '0001')]")
        assert (
            "applied `shop.0002`, which comes after `src/shop/migrations/0001.py`"
            in choose([golden("shop.0002")], history).reason
        )

    def test_a_squashed_migration_is_applied_once_its_parts_are(self) -> None:
        history = django(
            shop__0001_squashed="replaces = [('shop', '0001'), ('shop', '0002')]",
            shop__0003="dependencies = [('shop', '0002')]",
        )
        assert choose([golden("shop.0001", "shop.0002")], history).pending == ("shop.0003",)
        assert choose([golden()], history).pending == ("shop.0001_squashed", "shop.0003")

    def test_two_last_migrations_of_an_app_are_pointed_out(self) -> None:
        one, two = ("dependencies = [('shop', '0001')]",) * 2
        fit = choose([golden()], django(shop__0001="dependencies = []", shop__0002_a=one, shop__0002_b=two))
        assert "end in `shop.0002_a` and `shop.0002_b`; merge them" in fit.reason


class TestFlyway:
    def test_an_edited_migration_is_refused(self) -> None:
        history = read_history("flyway", {"V1__a.sql": "select 1;\r\nselect 2;\r\n"})
        (checksum,) = history.checksums.values()
        assert history.checksums == read_history("flyway", {"V1__a.sql": "select 1;\nselect 2;"}).checksums
        assert choose([golden(f"1#{checksum}")], history).kind == "clone"
        assert "applied `V1__a.sql`, which the change edits" in choose([golden("1#17")], history).reason

    def test_versions_are_compared_as_numbers(self) -> None:
        history = sql("flyway", "V1_10__c.sql", "V1.9__b.sql", "V1_02.0__a.sql")
        assert list(history.steps) == ["1.2", "1.9", "1.10"]

    @pytest.mark.parametrize("kind", ["BASELINE", "SQL_BASELINE"])
    def test_a_baseline_stands_for_everything_below(self, kind: str) -> None:
        applied = read_applied(lambda query: [("2", kind, 7, True, "B2__all.sql")], "flyway")
        assert choose([golden(*applied)], LINEAR["flyway"]).pending == ("3",)

    def test_the_settings_of_a_script_are_no_script(self) -> None:
        assert list(sql("flyway", "V1__a.sql", "V1__a.sql.conf").steps) == ["1"]


class TestLiquibase:
    FILES = {
        "src/db/changelog/1.sql": "--liquibase formatted sql\n"
        "--changeset ann:1 splitStatements:false\nselect 1;\n"
        '-- changeset "Bo B":two\n',
        "src/db/changelog/2.xml": '<databaseChangeLog xmlns="x"><changeSet id="1" author="ann"/></databaseChangeLog>',
        "src/db/changelog/3.yaml": "databaseChangeLog:\n- logicalFilePath: three\n- changeSet: {id: 1, author: ann}\n",
        "src/db/changelog/root.json": '{"databaseChangeLog": [{"include": {"file": "1.sql"}}]}',
        "src/db/changelog/data.sql": "--changeset is only a comment here\n",
    }

    def test_every_format_is_read(self) -> None:
        names = [name.rpartition("/")[2] for name in read_history("liquibase", self.FILES).steps]
        assert names == ["1.sql::1::ann", "1.sql::two::Bo B", "2.xml::1::ann", "three::1::ann"]

    @pytest.mark.parametrize(
        "root", ["", "changelog/", "db/changelog/", "classpath:db/changelog/", "src/db/changelog/"]
    )
    def test_the_ledger_may_name_a_file_from_any_folder_above_it(self, root: str) -> None:
        rows = [(f"{root}1.sql", "1", "ann"), (f"{root}1.sql", "two", "Bo B"), (f"{root}2.xml", "1", "ann")]
        applied = read_applied(lambda query: rows, "liquibase")
        assert choose([golden(*applied)], read_history("liquibase", self.FILES)).pending == ("three::1::ann",)

    def test_a_name_that_two_files_share_is_no_name(self) -> None:
        text = "--liquibase formatted sql\n--changeset ann:1\n"
        history = read_history("liquibase", {"a/1.sql": text, "b/1.sql": text})
        assert choose([golden("a/1.sql::1::ann")], history).pending == ("b/1.sql::1::ann",)
        assert choose([golden("1.sql::1::ann")], history).kind == "refused"

    @pytest.mark.parametrize(
        ("name", "text", "expected"),
        [
            ("a.sql", "--liquibase formatted sql\n--changeset John Doe:1\n", "a.sql::1::John Doe"),
            ("a.sql", "\ufeff-- liquibase formatted sql\r\n\t--\tchangeset\tann:ü\r\n", "a.sql::ü::ann"),
            ("a.sql", "--liquibase formatted sql logicalFilePath:l\n--changeset a:1 logicalFilePath:m\n", "l::1::a"),
            ("a.sql", "--liquibase formatted sql\n--changeset a:1 logicalFilePath:m\n", "m::1::a"),
            (
                "a.xml",
                "<databaseChangeLog logicalFilePath='l'><changeSet id='1' author='a'/></databaseChangeLog>",
                "l::1::a",
            ),
            ("a.yaml", "databaseChangeLog:\n- changeSet: {id: 1, author: a}\n- logicalFilePath: late\n", "late::1::a"),
            ("a.yaml", "databaseChangeLog:\n- changeSet: {id: 007, author: yes}\n", "a.yaml::7::true"),
            ("a.yaml", "databaseChangeLog:\n- changeSet: {id: 20260101.1, author: a}\n", "a.yaml::2.02601011E7::a"),
            ("a.yaml", "databaseChangeLog:\n- changeSet: {id: 1.10, author: a}\n", "a.yaml::1.1::a"),
        ],
        ids=["spaces", "bytes", "whole file", "one of a file", "xml", "late", "words", "large", "fraction"],
    )
    def test_a_change_set_is_called_what_liquibase_calls_it(self, name: str, text: str, expected: str) -> None:
        assert list(read_history("liquibase", {name: text}).steps) == [expected]

    @pytest.mark.parametrize(
        ("include", "expected"),
        [
            ("<include file='one.sql' relativeToChangelogFile='true'/>", ["db/one.sql::raw::includeAll"]),
            ("<include file='../db/./one.sql' relativeToChangelogFile='true'/>", ["db/one.sql::raw::includeAll"]),
            ("<include file='one.sql'/>", ["db/one.sql::raw::includeAll"]),
            ("<include file='classpath:/db/one.sql'/>", ["db/one.sql::raw::includeAll"]),
            ("<include file='db/one.sql' logicalFilePath='l'/>", ["db/one.sql::raw::includeAll"]),
            ("<includeAll path='sub/' relativeToChangelogFile='true'/>", ["db/sub/deep/two.sql::raw::includeAll"]),
            ("<includeAll path='db/sub/deep'/>", ["db/sub/deep/two.sql::raw::includeAll"]),
            ("<include file='two.sql' relativeToChangelogFile='true'/>", []),
        ],
    )
    def test_sql_without_change_sets_is_one_where_it_is_included(self, include: str, expected: list[str]) -> None:
        files = {
            "db/root.xml": f"<databaseChangeLog>{include}</databaseChangeLog>",
            "db/one.sql": "select 1;",
            "db/sub/deep/two.sql": "select 2;",
        }
        assert list(read_history("liquibase", files).steps) == expected

    def test_a_file_below_thousands_of_folders_is_read(self) -> None:
        deep = f"{'a/' * 3000}1.sql"
        text = "--liquibase formatted sql\n" + "--changeset ann:{}\n" * 100
        history = read_history("liquibase", {deep: text.format(*range(100)), f"{'b/' * 3000}plain.sql": "select 1;"})
        assert len(history.pending(["a/1.sql::7::ann"])) == 99

    def test_a_document_type_is_refused(self) -> None:
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><databaseChangeLog>&b;</databaseChangeLog>'
        with pytest.raises(InvalidInputError, match=r"1\.xml:1: has a document type"):
            read_history("liquibase", {"1.xml": bomb})


@pytest.mark.parametrize(
    ("tool", "row", "mend"),
    [
        ("flyway", ("2", "SQL", 7, False, "V2__b.sql"), "flyway repair"),
        ("golang-migrate", (2, True), "migrate force"),
        ("prisma", ("2_b", None, None), "migrate resolve"),
    ],
)
def test_a_ledger_that_stopped_half_way_is_an_error(tool: str, row: tuple[object, ...], mend: str) -> None:
    with pytest.raises(DatabaseError, match=mend):
        read_applied(lambda query: [row], tool)


def revision(name: str, after: str | None, body: str = "pass") -> str:
    return f"revision = {name!r}\ndown_revision = {after!r}\n\ndef upgrade():\n    {body}\n"


ALEMBIC = {"v/a.py": revision("a", None), "v/mine.py": revision("mine", "a")}
GOOSE = {"1_a.sql": "select 1;", "3_mine.sql": "select 3;"}
MIGRATE = {"1_a.up.sql": "select 1;", "3_mine.up.sql": "select 3;", "3_mine.down.sql": "select 3;"}
CHANGELOG = {"log.sql": "--liquibase formatted sql\n--changeset ann:1\nselect 1;\n"}
LOG = (
    "<databaseChangeLog>\n<changeSet id='1' author='a'><sql>select 1</sql></changeSet>\n<!-- -->\n"
    "<changeSet id='2' author='a'>\n<sql>select 2</sql>\n</changeSet>\n</databaseChangeLog>"
)
MORE = CHANGELOG["log.sql"] + "--changeset ann:2\nselect 2;\n"


@pytest.mark.parametrize(
    ("tool", "applied", "old", "changed", "message"),
    [
        ("goose", ("1",), GOOSE, {"4_more.sql": "select 4;"}, None),
        ("goose", ("1",), GOOSE, {"1_a.sql": "select 1; -- a word more"}, None),
        ("goose", ("1",), GOOSE, {"2_theirs.sql": "select 2;"}, "`3_mine.sql` as it was"),
        ("goose", ("1",), GOOSE, {"3_mine.sql": None, "4_mine.sql": "select 3;"}, "`3_mine.sql`, which the change no"),
        ("goose", ("1",), GOOSE, {"1_a.sql": None}, "it has applied `1`"),
        ("goose", (), GOOSE, {"1_a.sql": "select 0;"}, "`1_a.sql` as it was"),
        ("golang-migrate", ("1",), MIGRATE, {"3_mine.down.sql": "select 0;"}, None),
        ("alembic", ("a",), ALEMBIC, {"v/mine.py": revision("mine", "a", "raise")}, "`v/mine.py` as it was"),
        (
            "alembic",
            ("a",),
            ALEMBIC,
            {"v/b.py": revision("b", "a"), "v/mine.py": revision("mine", "b")},
            "`v/mine.py` as it was",
        ),
        ("alembic", ("a",), ALEMBIC, {"v/mine.py": None, "v/renamed.py": ALEMBIC["v/mine.py"]}, None),
        ("liquibase", (), CHANGELOG, {"log.sql": MORE}, None),
        ("liquibase", (), {"log.sql": MORE}, {"log.sql": MORE.replace("2;", "3;")}, "`log.sql` as it was"),
        ("liquibase", ("log.sql::2::ann",), {"log.sql": MORE}, {"log.sql": MORE.replace("2;", "3;")}, None),
        ("liquibase", (), {"log.xml": LOG}, {"log.xml": LOG.replace("2<", "3<")}, "`log.xml` as it was"),
        ("liquibase", ("log.xml::2::a",), {"log.xml": LOG}, {"log.xml": LOG.replace("2<", "3<")}, None),
        ("liquibase", (), {"log.xml": LOG}, {"log.xml": LOG.replace("<!-- -->", "<!-- more -->")}, None),
        ("goose", (), GOOSE, {"3_mine.sql": "select 3;\n-- +goose Down\nselect 0;"}, None),
        ("liquibase", (), {"log.sql": MORE}, CHANGELOG, "`log.sql`, which the change no longer has"),
    ],
)
def test_a_push_takes_back_what_a_database_may_have_applied(
    tool: str, applied: tuple[str, ...], old: dict[str, str], changed: dict[str, str | None], message: str | None
) -> None:
    new = {name: text for name, text in {**old, **changed}.items() if text is not None}
    found = taken_back(applied, read_history(tool, old), old, read_history(tool, new), new)
    assert (found is None) == (message is None), found
    assert (message or "") in (found or "")
