"""Migrations written in Python, of Alembic and Django: read as syntax trees, for what a change contains never runs."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter

from layersite.database.fit.history import History, Step
from layersite.model.errors import InvalidInputError, Problem

__all__ = ["read_alembic", "read_django"]

_DJANGO = re.compile(r"(?:^|/)(?P<app>\w+)/migrations/(?P<name>[^/]+)\.py$")


def read_alembic(files: Mapping[str, str]) -> History:
    """Read the revisions below Alembic's folder, with branches, merges and dependencies. Raises InvalidInputError."""
    steps: list[Step] = []
    labels: dict[str, str] = {}
    for file, tree in _trees(files):
        found = dict(_assignments(tree.body))
        if "revision" not in found:
            continue
        for key in {"revision", "down_revision", "depends_on"} & found.keys():
            if not isinstance(found[key], (ast.Constant, ast.Tuple, ast.List)):
                text = f"`{key}` is worked out by code, which is not run to find out; write it as a literal"
                raise InvalidInputError([Problem(file, found[key].lineno, "", text)])
        revision = "".join(_literals(found["revision"]))
        after = [name for key in ("down_revision", "depends_on") if key in found for name in _literals(found[key])]
        labels |= dict.fromkeys(_literals(found["branch_labels"]) if "branch_labels" in found else (), revision)
        steps.append(Step(revision, file, tuple(after)))
    named = [Step(step.name, step.file, tuple(labels.get(name, name) for name in step.after)) for step in steps]
    return History(_sorted(named), by_head=True)


def read_django(files: Mapping[str, str]) -> History:
    """Read the migrations of every app below a folder; an app's label is its folder's name. Raises InvalidInputError.

    Dependencies on apps of installed packages are left out, and so are those that settings decide.
    """
    steps: list[Step] = []
    for file, tree in _trees(files):
        place = _DJANGO.search(file)
        bodies = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Migration"]
        if place and bodies:
            found = dict(_assignments(bodies[0]))
            after, replaces = (_pairs(found[key]) if key in found else () for key in ("dependencies", "replaces"))
            steps.append(Step(f"{place['app']}.{place['name']}", file, after, replaces))
    scopes = frozenset(step.name.partition(".")[0] for step in steps)
    squashed = {old: step.name for step in steps for old in step.replaces}
    present = {step.name for step in steps}
    own = []
    for step in steps:
        follows = (squashed.get(name, name) if name not in present else name for name in step.after)
        own.append(replace(step, after=tuple(name for name in follows if _is_own(name, scopes))))
    return History(_sorted(own), scopes=scopes)


def _is_own(name: str, scopes: frozenset[str]) -> bool:
    app, _, step = name.partition(".")
    return app in scopes and not step.startswith("__")  # `__first__` and `__latest__` order apps, not steps


def _trees(files: Mapping[str, str]) -> Iterator[tuple[str, ast.Module]]:
    for file, text in sorted(files.items()):
        if file.endswith(".py"):
            try:
                yield file, ast.parse(text)
            except (SyntaxError, ValueError, RecursionError) as error:
                line = (error.lineno if isinstance(error, SyntaxError) else 0) or 0
                raise InvalidInputError([Problem(file, line, "", "is not Python that can be read")]) from error


def _assignments(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.expr]]:
    for node in body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from ((target.id, node.value) for target in targets if isinstance(target, ast.Name))


def _literals(value: ast.expr) -> tuple[str, ...]:
    found = (node.value for node in ast.walk(value) if isinstance(node, ast.Constant))
    return tuple(each for each in found if isinstance(each, str))


def _pairs(value: ast.expr) -> tuple[str, ...]:
    """Return each literal `("app", "name")` in `value` as `app.name`."""
    tuples = [node for node in ast.walk(value) if isinstance(node, ast.Tuple) and len(node.elts) == 2]
    return tuple(".".join(_literals(pair)) for pair in tuples if len(_literals(pair)) == 2)


def _sorted(steps: Iterable[Step]) -> dict[str, Step]:
    """Return the steps by name, each after those that it comes after. Raises InvalidInputError."""
    by_name: dict[str, Step] = {}
    for step in steps:
        if step.name in by_name:
            raise _bad(step, f"`{step.name}` is also what {by_name[step.name].file} is called; give one a new name")
        by_name[step.name] = step
    for step in by_name.values():
        if missing := [name for name in step.after if name not in by_name]:
            raise _bad(step, f"`{step.name}` comes after `{missing[0]}`, which is not there; restore its file")
    try:
        order = TopologicalSorter({name: by_name[name].after for name in sorted(by_name)}).static_order()
        return {name: by_name[name] for name in order}
    except CycleError as error:
        step = by_name[error.args[1][0]]
        raise _bad(step, f"`{step.name}` comes after itself, by way of {' and '.join(error.args[1][1:-1])}") from error


def _bad(step: Step, message: str) -> InvalidInputError:
    return InvalidInputError([Problem(step.file, 0, "", message)])
