"""Whether so many values came through that it is no chance, and whether a leak could have been told from it at all."""

import math
from dataclasses import dataclass

__all__ = ["Meeting"]

_UNLIKELY = 1e-5
"""What happens by chance no more often than this is a leak."""


@dataclass(frozen=True)
class Meeting:
    """Of `of` values `found` came through, where `most` could have; `chance` is how likely a mask leaves one there."""

    found: int
    most: int
    of: int
    chance: float

    @property
    def is_telling(self) -> bool:
        """Whether it would be no chance if all that could have come through had."""
        return self._is_unlikely(self.most)

    @property
    def is_leak(self) -> bool:
        """Whether what came through is no chance."""
        return self._is_unlikely(self.found)

    @property
    def explained(self) -> float:
        """Return how many chance explains."""
        return self.of * self.chance

    def _is_unlikely(self, many: int) -> bool:
        """Whether `many` of a binomial distribution are out of reach, by Chernoff's bound."""
        if many <= self.explained:
            return False
        if self.chance == 0:
            return True
        gone = self.of - many
        others = gone * math.log(gone / (self.of - self.explained)) if gone else 0
        return many * math.log(many / self.explained) + others > -math.log(_UNLIKELY)
