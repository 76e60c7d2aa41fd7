"""The passive side of a WebSocket: listens, shakes hands within limits, asks `decide` about each comer."""

import asyncio
import errno
import http
import logging
import socket
import ssl as tls
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from websockets.datastructures import Headers
from websockets.exceptions import InvalidHeaderFormat
from websockets.headers import parse_subprotocol
from websockets.http11 import Request as HttpRequest
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from sync.net.decisions import Accept, Decide, Look, Reject, Request
from sync.net.faults import problem_of
from sync.net.framing import Framing, package_log
from sync.net.handshake import Head, joined, spell_remote
from sync.net.memory import memory
from sync.net.places import PER_ADDRESS, FullError, Places
from sync.net.tls_alerts import alerts_by
from sync.net.websocket import Tuning, WebSocketTransport
from sync.net.welcome import site_of
from sync.net.words import plain
from sync.peer.problems import ProblemError

__all__ = ["Accept", "Decide", "Reject", "Request", "Server", "serve"]

log = logging.getLogger(__name__)

_TRY_AGAIN: Final = 4001
"""Couchbase Lite's own: it stops for good after 1001, but connects again after this."""
_INTERNAL_ERROR: Final = 1011
_NOT_OURS: Final = "perhaps it does not accept our certificate; its log says more"
_BACKLOG: Final = 100
_TOLD_ELSEWHERE: Final = frozenset({401, 403, 426})
"""Statuses for which the listener has said who is refused, or that only tell a client to open a WebSocket."""
_D = TypeVar("_D", Accept | Reject, Reject)
_LETTERS: Final = range(ord("A"), ord("Z") + 1)


async def serve(
    host: str,
    port: int,
    decide: Decide,
    *,
    ssl: tls.SSLContext | None = None,
    check: Callable[[tls.SSLObject], None] | None = None,
    look: Look | None = None,
    welcomes: Callable[[str], bool] | None = None,
    max_connections: int = 100,
    kept_for_certificates: int = 0,
    strangers_per_address: int = PER_ADDRESS,
    handshake_timeout: float = 10.0,
    tuning: Tuning | None = None,
) -> "Server":
    """Listen on `host` (empty: everywhere, IPv4 and IPv6) and `port` (0: any that is free).

    `check` is called after each TLS handshake and raises ProblemError to drop that client. `decide` has as
    long as the handshake, again; so has `look`, which answers requests that ask for no WebSocket (without
    it, 426). `welcomes` is asked, with the address of ours by which a client came, whether to hear it at all.
    Of `max_connections` so many are kept for clients that show a certificate; see `sync.net.places`.
    Raises ProblemError if it cannot listen there.
    """
    server = Server(
        decide,
        look=look,
        welcomes=welcomes,
        ssl=ssl,
        check=check,
        places=Places(max_connections, kept=kept_for_certificates, per_address=strangers_per_address),
        handshake_timeout=handshake_timeout,
        tuning=tuning or Tuning(),
    )
    await server.listen(host, port)
    return server


class Server:
    """Listens until `close`."""

    def __init__(
        self,
        decide: Decide,
        *,
        look: Look | None,
        welcomes: Callable[[str], bool] | None,
        ssl: tls.SSLContext | None,
        check: Callable[[tls.SSLObject], None] | None,
        places: "Places[_Guest | WebSocketTransport]",
        handshake_timeout: float,
        tuning: Tuning,
    ) -> None:
        self.decide = decide
        self.look = look
        self.welcomes = welcomes
        self.ssl = ssl
        self.check = check
        self.handshake_timeout = handshake_timeout
        self.tuning = tuning
        self.port = 0
        """Where it listens."""
        self._places = places
        self._listeners: list[asyncio.Server] = []
        self._guests: set[_Guest] = set()
        self._transports: set[WebSocketTransport] = set()
        self._is_full = False
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def connections(self) -> frozenset[WebSocketTransport]:
        """Those that are open."""
        return frozenset(self._transports)

    async def listen(self, host: str, port: int) -> None:
        """Begin. Raises ProblemError."""
        loop = asyncio.get_running_loop()
        sockets: list[socket.socket] = []
        try:
            if not host and socket.has_dualstack_ipv6():
                sockets.append(_listening(socket.AF_INET6, ("::", port), dualstack=True))
            else:
                found = await loop.getaddrinfo(
                    host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
                )
                for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
                    free = port or (sockets[0].getsockname()[1] if sockets else 0)
                    sockets.append(_listening(family, (address[0], free, *address[2:])))
            for sock in sockets:
                self._listeners.append(
                    await loop.create_server(lambda: _Guest(self), sock=sock, backlog=_BACKLOG)
                )
        except (OSError, UnicodeError) as error:
            for sock in sockets:
                sock.close()
            where = f"listening on {host or 'every address'}, port {port}"
            raise ProblemError(problem_of(error, where)) from error
        self.port = sockets[0].getsockname()[1]

    def close(self, *, connections: bool = True) -> None:
        """Accept no more, drop handshakes, and, unless told otherwise, close all `connections` with 1001."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        for guest in list(self._guests):
            guest.drop()
        if connections:
            for transport in list(self._transports):
                transport.close(_TRY_AGAIN, "the listener stops")

    async def wait_closed(self, grace: float | None = None) -> None:
        """Until no connection is left; those that are after `grace` seconds are cut."""
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            for transport in list(self._transports):
                transport.abort()
            await self._empty.wait()

    # For guests

    def admit(self, guest: "_Guest") -> bool:
        """Whether there is room for one more."""
        if not self._listeners:
            return False
        try:
            dropped = self._places.arrive(guest, site_of(guest.remote.rpartition(":")[0]))
        except FullError as error:
            if not self._is_full:
                self._is_full = True
                log.warning("%s: refused: %s", guest.remote, error)
            return False
        self._is_full = False
        self._guests.add(guest)
        self._empty.clear()
        if isinstance(dropped, _Guest):
            log.info("%s: dropped: many strangers come, and it has taken longest", dropped.remote)
            dropped.drop()
        return True

    def show(self, guest: "_Guest") -> None:
        """A guest has shown a certificate that leads to a root of ours."""
        self._places.show(guest)

    def enter(self, guest: "_Guest", owner: str) -> None:
        """A guest is let in, who belongs to `owner`. Raises FullError if there is no place for it."""
        dropped = self._places.enter(guest, owner)
        if isinstance(dropped, WebSocketTransport):
            log.warning("%s: dropped: its place is needed for another", dropped.remote)
            dropped.close(_TRY_AGAIN, "the place is needed for another")

    def settle(self, guest: "_Guest", transport: WebSocketTransport) -> None:
        """A guest that was let in has become a connection."""
        self._places.rename(guest, transport)
        self._transports.add(transport)
        self._guests.discard(guest)

    def forget(self, which: "_Guest | WebSocketTransport") -> None:
        """It is over."""
        self._places.leave(which)
        memory().departed()
        if isinstance(which, _Guest):
            self._guests.discard(which)
        else:
            self._transports.discard(which)
        if not self._guests and not self._transports:
            self._empty.set()


def _listening(family: int, address: tuple[object, ...], *, dualstack: bool = False) -> socket.socket:
    sock = socket.create_server(address, family=family, backlog=_BACKLOG, dualstack_ipv6=dualstack)
    sock.setblocking(False)
    return sock


class _Guest(asyncio.Protocol):
    """A connection that has not shaken hands yet."""

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

    # asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is up."""
        assert isinstance(transport, asyncio.Transport)
        self._pipe = transport
        self.remote = spell_remote(transport.get_extra_info("peername"))
        if not self._is_welcome(transport.get_extra_info("sockname")[0]) or not self._server.admit(self):
            transport.abort()
            return
        if self._server.ssl is not None:
            transport.pause_reading()  # What comes is for TLS, which is not there yet.
        self._task = asyncio.get_running_loop().create_task(self._receive())

    def _is_welcome(self, came_by: str) -> bool:
        welcomes = self._server.welcomes
        try:
            if welcomes is None or welcomes(came_by):
                return True
        except OSError as error:  # else nobody would judge it, nor ever end it
            log.warning("%s: dropped: where it came in cannot be told: %s", self.remote, error)
            return False
        log.info("%s: dropped: nothing is offered at %s, where it came in", self.remote, came_by)
        return False

    def data_received(self, data: bytes) -> None:
        """Of the request, or frames behind it."""
        self._has_spoken = True
        self._head.add(data)
        self._has_come.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or we have sent it away."""
        if self._is_secured and not self._has_spoken:
            log.info("%s: gone right after the TLS handshake: %s", self.remote, _NOT_OURS)
        else:
            log.debug("%s: gone before it was let in: %s", self.remote, exc or "at its end")
        if self._task is not None:
            self._task.cancel()
        self._server.forget(self)
        if self._transport is not None:
            # asyncio's TLS had told us of the end before it knew of whom we handed over to.
            self._transport.connection_lost(exc)

    def drop(self) -> None:
        """Break it off."""
        if self._task is not None:
            self._task.cancel()
        self._abort()

    # The handshake

    async def _receive(self) -> None:
        try:
            async with asyncio.timeout(self._server.handshake_timeout):
                ssl_object = await self._secure()
                head = await self._read_head()
            if head is not None:
                await self._answer(*head, ssl_object)
        except TimeoutError:
            self._drop_because(f"no handshake within {self._server.handshake_timeout:g} s")
        except ProblemError as error:
            self._drop_because(str(error))
        except tls.SSLError as error:
            log.warning("%s is refused: %s", self.remote, problem_of(error, "TLS handshake"))
            self._abort()
        except OSError as error:
            if self._server.ssl is not None and not self._is_secured:
                self._drop_because(f"gone during the TLS handshake: {_NOT_OURS}")
            else:
                self._drop_because(str(problem_of(error, "handshake")))
        except asyncio.CancelledError:
            self._abort()
            raise
        except Exception:
            log.exception("%s: dropped: a fault of ours", self.remote)
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
            self._server.forget(self)  # Nobody else tells us that it is over.
            raise
        self._pipe = secured
        self._is_secured = True
        ssl_object: tls.SSLObject = secured.get_extra_info("ssl_object")
        if ssl_object.getpeercert(binary_form=True):
            self._server.show(self)
        if self._server.check is not None:
            self._server.check(ssl_object)
        return ssl_object

    async def _read_head(self) -> tuple[HttpRequest, bytes] | None:
        """The request and what came behind it; None if it was none, and has been answered."""
        head = self._head
        while (parts := head.split()) is None:
            if head.is_too_long:
                self._respond(self._protocol.reject(431, f"a head of more than {len(head)} bytes\n"))
                return None
            if head.first is not None and head.first not in _LETTERS:
                self._respond(self._protocol.reject(400, "this is no HTTP\n"))
                return None
            self._has_come.clear()
            await self._has_come.wait()
        assert self._pipe is not None
        self._pipe.pause_reading()
        self._head = Head()
        self._protocol.receive_data(parts[0])
        events = self._protocol.events_received()
        if not events:  # The package has refused it, with an answer or without.
            cause = self._protocol.handshake_exc and self._protocol.handshake_exc.__cause__
            log.info("%s: refused: no request that we understand: %s", self.remote, plain(str(cause or "")))
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
        if response.status_code != http.HTTPStatus.SWITCHING_PROTOCOLS:
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
                msg = f"{decision.subprotocol!r} was chosen, which the client does not offer"
                raise ValueError(msg)
        except TimeoutError:
            log.warning("%s: %s: no decision in time", self.remote, request.path)
            return Reject(http.HTTPStatus.SERVICE_UNAVAILABLE, "busy; try again later\n")
        except Exception:
            log.exception("%s: %s: could not be decided upon", self.remote, request.path)
            return Reject(http.HTTPStatus.INTERNAL_SERVER_ERROR, "something is wrong here; see the log\n")
        return decision

    def _open(self, decision: Accept, request: HttpRequest, response: Response, rest: bytes) -> None:
        pipe = self._pipe
        assert pipe is not None
        try:
            self._server.enter(self, decision.owner)
        except FullError as error:
            log.warning("%s: refused: %s", self.remote, error)
            text = "no place is free; try again later\n"
            self._respond(self._protocol.reject(http.HTTPStatus.SERVICE_UNAVAILABLE, text))
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
            log.exception("%s: %s: could not be received", self.remote, request.path)
            receiver = _Nobody()
            transport.close(_INTERNAL_ERROR, "something is wrong here; see the log")
        transport.start(receiver, rest + self._head.take())

    def _refuse(self, decision: Reject, asked: Request) -> None:
        if decision.status >= http.HTTPStatus.BAD_REQUEST:
            self._tell_refused(decision.status, decision.text, asked)
        response = self._protocol.reject(decision.status, decision.text)
        for name, value in decision.headers:
            if name in response.headers:
                del response.headers[name]
            response.headers[name] = value
        self._respond(response)

    def _tell_refused(self, status: int, why: str, asked: Request) -> None:
        """Log a refused handshake: who is wrong, they or we, shows in what they offered."""
        log.log(
            logging.INFO if status in _TOLD_ELSEWHERE else logging.WARNING,
            "%s: the WebSocket is refused with %d: %s; it asked for %s and offered %s",
            self.remote,
            status,
            plain(why),
            plain(asked.path),
            plain(", ".join(asked.subprotocols)) or "no subprotocol",
        )

    def _respond(self, response: Response) -> None:
        """Answer without a WebSocket, and hang up."""
        assert self._pipe is not None
        self._protocol.send_response(response)
        self._write_out()
        self._pipe.close()

    def _write_out(self) -> None:
        assert self._pipe is not None
        self._pipe.write(b"".join(self._protocol.data_to_send()))


def _offered(headers: Headers) -> tuple[str, ...]:
    """Return the subprotocols that a client offers, unchanged if they are malformed."""
    found: list[str] = []
    for value in headers.get_all("Sec-WebSocket-Protocol"):
        try:
            found += parse_subprotocol(value)
        except InvalidHeaderFormat:
            found.append(value)
    return tuple(found)


class _Nobody:
    """Receives where nobody does."""

    def frames(self, frames: list[bytes]) -> None:
        """Of no interest."""

    def writable(self) -> None:
        """Of no interest."""

    def closed(self, problem: object) -> None:
        """Of no interest."""
