"""Attachments created through Sync Gateway are stored with their content as long as their document exists."""

from typing import Any

import pytest

from sync.store import Database, DocumentError, bodies

CONTENT = b"tide table"
DIGEST = "sha1-" + "A" * 27 + "="


def attached(digest: str = DIGEST) -> dict[str, Any]:
    return {"digest": digest, "length": len(CONTENT), "content_type": "text/plain", "revpos": 1, "stub": True}


def body(store: Database, document_id: str = "n1") -> dict[str, Any]:
    found = store.get(document_id)
    assert found is not None
    return found.body


def test_edit_without_attachments_keeps_them(store: Database) -> None:
    held = {"tide.txt": attached()}
    first = store.put("n1", {"text": "a", "_attachments": held})
    second = store.put("n1", {"text": "b"}, parent=first)
    assert body(store) == {"text": "b", "_attachments": held}
    store.put("n1", {"text": "b", "_attachments": held}, parent=second)
    assert body(store) == {"text": "b", "_attachments": held}


def test_edit_with_attachments_replaces_or_removes_them(store: Database) -> None:
    first = store.put("n1", {"_attachments": {"tide.txt": attached(), "old.txt": attached()}})
    second = store.put("n1", {"_attachments": {"tide.txt": attached()}}, parent=first)
    assert body(store) == {"_attachments": {"tide.txt": attached()}}
    third = store.put("n1", {"text": "c", "_attachments": {}}, parent=second)
    assert body(store) == {"text": "c"}
    store.put("n1", {"text": "d"}, parent=third)
    assert body(store) == {"text": "d"}
    store.put("n2", {"_attachments": {}})
    assert body(store, "n2") == {}


def test_deletion_keeps_no_attachments(store: Database) -> None:
    first = store.put("n1", {"_attachments": {"tide.txt": attached()}})
    store.delete("n1", parent=first)
    assert body(store) == {}
    store.put("n1", {"text": "again"})
    assert body(store) == {"text": "again"}


@pytest.mark.parametrize(
    "value",
    [[], "x", None, {"a": 5}, {"a": {}}, {"a": {"digest": "sha1-x"}}, {"a": {"digest": DIGEST}, "b": []}],
)
def test_attachment_without_a_digest_is_refused_with_a_message(store: Database, value: Any) -> None:
    with pytest.raises(DocumentError, match="n1: _attachments must be an object that contains attachments"):
        store.put("n1", {"_attachments": value})
    with pytest.raises(DocumentError, match="_attachments"):
        store.insert(
            "n1", "1-a", [], bodies.canonical("n1", {"a": value}).replace(b'"a"', b'"_attachments"', 1)
        )
    assert store.get("n1") is None


def test_content_of_an_attachment_is_kept_as_long_as_a_document_refers_to_it(store: Database) -> None:
    digest = store.blobs.put(CONTENT)
    first = store.put("n1", {"_attachments": {"tide.txt": attached(digest)}})
    for _ in range(3):
        assert store.compact().blobs == 0
    assert store.blobs.read(digest) == CONTENT
    store.put("n1", {"_attachments": {}}, parent=first)
    store.compact()
    assert store.compact().blobs == 1
