"""Where a replicator connects to: a URL, or a connection that the application supplies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from cryptography import x509

from sync.net import ws_client
from sync.net.authenticators import Authenticator
from sync.net.handshake import parse_address
from sync.net.message import MessageEndpointConnection, ProtocolType, Side, open_endpoint
from sync.net.tls_contexts import Judge, client_context
from sync.net.transport import Receiver, Transport
from sync.net.websocket import Tuning
from sync.peer.problems import Domain, Problem, ProblemError
from sync.replication.checkpoint_id import Peer

_ENDPOINT: Final = "/_blipsync"


@dataclass(frozen=True, slots=True)
class Security:
    """Whom to trust at the other end of a URL, and who we are."""

    authenticator: Authenticator | None = None
    pinned_server_certificate: str | x509.Certificate | None = None
    """Its SHA-256 fingerprint, or itself: nothing else is accepted."""
    accept_only_self_signed: bool = False
    roots: Sequence[x509.Certificate] | None = None
    """Of the server's certificate; None for the system's."""
    expected_uri: str | None = None
    """Whom the server's certificate must name, instead of the host in the URL."""
    judge: Judge | None = None
    """What else there is to say against a certificate that leads to `roots`; then dates are its business."""
    now: Callable[[], datetime] | None = None
    """The time that a certificate is judged by (aware); the clock's if None."""


class Endpoint(Protocol):
    """Where a replicator connects to."""

    @property
    def name(self) -> str:
        """For people."""

    @property
    def peer(self) -> Peer:
        """Whom the checkpoint is with, unless the application knows better."""

    async def connect(
        self,
        receiver: Callable[[Transport], Receiver],
        security: Security,
        headers: dict[str, str],
        heartbeat: float,
    ) -> Transport:
        """Connect. Raises ProblemError."""


@dataclass(frozen=True, slots=True)
class URLEndpoint:
    """A database of a listener or a gateway: `wss://host:port/<name>`, or `ws://`.

    Raises ValueError if it is no such URL.
    """

    url: str
    network_interface: str | None = None
    """The only interface to use, by name or address; None for any."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("ws://", "wss://")):
            msg = f"{self.url!r} is not of the form wss://host:port/database"
            raise ValueError(msg)
        try:
            parse_address(self._full)
        except ProblemError as error:
            raise ValueError(str(error)) from error
        if not self.url.split("/", 3)[3:] or not self.url.split("/", 3)[3].strip("/"):
            msg = f"{self.url!r} names no database: wss://host:port/database"
            raise ValueError(msg)

    @property
    def name(self) -> str:
        """The URL."""
        return self.url

    @property
    def peer(self) -> Peer:
        """By its URL."""
        return Peer.address(self.url)

    @property
    def _full(self) -> str:
        return self.url.rstrip("/") + _ENDPOINT

    async def connect(
        self,
        receiver: Callable[[Transport], Receiver],
        security: Security,
        headers: dict[str, str],
        heartbeat: float,
    ) -> Transport:
        """Connect over TLS, or plainly. Raises ProblemError."""
        authenticator = security.authenticator
        sent = dict(headers)
        if authenticator is not None:
            sent |= authenticator.headers()
        context = check = None
        if self.url.startswith("wss://"):
            try:
                made = client_context(
                    pinned=security.pinned_server_certificate,
                    accept_only_self_signed=security.accept_only_self_signed,
                    roots=security.roots,
                    expected_uri=security.expected_uri,
                    judge=security.judge,
                    now=security.now,
                    identity=None if authenticator is None else authenticator.identity,
                )
            except ValueError as error:
                raise ProblemError(Problem(Domain.TLS, 0, str(error))) from error
            context, check = made.context, made.check
        return await ws_client.connect(
            self._full,
            receiver,
            ssl=context,
            check=check,
            headers=tuple(sent.items()),
            network_interface=self.network_interface,
            tuning=Tuning(heartbeat=heartbeat),
        )


@dataclass(frozen=True, slots=True)
class MessageEndpoint:
    """Another peer over whatever the application's connection carries: a serial line, Bluetooth, a radio."""

    uid: str
    """Names the peer, and its checkpoint."""
    open: Callable[[], MessageEndpointConnection]
    """Makes a connection, for each attempt a new one."""
    protocol_type: ProtocolType

    @property
    def name(self) -> str:
        """The uid."""
        return self.uid

    @property
    def peer(self) -> Peer:
        """By its uid."""
        return Peer("message", self.uid)

    async def connect(
        self,
        receiver: Callable[[Transport], Receiver],
        security: Security,  # noqa: ARG002 -- it is the application's
        headers: dict[str, str],  # noqa: ARG002 -- there are none
        heartbeat: float,
    ) -> Transport:
        """Open a connection. Raises ProblemError."""
        return await open_endpoint(
            self.open(),
            receiver,
            protocol_type=self.protocol_type,
            side=Side.ACTIVE,
            remote=self.uid,
            tuning=Tuning(heartbeat=heartbeat),
        )
