"""Database and role of the environment are gone; the golden is there, and so is what only looks like a clone."""

from testinfra.host import Host


def test_only_the_environment_s_own_is_gone(host: Host) -> None:
    asked = "SELECT datname FROM pg_database WHERE datname ~ '^(golden_shop|molecule)_' ORDER BY 1"
    golden, *others = host.check_output("psql -XAtd postgres -c %s", asked).splitlines()
    assert golden.startswith("golden_shop_")
    assert others == ["molecule_source", "molecule_web_1__theirs"]


def test_its_role_is_gone(host: Host) -> None:
    asked = "SELECT count(*) FROM pg_roles WHERE starts_with(rolname, 'molecule_')"
    assert host.check_output("psql -XAtd postgres -c %s", asked) == "0"
