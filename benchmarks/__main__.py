"""Run every benchmark, or the one named first: `python -m benchmarks [render | store | database | masking] …`."""

import sys

from benchmarks import database, masking, render, store

BENCHMARKS = {"render": render.main, "store": store.main, "database": database.main, "masking": masking.main}
chosen = [sys.argv.pop(1)] if sys.argv[1:2] and sys.argv[1] in BENCHMARKS else list(BENCHMARKS)
for name in chosen:
    BENCHMARKS[name]()
