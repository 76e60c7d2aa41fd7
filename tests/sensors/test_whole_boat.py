"""The sensors of the example `workboat` report the values that the physics of its simulated parts implies."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensors.config.loader import load_sensors
from sensors.driver import Driver
from sensors.driver_context import DriverContext
from sensors.registry import make_driver
from sensors.sample import Sample, Value
from sensors.state import SensorState
from services.cli.main import main
from services.config.check import check
from services.config.understood import understood
from tests.docs.pages import DOCS, ROOT, blocks
from tests.sensors.gpio import Board, board
from tests.sensors.sysfs import Sysfs, w1_slave

FILE = ROOT / "examples/workboat/sensors.toml"
PAGE = DOCS / "whole-boat.md"
SUPPLY_V = 3.3
KELVIN = 273.15
GOOD = SensorState.GOOD


def volts(ohm: float, pull_up: float) -> float:
    """Return the voltage at a sender to ground with a pull-up resistor to 3.3 V."""
    return SUPPLY_V * ohm / (ohm + pull_up)


def mcp3008_code(at_volts: float) -> int:
    return min(int(at_volts / SUPPLY_V * 1024), 1023)


class Workboat:
    """Simulated workboat, with its chips, its wiring and the drivers of all its sensors."""

    def __init__(self, root: Path) -> None:
        self.board: Board = board(root)
        sysfs = Sysfs(root)
        self.adc = sysfs.iio("mcp3008", "spi0/spi0.0", number=0)
        thermocouple = {"in_temp_scale": 250, "in_temp_ambient_raw": 400, "in_temp_ambient_scale": "62.5"}
        sysfs.iio("maxim_thermocouple", "spi0/spi0.1", thermocouple | {"in_temp_raw": 1601}, number=1)
        # 2.048 V full scale, which the line in config.txt selects
        self.ads = sysfs.iio("ads1015", "i2c-1/1-0048", {"in_voltage0_scale": "0.0625"}, number=2)
        sysfs.iio("bme280", "i2c-1/1-0076", {"in_temp_input": 21_310, "in_pressure_input": 101.3}, number=3)
        # -150 A through 0.1 mohm are -15 mV, which the kernel converts with its default of 10 mohm
        self.battery = {"in0_input": -15, "in1_input": 12_840, "curr1_input": -1500, "shunt_resistor": 10_000}
        sysfs.hwmon("ina226", "i2c-1/1-0040", self.battery)
        for address, celsius in (("cff", 41.5), ("d01", 17.25), ("d02", 33.0), ("d03", -4.5)):
            sysfs.thermometer(f"28-0316a2795{address}", w1_slave(celsius))
        self.context = DriverContext(self.board.kernel, root=root, gpio=self.board.gpio)
        self.samples: dict[str, Sample] = {}
        self.drivers: dict[str, Driver] = {}

    def put(self, sample: Sample) -> None:
        self.samples[sample.sensor] = sample
        self.context.latest.note(sample)

    def start(self) -> None:
        for settings in load_sensors(FILE):
            driver = make_driver(settings, context=self.context)
            driver.open(self.put, resume=driver.first_totals)
            self.drivers[settings.id] = driver

    def poll(self) -> None:
        for driver in self.drivers.values():
            self.board.poll(driver)

    def sender(self, channel: int, ohm: float, pull_up: float) -> None:
        """Connect a resistive sender to an input of the MCP3008."""
        self.input(channel, volts(ohm, pull_up))

    def input(self, channel: int, at_volts: float) -> None:
        (self.adc / f"in_voltage{channel}_raw").write_text(f"{mcp3008_code(at_volts)}\n")

    def value(self, sensor: str) -> Value:
        sample = self.samples[sensor]
        assert sample.state is GOOD, f"{sensor}: {sample.state} {sample.detail}"
        return sample.value

    def number(self, sensor: str) -> float:
        value = self.value(sensor)
        assert value is not None
        return float(value)


@pytest.fixture
def boat(tmp_path: Path) -> Iterator[Workboat]:
    made = Workboat(tmp_path)
    made.sender(0, 78, 180)  # 4 bar of 10 bar between 10 and 180 ohm
    made.sender(1, 150, 240)
    made.sender(2, 933.6, 1000)  # 10 kohm * exp(3950 * (1 / 363.15 - 1 / 298.15)), at 90 °C
    made.input(3, 0.012 * 150)  # 12 mA, the middle of 4 to 20 mA
    made.sender(4, 137.5, 180)  # three quarters of the way from 10 to 180 ohm
    (made.ads / "in_voltage0_raw").write_text(f"{int(volts(78, 180) / 0.0625e-3)}\n")
    made.start()
    yield made
    for driver in made.drivers.values():
        driver.close()
    made.context.close()
    made.board.factory.close()


def test_senders_have_the_values_that_stand_on_them(boat: Workboat) -> None:
    boat.poll()
    assert boat.number("oil-pressure") == pytest.approx(4e5, abs=0.03e5)
    assert boat.number("gearbox-pressure") == pytest.approx(10e5, abs=0.002e5)
    assert boat.number("fuel") == pytest.approx(0.080, abs=0.001)
    assert boat.number("hydraulics") == pytest.approx(125e5, abs=0.35e5)
    assert boat.number("rudder") == pytest.approx(0.3927, abs=0.006)  # 22.5 °


def test_temperature_of_a_thermistor_follows_from_its_b_value(boat: Workboat) -> None:
    boat.poll()
    assert boat.number("coolant") == pytest.approx(90 + KELVIN, abs=0.4)


@pytest.mark.parametrize("sensor", ["oil-pressure", "gearbox-pressure", "fuel", "rudder", "coolant"])
def test_broken_and_shorted_wires_of_a_sender_are_faults(boat: Workboat, sensor: str) -> None:
    channel = {"oil-pressure": 0, "fuel": 1, "coolant": 2, "rudder": 4}
    for at_volts, state in ((SUPPLY_V, SensorState.OPEN), (0.0, SensorState.SHORT)):
        if sensor in channel:
            boat.input(channel[sensor], at_volts)
        else:
            code = min(int(at_volts / 0.0625e-3), 0x7FFF)
            (boat.ads / "in_voltage0_raw").write_text(f"{code}\n")
        boat.poll()
        assert (boat.samples[sensor].value, boat.samples[sensor].state) == (None, state)


def test_broken_wire_of_a_transmitter_is_a_fault(boat: Workboat) -> None:
    boat.input(3, 0.0)
    boat.poll()
    assert (boat.samples["hydraulics"].value, boat.samples["hydraulics"].state) == (None, SensorState.OPEN)


def test_chips_are_read_in_si_units(boat: Workboat) -> None:
    boat.poll()
    assert boat.number("exhaust-gas") == pytest.approx(400.25 + KELVIN)
    assert boat.number("house-voltage") == pytest.approx(12.84)
    assert boat.number("house-current") == pytest.approx(-150)
    assert boat.number("cabin") == pytest.approx(21.31 + KELVIN)
    assert boat.number("barometer") == pytest.approx(101_300)
    thermometers = {"engine-room": 41.5, "sea": 17.25, "shaft-seal": 33.0, "fridge": -4.5}
    for sensor, celsius in thermometers.items():
        assert boat.number(sensor) == pytest.approx(celsius + KELVIN)


def test_contacts_are_active_when_the_equipment_is(boat: Workboat) -> None:
    pins = {"bilge-float": 17, "bilge-pump": 27, "aft-bilge-low": 16, "aft-bilge-high": 20, "shore-power": 23}
    boat.board.line(21).drive(level=False)  # the closed contact of the smoke detector connects to ground
    boat.board.advance(1)
    boat.poll()
    assert not any(boat.value(sensor) for sensor in (*pins, "smoke"))
    for pin in pins.values():
        boat.board.line(pin).drive(level=False)
    boat.board.line(21).drive(level=None)  # smoke, or a broken wire
    boat.board.advance(1)
    boat.poll()
    assert all(boat.value(sensor) is True for sensor in (*pins, "smoke"))


def test_pump_has_a_state_a_running_time_and_a_number_of_starts(boat: Workboat) -> None:
    for level in (False, True) * 3:
        boat.board.line(27).drive(level)
        for _ in range(20):
            boat.board.advance(1)
            boat.poll()
    assert boat.value("bilge-pump") is False
    assert boat.number("bilge-pump-starts") == 3
    assert boat.number("bilge-pump-time") == pytest.approx(60, abs=0.5)


def test_engine_hours_continue_the_hour_meter(boat: Workboat) -> None:
    boat.board.line(24).drive(level=False)
    for _ in range(36):
        boat.board.advance(1)
        boat.poll()
    assert boat.number("engine-hours") == pytest.approx(1234.51 * 3600, abs=1)


def test_terminal_w_shows_the_speed_of_the_engine(boat: Workboat) -> None:
    # 1500 rpm of the engine are 3750 rpm of the alternator, whose 6 pairs of poles give 375 pulses a second
    boat.board.square(22, 375, 2)
    boat.poll()
    assert boat.number("engine-speed") == pytest.approx(1500 / 60, rel=0.01)


def test_fuel_used_is_the_difference_of_two_flow_meters(boat: Workboat) -> None:
    # 60 l/h and 48 l/h, with 2750 pulses per litre: 45.83 and 36.67 pulses a second
    halves = sorted(
        (n * 0.5 / (litres_per_hour / 3600 * 2750), pin)
        for pin, litres_per_hour in ((25, 60), (12, 48))
        for n in range(1, 180)
    )
    now = 0.0
    for at, pin in halves:
        if at > 1.8:
            break
        boat.board.advance(at - now)
        now = at
        boat.board.line(pin).flip()
    boat.poll()
    assert boat.number("fuel-supply") == pytest.approx(60e-3 / 3600, rel=0.02)
    assert boat.number("fuel-return") == pytest.approx(48e-3 / 3600, rel=0.02)
    assert boat.number("fuel-used") == pytest.approx(12e-3 / 3600, rel=0.1)


def test_configuration_check_shows_each_sensor_as_understood() -> None:
    examined = check(FILE).examined
    assert examined is not None
    assert not check(FILE).warnings
    facts = {sensor.settings.id: dict(sensor.facts) for sensor in understood(examined)}
    assert len(facts) >= 20
    assert {id_ for id_, shown in facts.items() if "path" not in shown} == set()
    assert facts["oil-pressure"]["sender"] == "10 ohm -> 0 bar, 180 ohm -> 10 bar"
    assert facts["fuel"]["sender"] == "33 ohm -> 300 l, 150 ohm -> 80 l, 240 ohm -> 0 l"
    assert facts["house-current"]["shunt"] == "500 A / 50 mV = 0.1 mohm: 1 A causes 0.1 mV"
    assert facts["fuel-used"]["value"] == "fuel-supply - fuel-return"
    assert facts["engine-speed"]["pulses"] == "100 pulses/s -> 400 rpm"
    assert facts["engine-hours"]["start"] == "the count begins at 1234.5 h"


def test_page_shows_what_the_check_shows_of_the_thermistor(capsys: pytest.CaptureFixture[str]) -> None:
    (shown,) = (block.text for block in blocks(PAGE) if block.text.startswith("coolant (Coolant)"))
    assert main(["config", "check", str(FILE)]) == 0
    printed = capsys.readouterr().out.splitlines()
    for line in shown.splitlines():
        assert [each for each in printed if each.startswith(line.removesuffix("…"))], line


def test_page_shows_the_file_of_the_example() -> None:
    shown = [block.text for block in blocks(PAGE, language="toml")]
    written = re.sub(r"\A#.*\n\n", "", FILE.read_text(encoding="utf-8"))
    assert "\n".join(shown) == written
