"""A silence ends by itself, whatever the clock does, and concerns only the alarm that was silenced."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.severity import Severity
from services.alarms.audible import AlarmFact
from services.alarms.silences import SHORTEST_S, to_silence
from sync.fleet.silences import AHEAD_S, LONGEST_S, Silence, SilenceTimer, current, silence_in
from tests.store.builders import json_values

UTC: Final = 1_790_000_000.0
BOOT: Final = 5_000.0
ALARM: Final = "alarm:argo:bilge:qwerty:000000000001"


def silence(seconds: float = 600.0, begins: float = UTC) -> Silence:
    return Silence(ALARM, Severity.ALARM, begins, begins + seconds)


def fact(number: int, severity: Severity) -> AlarmFact:
    return AlarmFact(f"alarm:argo:bilge:qwerty:{number:012d}", "argo", "bilge", severity, UTC)


ROUNDING_S = 0.001
"""Rounding of times in documents, in seconds. A sum with a time since 1970 is rounded, too."""
steps = st.lists(
    st.tuples(st.floats(0, 900), st.one_of(st.just(0.0), st.floats(-1e8, 1e8), st.floats(-90, 90))),
    max_size=30,
)
"""Seconds that pass, and by how many seconds the clock is set afterwards."""


@given(st.floats(SHORTEST_S, LONGEST_S), st.floats(-1e8, 1e8) | st.floats(-900, 900), steps)
def test_no_setting_of_the_clock_makes_a_silence_longer(
    seconds: float, ahead: float, passed: Sequence[tuple[float, float]]
) -> None:
    timer, found = SilenceTimer(), silence(seconds, UTC + ahead)
    utc, boottime, was_muted, has_ended = UTC, BOOT, False, False
    for wait, jump in [(0.0, 0.0), *passed]:
        boottime += wait
        utc += wait + jump
        is_muted = bool(timer.in_effect([found], utc=utc, boottime=boottime))
        has_ended |= was_muted and not is_muted
        assert not (is_muted and has_ended), "a silence that has ended does not begin again"
        assert not is_muted or boottime < BOOT + seconds + ROUNDING_S
        was_muted = is_muted


@given(st.floats(SHORTEST_S, LONGEST_S), steps)
def test_setting_the_clock_does_not_end_a_silence_that_was_seen(
    seconds: float, passed: Sequence[tuple[float, float]]
) -> None:
    timer, found = SilenceTimer(), silence(seconds)
    assert timer.in_effect([found], utc=UTC, boottime=BOOT)
    utc, boottime = UTC, BOOT
    for wait, jump in passed:
        boottime += wait
        utc += wait + jump
        is_muted = bool(timer.in_effect([found], utc=utc, boottime=boottime))
        assert is_muted == (boottime < BOOT + found.ends - UTC) or abs(boottime - BOOT - seconds) < 1e-3


@pytest.mark.parametrize("late", [0.0, 300.0, 599.0])
def test_silence_that_arrives_late_ends_when_it_ends_on_the_vessel_that_wrote_it(late: float) -> None:
    timer, found = SilenceTimer(), silence()
    for step in (0.0, 599.0 - late, 600.0 - late):
        muted = timer.in_effect([found], utc=UTC + late + step, boottime=BOOT + step)
        assert bool(muted) == (late + step < 600)


def test_silence_that_arrives_after_its_end_has_no_effect() -> None:
    timer, found = SilenceTimer(), silence()
    assert not timer.in_effect([found], utc=UTC + 600, boottime=BOOT)
    assert not timer.in_effect([found], utc=UTC, boottime=BOOT + 1), "the clock was set back"


def test_silence_of_a_vessel_whose_clock_is_a_little_ahead_begins_at_once() -> None:
    assert SilenceTimer().in_effect([silence(begins=UTC + AHEAD_S)], utc=UTC, boottime=BOOT)
    assert not SilenceTimer().in_effect([silence(begins=UTC + AHEAD_S + 1)], utc=UTC, boottime=BOOT)


def test_silence_takes_effect_once_this_vessels_clock_is_set() -> None:
    timer, found = SilenceTimer(), silence()
    assert not timer.in_effect([found], utc=UTC - 1e7, boottime=BOOT)
    assert timer.in_effect([found], utc=UTC + 10, boottime=BOOT + 10)
    assert not timer.in_effect([found], utc=UTC + 600, boottime=BOOT + 600)


def test_silencing_again_begins_a_new_duration() -> None:
    timer, first = SilenceTimer(), silence(60)
    again = silence(60, UTC + 50)
    assert timer.in_effect([first], utc=UTC, boottime=BOOT)
    assert timer.in_effect([again], utc=UTC + 61, boottime=BOOT + 61)
    assert not timer.in_effect([again], utc=UTC + 110, boottime=BOOT + 110)


@pytest.mark.parametrize("seconds", [0.0, -5.0, LONGEST_S + 1, 1e9])
def test_silence_with_an_impossible_duration_has_no_effect(seconds: float) -> None:
    assert not current([silence(seconds)], utc=UTC)
    assert not SilenceTimer().in_effect([silence(seconds)], utc=UTC, boottime=BOOT)


times = st.sampled_from(["2026-09-21T14:13:20Z", "2026-09-21T14:23:20", "9999-12-31T23:59:59Z"]) | json_values
bodies = st.fixed_dictionaries(
    {"begins": times, "ends": times, "for": st.sampled_from([600, 1800.0]) | json_values, "who": json_values},
    optional={"severity": st.sampled_from(Severity) | json_values},
)


@given(bodies)
def test_no_document_is_in_effect_for_longer_than_the_maximum(body: dict[str, Any]) -> None:
    found = silence_in(ALARM.replace("alarm", "silence", 1), body)
    if found is not None:
        assert found.alarm == ALARM
        assert found.duration_s <= LONGEST_S
        timer = SilenceTimer()
        timer.in_effect([found], utc=found.begins, boottime=BOOT)
        assert not timer.in_effect([found], utc=found.begins, boottime=BOOT + LONGEST_S + 1)


def test_severity_limits_what_a_silence_mutes() -> None:
    found = silence()
    for severity in Severity:
        assert found.mutes(ALARM, severity) == (severity.rank <= Severity.ALARM.rank)
    assert not found.mutes(fact(2, Severity.WARN).id, Severity.WARN)
    assert not found.mutes(ALARM, "a severity of a later version")
    assert replace(found, severity=Severity.EMERGENCY).mutes(ALARM, Severity.EMERGENCY)


def test_emergencies_are_silenced_only_when_no_lesser_alarm_is_audible() -> None:
    emergency, warning = fact(1, Severity.EMERGENCY), fact(2, Severity.WARN)
    assert to_silence([emergency, warning]) == (warning,)
    assert to_silence([emergency]) == (emergency,)
    assert to_silence([]) == ()
