"""The patterns of the status LEDs blink and flash at rates that users can distinguish."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.lights.patterns import FAST, OFF, ON, SLOW, Pattern, flashes

ALL = [OFF, ON, SLOW, FAST, *(flashes(count) for count in range(1, 7))]


def rises(pattern: Pattern, begin: float, seconds: float) -> int:
    """Return how many times a light turns on, sampled a thousand times a second."""
    seen = [pattern.is_lit(begin + step / 1_000) for step in range(int(seconds * 1_000))]
    return sum(now and not before for before, now in itertools.pairwise(seen))


def test_blinks_have_their_frequency() -> None:
    assert rises(SLOW, 100.3, 10) == 10
    assert rises(FAST, 100.3, 10) == 40


@pytest.mark.parametrize("count", range(1, 7))
def test_flashes_can_be_counted(count: int) -> None:
    pattern = flashes(count)
    period = sum(pattern.spans)
    assert rises(pattern, period - 0.5, period) == count
    assert pattern.spans[-1] >= 1.0, "a pause that an eye takes for one"


@given(st.sampled_from(ALL), st.floats(0, 1e6))
def test_light_does_not_change_before_the_predicted_change(pattern: Pattern, now: float) -> None:
    change = pattern.next_change(now)
    if change is None:
        assert pattern.is_lit(now) is pattern.is_lit(now + 1.7)
        return
    assert 0 <= change <= 2
    for part in (0.1, 0.5, 0.9):
        assert pattern.is_lit(now + change * part) is pattern.is_lit(now) or change < 1e-6
