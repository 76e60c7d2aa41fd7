"""What certificates say and whether that will do: fingerprints, pins, dates, names, and words for refusals.

Pure functions, but for reading the certificate of a connection whose handshake is done. Dates are not looked
at in the handshake (`tls_contexts`): a Raspberry Pi may wake in 1970, and what it cannot know it must not
refuse. `check_dates` looks at them afterwards, against the best time that is known.

Whatever does not do raises ProblemError with Domain.TLS. A certificate is what somebody else made, and
`cryptography` raises exceptions of many types for it (`x509.InvalidVersion`, `UnsupportedGeneralNameType`,
`UnsupportedAlgorithm`, `ValueError`), some only when a field is looked at. So here any of them counts.
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
"""With what tools put in front: `openssl x509 -fingerprint -sha256` prints `sha256 Fingerprint=AA:BB:…`."""


def tls_error(text: str) -> ProblemError:
    """An error of TLS with these words."""
    return ProblemError(Problem(Domain.TLS, 0, text))


# Fingerprints


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER form, as `openssl x509 -fingerprint -sha256` prints it: `AB:CD:…`."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def parse_fingerprint(text: str) -> str:
    """A SHA-256 fingerprint in any usual form (colons or none, either case), as `fingerprint` gives it.

    Raises ValueError if it is none.
    """
    if match := _FINGERPRINT.fullmatch(text.strip()):
        return bytes.fromhex(re.sub("[: -]", "", match[1])).hex(":").upper()
    msg = f"{text!r} is no SHA-256 fingerprint: 32 bytes as hexadecimal digits, with or without colons"
    raise ValueError(msg)


# Reading certificates


def load_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates of a PEM file, of which there is at least one. Raises ProblemError naming the file."""
    return parse_certificates(read_file(path, "certificate"), path)


def parse_certificates(content: bytes, path: Path) -> list[x509.Certificate]:
    """All certificates in the content of the PEM file `path`. Raises ProblemError naming the file."""
    if b"-----BEGIN CERTIFICATE-----" not in content:
        text = (
            f"{path} holds no certificate in PEM form (a line -----BEGIN CERTIFICATE----- and what follows)"
        )
        raise tls_error(text)
    try:
        return x509.load_pem_x509_certificates(content)
    except Exception as error:
        text = f"{path} holds a certificate that cannot be read: {error}"
        raise tls_error(text) from error


def parse_der(encoded: bytes) -> x509.Certificate:
    """Return the certificate in DER form. Raises ValueError if it cannot be read."""
    try:
        return x509.load_der_x509_certificate(encoded)
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def read_file(path: Path, what: str) -> bytes:
    """The content of a file that holds a `what`. Raises ProblemError naming both."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        text = f"{what} file {path} does not exist"
        raise tls_error(text) from error
    except OSError as error:
        text = f"{what} file {path} cannot be read: {error.strerror}"
        raise tls_error(text) from error


def common_name(certificate: x509.Certificate) -> str:
    """The subject's common name; empty if it has none or it cannot be read."""
    try:
        [attribute, *_] = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except Exception:  # noqa: BLE001 -- see the module's docstring
        return ""
    return str(attribute.value)


def subject_uris(certificate: x509.Certificate) -> list[str]:
    """Return the URIs among the subject's alternative names, by which vessels know each other.

    A certificate without any, or whose extensions cannot be read, has none.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except Exception:  # noqa: BLE001 -- see the module's docstring
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def peer_certificate(connection: ssl.SSLObject | ssl.SSLSocket) -> x509.Certificate | None:
    """The certificate that the other side showed in the handshake, None if it showed none.

    Raises ProblemError if it is too odd to be read.
    """
    encoded = connection.getpeercert(binary_form=True)
    if not encoded:
        return None
    try:
        return parse_der(encoded)
    except ValueError as error:
        text = f"the peer's certificate cannot be read: {error}"
        raise tls_error(text) from error


# Judging certificates


def check_pin(certificate: x509.Certificate, pinned: str) -> None:
    """Raise ProblemError unless it is the certificate of this fingerprint, as `fingerprint` gives it."""
    if (actual := fingerprint(certificate)) != pinned:
        text = f"the peer's certificate has fingerprint {actual}, not the pinned {pinned}"
        raise tls_error(text)


def check_self_signed(certificate: x509.Certificate) -> None:
    """Raise ProblemError unless the certificate's issuer and signer is itself."""
    try:
        certificate.verify_directly_issued_by(certificate)
    except Exception as error:
        text = (
            f"the peer's certificate {_named(certificate)} is not self-signed, and nothing else is accepted;"
            " give the CA that issued it, or pin it"
        )
        raise tls_error(text) from error


def check_uri(certificate: x509.Certificate, expected: str) -> None:
    """Raise ProblemError unless the certificate was issued to this URI."""
    uris = subject_uris(certificate)
    if expected not in uris:
        issued_to = ", ".join(map(repr, uris)) or "no URI at all"
        text = f"the peer's certificate {_named(certificate)} is issued to {issued_to}, not to {expected!r}"
        raise tls_error(text)


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """Raise ProblemError unless the certificate is valid at `now`: aware, and no earlier than known to be."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        text = f"the peer's certificate {_named(certificate)} is valid only from {begin:%Y-%m-%d %H:%M} UTC"
    elif now > end:
        text = f"the peer's certificate {_named(certificate)} expired at {end:%Y-%m-%d %H:%M} UTC"
    else:
        return
    text += f"; it is {now:%Y-%m-%d %H:%M %Z} by this machine's clock: set that, or renew the certificate"
    raise tls_error(text)


def _named(certificate: x509.Certificate) -> str:
    return f"{common_name(certificate)!r} ({fingerprint(certificate)})"


# Words for failed handshakes

_REASONS: Final[Sequence[tuple[str, str]]] = (
    ("ALERT_UNKNOWN_CA", "the peer does not know the issuer of our certificate"),
    ("ALERT_BAD_CERTIFICATE", "the peer refused our certificate"),
    ("ALERT_CERTIFICATE_UNKNOWN", "the peer refused our certificate"),
    ("ALERT_CERTIFICATE_EXPIRED", "the peer finds our certificate expired"),
    ("ALERT_CERTIFICATE_REVOKED", "the peer finds our certificate revoked"),
    ("ALERT_CERTIFICATE_REQUIRED", "the peer wants a client certificate and was given none"),
    ("ALERT_HANDSHAKE_FAILURE", "the peer refused the handshake; perhaps it wants a client certificate"),
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the peer showed no client certificate, and one is required"),
    ("ALERT_PROTOCOL_VERSION", "the peer speaks no version of TLS that we do; 1.2 is the least"),
    ("UNSUPPORTED_PROTOCOL", "the peer speaks no version of TLS that we do; 1.2 is the least"),
    ("WRONG_VERSION_NUMBER", "the peer does not speak TLS; is it a ws:// address?"),
    ("RECORD_LAYER_FAILURE", "the peer does not speak TLS; is it a ws:// address?"),
    ("HTTP_REQUEST", "the peer sent plain HTTP where TLS is spoken"),
)
"""The end of OpenSSL's reasons (they differ in their beginning, by TLS version), and what each means."""


def explain(error: ssl.SSLError) -> str:
    """What a failed handshake means, or what ended a connection's TLS later, in words.

    In TLS 1.3 a server judges the client's certificate when the client's handshake is done already, so that
    the client hears of a refusal from its first read. From a server that sends no alert to say why (see
    `tls_alerts`), that is a reset or an end, and no SSLError.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the peer's certificate does not verify: {error.verify_message}"
    reason = (error.reason or "").upper().replace(" ", "_")
    for ending, words in _REASONS:
        if reason.endswith(ending):
            return words
    return f"TLS failed: {error.reason or error}"
