"""Only alarms that are active, not acknowledged and not silenced are audible."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.severity import ALARM_SEVERITIES, Severity
from services.alarms.audible import AlarmFact, audible
from services.alarms.phases import Phase, phase_of
from sync.fleet.silences import LONGEST_S, Silence, current

UTC = 1_790_000_000.0
FLOOD = AlarmFact("alarm:argo:bilge:qwerty:000000000001", "argo", "bilge", Severity.WARN, UTC - 60)
HUSH = Silence(FLOOD.id, Severity.WARN, UTC - 5, UTC + 600)

severities = st.sampled_from(ALARM_SEVERITIES)
times = st.floats(UTC - 7200, UTC + 7200)
alarms = st.builds(
    AlarmFact,
    id=st.sampled_from([f"alarm:argo:bilge:qwerty:{number:012d}" for number in range(5)]),
    vessel=st.just("argo"),
    sensor=st.just("bilge"),
    severity=severities,
    raised_utc=times,
    cleared=st.booleans(),
    acknowledged=st.booleans(),
)
silences = st.builds(
    Silence,
    alarm=st.sampled_from([f"alarm:argo:bilge:qwerty:{number:012d}" for number in range(5)]),
    severity=severities,
    begins=times,
    ends=times,
)


@pytest.mark.parametrize(
    ("cleared", "acknowledged", "phase"),
    [
        (False, False, Phase.UNACKNOWLEDGED),
        (False, True, Phase.ACKNOWLEDGED),
        (True, False, Phase.RECTIFIED),
        (True, True, Phase.NORMAL),
    ],
)
def test_phase_follows_from_the_document(*, cleared: bool, acknowledged: bool, phase: Phase) -> None:
    assert phase_of(cleared=cleared, acknowledged=acknowledged) is phase


def test_active_alarm_is_audible_until_it_is_acknowledged_or_cleared() -> None:
    assert audible([FLOOD], []) == (FLOOD,)
    assert audible([replace(FLOOD, acknowledged=True)], []) == ()
    assert audible([replace(FLOOD, cleared=True)], []) == ()


def test_silence_ends_by_itself() -> None:
    assert audible([FLOOD], current([HUSH], utc=UTC)) == ()
    assert audible([FLOOD], current([HUSH], utc=HUSH.ends)) == (FLOOD,)


def test_alarm_raised_after_the_silence_is_audible() -> None:
    later = replace(FLOOD, id="alarm:argo:bilge:qwerty:000000000002")
    assert audible([FLOOD, later], current([HUSH], utc=UTC)) == (later,)


def test_silenced_alarm_that_becomes_an_emergency_is_audible() -> None:
    worse = replace(FLOOD, severity=Severity.EMERGENCY)
    assert audible([worse], current([HUSH], utc=UTC)) == (worse,)


@pytest.mark.parametrize("utc", [0.0, UTC - 86_400, UTC + 86_400])
def test_alarm_sounds_if_the_clock_was_set_after_the_silence(utc: float) -> None:
    assert audible([FLOOD], current([HUSH], utc=utc)) == (FLOOD,)


def test_silence_that_is_too_long_has_no_effect() -> None:
    assert audible([FLOOD], current([replace(HUSH, ends=HUSH.begins + LONGEST_S + 1)], utc=UTC)) == (FLOOD,)


@given(st.lists(alarms), st.lists(silences), times)
def test_order_of_documents_does_not_matter(some: list[AlarmFact], hushes: list[Silence], utc: float) -> None:
    found = audible(some, current(hushes, utc=utc))
    assert set(audible(some[::-1], current(hushes[::-1], utc=utc))) == set(found)
    assert [alarm.severity.rank for alarm in found] == sorted((a.severity.rank for a in found), reverse=True)


@given(st.lists(alarms), st.lists(silences), times)
def test_lesser_silence_never_mutes_an_emergency(
    some: list[AlarmFact], hushes: list[Silence], utc: float
) -> None:
    lesser = [each for each in hushes if each.severity is not Severity.EMERGENCY]
    found = audible(some, current(lesser, utc=utc))
    for alarm in some:
        if alarm.severity is Severity.EMERGENCY and alarm.phase is Phase.UNACKNOWLEDGED:
            assert alarm in found
