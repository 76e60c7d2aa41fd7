"""The registry finds a driver for each kind of sensor."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sensors.chips.kernel_driver import MeasurementDriver
from sensors.chips.one_wire_driver import ThermometerDriver
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.analog import AnalogDriver
from sensors.kinds.derived import DerivedDriver
from sensors.kinds.dht22 import Dht22Driver
from sensors.kinds.ina219 import PowerDriver
from sensors.kinds.manual import ManualDriver, ManualOptions
from sensors.kinds.max6675 import Max6675Driver
from sensors.kinds.mcp23017 import Mcp23017Driver
from sensors.kinds.pulse import PulseDriver
from sensors.kinds.replay import ReplayDriver
from sensors.kinds.runtime import RuntimeDriver
from sensors.kinds.sht3x import Sht3xDriver
from sensors.kinds.simulated import SimulatedDriver
from sensors.kinds.supervised import SupervisedDriver
from sensors.kinds.switch import ContactDriver
from sensors.kinds.thermocouple import ThermocoupleDriver
from sensors.registry import all_kinds, kind_named, kind_names, make_driver
from sensors.sample import Totals
from sensors.settings import SensorSettings
from tests.sensors.fakes import RECORDING, Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import Sysfs

KINDS = all_kinds()
DRIVERS: dict[str, type[Driver]] = {
    "switch": ContactDriver,
    "runtime": RuntimeDriver,
    "pulse": PulseDriver,
    "analog": AnalogDriver,
    "supervised": SupervisedDriver,
    **dict.fromkeys(("ds18b20", "ds18s20", "ds1822", "ds1825", "ds28ea00", "max31850"), ThermometerDriver),
    "thermocouple": ThermocoupleDriver,
    "max6675": Max6675Driver,
    "dht22": Dht22Driver,
    "mcp23017": Mcp23017Driver,
    "sht3x": Sht3xDriver,
    "ina219": PowerDriver,
    "ina226": PowerDriver,
    "manual": ManualDriver,
    "simulated": SimulatedDriver,
    "replay": ReplayDriver,
    "derived": DerivedDriver,
}
"""Driver class of each kind of sensor that has its own driver class."""


def described(kind: str, folder: Path) -> SensorSettings:
    """Return the settings of a sensor of this kind, as read from a `sensors.toml`."""
    return read(KINDS[kind].example, folder)


def read(text: str, folder: Path) -> SensorSettings:
    """Return the settings of the last sensor in this text of a `sensors.toml`."""
    shutil.copy(RECORDING, folder)
    (folder / "sensors.toml").write_text(text)
    return load_sensors(folder / "sensors.toml")[-1]


@pytest.fixture
def context(tmp_path: Path) -> DriverContext:
    return DriverContext(FakeClock(), root=tmp_path)


def test_module_that_is_not_a_kind_is_refused() -> None:
    assert "__init__" not in kind_names()
    for name in ("__init__", "../kind", "sensors.kind", ""):
        with pytest.raises(KeyError):
            kind_named(name)


@pytest.mark.parametrize("kind", KINDS)
def test_driver_of_each_kind_is_made_from_its_settings_without_touching_hardware(
    kind: str, context: DriverContext, tmp_path: Path
) -> None:
    settings = described(kind, tmp_path)
    driver = make_driver(settings, context=context)
    assert type(driver) is DRIVERS.get(kind, MeasurementDriver)
    assert driver.settings is settings
    assert settings.kind == kind
    driver.close()


@pytest.mark.parametrize("kind", [kind for kind, entry in KINDS.items() if entry.interval_s is not None])
def test_driver_is_polled_at_the_interval_of_its_kind(
    kind: str, context: DriverContext, tmp_path: Path
) -> None:
    usual_s = KINDS[kind].interval_s
    assert usual_s is not None
    without = "".join(
        line
        for line in KINDS[kind].example.splitlines(keepends=True)
        if not line.startswith(("rate =", "every ="))
    )
    driver = make_driver(read(without, tmp_path), context=context)
    assert driver.interval_ns == round(usual_s * 1e9)
    driver.close()


@pytest.mark.parametrize("kind", [kind for kind, entry in KINDS.items() if entry.chips or entry.pin_overlay])
def test_missing_chip_is_a_driver_error_and_leaves_the_driver_closed(
    kind: str, context: DriverContext, tmp_path: Path
) -> None:
    driver = make_driver(described(kind, tmp_path), context=context)
    for _ in range(2):
        with pytest.raises(DriverError):
            driver.open(Collector(), resume=Totals())
    driver.close()


def test_missing_recording_is_a_driver_error(context: DriverContext, tmp_path: Path) -> None:
    driver = make_driver(described("replay", tmp_path), context=context)
    (tmp_path / RECORDING.name).unlink()
    with pytest.raises(DriverError):
        driver.open(Collector(), resume=Totals())
    driver.close()


def test_chips_are_searched_for_under_the_root_of_the_context(context: DriverContext) -> None:
    Sysfs(context.root).iio("mcp3008", "spi0/spi0.0", {"in_voltage0_raw": 466})
    driver = make_driver(described("analog", context.root), context=context)
    assert read_once(driver).value == pytest.approx(0.1912, abs=0.0001)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"manual"}))
def test_options_of_another_sensor_kind_are_refused(kind: str, context: DriverContext) -> None:
    with pytest.raises(TypeError, match="options that are not valid for kind"):
        make_driver(sensor(ManualOptions(), kind=kind), context=context)


def test_unknown_kind_is_refused(context: DriverContext) -> None:
    with pytest.raises(KeyError, match="sonar"):
        make_driver(sensor(ManualOptions(), kind="sonar"), context=context)


def test_sensors_on_pins_share_one_gpio(context: DriverContext) -> None:
    assert context.gpio is context.gpio
    context.close()
    context.close()


def test_vessel_without_gpio_does_not_need_the_gpio_library() -> None:
    code = (
        "import sys; from sensors.registry import all_kinds; all_kinds();"
        " print({'gpiod', 'gpiozero'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
