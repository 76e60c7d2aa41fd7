"""A bare pipe, which does only the minimum work of a replication between two Python processes.

The pipe uses Logboat's WebSocket transport with TLS, and BLIP frames with checksums and compression. The
receiver parses documents as JSON, inserts them durably into a SQLite table, 200 in a transaction, and replies
to each. There are no revisions, proposals or checkpoints, and the sender does not read from a store.
"""

import asyncio
import os
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

import apsw
import msgspec

from sync.blip.codec import Decoder, Encoder
from sync.blip.frames import COMPRESSED, FrameKind, decode_header
from sync.net import ws_client, ws_server
from sync.net.tls_contexts import client_context, server_context
from sync.net.tls_identity import TLSIdentity
from sync.net.transport import Transport
from sync.peer.problems import Problem

from .serving import Steady, reading_id, served, until_told
from .store import BATCH, body

AWAITING: Final = 5 * BATCH
"""Maximum number of documents that wait for a reply. Replication has the same limit."""
FLUSH_EVERY: Final = 100
MOST: Final = 1024 * 1024


class _Passive:
    """Receiver of the pipe, which inserts documents into a table and replies to each."""

    def __init__(self, transport: Transport, path: Path) -> None:
        self._transport = transport
        self._encoder, self._decoder = Encoder(), Decoder(MOST)
        self._rows: list[tuple[int, str, str, bytes]] = []
        self._store = apsw.Connection(str(path))
        self._store.pragma("journal_mode", "wal")
        self._store.pragma("synchronous", 2)
        self._store.execute(
            "CREATE TABLE d (number INTEGER PRIMARY KEY, id TEXT UNIQUE, type TEXT, body BLOB)"
        )

    def frames(self, frames: list[bytes]) -> None:
        for frame in frames:
            number, flags, start = decode_header(frame)
            name, _, raw = self._decoder.open(frame, start, flags).partition(b"\n")
            self._rows.append((number, name.decode(), msgspec.json.decode(raw)["type"], raw))
            if len(self._rows) == BATCH:
                self._insert()

    def _insert(self) -> None:
        self._store.execute("BEGIN IMMEDIATE")
        self._store.executemany("INSERT INTO d VALUES (?, ?, ?, ?)", self._rows)
        self._store.execute("COMMIT")
        for row in self._rows:
            self._transport.send(self._encoder.seal(row[0], FrameKind.RESPONSE, b""))
        self._rows.clear()
        self._transport.flush()

    def writable(self) -> None:
        pass

    def closed(self, problem: Problem | None) -> None:
        self._store.close()


class _Active:
    """Sender of the pipe, which counts the replies."""

    def __init__(self, transport: Transport, contents: list[bytes]) -> None:
        self._transport, self._contents = transport, contents
        self._encoder, self._decoder = Encoder(), Decoder(MOST)
        self._sent = self.done = 0
        self.gone = asyncio.get_running_loop().create_future()

    def frames(self, frames: list[bytes]) -> None:
        for frame in frames:
            _, flags, start = decode_header(frame)
            self._decoder.open(frame, start, flags)
        self.done += len(frames)
        self.writable()

    def writable(self) -> None:
        transport, most = self._transport, min(len(self._contents), self.done + AWAITING)
        while transport.is_writable and self._sent < most:
            content = self._contents[self._sent]
            self._sent += 1
            transport.send(self._encoder.seal(self._sent, FrameKind.REQUEST | COMPRESSED, content))
            if self._sent % FLUSH_EVERY == 0:
                transport.flush()
        transport.flush()

    def closed(self, problem: Problem | None) -> None:
        self.gone.set_result(problem)


def listen(path: Path, pipe: Connection) -> None:
    """Run the pipe's receiving process."""

    async def decide(_: ws_server.Request) -> ws_server.Accept:
        return ws_server.Accept(lambda transport: _Passive(transport, path), ws_client.SUBPROTOCOLS[0])

    async def main() -> None:
        identity = TLSIdentity.self_signed("logboat")
        server = await ws_server.serve("127.0.0.1", 0, decide, ssl=server_context(identity))
        await until_told(pipe, f"wss://127.0.0.1:{server.port}/", identity)
        server.close()
        await server.wait_closed()

    asyncio.run(main())


def measure(folder: Path, count: int) -> Steady:
    """Send `count` documents through the pipe, and return the rate. `count` must be a multiple of BATCH."""
    contents = [
        reading_id(number).encode() + b"\n" + msgspec.json.encode(body(number)) for number in range(count)
    ]

    async def main(url: str, fingerprint: str, steady: Steady) -> None:
        made: list[_Active] = []

        def receiver(transport: Transport) -> _Active:
            made.append(_Active(transport, contents))
            return made[0]

        tls = client_context(pinned=fingerprint)
        transport = await ws_client.connect(url, receiver, ssl=tls.context, check=tls.check)
        active = made[0]
        active.writable()
        gone: asyncio.Task[object] = asyncio.create_task(_wait(active.gone))
        await steady.follow(lambda: active.done, gone)
        transport.close()
        await gone

    with served(folder / "pipe.db", listen) as other:
        steady = Steady(count, active=os.getpid(), passive=other.pid)
        asyncio.run(main(other.url, other.fingerprint, steady))
    return steady


async def _wait(future: "asyncio.Future[object]") -> object:
    return await future
