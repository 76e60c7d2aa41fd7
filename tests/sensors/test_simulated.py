"""Simulated machinery behaves like real machinery, and yields the same samples for the same seed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors import simulation_models
from sensors.kinds.simulated import SimulatedDriver, SimulatedOptions
from sensors.sample import Totals
from sensors.state import SensorState
from tests.sensors.fakes import SECOND, Collector, sensor

UNITS = {"engine": "Hz", "bilge": "m", "tank": "ratio", "battery": "V", "temperature": "K", "door": ""}


def play(
    model: str,
    *,
    unit: str | None = None,
    seed: int = 1,
    faults: bool = False,
    wire: SensorState = SensorState.GOOD,
    sensor_id: str = "probe",
    seconds: float = 120.0,
    rate_hz: float = 2.0,
) -> Collector:
    """Return all samples that a simulated sensor emits in a period of time."""
    unit = UNITS[model] if unit is None else unit
    options = SimulatedOptions(model, seed, faults, wire)
    driver = SimulatedDriver(sensor(options, unit=unit, id=sensor_id))
    said = Collector()
    driver.open(said, resume=Totals())
    for step in range(round(seconds * rate_hz)):
        driver.poll(500 * SECOND + round(step * SECOND / rate_hz))
    driver.close()
    return said


@pytest.mark.parametrize("model", UNITS)
class TestEveryModel:
    def test_same_seed_gives_the_same_samples(self, model: str) -> None:
        assert play(model, faults=True) == play(model, faults=True)

    def test_another_seed_gives_other_samples(self, model: str) -> None:
        assert play(model, seed=1).values != play(model, seed=2).values

    def test_a_number_has_a_value_at_every_poll(self, model: str) -> None:
        said = play(model)
        assert len(said) == 240
        assert all(isinstance(value, float) for value in said.values)
        assert set(said.states) == {"good"}

    def test_model_of_a_contact_emits_only_changes(self, model: str) -> None:
        said = play(model, unit="bool", seconds=400)
        assert said.values
        assert all(isinstance(value, bool) for value in said.values)
        assert all(before is not after for before, after in pairwise(said.values))

    @given(seed=st.integers(0, 2**32), t_s=st.floats(0, 1e7))
    def test_waveform_depends_only_on_its_arguments(self, model: str, seed: int, t_s: float) -> None:
        for waveform in simulation_models.MODELS[model].numbers.values():
            first = waveform(seed, 5, t_s)
            waveform(seed + 1, 6, t_s / 2)
            assert waveform(seed, 5, t_s) == first

    def test_two_sensors_of_one_seed_differ_in_noise(self, model: str) -> None:
        if model != "door":
            assert play(model, sensor_id="port").values != play(model, sensor_id="starboard").values


class TestStories:
    def test_engine_starts_idles_cruises_and_stops(self) -> None:
        values = [simulation_models.engine_hz(3, 0, t) for t in range(600)]
        start, stop = simulation_models.engine_run(3, 0)
        assert all(value == 0 for t, value in enumerate(values) if t < start or t > stop + 2)
        idle = values[round(start) + 5 : round(start) + 15]
        assert all(12 < value < 15 for value in idle)
        cruise = values[round(start) + 60 : round(stop) - 60]
        assert all(25 < value < 41 for value in cruise)

    @given(seed=st.integers(0, 10_000))
    def test_first_minute_has_a_starting_engine_and_a_bilge_alarm(self, seed: int) -> None:
        assert any(simulation_models.engine_runs(seed, t) for t in range(60))
        assert not simulation_models.engine_runs(seed, 0)
        assert any(simulation_models.bilge_high(seed, t) for t in range(60))
        assert not simulation_models.bilge_high(seed, 0)

    @given(seed=st.integers(0, 10_000))
    def test_bilge_pump_prevents_an_overflow(self, seed: int) -> None:
        depths = [simulation_models.bilge_m(seed, 0, t) for t in range(0, 900, 3)]
        assert min(depths) >= 0
        assert max(depths) < 0.15

    @given(seed=st.integers(0, 10_000), start_s=st.integers(0, 3 * 3600))
    def test_tank_level_changes_slowly_and_stays_a_ratio(self, seed: int, start_s: int) -> None:
        levels = [simulation_models.tank_ratio(seed, 0, start_s + t) for t in range(120)]
        assert all(0 <= level <= 1 for level in levels)
        assert all(abs(after - before) < 0.05 for before, after in pairwise(levels))

    def test_battery_charges_while_the_engine_runs(self) -> None:
        start, stop = simulation_models.engine_run(3, 0)
        assert all(simulation_models.battery_v(3, 0, t) < 12.9 for t in range(int(start)))
        assert all(simulation_models.battery_v(3, 0, t) > 14 for t in range(int(start) + 180, int(stop)))
        assert all(simulation_models.battery_a(3, 0, t) > 0 for t in range(int(start) + 1, int(stop)))
        assert all(simulation_models.battery_a(3, 0, t) < 0 for t in range(int(start)))

    @pytest.mark.parametrize(
        "waveform",
        [simulation_models.coolant_k, simulation_models.battery_v, simulation_models.battery_ratio],
    )
    @given(seed=st.integers(0, 10_000), cycle=st.integers(1, 50))
    def test_values_do_not_jump_at_the_end_of_a_cycle(
        self, waveform: simulation_models.Waveform, seed: int, cycle: int
    ) -> None:
        end_s = cycle * simulation_models.ENGINE_CYCLE_S
        assert waveform(seed, 0, end_s - 0.01) == pytest.approx(waveform(seed, 0, end_s), abs=0.2)

    def test_totals_of_a_contact_continue(self) -> None:
        driver = SimulatedDriver(sensor(SimulatedOptions("door", 4), unit="bool"))
        said = Collector()
        driver.open(said, resume=Totals(count=10, seconds=100.0))
        for step in range(4000):
            driver.poll(step * SECOND // 10)
        opened = sum(1 for value in said.values if value is True)
        last = said[-1].totals
        assert last is not None
        assert opened > 3
        assert last.count == 10 + opened
        stood_open = sum(
            (after.boottime_ns - before.boottime_ns) / SECOND
            for before, after in pairwise(said)
            if before.value
        )
        assert last.seconds == pytest.approx(100.0 + stood_open)

    def test_reopened_contact_emits_its_state(self) -> None:
        driver = SimulatedDriver(sensor(SimulatedOptions("door", 4), unit="bool"))
        said = Collector()
        for now_ns in (0, SECOND):
            driver.open(said, resume=Totals())
            driver.poll(now_ns)
            driver.close()
        assert said.values == [False, False]


class TestFaults:
    def test_simulated_faults_include_open_short_and_stale(self) -> None:
        said = play("tank", faults=True, seconds=1800)
        assert set(said.states) == {"good", "open", "short", "stale"}
        assert said.states.count("good") > 0.8 * len(said)

    @pytest.mark.parametrize("wire", [SensorState.OPEN, SensorState.SHORT])
    def test_broken_wire_stays_broken(self, wire: SensorState) -> None:
        said = play("tank", wire=wire)
        assert set(said.states) == {wire}
        assert set(said.values) == {None}

    def test_fault_never_has_a_value(self) -> None:
        for model in UNITS:
            said = play(model, faults=True, seconds=900)
            assert len(set(said.states)) > 1, model
            for sample in said:
                assert (sample.value is None) is (sample.state is not SensorState.GOOD)

    def test_stale_sensor_reports_it_once(self) -> None:
        said = play("tank", faults=True, seconds=1800)
        assert "stale" in said.states
        for before, after in pairwise(said):
            if before.state is SensorState.STALE:
                assert after.state is not SensorState.STALE
                assert after.boottime_ns - before.boottime_ns > 3 * SECOND

    def test_contact_emits_its_state_after_a_fault(self) -> None:
        said = play("door", unit="bool", faults=True, seconds=900)
        for before, after in pairwise(said):
            if before.state is not SensorState.GOOD:
                assert after.state is before.state or after.value is not None
        assert any(state != "good" for state in said.states)
