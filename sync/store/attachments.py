"""Attachments that were created through Sync Gateway's REST API.

Attachments are blobs to which the body's own properties do not refer. Instead, the body lists them by name
under the key `_attachments`, each with the digest of its blob. If the body of an edit has no `_attachments`,
the document keeps its attachments, as in Couchbase Lite.
"""

from collections.abc import Mapping
from typing import Any, Final

from sync.store import bodies
from sync.store.bodies import ATTACHMENTS

MARK: Final = b'"_attachments"'
"""Byte string that is contained in every stored body with attachments.

If a peer sends a body in which the key is escaped, the body is re-encoded before it is stored.
"""


def attachments_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attachments in a body, by name; empty if `_attachments` is missing or malformed."""
    value = body.get(ATTACHMENTS)
    return value if isinstance(value, dict) else {}


def keep_attachments(document_id: str, new: bytes, *old: bytes) -> bytes:
    """Return the new body of a document, with the attachments of the bodies that it replaces.

    If the new body already has the key `_attachments`, no earlier attachments are added.

    Args:
        document_id: the document's id.
        new: the body of the edit, in canonical form. If its `_attachments` is an empty object, the document
            loses all attachments.
        old: the replaced bodies. If several of them have an attachment with the same name, the attachment in
            the first of these bodies is kept.
    """
    if MARK not in new and not any(MARK in body for body in old):
        return new
    body = bodies.decode(document_id, new)
    if ATTACHMENTS not in body:
        attachments: dict[str, Any] = {}
        for replaced in reversed(old):
            attachments |= attachments_of(bodies.decode(document_id, replaced))
        return bodies.canonical(document_id, body | {ATTACHMENTS: attachments}) if attachments else new
    if body[ATTACHMENTS]:
        return new
    del body[ATTACHMENTS]
    return bodies.canonical(document_id, body)
