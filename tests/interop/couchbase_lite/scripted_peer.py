"""A passive peer that sends scripted answers and records all requests.

Tests use this peer to examine the messages of Couchbase Lite. The peer requests every document that a client
pushes. To a client that pulls, it sends the revisions in its script.
"""

import json
import ssl
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from sync.blip import BlipConnection, Event, RequestReceived, ResponseReceived

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Offered:
    """Revision that the scripted peer sends to a client that pulls."""

    id: str
    rev: str
    body: JSON
    history: tuple[str, ...] = ()
    delta: tuple[str, Any] | None = None
    """Base revision and delta, which is sent instead of the body if the client accepts deltas."""


@dataclass
class ScriptedPeer:
    """WebSocket server of a scripted peer on a free port of 127.0.0.1, as a context manager."""

    offers: tuple[Offered, ...] = ()
    subprotocol: str = "BLIP_3+CBMobile_3"
    deltas: bool = True
    """True if the peer sets the `deltas` property in replies and requests."""
    blobs: bool = True
    """True if the peer sets the `blobs` property, so that clients need not send `_attachments` in bodies."""
    tls: ssl.SSLContext | None = None
    path: str = ""
    headers: Headers = field(default_factory=Headers)
    requests: list[RequestReceived] = field(default_factory=list)
    """Requests received on all connections, in the order of arrival."""
    replies: list[tuple[str, Event]] = field(default_factory=list)
    """Type of each request that this peer has sent and that was answered, with the answer."""
    checkpoints: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    """Revision and body of each stored checkpoint, by client id."""

    def __enter__(self) -> Self:
        self._server: Server = serve(
            self._serve,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(self.subprotocol)],
            compression=None,
            ssl=self.tls,
        )
        self._sockets: list[ServerConnection] = []
        self._thread = threading.Thread(target=self._server.serve_forever, name="scripted-peer")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        """URL at which clients replicate with the scripted peer."""
        scheme = "wss" if self.tls else "ws"
        return f"{scheme}://127.0.0.1:{self._server.socket.getsockname()[1]}/log"

    def hang_up(self, code: int) -> None:
        """Close all WebSocket connections with this close code."""
        for socket in self._sockets:
            socket.close(code)

    def asked(self, profile: str) -> list[RequestReceived]:
        """Return the received requests of this message type."""
        return [request for request in self.requests if request.profile == profile]

    def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        self.path, self.headers = socket.request.path, socket.request.headers
        self._sockets.append(socket)
        connection = BlipConnection()
        sent: dict[int, str] = {}
        try:
            for frame in socket:
                assert isinstance(frame, bytes)
                for event in connection.receive(frame):
                    if isinstance(event, RequestReceived):
                        self.requests.append(event)
                        self._answer(connection, event, sent)
                    else:
                        self._answered(connection, event, sent)
                while (out := connection.next_frame()) is not None:
                    socket.send(out)
        except ConnectionClosed:
            return

    def _answer(self, connection: BlipConnection, request: RequestReceived, sent: dict[int, str]) -> None:
        if request.no_reply:
            return
        match request.profile:
            case "getCheckpoint":
                kept = self.checkpoints.get(request.properties["client"])
                if kept is None:
                    connection.send_error(request.number, 404, "none", domain="HTTP")
                else:
                    connection.send_response(request.number, {"rev": kept[0]}, kept[1])
            case "setCheckpoint":
                rev = f"0-{len(self.asked('setCheckpoint'))}"
                self.checkpoints[request.properties["client"]] = rev, request.body
                connection.send_response(request.number, {"rev": rev})
            case "proposeChanges":
                connection.send_response(request.number, self._terms(), b"[]")
            case "changes":
                wanted: list[list[str]] = [[] for _ in json.loads(request.body)]
                connection.send_response(request.number, self._terms(), json.dumps(wanted).encode())
            case "subChanges":
                connection.send_response(request.number)
                changes = [[place, offer.id, offer.rev] for place, offer in enumerate(self.offers, 1)]
                if changes:
                    self._ask(connection, sent, "changes", self._terms(), changes)
                self._ask(connection, sent, "changes", {}, [])
            case "rev":
                connection.send_response(request.number)
            case _:
                connection.send_not_handled(request)

    def _answered(self, connection: BlipConnection, event: Event, sent: dict[int, str]) -> None:
        if not hasattr(event, "number") or event.number not in sent:
            return
        profile = sent.pop(event.number)
        self.replies.append((profile, event))
        if profile != "changes" or not isinstance(event, ResponseReceived):
            return
        answers = json.loads(event.body or b"[]")
        for place, (offer, answer) in enumerate(zip(self.offers, answers, strict=False), 1):
            if isinstance(answer, list):
                self._send(connection, sent, offer, place, deltas=event.properties.get("deltas") == "true")

    def _send(
        self, connection: BlipConnection, sent: dict[int, str], offer: Offered, sequence: int, *, deltas: bool
    ) -> None:
        properties = {"id": offer.id, "rev": offer.rev, "sequence": str(sequence)}
        if offer.history:
            properties["history"] = ",".join(offer.history)
        body: Any = offer.body
        if deltas and offer.delta is not None:
            properties["deltaSrc"], body = offer.delta
        self._ask(connection, sent, "rev", properties, body)

    @staticmethod
    def _ask(
        connection: BlipConnection, sent: dict[int, str], profile: str, properties: dict[str, str], body: Any
    ) -> None:
        number = connection.send_request(
            {"Profile": profile, **properties}, json.dumps(body).encode(), compressed=True
        )
        sent[number] = profile

    def _terms(self) -> dict[str, str]:
        terms = {"maxHistory": "20"}
        if self.deltas:
            terms["deltas"] = "true"
        if self.blobs:
            terms["blobs"] = "true"
        return terms
