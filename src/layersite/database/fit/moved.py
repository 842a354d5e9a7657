"""Whether a push took back what a database may have applied: such a database cannot be migrated forward any more."""

from collections import Counter
from collections.abc import Mapping, Sequence

from layersite.database.fit.history import History

__all__ = ["taken_back"]


def taken_back(
    applied: Sequence[str], old: History, old_files: Mapping[str, str], new: History, new_files: Mapping[str, str]
) -> str | None:
    """Say what a database made with `applied`, which may have followed the `old` history since, has too much of.

    Where a file holds several migrations and it is not known which lines are whose, they are compared by name alone.
    """
    if obstacle := new.obstacle(applied):
        return obstacle
    count = Counter(step.file for history in (old, new) for step in history.steps.values())
    for name in old.pending(applied):
        before, after = old.steps[name], new.steps.get(name)
        if after is None:
            return f"it may have applied `{before.file}`, which the change no longer has"
        is_told_apart = count[before.file] <= 2 or not before.is_whole_file
        is_edited = is_told_apart and before.text(old_files) != after.text(new_files)
        if is_edited or before.after != after.after:
            return f"it may have applied `{before.file}` as it was before the change edited it or what it comes after"
    return None
