"""Serves a simulated LiteCore (module `litecore`) over a real WebSocket, for clients in other processes."""

import threading
from types import TracebackType
from typing import Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from .litecore import Conversation, LiteCore


class LiteCoreServer:
    """WebSocket server of one simulated LiteCore on a free port of 127.0.0.1, as a context manager."""

    def __init__(self, litecore: LiteCore | None = None, *, subprotocol: str = "BLIP_3+CBMobile_3") -> None:
        self.litecore = litecore or LiteCore()
        self._subprotocol = subprotocol

    def __enter__(self) -> Self:
        self._server = serve(
            self._serve, "127.0.0.1", 0, subprotocols=[Subprotocol(self._subprotocol)], compression=None
        )
        self._thread = threading.Thread(target=self._server.serve_forever, name="litecore")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()

    @property
    def url(self) -> str:
        """WebSocket URL at which clients replicate with the database."""
        return f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/log"

    def _serve(self, socket: ServerConnection) -> None:
        conversation = Conversation(self.litecore)
        try:
            for frame in socket:
                assert isinstance(frame, bytes)
                conversation.receive(frame)
                if conversation.closed is not None:
                    socket.close(conversation.closed)
                    return
                for out in conversation.frames():
                    socket.send(out)
        except ConnectionClosed:
            return
