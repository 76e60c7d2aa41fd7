"""Signatures of documents: ECDSA P-256 with SHA-256 over canonical JSON (RFC 8785).

Canonical JSON does not depend on the notation of numbers or the order of members, so a signature stays valid
in every store that a document passes through. The body of a document that the fleet's CA signs contains the
document's id, so it cannot be used in another document.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from sync import documents
from sync.documents import DocumentType
from sync.fleet.errors import SignatureError
from sync.store import DocumentError, bodies

SIGNATURE: Final = "sig"
"""Member of a body that contains its signature."""
_LONGEST: Final = 200
"""Maximum number of characters in a signature. A P-256 signature has at most 96."""
_VERIFIES: Final = ec.ECDSA(hashes.SHA256())
_SIGNS: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
"""Signing algorithm, made deterministic (RFC 6979).

Signing the same body again therefore does not create a new revision.
"""


def sign(key: ec.EllipticCurvePrivateKey, name: str, message: Mapping[str, Any]) -> str:
    """Return the signature of a JSON object, in base64. `name` is the name of the object for error messages.

    Raises SignatureError if the object cannot be written as canonical JSON.
    """
    return base64.b64encode(key.sign(_canonical(name, message), _SIGNS)).decode()


def is_valid(certificate: x509.Certificate, signature: object, name: str, message: Mapping[str, Any]) -> bool:
    """Return True if a signature of a JSON object was made with the private key of the certificate."""
    if not isinstance(signature, str) or len(signature) > _LONGEST:
        return False
    try:
        key = certificate.public_key()
    except Exception:  # noqa: BLE001 -- `cryptography` may raise anything for a foreign certificate
        return False
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(base64.b64decode(signature, validate=True), _canonical(name, message), _VERIFIES)
    except (InvalidSignature, UnsupportedAlgorithm, SignatureError, binascii.Error, ValueError):
        return False
    return True


def without(body: Mapping[str, Any], *members: str) -> dict[str, Any]:
    """Return a copy of a body without the given members."""
    return {member: value for member, value in body.items() if member not in members}


def seal(document_id: str, body: Mapping[str, Any], key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Return the signed body of a document of the fleet's CA.

    The members `id`, `type`, `channels` and the signature are added to `body`. `key` is the CA's private key.
    """
    head = {
        "id": document_id,
        "type": DocumentType.FLEET.value,
        "channels": [documents.CHANNELS[DocumentType.FLEET]],
    }
    whole = without(body, SIGNATURE) | head
    return whole | {SIGNATURE: sign(key, document_id, whole)}


def is_sealed(document_id: str, body: Mapping[str, Any], root: x509.Certificate) -> bool:
    """Return True if the fleet's CA has signed this body for the document with the given id."""
    return body.get("id") == document_id and is_valid(
        root, body.get(SIGNATURE), document_id, without(body, SIGNATURE)
    )


def _canonical(name: str, message: Mapping[str, Any]) -> bytes:
    try:
        return bodies.canonical(name, message)
    except DocumentError as error:
        raise SignatureError(str(error)) from error
