"""Run every benchmark, or the one that is named first: `python -m benchmarks [render | store] [its options]`."""

import sys

from benchmarks import render, store

BENCHMARKS = {"render": render.main, "store": store.main}
chosen = [sys.argv.pop(1)] if sys.argv[1:2] and sys.argv[1] in BENCHMARKS else list(BENCHMARKS)
for name in chosen:
    BENCHMARKS[name]()
