"""Plan of a vessel's networks: profiles to set up, and functions that lack an adapter or a key."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from provisioning.networks import adapters as radios
from provisioning.networks import joined, profiles, radio
from provisioning.networks.adapters import Adapter, Assignment
from provisioning.networks.joined import WifiLike
from provisioning.networks.profiles import Profile
from provisioning.networks.radio import Radio, frequency
from sensors.plaintext import clean


class PointLike(Protocol):
    """The crew's own Wi-Fi network."""

    @property
    def ssid(self) -> str: ...  # noqa: D102
    @property
    def password(self) -> str: ...  # noqa: D102


class RadioLike(Protocol):
    """The radio link between vessels."""

    @property
    def mode(self) -> str: ...  # noqa: D102
    @property
    def channel(self) -> int: ...  # noqa: D102


class CableLike(Protocol):
    """Settings of the wired network."""

    @property
    def address(self) -> str | None: ...  # noqa: D102
    @property
    def gateway(self) -> str | None: ...  # noqa: D102
    @property
    def dns(self) -> Sequence[str]: ...  # noqa: D102


class NetworkLike(Protocol):
    """The `[network]` section of a configuration."""

    @property
    def country(self) -> str | None: ...  # noqa: D102
    @property
    def wifi(self) -> Sequence[WifiLike]: ...  # noqa: D102
    @property
    def access_point(self) -> PointLike | None: ...  # noqa: D102
    @property
    def vessel_radio(self) -> RadioLike: ...  # noqa: D102
    @property
    def ethernet(self) -> CableLike: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Plan:
    """Networks to set up, and the network functions that are impossible without a further adapter or key."""

    profiles: tuple[Profile, ...]
    radio: Radio | None
    """Radio link between vessels; NetworkManager must not manage its interface."""
    assignment: Assignment
    missing: tuple[str, ...]
    """Functions that are not possible, each with a remedy."""


def plan(
    network: NetworkLike,
    *,
    fleet: str | None,
    radio_key: str | None,
    adapters: Sequence[Adapter],
    folder: Path,
) -> Plan:
    """Plan a vessel's networks on these adapters.

    `fleet` and its `radio_key` are from the vessel's identity, and are None if the vessel has no identity.
    `folder` contains the certificates and keys to which the configuration refers.
    """
    mode, missing = network.vessel_radio.mode, []
    if mode != "off" and (fleet is None or radio_key is None):
        missing.append(
            "the radio between vessels needs the fleet's radio key, which is in the vessel's bundle; put"
            " the bundle on the card"
        )
        mode = "off"
    channel = network.vessel_radio.channel
    assignment = radios.assign(
        adapters,
        joins=bool(network.wifi),
        access_point=network.access_point is not None,
        radio=mode,
        channel=channel,
    )
    missing += limits(adapters, assignment, network)
    networks = [
        profiles.ethernet(
            address=network.ethernet.address, gateway=network.ethernet.gateway, dns=network.ethernet.dns
        )
    ]
    if assignment.client is not None:
        networks += joined.join_all(network.wifi, interface=assignment.client, folder=folder)
    if assignment.access_point is not None and network.access_point is not None:
        point = network.access_point
        networks.append(
            profiles.access_point(ssid=point.ssid, password=point.password, interface=assignment.access_point)
        )
    between = None
    if assignment.radio is not None and fleet is not None and radio_key is not None:
        between = radio.radio(
            mode=mode,
            fleet=fleet,
            key=radio_key,
            channel=channel,
            interface=assignment.radio,
            country=network.country,
        )
    return Plan(tuple(networks), between, assignment, (*missing, *assignment.missing))


def limits(adapters: Sequence[Adapter], assignment: Assignment, network: NetworkLike) -> list[str]:
    """Return what the assigned adapters cannot do although it is configured, each with a remedy."""
    found: list[str] = []
    by_interface = {each.interface: each for each in adapters}
    client = by_interface.get(assignment.client or "")
    if client is not None and not client.has_wpa3:
        found += [
            f'{client.interface} does not support WPA3, which "{clean(each.ssid)}" requires; plug in an'
            " adapter that does, or let the access point offer WPA2 as well"
            for each in network.wifi
            if each.security == joined.WPA3
        ]
    between = by_interface.get(assignment.radio or "")
    channel = network.vessel_radio.channel
    if between is not None and (reason := between.restriction(frequency(channel))):
        found.append(
            f"{between.interface} cannot use channel {channel} for the radio between vessels: {reason};"
            " choose another channel"
        )
    return found
