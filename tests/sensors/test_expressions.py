"""Expressions are parsed, checked and evaluated correctly, and every error message names the column."""

import math
from collections.abc import Callable, Mapping
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.derived import dimensions
from sensors.derived.evaluation import NoResultError, evaluate
from sensors.derived.expression import (
    Call,
    Expression,
    Negation,
    Number,
    Operation,
    Part,
    Quantity,
    SensorValue,
)
from sensors.derived.parser import MOST_NESTED, parse_expression
from sensors.signalk_paths import TABLE
from sensors.toml.schema import text
from sensors.units import DIMENSIONS, InputError

IDS = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True)
NUMBERS = st.sampled_from(["0", "2", "0.5", "1e3", "-4", "1.", ".25", "-1.5e-2"]).map(
    lambda written: Number(float(written), written)
)
QUANTITIES = st.sampled_from(
    [
        Quantity(0.02, "m3", False, "20 l"),
        Quantity(278.15, "K", True, "5 °C"),
        Quantity(5.0, "K", False, "5 K"),
        Quantity(200.0, "s", False, "3 min 20 s"),
    ]
)
SENSORS = IDS.map(SensorValue)


def _larger(smaller: st.SearchStrategy[Part]) -> st.SearchStrategy[Part]:
    several = st.lists(smaller, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Negation, smaller),
        st.builds(Operation, st.sampled_from("+-*/"), smaller, smaller),
        st.builds(Call, st.just("abs"), st.tuples(smaller)),
        st.builds(Call, st.sampled_from(["min", "max", "sum", "mean"]), several),
    )


PARTS: st.SearchStrategy[Part] = st.recursive(NUMBERS | QUANTITIES | SENSORS, _larger, max_leaves=8)
LETTERS = "ab-1.e+*/(), '\"é×−_%=\\"  # noqa: RUF001


def refusal(call: Callable[[], object]) -> str:
    """Return the message of the `InputError` that a call raises, or an empty text if it raises none."""
    try:
        call()
    except InputError as error:
        return str(error)
    return ""


# Text ----------------------------------------------------------------------------------------------


@given(part=PARTS)
def test_expression_is_read_back_from_its_text(part: Part) -> None:
    written = str(Expression(part))
    assert parse_expression(written).root == part
    assert str(parse_expression(written)) == written


@given(written=st.text(LETTERS, max_size=40) | st.text(max_size=40))
def test_any_text_is_an_expression_or_an_input_error(written: str) -> None:
    try:
        expression = parse_expression(written)
    except InputError:
        return
    assert parse_expression(str(expression)) == expression


@pytest.mark.parametrize(
    "written",
    [
        "(" * 300,
        "-(" * 150,
        "- " * 149 + "a",
        "(" * 149 + "a" + ")" * 149,
        "a" + "+a" * 149,
        "min(" * 75,
        "9" * 300,
        "1e" + "9" * 290,
        "'" + "9" * 290 + " l'",
        "a" * 300,
        "a-" * 150,
        "a -" * 100,
    ],
)
def test_longest_texts_are_expressions_or_input_errors(written: str) -> None:
    assert text(300)(written) == written
    message = refusal(lambda: parse_expression(written))
    assert "\n" not in message
    assert len(message) < 300


def test_nesting_is_limited() -> None:
    deep = "(" * MOST_NESTED + "a" + ")" * MOST_NESTED
    assert parse_expression(deep).root == SensorValue("a")
    with pytest.raises(InputError, match="is nested too deeply: more than 20 levels"):
        parse_expression(f"({deep})")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("a+b*c", "a + b * c"),
        ("a - (b - c)", "a - (b - c)"),
        ("(a - b) - c", "a - b - c"),
        ("(a + b)*c", "(a + b) * c"),
        ("a / (b * c)", "a / (b * c)"),
        ("-(a + b)", "- (a + b)"),
        ("- a * b", "- a * b"),
        ("min ( a,b , 0 )", "min(a, b, 0)"),
        ('tank + "20 l"', "tank + '20 l'"),
        ("tank + ' 20   l '", "tank + '20 l'"),
        ("a - -2", "a - -2"),
        ("port-flow - starboard-return", "port-flow - starboard-return"),
        ("min - max", "min - max"),
    ],
)
def test_expression_has_one_canonical_text(written: str, canonical: str) -> None:
    assert str(parse_expression(written)) == canonical


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "the expression is empty. Write, for example"),
        ("  ", "the expression is empty"),
        ("a +", "a value is missing at the end"),
        ("+ a", 'a value is missing before "+" in column 1'),
        ("a * * b", "** in column 4 is not an operator"),
        ("a ** 2", "** in column 3 is not an operator. Write a * a"),
        ("a b", 'an operator is missing before "b" in column 3. Write +, -, * or / between two values'),
        ("flow -b", 'before "-b" in column 6. Write a space on both sides of "-": "flow - b"'),
        ("flow- b", 'before "b" in column 7. Write a space on both sides of "-": "flow - b"'),
        ("a + 2 l/h", "before \"l\" in column 7. Write a number with its unit in single quotes: '2 l/h'"),
        ("a + 50 %", "a number with its unit in single quotes: '50 %'"),
        (
            "50% * a",
            "\"50%\" in column 1 is not an id. Write a number with its unit in single quotes: '50 %'",
        ),
        ("a × b", '"×" in column 3 is not an operator. Write "*"'),  # noqa: RUF001
        ("a − b", '"−" in column 3 is not an operator. Write "-"'),  # noqa: RUF001
        ("[a]", '"[a]" in column 1 is not an id. Write "(" instead of "["'),
        ("(a", "the parenthesis in column 1 is not closed"),
        ("2 * (a + b", "the parenthesis in column 5 is not closed"),
        ("a)", '")" in column 2 closes no parenthesis'),
        ("a, b", '"," in column 2 is not between the arguments of a function'),
        ("(a, b)", "the parenthesis in column 1 is not closed"),
        ("a + '5 l", "the quotation mark in column 5 is not closed"),
        ("a + '5'", '"5" in column 5 has no unit. Write 5 without quotes'),
        ("a + 'b'", '"b" in column 5 is not a quantity. Write the id of a sensor without quotes: b'),
        ("a + '5 foo'", '"5 foo" in column 5 is not a number with a known unit'),
        ("avg(a, b)", '"avg" in column 1 is not a function. Did you mean "mean"?'),
        ("maxx(a, b)", 'Did you mean "max"?'),
        ("tank (a)", '"tank" in column 1 is not a function. Write an operator before the parenthesis'),
        ("min(a)", "min in column 1 has only one value. Write two or more"),
        ("abs(a, b)", "abs in column 1 has 2 values. Write one value"),
        ("min()", 'a value is missing before ")" in column 5'),
        ("propulsion.main.fuel.rate", "is a path. Write the id of the sensor"),
        ("Flow", '"Flow" in column 1 is not an id. Ids are in lower case: write flow'),
        ("a_b", '"a_b" in column 1 is not an id. The id of a sensor has 1 to 32 lower-case letters'),
        ("1e999 * a", "the number in column 1 is too large"),
    ],
)
def test_mistake_is_described_with_its_column(written: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_expression(written)
    assert said in str(caught.value)


def test_each_sensor_of_an_expression_is_listed_once_in_the_order_of_the_text() -> None:
    found = parse_expression("c - (a + c) / max(b, 2, a)").sensors
    assert [(each.sensor, each.column) for each in found] == [("c", 1), ("a", 6), ("b", 19)]


@pytest.mark.parametrize(
    ("written", "value", "unit", "is_point"),
    [
        ("20 l", 0.02, "m3", False),
        ("2 US gal/h", 2 * 3.785411784e-3 / 3600, "m3/s", False),
        ("20 °C", 293.15, "K", True),
        ("68 °F", 293.15, "K", True),
        ("20 K", 20.0, "K", False),
        ("15 %", 0.15, "ratio", False),
        ("-3 bar", -3e5, "Pa", False),
        ("3 min 20 s", 200.0, "s", False),
    ],
)
def test_quantity_is_converted_to_si(written: str, value: float, unit: str, is_point: bool) -> None:
    root = parse_expression(f"'{written}'").root
    assert isinstance(root, Quantity)
    assert root.value == pytest.approx(value)
    assert (root.unit, root.is_point) == (unit, is_point)


# Units ---------------------------------------------------------------------------------------------

KNOWN: Mapping[str, tuple[str, str]] = {
    "flow-in": ("m3/s", "propulsion.main.supply.rate"),
    "flow-out": ("m3/s", "propulsion.main.return.rate"),
    "rpm": ("Hz", "propulsion.main.revolutions"),
    "volts": ("V", "electrical.batteries.house.voltage"),
    "amps": ("A", "electrical.batteries.house.current"),
    "level": ("ratio", "tanks.fuel.port.currentLevel"),
    "volume": ("m3", "tanks.fuel.port.currentVolume"),
    "starts": ("", "bilge.main.pump.starts"),
    "water": ("K", "environment.water.temperature"),
    "exhaust": ("K", "propulsion.main.exhaustTemperature"),
    "rise": ("K", "propulsion.main.temperatureDifference"),
    "oil": ("Pa", "propulsion.main.oilPressure"),
    "hours": ("s", "propulsion.main.runTime"),
    "power": ("W", "electrical.solar.roof.panelPower"),
    "torque": ("N·m", "propulsion.main.torque"),
    "heading": ("rad", "navigation.headingMagnetic"),
    "rudder": ("rad", "steering.rudderAngle"),
    "depth": ("m", "environment.depth.belowKeel"),
    "speed": ("m/s", "navigation.speedThroughWater"),
}
MEASURES = {name: dimensions.measure(unit, path) for name, (unit, path) in KNOWN.items()}
OWN = "vessel.own.value"


def checked(written: str, unit: str, path: str = OWN) -> None:
    dimensions.check(parse_expression(written), MEASURES, unit=unit, path=path)


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("flow-in - flow-out", "m3/s"),
        ("max(flow-in - flow-out, 0)", "m3/s"),
        ("flow-in - '2 l/h'", "m3/s"),
        ("volts * amps", "W"),
        ("volts / amps", "ohm"),
        ("power / volts", "A"),
        ("power * hours", "J"),
        ("amps * hours", "C"),
        ("flow-in / rpm", "m3"),
        ("flow-in * hours", "m3"),
        ("1 / hours", "Hz"),
        ("rpm / 2.5", "Hz"),
        ("level * '400 l' + level * '350 l'", "m3"),
        ("volume / '400 l'", "ratio"),
        ("volume / '400 l'", ""),
        ("starts / 2 + level", ""),
        ("mean(level, level, 0)", "ratio"),
        ("depth / speed", "s"),
        ("mean(exhaust, water)", "K"),
        ("max(exhaust, water, '40 °C')", "K"),
        ("exhaust - '5 K'", "K"),
        ("'5 K' + exhaust", "K"),
        ("exhaust + rise", "K"),
        ("water + (exhaust - water) / 2", "K"),
        ("torque + torque", "N·m"),
        ("torque * rpm / rpm", "N·m"),
        ("heading", "rad"),
        ("abs(exhaust)", "K"),
        ("mean(rudder, rudder)", "rad"),
        ("abs(flow-in - flow-out)", "m3/s"),
        ("- flow-in", "m3/s"),
        ("flow-in * 0", "m3/s"),
    ],
)
def test_units_that_match_are_accepted(written: str, unit: str) -> None:
    checked(written, unit)


@pytest.mark.parametrize(
    "written", ["exhaust - water", "exhaust - '20 °C'", "rise * 2", "rise - '5 K'", "abs(rise)"]
)
def test_difference_of_temperatures_fits_the_path_of_a_difference(written: str) -> None:
    checked(written, "K", "propulsion.main.coolantTemperatureDifference")
    with pytest.raises(InputError, match='ends in "temperatureDifference"'):
        checked(written, "K", "propulsion.main.coolantTemperature")


@pytest.mark.parametrize(
    ("written", "unit", "said"),
    [
        ("exhaust + oil", "K", "exhaust is a temperature, but oil is in Pa (column 9)"),
        ("flow-in + volts", "m3/s", "flow-in is in m3/s, but volts is in V (column 9)"),
        (
            "flow-in + 2",
            "m3/s",
            "2 is a plain number (column 9). Write the number with its unit in single quotes: '2 m3/s'",
        ),
        ("max(2, flow-in)", "m3/s", "2 is a plain number, but flow-in is in m3/s (column 1)"),
        ("min(level, level, volts)", "ratio", "but volts is in V (column 1)"),
        ("volts * amps", "J", f"the value is in W, but {OWN} is in J"),
        ("flow-in * flow-in", "m3/s", "the value is in m6/s2, but"),
        ("1 / depth", "m", "the value is in 1/m, but"),
        ("level", "W", "the value is a plain number, but"),
        ("volts", "ratio", f"the value is in V, but {OWN} is a plain number"),
        ("exhaust + water", "K", "two temperatures cannot be added (column 9). Use mean(a, b)"),
        ("exhaust + '5 °C'", "K", "two temperatures cannot be added"),
        ("sum(exhaust, water)", "K", "temperatures cannot be added (column 1). Use mean instead of sum"),
        ("rise - exhaust", "K", "a temperature cannot be subtracted from a difference (column 6)"),
        ("(exhaust + water) / 2", "K", "two temperatures cannot be added"),
        (
            "exhaust * 2",
            "K",
            "exhaust is a temperature and cannot be multiplied, divided or negated (column 9)",
        ),
        ("- exhaust", "K", "and cannot be multiplied, divided or negated (column 1)"),
        ("min(exhaust, '20 K')", "K", "min in column 1 has temperatures and differences: exhaust and '20 K'"),
        ("max(exhaust, 0)", "K", "has temperatures and differences: exhaust and 0"),
        (
            "heading + '5 °'",
            "rad",
            "heading is a direction, which starts again at 0 after a full turn (column 9)",
        ),
        ("mean(heading, heading)", "rad", "heading is a direction"),
        ("heading / 2", "rad", "heading is a direction"),
        ("flow-in / 0", "m3/s", "the divisor in column 11 is 0"),
        ("torque + oil", "N·m", "torque is in N·m, but oil is in Pa"),
    ],
)
def test_units_that_do_not_match_are_refused_with_the_column(written: str, unit: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        checked(written, unit)
    assert said in str(caught.value)


def test_temperature_does_not_fit_the_path_of_a_difference() -> None:
    with pytest.raises(InputError, match="is for a difference"):
        checked("exhaust", "K", "propulsion.main.temperatureDifference")


@pytest.mark.parametrize("unit", sorted({*DIMENSIONS, *(meta.units for meta in TABLE.values())} - {"bool"}))
def test_every_unit_has_its_own_dimension(unit: str) -> None:
    found = dimensions.measure(unit, OWN).powers
    assert dimensions.unit_of(found) == ("" if unit == "ratio" else unit)
    assert found or unit in ("", "ratio")


@given(
    written=st.text(LETTERS, max_size=30) | PARTS.map(lambda part: str(Expression(part))),
    unit=st.sampled_from(["m3/s", "K", "rad", ""]),
)
def test_check_of_units_raises_nothing_but_an_input_error(written: str, unit: str) -> None:
    try:
        expression = parse_expression(written)
    except InputError:
        return
    known = {each.sensor: dimensions.measure(unit, OWN) for each in expression.sensors}
    assert "\n" not in refusal(lambda: dimensions.check(expression, known, unit=unit, path=OWN))


def test_check_of_a_long_sum_is_fast() -> None:
    written = " + ".join(["flow-in"] * 300)
    checked(written, "m3/s")


# Values --------------------------------------------------------------------------------------------

VALUES = st.dictionaries(st.sampled_from("abc"), st.floats(-1e6, 1e6), min_size=3)


def _python(part: Part, values: Mapping[str, float]) -> float:
    """Return the value of a part of an expression, calculated with Python's own operators."""
    source = str(Expression(part)).replace("'20 l'", "0.02").replace("'5 °C'", "278.15")
    source = source.replace("'5 K'", "5.0").replace("'3 min 20 s'", "200.0")
    names = {
        "min": min,
        "max": max,
        "abs": abs,
        "sum": lambda *all_: sum(all_),
        "mean": lambda *all_: sum(all_) / len(all_),
    }
    return float(eval(source, {"__builtins__": {}}, {**names, **values}))


ARITHMETIC: st.SearchStrategy[Part] = st.recursive(
    NUMBERS | QUANTITIES | st.sampled_from("abc").map(SensorValue), _larger, max_leaves=8
)


@given(part=ARITHMETIC, values=VALUES)
def test_value_is_that_of_pythons_arithmetic(part: Part, values: dict[str, float]) -> None:
    try:
        expected = _python(part, values)
    except ZeroDivisionError:
        with pytest.raises(NoResultError):
            evaluate(Expression(part), values)
        return
    try:
        found = evaluate(Expression(part), values)
    except NoResultError:
        return  # a part is not finite, although Python continues with infinity
    assert found == expected
    assert math.isfinite(found)


@given(part=PARTS, value=st.floats() | st.integers() | st.sampled_from([10**400, -(10**400), 0]))
def test_value_is_finite_or_there_is_none(part: Part, value: float) -> None:
    expression = Expression(part)
    with suppress(NoResultError):
        assert math.isfinite(evaluate(expression, {each.sensor: value for each in expression.sensors}))


@pytest.mark.parametrize(
    ("written", "values", "said"),
    [
        ("a / b", {"a": 1.0, "b": 0.0}, "division by zero: b is 0"),
        ("a / (b - c)", {"a": 1.0, "b": 2.0, "c": 2.0}, "division by zero: b - c is 0"),
        ("a * a", {"a": 1e200}, "a * a is not a finite number"),
        ("sum(a, a)", {"a": 1.7e308}, "sum(a, a) is not a finite number"),
        ("a", {"a": math.nan}, "a is not a finite number"),
        ("1 / a", {"a": math.inf}, "a is not a finite number"),
    ],
)
def test_missing_value_has_a_reason(written: str, values: dict[str, float], said: str) -> None:
    with pytest.raises(NoResultError) as caught:
        evaluate(parse_expression(written), values)
    assert str(caught.value) == said
