"""Tests of a listener's HTTP answers, of the clients that it admits, and of its shutdown."""

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509

from sync.mesh.appliance_headers import ApplianceHeaders
from sync.net.authenticators import (
    BasicAuthenticator,
    ClientCertificateAuthenticator,
    ListenerAuthenticators,
    ListenerCertificateAuthenticator,
    ListenerPasswordAuthenticator,
)
from sync.net.certificates import common_name
from sync.net.connection_slots import PER_ADDRESS, STRANGERS
from sync.net.listener import URLEndpointListener, Visitor
from sync.net.login_rate_limit import LoginAttempts
from sync.net.tls_contexts import client_context
from sync.net.tls_identity import TLSIdentity
from sync.peer.passive import PassiveOptions
from tests.net.certificates import CA
from tests.net.test_replicator import IDENTITY, Followed, listening, once, settled, url
from tests.net.wire import REQUEST, run
from tests.peer.rig import databases
from tests.polling import until

Open = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(listener: URLEndpointListener, path: str, *, password: str | None = None) -> tuple[int, str]:
    """Send a plain HTTP request to a listener, and return the status and the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    credentials = "" if password is None else base64.b64encode(f"shore:{password}".encode()).decode()
    authorization = f"Authorization: Basic {credentials}\r\n" if credentials else ""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: boat\r\n{authorization}\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


@pytest.mark.parametrize("path", ["/log", "/log/"])
def test_plain_request_learns_whether_a_database_exists(tmp_path: Path, path: str) -> None:
    async def main() -> None:
        with databases(tmp_path) as (store, _):
            async with listening({"log": store}, disable_tls=True) as listener:
                status, body = await ask(listener, path)
                assert (status, json.loads(body)) == (200, {"db_name": "log"})
                assert (await ask(listener, "/other"))[0] == 404
                assert (await ask(listener, "/"))[0] == 404
                assert (await ask(listener, "/log/_blipsync"))[0] == 426

    run(main())


def test_plain_request_needs_authentication_and_authorization(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (store, _):
            password = ListenerPasswordAuthenticator(lambda _, password: password == "s3cret")
            options = {"disable_tls": True, "authenticator": password}
            async with listening({"log": store}, **options) as listener:
                assert (await ask(listener, "/log"))[0] == 401
                assert (await ask(listener, "/log", password="wrong"))[0] == 401
                assert (await ask(listener, "/log", password="s3cret"))[0] == 200

            def authorize(visitor: Visitor) -> PassiveOptions | None:
                return PassiveOptions() if visitor.database == "log" else None

            stores = {"log": store, "crew": store}
            async with listening(stores, disable_tls=True, authorize=authorize) as listener:
                assert [(await ask(listener, path))[0] for path in ("/log", "/crew")] == [200, 403]

    run(main())


CREDENTIALS = "Authorization: Basic eDpzM2NyZXQ=\r\n"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        pytest.param("http://[/_blipsync", CREDENTIALS, 404, id="no path"),
        pytest.param("/log/_blipsync", CREDENTIALS * 2, 401, id="two passwords"),
        pytest.param(
            "/log/_blipsync",
            f"{CREDENTIALS}Logboat-Store: a\r\nLogboat-Store: b\r\n",
            101,
            id="two greetings",
        ),
    ],
)
def test_repeated_headers_and_invalid_paths_cause_no_logged_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, headers: str, status: int
) -> None:
    def authorize(visitor: Visitor) -> PassiveOptions:
        assert ApplianceHeaders.parse(visitor.headers) is None
        return PassiveOptions()

    async def main() -> None:
        with databases(tmp_path) as (store, _):
            password = ListenerPasswordAuthenticator(lambda _, password: password == "s3cret")
            options = {"disable_tls": True, "authenticator": password, "authorize": authorize}
            async with listening({"log": store}, **options) as listener:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                request = REQUEST.replace(b"/db/_blipsync", path.encode())
                writer.write(request.replace(b"\r\n\r\n", f"\r\n{headers}\r\n".encode()))
                answer = await reader.readuntil(b"\r\n")
                writer.close()
                assert int(answer.split()[1]) == status

    run(main())
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def connected(port: int) -> Open:
    return await asyncio.open_connection("127.0.0.1", port)


async def said_hello(port: int) -> Open:
    """Connect, begin a TLS handshake, and leave it incomplete after the listener's first answer."""
    reader, writer = await connected(port)
    outgoing = ssl.MemoryBIO()
    client = client_context(pinned=IDENTITY.fingerprint).context.wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    writer.write(outgoing.read())
    await reader.readexactly(1)
    return reader, writer


async def began_to_say_hello(port: int) -> Open:
    reader, writer = await connected(port)
    writer.write(b"\x16\x03\x01")
    return reader, writer


async def shook_hands(port: int) -> Open:
    """Connect, complete a TLS handshake, and send no request."""
    context = client_context(pinned=IDENTITY.fingerprint).context
    return await asyncio.open_connection("127.0.0.1", port, ssl=context)


async def was_refused(port: int) -> Open:
    """Connect and send an invalid request, so that the listener waits for the client to close TLS."""
    reader, writer = await shook_hands(port)
    writer.write(b"GET /other HTTP/1.1\r\nHost: boat\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return reader, writer


async def opened(port: int) -> Open:
    """Open a WebSocket on which the client never answers."""
    reader, writer = await shook_hands(port)
    writer.write(REQUEST.replace(b"/db/", b"/log/"))
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    "client", [connected, began_to_say_hello, said_hello, shook_hands, was_refused, opened]
)
def test_listener_stops_promptly_at_whatever_stage_a_silent_client_is(
    tmp_path: Path, client: Callable[[int], Awaitable[Open]]
) -> None:
    async def main() -> None:
        with databases(tmp_path) as (store, _):
            async with listening({"log": store}) as listener:
                assert listener.port is not None
                _, writer = await client(listener.port)
                async with asyncio.timeout(5):  # less than the 10 s limit for a TLS or closing handshake
                    await listener.stop(grace=0.1)
                writer.transport.abort()

    run(main())


def test_both_sides_report_that_a_certificate_was_revoked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    revoked: set[str] = set()

    def welcome(certificates: list[x509.Certificate]) -> bool | str:
        name = common_name(certificates[0])
        return f"the certificate of vessel {name} was revoked on 2026-11-01" if name in revoked else True

    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            fleet = CA.new()
            options = {
                "authenticator": ListenerCertificateAuthenticator(welcome, roots=[fleet.certificate]),
            }
            argo = ClientCertificateAuthenticator(fleet.issue("argo"))
            async with listening({"log": theirs}, **options) as listener:
                assert (await once(ours, url(listener), authenticator=argo)).problem is None
                revoked.add("argo")
                problem = (await once(ours, url(listener), authenticator=argo, continuous=True)).problem
        assert problem is not None
        assert problem.code == 403
        assert problem.text.endswith(": the certificate of vessel argo was revoked on 2026-11-01")

    run(main())
    (refused,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert refused.startswith("127.0.0.1:")
    assert refused.endswith(" is rejected: the certificate of vessel argo was revoked on 2026-11-01")


async def shown(port: int, identity: TLSIdentity, address: str = "127.0.0.1") -> Open:
    """Connect, complete a TLS handshake with a client certificate, and send no request."""
    context = client_context(pinned=IDENTITY.fingerprint, identity=identity).context
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, local_addr=(address, 0))


def test_callback_that_raises_is_answered_with_a_status_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def raises(_: object) -> bool:
        raise RuntimeError("the list of members cannot be read")

    async def main() -> None:
        with databases(tmp_path) as (_, theirs):
            fleet = CA.new()
            authenticator = ListenerCertificateAuthenticator(raises, roots=[fleet.certificate])
            async with listening({"log": theirs}, authenticator=authenticator) as listener:
                assert listener.port is not None
                reader, writer = await shown(listener.port, fleet.issue("argo"))
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 500 ")
                assert answer.endswith(b"internal error; see the log of the listener\n")
                writer.close()

    run(main())
    assert "internal error while checking the client's certificate" in caplog.text
    assert "the list of members cannot be read" in caplog.text


def test_callback_judges_a_certificate_after_the_handshake_and_again_for_the_request(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (_, theirs):
            fleet = CA.new()
            judged: list[object] = []

            def admits(certificates: list[x509.Certificate]) -> bool:
                judged.extend(certificates)
                return True

            authenticator = ListenerCertificateAuthenticator(admits, roots=[fleet.certificate])
            async with listening({"log": theirs}, authenticator=authenticator) as listener:
                assert listener.port is not None
                _, writer = await shown(listener.port, fleet.issue("argo"))
                await until(lambda: len(judged) == 1, "it is judged before the client asks for anything")
                writer.write(REQUEST)
                await until(lambda: len(judged) == 2, "it is judged for the request")
                writer.close()

    run(main())


@pytest.mark.parametrize("has_passwords", [True, False])
def test_holder_of_a_revoked_certificate_is_disconnected_before_its_first_request(
    tmp_path: Path, has_passwords: bool
) -> None:
    async def main() -> None:
        with databases(tmp_path) as (_, theirs):
            fleet = CA.new()
            authenticators = ListenerAuthenticators(
                certificate=ListenerCertificateAuthenticator(
                    roots=[fleet.certificate], revoked=lambda _: "it was revoked on 2026-11-01"
                ),
                password=ListenerPasswordAuthenticator(lambda *_: True) if has_passwords else None,
            )
            async with listening({"log": theirs}, authenticator=authenticators) as listener:
                assert listener.port is not None
                reader, writer = await shown(listener.port, fleet.issue("argo"))
                answer = await reader.read()
                assert answer.startswith(b"HTTP/1.1 403 ")
                assert answer.endswith(b"it was revoked on 2026-11-01")
                writer.close()
                if has_passwords:
                    _, writer = await shook_hands(listener.port)
                    writer.close()

    run(main())


def test_connections_with_rejected_certificates_do_not_block_new_clients(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            fleet = CA.new()
            authenticators = ListenerAuthenticators(
                certificate=ListenerCertificateAuthenticator(lambda _: False, roots=[fleet.certificate]),
                password=ListenerPasswordAuthenticator(lambda *_: True),
            )
            mallory = fleet.issue("mallory")
            async with listening({"log": theirs}, authenticator=authenticators) as listener:
                assert listener.port is not None
                held = [
                    await shown(listener.port, mallory, f"127.0.1.{1 + number // PER_ADDRESS}")
                    for number in range(STRANGERS)
                ]
                anna = BasicAuthenticator("anna", "secret")
                assert (await once(ours, url(listener), authenticator=anna)).problem is None
                for _, writer in held:
                    writer.transport.abort()

    run(main())


def test_vessel_with_a_valid_certificate_keeps_its_slot_until_its_request(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (_, theirs):
            fleet = CA.new()
            authenticators = ListenerAuthenticators(
                certificate=ListenerCertificateAuthenticator(roots=[fleet.certificate]),
                password=ListenerPasswordAuthenticator(lambda *_: True),
            )
            async with listening({"log": theirs}, authenticator=authenticators) as listener:
                assert listener.port is not None
                reader, writer = await shown(listener.port, fleet.issue("argo"))
                strangers = [
                    await asyncio.open_connection(
                        "127.0.0.1", listener.port, local_addr=(f"127.0.1.{1 + number // PER_ADDRESS}", 0)
                    )
                    for number in range(STRANGERS + PER_ADDRESS)
                ]
                writer.write(REQUEST.replace(b"/db/", b"/log/"))
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                for _, stranger in (*strangers, (reader, writer)):
                    stranger.transport.abort()

    run(main())


@pytest.mark.parametrize(
    ("path", "offered", "words"),
    [
        (
            "/log/_blipsync",
            "BLIP_3+CBMobile_4",
            "with status 400: the WebSocket must offer one of the subprotocols BLIP_3+CBMobile_3, ",
        ),
        (
            "/lgo/_blipsync",
            "BLIP_3+CBMobile_3",
            "with status 404: there is no database at /lgo/_blipsync;",
        ),
        ("/log/_blipsync", None, "with status 400: the WebSocket must offer one of the subprotocols "),
    ],
    ids=["a subprotocol of later clients", "another database", "no subprotocol"],
)
def test_refused_handshake_is_logged_with_what_was_offered_and_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, path: str, offered: str | None, words: str
) -> None:
    async def main() -> None:
        with databases(tmp_path) as (store, _):
            async with listening({"log": store}, disable_tls=True) as listener:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                head = (
                    f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                )
                head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                head += "" if offered is None else f"Sec-WebSocket-Protocol: {offered}\r\n"
                writer.write(head.encode() + b"\r\n")
                assert (await reader.read()).startswith(b"HTTP/1.1 4")
                writer.close()

    run(main())
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith("127.0.0.1:")
    assert words in told
    assert told.endswith(f"; the client requested {path} and offered {offered or 'no subprotocol'}")


def test_client_that_guesses_passwords_is_answered_with_429(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (store, _):
            guesses = LoginAttempts(lambda: 0.0, per_address=3)
            password = ListenerPasswordAuthenticator(
                lambda _, password: password == "s3cret", guesses=guesses
            )
            async with listening({"log": store}, disable_tls=True, authenticator=password) as listener:
                for _ in range(3):
                    assert (await ask(listener, "/log", password="wrong"))[0] == 401
                status, text = await ask(listener, "/log", password="s3cret")
                assert (status, "too many wrong passwords" in text) == (429, True)

    run(main())


def test_connection_without_a_first_message_is_closed(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (store, ours):
            options = {"disable_tls": True, "first_message": 0.2}
            async with listening({"log": store}, **options) as listener:
                reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                writer.write(REQUEST.replace(b"/db/", b"/log/"))
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                frame = await reader.readexactly(4)
                assert int.from_bytes(frame[2:], "big") == 4001
                writer.close()
                ours.put("a", {})
                followed = Followed(ours, url(listener), continuous=True)
                followed.replicator.start()
                await settled(lambda: store.get("a") is not None)
                await asyncio.sleep(0.3)  # longer than the limit for the first message
                assert listener.status.connection_count == 1
                await followed.replicator.stop()

    run(main())


def test_client_with_too_many_connections_loses_its_oldest(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (store, _):
            password = ListenerPasswordAuthenticator(lambda _, password: password == "s3cret")
            options = {"disable_tls": True, "authenticator": password, "per_client": 3}
            async with listening({"log": store}, **options) as listener:

                async def enter(user: str) -> asyncio.StreamReader:
                    reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
                    credentials = base64.b64encode(f"{user}:s3cret".encode())
                    authorization = b"Authorization: Basic " + credentials + b"\r\n\r\n"
                    head = REQUEST.replace(b"/db/", b"/log/").removesuffix(b"\r\n")
                    writer.write(head + authorization)
                    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                    writers.append(writer)
                    return reader

                writers: list[asyncio.StreamWriter] = []
                other = await enter("cook")
                mine = [await enter("bridge") for _ in range(4)]
                frame = await mine[0].readexactly(4)
                assert int.from_bytes(frame[2:], "big") == 4001
                for reader in (other, *mine[1:]):
                    assert not reader.at_eof()
                for writer in writers:
                    writer.close()

    run(main())
