"""The circuits of senders are invertible, and each value rises or falls monotonically with the voltage."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sensors.senders import (
    Circuit,
    Direct,
    NtcCurve,
    PointCurve,
    PullUp,
    SeriesResistor,
    conversion,
    resistive_range,
    voltage_range,
    written,
)
from sensors.state import SensorState
from sensors.units import ZERO_CELSIUS, parse

resistances = st.floats(1, 1e6)
circuits = st.one_of(
    st.just(Direct()),
    st.builds(PullUp, pull_up_ohm=resistances, supply_v=st.floats(1, 30)),
    st.builds(SeriesResistor, ohm=resistances),
)
ntcs = st.builds(NtcCurve, beta_k=st.floats(1000, 6000), r25_ohm=st.floats(100, 1e6))


class TestCircuits:
    @given(circuit=circuits, quantity=st.floats(1e-3, 1e5))
    def test_quantity_is_computed_back_from_its_voltage(self, circuit: Circuit, quantity: float) -> None:
        volts = circuit.volts(quantity)
        if isinstance(circuit, PullUp):
            assume(volts < 0.9999 * circuit.supply_v)  # near the supply the resistance is not determined
        assert circuit.quantity(volts) == pytest.approx(quantity, rel=1e-6)

    @given(circuit=circuits, volts=st.tuples(st.floats(0, 30), st.floats(0, 30)))
    def test_quantity_rises_with_the_voltage(self, circuit: Circuit, volts: tuple[float, float]) -> None:
        low, high = sorted(volts)
        assert circuit.quantity(low) <= circuit.quantity(high)

    @given(pull_up=resistances, supply=st.floats(1, 30), above=st.floats(0, 5))
    def test_resistance_is_infinite_from_the_voltage_of_the_supply(
        self, pull_up: float, supply: float, above: float
    ) -> None:
        assert math.isinf(PullUp(pull_up, supply).quantity(supply + above))

    @given(pull_up=resistances, volts=st.floats(-5, 0))
    def test_no_resistance_is_negative(self, pull_up: float, volts: float) -> None:
        assert PullUp(pull_up, 3.3).quantity(volts) == 0


class TestThermistors:
    @given(curve=ntcs, celsius=st.floats(-60, 200))
    def test_temperature_is_computed_back_from_its_resistance(self, curve: NtcCurve, celsius: float) -> None:
        kelvin = ZERO_CELSIUS + celsius
        assert curve.value(curve.ohm(kelvin)) == pytest.approx(kelvin)

    @given(curve=ntcs)
    def test_nominal_resistance_is_that_at_25_degrees(self, curve: NtcCurve) -> None:
        assert curve.value(curve.r25_ohm) == pytest.approx(ZERO_CELSIUS + 25)

    @given(curve=ntcs, ohms=st.tuples(st.floats(1, 1e6), st.floats(1, 1e6)))
    def test_temperature_falls_as_the_resistance_rises(
        self, curve: NtcCurve, ohms: tuple[float, float]
    ) -> None:
        low, high = (min(max(each, curve.valid[0]), curve.valid[1]) for each in sorted(ohms))
        assert curve.value(low) >= curve.value(high)

    def test_beta_equation_agrees_with_the_definition_of_the_b_value(self) -> None:
        curve = NtcCurve(3950, 10_000)
        t85 = ZERO_CELSIUS + 85
        t25 = ZERO_CELSIUS + 25
        b_value = t25 * t85 / (t85 - t25) * math.log(10_000 / curve.ohm(t85))
        assert b_value == pytest.approx(3950)
        assert curve.ohm(t85) == pytest.approx(1086, abs=1)


curves = (
    st.lists(st.integers(1, 100_000), min_size=2, max_size=8, unique=True)
    .map(sorted)
    .flatmap(
        lambda ohms: (
            st.lists(st.floats(-1e3, 1e3), min_size=len(ohms), max_size=len(ohms))
            .map(sorted)
            .map(lambda values: PointCurve(tuple(zip(map(float, ohms), values, strict=True))))
        )
    )
)


class TestConversions:
    @given(curve=curves, pull_up=st.floats(10, 1e4), volts=st.tuples(st.floats(0, 3.3), st.floats(0, 3.3)))
    def test_value_of_a_resistive_sender_rises_with_the_voltage_if_its_pairs_rise(
        self, curve: PointCurve, pull_up: float, volts: tuple[float, float]
    ) -> None:
        found = conversion(PullUp(pull_up, 3.3), curve, resistive_range(*curve.span()), open_is_high=True)
        low, high = sorted(volts)
        assert found.value(low) <= found.value(high)

    @given(curve=curves, pull_up=st.floats(10, 1e4))
    def test_every_pair_is_met_exactly_and_is_inside_the_range(
        self, curve: PointCurve, pull_up: float
    ) -> None:
        circuit = PullUp(pull_up, 3.3)
        found = conversion(circuit, curve, resistive_range(*curve.span()), open_is_high=True)
        scale = max(abs(value) for _, value in curve.points)
        for (ohm, value), (after, _) in zip(curve.points, [*curve.points[1:], (math.inf, 0)], strict=True):
            assume(after - ohm > 1e-3 * ohm)
            volts = circuit.volts(ohm)
            assert found.state(volts) is SensorState.GOOD
            assert found.value(volts) == pytest.approx(value, abs=1e-3 * scale + 1e-9)

    @given(curve=curves, pull_up=st.floats(10, 1e4), step_mv=st.floats(0.01, 1))
    def test_no_step_of_the_converter_changes_the_value_by_more_than_the_coarsest(
        self, curve: PointCurve, pull_up: float, step_mv: float
    ) -> None:
        found = conversion(PullUp(pull_up, 3.3), curve, resistive_range(*curve.span()), open_is_high=True)
        total = abs(curve.points[-1][1] - curve.points[0][1])
        low, high = (found.circuit.volts(end) for end in curve.span())
        coarsest = found.coarsest_step(step_mv / 1000)
        assert coarsest * (high - low) >= 0.999 * total * step_mv / 1000

    @pytest.mark.parametrize(
        ("lowest", "highest", "expected"),
        [
            (0.5, 4.5, (0.25, 4.75)),
            (1.0, 5.0, (0.75, 5.25)),
            (0.0, 10.0, (0.0, 10.625)),
            (-5, 5, (-5.625, 5.625)),
        ],
    )
    def test_range_of_a_voltage_output_has_a_margin(
        self, lowest: float, highest: float, expected: tuple[float, float]
    ) -> None:
        assert voltage_range(lowest, highest) == pytest.approx(expected)

    @pytest.mark.parametrize(
        ("volts", "text"),
        [
            (0.05, "3.69 ohm (0.05 V) is below 5 ohm"),
            (3.0, "2.4 kohm (3 V) is above 270 ohm"),
            (3.3, "3.3 V is the voltage of an open circuit"),
        ],
    )
    def test_fault_states_the_measured_resistance(self, volts: float, text: str) -> None:
        oil = conversion(PullUp(240, 3.3), PointCurve(((10, 0), (180, 1e6))), (5, 270), open_is_high=True)
        assert oil.fault(volts) == text


@pytest.mark.parametrize(
    ("quantity", "unit", "text"),
    [
        (0, "ohm", "0 ohm"),
        (5, "ohm", "5 ohm"),
        (999.9999999, "ohm", "1 kohm"),
        (401_860, "ohm", "401.86 kohm"),
        (1e6, "ohm", "1 Mohm"),
        (0.0036, "A", "3.6 mA"),
        (-750, "A", "-750 A"),
        (0.25, "V", "0.25 V"),
    ],
)
def test_quantity_is_written_as_on_a_part(quantity: float, unit: str, text: str) -> None:
    assert written(quantity, unit) == text
    assert parse(text, unit) == pytest.approx(quantity)
