"""The passive side of connections that the application supplies, such as a serial line, Bluetooth or a radio.

    listener = MessageEndpointListener(database, ProtocolType.BYTE_STREAM)
    await listener.accept(connection)      # a MessageEndpointConnection, for each peer that connects
    …
    listener.close_all()

The application finds its peers, and decides which of them to accept. This module does not authenticate them.
"""

import asyncio
import logging

from sync.net.transport import Transport
from sync.net.websocket import Tuning
from sync.peer.passive import PassiveOptions, PassivePeer
from sync.peer.problems import Problem
from sync.peer.progress import Ledger
from sync.peer.session import Session
from sync.store import Database

from .message_endpoint import MessageEndpointConnection, ProtocolType, Side, open_endpoint
from .peer_driver import PeerDriver

log = logging.getLogger(__name__)


class MessageEndpointListener:
    """A listener that serves one database over each connection that is passed to `accept`."""

    def __init__(
        self,
        database: Database,
        protocol_type: ProtocolType,
        *,
        options: PassiveOptions | None = None,
        heartbeat: float = 300.0,
    ) -> None:
        """Create a listener.

        Args:
            database: the database to serve.
            protocol_type: the kind of data that the connections carry.
            options: permissions and limits of the peers; None to allow everything.
            heartbeat: seconds between pings.
        """
        self._database, self._protocol_type = database, protocol_type
        self._options = options or PassiveOptions(
            keeps=lambda document_id: not database.policy.is_immutable(document_id)
        )
        self._tuning = Tuning(heartbeat=heartbeat)
        self._links: set[PeerDriver] = set()

    @property
    def connection_count(self) -> int:
        """Number of connected peers."""
        return len(self._links)

    async def accept(
        self, connection: MessageEndpointConnection, *, remote: str = "a peer of the application's"
    ) -> PeerDriver:
        """Open `connection`, and serve the peer at its other end.

        `remote` is the peer's name in log messages. This method returns when the connection is open, and the
        peer is then served until the connection ends. Raises ProblemError if the connection does not open.
        """
        drivers: list[PeerDriver] = []

        def receiver(transport: Transport) -> PeerDriver:
            session = Session(clock=asyncio.get_running_loop().time)
            peer = PassivePeer(session, self._database, self._options, Ledger())

            def over(problem: Problem | None) -> None:
                self._links.discard(drivers[0])
                if problem is not None:
                    log.warning("%s: the connection ended: %s", remote, problem)

            drivers.append(PeerDriver(peer, transport, over=over))
            self._links.add(drivers[0])
            return drivers[0]

        await open_endpoint(
            connection,
            receiver,
            protocol_type=self._protocol_type,
            side=Side.PASSIVE,
            remote=remote,
            tuning=self._tuning,
        )
        return drivers[0]

    def close_all(self) -> None:
        """Close every open connection."""
        for link in list(self._links):
            link.close()
