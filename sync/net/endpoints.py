"""The target of a replicator: a URL, or a connection that the application supplies."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from cryptography import x509

from sync.net import ws_client
from sync.net.authenticators import Authenticator
from sync.net.handshake import parse_address
from sync.net.tls_contexts import Judge, client_context
from sync.net.transport import FrameReceiver, Transport
from sync.net.websocket import Tuning
from sync.peer.problems import Domain, Problem, ProblemError
from sync.replication.checkpoint_id import Peer

from .message_endpoint import MessageEndpointConnection, ProtocolType, Side, open_endpoint

_ENDPOINT: Final = "/_blipsync"


@dataclass(frozen=True, slots=True)
class Security:
    """Credentials to present to the server, and rules for accepting the server's certificate."""

    authenticator: Authenticator | None = None
    pinned_server_certificate: str | x509.Certificate | None = None
    """The only server certificate to accept, or its SHA-256 fingerprint; None to verify the certificate."""
    accept_only_self_signed: bool = False
    roots: Sequence[x509.Certificate] | None = None
    """Trusted roots to which the server's certificate must chain; None for the system's roots."""
    expected_uri: str | None = None
    """URI that the server's certificate must contain. If it is set, the host name is not checked."""
    judge: Judge | None = None
    """Function that decides whether to accept a certificate that chains to `roots`.

    If it is set, this function replaces the usual checks of dates and host name.
    """
    now: Callable[[], datetime] | None = None
    """Function that returns the time for checking certificates, as an aware datetime.

    If it is None, the system clock is used.
    """


class Endpoint(Protocol):
    """The target of a replicator's connections."""

    @property
    def name(self) -> str:
        """Human-readable name of the endpoint, for messages."""

    @property
    def peer(self) -> Peer:
        """Identity of the peer, from which the checkpoint's name is derived.

        It is used only if the application supplies no identity.
        """

    async def connect(
        self,
        receiver: Callable[[Transport], FrameReceiver],
        security: Security,
        headers: dict[str, str],
        heartbeat: float,
    ) -> Transport:
        """Connect, and return the transport. Raises ProblemError if the connection fails."""


@dataclass(frozen=True, slots=True)
class URLEndpoint:
    """An endpoint that is reached by URL, such as `wss://host:port/<name>`: a listener or a gateway.

    The scheme may also be `ws:`. Raises ValueError if the URL does not have this form.
    """

    url: str
    network_interface: str | None = None
    """Name or address of the only network interface to use; None for any."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("ws://", "wss://")):
            msg = f"{self.url!r} does not have the form wss://host:port/database"
            raise ValueError(msg)
        try:
            parse_address(self._full)
        except ProblemError as error:
            raise ValueError(str(error)) from error
        if not self.url.split("/", 3)[3:] or not self.url.split("/", 3)[3].strip("/"):
            msg = f"{self.url!r} contains no database; write wss://host:port/database"
            raise ValueError(msg)

    @property
    def name(self) -> str:
        """Name of the endpoint: its URL."""
        return self.url

    @property
    def peer(self) -> Peer:
        """Identity of the peer, derived from the URL."""
        return Peer.address(self.url)

    @property
    def _full(self) -> str:
        return self.url.rstrip("/") + _ENDPOINT

    async def connect(
        self,
        receiver: Callable[[Transport], FrameReceiver],
        security: Security,
        headers: dict[str, str],
        heartbeat: float,
    ) -> Transport:
        """Connect, with TLS if the URL begins with `wss:`, and return the transport.

        Raises ProblemError if the connection fails.
        """
        authenticator = security.authenticator
        sent = dict(headers)
        if authenticator is not None:
            sent |= authenticator.headers()
        context = check = None
        if self.url.startswith("wss://"):
            try:
                tls = client_context(
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
            context, check = tls.context, tls.check
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
    """An endpoint that is reached over the application's own connection, such as a serial line or a radio."""

    uid: str
    """Unique id of the peer. The checkpoint's name is derived from it."""
    open: Callable[[], MessageEndpointConnection]
    """Function that creates a connection. It is called for each attempt to connect."""
    protocol_type: ProtocolType

    @property
    def name(self) -> str:
        """Name of the endpoint: its uid."""
        return self.uid

    @property
    def peer(self) -> Peer:
        """Identity of the peer, derived from the uid."""
        return Peer("message", self.uid)

    async def connect(
        self,
        receiver: Callable[[Transport], FrameReceiver],
        security: Security,  # noqa: ARG002 -- left to the application
        headers: dict[str, str],  # noqa: ARG002 -- not applicable: no HTTP handshake
        heartbeat: float,
    ) -> Transport:
        """Open a connection, and return the transport. Raises ProblemError if the connection fails."""
        return await open_endpoint(
            self.open(),
            receiver,
            protocol_type=self.protocol_type,
            side=Side.ACTIVE,
            remote=self.uid,
            tuning=Tuning(heartbeat=heartbeat),
        )
