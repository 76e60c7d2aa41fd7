"""Tests of opening a WebSocket, with the errors of the client and the requests that the listener refuses."""

import asyncio
import errno
import logging
import os
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from sync.net.handshake import parse_address, spell_remote
from sync.net.ws_client import UpgradeRefusedError
from sync.net.ws_server import Accept, Reject, Request, serve
from sync.peer.problems import Domain, Problem, ProblemError
from tests.net.wire import (
    HASTE,
    REQUEST,
    Raw,
    Recorder,
    dial,
    host,
    make_certificate,
    raw_host,
    run,
)
from tests.ports import free_port


async def refused(url: str, **options: Any) -> Problem:
    """Try to open a WebSocket, which must fail, and return the problem."""
    with pytest.raises(ProblemError) as caught:
        await dial(url, **options)
    return caught.value.problem


# Addresses


@pytest.mark.parametrize(
    ("url", "host_name", "port", "resource", "dialled"),
    [
        ("ws://boat.local/db/_blipsync", "boat.local", 80, "/db/_blipsync", "boat.local"),
        ("wss://boat.local:4984/db?x=1", "boat.local", 4984, "/db?x=1", "boat.local"),
        ("wss://[2001:db8::1]:4984/db", "2001:db8::1", 4984, "/db", "2001:db8::1"),
        ("ws://[fe80::1%25eth0]:4984/db", "fe80::1", 4984, "/db", "fe80::1%eth0"),
        ("ws://[fe80::1%25wlanX]/db", "fe80::1", 80, "/db", "fe80::1%wlanX"),
        ("ws://[fe80::1%eth0]:4984/db", "fe80::1", 4984, "/db", "fe80::1%eth0"),
    ],
)
def test_address_is_parsed(url: str, host_name: str, port: int, resource: str, dialled: str) -> None:
    uri, name = parse_address(url)
    assert (uri.host, uri.port, uri.resource_name, name) == (host_name, port, resource, dialled)


@pytest.mark.parametrize(
    "url",
    [
        "http://boat/db",
        "boat",
        "",
        "ws://",
        "ws://boat:99999/db",
        "ws://[::1/db",
        "ws://boat/db#x",
        "ws://boat/d b",
    ],
)
def test_invalid_address_is_refused(url: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_address(url)
    assert caught.value.problem.domain is Domain.LITECORE


@pytest.mark.parametrize("url", ["ws://ann:secret@boat/db", "ws://ann:secret@[::1/db", "ws://ann@boat/db"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ProblemError) as caught:
        parse_address(url)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_parsed_as_an_address_or_refused(text: str) -> None:
    for url in (text, f"ws://{text}"):
        with suppress(ProblemError):
            parse_address(url)


@pytest.mark.parametrize(
    ("address", "spelt"),
    [
        (("192.0.2.7", 1), "192.0.2.7:1"),
        (("::ffff:192.0.2.7", 1, 0, 0), "192.0.2.7:1"),
        (("fe80::1%eth0", 1, 0, 2), "[fe80::1%eth0]:1"),
        (None, "an unknown address"),
    ],
)
def test_remote_address_is_formatted_for_people(address: object, spelt: str) -> None:
    assert spell_remote(address) == spelt


# The client


def test_subprotocol_headers_and_addresses_are_available_on_both_sides() -> None:
    async def main() -> None:
        made: list[Recorder] = []

        def answer(request: Request) -> Accept:
            assert request.headers["Authorization"] == "Basic YTpi"
            assert request.path == "/db/_blipsync"
            assert request.subprotocols == ("BLIP_3+CBMobile_3", "BLIP_3+CBMobile_2")

            def receive(transport: Any) -> Recorder:
                made.append(Recorder(transport))
                return made[-1]

            cookies = (("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
            servers = (("Server", "proxy"), ("Server", "boat"))
            return Accept(receive, "BLIP_3+CBMobile_2", (*cookies, *servers))

        async with host(answer=answer) as there:
            here = await dial(there.url, headers=[("Authorization", "Basic YTpi")])
            assert here.transport.subprotocol == "BLIP_3+CBMobile_2"
            assert here.transport.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
            assert here.transport.headers["Server"].endswith("proxy, boat")
            assert here.transport.remote == f"127.0.0.1:{there.server.port}"
            sockname = here.transport._pipe.get_extra_info("sockname")
            assert made[0].transport.remote == f"127.0.0.1:{sockname[1]}"
            here.transport.close()
            await here.recorder.over()

    run(main())


def test_refusal_carries_status_text_and_headers() -> None:
    async def main() -> None:
        def answer(_: Request) -> Reject:
            return Reject(401, "who are\r\nyou?", (("WWW-Authenticate", 'Basic realm="boat"'),))

        async with host(answer=answer) as there:
            with pytest.raises(UpgradeRefusedError) as caught:
                await dial(there.url)
            problem = caught.value.problem
            assert (problem.domain, problem.code) == (Domain.WEBSOCKET, 401)
            assert "401 Unauthorized: who are you?" in problem.text
            assert caught.value.headers["WWW-Authenticate"] == 'Basic realm="boat"'

    run(main())


def test_server_that_selects_no_subprotocol_is_refused() -> None:
    async def main() -> None:
        async with host(answer=lambda _: Accept(Recorder)) as there:
            problem = await refused(there.url)
            assert (problem.domain, problem.code) == (Domain.WEBSOCKET, 403)
            assert "BLIP_3+CBMobile_3" in problem.text

    run(main())


async def _answering(url_answer: bytes, *, stays: bool = False) -> Problem:
    async def talk(raw: Raw) -> None:
        await raw.reader.readuntil(b"\r\n\r\n")
        raw.writer.write(url_answer)
        if stays:
            await raw.rest()

    async with raw_host(talk) as url:
        return await refused(url)


ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n"
)


@pytest.mark.parametrize(
    ("answer", "code", "word"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: wss://other/db\r\nContent-Length: 0\r\n\r\n",
            302,
            "wss://other/db",
        ),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nlater on\n", 503, "later on"),
        (b"HTTP/1.1 404 Not Found\r\n\r\nuntil the end", 404, "until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "200 OK: ok"),
        (b"HTTP/1.1 204 None\r\n\r\n", 204, "204"),
        (b"220 smtp.example ready\r\n\r\n", 1002, "WebSocket"),
        (b"\x15\x03\x01\x00\x02\x02\x46" * 6000, 1002, "header is longer than"),
        (ACCEPTED % (b"wrong", b"BLIP_3+CBMobile_3"), 1002, "Sec-WebSocket-Accept"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", 1002, "Connection"),
        (b"", 1006, "waiting for the server's answer"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 9\r\n\r\nlat", 503, "503 Busy; the rest"),
        (b"HTTP/1.0 401 Unauthorized\r\n\r\n", 401, "401 Unauthorized; the rest"),
    ],
)
def test_answer_that_opens_no_websocket_is_reported(answer: bytes, code: int, word: str) -> None:
    async def main() -> None:
        problem = await _answering(answer)
        assert (problem.domain, problem.code) == (Domain.WEBSOCKET, code)
        assert word in problem.text

    run(main())


def test_refused_connection_is_reported_with_errno_and_address() -> None:
    async def main() -> None:
        port = free_port()
        problem = await refused(f"ws://127.0.0.1:{port}/db")
        assert (problem.domain, problem.code) == (Domain.POSIX, errno.ECONNREFUSED)
        assert f"127.0.0.1:{port}" in problem.text

    run(main())


def test_unresolvable_name_is_reported_as_such() -> None:
    async def main() -> None:
        # The host name's label is too long, so no name server is queried.
        problem = await refused(f"ws://{'x' * 64}.invalid/db")
        assert problem.domain is Domain.DNS

    run(main())


def test_connecting_to_a_silent_server_times_out() -> None:
    async def main() -> None:
        async def talk(raw: Raw) -> None:
            await raw.rest()

        async with raw_host(talk) as url:
            problem = await refused(url, timeout=0.05)
            assert (problem.domain, problem.code) == (Domain.POSIX, errno.ETIMEDOUT)

    run(main())


def test_a_cancelled_attempt_leaves_nothing_open() -> None:
    async def main() -> None:
        asked, ended = asyncio.Event(), asyncio.Event()

        async def talk(raw: Raw) -> None:
            await raw.reader.readuntil(b"\r\n\r\n")
            asked.set()
            await raw.rest()
            ended.set()

        async with raw_host(talk) as url:
            task = asyncio.create_task(dial(url))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await ended.wait()

    run(main())


def test_frames_in_the_same_segment_as_the_answer_are_received() -> None:
    async def main() -> None:
        def answer(request: Request) -> Accept:
            def receive(transport: Any) -> Recorder:
                transport.send(b"first")
                transport.send(b"second")
                transport.flush()
                return Recorder(transport)

            return Accept(receive, request.subprotocols[0])

        async with host(answer=answer) as there:
            here = await dial(there.url)
            assert await here.recorder.frames_come(2) == [b"first", b"second"]
            here.transport.close()
            assert await here.recorder.over() is None

    run(main())


def test_next_address_is_tried_when_nobody_listens_on_the_first() -> None:
    async def main() -> None:
        async with host() as there:
            # localhost may resolve to ::1 first, where the connection is refused.
            here = await dial(there.url.replace("127.0.0.1", "localhost"))
            here.transport.close()
            await here.recorder.over()

    run(main())


# TLS


def test_untrusted_certificate_is_reported_as_the_reason(tmp_path: Path) -> None:
    async def main() -> None:
        tls, _ = make_certificate(tmp_path)
        async with host(tls=tls) as there:
            problem = await refused(there.url)
            assert problem.domain is Domain.TLS
            assert "self-signed" in problem.text
            wrong = await refused(there.url.replace("wss:", "ws:"))
            assert wrong.domain in (Domain.WEBSOCKET, Domain.POSIX)

    run(main())


def test_tls_to_a_server_without_tls_is_reported(tmp_path: Path) -> None:
    async def main() -> None:
        async with host() as there:
            problem = await refused(there.url.replace("ws:", "wss:"))
            assert problem.domain in (Domain.TLS, Domain.POSIX)

    run(main())


def test_check_receives_the_certificate_and_refuses_before_anything_is_sent(tmp_path: Path) -> None:
    async def main() -> None:
        tls, trusting = make_certificate(tmp_path)
        seen: list[bytes | None] = []

        def check(ssl_object: ssl.SSLObject) -> None:
            seen.append(ssl_object.getpeercert(binary_form=True))
            raise ProblemError(Problem(Domain.TLS, 0, "not the one I know"))

        async with host(tls=tls) as there:
            problem = await refused(there.url, ssl=trusting, check=check)
            assert problem.text == "not the one I know"
            assert seen[0]
            assert there.requests == []

    run(main())


def test_check_of_a_listener_can_drop_tls_clients(tmp_path: Path) -> None:
    async def main() -> None:
        tls, trusting = make_certificate(tmp_path)
        verdicts: list[Exception | None] = [None, ProblemError(Problem(Domain.TLS, 0, "go away"))]

        def check(_: ssl.SSLObject) -> None:
            if (verdict := verdicts.pop(0)) is not None:
                raise verdict

        async with host(tls=tls, check=check) as there:
            here = await dial(there.url, ssl=trusting)
            assert there.requests[0].ssl_object is not None
            assert (await refused(there.url, ssl=trusting)).code in (1006, errno.ECONNRESET, errno.EPIPE)
            here.transport.close()
            await here.recorder.over()

    run(main())


# The listener


def test_frames_in_the_same_segment_as_the_request_are_received() -> None:
    async def main() -> None:
        frames = [os.urandom(300) for _ in range(50)]
        behind = b"".join(Frame(Opcode.BINARY, frame).serialize(mask=True) for frame in frames)
        async with host() as there:
            raw = await Raw.shaken(there.server.port, behind)
            assert await (await there.guest()).recorder.frames_come(50) == frames
            await raw.close()
            await (await there.guest()).recorder.over()

    run(main())


def test_request_may_arrive_in_single_bytes() -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.dial(there.server.port)
            for at in range(len(REQUEST)):
                raw.writer.write(REQUEST[at : at + 1])
                await asyncio.sleep(0)
            assert (await raw.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            await raw.close()

    run(main())


def test_a_client_that_never_finishes_its_handshake_is_dropped() -> None:
    async def main() -> None:
        async with host(handshake_timeout=0.05) as there:
            raw = await Raw.dial(there.server.port)
            raw.writer.write(REQUEST[:50])
            assert await raw.rest() == b""
            await raw.close()

    run(main())


def test_a_client_that_never_finishes_tls_is_dropped_and_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        tls, _ = make_certificate(tmp_path)
        async with host(tls=tls, handshake_timeout=0.1) as there:
            raw = await Raw.dial(there.server.port)
            raw.writer.write(b"\x16\x03\x01")
            await raw.rest()
            await raw.close()
            await there.server.wait_closed()

    run(main())


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 8000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: boat\r\n\r\n", b"426"),
        (REQUEST.replace(b"GET", b"POST", 1), b"405"),
        (REQUEST.replace(b"n: 13", b"n: 12"), b"400"),
        (REQUEST.replace(b"Protocol: ", b"Protocol: ,,=;"), b"400"),
        (b"\x16\x03\x01\x02\x00\x01", b"400"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", b""),
    ],
)
def test_request_without_an_upgrade_is_answered_without_a_decision(
    request_bytes: bytes, status: bytes
) -> None:
    async def main() -> None:
        async with host() as there:
            raw = await Raw.dial(there.server.port)
            raw.writer.write(request_bytes)
            answer = await raw.rest()
            assert answer[9:12] == status or answer == b""  # a reset may discard the answer
            assert there.requests == []
            await raw.close()

    run(main())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=300), st.just(REQUEST), st.just(b"GET / HTTP/1.1\r\n")), max_size=4)
)
def test_garbage_does_not_affect_other_connections(pieces: list[bytes]) -> None:
    async def main() -> None:
        async with host(is_echoing=True) as there:
            here = await dial(there.url)
            raw = await Raw.dial(there.server.port)
            for piece in pieces:
                raw.writer.write(piece)
            raw.writer.write_eof()
            await raw.rest()
            await raw.close()
            here.transport.send(b"unhurt")
            here.transport.flush()
            assert await here.recorder.frames_come(1) == [b"unhurt"]
            here.transport.close()
            assert await here.recorder.over() is None
            for guest in list(there.guests):
                await guest.over()

    run(main())


def test_error_in_the_decision_is_a_500_for_that_client_and_one_log_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        faults = [RuntimeError("oops")]

        def answer(request: Request) -> Accept:
            if faults:
                raise faults.pop()
            return Accept(Recorder, request.subprotocols[0])

        async with host(answer=answer) as there:
            assert (await refused(there.url)).code == 500
            here = await dial(there.url)
            here.transport.close()
            await here.recorder.over()

    run(main())
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1
    assert "127.0.0.1:" in errors[0].getMessage()


@pytest.mark.parametrize("answer", [Reject(999), Accept(Recorder, "BLIP_9")])
def test_decision_that_cannot_be_executed_is_a_500(answer: Accept | Reject) -> None:
    async def main() -> None:
        async with host(answer=lambda _: answer) as there:
            assert (await refused(there.url)).code == 500

    run(main())


def test_a_decision_that_takes_too_long_is_a_503() -> None:
    async def main() -> None:
        async def never(_: Request) -> Accept | Reject:
            await asyncio.Event().wait()
            raise AssertionError

        server = await serve("127.0.0.1", 0, never, handshake_timeout=0.5, tuning=HASTE)
        assert (await refused(f"ws://127.0.0.1:{server.port}/")).code == 503
        server.close()
        await server.wait_closed()

    run(main())


def test_failure_to_create_the_receiver_closes_the_connection_with_1011() -> None:
    async def main() -> None:
        def receive(_: Any) -> Recorder:
            msg = "oops"
            raise RuntimeError(msg)

        async with host(answer=lambda request: Accept(receive, request.subprotocols[0])) as there:
            here = await dial(there.url)
            problem = await here.recorder.over()
            assert problem is not None
            assert problem.code == 1011

    run(main())


def test_connections_over_the_limit_are_refused_until_one_ends() -> None:
    async def main() -> None:
        async with host(max_connections=2) as there:
            sides = [await dial(there.url) for _ in range(2)]
            assert (await refused(there.url)).code in (1006, errno.ECONNRESET)
            assert len(there.server.connections) == 2
            sides[0].transport.close()
            await sides[0].recorder.over()
            await there.guests[0].over()
            assert len(there.server.connections) == 1
            sides.append(await dial(there.url))
            for side in sides[1:]:
                side.transport.close()
                await side.recorder.over()

    run(main())


def test_stopping_listener_asks_its_clients_to_try_again() -> None:
    async def main() -> None:
        async with host() as there:
            here = await dial(there.url)
            half = await Raw.dial(there.server.port)
            there.server.close()
            problem = await here.recorder.over()
            assert problem is not None
            assert problem.code == 4001
            assert await half.rest() == b""
            await half.close()
            await there.server.wait_closed()
            assert there.guests[0].ends == [None]
            assert (await refused(there.url)).code == errno.ECONNREFUSED

    run(main())


def test_stopping_listener_may_leave_its_connections_open() -> None:
    async def main() -> None:
        async with host(is_echoing=True) as there:
            here = await dial(there.url)
            there.server.close(connections=False)
            here.transport.send(b"still")
            here.transport.flush()
            assert await here.recorder.frames_come(1) == [b"still"]
            here.transport.close()
            await here.recorder.over()

    run(main())


def test_port_in_use_is_reported() -> None:
    async def main() -> None:
        async def decide(_: Request) -> Reject:
            return Reject(404)

        async with host() as there:
            with pytest.raises(ProblemError) as caught:
                await serve("127.0.0.1", there.server.port, decide)
            assert caught.value.problem.code == errno.EADDRINUSE

    run(main())


@pytest.mark.parametrize("name", ["", "localhost"])
def test_a_listener_may_have_several_addresses_and_one_port(name: str) -> None:
    async def main() -> None:
        async def decide(request: Request) -> Accept:
            return Accept(Recorder, request.subprotocols[0])

        server = await serve(name, 0, decide, tuning=HASTE)
        here = await dial(f"ws://localhost:{server.port}/db")
        assert here.transport.subprotocol
        here.transport.close()
        await here.recorder.over()
        server.close()
        await server.wait_closed()

    run(main())


def test_connection_uses_the_named_interface() -> None:
    async def main() -> None:
        async with host() as there:
            here = await dial(there.url, network_interface="127.0.0.1")
            here.transport.close()
            await here.recorder.over()
            problem = await refused(there.url, network_interface="none0")
            assert problem.domain is Domain.POSIX
            assert (await refused(there.url, network_interface="::1")).code == errno.EADDRNOTAVAIL

    run(main())
