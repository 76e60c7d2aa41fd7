"""Several sensors on one pin share one GPIO line, its edges and its failures."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiod.line import Bias

from sensors.config.loader import ConfigurationError, load_sensors
from sensors.driver import Driver, DriverError
from sensors.gpio.pin_keys import Pull
from sensors.kinds.pulse import PulseDriver, PulseOptions
from sensors.kinds.runtime import RuntimeDriver, RuntimeOptions
from sensors.kinds.switch import ContactDriver, ContactOptions
from sensors.sample import Totals
from sensors.sampling import Sampler
from sensors.state import SensorState
from tests.sensors.fakes import Collector, sensor
from tests.sensors.gpio import Board, board, last, last_totals, opened

PIN = 17
CLOSED, OPEN = False, True
"""Levels of a pulled-up pin whose contact to ground is closed and open, respectively."""


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    made = board(tmp_path)
    yield made
    made.gpio.close()
    made.factory.close()


def state(pi: Board, **options: Any) -> Driver:
    chosen = ContactOptions(**{"pin": PIN} | options)
    return ContactDriver(sensor(chosen, kind="switch", unit="bool", id="state"), gpio=pi.gpio)


def runtime(pi: Board, measure: str = "time", **options: Any) -> Driver:
    chosen = RuntimeOptions(**{"pin": PIN} | options, measure=measure)
    unit = "s" if measure == "time" else ""
    return RuntimeDriver(sensor(chosen, kind="runtime", unit=unit, id=measure), gpio=pi.gpio)


def pulse(pi: Board, measure: str = "rate", **options: Any) -> Driver:
    chosen = PulseOptions(**{"pin": PIN} | options, pulses_per_unit=1.0, measure=measure)
    return PulseDriver(sensor(chosen, kind="pulse", id=measure), gpio=pi.gpio)


def pump(pi: Board) -> list[Driver]:
    """Return the three sensors of a bilge pump, on one pin."""
    return [state(pi), runtime(pi), runtime(pi, "starts")]


def flow(pi: Board) -> list[Driver]:
    return [pulse(pi), pulse(pi, "total")]


def run(pi: Board, seconds: int, *drivers: Driver) -> None:
    """Advance time, and poll all drivers once a second."""
    for _ in range(seconds):
        pi.advance(1.0)
        for driver in drivers:
            pi.poll(driver)


def start(pi: Board, seconds: int, *drivers: Driver) -> None:
    """Close the contact for a number of seconds, then open it for the same time."""
    for level in (CLOSED, OPEN):
        pi.line(PIN).drive(level)
        run(pi, seconds, *drivers)


# Contacts ------------------------------------------------------------------------------------------


def test_pumps_state_running_time_and_starts_come_from_one_line(pi: Board) -> None:
    drivers = pump(pi)
    said = [opened(driver, Totals(10, 100.0)) for driver in drivers]
    request = pi.request(PIN)
    for _ in range(3):
        start(pi, 5, *drivers)
    assert pi.request(PIN) is request
    assert said[0].values == [False] + [True, False] * 3
    assert said[1].values[-1] == pytest.approx(115.0, abs=0.2)
    assert said[2].values[0] == 10.0
    assert said[2].values[-1] == 13.0
    assert {last_totals(each).count for each in said} == {13}
    assert {each.states[-1] for each in said} == {SensorState.GOOD}


def test_each_sensor_on_a_line_can_have_its_own_contact_logic(pi: Board) -> None:
    drivers = [state(pi), runtime(pi, normally_closed=True)]
    said = [opened(driver) for driver in drivers]
    start(pi, 4, *drivers)
    run(pi, 4, *drivers)
    assert said[0].values == [False, True, False]
    assert said[1].values[-1] == pytest.approx(8.0, abs=0.2)


@pytest.mark.parametrize("closed", range(3))
def test_closing_one_sensor_leaves_the_others_running(pi: Board, closed: int) -> None:
    drivers = pump(pi)
    said = [opened(driver) for driver in drivers]
    request = pi.request(PIN)
    start(pi, 2, *drivers)
    drivers[closed].close()
    drivers[closed].close()
    before = [len(each) for each in said]
    rest = [driver for place, driver in enumerate(drivers) if place != closed]
    start(pi, 2, *rest)
    assert pi.request(PIN) is request
    assert [len(each) > length for each, length in zip(said, before, strict=True)] == [
        place != closed for place in range(3)
    ]
    for driver in rest:
        driver.close()
    assert pi.line(PIN).request is None


def test_sensor_that_joins_later_counts_from_then_on(pi: Board) -> None:
    first, second = state(pi), runtime(pi, "starts")
    opened(first)
    start(pi, 2, first)
    start(pi, 2, first)
    said = opened(second)
    start(pi, 2, first, second)
    assert said.values[0] == 0.0
    assert said.values[-1] == 1.0


def test_edges_lost_before_a_sensor_joins_are_not_its_own(pi: Board) -> None:
    first, second = state(pi, debounce_s=0.0), runtime(pi, "starts", debounce_s=0.0)
    heard = opened(first)
    for _ in range(200):
        pi.line(PIN).flip()
    pi.poll(first)
    assert last_totals(heard).count == 100
    said = opened(second)
    start(pi, 2, first, second)
    assert said.values[-1] == 1.0
    assert set(said.states) == {SensorState.GOOD}


def test_sensor_that_is_opened_again_shares_the_line_again(pi: Board) -> None:
    drivers = pump(pi)
    said = [opened(driver) for driver in drivers]
    drivers[2].close()
    again = opened(drivers[2], last_totals(said[2]))
    start(pi, 2, *drivers)
    assert again.values[-1] == 1.0
    assert said[0].values == [False, True, False]


def test_error_in_one_sensor_does_not_affect_the_others(pi: Board, caplog: pytest.LogCaptureFixture) -> None:
    first, second = state(pi), runtime(pi, "starts")

    def emit(_sample: object) -> None:
        if pi.line(PIN).level is CLOSED:
            raise ZeroDivisionError

    first.open(emit, resume=Totals())
    said = opened(second)
    pi.line(PIN).drive(CLOSED)
    pi.advance(1)
    assert last(said).value == 1.0
    assert "could not be processed" in caplog.text


# Pulses --------------------------------------------------------------------------------------------


def test_flow_meters_rate_and_total_come_from_one_line(pi: Board) -> None:
    drivers = flow(pi)
    rate, total = (opened(driver, Totals(50)) for driver in drivers)
    request = pi.request(PIN)
    for _ in range(3):
        pi.square(PIN, 20, 1.0)
        for driver in drivers:
            pi.poll(driver)
    assert pi.request(PIN) is request
    assert rate.values == pytest.approx([20.0] * 3)
    assert total.values == [70.0, 90.0, 110.0]
    assert last_totals(rate) == last_totals(total) == Totals(110)


def test_meter_that_joins_later_does_not_count_earlier_pulses(pi: Board) -> None:
    rate, total = flow(pi)
    opened(rate)
    pi.square(PIN, 20, 1.0)
    pi.square(PIN, 20, 1.0, stalled=True)
    said = opened(total)
    pi.square(PIN, 20, 1.0)
    pi.poll(total)
    assert said.values == [20.0]
    assert said.states == [SensorState.GOOD]


def test_lost_pulses_are_reported_by_each_meter(pi: Board) -> None:
    drivers = flow(pi)
    said = [opened(driver) for driver in drivers]
    pi.square(PIN, 10_000, 0.2, stalled=True)
    for driver in drivers:
        pi.poll(driver)
    assert [last_totals(each).count for each in said] == [2_000, 2_000]
    assert [last(each).state for each in said] == [SensorState.EDGES_LOST] * 2


@pytest.mark.parametrize("closed", range(2))
def test_closing_one_meter_leaves_the_other_running(pi: Board, closed: int) -> None:
    drivers = flow(pi)
    said = [opened(driver) for driver in drivers]
    request = pi.request(PIN)
    pi.square(PIN, 20, 1.0)
    drivers[closed].close()
    other = drivers[1 - closed]
    pi.square(PIN, 20, 1.0)
    pi.poll(other)
    assert pi.request(PIN) is request
    assert last_totals(said[1 - closed]).count == 40
    other.close()
    assert pi.line(PIN).request is None


def test_short_debounce_times_are_applied_for_each_meter(pi: Board) -> None:
    drivers = [pulse(pi, debounce_s=0.0), pulse(pi, "total", debounce_s=0.008)]
    said = [opened(driver) for driver in drivers]
    pi.square(PIN, 250, 1.0)
    for driver in drivers:
        pi.poll(driver)
    assert [last_totals(each).count for each in said] == [250, 125]


# Failures ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sensors_on", [pump, flow])
@pytest.mark.parametrize("served", [False, True])
def test_failure_of_the_line_reaches_every_sensor_on_it(
    pi: Board, sensors_on: Callable[[Board], list[Driver]], served: bool
) -> None:
    drivers = sensors_on(pi)
    for driver in drivers:
        opened(driver)
    pi.request(PIN).lose_chip()
    if served:
        pi.advance(1.0)
    for driver in drivers:
        with pytest.raises(DriverError, match="GPIO17 on pinctrl-bcm2711 cannot be used"):
            pi.poll(driver)


@pytest.mark.parametrize("sensors_on", [pump, flow])
def test_after_a_failure_each_sensor_is_reported_as_failed_and_then_works_again(
    pi: Board, sensors_on: Callable[[Board], list[Driver]]
) -> None:
    said = Collector()
    drivers = sensors_on(pi)
    (lane,) = Sampler(drivers, said, clock=pi.kernel).lanes
    lane.begin()
    lane.step()
    broken = pi.request(PIN)
    broken.lose_chip()
    for _ in range(10):
        pi.advance(1.0)
        lane.step()
    names = {driver.settings.id for driver in drivers}
    assert {sample.sensor for sample in said if sample.state is SensorState.FAILED} == names
    assert pi.request(PIN) is not broken
    assert not broken
    said.clear()
    for level in (CLOSED, OPEN) * 4:
        pi.line(PIN).drive(level)
        pi.advance(1.0)
        lane.step()
    assert {sample.sensor for sample in said} == names
    assert {sample.state for sample in said} == {SensorState.GOOD}


def test_line_that_cannot_be_requested_can_be_requested_later(pi: Board) -> None:
    pi.line(PIN).refuses = OSError(errno.EINVAL, "Invalid argument")
    drivers = pump(pi)
    for driver in drivers:
        with pytest.raises(DriverError, match="the kernel rejects these settings"):
            driver.open(Collector(), resume=Totals())
    pi.line(PIN).refuses = None
    said = [opened(driver) for driver in drivers]
    start(pi, 2, *drivers)
    assert said[0].values == [False, True, False]


@pytest.mark.parametrize(
    "other",
    [{"pull": Pull.NONE}, {"active_low": False}, {"debounce_s": 1.0}],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.parametrize("make", [state, runtime])
def test_line_keeps_the_settings_of_its_first_sensor(
    pi: Board, make: Callable[..., Driver], other: dict[str, Any]
) -> None:
    opened(state(pi))
    with pytest.raises(DriverError, match="already used by another sensor with other electrical settings"):
        make(pi, **other).open(Collector(), resume=Totals())
    assert pi.line(PIN).settings.bias is Bias.PULL_UP


def test_contact_and_pulses_cannot_share_a_line(pi: Board) -> None:
    opened(state(pi))
    with pytest.raises(DriverError, match="GPIO17 on pinctrl-bcm2711 is in use by logboat"):
        pulse(pi).open(Collector(), resume=Totals())


# The configuration ---------------------------------------------------------------------------------

PUMP = """\
[[sensor]]
id = "pump"
kind = "switch"
pin = 17
pull = "up"
path = "bilge.main.pump.state"

[[sensor]]
id = "pump-hours"
kind = "runtime"
pin = 17
path = "bilge.main.pump.runTime"

[[sensor]]
id = "pump-starts"
kind = "runtime"
measure = "starts"
pin = 17
path = "bilge.main.pump.starts"
"""
FLOW = """\
[[sensor]]
id = "flow"
kind = "pulse"
pin = 27
pulses_per_unit = 450000
path = "propulsion.main.fuel.rate"

[[sensor]]
id = "used"
kind = "pulse"
pin = 27
pulses_per_unit = 450000
measure = "total"
path = "propulsion.main.fuel.used"
"""


def problems(folder: Path, content: str) -> list[str]:
    path = folder / "sensors.toml"
    path.write_text(content)
    with pytest.raises(ConfigurationError) as caught:
        load_sensors(path)
    return [str(problem).removeprefix(f"{path.name}:") for problem in caught.value.problems]


def test_sensors_with_the_same_keys_can_share_a_pin(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(f"{PUMP}\n{FLOW}")
    assert [(each.id, each.unit) for each in load_sensors(path)] == [
        ("pump", "bool"),
        ("pump-hours", "s"),
        ("pump-starts", ""),
        ("flow", "m3/s"),
        ("used", "m3"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            PUMP.replace(
                'path = "bilge.main.pump.runTime"', 'path = "bilge.main.pump.runTime"\npull = "none"'
            ),
            (
                '13: sensor "pump-hours", pull: this sensor has pull = "none" in line 13, but sensor "pump"'
                ' (line 1) on the same pin 17 has pull = "up" in line 5. Write the same pull for both,'
                " because they share one line. Or use another pin for one of them."
            ),
        ),
        (
            PUMP.replace('measure = "starts"', 'measure = "starts"\ndebounce = "1 s"'),
            (
                '18: sensor "pump-starts", debounce: this sensor has debounce = "1 s" in line 18, but'
                ' sensor "pump" (line 1) on the same pin 17 has debounce = "50 ms" by default. Write the same'
            ),
        ),
        (
            PUMP.replace('pull = "up"', 'active = "high"'),
            (
                '8: sensor "pump-hours", active: this sensor has active = "low" by default, but sensor "pump"'
                ' (line 1) on the same pin 17 has active = "high" in line 5. Write the same active'
            ),
        ),
        (
            FLOW.replace('measure = "total"', 'measure = "total"\ndebounce = "20 ms"'),
            (
                '14: sensor "used", debounce: this sensor has debounce = "20 ms" in line 14, but sensor'
                ' "flow" (line 1) on the same pin 27 has debounce = "0 s" by default.'
            ),
        ),
        (
            PUMP.replace('measure = "starts"\n', "").replace("pump.starts", "pump.runTime"),
            (
                '17: sensor "pump-starts", pin: 17 is already used by sensor "pump-hours" (line 8), which'
                " records the same quantity. Choose another pin (free: 5, 6, 12"
            ),
        ),
        (
            FLOW.replace("27", "17") + PUMP.partition("\n\n")[0],
            (
                '18: sensor "pump", pin: 17 is already used by sensor "flow" (line 1), which reads the line'
                " as pulses, not as a contact. Choose another pin (free: 5, 6, 12"
            ),
        ),
        (
            PUMP.replace('measure = "starts"', 'measure = "starts"\nstart = "5 h"'),
            '18: sensor "pump-starts", start: start is a running time, but this sensor counts the starts',
        ),
        (
            PUMP.replace('measure = "starts"', 'measure = "start"'),
            '17: sensor "pump-starts", measure: "start" is not an allowed value. Did you mean "starts"?',
        ),
    ],
)
def test_difference_on_one_pin_names_both_sensors_both_lines_and_the_key(
    tmp_path: Path, content: str, message: str
) -> None:
    found = problems(tmp_path, content)
    assert [each for each in found if each.startswith(message)], found


def test_short_debounce_times_of_pulses_can_differ_on_one_pin(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(FLOW.replace('measure = "total"', 'measure = "total"\ndebounce = "9 ms"'))
    assert len(load_sensors(path)) == 2


def test_wrong_value_of_a_shared_key_is_reported_once(tmp_path: Path) -> None:
    found = problems(tmp_path, PUMP.replace('pull = "up"', "debounce = 50"))
    assert len(found) == 1
    assert found[0].startswith('5: sensor "pump", debounce: 50 has no unit')
