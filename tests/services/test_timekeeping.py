"""A boot gets anchors from trusted clocks, and a wrong clock is trusted only within limits."""

from hypothesis import given
from hypothesis import strategies as st

from services.clocks.clock_quality import (
    DISBELIEVED_AFTER,
    REANCHOR_S,
    ClockQuality,
    FloorRecord,
    TimeFloor,
    Timekeeper,
    system_quality,
)
from services.clocks.time_source import TimeSource

NETWORK, RTC, FLOOR = (
    ClockQuality(TimeSource.NETWORK, 0.01),
    ClockQuality(TimeSource.RTC, 20.0),
    ClockQuality(TimeSource.FLOOR, 0),
)
NOW, FAR = 1_760_000_000.0, 3_485_000_000.0
"""Times in the years 2025 and 2080."""


def keeper_from(known: float, *, image: float = 0.0) -> Timekeeper:
    return Timekeeper(TimeFloor(image=image, kept=FloorRecord(known)))


def test_first_reading_of_the_clock_is_an_anchor() -> None:
    keeper = keeper_from(0.0)
    anchor = keeper.observe(clock_s=5.0, utc=NOW, quality=RTC)
    assert anchor is not None
    assert anchor.as_list() == [5.0, NOW, "rtc", 20.0]


def test_clock_that_shows_1970_gets_an_anchor_at_the_floor() -> None:
    keeper = keeper_from(NOW)
    anchor = keeper.observe(clock_s=5.0, utc=12.0, quality=RTC)
    assert anchor is not None
    assert (anchor.utc, anchor.source) == (NOW, TimeSource.FLOOR)


def test_better_source_adds_an_anchor_and_a_worse_one_does_not() -> None:
    keeper = keeper_from(0.0)
    keeper.observe(clock_s=0, utc=NOW, quality=FLOOR)
    assert keeper.observe(clock_s=60, utc=NOW + 9_000, quality=NETWORK) is not None
    assert keeper.observe(clock_s=120, utc=NOW + 9_060, quality=RTC) is None


def test_accurate_clock_adds_another_anchor_only_after_hours() -> None:
    keeper = keeper_from(0.0)
    keeper.observe(clock_s=0, utc=NOW, quality=NETWORK)
    assert REANCHOR_S == 6 * 3_600
    assert keeper.observe(clock_s=3_600, utc=NOW + 3_600, quality=NETWORK) is None
    assert keeper.observe(clock_s=REANCHOR_S, utc=NOW + REANCHOR_S, quality=NETWORK) is not None


def test_step_of_a_trusted_clock_adds_an_anchor() -> None:
    keeper = keeper_from(0.0)
    keeper.observe(clock_s=0, utc=NOW, quality=NETWORK)
    assert keeper.observe(clock_s=60, utc=NOW + 61, quality=NETWORK) is not None


def test_network_time_before_the_floor_is_recorded_at_once_and_trusted_after_a_while() -> None:
    keeper = keeper_from(FAR, image=NOW - 1)
    for minute in range(round(DISBELIEVED_AFTER) // 60 + 1):
        assert keeper.judge(NOW + minute * 60, NETWORK).source is TimeSource.FLOOR
        assert keeper.utc(NOW + minute * 60) == FAR
        keeper.observe(clock_s=minute * 60, utc=NOW + minute * 60, quality=NETWORK)
    assert [anchor.as_list() for anchor in keeper.anchors] == [[0, NOW, "network", 0.01]]
    later = NOW + DISBELIEVED_AFTER + 1
    assert keeper.judge(later, NETWORK) == NETWORK
    assert keeper.utc(later) == later


def test_clock_chip_that_contradicts_the_floor_is_never_trusted() -> None:
    keeper = keeper_from(FAR, image=NOW - 1)
    for hour in range(48):
        keeper.observe(clock_s=hour * 3600, utc=NOW + hour * 3600, quality=RTC)
    assert [anchor.as_list() for anchor in keeper.anchors] == [[0, FAR, "floor", 0]]
    assert keeper.judge(NOW + 48 * 3600, RTC).source is TimeSource.FLOOR


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e6, 1e10), st.sampled_from([NETWORK, RTC, FLOOR]))))
def test_anchors_never_become_less_certain_and_only_network_anchors_precede_the_floor(
    looks: list[tuple[float, float, ClockQuality]],
) -> None:
    image = NOW - 1e8
    keeper = keeper_from(NOW, image=image)
    for clock_s, utc, quality in sorted(looks, key=lambda look: look[0]):
        keeper.observe(clock_s=clock_s, utc=utc, quality=quality)
    ranks = [anchor.source.rank for anchor in keeper.anchors]
    assert ranks == sorted(ranks)
    assert all(
        anchor.utc >= (image if anchor.source is TimeSource.NETWORK else NOW) for anchor in keeper.anchors
    )


def test_quality_of_this_machines_clock_is_read() -> None:
    assert system_quality().source in set(TimeSource)
