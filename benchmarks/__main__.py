"""Run the benchmarks, or the one that is named first: `python -m benchmarks [NAME] [its options]`.

`e2e` and `mariadb` run only when they are named: they need a test bed around them, and a MariaDB server installed.
"""

import sys

from benchmarks import database, e2e, history, mariadb, render, scale, store

BENCHMARKS = {
    "render": render.main,
    "store": store.main,
    "scale": scale.main,
    "history": history.main,
    "database": database.main,
    "mariadb": mariadb.main,
    "e2e": e2e.main,
}
alone = ["e2e", "mariadb"]
chosen = [sys.argv.pop(1)] if sys.argv[1:2] and sys.argv[1] in BENCHMARKS else [n for n in BENCHMARKS if n not in alone]
for name in chosen:
    BENCHMARKS[name]()
