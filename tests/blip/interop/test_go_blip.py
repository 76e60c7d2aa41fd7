"""Logboat's BLIP communicates with Couchbase's Go implementation over a WebSocket, in both roles."""

import asyncio
import hashlib
import io
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from sync.blip import ConnectionLimits, ErrorReceived, ResponseReceived
from tests.blip.interop.go_peer import go_peer
from tests.blip.interop.talker import SUBPROTOCOL, Talker, pattern
from tests.interop.availability import or_skip

MOST = ConnectionLimits().frame_bytes
WAIT = 60


@pytest.fixture(scope="session")
def go_program() -> Path:
    return or_skip(go_peer)


@pytest.fixture(scope="module")
def go_port(go_program: Path) -> Iterator[int]:
    with subprocess.Popen([go_program, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.stdin.close()
        assert server.wait(WAIT) == 0


def talk(port: int, conversation: Callable[[Talker], Awaitable[None]]) -> None:
    async def run() -> None:
        url = f"ws://127.0.0.1:{port}/log/_blipsync"
        async with (
            asyncio.timeout(WAIT),
            connect(url, subprotocols=[SUBPROTOCOL], compression=None, max_size=MOST) as socket,
            asyncio.TaskGroup() as tasks,  # an error while reading must also end the conversation
        ):
            assert socket.subprotocol == SUBPROTOCOL
            talker = Talker(socket)
            tasks.create_task(talker.run())
            await conversation(talker)
            await socket.close()

    asyncio.run(run())


def test_hundreds_of_requests_in_flight_are_each_answered(go_port: int) -> None:
    async def conversation(talker: Talker) -> None:
        async def one(place: int) -> None:
            body = pattern(("text", "noise")[place % 2], place * 13)
            reply = await talker.ask(
                "echo",
                body,
                properties={"Name": f"motor № {place}"},
                urgent=place % 5 == 0,
                compressed=place % 3 != 0,
            )
            assert isinstance(reply, ResponseReceived)
            assert reply.body == body
            assert reply.properties == {"Re-Name": f"motor № {place}", "Re-Profile": "echo"}

        await asyncio.gather(*map(one, range(500)))

    talk(go_port, conversation)


@pytest.mark.parametrize("kind", ["text", "noise", "blank"])
def test_large_bodies_are_echoed_while_urgent_requests_are_answered(go_port: int, kind: str) -> None:
    async def conversation(talker: Talker) -> None:
        async def one(place: int) -> None:
            body = pattern(kind, 3_000_000 + place)
            there = await talker.ask(
                "digest",
                io.BytesIO(body) if place % 2 else body,
                urgent=place == 3,
                compressed=place < 2,
            )
            assert isinstance(there, ResponseReceived)
            assert there.body.decode() == hashlib.sha256(body).hexdigest()
            back = await talker.ask(
                "make",
                properties={"Size": str(len(body)), "Pattern": kind},
                urgent=place == 3,
                compressed=place < 2,
            )
            assert isinstance(back, ResponseReceived)
            assert back.body == body

        await asyncio.gather(*map(one, range(4)))
        assert talker.acknowledged > 50

    talk(go_port, conversation)


def test_response_is_received_in_parts(go_port: int) -> None:
    async def conversation(talker: Talker) -> None:
        reply = await talker.ask("make", properties={"Size": "5000000", "Pattern": "noise"}, in_parts=True)
        assert isinstance(reply, ResponseReceived)
        assert reply.body == b""
        assert b"".join(talker.parts[reply.number]) == pattern("noise", 5_000_000)

    talk(go_port, conversation)


def test_errors_arrive_with_domain_code_and_message(go_port: int) -> None:
    async def conversation(talker: Talker) -> None:
        reply = await talker.ask("fail", b"conflict", properties={"Domain": "HTTP", "Code": "409"})
        assert isinstance(reply, ErrorReceived)
        assert (reply.domain, reply.code, reply.message) == ("HTTP", 409, "conflict")
        reply = await talker.ask("nobody knows this")
        assert isinstance(reply, ErrorReceived)
        assert (reply.domain, reply.code) == ("BLIP", 404)

    talk(go_port, conversation)


def test_requests_without_a_reply_arrive(go_port: int) -> None:
    async def conversation(talker: Talker) -> None:
        before = await talker.ask("notes")
        for place in range(300):
            talker.note(pattern("text", place * 100), compressed=place % 2 == 0)
        assert isinstance(before, ResponseReceived)
        wanted = str(int(before.body) + 300).encode()
        # The Go library processes each request in a goroutine, so its count may not be complete yet.
        while True:
            after = await talker.ask("notes")
            assert isinstance(after, ResponseReceived)
            if after.body == wanted:
                return

    talk(go_port, conversation)


def test_both_sides_send_requests_on_one_connection(go_port: int) -> None:
    async def conversation(talker: Talker) -> None:
        async def one(size: int) -> None:
            reply = await talker.ask("ask", properties={"Count": "40", "Size": str(size)})
            assert isinstance(reply, ResponseReceived)
            assert reply.body == b"40"

        await asyncio.gather(*map(one, (0, 1000, 60_000, 200_000)))

    talk(go_port, conversation)


def test_go_blip_as_the_client_passes_its_checks(go_program: Path) -> None:
    async def handle(socket: ServerConnection) -> None:
        await Talker(socket).run()

    async def run() -> tuple[int | None, str]:
        async with (
            asyncio.timeout(WAIT),
            serve(
                handle, "127.0.0.1", 0, subprotocols=[SUBPROTOCOL], compression=None, max_size=MOST
            ) as server,
        ):
            port = next(iter(server.sockets)).getsockname()[1]
            peer = await asyncio.create_subprocess_exec(
                go_program, "dial", f"ws://127.0.0.1:{port}/log/_blipsync", stdout=subprocess.PIPE
            )
            said, _ = await peer.communicate()
            return peer.returncode, said.decode()

    assert asyncio.run(run()) == (0, "all well\n")
