"""The plan of links: the vessels with which a vessel should have links, and the vessel that dials each link.

This module does no I/O. A vessel is *in sight* if its advertisement was received. All vessels are placed on a
ring, in the order of their ids. If more vessels are in sight than a vessel may have links, it selects those
that are 1, 2, 4 … places away on the ring, in both directions. So two vessels select each other, and any two
vessels are only a few links apart.

If some vessels are not in sight of each other, separate groups may result. So each vessel advertises its
links in its DNS-SD record. If another vessel is in sight but cannot be reached over any known links, a vessel
dials an additional link to that vessel.
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
"""Lowest permitted limit on the number of links. With fewer links, parts of a fleet would be separated."""


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
    """Ids of the hubs. If there are any, the vessel has links only with these hubs."""
    max_peers: int = 8


def wanted(place: MeshNode, in_sight: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Return the vessels with which this vessel should have links.

    The keys of `in_sight` are the vessels whose advertisements were received. The value for a vessel contains
    the other vessels with which that vessel has links.
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
    """Return a vessel with which the link should be closed because we have too many links, or None.

    A link is closed only if we have `dialled` it, neither side requires it, and the other vessel can still be
    reached over other known links.
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
    at once. The result is infinity if our role does not allow us to dial.

    Args:
        place: our role and limits in the mesh.
        other: the vessel to dial.
        wanted_for: seconds for which the link has been needed.
        chance: jitter from 0 to 1.
    """
    if place.role is Role.PASSIVE_ONLY:
        return float("inf")
    if place.role is Role.ACTIVE_ONLY or other in place.hubs or place.vessel < other:
        return 0.0
    return DIAL_AFTER * (1 + chance) - wanted_for


def keeps_dialled(own: str, other: str) -> bool:
    """Return True if the link that we have dialled is kept when two vessels have dialled each other."""
    return own < other


def _around(place: MeshNode, others: list[str]) -> set[str]:
    """Return the vessels that are 1, 2, 4 … places away from this vessel in the circular order of ids.

    Both directions are considered. The number of vessels is limited to the number of links that this vessel
    may have.
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
    """Return True if another vessel probably selects this vessel for a link.

    This assumes that the same vessels are in sight of both.
    """
    seen_there = sorted((set(in_sight) | {place.vessel}) - {other})
    there = MeshNode(other, max_peers=place.max_peers)
    return len(seen_there) <= place.max_peers or place.vessel in _around(there, seen_there)


def _reached(start: str, first: Iterable[str], links: Mapping[str, Iterable[str]]) -> set[str]:
    """Return all vessels that `start` can reach over known links. Its own links are those with `first`.

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
