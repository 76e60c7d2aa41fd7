"""The links that this vessel dials. This module decides when each of them is dialled and closed.

`link_plan` decides which links should exist, and `membership` decides which vessels belong to the fleet.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from sync.mesh.candidates import Candidates
from sync.mesh.sightings import Sighting
from sync.peer.problems import ProblemError

from . import link_plan, vessel_endpoint
from .link_plan import MeshNode, Role
from .outbound_link import OutboundLink
from .vessel_endpoint import VesselEndpoint

log = logging.getLogger(__name__)

AGAIN_AFTER: Final = 30.0
"""Seconds until a vessel is dialled again after it refused a link, or after a different vessel answered."""
SURPLUS_AFTER: Final = 20.0
"""Seconds after which a surplus link is closed. Meanwhile, other vessels may close their surplus links."""
TICK: Final = 5.0
"""Maximum seconds between two calls of `reconsider`, even if there are no events."""


class LinkDialler:
    """Dialler of one vessel's links. It dials links that should exist, and closes surplus links."""

    def __init__(
        self,
        place: MeshNode,
        static: Sequence[str],
        *,
        rng: random.Random,
        make: Callable[[VesselEndpoint, str | None], OutboundLink],
        on_ended: Callable[[OutboundLink], None],
    ) -> None:
        """Create a dialler without any links.

        Args:
            place: this vessel's role and limits in the mesh.
            static: configured addresses to dial.
            rng: random source of the jitter.
            make: creates a link to an endpoint. The second argument is the id of the vessel that must answer,
                or None to accept any vessel.
            on_ended: called with each link when it begins to close.
        """
        self.links: Final[dict[str, OutboundLink]] = {}
        """Links, by vessel id. For a link to a configured address, the key is that address."""
        self._place, self._static = place, tuple(static)
        self._rng, self._make, self._on_ended = rng, make, on_ended
        self._wanted_since: dict[str, float] = {}
        self._chances: dict[str, float] = {}
        self._not_before: dict[str, float] = {}
        self._static_vessels: dict[str, str] = {}
        """Id of the vessel that answered at each configured address, by address."""
        self.candidates: Final = Candidates()
        """The known endpoints (candidates) at which vessels may be reached."""
        self._surplus_since = 0.0
        self._ending: set[asyncio.Task[None]] = set()

    def process_sighting(self, sighting: Sighting, *, is_news: bool) -> None:
        """Process an advertisement that was received from a vessel.

        `is_news` is True if the vessel had not been discovered before, or had been silent.
        """
        if is_news:
            self._not_before.pop(sighting.vessel, None)
        link = self.links.get(sighting.vessel)
        if link is not None:
            link.meet_again()

    def reconsider(
        self,
        by_vessel: Mapping[str, Sighting],
        links: Mapping[str, frozenset[str]],
        linked: frozenset[str],
        by_others: Iterable[str],
        now: float,
    ) -> float:
        """Dial links that should exist, and close surplus links. Return the seconds until the next call.

        Args:
            by_vessel: the best sighting of each vessel.
            links: for each vessel in sight or linked with us, the vessels with which it has links.
            linked: the vessels with which we have a link.
            by_others: the vessels that have dialled us.
            now: time by the event loop's clock.
        """
        wanted = link_plan.wanted(self._place, links)
        for vessel in [known for known in self._wanted_since if known not in wanted]:
            del self._wanted_since[vessel]
        dialled = [*(wanted - linked), *({self._place.vessel} & set(by_vessel))]
        waits = [self._dial(vessel, by_vessel.get(vessel), now) for vessel in dialled]
        waits.append(self._dial_static(linked, now))
        self._settle_doubles(set(by_others))
        self._give_up_one(links, linked, now)
        return min(waits)

    def clear_away(self, in_sight: set[str]) -> None:
        """Close links that have ended, and stop attempts to connect to vessels that are out of range."""
        for key, link in list(self.links.items()):
            is_static = key in self._static
            if link.has_ended or (not is_static and not link.is_up and key not in in_sight):
                self.end(key)

    def end(self, key: str) -> None:
        """Close a link. The vessel may be dialled again after a while."""
        link = self.links.pop(key)
        self._not_before[key] = asyncio.get_running_loop().time() + AGAIN_AFTER
        task = asyncio.create_task(link.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        self._on_ended(link)

    async def stop(self) -> None:
        """Close all links, and wait until they are closed."""
        await asyncio.gather(*(link.stop() for link in self.links.values()))
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _dial(self, vessel: str, sighting: Sighting | None, now: float) -> float:
        if sighting is None or vessel in self.links:
            return TICK
        since = self._wanted_since.setdefault(vessel, now)
        chance = self._chances.setdefault(vessel, self._rng.random())
        wait = max(
            link_plan.may_dial(self._place, vessel, wanted_for=now - since, chance=chance),
            self._not_before.get(vessel, 0.0) - now,
        )
        if vessel == self._place.vessel:
            wait = self._not_before.get(vessel, 0.0) - now
        if wait > 0:
            return wait
        host = f"logboat-{vessel}.local"
        choices = self.candidates.for_vessel(vessel, asyncio.get_running_loop().time)
        where = VesselEndpoint(host, sighting.port, sighting.db, sighting.addresses, choices)
        self._begin(vessel, where, expected=vessel)
        return TICK

    def _dial_static(self, linked: frozenset[str], now: float) -> float:
        waits = [TICK]
        for url in self._static:
            if url in self.links or self._place.role is Role.PASSIVE_ONLY:
                continue
            if self._static_vessels.get(url) in linked:
                continue
            if (wait := self._not_before.get(url, 0.0) - now) > 0:
                waits.append(wait)
                continue
            try:
                where = vessel_endpoint.endpoint_of_url(url)
            except ProblemError as error:
                log.error("%s: %s", url, error.problem.text)
                self._not_before[url] = float("inf")
                continue
            self._begin(url, where, expected=None)
        return min(waits)

    def _begin(self, key: str, where: VesselEndpoint, *, expected: str | None) -> None:
        log.debug("dialling %s at %s", key, ", ".join(where.addresses) or where.name)
        link = self.links[key] = self._make(where, expected)
        link.start()

    def _settle_doubles(self, by_others: set[str]) -> None:
        """Close duplicate links.

        If two vessels have dialled each other, one of the two links is kept. If we have dialled a vessel both
        at a discovered address and at a configured address, the link to the configured address is closed.
        """
        vessels: set[str] = set()
        for key, link in sorted(self.links.items(), key=lambda item: item[0] in self._static):
            vessel = link.vessel
            if vessel is None or not link.is_up:
                continue
            if key in self._static:
                self._static_vessels[key] = vessel
            if vessel == self._place.vessel or vessel in vessels:
                self.end(key)
            elif vessel in by_others and not link_plan.keeps_dialled(self._place.vessel, vessel):
                log.info("%s has also connected to this vessel; its link is kept", vessel)
                self.end(key)
            else:
                vessels.add(vessel)

    def _give_up_one(self, links: Mapping[str, frozenset[str]], linked: frozenset[str], now: float) -> None:
        dialled = {key for key, link in self.links.items() if link.is_up and key == link.expected}
        surplus = link_plan.surplus(self._place, links, linked, dialled)
        if surplus is None:
            self._surplus_since = now
            return
        wait = SURPLUS_AFTER * (1 + self._rng.random()) - (now - self._surplus_since)
        if wait <= 0:
            log.info("closing the link with %s: there are more links than needed", surplus)
            self.end(surplus)
            self._surplus_since = now
