"""Which vessels to have links with, and who dials. Pure: what is in sight comes in, a decision goes out.

All vessels stand on a ring, in the order of their ids. A vessel with more in sight than it may have links
with takes those 1, 2, 4 … places away from it, both ways round: neighbours choose each other, and any two are
a few steps apart. Where not all see all, that may leave islands. So each vessel says with whom it has links
(in its DNS-SD record), and whoever sees a vessel that none of the links it knows of leads to makes one more.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

DIAL_AFTER: Final = 15.0
"""Seconds that the vessel with the higher id waits for the other to dial; as much again is jitter at most."""
LEAST_PEERS: Final = 2
"""With fewer links each there is no way through a fleet."""


class Role(Enum):
    """What part a vessel takes, by its configuration."""

    PEER = "peer"
    HUB = "hub"
    """Has links with all in sight."""
    ACTIVE_ONLY = "active-only"
    """Dials, and does not listen."""
    PASSIVE_ONLY = "passive-only"
    """Listens, and does not dial."""


@dataclass(frozen=True, slots=True)
class Place:
    """A vessel's place in the fleet."""

    vessel: str
    role: Role = Role.PEER
    hubs: frozenset[str] = frozenset()
    """If there are any, it has links with these alone."""
    max_peers: int = 8


def wanted(place: Place, in_sight: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """The vessels to have links with. `in_sight`: each vessel, and those that it says it has links with."""
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
    place: Place, in_sight: Mapping[str, Iterable[str]], linked: Iterable[str], dialled: Iterable[str]
) -> str | None:
    """A link to give up, of those `dialled` by us, when there are too many: nobody wants it any more.

    One at a time, and only if other links that are known of lead there.
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


def may_dial(place: Place, other: str, *, wanted_for: float, chance: float) -> float:
    """Seconds until we may dial a vessel that we have wanted a link with for so long; 0 or less is now.

    The one with the smaller id dials at once. `chance` is from 0 to 1. A vessel that nobody can dial, or
    that sets out to a hub, does not wait.
    """
    if place.role is Role.PASSIVE_ONLY:
        return float("inf")
    if place.role is Role.ACTIVE_ONLY or other in place.hubs or place.vessel < other:
        return 0.0
    return DIAL_AFTER * (1 + chance) - wanted_for


def keeps_dialled(own: str, other: str) -> bool:
    """Of two links of a pair, the one that the vessel with the smaller id dialled stays: is it ours?"""
    return own < other


def _around(place: Place, others: list[str]) -> set[str]:
    """Those 1, 2, 4 … places away, nearest first, both ways, as many as there may be."""
    ring = sorted([*others, place.vessel])
    at, most = ring.index(place.vessel), max(place.max_peers, LEAST_PEERS)
    chosen: dict[str, None] = {}
    distance = 1
    while distance <= len(others) and len(chosen) + 2 <= most:
        chosen.setdefault(ring[(at + distance) % len(ring)])
        chosen.setdefault(ring[(at - distance) % len(ring)])
        distance *= 2
    return set(chosen)


def _wants(place: Place, other: str, in_sight: Mapping[str, Iterable[str]]) -> bool:
    """Whether another would choose us from what we see: then it would dial anew."""
    seen_there = sorted((set(in_sight) | {place.vessel}) - {other})
    there = Place(other, max_peers=place.max_peers)
    return len(seen_there) <= place.max_peers or place.vessel in _around(there, seen_there)


def _reached(start: str, first: Iterable[str], links: Mapping[str, Iterable[str]]) -> set[str]:
    """All that known links lead to from `start`, which has links with `first`. Links lead both ways."""
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
