"""The kernel's event clock and its relation to the boot clock."""

import time

from hypothesis import given
from hypothesis import strategies as st

from sensors.clock import SystemClock
from sensors.gpio.event_clock import EventClock, clock_offset
from tests.sensors.fakes import SECOND
from tests.sensors.gpio import BOOT_OFFSET, Kernel


@given(
    offset=st.integers(0, 10**15),
    readings=st.lists(
        st.tuples(st.integers(0, 10**15), st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1
    ),
)
def test_the_offset_is_off_by_no_more_than_half_of_the_least_disturbed_measurement(
    offset: int, readings: list[tuple[int, int, int]]
) -> None:
    measured = clock_offset(
        (before, before + first + offset, before + first + second) for before, first, second in readings
    )
    assert abs(measured - offset) <= min(first + second for _, first, second in readings) // 2 + 1


def test_a_stamp_becomes_the_boot_clock_time() -> None:
    kernel = Kernel()
    clock = EventClock(kernel, kernel.monotonic_ns)
    assert clock.boottime_ns(kernel.now_ns) == kernel.now_ns + BOOT_OFFSET


def test_a_suspend_moves_the_offset() -> None:
    kernel = Kernel()
    clock = EventClock(kernel, kernel.monotonic_ns)
    kernel.offset_ns += 60 * SECOND
    clock.refresh()
    assert clock.boottime_ns(kernel.now_ns) == kernel.boottime_ns()


def test_what_measuring_costs_does_not_move_the_offset() -> None:
    kernel = Kernel()
    clock = EventClock(kernel, kernel.monotonic_ns)
    kernel.offset_ns += 1_000_000
    clock.refresh()
    assert clock.boottime_ns(kernel.now_ns) == kernel.now_ns + BOOT_OFFSET


def test_on_this_machine_a_stamp_lies_between_the_boot_clock_before_and_after_it() -> None:
    clock, slack_ns = EventClock(SystemClock()), SECOND // 10
    before_ns = SystemClock().boottime_ns()
    stamp_ns = time.monotonic_ns()
    after_ns = SystemClock().boottime_ns()
    assert before_ns - slack_ns <= clock.boottime_ns(stamp_ns) <= after_ns + slack_ns
