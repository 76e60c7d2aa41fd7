"""Helpers for tests of transports, such as a recording receiver and a listener that admits all clients."""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sync.net.transport import Transport
from sync.net.websocket import Tuning, WebSocketTransport
from sync.net.ws_client import SUBPROTOCOLS, connect
from sync.net.ws_server import Accept, Reject, Request, Server, serve
from sync.peer.problems import Problem

HASTE = Tuning(heartbeat=None, close_timeout=5)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine with a time limit of half a minute."""
    asyncio.run(asyncio.wait_for(main, 30))


@dataclass
class Recorder:
    """Frame receiver that records the calls of its methods and can echo frames."""

    transport: Transport
    is_echoing: bool = False
    got: list[bytes] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    """Number of frames in each call of `frames`."""
    ends: list[Problem | None] = field(default_factory=list)
    times_writable: int = 0
    on_frames: Callable[[list[bytes]], None] | None = None

    def __post_init__(self) -> None:
        self._changed = asyncio.Event()

    def frames(self, frames: list[bytes]) -> None:
        assert not self.ends
        self.got += frames
        self.calls.append(len(frames))
        if self.on_frames is not None:
            self.on_frames(frames)
        if self.is_echoing:
            for frame in frames:
                self.transport.send(frame)
            self.transport.flush()
        self._changed.set()

    def writable(self) -> None:
        assert not self.ends
        self.times_writable += 1
        self._changed.set()

    def closed(self, problem: Problem | None) -> None:
        assert not self.ends
        self.ends.append(problem)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Check a condition after each call of a method, and wait until it is true."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def frames_come(self, number: int) -> list[bytes]:
        await self.until(lambda: len(self.got) >= number)
        return self.got

    async def over(self) -> Problem | None:
        await self.until(lambda: bool(self.ends))
        return self.ends[0]


@dataclass
class Side:
    """Client's or server's side of an open WebSocket connection."""

    transport: WebSocketTransport
    recorder: Recorder


@dataclass
class Host:
    """WebSocket server, with the clients that have connected and their requests."""

    server: Server
    url: str
    guests: list[Recorder]
    requests: list[Request]
    has_come: asyncio.Event

    async def guest(self, number: int = 0) -> Side:
        while len(self.guests) <= number:
            self.has_come.clear()
            await self.has_come.wait()
        recorder = self.guests[number]
        assert isinstance(recorder.transport, WebSocketTransport)
        return Side(recorder.transport, recorder)


@asynccontextmanager
async def host(
    *,
    answer: Callable[[Request], Accept | Reject] | None = None,
    is_echoing: bool = False,
    tls: ssl.SSLContext | None = None,
    tuning: Tuning = HASTE,
    **options: Any,
) -> AsyncIterator[Host]:
    """Run a WebSocket server on 127.0.0.1, and close the server and all its connections at the end."""
    guests: list[Recorder] = []
    requests: list[Request] = []
    has_come = asyncio.Event()

    def receive(transport: WebSocketTransport) -> Recorder:
        guests.append(Recorder(transport, is_echoing))
        has_come.set()
        return guests[-1]

    async def decide(request: Request) -> Accept | Reject:
        requests.append(request)
        if answer is not None:
            return answer(request)
        return Accept(receive, next(iter(request.subprotocols), ""))

    server = await serve("127.0.0.1", 0, decide, ssl=tls, tuning=tuning, **options)
    scheme = "ws" if tls is None else "wss"
    try:
        yield Host(server, f"{scheme}://127.0.0.1:{server.port}/db/_blipsync", guests, requests, has_come)
    finally:
        server.close()
        await server.wait_closed()


async def dial(url: str, *, is_echoing: bool = False, tuning: Tuning = HASTE, **options: Any) -> Side:
    """Open a WebSocket as a client, and return the client's side."""
    made: list[Recorder] = []

    def receive(transport: WebSocketTransport) -> Recorder:
        made.append(Recorder(transport, is_echoing))
        return made[-1]

    transport = await connect(url, receive, tuning=tuning, **options)
    return Side(transport, made[0])


class Raw:
    """Client or server that writes and reads raw bytes on a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def dial(cls, port: int) -> "Raw":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @classmethod
    async def shaken(cls, port: int, behind: bytes = b"") -> "Raw":
        """Return a client that has completed the WebSocket handshake. It sends `behind` with its request."""
        raw = await cls.dial(port)
        raw.writer.write(REQUEST + behind)
        head = await raw.reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        return raw

    async def rest(self) -> bytes:
        """Read and return all bytes up to the end of the connection."""
        try:
            return await self.reader.read()
        except OSError:
            return b""

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


REQUEST = (
    b"GET /db/_blipsync HTTP/1.1\r\nHost: boat\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: " + ", ".join(SUBPROTOCOLS).encode() + b"\r\n\r\n"
)
"""Valid HTTP request to upgrade to a WebSocket."""


@asynccontextmanager
async def raw_host(talk: Callable[[Raw], Coroutine[Any, Any, None]]) -> AsyncIterator[str]:
    """Run a TCP server that calls `talk` for each connection, and yield its URL."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        raw = Raw(reader, writer)
        try:
            await talk(raw)
        finally:
            await raw.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/db/_blipsync"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Create a self-signed certificate for 127.0.0.1, and return TLS contexts for server and client."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "boat")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "both.pem").write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "both.pem")
    return server, ssl.create_default_context(cadata=pem.decode())
