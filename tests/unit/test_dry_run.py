"""What a dry run shows is what the run after it does: the same actions and refusals, and files that say the same."""

import json
from pathlib import Path
from typing import Any

from layersite.model.environment import Tombstone, to_yaml
from layersite.model.yaml import load_all
from layersite.store import Store, Write

from . import test_reconcile
from .test_reconcile import Run, close, commits, committed, push, write

site, run = test_reconcile.site, test_reconcile.run

BROKEN = '{% if environment.name == "broken" %}kind: {{ nope }}{% endif %}\n'


def bury(store: Store, name: str) -> None:
    """Leave the tombstone of an environment as the reaper does when nothing is left of it."""
    entry = store.read().entries[name]
    assert isinstance(entry.tombstone, Tombstone)
    text = to_yaml(entry.tombstone.model_copy(update={"reap": ()}))
    store.commit([Write(name, {"tombstone.yaml": text.encode()}, entry.tree, name)], "reaped")


def documents(files: dict[str, str]) -> dict[str, Any]:
    """Return the document of each environment that there is, by name."""
    found = {path: text for path, text in files.items() if path.endswith(("/environment.yaml", "/tombstone.yaml"))}
    return {path.split("/")[0]: load_all(text, path)[0] for path, text in found.items()}


def as_planned(documents: dict[str, Any]) -> dict[str, Any]:
    """Leave out what only the rendered manifests tell: their hash, and what their pods ask for."""
    for each in documents.values():
        if "render" in each:
            each["render"]["manifests"] = ""
        each.pop("requests", None)
    return documents


def test_the_real_run_does_what_the_dry_one_showed(site: Path, run: Run, tmp_path: Path) -> None:
    write(site / "apps" / "web" / "overlays" / "x.yaml.j2", BROKEN)
    for branch in ("stays", "moves", "closes", "goes", "gone", "returns"):
        push(site, "cart", branch)
    run("reconcile")
    for branch in ("goes", "gone", "returns"):
        run("teardown", branch)
    for branch in ("goes", "gone", "closes"):
        close(site, "cart", branch)
    bury(Store(str(tmp_path / "environments.git"), "main", tmp_path / "reaper"), "gone")
    for branch in ("moves", "returns", "new", "broken"):
        push(site, "cart", branch, "more")
    before, count = committed(site), commits(site)

    shown = json.loads(run("reconcile", "--dry-run", "--output", "json", code=8).stdout)
    assert (committed(site), commits(site)) == (before, count)
    assert {action["name"]: action["verb"] for action in shown["actions"]} == {
        "broken": "leave",
        "closes": "remove",
        "goes": "leave",
        "gone": "forget",
        "moves": "update",
        "new": "create",
        "returns": "create",
        "stays": "leave",
    }
    assert [refusal["name"] for refusal in shown["refusals"]] == ["broken"]

    done = json.loads(run("reconcile", "--output", "json", code=8).stdout)
    assert [done[key] for key in ("actions", "refusals")] == [shown[key] for key in ("actions", "refusals")]
    results = {action["name"]: action["result"] for action in shown["actions"] if action["verb"] != "leave"}
    expected = {name: result for name, result in (documents(before) | results).items() if result}
    assert as_planned(documents(committed(site))) == as_planned(expected)
    assert commits(site) == count + 1
    files = committed(site)
    of_those_left = [{p: t for p, t in each.items() if p.startswith(("goes/", "stays/"))} for each in (before, files)]
    assert of_those_left[0] == of_those_left[1]
    assert [path for path in files if path.startswith(("closes/", "gone/", "broken/"))] == ["closes/tombstone.yaml"]
