"""Switches and running-hours meters read a contact on a pin."""

import errno
import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiod.line import Bias

from sensors.driver import DriverError
from sensors.gpio.pin_keys import Pull
from sensors.kinds.manual import ManualOptions
from sensors.kinds.runtime import RuntimeDriver, RuntimeOptions
from sensors.kinds.switch import ContactDriver, ContactOptions, is_active
from sensors.sample import Sample, Totals
from sensors.sampling import Sampler
from sensors.state import SensorState
from tests.sensors.fakes import SECOND, Collector, sensor
from tests.sensors.gpio import Board, board, last, last_totals, opened

PIN = 17
CLOSED, OPEN = False, True
"""Levels of a pulled-up pin whose contact to ground is closed and open, respectively."""


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    made = board(tmp_path)
    yield made
    made.gpio.close()
    made.factory.close()


def switch(pi: Board, *, interval_s: float = 1.0, **options: Any) -> ContactDriver:
    chosen = ContactOptions(**{"pin": PIN, "debounce_s": 0.05} | options)
    driver = ContactDriver(sensor(chosen, kind="switch", unit="bool", interval_s=interval_s), gpio=pi.gpio)
    pi.drivers.append(driver)
    return driver


def hours(pi: Board, **options: Any) -> RuntimeDriver:
    chosen = RuntimeOptions(**{"pin": PIN, "debounce_s": 0.05} | options)
    driver = RuntimeDriver(sensor(chosen, kind="runtime", unit="s", interval_s=1.0), gpio=pi.gpio)
    pi.drivers.append(driver)
    return driver


def drive(pi: Board, *levels: bool, every: float = 0.2) -> None:
    for level in levels:
        pi.line(PIN).drive(level)
        pi.advance(every)


# A switch ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [True, False])
def test_switch_emits_its_state_when_it_is_opened(pi: Board, closed: bool) -> None:
    pi.line(PIN).drive(CLOSED if closed else OPEN)
    said = opened(switch(pi), Totals(3, 40.0))
    assert said == [Sample("probe", pi.kernel.boottime_ns(), closed, totals=Totals(3, 40.0))]


def test_switch_emits_a_sample_only_when_it_changes(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    pi.run(driver, 5)
    drive(pi, CLOSED)
    pi.run(driver, 5)
    drive(pi, OPEN)
    pi.run(driver, 5)
    assert said.values == [False, True, False]
    assert set(said.states) == {SensorState.GOOD}


def test_change_has_the_kernels_time_stamp_on_the_boot_clock(pi: Board) -> None:
    said = opened(switch(pi, debounce_s=0.0))
    pi.stall(3.0)
    closed_ns = pi.kernel.boottime_ns()
    pi.line(PIN).drive(CLOSED)
    pi.stall(0.8)
    pi.advance(0)
    assert last(said).boottime_ns == closed_ns


def test_after_a_suspend_changes_are_on_the_boot_clock_from_the_next_poll(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    pi.kernel.offset_ns += 3600 * SECOND
    pi.run(driver, 1)
    pi.advance(5)
    drive(pi, CLOSED, every=0.5)
    assert 0 < pi.kernel.boottime_ns() - last(said).boottime_ns < SECOND


def test_activations_and_active_seconds_are_totalled(pi: Board) -> None:
    said = opened(switch(pi, debounce_s=0.0), Totals(10, 1000.0))
    drive(pi, CLOSED, OPEN, CLOSED, OPEN, every=2.5)
    assert last(said).totals == Totals(12, 1005.0)


def test_bounce_counts_as_one_activation(pi: Board) -> None:
    said = opened(switch(pi))
    for _ in range(9):
        pi.line(PIN).flip()
        pi.advance(0.003)
    pi.advance(0.2)
    assert said.values == [False, True]
    assert last(said).totals == Totals(1, 0.0)


def test_glitch_does_not_count_as_an_activation(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    drive(pi, CLOSED, OPEN, every=0.01)
    pi.run(driver, 3)
    assert said.values == [False]


def test_release_within_the_debounce_time_is_not_lost(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    drive(pi, CLOSED, every=0.06)
    drive(pi, OPEN, CLOSED, OPEN, every=0.01)
    pi.run(driver, 1)
    assert said.values == [False, True, False]


@pytest.mark.parametrize(
    ("pull", "active_low", "normally_closed", "level", "active"),
    [
        (pull, active_low, normally_closed, level, (level != active_low) != normally_closed)
        for pull, active_low, normally_closed, level in itertools.product(Pull, *[(False, True)] * 3)
    ],
)
def test_pull_polarity_and_normally_closed_are_independent(
    pi: Board, pull: Pull, active_low: bool, normally_closed: bool, level: bool, active: bool
) -> None:
    driver = switch(pi, pull=pull, active_low=active_low, normally_closed=normally_closed)
    pi.line(PIN).drive(level)
    said = opened(driver)
    drive(pi, not level)
    biases = {Pull.UP: Bias.PULL_UP, Pull.DOWN: Bias.PULL_DOWN, Pull.NONE: Bias.DISABLED}
    assert pi.line(PIN).settings.bias is biases[pull]
    assert said.values == [active, not active]
    assert is_active(driver._options, level=level) is active


def test_broken_wire_of_a_normally_closed_contact_is_active(pi: Board) -> None:
    pi.line(PIN).drive(CLOSED)
    said = opened(switch(pi, normally_closed=True))
    pi.line(PIN).drive(None)
    pi.advance(0.2)
    assert said.values == [False, True]


def test_change_without_an_edge_is_found_by_the_next_poll(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.0)
    said = opened(driver)
    pi.line(PIN).deaf = True
    pi.line(PIN).drive(CLOSED)
    pi.stall(0.5)
    pi.poll(driver)
    assert said.values == [False, True]
    assert last(said).boottime_ns == pi.kernel.boottime_ns()
    assert last(said).totals == Totals(1, 0.0)


def test_change_missed_by_the_kernels_debounce_is_found_within_ten_seconds(pi: Board) -> None:
    """A debounced line keeps the level of its last interrupt until the driver makes the kernel read it."""
    driver = switch(pi, debounce_s=0.05)
    said = opened(driver)
    pi.line(PIN).deaf = True
    pi.line(PIN).drive(CLOSED)
    pi.run(driver, 9)
    assert said.values == [False]
    pi.run(driver, 2)
    assert said.values == [False, True]
    assert last(said).totals == Totals(1, pytest.approx(0, abs=1.1))  # type: ignore[arg-type]


def test_contact_that_stays_active_emits_its_seconds_once_per_window(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    drive(pi, CLOSED)
    pi.run(driver, 900)
    seconds = [sample.totals.seconds for sample in said if sample.totals]
    assert said.values == [False, True, True, True, True]
    assert seconds == pytest.approx([0, 0, 299, 598, 897], abs=1.5)


def test_contact_that_stays_inactive_emits_nothing(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    pi.run(driver, 900)
    assert said.values == [False]


# Running hours -------------------------------------------------------------------------------------


def test_running_hours_continue_from_the_stored_total(pi: Board) -> None:
    driver = hours(pi)
    said = opened(driver, Totals(8, 3600.0))
    assert said.values == [3600.0]
    drive(pi, CLOSED, every=0)
    pi.run(driver, 3)
    drive(pi, OPEN, every=0.5)
    pi.run(driver, 5)
    assert said.values == pytest.approx([3600, 3600, 3601, 3602, 3603, 3603], abs=0.06)
    assert last_totals(said).count == 9
    assert last_totals(said).seconds == said.values[-1]


def test_running_hours_begin_with_the_reading_of_the_hour_meter(pi: Board) -> None:
    settings = sensor(
        RuntimeOptions(PIN, debounce_s=0.05, start_s=4_444_200.0), kind="runtime", unit="s", interval_s=1.0
    )
    driver = RuntimeDriver(settings, gpio=pi.gpio)
    pi.drivers.append(driver)
    said = opened(driver, driver.first_totals)
    drive(pi, CLOSED, every=0)
    pi.run(driver, 3)
    assert said.values == pytest.approx([4_444_200, 4_444_200, 4_444_201, 4_444_202, 4_444_203], abs=0.06)
    assert last_totals(said).seconds == said.values[-1]


def test_stopped_engine_emits_nothing(pi: Board) -> None:
    driver = hours(pi)
    said = opened(driver)
    pi.run(driver, 60)
    assert said.values == [0.0]


def test_time_that_passes_while_the_driver_is_closed_is_not_counted(pi: Board) -> None:
    driver = hours(pi)
    pi.line(PIN).drive(CLOSED)
    said = opened(driver)
    pi.run(driver, 10)
    driver.close()
    pi.advance(1000)
    again = opened(driver, last_totals(said))
    pi.run(driver, 5)
    assert again.values[-1] == pytest.approx(15.0)
    assert last_totals(again).seconds == again.values[-1]


# Faults --------------------------------------------------------------------------------------------


def noise(pi: Board, driver: ContactDriver, hz: float, seconds: int) -> None:
    for _ in range(seconds):
        pi.square(PIN, hz / 2, 1.0)
        pi.poll(driver)


def test_contact_that_changes_too_often_is_noisy_and_emits_its_count_only_at_polls(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.01, noisy_above_hz=10.0)
    said = opened(driver)
    noise(pi, driver, 16, 60)
    assert last(said).state is SensorState.NOISY
    assert last_totals(said).count == 16 * 60 // 2
    assert last_totals(said).seconds == pytest.approx(30, abs=1)
    assert 100 < len(said) < 100 + 60


def test_contact_at_the_permitted_rate_is_good(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.01, noisy_above_hz=10.0)
    said = opened(driver)
    noise(pi, driver, 9, 60)
    assert set(said.states) == {SensorState.GOOD}


def test_contact_emits_its_state_when_the_noise_has_ended(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.01)
    said = opened(driver)
    noise(pi, driver, 16, 20)
    drive(pi, CLOSED)
    pi.run(driver, 15)
    assert last(said).state is SensorState.GOOD
    assert last(said).value is True
    drive(pi, OPEN)
    assert last(said).value is False


def test_noise_too_fast_for_the_buffer_is_noisy_and_still_counted(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.0)
    said = opened(driver)
    pi.square(PIN, 2_000, 1.0)
    pi.run(driver, 1)
    assert last(said).state is SensorState.NOISY
    assert last(said).value is False
    assert last_totals(said).count == 2_000


def test_edges_lost_by_the_kernel_are_counted_and_reported(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.0, noisy_above_hz=100.0)
    said = opened(driver)
    pi.square(PIN, 200, 0.2, stalled=True)
    pi.advance(0)
    assert SensorState.EDGES_LOST in said.states
    assert SensorState.NOISY not in said.states
    pi.run(driver, 1)
    assert last(said).state is SensorState.GOOD
    assert last_totals(said).count == 40


def test_edges_in_the_kernels_buffer_are_not_lost(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.0, noisy_above_hz=100.0)
    said = opened(driver)
    pi.square(PIN, 200, 0.15, stalled=True)
    pi.run(driver, 1)
    assert set(said.states) == {SensorState.GOOD}
    assert last_totals(said).count == 30


def test_pin_without_interrupts_disagrees_and_its_level_is_reported(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.0)
    said = opened(driver)
    pi.line(PIN).deaf = True
    drive(pi, CLOSED)
    pi.run(driver, 2)
    assert said.states[-1] == SensorState.GOOD
    pi.run(driver, 2)
    assert last(said).state is SensorState.DISAGREES
    assert last(said).value is True
    assert last(said).detail == (
        "the pin reads low, but its last edge was to high; check that the pin delivers interrupts"
    )
    drive(pi, OPEN)
    pi.run(driver, 1)
    assert (last(said).state, last(said).value) == (SensorState.DISAGREES, False)


def test_debounced_pin_without_interrupts_disagrees_too(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    pi.line(PIN).deaf = True
    for level in (CLOSED, OPEN, CLOSED):
        pi.line(PIN).drive(level)
        pi.run(driver, 15)
    assert said.values[-4:] == [True, False, True, True]
    assert last(said).state is SensorState.DISAGREES
    assert last(said).detail == (
        "the pin reads low, but changes without edges;"
        " check that interrupts work and that the signal is steady"
    )


def test_contact_that_never_settles_disagrees_after_a_while(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    for level in random.Random(1).choices((CLOSED, OPEN), k=120):
        pi.square(PIN, 40, 1.0)
        pi.line(PIN).drive(level)
        pi.poll(driver)
    assert last(said).state is SensorState.DISAGREES


def test_first_new_edge_ends_the_disagreement(pi: Board) -> None:
    driver = switch(pi, debounce_s=0.0)
    said = opened(driver)
    pi.line(PIN).deaf = True
    drive(pi, CLOSED)
    pi.run(driver, 5)
    pi.line(PIN).deaf = False
    drive(pi, OPEN, CLOSED)
    pi.run(driver, 1)
    assert (last(said).state, last(said).value) == (SensorState.GOOD, True)


def test_contact_with_working_interrupts_never_disagrees(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    for level in (CLOSED, OPEN) * 10:
        drive(pi, level)
        pi.run(driver, 4)
    assert set(said.states) == {SensorState.GOOD}


def test_error_for_a_pin_in_use_names_its_user_and_the_pin_works_once_it_is_free(pi: Board) -> None:
    driver = switch(pi)
    pi.line(PIN).holder = "w1-gpio"
    kept = []
    for _ in range(2):
        with pytest.raises(DriverError, match="GPIO17 on pinctrl-bcm2711 is in use by w1-gpio") as caught:
            driver.open(Collector(), resume=Totals())
        kept.append(caught.value)  # kept with its traceback, as a log record does
    pi.line(PIN).holder = ""
    assert opened(driver).values == [False]


def test_pin_that_the_header_does_not_have_is_refused_with_a_message(pi: Board) -> None:
    with pytest.raises(DriverError, match="GPIO40 cannot be used: 40 is not a valid pin name"):
        switch(pi, pin=40).open(Collector(), resume=Totals())


def test_failed_opening_leaves_the_pin_free(pi: Board) -> None:
    pi.line(PIN).refuses = OSError(errno.EINVAL, "Invalid argument")
    driver = switch(pi)
    with pytest.raises(DriverError, match="GPIO17 on pinctrl-bcm2711 cannot be used: the kernel rejects"):
        driver.open(Collector(), resume=Totals())
    assert pi.line(PIN).request is None
    pi.line(PIN).refuses = None
    assert opened(driver).values == [False]


@pytest.mark.parametrize("debounce_s", [0.0, 0.05])
def test_line_without_interrupts_fails_and_is_left_free(pi: Board, debounce_s: float) -> None:
    pi.line(PIN).interrupts = False
    driver = switch(pi, debounce_s=debounce_s)
    with pytest.raises(DriverError, match="the line has no interrupts"):
        driver.open(Collector(), resume=Totals())
    assert pi.line(PIN).request is None
    pi.line(PIN).interrupts = True
    assert opened(driver).values == [False]


def test_removed_chip_fails_the_poll_and_the_driver_can_be_closed(pi: Board) -> None:
    driver = switch(pi)
    opened(driver)
    pi.request(PIN).lose_chip()
    with pytest.raises(DriverError, match="the chip no longer exists"):
        pi.poll(driver)
    driver.close()
    driver.close()


# Opening, closing, sampling ------------------------------------------------------------------------


def test_closed_driver_emits_nothing_and_cannot_be_polled(pi: Board) -> None:
    driver = switch(pi)
    said = opened(driver)
    driver.close()
    drive(pi, CLOSED)
    assert said.values == [False]
    assert pi.line(PIN).request is None
    with pytest.raises(DriverError, match="probe is not open"):
        pi.poll(driver)


def test_options_of_another_sensor_kind_are_refused(pi: Board) -> None:
    with pytest.raises(TypeError, match="options that are not valid for kind"):
        ContactDriver(sensor(ManualOptions(), kind="switch"), gpio=pi.gpio)


def test_failing_contact_affects_no_other_sensor_and_recovers(pi: Board) -> None:
    """The sensors share a bus, as in the recorder, but without a thread."""
    said = Collector()
    busy, well = switch(pi, pin=27), switch(pi)
    pi.line(27).holder = "pps"
    sampler = Sampler([busy, well], said, clock=pi.kernel)
    (lane,) = sampler.lanes
    lane.begin()
    lane.step()
    assert said.states == [SensorState.FAILED, SensorState.GOOD]
    pi.line(27).holder = ""
    pi.advance(1.5)
    lane.step()
    assert said.states == [SensorState.FAILED, SensorState.GOOD, SensorState.GOOD]
    assert pi.kernel.boottime_ns() - last(said).boottime_ns < SECOND
