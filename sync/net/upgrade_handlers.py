"""HTTP requests that a listener must accept or reject, and the answers that it can give."""

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
    """The decision to accept a client's request, and to open a WebSocket."""

    receiver: Callable[[WebSocketTransport], FrameReceiver]
    """Function that is called with the open transport, and returns the receiver of its frames."""
    subprotocol: str = ""
    """Subprotocol selected from those that the client offers; empty for none."""
    headers: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    """Name of the connection's owner, for example a user.

    When all slots are in use, a connection of the owner with the most connections is closed.
    """


@dataclass(frozen=True, slots=True)
class Reject:
    """An HTTP response that opens no WebSocket: a rejection, or the answer to a plain HTTP request."""

    status: int
    text: str = ""
    """Human-readable body of the response."""
    headers: tuple[tuple[str, str], ...] = ()
    """Additional headers, such as `WWW-Authenticate`, or `Content-Type` if `text` is not plain text."""


Decide = Callable[[Request], Awaitable[Accept | Reject]]
Judge = Callable[[tls.SSLObject], Awaitable[bool | Reject]]
"""Function that checks a client's certificate after the TLS handshake, which has verified the issuer.

It returns True if the certificate is accepted, False if admission depends on the HTTP request, or a rejection
that is sent immediately.
"""
Look = Callable[[Request], Awaitable[Reject]]
"""Function that answers an HTTP request that is not a WebSocket upgrade."""
