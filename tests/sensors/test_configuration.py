"""A valid `sensors.toml` is accepted, and every mistake is reported with its line."""

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors.alarm_rules import AlarmRule, AlarmWhen
from sensors.analog.options import AnalogOptions
from sensors.config.loader import COMMON, load_sensors
from sensors.gpio.pin_keys import Pull
from sensors.kinds.bme280 import Bme280Options
from sensors.kinds.ds18b20 import Ds18b20Options
from sensors.kinds.ina226 import Ina226Options
from sensors.kinds.manual import ManualOptions
from sensors.kinds.pulse import PulseOptions
from sensors.kinds.replay import ReplayOptions
from sensors.kinds.runtime import RuntimeOptions
from sensors.kinds.simulated import SimulatedOptions
from sensors.kinds.switch import ContactOptions
from sensors.kinds.thermocouple import ThermocoupleOptions
from sensors.registry import all_kinds
from sensors.settings import SensorSettings
from sensors.severity import Severity
from sensors.state import SensorState
from sensors.toml.toml_file import ConfigurationError

LIGHTS = {5: "power", 6: "record", 13: "mesh", 19: "gateway", 26: "fault"}
RECORDING = "time,path,value\n0,electrical.batteries.1.voltage,12.8\n1,bilge.main.highWater,true\n"

SWITCH = 'id = "{id}"\nkind = "switch"\npin = {pin}\npath = "bilge.{id}.highWater"\n'
RPM = 'id = "rpm"\nkind = "pulse"\npin = 27\npulses_per_unit = 12\npath = "propulsion.main.revolutions"\n'
RUN_TIME = 'path = "propulsion.main.runTime"\n'
FUEL = (
    'id = "fuel"\nkind = "analog"\nchip = "mcp3008"\nchannel = 0\n'
    'calibration = [[0.94, 0.0], [2.41, 1.0]]\nvalid = [0.5, 2.9]\npath = "tanks.fuel.main.currentLevel"\n'
)
CLIMATE = (
    'id = "humidity"\nkind = "bme280"\nmeasure = "relativeHumidity"\n'
    'path = "environment.inside.saloon.relativeHumidity"\n'
)
THERMOMETER = 'id = "{id}"\nkind = "ds18b20"\npath = "propulsion.{id}.exhaustTemperature"\n'
BATTERY = 'id = "house"\nkind = "ina226"\nmeasure = "voltage"\npath = "electrical.batteries.1.voltage"\n'
MANUAL = 'id = "oil"\nkind = "manual"\npath = "tanks.lubrication.main.currentLevel"\n'
SIMULATED = 'id = "sim"\nkind = "simulated"\nmodel = "engine"\npath = "propulsion.port.revolutions"\n'
REPLAY = 'id = "replayed"\nkind = "replay"\nfile = "yacht.csv"\npath = "electrical.batteries.1.voltage"\n'

Load = Callable[[str], tuple[SensorSettings, ...]]
Problems = Callable[[str], list[str]]


def switch(name: str = "float", pin: int = 17) -> str:
    return SWITCH.format(id=name, pin=pin)


def sensors(*tables: str) -> str:
    """Return a file that contains these tables. The first table begins in line 2."""
    return "\n".join(f"[[sensor]]\n{table}" for table in tables)


@pytest.fixture
def load(tmp_path: Path) -> Load:
    (tmp_path / "yacht.csv").write_text(RECORDING)

    def loader(text: str) -> tuple[SensorSettings, ...]:
        path = tmp_path / "sensors.toml"
        path.write_text(text)
        return load_sensors(path, reserved=LIGHTS)

    return loader


@pytest.fixture
def problems(load: Load) -> Problems:
    """Return a function that lists the problems in a text, each in the form `line: …`."""

    def finder(text: str) -> list[str]:
        try:
            load(text)
        except ConfigurationError as error:
            return [str(problem).removeprefix("sensors.toml:") for problem in error.problems]
        return []

    return finder


# A whole file --------------------------------------------------------------------------------------


def test_every_key_of_a_switch_is_read_and_converted_to_si(load: Load) -> None:
    [found] = load(
        sensors(
            dedent("""\
                id = "bilge-float"
                name = "Main bilge float switch"
                description = "under the engine"
                kind = "switch"
                pin = 17
                pull = "down"
                active = "high"
                debounce = "80 ms"
                normally_closed = true
                noisy_above = "5 Hz"
                path = "bilge.main.highWater"
                window = "10 min"
                alarm = { when = "active", for = "10 s", clear_for = "1 min", severity = "warn", text = "W" }
            """)
        )
    )
    assert found == SensorSettings(
        id="bilge-float",
        name="Main bilge float switch",
        description="under the engine",
        kind="switch",
        path="bilge.main.highWater",
        unit="bool",
        options=ContactOptions(
            pin=17,
            pull=Pull.DOWN,
            active_low=False,
            debounce_s=0.08,
            normally_closed=True,
            noisy_above_hz=5.0,
        ),
        window_s=600.0,
        alarms=(
            AlarmRule(
                severity=Severity.WARN,
                text="W",
                when=AlarmWhen.ACTIVE,
                raise_after_s=10.0,
                clear_after_s=60.0,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("table", "unit", "interval_s", "options"),
    [
        (switch(), "bool", 1.0, ContactOptions(pin=17)),
        (RPM, "Hz", 1.0, PulseOptions(pin=27, pulses_per_unit=12.0)),
        (
            RPM.replace("pulses_per_unit = 12", "poles = 12\nratio = 2.5"),
            "Hz",
            1.0,
            PulseOptions(pin=27, pulses_per_unit=15.0, poles=12, ratio=2.5),
        ),
        (
            'id = "hours"\nkind = "runtime"\npin = 22\nstart = "1234.5 h"\n' + RUN_TIME,
            "s",
            1.0,
            RuntimeOptions(22, start_s=4_444_200.0),
        ),
        (
            FUEL,
            "ratio",
            1.0,
            AnalogOptions(
                chip="mcp3008",
                channel=0,
                bus=0,
                address=0,
                calibration=((0.94, 0.0), (2.41, 1.0)),
                valid=(0.5, 2.9),
            ),
        ),
        (THERMOMETER.format(id="main"), "K", 10.0, Ds18b20Options(address=None, measure="temperature")),
        (
            'id = "exhaust"\nkind = "thermocouple"\npath = "propulsion.main.exhaustTemperature"\n',
            "K",
            1.0,
            ThermocoupleOptions(bus=0, address=None, measure="temperature"),
        ),
        (
            BATTERY + 'bus = 3\naddress = 0x41\nshunt = "1.5 mohm"\n',
            "V",
            1.0,
            Ina226Options(bus=3, address=0x41, measure="voltage", shunt_ohm=0.0015),
        ),
        (CLIMATE, "ratio", 1.0, Bme280Options(bus=1, address=None, measure="relativeHumidity")),
        (MANUAL, "ratio", 1.0, ManualOptions()),
        (SIMULATED, "Hz", 1.0, SimulatedOptions(model="engine")),
        (f'{SIMULATED}wire = "open"\n', "Hz", 1.0, SimulatedOptions(model="engine", wire=SensorState.OPEN)),
    ],
    ids=lambda value: (
        value.split('kind = "')[1].split('"')[0] if isinstance(value, str) and "kind" in value else ""
    ),
)
def test_each_kind_has_its_defaults(
    load: Load, table: str, unit: str, interval_s: float, options: object
) -> None:
    [found] = load(sensors(table))
    assert (found.unit, found.interval_s, found.options) == (unit, interval_s, options)
    assert (found.name, found.window_s, found.deadband, found.alarms) == (found.id, 300.0, 0.0, ())


def test_relative_path_of_a_recording_starts_at_the_files_folder(load: Load, tmp_path: Path) -> None:
    [found] = load(sensors(REPLAY + "speed = 10.0\nrepeat = true\n"))
    assert found.options == ReplayOptions(file=tmp_path / "yacht.csv", speed=10.0, repeat=True)


def test_no_sensors_is_accepted(load: Load) -> None:
    assert load("no_sensors = true\n") == ()


@pytest.mark.parametrize("text", ["", "\n", "# later\r\n", "no_sensors = false\n", "sensor = []\n"])
def test_file_without_sensors_that_does_not_set_no_sensors_is_refused(problems: Problems, text: str) -> None:
    [found] = problems(text)
    assert "no sensor is described, so nothing would be recorded" in found
    assert "write no_sensors = true if nothing is wired" in found


def test_file_that_sets_no_sensors_must_have_none(problems: Problems) -> None:
    [found] = problems("no_sensors = true\n" + sensors(switch()))
    assert found.startswith("1: no_sensors: this key is true, but the file describes sensors")


def test_missing_file_is_accepted_only_with_missing_ok(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    assert load_sensors(path, missing_ok=True) == ()
    with pytest.raises(ConfigurationError, match="does not exist"):
        load_sensors(path)


def test_sensors_are_in_the_order_of_the_file(load: Load) -> None:
    assert [s.id for s in load(sensors(RPM, switch(), MANUAL))] == ["rpm", "float", "oil"]


TEN_MISTAKES = """\
[[sensor]]
id = "bilge-float"
kind = "switch"
pin = 5
debounce = 50 ms
path = "bilge.main.highWater"

[[sensor]]
id = "bilge-float"
kind = "switch"
pin = 22
debunce = "50 ms"
path = "bilge.aft.highWater"
alarm = { above = 3, severity = "alarm" }

[[sensor]]
id = "main-rpm"
kind = "puls"

[[sensor]]
id = "port-rpm"
kind = "pulse"
pin = 22
path = "propulsion.port.revolution"
rate = "5 kHz"

[[sensor]]
id = "fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
calibration = [
  [0.94, 0.0],
  [0.72, 0.5],
]
valid = [0.5, 2.9]
path = "tanks.fuel.main.currentLevel"
"""


def test_ten_mistakes_are_reported_in_ten_lines(problems: Problems) -> None:
    found = problems(TEN_MISTAKES)
    expected = [
        ('4: sensor "bilge-float", pin: 5 is used by the power light', "set power = 0 under [lights]"),
        ("5:15: debounce: a value with a unit needs quotes", 'Write "50 ms".'),
        ('9: sensor "bilge-float", id: "bilge-float" is already', "line 2"),
        ('12: sensor "bilge-float", debunce: this key is not known', 'Did you mean "debounce"?'),
        ('14: sensor "bilge-float", alarm, above: this key is only for numbers', 'when = "active"'),
        ('16: sensor "main-rpm", path: this key is missing', "Add, for example: path ="),
        ('18: sensor "main-rpm", kind: "puls" is not an allowed value', 'Did you mean "pulse"?'),
        ('20: sensor "port-rpm", pulses_per_unit: this key is missing', "pulses_per_unit = 12"),
        (
            '23: sensor "port-rpm", pin: 22 is already used by sensor "bilge-float" (line 8)',
            "Choose another pin",
        ),
        (
            '24: sensor "port-rpm", path: the unit of "propulsion.port.revolution" is not known',
            '"propulsion.port.revolutions"?',
        ),
        ('25: sensor "port-rpm", rate: "5 kHz" is too large', "1000 Hz or less"),
        (
            '34: sensor "fuel", calibration: the voltages are not in ascending order',
            "Sort the points by voltage",
        ),
    ]
    assert len(found) == len(expected)
    for said, (start, part) in zip(found, expected, strict=True):
        assert said.startswith(start)
        assert part in said


# One rule at a time --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        # whole files
        ("[sensor]\nid = 'a'\n", "1: sensor: [[sensor]] is written without two brackets"),
        ("[[sensors]]\nid = 'a'\n", 'sensors: this key is not known. Did you mean "sensor"?'),
        (
            "[vessel]\nid = 'a'\n",
            "1: vessel: this section belongs in vessel.toml (logboat.toml on the appliance)",
        ),
        # keys common to all sensors
        (sensors(switch("Float")), '2: sensor "Float", id: "Float" is not a valid id'),
        (sensors(switch("x" * 33)), "id: "),
        (sensors('kind = "manual"\npath = "a.b"\nunit = ""\n'), "1: sensor 1, id: this key is missing"),
        (sensors(MANUAL + "name = 5\n"), "5: ", "name: 5 is not text"),
        (sensors(MANUAL + 'name = "a\\nb"\n'), "5: ", "line breaks"),
        (
            sensors(MANUAL + 'window = "5 s"\n'),
            "5: ",
            'window: "5 s" is too small. The value must be 10 s or more.',
        ),
        (sensors(MANUAL + 'window = "2 h"\n'), "5: ", "1 h or less"),
        (sensors(MANUAL + "window = 300\n"), "5: ", '300 has no unit. Write "300 ms" or "300 s"'),
        (sensors(MANUAL + "deadband = -1\n"), "5: ", "deadband: -1 is below 0"),
        (sensors(MANUAL + 'deadband = "1 V"\n'), "5: ", "is a unit for a voltage, but this is a percentage"),
        (sensors(MANUAL + "deadband = nan\n"), "5: ", "nan is not a finite number"),
        (sensors(switch() + "deadband = 1\n"), "6: ", "a contact has no deadband"),
        (
            sensors('id = "a"\nkind = "manual"\npath = "fuel level"\nunit = "V"\n'),
            "4: ",
            "not a Signal K path",
        ),
        # units
        (
            sensors('id = "a"\nkind = "manual"\npath = "galley.knife"\n'),
            "4: ",
            "is not known. Add its",
        ),
        (sensors('id = "a"\nkind = "manual"\npath = "galley.heat"\nunit = "°C"\n'), "5: ", 'unit = "K"'),
        (sensors(RPM + 'unit = "K"\n'), "7: ", "is in Hz, not in K. Remove unit."),
        (
            sensors('id = "a"\nkind = "switch"\npin = 17\npath = "propulsion.a.oilPressure"\n'),
            "5: ",
            "on and off",
        ),
        (
            sensors(CLIMATE.replace('relativeHumidity"\npath', 'pressure"\npath')),
            "5: ",
            "this sensor measures in Pa",
        ),
        (
            sensors(RPM.replace("propulsion.main.revolutions", "bilge.main.highWater")),
            "6: ",
            "this sensor measures a number",
        ),
        (
            sensors(FUEL.replace("tanks.fuel.main.currentLevel", "bilge.main.highWater")),
            "8: ",
            "this sensor measures a number",
        ),
        # kinds and their keys
        (
            sensors('id = "a"\nkind = "toaster"\npath = "bilge.main.highWater"\n'),
            "3: ",
            'one of "analog", "bme280"',
        ),
        (
            sensors(switch() + "calibration = [[0, 0], [1, 1]]\n"),
            "6: ",
            ('kind "switch" does not have this key'),
        ),
        (sensors(switch() + 'rate = "1 Hz"\n'), "6: ", 'kind "switch" does not have this key'),
        (sensors(switch() + 'pull = "sideways"\n'), "6: ", 'one of "up", "down", "none"'),
        (sensors(switch() + 'debounce = "-5 ms"\n'), "6: ", "debounce: ", "0 ms or more"),
        (sensors(switch() + "normally_closed = 1\n"), "6: ", "1 is not true or false"),
        (sensors(RPM + "xyzzy = 1\n"), "7: ", "this key is not known. Known keys: id, name"),
        (sensors(RPM.replace("12", "-12")), "5: ", "-12 is not above 0"),
        (sensors(RPM.replace("12", '"12"')), "5: ", '"12" is not a number. Write the number without quotes'),
        (
            sensors(RPM.replace("pulses_per_unit = 12", "")),
            "1: ",
            "pulses_per_unit: this key is missing",
            "poles = 12 and ratio = 2.5",
        ),
        (sensors(RPM + "ratio = 2.5\n"), "7: ", "ratio needs poles", "Remove ratio, or write poles."),
        (
            sensors(RPM + "poles = 12\n"),
            "5: ",
            "already give the pulses",
            "Remove pulses_per_unit, or poles.",
        ),
        (sensors(RPM.replace("pulses_per_unit = 12", "poles = 7")), "5: ", "odd", "write 6 or 8"),
        (
            sensors(RPM.replace("pulses_per_unit = 12", "poles = 12").replace("revolutions", "fuel.rate")),
            "5: ",
            "an alternator measures revolutions",
            "choose a path for revolutions",
        ),
        (sensors(RPM + 'measure = "total"\n'), "7: ", '"total" does not fit', 'measure = "rate"'),
        (
            sensors(RPM.replace("revolutions", "fuel.used")),
            "1: ",
            '"rate" does not fit propulsion.main.fuel.used, which is in m3. Write measure = "total"',
        ),
        # rates
        (sensors(RPM + 'rate = "5 kHz"\n'), "7: ", "1000 Hz or less"),
        (sensors(RPM + 'rate = "0.0001 Hz"\n'), "7: ", "0.001 Hz or more"),
        (sensors(RPM + "rate = 1\n"), "7: ", '1 has no unit. Write "1 Hz".'),
        (sensors(RPM + 'rate = "1 Hz"\nevery = "1 s"\n'), "8: ", "rate and every are both set"),
        (sensors(RPM + 'every = "1 h"\n'), "7: ", "1000 s or less"),
        (sensors(THERMOMETER.format(id="a") + 'rate = "5 Hz"\n'), "5: ", "1 Hz or less"),
        # pins
        (sensors(switch(pin=28)), "4: ", "28 is too high. Write the BCM number"),
        (sensors(switch(pin=-1)), "4: ", "-1 is too low"),
        (sensors(switch().replace("17", '"17"')), "4: ", '"17" is not a whole number'),
        (sensors(switch().replace("17", "17.0")), "4: ", "17.0 is not a whole number"),
        (
            sensors(switch().replace("pin = 17\n", "")),
            "1: ",
            "pin: this key is missing. Add, for example: pin = 17",
        ),
        (sensors(switch(pin=0)), "4: ", "0 is used at boot to read a HAT's EEPROM"),
        (sensors(switch(pin=26)), "4: ", "26 is used by the fault light", "set fault = 0 under [lights]"),
        (
            sensors(switch("a"), switch("b")),
            "10: ",
            '17 is already used by sensor "a" (line 1)',
            "free: 12, 16, 18",
        ),
        (sensors(switch(pin=2), CLIMATE), "4: ", "2 belongs to bus i2c-1", 'sensor "humidity" (line 7)'),
        (sensors(switch(pin=4), THERMOMETER.format(id="a")), "4: ", "4 belongs to bus w1"),
        (sensors(FUEL, switch(pin=11)), "13: ", "11 belongs to bus spi-0"),
        (sensors(FUEL + "bus = 1\n"), "9: ", "bus: bus spi-1 needs pin 19", "gateway = 0 under [lights]"),
        # chips
        (
            sensors(FUEL + "address = 9\n"),
            "9: ",
            "the MCP3008 cannot have a chip select of 9. Use 0 to 2.",
        ),
        (
            sensors(FUEL.replace("mcp3008", "ads1115").replace("channel = 0", "channel = 4")),
            "5: ",
            "Use a channel from 0 to 3.",
        ),
        (sensors(FUEL.replace("channel = 0", "channel = 8")), "5: ", "8 is too high"),
        (
            sensors(CLIMATE + "address = 0x48\n"),
            "6: ",
            "the BME280 cannot have an I2C address of 0x48",
            "0x76 to 0x77",
        ),
        (sensors(CLIMATE + 'address = "0x76"\n'), "6: ", "without quotes"),
        (
            sensors(CLIMATE.replace('measure = "relativeHumidity"\n', "")),
            "1: ",
            "measure: this key is missing",
        ),
        (
            sensors(CLIMATE.replace('measure = "relativeHumidity"', 'measure = "voltage"')),
            "4: ",
            "is not an allowed value",
        ),
        (sensors(THERMOMETER.format(id="a") + 'address = "28-xyz"\n'), "5: ", "not the address of a DS18B20"),
        (sensors(BATTERY + 'shunt = "1 V"\n'), "6: ", "is only the voltage of a shunt's rating"),
        (
            sensors(FUEL, FUEL.replace('"fuel"', '"two"')),
            "14: ",
            'channel 0 of this chip is already read by sensor "fuel" (line 1)',
        ),
        (
            sensors(CLIMATE, CLIMATE.replace('"humidity"', '"two"')),
            "10: ",
            "measure relativeHumidity of this chip is already read by",
        ),
        (
            sensors(THERMOMETER.format(id="a"), THERMOMETER.format(id="b") + 'address = "28-0316a2795cff"\n'),
            "1: ",
            "w1 has several of these chips, and this sensor has no address",
        ),
        (
            sensors(BATTERY, BATTERY.replace('"house"', '"two"').replace("ina226", "ina219")),
            "7: ",
            'sensor "house" (line 1) is a different chip at the same address',
        ),
        # voltages
        (sensors(FUEL.replace("[0.94, 0.0], [2.41, 1.0]", "[0.94, 0.0]")), "6: ", "the list has 1 entry"),
        (sensors(FUEL.replace("[0.94, 0.0]", "[0.94]")), "6: ", "Write [volts, value]."),
        (sensors(FUEL.replace("2.41", "0.94")), "6: ", "are not in ascending order"),
        (sensors(FUEL.replace("1.0]", '"3 V"]')), "6: ", "this is a percentage"),
        (sensors(FUEL.replace("[0.5, 2.9]", "[2.9, 0.5]")), "7: ", "2.9 V is not below 0.5 V"),
        (sensors(FUEL.replace("[0.5, 2.9]", "[0.5]")), "7: ", "a range needs two values"),
        (sensors(FUEL.replace("[0.5, 2.9]", "[2.5, 2.9]")), "7: ", "is outside the valid range 2.5 to 2.9 V"),
        (sensors(FUEL.replace("[0.5, 2.9]", "[0.5, 4.5]")), "7: ", "more than the chip can measure (3.3 V)"),
        (sensors(FUEL + "divider = 0.5\n"), "9: ", "0.5 is too low"),
        # recordings and models
        (
            sensors(REPLAY.replace("yacht", "nowhere")),
            "4: ",
            "file nowhere.csv does not exist in the folder of",
        ),
        (
            sensors(REPLAY.replace("voltage", "current")),
            "4: ",
            "has no rows with path electrical.batteries.1.current",
        ),
        (
            sensors(REPLAY.replace("yacht.csv", "/etc/yacht.csv")),
            "4: ",
            "is not in the folder of sensors.toml",
        ),
        (sensors(REPLAY.replace("yacht.csv", "../yacht.csv")), "4: ", "is not in the folder of sensors.toml"),
        (sensors(REPLAY.replace("yacht.csv", "sensors.toml")), "4: ", "missing columns"),
        (sensors(REPLAY + "speed = 0\n"), "6: ", "0.0 is too low"),
        (sensors(SIMULATED.replace('"engine"', '"ending"')), "4: ", 'Did you mean "engine"?'),
        # alarms
        (sensors(switch() + 'alarm = { when = "active" }\n'), "6: ", "alarm, severity: this key is missing"),
        (
            sensors(switch() + 'alarm = { when = "on", severity = "alarm" }\n'),
            "6: ",
            'one of "active", "inactive"',
        ),
        (
            sensors(switch() + 'alarm = { when = "active", severity = "alarming" }\n'),
            "6: ",
            'Did you mean "alarm"?',
        ),
        (
            sensors(switch() + 'alarm = { when = "active", severity = "normal" }\n'),
            "6: ",
            '"normal" is not an allowed value. Use one of "alert", "warn", "alarm", "emergency".',
        ),
        (
            sensors(switch() + 'alarm = { when = "active", severity = "critical" }\n'),
            "6: ",
            'Use one of "alert", "warn", "alarm", "emergency".',
        ),
        # keys in the wrong place
        (sensors(switch() + 'severity = "alarm"\n'), "6: ", "this key belongs in alarm. Move it there"),
        (
            "pin = 4\n" + sensors(switch()),
            "1: ",
            "pin: this key belongs in a [[sensor]]. Move the line below",
        ),
        (sensors(switch() + "no_sensors = true\n"), "6: ", "at the top of the file", "Remove this line."),
        (
            sensors(switch() + '[sensor.alarm]\nwhen = "active"\nseverity = "warn"\npull = "up"\n'),
            "9: ",
            "pull: this key belongs to the sensor, not to its alarm. Move it out",
        ),
        # addresses
        (sensors(CLIMATE + "address = 76\n"), "6: ", "76 is not written as a hex", "Write: 0x76, without"),
        (sensors(CLIMATE + 'address = "0x76"\n'), "6: ", '"0x76" is not', "Write: 0x76, without quotes."),
        (sensors(CLIMATE + 'address = "77h"\n'), "6: ", "Write: 0x77, without quotes."),
        (sensors(CLIMATE + "address = 78\n"), "6: ", "Use 0x76 to 0x77."),
        (sensors(FUEL + 'address = "0"\n'), "9: ", "Write a number from 0 to 2, without quotes."),
        # paths
        (
            sensors(MANUAL.replace("tanks.lubrication.main.currentLevel", "tanks.fuel.level")),
            "4: ",
            'Did you mean "tanks.fuel.main.currentLevel"?',
        ),
        (sensors(switch() + 'alarm = { severity = "alarm" }\n'), "6: ", "the alarm has no condition"),
        (
            sensors(switch() + 'alarm = { below = 1, severity = "alarm" }\n'),
            "6: ",
            "this key is only for numbers",
        ),
        (sensors(switch() + 'alarm = "active"\n'), "6: ", "is not a table"),
        (
            sensors(RPM + 'alarm = { when = "active", severity = "warn" }\n'),
            "7: ",
            "this state is only for contacts",
        ),
        (sensors(RPM + 'alarm = { severity = "warn" }\n'), "7: ", "Add above"),
        (sensors(RPM + 'alarm = { above = "3 V", severity = "warn" }\n'), "7: ", "this is a frequency"),
        (
            sensors(RPM + 'alarm = { above = "1 Hz", below = "2 Hz", severity = "warn" }\n'),
            "7: ",
            'every value would raise the alarm: above "1 Hz", or below "2 Hz"',
        ),
        (
            sensors(RPM + 'alarm = { above = "5 Hz", hysteresis = -1, severity = "warn" }\n'),
            "7: ",
            "-1 is below 0",
        ),
        (
            sensors(
                RPM + 'alarm = { above = "5 Hz", below = "3 Hz", hysteresis = "2 Hz", severity = "warn" }\n'
            ),
            "7: ",
            "the alarm would never clear",
        ),
        (
            sensors(RPM + 'alarm = { above = "5 Hz", for = 10, severity = "warn" }\n'),
            "7: ",
            '10 has no unit. Write "10 ms"',
        ),
        (
            sensors(
                RPM
                + '[[sensor.alarm]]\nabove = "5 Hz"\nseverity = "warn"\n[[sensor.alarm]]\nabove = "6 Hz"\n'
            ),
            "10: ",
            "severity: this key is missing",
        ),
    ],
    ids=lambda wrong: wrong[-1],
)
def test_mistake_is_reported_once_with_its_line_and_remedy(
    problems: Problems, wrong: tuple[str, ...]
) -> None:
    text, start, *parts = wrong
    [said] = problems(text)
    if start[0].isdigit():
        assert said.startswith(start)
    for part in parts:
        assert part in said


@pytest.mark.parametrize(
    "text",
    [
        sensors(switch("a", pin=17), switch("b", pin=18)),
        sensors(switch(pin=2)),  # free, as no sensor is on I2C
        sensors(switch(pin=8), switch("b", pin=4), CLIMATE),
        sensors(switch(pin=14)),
        sensors(switch("x" * 32)),
        sensors(MANUAL + "name = 'Öl'\nwindow = '10 s'\ndeadband = '2 %'\n"),
        sensors(MANUAL + "window = '1 h'\n"),
        sensors('id = "a"\nkind = "manual"\npath = "galley.acid"\nunit = "pH"\n'),
        sensors('id = "a"\nkind = "switch"\npin = 17\npath = "galley.stove.lit"\n'),
        sensors(
            'id = "a"\nkind = "simulated"\nmodel = "door"\npath = "security.door.state"\nrate = "10 Hz"\n'
        ),
        sensors(CLIMATE.replace("environment.inside.saloon.", "galley.")),
        sensors(RPM + 'unit = "Hz"\n'),
        sensors(RPM + 'rate = "1000 Hz"\n'),
        sensors(RPM + 'rate = "0.001 Hz"\n'),
        sensors(RPM + 'every = "10 s"\n'),
        sensors(RPM.replace("revolutions", "fuel.used") + 'measure = "total"\n'),
        sensors(RPM.replace("propulsion.main.revolutions", "bilge.main.pump.starts") + 'measure = "total"\n'),
        sensors(FUEL, FUEL.replace('"fuel"', '"two"').replace("channel = 0", "channel = 1")),
        sensors(FUEL, FUEL.replace('"fuel"', '"two"') + "address = 1\n"),
        sensors(FUEL.replace("mcp3008", "ads1115").replace("2.9]", "4.5]") + "address = 0x49\n"),
        sensors(FUEL.replace("[0.5, 2.9]", '["0.5 V", "14 V"]') + "divider = 5.7\n"),
        sensors(FUEL.replace("[2.41, 1.0]", '["2.41 V", "100 %"]')),
        sensors(
            CLIMATE,
            CLIMATE.replace("relativeHumidity", "temperature").replace('"humidity"', '"heat"')
            + "address = 0x77\n",
        ).replace('measure = "relativeHumidity"', 'measure = "relativeHumidity"\naddress = 0x76'),
        sensors(CLIMATE, CLIMATE.replace("relativeHumidity", "pressure").replace('"humidity"', '"air"')),
        sensors(
            THERMOMETER.format(id="a") + 'address = "28-0316A2795CFF"\n',
            THERMOMETER.format(id="b") + 'address = "28-0316a2795cfe"\n',
        ),
        sensors(
            BATTERY, BATTERY.replace('"house"', '"two"').replace("ina226", "ina219") + "address = 0x41\n"
        ),
        sensors(REPLAY),
        sensors(REPLAY.replace("electrical.batteries.1.voltage", "bilge.main.highWater")),
        sensors(
            switch()
            + 'alarm = [{ when = "active", severity = "warn" }, { when = "inactive", severity = "alert" }]\n'
        ),
        sensors(
            RPM + 'alarm = { above = "3800 rpm", below = 5, hysteresis = "60 rpm", severity = "emergency" }\n'
        ),
        sensors(RPM + 'alarm = { when = "fault", for = "1 min", severity = "warn" }\n'),
        sensors(switch() + 'alarm = { when = "fault", severity = "alarm" }\n'),
        sensors(switch() + '[[sensor.alarm]]\nwhen = "active"\nfor = "0 s"\nseverity = "alarm"\n'),
    ],
)
def test_valid_settings_cause_no_problem(problems: Problems, text: str) -> None:
    assert problems(text) == []


def test_limits_and_deadbands_with_units_are_converted_to_si(load: Load) -> None:
    [found] = load(
        sensors(
            'id = "coolant"\nkind = "manual"\npath = "propulsion.main.coolantTemperature"\n'
            'deadband = "0.5 °C"\n'
            'alarm = { above = "95 °C", hysteresis = "3 °C", severity = "alarm" }\n'
        )
    )
    [rule] = found.alarms
    assert found.deadband == 0.5
    assert rule.above == pytest.approx(368.15)
    assert rule.hysteresis == 3.0


@pytest.mark.parametrize(
    ("written", "scale", "offset"),
    [
        ("", 1.0, 0.0),
        ('scale = 1.5\noffset = "-0.2 V"\n', 1.5, -0.2),
        ("offset = 0.1\n", 1.0, 0.1),
        ("scale = 2\n", 2.0, 0.0),
    ],
)
def test_correction_of_a_sensor_on_a_chip_is_read(
    load: Load, written: str, scale: float, offset: float
) -> None:
    [settings] = load(sensors(BATTERY + written))
    assert (settings.scale, settings.offset) == (scale, offset)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (BATTERY + "scale = 0\n", "0 is not above 0"),
        (BATTERY + 'offset = "1 A"\n', "this is a voltage"),
        (RPM + "scale = 2\n", 'kind "pulse" does not have this key'),
        (switch() + "offset = 1\n", 'kind "switch" does not have this key'),
    ],
)
def test_wrong_correction_is_one_problem(problems: Problems, text: str, part: str) -> None:
    [said] = problems(sensors(text))
    assert part in said


@pytest.mark.parametrize(
    ("table", "average_s"),
    [
        (FUEL, None),
        (FUEL + 'average = "30 s"\n', 30.0),
        (RPM + 'average = "500 ms"\nrate = "10 Hz"\n', 0.5),
        (REPLAY + 'average = "100 ms"\n', 0.1),
        (THERMOMETER.format(id="port") + 'average = "1 h"\n', 3600.0),
    ],
)
def test_time_of_the_mean_is_read(load: Load, table: str, average_s: float | None) -> None:
    [settings] = load(sensors(table))
    assert settings.average_s == average_s


AVERAGE = 'average = "30 s"\n'
HOURS = 'id = "hours"\nkind = "{kind}"\n' + RUN_TIME


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (switch() + AVERAGE, "average: a contact has no mean. Remove this key."),
        (HOURS.format(kind="runtime") + "pin = 4\n" + AVERAGE, "average: the value is a total"),
        (HOURS.format(kind='simulated"\nmodel = "engine') + AVERAGE, "average: the value is a total"),
        (MANUAL + AVERAGE, "average: a person enters each value"),
        (
            RPM.replace("revolutions", "fuel.used") + 'measure = "total"\n' + AVERAGE,
            "average: the value is a total",
        ),
        (RPM + "average = 30\n", "30 has no unit"),
        (RPM + 'average = "2 h"\n', "must be 1 h or less"),
        (
            THERMOMETER.format(id="port") + 'average = "15 s"\n',
            'contains only one sample, because a sample is taken every 10 s. Write average = "20 s" or more',
        ),
    ],
)
def test_mean_without_a_meaning_is_one_problem(problems: Problems, text: str, part: str) -> None:
    [said] = problems(sensors(text))
    assert part in said


def test_calibration_with_units_is_converted_to_si(load: Load) -> None:
    [found] = load(
        sensors(
            FUEL.replace("tanks.fuel.main.currentLevel", "propulsion.main.oilPressure").replace(
                "[[0.94, 0.0], [2.41, 1.0]]", '[["940 mV", "0 bar"], [2.41, "10 bar"]]'
            )
        )
    )
    assert isinstance(found.options, AnalogOptions)
    assert found.options.calibration == ((0.94, 0.0), (2.41, 1e6))


def test_calibration_of_a_difference_of_temperatures_is_in_kelvin(load: Load) -> None:
    path = "propulsion.main.coolantTemperatureDifference"
    table = FUEL.replace("tanks.fuel.main.currentLevel", path) + 'unit = "K"\n'
    [found] = load(sensors(table.replace("[[0.94, 0.0], [2.41, 1.0]]", '[[0.94, "-20 °C"], [2.41, "20 K"]]')))
    assert isinstance(found.options, AnalogOptions)
    assert found.options.calibration == ((0.94, -20.0), (2.41, 20.0))


def test_rate_and_every_are_equivalent(load: Load) -> None:
    [by_rate] = load(sensors(RPM + 'rate = "0.1 Hz"\n'))
    [by_interval] = load(sensors(RPM + 'every = "10 s"\n'))
    assert by_rate.interval_s == pytest.approx(10.0)
    assert by_interval.interval_s == 10.0


def test_misspelled_required_key_is_one_problem(problems: Problems) -> None:
    assert [line.partition(".")[0] for line in problems(sensors(switch().replace("pin", "pni")))] == [
        '4: sensor "float", pni: this key is not known'
    ]


def test_unknown_kind_causes_no_problems_with_its_keys(problems: Problems) -> None:
    [said] = problems(sensors(FUEL.replace('"analog"', '"anlog"')))
    assert said.startswith('3: sensor "fuel", kind: "anlog" is not an allowed value. Did you mean "analog"?')


def test_pins_are_free_when_their_light_is_off(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_text(sensors(switch(pin=5)))
    assert len(load_sensors(path, reserved={6: "record"})) == 1


def test_problems_are_in_the_order_of_the_file(problems: Problems) -> None:
    found = problems(TEN_MISTAKES)
    lines = [int(said.split(":")[0]) for said in found]
    assert lines == sorted(lines)


# Arbitrary content ---------------------------------------------------------------------------------

WORDS = sorted(
    {"sensor", "when", "above", "severity", "rate", "every", *COMMON}.union(
        *(kind.schema for kind in all_kinds().values())
    )
)
TEXTS = (
    "1 s",
    *all_kinds(),
    "a.b",
    "propulsion.a.revolutions",
    "bilge.a.highWater",
    "mcp3008",
    "active",
    "alarm",
    "",
)
SCALARS = st.sampled_from(
    [*(f"'{text}'" for text in TEXTS), "1", "-1", "17", "1.5", "nan", "inf", "true", "1979-05-27"]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3).map(
            lambda items: "{ " + ", ".join(f"{key} = {value}" for key, value in items.items()) + " }"
        )
    ),
    max_leaves=6,
)
TABLES = st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=9).map(
    lambda items: "".join(f"{key} = {value}\n" for key, value in items.items())
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TABLES, min_size=1, max_size=3))
def test_any_file_yields_sensors_or_problem_lines(problems: Problems, tables: list[str]) -> None:
    said = problems(sensors(*tables))
    assert all(line.partition(":")[0].isdigit() and "\n" not in line for line in said)
