"""Peers are accepted or refused in TLS handshakes over loopback, and both sides report the reason."""

import asyncio
import ssl
import warnings
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from sync.net import certificates
from sync.net.tls_contexts import ClientTLS, client_context, server_context
from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import Domain, ProblemError
from tests.net.certificates import BEGIN, CA, END, NOW, Meeting, hang_up, meet, self_signed, shake_hands

FLEET, STRANGERS = CA.new("fleet"), CA.new("strangers")
ARGO = FLEET.issue("argo", hosts=["localhost"], uri="logboat:fleet:argo")
BRIGID = FLEET.issue("brigid", uri="logboat:fleet:brigid")
PIRATE = STRANGERS.issue("pirate", hosts=["localhost"], uri="logboat:fleet:argo")


def connect(server: ssl.SSLContext, client: ClientTLS, host: str = "localhost") -> Meeting:
    return asyncio.run(meet(server, client.context, client.check, host=host))


def refusal(meeting: Meeting) -> str:
    """Return the reason why the client refused the server, and assert that the client sent no data."""
    assert isinstance(meeting.echoed, ProblemError), meeting
    assert meeting.echoed.problem.domain is Domain.TLS
    assert meeting.received == b""
    return meeting.echoed.problem.text


def failure(error: object) -> str:
    """Return Logboat's error message for a failed TLS handshake."""
    assert isinstance(error, ssl.SSLError), error
    return certificates.explain(error)


def fleet_client(identity: TLSIdentity | None = None) -> ClientTLS:
    return client_context(roots=[FLEET.certificate], identity=identity, now=lambda: NOW)


# Pins


@pytest.mark.parametrize(
    "pin",
    [
        ARGO.fingerprint,
        ARGO.certificate.fingerprint(hashes.SHA256()).hex(),
        f"sha256 Fingerprint={ARGO.fingerprint}",
        ARGO.certificate,
    ],
    ids=["colons", "plain", "openssl", "certificate"],
)
def test_pinned_certificate_is_accepted_under_any_name(pin: str) -> None:
    assert connect(server_context(ARGO), client_context(pinned=pin), host="elsewhere.example").is_good


def test_certificate_other_than_the_pinned_one_is_refused_before_a_byte_is_sent() -> None:
    meeting = connect(server_context(PIRATE), client_context(pinned=ARGO.fingerprint))
    assert refusal(meeting) == (
        f"the peer's certificate has fingerprint {PIRATE.fingerprint}, not the pinned {ARGO.fingerprint}"
    )


def test_pinning_an_issuer_does_not_pin_the_certificates_it_issued() -> None:
    server = TLSIdentity((ARGO.certificate, FLEET.certificate), ARGO.private_key)
    meeting = connect(server_context(server), client_context(pinned=FLEET.certificate))
    assert "not the pinned" in refusal(meeting)


def test_pinned_certificate_may_be_expired() -> None:
    server = FLEET.issue("argo", begin=BEGIN, end=BEGIN + timedelta(days=1))
    assert connect(server_context(server), client_context(pinned=server.fingerprint, now=lambda: END)).is_good


# Self-signed only


def test_self_signed_certificate_is_accepted_where_only_self_signed_are_accepted() -> None:
    assert connect(server_context(self_signed()), client_context(accept_only_self_signed=True)).is_good


def test_issued_certificate_is_refused_where_only_self_signed_are_accepted() -> None:
    meeting = connect(server_context(ARGO), client_context(accept_only_self_signed=True))
    assert f"'argo' ({ARGO.fingerprint}) is not self-signed" in refusal(meeting)


# Roots


def test_certificate_of_the_given_root_is_accepted() -> None:
    assert connect(server_context(ARGO), fleet_client()).is_good


def test_certificate_issued_by_an_intermediate_is_accepted() -> None:
    middle = CA.new("middle", issuer=FLEET)
    leaf = middle.issue("argo", hosts=["localhost"])
    whole = TLSIdentity((leaf.certificate, middle.certificate), leaf.private_key)
    assert connect(server_context(whole), fleet_client()).is_good
    as_root = client_context(roots=[middle.certificate], now=lambda: NOW)
    assert connect(server_context(leaf), as_root).is_good


def test_certificate_of_another_root_is_refused_in_the_handshake() -> None:
    meeting = connect(server_context(PIRATE), fleet_client())
    assert failure(meeting.echoed).startswith("cannot verify the peer's certificate: ")
    assert isinstance(meeting.seen, OSError)


def test_private_ca_is_not_among_the_systems_roots() -> None:
    meeting = connect(server_context(ARGO), client_context(now=lambda: NOW))
    assert failure(meeting.echoed).startswith("cannot verify the peer's certificate: ")


def test_certificate_for_another_host_is_refused() -> None:
    meeting = connect(server_context(ARGO), fleet_client(), host="brigid.local")
    assert "brigid.local" in failure(meeting.echoed)


def test_self_signed_certificate_as_root_is_accepted_for_its_own_hosts() -> None:
    identity = self_signed(hosts=["localhost", "127.0.0.1"])
    client = client_context(roots=[identity.certificate, identity.certificate], now=lambda: NOW)
    assert connect(server_context(identity), client).is_good
    assert connect(server_context(identity), client, host="127.0.0.1").is_good
    assert "logboat.local" in failure(connect(server_context(identity), client, host="logboat.local").echoed)


def test_expected_uri_replaces_the_host_name() -> None:
    def expecting(uri: str) -> ClientTLS:
        return client_context(roots=[FLEET.certificate], expected_uri=uri, now=lambda: NOW)

    good = connect(server_context(ARGO), expecting("logboat:fleet:argo"), host="10.1.2.3")
    assert good.is_good
    other = connect(server_context(BRIGID), expecting("logboat:fleet:argo"))
    assert "is issued to 'logboat:fleet:brigid', not to 'logboat:fleet:argo'" in refusal(other)
    false = connect(server_context(PIRATE), expecting("logboat:fleet:argo"))
    assert failure(false.echoed).startswith("cannot verify the peer's certificate: ")


# Dates


@pytest.mark.parametrize("years", [-50, 50])
def test_neither_side_checks_dates_in_the_handshake(years: int) -> None:
    away = timedelta(days=365 * years)
    server = FLEET.issue("argo", hosts=["localhost"], begin=BEGIN + away, end=END + away)
    client = FLEET.issue("brigid", begin=BEGIN + away, end=END + away)
    listening = server_context(server, client_roots=[FLEET.certificate], client_certificate_required=True)
    meeting = asyncio.run(meet(listening, fleet_client(client).context))
    assert meeting.is_good
    assert meeting.seen == client.certificate


def test_expired_certificate_is_refused_after_the_handshake() -> None:
    client = client_context(roots=[FLEET.certificate], now=lambda: END + timedelta(days=1))
    assert "expired at 2126-01-01 00:00 UTC" in refusal(connect(server_context(ARGO), client))


def test_not_yet_valid_certificate_is_refused_after_the_handshake() -> None:
    client = client_context(roots=[FLEET.certificate], now=lambda: BEGIN - timedelta(days=1))
    assert "is valid only from 2026-01-01 00:00 UTC" in refusal(connect(server_context(ARGO), client))


# Client certificates


def fleet_server(*, required: bool = False) -> ssl.SSLContext:
    return server_context(ARGO, client_roots=[FLEET.certificate], client_certificate_required=required)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("required", [False, True])
def test_client_certificate_of_the_root_is_accepted_and_identified(
    version: ssl.TLSVersion, required: bool
) -> None:
    client = fleet_client(BRIGID)
    client.context.maximum_version = version
    meeting = connect(fleet_server(required=required), client)
    assert meeting.is_good
    assert meeting.seen == BRIGID.certificate


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("required", [False, True])
def test_client_certificate_of_another_root_is_refused_in_the_handshake(
    version: ssl.TLSVersion, required: bool
) -> None:
    client = fleet_client(PIRATE)
    client.context.maximum_version = version
    meeting = connect(fleet_server(required=required), client)
    assert failure(meeting.seen).startswith("cannot verify the peer's certificate: ")
    assert not meeting.is_good
    assert meeting.received == b""


def test_client_without_a_certificate_is_let_in_unless_one_is_required() -> None:
    meeting = connect(fleet_server(), fleet_client())
    assert meeting.is_good
    assert meeting.seen is None
    meeting = connect(fleet_server(required=True), fleet_client())
    assert failure(meeting.seen) == "the peer sent no client certificate, but one is required"
    assert not meeting.is_good


def test_client_certificate_is_not_requested_without_roots() -> None:
    meeting = connect(server_context(ARGO), fleet_client(BRIGID))
    assert meeting.is_good
    assert meeting.seen is None


def test_self_signed_client_certificate_in_the_list_is_accepted_and_any_other_refused() -> None:
    known, unknown = self_signed("bridge"), self_signed("bridge")
    server = server_context(ARGO, client_roots=[FLEET.certificate, known.certificate])
    assert connect(server, fleet_client(known)).seen == known.certificate
    assert connect(server, fleet_client(BRIGID)).seen == BRIGID.certificate
    assert failure(connect(server, fleet_client(unknown)).seen).startswith(
        "cannot verify the peer's certificate"
    )


def test_listed_client_certificate_cannot_vouch_for_others() -> None:
    assert isinstance(BRIGID.private_key, ec.EllipticCurvePrivateKey)
    forged = CA(BRIGID.certificate, BRIGID.private_key).issue("pirate")
    server = server_context(ARGO, client_roots=[BRIGID.certificate])
    assert connect(server, fleet_client(BRIGID)).is_good
    assert isinstance(connect(server, fleet_client(forged)).seen, ssl.SSLError)


def test_no_session_of_tls_1_3_is_resumed() -> None:
    server, client = fleet_server(), fleet_client(BRIGID).context
    first, first_there, _ = shake_hands(server, client)
    second, _, errors = shake_hands(server, client, first.session)
    assert not errors
    assert not second.session_reused
    assert first_there.version() == "TLSv1.3"


def test_resumed_tls_1_2_session_has_its_certificate_and_is_tied_to_the_server_context() -> None:
    client = fleet_client(BRIGID).context
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    server = fleet_server()
    first, _first_there, _ = shake_hands(server, client)  # kept open: OpenSSL drops broken sessions
    second, there, _ = shake_hands(server, client, first.session)
    assert second.session_reused
    assert certificates.peer_certificate(there) == BRIGID.certificate
    changed = server_context(ARGO, client_roots=[STRANGERS.certificate])
    _, _, errors = shake_hands(changed, client, first.session)
    assert failure(errors["server"]).startswith("cannot verify the peer's certificate: ")


# Versions, and peers without TLS


def _old(context: ssl.SSLContext) -> ssl.SSLContext:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def test_client_of_tls_1_1_is_refused() -> None:
    meeting = asyncio.run(meet(server_context(ARGO), _old(fleet_client().context)))
    assert "supports no common version of TLS" in failure(meeting.seen)
    assert isinstance(meeting.echoed, OSError)


def test_server_of_tls_1_1_is_refused() -> None:
    meeting = connect(_old(server_context(ARGO)), fleet_client())
    assert isinstance(meeting.echoed, OSError)
    _, _, errors = shake_hands(_old(server_context(ARGO)), fleet_client().context)
    assert "supports no common version of TLS" in failure(errors["client"])


def test_both_sides_are_told_why_a_certificate_was_refused() -> None:
    _, _, errors = shake_hands(server_context(PIRATE), fleet_client().context)
    assert failure(errors["client"]).startswith("cannot verify the peer's certificate: ")
    assert failure(errors["server"]) == "the peer does not know the issuer of our certificate"
    _, _, errors = shake_hands(fleet_server(), fleet_client(PIRATE).context)
    assert failure(errors["server"]).startswith("cannot verify the peer's certificate: ")
    assert failure(errors["client"]) == "the peer does not know the issuer of our certificate"
    _, _, errors = shake_hands(fleet_server(required=True), fleet_client().context)
    assert failure(errors["client"]) == "the peer requires a client certificate, but none was sent"


def test_client_without_tls_is_distinguished_from_a_bad_certificate() -> None:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    up.write(b"GET /log/_blipsync HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError) as caught:
        server_context(ARGO).wrap_bio(up, down, server_side=True).do_handshake()
    assert failure(caught.value) == "the peer sent plain HTTP to a TLS port"


def test_failure_without_our_own_explanation_shows_the_text_of_openssl() -> None:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    up.write(b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00")
    with pytest.raises(ssl.SSLError) as caught:
        server_context(ARGO).wrap_bio(up, down, server_side=True).do_handshake()
    assert failure(caught.value).startswith("TLS failed: ")


def test_server_without_tls_is_distinguished_from_a_bad_certificate() -> None:
    async def call() -> ssl.SSLError:
        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await hang_up(writer)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            with pytest.raises(ssl.SSLError) as caught:
                await asyncio.open_connection("127.0.0.1", port, ssl=fleet_client().context)
        return caught.value

    assert "does not use TLS" in failure(asyncio.run(call()))


# Contradictory options


def test_contradictory_options_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be combined"):
        client_context(pinned=ARGO.fingerprint, accept_only_self_signed=True)
    with pytest.raises(ValueError, match="not a SHA-256 fingerprint"):
        client_context(pinned="AB:CD")
    with pytest.raises(ValueError, match="list of roots is empty"):
        client_context(roots=[])
    with pytest.raises(ValueError, match="no roots"):
        server_context(ARGO, client_certificate_required=True)


def test_identity_that_openssl_rejects_is_named() -> None:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "weakling")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(BEGIN).not_valid_after(END)
    weak = TLSIdentity((builder.sign(key, hashes.SHA256()),), key)
    with pytest.raises(ProblemError, match="OpenSSL rejects our own certificate 'weakling'"):
        server_context(weak)
