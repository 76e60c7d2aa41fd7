"""Immutable documents can be inserted and removed in bulk."""

import re
from pathlib import Path

import pytest

from sync.store import Database, DocumentError, revisions


def made(*names: str) -> list[tuple[str, str, bytes, bool]]:
    return [(name, "1-abcd", b'{"n":1}', False) for name in names]


def test_lot_of_new_documents_is_stored_like_single_documents(tmp_path: Path) -> None:
    with Database.open(tmp_path / "lot.db") as lot, Database.open(tmp_path / "single.db") as single:
        assert lot.insert_new([*made("a", "b"), ("c", "1-ee", b"{}", True)])
        for name in ("a", "b"):
            single.insert(name, "1-abcd", (), b'{"n":1}')
        single.insert("c", "1-ee", (), None, deleted=True)
        assert list(lot.export(deleted=True)) == list(single.export(deleted=True))
        assert lot.changes() == single.changes()
        assert lot.check(deep=True) == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_lot_with_an_existing_document_is_not_stored_at_all(tmp_path: Path, place: int) -> None:
    names = ["a", "b", "c"]
    with Database.open(tmp_path / "log.db") as database:
        database.put(names[place], {"here": True})
        before = database.last_sequence
        assert not database.insert_new(made(*names))
        assert (database.count(), database.last_sequence) == (1, before)
        with database.transaction():  # the outer transaction is not affected
            database.put("z", {})
            assert not database.insert_new(made(*names))
            database.put("y", {})
        assert [change.id for change in database.changes()] == [names[place], "z", "y"]
        assert database.check(deep=True) == []


def test_lot_with_an_unwanted_document_is_not_stored(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db") as database:
        database.set_floor("b", "b5")
        assert not database.insert_new(made("a", "b1"))
        assert database.count() == 0


@pytest.mark.parametrize(
    "bad", [("_x", "1-a", b"{}", False), ("x", "a-1", b"{}", False), ("x", "1-a", b"[]", False)]
)
def test_lot_with_an_invalid_document_is_refused(tmp_path: Path, bad: tuple[str, str, bytes, bool]) -> None:
    with Database.open(tmp_path / "log.db") as database:
        with pytest.raises(DocumentError):
            database.insert_new([*made("a"), bad])
        assert database.count() == 0


def test_first_revisions_are_read_by_sequence_without_documents_that_have_a_history(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db") as database:
        for name in ("a", "b", "c", "d"):
            database.put(name, {"name": name})
        database.put("b", {"name": "b2"}, parent=database.get("b").rev)  # type: ignore[union-attr]
        database.delete("d", parent=database.get("d").rev)  # type: ignore[union-attr]
        found = database.first_revisions(1, 100)
        assert {sequence: revision.id for sequence, revision in found.items()} == {1: "a", 3: "c"}
        assert found[1] == database.revision("a", found[1].rev)
        assert database.first_revisions(2, 3).keys() == {3}


def test_gap_in_a_history_is_filled_with_reproducible_ids() -> None:
    line = ["8-h", "7-g", "3-c", "1-a"]
    bridged = revisions.bridged("10-j", line)
    assert [revisions.generation(found) for found in bridged] == [9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert [found for found in bridged if found in line] == line
    assert all(re.fullmatch("[0-9]-[0-9a-f]{32}", found) for found in bridged if found not in line)
    assert revisions.bridged("10-j", line) == bridged
    assert revisions.bridged("2-b", ["1-a"]) == ["1-a"]


def test_gap_too_wide_to_fill_is_kept() -> None:
    assert revisions.bridged("1003-x", ["1002-w", "1-a"]) == ["1002-w", "1-a"]
    assert len(revisions.bridged("502-x", ["2-a"])) == 500
    assert revisions.bridged("503-x", ["2-a"]) == ["2-a"]
