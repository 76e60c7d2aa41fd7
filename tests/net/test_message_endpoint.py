"""Replication over connections that an application provides, which carry messages or a stream of bytes."""

import asyncio
import errno
import os
import pty
import socket
import tty
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from sync.net.byte_streams import DescriptorConnection, StreamConnection
from sync.net.message_endpoint import (
    MessageEndpointConnection,
    MessagingError,
    ProtocolType,
    ReplicatorConnection,
    Side,
    open_endpoint,
)
from sync.net.transport import Transport
from sync.net.websocket import Tuning
from sync.peer.problems import Domain, ProblemError
from tests.net.wire import HASTE, Recorder, run


class Paired:
    """In-memory connection that carries whole messages to and from a second one."""

    def __init__(self) -> None:
        self.other: Paired | None = None
        self.replicator: ReplicatorConnection | None = None
        self.sent: list[bytes] = []
        self.closed_with: list[Exception | None] = []
        self.is_closed = asyncio.Event()
        self.may_send = asyncio.Event()
        self.may_send.set()
        self.failure: Exception | None = None

    async def open(self, connection: ReplicatorConnection) -> None:
        if self.failure is not None:
            raise self.failure
        self.replicator = connection

    async def send(self, data: bytes) -> None:
        await self.may_send.wait()
        if self.failure is not None:
            raise self.failure
        self.sent.append(data)
        if self.other is not None and self.other.replicator is not None:
            await self.other.replicator.ready()
            self.other.replicator.receive(data)

    async def close(self, error: Exception | None) -> None:
        self.closed_with.append(error)
        self.is_closed.set()
        if self.other is not None and self.other.replicator is not None:
            self.other.replicator.close(MessagingError(error) if error is not None else None)


def a_pair() -> tuple[Paired, Paired]:
    one, two = Paired(), Paired()
    one.other, two.other = two, one
    return one, two


async def opened(
    connection: MessageEndpointConnection, kind: ProtocolType, side: Side, tuning: Tuning = HASTE
) -> Recorder:
    made: list[Recorder] = []

    def receive(transport: Transport) -> Recorder:
        made.append(Recorder(transport))
        return made[-1]

    await open_endpoint(connection, receive, protocol_type=kind, side=side, remote="the other", tuning=tuning)
    return made[0]


async def both(
    connections: tuple[MessageEndpointConnection, MessageEndpointConnection],
    kind: ProtocolType,
    **options: Any,
) -> tuple[Recorder, Recorder]:
    active = await opened(connections[0], kind, Side.ACTIVE, **options)
    return active, await opened(connections[1], kind, Side.PASSIVE, **options)


async def pump(side: Recorder, frames: list[bytes]) -> None:
    for at, frame in enumerate(frames):
        side.transport.send(frame)
        if at % 20 == 19:
            side.transport.flush()
            if not side.transport.is_writable:
                await side.until(lambda: side.transport.is_writable)
    side.transport.flush()


# Connections that carry bytes


def over_pty() -> tuple[MessageEndpointConnection, MessageEndpointConnection]:
    one, two = pty.openpty()
    tty.setraw(two)
    return DescriptorConnection(one), DescriptorConnection(two)


def over_socketpair() -> tuple[MessageEndpointConnection, MessageEndpointConnection]:
    one, two = socket.socketpair()
    return DescriptorConnection(one.detach()), DescriptorConnection(two.detach())


def over_pipes() -> tuple[MessageEndpointConnection, MessageEndpointConnection]:
    there, back = os.pipe(), os.pipe()
    return DescriptorConnection(back[0], there[1]), DescriptorConnection(there[0], back[1])


Connections = tuple[MessageEndpointConnection, MessageEndpointConnection]


@asynccontextmanager
async def over(name: str) -> AsyncIterator[Connections]:
    if name == "streams":
        one, two = socket.socketpair()
        first = StreamConnection(*await asyncio.open_connection(sock=one))
        second = StreamConnection(*await asyncio.open_connection(sock=two))
        yield first, second
    else:
        makers: dict[str, Callable[[], Connections]] = {
            "pty": over_pty,
            "socketpair": over_socketpair,
            "pipes": over_pipes,
        }
        yield makers[name]()


@pytest.fixture(params=["pty", "socketpair", "pipes", "streams"])
def line(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_frames_pass_over_a_byte_stream_in_order_in_both_directions(line: str) -> None:
    async def main() -> None:
        async with over(line) as connections:
            one, two = await both(connections, ProtocolType.BYTE_STREAM)
            there = [os.urandom(size % 700) for size in range(1000)] + [os.urandom(65_536)]
            back = [b"%d" % number for number in range(1000)]
            await asyncio.gather(pump(one, there), pump(two, back))
            assert await two.frames_come(len(there)) == there
            assert await one.frames_come(len(back)) == back
            one.transport.close()
            assert await one.over() is None
            assert await two.over() is None

    run(main())


def test_a_byte_stream_whose_receiver_pauses_stops_the_sender(line: str) -> None:
    async def main() -> None:
        async with over(line) as connections:
            tuning = Tuning(heartbeat=None, buffer_bytes=20_000)
            one, two = await both(connections, ProtocolType.BYTE_STREAM, tuning=tuning)
            two.transport.pause()
            sent = 0
            while one.transport.is_writable and sent < 10_000:
                one.transport.send(b"%05d" % sent * 120)
                one.transport.flush()
                sent += 1
                await asyncio.sleep(0)
            assert not one.transport.is_writable
            assert len(two.got) == 0
            two.transport.resume()
            assert await two.frames_come(sent) == [b"%05d" % number * 120 for number in range(sent)]
            await one.until(lambda: one.transport.is_writable)
            one.transport.close()
            assert await one.over() is None
            assert await two.over() is None

    run(main())


def test_cut_byte_stream_is_reported_to_the_other_side_as_a_problem(line: str) -> None:
    async def main() -> None:
        async with over(line) as connections:
            one, two = await both(connections, ProtocolType.BYTE_STREAM)
            one.transport.abort()
            for side in (one, two):
                problem = await side.over()
                assert problem is not None
                assert problem.domain in (Domain.WEBSOCKET, Domain.POSIX)

    run(main())


def test_heartbeat_detects_a_silent_line() -> None:
    async def main() -> None:
        far, near = pty.openpty()
        tty.setraw(near)
        side = await opened(
            DescriptorConnection(near),
            ProtocolType.BYTE_STREAM,
            Side.ACTIVE,
            Tuning(heartbeat=0.01, grace=0.02),
        )
        problem = await side.over()
        os.close(far)
        assert problem is not None
        assert problem.code == errno.ETIMEDOUT

    run(main())


def test_noise_on_a_line_ends_the_connection_with_1002() -> None:
    async def main() -> None:
        far, near = pty.openpty()
        tty.setraw(near)
        side = await opened(DescriptorConnection(near), ProtocolType.BYTE_STREAM, Side.PASSIVE)
        os.write(far, b"login: ")
        os.set_blocking(far, True)
        assert (await asyncio.to_thread(os.read, far, 4))[2:] == b"\x03\xea"
        os.close(far)
        problem = await side.over()
        assert problem is not None
        assert problem.code == 1002

    run(main())


def test_the_active_side_masks_and_the_passive_one_does_not() -> None:
    async def main() -> None:
        one, two = Paired(), Paired()
        active, passive = await both((one, two), ProtocolType.BYTE_STREAM)
        for side in (active, passive):
            side.transport.send(b"same")
            side.transport.flush()
        await asyncio.sleep(0)
        assert (one.sent[0][:2], len(one.sent[0])) == (b"\x82\x84", 10)
        assert two.sent == [Frame(Opcode.BINARY, b"same").serialize(mask=False)]
        for side in (active, passive):
            side.transport.abort()
            await side.over()

    run(main())


# Connections that carry messages


def test_each_frame_is_one_message_in_both_directions() -> None:
    async def main() -> None:
        connections = a_pair()
        one, two = await both(connections, ProtocolType.MESSAGE_STREAM)
        frames = [b"%d" % number * 50 for number in range(3000)]
        await asyncio.gather(pump(one, frames), pump(two, frames))
        assert await one.frames_come(3000) == frames
        assert await two.frames_come(3000) == frames
        assert connections[0].sent == frames
        assert one.transport.bytes_sent == two.transport.bytes_received == sum(map(len, frames))
        one.transport.send(b"last")
        one.transport.close()
        one.transport.send(b"ignored")
        assert await one.over() is None
        assert await two.over() is None
        assert two.got[-1] == b"last"
        assert connections[0].closed_with == connections[1].closed_with == [None]

    run(main())


def test_queue_of_messages_that_cannot_be_sent_is_bounded() -> None:
    async def main() -> None:
        connections = a_pair()
        one, two = await both(connections, ProtocolType.MESSAGE_STREAM)
        connections[0].may_send.clear()
        while one.transport.is_writable:
            one.transport.send(bytes(300))
            one.transport.flush()
        assert one.transport.bytes_sent <= HASTE.buffer_bytes + 300
        connections[0].may_send.set()
        await one.until(lambda: one.times_writable == 1)
        await two.frames_come(one.transport.bytes_sent // 300)
        one.transport.close()
        await asyncio.gather(one.over(), two.over())

    run(main())


def test_application_that_does_not_await_ready_is_disconnected() -> None:
    async def main() -> None:
        connection = Paired()
        side = await opened(connection, ProtocolType.MESSAGE_STREAM, Side.PASSIVE)
        side.transport.pause()
        assert connection.replicator is not None
        for _ in range(40):
            connection.replicator.receive(bytes(60_000))
        problem = await side.over()
        assert problem is not None
        assert problem.code == errno.ENOBUFS
        await connection.replicator.ready()

    run(main())


def test_data_received_before_the_end_is_delivered_before_it_even_after_a_pause() -> None:
    async def main() -> None:
        connection = Paired()
        side = await opened(connection, ProtocolType.MESSAGE_STREAM, Side.PASSIVE)
        assert connection.replicator is not None
        side.transport.pause()
        connection.replicator.receive(b"last")
        connection.replicator.close()
        side.transport.resume()
        assert await side.over() is None
        assert side.got == [b"last"]

    run(main())


@pytest.mark.parametrize("kind", ProtocolType)
def test_error_of_the_connection_is_reported_as_its_problem(kind: ProtocolType) -> None:
    async def main() -> None:
        connection = Paired()
        side = await opened(connection, kind, Side.ACTIVE)
        assert connection.replicator is not None
        connection.replicator.close(MessagingError(OSError(errno.ENODEV, "the radio is gone")))
        connection.replicator.close()
        connection.replicator.receive(b"too late")
        problem = await side.over()
        assert problem is not None
        assert (problem.domain, problem.code) == (Domain.POSIX, errno.ENODEV)
        assert "the radio is gone" in problem.text

    run(main())


@pytest.mark.parametrize("kind", ProtocolType)
def test_a_send_that_fails_ends_the_connection(kind: ProtocolType) -> None:
    async def main() -> None:
        connection = Paired()
        side = await opened(connection, kind, Side.ACTIVE)
        connection.failure = OSError(errno.EIO, "broken")
        side.transport.send(b"x")
        side.transport.flush()
        problem = await side.over()
        assert problem is not None
        assert problem.code == errno.EIO
        assert len(connection.closed_with) == 1

    run(main())


def test_a_connection_that_does_not_open_is_a_problem() -> None:
    async def main() -> None:
        connection = Paired()
        connection.failure = MessagingError(OSError(errno.EHOSTDOWN, "no answer by radio"))
        with pytest.raises(ProblemError) as caught:
            await opened(connection, ProtocolType.MESSAGE_STREAM, Side.ACTIVE)
        assert caught.value.problem.code == errno.EHOSTDOWN
        await connection.is_closed.wait()

    run(main())


def test_a_message_over_the_limit_ends_the_connection_with_1009() -> None:
    async def main() -> None:
        connection = Paired()
        side = await opened(connection, ProtocolType.MESSAGE_STREAM, Side.PASSIVE)
        assert connection.replicator is not None
        for data in (b"fine", bytes(65_537), b"too late"):
            connection.replicator.receive(data)
        problem = await side.over()
        assert problem is not None
        assert problem.code == 1009
        assert side.got == [b"fine"]

    run(main())


def test_close_that_never_completes_is_aborted() -> None:
    async def main() -> None:
        for kind in ProtocolType:
            connection = Paired()
            side = await opened(connection, kind, Side.ACTIVE, Tuning(close_timeout=0.02))
            connection.may_send.clear()
            side.transport.send(b"never sent")
            side.transport.close()
            problem = await side.over()
            assert problem is not None
            assert problem.code == 1006

    run(main())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=6))
def test_any_bytes_on_a_line_yield_frames_or_one_problem(pieces: list[bytes]) -> None:
    async def main() -> None:
        connection = Paired()
        side = await opened(connection, ProtocolType.BYTE_STREAM, Side.PASSIVE)
        assert connection.replicator is not None
        for piece in pieces:
            connection.replicator.receive(piece)
        connection.replicator.close()
        await side.over()
        assert len(side.ends) == 1

    run(main())
