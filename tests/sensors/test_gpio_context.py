"""Drivers of sensors on pins share a single GPIO context."""

from pathlib import Path

import pytest

from sensors.driver import Driver, DriverError
from sensors.gpio.context import GpioContext
from sensors.gpio.pinfactory import GpiodFactory
from sensors.kinds.pulse import PulseDriver, PulseOptions
from sensors.kinds.simulated import SimulatedDriver, SimulatedOptions
from sensors.kinds.switch import ContactDriver, ContactOptions
from sensors.sample import Totals
from sensors.sampling import Sampler
from sensors.state import SensorState
from tests.sensors.fakes import Collector, sensor
from tests.sensors.gpio import HandCranked, Machine, not_a_pi


def context(machine: Machine) -> GpioContext:
    kernel = machine.kernel
    return GpioContext(
        kernel,
        make_factory=lambda: GpiodFactory(
            opener=machine.opener,
            devices=machine.devices,
            monotonic_ns=kernel.monotonic_ns,
            watcher=HandCranked,
            revision=not_a_pi,
        ),
        monotonic_ns=kernel.monotonic_ns,
    )


def drivers(gpio: GpioContext) -> list[Driver]:
    return [
        ContactDriver(sensor(ContactOptions(17), kind="switch", id="float"), gpio=gpio),
        ContactDriver(sensor(ContactOptions(22), kind="runtime", id="hours"), gpio=gpio),
        PulseDriver(sensor(PulseOptions(27, pulses_per_unit=12.0), kind="pulse", id="rpm"), gpio=gpio),
        SimulatedDriver(sensor(SimulatedOptions("tank"), id="tank")),
    ]


def test_without_a_header_only_the_sensors_on_pins_fail(tmp_path: Path) -> None:
    machine, said = Machine(tmp_path), Collector()
    machine.chip("pl061", lines=8)
    for lane in Sampler(drivers(context(machine)), said, clock=machine.kernel).lanes:
        lane.begin()
        lane.step()
    states = {sample.sensor: sample.state for sample in said}
    assert states == {
        "float": SensorState.FAILED,
        "hours": SensorState.FAILED,
        "rpm": SensorState.FAILED,
        "tank": SensorState.GOOD,
    }
    assert all("found gpiochip0 (pl061)" in sample.detail for sample in said if sample.value is None)


def test_header_that_appears_later_is_found(tmp_path: Path) -> None:
    machine, said = Machine(tmp_path), Collector()
    (lane, _) = Sampler(drivers(context(machine)), said, clock=machine.kernel).lanes
    lane.begin()
    lane.step()
    machine.chip("pinctrl-rp1")
    said.clear()
    machine.kernel.move_to(machine.kernel.now_ns + 1_100_000_000)
    lane.step()
    assert {(sample.sensor, sample.state) for sample in said} == {
        ("float", SensorState.GOOD),
        ("hours", SensorState.GOOD),
    }
    assert machine.chips[str(tmp_path / "gpiochip0")].lines[27].request is not None


def test_all_drivers_share_one_chip_and_closing_releases_everything(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    chip = machine.chip("pinctrl-rp1")
    gpio = context(machine)
    opened = drivers(gpio)[:3]
    for driver in opened:
        driver.open(Collector(), resume=Totals())
    with gpio.pin(17) as one, gpio.pin(27) as other:
        assert one is other
    gpio.close()
    gpio.close()
    assert not chip.open
    for driver in opened:
        driver.close()
    assert [line.offset for line in chip.lines if line.request] == []


def test_no_line_is_requested_before_a_driver_opens(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    chip = machine.chip("pinctrl-rp1")
    gpio = context(machine)
    drivers(gpio)
    assert not chip.open
    gpio.close()


def test_error_unrelated_to_a_pin_is_not_translated(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.chip("pinctrl-rp1")
    gpio = context(machine)
    with pytest.raises(ZeroDivisionError), gpio.pin(17):
        raise ZeroDivisionError
    with pytest.raises(DriverError, match="as it is"), gpio.pin(17):
        raise DriverError("as it is")
    gpio.close()
