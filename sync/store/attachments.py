"""Attachments created through Sync Gateway's REST interface, which are not blobs within the body.

A body lists them by name under `_attachments`, each with the digest of a blob. An edit whose body has no
`_attachments` keeps the document's attachments, as in Couchbase Lite.
"""

from collections.abc import Mapping
from typing import Any, Final

from sync.store import bodies
from sync.store.bodies import ATTACHMENTS

MARK: Final = b'"_attachments"'
"""Byte string that every stored body with attachments contains.

A body from a peer that escapes the key is re-encoded before it is stored.
"""


def attachments_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attachments of a body by name; empty if `_attachments` is absent or malformed."""
    value = body.get(ATTACHMENTS)
    return value if isinstance(value, dict) else {}


def keep_attachments(document_id: str, new: bytes, *old: bytes) -> bytes:
    """Return the new body of a document, with the attachments of the bodies that it replaces.

    If the new body has `_attachments` itself, the earlier attachments are not added.

    Args:
        document_id: the document's id.
        new: the body of the edit, in canonical form. An empty object as `_attachments` removes all
            attachments.
        old: the bodies that it replaces. If several of these bodies have an attachment with the same name,
            the one in the first body is kept.
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
