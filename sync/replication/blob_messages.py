"""Blobs, which Sync Gateway calls attachments: getAttachment, proveAttachment, and the proof.

The reply to getAttachment is the blob's bytes alone; ask for it `in_parts`, check it by its digest.
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
from sync.replication.fields import Encoded
from sync.replication.limits import Limits

NONCE_LEAST: Final = 16
NONCE_MOST: Final = 255
"""Bytes of a nonce that we make (protocol, proveAttachment). Any from 1 is taken, as Couchbase Lite does."""

_DIGEST: Final = re.compile(r"sha1-[A-Za-z0-9+/]{27}=", re.ASCII)


class GetAttachment(msgspec.Struct, frozen=True, gc=False):
    """Asks for a blob. One that is missing, or that the asker may not see, is an HTTP error."""

    profile: ClassVar[str] = "getAttachment"

    digest: str
    document_id: str | None = None
    """The document that led to it; Sync Gateway from CBMobile_3 on will not answer without."""
    compress: bool = False
    """Whether the reply is worth compressing."""
    collection: int | None = None

    def encode(self) -> Encoded:
        """As it is sent."""
        properties = fields.request(self.profile, self.collection)
        properties["digest"] = self.digest
        fields.put(properties, "docID", self.document_id)
        fields.put_flag(properties, "compress", value=self.compress)
        return Encoded(properties)

    @classmethod
    def decode(cls, event: RequestReceived, limits: Limits) -> "GetAttachment":
        """As it was received."""
        properties = event.properties
        document_id = properties.get("docID")
        return cls(
            _digest(properties.get("digest", "")),
            fields.document_id(document_id, limits) if document_id else None,
            fields.boolean(properties, "compress"),
            fields.collection(properties, limits),
        )


class ProveAttachment(msgspec.Struct, frozen=True, gc=False):
    """Asks for proof that the other side has the bytes of a blob, not just its digest."""

    profile: ClassVar[str] = "proveAttachment"

    digest: str
    nonce: bytes
    """Random, NONCE_LEAST to NONCE_MOST bytes, new for each request."""
    document_id: str | None = None
    """The document that led to it. Gateways do not say."""
    collection: int | None = None

    def encode(self) -> Encoded:
        """As it is sent.

        Raises:
            ValueError: the nonce has a length that is not allowed.
        """
        if not NONCE_LEAST <= len(self.nonce) <= NONCE_MOST:
            raise ValueError(f"a nonce of {len(self.nonce)} bytes; {NONCE_LEAST} to {NONCE_MOST} are allowed")
        properties = fields.request(self.profile, self.collection)
        properties["digest"] = self.digest
        fields.put(properties, "docID", self.document_id)
        return Encoded(properties, self.nonce)

    @classmethod
    def decode(cls, event: RequestReceived, limits: Limits) -> "ProveAttachment":
        """As it was received."""
        if not 1 <= len(event.body) <= NONCE_MOST:
            raise MessageError(f"a nonce of {len(event.body)} bytes; 1 to {NONCE_MOST} are allowed")
        properties = event.properties
        document_id = properties.get("docID")
        return cls(
            _digest(properties.get("digest", "")),
            event.body,
            fields.document_id(document_id, limits) if document_id else None,
            fields.collection(properties, limits),
        )


class ProveAttachmentReply(msgspec.Struct, frozen=True, gc=False):
    """The proof, to be compared with one's own."""

    proof: str

    def encode(self) -> Encoded:
        """As it is sent."""
        return Encoded({}, self.proof.encode())

    @classmethod
    def decode(cls, event: ResponseReceived, limits: Limits) -> "ProveAttachmentReply":  # noqa: ARG003
        """As it was received."""
        return cls(_digest(event.body[:80].decode(errors="replace")))


class Proof:
    """Proof that one has a blob: SHA-1 over the nonce's length as one byte, the nonce, the content.

    In the form of a blob's digest, with base64: so say both Couchbase Lite's code and Sync Gateway's, though
    the protocol's document says hexadecimal.
    """

    def __init__(self, nonce: bytes) -> None:
        self._digest = hashlib.sha1(bytes([len(nonce)]) + nonce, usedforsecurity=False)

    def add(self, part: bytes) -> None:
        """Take in the next bytes of the content."""
        self._digest.update(part)

    def __str__(self) -> str:
        """Return the proof, once all of the content has been taken in."""
        return f"sha1-{base64.b64encode(self._digest.digest()).decode()}"


def proof(nonce: bytes, content: Iterable[bytes]) -> str:
    """Return the proof that one has a blob; see `Proof`."""
    made = Proof(nonce)
    for part in content:
        made.add(part)
    return str(made)


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise MessageError(f"{value[:80]!r} is not a digest of the form sha1-<base64>")
    return value
