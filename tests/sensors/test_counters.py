"""States, rates and counts are calculated from edges, and counts remain correct when edges are lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.gpio.counters import ContactTracker, PinLevels, PulseMeter, activations_among, edges_between
from sensors.sample import Totals
from sensors.state import SensorState
from tests.sensors.fakes import SECOND

MS = 1_000_000


# Numbers ---------------------------------------------------------------------------------------------


@given(before=st.integers(0, 2**32 - 1), edges=st.integers(0, 2**32 - 1))
def test_edges_are_counted_across_the_wrap_of_32_bits(before: int, edges: int) -> None:
    assert edges_between(before, (before + edges) % 2**32) == edges


def test_edges_are_counted_when_the_bindings_return_a_negative_number() -> None:
    assert edges_between(2**31 - 1, -(2**31)) == 1
    assert edges_between(-1, 0) == 1


@given(edges=st.integers(0, 1000), active=st.booleans())
def test_every_other_edge_is_an_activation(edges: int, active: bool) -> None:
    levels = [active ^ (index % 2 == 1) for index in range(edges + 1)]
    assert activations_among(edges, active=active) == sum(
        after and not before for before, after in pairwise(levels)
    )


# A contact -------------------------------------------------------------------------------------------

LOW = PinLevels(level=False, implied_level=False, edges=0, lost=0)


def tracker(
    *, active: bool = False, totals: Totals | None = None, noisy_above_hz: float = 10.0
) -> ContactTracker:
    return ContactTracker(
        active=active, at_ns=0, look=LOW, totals=totals or Totals(), noisy_above_hz=noisy_above_hz
    )


def said(contact: ContactTracker) -> tuple[SensorState, str]:
    return contact.state, contact.detail


def chatter(contact: ContactTracker, hz: float, seconds: float, *, start_ns: int = 0) -> int:
    """Toggle the contact at this rate, and return the time of the last change."""
    at_ns = start_ns
    for _ in range(round(hz * seconds)):
        at_ns += round(SECOND / hz)
        contact.observe(at_ns, active=not contact.active, lost=0)
    return at_ns


def test_contact_totals_its_activations_and_active_time() -> None:
    contact = tracker(totals=Totals(7, 100.0))
    for at_s, active in ((1, True), (4, False), (10, True), (10.5, False)):
        assert contact.observe(round(at_s * SECOND), active=active, lost=0)
    assert contact.totals == Totals(9, 103.5)


def test_active_time_counts_up_to_the_last_observation() -> None:
    contact = tracker(active=True)
    contact.poll(2 * SECOND, active=True, look=LOW)
    assert contact.totals == Totals(0, 2.0)


def test_late_observation_does_not_reduce_the_active_time() -> None:
    contact = tracker(active=True)
    contact.poll(2 * SECOND, active=True, look=LOW)
    contact.observe(1 * SECOND, active=False, lost=0)
    assert contact.totals == Totals(0, 2.0)
    assert contact.at_ns == 2 * SECOND


@given(st.lists(st.integers(0, 9), max_size=30))
def test_lost_edges_are_counted_correctly(lost_before_each: list[int]) -> None:
    """The edges occur in bursts, and only the last edge of each burst is received."""
    contact, level, truth, lost = tracker(), False, 0, 0
    for gap in lost_before_each:
        for _ in range(gap + 1):
            level = not level
            truth += level
        lost += gap
        contact.observe(contact.at_ns + SECOND, active=level, lost=lost)
    assert contact.totals.count == truth
    assert contact.active is level


def test_lost_edge_is_reported_until_the_next_observation() -> None:
    contact = tracker()
    assert contact.observe(SECOND, active=False, lost=2)
    assert said(contact) == (SensorState.EDGES_LOST, "the kernel's buffer overflowed; the count is correct")
    contact.poll(2 * SECOND, active=False, look=PinLevels(level=False, implied_level=False, edges=2, lost=2))
    assert said(contact) == (SensorState.GOOD, "")


def test_contact_that_changes_at_the_permitted_rate_is_good() -> None:
    contact = tracker(noisy_above_hz=10.0)
    chatter(contact, 9.9, 60)
    assert contact.state is SensorState.GOOD


def test_contact_that_changes_too_often_within_ten_seconds_is_noisy() -> None:
    contact = tracker(noisy_above_hz=10.0)
    chatter(contact, 11, 10)
    assert contact.state is SensorState.NOISY
    assert "more than 100 changes within 10 s" in contact.detail


def test_burst_within_the_allowance_of_ten_seconds_is_not_noise() -> None:
    contact = tracker(noisy_above_hz=10.0)
    chatter(contact, 1000, 0.1)
    assert contact.state is SensorState.GOOD


def test_lost_edges_count_as_noise_too() -> None:
    contact = tracker(noisy_above_hz=10.0)
    contact.observe(SECOND, active=True, lost=5_000)
    assert contact.state is SensorState.NOISY


def test_noise_ends_when_the_rate_falls_to_half_of_the_limit() -> None:
    contact = tracker(noisy_above_hz=10.0)
    at_ns = chatter(contact, 20, 10)
    contact.poll(at_ns + 4 * SECOND, active=contact.active, look=LOW)
    assert said(contact)[0] is SensorState.NOISY
    contact.poll(at_ns + 8 * SECOND, active=contact.active, look=LOW)
    assert said(contact)[0] is SensorState.GOOD


def looks(*pairs: tuple[bool, bool, int]) -> Iterator[PinLevels]:
    return (PinLevels(level=level, implied_level=told, edges=edges, lost=0) for level, told, edges in pairs)


def poll_all(contact: ContactTracker, *seen: tuple[bool, bool, int]) -> list[SensorState]:
    states = []
    for look in looks(*seen):
        contact.poll(contact.at_ns + SECOND, active=look.level, look=look)
        states.append(contact.state)
    return states


def test_level_and_edges_that_differ_for_three_polls_disagree() -> None:
    contact = tracker()
    assert poll_all(contact, *[(True, False, 0)] * 3) == [
        SensorState.GOOD,
        SensorState.GOOD,
        SensorState.DISAGREES,
    ]
    assert contact.detail == (
        "the pin reads high, but its last edge was to low; check that the pin delivers interrupts"
    )


def test_level_and_edges_that_differ_for_two_polls_may_be_a_pending_edge() -> None:
    seen = [(True, False, 0), (True, False, 0), (True, True, 1), (True, True, 1)]
    assert set(poll_all(tracker(), *seen)) == {SensorState.GOOD}


def test_level_that_returns_without_an_edge_still_disagrees() -> None:
    states = poll_all(tracker(), *[(True, False, 0)] * 3, (False, False, 0), (False, False, 0))
    assert states[-2:] == [SensorState.DISAGREES, SensorState.DISAGREES]


def test_edge_that_agrees_with_the_level_ends_the_disagreement() -> None:
    states = poll_all(tracker(), *[(True, False, 0)] * 3, (False, False, 2))
    assert states[-1] is SensorState.GOOD


def test_changes_without_an_edge_disagree_until_an_edge_occurs() -> None:
    contact, states = tracker(), []
    for found in (1, 2, 3, 3, 0):
        level = found % 2 == 1
        contact.poll(
            contact.at_ns + SECOND, active=level, look=PinLevels(level, level, edges=5, lost=0, found=found)
        )
        states.append(contact.state)
    assert states == [
        SensorState.GOOD,
        SensorState.GOOD,
        SensorState.DISAGREES,
        SensorState.DISAGREES,
        SensorState.GOOD,
    ]


# Pulses ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tick:
    timestamp_ns: int
    line_seqno: int


def meter(*, count: int = 0, zero_after_s: float = 2.0, dead_ns: int = 0) -> PulseMeter:
    return PulseMeter(count=count, now_ns=0, zero_after_ns=round(zero_after_s * SECOND), dead_ns=dead_ns)


def ticks(*times_s: float, first: int = 1) -> list[Tick]:
    return [Tick(round(at_s * SECOND), first + index) for index, at_s in enumerate(times_s)]


def train(hz: float, seconds: float, *, start_s: float = 0.0, first: int = 1) -> list[Tick]:
    return ticks(*(start_s + index / hz for index in range(round(hz * seconds))), first=first)


def rate(made: PulseMeter, at_s: float) -> float | None:
    return made.rate(round(at_s * SECOND))


def test_rate_is_calculated_from_time_stamps_and_not_from_the_poll_interval() -> None:
    made = meter()
    made.take(ticks(0.30, 0.40, 0.50, 0.60))
    assert rate(made, 0.65) == pytest.approx(10.0)


def test_no_pulse_and_no_time_is_left_out_between_intervals() -> None:
    made = meter()
    made.take(ticks(0.1, 0.9))
    assert rate(made, 1.0) == pytest.approx(1 / 0.8)
    made.take(ticks(1.9, first=3))
    assert rate(made, 2.0) == pytest.approx(1.0)


def test_single_pulse_gives_no_rate() -> None:
    made = meter()
    made.take(ticks(0.5))
    assert rate(made, 1.0) is None


def test_no_rate_is_reported_before_the_first_pulse_until_silence_has_lasted() -> None:
    made = meter(zero_after_s=2.0)
    assert rate(made, 1.9) is None
    assert rate(made, 2.0) == 0


def test_silence_lowers_the_rate_gradually_and_then_to_zero() -> None:
    made = meter(zero_after_s=2.0)
    made.take(train(10, 1.0))
    assert rate(made, 0.95) == pytest.approx(10)
    assert rate(made, 1.40) == pytest.approx(1 / 0.5)
    assert rate(made, 2.80) == pytest.approx(1 / 1.9)
    assert rate(made, 2.90) == 0


def test_pause_before_a_restart_does_not_affect_the_rate() -> None:
    made = meter(zero_after_s=2.0)
    made.take(train(10, 1.0))
    assert rate(made, 0.95) == pytest.approx(10)
    made.take(train(20, 0.5, start_s=60.0, first=11))
    assert rate(made, 60.5) == pytest.approx(20)


def test_first_pulse_after_a_standstill_gives_one_pulse_in_the_pause() -> None:
    made = meter(zero_after_s=2.0)
    made.take(train(10, 1.0))
    assert rate(made, 10.0) == 0
    made.take(ticks(10.5, first=11))
    assert rate(made, 11.0) == pytest.approx(1 / 9.6)
    made.take(ticks(11.5, first=12))
    assert rate(made, 11.6) == pytest.approx(1.0)


def test_flow_slower_than_one_pulse_in_zero_after_has_a_rate_that_falls_while_waiting() -> None:
    made = meter(zero_after_s=2.0)
    made.take(ticks(0.0))
    for number in range(1, 5):
        at_s = 3.0 * number
        assert rate(made, at_s - 0.01) == 0
        made.take(ticks(at_s, first=number + 1))
        for waited_s in (0.0, 0.5, 1.9):
            assert rate(made, at_s + waited_s) == pytest.approx(1 / 3)
    made.take(ticks(12.4, first=6))
    assert rate(made, 12.5) == pytest.approx(1 / 0.4)
    assert rate(made, 13.4) == pytest.approx(1)
    assert rate(made, 14.3) == pytest.approx(1 / 1.9)
    assert rate(made, 14.4) == 0
    assert made.count == 6


def test_rate_over_several_pulses_after_a_standstill_leaves_out_the_pause() -> None:
    made = meter(zero_after_s=2.0)
    made.take(ticks(0.0))
    made.take(ticks(100.0, 100.1, 100.2, first=2))
    assert rate(made, 100.25) == pytest.approx(10)
    assert rate(made, 101.2) == pytest.approx(1)


@given(st.lists(st.floats(0.05, 8.0), min_size=2, max_size=12), st.floats(0.001, 3.0))
def test_rate_without_a_new_pulse_is_at_most_one_pulse_in_the_wait(
    gaps_s: list[float], wait_s: float
) -> None:
    made, at_s = meter(zero_after_s=2.0), 0.0
    for number, gap_s in enumerate(gaps_s, start=1):
        at_s += gap_s
        made.take(ticks(at_s, first=number))
        rate(made, at_s)
    found = rate(made, at_s + wait_s)
    assert found is None or found <= 1.001 / wait_s
    if found:
        assert found <= 1.001 / gaps_s[-1]


def test_lost_pulses_in_a_pause_count_for_its_rate() -> None:
    made = meter(zero_after_s=0.5)
    made.take(ticks(0.0))
    assert rate(made, 0.6) == 0
    made.take(ticks(2.0, first=5))
    assert rate(made, 2.0) == pytest.approx(2)


def test_lost_pulses_are_counted_and_the_rate_is_correct() -> None:
    made = meter(count=1000)
    pulses = train(5000, 2.0)
    made.take(pulses[:100])
    made.take(pulses[-50:])
    assert made.count == 1000 + 10_000
    assert rate(made, 2.0) == pytest.approx(5000)
    assert made.take_lost() == 10_000 - 150
    assert made.take_lost() == 0


def test_gap_with_lost_pulses_is_not_a_standstill() -> None:
    made = meter(zero_after_s=0.5)
    made.take(ticks(0.0, 0.01))
    assert rate(made, 0.01) == pytest.approx(100)
    made.take(ticks(1.0, 1.01, first=199))
    assert rate(made, 1.01) == pytest.approx(198)


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), max_size=12), st.integers(0, 2**32 - 1))
def test_count_is_correct_whatever_is_lost_and_wherever_the_numbers_wrap(
    runs: list[tuple[int, int]], start: int
) -> None:
    made, number = meter(), start
    made._number = start
    for lost, seen in runs:
        number += lost
        batch = [Tick(number + index, (number + index) % 2**32) for index in range(1, seen + 1)]
        number += seen
        made.take(batch)
    assert made.count == number - start
    assert made.take_lost() == sum(lost for lost, _ in runs)


def test_glitch_within_the_dead_time_is_not_a_pulse() -> None:
    made = meter(dead_ns=1 * MS)
    made.take(ticks(0.1000, 0.1002, 0.1007, 0.2000, 0.2009, 0.3000))
    assert made.count == 3
    assert rate(made, 0.31) == pytest.approx(10)


def test_glitch_in_a_batch_of_its_own_is_not_a_pulse() -> None:
    made = meter(dead_ns=1 * MS)
    made.take(ticks(0.1))
    made.take(ticks(0.1002, first=2))
    assert made.count == 1


def test_pulse_just_after_the_dead_time_counts() -> None:
    made = meter(dead_ns=1 * MS)
    made.take(ticks(0.100, 0.101))
    assert made.count == 2


def test_empty_batch_changes_nothing() -> None:
    made = meter(count=5)
    made.take([])
    assert made.count == 5
