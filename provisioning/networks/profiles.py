"""Network profiles, written as NetworkManager keyfiles (nm-settings-keyfile(5)).

The files are in `/run`, so they are removed at each shutdown and always match the configuration. Names are
written as bytes, and passwords are escaped as in GKeyFile, so neither can change the meaning of a file.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from .ssid import octets_of

SUFFIX: Final = ".nmconnection"
CREW_ADDRESS: Final = "10.84.0.1/24"
"""Address of the appliance in the crew's own network; the appliance assigns the other addresses."""
_OURS: Final = uuid.UUID("6f7c1f2e-3d0c-4a51-9a55-1f0b0a7d4e1c")
_FOR_EVER: Final = "0"
"""Value of autoconnect-retries for unlimited attempts: a network is joined again even after a month."""

_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
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


def access_point(*, ssid: str, password: str, interface: str | None) -> Profile:
    """Return the profile of the crew's own network.

    The network provides addresses and name resolution, with or without an uplink.
    """
    return wifi(
        "logboat-crew",
        interface,
        wifi={"mode": "ap", "band": "bg", "ssid": octets(ssid)},
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
    """Return a value in which backslashes, line breaks and outer spaces are escaped for GKeyFile."""
    inner = text.strip(" ")
    if not inner:
        return "\\s" * len(text)
    lead = len(text) - len(text.lstrip(" "))
    return "\\s" * lead + inner.translate(_ESCAPES) + "\\s" * (len(text) - lead - len(inner))


def wifi(
    name: str,
    interface: str | None,
    *,
    wifi: Section,
    security: Section | None,
    ipv4: Section,
    ipv6: Section,
    priority: int,
    login: Section | None = None,
) -> Profile:
    """Return the profile of a Wi-Fi network; `login` is the section for an enterprise network."""
    bound = {} if interface is None else {"interface-name": interface}
    sections: dict[str, Section] = {
        "connection": {**_connection(name, "wifi", priority), **bound},
        "wifi": wifi,
    }
    if security is not None:
        sections["wifi-security"] = security
    if login is not None:
        sections["802-1x"] = login
    return Profile(name, {**sections, "ipv4": ipv4, "ipv6": ipv6})


def identifier(name: bytes) -> uuid.UUID:
    """Return a UUID that is always the same for a name (RFC 9562, version 5, which allows any bytes)."""
    digest = hashlib.sha1(_OURS.bytes + name, usedforsecurity=False).digest()
    return uuid.UUID(bytes=digest[:16], version=5)


def octets(ssid: str) -> str:
    """Return an SSID as the list of its bytes, which no reader can mistake for anything else."""
    return "".join(f"{byte};" for byte in octets_of(ssid))


def _connection(name: str, kind: str, priority: int) -> dict[str, str]:
    return {
        "id": name,
        "uuid": str(identifier(name.encode())),
        "type": kind,
        "autoconnect": "true",
        "autoconnect-priority": str(priority),
        "autoconnect-retries": _FOR_EVER,
    }
