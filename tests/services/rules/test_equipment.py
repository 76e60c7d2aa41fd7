"""Starts, running times and idle times of equipment raise and clear alarms, and are exact over a year."""

import random
from itertools import pairwise

import pytest

from sensors.sample import Value
from services.alarms.activity import MOST_RUNS, Activity
from services.alarms.rules import AlarmWatch

from .builders import Aboard, contact, rule

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def test_more_starts_than_allowed_raise_an_alarm_until_the_oldest_is_out_of_the_window() -> None:
    aboard = Aboard(contact(rule(starts_above=2, per_s=3600.0)))
    aboard.offer(value=False, pause_ms=0)
    for number in range(3):
        assert not aboard.is_raised
        aboard.offer(value=True, pause_ms=MINUTE)
        assert aboard.is_raised is (number == 2)
        aboard.offer(value=False, pause_ms=MINUTE)
    assert aboard.episode is not None
    assert aboard.episode.condition == "more than 2 starts in 1 h"
    aboard.wait(MINUTE + HOUR - aboard.ms)
    assert aboard.is_raised
    aboard.elapse(1_000)
    assert not aboard.is_raised


def test_running_time_above_the_limit_raises_an_alarm_while_the_pump_still_runs() -> None:
    aboard = Aboard(contact(rule(runs_above_s=600.0, per_s=3600.0)))
    aboard.offer(value=False, pause_ms=0)
    for _ in range(3):
        aboard.offer(value=True, pause_ms=5 * MINUTE)
        aboard.offer(value=False, pause_ms=3 * MINUTE)
    aboard.offer(value=True, pause_ms=5 * MINUTE)
    assert aboard.intake.deadline() == aboard.ms + MINUTE + 1
    aboard.elapse(MINUTE)
    assert not aboard.is_raised
    aboard.elapse(1)
    assert aboard.is_raised
    assert aboard.episode is not None
    assert aboard.episode.condition == "runs for more than 10 min in 1 h"


def test_single_run_that_is_too_long_raises_an_alarm_even_if_the_recorder_restarts() -> None:
    aboard = Aboard(contact(rule(runs_longer_s=600.0)))
    aboard.offer(value=False, pause_ms=0)
    aboard.offer(value=True, pause_ms=1_000)
    aboard.elapse(4 * MINUTE)
    aboard.ms += 5_000
    aboard.restart()
    aboard.offer(value=True, pause_ms=0)
    aboard.wait(5 * MINUTE + 55_000 - 1)
    assert not aboard.is_raised
    aboard.elapse(1)
    assert aboard.is_raised
    aboard.offer(value=False, pause_ms=1)
    assert not aboard.is_raised


def test_sample_that_arrives_after_time_has_passed_does_not_end_an_alarm_about_running_time() -> None:
    """After a slow commit, `elapse` is called before the samples that were taken in the meantime arrive."""
    activity = Activity(per_ms=6_000)
    watch = AlarmWatch([rule(runs_above_s=3.0, per_s=6.0)])
    for now_ms, value in ((0, False), (1_000, True), (4_600, False), (6_100, True)):
        activity.observe(now_ms, active=value)
        watch.observe(value, now_ms)
    assert activity.ran_ms(11_000) == 4_900
    assert activity.ran_ms(6_700) == 4_200
    watch.elapse(11_000)
    watch.observe(True, 6_700)
    assert watch.highest() is not None


def test_equipment_that_is_not_used_raises_an_alarm() -> None:
    aboard = Aboard(contact(rule(idle_for_s=14 * 86_400.0)))
    aboard.offer(value=True, pause_ms=0)
    aboard.offer(value=False, pause_ms=MINUTE)
    began = aboard.ms
    while not aboard.is_raised:
        aboard.elapse(MINUTE)
    assert aboard.ms - began == 14 * DAY
    aboard.offer(value=True, pause_ms=MINUTE)
    assert not aboard.is_raised


def test_time_without_power_is_neither_running_time_nor_idle_time() -> None:
    for active, keys in ((True, {"runs_longer_s": 600.0}), (False, {"idle_for_s": 600.0})):
        aboard = Aboard(contact(rule(**keys)))
        aboard.offer(value=active, pause_ms=0)
        aboard.cut_power(4 * MINUTE, DAY)
        aboard.offer(value=active, pause_ms=0)
        aboard.wait(6 * MINUTE - 1)
        assert not aboard.is_raised
        aboard.wait(1)
        assert aboard.is_raised


def test_pump_that_runs_after_a_power_cut_has_not_started() -> None:
    aboard = Aboard(contact(rule(starts_above=0, per_s=3600.0)))
    aboard.offer(value=False, pause_ms=0)
    aboard.cut_power(MINUTE, MINUTE)
    aboard.offer(value=True, pause_ms=0)
    assert not aboard.is_raised


def test_starts_before_a_power_cut_count_for_their_known_age_only() -> None:
    for off_ms, is_anchored, stands in (
        (20 * MINUTE, True, True),
        (50 * MINUTE, True, False),
        (DAY, False, True),
    ):
        aboard = Aboard(contact(rule(starts_above=1, per_s=3600.0)))
        aboard.offer(value=False, pause_ms=0)
        aboard.offer(value=True, pause_ms=MINUTE)
        aboard.offer(value=False, pause_ms=MINUTE)
        aboard.cut_power(10 * MINUTE, off_ms, is_anchored=is_anchored)
        aboard.offer(value=False, pause_ms=0)
        aboard.offer(value=True, pause_ms=MINUTE)
        assert aboard.is_raised is stands


def test_starts_move_back_once_the_time_without_power_is_known() -> None:
    aboard = Aboard(contact(rule(starts_above=1, per_s=3600.0)))
    aboard.offer(value=False, pause_ms=0)
    aboard.offer(value=True, pause_ms=MINUTE)
    aboard.offer(value=False, pause_ms=MINUTE)
    aboard.cut_power(10 * MINUTE, DAY, is_anchored=False)
    aboard.offer(value=False, pause_ms=0)
    aboard.intake.move_back(DAY)
    aboard.offer(value=True, pause_ms=MINUTE)
    assert not aboard.is_raised
    aboard.offer(value=False, pause_ms=MINUTE)
    aboard.offer(value=True, pause_ms=MINUTE)
    assert aboard.is_raised


def test_two_alarms_without_a_sample_between_them_have_different_numbers() -> None:
    aboard = Aboard(contact(rule(idle_for_s=60.0), rule(runs_above_s=30.0, per_s=120.0)))
    aboard.offer(value=True, pause_ms=0)
    aboard.elapse(31_000)
    aboard.offer(value=False, pause_ms=1_000)
    first = aboard.episode
    numbers = {first.sequence} if first is not None else set()
    for _ in range(300):
        aboard.elapse(1_000)
        if aboard.episode is not None and aboard.episode.cleared_ms is None:
            numbers.add(aboard.episode.sequence)
    assert len(numbers) == len({row.sequence for _, row in aboard.rows if row.sequence in numbers})


def test_alarm_is_not_cleared_before_it_is_raised_by_a_sample_that_arrives_late() -> None:
    aboard = Aboard(contact(rule(idle_for_s=60.0)))
    aboard.offer(value=False, pause_ms=0)
    aboard.elapse(60_010)
    assert aboard.is_raised
    aboard.offer(value=True, pause_ms=-8)  # taken before the alarm was raised
    assert aboard.episode is not None
    assert aboard.episode.cleared_ms == aboard.episode.raised_ms


def test_starts_and_running_time_of_a_pump_are_exact_over_a_year() -> None:
    chance = random.Random(6)
    year = [(0, False)]
    while year[-1][0] < 365 * DAY:
        year.append((year[-1][0] + chance.randrange(20_000, 4 * HOUR), not year[-1][1]))
    activity = Activity(per_ms=DAY, most_starts=20)
    runs = [(begin, end) for (begin, active), (end, _) in pairwise(year) if active]
    first = 0
    for at, active in year:
        activity.observe(at, active=active)
        if at < DAY:
            continue
        while runs[first][1] <= at - DAY:
            first += 1
        starts = ran = 0
        for begin, end in runs[first:]:
            if begin > at:
                break
            starts += begin > at - DAY
            ran += min(end, at) - max(begin, at - DAY)
        assert activity.starts_too_often(at) is (starts > 20)
        assert activity.ran_ms(at) == ran


YEAR = pytest.param(365, marks=(pytest.mark.torture, pytest.mark.timeout(3600)))


@pytest.mark.parametrize("days", [31, YEAR])
def test_recorder_that_is_restarted_counts_exactly_for_a_month_and_for_a_year(days: int) -> None:
    chance = random.Random(days)
    aboard = Aboard(
        contact(rule(starts_above=9, per_s=86_400.0), rule(runs_above_s=36_000.0, per_s=7 * 86_400.0))
    )
    aboard.offer(value=False, pause_ms=0)
    starts, ends, compared = list[int](), list[int](), 0
    while aboard.ms < days * DAY:
        pause_ms = chance.choice((20_000, 5 * MINUTE, 4 * HOUR)) + chance.randrange(HOUR)
        until = aboard.ms + (pause_ms if len(starts) == len(ends) else chance.randrange(5_000, 15 * MINUTE))
        while aboard.ms < until:
            aboard.elapse(min(until - aboard.ms, 5 * MINUTE))
            if chance.random() < 0.001:
                aboard.restart()
                aboard.offer(value=len(starts) > len(ends), pause_ms=0)
        aboard.offer(value=len(starts) == len(ends), pause_ms=0)
        (starts if len(starts) == len(ends) else ends).append(aboard.ms)
        in_a_day = sum(at > aboard.ms - DAY for at in starts[-50:])
        runs = zip(starts, [*ends, aboard.ms], strict=False)
        ran_ms = sum(max(end - max(begin, aboard.ms - 7 * DAY), 0) for begin, end in runs)
        often, long = (watch.activity for watch in aboard.intake._watch._watches)
        assert often is not None
        assert long is not None
        assert often.starts_too_often(aboard.ms) is (in_a_day > 9)
        assert long.ran_ms(aboard.ms) == ran_ms
        assert aboard.is_raised is (in_a_day > 9 or ran_ms > 36_000_000)
        compared += 1
    assert compared > days * 8


def test_chattering_contact_does_not_use_ever_more_memory() -> None:
    activity = Activity(per_ms=31 * DAY, most_starts=6)
    for number in range(50_000):
        activity.observe(number * 500, active=number % 2 == 1)
    assert len(activity._runs) <= MOST_RUNS + 1
    assert len(activity._starts) == 7
    assert activity.ran_ms(50_000 * 500) == 25_000 * 500


def test_chatter_costs_bounded_work_at_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    aboard = Aboard(contact(rule(starts_above=100, per_s=60.0)))
    for number in range(5_000):
        aboard.offer(value=number % 2 == 1, pause_ms=1_000)
    observe, replayed = AlarmWatch.observe, list[int]()

    def counting(self: AlarmWatch, value: Value, now_ms: int, *, faulty: bool | None = None) -> None:
        replayed.append(now_ms)
        observe(self, value, now_ms, faulty=faulty)

    monkeypatch.setattr(AlarmWatch, "observe", counting)
    aboard.restart()
    assert 0 < len(replayed) < 400
