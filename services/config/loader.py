"""Loads `logboat.toml`, and `vessel.toml` on the card, which has the same schema, as typed settings.

This module defines the sections and keys, with a table for each section. Every key has a default, so that an
empty file is a complete configuration. The loader only checks that values are possible. The modules that use
the settings (radio, mesh, gateways) decide what they mean.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sensors.config.sections import PPS, SECTIONS
from sensors.toml import toml_file
from sensors.toml.schema import (
    Advice,
    Key,
    Schema,
    Table,
    boolean,
    choice,
    identifier,
    integer,
    list_of,
    quantity,
    text,
    unique,
)
from sensors.toml.toml_file import ConfigurationError, FileProblem, TomlFile, raise_if_any
from sensors.toml.value_forms import Parser
from sensors.units import shown

from . import parsers as keys
from .model import (
    AccessPoint,
    ClockSection,
    Configuration,
    Ethernet,
    GatewaySection,
    LightsSection,
    ListenerSection,
    MeshSection,
    NetworkSection,
    Policy,
    RetentionSection,
    UserSection,
    VesselRadio,
    VesselSection,
    Wifi,
)

__all__ = [
    "Configuration",
    "ConfigurationError",
    "FileProblem",
    "load",
    "read_configuration",
    "reserved_pins",
]


def load(path: Path, *, missing_ok: bool = False) -> Configuration:
    """Return the configuration in a file; with `missing_ok`, a missing file means all defaults.

    Raise ConfigurationError with every problem found.
    """
    return read_configuration(toml_file.read(path, missing_ok=missing_ok))


def reserved_pins(configuration: Configuration) -> dict[int, str]:
    """Return the pins that sensors must not use, each with what uses it: a light, or `pps`."""
    lights, pps = configuration.lights, configuration.clock.pps
    pins = {pin: name for name in LIGHTS if (pin := getattr(lights, name))}
    return pins if pps is None else {pps: PPS, **pins}


# Sections ------------------------------------------------------------------------------------------


def _as_it_is(raw: Any) -> Any:
    """Return the value unchanged; used for tables, whose keys are read one by one."""
    return raw


_DIRECTION: Final = choice("push", "pull", "both")
_VESSEL: Final[Schema] = {
    "id": Key(identifier, VesselSection().id),
    "name": Key(text(80), ""),
    "mmsi": Key(keys.mmsi),
    "timezone": Key(keys.timezone, VesselSection().timezone),
}
_NETWORK: Final[Schema] = {
    "country": Key(keys.country),
    "wifi": Key(_as_it_is),
    "access_point": Key(_as_it_is),
    "vessel_radio": Key(_as_it_is),
    "ethernet": Key(_as_it_is),
    "ssh_keys": Key(list_of(keys.ssh_key), ()),
    "ssh_interfaces": Key(list_of(keys.interface, least=1), NetworkSection().ssh_interfaces),
}
_WIFI: Final[Schema] = {
    "ssid": Key(keys.ssid, required='ssid = "marina"'),
    "password": Key(keys.passphrase_or_none, ""),
    "priority": Key(integer(-999, 999), 0),  # NetworkManager's autoconnect-priority
    "hidden": Key(boolean, default=False),
}
_ACCESS_POINT: Final[Schema] = {
    "ssid": Key(keys.ssid, required='ssid = "argo"'),
    "password": Key(keys.passphrase, required='password = "…"'),
}
_VESSEL_RADIO: Final[Schema] = {
    "mode": Key(choice("mesh", "adhoc", "off"), required='mode = "mesh"'),
    "channel": Key(keys.wifi_channel, VesselRadio().channel),
}
_ETHERNET: Final[Schema] = {
    "address": Key(keys.interface_address),
    "gateway": Key(keys.host_address),
    "dns": Key(list_of(keys.host_address), ()),
}
_LISTENER: Final[Schema] = {
    "port": Key(integer(1024, 65535), ListenerSection().port),
    "interfaces": Key(list_of(text(15, least=1), least=1), ListenerSection().interfaces),  # IFNAMSIZ
}
_USER: Final[Schema] = {
    "name": Key(text(64, least=1), required='name = "bridge"'),
    "password_hash": Key(keys.password_hash, required='password_hash = "…"'),
    "access": Key(choice("read-write", "read-only"), "read-write"),
    "channels": Key(list_of(keys.document_channel, least=1)),
}
_CLEAR_PASSWORD: Final[Mapping[str, Advice]] = {
    "password": (
        "passwords must not be stored in clear text",
        "Write password_hash instead, with the output of `logboat fleet password`.",
    ),
}
_MESH: Final[Schema] = {
    "role": Key(choice("peer", "hub", "active-only", "passive-only"), MeshSection().role),
    "max_peers": Key(integer(1, 64), MeshSection().max_peers),
    "static": Key(list_of(keys.url("wss", "ws")), ()),
    "hub": Key(list_of(identifier), ()),
    "direction": Key(_DIRECTION, MeshSection().direction),
}
_RATE: Final = quantity("B/s", "10 B/s", "1 GB/s")
_URLS: Final[Mapping[str, Parser]] = {
    "couchbase": keys.url("wss", "ws"),
    "mqtt": keys.url("mqtts", "mqtt"),
}
"""Parsers for the URL, by kind of gateway."""
_GATEWAY: Final[Schema] = {
    "name": Key(identifier, required='name = "office"'),
    "kind": Key(choice(*_URLS), required='kind = "couchbase"'),
    "url": Key(text(2_000), required='url = "wss://sync.example.org:4984/fleet"'),
    "user": Key(text(200, least=1)),
    "password_file": Key(text(200, least=1)),
    "session_file": Key(text(200, least=1)),
    "ca": Key(text(200, least=1)),
    "pin": Key(keys.fingerprint),
    "certificate": Key(text(200, least=1)),
    "key": Key(text(200, least=1)),
    "direction": Key(_DIRECTION, "push"),
    "channels": Key(list_of(keys.gateway_channel, least=1), ("notes",)),
    "limit": Key(_RATE),
    "home_assistant": Key(boolean, default=False),
    "signalk": Key(boolean, default=False),
    "policy": Key(_as_it_is),
}
_ONLY_OF_KIND: Final[Mapping[str, frozenset[str]]] = {
    "couchbase": frozenset({"session_file", "pin", "direction", "channels"}),
    "mqtt": frozenset({"home_assistant", "signalk"}),
}
"""Keys that are allowed only for one kind of gateway, by kind."""
_POLICY: Final[Schema] = {
    "channels": Key(list_of(keys.document_channel, least=1), required='channels = ["alarms"]'),
    "when": Key(keys.condition),
    "limit": Key(_RATE),
}
_RETENTION: Final[Schema] = {"budget": Key(keys.budget, RetentionSection().budget)}
LIGHTS: Final = ("power", "record", "mesh", "gateway", "fault")
_LIGHTS: Final[Schema] = {
    **{name: Key(keys.light_pin, getattr(LightsSection(), name)) for name in LIGHTS},
    "active": Key(choice("high", "low"), LightsSection().active),
    "single": Key(keys.led),
    "night": Key(keys.hours),
}

RTCS: Final = ("ds1307", "ds3231", "pcf8523", "pcf8563", "pcf85063a", "rv3028", "rv8803")
"""Clock chips, by the names of the parameters of the overlay i2c-rtc (`/boot/firmware/overlays/README`)."""
_CLOCK: Final[Schema] = {"rtc": Key(choice(*RTCS)), "pps": Key(keys.header_pin)}

_OTHER_FILE: Final[Mapping[str, Advice]] = {
    "sensor": ("sensors do not belong in this file", "Move them into sensors.toml."),
}


def read_configuration(file: TomlFile) -> Configuration:
    """Return the configuration in a parsed file.

    Raise ConfigurationError with every problem; no content of the file raises any other error.
    """
    root = Table.root(file)
    root.read({name: Key(_as_it_is) for name in SECTIONS}, elsewhere=_OTHER_FILE)
    sections: dict[str, Any] = {}
    for field, section, read in _READERS:
        with root.guarded(section):
            sections[field] = read(root)
    raise_if_any(root.problems)
    return Configuration(**sections)


def _vessel(table: Table) -> VesselSection:
    values = table.read(_VESSEL)
    return VesselSection(**{**values, "name": values["name"] or values["id"]})


def _network(table: Table) -> NetworkSection:
    values = table.read(_NETWORK)
    points = [AccessPoint(**point.read(_ACCESS_POINT)) for point in table.tables("access_point")]
    radios = [VesselRadio(**radio.read(_VESSEL_RADIO)) for radio in table.tables("vessel_radio")]
    cables = [_ethernet(cable) for cable in table.tables("ethernet")]
    for key, tables in (("access_point", points), ("vessel_radio", radios), ("ethernet", cables)):
        if len(tables) > 1:
            table.complain(key, "this section can appear only once", f"Write: {key} = {{ … }}")
    network = NetworkSection(
        country=values["country"],
        wifi=tuple(Wifi(**wifi.read(_WIFI)) for wifi in table.tables("wifi")),
        access_point=points[0] if points else None,
        vessel_radio=radios[0] if radios else VesselRadio(),
        ethernet=cables[0] if cables else Ethernet(),
        ssh_keys=values["ssh_keys"],
        ssh_interfaces=values["ssh_interfaces"],
    )
    users = [
        key
        for key, uses in (
            ("wifi", network.wifi),
            ("access_point", points),
            ("vessel_radio", network.vessel_radio.mode != "off"),
        )
        if uses and key not in table.faulty
    ]
    if users and "country" not in table.data and "country" not in table.faulty:
        table.complain(
            "country",
            f"this key is missing, and {users[0]} needs it to use the radio",
            'Add the country whose radio rules apply, for example: country = "DE"',
            line=table.line(users[0]),
        )
    return network


def _ethernet(table: Table) -> Ethernet:
    values = table.read(_ETHERNET)
    for key in ("gateway", "dns"):
        if key in table.data and "address" not in table.data:
            table.complain(
                key, "this key needs an address, and there is none", 'Add: address = "192.168.1.10/24".'
            )
    return Ethernet(**values)


def _users(tables: Sequence[Table]) -> tuple[UserSection, ...]:
    for number, table in enumerate(tables, start=1):
        table.label = _label("user", table, number)
    users = [UserSection(**table.read(_USER, elsewhere=_CLEAR_PASSWORD)) for table in tables]
    named = ((table, user.name) for table, user in zip(tables, users, strict=True))
    unique(named, "name", "name of another user", "Choose another name.")
    return tuple(users)


def _gateways(tables: Sequence[Table]) -> tuple[GatewaySection, ...]:
    for number, table in enumerate(tables, start=1):
        table.label = _label("gateway", table, number)
    gateways = [_gateway(table) for table in tables]
    named = ((table, gateway.name) for table, gateway in zip(tables, gateways, strict=True))
    unique(named, "name", "name of another gateway", "Choose another name.")
    return tuple(gateways)


def _gateway(table: Table) -> GatewaySection:
    values = table.read(_GATEWAY)
    if values["kind"] is not None and values["url"] is not None:
        values["url"] = table.value("url", _URLS[values["kind"]])
    _see_that_keys_agree(table, values)
    values["policy"] = tuple(Policy(**entry.read(_POLICY)) for entry in table.tables("policy"))
    return GatewaySection(**values)


def _see_that_keys_agree(table: Table, values: Mapping[str, Any]) -> None:
    given, kind = table.data, values["kind"]
    if "password_file" in given and "user" not in given:
        table.complain("password_file", "there is a password without a user", "Add: user = …")
    for other, only in _ONLY_OF_KIND.items():
        for key in sorted(only & given.keys()):
            if kind is not None and kind != other:
                table.complain(key, f"this key is not allowed for a gateway of kind {kind}", "Remove it.")
    for key, partner in (("certificate", "key"), ("key", "certificate")):
        if key in given and partner not in given:
            table.complain(key, f"this key needs {partner}", f"Add: {partner} = …")
    if "pin" in given and "ca" in given:
        table.complain("pin", "this key conflicts with ca", "Remove one of the two.")
    if "session_file" in given and "user" in given:
        table.complain("session_file", "this key conflicts with user", "Remove one of the two.")
    if kind == "couchbase" and values["direction"] == "push" and "channels" in given:
        table.complain(
            "channels", "this key has no effect, because nothing is pulled", 'Add: direction = "both"'
        )


def _lights(table: Table) -> LightsSection:
    values = table.read(_LIGHTS)
    users: dict[int, str] = {}
    for name in LIGHTS:
        pin = values[name]
        if pin and users.setdefault(pin, name) != name:
            table.complain(
                name if name in table.data else users[pin],
                f"{pin} is used by the {users[pin]} light and by the {name} light",
                "Choose another pin for one of them, or 0 for no light.",
            )
    return LightsSection(**values)


def _clock(root: Table) -> ClockSection:
    table, lights = root.section("clock"), root.section("lights").data
    values = table.read(_CLOCK)
    pins = {name: lights.get(name, getattr(LightsSection(), name)) for name in LIGHTS}
    used = {pin: name for name, pin in pins.items() if isinstance(pin, int) and pin}
    if values["pps"] in used:
        table.complain(
            "pps",
            f"{values['pps']} is used by the {used[values['pps']]} light",
            "Choose another pin, or another for the light.",
        )
    return ClockSection(**values)


_READERS: Final[Sequence[tuple[str, str, Callable[[Table], Any]]]] = (
    ("vessel", "vessel", lambda root: _vessel(root.section("vessel"))),
    ("network", "network", lambda root: _network(root.section("network"))),
    ("listener", "listener", lambda root: ListenerSection(**root.section("listener").read(_LISTENER))),
    ("users", "user", lambda root: _users(root.sections("user"))),
    ("mesh", "mesh", lambda root: MeshSection(**root.section("mesh").read(_MESH))),
    ("gateways", "gateway", lambda root: _gateways(root.sections("gateway"))),
    ("retention", "retention", lambda root: RetentionSection(**root.section("retention").read(_RETENTION))),
    ("lights", "lights", lambda root: _lights(root.section("lights"))),
    ("clock", "clock", _clock),
)
"""Each field of `Configuration`, the section that it comes from, and the function that reads the section."""


def _label(what: str, table: Table, number: int) -> str:
    name = table.data.get("name")
    return f"{what} {shown(name)}" if isinstance(name, str) else f"{what} {number}"
