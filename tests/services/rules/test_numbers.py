"""Rates of change, and conditions on other sensors."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.alarm_rules import AlarmRule, AlarmWhen, OtherSensor
from sensors.severity import Severity
from services.alarms.rates import SLOTS, Rate
from services.alarms.rules import AlarmWatch, in_words
from services.journal.journal import Journal
from tests.services.recorder_builders import FakeClock, journal, recording, sample, settings

from .builders import Pair, rule

RUNNING = OtherSensor("rpm", "rpm above 500 rpm", above=500 / 60)
LOW_OIL = AlarmRule(severity=Severity.EMERGENCY, below=1e5, other=RUNNING)


def raised(watch: AlarmWatch) -> bool:
    return watch.highest() is not None


def offer(watch: AlarmWatch, value: float, ms: int) -> None:
    watch.observe(value, ms)
    watch.record(value, ms)


def test_fast_rise_raises_an_alarm_and_a_slow_one_does_not() -> None:
    for step_ms, stands in ((1_000, True), (10_000, False)):
        watch = AlarmWatch([rule(rises_faster=5.0, per_s=60.0)], unit="K")
        for number in range(30):
            offer(watch, 300.0 + number / 2, number * step_ms)
        assert raised(watch) is stands
        offer(watch, 315.0, 30 * step_ms + 60_000)
        assert not raised(watch)


def test_fast_fall_raises_an_alarm() -> None:
    watch = AlarmWatch([rule(falls_faster=0.1, per_s=3600.0)])
    offer(watch, 0.8, 0)
    offer(watch, 0.75, 60_000)
    assert not raised(watch)
    offer(watch, 0.69, 120_000)
    assert raised(watch)


@given(
    st.lists(st.tuples(st.integers(1, 20_000), st.floats(-100, 100)), max_size=80),
    st.integers(1_000, 100_000),
    st.integers(0, 20_000),
)
def test_rate_is_that_of_all_recorded_values_in_the_slots(
    steps: list[tuple[int, float]], per_ms: int, interval_ms: int
) -> None:
    rate, known, now = Rate(per_ms, interval_ms=interval_ms), list[tuple[int, float]](), 0
    slot_ms = max(per_ms // SLOTS, 1)
    for pause, value in steps:
        now += pause
        ends = [*(at for at, _ in known[1:]), now]
        window = [
            old
            for (at, old), end in zip(known, ends, strict=False)
            if max(at, end - interval_ms) // slot_ms > now // slot_ms - SLOTS
        ]
        assert rate.rise(value, now) == value - min(window, default=value)
        assert rate.fall(value, now) == max(window, default=value) - value
        rate.record(value, now)
        known.append((now, value))
        assert len(rate._slots) <= SLOTS


def test_value_that_did_not_change_for_long_counts_for_the_next_rise() -> None:
    sensor = settings("a", kind="analog", unit="K", deadband=1.0, alarms=[rule(rises_faster=5.0, per_s=60.0)])
    pair = Pair([sensor, settings("b", kind="analog", unit="K")])
    for second in range(200):
        pair.offer("a", 300.0, second * 1_000)
    pair.offer("a", 304.0, 200_000)
    assert not pair.is_raised
    pair.restart(200_500)
    pair.offer("a", 305.5, 201_000)
    assert pair.is_raised


def test_value_before_a_fault_or_before_a_pause_does_not_count_for_a_rise() -> None:
    for pause in (True, False):
        watch = AlarmWatch(
            [rule(rises_faster=5.0, per_s=60.0)], unit="K", silence_ms=300_000, interval_ms=1_000
        )
        offer(watch, 300.0, 0)
        if not pause:
            watch.observe(None, 200_000)
        offer(watch, 310.0, 400_000)
        assert not raised(watch)


def test_conditions_are_described_in_words() -> None:
    assert in_words(rule(rises_faster=5.0, per_s=60.0), "K") == "rises more than 5 K in 1 min"
    assert in_words(rule(idle_for_s=14 * 86_400.0), "bool") == "idle for 14 d"
    assert in_words(rule(runs_longer_s=600.0), "bool") == "runs without a pause for 10 min"
    assert in_words(rule(starts_above=1, per_s=60.0), "bool") == "more than 1 start in 1 min"
    assert in_words(LOW_OIL, "Pa") == "below 100000 Pa while rpm above 500 rpm"


@pytest.mark.parametrize(("rpm", "stands"), [(20.0, True), (0.0, False)])
def test_alarm_from_before_a_restart_stands_until_the_other_sensor_is_known_too(
    rpm: float, *, stands: bool
) -> None:
    """Nothing else is known, for example because retention has removed the samples."""
    watch = AlarmWatch([LOW_OIL], standing=True)
    watch.observe(0.0, 0)
    assert watch.is_unknown
    watch.observe_other("rpm", None, 1)
    assert watch.is_unknown
    watch.observe_other("rpm", rpm, 2)
    assert (watch.is_unknown, raised(watch)) == (False, stands)


def test_other_rule_can_continue_an_alarm_whatever_the_other_sensor_does() -> None:
    watch = AlarmWatch([LOW_OIL, rule(below=2e5)], standing=True)
    watch.observe(0.0, 0)
    assert (watch.is_unknown, raised(watch)) == (False, True)


def test_low_oil_pressure_raises_an_alarm_only_while_the_engine_runs() -> None:
    watch = AlarmWatch([LOW_OIL])
    watch.observe(0.0, 0)
    assert not raised(watch)
    watch.observe_other("rpm", 0.0, 1)
    assert not raised(watch)
    watch.observe_other("rpm", 20.0, 2)
    assert raised(watch)
    watch.observe_other("rpm", None, 3)
    watch.observe(0.0, 4)
    assert raised(watch)
    watch.observe_other("rpm", 0.0, 5)
    assert not raised(watch)


def test_delay_runs_while_both_conditions_are_met() -> None:
    watch = AlarmWatch([AlarmRule(severity=Severity.ALARM, below=1e5, raise_after_s=5.0, other=RUNNING)])
    watch.observe(0.0, 0)
    watch.observe_other("rpm", 20.0, 10_000)
    assert watch.deadline() == 15_000
    watch.observe_other("rpm", 0.0, 12_000)
    assert watch.deadline() is None
    watch.observe_other("rpm", 20.0, 20_000)
    watch.elapse(25_000)
    assert raised(watch)


@pytest.fixture
def opened(tmp_path: Path) -> Journal:
    return journal(tmp_path / "samples.db", "rpm", "oil")


def test_recorder_passes_samples_to_rules_of_other_sensors(opened: Journal) -> None:
    clock = FakeClock()
    oil = settings("oil", unit="Pa", path="propulsion.main.oilPressure", deadband=1e6, alarms=[LOW_OIL])
    with opened:
        made = recording(opened, clock, settings("rpm", deadband=1e6), oil)
        made.accept(sample(0.0, clock.ms, sensor="oil"))
        made.accept(sample(0.0, clock.ms, sensor="rpm"))
        made.commit()
        clock.advance(1_000)
        made.accept(sample(20.0, clock.ms, sensor="rpm"))
        assert made.is_commit_due()
        made.commit()
        assert made.intakes["oil"].episode is not None
        # The sample is recorded despite its deadband, so that a restart finds it.
        assert made.intakes["rpm"].last == 2
        first = made.intakes["oil"].episode.sequence
        for value in (0.0, 20.0):
            clock.advance(1_000)
            made.accept(sample(value, clock.ms, sensor="rpm"))
        again = made.intakes["oil"].episode
        assert again is not None
        assert again.sequence != first


def test_start_of_an_engine_is_recorded_despite_a_deadband(opened: Journal) -> None:
    clock = FakeClock()
    with opened:
        made = recording(
            opened,
            clock,
            settings("rpm", kind="pulse", deadband=1e6, alarms=[rule(starts_above=0, per_s=60.0)]),
        )
        made.accept(sample(0.0, clock.ms))
        made.accept(sample(10.0, clock.ms + 1))
        made.accept(sample(11.0, clock.ms + 2))
        assert made.intakes["rpm"].last == 2
        assert made.intakes["rpm"].episode is not None


_RULES = [
    {"above": 10.0, "raise_after_s": 120.0, "clear_after_s": 60.0, "hysteresis": 2.0},
    {"below": -10.0, "raise_after_s": 300.0},
    {"when": AlarmWhen.FAULT, "raise_after_s": 100.0, "clear_after_s": 100.0},
    {"rises_faster": 15.0, "per_s": 600.0, "clear_after_s": 100.0},
    {"falls_faster": 15.0, "per_s": 600.0, "raise_after_s": 50.0},
    {"above": 5.0, "raise_after_s": 120.0, "other": OtherSensor("b", "b below 3", below=3.0)},
    {"rises_faster": 15.0, "per_s": 600.0, "other": OtherSensor("b", "b above 3", above=3.0)},
]


@pytest.mark.parametrize("keys", _RULES, ids=str)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["a", "a", "b"]),
            st.integers(1, 100_000),
            st.one_of(st.floats(-20, 20), st.floats(-20, 20), st.floats(-20, 20), st.none()),
            st.booleans(),
        ),
        max_size=40,
    ),
    deadband=st.sampled_from([0.0, 4.0, 50.0]),
)
def test_restarts_change_no_alarm_of_a_number(
    keys: dict[str, Any], steps: list[tuple[str, int, float | None, bool]], deadband: float
) -> None:
    """Compare a recorder that is never restarted with one that is restarted at any time."""
    if "per_s" in keys:
        deadband = 0.0  # see the next test
    steady, restarted, ms = pair_with(keys, deadband), pair_with(keys, deadband), 1_000
    for name, pause, value, restarts in steps:
        ms += pause
        if restarts:
            restarted.restart(ms)
        for each in (steady, restarted):
            each.offer(name, value, ms)
        if restarted.has_value:
            assert restarted.is_raised == steady.is_raised


def pair_with(keys: dict[str, Any], deadband: float) -> Pair:
    return Pair(
        [
            settings("a", kind="analog", unit="K", deadband=deadband, alarms=[rule(**keys)]),
            settings("b", kind="analog", unit="K", deadband=deadband),
        ]
    )


@pytest.mark.parametrize("key", ["rises_faster", "falls_faster"])
@given(
    steps=st.lists(
        st.tuples(
            st.integers(1, 50_000),
            st.one_of(st.floats(-20, 20), st.floats(-20, 20), st.none()),
            st.booleans(),
        ),
        max_size=60,
    ),
    deadband=st.sampled_from([1.0, 4.0]),
)
def test_restarts_change_a_rate_by_less_than_the_deadband(
    key: str, steps: list[tuple[int, float | None, bool]], deadband: float
) -> None:
    """The first value after a restart is recorded despite the deadband, and so counts for the rate, too."""
    low, restarted, high = (
        pair_with({key: 15.0 + margin, "per_s": 600.0}, deadband) for margin in (-deadband, 0.0, deadband)
    )
    ms = 1_000
    for pause, value, restarts in steps:
        ms += pause
        if restarts:
            restarted.restart(ms)
        for each in (low, restarted, high):
            each.offer("a", value, ms)
        if restarted.has_value:
            assert high.is_raised <= restarted.is_raised <= low.is_raised


def test_fault_of_the_engine_changes_no_count() -> None:
    watch = AlarmWatch([rule(starts_above=0, per_s=60.0)])
    watch.observe(0.0, 0)
    watch.observe(None, 1)
    watch.observe(10.0, 2)
    assert not raised(watch)


def test_value_that_a_deadband_suppressed_is_known_after_a_restart() -> None:
    """The alarm depends on a value that the deadband would suppress until the other condition is met."""
    other = OtherSensor("b", "b below 3", below=3.0)
    pair = Pair(
        [
            settings(
                "a",
                kind="analog",
                unit="K",
                deadband=4.0,
                alarms=[rule(above=5.0, raise_after_s=60.0, other=other)],
            ),
            settings("b", kind="analog", unit="K", deadband=4.0),
        ]
    )
    for name, value, ms in (("b", 4.0, 1_000), ("a", 4.0, 2_000), ("a", 6.0, 3_000), ("b", 2.0, 4_000)):
        pair.offer(name, value, ms)
    pair.offer("a", 6.0, 70_000)
    raised = pair.episode
    assert raised is not None
    pair.restart(71_000)
    pair.offer("a", 6.0, 72_000)
    assert pair.episode == raised
