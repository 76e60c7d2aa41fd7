"""Documents can be purged or can expire, and their sequence numbers are not assigned again."""

from pathlib import Path

import pytest

from sync.store import Database, DocumentError
from sync.store.schema import WAL_PAGES

from .builders import fill, note


def test_purged_document_leaves_no_trace(store: Database) -> None:
    first = store.put("x", note(1))
    store.set_remote_revision("x", "brigid", first)
    store.put("y", note(2))
    assert store.purge(["x", "nothing"]) == 1
    assert store.get("x") is None
    assert store.remote_revisions("x") == {}
    assert [change.id for change in store.changes()] == ["y"]
    assert store.put("x", note(1)) == first


@pytest.mark.parametrize("together", [False, True])
def test_sequence_is_never_assigned_twice(path: Path, together: bool) -> None:
    given: list[int] = []
    for _ in range(3):
        with Database.open(path) as store:
            assert store.last_sequence == len(given)
            for number in range(3):
                with store.transaction():
                    store.put(f"x:{number}", {})
                    given.append(store.last_sequence)
                    if together:
                        store.purge([f"x:{number}"])
            store.purge([f"x:{number}" for number in range(3)])
            assert store.changes() == []
            assert store.check() == []
    assert given == list(range(1, 10))


def test_last_sequence_is_recorded_only_where_no_document_has_it(store: Database) -> None:
    fill(store, 10)
    store.purge([store.changes()[0].id])
    noted = "SELECT count(*) FROM meta WHERE key = 'sequence'"
    assert store._engine.execute(noted).get == 0
    store.purge([store.changes()[-1].id])
    assert store._engine.execute(noted).get == 1
    assert store.last_sequence == 10


def test_document_expires_at_its_time(path: Path) -> None:
    now = 1_000.0
    with Database.open(path, clock=lambda: now) as store:
        with store.transaction():
            for number in range(450):
                store.put(f"x:{number}", {})
                store.set_expiry(f"x:{number}", 1_500.0)
            store.put("kept", {})
            store.set_expiry("kept", 1_500.0)
            store.set_expiry("kept", None)
            store.put("later", {})
            store.set_expiry("later", 2_500.7)
        assert store.purge_expired() == 0
        now = 1_500.0
        assert store.purge_expired() == 450
        assert [document.id for document in store.documents()] == ["kept", "later"]
        assert store.expiry("later") == 2_500
        now = 2_501.0
        assert store.purge_expired() == 1
        assert store.check() == []


def test_expiry_is_kept_with_the_document_and_is_not_a_change(store: Database) -> None:
    first = store.put("x", note(1))
    store.set_expiry("x", 77)
    assert store.last_sequence == 1
    store.put("x", note(2), parent=first)
    assert store.expiry("x") == 77
    assert store.expiry("nothing") is None
    with pytest.raises(DocumentError, match="does not exist"):
        store.set_expiry("nothing", 1)


def test_compaction_frees_the_space_of_purged_documents(path: Path) -> None:
    with Database.open(path) as store:
        fill(store, 800)
        store.checkpoint()
        full = path.stat().st_size
        store.purge([change.id for change in store.changes()[:700]])
        assert store.usage().free > 0
        compacted = store.compact()
        assert compacted.file_bytes > full / 2
        assert store.usage().free == 0
        assert store.check() == []
        assert store.count() == 100
    assert path.stat().st_size <= full - compacted.file_bytes


def test_usage_is_the_sum_of_its_parts(store: Database, path: Path) -> None:
    fill(store, 50)
    store.blobs.put(b"x" * 1000)
    usage = store.usage()
    assert usage.blobs == 1000
    assert usage.wal == store.wal_bytes == path.with_name("log.db-wal").stat().st_size > 0
    assert usage.total == usage.used + usage.free + usage.wal + usage.blobs


def test_write_ahead_log_grows_until_a_connection_checkpoints(path: Path) -> None:
    with Database.open(path, checkpoint_pages=0) as recorder:
        for part in range(8):
            fill(recorder, 500, prefix=f"x:{part}:")
        grown = recorder.wal_bytes
        assert grown > 1.5 * WAL_PAGES * 4096
        recorder.checkpoint()
        recorder.put("x", {})  # restarts the write-ahead log from its beginning
        fill(recorder, 100, prefix="y:")
        assert recorder.wal_bytes <= grown
