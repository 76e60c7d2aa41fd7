"""The capabilities of this machine's radios, and the role of each; the output of `iw phy` is passed in.

A radio can use only one channel at a time. The link between vessels has a channel of its own, so it is
assigned an adapter of its own, preferably one that is plugged in. If there is no third adapter, the first
adapter both joins networks and provides the crew's network. The crew's network is then a second interface on
that adapter, on the channel of the joined network.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from .radio import frequency

CREW: Final = "crew0"
"""Name of the second interface of a radio that both joins a network and provides the crew's network."""
_MODES: Final = {"mesh": "mesh point", "adhoc": "IBSS"}
_RESTRICTIONS: Final = {
    "disabled": "it is not allowed in this country",
    "no IR": "this country allows it only for joining other networks",
    "radar detection": "this country requires radar detection on it",
}
_FREQUENCY: Final = re.compile(r"\s+\* (\d+)(?:\.\d+)? MHz \[\d+\](.*)")
_WPA3: Final = ("SAE with AUTHENTICATE command", "[ SAE_OFFLOAD ]")
"""Features of `iw phy`, one of which a radio needs for WPA3: SAE in the driver's host, or in its firmware."""
_NAMES: Final = {"mesh": "802.11s mesh", "adhoc": "ad-hoc networks"}


@dataclass(frozen=True, slots=True)
class Adapter:
    """A Wi-Fi radio with its interface."""

    phy: str
    interface: str
    modes: frozenset[str]
    """Supported modes, as named by `iw phy`: `managed`, `AP`, `mesh point`, `IBSS`."""
    has_wpa3: bool = True
    frequencies: Mapping[int, str] = field(default_factory=dict)
    """Restriction of each supported frequency in MHz, as named by `iw phy`; empty if it is unrestricted."""

    def restriction(self, frequency: int) -> str:
        """Return why a mesh or ad-hoc network cannot use a frequency in MHz; empty if it can."""
        if not self.frequencies:
            return ""  # nothing is known
        if frequency not in self.frequencies:
            return "the adapter does not support it"
        limits = self.frequencies[frequency]
        return next((words for part, words in _RESTRICTIONS.items() if part in limits), "")


@dataclass(frozen=True, slots=True)
class Assignment:
    """Interface for each role; None if the role is not configured, or if no adapter supports it."""

    client: str | None = None
    access_point: str | None = None
    radio: str | None = None
    second: str | None = None
    """Physical radio (phy) on which the interface `CREW` has to be created; None if it is not needed."""
    missing: tuple[str, ...] = ()
    """Roles without an adapter, each with a remedy."""


def parse(iw: str, interfaces: Mapping[str, str]) -> tuple[Adapter, ...]:
    """Return the adapters in the output of `iw phy`; `interfaces` maps each interface to its phy.

    The adapters are sorted by the names of their interfaces, so built-in adapters come first.
    """
    modes: dict[str, set[str]] = {}
    wpa3: set[str] = set()
    frequencies: dict[str, dict[int, str]] = {}
    phy, listing = "", False
    for row in iw.splitlines():
        if match := re.match(r"Wiphy (\S+)", row):
            phy, listing = match[1], False
            modes[phy], frequencies[phy] = set(), {}
        elif row.strip().startswith("Supported interface modes"):
            listing = True
        elif listing and (match := re.match(r"\s+\* (.+)", row)):
            modes[phy].add(match[1].strip())
        else:
            listing = False
            if any(feature in row for feature in _WPA3):
                wpa3.add(phy)
            elif phy and (match := _FREQUENCY.match(row)):
                frequencies[phy][int(match[1])] = match[2].strip()
    return tuple(
        Adapter(phy, name, frozenset(modes[phy]), phy in wpa3, frequencies[phy])
        for name, phy in sorted(interfaces.items())
        if phy in modes
    )


def assign(
    adapters: Sequence[Adapter],
    *,
    joins: bool,
    access_point: bool,
    radio: str = "off",
    channel: int | None = None,
) -> Assignment:
    """Assign the roles to adapters; `radio` is `mesh`, `adhoc` or `off`, and `channel` its channel."""
    free, missing = list(adapters), []
    for_radio = None
    if radio != "off":
        able = [each for each in free if _MODES[radio] in each.modes]
        if able:
            free_channel = [
                each for each in able if channel is None or not each.restriction(frequency(channel))
            ]
            for_radio = (free_channel or able)[-1]
            free.remove(for_radio)
        else:
            missing.append(
                f"no Wi-Fi adapter supports {_NAMES[radio]}; plug in one that does, or choose another mode"
            )
    client = free[0] if joins and free else None
    if joins and client is None:
        missing.append("no Wi-Fi adapter is free to join a network; plug in another one")
    point, second = None, None
    if access_point:
        able = [each for each in free if "AP" in each.modes]
        if not able:
            missing.append("no free Wi-Fi adapter supports access points; plug in another one")
        elif able[-1] is client:
            point, second = CREW, client.phy
        else:
            point = able[-1].interface
    return Assignment(
        client=None if client is None else client.interface,
        access_point=point,
        radio=None if for_radio is None else for_radio.interface,
        second=second,
        missing=tuple(missing),
    )
