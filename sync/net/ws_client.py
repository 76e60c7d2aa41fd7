"""The client side of a WebSocket: connects to a URL, and performs the opening handshake.

The `websockets` package creates and parses the handshake messages. `sync.net.websocket` explains why the
package's connections are not used.
"""

import asyncio
import errno
import re
import ssl as tls
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final

from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidHandshake, InvalidStatus, NegotiationError
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI

from sync.blip.close_codes import CloseCode
from sync.net.framing import Framing, package_log
from sync.net.handshake import Head, joined, parse_address, spell_remote
from sync.net.tls_alerts import alerts_by
from sync.net.transport import FrameReceiver
from sync.net.websocket import Tuning, WebSocketTransport
from sync.peer.problems import Domain, Problem, ProblemError

from .error_mapping import problem_of
from .happy_eyeballs import dial
from .untrusted_text import MOST_SHOWN, plain

SUBPROTOCOLS: Final = ("BLIP_3+CBMobile_3", "BLIP_3+CBMobile_2")
WITHOUT_COLLECTIONS: Final = frozenset({"BLIP_3+CBMobile_2"})
"""Subprotocols in which no message names a collection."""

# Codes that Couchbase Lite reports if a server's answer is unexpected.

_FOR_OUR_CERTIFICATE: Final = (
    "this happened right after the TLS handshake; the peer may not accept our certificate, or may require"
    " one; see its log"
)

_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(.*)")


class UpgradeRefusedError(ProblemError):
    """The server answered the upgrade request with an HTTP status other than 101."""

    def __init__(self, problem: Problem, headers: Headers) -> None:
        super().__init__(problem)
        self.headers = headers
        """Headers of the response, such as `WWW-Authenticate`, `Retry-After`, `Location` and cookies."""


async def connect(
    url: str,
    receiver: Callable[[WebSocketTransport], FrameReceiver],
    *,
    ssl: tls.SSLContext | None = None,
    check: Callable[[tls.SSLObject], None] | None = None,
    headers: Iterable[tuple[str, str]] = (),
    subprotocols: Sequence[str] = SUBPROTOCOLS,
    timeout: float = 15.0,  # noqa: ASYNC109 -- it covers DNS, TCP, TLS and HTTP, each with its own error
    network_interface: str | None = None,
    addresses: Sequence[str] = (),
    tuning: Tuning | None = None,
) -> WebSocketTransport:
    """Open a WebSocket to `url` (ws:// or wss://). Redirects are not followed.

    Args:
        url: the address of the database.
        receiver: called with the transport; returns the receiver of its frames.
        ssl: the TLS context, which determines the trusted servers; None for the system's default.
        check: called after the TLS handshake, before data is sent. It raises ProblemError to reject the
            server.
        headers: additional headers of the request.
        subprotocols: the subprotocols to offer, in order of preference.
        timeout: total seconds for name resolution, TCP, TLS and HTTP.
        network_interface: the only interface to use, by name or address.
        addresses: known addresses of the URL's host. If given, the name is not resolved.
        tuning: limits and timings; None for the defaults.

    Raises:
        ProblemError: the connection cannot be made. The problem's domain is LiteCore for an invalid URL, DNS,
            POSIX (refused, unreachable, timed out), TLS or WebSocket. In the domain WebSocket, the code is
            403 if the server accepts none of `subprotocols`, and 1002 if it does not support the protocol.
        UpgradeRefusedError: the server answered with an HTTP status other than 101.
    """
    uri, host = parse_address(url)
    where = f"{host}:{uri.port}" if ":" not in host else f"[{host}]:{uri.port}"
    try:
        async with asyncio.timeout(timeout):
            sock = await dial(host, uri.port, network_interface=network_interface, addresses=addresses)
            loop = asyncio.get_running_loop()
            shake = _Handshake(
                uri,
                where=where,
                receiver=receiver,
                check=check,
                headers=list(headers),
                subprotocols=subprotocols,
                tuning=tuning or Tuning(),
            )
            context = (ssl or tls.create_default_context()) if uri.secure else None
            try:
                with alerts_by(sock.send):
                    await loop.create_connection(
                        lambda: shake,
                        sock=sock,
                        ssl=context,
                        server_hostname=uri.host if context is not None else None,
                        ssl_handshake_timeout=timeout if context is not None else None,
                    )
            except (OSError, tls.SSLError) as error:
                sock.close()
                raise ProblemError(_of_tls(error, f"connecting to {where}")) from error
            except BaseException:
                sock.close()
                raise
            return await shake.result()
    except TimeoutError as error:
        text = f"connecting to {where}: no answer within {timeout:g} s"
        raise ProblemError(Problem(Domain.POSIX, errno.ETIMEDOUT, text)) from error


async def probe(
    host: str,
    port: int,
    *,
    ssl: tls.SSLContext,
    check: Callable[[tls.SSLObject], None],
    addresses: Sequence[str],
    timeout: float,  # noqa: ASYNC109 -- as for `connect`
) -> None:
    """Connect with TLS, check that `check` accepts the server's certificate, and disconnect.

    Raises ProblemError if the server does not answer, or if its certificate is not accepted.
    """
    where = f"{host}:{port}"
    try:
        async with asyncio.timeout(timeout):
            sock = await dial(host, port, addresses=addresses)
            try:
                with alerts_by(sock.send):
                    pipe, _ = await asyncio.get_running_loop().create_connection(
                        asyncio.Protocol,
                        sock=sock,
                        ssl=ssl,
                        server_hostname=host,
                        ssl_handshake_timeout=timeout,
                    )
            except (OSError, tls.SSLError) as error:
                sock.close()
                raise ProblemError(_of_tls(error, f"connecting to {where}")) from error
            except BaseException:
                sock.close()
                raise
            try:
                check(pipe.get_extra_info("ssl_object"))
            finally:
                pipe.abort()
    except TimeoutError as error:
        text = f"connecting to {where}: no answer within {timeout:g} s"
        raise ProblemError(Problem(Domain.POSIX, errno.ETIMEDOUT, text)) from error


def _of_tls(error: OSError, doing: str) -> Problem:
    if isinstance(error, tls.SSLError) or error.errno:
        return problem_of(error, doing)
    return Problem(Domain.TLS, 0, f"{doing}: the server ended the connection during the TLS handshake")


class _Handshake(asyncio.Protocol):
    """The opening handshake on a connection. A `WebSocketTransport` takes over the connection afterwards."""

    def __init__(
        self,
        uri: WebSocketURI,
        *,
        where: str,
        receiver: Callable[[WebSocketTransport], FrameReceiver],
        check: Callable[[tls.SSLObject], None] | None,
        headers: list[tuple[str, str]],
        subprotocols: Sequence[str],
        tuning: Tuning,
    ) -> None:
        self._where = where
        self._receiver = receiver
        self._check = check
        self._tuning = tuning
        self._wanted = list(subprotocols)
        self._protocol = ClientProtocol(
            uri,
            subprotocols=[Subprotocol(name) for name in subprotocols] or None,
            max_size=tuning.frame_bytes,
            logger=package_log,
        )
        self._request = self._protocol.connect()
        for name, value in headers:
            self._request.headers[name] = value
        self._head: Head | None = Head()
        self._status_line = b""
        self._pipe: asyncio.Transport | None = None
        self._gone = asyncio.get_running_loop().create_future()
        self._done: asyncio.Future[WebSocketTransport] = asyncio.get_running_loop().create_future()

    async def result(self) -> WebSocketTransport:
        """Return the started transport. If the handshake fails, close the connection and raise the error."""
        try:
            return await asyncio.shield(self._done)
        except BaseException:
            if self._done.done() and not self._done.cancelled() and self._done.exception() is None:
                self._done.result().abort()  # the caller was cancelled just after the handshake succeeded
            elif self._pipe is not None:
                self._done.cancel()
                self._pipe.abort()
                await self._gone
            raise

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Check the server's certificate, if TLS is used, and send the request."""
        assert isinstance(transport, asyncio.Transport)
        self._pipe = transport
        ssl_object = transport.get_extra_info("ssl_object")
        if self._check is not None and ssl_object is not None:
            try:
                self._check(ssl_object)
            except Exception as error:  # noqa: BLE001 -- any error is passed on to the caller of `result`
                self._fail(error)
                return
        self._protocol.send_request(self._request)
        transport.write(b"".join(self._protocol.data_to_send()))

    def data_received(self, data: bytes) -> None:
        """Process received data, which is part of the server's answer, or a whole answer and later frames."""
        if self._done.done():
            return
        if self._head is None:  # The head is complete, so the data belongs to the body of a refusal.
            self._protocol.receive_data(data)
            self._judge(b"")
            return
        self._head.add(data)
        parts = self._head.split()
        if parts is None:
            if self._head.is_too_long:
                self._fail(self._garbled(f"the response header is longer than {len(self._head)} bytes"))
            return
        self._head = None
        self._status_line = parts[0].partition(b"\r\n")[0]
        self._protocol.receive_data(parts[0])
        if not self._protocol.events and self._protocol.handshake_exc is None and parts[1]:
            self._protocol.receive_data(parts[1])
            self._judge(b"")
        else:
            self._judge(parts[1])

    def eof_received(self) -> None:
        """Process the end of the stream, which may be the end of the body of a refusal."""
        if not self._done.done() and self._head is None:
            self._protocol.receive_eof()
            self._judge(b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """Report a failure if the connection has ended before the server's answer was complete."""
        self._gone.set_result(None)
        if not self._done.done():
            problem = problem_of(exc, f"{self._where}: while waiting for the server's answer")
            if self._may_be_for_our_certificate and problem.domain is not Domain.TLS:
                problem = replace(problem, text=f"{problem.text}; {_FOR_OUR_CERTIFICATE}")
            self._fail(ProblemError(problem))

    @property
    def _may_be_for_our_certificate(self) -> bool:
        """True if the connection may have ended because the server refused our certificate.

        In TLS 1.3, a server checks the client's certificate after the client has completed its handshake, and
        not every server sends an alert.
        """
        assert self._pipe is not None
        ssl_object = self._pipe.get_extra_info("ssl_object")
        has_answered = self._head is None or len(self._head) > 0
        return ssl_object is not None and ssl_object.version() == "TLSv1.3" and not has_answered

    def _judge(self, rest: bytes) -> None:
        """Complete the handshake, or report its failure, if the `websockets` package has parsed the answer.

        `rest` contains the bytes that follow the head of the answer.
        """
        protocol = self._protocol
        events = protocol.events_received()
        if events:
            response = events[0]
            assert isinstance(response, Response)
            if protocol.handshake_exc is not None:
                self._fail(self._refused(protocol.handshake_exc, response))
            elif self._wanted and protocol.subprotocol is None:
                self._fail(self._unspoken("none of them"))
            else:
                self._succeed(response, rest)
        elif protocol.handshake_exc is not None:
            cause = protocol.handshake_exc.__cause__ or protocol.handshake_exc
            self._fail(self._half_read(str(cause)))

    def _succeed(self, response: Response, rest: bytes) -> None:
        pipe = self._pipe
        assert pipe is not None
        transport = WebSocketTransport(
            Framing(self._protocol),
            pipe,
            remote=spell_remote(pipe.get_extra_info("peername")),
            subprotocol=self._protocol.subprotocol or "",
            headers=joined(response.headers),
            tuning=self._tuning,
        )
        try:
            receiver = self._receiver(transport)
        except Exception as error:  # noqa: BLE001 -- as above
            self._fail(error)
            return
        self._done.set_result(transport)
        transport.start(receiver, rest)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
            self._done.exception()  # Mark the exception as retrieved: the caller may have been cancelled.
        assert self._pipe is not None
        self._pipe.abort()

    def _refused(self, error: Exception, response: Response) -> ProblemError:
        if isinstance(error, InvalidStatus):
            return self._refused_with(response)
        if isinstance(error, NegotiationError) and "Sec-WebSocket-Protocol" in response.headers:
            return self._unspoken(response.headers.get_all("Sec-WebSocket-Protocol")[0])
        assert isinstance(error, InvalidHandshake)
        return self._garbled(str(error))

    def _refused_with(self, response: Response) -> UpgradeRefusedError:
        status = response.status_code
        what = f"{self._where} answered {status} {plain(response.reason_phrase)}".rstrip()
        if 300 <= status < 400 and (targets := response.headers.get_all("Location")):
            what += f", a redirect to {plain(targets[0])}; redirects are not followed, so use that address"
        elif body := plain(bytes(response.body[: MOST_SHOWN * 4]).decode(errors="replace")):
            what += f": {body}"
        return UpgradeRefusedError(Problem(Domain.WEBSOCKET, status, what), joined(response.headers))

    def _half_read(self, what: str) -> ProblemError:
        """Return the error to report if the `websockets` package cannot parse the server's answer.

        The error contains the HTTP status if the status can be read.
        """
        match = _STATUS.fullmatch(self._status_line)
        if match is None or int(match[1]) == HTTPStatus.SWITCHING_PROTOCOLS:
            return self._garbled(what)
        status = int(match[1])
        text = f"{self._where} answered {status} {plain(match[2].decode(errors='replace'))}".rstrip()
        text += f"; the rest of its answer could not be read: {plain(what)}"
        return UpgradeRefusedError(Problem(Domain.WEBSOCKET, status, text), Headers())

    def _unspoken(self, chosen: str) -> ProblemError:
        text = (
            f"{self._where} was offered the subprotocols {', '.join(self._wanted)}, and selected"
            f" {plain(chosen)}"
        )
        return ProblemError(
            Problem(
                Domain.WEBSOCKET, HTTPStatus.FORBIDDEN, f"{text}; is this the URL of a Couchbase database?"
            )
        )

    def _garbled(self, what: str) -> ProblemError:
        text = f"{self._where} does not answer like a WebSocket server: {plain(what)}"
        return ProblemError(Problem(Domain.WEBSOCKET, CloseCode.PROTOCOL_ERROR, text))
