"""Readings of a BMP280 are in SI units, and have no value if they are outside the data sheet's ranges."""

from pathlib import Path
from typing import ClassVar

import pytest

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.bmp280 import CHIP, Bmp280Options
from sensors.registry import make_driver
from sensors.sample import Totals
from sensors.state import SensorState
from sensors.toml.toml_file import ConfigurationError
from tests.sensors.fakes import Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def bmp280(sysfs: Sysfs, measure: str) -> Driver:
    settings = sensor(Bmp280Options(address=0x76, measure=measure), kind="bmp280")
    return make_driver(settings, context=DriverContext(FakeClock(), root=sysfs.root))


class TestReading:
    ATTRIBUTES: ClassVar[dict[str, object]] = {"in_temp_input": 24510, "in_pressure_input": "98.463000000"}

    @pytest.mark.parametrize(("measure", "value"), [("temperature", 297.66), ("pressure", 98_463.0)])
    def test_readings_are_in_kelvin_and_pascal(self, sysfs: Sysfs, measure: str, value: float) -> None:
        sysfs.iio("bmp280", "i2c-1/1-0076", self.ATTRIBUTES)
        assert read_once(bmp280(sysfs, measure)).value == value

    @pytest.mark.parametrize(
        ("measure", "attribute", "most", "beyond"),
        [
            ("temperature", "in_temp_input", 85_000, 85_010),
            ("temperature", "in_temp_input", -40_000, -40_010),
            ("pressure", "in_pressure_input", 110, 110.001),
            ("pressure", "in_pressure_input", 30, 29.999),
        ],
    )
    def test_reading_out_of_range_has_no_value(
        self, sysfs: Sysfs, measure: str, attribute: str, most: float, beyond: float
    ) -> None:
        device = sysfs.iio("bmp280", "i2c-1/1-0076", self.ATTRIBUTES)
        (device / attribute).write_text(str(most))
        assert read_once(bmp280(sysfs, measure)).state is SensorState.GOOD
        (device / attribute).write_text(str(beyond))
        sample = read_once(bmp280(sysfs, measure))
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)

    def test_chip_that_has_not_converted_yet_is_an_error(self, sysfs: Sysfs) -> None:
        sysfs.iio("bmp280", "i2c-1/1-0076", self.ATTRIBUTES | {"in_pressure_input": UNREADABLE})
        with pytest.raises(DriverError, match="in_pressure_input cannot be read"):
            read_once(bmp280(sysfs, "pressure"))

    def test_bme280_is_not_mistaken_for_a_bmp280(self, sysfs: Sysfs) -> None:
        sysfs.iio("bme280", "i2c-1/1-0076", self.ATTRIBUTES)
        with pytest.raises(DriverError, match=r"no BMP280 on i2c-1, 0x76; .*i2c-sensor,bmp280,addr=0x76"):
            bmp280(sysfs, "temperature").open(Collector(), resume=Totals())


class TestConfiguration:
    TEXT: ClassVar[str] = (
        '[[sensor]]\nid = "air"\nkind = "bmp280"\nmeasure = "pressure"\n'
        'path = "environment.outside.pressure"\n'
    )

    def test_overlay_of_the_chip_is_requested(self, tmp_path: Path) -> None:
        (tmp_path / "sensors.toml").write_text(self.TEXT + "address = 0x77\n")
        lines = kernel_configuration(load_sensors(tmp_path / "sensors.toml")).lines
        assert lines == ("dtparam=i2c_arm=on", "dtoverlay=i2c-sensor,bmp280,addr=0x77")

    def test_bme280_at_the_same_address_is_refused(self, tmp_path: Path) -> None:
        other = self.TEXT.replace("bmp280", "bme280").replace('"air"', '"b"').replace("outside", "inside.b")
        (tmp_path / "sensors.toml").write_text(self.TEXT + other)
        with pytest.raises(ConfigurationError, match="different chip at the same address"):
            load_sensors(tmp_path / "sensors.toml")

    def test_humidity_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "sensors.toml").write_text(self.TEXT.replace('"pressure"', '"relativeHumidity"'))
        with pytest.raises(ConfigurationError, match="relativeHumidity"):
            load_sensors(tmp_path / "sensors.toml")

    def test_addresses_are_those_in_the_data_sheet(self) -> None:
        assert list(CHIP.addresses) == [0x76, 0x77]
