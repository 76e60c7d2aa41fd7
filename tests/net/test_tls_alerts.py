"""Both ends of a failed TLS handshake report the reason, over real sockets."""

import asyncio
import logging
import ssl
from dataclasses import dataclass

import pytest

from sync.net.backoff import is_transient
from sync.net.tls_contexts import ClientTLS, client_context, server_context
from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import Domain, Problem, ProblemError
from tests.net.certificates import CA, NOW
from tests.net.wire import dial, host, run

FLEET, STRANGERS = CA.new("fleet"), CA.new("strangers")
ARGO = FLEET.issue("argo", hosts=["127.0.0.1"], uri="logboat:fleet:argo")
BRIGID = FLEET.issue("brigid", uri="logboat:fleet:brigid")
PIRATE = STRANGERS.issue("pirate", hosts=["127.0.0.1"], uri="logboat:fleet:argo")
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@dataclass(frozen=True)
class Told:
    """Errors that the client and the listener report after a failed connection."""

    client: Problem
    listener: str


def client(identity: TLSIdentity | None = None) -> ClientTLS:
    return client_context(
        roots=[FLEET.certificate], expected_uri="logboat:fleet:argo", identity=identity, now=lambda: NOW
    )


def listener(identity: TLSIdentity = ARGO, *, required: bool = False) -> ssl.SSLContext:
    return server_context(identity, client_roots=[FLEET.certificate], client_certificate_required=required)


def meet(
    here: ClientTLS, there: ssl.SSLContext, caplog: pytest.LogCaptureFixture, version: ssl.TLSVersion | None
) -> Told:
    problems: list[Problem] = []
    if version is not None:
        here.context.maximum_version = version

    async def main() -> None:
        async with host(tls=there) as listening:
            with pytest.raises(ProblemError) as caught:
                await dial(listening.url, ssl=here.context, check=here.check)
            problems.append(caught.value.problem)
            await listening.server.wait_closed()

    with caplog.at_level(logging.INFO, "sync.net"):
        run(main())
    (said,) = [record.getMessage() for record in caplog.records if record.name == "sync.net.ws_server"]
    return Told(problems[0], said)


@pytest.mark.parametrize("version", VERSIONS)
def test_both_sides_report_that_the_clients_certificate_is_of_another_ca(
    version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    told = meet(client(PIRATE), listener(), caplog, version)
    assert told.client.domain is Domain.TLS
    assert told.client.text.endswith(": the peer does not know the issuer of our certificate")
    assert "127.0.0.1" in told.listener
    assert "is rejected: TLS handshake: cannot verify the peer's certificate: " in told.listener


@pytest.mark.parametrize("version", VERSIONS)
def test_both_sides_report_that_the_listeners_certificate_is_of_another_ca(
    version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    told = meet(client(BRIGID), listener(PIRATE), caplog, version)
    assert told.client.domain is Domain.TLS
    assert "cannot verify the peer's certificate: " in told.client.text
    assert told.listener.endswith(
        "is rejected: TLS handshake: the peer does not know the issuer of our certificate"
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_both_sides_report_that_the_required_certificate_was_missing(
    version: ssl.TLSVersion, caplog: pytest.LogCaptureFixture
) -> None:
    told = meet(client(), listener(required=True), caplog, version)
    assert told.client.domain is Domain.TLS
    assert "certificate" in told.client.text
    assert told.listener.endswith("the peer sent no client certificate, but one is required")


def test_listener_reports_that_the_client_disconnected_after_seeing_the_certificate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = meet(client_context(pinned=BRIGID.fingerprint), listener(), caplog, None)
    assert "not the pinned" in told.client.text
    assert " the TLS handshake: it may not accept our certificate" in told.listener


def test_connection_that_ends_without_an_alert_is_explained_and_retried() -> None:
    async def main() -> None:
        shown = listener(required=True)  # unlike Logboat's listener, a plain asyncio server loses alerts
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0, ssl=shown)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(ProblemError) as caught:
                await dial(f"wss://127.0.0.1:{port}/log/_blipsync", ssl=client(PIRATE).context)
        problem = caught.value.problem
        assert "right after the TLS handshake; the peer may not accept our certificate" in problem.text
        assert is_transient(problem)

    run(main())
