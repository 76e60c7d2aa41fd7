"""The passive side of replication: a listener that accepts connections and serves local databases.

    listener = URLEndpointListener(URLEndpointListenerConfiguration({"log": database}, port=4984))
    await listener.start()
    print(listener.urls, listener.tls_identity.fingerprint)
    …
    await listener.stop()

If no TLS identity is configured, the listener creates a self-signed identity. Clients can pin it by its
fingerprint.
"""

import asyncio
import ipaddress
import json
import logging
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit
from weakref import WeakValueDictionary

import ifaddr

from sync import blip
from sync.net.authenticators import (
    Anonymous,
    CertificateHolder,
    Client,
    ListenerAuthenticators,
    ListenerCertificateAuthenticator,
    ListenerPasswordAuthenticator,
    Refusal,
    User,
)
from sync.net.tls_contexts import server_context
from sync.net.tls_identity import TLSIdentity
from sync.net.transport import Transport
from sync.net.websocket import Tuning
from sync.net.ws_server import Accept, Reject, Request, Server
from sync.peer.conflicts import ConflictResolver, default_resolver
from sync.peer.passive import PassiveOptions, PassivePeer
from sync.peer.problems import Problem
from sync.peer.progress import DocumentEnded, Ledger, Progress
from sync.peer.session import Session
from sync.replication import messages
from sync.store import Database

from . import certificates, ws_server
from .connection_slots import KEPT, PER_ADDRESS
from .known_addresses import site_of
from .peer_driver import PeerDriver
from .turn_scheduler import ConnectionOwner

log = logging.getLogger(__name__)

SUBPROTOCOLS: Final = ("BLIP_3+CBMobile_3", "BLIP_3+CBMobile_2")
"""Supported subprotocols, in order of preference."""
DEFAULT_PORT: Final = 4984
STOP_GRACE_S: Final = 2.0
"""Seconds for which `stop` waits until peers have closed their connections.

The time is limited because a peer that is out of range never closes its connection.
"""
PER_CLIENT: Final = 16
"""Maximum number of connections from one client.

A device opens one or two connections, and several devices may share a user name.
"""
FIRST_MESSAGE_S: Final = 60.0
"""Seconds within which a peer's first request must arrive.

The peer sends this request immediately after the handshake, but a satellite link may lose the request twice.
"""
_ENDPOINT: Final = "_blipsync"


@dataclass(frozen=True, slots=True)
class Visitor:
    """An authenticated client, and the database that it has requested."""

    client: Client
    database: str
    """Name of the requested database, as in its URL."""
    remote: str
    """The client's address and port, in human-readable form."""
    headers: Mapping[str, str]
    """HTTP headers of the client's request."""


Authorizer = Callable[[Visitor], PassiveOptions | Refusal | None]
"""Function that returns a client's permissions, a refusal, or None to refuse the client without a reason."""
Authenticator = ListenerPasswordAuthenticator | ListenerCertificateAuthenticator | ListenerAuthenticators


@dataclass(frozen=True, slots=True)
class URLEndpointListenerConfiguration:
    """Configuration of a `URLEndpointListener`."""

    databases: Mapping[str, Database]
    """The databases to serve, by their names in URLs: `wss://host:port/<name>`."""
    port: int = DEFAULT_PORT
    """TCP port to listen on; 0 for any free port."""
    network_interface: str | None = None
    """Name or address of the only network interface to listen on; None for all interfaces."""
    welcomes: Callable[[str], bool] | None = None
    """Function that returns True if connections to the given local address are accepted; None accepts all.

    With this function, a listener on all interfaces can accept connections on some of the interfaces only.
    """
    disable_tls: bool = False
    tls_identity: TLSIdentity | None = None
    """TLS identity of the listener; None to create a self-signed identity at each start."""
    authenticator: Authenticator | None = None
    """Authenticator of clients; None to admit every client."""
    authorize: Authorizer | None = None
    """Function that returns the permissions of a client.

    If it is None, every client may read, and may write unless `read_only` is set.
    """
    read_only: bool = False
    enable_delta_sync: bool = True
    conflict_resolver: ConflictResolver = default_resolver
    """Resolver of conflicts between an edit and a deletion. It is used only if `authorize` is None.

    The listener rejects revisions that cause other conflicts, and the client resolves these conflicts.
    """
    heartbeat: float = 300.0
    """Seconds between pings."""
    grace: float = 30.0
    """Seconds to wait for data after a ping before a connection counts as lost."""
    max_connections: int = 100
    strangers_per_address: int = PER_ADDRESS
    """Maximum number of unauthenticated connections from one address."""
    per_client: int = PER_CLIENT
    """Maximum number of connections per user or certificate. A further connection replaces the oldest one."""
    first_message: float = FIRST_MESSAGE_S
    """Seconds within which an admitted peer must send its first request."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Additional HTTP headers in the response to an admitted client."""
    on_connected: "Callable[[PeerConnection], None] | None" = None
    """Function to call when a peer has connected."""
    on_disconnected: "Callable[[PeerConnection, Problem | None], None] | None" = None
    """Function to call when a connection has ended, with the problem that ended it, or None."""
    on_documents: "Callable[[PeerConnection, Sequence[DocumentEnded]], None] | None" = None
    """Function to call with batches of documents that were replicated or failed."""
    limits: blip.ConnectionLimits = field(default_factory=blip.ConnectionLimits)
    message_limits: messages.MessageLimits = messages.DEFAULT
    common_name: str = "logboat"
    """Common name of the self-signed identity, if one is created."""


@dataclass(frozen=True, slots=True, eq=False)
class PeerConnection:
    """An open connection of an admitted peer."""

    remote: str
    client: Client
    database: str
    headers: Mapping[str, str]
    """HTTP headers of the peer's request."""
    subprotocol: str
    link: PeerDriver

    @property
    def progress(self) -> Progress:
        """Progress of the replication on this connection."""
        return self.link.peer.ledger.progress

    @property
    def is_busy(self) -> bool:
        """True while documents are being transferred over the connection."""
        peer = self.link.peer
        return not all(part is None or part.is_idle for part in (peer.sender, peer.receiver))


class _Admitted(NamedTuple):
    """An admitted client, the database that the client has requested, and the client's permissions."""

    client: Client
    name: str
    database: Database
    options: PassiveOptions


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """Number of connected peers, and number of peers that are replicating now."""

    connection_count: int
    active_connection_count: int


class URLEndpointListener:
    """A listener that serves databases to clients. It accepts connections from `start` until `stop`."""

    def __init__(self, configuration: URLEndpointListenerConfiguration) -> None:
        self.configuration: Final = configuration
        self.tls_identity: TLSIdentity | None = None
        """TLS identity presented to clients; None before `start`, or without TLS."""
        self._server: Server | None = None
        self._connections: dict[PeerConnection, None] = {}
        """The open connections, oldest first, as the keys of a dictionary."""
        self._owners: WeakValueDictionary[str, ConnectionOwner] = WeakValueDictionary()
        self._authenticators = _combined(configuration.authenticator)

    async def start(self) -> None:
        """Start listening. Raises ProblemError if the port cannot be opened."""
        if self._server is not None:
            return
        configuration = self.configuration
        context = None
        if not configuration.disable_tls:
            self.tls_identity = configuration.tls_identity or TLSIdentity.self_signed(
                configuration.common_name
            )
            context = server_context(
                self.tls_identity,
                client_roots=self._authenticators.client_roots or None,
                client_certificate_required=self._authenticators.is_certificate_required,
            )
        self._server = await ws_server.serve(
            _address(configuration.network_interface),
            configuration.port,
            self._decide,
            judge=self._judge,
            look=self._look,
            welcomes=configuration.welcomes,
            ssl=context,
            max_connections=configuration.max_connections,
            reserved_for_certificates=min(KEPT, configuration.max_connections // 2)
            if self._authenticators.client_roots and self._authenticators.password
            else 0,
            strangers_per_address=configuration.strangers_per_address,
            tuning=Tuning(heartbeat=configuration.heartbeat, grace=configuration.grace),
        )

    async def stop(self, *, grace: float = STOP_GRACE_S) -> None:
        """Stop listening, and close all connections.

        Connections still open after `grace` seconds are aborted.
        """
        server, self._server = self._server, None
        if server is not None:
            for connection in list(self._connections):
                connection.link.peer.session.end()
            server.close()
            await server.wait_closed(grace)

    @property
    def port(self) -> int | None:
        """TCP port of the listener; None while it is not listening."""
        return None if self._server is None else self._server.port

    @property
    def urls(self) -> list[str]:
        """URLs of all databases, one for each address of this machine. Loopback addresses come last."""
        if self._server is None:
            return []
        scheme = "ws" if self.configuration.disable_tls else "wss"
        only = self.configuration.network_interface
        hosts = [_address(only)] if only else [*_addresses(), "127.0.0.1"]
        return [
            f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}/{name}"
            for name in self.configuration.databases
            for host in hosts
        ]

    @property
    def connections(self) -> list[PeerConnection]:
        """The open connections, oldest first."""
        return list(self._connections)

    @property
    def status(self) -> ConnectionStatus:
        """Number of connected peers, and number of peers that are replicating now."""
        return ConnectionStatus(
            len(self._connections), sum(connection.is_busy for connection in self._connections)
        )

    async def _judge(self, ssl_object: ssl.SSLObject) -> bool | Reject:
        certificate = certificates.peer_certificate(ssl_object)
        verdict = False if certificate is None else await self._authenticators.judge(certificate)
        return Reject(verdict.status, verdict.text) if isinstance(verdict, Refusal) else verdict

    async def _admit(self, request: Request, name: str | None) -> _Admitted | Reject:
        certificate = (
            None if request.ssl_object is None else certificates.peer_certificate(request.ssl_object)
        )
        client = await self._authenticators.authenticate(
            request.headers.get("Authorization"), certificate, request.remote.rpartition(":")[0]
        )
        if isinstance(client, Refusal):
            log.warning("%s is rejected: %s", request.remote, client.text)
            return Reject(client.status, client.text, tuple(client.headers.items()))
        database = None if name is None else self.configuration.databases.get(name)
        if name is None or database is None:
            return Reject(HTTPStatus.NOT_FOUND, f"there is no database at {request.path[:80]}")
        options = self._options(Visitor(client, name, request.remote, request.headers))
        if options is None or isinstance(options, Refusal):
            refusal = options or Refusal(HTTPStatus.FORBIDDEN, "you do not have access to this database", {})
            log.warning("%s has no access to %s: %s", request.remote, name, refusal.text)
            return Reject(refusal.status, refusal.text, tuple(refusal.headers.items()))
        return _Admitted(client, name, database, options)

    async def _look(self, request: Request) -> Reject:
        """Answer an HTTP request that is not a WebSocket upgrade.

        Sync Gateway sends such a request to check whether the database exists.
        """
        if _database_name(request.path) is not None:
            return Reject(
                HTTPStatus.UPGRADE_REQUIRED,
                "this address is only for WebSocket connections",
                (("Upgrade", "websocket"),),
            )
        admitted = await self._admit(request, _database_name(f"{request.path.rstrip('/')}/{_ENDPOINT}"))
        if isinstance(admitted, Reject):
            return admitted
        return Reject(
            HTTPStatus.OK, json.dumps({"db_name": admitted.name}), (("Content-Type", "application/json"),)
        )

    async def _decide(self, request: Request) -> Accept | Reject:
        admitted = await self._admit(request, _database_name(request.path))
        if isinstance(admitted, Reject):
            return admitted
        client, name, database, options = admitted
        subprotocol = next((known for known in SUBPROTOCOLS if known in request.subprotocols), None)
        if subprotocol is None:
            return Reject(
                HTTPStatus.BAD_REQUEST,
                f"the WebSocket must offer one of the subprotocols {', '.join(SUBPROTOCOLS)}",
            )

        def receiver(transport: Transport) -> PeerDriver:
            session = Session(
                clock=asyncio.get_running_loop().time,
                limits=self.configuration.limits,
                message_limits=self.configuration.message_limits,
            )
            tell = self.configuration.on_documents
            ledger = Ledger(None if tell is None else lambda outcomes: tell(connection, outcomes))
            peer = PassivePeer(session, database, options, ledger)

            def over(problem: Problem | None) -> None:
                late.cancel()
                self._connections.pop(connection, None)
                if self.configuration.on_disconnected is not None:
                    self.configuration.on_disconnected(connection, problem)
                if problem is None:
                    log.info("%s has disconnected", transport.remote)
                else:
                    log.warning("%s: the connection ended: %s", transport.remote, problem)

            link = PeerDriver(peer, transport, over=over, owner=self._owner(client, transport.remote))
            connection = PeerConnection(transport.remote, client, name, request.headers, subprotocol, link)
            self._connections[connection] = None
            late = asyncio.get_running_loop().call_later(
                self.configuration.first_message, _end_if_mute, connection
            )
            self._make_room(connection)
            log.info("%s has connected to %s as %s", transport.remote, name, describe_client(client))
            if self.configuration.on_connected is not None:
                self.configuration.on_connected(connection)
            return link

        headers = tuple(self.configuration.headers.items())
        return Accept(receiver, subprotocol, headers, _account(client, request.remote))

    def _make_room(self, newest: PeerConnection) -> None:
        """Close a client's oldest connection, which was probably lost, if the client has too many."""
        theirs = [
            connection
            for connection in self._connections
            if connection.link.owner is newest.link.owner and not connection.link.peer.session.is_over
        ]
        if len(theirs) > self.configuration.per_client and not isinstance(newest.client, Anonymous):
            oldest, name = theirs[0], newest.link.owner.name
            log.warning("closing %s: %s has %d newer connections", oldest.remote, name, len(theirs) - 1)
            oldest.link.shed("the same client has opened newer connections")

    def _owner(self, client: Client, remote: str) -> ConnectionOwner:
        """Return the owner to whom the processor time of all connections of a client is charged."""
        name = _account(client, remote)
        owner = self._owners.get(name)
        if owner is None:
            owner = self._owners[name] = ConnectionOwner(describe_client(client))
        return owner

    def _options(self, visitor: Visitor) -> PassiveOptions | Refusal | None:
        configuration = self.configuration
        if configuration.authorize is not None:
            return configuration.authorize(visitor)
        policy = configuration.databases[visitor.database].policy
        return PassiveOptions(
            read_only=configuration.read_only,
            deltas=configuration.enable_delta_sync,
            keeps=lambda document_id: not policy.is_immutable(document_id),
            owner=_owner(visitor.client),
            conflict_resolver=configuration.conflict_resolver,
        )


def _account(client: Client, remote: str) -> str:
    """Return the key that identifies a client when connections are counted: fingerprint, user or address."""
    if isinstance(client, CertificateHolder):
        return certificates.fingerprint(client.certificate)
    return f"user {client.name}" if isinstance(client, User) else site_of(remote.rpartition(":")[0])


def _end_if_mute(connection: PeerConnection) -> None:
    if not connection.link.peer.session.received:
        connection.link.shed("no request was received in time")


def describe_client(client: Client) -> str:
    """Return a human-readable description of a client for log messages."""
    if isinstance(client, User):
        return f"user {client.name}"
    if isinstance(client, CertificateHolder):
        return f"holder of certificate {certificates.common_name(client.certificate)!r}"
    return "an anonymous client"


def _owner(client: Client) -> str:
    """Return the name of the owner of a client's checkpoints."""
    if isinstance(client, User):
        return f"user:{client.name}"
    return (
        f"certificate:{certificates.fingerprint(client.certificate)}"
        if isinstance(client, CertificateHolder)
        else ""
    )


def _combined(authenticator: Authenticator | None) -> ListenerAuthenticators:
    if isinstance(authenticator, ListenerAuthenticators):
        return authenticator
    if isinstance(authenticator, ListenerPasswordAuthenticator):
        return ListenerAuthenticators(password=authenticator)
    return ListenerAuthenticators(certificate=authenticator)


def _database_name(path: str) -> str | None:
    """Return the database name in a path `/<name>/_blipsync`, or None if the path has a different form."""
    try:
        parts = urlsplit(path).path.split("/")
    except ValueError:
        return None
    if len(parts) != 3 or parts[0] or parts[2] != _ENDPOINT:
        return None
    return unquote(parts[1])


def _address(interface: str | None) -> str:
    """Return the address to bind for an interface, given by name or address; empty for all interfaces."""
    if interface is None:
        return ""
    try:
        ipaddress.ip_address(interface.partition("%")[0])
    except ValueError:
        for adapter in ifaddr.get_adapters():
            if adapter.name == interface:
                for ip in adapter.ips:
                    if ip.is_IPv4:
                        return str(ip.ip)
        return interface
    return interface


def _addresses() -> list[str]:
    """Return this machine's IP addresses, except loopback and link-local addresses."""
    addresses: list[str] = []
    for adapter in ifaddr.get_adapters():
        for entry in adapter.ips:
            text = entry.ip if isinstance(entry.ip, str) else entry.ip[0]
            address = ipaddress.ip_address(text)
            if not (address.is_loopback or address.is_link_local):
                addresses.append(text)
    return addresses
