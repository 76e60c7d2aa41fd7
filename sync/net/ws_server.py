"""The server side of a WebSocket: listens, limits pending connections, and performs the opening handshake.

The `websockets` package parses and creates the handshake messages. `sync.net.websocket` explains why the
package's connections are not used.
"""

import asyncio
import errno
import http
import logging
import socket
import ssl as tls
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeVar

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderFormat
from websockets.headers import parse_subprotocol
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from sync.blip.close_codes import CloseCode
from sync.net.framing import Framing, package_log
from sync.net.handshake import Head, joined, spell_remote
from sync.net.memory import memory
from sync.net.tls_alerts import alerts_by
from sync.net.websocket import Tuning, WebSocketTransport
from sync.peer.problems import ProblemError

from .connection_slots import PER_ADDRESS, ConnectionSlots, NoFreeSlotError
from .error_mapping import problem_of
from .known_addresses import site_of
from .untrusted_text import plain
from .upgrade_handlers import Accept, Decide, Judge, Look, Reject, Request

__all__ = ["Accept", "Decide", "Reject", "Request", "Server", "serve"]

log = logging.getLogger(__name__)

_INTERNAL_TEXT: Final = "internal error; see the log of the listener\n"
"""Body of the response to a client after a callback has raised an exception."""

_NOT_OURS: Final = "it may not accept our certificate; see its log"
_BACKLOG: Final = 100
_TOLD_ELSEWHERE: Final = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.UPGRADE_REQUIRED}
)
"""HTTP statuses of refusals that are logged here only at level INFO.

The listener logs such refusals too, except 426.
"""
_D = TypeVar("_D", Accept | Reject, Reject)
_LETTERS: Final = range(ord("A"), ord("Z") + 1)


async def serve(
    host: str,
    port: int,
    decide: Decide,
    *,
    ssl: tls.SSLContext | None = None,
    check: Callable[[tls.SSLObject], None] | None = None,
    judge: Judge | None = None,
    look: Look | None = None,
    welcomes: Callable[[str], bool] | None = None,
    max_connections: int = 100,
    reserved_for_certificates: int = 0,
    strangers_per_address: int = PER_ADDRESS,
    handshake_timeout: float = 10.0,
    tuning: Tuning | None = None,
) -> "Server":
    """Listen on `host` and `port`, and return the server.

    Args:
        host: the address to bind; empty for all addresses, IPv4 and IPv6.
        port: the TCP port; 0 for any free port.
        decide: accepts or rejects each WebSocket request, within a further `handshake_timeout` seconds.
        ssl: the TLS context; None for no TLS.
        check: called after each TLS handshake; raises ProblemError to drop the client.
        judge: checks each client certificate, within `handshake_timeout` seconds; None to accept every
            certificate that chains to a root.
        look: answers HTTP requests that are not WebSocket upgrades; None to answer them with status 426.
        welcomes: returns True if connections to the given local address are accepted; None accepts all.
        max_connections: maximum number of admitted connections.
        reserved_for_certificates: number of these connections that are reserved for clients with a
            certificate; see `sync.net.connection_slots`.
        strangers_per_address: maximum number of unauthenticated connections from one address.
        handshake_timeout: seconds for the handshakes of TLS and HTTP.
        tuning: limits and timings of connections; None for the defaults.

    Raises:
        ProblemError: the server cannot listen on this host and port.
    """
    server = Server(
        decide,
        judge=judge,
        look=look,
        welcomes=welcomes,
        ssl=ssl,
        check=check,
        places=ConnectionSlots(
            max_connections, reserved=reserved_for_certificates, per_address=strangers_per_address
        ),
        handshake_timeout=handshake_timeout,
        tuning=tuning or Tuning(),
    )
    await server.listen(host, port)
    return server


class Server:
    """A WebSocket server. It accepts connections from `listen` until `close`."""

    def __init__(
        self,
        decide: Decide,
        *,
        judge: Judge | None,
        look: Look | None,
        welcomes: Callable[[str], bool] | None,
        ssl: tls.SSLContext | None,
        check: Callable[[tls.SSLObject], None] | None,
        places: "ConnectionSlots[_PendingConnection | WebSocketTransport]",
        handshake_timeout: float,
        tuning: Tuning,
    ) -> None:
        self.decide = decide
        self.judge = judge
        self.look = look
        self.welcomes = welcomes
        self.ssl = ssl
        self.check = check
        self.handshake_timeout = handshake_timeout
        self.tuning = tuning
        self.port = 0
        """TCP port on which the server listens."""
        self._places = places
        self._listeners: list[asyncio.Server] = []
        self._guests: set[_PendingConnection] = set()
        self._transports: set[WebSocketTransport] = set()
        self._is_full = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def connections(self) -> frozenset[WebSocketTransport]:
        """The server's connections that are open now."""
        return frozenset(self._transports)

    async def listen(self, host: str, port: int) -> None:
        """Start listening. Raises ProblemError if the address cannot be bound."""
        loop = asyncio.get_running_loop()
        sockets: list[socket.socket] = []
        try:
            if not host and socket.has_dualstack_ipv6():
                sockets.append(_listening(socket.AF_INET6, ("::", port), dualstack=True))
            else:
                entries = await loop.getaddrinfo(
                    host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                for family, address in dict.fromkeys(
                    (family, address) for family, _, _, _, address in entries
                ):
                    free = port or (sockets[0].getsockname()[1] if sockets else 0)
                    sockets.append(_listening(family, (address[0], free, *address[2:])))
            for sock in sockets:
                self._listeners.append(
                    await loop.create_server(lambda: _PendingConnection(self), sock=sock, backlog=_BACKLOG)
                )
        except (OSError, UnicodeError) as error:
            for sock in sockets:
                sock.close()
            where = f"listening on {host or 'every address'}, port {port}"
            raise ProblemError(problem_of(error, where)) from error
        self.port = sockets[0].getsockname()[1]

    def close(self, *, connections: bool = True) -> None:
        """Stop listening, and drop the connections whose handshakes are not complete.

        Unless `connections` is False, also close all open connections, with a close code that asks the peers
        to connect again.
        """
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for guest in list(self._guests):
            guest.drop()
        if connections:
            for transport in list(self._transports):
                transport.close(CloseCode.RECONNECT, "the listener is stopping")

    async def wait_closed(self, grace: float | None = None) -> None:
        """Wait until all connections are closed. Connections still open after `grace` seconds are aborted."""
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            for transport in list(self._transports):
                transport.abort()
            await self._empty.wait()

    # Calls from pending and open connections

    def admit(self, guest: "_PendingConnection") -> bool:
        """Assign a slot to a new connection, and return True. Return False if no slot is free."""
        if not self._listeners:
            return False
        try:
            dropped = self._places.arrive(guest, site_of(guest.remote.rpartition(":")[0]))
        except NoFreeSlotError as error:
            if not self._is_full:
                self._is_full = True
                log.warning("%s: rejected: %s", guest.remote, error)
            return False
        self._is_full = False
        self._guests.add(guest)
        self._empty.clear()
        if isinstance(dropped, _PendingConnection):
            log.info(
                "%s: dropped: too many connections are not authenticated, and this one is the oldest",
                dropped.remote,
            )
            dropped.drop()
        return True

    def show(self, guest: "_PendingConnection") -> None:
        """Record that the client certificate of a pending connection was accepted."""
        self._places.show(guest)

    def enter(self, guest: "_PendingConnection", owner: str) -> None:
        """Admit a pending connection that belongs to `owner`. Raises NoFreeSlotError if no slot is free."""
        dropped = self._places.enter(guest, owner)
        if isinstance(dropped, WebSocketTransport):
            log.warning("%s: dropped: the slot is needed for another connection", dropped.remote)
            dropped.close(CloseCode.RECONNECT, "the slot is needed for another connection")

    def settle(self, guest: "_PendingConnection", transport: WebSocketTransport) -> None:
        """Record that a pending connection, which was admitted, is now the open connection `transport`."""
        self._places.rename(guest, transport)
        self._transports.add(transport)
        self._guests.discard(guest)

    def forget(self, which: "_PendingConnection | WebSocketTransport") -> None:
        """Free the slot of a pending or open connection that has ended."""
        self._places.leave(which)
        memory().departed()
        if isinstance(which, _PendingConnection):
            self._guests.discard(which)
        else:
            self._transports.discard(which)
        if not self._guests and not self._transports:
            self._empty.set()


def _listening(family: int, address: tuple[object, ...], *, dualstack: bool = False) -> socket.socket:
    sock = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=dualstack)
    sock.setblocking(False)
    return sock


class _PendingConnection(asyncio.Protocol):
    """A connection whose opening handshake is not complete."""

    def __init__(self, server: Server) -> None:
        self.remote = "an unknown address"
        self._server = server
        self._pipe: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._transport: WebSocketTransport | None = None
        self._is_secured = self._has_spoken = False
        self._head = Head()
        self._has_come = asyncio.Event()
        self._protocol = ServerProtocol(max_size=server.tuning.frame_bytes, logger=package_log)

    # Methods of asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake on the new TCP connection, if a slot is free."""
        assert isinstance(transport, asyncio.Transport)
        self._pipe = transport
        self.remote = spell_remote(transport.get_extra_info("peername"))
        if not self._is_welcome(transport.get_extra_info("sockname")[0]) or not self._server.admit(self):
            transport.abort()
            return
        if self._server.ssl is not None:
            transport.pause_reading()  # The received data is for the TLS layer, which is not ready yet.
        self._task = asyncio.get_running_loop().create_task(self._receive())

    def _is_welcome(self, came_by: str) -> bool:
        welcomes = self._server.welcomes
        try:
            if welcomes is None or welcomes(came_by):
                return True
        except OSError as error:  # if this error were raised, the connection would stay open indefinitely
            log.warning(
                "%s: dropped: the interface of the connection cannot be determined: %s", self.remote, error
            )
            return False
        log.info("%s: dropped: the listener is not open at %s", self.remote, came_by)
        return False

    def data_received(self, data: bytes) -> None:
        """Buffer received data, which belongs to the request or to the frames after the request."""
        self._has_spoken = True
        self._head.add(data)
        self._has_come.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Clean up after the connection has ended."""
        if self._is_secured and not self._has_spoken:
            log.info("%s: disconnected right after the TLS handshake: %s", self.remote, _NOT_OURS)
        else:
            log.debug("%s: disconnected before authentication: %s", self.remote, exc or "end of stream")
        if self._task is not None:
            self._task.cancel()
        self._server.forget(self)
        if self._transport is not None:
            # The connection ended before asyncio's TLS layer switched to the transport as its protocol.
            self._transport.connection_lost(exc)

    def drop(self) -> None:
        """Abort the handshake and the connection."""
        if self._task is not None:
            self._task.cancel()
        self._abort()

    # Handshake

    async def _receive(self) -> None:
        try:
            async with asyncio.timeout(self._server.handshake_timeout):
                ssl_object = await self._secure()
                if ssl_object is not None and await self._is_turned_away(ssl_object):
                    return
                head = await self._read_head()
            if head is not None:
                await self._answer(*head, ssl_object)
        except TimeoutError:
            self._drop_because(f"no handshake within {self._server.handshake_timeout:g} s")
        except ProblemError as error:
            self._drop_because(str(error))
        except tls.SSLError as error:
            log.warning("%s is rejected: %s", self.remote, problem_of(error, "TLS handshake"))
            self._abort()
        except OSError as error:
            if self._server.ssl is not None and not self._is_secured:
                self._drop_because(f"disconnected during the TLS handshake: {_NOT_OURS}")
            else:
                self._drop_because(str(problem_of(error, "handshake")))
        except asyncio.CancelledError:
            self._abort()
            raise
        except Exception:
            log.exception("%s: dropped: internal error", self.remote)
            self._abort()

    def _drop_because(self, why: str) -> None:
        log.info("%s: dropped: %s", self.remote, why)
        self._abort()

    def _abort(self) -> None:
        assert self._pipe is not None
        self._pipe.abort()

    async def _secure(self) -> tls.SSLObject | None:
        if self._server.ssl is None:
            return None
        assert self._pipe is not None
        seconds = self._server.handshake_timeout
        try:
            with alerts_by(self._pipe.write):
                secured = await asyncio.get_running_loop().start_tls(
                    self._pipe,
                    self,
                    self._server.ssl,
                    server_side=True,
                    ssl_handshake_timeout=seconds,
                    ssl_shutdown_timeout=seconds,
                )
            if secured is None:
                raise ConnectionResetError(errno.ECONNRESET, "gone")
        except BaseException:
            self._server.forget(self)  # asyncio does not call `connection_lost` in this case.
            raise
        self._pipe = secured
        self._is_secured = True
        ssl_object: tls.SSLObject = secured.get_extra_info("ssl_object")
        if self._server.check is not None:
            self._server.check(ssl_object)
        return ssl_object

    async def _is_turned_away(self, ssl_object: tls.SSLObject) -> bool:
        """Check the client's certificate, if there is one. Return True if the client was rejected.

        Until the certificate is accepted, the client counts as unauthenticated, because a certificate that
        chains to a root may be revoked.
        """
        if not ssl_object.getpeercert(binary_form=True):
            return False
        try:
            verdict = True if self._server.judge is None else await self._server.judge(ssl_object)
        except Exception:
            log.exception("%s: internal error while checking the client's certificate", self.remote)
            verdict = Reject(HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL_TEXT)
        if isinstance(verdict, Reject):
            log.warning("%s is rejected: %s", self.remote, plain(verdict.text))
            self._respond(self._protocol.reject(verdict.status, verdict.text))
            return True
        if verdict:
            self._server.show(self)
        return False

    async def _read_head(self) -> tuple[HttpRequest, bytes] | None:
        """Return the client's request and the bytes after it; None if the request was invalid and refused."""
        head = self._head
        while (parts := head.split()) is None:
            if head.is_too_long:
                self._respond(
                    self._protocol.reject(
                        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                        f"the request header is longer than {len(head)} bytes\n",
                    )
                )
                return None
            if head.first is not None and head.first not in _LETTERS:
                self._respond(self._protocol.reject(HTTPStatus.BAD_REQUEST, "this is not HTTP\n"))
                return None
            self._has_come.clear()
            await self._has_come.wait()
        assert self._pipe is not None
        self._pipe.pause_reading()
        self._head = Head()
        self._protocol.receive_data(parts[0])
        events = self._protocol.events_received()
        if not events:  # The package has rejected the request, and may have queued a response.
            cause = self._protocol.handshake_exc and self._protocol.handshake_exc.__cause__
            log.info("%s: rejected: invalid request: %s", self.remote, plain(str(cause or "")))
            self._write_out()
            self._pipe.close()
            return None
        assert isinstance(events[0], HttpRequest)
        return events[0], parts[1]

    async def _answer(self, request: HttpRequest, rest: bytes, ssl_object: tls.SSLObject | None) -> None:
        if self._server.look is not None and "Upgrade" not in request.headers:
            asked = Request(request.path, joined(request.headers), (), self.remote, ssl_object)
            self._refuse(await self._decided(asked, self._server.look), asked)
            return
        response = self._protocol.accept(request)
        offered = _offered(request.headers)
        asked = Request(request.path, joined(request.headers), offered, self.remote, ssl_object)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            cause = self._protocol.handshake_exc
            self._tell_refused(response.status_code, str(cause or response.reason_phrase), asked)
            self._respond(response)
            return
        decision = await self._decided(asked, self._server.decide)
        if isinstance(decision, Reject):
            self._refuse(decision, asked)
            return
        if decision.subprotocol:
            self._protocol.subprotocol = Subprotocol(decision.subprotocol)
            response.headers["Sec-WebSocket-Protocol"] = decision.subprotocol
        for name, value in decision.headers:
            response.headers[name] = value
        self._open(decision, request, response, rest)

    async def _decided(self, request: Request, decide: Callable[[Request], Awaitable[_D]]) -> _D | Reject:
        try:
            async with asyncio.timeout(self._server.handshake_timeout):
                decision = await decide(request)
            if isinstance(decision, Reject):
                http.HTTPStatus(decision.status)
            elif decision.subprotocol and decision.subprotocol not in request.subprotocols:
                msg = f"{decision.subprotocol!r} was selected, but the client does not offer it"
                raise ValueError(msg)
        except TimeoutError:
            log.warning(
                "%s: %s: the request was rejected, because checking it took too long",
                self.remote,
                request.path,
            )
            return Reject(HTTPStatus.SERVICE_UNAVAILABLE, "busy; try again later\n")
        except Exception:
            log.exception("%s: %s: internal error while checking the request", self.remote, request.path)
            return Reject(HTTPStatus.INTERNAL_SERVER_ERROR, _INTERNAL_TEXT)
        return decision

    def _open(self, decision: Accept, request: HttpRequest, response: Response, rest: bytes) -> None:
        pipe = self._pipe
        assert pipe is not None
        try:
            self._server.enter(self, decision.owner)
        except NoFreeSlotError as error:
            log.warning("%s: rejected: %s", self.remote, error)
            text = "too many connections; try again later\n"
            self._respond(self._protocol.reject(HTTPStatus.SERVICE_UNAVAILABLE, text))
            return
        self._protocol.send_response(response)
        self._write_out()
        transport = WebSocketTransport(
            Framing(self._protocol),
            pipe,
            remote=self.remote,
            subprotocol=decision.subprotocol,
            headers=joined(request.headers),
            tuning=self._server.tuning,
            ended=self._server.forget,
        )
        self._transport = transport
        self._server.settle(self, transport)
        try:
            receiver = decision.receiver(transport)
        except Exception:
            log.exception("%s: %s: internal error while opening the connection", self.remote, request.path)
            receiver = _IgnoringReceiver()
            transport.close(CloseCode.INTERNAL_ERROR, "internal error; see the log of the listener")
        transport.start(receiver, rest + self._head.take())

    def _refuse(self, decision: Reject, asked: Request) -> None:
        if decision.status >= HTTPStatus.BAD_REQUEST:
            self._tell_refused(decision.status, decision.text, asked)
        response = self._protocol.reject(decision.status, decision.text)
        for name, value in decision.headers:
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        self._respond(response)

    def _tell_refused(self, status: int, why: str, asked: Request) -> None:
        """Log a refused handshake. To help find the cause, include the requested path and subprotocols."""
        log.log(
            logging.INFO if status in _TOLD_ELSEWHERE else logging.WARNING,
            "%s: WebSocket handshake rejected with status %d: %s; the client requested %s and offered %s",
            self.remote,
            status,
            plain(why),
            plain(asked.path),
            plain(", ".join(asked.subprotocols)) or "no subprotocol",
        )

    def _respond(self, response: Response) -> None:
        """Send an HTTP response, and close the connection."""
        assert self._pipe is not None
        self._protocol.send_response(response)
        self._write_out()
        self._pipe.close()

    def _write_out(self) -> None:
        assert self._pipe is not None
        self._pipe.write(b"".join(self._protocol.data_to_send()))


def _offered(headers: Headers) -> tuple[str, ...]:
    """Return the subprotocols that a client offers. A malformed header value is included unchanged."""
    protocols: list[str] = []
    for value in headers.get_all("Sec-WebSocket-Protocol"):
        try:
            protocols += parse_subprotocol(value)
        except InvalidHeaderFormat:
            protocols.append(value)
    return tuple(protocols)


class _IgnoringReceiver:
    """A receiver that ignores all events, for a connection that is closing."""

    def frames(self, frames: list[bytes]) -> None:
        """Ignore the received frames."""

    def writable(self) -> None:
        """Ignore that the transport's buffer has room again."""

    def closed(self, problem: object) -> None:
        """Ignore the end of the transport."""
