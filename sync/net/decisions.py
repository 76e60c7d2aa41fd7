"""What a listener asks about each WebSocket that a client wants to open, and the answers."""

import ssl as tls
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from websockets.datastructures import Headers

from sync.net.transport import Receiver
from sync.net.websocket import WebSocketTransport


@dataclass(frozen=True, slots=True)
class Request:
    """Who wants to connect, and to what. For `Decide`, it is a valid WebSocket upgrade."""

    path: str
    """With its query, not unescaped."""
    headers: Headers
    subprotocols: tuple[str, ...]
    """What the client offers, the one that it likes best first."""
    remote: str
    ssl_object: tls.SSLObject | None
    """Of the connection, if it is over TLS: `getpeercert` and the like."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Let it in."""

    receiver: Callable[[WebSocketTransport], Receiver]
    """Makes who receives from it; frames may be sent from here on."""
    subprotocol: str = ""
    """One of those offered; empty: none."""
    headers: tuple[tuple[str, str], ...] = ()
    owner: str = ""
    """Whose connection it is: where places are few, whoever has most gives way."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Turn it away, with an HTTP status; or answer what is no WebSocket, perhaps with 200."""

    status: int
    text: str = ""
    """For people."""
    headers: tuple[tuple[str, str], ...] = ()
    """`WWW-Authenticate`, `Retry-After`, `Content-Type` where it is not plain text."""


Decide = Callable[[Request], Awaitable[Accept | Reject]]
Look = Callable[[Request], Awaitable[Reject]]
"""What to answer to a request that asks for no WebSocket."""
