"""Quantities are shown in the units that users, Home Assistant and Signal K expect."""

import json
import math
from typing import Any, Final

import jinja2
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sensors import signalk_paths
from sensors.contact_classes import contact_class
from sensors.plausibility import impossible_value, missing_unit
from sensors.presentation import TABLE, display, format_as_written, format_exactly, format_value, presentation
from sensors.units import DIMENSIONS, parse
from sync.gateway.mqtt import homeassistant, signalk
from sync.gateway.mqtt.homeassistant import DiscoveryStyle
from sync.gateway.mqtt.vessels import SensorFacts, VesselFacts

_MEASURES: Final = {"measurement"}
_SUMS: Final = {"total", "total_increasing"}
DOCUMENTED: Final[dict[str, tuple[set[str], set[str]]]] = {
    "apparent_power": ({"mVA", "VA"}, _MEASURES),
    "atmospheric_pressure": ({"cbar", "bar", "hPa", "mmHg", "inHg", "kPa", "mbar", "Pa", "psi"}, _MEASURES),
    "battery": ({"%"}, _MEASURES),
    "current": ({"A", "mA"}, _MEASURES),
    "data_rate": ({"bit/s", "kbit/s", "B/s", "kB/s", "MB/s"}, _MEASURES),
    "data_size": ({"bit", "B", "kB", "MB", "GB"}, _MEASURES | _SUMS),
    "distance": ({"km", "m", "cm", "mm", "mi", "nmi", "yd", "in"}, _MEASURES | _SUMS),
    "duration": ({"d", "h", "min", "s", "ms", "µs"}, _MEASURES | _SUMS),
    "energy": ({"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh"}, _SUMS),
    "energy_storage": ({"J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh"}, _MEASURES),
    "frequency": ({"Hz", "kHz", "MHz", "GHz"}, _MEASURES),
    "humidity": ({"%"}, _MEASURES),
    "illuminance": ({"lx"}, _MEASURES),
    "power": ({"mW", "W", "kW", "MW", "GW", "TW"}, _MEASURES),
    "pressure": ({"Pa", "kPa", "hPa", "bar", "cbar", "mbar", "mmHg", "inHg", "psi"}, _MEASURES),
    "reactive_power": ({"var", "kvar"}, _MEASURES),
    "speed": ({"ft/s", "in/d", "in/h", "in/s", "km/h", "kn", "m/s", "mph", "mm/d", "mm/s"}, _MEASURES),
    "temperature": ({"°C", "°F", "K"}, _MEASURES),
    "voltage": ({"V", "mV", "µV", "kV", "MV"}, _MEASURES),
    "volume": ({"L", "mL", "gal", "fl. oz.", "m³", "ft³", "CCF"}, _SUMS),
    "volume_flow_rate": ({"m³/h", "m³/s", "ft³/min", "L/h", "L/min", "L/s", "gal/min", "mL/s"}, _MEASURES),
    "volume_storage": ({"L", "mL", "gal", "fl. oz.", "m³", "ft³", "CCF"}, _MEASURES),
    "weight": ({"kg", "g", "mg", "µg", "oz", "lb", "st"}, _MEASURES | _SUMS),
    "wind_direction": ({"°"}, {"measurement_angle"}),
    "wind_speed": ({"Beaufort", "ft/s", "km/h", "kn", "m/s", "mph"}, _MEASURES),
}
"""Home Assistant's device classes, with the units and state classes that each accepts.

The units are those of Home Assistant's documentation of sensors. The state classes are those of
`DEVICE_CLASS_STATE_CLASSES` in its `components/sensor/const.py`.
"""
SIGNAL_K: Final = {
    *(
        "A",
        "B",
        "C",
        "Hz",
        "J",
        "K",
        "Lux",
        "N",
        "Nm",
        "Pa",
        "Pa.s",
        "Pa/s",
        "T",
        "V",
        "W",
        "b/s",
        "deg",
        "kg",
    ),
    *("kg/m3", "kg/s", "m", "m/s", "m/s2", "m2", "m3", "m3/s", "ohm", "rad", "rad/s", "rad/s2", "ratio", "s"),
}
"""Units that Signal K 1.8 defines (`definitions.json`)."""
ROWS: Final = [
    # SI value and unit, path; text on screens; Home Assistant: number, unit, device class, state class
    (-5.25, "K", "a.temperatureDifference", "-5.2 K", -5.25, "K", None, "measurement"),
    (4_500, "s", "propulsion.main.runTime", "1.25 h", 1.25, "h", "duration", "total_increasing"),
    (
        *(200, "s", "electrical.batteries.1.capacity.timeRemaining", "3 min 20 s"),
        *(200, "s", "duration", "measurement"),
    ),
    (30, "Hz", "propulsion.main.revolutions", "1800 rpm", 1800, "rpm", None, "measurement"),
    (50, "Hz", "electrical.ac.shore.phase.a.frequency", "50.00 Hz", 50, "Hz", "frequency", "measurement"),
    (12.8, "V", "electrical.batteries.1.voltage", "12.80 V", 12.8, "V", "voltage", "measurement"),
    (-4.25, "A", "electrical.batteries.1.current", "-4.25 A", -4.25, "A", "current", "measurement"),
    (120.5, "ohm", "a.resistance", "120.5 ohm", 120.5, "Ω", None, "measurement"),
    (
        *(900, "W", "electrical.ac.shore.phase.a.apparentPower", "900 W"),
        *(900, "VA", "apparent_power", "measurement"),
    ),
    (
        *(90, "W", "electrical.ac.shore.phase.a.reactivePower", "90 W"),
        *(90, "var", "reactive_power", "measurement"),
    ),
    (800, "W", "electrical.solar.1.panelPower", "800 W", 800, "W", "power", "measurement"),
    (
        *(1.8e6, "J", "electrical.batteries.1.capacity.remaining", "0.500 kWh"),
        *(0.5, "kWh", "energy_storage", "measurement"),
    ),
    (3.6e6, "J", "electrical.solar.1.yieldToday", "1.000 kWh", 1, "kWh", "energy", "total_increasing"),
    (3.6e6, "J", "a.energy", "1.000 kWh", 1, "kWh", "energy", "total"),
    (
        *(36_000, "C", "electrical.batteries.1.lifetimeDischarge", "10.00 Ah"),
        *(10, "Ah", None, "total_increasing"),
    ),
    (
        *(36_000, "C", "electrical.batteries.1.capacity.dischargeSinceFull", "10.00 Ah"),
        *(10, "Ah", None, "measurement"),
    ),
    (358.15, "K", "propulsion.main.coolantTemperature", "85.0 °C", 85, "°C", "temperature", "measurement"),
    (273.1499, "K", "environment.outside.temperature", "0.0 °C", -0.0001, "°C", "temperature", "measurement"),
    (
        *(101_325, "Pa", "environment.inside.pressure", "1013.2 hPa"),
        *(1013.25, "hPa", "atmospheric_pressure", "measurement"),
    ),
    (400_000, "Pa", "propulsion.main.oilPressure", "4.00 bar", 4, "bar", "pressure", "measurement"),
    (2.1, "ratio", "propulsion.main.transmission.gearRatio", "2.1", 2.1, None, None, "measurement"),
    (2.1, "ratio", "electrical.alternators.1.pulleyRatio", "2.1", 2.1, None, None, "measurement"),
    (0.655, "ratio", "environment.inside.relativeHumidity", "65.5 %", 65.5, "%", "humidity", "measurement"),
    (
        *(0.9, "ratio", "electrical.batteries.1.capacity.stateOfCharge", "90.0 %"),
        *(90, "%", "battery", "measurement"),
    ),
    (0.43, "ratio", "tanks.fuel.main.currentLevel", "43.0 %", 43, "%", None, "measurement"),
    (0.8, "ratio", "propulsion.main.engineLoad", "80.0 %", 80, "%", None, "measurement"),
    (0.25, "m3", "tanks.fuel.main.currentVolume", "250.0 l", 250, "L", "volume_storage", "measurement"),
    (0.05, "m3", "propulsion.main.fuel.used", "50.0 l", 50, "L", "volume", "total_increasing"),
    (0.05, "m3", "tanks.oil.main.volume", "50.0 l", 50, "L", "volume_storage", "measurement"),
    (0.05, "m3", "a.water", "50.0 l", 50, "L", "volume", "total"),
    (1e-6, "m3/s", "propulsion.main.fuel.rate", "3.6 l/h", 3.6, "L/h", "volume_flow_rate", "measurement"),
    (1852, "m", "navigation.trip.log", "1852.00 m", 1852, "m", "distance", "total_increasing"),
    (3.25, "m", "environment.depth.belowKeel", "3.25 m", 3.25, "m", "distance", "measurement"),
    (2.778, "m/s", "navigation.speedThroughWater", "5.40 kn", 5.4, "kn", "speed", "measurement"),
    (10.288889, "m/s", "environment.wind.speedTrue", "20.00 kn", 20, "kn", "wind_speed", "measurement"),
    (
        *(math.pi, "rad", "environment.wind.directionTrue", "180.0 °"),
        *(180, "°", "wind_direction", "measurement_angle"),
    ),
    (math.pi / 2, "rad", "steering.rudderAngle", "90.0 °", 90, "°", None, "measurement_angle"),
    (math.pi / 60, "rad/s", "navigation.rateOfTurn", "3.00 °/s", 3, "°/s", None, "measurement"),
    (20.5, "kg", "a.mass", "20.5 kg", 20.5, "kg", "weight", "measurement"),
    (0.002, "kg/s", "a.flow", "0.002 kg/s", 0.002, "kg/s", None, "measurement"),
    (1.2, "kg/m3", "environment.inside.airDensity", "1.2 kg/m3", 1.2, "kg/m³", None, "measurement"),
    (500, "Lux", "environment.inside.illuminance", "500 lx", 500, "lx", "illuminance", "measurement"),
    (512, "B", "a.size", "512 B", 512, "B", "data_size", "measurement"),
    (7, "", "bilge.main.pump.starts", "7", 7, None, None, "total_increasing"),
    (7.5, "", "a.count", "7.5", 7.5, None, None, "measurement"),
    (512, "B/s", "a.rate", "512 B/s", 512, "B/s", "data_rate", "measurement"),
]
"""Example path and unit for each row of the presentation table."""


def announced(unit: str, path: str, kind: str = "analog") -> dict[str, Any]:
    """Return the configuration that Home Assistant receives for a sensor."""
    facts = VesselFacts("argo", sensors=(SensorFacts("main", "Main", path, unit, kind),))
    found = dict(homeassistant.discovery(facts, DiscoveryStyle(presentation, contact_class)))
    (topic,) = (topic for topic in found if topic.endswith("/main/config"))
    return found[topic]


def rendered(config: dict[str, Any], value: object, state: str = "good") -> str:
    """Return the state that Home Assistant's template engine derives from a current value."""
    template = jinja2.Template(config["value_template"])
    current = {"value": value, "state": state}
    return str(template.render(value_json=json.loads(json.dumps(current))))


def test_difference_of_temperatures_is_shown_in_kelvin_in_every_form() -> None:
    path = "propulsion.main.coolantTemperatureDifference"
    assert format_value(5.0, "K", path=path) == "5.0 K"
    assert format_as_written(5.0, "K", "5 °C", path=path) == "5 °C"
    assert format_as_written(5.0, "K", 5, path=path) == "5 K"
    assert impossible_value(-5.0, "K", path=path) is None
    assert missing_unit(5, "K", path=path) is None


def test_every_row_of_the_table_has_an_example() -> None:
    def row_of(unit: str, path: str) -> tuple[str, int]:
        return unit, next(index for index, row in enumerate(TABLE[unit]) if row.fits(path))

    examples = {row_of(unit, path) for _, unit, path, *_ in ROWS}
    assert examples == {(unit, index) for unit, rows in TABLE.items() for index in range(len(rows))}


@pytest.mark.parametrize(("value", "unit", "path", "text", "number", "shown", "kind", "statistics"), ROWS)
def test_quantity_has_the_same_unit_on_screens_and_in_home_assistant(
    value: float,
    unit: str,
    path: str,
    text: str,
    number: float,
    shown: str | None,
    kind: str | None,
    statistics: str,
) -> None:
    assert format_value(value, unit, path=path) == text
    config = announced(unit, path)
    assert float(rendered(config, value)) == pytest.approx(number, rel=1e-6, abs=1e-6)
    assert rendered(config, None) == "None"
    assert rendered(config, value, "noisy") == "None", "a faulty sensor has no value"
    assert config.get("unit_of_measurement") == shown
    assert config.get("device_class") == kind
    assert config["state_class"] == statistics
    decimals = config.get("suggested_display_precision")
    if decimals is not None:
        assert f"{round(number, decimals) + 0.0:.{decimals}f}" == text.split(maxsplit=1)[0]


@pytest.mark.parametrize(("unit", "path"), [(unit, path) for _, unit, path, *_ in ROWS])
def test_unit_and_state_class_are_documented_by_home_assistant_for_each_device_class(
    unit: str, path: str
) -> None:
    config = announced(unit, path)
    if "device_class" in config:
        units, statistics = DOCUMENTED[config["device_class"]]
        assert config["unit_of_measurement"] in units
        assert config["state_class"] in statistics


@pytest.mark.parametrize("unit", sorted(TABLE))
def test_signal_k_receives_only_units_that_it_defines(unit: str) -> None:
    current = {"sensor": "main", "path": "a.b", "value": 1, "unit": unit}
    delta = signalk.delta("urn:mrn:signalk:uuid:x", current, presentation)
    assert delta is not None
    told = delta["updates"][0].get("meta", [{"value": {}}])[0]["value"].get("units")
    assert told == (unit if unit in SIGNAL_K else None)


@pytest.mark.parametrize("path", [path for path, meta in signalk_paths.TABLE.items() if meta.units])
def test_every_path_has_a_row(path: str) -> None:
    unit = signalk_paths.TABLE[path].units
    assert (presentation(unit, path.replace("*", "x")) is None) == (unit == signalk_paths.CONTACT)


def test_every_accepted_unit_has_a_row() -> None:
    assert DIMENSIONS.keys() <= TABLE.keys()


@pytest.mark.parametrize("rows", TABLE.values())
def test_last_row_of_a_unit_matches_every_path(rows: tuple[Any, ...]) -> None:
    assert rows[-1].fits("")


def test_quantity_without_a_row_is_announced_unconverted() -> None:
    config = announced("furlong", "a.b")
    assert rendered(config, 7.5) == "7.5"
    assert rendered(config, 7.5, "open") == "None"
    assert not {"unit_of_measurement", "device_class", "state_class"} & config.keys()


@pytest.mark.parametrize(
    ("value", "unit", "path", "text"),
    [
        (358.15, "K", "propulsion.main.coolantTemperature", "85.0 °C"),
        (273.1499, "K", "environment.outside.temperature", "0.0 °C"),
        (400_000, "Pa", "propulsion.main.oilPressure", "4.00 bar"),
        (101_325, "Pa", "environment.inside.pressure", "1013.2 hPa"),
        (30, "Hz", "propulsion.main.revolutions", "1800 rpm"),
        (50, "Hz", "electrical.inverters.1.ac.frequency", "50.00 Hz"),
        (0.43, "ratio", "tanks.fuel.main.currentLevel", "43.0 %"),
        (2.1, "ratio", "propulsion.main.transmission.gearRatio", "2.1"),
        (1e-6, "m3/s", "propulsion.main.fuel.rate", "3.6 l/h"),
        (0.25, "m3", "tanks.fuel.main.currentVolume", "250.0 l"),
        (math.pi / 2, "rad", "steering.rudderAngle", "90.0 °"),
        (36_000, "C", "", "10.00 Ah"),
        (4_500, "s", "propulsion.main.runTime", "1.25 h"),
        (200, "s", "electrical.batteries.1.capacity.timeRemaining", "3 min 20 s"),
        (12.8, "V", "", "12.80 V"),
        (1.2, "kg/m3", "", "1.2 kg/m3"),
        (7, "", "bilge.main.pump.starts", "7"),
        (True, "bool", "bilge.main.highWater", "active"),
        (False, "bool", "bilge.main.highWater", "inactive"),
        (None, "K", "", "-"),
    ],
)
def test_value_is_formatted_as_sailors_expect(value: float | None, unit: str, path: str, text: str) -> None:
    assert format_value(value, unit, path=path) == text


@given(
    st.sampled_from(sorted(DIMENSIONS)),
    st.floats(min_value=-1e12, max_value=1e12),
    st.sampled_from(["", "a.revolutions"]),
)
def test_formatted_value_can_be_parsed_back_within_its_last_digit(unit: str, value: float, path: str) -> None:
    number, shown_unit = display(value, unit, path=path)
    assume(unit not in ("s", "B", "B/s"))  # these have formatting functions of their own
    last_digit = 10.0 ** -len(number.partition(".")[2]) if "e" not in number else abs(float(number)) * 1e-5
    step = abs(parse(f"{last_digit} {shown_unit}", unit) - parse(f"0 {shown_unit}", unit))
    assert parse(f"{number} {shown_unit}", unit) == pytest.approx(value, rel=1e-5, abs=step)


@pytest.mark.parametrize(
    ("value", "unit", "path", "shown_in", "text"),
    [
        (4e5, "Pa", "propulsion.main.oilPressure", "psi", "58.0 psi"),
        (101325.0, "Pa", "environment.outside.pressure", "inHg", "29.921 inHg"),
        (358.15, "K", "propulsion.main.coolantTemperature", "°F", "185.0 °F"),
        (5.0, "K", "propulsion.main.exhaust.temperatureDifference", "°F", "9.0 °F"),
        (0.1, "m3", "tanks.fuel.main.currentVolume", "US gal", "26.42 US gal"),
        (10.0, "m", "environment.depth.belowKeel", "ft", "32.8 ft"),
        (5.0, "m/s", "navigation.speedOverGround", "km/h", "18.00 km/h"),
        (7200.0, "s", "propulsion.main.runTime", "s", "7200 s"),
        (5400.0, "s", "a.b", "h", "1.5 h"),
        (0.5, "ratio", "tanks.fuel.main.currentLevel", "%", "50.0 %"),
        (4e5, "Pa", "propulsion.main.oilPressure", "kn", "4.00 bar"),
        (4e5, "Pa", "propulsion.main.oilPressure", "", "4.00 bar"),
        (3.0, "", "bilge.main.pump.starts", "psi", "3"),
        (True, "bool", "bilge.main.highWater", "psi", "active"),
        (None, "Pa", "propulsion.main.oilPressure", "psi", "-"),
    ],
)
def test_value_is_shown_in_the_unit_that_was_asked_for(
    value: float | None, unit: str, path: str, shown_in: str, text: str
) -> None:
    assert format_value(value, unit, path=path, shown_in=shown_in) == text


@pytest.mark.parametrize("unit", DIMENSIONS)
def test_every_unit_of_a_quantity_can_be_asked_for(unit: str) -> None:
    for name, scale in DIMENSIONS[unit].units.items():
        shown = format_exactly(scale.factor + scale.offset, unit, shown_in=name)
        assert shown in (f"1 {name}", f"1.0 {name}")


@pytest.mark.parametrize("kind", ["manual", "derived"])
@pytest.mark.parametrize(
    ("unit", "path"), [("s", "propulsion.main.runTime"), ("m3", "propulsion.main.fuel.used")]
)
def test_total_that_can_fall_is_not_announced_as_increasing(kind: str, unit: str, path: str) -> None:
    assert announced(unit, path)["state_class"] == "total_increasing"
    assert announced(unit, path, kind)["state_class"] == "total"
