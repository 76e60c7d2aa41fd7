"""TLS contexts for asyncio, and the checks of a connection before the first byte is sent on it.

The handshake proves that the other side has its certificate's key. It also proves that the certificate leads
to a root, unless a pin or a self-signed certificate is asked for. It ignores dates; see `certificates`.

Client certificates: Python's `ssl` asks a client for its certificate only if it also verifies it against
roots in the handshake. It does not let an application check a certificate that leads to no root. So a server
asks for certificates only if it has roots. A root need not be a CA: any certificate in the list is trusted by
itself, even a client's self-signed one, so certificates can be admitted individually.
"""

import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from sync.net.tls_alerts import AlertingContext
from sync.net.tls_identity import TLSIdentity

from . import certificates

NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python's `ssl` has no constant."""


Judge = Callable[[x509.Certificate], str | None]
"""Function that returns an objection to a certificate in words, or None if there is none."""


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """A TLS context for connecting to a server, and the check that must follow the handshake."""

    context: ssl.SSLContext
    check: Callable[[ssl.SSLObject], None]
    """Function to call after the handshake, before any byte is sent. It raises ProblemError."""


def server_context(
    identity: TLSIdentity,
    *,
    client_roots: Sequence[x509.Certificate] | None = None,
    client_certificate_required: bool = False,
) -> ssl.SSLContext:
    """Return a context for a listener: TLS 1.2 or later, presenting `identity`.

    With `client_roots`, clients are asked for a certificate. A certificate that leads to no root is refused
    in the handshake, and so is a client without one if it is required. Without roots, clients are not asked.
    When the roots change, make a new context: no session of an old one is resumed in it.

    Raises ValueError if a certificate is required and there are no roots, and ProblemError if OpenSSL rejects
    `identity` (because its key is too weak, for example).
    """
    if client_certificate_required and not client_roots:
        msg = "a client certificate is required, but no roots are given to verify it"
        raise ValueError(msg)
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity)
    # TLS 1.3 then resumes no session. `ssl` cannot forbid resumption in TLS 1.2. Its tickets stay, since
    # without them OpenSSL keeps each session in memory. A resumed session has its client's certificate too.
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
    """Return a context for connecting to a server: TLS 1.2 or later, with `identity` as client certificate.

    The server's certificate must satisfy one of:

    - `pinned`: it is the certificate with this SHA-256 fingerprint (in any usual form), or this certificate.
      It must be the server's own, not that of an issuer. Nothing else is checked.
    - `accept_only_self_signed`: it is signed by itself. Nothing else is checked, since nobody vouches for the
      rest of its content.
    - otherwise: it leads to `roots` (the system's, if None), is valid at `now` (aware, by default the system
      clock), and is issued to `expected_uri`, or if that is None, to the `server_hostname` of the connection.
      With `judge`, that function decides instead of dates and names.

    Raises ValueError if the arguments contradict each other or the fingerprint is invalid, and ProblemError
    if OpenSSL rejects `identity`.
    """
    if pinned is not None and accept_only_self_signed:
        msg = "pinning and accept_only_self_signed exclude each other"
        raise ValueError(msg)
    if roots is not None and not roots:
        msg = "the list of roots is empty; pass None for the system's roots"
        raise ValueError(msg)
    context = _context(ssl.PROTOCOL_TLS_CLIENT, identity)
    if pinned is not None:
        _verify_nothing(context)
        pin = (
            certificates.parse_fingerprint(pinned)
            if isinstance(pinned, str)
            else certificates.fingerprint(pinned)
        )
        return ClientTLS(context, lambda connection: certificates.check_pin(_certificate(connection), pin))
    if accept_only_self_signed:
        _verify_nothing(context)
        return ClientTLS(context, lambda connection: certificates.check_self_signed(_certificate(connection)))
    context.check_hostname = expected_uri is None and judge is None
    if roots is None:
        context.load_default_certs()
    else:
        _trust(context, roots)
    clock = now or _clock

    def check(connection: ssl.SSLObject) -> None:
        certificate = _certificate(connection)
        if expected_uri is not None:
            certificates.check_uri(certificate, expected_uri)
        if judge is None:
            certificates.check_dates(certificate, clock())
        elif (objection := judge(certificate)) is not None:
            raise certificates.tls_error(objection)

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
    # `ssl` reads keys from files only. This file is in memory, so that no key is left on a disk.
    descriptor = os.memfd_create("identity")
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(identity.chain_pem() + identity.key_pem())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    except ssl.SSLError as error:
        text = f"OpenSSL rejects our own certificate {identity.common_name!r}: {error.reason or error}"
        raise certificates.tls_error(text) from error
    finally:
        os.close(descriptor)


def _trust(context: ssl.SSLContext, roots: Sequence[x509.Certificate]) -> None:
    context.load_verify_locations(cadata=b"".join(root.public_bytes(Encoding.DER) for root in roots))
    # Trust each listed certificate even if it did not issue itself: an intermediate CA, or a client's own.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _verify_nothing(context: ssl.SSLContext) -> None:
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE


def _certificate(connection: ssl.SSLObject) -> x509.Certificate:
    certificate = certificates.peer_certificate(connection)
    if certificate is None:
        text = "the peer sent no certificate"
        raise certificates.tls_error(text)
    return certificate


def _clock() -> datetime:
    return datetime.now(UTC)
