"""Each kind of sensor has a driver, which the registry finds."""

import subprocess
import sys
from pathlib import Path

import pytest

from sensors.chips.kernel_driver import MeasurementDriver
from sensors.config.loader import load_sensors
from sensors.driver import Driver, DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.analog import AnalogDriver
from sensors.kinds.ds18b20 import ThermometerDriver
from sensors.kinds.ina219 import PowerDriver
from sensors.kinds.manual import ManualDriver, ManualOptions
from sensors.kinds.pulse import PulseDriver
from sensors.kinds.replay import ReplayDriver
from sensors.kinds.simulated import SimulatedDriver
from sensors.kinds.switch import ContactDriver
from sensors.kinds.thermocouple import ThermocoupleDriver
from sensors.registry import all_kinds, make_driver
from sensors.sample import Totals
from sensors.settings import SensorSettings
from tests.sensors.fakes import Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import Sysfs

KINDS = all_kinds()
EXAMPLES: dict[str, tuple[str, type[Driver]]] = {
    "switch": ('pin = 17\npath = "bilge.main.highWater"', ContactDriver),
    "runtime": ('pin = 17\npath = "propulsion.main.runTime"', ContactDriver),
    "pulse": ('pin = 27\npulses_per_unit = 12\npath = "propulsion.main.revolutions"', PulseDriver),
    "analog": (
        """
        chip = "mcp3008"
        channel = 0
        calibration = [[0.5, 0.0], [2.5, 1.0]]
        valid = [0.2, 2.9]
        path = "tanks.fuel.main.currentLevel"
        """,
        AnalogDriver,
    ),
    "ds18b20": (
        'address = "28-0316a2f9b1ff"\npath = "propulsion.main.exhaustTemperature"',
        ThermometerDriver,
    ),
    "thermocouple": ('path = "propulsion.main.exhaustTemperature"', ThermocoupleDriver),
    "ina219": ('measure = "voltage"\npath = "electrical.batteries.1.voltage"', PowerDriver),
    "ina226": ('measure = "current"\nshunt = "1 mohm"\npath = "electrical.batteries.1.current"', PowerDriver),
    "bme280": ('measure = "pressure"\npath = "environment.inside.saloon.pressure"', MeasurementDriver),
    "manual": ('path = "tanks.fuel.main.currentLevel"', ManualDriver),
    "simulated": ('model = "engine"\npath = "propulsion.main.revolutions"', SimulatedDriver),
    "replay": ('file = "yacht.csv"\npath = "electrical.batteries.1.voltage"', ReplayDriver),
}
"""Other keys of a `[[sensor]]` table, and the expected driver, by the value of the key `kind`."""


def described(kind: str, folder: Path) -> SensorSettings:
    """Return the settings of one sensor of this kind, as read from `sensors.toml`."""
    (folder / "yacht.csv").write_text("time,path,value\n0,electrical.batteries.1.voltage,12.8\n")
    table, _ = EXAMPLES[kind]
    (folder / "sensors.toml").write_text(f'[[sensor]]\nid = "probe"\nkind = "{kind}"\n{table}\n')
    [found] = load_sensors(folder / "sensors.toml")
    return found


@pytest.fixture
def context(tmp_path: Path) -> DriverContext:
    return DriverContext(FakeClock(), root=tmp_path)


def test_every_kind_of_sensors_toml_has_a_driver_and_an_example_here() -> None:
    assert set(EXAMPLES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_what_sensors_toml_says_of_a_kind_makes_its_driver_which_touches_nothing_before_it_is_opened(
    kind: str, context: DriverContext, tmp_path: Path
) -> None:
    settings = described(kind, tmp_path)
    driver = make_driver(settings, context=context)
    assert type(driver) is EXAMPLES[kind][1]
    assert driver.settings is settings
    assert settings.kind == kind
    driver.close()


@pytest.mark.parametrize("kind", [kind for kind, entry in KINDS.items() if entry.interval_s is not None])
def test_a_driver_is_polled_at_the_interval_of_its_kind(
    kind: str, context: DriverContext, tmp_path: Path
) -> None:
    usual_s = KINDS[kind].interval_s
    assert usual_s is not None
    driver = make_driver(described(kind, tmp_path), context=context)
    assert driver.interval_ns == round(usual_s * 1e9)
    driver.close()


@pytest.mark.parametrize("kind", [kind for kind, entry in KINDS.items() if entry.chips])
def test_a_chip_that_is_not_there_is_a_driver_error_and_leaves_it_closed(
    kind: str, context: DriverContext, tmp_path: Path
) -> None:
    driver = make_driver(described(kind, tmp_path), context=context)
    for _ in range(2):
        with pytest.raises(DriverError):
            driver.open(Collector(), resume=Totals())
    driver.close()


def test_a_recording_that_has_gone_is_a_driver_error(context: DriverContext, tmp_path: Path) -> None:
    driver = make_driver(described("replay", tmp_path), context=context)
    (tmp_path / "yacht.csv").unlink()
    with pytest.raises(DriverError):
        driver.open(Collector(), resume=Totals())
    driver.close()


def test_the_root_of_the_context_is_where_chips_are_looked_for(context: DriverContext) -> None:
    Sysfs(context.root).iio("mcp3008", "spi0/spi0.0", {"in_voltage0_raw": 466})
    driver = make_driver(described("analog", context.root), context=context)
    assert read_once(driver).value == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"manual"}))
def test_options_of_another_kind_are_refused(kind: str, context: DriverContext) -> None:
    with pytest.raises(TypeError, match="options that are not those of kind"):
        make_driver(sensor(ManualOptions(), kind=kind), context=context)


def test_a_kind_that_does_not_exist_is_refused(context: DriverContext) -> None:
    with pytest.raises(KeyError, match="sonar"):
        make_driver(sensor(ManualOptions(), kind="sonar"), context=context)


def test_sensors_on_pins_share_one_gpio(context: DriverContext) -> None:
    assert context.gpio is context.gpio
    context.close()
    context.close()


def test_a_vessel_without_gpio_needs_no_gpio_library() -> None:
    code = (
        "import sys; from sensors.registry import all_kinds; all_kinds();"
        " print({'gpiod', 'gpiozero'} & set(sys.modules) or 'none')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
