"""The bot as a service: a webhook starts a run at once, a clock starts one anyway, and waiting holds back neither.

Events that arrive during a run are served together by the next, so a burst becomes few pushes.
"""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

from layersite.forge.webhook import Nudge, SignatureError, webhook_change
from layersite.model.change import Change
from layersite.model.errors import ForgeError, LayersiteError
from layersite.model.site import Site
from layersite.observe import Seen
from layersite.reconcile import Bot, Decided
from layersite.waker import Waker

__all__ = ["Service", "pause"]

_LONGEST_BODY = 2_000_000
_FOLLOWED_AT_ONCE = 32
_MINUTE = 60.0
_WAITING = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'",
    "Cache-Control": "no-store",
    "Retry-After": "5",
    "X-Robots-Tag": "noindex",
}
"""What a visitor of an environment that wakes up gets beside the page."""
_MOST_PUSHES = 1000
_REST = 0.5
"""How long to rest after a push, in times of what it took with all that led to it: what happens meanwhile shares one.
Where many changes open at once, the forge is busy enough."""


def pause(pushes: Sequence[float], now: float, per_minute: int | None) -> float:
    """Return how many seconds the next push must wait, so that no minute has more than `per_minute`."""
    recent = [moment for moment in pushes if now - moment < _MINUTE]
    return recent[-per_minute] + _MINUTE - now if per_minute and len(recent) >= per_minute else 0.0


@dataclass(frozen=True)
class Service:
    """Runs the bot that `make_bot` returns whenever it is woken, and every `interval` seconds.

    `make_bot` is called before each run that the clock starts, so that a changed site is seen. `tell` gets a line for
    each step and each failed run; a run that fails is made up for by the next. `clock` counts seconds.
    """

    make_bot: Callable[[], Bot]
    secret: str
    interval: float
    tell: Callable[[str], None]
    news: deque[Nudge] = field(default_factory=deque)
    wake: Event = field(default_factory=Event)
    stop: Event = field(default_factory=Event)
    waker: Waker = field(default_factory=Waker)
    clock: Callable[[], float] = time.monotonic

    def listen(self, host: str, port: int) -> ThreadingHTTPServer:
        """Answer webhooks, health checks and visitors of what sleeps in a thread, until the server is shut down."""
        server = ThreadingHTTPServer((host, port), _handler(self))
        Thread(target=server.serve_forever, name="webhooks", daemon=True).start()
        return server

    def run(self) -> None:
        """Run the bot until `stop` is set and the service woken; what is being followed is seen to its end."""
        with ThreadPoolExecutor(_FOLLOWED_AT_ONCE) as pool:
            bot = self.make_bot()
            pushes: deque[float] = deque(maxlen=_MOST_PUSHES)
            seen, due, rested = None, 0.0, 0.0
            while not self.stop.is_set():
                budget = pause(pushes, self.clock(), bot.site.environments.pushes_per_minute)
                self.stop.wait(max(budget, rested - self.clock()))
                self.wake.clear()
                began, moved = self.clock(), self._moved(bot.site)
                if seen is None or moved is None or began >= due:
                    seen, due = None, began + self.interval
                try:
                    decided = self._decide(bot, seen, moved or ())
                    seen = decided.seen
                    if decided.outcome.commit is not None:
                        pushes.append(self.clock())
                        rested = pushes[-1] + _REST * (pushes[-1] - began)
                    pool.submit(self._follow, bot, decided)
                    if decided.outcome.unwritten is not None:
                        raise decided.outcome.unwritten
                except LayersiteError as error:
                    seen = None
                    self.tell(f"this run failed, the next one makes up for it: {error}")
                if not self.wake.wait(self.interval):
                    bot, seen = self._made_anew(bot), None

    def _decide(self, bot: Bot, seen: Seen | None, moved: Sequence[Change]) -> Decided:
        """Decide on what was `seen` and what `moved` since, or else on everything."""
        visited = self.waker.called()
        decided = bot.decide_again(seen, moved, visited) if seen else bot.decide(visited=visited)
        self.waker.learn(decided.alive if bot.site.waker else ())
        return decided

    def _moved(self, site: Site) -> list[Change] | None:
        """Return the changes, by their keys alone, that the forge told of since; None if it may be more than those."""
        news = {self.news.popleft() for _ in range(len(self.news))}
        if not all(each.number for each in news):
            return None
        names = {each: _named(site, each.repository) for each in news}
        if not all(len(found) == 1 for found in names.values()):
            return None
        return [Change(name, each.number, branch="", sha="") for each, (name,) in sorted(names.items())]

    def _made_anew(self, bot: Bot) -> Bot:
        try:
            return self.make_bot()
        except LayersiteError as error:
            self.tell(f"the site is not as it should be, going on with what it was: {error}")
            return bot

    def _follow(self, bot: Bot, decided: Decided) -> None:
        try:
            for standing in bot.follow(decided).standings:
                self.tell(f"{standing.name}: {standing.state}: {standing.summary}")
        except LayersiteError as error:
            self.tell(f"not all was followed to its end, the next run does it: {error}")

    def hear(self, headers: dict[str, str], body: bytes) -> int:
        """Take one webhook and return the HTTP status that answers it."""
        try:
            nudge = webhook_change(headers, body, self.secret)
        except SignatureError as error:
            self.tell(str(error))
            return 401
        except ForgeError as error:
            self.tell(str(error))
            return 400
        if nudge is not None:
            self.news.append(nudge)
            self.wake.set()
        return 202

    def visit(self, host: str) -> str | None:
        """Return the page for who asks for `host`, whose environment is then woken; None if there is none."""
        found = self.waker.visit(host)
        if found is None:
            return None
        page, is_news = found
        if is_news:
            self.wake.set()
        return page


def _named(site: Site, repository: str) -> list[str]:
    """Return the repositories of the site that the forge calls `repository`; plain git tells of none."""
    ends = re.compile(rf"[/:]{re.escape(repository)}(\.git)?/*$")
    return [name for name, each in site.repositories.items() if site.forge.url and ends.search(each.url)]


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Webhooks, health checks, and any address of an environment that sleeps."""

        timeout = 10

        def do_GET(self) -> None:
            """Say that the process is alive, or that an environment wakes up."""
            page = service.visit(self.headers.get("Host", ""))
            if page is None:
                self._answer(200 if self.path == "/healthz" else 404)
            else:
                self._answer(503, page.encode(), _WAITING)

        def do_POST(self) -> None:
            """Take a webhook."""
            length = self.headers.get("Content-Length", "")
            if self.path != "/webhook":
                self._answer(404)
            elif not length.isdecimal() or int(length) > _LONGEST_BODY:
                self._answer(413)
            else:
                self._answer(service.hear(dict(self.headers.items()), self.rfile.read(int(length))))

        def _answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep requests, which anyone can send, out of the log."""

    return Handler
