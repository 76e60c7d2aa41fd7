"""Intake: which samples are recorded, under which number."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sensors.quality import State
from sensors.settings import SensorSettings, Severity
from services.batch import Episode, Row
from services.intake import MOST_CHANGES, Now, SensorIntake, admissible

from .recorder_builders import UTC, above, sample, settings, when_active


def intake(made: SensorSettings, *, last: int = 0, episode: Episode | None = None) -> SensorIntake:
    return SensorIntake(made, last=last, episode=episode)


def now(ms: int) -> Now:
    return Now(clock_ms=ms, utc=UTC + ms / 1000, boot=1)


def offer(
    made: SensorIntake, value: float | bool | None, ms: int, state: State = State.GOOD
) -> tuple[Row | None, Episode | None]:
    return made.offer(sample(value, ms, state=state), now(ms))


def test_without_a_deadband_every_sample_is_recorded_even_if_equal() -> None:
    made = intake(settings())
    rows = [offer(made, 3.34, ms)[0] for ms in (0, 1, 2)]
    assert [row.sequence for row in rows if row is not None] == [1, 2, 3]


def test_sample_within_the_deadband_takes_no_number() -> None:
    made = intake(settings(deadband=0.25))
    assert offer(made, 1.0, 0)[0] is not None
    assert offer(made, 1.19, 1)[0] is None
    row, _ = offer(made, 1.25, 2)
    assert row is not None
    assert row.sequence == 2


def test_deadband_counts_from_the_last_recorded_value_so_that_a_slow_drift_is_seen() -> None:
    made = intake(settings(deadband=1.0))
    rows = [offer(made, n * 0.25, n)[0] for n in range(9)]
    assert [row.value for row in rows if row is not None] == [0.0, 1.0, 2.0]


def test_held_value_is_recorded_once_a_window() -> None:
    made = intake(settings(deadband=1.0, window_s=10.0))
    rows = [offer(made, 5.0, ms)[0] for ms in range(0, 30_000, 1_000)]
    assert [row.clock_ms for row in rows if row is not None] == [0, 10_000, 20_000]


def test_contact_that_stays_as_it_is_is_recorded_once_a_window() -> None:
    made = intake(settings(kind="switch", unit="bool", window_s=10.0))
    offer(made, value := True, 0)
    assert made.elapse(now(9_999))[0] is None
    row, _ = made.elapse(now(10_000))
    assert row is not None
    assert (row.value, row.sequence) == (value, 2)


def test_change_of_state_is_recorded_whatever_the_deadband() -> None:
    made = intake(settings(deadband=100.0))
    offer(made, 1.0, 0)
    row, _ = offer(made, 55.0, 1, State.OPEN)
    assert row is not None
    assert (row.value, row.state) == (None, State.OPEN)


def test_sample_that_changes_an_alarm_is_recorded_whatever_the_deadband() -> None:
    made = intake(settings(deadband=100.0, alarms=[above(10.0)]))
    offer(made, 9.0, 0)
    row, episode = offer(made, 11.0, 1)
    assert row is not None
    assert episode is not None
    assert episode.sequence == row.sequence == 2


def test_number_goes_on_from_the_last_one() -> None:
    row, _ = offer(intake(settings(), last=41), 1.0, 0)
    assert row is not None
    assert row.sequence == 42


def test_infinity_and_nan_are_no_values() -> None:
    made = intake(settings())
    for value in (float("nan"), float("inf")):
        row, _ = offer(made, value, 0)
        assert row is not None
        assert (row.value, row.state) == (None, State.OUT_OF_RANGE)


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
def test_numbers_never_skip_or_repeat_and_time_never_runs_back(
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
        state = State.GOOD if value is not None else State.OPEN
        found, episode = made.elapse(now(ms)) if lapse else offer(made, value, ms, state)
        rows += [found] if found is not None else []
        if episode is not None and episode.cleared_ms is None:
            assert episode.sequence <= len(rows)
        if episode is not None and len(episode.history) == 1 and episode.cleared_ms is None:
            assert episode.sequence not in episodes
            episodes.add(episode.sequence)
    assert [row.sequence for row in rows] == list(range(1, len(rows) + 1))
    assert [row.clock_ms for row in rows] == sorted(row.clock_ms for row in rows)


def test_episode_of_a_value_that_trembles_for_days_does_not_grow_for_ever() -> None:
    rules = [above(60.0), replace(above(63.0), severity=Severity.ALARM)]
    made = SensorIntake(settings(alarms=rules), last=0, episode=None)
    for number in range(1_000):
        now = Now(clock_ms=number * 1_000, utc=UTC, boot=1)
        made.offer(sample(62.0 if number % 2 else 64.0, now.clock_ms), now)
    assert made.episode is not None
    assert len(made.episode.history) == MOST_CHANGES
    assert made.episode.history[0][0] == 0
    assert made.episode.history[-1][0] == 999_000


def test_whole_number_beyond_what_json_agrees_on_becomes_a_float() -> None:
    assert admissible(2**53 - 1, State.GOOD) == (2**53 - 1, State.GOOD)
    value, _ = admissible(2**63 + 1, State.GOOD)
    assert isinstance(value, float)
    assert admissible(True, State.GOOD)[0] is True
