"""Attachments that are not blobs of the body: they were made over Sync Gateway's REST interface.

A body has them under `_attachments`, by name, each with the digest of a blob. They belong to the document: an
edit that does not speak of them keeps them, as Couchbase Lite does.
"""

from collections.abc import Mapping
from typing import Any, Final

from sync.store import bodies
from sync.store.bodies import ATTACHMENTS

MARK: Final = b'"_attachments"'
"""In every stored body that has attachments; what came from a peer in another spelling was written anew."""


def named(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attachments of a body by name; empty if it has none, whatever stands there."""
    found = body.get(ATTACHMENTS)
    return found if isinstance(found, dict) else {}


def kept(document_id: str, new: bytes, *old: bytes) -> bytes:
    """Return the body of an edit with the attachments of what it replaces, unless it speaks of attachments.

    Args:
        document_id: the document.
        new: the body as it was given, in canonical form. An empty object as `_attachments` removes them.
        old: the bodies that it replaces. Where two have an attachment of one name, the first one's is kept.
    """
    if MARK not in new and not any(MARK in body for body in old):
        return new
    body = bodies.decode(document_id, new)
    if ATTACHMENTS not in body:
        found: dict[str, Any] = {}
        for replaced in reversed(old):
            found |= named(bodies.decode(document_id, replaced))
        return bodies.canonical(document_id, body | {ATTACHMENTS: found}) if found else new
    if body[ATTACHMENTS]:
        return new
    del body[ATTACHMENTS]
    return bodies.canonical(document_id, body)
