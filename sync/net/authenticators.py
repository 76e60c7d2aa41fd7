"""Who connects, and who may: what a client shows of itself, and how a listener judges it.

A client has one authenticator, which gives it HTTP headers for the WebSocket's handshake, a TLS identity to
show, or both:

    BasicAuthenticator("bridge", "…").headers()   # {"Authorization": "Basic …"}

A listener has `ListenerAuthenticators`: by password, by client certificate, or by either; what it says of a
client is a `User`, a `CertificateHolder`, `Anonymous`, or a `Refusal` to answer with.

Passwords and session ids appear in no repr, no error text and no log line.
"""

import base64
import binascii
import hmac
import inspect
import math
import re
import time
from asyncio import get_running_loop
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol

from cryptography import x509

from sync.net import tls
from sync.net.guesses import Guesses
from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import ProblemError

LONGEST_CREDENTIALS: Final = 4096
"""Characters of an Authorization header that we look at; more than any user name and password need."""
PASSWORDS_AT_ONCE: Final = 2
"""A good password hash takes 50 ms and more, and much memory: a crowd that connects must not take it all."""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_COOKIE_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")
"""RFC 6265, 4.1.1."""


def secrets_equal(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))


# Client side


class Authenticator(Protocol):
    """What a client shows of itself."""

    def headers(self) -> dict[str, str]:
        """To be sent with the WebSocket's handshake."""

    @property
    def identity(self) -> TLSIdentity | None:
        """To be shown in the TLS handshake, if the server asks."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who a client is, and whom it trusts, as read before one attempt to connect."""

    authenticator: Authenticator | None = None
    roots: tuple[x509.Certificate, ...] | None = None
    """The CAs that may vouch for the server; the system's if None."""


@dataclass(frozen=True, slots=True)
class BasicAuthenticator:
    """A user name and password (RFC 7617). Only for TLS: whoever reads along has both.

    Raises ValueError for a name with a colon in it, or control characters in either.
    """

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if ":" in self.user:
            msg = f"the user name {self.user!r} has a colon in it, which Basic authentication cannot carry"
            raise ValueError(msg)
        for what, value in (("user name", self.user), ("password", self.password)):
            if _CONTROL.search(value):
                msg = f"the {what} has control characters (a line's end, perhaps) in it"
                raise ValueError(msg)

    def headers(self) -> dict[str, str]:
        """`Authorization`."""
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}

    @property
    def identity(self) -> None:
        """None."""
        return


@dataclass(frozen=True, slots=True)
class SessionAuthenticator:
    """A session that a Sync Gateway began for us: a cookie.

    Raises ValueError if that cannot be a cookie's value or name.
    """

    session_id: str = field(repr=False)
    cookie_name: str = "SyncGatewaySession"

    def __post_init__(self) -> None:
        if not _COOKIE_NAME.fullmatch(self.cookie_name):
            msg = f"{self.cookie_name!r} cannot be the name of a cookie"
            raise ValueError(msg)
        if not _COOKIE_VALUE.fullmatch(self.session_id):
            msg = "the session id is empty, or has characters that a cookie cannot carry"
            raise ValueError(msg)

    def headers(self) -> dict[str, str]:
        """`Cookie`."""
        return {"Cookie": f"{self.cookie_name}={self.session_id}"}

    @property
    def identity(self) -> None:
        """None."""
        return


@dataclass(frozen=True, slots=True)
class ClientCertificateAuthenticator:
    """A client certificate."""

    identity: TLSIdentity

    def headers(self) -> dict[str, str]:
        """None."""
        return {}


# Listener side: who it is


@dataclass(frozen=True, slots=True)
class User:
    """Whoever gave this user name with its password."""

    name: str


@dataclass(frozen=True, slots=True)
class CertificateHolder:
    """Whoever has the key of this certificate, which is acceptable."""

    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Anonymous:
    """Anybody: the listener has no authenticator."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP response to the WebSocket's handshake."""

    status: int
    text: str
    """Why, for people; it tells a stranger nothing worth knowing."""
    headers: dict[str, str]


Client = User | CertificateHolder | Anonymous


# Listener side: judging

PasswordCallback = Callable[[str, str], bool | Awaitable[bool]]
"""Whether this user has this password."""
CertificateCallback = Callable[[list[x509.Certificate]], bool | str | Awaitable[bool | str]]
"""Whether the holder of the first certificate is welcome; what else the list holds are issuers, if known.
A text is a refusal that both sides are told: "the certificate of vessel argo was revoked on 2026-11-01"."""


class ListenerPasswordAuthenticator:
    """Lets users in by name and password.

    A callback that is no coroutine function runs in a thread of its own, since a good password hash is slow;
    no more than `at_once` of them at a time, the others wait in line. What it raises, `ok` raises.
    """

    def __init__(
        self,
        callback: PasswordCallback,
        *,
        at_once: int = PASSWORDS_AT_ONCE,
        guesses: Guesses | None = None,
    ) -> None:
        self._callback = callback
        self.guesses = guesses or Guesses(time.monotonic)
        """How often a listener asks, by address and user."""
        # Threads of our own rather than a semaphore before asyncio's: a client that hangs up does not end a
        # thread that has begun, and must not free its place either.
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="password")

    async def ok(self, user: str, password: str) -> bool:
        """Whether to let this user in."""
        judge = partial(self._callback, user, password)
        if inspect.iscoroutinefunction(self._callback):
            return await _awaited(judge())
        # A callable may turn out to be asynchronous only by what it returns.
        return await _awaited(await get_running_loop().run_in_executor(self._threads, judge))


class ListenerCertificateAuthenticator:
    """Lets clients in by certificate: one that leads to `roots` and that `callback`, if any, agrees to.

    A root may be a CA, or a client's own certificate, a self-signed one too; a client whose certificate leads
    to none of them is refused in the TLS handshake, and the callback does not hear of it. A callback alone
    is not possible, and raises ValueError: Python's `ssl` shows nobody a certificate that does not verify.
    The callback runs in the event loop, so it must be quick or a coroutine function.
    """

    def __init__(
        self, callback: CertificateCallback | None = None, *, roots: Sequence[x509.Certificate] = ()
    ) -> None:
        if not roots:
            msg = "roots are needed: the CAs, or the clients' own certificates, that are trusted"
            raise ValueError(msg)
        self.roots = tuple(roots)
        """For the listener's TLS context, which verifies with them."""
        self._callback = callback

    async def ok(self, certificates: list[x509.Certificate]) -> bool:
        """Whether to let the holder of the first certificate in, which the handshake has verified."""
        return await self.objection(certificates) is None

    async def objection(self, certificates: list[x509.Certificate]) -> str | None:
        """Why not to let that holder in, for both sides; None to let it in."""
        verdict = True if self._callback is None else self._callback(certificates)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if isinstance(verdict, str) and verdict:
            return verdict
        return None if verdict else "this client certificate is not welcome here"


def _clock() -> datetime:
    return datetime.now(UTC)


class ListenerAuthenticators:
    """All the ways into a listener; any one of them suffices, and without any, everybody may enter."""

    def __init__(
        self,
        *,
        password: ListenerPasswordAuthenticator | None = None,
        certificate: ListenerCertificateAuthenticator | None = None,
        now: Callable[[], datetime] = _clock,
    ) -> None:
        """`now` is aware and no earlier than is known, for the dates of certificates."""
        self.password = password
        self.certificate = certificate
        self._now = now

    @property
    def client_roots(self) -> tuple[x509.Certificate, ...]:
        """For the listener's TLS context; empty if certificates are of no use here."""
        return self.certificate.roots if self.certificate else ()

    @property
    def is_certificate_required(self) -> bool:
        """Whether there is no way in without a certificate."""
        return self.certificate is not None and self.password is None

    async def authenticate(
        self,
        authorization: str | None,
        peer_certificate: x509.Certificate | None,
        address: str | None = None,
    ) -> Client | Refusal:
        """Who a client is, or how to refuse it.

        `authorization` is the header of that name; `peer_certificate` is what the TLS handshake verified
        against `client_roots`; `address` is where it comes from: without it, guessing is not limited. A
        certificate that will do goes before a password, which is then not looked at; one that will not
        leaves the password. Raises what a callback raises: nobody is let in then.
        """
        if self.password is None and self.certificate is None:
            return Anonymous()
        why_not: str | None = None
        if self.certificate is not None and peer_certificate is not None:
            why_not = await self._objection(self.certificate, peer_certificate)
            if why_not is None:
                return CertificateHolder(peer_certificate)
        if self.password is None:
            return Refusal(403, why_not or "a client certificate is needed here", {})
        if authorization is None:
            return _unauthorized(why_not or "a user name and password are needed here")
        return await _by_password(self.password, authorization, address)

    async def _objection(
        self, judge: ListenerCertificateAuthenticator, certificate: x509.Certificate
    ) -> str | None:
        try:
            tls.check_dates(certificate, self._now())
        except ProblemError as error:
            return error.problem.text
        return await judge.objection([certificate])


def parse_basic(authorization: str) -> tuple[str, str]:
    """The user name and password of an Authorization header.

    Raises ValueError saying what is wrong with it, without quoting it.
    """
    if len(authorization) > LONGEST_CREDENTIALS:
        msg = f"the Authorization header is longer than {LONGEST_CREDENTIALS} characters"
        raise ValueError(msg)
    scheme, _, credentials = authorization.strip(" \t").partition(" ")
    if scheme.lower() != "basic":
        msg = "the Authorization header is not of the scheme Basic"
        raise ValueError(msg)
    try:
        content = base64.b64decode(credentials.strip(" \t"), validate=True)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode("latin-1")  # as Couchbase Lite for Java writes what it can
    except (binascii.Error, ValueError):
        msg = "the credentials of the Authorization header are not base64"
        raise ValueError(msg) from None
    user, colon, password = text.partition(":")
    if not colon:
        msg = "the credentials of the Authorization header have no colon"
        raise ValueError(msg)
    if _CONTROL.search(text):
        msg = "the credentials of the Authorization header have control characters in them"
        raise ValueError(msg)
    return user, password


async def _by_password(
    judge: ListenerPasswordAuthenticator, authorization: str, address: str | None
) -> User | Refusal:
    try:
        user, password = parse_basic(authorization)
    except ValueError as error:
        return _unauthorized(str(error))
    guesses = judge.guesses
    if address is not None and (wait := guesses.attempt(address, user)) > 0:
        return _over_limit(wait)
    try:
        is_right = await judge.ok(user, password)
    except Exception:
        if address is not None:
            guesses.take_back(address, user)
        raise
    if not is_right:
        return _unauthorized("wrong user name or password")
    if address is not None:
        guesses.succeeded(address, user)
    return User(user)


def _over_limit(wait: float) -> Refusal:
    seconds = math.ceil(wait)
    text = f"too many wrong passwords; none is looked at for {seconds} s"
    return Refusal(429, text, {"Retry-After": str(seconds)})


def _unauthorized(text: str) -> Refusal:
    return Refusal(401, text, {"WWW-Authenticate": 'Basic realm="logboat"'})


async def _awaited(verdict: bool | Awaitable[bool]) -> bool:
    return bool(await verdict if inspect.isawaitable(verdict) else verdict)
