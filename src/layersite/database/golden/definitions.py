"""Whether a golden is defined as its source is: each thing that makes up a schema, by its kind and name, and its text.

What a problem says is the name alone, for a text may quote values.
"""

from collections.abc import Mapping

from layersite.database.golden.attestation import Check

__all__ = ["Definitions", "compared"]

Definitions = Mapping[tuple[str, str], str]
"""By kind and name, such as `("trigger", "note on public.person")`, the text that defines it, written always alike."""


def compared(wanted: Definitions, found: Definitions, is_alike: bool) -> Check:
    """Compare the source with its golden, whose servers write the same thing the same way where they are `is_alike`."""
    problems = [f"the {kind} {name} of the source is missing" for kind, name in wanted.keys() - found.keys()]
    problems += [f"the {kind} {name} is not in the source" for kind, name in found.keys() - wanted.keys()]
    others = sorted(each for each in wanted.keys() & found.keys() if wanted[each] != found[each])
    unclear = [] if is_alike else others
    if is_alike:
        problems += [f"the {kind} {name} is not as in the source" for kind, name in others]
    listed = ", ".join(f"{kind} {name}" for kind, name in unclear)
    remarks = (f"what servers of different versions may write differently: {listed}",) if listed else ()
    looked_at = len(wanted) - len(unclear)
    return Check(name="definitions", looked_at=looked_at, problems=tuple(sorted(problems)), remarks=remarks)
