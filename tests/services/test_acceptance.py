"""Rules decide which samples are recorded, and each recorded sample gets the next sequence number."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.sample import Totals
from sensors.settings import SensorSettings
from sensors.severity import Severity
from sensors.state import SensorState
from services.journal.batch import AlarmRecord, SampleRow
from services.recorder.acceptance import MOST_CHANGES, ClockMoment, SensorIntake, admissible

from .recorder_builders import UTC, above, sample, settings, when_active


def intake(made: SensorSettings, *, last: int = 0, episode: AlarmRecord | None = None) -> SensorIntake:
    return SensorIntake(made, last=last, episode=episode)


def now(ms: int) -> ClockMoment:
    return ClockMoment(clock_ms=ms, utc=UTC + ms / 1000, boot=1, is_synced=lambda: True)


def offer(
    made: SensorIntake, value: float | bool | None, ms: int, state: SensorState = SensorState.GOOD
) -> tuple[SampleRow | None, AlarmRecord | None]:
    return made.offer(sample(value, ms, state=state), now(ms))


def test_without_a_deadband_every_sample_is_recorded_even_if_equal() -> None:
    made = intake(settings())
    rows = [offer(made, 3.34, ms)[0] for ms in (0, 1, 2)]
    assert [row.sequence for row in rows if row is not None] == [1, 2, 3]


def test_sample_within_the_deadband_gets_no_number() -> None:
    made = intake(settings(deadband=0.25))
    assert offer(made, 1.0, 0)[0] is not None
    assert offer(made, 1.19, 1)[0] is None
    row, _ = offer(made, 1.25, 2)
    assert row is not None
    assert row.sequence == 2
    assert offer(made, 1.01, 3)[0] is None
    for ms, value in enumerate((9.0, -9.0), 4):
        assert offer(made, value, ms)[0] is not None


def test_deadband_is_relative_to_the_last_recorded_value_so_that_slow_drift_is_recorded() -> None:
    made = intake(settings(deadband=1.0))
    rows = [offer(made, n * 0.25, n)[0] for n in range(9)]
    assert [row.value for row in rows if row is not None] == [0.0, 1.0, 2.0]


def test_unchanged_value_is_recorded_once_per_window() -> None:
    made = intake(settings(deadband=1.0, window_s=10.0))
    rows = [offer(made, 5.0, ms)[0] for ms in range(0, 30_000, 1_000)]
    assert [row.clock_ms for row in rows if row is not None] == [0, 10_000, 20_000]
    assert offer(made, 5.0, 29_995)[0] is None
    row, _ = offer(made, 5.0, 3_600_123)
    assert row is not None
    assert row.clock_ms == 3_600_123


def test_unchanged_contact_is_recorded_once_per_window() -> None:
    made = intake(settings(kind="switch", unit="bool", window_s=10.0))
    offer(made, value := True, 0)
    assert made.elapse(now(9_999))[0] is None
    row, _ = made.elapse(now(10_000))
    assert row is not None
    assert (row.value, row.sequence) == (value, 2)


@pytest.mark.parametrize(
    ("kind", "unit", "is_repeated"),
    [
        ("switch", "bool", True),
        ("runtime", "s", True),
        ("mcp23017", "s", True),
        ("analog", "ratio", False),
        ("simulated", "V", False),
        ("manual", "bool", False),
    ],
)
def test_only_sensors_that_emit_changes_are_repeated_once_per_window(
    kind: str, unit: str, is_repeated: bool
) -> None:
    made = intake(settings(kind=kind, unit=unit, window_s=10.0))
    assert made.elapse(now(0))[0] is None
    offer(made, 1.0, 5_000)
    assert made.elapse(now(14_999))[0] is None
    assert (made.elapse(now(15_000))[0] is not None) is is_repeated
    assert (made.elapse(now(47_111))[0] is not None) is is_repeated


def test_faults_and_contacts_are_recorded_when_they_change_despite_a_deadband() -> None:
    made = intake(settings(deadband=1.0))
    states = [
        (1.0, SensorState.GOOD),
        (None, SensorState.OPEN),
        (None, SensorState.OPEN),
        (None, SensorState.SHORT),
    ]
    states += [(True, SensorState.GOOD), (True, SensorState.GOOD), (False, SensorState.GOOD)]
    states += [(value, SensorState.GOOD) for value in (0.0, False, None, None, 0.5)]
    states += [(0.5, SensorState.NOISY), (0.5, SensorState.GOOD)]
    rows = [offer(made, value, ms, state)[0] for ms, (value, state) in enumerate(states)]
    is_recorded = [row is not None for row in rows]
    assert is_recorded[:7] == [True, True, False, True, True, False, True]
    assert is_recorded[7:] == [True, True, True, False, True, True, True]


def test_declined_number_is_not_used_again() -> None:
    made = intake(settings(), last=7)
    made.decline(sample(1.0, 0), now(0))
    assert made.last == 8
    row, _ = offer(made, 1.0, 0)
    assert row is not None
    assert row.sequence == 9


def test_totals_are_kept_until_replaced_and_the_detail_is_that_of_the_last_sample() -> None:
    made = intake(settings(deadband=9.0))
    made.offer(replace(sample(1.0, 0, totals=Totals(3, 1.5)), detail="first"), now(0))
    assert (made.totals, made.detail) == (Totals(3, 1.5), "first")
    offer(made, 1.0, 1)
    assert (made.totals, made.detail) == (Totals(3, 1.5), "")
    made.offer(sample(1.0, 2, totals=Totals(4, 2.5)), now(2))
    assert made.totals == Totals(4, 2.5)


def test_change_of_state_is_recorded_whatever_the_deadband() -> None:
    made = intake(settings(deadband=100.0))
    offer(made, 1.0, 0)
    row, _ = offer(made, 55.0, 1, SensorState.OPEN)
    assert row is not None
    assert (row.value, row.state) == (None, SensorState.OPEN)


def test_sample_that_changes_an_alarm_is_recorded_whatever_the_deadband() -> None:
    made = intake(settings(deadband=100.0, alarms=[above(10.0)]))
    offer(made, 9.0, 0)
    row, episode = offer(made, 11.0, 1)
    assert row is not None
    assert episode is not None
    assert episode.sequence == row.sequence == 2
    row, episode = offer(made, 9.5, 2)
    assert row is not None
    assert episode is not None
    assert episode.cleared_ms == 2


def test_alarm_record_states_times_condition_and_highest_severity() -> None:
    rules = [above(60.0), replace(above(63.0), severity=Severity.ALARM, text="Seized")]
    made = intake(settings(alarms=rules))
    _, raised = offer(made, 61.0, 1_000)
    assert raised == AlarmRecord(
        sequence=1,
        severity="warn",
        text="",
        condition="above 60 Hz",
        value=61.0,
        raised_ms=1_000,
        raised_utc=UTC + 1,
        boot=1,
        history=((1_000, UTC + 1, "warn", "above 60 Hz"),),
        raised_synced=True,
    )
    _, worse = offer(made, 64.0, 2_000)
    assert worse is not None
    assert (worse.sequence, worse.severity, worse.text) == (1, "alarm", "Seized")
    assert (worse.condition, worse.value, worse.raised_ms) == ("above 63 Hz", 61.0, 1_000)
    _, better = offer(made, 61.0, 3_000)
    assert better is not None
    assert (better.severity, better.condition) == ("alarm", "above 63 Hz")
    assert [change[2] for change in better.history] == ["warn", "alarm", "warn"]
    assert better.history[-1] == (3_000, UTC + 3, "warn", "above 60 Hz")
    assert offer(made, 61.5, 4_000)[1] is None
    _, over = offer(made, 10.0, 5_000)
    assert over == msgspec.structs.replace(
        better, cleared_ms=5_000, cleared_utc=UTC + 5, cleared_boot=1, cleared_synced=True
    )
    assert made.episode is None
    assert offer(made, 10.0, 6_000)[1] is None


def test_alarm_keeps_its_condition_when_another_rule_of_equal_severity_applies() -> None:
    made = intake(settings(alarms=[above(60.0), replace(above(60.0), above=None, below=10.0)]))
    offer(made, 61.0, 1_000)
    _, changed = offer(made, 5.0, 2_000)
    assert changed is not None
    assert (changed.condition, changed.cleared_ms) == ("above 60 Hz", None)
    assert [change[3] for change in changed.history] == ["above 60 Hz", "below 10 Hz"]


def test_alarm_cleared_before_a_restart_does_not_continue() -> None:
    first = intake(settings(alarms=[above(10.0)]))
    offer(first, 11.0, 0)
    _, over = offer(first, 5.0, 1)
    again = intake(settings(alarms=[above(10.0)]), last=2, episode=over)
    _, raised = offer(again, 12.0, 2)
    assert raised is not None
    assert raised.sequence == 3


def test_delay_of_an_alarm_is_the_deadline_of_its_sensor() -> None:
    made = intake(settings(alarms=[above(10.0, raise_after_s=2.0)]))
    assert made.deadline() is None
    offer(made, 11.0, 1_000)
    assert made.deadline() == 3_000


def test_numbers_continue_from_the_last_one() -> None:
    row, _ = offer(intake(settings(), last=41), 1.0, 0)
    assert row is not None
    assert row.sequence == 42


def test_infinity_and_nan_are_not_recorded_as_values() -> None:
    made = intake(settings())
    for value in (float("nan"), float("inf")):
        row, _ = offer(made, value, 0)
        assert row is not None
        assert (row.value, row.state) == (None, SensorState.OUT_OF_RANGE)


def test_sample_from_before_the_last_one_is_not_recorded_out_of_order() -> None:
    made = intake(settings())
    offer(made, 1.0, 1_000)
    row, _ = offer(made, 2.0, 900)
    assert row is not None
    assert row.clock_ms == 1_000


def test_alarm_raised_by_time_alone_is_named_after_the_last_sample() -> None:
    made = intake(settings(kind="switch", unit="bool", alarms=[when_active(10)]))
    offer(made, value := True, 0)
    assert value
    _, episode = made.elapse(now(10_000))
    assert episode is not None
    assert (episode.sequence, episode.severity, episode.raised_ms) == (1, "alarm", 10_000)


def test_alarm_in_progress_is_not_raised_a_second_time_after_a_restart() -> None:
    first = intake(settings(alarms=[above(10.0)]))
    _, episode = offer(first, 11.0, 0)
    again = intake(settings(alarms=[above(10.0)]), last=1, episode=episode)
    assert offer(again, 12.0, 0)[1] is None
    _, cleared = offer(again, 5.0, 1)
    assert cleared is not None
    assert (cleared.sequence, cleared.cleared_ms) == (1, 1)


def test_cleared_alarm_and_the_next_one_have_different_names() -> None:
    made = intake(settings(alarms=[above(10.0)]))
    sequences = {
        episode.sequence
        for ms, value in enumerate((11.0, 5.0, 11.0, 5.0, 11.0))
        if (episode := offer(made, value, ms)[1]) is not None
    }
    assert sequences == {1, 3, 5}


@given(
    st.lists(
        st.tuples(st.one_of(st.none(), st.floats(-10, 30)), st.integers(0, 4_000), st.booleans()), max_size=80
    ),
    st.floats(0, 5),
)
def test_numbers_never_skip_or_repeat_and_times_never_decrease(
    steps: list[tuple[float | None, int, bool]], deadband: float
) -> None:
    made = intake(
        settings(
            kind="switch",
            unit="bool",
            deadband=deadband,
            window_s=10.0,
            alarms=[above(10.0, raise_after_s=2)],
        )
    )
    rows, ms, episodes = [], 0, set()
    for value, pause, lapse in steps:
        ms += pause
        state = SensorState.GOOD if value is not None else SensorState.OPEN
        found, episode = made.elapse(now(ms)) if lapse else offer(made, value, ms, state)
        rows += [found] if found is not None else []
        if episode is not None and episode.cleared_ms is None:
            assert episode.sequence <= len(rows)
        if episode is not None and len(episode.history) == 1 and episode.cleared_ms is None:
            assert episode.sequence not in episodes
            episodes.add(episode.sequence)
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert [row.clock_ms for row in rows] == sorted(row.clock_ms for row in rows)


def test_history_of_an_alarm_is_bounded() -> None:
    rules = [above(60.0), replace(above(63.0), severity=Severity.ALARM)]
    made = SensorIntake(settings(alarms=rules), last=0, episode=None)
    for number in range(1_000):
        now = ClockMoment(clock_ms=number * 1_000, utc=UTC, boot=1, is_synced=lambda: True)
        made.offer(sample(62.0 if number % 2 else 64.0, now.clock_ms), now)
    assert made.episode is not None
    assert len(made.episode.history) == MOST_CHANGES == 200
    assert made.episode.history[0][0] == 0
    assert made.episode.history[-1][0] == 999_000


def test_integer_beyond_the_safe_range_of_json_becomes_a_float() -> None:
    for within in (55, 2**53 - 1, -(2**53) + 1):
        value, state = admissible(within, SensorState.GOOD)
        assert isinstance(value, int)
        assert (value, state) == (within, SensorState.GOOD)
    for beyond in (2**53, -(2**53), 2**63 + 1):
        value, state = admissible(beyond, SensorState.GOOD)
        assert isinstance(value, float)
        assert (value, state) == (float(beyond), SensorState.GOOD)
    assert admissible(True, SensorState.GOOD)[0] is True
