"""Run the benchmarks, or the one that is named first: `python -m benchmarks [render | store | e2e] [its options]`.

`e2e` runs only when it is named: it needs a test bed around it.
"""

import sys

from benchmarks import e2e, render, store

BENCHMARKS = {"render": render.main, "store": store.main, "e2e": e2e.main}
chosen = [sys.argv.pop(1)] if sys.argv[1:2] and sys.argv[1] in BENCHMARKS else ["render", "store"]
for name in chosen:
    BENCHMARKS[name]()
