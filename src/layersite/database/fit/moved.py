"""Whether a push took back what a database may have applied: such a database cannot be migrated forward any more."""

from collections import Counter
from collections.abc import Mapping, Sequence

from layersite.database.fit.history import History

__all__ = ["taken_back"]


def taken_back(
    applied: Sequence[str], old: History, old_files: Mapping[str, str], new: History, new_files: Mapping[str, str]
) -> str | None:
    """Say what a database made with `applied`, which may have followed the `old` history since, has too much of.

    A file that holds several migrations is compared by their names alone, for more are added to it.
    """
    if obstacle := new.obstacle(applied):
        return obstacle
    count = Counter(step.file for history in (old, new) for step in history.steps.values())
    for name in old.pending(applied):
        before, after = old.steps[name], new.steps.get(name)
        if after is None:
            return f"it may have applied `{before.file}`, which the change no longer has"
        is_edited = count[before.file] <= 2 and old_files[before.file] != new_files[after.file]
        if is_edited or before.after != after.after:
            return f"it may have applied `{before.file}` as it was before the change edited it or what it comes after"
    return None
