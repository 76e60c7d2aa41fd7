"""Loads `logboat.toml` as typed settings. Also loads `vessel.toml` on the card, which has the same keys.

The keys are declared in `model`. This module reads the sections, and checks the combinations of their keys.
Every section has a default, so that an empty file is a complete configuration.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from provisioning.networks.joined import OPEN, PEAP, TLS, TTLS, WPA3
from sensors.config.sections import PPS, RTC
from sensors.header_pins import BUSES, CLOCK_BUS
from sensors.toml import toml_file
from sensors.toml.declarations import Check, declarations, read, schema_of
from sensors.toml.schema import Advice, Table, unique
from sensors.toml.toml_file import ConfigurationError, FileProblem, TomlFile, raise_if_any
from sensors.units import shown

from .broker_keys import check_broker
from .misplaced import advice
from .model import (
    COUCHBASE,
    LIGHTS,
    MQTT,
    ClockSection,
    Configuration,
    GatewaySection,
    LightsSection,
)
from .network_model import Ethernet, NetworkSection, Wifi
from .parsers import GATEWAY_URLS, passphrase_or_none, wpa3_password

__all__ = [
    "Configuration",
    "ConfigurationError",
    "FileProblem",
    "load",
    "read_configuration",
    "reserved_pins",
]


def load(path: Path, *, missing_ok: bool = False) -> Configuration:
    """Return the configuration in a file. With `missing_ok`, return the defaults if the file is missing.

    Raise ConfigurationError, listing every problem, if the file is invalid.
    """
    return read_configuration(toml_file.read(path, missing_ok=missing_ok))


def reserved_pins(configuration: Configuration) -> dict[int, str]:
    """Return the pins that sensors must not use, mapped to their users: a light's name, `pps` or `rtc`."""
    lights, clock = configuration.lights, configuration.clock
    pins = {} if clock.rtc is None else {line.bcm: RTC for line in BUSES[CLOCK_BUS]}
    if clock.pps is not None:
        pins[clock.pps] = PPS
    return pins | {pin: name for name in LIGHTS if (pin := getattr(lights, name))}


_OTHER_FILE: Final[Mapping[str, Advice]] = {
    "sensor": ("sensors do not belong in this file", "Move them into sensors.toml."),
    "output": ("outputs do not belong in this file", "Move them into sensors.toml."),
    "service": ("services do not belong in this file", "Move them into sensors.toml."),
}


def read_configuration(file: TomlFile) -> Configuration:
    """Return the configuration in a parsed file.

    Raise ConfigurationError, listing every problem, if the file is invalid. No content of a file raises any
    other error.
    """
    root = Table.root(file)
    root.read(schema_of(Configuration), elsewhere={**advice(root, Configuration), **_OTHER_FILE})
    sections: dict[str, Any] = {}
    for name, (field, declaration, _default) in declarations(Configuration).items():
        assert declaration.section is not None
        with root.guarded(name):
            if declaration.is_list:
                sections[field] = _named(root.sections(name), name, declaration.section)
                continue
            table = root.section(name)
            sections[field] = read(table, declaration.section, checks=_CHECKS, elsewhere=advice)
            if name == "clock":
                _check_pulse_pin(table, sections[field], sections.get("lights", LightsSection()))
    raise_if_any(root.problems)
    vessel = sections["vessel"]
    sections["vessel"] = replace(vessel, name=vessel.name or vessel.id)
    return Configuration(**sections)


def _named(tables: Sequence[Table], kind: str, cls: type[Any]) -> tuple[Any, ...]:
    """Return the sections that an array of tables describes, and report names that occur more than once."""
    for number, table in enumerate(tables, start=1):
        table.label = _label(kind, table, number)
    sections = [read(table, cls, checks=_CHECKS, elsewhere=advice) for table in tables]
    named = ((table, section.name) for table, section in zip(tables, sections, strict=True))
    unique(named, "name", f"name of another {kind}", "Choose another name.")
    return tuple(sections)


def _label(what: str, table: Table, number: int) -> str:
    name = table.data.get("name")
    return f"{what} {shown(name)}" if isinstance(name, str) else f"{what} {number}"


# Combinations of keys ------------------------------------------------------------------------------


def _check_network(table: Table, network: NetworkSection) -> None:
    users = [
        key
        for key, uses in (
            ("wifi", network.wifi),
            ("access_point", network.access_point),
            ("vessel_radio", network.vessel_radio.mode != "off"),
        )
        if uses and key not in table.faulty
    ]
    if users and not table.mentions("country"):
        table.complain(
            "country",
            f"this key is missing, and {users[0]} needs it to use the radio",
            'Add the country whose radio rules apply, for example: country = "DE"',
            line=table.line(users[0]),
        )


def _check_wifi(table: Table, wifi: Wifi) -> None:
    given = table.data
    if wifi.eap is None and "eap" not in table.faulty:
        for key in ("user", "anonymous_user", "ca", "server_name", "certificate", "key"):
            if key in given:
                table.complain(key, "this key needs eap", 'Add: eap = "peap"')
        _check_shared_password(table, wifi)
        return
    if "security" in given:
        table.complain("security", "this key conflicts with eap", "Remove one of the two.")
    needed, excluded = _KEYS_OF_EAP.get(wifi.eap or "", ((), ()))
    for key in needed:
        if not table.mentions(key):
            table.complain("eap", f"this key needs {key}", f"Add: {key} = …")
    for key in excluded:
        if key in given:
            table.complain(key, f"this key is not allowed with eap {shown(wifi.eap)}", "Remove it.")
    if not table.mentions("ca") and not table.mentions("server_name"):
        table.complain(
            "eap",
            "without ca, any server that has a certificate could pose as this network",
            'Add the CA: ca = "….pem", or the name of the server: server_name = …',
        )


_KEYS_OF_EAP: Final = {
    PEAP: (("user", "password"), ("certificate", "key")),
    TTLS: (("user", "password"), ("certificate", "key")),
    TLS: (("user", "certificate", "key"), ("password", "anonymous_user")),
}
"""Keys that each EAP method requires, and keys that the method does not use."""


def _check_shared_password(table: Table, wifi: Wifi) -> None:
    if "security" in table.faulty or "password" in table.faulty:
        return
    if wifi.security == OPEN:
        if wifi.password:
            table.complain("password", "an open network has no password", "Remove one of the two.")
    elif wifi.security is not None and not wifi.password:
        table.complain("security", "this key needs a password", "Add: password = …")
    elif "password" in table.data:
        table.value("password", wpa3_password if wifi.security == WPA3 else passphrase_or_none)


def _check_ethernet(table: Table, _ethernet: Ethernet) -> None:
    for key in ("gateway", "dns"):
        if key in table.data and not table.mentions("address"):
            table.complain(
                key, "this key needs an address, but none is set", 'Add: address = "192.168.1.10/24".'
            )


def _check_gateway(table: Table, gateway: GatewaySection) -> None:
    given, kind = table.data, gateway.kind
    if kind is not None and gateway.url is not None:
        table.value("url", GATEWAY_URLS[kind])
    if "password_file" in given and not table.mentions("user"):
        table.complain("password_file", "there is a password without a user", "Add: user = …")
    for key, (_field, declaration, _default) in declarations(GatewaySection).items():
        if key in given and kind is not None and declaration.only_for not in ("", kind):
            table.complain(key, f"this key is not allowed for a gateway of kind {kind}", "Remove it.")
    for key, partner in (("certificate", "key"), ("key", "certificate")):
        if key in given and not table.mentions(partner):
            table.complain(key, f"this key needs {partner}", f"Add: {partner} = …")
    if "pin" in given and "ca" in given:
        table.complain("pin", "this key conflicts with ca", "Remove one of the two.")
    if "session_file" in given and "user" in given:
        table.complain("session_file", "this key conflicts with user", "Remove one of the two.")
    pulls = gateway.direction != "push" or "direction" in table.faulty
    if kind == COUCHBASE and not pulls and "channels" in given:
        table.complain(
            "channels", "this key has no effect, because nothing is pulled", 'Add: direction = "both"'
        )
    if kind == MQTT:
        check_broker(table, gateway)


def _check_lights(table: Table, lights: LightsSection) -> None:
    users: dict[int, str] = {}
    for name in LIGHTS:
        pin = getattr(lights, name)
        if pin and users.setdefault(pin, name) != name:
            table.complain(
                name if name in table.data else users[pin],
                f"{pin} is used by the {users[pin]} light and by the {name} light",
                "Choose another pin for one of them, or 0 for no light.",
            )


def _check_clock(table: Table, _clock: ClockSection) -> None:
    if "baud" in table.data and not table.mentions("gnss"):
        table.complain(
            "baud",
            "this key is for a satellite receiver, but none is set",
            'Add: gnss = "/dev/ttyACM0", or the device of your receiver.',
        )


_CHECKS: Final[Mapping[type, Check]] = {
    NetworkSection: _check_network,
    Wifi: _check_wifi,
    Ethernet: _check_ethernet,
    GatewaySection: _check_gateway,
    LightsSection: _check_lights,
    ClockSection: _check_clock,
}
"""Functions that check the combinations of keys in a section, by the type of the section."""


def _check_pulse_pin(table: Table, clock: ClockSection, lights: LightsSection) -> None:
    used = {pin: name for name in LIGHTS if (pin := getattr(lights, name))}
    if clock.pps in used:
        table.complain(
            "pps",
            f"{clock.pps} is used by the {used[clock.pps]} light",
            "Choose another pin for one of them.",
        )
