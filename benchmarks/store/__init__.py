"""Measure what it costs to add one environment, and what many writers reach together, beside what people usually do.

Run `python -m benchmarks store [--sizes 100 1000 10000] [--writers 16] [--each 10] [--output results.json]`.
"""

import argparse
import json
import os
import platform
import tempfile
from dataclasses import asdict
from pathlib import Path

import pygit2

from benchmarks.git import git
from benchmarks.store.one import GOAL, AddOne, measure_add_one
from benchmarks.store.together import BASE, WAYS, Together, measure_writers

__all__ = ["machine", "main"]


def machine() -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "git": git("version").split()[2],
        "libgit2": pygit2.LIBGIT2_VERSION,
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
    }


def table(rows: list[AddOne] | list[Together]) -> str:
    """Return `rows` as a Markdown table with a column per field."""
    cells = [[str(value) for value in asdict(row).values()] for row in rows]
    head = [name.replace("_", " ") for name in asdict(rows[0])]
    return "\n".join(f"| {' | '.join(line)} |" for line in [head, ["---"] * len(head), *cells])


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks store", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 1000, 10000], help="environments that are there")
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--each", type=int, default=10, help="environments per writer")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS, help="ours, and what people usually write")
    parser.add_argument("--output", type=Path, help="write the results here as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        added = [measure_add_one(Path(name), size) for size in options.sizes]
        together = measure_writers(Path(name), options.writers, options.each, options.ways)
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    if added:
        print(f"\nAdding one environment (10 files, about 22 KB), medians; {GOAL}\n\n{table(added)}")
    print(f"\n{options.writers} writers on one bare repository of {BASE} environments\n\n{table(together)}")
    if options.output:
        results = {"machine": machine(), "add_one": added, "together": together}
        text = json.dumps(results, default=asdict, indent=2, sort_keys=True)
        options.output.write_text(text + "\n", encoding="utf-8")
