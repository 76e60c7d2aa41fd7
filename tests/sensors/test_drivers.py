"""Which kind of sensor is which driver."""

import subprocess
import sys
from pathlib import Path

import pytest

from sensors.analog import AnalogDriver
from sensors.bus import ClimateDriver, PowerDriver, ThermocoupleDriver, ThermometerDriver
from sensors.contact import ContactDriver
from sensors.driver import Driver, DriverError
from sensors.drivers import FACTORIES, DriverContext, make_driver
from sensors.manual import ManualDriver
from sensors.pulse import PulseDriver
from sensors.replay import ReplayDriver
from sensors.sample import Totals
from sensors.settings import (
    AnalogOptions,
    BusOptions,
    ContactOptions,
    ManualOptions,
    Options,
    PulseOptions,
    ReplayOptions,
    SimulatedOptions,
)
from sensors.simulated import SimulatedDriver
from tests.sensors.fakes import RECORDING, Collector, FakeClock, read_once, sensor
from tests.sensors.sysfs import Sysfs

ADC = AnalogOptions("mcp3008", 0, 0, 0, ((0.5, 0.0), (2.5, 1.0)), (0.2, 2.9))
CONTACT = ContactOptions(17)
KINDS: dict[str, tuple[Options, type[Driver]]] = {
    "switch": (CONTACT, ContactDriver),
    "runtime": (CONTACT, ContactDriver),
    "pulse": (PulseOptions(27, 12.0), PulseDriver),
    "analog": (ADC, AnalogDriver),
    "ds18b20": (BusOptions(None, "28-0316a2", "temperature"), ThermometerDriver),
    "thermocouple": (BusOptions(0, 0, "temperature"), ThermocoupleDriver),
    "ina219": (BusOptions(1, 0x40, "voltage"), PowerDriver),
    "ina226": (BusOptions(1, 0x40, "current", 0.001), PowerDriver),
    "bme280": (BusOptions(1, 0x76, "pressure"), ClimateDriver),
    "manual": (ManualOptions(), ManualDriver),
    "simulated": (SimulatedOptions("engine"), SimulatedDriver),
    "replay": (ReplayOptions(RECORDING), ReplayDriver),
}


@pytest.fixture
def context(tmp_path: Path) -> DriverContext:
    return DriverContext(FakeClock(), root=tmp_path)


def test_every_kind_of_sensors_toml_has_a_driver() -> None:
    assert set(FACTORIES) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_made_by_its_driver_and_touches_nothing_before_it_is_opened(
    kind: str, context: DriverContext
) -> None:
    options, driver_type = KINDS[kind]
    driver = make_driver(sensor(options, kind=kind, path="test.probe"), context=context)
    assert isinstance(driver, driver_type)
    assert driver.settings.kind == kind
    driver.close()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"manual", "simulated", "switch", "runtime", "pulse"}))
def test_hardware_that_is_not_there_is_a_driver_error_and_leaves_it_closed(
    kind: str, context: DriverContext
) -> None:
    driver = make_driver(sensor(KINDS[kind][0], kind=kind), context=context)
    for _ in range(2):
        with pytest.raises(DriverError):
            driver.open(Collector(), resume=Totals())
    driver.close()


def test_the_root_of_the_context_is_where_chips_are_looked_for(context: DriverContext) -> None:
    Sysfs(context.root).iio("mcp3008", "spi0/spi0.0", {"in_voltage0_raw": 466})
    assert read_once(make_driver(sensor(ADC, kind="analog"), context=context)).value == pytest.approx(
        0.5, abs=0.001
    )


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"manual"}))
def test_options_of_another_kind_are_refused(kind: str, context: DriverContext) -> None:
    with pytest.raises(TypeError, match="options of another kind"):
        make_driver(sensor(ManualOptions(), kind=kind), context=context)


def test_a_kind_that_does_not_exist_is_refused(context: DriverContext) -> None:
    with pytest.raises(KeyError, match="sonar"):
        make_driver(sensor(ManualOptions(), kind="sonar"), context=context)


def test_sensors_on_pins_share_one_gpio(context: DriverContext) -> None:
    assert context.gpio is context.gpio
    context.close()
    context.close()


def test_a_vessel_without_gpio_needs_no_gpio_library() -> None:
    code = "import sys, sensors.drivers; print({'gpiod', 'gpiozero'} & set(sys.modules) or 'none')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "none"
