"""The running mean averages the good samples in its window, also of directions, in limited memory."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.averaging import BUCKETS, RunningMean
from sensors.kinds.manual import ManualOptions
from sensors.sample import Sample, Totals, Value
from sensors.sampling import Channel
from sensors.state import SensorState
from tests.sensors.fakes import SECOND, Collector, sensor
from tests.sensors.test_sampling import ScriptedDriver

VALUES = st.floats(-1e9, 1e9)
STEPS = st.lists(st.tuples(st.integers(0, 20 * SECOND), VALUES), min_size=1, max_size=80)


def at(seconds: float, value: Value, state: SensorState = SensorState.GOOD) -> Sample:
    return Sample("probe", round(seconds * SECOND), value, state)


def number(sample: Sample) -> float:
    assert isinstance(sample.value, float)
    return sample.value


def means(mean: RunningMean, *samples: Sample) -> list[Value]:
    return [mean.smooth(sample).value for sample in samples]


@given(steps=STEPS, seconds=st.floats(0.1, 60))
def test_mean_is_between_the_lowest_and_the_highest_value_of_the_window(
    steps: list[tuple[int, float]], seconds: float
) -> None:
    mean, now_ns, seen = RunningMean(seconds), 0, list[tuple[int, float]]()
    for step_ns, value in steps:
        now_ns += step_ns
        seen.append((now_ns, value))
        found = number(mean.smooth(Sample("probe", now_ns, value)))
        window = [each for time_ns, each in seen if time_ns > now_ns - seconds * SECOND]
        assert min(window) <= found <= max(window)


@given(
    value=VALUES | st.sampled_from([0.1, 1 / 3]),
    steps=st.lists(st.integers(0, SECOND), min_size=1, max_size=200),
    is_angle=st.booleans(),
)
def test_mean_of_a_constant_value_is_the_value(value: float, steps: list[int], is_angle: bool) -> None:
    mean, now_ns = RunningMean(30, is_angle=is_angle), 0
    for step_ns in steps:
        now_ns += step_ns
        assert mean.smooth(Sample("probe", now_ns, value)).value == value


@given(values=st.lists(VALUES, min_size=1, max_size=50))
def test_mean_of_a_window_is_the_arithmetic_mean(values: list[float]) -> None:
    found = means(RunningMean(60), *(at(n, value) for n, value in enumerate(values)))[-1]
    assert found == pytest.approx(sum(values) / len(values), rel=1e-7, abs=1e-5)


def test_values_that_are_older_than_the_window_do_not_count() -> None:
    samples = [at(0, 100.0), at(10, 1.0), at(20, 2.0), at(30, 3.0), at(40, 4.0)]
    assert means(RunningMean(30), *samples) == [100.0, 50.5, pytest.approx(34.333333), 2.0, 3.0]
    assert means(RunningMean(30), at(0, 100.0), at(3600, 1.0)) == [100.0, 1.0]


@pytest.mark.parametrize("rate_hz", [1, 100, 1000])
def test_memory_does_not_depend_on_the_sampling_rate(rate_hz: int) -> None:
    mean = RunningMean(3)
    for n in range(6 * rate_hz):
        mean.smooth(at(n / rate_hz, float(n % 7)))
        assert len(mean) <= BUCKETS <= 64
    assert number(mean.smooth(at(6, 3.0))) == pytest.approx(3, abs=1.5)


@pytest.mark.parametrize("state", [state for state in SensorState if state is not SensorState.GOOD])
def test_fault_is_not_averaged_and_empties_the_window(state: SensorState) -> None:
    value = 50.0 if state.carries_value else None
    fault = at(2, value, state)
    mean = RunningMean(30)
    means(mean, at(0, 10.0), at(1, 20.0))
    assert mean.smooth(fault) is fault
    assert len(mean) == 0
    assert means(mean, at(3, 1.0), at(4, 2.0)) == [1.0, 1.5]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, None, True])
def test_value_without_a_finite_number_passes_unchanged(value: Value) -> None:
    mean = RunningMean(30)
    means(mean, at(0, 10.0))
    odd = at(1, value)
    assert mean.smooth(odd) is odd
    assert len(mean) == 0


def test_sum_that_is_too_large_for_a_float_is_not_recorded() -> None:
    found = means(RunningMean(30), at(0, 1.7e308), at(1, 1.7e308), at(2, -1.7e308), at(3, -1.7e308))
    assert all(isinstance(value, float) and math.isfinite(value) for value in found)


def degrees(*angles: float) -> float:
    """Return the last mean of angles, in degrees."""
    mean = RunningMean(60, is_angle=True)
    samples = [mean.smooth(at(n, math.radians(angle))) for n, angle in enumerate(angles)]
    return math.degrees(number(samples[-1]))


def test_directions_are_averaged_across_north() -> None:
    assert math.cos(math.radians(degrees(359, 1))) == pytest.approx(1)
    assert degrees(350, 20) == pytest.approx(5, abs=1e-4)


def test_angles_that_are_negative_to_port_are_averaged_across_the_stern() -> None:
    assert abs(degrees(-179, 179)) == pytest.approx(180, abs=1e-4)
    assert degrees(-10, 20) == pytest.approx(5, abs=1e-4)


@given(angles=st.lists(st.floats(0, 2 * math.pi, exclude_max=True), min_size=1, max_size=20))
def test_mean_direction_is_a_direction(angles: list[float]) -> None:
    mean = RunningMean(60, is_angle=True)
    for n, angle in enumerate(angles):
        assert 0 <= number(mean.smooth(at(n, angle))) < 2 * math.pi


@given(angles=st.lists(st.floats(-math.pi, math.pi), min_size=1, max_size=20))
def test_mean_angle_is_an_angle(angles: list[float]) -> None:
    mean = RunningMean(60, is_angle=True)
    for n, angle in enumerate(angles):
        assert -math.pi <= number(mean.smooth(at(n, angle))) <= math.pi + 1e-7


def test_directions_that_cancel_each_other_out_have_the_latest_value() -> None:
    assert degrees(0, 180) == pytest.approx(180)


# In the sampler ------------------------------------------------------------------------------------


def channel(said: Collector, **more: object) -> Channel:
    driver = ScriptedDriver()
    driver.settings = sensor(ManualOptions(), **more)  # type: ignore[arg-type]
    return Channel(driver, said)


def test_sampler_emits_the_mean_and_keeps_times_and_totals() -> None:
    said = Collector()
    averaged = channel(said, average_s=30.0)
    averaged.accept(Sample("probe", 1 * SECOND, 10.0, totals=Totals(1)))
    averaged.accept(Sample("probe", 2 * SECOND, 20.0, totals=Totals(2)))
    averaged.report(3 * SECOND, SensorState.FAILED, "no chip")
    averaged.accept(Sample("probe", 4 * SECOND, 20.0, totals=Totals(3)))
    assert said.values == [10.0, 15.0, None, 20.0]
    assert [sample.boottime_ns // SECOND for sample in said] == [1, 2, 3, 4]
    assert averaged.totals == Totals(3)


def test_sampler_averages_angles_as_directions() -> None:
    said = Collector()
    averaged = channel(said, average_s=30.0, unit="rad")
    for n, angle in enumerate((350, 10)):
        averaged.accept(at(n, math.radians(angle)))
    assert math.cos(number(said[-1])) == pytest.approx(1)


def test_sensor_without_the_key_is_not_averaged() -> None:
    said = Collector()
    plain = channel(said)
    for n, value in enumerate((10.0, 20.0)):
        plain.accept(at(n, value))
    assert said.values == [10.0, 20.0]
