"""Local documents, such as checkpoints, can be stored and read, but are never replicated."""

from pathlib import Path

import pytest

from sync.store import ConflictError, Database, DocumentError


def test_local_document_can_be_written_only_with_its_current_revision(path: Path) -> None:
    with Database.open(path) as store:
        assert store.get_local("cp-1") is None
        assert store.put_local("cp-1", {"local": 5, "remote": "7:3"}) == "0-1"
        assert store.put_local("cp-1", b'{"local":6}', parent="0-1") == "0-2"
    with Database.open(path) as store:
        found = store.get_local("cp-1")
        assert found is not None
        assert (found.key, found.rev, found.body) == ("cp-1", "0-2", {"local": 6})


@pytest.mark.parametrize("parent", [None, "0-1", "0-3", "1-abc"])
def test_stale_checkpoint_is_a_conflict(store: Database, parent: str | None) -> None:
    store.put_local("cp", {})
    store.put_local("cp", {}, parent="0-1")
    with pytest.raises(ConflictError) as caught:
        store.put_local("cp", {"x": 1}, parent=parent)
    assert caught.value.current == "0-2"
    with pytest.raises(ConflictError):
        store.delete_local("cp", parent="0-1")


def test_local_document_can_be_deleted_and_created_again(store: Database) -> None:
    store.put_local("cp", {})
    store.delete_local("cp", parent="0-1")
    assert store.get_local("cp") is None
    assert store.put_local("cp", {}) == "0-1"
    with pytest.raises(ConflictError):
        store.put_local("other", {}, parent="0-1")


def test_local_documents_are_validated_and_not_listed_as_changes(store: Database) -> None:
    store.put_local("cp", {})
    assert store.changes() == []
    assert store.last_sequence == 0
    with pytest.raises(DocumentError):
        store.put_local("cp", b"[1]", parent="0-1")
