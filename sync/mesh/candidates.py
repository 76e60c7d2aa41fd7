"""The endpoints at which a vessel may be reached, in the order in which to dial them.

A candidate endpoint consists of a list of addresses, a port and a database. Anyone on the network can claim
to be a vessel of the fleet, and only a certificate proves the claim. So each advertised candidate is tried.
Candidates where the vessel has proved its identity are called proven, and are tried first. Among the proven
candidates, and among all others, those where an attempt has failed are tried last. So forged candidates can
neither hide the vessel's own endpoint nor displace a proven one.

The list of addresses changes when the vessel joins or leaves a network. So the single address at which the
vessel has answered is stored too. That address is tried first among the addresses of its candidate. A new
candidate with this address counts as proven.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sync.mesh.sightings import Sighting

PROVEN_KEPT: Final = 4
"""Maximum number of proven candidates kept for a vessel after they are no longer advertised."""
PROVEN_FOR: Final = 3600.0
"""Seconds for which a proven candidate is kept after its last use if it is no longer advertised.

A vessel that has sailed on has other addresses by then.
"""
MOST_ADDRESSES: Final = 8
"""Maximum number of addresses kept for one candidate. An appliance never has more addresses."""
VESSELS_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class Candidate:
    """An endpoint at which a vessel may be reached."""

    addresses: tuple[str, ...]
    """Addresses to dial, the most likely first. Link-local addresses include their zone."""
    port: int
    database: str
    instance: str = field(default="", compare=False)
    """The DNS-SD instance that advertises this endpoint."""

    @classmethod
    def from_sighting(cls, sighting: Sighting) -> "Candidate":
        """Return the candidate that a sighting advertises."""
        return cls(sighting.addresses[:MOST_ADDRESSES], sighting.port, sighting.db, sighting.instance)


@dataclass(slots=True)
class _VesselAddresses:
    """The known endpoints (candidates) of one vessel, with the outcomes of attempts to reach the vessel."""

    seen: tuple[Candidate, ...] = ()
    proven: dict[Candidate, float] = field(default_factory=dict)
    """For each candidate, the time at which the vessel last proved its identity there."""
    answered: dict[tuple[str, int, str], float] = field(default_factory=dict)
    """For each (address, port, database), the time at which the vessel last proved its identity there.

    The key includes the database name. Otherwise, a forged record with the vessel's own address but a wrong
    database name would count as proven.
    """
    failed: dict[Candidate, float] = field(default_factory=dict)
    """For each candidate where the last attempt failed, the time of that attempt."""

    def proven_at(self, place: Candidate) -> float | None:
        """Return the time at which the vessel last proved its identity at a candidate.

        A proof at one of the candidate's addresses counts too. The result is None if there was no proof.
        """
        times = [self.answered.get((address, place.port, place.database)) for address in place.addresses]
        return max((at for at in (self.proven.get(place), *times) if at is not None), default=None)


class Candidates:
    """The known endpoints (candidates) at which each vessel may be reached."""

    def __init__(self) -> None:
        self._vessels: dict[str, _VesselAddresses] = {}

    def see(self, vessel: str, sightings: Iterable[Sighting], now: float) -> None:
        """Record the endpoints that a vessel advertises now, in the order of their discovery."""
        if vessel not in self._vessels and len(self._vessels) >= VESSELS_KEPT:
            oldest = next((each for each, known in self._vessels.items() if not known.proven), None)
            self._vessels.pop(oldest or next(iter(self._vessels)))
        known = self._vessels.setdefault(vessel, _VesselAddresses())
        known.seen = tuple(dict.fromkeys(map(Candidate.from_sighting, sightings)))
        known.proven = {
            place: at for place, at in known.proven.items() if place in known.seen or now - at < PROVEN_FOR
        }
        known.answered = {where: at for where, at in known.answered.items() if now - at < PROVEN_FOR}
        there = {*known.seen, *known.proven}
        known.failed = {place: at for place, at in known.failed.items() if place in there}

    def order(self, vessel: str) -> tuple[Candidate, ...]:
        """Return a vessel's candidates in the order in which to try them."""
        known = self._vessels.get(vessel, _VesselAddresses())
        numbers = {place: number for number, place in enumerate(known.seen)}

        def worth(place: Candidate) -> tuple[int, float, bool]:
            failed, proven = known.failed.get(place), known.proven_at(place)
            is_new = place not in known.proven
            if proven is not None:
                return (0, -proven, is_new) if failed is None else (1, failed, is_new)
            return (2, numbers[place], is_new) if failed is None else (3, failed, is_new)

        return tuple(sorted({**numbers, **known.proven}, key=worth))

    def best(self, vessel: str, sightings: Sequence[Sighting]) -> Sighting:
        """Return the sighting in `sightings` that advertises the candidate to try first."""
        order = {place: number for number, place in enumerate(self.order(vessel))}
        last = len(order)
        return min(sightings, key=lambda sighting: order.get(Candidate.from_sighting(sighting), last))

    def addresses(self, vessel: str, place: Candidate) -> tuple[str, ...]:
        """Return a candidate's addresses, beginning with the address at which the vessel last answered."""
        answered = self._vessels.get(vessel, _VesselAddresses()).answered

        def worth(address: str) -> float:
            return -answered.get((address, place.port, place.database), -math.inf)

        return tuple(sorted(place.addresses, key=worth))

    def proved(self, vessel: str, place: Candidate, now: float, *, address: str | None = None) -> None:
        """Record that a vessel has proved its identity at a candidate, and the address if it is known."""
        known = self._vessels.setdefault(vessel, _VesselAddresses())
        known.failed.pop(place, None)
        known.proven.pop(place, None)
        known.proven[place] = now
        for oldest in [*known.proven][:-PROVEN_KEPT]:
            del known.proven[oldest]
        proven = next((each for each in place.addresses if _is_same(each, address)), None)
        if proven is not None:
            known.answered.pop((proven, place.port, place.database), None)
            known.answered[proven, place.port, place.database] = now
            for where in [*known.answered][:-PROVEN_KEPT]:
                del known.answered[where]

    def failed(self, vessel: str, place: Candidate, now: float) -> None:
        """Record that an attempt to reach a vessel at a candidate has failed."""
        self._vessels.setdefault(vessel, _VesselAddresses()).failed[place] = now

    def for_vessel(self, vessel: str, clock: Callable[[], float]) -> "VesselCandidates":
        """Return the candidates of one vessel, for the link that dials the vessel."""
        return VesselCandidates(self, vessel, clock)


@dataclass(frozen=True, slots=True)
class VesselCandidates:
    """The known endpoints (candidates) at which one vessel may be reached."""

    _all: Candidates
    _vessel: str
    _clock: Callable[[], float]

    def order(self) -> tuple[Candidate, ...]:
        """Return the candidates in the order in which to try them."""
        return self._all.order(self._vessel)

    def addresses(self, place: Candidate) -> tuple[str, ...]:
        """Return a candidate's addresses, beginning with the address at which the vessel last answered."""
        return self._all.addresses(self._vessel, place)

    def proved(self, place: Candidate, *, address: str | None = None) -> None:
        """Record that the vessel has proved its identity at a candidate, and the address if it is known."""
        self._all.proved(self._vessel, place, self._clock(), address=address)

    def failed(self, place: Candidate) -> None:
        """Record that an attempt to reach the vessel at a candidate has failed."""
        self._all.failed(self._vessel, place, self._clock())


def _is_same(listed: str, address: str | None) -> bool:
    """Return True if the address of a socket equals the listed address of a candidate.

    A socket may omit the zone of a link-local address.
    """
    return address is not None and (listed == address or listed.partition("%")[0] == address)
