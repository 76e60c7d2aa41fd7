"""Readings of a BME680 are in SI units, and have no value if they are outside the data sheet's ranges."""

from pathlib import Path
from typing import ClassVar

import pytest

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.bme680 import CHIP, Bme680Options
from sensors.registry import make_driver
from sensors.sample import Totals
from sensors.state import SensorState
from tests.sensors.fakes import Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def bme680(sysfs: Sysfs, measure: str) -> Driver:
    settings = sensor(Bme680Options(address=0x76, measure=measure), kind="bme680")
    return make_driver(settings, context=DriverContext(FakeClock(), root=sysfs.root))


class TestReading:
    ATTRIBUTES: ClassVar[dict[str, object]] = {
        "in_temp_input": 24510,
        "in_humidityrelative_input": "63.827000000",
        "in_pressure_input": "98.463000000",
        "in_resistance_input": 7234,
    }

    @pytest.mark.parametrize(
        ("measure", "value"),
        [
            ("temperature", 297.66),
            ("relativeHumidity", 0.63827),
            ("pressure", 98_463.0),
            ("gasResistance", 7234.0),
        ],
    )
    def test_readings_are_in_kelvin_ratio_pascal_and_ohm(
        self, sysfs: Sysfs, measure: str, value: float
    ) -> None:
        sysfs.iio("bme680", "i2c-1/1-0076", self.ATTRIBUTES)
        assert read_once(bme680(sysfs, measure)).value == value

    @pytest.mark.parametrize(
        ("measure", "attribute", "most", "beyond"),
        [
            ("temperature", "in_temp_input", 85_000, 85_010),
            ("temperature", "in_temp_input", -40_000, -40_010),
            ("relativeHumidity", "in_humidityrelative_input", 100, 100.001),
            ("pressure", "in_pressure_input", 110, 110.001),
            ("pressure", "in_pressure_input", 98.463, 984.63),  # in hPa, as in older kernels
            ("gasResistance", "in_resistance_input", 1, 0),
        ],
    )
    def test_reading_out_of_range_has_no_value(
        self, sysfs: Sysfs, measure: str, attribute: str, most: float, beyond: float
    ) -> None:
        device = sysfs.iio("bme680", "i2c-1/1-0076", self.ATTRIBUTES)
        (device / attribute).write_text(str(most))
        assert read_once(bme680(sysfs, measure)).state is SensorState.GOOD
        (device / attribute).write_text(str(beyond))
        sample = read_once(bme680(sysfs, measure))
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)

    def test_heater_that_does_not_reach_its_temperature_is_an_error(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme680", "i2c-1/1-0076", self.ATTRIBUTES | {"in_resistance_input": UNREADABLE})
        with pytest.raises(DriverError, match="in_resistance_input cannot be read"):
            read_once(bme680(sysfs, "gasResistance"))

    def test_bme280_is_not_mistaken_for_a_bme680(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme280", "i2c-1/1-0076", self.ATTRIBUTES)
        with pytest.raises(DriverError, match=r"no BME680 on i2c-1, 0x76; .*i2c-sensor,bme680,addr=0x76"):
            bme680(sysfs, "temperature").open(Collector(), resume=Totals())


class TestConfiguration:
    TEXT: ClassVar[str] = (
        '[[sensor]]\nid = "air"\nkind = "bme680"\nmeasure = "gasResistance"\n'
        'path = "environment.inside.saloon.gasResistance"\n'
    )

    def test_each_key_has_its_default(self, tmp_path: Path) -> None:
        (tmp_path / "sensors.toml").write_text(self.TEXT)
        (found,) = load_sensors(tmp_path / "sensors.toml")
        assert found.options == Bme680Options(bus=1, address=None, measure="gasResistance")
        assert (found.unit, found.interval_s) == ("ohm", 10.0)

    def test_overlay_of_the_chip_is_requested(self, tmp_path: Path) -> None:
        (tmp_path / "sensors.toml").write_text(self.TEXT + "address = 0x77\n")
        lines = kernel_configuration(load_sensors(tmp_path / "sensors.toml")).lines
        assert lines == ("dtparam=i2c_arm=on", "dtoverlay=i2c-sensor,bme680,addr=0x77")

    def test_addresses_are_those_in_the_data_sheet(self) -> None:
        assert list(CHIP.addresses) == [0x76, 0x77]
