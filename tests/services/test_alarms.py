"""Alarms are raised and cleared according to their rules."""

from hypothesis import given
from hypothesis import strategies as st

from sensors.alarm_rules import AlarmRule, AlarmWhen
from sensors.severity import Severity
from services.alarms.rules import AlarmState, AlarmWatch, RuleState, in_words

from .recorder_builders import above, when_active


def raised(watch: AlarmWatch) -> bool:
    return watch.highest() is not None


def test_value_above_the_limit_raises_at_once_without_a_delay() -> None:
    watch = AlarmWatch([above(63.0)])
    watch.observe(63.0, 0)
    assert not raised(watch)
    watch.observe(63.1, 1_000)
    assert raised(watch)


def test_alarm_is_raised_when_its_delay_has_passed_even_without_a_sample() -> None:
    watch = AlarmWatch([when_active(10)])
    watch.observe(value=True, now_ms=5_000)
    assert watch.deadline() == 15_000
    watch.elapse(14_999)
    assert not raised(watch)
    watch.elapse(15_000)
    assert raised(watch)


def test_condition_that_ends_within_the_delay_raises_nothing() -> None:
    watch = AlarmWatch([when_active(10)])
    watch.observe(value=True, now_ms=0)
    watch.observe(value=False, now_ms=9_000)
    watch.elapse(60_000)
    assert not raised(watch)


def test_alarm_remains_raised_within_the_hysteresis() -> None:
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


def test_clearing_is_cancelled_when_the_condition_is_met_again() -> None:
    watch = AlarmWatch([above(63.0, clear_after_s=5.0)])
    watch.observe(64.0, 0)
    watch.observe(50.0, 1_000)
    watch.observe(64.0, 5_000)
    watch.elapse(60_000)
    assert raised(watch)
    watch.observe(50.0, 61_000)
    watch.observe(50.0, 65_999)
    assert raised(watch)
    watch.observe(50.0, 66_000)
    assert not raised(watch)


def test_deadline_is_the_end_of_the_next_running_delay() -> None:
    watch = AlarmWatch([above(63.0, raise_after_s=1.0, clear_after_s=2.0), above(70.0, raise_after_s=0.5)])
    watch.observe(1.0, 1_000)
    assert watch.deadline() is None
    watch.observe(71.0, 2_000)
    assert watch.deadline() == 2_500
    watch.elapse(2_500)
    assert watch.deadline() == 3_000
    watch.elapse(3_000)
    assert watch.deadline() is None
    watch.observe(1.0, 4_000)
    assert watch.deadline() == 6_000
    watch.observe(None, 4_500)
    assert watch.deadline() is None
    watch.elapse(7_000)
    assert raised(watch)
    watch.observe(1.0, 7_500)
    assert watch.deadline() is None
    assert not raised(watch)


def test_value_below_the_lower_limit_raises_and_its_hysteresis_is_above_the_limit() -> None:
    watch = AlarmWatch([AlarmRule(severity=Severity.WARN, below=0.2, hysteresis=0.1)])
    watch.observe(0.2, 0)
    assert not raised(watch)
    watch.observe(0.19, 1)
    assert raised(watch)
    watch.observe(0.29, 2)
    assert raised(watch)
    watch.observe(0.31, 3)
    assert not raised(watch)


def test_either_of_two_limits_raises() -> None:
    watch = AlarmWatch([AlarmRule(severity=Severity.WARN, above=15.0, below=11.0)])
    for number, (value, stands) in enumerate(((12.0, False), (10.9, True), (12.0, False), (15.1, True))):
        watch.observe(value, number)
        assert raised(watch) is stands


def test_contact_raises_while_inactive_if_that_is_the_condition() -> None:
    watch = AlarmWatch([AlarmRule(severity=Severity.WARN, when=AlarmWhen.INACTIVE)])
    watch.observe(value=True, now_ms=0)
    assert not raised(watch)
    watch.observe(value=False, now_ms=1)
    assert raised(watch)


def test_watch_without_rules_is_inactive_unless_an_alarm_is_raised() -> None:
    assert not AlarmWatch([])
    assert AlarmWatch([above(1.0)])
    left = AlarmWatch([], standing=True)
    assert left
    left.observe(1.0, 0)
    assert not left


def when_faulty(**more: float) -> AlarmRule:
    return AlarmRule(severity=Severity.ALARM, when=AlarmWhen.FAULT, **more)  # type: ignore[arg-type]


def test_fault_raises_a_rule_about_faults_and_a_value_clears_it() -> None:
    watch = AlarmWatch([when_faulty()])
    watch.observe(value=False, now_ms=0)
    assert not raised(watch)
    watch.observe(None, 1)
    assert watch.highest() == AlarmState(Severity.ALARM, "", "faulty")
    watch.observe(value=False, now_ms=2)
    assert not raised(watch)


def test_fault_with_a_value_also_raises_a_rule_about_faults() -> None:
    watch = AlarmWatch([when_faulty()])
    watch.observe(1.0, 0, faulty=True)
    assert raised(watch)
    watch.observe(1.0, 1, faulty=False)
    assert not raised(watch)


def test_delays_of_a_rule_about_faults_run_while_the_sensor_has_no_value() -> None:
    watch = AlarmWatch([when_faulty(raise_after_s=5.0), when_active(1)])
    watch.observe(None, 0)
    assert watch.deadline() == 5_000
    watch.elapse(5_000)
    assert raised(watch)


def test_fault_that_ended_during_a_restart_clears_its_alarm_at_the_first_value() -> None:
    watch = AlarmWatch([when_faulty()], standing=True)
    watch.observe(None, 0)
    watch.observe(value=False, now_ms=1)
    assert not watch.is_unknown
    assert not raised(watch)


def test_fault_neither_raises_nor_clears_a_rule_about_the_value() -> None:
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


def test_severity_is_the_highest_of_the_rules_that_apply() -> None:
    seized = AlarmRule(severity=Severity.EMERGENCY, above=70.0, text="Seized")
    watch = AlarmWatch([above(63.0), seized, above(80.0)], unit="Hz")
    watch.observe(64.0, 0)
    standing = watch.highest()
    assert standing is not None
    assert standing.severity is Severity.WARN
    watch.observe(71.0, 1)
    assert watch.highest() == AlarmState(Severity.EMERGENCY, "Seized", "above 70 Hz")


def test_alarm_from_before_a_restart_continues_without_another_delay() -> None:
    watch = AlarmWatch([when_active(10), when_active(20), when_active(0)], standing=True)
    assert watch.is_unknown
    watch.observe(value=True, now_ms=0)
    assert not watch.is_unknown
    assert raised(watch)
    assert watch.signature() == (RuleState.ACTIVE,) * 3


def test_hysteresis_applies_to_an_alarm_from_before_a_restart() -> None:
    watch = AlarmWatch([above(63.0, hysteresis=2.0, raise_after_s=5.0)], standing=True)
    watch.observe(62.0, 0)
    assert raised(watch)


def test_alarm_from_before_a_restart_is_cleared_by_a_first_good_value() -> None:
    watch = AlarmWatch([when_active(10)], standing=True)
    watch.observe(None, 0)
    assert watch.is_unknown
    watch.observe(value=False, now_ms=1)
    assert not watch.is_unknown
    assert not raised(watch)


def test_condition_is_described_in_words() -> None:
    assert in_words(above(63.0, raise_after_s=5.0), "Hz") == "above 63 Hz for 5 s"
    assert in_words(above(0.9), "ratio") == "above 0.9"
    assert in_words(when_active()) == "active"
    assert in_words(AlarmRule(severity=Severity.WARN, above=15.0, below=11.0), "V") == (
        "above 15 V or below 11 V"
    )
    assert in_words(above(1.0), "") == "above 1"
    assert in_words(above(0.5), "bool") == "above 0.5"


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 5_000)), max_size=60))
def test_alarm_is_raised_only_after_the_condition_was_met_for_its_delay(
    steps: list[tuple[float, int]],
) -> None:
    watch, now, since = AlarmWatch([above(50.0, raise_after_s=3.0)]), 0, None
    for value, pause in steps:
        now += pause
        watch.elapse(now)
        watch.observe(value, now)
        since = (now if since is None else since) if value > 50.0 else None
        assert raised(watch) == (since is not None and now - since >= 3_000)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 5_000)), max_size=60))
def test_alarm_is_cleared_only_after_the_condition_was_not_met_for_its_delay(
    steps: list[tuple[float, int]],
) -> None:
    watch, now, away, stands = AlarmWatch([above(50.0, clear_after_s=3.0)]), 0, None, False
    for value, pause in steps:
        now += pause
        watch.elapse(now)
        if away is not None and now - away >= 3_000:
            stands, away = False, None
        watch.observe(value, now)
        if value > 50.0:
            stands, away = True, None
        elif stands and away is None:
            away = now
        assert raised(watch) == stands
