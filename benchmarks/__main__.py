"""Run the benchmarks, or the one that is named first: `python -m benchmarks [NAME] [its options]`.

`e2e`, `mariadb` and `year` run only when they are named: they need a test bed around them, a MariaDB server, an hour.
"""

import sys

from benchmarks import database, e2e, history, mariadb, render, scale, store, year

BENCHMARKS = {
    "render": render.main,
    "store": store.main,
    "scale": scale.main,
    "history": history.main,
    "database": database.main,
    "mariadb": mariadb.main,
    "e2e": e2e.main,
    "year": year.main,
}
if sys.argv[1:2] in (["-h"], ["--help"]):
    sys.exit(f"{__doc__}\nThere are {', '.join(BENCHMARKS)}.")
alone = ["e2e", "mariadb", "year"]
chosen = [sys.argv.pop(1)] if sys.argv[1:2] and sys.argv[1] in BENCHMARKS else [n for n in BENCHMARKS if n not in alone]
for name in chosen:
    BENCHMARKS[name]()
