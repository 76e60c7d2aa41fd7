"""Records of the documents that arrive over links: their routes, and the number of rejected documents.

This module maintains the routing table, announces it to neighbours, and receives their announcements.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from sync import documents
from sync.mesh.route_messages import RoutesMessage
from sync.mesh.routes import Routes
from sync.net.peer_driver import PeerDriver
from sync.peer.progress import Direction, DocumentEnded
from sync.store import Database, StoreError

log = logging.getLogger(__name__)

TELL_EVERY: Final = 2.0
"""Minimum seconds between two announcements of routes."""
REFUSALS_LOGGED: Final = 20
"""Maximum number of rejected documents that are logged per neighbour and minute.

A malicious peer can send many more.
"""
_MINUTE: Final = 60.0
_KEPT_AS: Final = "mesh:routes"


class Traffic:
    """Record of the routes by which documents reach this vessel, and of the number of rejected documents."""

    def __init__(self, vessel: str, database: Database, *, utc: Callable[[], float]) -> None:
        """Create an empty record. `utc` returns the time in seconds since 1970."""
        self.routes: Final = Routes(vessel)
        self.refused: Counter[str] = Counter()
        """Number of rejected documents, by the vessel that sent them."""
        self._database, self._utc = database, utc
        self._told_version = self._stored_version = 0
        self._due = 0.0
        self._logged: Counter[str] = Counter()
        self._logged_since = 0.0

    # Routing table

    def load(self) -> None:
        """Load the stored routing table. Raises StoreError if it cannot be read."""
        document = self._database.get_local(_KEPT_AS)
        if document is not None:
            self.routes.load(document.raw)
        self._stored_version = self.routes.version

    def store_routes(self, *, anyway: bool = False) -> None:
        """Store the routing table if it has changed. With `anyway`, store it even if it has not."""
        if self.routes.version == self._stored_version and not anyway:
            return
        try:
            document = self._database.get_local(_KEPT_AS)
            self._database.put_local(
                _KEPT_AS, self.routes.encode(), parent=None if document is None else document.rev
            )
            self._stored_version = self.routes.version
        except StoreError as error:
            log.warning("cannot store the routing table: %s", error)

    @property
    def has_news(self) -> bool:
        """True if routes have changed since they were last announced to neighbours."""
        return self.routes.version != self._told_version

    def introduce(self, neighbour: str, link: PeerDriver) -> None:
        """Exchange routes with a neighbour over a new connection."""
        session = link.peer.session
        session.handle_extension(
            RoutesMessage, lambda message, _: self.routes.record_announcement(neighbour, message.paths)
        )
        session.request(RoutesMessage(self.routes.announcement()).encode())

    def announce_routes(self, links: Callable[[], Iterable[PeerDriver]], now: float) -> float | None:
        """Announce all our routes if they have changed.

        If it is too early for an announcement, return the seconds to wait; otherwise return None.
        """
        if not self.has_news:
            return None
        if now < self._due:
            return self._due - now
        self._told_version, self._due = self.routes.version, now + TELL_EVERY
        message = RoutesMessage(self.routes.announcement()).encode()
        for link in links():
            link.peer.session.request(message)
            link.run()
        self.store_routes()
        return None

    # Documents

    def record_documents(self, neighbour: str, outcomes: Sequence[DocumentEnded], now: float) -> set[str]:
        """Record which documents from a neighbour were accepted or rejected.

        `now` is the time by the event loop's clock. Return the ids of the vessels whose documents were
        accepted.
        """
        origins: set[str] = set()
        for ended in outcomes:
            if ended.direction is not Direction.PULL:
                continue
            if ended.problem is None:
                name = documents.parse_id(ended.id)
                if name is not None and name.vessel:
                    origins.add(name.vessel)
            elif not ended.is_transient:
                self._refuse(neighbour, ended.problem.text, now)
        for vessel in origins:
            self.routes.arrived(neighbour, vessel, self._utc())
        return origins

    def _refuse(self, neighbour: str, text: str, now: float) -> None:
        self.refused[neighbour] += 1
        if now - self._logged_since > _MINUTE:
            self._logged.clear()
            self._logged_since = now
        self._logged[neighbour] += 1
        if self._logged[neighbour] <= REFUSALS_LOGGED:
            log.warning("a document from %s is rejected: %s", neighbour, text)
        elif self._logged[neighbour] == REFUSALS_LOGGED + 1:
            log.warning(
                "further rejected documents from %s are counted, but not logged, for the next minute",
                neighbour,
            )
