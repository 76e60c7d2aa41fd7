"""Messages about blobs, which Sync Gateway calls attachments: getAttachment, proveAttachment, and the proof.

The reply to getAttachment contains only the blob's bytes. The requester must request these bytes in parts,
and check their digest.
"""

import base64
import hashlib
import re
from collections.abc import Iterable
from typing import ClassVar, Final

import msgspec

from sync.blip import RequestReceived, ResponseReceived
from sync.replication import fields
from sync.replication.errors import MessageError
from sync.replication.fields import EncodedMessage
from sync.replication.limits import MessageLimits

NONCE_LEAST: Final = 16
NONCE_MOST: Final = 255
"""Maximum size, in bytes, of the nonce in a proveAttachment message.

As in Couchbase Lite, a received nonce may have any length from 1 to this maximum.
"""

_DIGEST: Final = re.compile(r"sha1-[A-Za-z0-9+/]{27}=", re.ASCII)


class GetAttachment(msgspec.Struct, frozen=True, gc=False):
    """A request for a blob.

    If the blob is missing, or if the requester may not read it, the reply is an HTTP error.
    """

    profile: ClassVar[str] = "getAttachment"

    digest: str
    document_id: str | None = None
    """Id of a document that refers to the blob. Sync Gateway requires this id since CBMobile_3."""
    compress: bool = False
    """True if the reply should be compressed."""
    collection: int | None = None

    def encode(self) -> EncodedMessage:
        """Encode the request for sending."""
        properties = fields.request(self.profile, self.collection)
        properties["digest"] = self.digest
        fields.put(properties, "docID", self.document_id)
        fields.put_flag(properties, "compress", value=self.compress)
        return EncodedMessage(properties)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "GetAttachment":
        """Decode a received request. Raises MessageError if it is invalid."""
        properties = event.properties
        document_id = properties.get("docID")
        return cls(
            _digest(properties.get("digest", "")),
            fields.document_id(document_id, limits) if document_id else None,
            fields.boolean(properties, "compress"),
            fields.collection(properties, limits),
        )


class ProveAttachment(msgspec.Struct, frozen=True, gc=False):
    """A request for proof that the receiver has the bytes of a blob, not only its digest."""

    profile: ClassVar[str] = "proveAttachment"

    digest: str
    nonce: bytes
    """Random bytes, created for each request; at least NONCE_LEAST and at most NONCE_MOST bytes."""
    document_id: str | None = None
    """Id of a document that refers to the blob. Gateways do not send this id."""
    collection: int | None = None

    def encode(self) -> EncodedMessage:
        """Encode the request for sending.

        Raises:
            ValueError: the length of the nonce is not allowed.
        """
        if not NONCE_LEAST <= len(self.nonce) <= NONCE_MOST:
            raise ValueError(
                f"the nonce has {len(self.nonce)} bytes; {NONCE_LEAST} to {NONCE_MOST} are allowed"
            )
        properties = fields.request(self.profile, self.collection)
        properties["digest"] = self.digest
        fields.put(properties, "docID", self.document_id)
        return EncodedMessage(properties, self.nonce)

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits) -> "ProveAttachment":
        """Decode a received request. Raises MessageError if it is invalid."""
        if not 1 <= len(event.body) <= NONCE_MOST:
            raise MessageError(f"the nonce has {len(event.body)} bytes; 1 to {NONCE_MOST} are allowed")
        properties = event.properties
        document_id = properties.get("docID")
        return cls(
            _digest(properties.get("digest", "")),
            event.body,
            fields.document_id(document_id, limits) if document_id else None,
            fields.collection(properties, limits),
        )


class ProveAttachmentReply(msgspec.Struct, frozen=True, gc=False):
    """A reply that contains a proof. The requester compares it with the proof that it has computed itself."""

    proof: str

    def encode(self) -> EncodedMessage:
        """Encode the reply for sending."""
        return EncodedMessage({}, self.proof.encode())

    @classmethod
    def decode(cls, event: ResponseReceived, limits: MessageLimits) -> "ProveAttachmentReply":  # noqa: ARG003
        """Decode a received reply. Raises MessageError if it is invalid."""
        return cls(_digest(event.body[:80].decode(errors="replace")))


class Proof:
    """A proof of possession of a blob: SHA-1 over the nonce's length as one byte, the nonce, and the content.

    The proof has the form of a blob's digest, in base64. The code of both Couchbase Lite and Sync Gateway
    uses this form, although the protocol specifies hexadecimal.
    """

    def __init__(self, nonce: bytes) -> None:
        self._digest = hashlib.sha1(bytes([len(nonce)]) + nonce, usedforsecurity=False)

    def add(self, part: bytes) -> None:
        """Add the next bytes of the blob's content."""
        self._digest.update(part)

    def __str__(self) -> str:
        """Return the proof as base64 text. Call this after all of the blob's content has been added."""
        return f"sha1-{base64.b64encode(self._digest.digest()).decode()}"


def proof(nonce: bytes, content: Iterable[bytes]) -> str:
    """Return the proof of possession of the blob with this content; see `Proof`."""
    computed = Proof(nonce)
    for part in content:
        computed.add(part)
    return str(computed)


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise MessageError(f"{value[:80]!r} is not a digest of the form sha1-<base64>")
    return value
