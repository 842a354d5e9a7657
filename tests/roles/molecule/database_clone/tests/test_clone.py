"""The environment has a database that its own role reaches, and nobody else."""

from testinfra.host import Host

NAME = "molecule_web_1__shop"


def test_it_is_its_role_s_own_and_closed_to_others(host: Host) -> None:
    asked = f"""SELECT datdba::regrole, has_database_privilege('public', oid, 'CONNECT') FROM pg_database
        WHERE datname = '{NAME}'"""
    assert host.check_output("psql -XAtd postgres -c %s", asked) == f"{NAME}|f"
    foreign = f"SELECT count(*) FROM pg_class WHERE oid >= 16384 AND relkind = 'r' AND relowner <> '{NAME}'::regrole"
    assert host.check_output(f"psql -XAtd {NAME} -c %s", foreign) == "0"


def test_it_holds_the_golden_s_rows(host: Host) -> None:
    asked = "SELECT count(*), count(*) FILTER (WHERE mail ~ '@real') FROM customer"
    assert host.check_output(f"psql -XAtd {NAME} -c %s", asked) == "101|0"


def test_its_role_has_a_password_and_no_rights_beyond(host: Host) -> None:
    asked = f"""SELECT rolpassword ~ '^SCRAM-SHA-256', rolsuper, rolcreatedb, rolcreaterole FROM pg_authid
        WHERE rolname = '{NAME}'"""
    assert host.check_output("psql -XAtd postgres -c %s", asked) == "t|f|f|f"
