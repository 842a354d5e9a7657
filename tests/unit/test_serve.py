"""The service keeps to the host's push budget."""

import pytest

from layersite.serve import pause


@pytest.mark.parametrize(
    ("pushes", "now", "per_minute", "seconds"),
    [
        pytest.param([], 100, 6, 0, id="the first goes at once"),
        pytest.param([90, 91, 92], 100, 6, 0, id="within the budget"),
        pytest.param([90, 91, 92, 93, 94, 95], 100, 6, 50, id="the sixth of a minute makes the next wait"),
        pytest.param([30, 91, 92, 93, 94, 95], 100, 6, 0, id="what is older than a minute does not count"),
        pytest.param([10, 90, 95], 100, 1, 55, id="one a minute"),
        pytest.param([99] * 50, 100, None, 0, id="no budget"),
    ],
)
def test_no_minute_has_more_pushes_than_the_budget(
    pushes: list[float], now: float, per_minute: int | None, seconds: float
) -> None:
    assert pause(pushes, now, per_minute) == seconds
