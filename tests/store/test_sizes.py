"""The store's file records the number and size of documents by id prefix, whichever process writes them."""

from pathlib import Path
from typing import Any

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.store import Database, salvage

IDS = [
    "reading:argo:rpm:abcdef:1",
    "reading:argo:rpm:abcdef:2",
    "note:argo:A",
    "note:argo:B",
    "x",
    "é:1",
    "a::",
]


def counted(store: Database) -> dict[str, int]:
    return {found.part: found.documents for found in store.sizes.all()}


def recount(path: Path) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the recorded numbers and sizes, and those calculated by reading all documents."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found: list[tuple[Any, ...]] = connection.execute(
        "SELECT part, documents, bytes FROM sizes ORDER BY part"
    ).fetchall()
    sums: dict[str, tuple[int, int]] = {}
    for document_id, body, tree in connection.execute("SELECT id, length(body), length(tree) FROM docs"):
        part = document_id.rpartition(":")[0].rstrip(":")
        size = 2 * len(document_id.encode()) + (body or 0) + (tree or 0) + 60
        documents, total = sums.get(part, (0, 0))
        sums[part] = (documents + 1, total + size)
    connection.close()
    return found, [(part, *sums[part]) for part in sorted(sums)]


def test_counts_are_grouped_by_the_id_up_to_its_last_colon(path: Path) -> None:
    with Database.open(path) as store:
        for document_id in IDS:
            store.put(document_id, {"n": 1})
        assert counted(store) == {"reading:argo:rpm:abcdef": 2, "note:argo": 2, "": 1, "é": 1, "a": 1}
        store.purge(IDS[:3])
        assert counted(store) == {"note:argo": 1, "": 1, "é": 1, "a": 1}


WRITES = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "purge", "expire", "lot", "undo"]), st.sampled_from(IDS))
)


@settings(max_examples=60, deadline=None)
@given(WRITES)
def test_counts_are_correct_after_any_writes(tmp_path_factory: object, writes: list[tuple[str, str]]) -> None:
    path = tmp_path_factory.mktemp("sizes") / "log.db"  # type: ignore[attr-defined]
    with Database.open(path) as store:
        for number, (write, document_id) in enumerate(writes):
            found = store.get(document_id)
            if write == "put":
                parent = None if found is None or found.deleted else found.rev
                store.put(document_id, {"n": "x" * number}, parent=parent)
            elif write == "delete" and found is not None and not found.deleted:
                store.delete(document_id, parent=found.rev)
            elif write == "purge":
                store.purge([document_id])
            elif write == "expire" and found is not None:
                store.set_expiry(document_id, 1.0)
                if number % 2:
                    store.purge_expired()
            elif write == "lot":
                store.insert_new(
                    [(each, f"1-{number:032d}", b'{"n":1}', False) for each in (document_id, "l:1")]
                )
            elif write == "undo":
                try:
                    with store.transaction():
                        store.purge(IDS)
                        raise LookupError
                except LookupError:
                    pass
    found_sizes, there = recount(path)
    assert found_sizes == there


def test_documents_of_an_older_logboat_are_counted_gradually(path: Path, monkeypatch: object) -> None:
    monkeypatch.setattr("sync.store.sizes.A_TIME", 7)  # type: ignore[attr-defined]
    with Database.open(path) as store:
        for number in range(30):
            store.put(f"reading:argo:rpm:abcdef:{number}", {"n": number})
        store.put("note:argo:A", {})
    connection = apsw.Connection(str(path))
    connection.execute("DROP TABLE sizes")
    for trigger in ("added", "changed", "removed"):
        connection.execute(f"DROP TRIGGER sizes_{trigger}")
    connection.close()
    with Database.open(path) as store:
        assert not store.sizes.is_complete
        store.put("note:argo:B", {})
        rounds = 0
        while store.sizes.count_earlier():
            rounds += 1
            found = store.get(f"reading:argo:rpm:abcdef:{rounds}")
            assert found is not None
            store.put(found.id, {"n": "changed"}, parent=found.rev)
            store.purge([f"reading:argo:rpm:abcdef:{29 - rounds}"])
        assert store.sizes.is_complete
        assert rounds >= 3
    found_sizes, there = recount(path)
    assert found_sizes == there


def test_documents_of_a_salvaged_store_are_counted(path: Path) -> None:
    with Database.open(path) as store:
        for document_id in IDS:
            store.put(document_id, {"n": 1})
        store.checkpoint()
    salvage(path, path.with_name("saved.db"))
    found_sizes, there = recount(path.with_name("saved.db"))
    assert found_sizes == there
    assert len(there) == 5


def test_oldest_documents_of_id_ranges_are_found(store: Database) -> None:
    for document_id in ("b:1", "a:2", "c:1", "a:1"):
        store.put(document_id, {})
    ranges = [("a:", "a;"), ("b:", "b;")]
    assert [name for name, _ in store.sizes.oldest(ranges, 10)] == ["b:1", "a:2", "a:1"]
    assert store.sizes.oldest(ranges, 1) == [("b:1", 2)]
    assert store.sizes.oldest([], 5) == []
