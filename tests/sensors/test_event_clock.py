"""Time stamps on the kernel's event clock are converted to the boot clock."""

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
def test_error_of_the_offset_is_at_most_half_of_the_shortest_measurement(
    offset: int, readings: list[tuple[int, int, int]]
) -> None:
    measured = clock_offset(
        (before, before + first + offset, before + first + second) for before, first, second in readings
    )
    assert abs(measured - offset) <= min(first + second for _, first, second in readings) // 2 + 1


def test_time_stamp_is_converted_to_the_boot_clock() -> None:
    kernel = Kernel()
    clock = EventClock(kernel, kernel.monotonic_ns)
    assert clock.boottime_ns(kernel.now_ns) == kernel.now_ns + BOOT_OFFSET


def test_suspend_changes_the_offset() -> None:
    kernel = Kernel()
    clock = EventClock(kernel, kernel.monotonic_ns)
    kernel.offset_ns += 60 * SECOND
    clock.refresh()
    assert clock.boottime_ns(kernel.now_ns) == kernel.boottime_ns()


def test_small_measurement_differences_do_not_change_the_offset() -> None:
    kernel = Kernel()
    clock = EventClock(kernel, kernel.monotonic_ns)
    kernel.offset_ns += 1_000_000
    clock.refresh()
    assert clock.boottime_ns(kernel.now_ns) == kernel.now_ns + BOOT_OFFSET


def test_time_stamp_on_this_machine_is_between_earlier_and_later_boot_clock_readings() -> None:
    clock, slack_ns = EventClock(SystemClock()), SECOND // 10
    before_ns = SystemClock().boottime_ns()
    stamp_ns = time.monotonic_ns()
    after_ns = SystemClock().boottime_ns()
    assert before_ns - slack_ns <= clock.boottime_ns(stamp_ns) <= after_ns + slack_ns
