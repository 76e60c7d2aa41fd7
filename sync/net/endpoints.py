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
    """Credentials of this side, and the checks of the server's certificate."""

    authenticator: Authenticator | None = None
    pinned_server_certificate: str | x509.Certificate | None = None
    """The only accepted server certificate, or its SHA-256 fingerprint; None to verify certificates."""
    accept_only_self_signed: bool = False
    roots: Sequence[x509.Certificate] | None = None
    """Trusted roots for the server's certificate; None for the system's roots."""
    expected_uri: str | None = None
    """URI that the server's certificate must contain. If it is given, the host name is not checked."""
    judge: Judge | None = None
    """Function that checks a certificate that chains to `roots`.

    This function replaces the checks of dates and host name.
    """
    now: Callable[[], datetime] | None = None
    """Function that returns an aware datetime for checking certificates; None for the system clock."""


class Endpoint(Protocol):
    """The target of a replicator's connections."""

    @property
    def name(self) -> str:
        """Human-readable name of the endpoint."""

    @property
    def peer(self) -> Peer:
        """Identity of the peer for the checkpoint, used if the application supplies none."""

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
    """The URL of a database at a listener or a gateway, such as `wss://host:port/<name>` or `ws://…`.

    Raises ValueError if the URL does not have this form.
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
    """A peer that is reached over the application's own connection, such as a serial line or a radio."""

    uid: str
    """Unique id of the peer. It also identifies the checkpoint."""
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
