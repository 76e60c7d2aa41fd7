"""Reads certificates, and checks their fingerprints, dates and names. Errors have human-readable messages.

Dates are not checked in the TLS handshake (see `tls_contexts`). When a Raspberry Pi boots, its clock may show
a time in 1970, and certificates must not be rejected for that reason. `check_dates` checks the dates after
the handshake, against the best known time.

A failed check raises ProblemError with Domain.TLS. For malformed certificates, `cryptography` raises
exceptions of many types (`x509.InvalidVersion`, `UnsupportedGeneralNameType`, `UnsupportedAlgorithm`,
`ValueError`), some of them only when a field is read. So any exception means that the certificate is invalid.
"""

import re
import ssl
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from sync.peer.problems import Domain, Problem, ProblemError

_FINGERPRINT: Final = re.compile(
    r"(?:sha-?256(?:\s*fingerprint)?\s*[=:]\s*)?([0-9a-f]{2}(?:[: -]?[0-9a-f]{2}){31})", re.IGNORECASE
)
"""Pattern of a SHA-256 fingerprint, including the prefixes that tools print before a fingerprint.

For example, `openssl x509 -fingerprint -sha256` prints `sha256 Fingerprint=AA:BB:…`.
"""


def tls_error(text: str) -> ProblemError:
    """Return the exception for a TLS problem described by `text`."""
    return ProblemError(Problem(Domain.TLS, 0, text))


# Fingerprints


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 hash of the certificate's DER encoding, in the form `AB:CD:…`.

    `openssl x509 -fingerprint -sha256` prints fingerprints in the same form.
    """
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def parse_fingerprint(text: str) -> str:
    """Convert a SHA-256 fingerprint to the form that `fingerprint` returns.

    The fingerprint may be in upper or lower case, with or without colons. Raises ValueError if the string is
    not a fingerprint.
    """
    if match := _FINGERPRINT.fullmatch(text.strip()):
        return bytes.fromhex(re.sub("[: -]", "", match[1])).hex(":").upper()
    msg = (
        f"{text!r} is not a SHA-256 fingerprint; write 32 bytes as hexadecimal digits, with or without colons"
    )
    raise ValueError(msg)


# Reading certificates


def load_certificates(path: Path) -> list[x509.Certificate]:
    """Return all certificates in a PEM file, at least one.

    Raises ProblemError if the file cannot be read or contains no valid certificate. The message names the
    file.
    """
    return parse_certificates(read_file(path, "certificate"), path)


def parse_certificates(content: bytes, path: Path) -> list[x509.Certificate]:
    """Return all certificates in the content of a PEM file, at least one.

    Raises ProblemError if the content has no valid certificate. The message names the file, `path`.
    """
    if b"-----BEGIN CERTIFICATE-----" not in content:
        text = f"{path} contains no certificate in PEM format (beginning with -----BEGIN CERTIFICATE-----)"
        raise tls_error(text)
    try:
        return x509.load_pem_x509_certificates(content)
    except Exception as error:
        text = f"{path} contains a certificate that cannot be read: {error}"
        raise tls_error(text) from error


def parse_der(encoded: bytes) -> x509.Certificate:
    """Decode a certificate from its DER encoding. Raises ValueError if the encoding is malformed."""
    try:
        return x509.load_der_x509_certificate(encoded)
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def read_file(path: Path, what: str) -> bytes:
    """Return the content of a file. Raises ProblemError if the file cannot be read.

    `what` describes the file in error messages, for example "certificate".
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        text = f"{what} file {path} does not exist"
        raise tls_error(text) from error
    except OSError as error:
        text = f"{what} file {path} cannot be read: {error.strerror}"
        raise tls_error(text) from error


def common_name(certificate: x509.Certificate) -> str:
    """Return the subject's common name; empty if it is missing or unreadable."""
    try:
        [attribute, *_] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except Exception:  # noqa: BLE001 -- see the module's docstring
        return ""
    return str(attribute.value)


def subject_uris(certificate: x509.Certificate) -> list[str]:
    """Return the URIs among a certificate's subject alternative names. They identify the peer.

    The result is empty if there are no URIs, or if the certificate's extensions are malformed.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 -- see the module's docstring
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def peer_certificate(connection: ssl.SSLObject | ssl.SSLSocket) -> x509.Certificate | None:
    """Return the certificate that the other side presented in the handshake; None if it presented none.

    Raises ProblemError if the certificate is malformed.
    """
    encoded = connection.getpeercert(binary_form=True)
    if not encoded:
        return None
    try:
        return parse_der(encoded)
    except ValueError as error:
        text = f"the peer's certificate cannot be read: {error}"
        raise tls_error(text) from error


# Checking certificates


def check_pin(certificate: x509.Certificate, pinned: str) -> None:
    """Raise ProblemError unless the certificate's fingerprint is `pinned`.

    `pinned` must have the form that `fingerprint` returns.
    """
    if (actual := fingerprint(certificate)) != pinned:
        text = f"the peer's certificate has fingerprint {actual}, not the pinned {pinned}"
        raise tls_error(text)


def check_self_signed(certificate: x509.Certificate) -> None:
    """Raise ProblemError unless the certificate is self-signed."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception as error:
        text = (
            f"the peer's certificate {_named(certificate)} is not self-signed; specify the CA that issued"
            " it, or pin the certificate"
        )
        raise tls_error(text) from error


def check_uri(certificate: x509.Certificate, expected: str) -> None:
    """Raise ProblemError unless the certificate's subject alternative names include the URI `expected`."""
    uris = subject_uris(certificate)
    if expected not in uris:
        issued_to = ", ".join(map(repr, uris)) or "no URI"
        text = f"the peer's certificate {_named(certificate)} is issued to {issued_to}, not to {expected!r}"
        raise tls_error(text)


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """Raise ProblemError unless the certificate is valid at `now`, an aware datetime."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        text = f"the peer's certificate {_named(certificate)} is valid only from {begin:%Y-%m-%d %H:%M} UTC"
    elif now > end:
        text = f"the peer's certificate {_named(certificate)} expired at {end:%Y-%m-%d %H:%M} UTC"
    else:
        return
    text += (
        f", but this machine's clock says {now:%Y-%m-%d %H:%M %Z}; set the clock, or renew the certificate"
    )
    raise tls_error(text)


def _named(certificate: x509.Certificate) -> str:
    return f"{common_name(certificate)!r} ({fingerprint(certificate)})"


# Messages for failed handshakes

_REASONS: Final[Sequence[tuple[str, str]]] = (
    ("ALERT_UNKNOWN_CA", "the peer does not know the issuer of our certificate"),
    ("ALERT_BAD_CERTIFICATE", "the peer refused our certificate"),
    ("ALERT_CERTIFICATE_UNKNOWN", "the peer refused our certificate"),
    ("ALERT_CERTIFICATE_EXPIRED", "the peer reports that our certificate has expired"),
    ("ALERT_CERTIFICATE_REVOKED", "the peer reports that our certificate was revoked"),
    ("ALERT_CERTIFICATE_REQUIRED", "the peer requires a client certificate, but none was sent"),
    ("ALERT_HANDSHAKE_FAILURE", "the peer refused the handshake; it may require a client certificate"),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the peer sent no client certificate, but one is required"),
    ("ALERT_PROTOCOL_VERSION", "the peer supports no common version of TLS; TLS 1.2 or later is required"),
    ("UNSUPPORTED_PROTOCOL", "the peer supports no common version of TLS; TLS 1.2 or later is required"),
    ("WRONG_VERSION_NUMBER", "the peer does not use TLS; is it a ws:// address?"),
    ("RECORD_LAYER_FAILURE", "the peer does not use TLS; is it a ws:// address?"),
    ("HTTP_REQUEST", "the peer sent plain HTTP to a TLS port"),
)
"""Suffixes of OpenSSL's reason strings, each with its meaning. Prefixes differ between TLS versions."""


def explain(error: ssl.SSLError) -> str:
    """Return a human-readable description of a TLS error that occurred during or after the handshake.

    In TLS 1.3, a server checks the client's certificate after the client has finished its handshake. So the
    client detects a refusal only when it first reads. If the server sends no alert with the reason (see
    `tls_alerts`), that read fails with a connection reset or an end of the stream, not with an SSLError.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"cannot verify the peer's certificate: {error.verify_message}"
    reason = (error.reason or "").upper().replace(" ", "_")
    for ending, words in _REASONS:
        if reason.endswith(ending):
            return words
    return f"TLS failed: {error.reason or error}"
