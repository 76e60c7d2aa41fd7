"""The endpoint of a vessel, whose addresses may change between connections.

The endpoint first connects to the most likely candidate. While that candidate does not answer, the endpoint
checks the certificates that the other advertised candidates present. It then connects to the first candidate
that presents the vessel's certificate.

The certificate does not prove the name of the database, which may be wrong in a forged record. If the vessel
has no database with that name, candidates with other database names are tried.
"""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

from sync.mesh.candidates import Candidate, VesselCandidates
from sync.mesh.probing import first_proven
from sync.net import ws_client
from sync.net.endpoints import Security
from sync.net.handshake import parse_address
from sync.net.tls_contexts import ClientTLS, client_context
from sync.net.transport import FrameReceiver, Transport
from sync.net.websocket import Tuning, WebSocketTransport
from sync.net.ws_client import UpgradeRefusedError
from sync.peer.problems import Domain, Problem, ProblemError
from sync.replication.checkpoint_id import Peer

CONNECT_WITHIN: Final = 15.0
"""Maximum total seconds for the TCP, TLS and HTTP handshakes.

They take four round trips, which take up to 2 s each on a slow link. The remaining 7 s allow for lost
packets.
"""
HEARTBEAT: Final = 4.0
"""Seconds between pings.

If a vessel goes out of range, this is detected `GRACE` seconds after the next ping. TCP's own retransmission
timeouts would take longer, because each is twice as long as the one before (RFC 6298).
"""
GRACE: Final = 8.0
"""Seconds to wait for an answer to a ping. On a slow radio link, the ping may be queued behind other data."""
USUAL_DATABASE: Final = "log"
"""Default name of an appliance's database. If the advertised name is wrong, this name is tried next."""
TUNING: Final = Tuning(heartbeat=HEARTBEAT, grace=GRACE)


@dataclass(slots=True)
class VesselEndpoint:
    """The endpoint of a vessel's database; an implementation of `sync.net.endpoints.Endpoint`."""

    host: str
    """Host name, used for TLS and in messages. It is resolved only if `addresses` is empty."""
    port: int
    database: str
    addresses: tuple[str, ...] = ()
    """Addresses to dial, the most likely first. Link-local addresses include their zone.

    The addresses may change between two connections.
    """
    choices: VesselCandidates | None = None
    """The candidates for the vessel's endpoint; None for a fixed endpoint from the configuration.

    If there are candidates, `port`, `database` and `addresses` are those of the last attempt.
    """
    instance: str = ""
    """The DNS-SD instance of the candidate that was last tried."""

    @property
    def name(self) -> str:
        """Human-readable name of the endpoint."""
        return f"{self.host}:{self.port}/{self.database}"

    @property
    def peer(self) -> Peer:
        """Identity of the peer, derived from its URL. Checkpoints use the vessel's certificate instead."""
        return Peer.address(self._url)

    @property
    def _url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"wss://{host}:{self.port}/{self.database}"

    async def connect(
        self,
        receiver: Callable[[Transport], FrameReceiver],
        security: Security,
        headers: dict[str, str],
        heartbeat: float,  # noqa: ARG002 -- all links use the heartbeat in TUNING
    ) -> Transport:
        """Connect over TLS, and return the transport. Raises ProblemError if that fails."""
        authenticator = security.authenticator
        try:
            tls = client_context(
                roots=security.roots,
                judge=security.judge,
                identity=None if authenticator is None else authenticator.identity,
            )
        except ValueError as error:
            raise ProblemError(Problem(Domain.TLS, 0, str(error))) from error
        return await _Attempt(self, tls, receiver, tuple(headers.items())).transport()

    def move(self, place: Candidate) -> None:
        """Set the endpoint to the addresses, port and database of a candidate, for the next connection."""
        choices = self.choices
        self.addresses = place.addresses if choices is None else choices.addresses(place)
        self.port, self.database, self.instance = place.port, place.database, place.instance

    def open(
        self,
        tls: ClientTLS,
        receiver: Callable[[Transport], FrameReceiver],
        headers: tuple[tuple[str, str], ...],
    ) -> Coroutine[Any, Any, WebSocketTransport]:
        """Return an awaitable that connects to the current addresses, port and database.

        Awaiting it raises ProblemError if the connection fails.
        """
        return ws_client.connect(
            f"{self._url}/_blipsync",
            receiver,
            ssl=tls.context,
            check=tls.check,
            headers=headers,
            addresses=self.addresses,
            timeout=CONNECT_WITHIN,
            tuning=TUNING,
        )


class _Attempt:
    """An attempt to connect to a vessel that has several candidate endpoints."""

    def __init__(
        self,
        where: VesselEndpoint,
        tls: ClientTLS,
        receiver: Callable[[Transport], FrameReceiver],
        headers: tuple[tuple[str, str], ...],
    ) -> None:
        self._where, self._tls = where, tls
        self._receiver, self._headers = receiver, headers
        self._opening: asyncio.Task[WebSocketTransport] | None = None
        """Task that connects to the most likely candidate."""
        self._is_received = False
        """True if the connection to the most likely candidate was opened, and its receiver was created."""
        self._is_given_up = False
        self._tried: set[Candidate] = set()
        """Candidates that have failed in this attempt."""
        self._absent: set[str] = set()
        """Names of databases that the vessel does not have."""

    async def transport(self) -> Transport:
        """Connect, and return the transport. Raises ProblemError if no candidate accepts a connection."""
        choices, refusal = self._where.choices, None
        if choices is None or not choices.order():
            return await self._where.open(self._tls, self._receiver, self._headers)
        while self._left(choices):
            try:
                return await self._connected(choices)
            except UpgradeRefusedError as error:
                if not _is_absent(error):
                    raise
                refusal = error
        assert refusal is not None
        raise refusal

    def _left(self, choices: VesselCandidates) -> list[Candidate]:
        """Return the candidates that have not been tried in this attempt, the most likely first."""
        left = [
            place
            for place in choices.order()
            if place not in self._tried and place.database not in self._absent
        ]
        if self._absent:
            left.sort(key=lambda place: place.database != USUAL_DATABASE)
        return left

    def _failed(self, place: Candidate, choices: VesselCandidates) -> None:
        self._tried.add(place)
        choices.failed(place)

    async def _connected(self, choices: VesselCandidates) -> Transport:
        """Connect to the vessel at one of the untried candidates. Raises ProblemError if none answers."""
        where = self._where
        likeliest = self._left(choices)[0]
        where.move(likeliest)
        self._is_received = self._is_given_up = False
        self._opening = asyncio.ensure_future(where.open(self._tls, self._received, self._headers))
        try:
            proven = await first_proven(
                partial(self._left, choices),
                self._probe(likeliest, choices),
                failed=partial(self._failed, choices=choices),
            )
        except BaseException:
            await self._close()
            raise
        if proven == likeliest or self._is_received:
            proven = likeliest
        else:
            where.move(proven)
            self._opening = asyncio.ensure_future(where.open(self._tls, self._receiver, self._headers))
        try:
            opened = await self._opening
        except ProblemError as error:
            if _is_absent(error):
                self._absent.add(proven.database)
            self._failed(proven, choices)
            raise
        choices.proved(proven, address=opened.remote.rpartition(":")[0].strip("[]"))
        return opened

    def _received(self, transport: Transport) -> FrameReceiver:
        if self._is_given_up:
            raise ProblemError(
                Problem(Domain.POSIX, errno.ECANCELED, "the vessel has answered at another address")
            )
        self._is_received = True
        return self._receiver(transport)

    def _probe(
        self, likeliest: Candidate, choices: VesselCandidates
    ) -> Callable[[Candidate], Awaitable[None]]:
        async def probe(candidate: Candidate) -> None:
            if candidate == likeliest:
                await self._opened()
                return
            await ws_client.probe(
                self._where.host,
                candidate.port,
                ssl=self._tls.context,
                check=self._tls.check,
                addresses=choices.addresses(candidate),
                timeout=CONNECT_WITHIN,
            )

        return probe

    async def _opened(self) -> None:
        """Wait for the connection to the most likely candidate. Cancellation also cancels the connection."""
        assert self._opening is not None
        try:
            await asyncio.shield(self._opening)
        except UpgradeRefusedError:
            pass  # The vessel itself has refused us. `transport` tries other databases after a 404.
        except asyncio.CancelledError:
            if not self._is_received:
                self._is_given_up = True
                self._opening.cancel()
                await asyncio.gather(self._opening, return_exceptions=True)
            raise

    async def _close(self) -> None:
        assert self._opening is not None
        self._is_given_up = True
        self._opening.cancel()
        (result,) = await asyncio.gather(self._opening, return_exceptions=True)
        if isinstance(result, WebSocketTransport):
            result.abort()


def _is_absent(error: ProblemError) -> bool:
    """Return True if the vessel has no database of the requested name."""
    return isinstance(error, UpgradeRefusedError) and error.problem.code == HTTPStatus.NOT_FOUND


def endpoint_of_url(url: str) -> VesselEndpoint:
    """Return the endpoint for a configured address, `wss://host:port` or `wss://host:port/database`.

    Raises ProblemError if the address is invalid.
    """
    uri, host = parse_address(url)
    path: Sequence[str] = [part for part in uri.path.split("/") if part]
    addresses = (host,) if "%" in host else ()
    return VesselEndpoint(uri.host, uri.port, path[0] if path else USUAL_DATABASE, addresses)
