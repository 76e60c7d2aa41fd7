"""Readings of an SHT3x are in SI units, and a broken data wire is never reported as a humidity."""

from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.sht3x import CHIP, MEASUREMENTS, Sht3xOptions
from sensors.registry import make_driver
from sensors.state import SensorState
from tests.sensors.fakes import FakeClock, read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def sht3x(sysfs: Sysfs, measure: str, address: int | None = 0x44) -> Driver:
    settings = sensor(Sht3xOptions(address=address, measure=measure), kind="sht3x")
    return make_driver(settings, context=DriverContext(FakeClock(), root=sysfs.root))


def chip(sysfs: Sysfs, temperature: object, humidity: object) -> Path:
    """Create an SHT3x whose attributes have these contents, in m°C and m%."""
    attributes = {"temp1_input": temperature, "humidity1_input": humidity}
    return sysfs.hwmon("sht3x", "i2c-1/1-0044", attributes)


class TestReading:
    @pytest.mark.parametrize(("measure", "value"), [("temperature", 294.46), ("relativeHumidity", 0.46333)])
    def test_readings_are_in_kelvin_and_ratio(self, sysfs: Sysfs, measure: str, value: float) -> None:
        chip(sysfs, 21310, 46333)
        assert read_once(sht3x(sysfs, measure)).value == value

    def test_single_chip_needs_no_address(self, sysfs: Sysfs) -> None:
        chip(sysfs, 21310, 46333)
        assert read_once(sht3x(sysfs, "temperature", None)).value == 294.46

    @pytest.mark.parametrize(
        ("temperature", "state"),
        [
            (-40_000, SensorState.GOOD),
            (-40_010, SensorState.OUT_OF_RANGE),
            (125_000, SensorState.GOOD),
            (125_010, SensorState.OUT_OF_RANGE),
        ],
    )
    def test_both_quantities_are_out_of_range_if_the_temperature_is(
        self, sysfs: Sysfs, temperature: int, state: SensorState
    ) -> None:
        chip(sysfs, temperature, 46333)
        assert read_once(sht3x(sysfs, "temperature")).state is state
        assert read_once(sht3x(sysfs, "relativeHumidity")).state is state

    @pytest.mark.parametrize("bits", [0x0000, 0xFFFF])
    def test_equal_bits_of_a_broken_data_wire_are_no_humidity(self, sysfs: Sysfs, bits: int) -> None:
        millidegrees = (21875 * bits >> 13) - 45_000  # as the kernel converts the bits
        chip(sysfs, millidegrees, 12500 * bits >> 13)
        for measure in MEASUREMENTS:
            sample = read_once(sht3x(sysfs, measure))
            assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)
        assert "check the wires" in sample.detail

    @given(bits=st.integers(0, 0xFFFF))
    def test_every_code_is_converted_as_in_the_data_sheet(self, bits: int) -> None:
        celsius = -45 + 175 * bits / (1 << 16)
        kelvin = MEASUREMENTS["temperature"].to_si((21875 * bits >> 13) - 45_000)
        ratio = MEASUREMENTS["relativeHumidity"].to_si(12500 * bits >> 13)
        assert kelvin == pytest.approx(celsius + 273.15, abs=0.0011)
        assert ratio == pytest.approx(bits / (1 << 16), abs=0.000011)

    @pytest.mark.parametrize("measure", MEASUREMENTS)
    def test_chip_that_does_not_answer_is_an_error(self, sysfs: Sysfs, measure: str) -> None:
        chip(sysfs, UNREADABLE, UNREADABLE)
        with pytest.raises(DriverError, match="cannot be read"):
            read_once(sht3x(sysfs, measure))


class TestConfiguration:
    TEXT: ClassVar[str] = (
        '[[sensor]]\nid = "air"\nkind = "sht3x"\nmeasure = "relativeHumidity"\n'
        'path = "environment.inside.saloon.relativeHumidity"\n'
    )

    @pytest.mark.parametrize(("address", "written"), [("", "0x44"), ("address = 0x45\n", "0x45")])
    def test_overlay_of_the_chip_is_requested(self, tmp_path: Path, address: str, written: str) -> None:
        (tmp_path / "sensors.toml").write_text(self.TEXT + address)
        lines = kernel_configuration(load_sensors(tmp_path / "sensors.toml")).lines
        assert lines == ("dtparam=i2c_arm=on", f"dtoverlay=i2c-sensor,sht3x,addr={written}")

    def test_addresses_are_those_in_the_data_sheet(self) -> None:
        assert list(CHIP.addresses) == [0x44, 0x45]
