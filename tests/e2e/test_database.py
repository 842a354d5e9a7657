"""A masked clone for an environment in a real cluster; the PostgreSQL server stands outside of it."""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.database.server import EMBEDDED, Server, running
from tests.e2e.team import Team, wait_for
from tests.testbed import Bed, push_image
from tests.testbed.space import ADDRESS

SOURCE = """
CREATE TABLE customer (id int PRIMARY KEY, mail text NOT NULL);
CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL REFERENCES customer);
INSERT INTO customer SELECT n, 'anna' || n || '@real.example' FROM generate_series(1, 200) n;
INSERT INTO customer VALUES (201, 'canary@layersite.example');
INSERT INTO orders SELECT n, n FROM generate_series(1, 200) n;
"""
CONTRACT = {
    "relations": {
        "public.customer": {"id": "keep", "mail": {"mask": "email"}},
        "public.orders": {"id": "keep", "customer": "keep"},
    },
    "canaries": ["canary@layersite.example"],
}
PSQL = '/psql/ld.so --library-path /psql /psql/psql "$DATABASE_URL" -XAtc'
COUNT = f"""#!/bin/sh
echo "Content-Type: text/plain"
echo
{PSQL} "SELECT count(*), count(*) FILTER (WHERE mail ~ '@(real|layersite)') FROM customer"
"""
MIGRATE = f"#!/bin/sh\n{PSQL} 'CREATE TABLE IF NOT EXISTS item (id serial PRIMARY KEY, name text NOT NULL)'\n"
ITEMS = f"{COUNT.partition(PSQL)[0]}{PSQL} 'SELECT count(*) FROM item'\n"
MIGRATES = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: api}
spec: {template: {spec: {initContainers: [{name: migrate, image: IMAGE, command: [/bin/sh, /www/migrate]}]}}}
"""
"""What an app does that brings its schema itself."""
MIGRATION = "db/1_item/migration.sql"
LEFT = """SELECT datname FROM pg_database WHERE starts_with(datname, %(prefix)s)
UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, %(prefix)s)"""


@pytest.fixture(scope="module")
def server(bed: Bed) -> Iterator[Server]:
    """A server on the node's address, which pods reach."""
    if not bed.id:
        pytest.skip("the pods of a cluster that was not started here do not reach a server of this machine")
    with running(EMBEDDED, f"listen_addresses=127.0.0.1,{ADDRESS}") as found:
        with (found.data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
            rules.write("host all all all scram-sha-256\n")
        with found.connect() as admin:
            admin.execute("SELECT pg_reload_conf()")
        found.create("shop_source", SOURCE)
        yield found


@pytest.fixture(scope="module")
def shop(team: Team, server: Server) -> Team:
    """The team whose `web` reads the database `shop`, of which there is a golden."""
    settings = team.site / "layersite.yaml"
    where = {"host": ADDRESS, "port": server.port}
    migrations = {"tool": "prisma", "repository": "api", "path": "db"}
    databases = {"shop": where, "blank": {**where, "otherwise": "fixtures", "migrations": migrations}}
    settings.write_text(settings.read_text().replace("databases: {}", f"databases: {json.dumps(databases)}"))
    folder = team.site / "data" / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "contract.yaml").write_text(json.dumps(CONTRACT))
    file = team.site / "apps" / "web" / "app.yaml"
    app = json.loads(file.read_text())
    file.write_text(json.dumps(app | {"needs": [*app["needs"], {"database": "shop", "as": "DATABASE_URL"}]}))
    uris = {"SHOP_SOURCE": server.uri("shop_source"), "SHOP_SERVER": server.uri(), "BLANK_SERVER": server.uri()}
    team.environment |= {f"LAYERSITE_DATABASE_{name}": uri for name, uri in uris.items()}
    team.environment |= {"LAYERSITE_DATABASE_SHOP_KEY": "0123456789abcdef" * 2}
    team.environment["PATH"] = f"{EMBEDDED}{os.pathsep}{os.environ['PATH']}"
    team.layersite("golden", "build", "shop")
    return team


@pytest.fixture(scope="module")
def psql() -> dict[str, bytes]:
    """The embedded server's psql with all that it is linked with, for an image that has neither."""
    said = subprocess.run(["ldd", EMBEDDED / "psql"], check=True, capture_output=True, encoding="utf-8").stdout
    libraries = {name: Path(path) for name, path in re.findall(r"(\S+) => (/\S+)", said)}
    (loader,) = re.findall(r"^\s*(/\S+/ld-\S+)", said, re.MULTILINE)
    found = {**libraries, "ld.so": Path(loader), "psql": EMBEDDED / "psql"}
    return {f"psql/{name}": path.read_bytes() for name, path in found.items()}


def change(team: Team, repository: str, branch: str, psql: Mapping[str, bytes], migration: str = "") -> int:
    """Open a pull request whose pods can ask their database; return its number."""
    team.commit(repository, branch, branch, start="main", image=False)
    push(team, repository, branch, psql, migration)
    return team.propose(repository, branch, branch)


def push(team: Team, repository: str, branch: str, psql: Mapping[str, bytes], migration: str) -> None:
    """Commit a migration to the branch, in place of one that is there, and make the image of the commit."""
    where = f"/repos/{team.name}/{repository}/contents"
    there = team.api("GET", f"{where}?ref={branch}")
    old = team.api("GET", f"{where}/{MIGRATION}?ref={branch}") if "db" in [each["name"] for each in there] else {}
    file = {"operation": "upload", "path": MIGRATION, "content": base64.b64encode(migration.encode()).decode()}
    files = [file | ({"sha": old["sha"]} if old else {})]
    sha = str(team.api("POST", where, branch=branch, message="feat: migrate", files=files)["commit"]["sha"])
    scripts = {"cgi-bin/count": COUNT, "cgi-bin/items": ITEMS, "migrate": MIGRATE, "index.html": branch}
    inside = {**psql, **{f"www/{name}": text.encode() for name, text in scripts.items()}}
    serve = ["/bin/httpd", "-f", "-p", "8080", "-h", "/www"]
    push_image(team.bed, f"{team.name}/{repository}", sha, inside, serve)


def left(team: Team, server: Server) -> list[str]:
    """Return the databases and roles of the team's environments."""
    with server.connect() as admin:
        return sorted(str(name) for (name,) in admin.execute(LEFT, {"prefix": f"{team.name}_"}))


def waits(team: Team, environment: str) -> bool:
    """Whether a pod waits for a Secret."""
    where = ["-n", f"{team.name}-{environment}", "-o", "jsonpath={.items[*].status.containerStatuses[*].state.waiting}"]
    return 'secret \\"database-shop\\" not found' in team.bed.kubectl("get", "pods", *where)


def test_pods_wait_for_their_masked_clone_and_it_goes_with_them(
    shop: Team, server: Server, psql: Mapping[str, bytes]
) -> None:
    number = change(shop, "web", "reads-shop", psql)
    name, clone = f"web-{number}", f"{shop.name}_web_{number}__shop"
    with server.connect() as other, ThreadPoolExecutor() as pool:
        other.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"layersite {clone}"])
        running = pool.submit(shop.layersite, "reconcile")
        wait_for("a pod that waits", lambda: name in shop.namespaces() and waits(shop, name), 50)
        other.close()
        said = running.result()
    assert f"{name} is ready: every app is healthy" in said
    shop.shows(name, "201|0", path="/cgi-bin/count")
    (golden,) = json.loads(shop.layersite("golden", "list", "shop", "--output", "json"))
    origin = f"- Database `shop` from `{golden['name']}`, built {golden['built']} with 401 rows"
    assert re.search(rf"{origin}; cloned by WAL log in [\d.]+ s", shop.comment("web", number))
    assert left(shop, server) == [clone, clone]
    assert golden["name"] in shop.layersite("status")

    with server.connect() as admin:
        admin.execute(f"DROP DATABASE {clone} WITH (FORCE)".encode())
    assert f"clone {clone}" in shop.layersite("reap")
    assert "was made" in shop.layersite("reap", "--apply")
    shop.shows(name, "201|0", path="/cgi-bin/count")
    assert "nothing is missing" in shop.layersite("reap")

    shop.close("web", number)
    shop.layersite("reconcile")
    assert f"Environment `{name}` is gone" in shop.comment("web", number)
    assert left(shop, server) == []


def test_without_a_golden_the_app_migrates_an_empty_database_which_is_then_filled(
    shop: Team, server: Server, psql: Mapping[str, bytes]
) -> None:
    app, image = shop.site / "apps" / "api", f"{shop.bed.registry}/{shop.name}/api:latest"
    settings = json.loads((app / "app.yaml").read_text())
    (app / "overlays").mkdir()
    (app / "overlays" / "migrate.yaml.j2").write_text(MIGRATES.replace("IMAGE", image))
    needs = [{"database": "blank", "as": "DATABASE_URL"}]
    (app / "app.yaml").write_text(json.dumps(settings | {"needs": needs, "expose": {}}))
    try:
        number = change(shop, "api", "brings-its-schema", psql, "SELECT 1;")
        name = f"api-{number}"
        assert f"{name} is ready" in shop.layersite("reconcile")
        shop.shows(name, "50", app="api", path="/cgi-bin/items")
        comment = shop.comment("api", number)
        assert re.search(r"- Database `blank` without a golden, made empty in [\d.]+ s, with 50 made-up rows", comment)
        assert "there is no golden, so it is made empty, for the app to migrate and for made-up rows" in comment

        with server.connect(f"{shop.name}_api_{number}__blank") as tester:
            tester.execute("DELETE FROM item WHERE id > 1")
        push(shop, "api", "brings-its-schema", psql, "SELECT 2;")
        assert f"{name} is ready" in shop.layersite("reconcile")
        shop.shows(name, "50", app="api", path="/cgi-bin/items")
        assert f"it was made anew: it may have applied `{MIGRATION}` as it was" in shop.comment("api", number)
        shop.close("api", number)
        shop.layersite("reconcile")
        assert left(shop, server) == []
    finally:
        (app / "overlays" / "migrate.yaml.j2").unlink()
        (app / "app.yaml").write_text(json.dumps(settings))


def test_what_never_finished_and_nobody_has_is_reaped(shop: Team, server: Server, psql: Mapping[str, bytes]) -> None:
    contract = shop.site / "data" / "shop" / "contract.yaml"
    contract.write_text(json.dumps(CONTRACT | {"quiet": {"empty": ["outbox"]}}))
    number = change(shop, "web", "never-finished", psql)
    clone = f"{shop.name}_web_{number}__shop"
    assert "the contract quietens the table `outbox`" in shop.layersite("reconcile", code=8)
    contract.write_text(json.dumps(CONTRACT))
    found = left(shop, server)
    assert (len(found), clone in found) == (2, True)  # the role, and what was to become its database
    shop.close("web", number)
    shop.forget(f"web-{number}")
    assert f"clone {clone}" in shop.layersite("reap")
    assert "never finished" in shop.layersite("reap")
    assert "its Application or its namespace is still there" in shop.layersite("reap", "--apply")
    assert left(shop, server) == found
    refresh = "argocd.argoproj.io/application-set-refresh=true"
    shop.bed.kubectl("annotate", "applicationsets", "--all", "-n", "argocd", refresh)
    wait_for("the end of its Application", lambda: "would be removed" in shop.layersite("reap"), 120)
    assert left(shop, server) == found
    shop.layersite("reap", "--apply")
    assert left(shop, server) == []
