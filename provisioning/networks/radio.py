"""The radio link between vessels, as a configuration for wpa_supplicant (wpa_supplicant.conf(5)).

A NetworkManager profile is not used for this link. NetworkManager 1.42 aborts with a failed assertion when it
starts an 802.11s mesh with a key (`ap_add_remove` receives its own placeholder a second time). This
disconnects all other networks too. wpa_supplicant can start the link on its own, and the kernel assigns
link-local addresses.
"""

import re
from dataclasses import dataclass
from typing import Final

_HIGHEST_2_4_GHZ: Final = 13
_KEY: Final = re.compile(r'^(\t(?:sae_password|psk)=").*(")$', re.MULTILINE)
_LONGEST: Final = 32
"""Maximum length of a network's name, in bytes (IEEE 802.11, 9.4.2.2)."""


@dataclass(frozen=True, slots=True)
class Radio:
    """Configuration of the radio link, and the interface on which to start it."""

    interface: str
    text: str
    """Text of the configuration, which contains the fleet's radio key."""


def name(fleet: str) -> str:
    """Return the name of the fleet's radio network."""
    return f"logboat-{fleet}"[:_LONGEST]


def frequency(channel: int) -> int:
    """Return the frequency in MHz of a channel in the 2.4 or 5 GHz band (IEEE 802.11, annex E)."""
    return (2407 if channel <= _HIGHEST_2_4_GHZ else 5000) + 5 * channel


def radio(*, mode: str, fleet: str, key: str, channel: int, interface: str, country: str | None) -> Radio:
    """Return the configuration for the mode `mesh` (802.11s with SAE) or `adhoc` (IBSS with RSN).

    `key` must not contain quotes.
    """
    network = {
        "ssid": name(fleet).encode().hex(),
        "frequency": str(frequency(channel)),
        **(
            {"mode": "5", "key_mgmt": "SAE", "sae_password": f'"{key}"'}
            if mode == "mesh"
            else {
                "mode": "1",
                "key_mgmt": "WPA-PSK",
                "proto": "RSN",
                "pairwise": "CCMP",
                "group": "CCMP",
                "psk": f'"{key}"',
            }
        ),
    }
    overall = [
        *([] if country is None else [f"country={country}"]),
        "update_config=0",
        *([] if mode == "mesh" else ["ap_scan=2"]),
    ]
    rows = [*overall, "network={", *(f"\t{item}={value}" for item, value in network.items()), "}", ""]
    return Radio(interface, "\n".join(rows))


def rekeyed(text: str, key: str) -> str:
    """Return a configuration made by `radio`, with its key replaced; the new key must not contain quotes."""
    return _KEY.sub(lambda match: f"{match[1]}{key}{match[2]}", text)
