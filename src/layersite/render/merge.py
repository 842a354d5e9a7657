"""Strategic merge: lay an overlay's document over a base object as Kubernetes defines it.

Maps merge, null deletes, lists of a known kind merge by their merge key (in kustomize's order), others are replaced.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from layersite.model.errors import InvalidInputError, Problem
from layersite.model.yaml import Yaml
from layersite.render.schema import Definition

__all__ = ["merge"]

_ORDER = "$setElementOrder"
_REMOVE = "$deleteFromPrimitiveList"
_DIRECTIVES = ("$patch", "$retainKeys", _ORDER, _REMOVE)
_DEFAULTS = {"protocol": "TCP"}
"""What an item means that leaves out one of its identifying fields."""


def merge(base: Yaml, patch: Yaml, definition: Definition | None, source: str = "overlay") -> Yaml:
    """Return `base` with `patch` laid over it; None if the patch deletes the whole.

    Neither input is changed, and the result shares with them what did not need merging. `definition` tells how lists
    merge; without one (a custom resource) every list is replaced. Understands `$patch`, `$retainKeys`,
    `$setElementOrder/<field>` and `$deleteFromPrimitiveList/<field>`.

    Raises:
        InvalidInputError: an item lacks its merge key or has no single counterpart, or a directive is malformed.
    """
    return _merged(base, patch, _Place(source, definition))


@dataclass(frozen=True)
class _Place:
    """Where in the object the merge is, and what the schema says of this place."""

    source: str
    definition: Definition | None
    path: tuple[str, ...] = ()

    def field(self, name: str) -> "_Place":
        definition = self.definition.field(name) if self.definition else None
        return _Place(self.source, definition, (*self.path, name))

    def item(self, name: str) -> "_Place":
        definition = self.definition.items if self.definition else None
        return _Place(self.source, definition, (*self.path, name))

    def is_(self, strategy: str) -> bool:
        return self.definition is not None and strategy in self.definition.strategies

    @property
    def keys(self) -> tuple[str, ...]:
        return self.definition.merge_keys if self.definition else ()

    def refuse(self, message: str) -> NoReturn:
        raise InvalidInputError([Problem(self.source, 0, ".".join(self.path), message)])


def _merged(base: Yaml, patch: Yaml, place: _Place) -> Yaml:
    if isinstance(patch, dict):
        return _merged_map(base if isinstance(base, dict) else {}, patch, place)
    if isinstance(patch, list):
        return _merged_list(base if isinstance(base, list) else [], patch, place)
    return patch


def _merged_map(base: Yaml, patch: Yaml, place: _Place) -> Yaml:
    match patch.get("$patch", "replace" if place.is_("replace") else "merge"):
        case "delete":
            return None
        case "replace":
            base = {}
        case "merge":
            base = _retained(base, patch, place)
        case unknown:
            place.refuse(f"unknown directive `$patch: {unknown}`; write delete, replace or merge")
    result = dict(base)
    for key, value in patch.items():
        if key.partition("/")[0] not in _DIRECTIVES:
            _put(result, key, None if value is None else _merged(result.get(key), value, place.field(key)))
    for key, value in patch.items():
        directive, _, field = key.partition("/")
        if directive in (_REMOVE, _ORDER) and field in result:
            result[field] = _rearranged(directive, value, result[field], base.get(field, []), place.field(field))
    return result


def _rearranged(directive: str, value: Yaml, items: list[Yaml], base: list[Yaml], place: _Place) -> list[Yaml]:
    if not isinstance(value, list):
        place.refuse(f"`{directive}` must be a list, not {value!r}")
    if directive == _REMOVE:
        return [item for item in items if item not in value]
    return list(_ordered(items, value, base, place))


def _put(target: Yaml, key: str, value: Yaml) -> None:
    if value is None:
        target.pop(key, None)
    else:
        target[key] = value


def _retained(base: Yaml, patch: Yaml, place: _Place) -> Yaml:
    """Return what `$retainKeys` leaves of `base`."""
    if "$retainKeys" not in patch:
        return base
    keys = patch["$retainKeys"]
    if not isinstance(keys, list):
        place.refuse(f"`$retainKeys` must be a list, not {keys!r}")
    if extra := sorted(key for key in patch if not key.startswith("$") and key not in keys):
        place.refuse(f"`{extra[0]}` is set but not among `$retainKeys`; add it there")
    return {key: value for key, value in base.items() if key in keys}


def _merged_list(base: list[Yaml], patch: list[Yaml], place: _Place) -> Yaml:
    if {"$patch": "replace"} in patch:
        base, patch = [], [item for item in patch if item != {"$patch": "replace"}]
    if not place.is_("merge"):
        if any(isinstance(item, dict) and "$patch" in item for item in patch):
            place.refuse("`$patch` means nothing in a list without merge key, which is replaced as a whole")
        return patch
    patch = [item for item in patch if item != {"$patch": "merge"}]
    if not place.keys:
        added = [item for index, item in enumerate(patch) if item not in patch[:index]]
        return added + [item for item in base if item not in patch]
    return _merged_items(base, patch, place)


def _merged_items(base: list[Yaml], patch: list[Yaml], place: _Place) -> list[Yaml]:
    """Merge by key: the patch's items in their order, then what is left of the base, as kustomize does."""
    result: list[Yaml] = []
    rest = list(base)
    for index, item in enumerate(patch):
        _check_item(item, patch[:index], place)
        there = place.item(str(item[place.keys[0]]))
        same = [other for other in rest if _is_same(item, other, place.keys)]
        rest = [other for other in rest if not any(other is match for match in same)]
        if item.get("$patch") == "delete":
            continue
        if len(same) > 1:
            there.refuse(f"{len(same)} items of the base are meant; tell them apart by {_list(place.keys)}")
        result.append(_merged(same[0] if same else {}, item, there))
    return result + rest


def _check_item(item: Yaml, earlier: list[Yaml], place: _Place) -> None:
    key = place.keys[0]
    if not isinstance(item, dict) or item.get(key) is None:
        place.refuse(f"the item {item!r} lacks its merge key `{key}`")
    if item.get("$patch") == "replace":
        place.refuse("`$patch: replace` stands alone in an item of its own: it replaces the whole list")
    if any(_is_same(item, other, place.keys) for other in earlier):
        place.refuse(f"the patch holds `{key}: {item[key]}` twice; leave one")


def _is_same(one: Yaml, other: Yaml, keys: tuple[str, ...]) -> bool:
    """Whether both items agree on the merge key, and on the further keys that both have."""
    if not isinstance(other, dict) or one[keys[0]] != other.get(keys[0]):
        return False
    pairs = ((one.get(key, _DEFAULTS.get(key)), other.get(key, _DEFAULTS.get(key))) for key in keys[1:])
    return all(mine is None or theirs is None or mine == theirs for mine, theirs in pairs)


def _ordered(items: list[Yaml], order: list[Yaml], base: list[Yaml], place: _Place) -> Iterator[Yaml]:
    """Yield `items` in `order`; one that is not in it comes before those that follow it in `base`."""

    def name(item: Yaml) -> Yaml:
        return item.get(place.keys[0]) if place.keys and isinstance(item, dict) else item

    wanted, known = [name(entry) for entry in order], [name(entry) for entry in base]
    listed = sorted((item for item in items if name(item) in wanted), key=lambda item: wanted.index(name(item)))
    for item in (item for item in items if name(item) not in wanted):
        while listed and _index(known, name(listed[0])) < _index(known, name(item)):
            yield listed.pop(0)
        yield item
    yield from listed


def _index(names: list[Yaml], name: Yaml) -> int:
    return names.index(name) if name in names else -1


def _list(names: Iterable[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
