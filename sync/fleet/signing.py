"""A vessel's signature on its own documents, with which others may pass them on.

A signed body has `certificate` (the vessel's, base64 of DER) and `sig`, over the body without `sig` and the
document's id:

    sign(identity, "boot:argo:abcdef:1", body)      # {…, "certificate": "MII…", "sig": "MEU…"}
    signer("boot:argo:abcdef:1", body, trust)       # "argo"

Signatures stay valid. A history is passed on for years, so a certificate that has expired or was revoked does
not invalidate earlier documents of its vessel. Nor can anyone tell when something was signed, as the holder
of the key may write any date. Revocation keeps the holder from connecting, and `sync.fleet.rights` does not
let anything signed with a revoked certificate replace what another one signed.
"""

import base64
import binascii
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sync.fleet import signatures
from sync.fleet.errors import SignatureError
from sync.fleet.signatures import SIGNATURE
from sync.fleet.trust import FleetTrust
from sync.net import certificates
from sync.net.tls_identity import TLSIdentity

CERTIFICATE: Final = "certificate"
_LONGEST: Final = 8_000
"""Maximum characters of a certificate; ours have about 900."""


def sign(identity: TLSIdentity, document_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body with the vessel's certificate and signature, always the same for the same body.

    Raises SignatureError if the identity's key is not an ECDSA key, or the body has no canonical JSON.
    """
    if not isinstance(identity.private_key, ec.EllipticCurvePrivateKey):
        text = (
            f"{document_id}: the key of {identity.common_name!r} cannot sign documents; an ECDSA P-256 key"
            " is needed"
        )
        raise SignatureError(text)
    encoded = identity.certificate.public_bytes(serialization.Encoding.DER)
    whole = signatures.without(body, SIGNATURE) | {CERTIFICATE: base64.b64encode(encoded).decode()}
    signature = signatures.sign(identity.private_key, document_id, _message(document_id, whole))
    return whole | {SIGNATURE: signature}


def is_signed(body: Mapping[str, Any]) -> bool:
    """Return True if a body claims to be signed."""
    return SIGNATURE in body or CERTIFICATE in body


def signer(document_id: str, body: Mapping[str, Any], trust: FleetTrust) -> str:
    """Return the vessel that signed a document.

    Raises SignatureError if it is not signed, or not by a vessel of this fleet.
    """
    certificate = certificate_in(document_id, body)
    vessel = trust.vessel(certificate)
    if vessel is None or not trust.is_issued(certificate):
        text = (
            f"{document_id}: signed with a certificate that does not belong to a vessel of fleet"
            f" {trust.fleet!r}"
        )
        raise SignatureError(text)
    message = _message(document_id, signatures.without(body, SIGNATURE))
    if not signatures.is_valid(certificate, body.get(SIGNATURE), document_id, message):
        text = f"{document_id}: the signature of {vessel} does not match the content"
        raise SignatureError(text)
    return vessel


def certificate_in(document_id: str, body: Mapping[str, Any]) -> x509.Certificate:
    """Return the certificate with which a body claims to be signed. Raises SignatureError."""
    encoded = body.get(CERTIFICATE)
    if encoded is None or SIGNATURE not in body:
        text = f"{document_id}: not signed by its vessel"
        raise SignatureError(text)
    try:
        if not isinstance(encoded, str) or len(encoded) > _LONGEST:
            raise ValueError
        return _certificate(encoded)
    except (ValueError, binascii.Error):
        text = f"{document_id}: its certificate cannot be read"
        raise SignatureError(text) from None


@lru_cache(maxsize=64)
def _certificate(encoded: str) -> x509.Certificate:
    """Decode a certificate, with a cache: vessels sign thousands of documents with few certificates."""
    return certificates.parse_der(base64.b64decode(encoded, validate=True))


def _message(document_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": document_id, "body": body}
