"""A process of its own that writes to an environments repository; the tests start several and kill some."""

import random
import sys
from pathlib import Path

from layersite.model.environment import Environment, to_yaml
from layersite.store import FoldingStore, Store, Write


def files_of(name: str, generation: int = 1) -> dict[str, bytes]:
    environment = Environment(name=name, cluster="in-cluster", namespace=f"env-{name}", generation=generation, slice={})
    namespace = f"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: env-{name}\n"
    return {"environment.yaml": to_yaml(environment).encode(), "manifests/namespace.yaml": namespace.encode()}


def adding(*names: str, generation: int = 1, expected: str | None = None) -> list[Write]:
    trailer = f"generation {generation}"
    return [Write(name, files_of(name, generation), expected, f"{name} {trailer}") for name in names]


def removing(store: Store, *names: str) -> list[Write]:
    entries = store.read().entries
    return [Write(name, None, entries[name].tree, f"{name} removed") for name in names if name in entries]


def main(kind: str, verb: str, url: str, cache: str, seed: str, *names: str) -> None:
    store_of = {kind.__name__: kind for kind in (Store, FoldingStore)}[kind]
    store = store_of(url, "main", Path(cache), random=random.Random(seed))  # noqa: S311 - jitter is no secret
    for name in names:
        store.commit(adding(name) if verb == "add" else removing(store, name), f"{verb} {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
