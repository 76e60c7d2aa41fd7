"""On a supervised contact, a resistor at the cable's end makes a cut or shorted cable detectable."""

import itertools
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sensors.chips.adc import AdsInput
from sensors.config.loader import ConfigurationError, examine_sensors, load_sensors
from sensors.driver import DriverError
from sensors.end_of_line import LoopState, SupervisedCircuit
from sensors.kinds.supervised import KIND, SupervisedDriver, SupervisedOptions, read_contact
from sensors.sample import Totals
from sensors.settings import SensorSettings
from sensors.state import SensorState
from sensors.toml import toml_file
from services.config.understood import understood
from tests.sensors.fakes import Collector, read_once, sensor
from tests.sensors.sysfs import UNREADABLE, Sysfs

CIRCUIT = SupervisedCircuit(pull_up_ohm=10e3, end_of_line_ohm=10e3, in_series_ohm=2.2e3, supply_v=3.3)
FLOAT = SupervisedOptions(
    chip="mcp3208",
    channel=2,
    bus=0,
    address=0,
    pull_up_ohm=10e3,
    end_of_line_ohm=10e3,
    in_series_ohm=2.2e3,
)
SHORTED, CUT = 0.0, math.inf
CLOSED, OPEN = CIRCUIT.closed_ohm, CIRCUIT.end_of_line_ohm

resistors = st.floats(100, 1e6)


# The circuit ---------------------------------------------------------------------------------------


def test_contact_and_its_resistor_are_parallel_to_the_resistor_at_the_end_of_the_line() -> None:
    assert CIRCUIT.closed_ohm == pytest.approx(2200 * 10_000 / 12_200)
    assert replace(CIRCUIT, in_series_ohm=None).closed_ohm == 0.0


def test_limit_between_closed_and_open_is_the_geometric_middle_of_the_resistances() -> None:
    assert CIRCUIT.limits_ohm[LoopState.CLOSED] == pytest.approx(math.sqrt(CLOSED * OPEN))


def test_limits_of_faults_are_as_far_from_the_contacts_resistances() -> None:
    low, middle, high = CIRCUIT.limits_ohm.values()
    assert CLOSED / low == pytest.approx(middle / CLOSED)
    assert high / OPEN == pytest.approx(OPEN / middle)


@given(pull_up=resistors, end_of_line=resistors, in_series=st.one_of(st.none(), resistors))
def test_each_expected_resistance_is_read_as_its_state(
    pull_up: float, end_of_line: float, in_series: float | None
) -> None:
    circuit = SupervisedCircuit(
        pull_up_ohm=pull_up, end_of_line_ohm=end_of_line, in_series_ohm=in_series, supply_v=3.3
    )
    assume(circuit.closest[2] > 0.001)
    for state, ohm in circuit.expected_ohm.items():
        assert circuit.state(circuit.volts(ohm)) is state


@given(ohms=st.lists(st.floats(0, 1e8), min_size=2, max_size=2))
def test_states_are_in_order_of_resistance(ohms: list[float]) -> None:
    low, high = sorted(ohms)
    order = list(LoopState)
    assert order.index(CIRCUIT.state(CIRCUIT.volts(low))) <= order.index(CIRCUIT.state(CIRCUIT.volts(high)))


@pytest.mark.parametrize(
    ("ohm", "active", "value", "state"),
    [
        (SHORTED, "closed", None, SensorState.SHORT),
        (CLOSED, "closed", True, SensorState.GOOD),
        (OPEN, "closed", False, SensorState.GOOD),
        (CUT, "closed", None, SensorState.OPEN),
        (SHORTED, "open", None, SensorState.SHORT),
        (CLOSED, "open", False, SensorState.GOOD),
        (OPEN, "open", True, SensorState.GOOD),
        (CUT, "open", None, SensorState.OPEN),
    ],
)
def test_cut_or_shorted_cable_is_a_fault_and_never_a_state_of_the_contact(
    ohm: float, active: str, value: bool | None, state: SensorState
) -> None:
    reading = read_contact(CIRCUIT.volts(ohm), replace(FLOAT, active=active))
    assert (reading.value, reading.state) == (value, state)


def test_fault_says_what_is_wrong_with_the_cable() -> None:
    assert read_contact(3.29, FLOAT).detail == "the cable is cut or unplugged: 3.29 V is above 2.32 V"
    assert read_contact(0.02, FLOAT).detail == (
        "the wires of the cable touch each other or ground: 0.02 V is at most 0.235 V"
    )


def test_without_a_resistor_in_series_a_short_circuit_is_a_closed_contact() -> None:
    plain = replace(FLOAT, in_series_ohm=None)
    assert read_contact(0.0, plain).value is True
    assert read_contact(1.65, plain).value is False
    assert read_contact(3.3, plain).state is SensorState.OPEN


@pytest.mark.parametrize("tolerance", [0.95, 1.05])
def test_resistors_of_five_percent_change_no_state(tolerance: float) -> None:
    for ohm, state in zip((SHORTED, CLOSED, OPEN, CUT), LoopState, strict=True):
        assert CIRCUIT.state(replace(CIRCUIT, pull_up_ohm=10e3 / tolerance).volts(ohm * tolerance)) is state


@pytest.fixture
def sysfs(tmp_path: Path) -> Sysfs:
    return Sysfs(tmp_path)


# The driver ----------------------------------------------------------------------------------------


def supervised(sysfs: Sysfs, options: SupervisedOptions = FLOAT) -> SupervisedDriver:
    return SupervisedDriver(sensor(options, kind="supervised", unit="bool"), root=sysfs.root)


@pytest.mark.parametrize(
    ("code", "value", "state"),
    [
        (0, None, SensorState.SHORT),
        (626, True, SensorState.GOOD),
        (2048, False, SensorState.GOOD),
        (4095, None, SensorState.OPEN),
    ],
)
def test_state_is_read_from_an_mcp3208(
    sysfs: Sysfs, code: int, value: bool | None, state: SensorState
) -> None:
    sysfs.iio("mcp3208", "spi0/spi0.0", {"in_voltage2_raw": code})
    sample = read_once(supervised(sysfs))
    assert (sample.value, sample.state) == (value, state)


ADS = replace(FLOAT, chip="ads1115", bus=1, address=0x48)


@pytest.mark.parametrize(
    ("code", "value", "state"),
    [
        (-3, None, SensorState.SHORT),
        (4036, True, SensorState.GOOD),
        (13_200, False, SensorState.GOOD),
        (26_400, None, SensorState.OPEN),
        (32_767, None, SensorState.OPEN),
    ],
)
def test_state_is_read_from_an_ads1115(
    sysfs: Sysfs, code: int, value: bool | None, state: SensorState
) -> None:
    sysfs.iio("ads1015", "i2c-1/1-0048", {"in_voltage2_raw": code, "in_voltage2_scale": 0.125})
    sample = read_once(supervised(sysfs, ADS))
    assert (sample.value, sample.state) == (value, state)


def test_ads1115_that_cannot_measure_a_cut_cable_is_refused(sysfs: Sysfs) -> None:
    sysfs.iio("ads1015", "i2c-1/1-0048", {"in_voltage2_raw": 0, "in_voltage2_scale": 0.0625})
    with pytest.raises(DriverError, match=r"up to 2.048 V, so a cut cable, .* \(…_gain=1 is 4.096 V\)"):
        read_once(supervised(sysfs, ADS))


def test_gain_of_an_ads1115_follows_from_the_supply() -> None:
    assert ADS.chip_inputs == (AdsInput(2, 4.096),)
    assert replace(ADS, supply_v=5.0).chip_inputs == (AdsInput(2, 6.144),)
    assert FLOAT.chip_inputs == ()


def test_only_changes_are_emitted(sysfs: Sysfs) -> None:
    device = sysfs.iio("mcp3208", "spi0/spi0.0", {"in_voltage2_raw": 2048})
    driver, said = supervised(sysfs), Collector()
    driver.open(said, resume=Totals())
    for now_ns, code in enumerate([2048, 2050, 626, 626, 4095, 4095, 2048]):
        (device / "in_voltage2_raw").write_text(f"{code}\n")
        driver.poll(now_ns)
    assert said.values == [False, True, None, False]
    assert said.states[2] == "open"
    driver.close()
    driver.open(said, resume=Totals())
    driver.poll(9)
    assert said.values[4:] == [False]


def test_converter_that_does_not_answer_is_an_error(sysfs: Sysfs) -> None:
    sysfs.iio("mcp3208", "spi0/spi0.0", {"in_voltage2_raw": UNREADABLE})
    with pytest.raises(DriverError, match="in_voltage2_raw cannot be read"):
        read_once(supervised(sysfs))


# The configuration ---------------------------------------------------------------------------------

TABLE = """\
[[sensor]]
id = "float"
kind = "supervised"
chip = "mcp3008"
channel = 1
pull_up = "10 kohm"
end_of_line = "10 kohm"
in_series = "2.2 kohm"
path = "bilge.main.highWater"
"""


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], SensorSettings]:
    def loaded(content: str) -> SensorSettings:
        (tmp_path / "sensors.toml").write_text(content)
        return load_sensors(tmp_path / "sensors.toml")[0]

    return loaded


def test_keys_are_read(load: Callable[[str], SensorSettings]) -> None:
    settings = load(TABLE)
    assert settings.unit == "bool"
    assert settings.options == replace(FLOAT, chip="mcp3008", channel=1)


@pytest.mark.parametrize("table", [KIND.example, *KIND.description.split("```toml\n")[1:]])
def test_examples_in_the_documentation_are_valid(load: Callable[[str], SensorSettings], table: str) -> None:
    assert load(table.partition("```")[0]).kind == "supervised"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"mcp3008"\nchannel = 1', '"ads1115"\nchannel = 4', "channel: the ADS1115 has no channel 4"),
        (
            'in_series = "2.2 kohm"',
            'in_series = "100 ohm"',
            (
                '6: sensor "float", pull_up: these resistors do not distinguish a short circuit from a closed'
                " contact: the voltages differ by only 32.4 mV. Use a pull_up of about 995 ohm."
            ),
        ),
        (
            'in_series = "2.2 kohm"',
            'in_series = "1 Mohm"',
            (
                '7: sensor "float", end_of_line: these resistors do not distinguish a closed contact from an'
                " open contact: the voltages differ by only 8.21 mV. Write, for example, end_of_line"
            ),
        ),
        ('pull_up = "10 kohm"', 'pull_up = "10 k"', '6: sensor "float", pull_up: "k" is not a unit'),
        ('pull_up = "10 kohm"', "", 'sensor "float", pull_up: this key is missing'),
        ("channel = 1", 'channel = 1\nsupply = "5 V"', "a cut cable has 5 V, but the MCP3008 measures only"),
        ("channel = 1", "channel = 1\nscale = 2", 'scale: kind "supervised" does not have this key'),
        ('"mcp3008"', '"ads1115"\nreference = "5 V"', "the ADS1115 has its own reference. Remove reference."),
        ("bilge.main.highWater", "bilge.main.level", "this sensor measures in on and off"),
        ("channel = 1", 'channel = 1\nactive = "high"', '"high" is not an allowed value'),
    ],
)
def test_mistake_is_reported(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(TABLE.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        load_sensors(path)
    assert message in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("pull_up", "end_of_line", "in_series"),
    list(
        itertools.product(("1 kohm", "4.7 kohm", "10 kohm"), ("3.3 kohm", "10 kohm"), ("1 kohm", "2.2 kohm"))
    ),
)
def test_usual_resistors_are_accepted(
    load: Callable[[str], SensorSettings], pull_up: str, end_of_line: str, in_series: str
) -> None:
    content = TABLE.replace('pull_up = "10 kohm"', f'pull_up = "{pull_up}"')
    content = content.replace('end_of_line = "10 kohm"', f'end_of_line = "{end_of_line}"')
    assert load(content.replace('in_series = "2.2 kohm"', f'in_series = "{in_series}"'))


def test_limit_that_a_cut_cable_may_not_exceed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    close = TABLE.replace('pull_up = "10 kohm"', 'pull_up = "1 kohm"').replace("2.2 kohm", "1 kohm")
    path.write_text(close)
    assert load_sensors(path)  # the supply is the reference of the MCP3008
    path.write_text(close.replace("mcp3008", "ads1115"))
    with pytest.raises(ConfigurationError) as caught:
        load_sensors(path)
    assert str(caught.value).endswith(
        'sensors.toml:6: sensor "float", pull_up: the limit for a cut cable (3.2 V) is so close to the supply'
        " (3.3 V) that a cut cable would look like an open contact if the supply is a little lower. Use a"
        " pull_up of about 3.02 kohm."
    )
    path.write_text(
        close.replace("mcp3008", "ads1115").replace('pull_up = "1 kohm"', 'pull_up = "3.02 kohm"')
    )
    assert load_sensors(path)


@given(
    pull_up=resistors,
    end_of_line=resistors,
    in_series=st.one_of(st.none(), resistors),
    share=st.floats(0.97, 1),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_cut_cable_is_a_fault_whatever_the_tolerance_of_the_supply(
    tmp_path: Path, pull_up: float, end_of_line: float, in_series: float | None, share: float
) -> None:
    path = tmp_path / "sensors.toml"
    content = TABLE.replace("mcp3008", "ads1115").replace(
        'in_series = "2.2 kohm"\n', "" if in_series is None else f'in_series = "{in_series} ohm"\n'
    )
    content = content.replace('pull_up = "10 kohm"', f'pull_up = "{pull_up} ohm"')
    path.write_text(content.replace('end_of_line = "10 kohm"', f'end_of_line = "{end_of_line} ohm"'))
    try:
        (loaded,) = load_sensors(path)
    except ConfigurationError as error:
        advice = re.search(r"pull_up of about ([0-9.]+ k?ohm)", str(error))
        if advice is not None:
            path.write_text(re.sub("pull_up = .*", f'pull_up = "{advice[1]}"', path.read_text()))
            assert load_sensors(path)
        return
    assert isinstance(loaded.options, SupervisedOptions)
    assert read_contact(3.3 * share, loaded.options).state is SensorState.OPEN


def test_input_of_another_sensor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(TABLE + TABLE.replace('"float"', '"door"'))
    with pytest.raises(ConfigurationError, match='channel 1 of this chip is already read by sensor "float"'):
        load_sensors(path)


def facts(folder: Path, content: str) -> dict[str, str]:
    path = folder / "sensors.toml"
    path.write_text(content)
    (found,) = understood(examine_sensors(toml_file.read(path)))
    return dict(found.facts)


def test_facts_show_the_resistances_and_the_limits(tmp_path: Path) -> None:
    found = facts(tmp_path, TABLE + 'active = "open"\n')
    assert found["wiring"].startswith("MCP3008, bus spi-0, chip select 0, channel 1; header pins 23 = GPIO11")
    assert {key: found[key] for key in ("resistance", "contact", "fault")} == {
        "resistance": "shorted 0 ohm (0 V), closed 1.8 kohm (0.504 V), open 10 kohm (1.65 V), cut (3.3 V)",
        "contact": "closed up to 4.25 kohm (0.984 V); active when open",
        "fault": "short up to 766 ohm (0.235 V), open above 23.5 kohm (2.32 V)",
    }


def test_facts_say_that_a_short_circuit_is_not_detected(tmp_path: Path) -> None:
    found = facts(tmp_path, TABLE.replace('in_series = "2.2 kohm"\n', ""))
    assert found["contact"] == "closed up to 3.16 kohm (0.793 V); active when closed"
    assert found["fault"] == (
        "open above 31.6 kohm (2.51 V); a short circuit of the cable looks like a closed contact"
    )
