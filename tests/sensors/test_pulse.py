"""Pulses are counted by the kernel's edge numbers and timed by its time stamps."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiod.line import Bias, Edge
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.driver import DriverError
from sensors.gpio.context import GpioContext
from sensors.gpio.pin_keys import Pull
from sensors.gpio.pinfactory import GpiodFactory
from sensors.kinds.manual import ManualOptions
from sensors.kinds.pulse import PulseDriver, PulseOptions
from sensors.sample import Sample, Totals
from sensors.state import SensorState
from tests.sensors.fakes import SECOND, Collector, sensor
from tests.sensors.gpio import Board, Kernel, Machine, board, last, last_totals, not_a_pi, opened

PIN = 27


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    made = board(tmp_path)
    yield made
    made.gpio.close()
    made.factory.close()


def pulse(pi: Board, **options: Any) -> PulseDriver:
    chosen = PulseOptions(**{"pin": PIN, "pulses_per_unit": 1.0} | options)
    return PulseDriver(sensor(chosen, kind="pulse", unit="Hz"), gpio=pi.gpio)


def spin(pi: Board, driver: PulseDriver, hz: float, seconds: int) -> int:
    """Generate pulses for `seconds`, poll once a second, and return the number of pulses."""
    made = 0
    for _ in range(seconds):
        made += pi.square(PIN, hz, 1.0)
        pi.poll(driver)
    return made


# Rate ----------------------------------------------------------------------------------------------


def test_rate_is_in_units_and_not_in_pulses(pi: Board) -> None:
    driver = pulse(pi, pulses_per_unit=12)
    said = opened(driver)
    spin(pi, driver, 360, 3)
    assert said.values == pytest.approx([30.0] * 3)
    assert set(said.states) == {SensorState.GOOD}


def test_rate_uses_the_kernels_time_stamps_however_late_the_poll(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    for late_s in (0.0, 0.3, 0.0):
        pi.square(PIN, 50, 1.0)
        pi.stall(late_s)
        pi.poll(driver)
    assert said.values[:2] == pytest.approx([50.0, 50.0])
    assert said.values[2] == pytest.approx(50 / 1.3)  # there was a real pause in the pulses


def test_slow_pulses_are_measured_across_polls(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    for _ in range(20):
        pi.square(PIN, 0.8, 1 / 0.8)
        pi.poll(driver)
    assert said.values[1:] == pytest.approx([0.8] * (len(said) - 1))


def test_engine_that_stops_is_at_zero_after_the_configured_silence(pi: Board) -> None:
    driver = pulse(pi, zero_after_s=2.0)
    said = opened(driver)
    spin(pi, driver, 100, 2)
    pi.run(driver, 4)
    assert said.values[1] == pytest.approx(100)
    assert 0 < float(said.values[2] or 0) <= 1.01
    assert said.values[3:] == [0, 0, 0]


def test_stopped_engine_is_at_zero(pi: Board) -> None:
    driver = pulse(pi, zero_after_s=2.0)
    said = opened(driver)
    pi.run(driver, 4)
    assert said.values == [0, 0, 0]
    assert last(said) == Sample("probe", pi.kernel.boottime_ns(), 0.0, totals=Totals())


def test_pause_before_a_start_does_not_affect_the_rate(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    spin(pi, driver, 100, 2)
    pi.run(driver, 60)
    spin(pi, driver, 40, 1)
    assert said.values[-1] == pytest.approx(40)


# Total ---------------------------------------------------------------------------------------------


def test_total_continues_from_the_stored_value(pi: Board) -> None:
    driver = pulse(pi, measure="total", pulses_per_unit=450_000.0)
    said = opened(driver, Totals(900_000, 12.0))
    spin(pi, driver, 450, 2)
    pi.run(driver, 3)
    assert said.values == pytest.approx([2.001, 2.002, 2.002, 2.002, 2.002])
    assert last(said).totals == Totals(900_900, 12.0)


def test_total_is_emitted_before_the_first_pulse(pi: Board) -> None:
    driver = pulse(pi, measure="total")
    said = opened(driver, Totals(42))
    pi.poll(driver)
    assert said.values == [42]


def test_rate_samples_also_contain_the_count(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver, Totals(1_000))
    made = spin(pi, driver, 100, 3)
    assert last(said).totals == Totals(1_000 + made)


def test_count_continues_across_a_restart_of_the_driver(pi: Board) -> None:
    driver = pulse(pi, measure="total")
    said = opened(driver)
    spin(pi, driver, 100, 2)
    driver.close()
    pi.square(PIN, 100, 1.0)
    again = opened(driver, last_totals(said))
    spin(pi, driver, 100, 1)
    assert again.values == [300]


# Speed and loss ------------------------------------------------------------------------------------


def test_five_kilohertz_are_counted_exactly(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    made = spin(pi, driver, 5_000, 2)
    assert set(said.states) == {SensorState.GOOD}
    assert said.values == pytest.approx([5_000.0] * 2)
    assert last(said).totals == Totals(made)


def test_fast_sensor_wakes_the_thread_at_most_25_times_a_second(pi: Board) -> None:
    driver = pulse(pi)
    opened(driver)
    pi.square(PIN, 5_000, 1.0)
    assert pi.request(PIN).reads <= 26


def test_pulses_during_a_stall_of_the_thread_are_not_lost_while_the_buffer_lasts(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    pi.square(PIN, 5_000, 0.2, stalled=True)
    pi.poll(driver)
    assert last(said).state is SensorState.GOOD
    assert last(said).value == pytest.approx(5_000)


def test_overflow_of_the_kernels_buffer_is_reported_and_count_and_rate_are_correct(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    made = spin(pi, driver, 5_000, 1)
    made += pi.square(PIN, 5_000, 1.0, stalled=True)
    pi.poll(driver)
    assert last(said).state is SensorState.EDGES_LOST
    assert last(said).value == pytest.approx(5_000)
    assert last(said).totals == Totals(made)
    # the thread's last pause was 40 ms long, so the buffer also contained pulses from that time
    assert 3_900 < int(last(said).detail.split()[3]) < 4_200
    spin(pi, driver, 5_000, 1)
    assert last(said).state is SensorState.GOOD


@settings(max_examples=25, deadline=None)
@given(
    bursts=st.lists(st.tuples(st.integers(0, 2_500), st.booleans(), st.booleans()), max_size=8),
    start=st.sampled_from([0, 2**31 - 500, 2**32 - 500]),
)
def test_count_is_correct_after_any_bursts_stalls_and_polls(
    tmp_path_factory: pytest.TempPathFactory, bursts: list[tuple[int, bool, bool]], start: int
) -> None:
    pi = board(tmp_path_factory.mktemp("dev"))
    driver = pulse(pi, measure="total")
    said = opened(driver)
    pi.line(PIN).start_numbering_at(start)
    assert driver._meter is not None
    driver._meter._number = start
    for pulses, stalled, polled in bursts:
        pi.square(PIN, 10_000, pulses / 10_000, stalled=stalled)
        if polled:
            pi.poll(driver)
    pi.poll(driver)
    assert last(said).value == sum(pulses for pulses, _, _ in bursts)
    pi.factory.close()


def test_rate_above_the_equipments_maximum_is_noise(pi: Board) -> None:
    driver = pulse(pi, max_hz=1_000.0)
    said = opened(driver)
    spin(pi, driver, 1_500, 2)
    assert set(said.states) == {SensorState.NOISY}
    assert said.values == pytest.approx([1_500.0] * 2, rel=1e-4)
    assert last(said).detail == "1500 pulses/s exceed the limit of 1000 pulses/s"


def test_rate_up_to_the_equipments_maximum_is_not_noise(pi: Board) -> None:
    driver = pulse(pi, max_hz=1_000.0)
    said = opened(driver)
    spin(pi, driver, 990, 2)
    assert set(said.states) == {SensorState.GOOD}


# Glitches ------------------------------------------------------------------------------------------


def ring(pi: Board, pulses: int, *, gap_s: float) -> None:
    """Generate pulses that are each followed by two glitches."""
    line = pi.line(PIN)
    for _ in range(pulses):
        for _ in range(6):
            line.flip()
            pi.advance(0.00005)
        pi.advance(gap_s - 0.0003)


def test_glitch_filter_shorter_than_a_kernel_tick_passes_fast_pulses(pi: Board) -> None:
    driver = pulse(pi, debounce_s=0.0005)
    said = opened(driver)
    ring(pi, 500, gap_s=0.002)
    pi.poll(driver)
    assert last(said).value == pytest.approx(500)
    assert last(said).totals == Totals(500)


def test_without_a_glitch_filter_every_edge_counts(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    ring(pi, 500, gap_s=0.002)
    pi.poll(driver)
    assert last(said).totals == Totals(1500)


def test_long_glitch_filter_uses_the_kernels_debounce(pi: Board) -> None:
    driver = pulse(pi, debounce_s=0.02)
    said = opened(driver)
    assert pi.line(PIN).settings.debounce_period.total_seconds() == 0.02
    line = pi.line(PIN)
    for _ in range(5):
        for _ in range(3):
            line.flip()
            pi.advance(0.005)
        pi.advance(0.1)
        line.flip()
        pi.advance(0.1)
    pi.poll(driver)
    assert last(said).totals == Totals(5)


# The line ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pull", "bias"), [(Pull.UP, Bias.PULL_UP), (Pull.DOWN, Bias.PULL_DOWN), (Pull.NONE, Bias.DISABLED)]
)
@pytest.mark.parametrize("active_low", [False, True])
def test_pulse_is_one_edge_from_inactive_to_active(
    pi: Board, pull: Pull, bias: Bias, active_low: bool
) -> None:
    pi.line(PIN).drive(active_low)
    driver = pulse(pi, pull=pull, active_low=active_low, measure="total")
    said = opened(driver)
    asked = pi.line(PIN).settings
    assert (asked.bias, asked.edge_detection, asked.active_low) == (bias, Edge.RISING, active_low)
    pi.line(PIN).flip()
    pi.poll(driver)
    assert said.values == [1]
    pi.line(PIN).flip()
    pi.poll(driver)
    assert said.values == [1, 1]


def test_error_for_a_line_in_use_names_its_user(pi: Board) -> None:
    pi.line(PIN).holder = "pps"
    driver = pulse(pi)
    with pytest.raises(DriverError, match="GPIO27 on pinctrl-bcm2711 is in use by pps"):
        driver.open(Collector(), resume=Totals())
    driver.close()
    pi.line(PIN).holder = ""
    opened(driver)


@pytest.mark.parametrize("pin", [28, 48, 100])
def test_line_that_is_not_on_the_header_is_never_touched(pi: Board, pin: int) -> None:
    """Lines 48 to 53 belong to the SD card on a Pi 3."""
    with pytest.raises(DriverError, match=f"GPIO{pin} cannot be used: {pin} is not a valid pin name"):
        pulse(pi, pin=pin).open(Collector(), resume=Totals())


def test_removed_chip_fails_the_poll_and_does_not_busy_the_thread(pi: Board) -> None:
    driver = pulse(pi)
    opened(driver)
    pi.request(PIN).lose_chip()
    pi.advance(1.0)
    assert pi.watcher.next_ns() is None
    pi.request(PIN).gone = None  # the watcher does not wait for this line again, even if it reappears
    with pytest.raises(
        DriverError, match="GPIO27 on pinctrl-bcm2711 cannot be used: the chip no longer exists"
    ):
        pi.poll(driver)
    driver.close()
    driver.close()


def test_closed_driver_releases_its_line_and_cannot_be_polled(pi: Board) -> None:
    driver = pulse(pi)
    said = opened(driver)
    driver.close()
    assert pi.line(PIN).request is None
    pi.square(PIN, 100, 1.0)
    with pytest.raises(DriverError, match="probe is not open"):
        pi.poll(driver)
    assert said == []


def test_options_of_another_sensor_kind_are_refused(pi: Board) -> None:
    with pytest.raises(TypeError, match="options that are not valid for kind"):
        PulseDriver(sensor(ManualOptions(), kind="pulse"), gpio=pi.gpio)


def test_factorys_thread_empties_the_buffer_between_polls(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    chip = machine.chip("pinctrl-bcm2835")
    factory = GpiodFactory(opener=machine.opener, devices=tmp_path, revision=not_a_pi)
    gpio = GpioContext(Kernel(), make_factory=lambda: factory)
    options = PulseOptions(pin=PIN, pulses_per_unit=1.0, measure="total")
    driver = PulseDriver(sensor(options, kind="pulse"), gpio=gpio)
    emptied = threading.Event()
    said = opened(driver)
    line = driver._line
    assert line is not None
    service = line.service

    def and_say_so(now_ns: int) -> None:
        service(now_ns)
        emptied.set()

    line.service = and_say_so  # type: ignore[method-assign]
    for _ in range(4):
        emptied.clear()
        for _ in range(2 * 500):
            chip.lines[PIN].flip()
        assert emptied.wait(10)
    driver.poll(SECOND)
    assert said.values == [2_000]
    driver.close()
    gpio.close()
