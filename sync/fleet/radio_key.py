"""The `fleet:radio-key` document: the inter-vessel radio's key, encrypted for each authorised vessel.

    {"id": "fleet:radio-key", "type": "fleet", "channels": ["fleet"], "fleet": "north", "number": 3,
     "issued": "2026-05-01T12:00:00Z", "from": "2026-05-15T12:00:00Z",
     "parts": [{"vessel": "argo", "certificate": "1f…", "sealed": "BHk…"}],
     "sig": "…"}

The fleet's CA signs the document. Each part is encrypted for one certificate, and only the holder of that
certificate's private key can decrypt it. Each part contains two keys: the key used before `from`, and the key
used afterwards. So a vessel that has missed earlier statements needs only the latest. A version of the
document replaces another one only if its `number` is higher.

A part is sealed with ECIES: an ephemeral key of the certificate's curve, ECDH, HKDF-SHA256 and
ChaCha20-Poly1305. Fleet, vessel, certificate and number are bound to the part. This module reads no clock,
generates no keys and accesses no files.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sync.documents import RADIO_KEY
from sync.fleet import signatures
from sync.fleet.errors import RadioKeyError
from sync.fleet.revocations import in_utc, serial_text, time_text
from sync.net.tls_identity import TLSIdentity

_LABEL: Final = b"logboat fleet:radio-key 1"
_KEY_BYTES: Final = 32
_NONCE: Final = bytes(12)
"""Nonce with which all parts are encrypted.

A constant is safe, because each part has its own encryption key, which is used once.
"""
_PASSWORD: Final = re.compile(r"[ !#-~]{8,63}")
"""Pattern of valid passwords.

As in WPA, but without quotation marks, which delimit passwords in the configuration file.
"""
_LONGEST_PART: Final = 1_000
"""Maximum number of base64 characters in an encrypted part. A part for a P-256 key has about 280."""


@dataclass(frozen=True, slots=True)
class RadioPasswords:
    """The passwords of the inter-vessel radio before and after a change."""

    before: str
    after: str


@dataclass(frozen=True, slots=True)
class SealedKeys:
    """A part of the `fleet:radio-key` document: the passwords, encrypted for one certificate's holder."""

    vessel: str
    serial: str
    """Serial number of the certificate, in the form of `serial_text`."""
    sealed: str
    """Base64 of the ephemeral public key (an uncompressed point) and the ciphertext."""


@dataclass(frozen=True, slots=True)
class RadioKey:
    """The content of a `fleet:radio-key` document, in which the CA publishes the radio's passwords."""

    number: int
    """Number of this version of the document, counted from 1."""
    issued: datetime
    begins: datetime
    """Time from which the radio uses the second password."""
    parts: tuple[SealedKeys, ...]

    def has_begun(self, now: datetime) -> bool:
        """Return True if the radio uses the second password at the time `now`."""
        return now >= self.begins


def seal(
    keys: RadioPasswords,
    certificate: x509.Certificate,
    *,
    vessel: str,
    fleet: str,
    number: int,
    ephemeral: ec.EllipticCurvePrivateKey,
) -> SealedKeys:
    """Encrypt the passwords for the holder of a certificate.

    `ephemeral` is a new P-256 key that is used for this part only. Raises RadioKeyError if the certificate's
    key is not a P-256 key, or if a password is invalid.
    """
    if not all(_PASSWORD.fullmatch(each) for each in (keys.before, keys.after)):
        text = "the radio password is not valid; use 8 to 63 ASCII characters, without quotation marks"
        raise RadioKeyError(text)
    serial = serial_text(certificate.serial_number)
    public = certificate.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != ephemeral.curve.name:
        text = f"the certificate {serial} of {vessel} has no ECDSA P-256 key"
        raise RadioKeyError(text)
    point = _point(ephemeral.public_key())
    bound = _bound(fleet, vessel, serial, number)
    key = _encryption_key(ephemeral.exchange(ec.ECDH(), public), point, _point(public), bound)
    plain = msgspec.json.encode([keys.before, keys.after])
    sealed = point + ChaCha20Poly1305(key).encrypt(_NONCE, plain, bound)
    return SealedKeys(vessel, serial, base64.b64encode(sealed).decode())


def open_passwords(
    statement: RadioKey, identity: TLSIdentity, *, vessel: str, fleet: str
) -> RadioPasswords | None:
    """Return the passwords that a radio key document contains for a vessel's certificate, or None.

    Return None if the document contains no part for the certificate. Raises RadioKeyError if that part cannot
    be decrypted.
    """
    serial = serial_text(identity.certificate.serial_number)
    part = next((each for each in statement.parts if each.serial == serial and each.vessel == vessel), None)
    private = identity.private_key
    if part is None or not isinstance(private, ec.EllipticCurvePrivateKey):
        return None
    bound = _bound(fleet, vessel, serial, statement.number)
    size = 1 + 2 * ((private.curve.key_size + 7) // 8)
    try:
        if len(part.sealed) > _LONGEST_PART:
            raise ValueError
        sealed = base64.b64decode(part.sealed, validate=True)
        point = sealed[:size]
        public = ec.EllipticCurvePublicKey.from_encoded_point(private.curve, point)
        key = _encryption_key(private.exchange(ec.ECDH(), public), point, _point(private.public_key()), bound)
        plain = ChaCha20Poly1305(key).decrypt(_NONCE, sealed[size:], bound)
        before, after = msgspec.json.decode(plain, type=tuple[str, str])
        if not all(_PASSWORD.fullmatch(each) for each in (before, after)):
            raise ValueError
    except (InvalidTag, binascii.Error, ValueError, msgspec.DecodeError):
        text = f"{RADIO_KEY}: the entry for {vessel} in statement {statement.number} cannot be decrypted"
        raise RadioKeyError(text) from None
    return RadioPasswords(before, after)


def to_body(statement: RadioKey, *, fleet: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Return the body of the document for a statement, signed with the CA's key."""
    body = {
        "fleet": fleet,
        "number": statement.number,
        "issued": time_text(statement.issued),
        "from": time_text(statement.begins),
        "parts": [
            {"vessel": part.vessel, "certificate": part.serial, "sealed": part.sealed}
            for part in statement.parts
        ],
    }
    return signatures.seal(RADIO_KEY, body, key)


class _SealedKeysBody(msgspec.Struct, frozen=True):
    vessel: str
    certificate: str
    sealed: str


class _Body(msgspec.Struct, frozen=True):
    number: Annotated[int, msgspec.Meta(ge=1)]
    issued: datetime
    parts: list[_SealedKeysBody]
    begins: datetime = msgspec.field(name="from")


def from_body(body: Mapping[str, Any], root: x509.Certificate) -> RadioKey:
    """Parse a radio key document's body.

    Raises RadioKeyError if the body is invalid or the fleet's CA has not signed it.
    """
    if not signatures.is_sealed(RADIO_KEY, body, root):
        text = f"{RADIO_KEY}: not signed by the fleet's CA"
        raise RadioKeyError(text)
    try:
        decoded = msgspec.convert(body, _Body)
        issued, begins = in_utc(decoded.issued), in_utc(decoded.begins)
    except (msgspec.ValidationError, OverflowError) as error:
        text = f"{RADIO_KEY}: signed by the fleet's CA, but in an unknown format: {error}"
        raise RadioKeyError(text) from error
    parts = tuple(SealedKeys(part.vessel, part.certificate, part.sealed) for part in decoded.parts)
    return RadioKey(decoded.number, issued, begins, parts)


def _bound(fleet: str, vessel: str, serial: str, number: int) -> bytes:
    """Return the associated data that binds an encrypted part to its fleet, vessel, certificate and number.

    Zero bytes can separate the fields, because no name contains one.
    """
    return b"\0".join([_LABEL, fleet.encode(), vessel.encode(), serial.encode(), str(number).encode()])


def _encryption_key(shared: bytes, ephemeral: bytes, recipient: bytes, bound: bytes) -> bytes:
    return HKDF(hashes.SHA256(), _KEY_BYTES, salt=ephemeral + recipient, info=bound).derive(shared)


def _point(public: ec.EllipticCurvePublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
