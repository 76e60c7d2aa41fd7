"""Alarm rules: when they raise, when they clear."""

from hypothesis import given
from hypothesis import strategies as st

from sensors.settings import AlarmRule, Severity
from services.alarms import AlarmWatch, in_words

from .recorder_builders import above, when_active


def raised(watch: AlarmWatch) -> bool:
    return watch.standing() is not None


def test_value_above_the_limit_raises_at_once_without_a_delay() -> None:
    watch = AlarmWatch([above(63.0)])
    watch.observe(63.0, 0)
    assert not raised(watch)
    watch.observe(63.1, 1_000)
    assert raised(watch)


def test_delay_must_pass_before_it_raises_and_no_sample_is_needed_for_that() -> None:
    watch = AlarmWatch([when_active(10)])
    watch.observe(value=True, now_ms=5_000)
    assert watch.deadline() == 15_000
    watch.elapse(14_999)
    assert not raised(watch)
    watch.elapse(15_000)
    assert raised(watch)


def test_condition_that_goes_away_within_the_delay_never_raises() -> None:
    watch = AlarmWatch([when_active(10)])
    watch.observe(value=True, now_ms=0)
    watch.observe(value=False, now_ms=9_000)
    watch.elapse(60_000)
    assert not raised(watch)


def test_hysteresis_keeps_it_raised_until_the_value_is_back_by_the_margin() -> None:
    watch = AlarmWatch([above(63.0, hysteresis=2.0)])
    watch.observe(64.0, 0)
    watch.observe(62.0, 1)
    assert raised(watch)
    watch.observe(61.0, 2)
    assert not raised(watch)


def test_clearing_waits_for_its_own_delay() -> None:
    watch = AlarmWatch([above(63.0, clear_after_s=5.0)])
    watch.observe(64.0, 0)
    watch.observe(50.0, 1_000)
    watch.elapse(5_999)
    assert raised(watch)
    watch.elapse(6_000)
    assert not raised(watch)


def test_fault_neither_raises_nor_clears() -> None:
    watch = AlarmWatch([above(63.0, raise_after_s=1.0)])
    watch.observe(64.0, 0)
    watch.observe(None, 500)
    watch.elapse(10_000)
    assert not raised(watch)
    watch.observe(64.0, 10_001)
    assert raised(watch)
    watch.observe(None, 10_002)
    watch.elapse(100_000)
    assert raised(watch)


def test_severity_is_the_highest_of_the_rules_that_hold() -> None:
    watch = AlarmWatch([above(63.0), AlarmRule(severity=Severity.EMERGENCY, above=70.0)])
    watch.observe(64.0, 0)
    standing = watch.standing()
    assert standing is not None
    assert standing.severity is Severity.WARN
    watch.observe(71.0, 1)
    standing = watch.standing()
    assert standing is not None
    assert standing.severity is Severity.EMERGENCY


def test_episode_from_before_a_restart_goes_on_without_waiting_out_its_delay_again() -> None:
    watch = AlarmWatch([when_active(10)], standing=True)
    assert watch.is_unknown
    watch.observe(value=True, now_ms=0)
    assert not watch.is_unknown
    assert raised(watch)


def test_episode_from_before_a_restart_ends_when_the_first_value_is_good() -> None:
    watch = AlarmWatch([when_active(10)], standing=True)
    watch.observe(None, 0)
    assert watch.is_unknown
    watch.observe(value=False, now_ms=1)
    assert not watch.is_unknown
    assert not raised(watch)


def test_condition_reads_as_a_person_would_say_it() -> None:
    assert in_words(above(63.0, raise_after_s=5.0), "Hz") == "above 63 Hz for 5 s"
    assert in_words(above(0.9), "ratio") == "above 0.9"
    assert in_words(when_active()) == "active"


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 5_000)), max_size=60))
def test_it_stands_only_after_the_condition_held_for_its_delay(steps: list[tuple[float, int]]) -> None:
    watch, now, since = AlarmWatch([above(50.0, raise_after_s=3.0)]), 0, None
    for value, pause in steps:
        now += pause
        watch.elapse(now)
        watch.observe(value, now)
        since = (now if since is None else since) if value > 50.0 else None
        assert raised(watch) == (since is not None and now - since >= 3_000)
