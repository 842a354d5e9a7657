"""Who asks for an environment that sleeps wakes it: its route leads here meanwhile, to a page that waits for it."""

from collections.abc import Iterable
from html import escape
from threading import Lock

from layersite.model.environment import Environment

__all__ = ["Waker"]

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{name} is waking up</title>
<style>
body {{ font: 1.1rem/1.6 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem;
  text-align: center; color: #1f2933; background: #fff }}
@media (prefers-color-scheme: dark) {{ body {{ color: #e4e7eb; background: #14181d }} }}
code {{ overflow-wrap: anywhere }}
</style>
<h1>😴 → 🌅</h1>
<p>The environment <code>{name}</code> slept, and <strong>is waking up</strong>.</p>
<p>This page shows it as soon as it answers, in a minute or two.</p>
<noscript><meta http-equiv="refresh" content="5"></noscript>
<script>
setInterval(async () => {{
  const answer = await fetch(location.href, {{ cache: "no-store" }}).catch(() => null);
  if (answer && answer.status < 500) location.reload();
}}, 3000);
</script>
</html>
"""


class Waker:
    """The hosts of all environments, and whom a visitor asked for; for several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._hosts: dict[str, Environment] = {}
        self._called: set[str] = set()

    def learn(self, environments: Iterable[Environment]) -> None:
        """Take what is committed now."""
        hosts = {url.partition("://")[2]: each for each in environments for url in each.urls.values()}
        with self._lock:
            self._hosts = hosts

    def visit(self, host: str) -> tuple[str, bool] | None:
        """Return the page for a visitor of `host`, and whether somebody must wake up; None if nobody knows the host.

        However many come, an environment is called once until somebody looked after it.
        """
        with self._lock:
            found = self._hosts.get(host.partition(":")[0].lower())
            if found is None:
                return None
            is_news = found.state == "asleep" and found.name not in self._called
            self._called |= {found.name} if is_news else set()
        return _PAGE.format(name=escape(found.name)), is_news

    def called(self) -> frozenset[str]:
        """Return whom visitors asked for since the last time."""
        with self._lock:
            called, self._called = frozenset(self._called), set()
        return called
