"""HTTP requests that a listener must accept or reject, and the possible answers."""

import ssl as tls
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from websockets.datastructures import Headers

from sync.net.transport import FrameReceiver
from sync.net.websocket import WebSocketTransport


@dataclass(frozen=True, slots=True)
class Request:
    """A client's HTTP request. A `Decide` function receives only valid WebSocket upgrade requests."""

    path: str
    """The path and query, still percent-encoded."""
    headers: Headers
    subprotocols: tuple[str, ...]
    """The subprotocols that the client offers, in its order of preference."""
    remote: str
    ssl_object: tls.SSLObject | None
    """The TLS connection for `getpeercert` and similar calls; None without TLS."""


@dataclass(frozen=True, slots=True)
class Accept:
    """The decision to accept a request and open a WebSocket."""

    receiver: Callable[[WebSocketTransport], FrameReceiver]
    """Function that is called with the open transport, and returns the receiver of its frames."""
    subprotocol: str = ""
    """Subprotocol selected from the offered ones; empty for none."""
    headers: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    """Owner of the connection.

    When all slots are in use, a connection of the owner with the most connections is closed.
    """


@dataclass(frozen=True, slots=True)
class Reject:
    """An HTTP response that opens no WebSocket: a rejection, or an answer (even 200) to plain HTTP."""

    status: int
    text: str = ""
    """Human-readable body of the response."""
    headers: tuple[tuple[str, str], ...] = ()
    """Additional headers, such as `WWW-Authenticate`, or `Content-Type` if `text` is not plain text."""


Decide = Callable[[Request], Awaitable[Accept | Reject]]
Judge = Callable[[tls.SSLObject], Awaitable[bool | Reject]]
"""Function that checks a client's certificate right after the TLS handshake, which has verified its issuer.

It returns True if the certificate is accepted, False if admission depends on the HTTP request, or a rejection
to send immediately.
"""
Look = Callable[[Request], Awaitable[Reject]]
"""Function that answers an HTTP request that is not a WebSocket upgrade."""
