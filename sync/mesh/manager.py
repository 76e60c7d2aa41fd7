"""The mesh of one vessel: it discovers other vessels, dials links to them, and accepts inbound links.

Every event (a sighting, a link that opens or closes, a timer) causes one pass over the whole state,
`_reconsider`. A pass compares the links that should exist (`link_plan`) with those that do exist
(`outbound_link`, `inbound_link`), and makes the necessary changes.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, NamedTuple

from sync import blip, documents
from sync.blip.close_codes import CloseCode
from sync.documents import REVOCATIONS
from sync.fleet.rights import Claim
from sync.mesh.discovery import Discovery
from sync.mesh.interfaces import RecentInterfaces, is_reached_by
from sync.mesh.membership import CrewUser, Membership
from sync.mesh.sightings import Advertisement, Sighting, SightingChange, SightingChangeKind, with_links
from sync.mesh.traffic import Traffic
from sync.net.authenticators import CertificateHolder, User
from sync.net.backoff import is_worth_retrying
from sync.net.listener import (
    DEFAULT_PORT,
    PeerConnection,
    URLEndpointListener,
    URLEndpointListenerConfiguration,
    describe_client,
)
from sync.net.peer_driver import PeerDriver
from sync.peer.problems import Domain, Problem
from sync.peer.progress import DocumentEnded
from sync.replication import messages
from sync.store import Database, StoreError

from .duplicate_identities import DuplicateIdentities, LogAhead
from .inbound_link import InboundLinks
from .link_dialler import TICK, LinkDialler
from .link_plan import MeshNode, Role
from .outbound_link import LinkParameters, OutboundLink
from .vessel_endpoint import GRACE, HEARTBEAT, VesselEndpoint

log = logging.getLogger(__name__)

CLONE_FORGOTTEN: Final = 3600.0
JUDGE_EVERY: Final = 30.0
"""Seconds between checks of the certificates of connected peers, which may have expired."""
PASSED_AFTER: Final = 120.0
"""Seconds after which a temporary reason for a missing link is no longer shown.

A reason remains visible if this vessel dials the link.
"""
_VESSELS: Final = documents.vessel_id("")


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """The settings of one vessel's mesh."""

    place: MeshNode
    port: int = 4984
    interfaces: tuple[str, ...] = ("*",)
    """Interfaces on which to listen and to discover other vessels; `*` selects all except loopback."""
    static: tuple[str, ...] = ()
    """Configured addresses of vessels that discovery cannot find."""
    database_name: str = "log"
    max_connections: int = 100


_ANEW: Final = Problem(Domain.BLIP, CloseCode.RECONNECT, "all documents must be offered again")


class MissingLinkReason(NamedTuple):
    """Reason why there is no link with a vessel, and the time at which it occurred."""

    problem: Problem
    at: float
    """Time at which the problem occurred, by the event loop's clock."""

    @property
    def passes(self) -> bool:
        """True for a temporary problem, such as a vessel that is out of range; False for a refused link."""
        return is_worth_retrying(self.problem, continuous=True)


class Mesh:
    """The mesh of one vessel. It is active from `start` until `stop`."""

    def __init__(
        self,
        settings: MeshSettings,
        database: Database,
        membership: Membership,
        *,
        rng: random.Random,
        utc: Callable[[], float] = time.time,
        push: bool = True,
        pull: bool = True,
    ) -> None:
        """Create the mesh.

        Args:
            settings: the settings of the mesh.
            database: the store to replicate.
            membership: this vessel's membership in its fleet.
            rng: random source of the jitter.
            utc: returns seconds since 1970.
            push: True to push documents on links that we dial. For inbound links, `membership` decides.
            pull: True to pull documents on links that we dial.
        """
        self.settings, self.database, self.membership = settings, database, membership
        self.traffic: Final = Traffic(membership.identity.vessel, database, utc=utc)
        self.clones: Final = DuplicateIdentities(membership.identity.vessel, membership.greeting.board)
        self.inward: Final = InboundLinks(self._vessel_of)
        self.listener: URLEndpointListener | None = None
        """The listener; None if this vessel only dials."""
        self.discovery: Discovery | None = None
        self.problems: dict[str, MissingLinkReason] = {}
        """Reasons for missing links, by vessel id, or by address if the address was configured."""
        self.turns = 0
        """Number of passes over the mesh's state (`_reconsider`) since the start.

        Passes that ended with an unexpected error are not counted.
        """
        self._stumbled_over = ""
        """Description of the last unexpected error that ended a pass.

        It is kept so that the same error is logged only once.
        """
        identity = membership.identity
        self._ties = LinkParameters(
            vessel=identity.vessel,
            database=database,
            identity=identity.tls,
            root=membership.trust.root,
            judge=membership.judge,
            vessel_of=membership.vessel_of,
            greeting=membership.greeting,
            rule=membership.rule,
            quota=membership.quota,
            era=lambda: membership.removal_count,
            push=push,
            pull=pull,
        )
        self._rng = rng
        self.dialling: Final = LinkDialler(
            settings.place, settings.static, rng=rng, make=self._make, on_ended=self._over
        )
        self._vouching: set[str] = set()
        """Ids of the vessels whose `vessel` document was received since the last removal of revisions.

        A `vessel` document may vouch for a generation for the first time.
        """
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[object]] = set()
        self._main: asyncio.Task[None] | None = None
        self._advertised: frozenset[str] = frozenset()
        self._judged_at = float("-inf")

    @property
    def outward(self) -> dict[str, OutboundLink]:
        """Links that this vessel dials, by vessel id, or by address if the address was configured."""
        return self.dialling.links

    @property
    def vessel(self) -> str:
        """Id of this vessel."""
        return self.membership.identity.vessel

    @property
    def linked(self) -> frozenset[str]:
        """Ids of the vessels with which there is an open link."""
        dialled = {link.vessel for link in self.outward.values() if link.is_up and link.vessel}
        return frozenset(dialled | {link.vessel for link in self.inward if link.is_up})

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """Advertisements that were received from vessels of our fleet, excluding our own."""
        sightings = () if self.discovery is None else self.discovery.sightings
        return tuple(sighting for sighting in sightings if sighting.fleet == self.membership.identity.fleet)

    @property
    def port(self) -> int | None:
        """TCP port of the listener; None if this vessel does not listen."""
        return None if self.listener is None else self.listener.port

    # Start and stop

    async def start(self) -> None:
        """Start the mesh.

        Raises ProblemError if the listener cannot start, and StoreError if the store fails.
        """
        self.traffic.load()
        self.membership.refresh()
        await asyncio.to_thread(self.membership.remove_unvouched)
        if self.settings.place.role is not Role.ACTIVE_ONLY:
            await self._listen()
        advertisement = self._advertisement()
        self.discovery = Discovery(
            advertisement,
            interfaces=self.settings.interfaces,
            is_told=self.listener is not None,
            on_change=self._sighting_changed,
            chance=self._rng,
        )
        await self.discovery.start()
        self._main = asyncio.create_task(self._run(), name="mesh")
        self._main.add_done_callback(_ended)
        self._wake.set()

    async def stop(self) -> None:
        """Stop the mesh: close all links, and store the routing table."""
        if self._main is not None:
            self._main.cancel()
            await asyncio.gather(self._main, return_exceptions=True)
        if self.discovery is not None:
            await self.discovery.stop()
        await self.dialling.stop()
        if self.listener is not None:
            await self.listener.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._main is not None:
            self.traffic.store_routes(anyway=True)  # even if only the routes' arrival times have changed

    async def _listen(self) -> None:
        """Listen on all addresses, because interfaces change, and drop connections to unwanted interfaces."""
        settings, membership = self.settings, self.membership
        wanted, interfaces = settings.interfaces, RecentInterfaces()
        self.listener = URLEndpointListener(
            URLEndpointListenerConfiguration(
                {settings.database_name: self.database},
                port=settings.port,
                welcomes=None if "*" in wanted else lambda local: is_reached_by(local, interfaces(), wanted),
                tls_identity=membership.identity.tls,
                authenticator=membership.authenticators(),
                authorize=membership.admit,
                heartbeat=HEARTBEAT,
                grace=GRACE,
                max_connections=settings.max_connections,
                headers=membership.greeting.headers(),
                limits=blip.APPLIANCE,
                message_limits=messages.APPLIANCE,
                on_connected=self._connected,
                on_disconnected=self._disconnected,
                on_documents=self._passed_inward,
            )
        )
        await self.listener.start()

    def _advertisement(self) -> Advertisement:
        identity, greeting = self.membership.identity, self.membership.greeting
        return Advertisement(
            vessel=identity.vessel,
            log=greeting.log or "none",
            fleet=identity.fleet,
            db=self.settings.database_name,
            store=greeting.store,
            port=self.port or self.settings.port or DEFAULT_PORT,
        )

    def set_crew(self, crew: Sequence[CrewUser]) -> None:
        """Replace the crew users, and close the connections of users whose permissions have changed.

        Raises PasswordHashError, and changes nothing, if a hash is invalid.
        """
        changed = self.membership.set_crew(crew)
        for connection in [] if self.listener is None else self.listener.connections:
            client = connection.client
            if isinstance(client, User) and client.name in changed:
                words = f"the rights of user {client.name} have changed; connect again"
                log.warning("closing the connection of %s at %s: %s", client.name, connection.remote, words)
                connection.link.close(Problem(Domain.BLIP, CloseCode.RECONNECT, words))

    # Events

    def own_identity_connected(self, board: str) -> None:
        """Record that another board with our own identity has connected."""
        self._hear(self.vessel, board)

    def log_ahead_reported(self, peer: str, claim: Claim) -> LogAhead | None:
        """Record another vessel's claim to have more of our current log than is stored here.

        Return the recorded evidence if it is new, otherwise None.
        """
        ahead = self.clones.offered(peer, claim, asyncio.get_running_loop().time())
        if ahead is not None:
            log.error("%s", ahead)
        return ahead

    def _sighting_changed(self, changes: list[SightingChange]) -> None:
        for change in changes:
            sighting = change.sighting
            log.info("%s: %s at %s", change.kind.value, sighting.instance, ", ".join(sighting.addresses))
            if change.kind is not SightingChangeKind.GONE:
                self.dialling.process_sighting(
                    sighting, is_news=change.kind is not SightingChangeKind.CHANGED
                )
        self._wake.set()

    def _vessel_of(self, connection: PeerConnection) -> str | None:
        client = connection.client
        return (
            self.membership.vessel_of(client.certificate) if isinstance(client, CertificateHolder) else None
        )

    def _connected(self, connection: PeerConnection) -> None:
        loop = asyncio.get_running_loop()
        link = self.inward.add(connection, loop.time())
        if link is None:
            return
        self._hear(link.vessel, None if link.greeting is None else link.greeting.board)
        self.problems.pop(link.vessel, None)
        self.traffic.introduce(link.vessel, connection.link)
        self._wake.set()

    def _disconnected(self, connection: PeerConnection, problem: Problem | None) -> None:
        link = self.inward.find(connection)
        self.inward.remove(connection)
        if link is not None and not link.is_up:
            self._left(link.vessel)
            if problem is not None:
                self._note(link.vessel, problem)
        self._wake.set()

    def _changed(self, link: OutboundLink) -> None:
        """Process the opening, closing or end of a link that we dial."""
        vessel = link.vessel
        key = next((key for key, known in self.outward.items() if known is link), None)
        if key is None:
            return  # this vessel has ended the link, and the link is closing
        if link.is_up and vessel is not None:
            self.problems.pop(vessel, None)
            self.problems.pop(key, None)
            log.info("connected to %s at %s", vessel, link.where.name)
            if self.discovery is not None:
                self.discovery.keep(link.where.instance)
            self._hear(vessel, None if link.greeting is None else link.greeting.board)
        elif vessel is not None:
            self._left(vessel)
        if link.problem is not None:
            self._note(key, link.problem)
            if link.problem.code == HTTPStatus.CONFLICT and vessel == self.vessel:
                # The id of the other board is known only after that board has connected to us.
                known = [clone.boards[1] for clone in self.clones.found if clone.is_ours]
                self._hear(vessel, known[0] if known else "another")
        self._wake.set()

    def _make(self, where: VesselEndpoint, expected: str | None) -> OutboundLink:
        return OutboundLink(
            self._ties,
            where,
            expected=expected,
            rng=self._rng,
            on_change=self._changed,
            on_link=lambda outward, link: self.traffic.introduce(outward.vessel or "", link),
            on_documents=lambda outward, outcomes: self._passed(outward.vessel or "", outcomes),
        )

    def _over(self, link: OutboundLink) -> None:
        """Process the end of a link that we have dialled and closed."""
        if link.vessel is not None:
            self._left(link.vessel)

    def _note(self, name: str, why: Problem) -> None:
        if name not in self.problems or self.problems[name].problem != why:
            log.warning("no link with %s: %s", name, why.text)
        self.problems[name] = MissingLinkReason(why, asyncio.get_running_loop().time())

    def _left(self, vessel: str) -> None:
        if vessel not in self.linked:
            self.traffic.routes.forget_neighbour(vessel)
            if self.discovery is not None:
                self.discovery.refresh()

    def _hear(self, vessel: str, board: str | None) -> None:
        if board is None:
            return
        clone = self.clones.board_proved(vessel, board, asyncio.get_running_loop().time())
        if clone is not None:
            log.error("%s", clone)

    # Documents

    def _passed_inward(self, connection: PeerConnection, outcomes: Sequence[DocumentEnded]) -> None:
        link = self.inward.find(connection)
        if link is not None:
            self._passed(link.vessel, outcomes)

    def _passed(self, neighbour: str, outcomes: Sequence[DocumentEnded]) -> None:
        self.traffic.record_documents(neighbour, outcomes, asyncio.get_running_loop().time())
        vessels = {ended.id for ended in outcomes if ended.id.startswith(_VESSELS)}
        self._vouching |= {name.vessel for name in map(documents.parse_id, vessels) if name is not None}
        if self.traffic.has_news or vessels or any(ended.id == REVOCATIONS for ended in outcomes):
            self._wake.set()

    def _live_links(self) -> list[PeerDriver]:
        drivers = [link.link for link in self.outward.values() if link.is_up and link.link is not None]
        for inward in self.inward:
            drivers += [connection.link for connection in inward.connections.values()]
        return [link for link in drivers if not link.is_closed]

    # Revocations

    def _take_up_revocations(self) -> None:
        try:
            if not self.membership.refresh():
                return
        except StoreError as error:
            log.warning("the revocations cannot be read: %s", error)
            return
        log.warning(
            "the fleet's revocation list number %d is now in use",
            self.membership.trust.revocations.number,
        )
        asyncio.get_running_loop().call_soon(self._expel)
        self._mend(whole=True)

    def _mend(self, *, whole: bool = False) -> None:
        """Remove revisions whose generation their vessel does not vouch for (`sync.fleet.generations`).

        If any revisions were removed, reconnect all links. With `whole`, all documents are checked.
        Otherwise, only the documents of vessels in `_vouching` are checked. Raises StoreError if the store
        fails.
        """
        vessels, self._vouching = self._vouching, set()
        if not (whole or vessels) or not self.membership.remove_unvouched(None if whole else vessels):
            return
        for connection in [] if self.listener is None else self.listener.connections:
            if isinstance(connection.client, CertificateHolder):
                connection.link.close(_ANEW)
        for key in list(self.outward):
            self.dialling.end(key)

    def _expel(self) -> None:
        """Close all connections of peers that are no longer accepted, such as revoked vessels."""
        self._judged_at = asyncio.get_running_loop().time()
        for connection in [] if self.listener is None else self.listener.connections:
            if connection.link.peer.session.is_over:
                continue
            if (objection := self.membership.objection(connection.client)) is not None:
                log.warning(
                    "closing the connection of %s at %s: %s",
                    describe_client(connection.client),
                    connection.remote,
                    objection,
                )
                connection.link.close(Problem(Domain.BLIP, CloseCode.POLICY_VIOLATION, objection))
        for key, link in list(self.outward.items()):
            if link.certificate is not None and (objection := self.membership.judge(link.certificate)):
                log.warning("closing the link with %s: %s", link.vessel, objection)
                revoked = Problem(Domain.BLIP, CloseCode.POLICY_VIOLATION, objection)
                self._note(key, revoked)
                link.cut(revoked)
                self.dialling.end(key)

    # A pass over the whole state

    async def _run(self) -> None:
        wait: float = TICK
        while True:
            try:
                async with asyncio.timeout(wait):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                wait = min(TICK, max(0.05, self._reconsider()))
            except StoreError as error:
                log.error("%s", error)
                wait = TICK
            except Exception as error:  # noqa: BLE001 -- logged with its traceback, once
                # A failed pass is not counted in `turns`. If passes keep failing, the watchdog restarts the
                # daemon.
                self._log_task_error(error)
                wait = TICK
                continue
            self.turns += 1

    def _log_task_error(self, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}"
        if words != self._stumbled_over:
            self._stumbled_over = words
            log.critical("the mesh has stopped: internal error; trying again", exc_info=error)

    def _reconsider(self) -> float:
        """Dial links, close links and announce routes as the current state requires.

        Return the seconds until the next pass.
        """
        now = asyncio.get_running_loop().time()
        self._take_up_revocations()
        if now - self._judged_at >= JUDGE_EVERY:
            self._expel()
        self._mend()
        self._hear_again()
        by_vessel = self._in_sight()
        self.dialling.clear_away(set(by_vessel))
        self._forget(now, set(by_vessel))
        links: dict[str, frozenset[str]] = {
            vessel: frozenset(sighting.links) for vessel, sighting in by_vessel.items()
        }
        linked = self.linked
        for vessel in linked:
            links.setdefault(vessel, frozenset())
        links.pop(self.vessel, None)
        by_others = {link.vessel for link in self.inward if link.is_up}
        waits = [self.dialling.reconsider(by_vessel, links, linked, by_others, now)]
        waits.append(self.traffic.announce_routes(self._live_links, now) or TICK)
        self._tell_links(linked)
        return min(waits)

    def _in_sight(self) -> dict[str, Sighting]:
        """Return the best advertisement received from each vessel, by vessel id.

        A clone of our own vessel is included.
        """
        every: dict[str, list[Sighting]] = {}
        for sighting in self.sightings:
            if sighting.addresses:
                every.setdefault(sighting.vessel, []).append(sighting)
        candidates, now = self.dialling.candidates, asyncio.get_running_loop().time()
        for vessel, sightings in every.items():
            candidates.see(vessel, sightings, now)
        return {vessel: candidates.best(vessel, sightings) for vessel, sightings in every.items()}

    def _forget(self, now: float, in_sight: set[str]) -> None:
        """Remove old duplicate identities, and the problems of vessels that are no longer discovered."""
        self.clones.forget(now, CLONE_FORGOTTEN)
        for name in set(self.problems) - set(self.outward) - set(self.settings.static):
            noted = self.problems[name]
            if name not in in_sight or (noted.passes and now - noted.at > PASSED_AFTER):
                del self.problems[name]

    def _tell_links(self, linked: frozenset[str]) -> None:
        if linked == self._advertised or self.discovery is None:
            return
        self._advertised = linked
        advertising = self.discovery.advertise(with_links(self._advertisement(), linked))
        task: asyncio.Task[object] = asyncio.create_task(advertising)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _hear_again(self) -> None:
        """Record which boards have sent data since the last pass, to detect duplicate identities."""
        for outward in self.outward.values():
            if outward.is_up and outward.vessel and outward.greeting is not None and outward.has_spoken():
                self._hear(outward.vessel, outward.greeting.board)
        for inward in self.inward:
            if inward.greeting is not None and inward.has_spoken():
                self._hear(inward.vessel, inward.greeting.board)


def _ended(task: asyncio.Task[None]) -> None:
    """Log the error that ended the main task, if any. After such an error, `turns` no longer increases."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("the mesh has stopped: internal error", exc_info=error)
