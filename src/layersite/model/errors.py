"""The one exception tree: each error says what is wrong, which value, what to do; the CLI maps it to an exit code."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong with one file.

    `line` is 1-based, 0 where the whole file is meant; `key` is a dotted path such as `needs.0.app`.
    """

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class LayersiteError(Exception):
    """Anything that Layersite itself reports; `exit_code` is what the process ends with."""

    exit_code = 1


class InvalidInputError(LayersiteError):
    """A file of the site, the catalog or an adopted source is wrong; carries every problem found."""

    exit_code = 3

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PolicyError(InvalidInputError):
    """An environment would contain what no environment may contain."""

    exit_code = 4


class ForgeError(LayersiteError):
    """The forge could not be asked, or its answer cannot be trusted; nothing was concluded from it."""

    exit_code = 5


class StoreError(LayersiteError):
    """The environments repository could not be read or written; nothing was half-written."""

    exit_code = 6


class ToolError(LayersiteError):
    """A command that is needed (git, kustomize, helm) is missing or failed."""

    exit_code = 7


class PartialError(LayersiteError):
    """Some environments failed; the others were carried out."""

    exit_code = 8


class UnknownNameError(LayersiteError):
    """An environment, app or repository that was named on the command line does not exist."""

    exit_code = 9


class ArgoCDError(LayersiteError):
    """Argo CD could not be asked, or its answer cannot be trusted; nothing was concluded from it."""

    exit_code = 10


class RegistryError(LayersiteError):
    """An image registry could not be asked, or its answer cannot be trusted; nothing was concluded from it."""

    exit_code = 11


class SetupError(LayersiteError):
    """What the site rests on is not as it must be; `doctor` said what, and how to mend it."""

    exit_code = 12


class DatabaseError(LayersiteError):
    """A database server could not be asked or refused something; nothing was left that anyone can use."""

    exit_code = 13


class DriftError(LayersiteError):
    """What is committed, or what runs, is not what the site says now; `drift` said what."""

    exit_code = 14
