"""TLS contexts for asyncio, and what to check of a connection before the first byte is sent on it.

The handshake proves that the other side has its certificate's key, and (unless a pin or a self-signed
certificate is asked for) that the certificate leads to a root. Dates play no part in it; see `tls`.

Client certificates: Python's `ssl` asks a client for its certificate only together with verifying it against
roots, inside the handshake, and has no way to let an application judge one that leads to none. So a server
asks for certificates only if it is given roots. A root here need not be a CA: any certificate in the list is
trusted as it stands, a client's self-signed one too, so that certificates can be let in one by one.
"""

import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sync.net import tls
from sync.net.tls_alerts import AlertingContext
from sync.net.tls_identity import TLSIdentity

NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python's `ssl` does not name."""


Judge = Callable[[x509.Certificate], str | None]
"""What there is to say against a certificate, in words; None if nothing."""


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """How to connect to a server: both parts are needed."""

    context: ssl.SSLContext
    check: Callable[[ssl.SSLObject], None]
    """To be called when the handshake is done, before any byte is sent; raises ProblemError."""


def server_context(
    identity: TLSIdentity,
    *,
    client_roots: Sequence[x509.Certificate] | None = None,
    client_certificate_required: bool = False,
) -> ssl.SSLContext:
    """A context for a listener: TLS 1.2 or later, showing `identity`.

    With `client_roots`, clients are asked for a certificate; one that leads to none of them is refused in the
    handshake, and so is a client that shows none, if it is required. Without, clients are not asked. When the
    roots change, make a new context: no session of an old one is resumed in it.

    Raises ValueError if a certificate is required and there are no roots, ProblemError if OpenSSL will not
    have `identity` (its key is too weak, say).
    """
    if client_certificate_required and not client_roots:
        msg = "a client certificate is required, but there are no roots to verify it with"
        raise ValueError(msg)
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity)
    # TLS 1.3 then resumes no session. In TLS 1.2 `ssl` has no way to forbid it; its tickets stay, since
    # without them OpenSSL keeps each session in memory. A resumed one shows its client's certificate too.
    context.num_tickets = 0
    if client_roots:
        _trust(context, client_roots)
        context.verify_mode = ssl.CERT_REQUIRED if client_certificate_required else ssl.CERT_OPTIONAL
    return context


def client_context(
    *,
    pinned: str | x509.Certificate | None = None,
    accept_only_self_signed: bool = False,
    roots: Sequence[x509.Certificate] | None = None,
    expected_uri: str | None = None,
    judge: Judge | None = None,
    identity: TLSIdentity | None = None,
    now: Callable[[], datetime] | None = None,
) -> ClientTLS:
    """A context for connecting to a server: TLS 1.2 or later, with `identity` as client certificate, if any.

    What the server's certificate must be, one of:

    - `pinned`: the very one of this SHA-256 fingerprint (in any usual form), or this one; the server's own,
      not an issuer of it. Nothing else is looked at.
    - `accept_only_self_signed`: any that signed itself. Nothing else is looked at, since what else it says
      nobody vouches for.
    - otherwise: one that leads to `roots` (the system's, if None), is valid at `now` (aware, no earlier than
      is known; the clock's by default), and is issued to `expected_uri`, or if that is None, to the
      `server_hostname` of the connection. With `judge`, what that says decides instead of dates and names.

    Raises ValueError if these contradict each other or the fingerprint is none, ProblemError if OpenSSL will
    not have `identity`.
    """
    if pinned is not None and accept_only_self_signed:
        msg = "either pin a certificate or accept only self-signed ones, not both"
        raise ValueError(msg)
    if roots is not None and not roots:
        msg = "no certificate leads to an empty list of roots; None stands for the system's"
        raise ValueError(msg)
    context = _context(ssl.PROTOCOL_TLS_CLIENT, identity)
    if pinned is not None:
        _verify_nothing(context)
        pin = tls.parse_fingerprint(pinned) if isinstance(pinned, str) else tls.fingerprint(pinned)
        return ClientTLS(context, lambda connection: tls.check_pin(_certificate(connection), pin))
    if accept_only_self_signed:
        _verify_nothing(context)
        return ClientTLS(context, lambda connection: tls.check_self_signed(_certificate(connection)))
    context.check_hostname = expected_uri is None and judge is None
    if roots is None:
        context.load_default_certs()
    else:
        _trust(context, roots)
    clock = now or _clock

    def check(connection: ssl.SSLObject) -> None:
        certificate = _certificate(connection)
        if expected_uri is not None:
            tls.check_uri(certificate, expected_uri)
        if judge is None:
            tls.check_dates(certificate, clock())
        elif (objection := judge(certificate)) is not None:
            raise tls.tls_error(objection)

    return ClientTLS(context, check)


def _context(protocol: int, identity: TLSIdentity | None) -> ssl.SSLContext:
    context = AlertingContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= NO_CHECK_TIME
    context.options |= ssl.OP_NO_RENEGOTIATION
    if identity is not None:
        _show(context, identity)
    return context


def _show(context: ssl.SSLContext, identity: TLSIdentity) -> None:
    # `ssl` reads keys from files alone; this one is in memory, so that no key is left behind on a disk.
    descriptor = os.memfd_create("identity")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(identity.chain_pem() + identity.key_pem())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError as error:
        text = f"OpenSSL refuses our own certificate {identity.common_name!r}: {error.reason or error}"
        raise tls.tls_error(text) from error
    finally:
        os.close(descriptor)


def _trust(context: ssl.SSLContext, roots: Sequence[x509.Certificate]) -> None:
    context.load_verify_locations(cadata=b"".join(root.public_bytes(Encoding.DER) for root in roots))
    # Trusts what is listed even if it is not its own issuer: an intermediate CA, or a client itself.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _verify_nothing(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _certificate(connection: ssl.SSLObject) -> x509.Certificate:
    certificate = tls.peer_certificate(connection)
    if certificate is None:
        text = "the peer showed no certificate"
        raise tls.tls_error(text)
    return certificate


def _clock() -> datetime:
    return datetime.now(UTC)
