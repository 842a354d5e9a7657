"""Run the benchmarks, or the one that is named first: `python -m benchmarks [NAME] [its options]`.

`e2e` runs only when it is named: it needs a test bed around it.
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
alone = ["e2e"]
chosen = [sys.argv.pop(1)] if sys.argv[1:2] and sys.argv[1] in BENCHMARKS else [n for n in BENCHMARKS if n not in alone]
for name in chosen:
    BENCHMARKS[name]()
