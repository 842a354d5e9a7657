"""Run Gitea on a PostgreSQL of its own in the bed, and make its first user."""

from tests.database.server import EMBEDDED, UNPRIVILEGED
from tests.testbed.configure import answers, configure, tool
from tests.testbed.programs import binary, build
from tests.testbed.space import ADDRESS, Space

__all__ = ["URL", "USER", "create_admin", "start"]

URL = f"http://{ADDRESS}:3000"
USER = "bed-admin"


_DATA = "/tmp/postgres"
_POSTGRES = f"""
cd /tmp
{EMBEDDED}/initdb --pgdata={_DATA} --username=gitea --auth=trust --no-sync --encoding=UTF8 --no-locale
exec {EMBEDDED}/postgres -D {_DATA} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off
"""


def start(space: Space) -> None:
    """Start Gitea with an empty database."""
    user = ("setpriv", f"--reuid={UNPRIVILEGED}", f"--regid={UNPRIVILEGED}", "--clear-groups")
    space.start("postgres", *user, "sh", "-ec", _POSTGRES)
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
