"""The plan of links: the vessels to have links with, and the vessel that dials each link.

This module does no I/O. A vessel is *in sight* if its advertisement was received. All vessels are placed on a
ring, in the order of their ids. If there are more vessels in sight than a vessel may have links, it selects
those that are 1, 2, 4 … places away in both directions. So the selection is mutual, and any two vessels are
only a few links apart. If some vessels cannot see each other, separate groups may result. So each vessel
advertises its links in its DNS-SD record. If a vessel sees another one that it cannot reach over any known
links, it dials an additional link to that vessel.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

DIAL_AFTER: Final = 15.0
"""Seconds for which the vessel with the higher id waits for the other vessel to dial.

Jitter can double this time.
"""
LEAST_PEERS: Final = 2
"""Smallest permitted limit on the number of links. With fewer links, parts of a fleet would be separated."""


class Role(Enum):
    """Role of a vessel in the mesh, as set in its configuration."""

    PEER = "peer"
    HUB = "hub"
    """A vessel that has links with all vessels in range."""
    ACTIVE_ONLY = "active-only"
    """A vessel that dials but does not listen."""
    PASSIVE_ONLY = "passive-only"
    """A vessel that listens but does not dial."""


@dataclass(frozen=True, slots=True)
class MeshNode:
    """A vessel's role and limits in the mesh."""

    vessel: str
    role: Role = Role.PEER
    hubs: frozenset[str] = frozenset()
    """Ids of the hubs; if there are any, the vessel has links only with these."""
    max_peers: int = 8


def wanted(place: MeshNode, in_sight: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return the vessels with which this vessel should have links.

    `in_sight` maps each vessel whose advertisement was received to the vessels with which it has links.
    """
    others = sorted(set(in_sight) - {place.vessel})
    if place.hubs and place.role is not Role.HUB:
        return place.hubs.intersection(others)
    if place.role is Role.HUB or len(others) <= place.max_peers:
        return frozenset(others)
    chosen = _around(place, others)
    reached = _reached(place.vessel, chosen, in_sight)
    for other in others:
        if other not in reached:
            chosen.add(other)
            reached |= _reached(other, in_sight[other], in_sight)
    return frozenset(chosen)


def surplus(
    place: MeshNode, in_sight: Mapping[str, Iterable[str]], linked: Iterable[str], dialled: Iterable[str]
) -> str | None:
    """Return a vessel whose link should be closed because we have too many links, or None.

    Only links that we have `dialled` are closed, and only if neither side requires the link and the vessel
    can be reached over other known links.
    """
    links = set(linked)
    if len(links) <= max(place.max_peers, LEAST_PEERS) or place.role is Role.HUB or place.hubs:
        return None
    for other in sorted(set(dialled).intersection(links) - wanted(place, in_sight), reverse=True):
        theirs = set(in_sight.get(other, ()))
        if other not in in_sight or _wants(place, other, in_sight):
            continue
        without = {**in_sight, other: theirs - {place.vessel}}
        if other in _reached(place.vessel, links - {other}, without):
            return other
    return None


def may_dial(place: MeshNode, other: str, *, wanted_for: float, chance: float) -> float:
    """Return the seconds until we may dial a vessel; 0 or less if we may dial it now.

    The vessel with the lower id dials at once. A vessel that does not listen, or that dials a hub, also dials
    at once.

    Args:
        place: our role and limits in the mesh.
        other: the vessel to dial.
        wanted_for: seconds since the link was first wanted.
        chance: jitter from 0 to 1.
    """
    if place.role is Role.PASSIVE_ONLY:
        return float("inf")
    if place.role is Role.ACTIVE_ONLY or other in place.hubs or place.vessel < other:
        return 0.0
    return DIAL_AFTER * (1 + chance) - wanted_for


def keeps_dialled(own: str, other: str) -> bool:
    """Return True if, when both vessels have dialled each other, the link that we have dialled is kept."""
    return own < other


def _around(place: MeshNode, others: list[str]) -> set[str]:
    """Return the vessels that are 1, 2, 4 … places away in the circular order of ids, in both directions.

    Their number is limited to the number of links that the vessel may have.
    """
    ring = sorted([*others, place.vessel])
    at, most = ring.index(place.vessel), max(place.max_peers, LEAST_PEERS)
    chosen: dict[str, None] = {}
    distance = 1
    while distance <= len(others) and len(chosen) + 2 <= most:
        chosen.setdefault(ring[(at + distance) % len(ring)])
        chosen.setdefault(ring[(at - distance) % len(ring)])
        distance *= 2
    return set(chosen)


def _wants(place: MeshNode, other: str, in_sight: Mapping[str, Iterable[str]]) -> bool:
    """Return True if another vessel probably wants a link with this vessel.

    It is assumed that the other vessel sees the same vessels as this one.
    """
    seen_there = sorted((set(in_sight) | {place.vessel}) - {other})
    there = MeshNode(other, max_peers=place.max_peers)
    return len(seen_there) <= place.max_peers or place.vessel in _around(there, seen_there)


def _reached(start: str, first: Iterable[str], links: Mapping[str, Iterable[str]]) -> set[str]:
    """Return all vessels that `start` can reach over known links, given its own links with `first`.

    Every link can be used in both directions.
    """
    both: dict[str, set[str]] = {start: set(first)}
    for vessel, others in links.items():
        both.setdefault(vessel, set()).update(others)
    for vessel, others in list(both.items()):
        for other in others:
            both.setdefault(other, set()).add(vessel)
    reached, edge = {start}, [start]
    while edge:
        for other in both[edge.pop()] - reached:
            reached.add(other)
            edge.append(other)
    return reached
