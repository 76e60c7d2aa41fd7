"""Anchors: when a boot gets one, and what a wrong clock is worth."""

from hypothesis import given
from hypothesis import strategies as st

from services.timekeeping import REANCHOR_S, ClockQuality, Source, Timekeeper, system_quality

NETWORK, RTC, FLOOR = (
    ClockQuality(Source.NETWORK, 0.01),
    ClockQuality(Source.RTC, 20.0),
    ClockQuality(Source.FLOOR, 0),
)
NOW = 1_760_000_000.0


def test_first_look_at_the_clock_is_an_anchor() -> None:
    keeper = Timekeeper(floor_utc=0)
    anchor = keeper.observe(clock_s=5.0, utc=NOW, quality=RTC)
    assert anchor is not None
    assert anchor.as_list() == [5.0, NOW, "rtc", 20.0]


def test_clock_that_shows_1970_is_known_to_be_no_earlier_than_the_floor() -> None:
    keeper = Timekeeper(floor_utc=NOW)
    anchor = keeper.observe(clock_s=5.0, utc=12.0, quality=RTC)
    assert anchor is not None
    assert (anchor.utc, anchor.source) == (NOW, Source.FLOOR)


def test_better_source_adds_an_anchor_and_a_worse_one_does_not() -> None:
    keeper = Timekeeper(floor_utc=0)
    keeper.observe(clock_s=0, utc=NOW, quality=FLOOR)
    assert keeper.observe(clock_s=60, utc=NOW + 9_000, quality=NETWORK) is not None
    assert keeper.observe(clock_s=120, utc=NOW + 9_060, quality=RTC) is None


def test_good_clock_that_runs_true_adds_nothing_until_hours_have_passed() -> None:
    keeper = Timekeeper(floor_utc=0)
    keeper.observe(clock_s=0, utc=NOW, quality=NETWORK)
    assert REANCHOR_S == 6 * 3_600
    assert keeper.observe(clock_s=3_600, utc=NOW + 3_600, quality=NETWORK) is None
    assert keeper.observe(clock_s=REANCHOR_S, utc=NOW + REANCHOR_S, quality=NETWORK) is not None


def test_step_of_a_good_clock_adds_an_anchor() -> None:
    keeper = Timekeeper(floor_utc=0)
    keeper.observe(clock_s=0, utc=NOW, quality=NETWORK)
    assert keeper.observe(clock_s=60, utc=NOW + 61, quality=NETWORK) is not None


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e10), st.sampled_from([NETWORK, RTC, FLOOR]))))
def test_anchors_never_get_worse_and_never_lie_before_the_floor(
    looks: list[tuple[float, float, ClockQuality]],
) -> None:
    keeper = Timekeeper(floor_utc=NOW)
    for clock_s, utc, quality in sorted(looks, key=lambda look: look[0]):
        keeper.observe(clock_s=clock_s, utc=utc, quality=quality)
    ranks = [anchor.source.rank for anchor in keeper.anchors]
    assert ranks == sorted(ranks)
    assert all(anchor.utc >= NOW for anchor in keeper.anchors)


def test_this_machine_answers() -> None:
    assert system_quality().source in set(Source)
