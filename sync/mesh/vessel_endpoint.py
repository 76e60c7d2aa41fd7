"""The endpoint of a vessel's listener, whose addresses change from meeting to meeting.

Where several places claim to be the vessel's, each is asked for its certificate before connecting to one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sync.mesh.candidates import Candidate, Choices
from sync.mesh.probing import first_proven
from sync.net import ws_client
from sync.net.endpoints import Security
from sync.net.handshake import parse_address
from sync.net.tls_contexts import ClientTLS, client_context
from sync.net.transport import Receiver, Transport
from sync.net.websocket import Tuning
from sync.peer.problems import Domain, Problem, ProblemError
from sync.replication.checkpoint_id import Peer

CONNECT_WITHIN: Final = 5.0
"""Seconds for TCP, TLS and HTTP: a neighbour is near, and one that does not answer may have moved."""
HEARTBEAT: Final = 4.0
"""Seconds between pings.

A vessel that went out of reach is detected `GRACE` after the next ping, before TCP's own timeouts (doubling,
RFC 6298) have become long.
"""
GRACE: Final = 8.0
"""Seconds to wait for an answer, on a slow radio link and behind other data."""
TUNING: Final = Tuning(heartbeat=HEARTBEAT, grace=GRACE)


@dataclass(slots=True)
class Whereabouts:
    """A `sync.net.endpoints.Endpoint` for a database of a vessel, at any of these addresses."""

    host: str
    """Host name for certificates and people; not resolved if there are addresses."""
    port: int
    database: str
    addresses: tuple[str, ...] = ()
    """Addresses, the most likely first; link-local ones with their zone.

    May change between two connections.
    """
    choices: Choices | None = None
    """The places where the vessel may be, as far as known from the network.

    If set, `port`, `database` and `addresses` are those of the last connection.
    """
    instance: str = ""
    """The DNS-SD instance of the place where it was last reached."""

    @property
    def name(self) -> str:
        """Name of the endpoint, for people."""
        return f"{self.host}:{self.port}/{self.database}"

    @property
    def peer(self) -> Peer:
        """Peer of this address; not used for checkpoints, as the certificate identifies the peer."""
        return Peer.address(self._url)

    @property
    def _url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"wss://{host}:{self.port}/{self.database}"

    async def connect(
        self,
        receiver: Callable[[Transport], Receiver],
        security: Security,
        headers: dict[str, str],
        heartbeat: float,  # noqa: ARG002 -- that of all links
    ) -> Transport:
        """Connect over TLS, and return the transport. Raises ProblemError if that fails."""
        authenticator = security.authenticator
        try:
            made = client_context(
                roots=security.roots,
                judge=security.judge,
                identity=None if authenticator is None else authenticator.identity,
            )
        except ValueError as error:
            raise ProblemError(Problem(Domain.TLS, 0, str(error))) from error
        chosen = await self._chosen(made)
        try:
            transport = await ws_client.connect(
                f"{self._url}/_blipsync",
                receiver,
                ssl=made.context,
                check=made.check,
                headers=tuple(headers.items()),
                addresses=self.addresses,
                timeout=CONNECT_WITHIN,
                tuning=TUNING,
            )
        except ProblemError:
            if chosen is not None and self.choices is not None:
                self.choices.failed(chosen)
            raise
        if chosen is not None and self.choices is not None:
            self.choices.proved(chosen)
        return transport

    async def _chosen(self, made: ClientTLS) -> Candidate | None:
        """Choose the place to connect to; None if there is no choice. Raises ProblemError."""
        candidates = () if self.choices is None else self.choices.order()
        if self.choices is None or not candidates:
            return None
        found = candidates[0]
        if len(candidates) > 1:

            async def probe(candidate: Candidate) -> None:
                await ws_client.probe(
                    self.host,
                    candidate.port,
                    ssl=made.context,
                    check=made.check,
                    addresses=candidate.addresses,
                    timeout=CONNECT_WITHIN,
                )

            found = await first_proven(self.choices.order, probe, failed=self.choices.failed)
        self.addresses, self.port, self.database = found.addresses, found.port, found.database
        self.instance = found.instance
        return found


def of_url(url: str) -> Whereabouts:
    """Parse an address of the configuration: `wss://host:port`, optionally with a database.

    Raises ProblemError if it is invalid.
    """
    uri, host = parse_address(url)
    path: Sequence[str] = [part for part in uri.path.split("/") if part]
    addresses = (host,) if "%" in host else ()
    return Whereabouts(uri.host, uri.port, path[0] if path else "log", addresses)
