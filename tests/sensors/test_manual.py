"""Values that users enter for manual sensors are validated and time-stamped."""

from dataclasses import replace

import pytest

from sensors.driver import DriverError
from sensors.kinds.manual import ManualDriver, ManualOptions
from sensors.sample import Sample, Totals, Value
from tests.sensors.fakes import Collector, FakeClock, sensor


def manual(unit: str = "m3") -> tuple[ManualDriver, Collector]:
    driver = ManualDriver(sensor(ManualOptions(), kind="manual", unit=unit), clock=FakeClock(42))
    said = Collector()
    driver.open(said, resume=Totals())
    return driver, said


@pytest.mark.parametrize("value", [0.35, 7, -1.0])
def test_number_is_accepted_and_stamped_with_the_boot_clock(value: Value) -> None:
    driver, said = manual()
    sample = driver.submit(value)
    assert said == [sample] == [Sample("probe", 42, value)]


@pytest.mark.parametrize("value", [True, False])
def test_boolean_is_accepted_where_the_unit_is_bool(value: bool) -> None:
    driver, said = manual("bool")
    driver.submit(value)
    assert said.values == [value]


@pytest.mark.parametrize(
    ("unit", "value"),
    [("m3", True), ("m3", None), ("m3", float("nan")), ("m3", float("inf")), ("bool", 1), ("bool", None)],
)
def test_value_of_another_type_is_refused(unit: str, value: Value) -> None:
    driver, said = manual(unit)
    with pytest.raises(ValueError, match="probe needs"):
        driver.submit(value)
    assert said == []


@pytest.mark.parametrize(
    ("unit", "path", "value"),
    [
        ("ratio", "tanks.fuel.main.currentLevel", 40),
        ("ratio", "electrical.batteries.1.capacity.stateOfCharge", -0.1),
        ("K", "propulsion.main.coolantTemperature", -5.0),
    ],
)
def test_value_that_the_quantity_cannot_have_is_refused(unit: str, path: str, value: Value) -> None:
    settings = replace(sensor(ManualOptions(), kind="manual", unit=unit), path=path)
    driver, said = ManualDriver(settings, clock=FakeClock(42)), Collector()
    driver.open(said, resume=Totals())
    with pytest.raises(ValueError, match="is outside the possible range of"):
        driver.submit(value)
    assert said == []


def test_manual_sensor_is_never_polled() -> None:
    driver, _ = manual()
    assert driver.interval_ns is None


def test_closed_driver_accepts_nothing() -> None:
    driver, said = manual()
    driver.close()
    driver.close()
    with pytest.raises(DriverError, match="not open"):
        driver.submit(1.0)
    assert said == []
