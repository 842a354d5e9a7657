"""What an adoption decided, as plain data: the same values feed the written files, the table and the JSON output."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["AdoptedApp", "Adoption", "DeclaredSecret", "Edge", "Evidence", "LeftOut", "Log", "Reference"]


@dataclass(frozen=True, order=True)
class Evidence:
    """Where a reference stands: the file, the place in it, and the value, redacted where it holds a secret."""

    file: str
    place: str
    value: str

    def __str__(self) -> str:
        return f"{self.file}: {self.place} = {self.value}" if self.value else f"{self.file}: {self.place}"


@dataclass(frozen=True, order=True)
class Edge:
    """`app` calls `needs`; `evidence` is never empty."""

    app: str
    needs: str
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, order=True)
class Reference:
    """An address inside the cluster that leads to no adopted app, or to several; `reason` says which."""

    app: str
    host: str
    reason: str
    evidence: Evidence


@dataclass(frozen=True, order=True)
class LeftOut:
    """A part of the source that no written file holds, and why."""

    file: str
    what: str
    reason: str


class Log:
    """Collects from every step what no written file holds, and what a person should know."""

    def __init__(self) -> None:
        self.notes: set[str] = set()
        self._owners: dict[tuple[str, str, str], set[str]] = {}

    def leave_out(self, file: str, what: str, reason: str, owner: str = "") -> None:
        """Say that `what` is left out, and why; for the same of several owners this makes one line."""
        self._owners.setdefault((file, what, reason), set()).update([owner] if owner else [])

    def left_out(self) -> tuple[LeftOut, ...]:
        """Return everything that was left out, sorted."""
        entries = (
            LeftOut(file, f"{what} of {', '.join(sorted(owners))}" if owners else what, reason)
            for (file, what, reason), owners in self._owners.items()
        )
        return tuple(sorted(entries))


@dataclass(frozen=True, order=True)
class DeclaredSecret:
    """A Secret that `app` reads and whose values stay outside git; no `keys` means all of them."""

    app: str
    name: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class AdoptedApp:
    """One app to write: the text of each file by its path below `apps/<name>/`, `app.yaml` among them."""

    name: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Adoption:
    """Everything that was decided; all tuples are sorted. `kind` is manifests, kustomize, helm or compose."""

    kind: str
    apps: tuple[AdoptedApp, ...]
    edges: tuple[Edge, ...] = ()
    unresolved: tuple[Reference, ...] = ()
    ambiguous: tuple[Reference, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    secrets: tuple[DeclaredSecret, ...] = ()
    notes: tuple[str, ...] = ()
