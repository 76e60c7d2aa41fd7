"""The radio between vessels, as wpa_supplicant's configuration (wpa_supplicant.conf(5)). Pure.

Not a profile of NetworkManager's: 1.42 ends with a failed assertion when it starts an 802.11s mesh with a key
(`ap_add_remove` meets its own placeholder a second time), and takes all other networks with it.
wpa_supplicant alone does the same, and needs nobody: link-local addresses come with the link.
"""

import re
from dataclasses import dataclass
from typing import Final

_HIGHEST_2_4_GHZ: Final = 13
_KEY: Final = re.compile(r'^(\t(?:sae_password|psk)=").*(")$', re.MULTILINE)
_LONGEST: Final = 32
"""Bytes of a network's name (IEEE 802.11, 9.4.2.2)."""


@dataclass(frozen=True, slots=True)
class Radio:
    """What to start where."""

    interface: str
    text: str
    """The configuration; it has the fleet's key in it."""


def name(fleet: str) -> str:
    """What the fleet's radio network is called."""
    return f"logboat-{fleet}"[:_LONGEST]


def frequency(channel: int) -> int:
    """MHz, of a channel of 2.4 or 5 GHz (IEEE 802.11, annex E)."""
    return (2407 if channel <= _HIGHEST_2_4_GHZ else 5000) + 5 * channel


def radio(*, mode: str, fleet: str, key: str, channel: int, interface: str, country: str | None) -> Radio:
    """`mesh` (802.11s with SAE) or `adhoc` (IBSS with RSN); `key` has no quotes in it."""
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
    """Return a configuration of `radio` with another key; `key` has no quotes in it."""
    return _KEY.sub(lambda found: f"{found[1]}{key}{found[2]}", text)
