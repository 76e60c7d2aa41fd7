"""The requests about which a listener must decide, and its possible answers."""

import ssl as tls
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from websockets.datastructures import Headers

from sync.net.transport import FrameReceiver
from sync.net.websocket import WebSocketTransport


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request to connect. For `Decide`, it is a valid WebSocket upgrade."""

    path: str
    """The path with its query, still escaped."""
    headers: Headers
    subprotocols: tuple[str, ...]
    """The subprotocols that the client offers, in its order of preference."""
    remote: str
    ssl_object: tls.SSLObject | None
    """The TLS connection, if there is one, for `getpeercert` and similar calls."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Acceptance of the request."""

    receiver: Callable[[WebSocketTransport], FrameReceiver]
    """Function that makes the transport's receiver. Frames may be sent once it is called."""
    subprotocol: str = ""
    """Subprotocol chosen from those offered; empty for none."""
    headers: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    """The owner of the connection. When places are scarce, the owner with the most connections loses one."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A rejection with an HTTP status, or an answer to a plain HTTP request, possibly with 200."""

    status: int
    text: str = ""
    """Body of the response, for people."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers such as `WWW-Authenticate` and `Retry-After`, or `Content-Type` if it is not plain text."""


Decide = Callable[[Request], Awaitable[Accept | Reject]]
Judge = Callable[[tls.SSLObject], Awaitable[bool | Reject]]
"""Function that judges a client's certificate, which leads to a root, right after the TLS handshake.

It returns True if the holder is to be admitted, False if that depends on the request, or how to refuse it at
once.
"""
Look = Callable[[Request], Awaitable[Reject]]
"""Function that answers a request that asks for no WebSocket."""
