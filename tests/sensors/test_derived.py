"""A derived sensor has a value only if each of its inputs has a good and recent value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sensors.config.loader import ExaminedSensors, examine_sensors, load_sensors
from sensors.derived.parser import parse_expression
from sensors.driver import DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.derived import DerivedDriver, DerivedInput, DerivedOptions
from sensors.latest_samples import LatestSamples
from sensors.registry import make_drivers
from sensors.sample import Sample, Totals, Value
from sensors.sampling import Sampler
from sensors.settings import SensorSettings
from sensors.state import SensorState
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError
from tests.sensors.fakes import SECOND, Collector, FakeClock, sensor
from tests.sensors.test_sampling import ScriptedDriver

# Driver --------------------------------------------------------------------------------------------


class Bench:
    """Driver of a derived sensor, with a table of its inputs' last samples that the test fills."""

    def __init__(
        self, value: str, *, unit: str = "m3/s", path: str = "test.probe", **limits: float | None
    ) -> None:
        expression = parse_expression(value)
        inputs = tuple(
            DerivedInput(each.sensor, each.sensor, unit, limits.get(each.sensor, 10.0))
            for each in expression.sensors
        )
        options = DerivedOptions(value=expression, inputs=inputs)
        self.clock = FakeClock()
        self.latest = LatestSamples()
        self.said = Collector()
        self.driver = DerivedDriver(
            sensor(options, kind="derived", unit=unit, path=path),
            latest=self.latest,
            boottime_ns=self.clock.boottime_ns,
        )
        self.driver.open(self.said, resume=Totals())

    def note(self, name: str, value: Value, state: SensorState = SensorState.GOOD, detail: str = "") -> None:
        self.latest.note(Sample(name, self.clock.now_ns, value, state, detail=detail))

    def poll(self) -> Sample:
        before = len(self.said)
        self.driver.poll(self.clock.now_ns)
        assert len(self.said) == before + 1
        return self.said[-1]


def test_value_is_computed_from_the_last_samples_at_the_time_of_the_poll() -> None:
    bench = Bench("a - b")
    bench.note("a", 3)
    bench.clock.advance(1)
    bench.note("b", 0.5)
    now_ns = bench.clock.advance(2)
    assert bench.poll() == Sample("probe", now_ns, 2.5)
    bench.note("a", 4.0)
    assert bench.poll().value == 3.5


def test_rounding_errors_of_floats_are_not_recorded() -> None:
    bench = Bench("a + b")
    bench.note("a", 0.1)
    bench.note("b", 0.2)
    assert bench.poll().value == 0.3


@pytest.mark.parametrize("state", [state for state in SensorState if state is not SensorState.GOOD])
@pytest.mark.parametrize("name", ["a", "b"])
def test_fault_of_an_input_is_a_fault_that_names_the_input(name: str, state: SensorState) -> None:
    bench = Bench("a - b")
    bench.note("a", 3.0)
    bench.note("b", 1.0)
    bench.note(name, 2.0 if state.carries_value else None, state, "a remark")
    found = bench.poll()
    assert (found.value, found.state) == (None, SensorState.FAILED)
    assert found.detail == f"{name} is {state}: a remark"


def test_old_fault_of_an_input_stays_a_fault() -> None:
    bench = Bench("a")
    bench.note("a", None, SensorState.FAILED)
    bench.clock.advance(3600)
    assert bench.poll().detail == "a is failed"


def test_old_value_is_stale() -> None:
    bench = Bench("a - b")
    bench.note("a", 3.0)
    bench.clock.advance(10)
    bench.note("b", 1.0)
    assert bench.poll().value == 2.0
    bench.clock.advance(0.1)
    found = bench.poll()
    assert (found.value, found.state) == (None, SensorState.STALE)
    assert found.detail == "the last value of a is 10 s old"
    bench.note("a", 3.0)
    assert bench.poll().state is SensorState.GOOD


def test_value_of_a_sensor_that_reports_only_changes_does_not_become_too_old() -> None:
    bench = Bench("a", a=None)
    bench.note("a", 3.0)
    bench.clock.advance(1e6)
    assert bench.poll().value == 3.0


def test_first_values_are_waited_for_and_then_the_sensor_is_stale() -> None:
    bench = Bench("a - b", b=20.0)
    bench.note("a", 1.0)
    bench.driver.poll(bench.clock.advance(5))
    bench.driver.poll(bench.clock.advance(4))
    bench.clock.advance(10)
    bench.note("a", 1.0)
    bench.driver.poll(bench.clock.now_ns)
    assert bench.said == []
    bench.note("a", 1.0)
    bench.clock.advance(1)
    found = bench.poll()
    assert (found.value, found.state) == (None, SensorState.STALE)
    assert found.detail == "b has had no value since the start"


@pytest.mark.parametrize(
    ("value", "values", "detail"),
    [
        ("a / b", (1.0, 0.0), "division by zero: b is 0"),
        ("a / (b - b)", (1.0, 2.0), "division by zero: b - b is 0"),
        ("a * b", (1e300, 1e300), "a * b is not a finite number"),
    ],
)
def test_value_without_a_result_is_out_of_range(value: str, values: tuple[float, float], detail: str) -> None:
    bench = Bench(value)
    for name, number in zip("ab", values, strict=True):
        bench.note(name, number)
    found = bench.poll()
    assert (found.value, found.state, found.detail) == (None, SensorState.OUT_OF_RANGE, detail)


def test_result_that_the_quantity_cannot_have_is_out_of_range() -> None:
    bench = Bench("a + b", unit="ratio", path="tanks.fuel.all.currentLevel")
    bench.note("a", 0.75)
    bench.note("b", 0.5)
    found = bench.poll()
    assert (found.value, found.state) == (None, SensorState.OUT_OF_RANGE)
    assert "1.25" in found.detail
    assert "currentLevel" in found.detail


def test_closed_driver_computes_nothing() -> None:
    bench = Bench("a")
    bench.driver.close()
    bench.driver.close()
    with pytest.raises(DriverError, match="is not open"):
        bench.driver.poll(bench.clock.now_ns)


# Configuration -------------------------------------------------------------------------------------

METERS = "".join(
    f'[[sensor]]\nid = "{name}"\nname = "Meter {name}"\nkind = "pulse"\npin = {pin}\npulses_per_unit = 1000\n'
    f'path = "propulsion.{name}.rate"\nunit = "m3/s"\n'
    for name, pin in (("flow-in", 17), ("flow-out", 27))
)
OTHERS = (
    '[[sensor]]\nid = "float"\nkind = "switch"\npin = 22\npath = "bilge.main.highWater"\n'
    '[[sensor]]\nid = "hours"\nkind = "runtime"\npin = 23\npath = "propulsion.main.runTime"\n'
    '[[sensor]]\nid = "dip"\nkind = "manual"\npath = "tanks.fuel.main.currentVolume"\n'
    '[[sensor]]\nid = "sea"\nkind = "ds18b20"\npath = "environment.water.temperature"\n'
)


def derived(
    value: str, name: str = "used", *, path: str = "propulsion.main.fuel.rate", more: str = ""
) -> str:
    return f'[[sensor]]\nid = "{name}"\nkind = "derived"\nvalue = "{value}"\npath = "{path}"\n{more}'


Load = Callable[[str], tuple[SensorSettings, ...]]
Problems = Callable[[str], list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loader(text: str) -> tuple[SensorSettings, ...]:
        (tmp_path / "sensors.toml").write_text(text)
        return load_sensors(tmp_path / "sensors.toml")

    return loader


@pytest.fixture
def problems(load: Load) -> Problems:
    def finder(text: str) -> list[str]:
        try:
            load(text)
        except ConfigurationError as error:
            return [str(problem).removeprefix("sensors.toml:") for problem in error.problems]
        return []

    return finder


def test_inputs_have_the_age_limits_of_their_kinds(load: Load) -> None:
    value = "dip / hours + flow-in - flow-out"
    text = METERS.replace('unit = "m3/s"\n', 'unit = "m3/s"\nevery = "20 s"\n', 1) + OTHERS + derived(value)
    options = load(text)[-1].options
    assert isinstance(options, DerivedOptions)
    assert str(options.value) == value
    assert options.inputs == (
        DerivedInput("dip", "dip", "m3", None),
        DerivedInput("hours", "hours", "s", None),
        DerivedInput("flow-in", "Meter flow-in", "m3/s", 60.0),
        DerivedInput("flow-out", "Meter flow-out", "m3/s", 10.0),
    )


def test_every_common_key_applies_to_a_derived_sensor(load: Load) -> None:
    more = (
        'every = "500 ms"\naverage = "30 s"\ndeadband = "1 l/h"\nwindow = "1 min"\n'
        'alarm = { above = "30 l/h", severity = "warn" }\n'
    )
    found = load(METERS + derived("flow-in - flow-out", more=more))[-1]
    assert (found.interval_s, found.average_s, found.window_s, found.unit) == (0.5, 30.0, 60.0, "m3/s")
    assert found.alarms[0].above == pytest.approx(30e-3 / 3600)


def test_derived_sensor_may_come_before_its_inputs_and_use_derived_sensors(load: Load) -> None:
    text = derived("used * 2", "twice") + derived("flow-in - flow-out") + METERS
    assert [settings.id for settings in load(text)] == ["twice", "used", "flow-in", "flow-out"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "flow-in-flow-out",
            'the id "flow-in-flow-out" (column 1). Write a space on both sides of "-": "flow-in - flow-out".',
        ),
        (
            "2 * flow-in-2",
            'no sensor has the id "flow-in-2" (column 5). Write a space on both sides of "-": "flow-in - 2".',
        ),
        ("-flow-in", 'Write a space on both sides of "-": "- flow-in".'),
        ("flow-on", 'no sensor has the id "flow-on" (column 1). Did you mean "flow-in"?'),
        ("xyz", "The ids in this file are flow-in, flow-out, float, hours, dip, sea."),
        (
            "flow-in + 20l",
            "\"20l\" (column 11). Write a number with its unit in single quotes: '20 l'.",
        ),
        (
            "float * flow-in",
            '"float" in column 1 is a contact, whose value is not a number. Use its running time',
        ),
        ("flow-in + sea", "flow-in is in m3/s, but sea is a temperature (column 9)"),
        ("flow-in * 1 +", "value: a value is missing at the end"),
        ("2 * 3", "the expression contains no sensor. Write the id of at least one sensor."),
        ("used + flow-in", "the value depends on itself: used -> used"),
        ("dip", "the value is in m3, but propulsion.main.fuel.rate is in m3/s"),
    ],
)
def test_mistake_in_a_value_is_one_problem_of_its_line(problems: Problems, value: str, said: str) -> None:
    (found,) = problems(METERS + OTHERS + derived(value))
    assert said in found
    line = (METERS + OTHERS + derived(value)).splitlines().index(f'value = "{value}"') + 1
    assert found.startswith(f'{line}: sensor "used", value: ')


def test_value_that_is_missing_or_no_text_is_one_problem(problems: Problems) -> None:
    text = METERS + derived("flow-in")
    (missing,) = problems(text.replace('value = "flow-in"\n', ""))
    assert 'this key is missing. Add, for example: value = "flow-in - flow-out"' in missing
    (number,) = problems(text.replace('"flow-in"\npath = "propulsion.main', '5\npath = "propulsion.main'))
    assert "5 is not text" in number


def test_circle_of_sensors_is_one_problem(problems: Problems) -> None:
    text = METERS + derived("c + flow-in", "b") + derived("b - flow-out", "c") + derived("c", "d")
    (found,) = problems(text)
    assert 'sensor "b", value: the value depends on itself: b -> c -> b. Remove one of these ids' in found


def test_long_chains_and_wide_graphs_are_checked_quickly(load: Load) -> None:
    text = METERS + derived("flow-in", "n0")
    for n in range(1, 60):
        text += derived(" + ".join(f"n{m}" for m in range(max(0, n - 8), n)), f"n{n}")
    assert len(load(text)) == 62


def test_number_that_is_also_an_id_is_refused(problems: Problems) -> None:
    text = METERS.replace('id = "flow-out"', 'id = "2"') + derived("flow-in * 2")
    (found,) = problems(text)
    assert '"2" in column 11 is a number and also the id of a sensor' in found


def test_problem_of_an_input_is_not_reported_again(problems: Problems) -> None:
    text = METERS.replace('unit = "m3/s"\n', "", 1) + derived("flow-in - flow-out")
    (found,) = problems(text)
    assert 'sensor "flow-in", path: the unit' in found


def test_path_of_a_contact_is_refused(problems: Problems) -> None:
    (found,) = problems(METERS + derived("flow-in - flow-out", path="bilge.main.highWater"))
    assert "is a contact (on or off), but this sensor measures a number" in found


def test_difference_of_temperatures_is_in_kelvin(load: Load, problems: Problems) -> None:
    exhaust = OTHERS.replace('"sea"', '"exhaust"').replace("environment.water.t", "propulsion.main.exhaustT")
    text = OTHERS + "[[sensor]]" + exhaust.rpartition("[[sensor]]")[2].replace('"ds18b20"', '"manual"')
    (found,) = problems(text + derived("exhaust - sea", path="propulsion.main.coolantTemperature"))
    assert 'ends in "temperatureDifference", and write unit = "K"' in found
    path = "propulsion.main.coolantTemperatureDifference"
    more = 'unit = "K"\nalarm = { above = "25 °C", severity = "warn" }\n'
    settings = load(text + derived("exhaust - sea", path=path, more=more))[-1]
    assert settings.alarms[0].above == 25.0


# In the sampler ------------------------------------------------------------------------------------


def test_sampler_gives_derived_sensors_the_samples_of_all_lanes(tmp_path: Path) -> None:
    (tmp_path / "sensors.toml").write_text(
        METERS + derived("flow-in - flow-out", more='average = "10 s"\n') + derived("used * 2", "twice")
    )
    examined: ExaminedSensors = examine_sensors(toml_file.read(tmp_path / "sensors.toml"))
    clock, said = FakeClock(), Collector()
    context = DriverContext(clock)
    computed = make_drivers(examined.sensors[2:], context=context)
    flows = {"flow-in": 5.0, "flow-out": 3.0}

    def meter(name: str) -> ScriptedDriver:
        return ScriptedDriver(
            name, lane=name, on_poll=lambda emit, now_ns: emit(Sample(name, now_ns, flows[name]))
        )

    meters = [meter(name) for name in flows]
    sampler = Sampler([*meters, *computed], said, clock=clock, latest=context.latest)
    for lane in sampler.lanes:
        lane.begin()

    def step(seconds: float = 1.0) -> dict[str, Sample]:
        for lane in sampler.lanes:
            lane.step()
            lane.step()  # the first step opens the drivers
        clock.advance(seconds)
        return {sample.sensor: sample for sample in said}

    found = step()
    assert (found["used"].value, found["twice"].value) == (2.0, 4.0)
    flows["flow-in"] = 7.0
    assert step()["used"].value == 3.0  # the mean of 2 and 4
    assert {lane.name for lane in sampler.lanes} == {"flow-in", "flow-out", "derived"}


def test_blocked_bus_makes_a_derived_sensor_fail_and_blocks_no_other_lane() -> None:
    clock, said, latest = FakeClock(), Collector(), LatestSamples()
    options = DerivedOptions(value=parse_expression("probe"), inputs=(DerivedInput("probe", "", "", 10.0),))
    settings = sensor(options, kind="derived", id="copy")
    computed = DerivedDriver(settings, latest=latest, boottime_ns=clock.boottime_ns)
    sampler = Sampler([ScriptedDriver(), computed], said, clock=clock, latest=latest)
    for lane in sampler.lanes:
        lane.begin()
    bus, other = sampler.lanes
    for _ in range(15):
        if clock.now_ns < 101 * SECOND:
            bus.step()
        other.step()
        sampler.overdue(clock.advance(1))
    other.step()
    copies = [sample for sample in said if sample.sensor == "copy"]
    assert copies[0].value == 1.0
    assert (copies[-1].value, copies[-1].state) == (None, SensorState.FAILED)
    assert copies[-1].detail.startswith("probe is stale: bus lane has been blocked for")
