"""What is a leak and what is chance, where the true odds are known."""

import pytest

from layersite.database.golden.chance import Meeting


@pytest.mark.parametrize(
    ("meeting", "is_leak"),
    [
        pytest.param(Meeting(1, 301, 301, 1e-15), True, id="one mail address"),
        pytest.param(
            Meeting(1, 2000, 2000, 1e-5), False, id="one postal code of many, which happens in 2 of 100 builds"
        ),
        pytest.param(Meeting(3, 2000, 2000, 1e-5), True, id="three of them, which happens in 1 of 1,000,000"),
        pytest.param(Meeting(1000, 2000, 2000, 0.5), False, id="as many as expected"),
        pytest.param(Meeting(900, 2000, 2000, 0.5), False, id="fewer"),
        pytest.param(Meeting(1300, 2000, 2000, 0.5), True, id="many more"),
        pytest.param(Meeting(1, 300, 300, 0.0), True, id="what never happens"),
        pytest.param(Meeting(0, 300, 300, 0.0), False, id="nothing"),
    ],
)
def test_only_what_chance_does_not_explain_is_a_leak(meeting: Meeting, is_leak: bool) -> None:
    assert (meeting.is_leak, meeting.is_telling) == (is_leak, True)


@pytest.mark.parametrize(
    "meeting",
    [
        pytest.param(Meeting(2, 2, 2, 0.5), id="two of two values, which every fourth key leaves there"),
        pytest.param(Meeting(5, 5, 5, 0.2), id="five of five"),
        pytest.param(Meeting(9000, 10_000, 10_000, 1.0), id="every possible value"),
        pytest.param(Meeting(0, 0, 0, 0.1), id="no values"),
    ],
)
def test_where_chance_could_do_the_same_nothing_is_told(meeting: Meeting) -> None:
    assert not meeting.is_telling
    assert not meeting.is_leak


def test_nine_of_nine_are_told() -> None:
    assert Meeting(9, 9, 9, 1 / 9).is_leak
