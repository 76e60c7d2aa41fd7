"""Tests of the credentials that clients present, and of the clients that a listener admits."""

import asyncio
import base64
import threading
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import example, given
from hypothesis import strategies as st

from sync.net.authenticators import (
    LONGEST_CREDENTIALS,
    Anonymous,
    Authenticator,
    BasicAuthenticator,
    CertificateHolder,
    Client,
    ClientCertificateAuthenticator,
    ListenerAuthenticators,
    ListenerCertificateAuthenticator,
    ListenerPasswordAuthenticator,
    Refusal,
    SessionAuthenticator,
    User,
    parse_basic,
    secrets_equal,
)
from tests.net.certificates import CA, END, NOW, self_signed

FLEET = CA.new()
BRIGID = FLEET.issue("brigid")
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=200)
NAMES = PRINTABLE.filter(lambda text: ":" not in text)


def basic(user: str, password: str) -> str:
    return BasicAuthenticator(user, password).headers()["Authorization"]


def encoded(credentials: bytes) -> str:
    return "Basic " + base64.b64encode(credentials).decode()


def is_bridge(user: str, password: str) -> bool:
    return user == "bridge" and secrets_equal(password, "kedge:anchor")


def welcome(_: list[x509.Certificate]) -> bool:
    return True


PASSWORD = ListenerPasswordAuthenticator(is_bridge)
CERTIFICATE = ListenerCertificateAuthenticator(roots=[FLEET.certificate])


def judge(
    authenticators: ListenerAuthenticators,
    authorization: str | None = None,
    certificate: x509.Certificate | None = None,
) -> Client | Refusal:
    return asyncio.run(authenticators.authenticate(authorization, certificate))


def listener(
    *,
    password: ListenerPasswordAuthenticator | None = None,
    certificate: ListenerCertificateAuthenticator | None = None,
) -> ListenerAuthenticators:
    return ListenerAuthenticators(password=password, certificate=certificate, now=lambda: NOW)


# Clients


def test_each_authenticator_returns_its_headers_and_identity() -> None:
    identity = self_signed()
    cases: list[tuple[Authenticator, dict[str, str], object]] = [
        (
            BasicAuthenticator("Aladdin", "open sesame"),
            {"Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
            None,
        ),
        (SessionAuthenticator("904ac010"), {"Cookie": "SyncGatewaySession=904ac010"}, None),
        (SessionAuthenticator("904ac010", "Harbour"), {"Cookie": "Harbour=904ac010"}, None),
        (ClientCertificateAuthenticator(identity), {}, identity),
    ]
    for authenticator, headers, shown in cases:
        assert authenticator.headers() == headers
        assert authenticator.identity is shown


def test_secrets_are_in_no_repr() -> None:
    assert "kedge" not in repr(BasicAuthenticator("bridge", "kedge"))
    assert "904ac010" not in repr(SessionAuthenticator("904ac010"))
    assert "key" not in repr(ClientCertificateAuthenticator(self_signed()))


@pytest.mark.parametrize(
    ("user", "password"), [("a:b", "x"), ("a\n", "x"), ("a", "kedge\r\n"), ("a", "\x00")]
)
def test_characters_that_basic_authentication_cannot_carry_are_refused_without_showing_the_password(
    user: str, password: str
) -> None:
    with pytest.raises(ValueError) as caught:
        BasicAuthenticator(user, password)
    assert "kedge" not in str(caught.value)


@pytest.mark.parametrize("session", ["", "a b", "a;b", "a,b", "a\r\nX: y", 'a"', "é"])
def test_characters_that_a_cookie_cannot_carry_are_refused(session: str) -> None:
    with pytest.raises(ValueError, match="session id"):
        SessionAuthenticator(session)
    with pytest.raises(ValueError, match="is not a valid cookie name"):
        SessionAuthenticator("904ac010", session + "=")


# The header


@given(NAMES, PRINTABLE)
def test_any_user_and_password_survive_encoding_in_the_header(user: str, password: str) -> None:
    header = basic(user, password)
    assert parse_basic(header) == (user, password)
    assert parse_basic(header.replace("Basic ", " bAsIc   ") + " ") == (user, password)


@given(st.text() | st.binary().map(encoded) | st.text().map("Basic {}".format))
@example("Basic")
@example("Basic \ud800")
@example("Basic é")
def test_any_header_is_parsed_as_credentials_or_refused(header: str) -> None:
    try:
        user, _ = parse_basic(header)
    except ValueError as error:
        words = str(error)
    else:
        assert ":" not in user
        return
    assert "Authorization header" in words


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("", "does not use the Basic scheme"),
        ("Bearer YTpi", "does not use the Basic scheme"),
        ("BasicYTpi", "does not use the Basic scheme"),
        ("Basic", "no colon"),
        ("Basic YTpi!", "not base64"),
        ("Basic YTp", "not base64"),
        ("Basic YTpi YTpi", "not base64"),
        (encoded(b"bridge"), "no colon"),
        (encoded(b"bridge:kedge\n"), "control characters"),
        (encoded(b"a:" + b"b" * LONGEST_CREDENTIALS), "longer than 4096"),
    ],
)
def test_bad_header_is_answered_with_401_without_calling_the_callback(header: str, words: str) -> None:
    def never(user: str, password: str) -> bool:
        raise AssertionError((user, password))

    refusal = judge(listener(password=ListenerPasswordAuthenticator(never)), header)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 401
    assert refusal.headers == {"WWW-Authenticate": 'Basic realm="logboat"'}
    assert words in refusal.text


# Passwords


def test_user_is_admitted_only_with_the_right_password() -> None:
    authenticators = listener(password=PASSWORD)
    assert judge(authenticators, basic("bridge", "kedge:anchor")) == User("bridge")
    for user, password in [("bridge", "kedge"), ("galley", "kedge:anchor"), ("", "")]:
        refusal = judge(authenticators, basic(user, password))
        assert isinstance(refusal, Refusal)
        assert (refusal.status, refusal.text) == (401, "wrong user name or password")
    refusal = judge(authenticators)
    assert isinstance(refusal, Refusal)
    assert refusal.text == "a user name and password are required"


def test_password_callback_may_be_any_kind_of_asynchronous_callable() -> None:
    loops = []

    async def check(user: str, password: str) -> bool:
        loops.append(asyncio.get_running_loop())
        return is_bridge(user, password)

    class Checker:
        async def __call__(self, user: str, password: str) -> bool:
            return await check(user, password)

    def later(user: str, password: str) -> Awaitable[bool]:
        return check(user, password)

    for callback in (check, Checker(), later):
        authenticators = listener(password=ListenerPasswordAuthenticator(callback))
        assert judge(authenticators, basic("bridge", "kedge:anchor")) == User("bridge")
        assert isinstance(judge(authenticators, basic("bridge", "anchor")), Refusal)
    assert len(loops) == 6


def test_slow_password_callback_does_not_block_the_event_loop() -> None:
    release = threading.Event()

    def slow(user: str, password: str) -> bool:
        return release.wait(60)

    async def main() -> Client | Refusal:
        authenticators = listener(password=ListenerPasswordAuthenticator(slow))
        task = asyncio.create_task(authenticators.authenticate(basic("bridge", "x"), None))
        await asyncio.sleep(0)
        release.set()  # This line would never be reached if the callback ran in this thread.
        return await task

    assert asyncio.run(main()) == User("bridge")


def test_concurrent_password_callbacks_are_limited_even_if_clients_hang_up() -> None:
    lock, release = threading.Lock(), threading.Event()
    both_run = threading.Barrier(3)
    running = most = begun = 0

    def slow(user: str, password: str) -> bool:
        nonlocal running, most, begun
        with lock:
            running += 1
            begun += 1
            most = max(most, running)
            number = begun
        if number <= 2:
            both_run.wait(60)
            release.wait(60)
        with lock:
            running -= 1
        return True

    async def main() -> None:
        authenticator = ListenerPasswordAuthenticator(slow, at_once=2)
        gone = [asyncio.create_task(authenticator.ok("a", "b")) for _ in range(6)]
        await asyncio.to_thread(both_run.wait, 60)
        for task in gone:
            task.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        stayed = [asyncio.create_task(authenticator.ok("a", "b")) for _ in range(4)]
        await asyncio.sleep(0)
        release.set()
        assert all(await asyncio.gather(*stayed))

    asyncio.run(main())
    assert most == 2
    assert begun == 2 + 4, "those who hung up while waiting in line cost nothing"


def test_callback_that_raises_admits_nobody() -> None:
    def broken(*_: object) -> bool:
        raise LookupError("no users file")

    with pytest.raises(LookupError, match="no users file"):
        judge(listener(password=ListenerPasswordAuthenticator(broken)), basic("bridge", "x"))
    certificate = ListenerCertificateAuthenticator(broken, roots=[FLEET.certificate])
    with pytest.raises(LookupError, match="no users file"):
        judge(listener(certificate=certificate), None, BRIGID.certificate)


# Certificates, alone and together with passwords


def test_without_authenticators_everybody_is_anonymous() -> None:
    assert judge(listener(), basic("bridge", "x"), BRIGID.certificate) == Anonymous()
    assert listener().client_roots == ()


def test_where_a_certificate_is_required_a_password_is_not_enough() -> None:
    authenticators = listener(certificate=CERTIFICATE)
    assert authenticators.is_certificate_required
    assert authenticators.client_roots == (FLEET.certificate,)
    assert judge(authenticators, None, BRIGID.certificate) == CertificateHolder(BRIGID.certificate)
    refusal = judge(authenticators, basic("bridge", "kedge:anchor"))
    assert refusal == Refusal(403, "a client certificate is required", {})


def test_certificate_or_password_suffices_where_both_are_accepted() -> None:
    authenticators = listener(password=PASSWORD, certificate=CERTIFICATE)
    assert not authenticators.is_certificate_required
    right, wrong = basic("bridge", "kedge:anchor"), basic("bridge", "anchor")
    assert judge(authenticators, right) == User("bridge")
    assert judge(authenticators, None, BRIGID.certificate) == CertificateHolder(BRIGID.certificate)
    assert judge(authenticators, wrong, BRIGID.certificate) == CertificateHolder(BRIGID.certificate)
    for refusal in (judge(authenticators), judge(authenticators, wrong)):
        assert isinstance(refusal, Refusal)
        assert refusal.status == 401


def test_certificate_is_ignored_where_only_passwords_are_accepted() -> None:
    refusal = judge(listener(password=PASSWORD), None, BRIGID.certificate)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 401


def test_certificate_callback_can_refuse_a_certificate_but_not_a_password() -> None:
    async def later(certificates: list[x509.Certificate]) -> bool:
        return certificates != [BRIGID.certificate]

    for callback in (lambda certificates: certificates != [BRIGID.certificate], later):
        certificate = ListenerCertificateAuthenticator(callback, roots=[FLEET.certificate])
        other = FLEET.issue("argo").certificate
        assert judge(listener(certificate=certificate), None, other) == CertificateHolder(other)
        refusal = judge(listener(certificate=certificate), None, BRIGID.certificate)
        assert refusal == Refusal(403, "this client certificate is not accepted here", {})
        both = listener(password=PASSWORD, certificate=certificate)
        assert judge(both, basic("bridge", "kedge:anchor"), BRIGID.certificate) == User("bridge")


def test_certificate_callback_may_return_a_reason_synchronously_or_not() -> None:
    def revoked(_: list[x509.Certificate]) -> bool | str:
        return "revoked yesterday"

    async def revoked_later(_: list[x509.Certificate]) -> bool | str:
        return "revoked yesterday"

    def unnamed(_: list[x509.Certificate]) -> bool | str:
        return ""

    for callback, text in [
        (revoked, "revoked yesterday"),
        (revoked_later, "revoked yesterday"),
        (unnamed, "this client certificate is not accepted here"),
    ]:
        judging = ListenerCertificateAuthenticator(callback, roots=[FLEET.certificate])
        assert judge(listener(certificate=judging), certificate=BRIGID.certificate) == Refusal(403, text, {})
        assert not asyncio.run(judging.ok([BRIGID.certificate]))


def test_expired_certificate_is_refused_and_not_shown_to_the_callback() -> None:
    def never(_: list[x509.Certificate]) -> bool:
        raise AssertionError

    certificate = ListenerCertificateAuthenticator(never, roots=[FLEET.certificate])
    authenticators = ListenerAuthenticators(certificate=certificate, now=lambda: END + timedelta(days=1))
    refusal = judge(authenticators, None, BRIGID.certificate)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 403
    assert "expired at 2126-01-01" in refusal.text


def test_certificate_callback_without_roots_is_refused_because_it_would_never_be_called() -> None:
    with pytest.raises(ValueError, match="no roots given"):
        ListenerCertificateAuthenticator(welcome)


# Secrets


@given(st.text(), st.text())
@example("", "")
@example("\ud800", "\ud801")
def test_secrets_are_compared_correctly(one: str, other: str) -> None:
    assert secrets_equal(one, one)
    assert secrets_equal(one, other) == (one == other)


def test_credentials_in_latin_1_are_read_as_couchbase_lite_for_java_writes_them() -> None:
    assert parse_basic(encoded("a:sécret".encode("latin-1"))) == ("a", "sécret")
    assert parse_basic(encoded("a:sécret".encode())) == ("a", "sécret")
