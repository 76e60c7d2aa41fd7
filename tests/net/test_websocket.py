"""Tests of open WebSockets on real sockets, with their back-pressure, heartbeats and closing."""

import asyncio
import errno
import os
import socket
import ssl
import struct
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from sync.net.websocket import Tuning
from sync.peer.problems import Domain
from tests.net.wire import HASTE, Raw, Side, dial, host, make_certificate, run


@pytest.fixture(params=["plain", "tls"])
def tls(
    request: pytest.FixtureRequest, tmp_path: Path
) -> tuple[ssl.SSLContext | None, ssl.SSLContext | None]:
    return make_certificate(tmp_path) if request.param == "tls" else (None, None)


Tls = tuple[ssl.SSLContext | None, ssl.SSLContext | None]


def message(data: bytes, opcode: Opcode = Opcode.BINARY, *, fin: bool = True) -> bytes:
    return Frame(opcode, data, fin).serialize(mask=True)


async def pump(side: Side, frames: list[bytes]) -> None:
    """Send all frames as fast as the WebSocket accepts them."""
    for at, frame in enumerate(frames):
        side.transport.send(frame)
        if at % 50 == 49:
            side.transport.flush()
            if not side.transport.is_writable:
                await side.recorder.until(lambda: side.transport.is_writable)
    side.transport.flush()


def test_twenty_thousand_small_frames_are_echoed_in_order(tls: Tls) -> None:
    async def main() -> None:
        frames = [b"%d " % number * 60 for number in range(20_000)]
        async with host(is_echoing=True, tls=tls[0]) as there:
            here = await dial(there.url, ssl=tls[1])
            await pump(here, frames)
            assert await here.recorder.frames_come(len(frames)) == frames
            total = sum(map(len, frames))
            assert here.transport.bytes_sent == here.transport.bytes_received == total
            assert len(here.recorder.calls) < len(frames) / 10
            here.transport.close()
            assert await here.recorder.over() is None

    run(main())


def test_both_sides_can_send_at_the_same_time(tls: Tls) -> None:
    async def main() -> None:
        frames = [os.urandom(300) for _ in range(5000)]
        async with host(tls=tls[0]) as there:
            here = await dial(there.url, ssl=tls[1])
            guest = await there.guest()
            await asyncio.gather(pump(here, frames), pump(guest, frames))
            assert await here.recorder.frames_come(len(frames)) == frames
            assert await guest.recorder.frames_come(len(frames)) == frames
            here.transport.abort()
            await here.recorder.over()

    run(main())


def test_frames_of_every_size_class_arrive_whole(tls: Tls) -> None:
    async def main() -> None:
        frames = [os.urandom(size) for size in (0, 1, 125, 126, 16_384, 65_535, 65_536)]
        async with host(is_echoing=True, tls=tls[0]) as there:
            here = await dial(there.url, ssl=tls[1])
            await pump(here, frames)
            assert await here.recorder.frames_come(len(frames)) == frames
            here.transport.close()
            await here.recorder.over()

    run(main())


def test_a_frame_over_the_limit_ends_the_connection_with_1009_on_both_sides() -> None:
    async def main() -> None:
        async with host() as there:
            here = await dial(there.url)
            here.transport.send(bytes(65_537))
            here.transport.flush()
            theirs = await (await there.guest()).recorder.over()
            ours = await here.recorder.over()
            assert theirs is not None
            assert ours is not None
            assert (theirs.domain, theirs.code) == (ours.domain, ours.code) == (Domain.WEBSOCKET, 1009)

    run(main())


def test_a_fragmented_message_arrives_as_one_frame() -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.shaken(there.server.port)
            raw.writer.write(
                message(b"a", fin=False)
                + message(b"?", Opcode.PING)
                + message(b"b", Opcode.CONT, fin=False)
                + message(b"c", Opcode.CONT)
                + message(b"next")
            )
            guest = await there.guest()
            assert await guest.recorder.frames_come(2) == [b"abc", b"next"]
            assert await raw.reader.readexactly(3) == b"\x8a\x01?"
            await raw.close()

    run(main())


def test_a_text_message_ends_the_connection_with_1003() -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.shaken(there.server.port)
            raw.writer.write(message(b"before") + message(b"text", Opcode.TEXT) + message(b"after"))
            answer = await raw.reader.readexactly(4)
            assert (answer[0], struct.unpack("!H", answer[2:])) == (0x88, (1003,))
            await raw.close()
            recorder = (await there.guest()).recorder
            problem = await recorder.over()
            assert problem is not None
            assert problem.code == 1003
            assert recorder.got == [b"before"]

    run(main())


def test_an_unmasked_frame_ends_the_connection_with_1002() -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.shaken(there.server.port)
            raw.writer.write(Frame(Opcode.BINARY, b"x").serialize(mask=False))
            assert (await raw.reader.readexactly(4))[2:] == struct.pack("!H", 1002)
            await raw.close()
            problem = await (await there.guest()).recorder.over()
            assert problem is not None
            assert problem.code == 1002

    run(main())


def test_a_receiver_that_pauses_stops_the_sender_and_nothing_is_lost(tls: Tls) -> None:
    async def main() -> None:
        async with host(tls=tls[0]) as there:
            here = await dial(there.url, ssl=tls[1])
            guest = await there.guest()
            guest.transport.pause()
            sent = 0
            while here.transport.is_writable:
                for _ in range(20):
                    here.transport.send(b"%06d" % sent * 100)
                    sent += 1
                here.transport.flush()
                await asyncio.sleep(0)
            # The buffers of the operating system and of the transport are full. The transport's buffer is
            # bounded, and the other side has received only a part of the data.
            assert here.transport._pipe.get_write_buffer_size() <= HASTE.buffer_bytes + 20 * 620
            taken = len(guest.recorder.got)
            assert taken < sent
            guest.transport.resume()
            await here.recorder.until(lambda: here.recorder.times_writable == 1)
            assert here.transport.is_writable
            got = await guest.recorder.frames_come(sent)
            assert got == [b"%06d" % number * 100 for number in range(sent)]
            here.transport.close()
            assert await here.recorder.over() is None

    run(main())


def test_peer_that_pings_and_never_reads_does_not_fill_memory() -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.shaken(there.server.port)
            guest = await there.guest()
            while guest.transport.is_writable:
                guest.transport.send(bytes(60_000))
                guest.transport.flush()
            before = guest.transport._pipe.get_write_buffer_size()
            ping = message(bytes(125), Opcode.PING)
            for _ in range(100):
                raw.writer.write(ping * 500)
                await raw.writer.drain()
            raw.writer.write(message(b"done"))
            await guest.recorder.frames_come(1)
            assert guest.transport._pipe.get_write_buffer_size() <= before
            guest.transport.abort()
            await guest.recorder.over()
            await raw.close()

    run(main())


@pytest.mark.parametrize("closer", ["client", "server"])
@pytest.mark.parametrize(
    ("code", "here_code", "there_code"),
    [(1000, None, None), (1001, None, 1001), (1008, 1008, 1008), (4321, 4321, 4321)],
)
def test_each_side_is_notified_once_with_the_reason_for_closing(
    tls: Tls, closer: str, code: int, here_code: int | None, there_code: int | None
) -> None:
    async def main() -> None:
        async with host(tls=tls[0]) as there:
            client = await dial(there.url, ssl=tls[1])
            server = await there.guest()
            one, two = (client, server) if closer == "client" else (server, client)
            one.transport.send(b"last words")
            one.transport.close(code, "because")
            one.transport.close()
            one.transport.send(b"ignored")
            one.transport.flush()
            ours, theirs = await one.recorder.over(), await two.recorder.over()
            assert two.recorder.got == [b"last words"]
            assert (ours and ours.code) == here_code
            assert (theirs and theirs.code) == there_code
            if theirs is not None:
                assert "because" in theirs.text

    run(main())


def test_queued_frames_are_sent_before_a_close_even_if_the_peer_is_slow(tls: Tls) -> None:
    async def main() -> None:
        async with host(tls=tls[0]) as there:
            here = await dial(there.url, ssl=tls[1])
            guest = await there.guest()
            guest.transport.pause()
            frames = [os.urandom(60_000) for _ in range(100)]
            for frame in frames:
                here.transport.send(frame)
            here.transport.close()
            guest.transport.resume()
            assert await guest.recorder.over() is None
            assert guest.recorder.got == frames
            assert await here.recorder.over() is None

    run(main())


def test_paused_side_still_completes_its_own_close() -> None:
    async def main() -> None:
        async with host() as there:
            here = await dial(there.url)
            here.transport.pause()
            here.transport.close()
            assert await here.recorder.over() is None

    run(main())


def test_close_that_is_never_answered_is_aborted() -> None:
    async def main() -> None:
        async with host(tuning=Tuning(close_timeout=0.05)) as there:
            raw = await Raw.shaken(there.server.port)
            guest = await there.guest()
            guest.transport.close()
            problem = await guest.recorder.over()
            assert problem is not None
            assert (problem.domain, problem.code) == (Domain.WEBSOCKET, 1006)
            assert "0.05 s" in problem.text
            await raw.close()

    run(main())


def test_frames_received_after_our_close_are_dropped() -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.shaken(there.server.port)
            guest = await there.guest()
            guest.transport.close()
            assert (await raw.reader.readexactly(4))[:1] == b"\x88"
            raw.writer.write(message(b"late") + message(struct.pack("!H", 1000), Opcode.CLOSE))
            assert await guest.recorder.over() is None
            assert guest.recorder.got == []
            await raw.close()

    run(main())


@pytest.mark.parametrize("which", ["client", "server"])
def test_an_abort_ends_both_sides_at_once_with_a_problem(tls: Tls, which: str) -> None:
    async def main() -> None:
        async with host(tls=tls[0]) as there:
            client = await dial(there.url, ssl=tls[1])
            server = await there.guest()
            one, two = (client, server) if which == "client" else (server, client)
            one.transport.abort()
            one.transport.abort()
            one.transport.close()
            ours, theirs = await one.recorder.over(), await two.recorder.over()
            assert ours is not None
            assert theirs is not None
            assert ours.code == theirs.code == 1006
            for call in (one.transport.resume, one.transport.pause, one.transport.flush, one.transport.abort):
                call()

    run(main())


def test_reset_connection_is_reported_with_its_errno() -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.shaken(there.server.port)
            guest = await there.guest()
            sock = raw.writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raw.writer.transport.abort()
            problem = await guest.recorder.over()
            assert problem is not None
            assert (problem.domain, problem.code) == (Domain.POSIX, errno.ECONNRESET)
            await raw.close()

    run(main())


def test_cut_after_any_byte_is_reported_once_and_only_whole_frames_are_delivered() -> None:
    async def main() -> None:
        data = message(b"one") + message(b"x" * 200) + message(b"!", Opcode.PING) + message(b"three")
        whole = [b"one", b"x" * 200, b"three"]
        async with host() as there:
            for cut in range(len(data) + 1):
                raw = await Raw.shaken(there.server.port, data[:cut])
                raw.writer.write_eof()
                guest = await there.guest(cut)
                problem = await guest.recorder.over()
                assert problem is not None
                assert problem.code == 1006
                assert guest.recorder.got == whole[: len(guest.recorder.got)]
                assert len(guest.recorder.ends) == 1
                await raw.close()
            assert there.guests[-1].got == whole

    run(main())


def test_receiver_may_close_abort_or_pause_while_it_receives_frames() -> None:
    async def main() -> None:
        async with host() as there:
            for act in ("close", "abort", "pause"):
                here = await dial(there.url)
                guest = await there.guest(len(there.guests) - 1)
                guest.recorder.on_frames = lambda _, guest=guest, act=act: getattr(guest.transport, act)()
                here.transport.send(b"go")
                here.transport.flush()
                await guest.recorder.frames_come(1)
                if act == "pause":
                    here.transport.abort()
                    guest.transport.resume()
                await guest.recorder.over()
                await here.recorder.over()

    run(main())


def test_a_peer_that_answers_pings_is_kept() -> None:
    async def main() -> None:
        tuning = Tuning(heartbeat=0.01, grace=5)
        async with host(tuning=tuning) as there:
            raw = await Raw.shaken(there.server.port)
            guest = await there.guest()
            for number in range(5):
                assert await raw.reader.readexactly(2) == b"\x89\x00"
                raw.writer.write(message(b"", Opcode.PONG) + message(b"noted"))
                await guest.recorder.frames_come(number + 1)
            assert guest.recorder.ends == []
            await raw.close()
            await guest.recorder.over()

    run(main())


def test_peer_that_never_answers_a_ping_is_considered_lost() -> None:
    async def main() -> None:
        async with host(tuning=Tuning(heartbeat=0.01, grace=0.05)) as there:
            raw = await Raw.shaken(there.server.port)
            guest = await there.guest()
            problem = await guest.recorder.over()
            assert problem is not None
            assert (problem.domain, problem.code) == (Domain.POSIX, errno.ETIMEDOUT)
            await raw.close()

    run(main())


def test_side_that_does_not_read_does_not_consider_its_peer_lost() -> None:
    async def main() -> None:
        async with host() as there:
            here = await dial(there.url, tuning=Tuning(heartbeat=0.005, grace=0.005))
            here.transport.pause()
            guest = await there.guest()
            heartbeat = here.transport._heartbeat
            assert heartbeat is not None
            judged: list[bool] = []
            judge = heartbeat._judge
            done = asyncio.Event()

            def note() -> None:
                judged.append(heartbeat.heard)
                judge()
                if len(judged) == 3:
                    done.set()

            heartbeat._judge = note  # type: ignore[method-assign]
            await done.wait()
            assert here.recorder.ends == []
            guest.transport.send(b"still here")
            guest.transport.flush()
            here.transport.resume()
            assert await here.recorder.frames_come(1) == [b"still here"]
            here.transport.close()
            await here.recorder.over()

    run(main())


def test_failing_receiver_ends_only_its_own_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with host(is_echoing=True) as there:
            bad, good = await dial(there.url), await dial(there.url)

            def fail(_: list[bytes]) -> None:
                msg = "a fault"
                raise ValueError(msg)

            (await there.guest(0)).recorder.on_frames = fail
            for side in (bad, good):
                side.transport.send(b"go")
                side.transport.flush()
            assert await bad.recorder.over() is not None
            assert await good.recorder.frames_come(1) == [b"go"]
            good.transport.close()
            await good.recorder.over()

    run(main())
    assert "a fault" in caplog.text
