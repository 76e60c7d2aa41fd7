"""Hypothesis strategies for the content of a card's files, from random bytes to one wrong value."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

from hypothesis import strategies as st

RECORDING: Final = "yacht.csv"
PATH: Final = "electrical.batteries.1.voltage"
GOOD_RECORDING: Final = f"time,path,value\n0,{PATH},12.6\n1,{PATH},12.5\n"
PASSWORD_HASH: Final = f"scrypt$8192$8$1${'B' * 21}A${'B' * 42}A"
Table = dict[str, Any]

SENSORS: Final[Sequence[Table]] = (
    {"kind": "switch", "path": "bilge.main.highWater", "pin": 17, "debounce": "50 ms"},
    {"kind": "runtime", "path": "propulsion.main.runTime", "pin": 27, "rate": "1 Hz"},
    {"kind": "pulse", "path": "propulsion.main.revolutions", "pin": 22, "pulses_per_unit": 12},
    {
        "kind": "analog",
        "path": "tanks.fuel.main.currentLevel",
        "chip": "mcp3008",
        "channel": 0,
        "calibration": [[0.5, 0.0], [2.5, 1.0]],
        "valid": [0.3, 3.0],
        "average": "30 s",
    },
    {
        "kind": "supervised",
        "path": "bilge.main.highWater",
        "chip": "ads1115",
        "channel": 3,
        "pull_up": "10 kohm",
        "end_of_line": "10 kohm",
        "in_series": "2.2 kohm",
        "active": "open",
        "supply": "5 V",
    },
    {"kind": "ds18b20", "path": "propulsion.main.exhaustTemperature", "address": "28-0316a2795cff"},
    {"kind": "ds18s20", "path": "propulsion.main.exhaustTemperature", "address": "10-000802a1b3c4"},
    {"kind": "max31850", "path": "propulsion.main.exhaustTemperature", "address": "3b-0000001c2d3e"},
    {
        "kind": "dht22",
        "path": "environment.inside.cabin.relativeHumidity",
        "measure": "relativeHumidity",
        "pin": 22,
    },
    {"kind": "thermocouple", "path": "propulsion.main.exhaustTemperature", "every": "2 s"},
    {"kind": "ina226", "path": PATH, "measure": "voltage", "shunt": "1 mohm", "address": 0x41},
    {"kind": "bme280", "path": "environment.inside.cabin.pressure", "measure": "pressure", "bus": 1},
    {"kind": "manual", "path": "tanks.fuel.main.currentLevel", "window": "5 min", "deadband": 0.1},
    {
        "kind": "simulated",
        "path": "environment.inside.cabin.temperature",
        "model": "temperature",
        "alarm": {"above": "40 °C", "severity": "alarm", "for": "3 s", "hysteresis": 1},
    },
    {"kind": "derived", "path": PATH, "value": "s0 + '20 l' * max(s1 - s0, 2)", "every": "2 s"},
    {"kind": "replay", "path": PATH, "file": RECORDING, "speed": 1.0, "repeat": True},
)
"""Valid table for each kind of sensor, without its id."""
SECTIONS: Final[Mapping[str, Table]] = {
    "vessel": {"id": "argo", "name": "SY Argo", "mmsi": 211234560, "timezone": "Europe/Berlin"},
    "network": {
        "country": "DE",
        "ssh_keys": ["ssh-ed25519 AAAAC3Nza anna"],
        "wifi": [{"ssid": "marina", "password": "correct horse", "priority": 5}],
        "access_point": {"ssid": "argo", "password": "battery staple"},
        "vessel_radio": {"mode": "mesh", "channel": 6},
        "ethernet": {"address": "192.168.1.10/24", "gateway": "192.168.1.1", "dns": ["192.168.1.1"]},
    },
    "listener": {"port": 4984, "interfaces": ["*"]},
    "user": {"name": "bridge", "password_hash": PASSWORD_HASH, "access": "read-only", "channels": ["notes"]},
    "mesh": {"role": "hub", "max_peers": 8, "static": ["wss://10.0.0.1:4984"], "hub": ["argo"]},
    "gateway": {
        "name": "office",
        "kind": "couchbase",
        "url": "wss://sync.example.org:4984/fleet",
        "user": "argo",
        "direction": "both",
        "channels": ["notes"],
        "limit": "10 kB/s",
        "policy": [{"channels": ["alarms"], "when": "hours == 22:00-06:00", "limit": "10 kB/s"}],
    },
    "retention": {"budget": "80 %"},
    "lights": {"power": 5, "record": 6, "active": "low", "single": "ACT", "night": "22:00-06:00"},
    "clock": {"rtc": "ds3231", "pps": 18, "gnss": "/dev/ttyACM0", "baud": 9600},
}
"""Every key of `logboat.toml`, each with a valid value."""

_MORE_KEYS: Final = {
    "gateway": (
        "password_file",
        "session_file",
        "ca",
        "pin",
        "certificate",
        "key",
        "home_assistant",
        "signalk",
    )
}
_ODD_TEXTS: Final = (
    *("", " ", "\x00", "\x85", ".", "..", "/", "../yacht.csv", "/dev/zero", "sensors.toml", RECORDING),
    *("😀" * 100, "a" * 200, "x/" * 90 + "y", "1e999 s", "-1e308 V", "nan Hz", "inf °C", "9" * 400 + " s"),
    *("10 Hz", "5 °C", "3 min 20 s", "80 %", "1e3 GB", "28-0316a2795cff", "0x41", "٣ s", "²"),
    *(
        "wss://[::1",
        "ws://a:99999",
        "mqtt://user:pw@host",
        "wss://é.example",
        "when == and",
        "hours == 99:99",
    ),
    *("s0", "s0 - s1", "s0-s1", "s1 / s0", "mean(s0, s1)", "((s0", "s0 + '5 °C'", "-s0 * -2e5"),
    *("Europe/Berlin", "../../etc/passwd", "vessel.argo", "192.168.1.10/33", "::1", "ssh-rsa ", "[", "%"),
)
_CHARACTERS: Final = st.characters(exclude_categories=["Cs"])
_TEXTS: Final = st.sampled_from(_ODD_TEXTS) | st.text(_CHARACTERS, max_size=12)
_SCALARS: Final = (
    _TEXTS
    | st.booleans()
    | st.integers()
    | st.sampled_from([0, -1, 17, 2**31, 2**63, 10**400, -(10**30)])
    | st.floats()
    | st.sampled_from(
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(2026, 5, 31, tzinfo=UTC).replace(tzinfo=None),
            date(9999, 12, 31),
            time(23, 59),
        ]
    )
)
VALUES: Final = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


def toml(value: Any) -> str:
    """Return a value in TOML syntax on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return "".join(['"', *(_escaped(character) for character in value), '"'])
        case list():
            return f"[{', '.join(toml(item) for item in value)}]"
        case dict():
            return "{ " + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + " }"
        case datetime() | date() | time():
            return value.isoformat()
    return str(value)  # valid TOML even for inf and nan


def _escaped(character: str) -> str:
    is_plain = character.isprintable() and character not in '"\\'
    return character if is_plain else f"\\U{ord(character):08x}"


def _rows(table: Table) -> str:
    return "".join(
        f"{key if key.isidentifier() and key.isascii() else toml(key)} = {toml(value)}\n"
        for key, value in table.items()
    )


@st.composite
def _spoilt(draw: st.DrawFn, table: Table, keys: Sequence[str]) -> Table:
    """Draw a valid table, then replace some values, remove some keys and add keys of other tables."""
    found = dict(table)
    for key in draw(st.lists(st.sampled_from(keys), max_size=2)):
        if draw(st.integers(0, 3)) == 0:
            found.pop(key, None)
        else:
            found[key] = draw(VALUES)
    return found


_SENSOR_KEYS: Final = sorted(
    {key for table in SENSORS for key in table} | {"id", "unit", "name", "pull", "active"}
)


@st.composite
def sensors_toml(draw: st.DrawFn) -> str:
    """Draw a `sensors.toml` that is nearly valid."""
    chosen = draw(st.lists(st.sampled_from(SENSORS) | st.just(SENSORS[-1]), min_size=1, max_size=2))
    text = draw(st.sampled_from(["", "", "", "no_sensors = true\n", "colour = 'blue'\n"]))
    for number, table in enumerate(chosen):
        text += f"[[sensor]]\n{_rows(draw(_spoilt({'id': f's{number}', **table}, _SENSOR_KEYS)))}"
    return text


@st.composite
def logboat_toml(draw: st.DrawFn) -> str:
    """Draw a `logboat.toml` that is nearly valid."""
    text = ""
    for name in draw(st.lists(st.sampled_from(sorted(SECTIONS)), unique=True, max_size=4)):
        header = f"[[{name}]]" if name in ("user", "gateway") else f"[{name}]"
        keys = [*SECTIONS[name], *_MORE_KEYS.get(name, ())]
        text += f"{header}\n{_rows(draw(_spoilt(SECTIONS[name], keys)))}"
    return text


_TIMES: Final = st.sampled_from(
    [
        *("0", "1", "2.5", "1e999", "-1e999", "1e308", "-1e308", "nan", "1731371761185", "20240601", "", " "),
        *(
            "2026-05-31T12:00:00Z",
            "2026-05-31T12:00:00",
            "0001-01-01T00:00:00+23:59",
            "9999-12-31T23:59:59-23:59",
        ),
        *("2026-02-30", "noon", "٣", "1_0", "0x10"),
    ]
)
_NUMBERS: Final = st.sampled_from(
    ["12.6", "true", "True", "nan", "1e999", "-inf", "", "much", "12,6", "9" * 5000]
)
_ROWS: Final = st.tuples(_TIMES, st.sampled_from([PATH, "a", ""]), _NUMBERS)


@st.composite
def csv(draw: st.DrawFn) -> str:
    """Draw a recording that is nearly valid."""
    header = draw(
        st.sampled_from(["time,path,value", "time,path,value", "value,time,path,more", "Time;Path", '"'])
    )
    rows = draw(st.lists(_ROWS.map(",".join) | _TEXTS, max_size=6))
    return draw(st.sampled_from(["\n", "\r\n", "\r"])).join([header, *rows, ""])


def _one_of(nearly_right: st.SearchStrategy[str], other: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Return a strategy that mostly yields nearly valid files, because these reach the most checks."""
    texts = st.one_of(nearly_right, nearly_right, nearly_right, other)
    return st.one_of(texts.map(str.encode), texts.map(str.encode), texts.map(str.encode), _BYTES)


_ANY_TOML: Final = st.dictionaries(_TEXTS, VALUES, max_size=4).map(_rows)
_BYTES: Final = st.binary(max_size=200)
FILES: Final = st.fixed_dictionaries(
    {
        "sensors.toml": _one_of(sensors_toml(), _ANY_TOML),
        "logboat.toml": _one_of(logboat_toml(), _ANY_TOML),
        RECORDING: _one_of(csv(), st.just(GOOD_RECORDING)),
    }
)
