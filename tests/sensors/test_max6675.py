"""A MAX6675 yields a temperature only for valid codes, and reports an open thermocouple."""

import errno
import re
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning.overlays.kernel_settings import kernel_configuration
from sensors.chips import sysfs as reader
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.max6675 import LAST_CODE, Max6675Options
from sensors.registry import make_driver
from sensors.sample import Totals
from sensors.state import SensorState
from sensors.toml.toml_file import ConfigurationError
from tests.sensors.fakes import Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


def max6675(sysfs: Sysfs) -> Driver:
    options = Max6675Options(bus=0, address=0)
    settings_ = sensor(options, kind="max6675", unit="K")
    return make_driver(settings_, context=DriverContext(FakeClock(), root=sysfs.root))


def chip(sysfs: Sysfs, code: object, **more: object) -> Path:
    """Create a MAX6675 with this code; its scale is that of the kernel's driver."""
    attributes = {"in_temp_raw": code, "in_temp_scale": 250, **more}
    return sysfs.iio("maxim_thermocouple", "spi0/spi0.0", attributes)


class TestReading:
    def test_reading_is_in_kelvin(self, sysfs: Sysfs) -> None:
        chip(sysfs, 1601)
        assert read_once(max6675(sysfs)).value == 673.4

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(code=st.integers(1, LAST_CODE - 1))
    def test_each_code_between_the_ends_is_a_temperature(self, sysfs: Sysfs, code: int) -> None:
        device = sysfs.root / "sys/devices/platform/soc/spi0/spi0.0/iio:device0"
        if not device.exists():
            chip(sysfs, code)
        (device / "in_temp_raw").write_text(f"{code}\n")
        sample = read_once(max6675(sysfs))
        assert sample.state is SensorState.GOOD
        assert sample.value == pytest.approx(code / 4 + 273.15)

    @pytest.mark.parametrize(
        ("code", "why"),
        [
            (0, "0 °C or less, .* SPI wires or the supply"),
            (-1, "only zeros"),
            (LAST_CODE, "at least 1023.75"),
        ],
    )
    def test_code_at_an_end_has_no_value(self, sysfs: Sysfs, code: int, why: str) -> None:
        chip(sysfs, code)
        sample = read_once(max6675(sysfs))
        assert (sample.value, sample.state) == (None, SensorState.OUT_OF_RANGE)
        assert re.search(why, sample.detail)

    def test_open_thermocouple_is_reported(self, sysfs: Sysfs, monkeypatch: pytest.MonkeyPatch) -> None:
        chip(sysfs, 1601)

        def refuse(attribute: Path) -> str:  # no ordinary file raises EINVAL when it is read
            raise reader.UnreadableError(f"{attribute.name} cannot be read", errno.EINVAL)

        driver = max6675(sysfs)
        said = Collector()
        driver.open(said, resume=Totals())
        monkeypatch.setattr(reader, "read_text", refuse)
        driver.poll(0)
        assert (said.values, said.states) == ([None], ["open"])
        assert "there is no chip" in said[0].detail

    def test_failed_transfer_is_an_error(self, sysfs: Sysfs) -> None:
        chip(sysfs, UNREADABLE)
        with pytest.raises(DriverError, match="in_temp_raw cannot be read"):
            read_once(max6675(sysfs))

    def test_chip_that_the_kernel_reads_as_a_max31855_is_an_error(self, sysfs: Sysfs) -> None:
        chip(sysfs, 1601, in_temp_ambient_raw=400)
        with pytest.raises(DriverError, match=r'MAX31855 .*kind = "thermocouple".* remove the other line'):
            read_once(max6675(sysfs))


class TestConfiguration:
    TEXT: ClassVar[str] = (
        '[[sensor]]\nid = "gas"\nkind = "max6675"\naddress = 1\npath = "propulsion.main.exhaustTemperature"\n'
    )

    def test_overlay_of_the_chip_is_requested(self, tmp_path: Path) -> None:
        (tmp_path / "sensors.toml").write_text(self.TEXT)
        lines = kernel_configuration(load_sensors(tmp_path / "sensors.toml")).lines
        assert lines == ("dtparam=spi=on", "dtoverlay=maxtherm,spi0-1,max6675")

    def test_max31855_at_the_same_chip_select_is_refused(self, tmp_path: Path) -> None:
        other = self.TEXT.replace("max6675", "thermocouple").replace('"gas"', '"b"').replace("main", "aux")
        (tmp_path / "sensors.toml").write_text(self.TEXT + other)
        with pytest.raises(ConfigurationError, match="different chip at the same address"):
            load_sensors(tmp_path / "sensors.toml")

    def test_interval_shorter_than_a_conversion_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "sensors.toml").write_text(self.TEXT + 'rate = "5 Hz"\n')
        with pytest.raises(ConfigurationError, match="4 Hz"):
            load_sensors(tmp_path / "sensors.toml")
