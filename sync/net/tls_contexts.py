"""TLS contexts for asyncio, and the checks of the other side's certificate after the handshake.

The handshake proves that the other side has the private key of its certificate. It also verifies that the
certificate chains to a trusted root, unless the server's certificate is pinned or must be self-signed. The
handshake ignores dates, for the reason given in `certificates`.

If a server that uses Python's `ssl` requests client certificates, `ssl` verifies them against roots in the
handshake. An application cannot accept a certificate that does not chain to a root. So a server requests
certificates only if it has roots. A root does not have to be a CA certificate: any certificate in the list is
trusted, even a client's own self-signed certificate. In this way, certificates can be accepted individually.
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
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME, for which Python's `ssl` has no constant."""


Judge = Callable[[x509.Certificate], str | None]
"""Function that returns the reason why a certificate is not accepted, or None if it is accepted."""


@dataclass(frozen=True, slots=True)
class ClientTLS:
    """A TLS context for connections to a server, and a check to run after each handshake."""

    context: ssl.SSLContext
    check: Callable[[ssl.SSLObject], None]
    """Function to call after the handshake, before data is sent.

    It raises ProblemError if the server's certificate is not accepted.
    """


def server_context(
    identity: TLSIdentity,
    *,
    client_roots: Sequence[x509.Certificate] | None = None,
    client_certificate_required: bool = False,
) -> ssl.SSLContext:
    """Return a TLS context for a listener. It uses TLS 1.2 or later, and presents `identity`.

    When the roots change, create a new context. A context does not resume the sessions of other contexts.

    Args:
        identity: the listener's identity.
        client_roots: the trusted roots for clients' certificates. A client whose certificate chains to none
        of
            them is refused in the handshake. Without roots, no client certificates are requested.
        client_certificate_required: True to refuse a client without a certificate in the handshake.

    Raises:
        ValueError: a certificate is required, but there are no roots.
        ProblemError: OpenSSL rejects `identity`, for example because its key is too weak.
    """
    if client_certificate_required and not client_roots:
        msg = "a client certificate is required, but no roots are given to verify it"
        raise ValueError(msg)
    context = _context(ssl.PROTOCOL_TLS_SERVER, identity)
    # This setting disables resumption in TLS 1.3. `ssl` cannot disable resumption in TLS 1.2. There, tickets
    # remain enabled, because OpenSSL otherwise keeps each session in memory. A resumed session includes its
    # client's certificate.
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
    """Return a TLS context for connections to a server. It uses TLS 1.2 or later, and can present `identity`.

    The server's certificate is checked in one of three ways:

    - With `pinned`, it must be this certificate, or the one with this SHA-256 fingerprint (in any usual
      form). This must be the server's own certificate, not the certificate of an issuer. Nothing else is
      checked.
    - With `accept_only_self_signed`, it must be self-signed. Nothing else is checked, because no issuer has
      verified the contents of such a certificate.
    - Otherwise, it must chain to one of `roots` (the system's roots, if None), and be valid at the time
      returned by `now`, an aware datetime (by default from the system clock). The certificate must be issued
      to `expected_uri`, or if that is None, to the connection's `server_hostname`. With `judge`, that
      function is called instead of the checks of dates and host name.

    Raises ValueError if the arguments contradict each other or the fingerprint is invalid, and ProblemError
    if OpenSSL rejects `identity`.
    """
    if pinned is not None and accept_only_self_signed:
        msg = "pinning and accept_only_self_signed cannot be combined"
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
    # `ssl` can read keys only from files. This file is in memory, so the key is not written to a card or
    # disk.
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
    # Trust every listed certificate, even one that is not self-signed, such as that of an intermediate CA.
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
