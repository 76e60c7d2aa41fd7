"""A vessel's signature on its own documents. It proves their author when other vessels pass them on.

A signed body has `certificate`, which is the vessel's certificate (DER in base64), and `sig`. The signature
covers the document's id and the body without `sig`:

    sign(identity, "boot:argo:abcdef:1", body)      # {…, "certificate": "MII…", "sig": "MEU…"}
    signer("boot:argo:abcdef:1", body, trust)       # "argo"

A signature stays valid after its certificate has expired or was revoked, because documents are passed on for
years. The date of a signature cannot be proved, because the holder of the key may write any date into a
document. Revocation prevents the holder from connecting. In addition, `sync.fleet.rights` does not let a
document that was signed with a revoked certificate replace one that was signed with a valid certificate.
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
"""Maximum number of base64 characters in a certificate. Logboat's certificates have about 900."""


def sign(identity: TLSIdentity, document_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body with the vessel's certificate and signature added.

    Signing the same body again results in the same signature.

    Raises SignatureError if the identity's key is not an ECDSA key, or if the body cannot be written as
    canonical JSON.
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
    """Return True if a body contains a signature or a certificate, which may be invalid."""
    return SIGNATURE in body or CERTIFICATE in body


def signer(document_id: str, body: Mapping[str, Any], trust: FleetTrust) -> str:
    """Return the name of the vessel that has signed a document.

    Raises SignatureError if the document has no valid signature by a vessel of this fleet.
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
    """Return the certificate in a signed body. Raises SignatureError if it is missing or malformed."""
    encoded = body.get(CERTIFICATE)
    if encoded is None or SIGNATURE not in body:
        text = f"{document_id}: not signed by its vessel"
        raise SignatureError(text)
    try:
        if not isinstance(encoded, str) or len(encoded) > _LONGEST:
            raise ValueError
        return _certificate(encoded)
    except (ValueError, binascii.Error):
        text = f"{document_id}: the document's certificate cannot be read"
        raise SignatureError(text) from None


@lru_cache(maxsize=64)
def _certificate(encoded: str) -> x509.Certificate:
    """Decode a certificate from base64.

    Results are cached, because a few certificates sign thousands of documents.
    """
    return certificates.parse_der(base64.b64decode(encoded, validate=True))


def _message(document_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": document_id, "body": body}
