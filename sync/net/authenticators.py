"""Authentication: the credentials of a client, and their verification by a listener.

A client has one authenticator, which supplies HTTP headers for the WebSocket handshake, a TLS identity, or
both:

    BasicAuthenticator("bridge", "…").headers()   # {"Authorization": "Basic …"}

A listener has `ListenerAuthenticators`, which authenticate clients by password, by client certificate, or by
either. The result is a `User`, a `CertificateHolder` or `Anonymous` for a client that is admitted, and a
`Refusal` for a client that is not. The `Refusal` describes the response to send.

No repr, error message or log message contains a password or a session id.
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
from http import HTTPStatus
from typing import Final, Protocol

from cryptography import x509

from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import ProblemError

from . import certificates
from .login_rate_limit import LoginAttempts

LONGEST_CREDENTIALS: Final = 4096
"""Maximum length of an Authorization header, in characters. User names and passwords are much shorter."""
PASSWORDS_AT_ONCE: Final = 2
"""Maximum number of passwords checked at the same time.

Checking a password against a good hash takes at least 50 ms and much memory. Without this limit, many
simultaneous clients could use up the memory.
"""

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_COOKIE_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_COOKIE_VALUE: Final = re.compile(r"[!#-+\--:<-\[\]-~]+")
"""Pattern of valid cookie values (RFC 6265, section 4.1.1)."""


def secrets_equal(one: str, other: str) -> bool:
    """Compare two secrets in constant time. Return True if they are equal."""
    return hmac.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))


# Client side


class Authenticator(Protocol):
    """The credentials that a client presents to a server."""

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers to send with the WebSocket handshake."""

    @property
    def identity(self) -> TLSIdentity | None:
        """The identity to present in the TLS handshake if the server requests one, or None."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A client's credentials and trusted roots for one connection attempt."""

    authenticator: Authenticator | None = None
    roots: tuple[x509.Certificate, ...] | None = None
    """The CAs that are trusted to issue the server's certificate; None for the system's CAs."""


@dataclass(frozen=True, slots=True)
class BasicAuthenticator:
    """Credentials that consist of a user name and a password (RFC 7617).

    Use them only over TLS, because they are sent in clear text. Raises ValueError if the name contains a
    colon, or if the name or the password contains control characters.
    """

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if ":" in self.user:
            msg = f"the user name {self.user!r} contains a colon, which Basic authentication does not allow"
            raise ValueError(msg)
        for what, value in (("user name", self.user), ("password", self.password)):
            if _CONTROL.search(value):
                msg = f"the {what} contains control characters, perhaps a line break"
                raise ValueError(msg)

    def headers(self) -> dict[str, str]:
        """Return the `Authorization` header."""
        credentials = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        return {"Authorization": f"Basic {credentials}"}

    @property
    def identity(self) -> None:
        """None, because a client with a password presents no TLS identity."""
        return


@dataclass(frozen=True, slots=True)
class SessionAuthenticator:
    """Credentials that consist of a session cookie issued by a Sync Gateway.

    Raises ValueError if the session id or the cookie's name is not valid in a cookie.
    """

    session_id: str = field(repr=False)
    cookie_name: str = "SyncGatewaySession"

    def __post_init__(self) -> None:
        if not _COOKIE_NAME.fullmatch(self.cookie_name):
            msg = f"{self.cookie_name!r} is not a valid cookie name"
            raise ValueError(msg)
        if not _COOKIE_VALUE.fullmatch(self.session_id):
            msg = "the session id is empty, or contains characters that are not allowed in a cookie"
            raise ValueError(msg)

    def headers(self) -> dict[str, str]:
        """Return the `Cookie` header."""
        return {"Cookie": f"{self.cookie_name}={self.session_id}"}

    @property
    def identity(self) -> None:
        """None, because a client with a session cookie presents no TLS identity."""
        return


@dataclass(frozen=True, slots=True)
class ClientCertificateAuthenticator:
    """Credentials that consist of a client certificate, which is presented in the TLS handshake."""

    identity: TLSIdentity

    def headers(self) -> dict[str, str]:
        """Return no headers, because the certificate is presented in the TLS handshake."""
        return {}


# Listener side: identities


@dataclass(frozen=True, slots=True)
class User:
    """A client that has sent a user name and the correct password."""

    name: str


@dataclass(frozen=True, slots=True)
class CertificateHolder:
    """A client that has proved possession of the private key of an accepted certificate."""

    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Anonymous:
    """A client of a listener that has no authenticators. The client's identity is unknown."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP response with which the listener refuses a client's WebSocket handshake."""

    status: int
    text: str
    """Human-readable reason. It must not reveal anything useful to an unauthenticated client."""
    headers: dict[str, str]


Client = User | CertificateHolder | Anonymous


# Listener side: checking

PasswordCallback = Callable[[str, str], bool | Awaitable[bool]]
"""Function that returns True if a password is correct. Its arguments are the user name and the password."""
CertificateCallback = Callable[[list[x509.Certificate]], bool | str | Awaitable[bool | str]]
"""Function that returns True if the client with the given certificate may connect.

Its argument is a list that begins with the client's certificate, followed by those of the issuers, if known.
To refuse the client with a reason, the function may return a string such as "the certificate of argo was
revoked on 2026-11-01". The reason is logged here and sent to the client.
"""


class ListenerPasswordAuthenticator:
    """Authenticator that identifies users by name and password.

    The callback checks the password. If it is not a coroutine function, it runs in a separate thread, because
    a good password hash is slow. At most `at_once` callbacks run at the same time, and further attempts wait.
    `ok` propagates exceptions raised by the callback.
    """

    def __init__(
        self,
        callback: PasswordCallback,
        *,
        at_once: int = PASSWORDS_AT_ONCE,
        guesses: LoginAttempts | None = None,
    ) -> None:
        self._callback = callback
        self.guesses = guesses or LoginAttempts(time.monotonic)
        """Record of login attempts, which limits wrong passwords for each address and each user."""
        # A separate thread pool limits the number of callbacks. A semaphore would not limit it: when a client
        # disconnects, its semaphore is released, but its thread continues.
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="password")

    async def ok(self, user: str, password: str) -> bool:
        """Return True if `password` is the password of `user`."""
        judge = partial(self._callback, user, password)
        if inspect.iscoroutinefunction(self._callback):
            return await _awaited(judge())
        # A plain callable may still return an awaitable.
        return await _awaited(await get_running_loop().run_in_executor(self._threads, judge))


class ListenerCertificateAuthenticator:
    """Authenticator that accepts certificates that chain to one of `roots` and that `callback` accepts.

    A root may be a CA certificate, or a client's own certificate, even a self-signed one. If a client's
    certificate does not chain to a root, the client is refused in the TLS handshake, before the callback is
    called. Roots are required, because Python's `ssl` does not reveal a certificate that it has not verified.
    Raises ValueError if `roots` is empty.

    The callback runs in the event loop, so it must be fast or a coroutine function. It is called twice for
    each connection: after the TLS handshake, and after the client's request.
    """

    def __init__(
        self,
        callback: CertificateCallback | None = None,
        *,
        roots: Sequence[x509.Certificate] = (),
        revoked: Callable[[x509.Certificate], str | None] = lambda _: None,
    ) -> None:
        """Create the authenticator.

        Args:
            callback: decides whether a client may connect; None to accept every certificate that chains to a
                root.
            roots: trusted certificates, at least one.
            revoked: returns the reason why a certificate was revoked, or None if it was not revoked. A client
                with a revoked certificate is refused after the TLS handshake, and cannot use a password
                instead.
        """
        if not roots:
            msg = "no roots given; pass the certificates of trusted CAs, or of trusted clients"
            raise ValueError(msg)
        self.roots = tuple(roots)
        """Trusted certificates against which the listener's TLS context verifies clients' certificates."""
        self.revoked = revoked
        self._callback = callback

    async def ok(self, certificates: list[x509.Certificate]) -> bool:
        """Return True if the holder of the first certificate may connect. TLS must have verified it."""
        return await self.objection(certificates) is None

    async def objection(self, certificates: list[x509.Certificate]) -> str | None:
        """Return the reason to refuse the holder of the first certificate; None to admit the client.

        The reason is logged here and sent to the client.
        """
        verdict = True if self._callback is None else self._callback(certificates)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if isinstance(verdict, str) and verdict:
            return verdict
        return None if verdict else "this client certificate is not accepted here"


def _clock() -> datetime:
    return datetime.now(UTC)


class ListenerAuthenticators:
    """The authenticators of a listener.

    A client is admitted if one authenticator accepts it. Without authenticators, every client is admitted.
    """

    def __init__(
        self,
        *,
        password: ListenerPasswordAuthenticator | None = None,
        certificate: ListenerCertificateAuthenticator | None = None,
        now: Callable[[], datetime] = _clock,
    ) -> None:
        """Create the authenticators.

        Args:
            password: authenticates users by password; None if passwords are not used.
            certificate: authenticates clients by certificate; None if certificates are not used.
            now: returns the time at which certificates must be valid, as an aware datetime. The result must
                not be earlier than a time that is known to have passed.
        """
        self.password = password
        self.certificate = certificate
        self._now = now

    @property
    def client_roots(self) -> tuple[x509.Certificate, ...]:
        """Trusted roots for the listener's TLS context; empty if certificates are not used."""
        return self.certificate.roots if self.certificate else ()

    @property
    def is_certificate_required(self) -> bool:
        """True if clients cannot connect without a certificate."""
        return self.certificate is not None and self.password is None

    async def judge(self, certificate: x509.Certificate) -> bool | Refusal:
        """Check a certificate that the TLS handshake has verified, before the client has sent a request.

        Returns:
            True if the client is admitted; False if the client may still log in with a password; otherwise a
            refusal.
        """
        if self.certificate is None:
            return False
        if (revoked := self.certificate.revoked(certificate)) is not None:
            return Refusal(HTTPStatus.FORBIDDEN, revoked, {})
        why_not = await self._objection(self.certificate, certificate)
        if why_not is None:
            return True
        return False if self.password is not None else Refusal(HTTPStatus.FORBIDDEN, why_not, {})

    async def authenticate(
        self,
        authorization: str | None,
        peer_certificate: x509.Certificate | None,
        address: str | None = None,
    ) -> Client | Refusal:
        """Return the identity of a client, or the refusal to send to the client.

        The password is checked only if the client has no accepted certificate. Exceptions raised by a
        callback are propagated. In that case, the caller must not admit the client.

        Args:
            authorization: the client's Authorization header; None if the client has sent none.
            peer_certificate: the client's certificate, which the TLS handshake has verified against
                `client_roots`; None if the client has sent none.
            address: the client's IP address. If None, the number of wrong passwords is not limited.
        """
        if self.password is None and self.certificate is None:
            return Anonymous()
        why_not: str | None = None
        if self.certificate is not None and peer_certificate is not None:
            why_not = await self._objection(self.certificate, peer_certificate)
            if why_not is None:
                return CertificateHolder(peer_certificate)
        if self.password is None:
            return Refusal(HTTPStatus.FORBIDDEN, why_not or "a client certificate is required", {})
        if authorization is None:
            return _unauthorized(why_not or "a user name and password are required")
        return await _by_password(self.password, authorization, address)

    async def _objection(
        self, judge: ListenerCertificateAuthenticator, certificate: x509.Certificate
    ) -> str | None:
        try:
            certificates.check_dates(certificate, self._now())
        except ProblemError as error:
            return error.problem.text
        return await judge.objection([certificate])


def parse_basic(authorization: str) -> tuple[str, str]:
    """Return the user name and the password from an Authorization header.

    Raises ValueError if the header is malformed. The error message does not quote the header.
    """
    if len(authorization) > LONGEST_CREDENTIALS:
        msg = f"the Authorization header is longer than {LONGEST_CREDENTIALS} characters"
        raise ValueError(msg)
    scheme, _, credentials = authorization.strip(" \t").partition(" ")
    if scheme.lower() != "basic":
        msg = "the Authorization header does not use the Basic scheme"
        raise ValueError(msg)
    try:
        content = base64.b64decode(credentials.strip(" \t"), validate=True)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode("latin-1")  # Couchbase Lite for Java uses this encoding if possible
    except (binascii.Error, ValueError):
        msg = "the credentials of the Authorization header are not base64"
        raise ValueError(msg) from None
    user, colon, password = text.partition(":")
    if not colon:
        msg = "the credentials of the Authorization header have no colon"
        raise ValueError(msg)
    if _CONTROL.search(text):
        msg = "the credentials of the Authorization header contain control characters"
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
    text = f"too many wrong passwords; try again in {seconds} s"
    return Refusal(HTTPStatus.TOO_MANY_REQUESTS, text, {"Retry-After": str(seconds)})


def _unauthorized(text: str) -> Refusal:
    return Refusal(HTTPStatus.UNAUTHORIZED, text, {"WWW-Authenticate": 'Basic realm="logboat"'})


async def _awaited(verdict: bool | Awaitable[bool]) -> bool:
    return bool(await verdict if inspect.isawaitable(verdict) else verdict)
