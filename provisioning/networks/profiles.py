"""Network profiles, written as NetworkManager keyfiles (nm-settings-keyfile(5)).

The files are in `/run`, so they are removed at each shutdown and always match the configuration. Names are
written as bytes, and passwords are escaped as in GKeyFile, so neither can change the meaning of a file.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

SUFFIX: Final = ".nmconnection"
CREW_ADDRESS: Final = "10.84.0.1/24"
"""Address of the appliance in the crew's own network; the appliance assigns the other addresses."""
_OURS: Final = uuid.UUID("6f7c1f2e-3d0c-4a51-9a55-1f0b0a7d4e1c")
_FOR_EVER: Final = "0"
"""Value of autoconnect-retries for unlimited attempts: a network is joined again even after a month."""

Section = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Profile:
    """Keyfile for one network."""

    name: str
    """Name of the file without its extension, which is also the name of the connection in NetworkManager."""
    sections: Mapping[str, Section]

    @property
    def text(self) -> str:
        """Content of the keyfile."""
        rows: list[str] = []
        for section, values in self.sections.items():
            rows += [f"[{section}]", *(f"{key}={value}" for key, value in values.items()), ""]
        return "\n".join(rows)


def join(*, ssid: str, password: str, priority: int, interface: str | None, hidden: bool = False) -> Profile:
    """Return the profile of a Wi-Fi network to join; an empty password means an open network."""
    name = f"logboat-join-{uuid.uuid5(_OURS, ssid).hex[:8]}"
    security = {"key-mgmt": "wpa-psk", "psk": escaped(password)} if password else None
    return _wifi(
        name,
        interface,
        wifi={
            "mode": "infrastructure",
            "ssid": _bytes(ssid),
            **({"hidden": "true"} if hidden else {}),
        },
        security=security,
        ipv4={"method": "auto"},
        ipv6={"method": "auto"},
        priority=priority,
    )


def access_point(*, ssid: str, password: str, interface: str | None) -> Profile:
    """Return the profile of the crew's own network.

    The network provides addresses and name resolution, with or without an uplink.
    """
    return _wifi(
        "logboat-crew",
        interface,
        wifi={"mode": "ap", "band": "bg", "ssid": _bytes(ssid)},
        security={"key-mgmt": "wpa-psk", "proto": "rsn;", "pairwise": "ccmp;", "psk": escaped(password)},
        ipv4={"method": "shared", "address1": CREW_ADDRESS},
        ipv6={"method": "link-local"},
        priority=0,
    )


def ethernet(*, address: str | None, gateway: str | None, dns: Iterable[str]) -> Profile:
    """Return the profile of the wired network: a fixed address, or DHCP and a link-local address."""
    ipv4 = {"method": "auto", "link-local": "3"}  # 3: enabled, in addition to any other address
    if address is not None:
        ipv4 = {"method": "manual", "address1": address if gateway is None else f"{address},{gateway}"}
    servers = list(dns)
    if servers:
        ipv4["dns"] = "".join(f"{server};" for server in servers)
    return Profile(
        "logboat-ethernet",
        {
            "connection": {**_connection("logboat-ethernet", "ethernet", 0), "multi-connect": "3"},
            "ethernet": {},
            "ipv4": {**ipv4, "may-fail": "true"},
            "ipv6": {"method": "auto"},
        },
    )


def escaped(text: str) -> str:
    """Return a value in which backslashes and leading spaces are escaped for GKeyFile."""
    escaped_text = text.replace("\\", "\\\\")
    lead = len(escaped_text) - len(escaped_text.lstrip(" "))
    return "\\s" * lead + escaped_text[lead:]


def _wifi(
    name: str,
    interface: str | None,
    *,
    wifi: Section,
    security: Section | None,
    ipv4: Section,
    ipv6: Section,
    priority: int,
) -> Profile:
    bound = {} if interface is None else {"interface-name": interface}
    sections: dict[str, Section] = {
        "connection": {**_connection(name, "wifi", priority), **bound},
        "wifi": wifi,
    }
    if security is not None:
        sections["wifi-security"] = security
    return Profile(name, {**sections, "ipv4": ipv4, "ipv6": ipv6})


def _connection(name: str, kind: str, priority: int) -> dict[str, str]:
    return {
        "id": name,
        "uuid": str(uuid.uuid5(_OURS, name)),
        "type": kind,
        "autoconnect": "true",
        "autoconnect-priority": str(priority),
        "autoconnect-retries": _FOR_EVER,
    }


def _bytes(ssid: str) -> str:
    return "".join(f"{byte};" for byte in ssid.encode())
