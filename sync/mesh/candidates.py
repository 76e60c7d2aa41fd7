"""Where a vessel may be: all that claim to be it, in the order in which they are worth dialling. Pure.

Anybody on the network can say that he is a vessel of the fleet. Only a certificate proves it, so each place
that was heard of is tried. A place where the vessel has proved itself comes first; one that has failed comes
last. Forged places can neither hide the vessel's own nor push a proven one out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from sync.mesh.sightings import Sighting

PROVEN_KEPT: Final = 4
"""Places of a vessel where it has proved itself, that are remembered though nobody says so any more."""
PROVEN_FOR: Final = 3600.0
"""Seconds for which they are: a vessel that sails away is elsewhere by then."""
MOST_ADDRESSES: Final = 8
"""Of one place; an appliance has no more networks."""
VESSELS_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place where a vessel may be."""

    addresses: tuple[str, ...]
    """The likeliest first; link-local ones with their zone."""
    port: int
    database: str
    instance: str = field(default="", compare=False)
    """The DNS-SD instance that says so."""

    @classmethod
    def of(cls, sighting: Sighting) -> "Candidate":
        """The place that a sighting tells of."""
        return cls(sighting.addresses[:MOST_ADDRESSES], sighting.port, sighting.db, sighting.instance)


@dataclass(slots=True)
class _Vessel:
    """What is known of one vessel's places."""

    seen: tuple[Candidate, ...] = ()
    proven: dict[Candidate, float] = field(default_factory=dict)
    """When it last proved itself there."""
    failed: dict[Candidate, float] = field(default_factory=dict)
    """When an attempt there last failed, if it has not succeeded since."""


class Candidates:
    """The places of all vessels."""

    def __init__(self) -> None:
        self._vessels: dict[str, _Vessel] = {}

    def see(self, vessel: str, sightings: Iterable[Sighting], now: float) -> None:
        """Take all sightings of a vessel that there are now, in the order in which they were first seen."""
        if vessel not in self._vessels and len(self._vessels) >= VESSELS_KEPT:
            oldest = next((each for each, known in self._vessels.items() if not known.proven), None)
            self._vessels.pop(oldest or next(iter(self._vessels)))
        known = self._vessels.setdefault(vessel, _Vessel())
        known.seen = tuple(dict.fromkeys(map(Candidate.of, sightings)))
        known.proven = {
            place: at for place, at in known.proven.items() if place in known.seen or now - at < PROVEN_FOR
        }
        there = {*known.seen, *known.proven}
        known.failed = {place: at for place, at in known.failed.items() if place in there}

    def order(self, vessel: str) -> tuple[Candidate, ...]:
        """Return a vessel's places, the one to be tried first at the front."""
        known = self._vessels.get(vessel, _Vessel())
        numbers = {place: number for number, place in enumerate(known.seen)}

        def worth(place: Candidate) -> tuple[int, float]:
            failed = known.failed.get(place)
            if place in known.proven:
                return (0, -known.proven[place]) if failed is None else (1, failed)
            return (2, numbers[place]) if failed is None else (3, failed)

        return tuple(sorted({**numbers, **known.proven}, key=worth))

    def best(self, vessel: str, sightings: Sequence[Sighting]) -> Sighting:
        """Return the sighting to be believed: that of the place to be tried first."""
        order = {place: number for number, place in enumerate(self.order(vessel))}
        last = len(order)
        return min(sightings, key=lambda sighting: order.get(Candidate.of(sighting), last))

    def proved(self, vessel: str, place: Candidate, now: float) -> None:
        """Note that the vessel's certificate was shown there."""
        known = self._vessels.setdefault(vessel, _Vessel())
        known.failed.pop(place, None)
        known.proven.pop(place, None)
        known.proven[place] = now
        for oldest in [*known.proven][:-PROVEN_KEPT]:
            del known.proven[oldest]

    def failed(self, vessel: str, place: Candidate, now: float) -> None:
        """Note that nobody answered there, or somebody else."""
        self._vessels.setdefault(vessel, _Vessel()).failed[place] = now

    def of(self, vessel: str, clock: Callable[[], float]) -> "Choices":
        """Return one vessel's places, for the link that is dialled to it."""
        return Choices(self, vessel, clock)


@dataclass(frozen=True, slots=True)
class Choices:
    """The places of one vessel."""

    _all: Candidates
    _vessel: str
    _clock: Callable[[], float]

    def order(self) -> tuple[Candidate, ...]:
        """The place to be tried first at the front."""
        return self._all.order(self._vessel)

    def proved(self, place: Candidate) -> None:
        """Take note that the vessel has answered there."""
        self._all.proved(self._vessel, place, self._clock())

    def failed(self, place: Candidate) -> None:
        """Take note that the vessel has not answered at this place."""
        self._all.failed(self._vessel, place, self._clock())
