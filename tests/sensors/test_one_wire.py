"""Each type of thermometer on the 1-wire bus yields its temperature or a fault, never a false value."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.chips import scratchpad as bytes_of
from sensors.chips.one_wire import FAMILIES
from sensors.chips.scratchpad import Scratchpad, WireFault
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.registry import all_kinds, make_driver
from sensors.sample import Totals
from sensors.settings import SensorSettings
from sensors.state import SensorState
from sensors.toml.declarations import from_values
from sensors.toml.toml_file import ConfigurationError
from tests.sensors.fakes import Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import Sysfs, w1_slave, w1_text

ADDRESSES = {
    "ds18s20": "10-000802a1b3c4",
    "ds1822": "22-0316a2795cff",
    "ds18b20": "28-0316a2795cff",
    "ds1825": "3b-0000001c2d3e",
    "max31850": "3b-0000001c2d3e",
    "ds28ea00": "42-0000002b3c4d",
}
TWELVE_BITS = ("ds1822", "ds18b20", "ds1825", "ds28ea00")
UNMARKED = ("ds1822", "ds1825", "ds28ea00", "ds18s20")
"""Kinds whose data does not show whether 85 °C is a measurement or the value after power-up."""


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def driver(sysfs: Sysfs, kind: str, address: str | None = "", interval_s: float = 1.0) -> Driver:
    """Return the driver of a sensor. By default, the sensor has the address in `ADDRESSES`."""
    values: dict[str, Any] = {
        "address": ADDRESSES[kind] if address == "" else address,
        "measure": "temperature",
    }
    options = from_values(all_kinds()[kind].options, values)
    settings = sensor(options, kind=kind, unit="K", interval_s=interval_s)
    return make_driver(settings, context=DriverContext(FakeClock(), root=sysfs.root))


class Bench:
    """Sensor that is polled on a simulated clock. The test sets the data that its chip sends."""

    def __init__(self, sysfs: Sysfs, kind: str, interval_s: float = 1.0) -> None:
        self.device = sysfs.thermometer(ADDRESSES[kind], "")
        self.clock = FakeClock()
        self.said = Collector()
        self.driver = driver(sysfs, kind, interval_s=interval_s)
        self.interval_s = interval_s
        self.driver.open(self.said, resume=Totals())

    def read(self, text: str, times: int = 1) -> None:
        (self.device / "w1_slave").write_text(text)
        for _ in range(times):
            self.driver.poll(self.clock.advance(self.interval_s))


def ds1825(celsius: float) -> str:
    """Return the data of a DS1825. Its configuration register contains the levels of its address pins."""
    raw = round(celsius * 16) & 0xFFFF
    data = bytes((raw & 0xFF, raw >> 8, 0x4B, 0x46, 0x75, 0xFF, 0x0C, 0x10))
    return w1_text(data, round(celsius * 1000))


def ds18s20(celsius: float) -> str:
    """Return the data of a DS18S20.

    From its data sheet: temperature = TEMP_READ - 0.25 + (16 - REMAIN) / 16.
    """
    whole, part = divmod(round((celsius + 0.25) * 16) - 1, 16)
    remain = 15 - part
    raw = (2 * whole) & 0xFFFF
    data = bytes((raw & 0xFF, raw >> 8, 0x4B, 0x46, 0xFF, 0xFF, remain, 0x10))
    return w1_text(data, round(celsius * 1000))


def max31850(
    celsius: float = 0.0,
    *,
    junction: float = 21.5,
    fault: int = 0,
    cause: int = 0,
    millidegrees: int = -123_456,
) -> str:
    """Return the data of a MAX31850. By default, the kernel's temperature is wrong, as on old kernels."""
    raw = (round(celsius * 4) << 2) & 0xFFFF | fault
    cold = (round(junction * 16) << 4) & 0xFFFF | cause
    data = bytes((raw & 0xFF, raw >> 8, cold & 0xFF, cold >> 8, 0xF5, 0xFF, 0xFF, 0xFF))
    return w1_text(data, millidegrees)


SENT = {
    "ds18s20": ds18s20,
    "ds1822": w1_slave,
    "ds18b20": w1_slave,
    "ds1825": ds1825,
    "max31850": max31850,
    "ds28ea00": w1_slave,
}
"""Function that returns the data that a chip sends at a temperature, by the chip's kind."""


class TestTemperature:
    @pytest.mark.parametrize("kind", SENT)
    @pytest.mark.parametrize("celsius", [-10.5, 0.0, 21.25, 84.75])
    def test_reading_is_in_kelvin(self, sysfs: Sysfs, kind: str, celsius: float) -> None:
        sysfs.thermometer(ADDRESSES[kind], SENT[kind](celsius))
        sample = read_once(driver(sysfs, kind))
        assert sample.value == pytest.approx(celsius + 273.15)
        assert sample.state is SensorState.GOOD

    @pytest.mark.parametrize(
        ("kind", "beyond"),
        [
            ("ds18s20", 125.25),
            ("ds1822", 125.25),
            ("ds1825", 125.25),
            ("ds28ea00", 85.25),
            ("ds28ea00", -40.25),
            ("max31850", 1768.25),
            ("max31850", -270.25),
        ],
    )
    def test_reading_outside_the_data_sheets_range_has_no_value(
        self, sysfs: Sysfs, kind: str, beyond: float
    ) -> None:
        sysfs.thermometer(ADDRESSES[kind], SENT[kind](beyond))
        sample = read_once(driver(sysfs, kind))
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)

    @given(quarters=st.integers(-(1 << 13), (1 << 13) - 1), junction=st.integers(1, 2000))
    def test_every_temperature_of_a_max31850_is_computed_from_its_bytes(
        self, quarters: int, junction: int
    ) -> None:
        found = bytes_of.parse_scratchpad(max31850(quarters / 4, junction=junction / 16))
        assert found is not None
        assert bytes_of.max31850(found) == quarters / 4

    @given(data=st.binary(min_size=9, max_size=9), millidegrees=st.integers(-200_000, 200_000))
    def test_ds18s20_with_impossible_counters_has_no_temperature(
        self, data: bytes, millidegrees: int
    ) -> None:
        sent = Scratchpad(data, crc_good=True, millidegrees=millidegrees)
        if data[7] > 0 and data[6] <= data[7]:
            assert bytes_of.ds18s20(sent) == millidegrees / 1000
        else:
            with pytest.raises(DriverError, match="COUNT"):
                bytes_of.ds18s20(sent)

    @given(data=st.binary(min_size=9, max_size=9), millidegrees=st.integers(-200_000, 200_000))
    def test_chip_of_family_3b_is_a_temperature_for_at_most_one_kind(
        self, data: bytes, millidegrees: int
    ) -> None:
        sent = Scratchpad(data, crc_good=True, millidegrees=millidegrees)
        temperatures = []
        for convert in (bytes_of.ds1825, bytes_of.max31850):
            try:
                temperatures.append(convert(sent))
            except DriverError:
                continue
        assert len(temperatures) <= 1


class TestPowerUp:
    @pytest.mark.parametrize("kind", UNMARKED)
    def test_85_degrees_are_accepted_only_after_a_similar_reading(self, sysfs: Sysfs, kind: str) -> None:
        bench = Bench(sysfs, kind)
        bench.read(SENT[kind](85))
        assert bench.said.values == []
        for celsius, believed in ((60, True), (85, False), (84.5, True), (85, True)):
            before = len(bench.said)
            bench.read(SENT[kind](celsius))
            assert (len(bench.said) > before) is believed

    def test_bytes_of_a_ds18s20_after_power_up_are_those_of_85_degrees(self) -> None:
        assert ds18s20(85).startswith("aa 00 4b 46 ff ff 0c 10")

    @pytest.mark.parametrize("kind", UNMARKED)
    def test_power_up_value_that_stays_is_a_fault(self, sysfs: Sysfs, kind: str) -> None:
        bench = Bench(sysfs, kind)
        bench.read(SENT[kind](20))
        with pytest.raises(DriverError, match=r"85 °C, because the sensor was just reset.*supply wire"):
            bench.read(SENT[kind](85), times=11)
        assert bench.said.values == [293.15]

    @pytest.mark.parametrize("kind", UNMARKED)
    def test_sensor_that_loses_its_supply_near_85_degrees_is_a_fault_after_10_minutes(
        self, sysfs: Sysfs, kind: str
    ) -> None:
        bench = Bench(sysfs, kind, interval_s=10.0)
        bench.read(SENT[kind](84))
        with pytest.raises(DriverError, match=r"exactly 85 °C for more than 10 min; .* lost its supply"):
            bench.read(SENT[kind](85), times=70)
        assert len(bench.said) == 61

    @pytest.mark.parametrize("kind", UNMARKED)
    def test_engine_at_85_degrees_is_not_a_fault(self, sysfs: Sysfs, kind: str) -> None:
        bench = Bench(sysfs, kind, interval_s=10.0)
        for _ in range(10):
            bench.read(SENT[kind](84.75))
            bench.read(SENT[kind](85), times=30)
        assert set(bench.said.states) == {"good"}
        assert len(bench.said) == 310

    def test_slow_sensor_may_read_85_degrees(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs, "ds18s20", interval_s=1000.0)
        bench.read(ds18s20(84.75))
        bench.read(ds18s20(85), times=3)
        assert set(bench.said.states) == {"good"}

    def test_ds18s20_without_counters_is_a_fault_and_not_0_degrees(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs, "ds18s20")
        with pytest.raises(DriverError, match="0 as COUNT PER °C"):
            bench.read(w1_text(bytes((0x32, 0, 0x4B, 0x46, 0xFF, 0xFF, 0x0C, 0)), 0), times=12)
        assert bench.said.values == []


class TestThermocouple:
    @pytest.mark.parametrize(
        ("cause", "state", "detail"),
        [
            (1, SensorState.OPEN, "the thermocouple is open"),
            (2, SensorState.SHORT, "touches ground"),
            (4, SensorState.SHORT, "touches the supply"),
        ],
    )
    def test_fault_of_the_wires_is_reported_at_once_with_its_cause(
        self, sysfs: Sysfs, cause: int, state: SensorState, detail: str
    ) -> None:
        sysfs.thermometer(ADDRESSES["max31850"], max31850(400, fault=1, cause=cause))
        sample = read_once(driver(sysfs, "max31850"))
        assert (sample.value, sample.state) == (None, state)
        assert detail in sample.detail

    @given(quarters=st.integers(-(1 << 13), (1 << 13) - 1), cause=st.integers(1, 7), fault=st.booleans())
    def test_no_fault_has_a_temperature(self, quarters: int, cause: int, fault: bool) -> None:
        found = bytes_of.parse_scratchpad(max31850(quarters / 4, fault=int(fault), cause=cause))
        assert found is not None
        assert isinstance(bytes_of.max31850(found), WireFault)

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            (max31850(400, fault=1), "reports a fault without a cause"),
            (max31850(0, junction=0), "has not converted yet"),
            (ds1825(21), 'this chip is a DS1825, .* write kind = "ds1825"'),
        ],
    )
    def test_chip_without_a_temperature_is_a_fault(self, sysfs: Sysfs, text: str, why: str) -> None:
        bench = Bench(sysfs, "max31850")
        with pytest.raises(DriverError, match=why):
            bench.read(text, times=12)
        assert bench.said.values == []

    def test_0_degrees_are_accepted_from_a_chip_that_is_warm(self, sysfs: Sysfs) -> None:
        sysfs.thermometer(ADDRESSES["max31850"], max31850(0))
        assert read_once(driver(sysfs, "max31850")).value == 273.15

    def test_thermocouple_read_as_a_ds1825_is_a_fault(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs, "ds1825")
        with pytest.raises(DriverError, match='MAX31850 or MAX31851; write kind = "max31850"'):
            bench.read(max31850(400), times=12)
        assert bench.said.values == []

    def test_other_chip_of_family_3b_is_a_fault(self, sysfs: Sysfs) -> None:
        bench = Bench(sysfs, "ds1825")
        with pytest.raises(DriverError, match="byte 4 is 0x85, which no DS1825 sends"):
            bench.read(w1_text(bytes((0x50, 1, 0x4B, 0x46, 0x85, 0xFF, 0x0C, 0x10)), 21_000), times=12)


class TestBus:
    @pytest.mark.parametrize("kind", SENT)
    def test_wrong_checksum_has_no_value(self, sysfs: Sysfs, kind: str) -> None:
        bench = Bench(sysfs, kind)
        with pytest.raises(DriverError, match="the CRC is wrong; check the length of the wire"):
            bench.read(SENT[kind](21).replace("YES", "NO"), times=12)
        assert bench.said.values == []

    @pytest.mark.parametrize("kind", SENT)
    def test_shorted_data_wire_has_no_value(self, sysfs: Sysfs, kind: str) -> None:
        zeros = f"{'00 ' * 9}: crc=00 YES\n{'00 ' * 9}t=0\n"
        bench = Bench(sysfs, kind)
        with pytest.raises(DriverError, match="shorted to ground"):
            bench.read(zeros, times=12)
        assert bench.said.values == []

    @pytest.mark.parametrize("kind", SENT)
    def test_only_chip_of_its_family_needs_no_address(self, sysfs: Sysfs, kind: str) -> None:
        own = ADDRESSES[kind]
        sysfs.thermometer(own, SENT[kind](21))
        for other in set(ADDRESSES.values()) - {own}:
            sysfs.thermometer(other, "")
        assert read_once(driver(sysfs, kind, address=None)).value == 294.15

    @pytest.mark.parametrize("kind", SENT)
    def test_error_names_the_kind_of_the_chip_that_answers_instead(self, sysfs: Sysfs, kind: str) -> None:
        other = "ds18s20" if kind == "ds18b20" else "ds18b20"
        sysfs.thermometer(ADDRESSES[other], "")
        with pytest.raises(DriverError, match=rf'but {ADDRESSES[other]} does, .*kind = "{other}"'):
            read_once(driver(sysfs, kind, address=None))

    def test_missing_chip_is_reported_with_those_of_all_families(self, sysfs: Sysfs) -> None:
        sysfs.thermometer("10-000000000001", "")
        sysfs.thermometer("42-000000000002", "")
        with pytest.raises(DriverError, match="others that answer: 10-000000000001, 42-000000000002"):
            read_once(driver(sysfs, "ds18b20"))


class TestConfiguration:
    SENSOR = '[[sensor]]\nid = "t{0}"\nkind = "{1}"\npath = "environment.inside.t{0}.temperature"\n'

    def load(self, folder: Path, *sensors: str) -> tuple[SensorSettings, ...]:
        file = folder / "sensors.toml"
        file.write_text("\n".join(sensors))
        return tuple(load_sensors(file))

    def test_every_family_has_a_kind_for_each_of_its_chips(self) -> None:
        assert {chip.lower() for family in FAMILIES.values() for chip in family.chips} == set(SENT)
        assert set(SENT) <= set(all_kinds())

    def test_one_sensor_of_each_kind_without_an_address_share_a_bus(self, tmp_path: Path) -> None:
        kinds = ("ds18s20", "ds1822", "ds18b20", "ds1825", "ds28ea00")
        sensors = self.load(tmp_path, *(self.SENSOR.format(n, kind) for n, kind in enumerate(kinds)))
        assert [each.kind for each in sensors] == list(kinds)
        assert kernel_configuration(sensors).lines == ("dtoverlay=w1-gpio",)

    @pytest.mark.parametrize("kind", SENT)
    def test_address_of_another_family_is_refused_with_its_kind(self, tmp_path: Path, kind: str) -> None:
        other = "ds18s20" if kind == "ds18b20" else "ds18b20"
        with pytest.raises(
            ConfigurationError, match=rf'address of a {other.upper()}, not of a .*kind = "{other}"'
        ):
            self.load(tmp_path, self.SENSOR.format(0, kind) + f'address = "{ADDRESSES[other]}"\n')

    def test_address_with_two_kinds_is_refused(self, tmp_path: Path) -> None:
        address = f'address = "{ADDRESSES["ds1825"]}"\n'
        with pytest.raises(
            ConfigurationError, match=r"different chip at the same address \(w1, 3b-0000001c2d3e\)"
        ):
            self.load(
                tmp_path,
                self.SENSOR.format(0, "ds1825") + address,
                self.SENSOR.format(1, "max31850") + address,
            )
