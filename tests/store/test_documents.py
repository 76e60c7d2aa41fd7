"""Documents can be stored, read, listed, deleted and exported."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.store import ConflictError, Database, DocumentChange, DocumentError, StoreError, revisions
from sync.store.reader import PAGE

from .builders import everything, fill, note


def test_document_is_returned_as_it_was_put(store: Database) -> None:
    revision = store.put("note:argo:1", {"text": "Öldruck", "n": [1, 2.5, None]})
    document = store.get("note:argo:1")
    assert document is not None
    assert (document.id, document.rev, document.sequence) == ("note:argo:1", revision, 1)
    assert document.body == {"text": "Öldruck", "n": [1, 2.5, None]}
    assert not document.deleted
    assert not document.conflicted


def test_locally_written_body_is_stored_in_canonical_form(store: Database) -> None:
    store.put("a", {"b": 1.0, "a": 2})
    store.put("b", b' {"b": 1.0, "a": 2}')
    assert [document.raw for document in store.documents()] == [b'{"a":2,"b":1}'] * 2


def test_same_edits_make_the_same_revisions_in_two_stores(tmp_path: Path) -> None:
    made = []
    for name in ("a.db", "b.db"):
        with Database.open(tmp_path / name) as store:
            first = store.put("x", {"a": 1, "b": 2})
            second = store.put("x", {"b": 3}, parent=first)
            made.append([first, second, store.delete("x", parent=second), store.put("x", {})])
    assert made[0] == made[1]
    assert [revision.partition("-")[0] for revision in made[0]] == ["1", "2", "3", "4"]


def test_missing_document_is_none(store: Database) -> None:
    assert store.get("nothing") is None
    assert store.get("nothing", rev="1-a") is None
    assert store.revision("nothing", "1-a") is None
    assert store.leaves("nothing") == []


def test_stale_parent_is_a_conflict_that_names_the_current_revision(store: Database) -> None:
    first = store.put("x", note(1))
    second = store.put("x", note(2), parent=first)
    for stale in (first, None, "9-unknown"):
        with pytest.raises(ConflictError, match=second) as caught:
            store.put("x", note(3), parent=stale)
        assert caught.value.current == second
    with pytest.raises(ConflictError):
        store.delete("x", parent=first)
    assert store.last_sequence == 2


def test_change_of_a_missing_document_is_a_conflict(store: Database) -> None:
    with pytest.raises(ConflictError, match="does not exist") as caught:
        store.put("x", note(1), parent="1-a")
    assert caught.value.current is None


def test_deleted_document_is_returned_as_deleted_and_can_be_put_again(store: Database) -> None:
    revision = store.delete("x", parent=store.put("x", note(1)))
    document = store.get("x")
    assert document is not None
    assert (document.deleted, document.rev, document.raw) == (True, revision, b"{}")
    again = store.put("x", note(2))
    assert again.startswith("3-")
    found = store.get("x")
    assert found is not None
    assert not found.deleted


def test_tombstone_may_have_a_body(store: Database) -> None:
    store.delete("x", parent=store.put("x", note(1)), body={"channels": ["notes"]})
    document = store.get("x")
    assert document is not None
    assert document.body == {"channels": ["notes"]}


@pytest.mark.parametrize("ended", ["3-ended", "4-ended", "9-ended"])
def test_deletion_outranks_every_closed_branch(store: Database, ended: str) -> None:
    store.insert("d", ended, [], {}, deleted=True)
    store.insert("d", "2-live", ["1-first"], {"a": 1})
    deletion = store.delete("d", parent="2-live")
    found = store.get("d")
    assert found is not None
    assert (found.rev, found.deleted) == (deletion, True)
    revision = store.revision("d", deletion)
    assert revision is not None
    line = [deletion, *revision.history]
    assert [revisions.generation(each) for each in line] == list(range(len(line), 0, -1))
    assert line[-2:] == ["2-live", "1-first"]
    assert store.put("d", {"a": 2}).startswith(f"{len(line) + 1}-")
    assert store.check() == []


def test_deletion_above_another_closed_branch_is_one_generation_higher(store: Database) -> None:
    store.insert("d", "2-ended", [], {}, deleted=True)
    store.insert("d", "2-live", ["1-first"], {"a": 1})
    assert store.delete("d", parent="2-live").startswith("3-")


def test_put_if_absent_stores_once_and_never_replaces_a_tombstone(store: Database) -> None:
    assert store.put_if_absent("x", note(1))
    assert not store.put_if_absent("x", note(2))
    document = store.get("x")
    assert document is not None
    assert document.body == note(1)
    store.delete("x", parent=document.rev)
    assert not store.put_if_absent("x", note(3))
    assert store.last_sequence == 2


def test_bad_id_or_body_is_refused_and_nothing_is_stored(store: Database) -> None:
    for document_id, body in (("_x", {}), ("x", {"_id": 1}), ("", {})):
        with pytest.raises(DocumentError):
            store.put(document_id, body)
    assert store.last_sequence == 0


def test_changes_contain_each_document_once_at_its_last_change(store: Database) -> None:
    a = store.put("a", note(1))
    b = store.put("b", note(2))
    a2 = store.put("a", note(3), parent=a)
    gone = store.delete("b", parent=b)
    assert store.changes() == [
        DocumentChange(3, "a", a2, deleted=False, conflicted=False, size=len(b'{"n":3,"type":"note"}')),
        DocumentChange(4, "b", gone, deleted=True, conflicted=False, size=2),
    ]
    assert [change.id for change in store.changes(3)] == ["b"]
    assert store.changes(4) == []
    assert [change.sequence for change in store.changes(limit=1)] == [3]


def test_changes_can_be_read_in_batches(store: Database) -> None:
    fill(store, 250)
    seen: list[str] = []
    since = 0
    while found := store.changes(since, limit=100):
        seen += [change.id for change in found]
        since = found[-1].sequence
    assert len(seen) == len(set(seen)) == 250


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.text("ab:\u00e9\uffff\U0001f600\U0010ffff", min_size=1, max_size=4), max_size=12, unique=True
    ),
    st.text("ab:\uffff\U0010ffff", max_size=2),
    st.text("ab:\u00e9", max_size=2),
    st.booleans(),
    st.none() | st.integers(0, 5),
)
def test_documents_are_those_with_the_prefix_in_order_of_id(
    tmp_path_factory: pytest.TempPathFactory,
    ids: list[str],
    prefix: str,
    after: str,
    reverse: bool,
    limit: int | None,
) -> None:
    with Database.open(tmp_path_factory.mktemp("s") / "log.db") as store:
        with store.transaction():
            for document_id in ids:
                store.put(document_id, {})
        wanted = sorted(
            (i for i in ids if i.startswith(prefix) and (not after or (i < after if reverse else i > after))),
            reverse=reverse,
        )
        found = store.documents(prefix, after=after, reverse=reverse, limit=limit)
        assert [document.id for document in found] == wanted[:limit]
        assert store.count(prefix) == sum(i.startswith(prefix) for i in ids)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("count", [PAGE - 1, PAGE, PAGE + 1, 3 * PAGE])
def test_documents_continue_over_pages(store: Database, count: int, reverse: bool) -> None:
    ids = [f"x:{number:04d}" for number in range(count)]
    with store.transaction():
        for document_id in ids:
            store.put(document_id, {})
    assert [document.id for document in store.documents("x:", reverse=reverse)] == sorted(
        ids, reverse=reverse
    )
    assert sum(1 for _ in store.documents(limit=PAGE)) == min(count, PAGE)


@pytest.mark.parametrize(
    ("read", "plan"),
    [
        (lambda store: list(store.documents("x:", after="x:5")), r"USING INDEX \S+ \(id>\? AND id<\?\)"),
        (lambda store: list(store.documents(reverse=True)), r"USING INDEX \S+ \(id>\? AND id<\?\)"),
        (lambda store: store.count("x:"), r"USING COVERING INDEX \S+ \(id>\? AND id<\?\)"),
        (lambda store: store.changes(5, limit=10), r"USING INTEGER PRIMARY KEY \(rowid>\?\)"),
        (lambda store: store.get("x"), r"INDEX \S+ \(id=\?\)"),
        (lambda store: store.missing([("x", "1-a")]), r"INDEX \S+ \(id=\?\)"),
        (lambda store: store.conflicts(), "INDEX docs_conflicted"),
        (lambda store: store.purge_expired(), r"INDEX docs_expires \(expires<\?\)"),
        (lambda store: store.compact(), r"INDEX docs_blobs \(id>\?\)"),
        (lambda store: store.last_sequence, r"SEARCH docs|USING INDEX sqlite_autoindex_meta"),
    ],
)
def test_cost_of_reading_does_not_depend_on_the_size_of_the_store(
    store: Database, read: Callable[[Database], object], plan: str
) -> None:
    connection = store._engine.connection
    plans: list[str] = []

    def trace(_cursor: object, statement: str, bindings: Any) -> bool:
        if statement.lstrip().startswith("SELECT"):
            connection.exec_trace = None
            plans.append(str(connection.execute(f"EXPLAIN QUERY PLAN {statement}", bindings).fetchall()))
            connection.exec_trace = trace
        return True

    connection.exec_trace = trace
    read(store)
    connection.exec_trace = None
    assert any(re.search(plan, found) for found in plans), plans
    assert not any(re.search(r"SCAN docs(?! USING)", found) for found in plans), plans


def test_deleted_documents_are_listed_and_counted_only_on_request(store: Database) -> None:
    store.delete("x:1", parent=store.put("x:1", {}))
    store.put("x:2", {})
    store.put("y", {})
    assert [document.id for document in store.documents("x:")] == ["x:2"]
    assert [document.id for document in store.documents("x:", deleted=True)] == ["x:1", "x:2"]
    assert (store.count("x:"), store.count("x:", deleted=True), store.count()) == (1, 2, 2)


def test_listing_keeps_no_read_transaction_open(store: Database, path: Path) -> None:
    fill(store, 200)
    listing = store.documents()
    next(listing)
    with Database.open(path) as other:
        other.put("z", {})
        other.checkpoint()
        assert other._engine.connection.wal_checkpoint()[0] == other._engine.connection.wal_checkpoint()[1]
    assert sum(1 for _ in listing) == 200


def test_store_is_the_same_after_reopening(path: Path) -> None:
    with Database.open(path) as store:
        fill(store, 40)
        store.delete("x", parent=store.put("x", {}))
        before, identity, last = everything(store), store.uuid, store.last_sequence
    with Database.open(path) as store:
        assert everything(store) == before
        assert store.uuid == identity
        assert store.last_sequence == last
        assert store.check() == []


def test_two_stores_have_different_uuids(tmp_path: Path) -> None:
    with Database.open(tmp_path / "a.db") as a, Database.open(tmp_path / "b.db") as b:
        assert a.uuid != b.uuid


def test_missing_file_is_not_created_unless_requested(path: Path) -> None:
    with pytest.raises(StoreError, match="the store does not exist"):
        Database.open(path, create=False)
    assert not path.exists()


def test_export_writes_every_document_as_a_line_of_json(store: Database) -> None:
    revision = store.put("a", {"text": "line\nbreak"})
    store.insert("b", "1-b", [], b'{\n "pretty": [1,\n 2] }')
    gone = store.delete("c", parent=store.put("c", {}))
    lines = [json.loads(line) for line in store.export()]
    assert lines == [
        {"_id": "a", "_rev": revision, "text": "line\nbreak"},
        {"_id": "b", "_rev": "1-b", "pretty": [1, 2]},
    ]
    assert all(line.count(b"\n") == 1 for line in store.export(deleted=True))
    assert json.loads(list(store.export(deleted=True))[-1]) == {"_id": "c", "_rev": gone, "_deleted": True}
