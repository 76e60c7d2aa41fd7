"""Curves, times and text are formatted for a terminal."""

import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.plaintext import clean
from services.history.timeline import NEVER, Moment, TimeTrust
from services.terminal.present import BARS, PLAIN_BARS, Curve, count, moment_text, table, time_text

UTC_ZONE = ZoneInfo("UTC")
NOON = 1_760_004_000.0


def curve(*values: float | None, step: float = 1.0) -> Curve:
    made = Curve()
    for place, value in enumerate(values):
        made.add(place * step, value)
    return made


class TestCurve:
    def test_rising_values_are_rising_bars(self) -> None:
        assert curve(*range(8)).line(width=8) == BARS

    def test_console_without_block_characters_gets_others(self) -> None:
        assert curve(*range(8)).line(width=8, unicode=False) == PLAIN_BARS

    def test_stretches_without_values_are_blank(self) -> None:
        assert curve(1, None, None, 2).line(width=4) == "▁  █"

    def test_constant_value_is_in_the_middle(self) -> None:
        assert set(curve(5, 5, 5).line(width=3)) == {"▅"}

    @given(
        st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=3_000),
        st.floats(1e-3, 1e5),
        st.integers(1, 120),
    )
    def test_curve_of_any_length_fits_any_width_and_keeps_extremes(
        self, values: list[float | None], step: float, width: int
    ) -> None:
        made = curve(*values, step=step)
        numbers = [value for value in values if value is not None]
        assert len(made.line(width=width)) == width
        assert made.values == len(numbers)
        assert made.lowest == min(numbers, default=math.inf)
        assert made.highest == max(numbers, default=-math.inf)
        assert made.total == pytest.approx(sum(numbers), abs=1e-3)
        assert bool(made.line(width=width).strip()) == bool(numbers)

    @pytest.mark.parametrize("value", [math.nan, math.inf, -1e308])
    def test_infinite_and_undefined_values_leave_a_blank(self, value: float) -> None:
        made = curve(1, value, value, 2)
        assert (made.line(width=4), made.values, made.highest) == ("▁  █", 2, 2)

    def test_mean_of_each_interval_is_shown_however_long_the_curve(self) -> None:
        assert curve(*[0.0] * 5_000, *[7.0] * 5_000).line(width=2) == "▁█"


class TestTimes:
    @pytest.mark.parametrize(
        ("moment", "text"),
        [
            (Moment(TimeTrust.SYNCED, NOON, 0.01), "2025-10-09 10:00:00Z"),
            (Moment(TimeTrust.RTC, NOON, 20.0), "2025-10-09 10:00:00Z ± 20 s"),
            (Moment(TimeTrust.BETWEEN, NOON, 3_600.0), "2025-10-09 10:00:00Z ± 1 h"),
            (Moment(TimeTrust.AFTER, NOON), "after 2025-10-09 10:00:00Z"),
            (Moment(TimeTrust.BEFORE, NOON), "before 2025-10-09 10:00:00Z"),
            (NEVER, "time unknown"),
        ],
    )
    def test_time_is_shown_with_its_uncertainty(self, moment: Moment, text: str) -> None:
        assert moment_text(moment, UTC_ZONE) == text

    def test_milliseconds_are_shown_only_for_accurate_times(self) -> None:
        assert moment_text(Moment(TimeTrust.SYNCED, NOON + 0.25, 0.0), UTC_ZONE, milliseconds=True) == (
            "2025-10-09 10:00:00.250Z"
        )
        assert "." not in moment_text(Moment(TimeTrust.RTC, NOON + 0.25, 20.0), UTC_ZONE, milliseconds=True)

    def test_times_are_in_the_vessels_time_zone(self) -> None:
        assert time_text(NOON, ZoneInfo("Europe/Berlin")) == "2025-10-09 12:00:00 CEST"

    def test_time_beyond_the_calendar_does_not_crash(self) -> None:
        assert time_text(1e18, UTC_ZONE) == f"{1e18:.0f} s after 1970"


class TestText:
    def test_text_from_another_vessel_cannot_control_the_terminal(self) -> None:
        assert clean("\x1b[2Jbilge\n") == "·[2Jbilge·"
        assert "\x1b" not in table([("\x1b]0;x\x07", "1")])

    def test_columns_are_only_as_wide_as_needed(self) -> None:
        assert table([("a", "1"), ("bbb", "22")], head=("x", "n"), right=(1,)) == (
            "x     n\na     1\nbbb  22"
        )

    def test_counted_noun_is_singular_for_one(self) -> None:
        assert (count(1, "sample"), count(12_345, "sample")) == ("1 sample", "12 345 samples")
