"""Damaged pages of a store are found, and every document that is not on a damaged page is saved."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from sync.store import DamagedError, Database, StoreError, rows, salvage
from sync.store.sqlite_pages import Pages
from sync.store.tree import Node

from .builders import everything, fill, note

PAGE = 4096
COUNT = 400


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of an undamaged store with all types of content, which tests must not modify."""
    path = tmp_path_factory.mktemp("sound") / "log.db"
    with Database.open(path) as store:
        fill(store, COUNT)
        first = store.put("note:argo:1", note(1))
        store.set_remote_revision("note:argo:1", "brigid", first)
        store.put("note:argo:1", note(2), parent=first)
        store.insert("note:argo:1", "2-0", [first], b'{"n":3}')
        store.delete("note:argo:2", parent=store.put("note:argo:2", {}))
        store.put_local("checkpoint", {"local": 7})
        store.set_floor("reading:argo:gone:", "reading:argo:gone:abcdef:000000000100")
        store.set_expiry("note:argo:1", 4_000_000_000)
        fill(store, 100, prefix="purged:")
        store.purge([document.id for document in store.documents("purged:")])
    return path


@pytest.fixture
def damaged(sound: Path, path: Path) -> Path:
    shutil.copyfile(sound, path)
    return path


def rot(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def findings(path: Path, *, deep: bool = True) -> list[str]:
    try:
        with Database.open(path) as store:
            return store.check(deep=deep)
    except DamagedError as error:
        return [str(error)]


def content(path: Path) -> dict[str, tuple[str, bytes]]:
    with Database.open(path) as store:
        return everything(store)


class Holed(Pages):
    """Reader of a database file in which one page cannot be read."""

    hole = 0

    def page(self, number: int) -> bytes:
        return b"" if number == self.hole else super().page(number)


def on_page(path: Path, number: int) -> set[str]:
    """Return the ids of the documents whose rows are at least partly on this page."""
    with Holed(path) as pages:
        whole = {str(record.values[1]) for record in pages.rows() if len(record.values) == 8}
        pages.hole = number
        return whole - {str(record.values[1]) for record in pages.rows() if len(record.values) == 8}


def test_sound_store_has_no_findings(sound: Path) -> None:
    assert findings(sound) == []
    assert findings(sound, deep=False) == []


def test_salvage_of_a_sound_store_keeps_everything_but_its_identity(sound: Path, tmp_path: Path) -> None:
    saved = salvage(sound, tmp_path / "new.db")
    assert (saved.documents, saved.local, saved.floors, saved.lost, saved.unreadable) == (
        COUNT + 2,
        1,
        1,
        0,
        0,
    )
    with Database.open(sound) as old, Database.open(tmp_path / "new.db") as new:
        assert everything(new) == everything(old)
        assert new.changes() == old.changes()
        assert new.last_sequence == old.last_sequence
        assert new.get_local("checkpoint") == old.get_local("checkpoint")
        assert new.floors() == old.floors()
        assert new.leaves("note:argo:1") == old.leaves("note:argo:1")
        assert new.expiry("note:argo:1") == 4_000_000_000
        assert new.uuid != old.uuid
        assert new.check() == []


def test_salvage_keeps_recorded_channel_removals(path: Path, tmp_path: Path) -> None:
    with Database.open(path) as old:
        old.delete("x", parent=old.put("x", {"channels": ["notes", "deck"]}))
        left = old.departed("x")
        assert left == dict.fromkeys(("notes", "deck"), old.last_sequence)
    salvage(path, tmp_path / "new.db")
    with Database.open(tmp_path / "new.db") as new:
        assert new.departed("x") == left


def test_salvage_creates_one_file(sound: Path, tmp_path: Path) -> None:
    folder = tmp_path / "into"
    folder.mkdir()
    salvage(sound, folder / "new.db")
    assert [entry.name for entry in folder.iterdir()] == ["new.db"]


PAGES = sorted({1, 2, 3, 4, 5, 6, *Random(20260101).sample(range(7, 215), 18)})


@pytest.mark.parametrize("number", PAGES)
@pytest.mark.parametrize("kind", ["noise", "zeroes"])
def test_document_that_is_not_on_the_damaged_page_is_saved(damaged: Path, number: int, kind: str) -> None:
    """If the first page, a root page or an inner page is damaged, SQLite itself finds few or no documents."""
    before = content(damaged)
    assert number <= damaged.stat().st_size // PAGE
    lost = on_page(damaged, number)
    data = bytes(PAGE) if kind == "zeroes" else Random(number).randbytes(PAGE)
    rot(damaged, (number - 1) * PAGE, data)
    with Pages(damaged) as pages:
        free = number in pages._free
    if not free and kind == "noise":
        assert findings(damaged), "the damage was not found"
    new = damaged.with_name("new.db")
    saved = salvage(damaged, new)
    after = content(new)
    purged = {document_id for document_id in after if document_id.startswith("purged:")}
    assert {k: v for k, v in before.items() if k not in lost} == {
        k: after[k] for k in after if k not in purged
    }
    assert lost <= set(saved.lost_ids) | purged
    assert not purged or number == 1  # without the first page, the free list is lost
    assert findings(new) == []


def test_changed_digit_in_a_body_is_found_and_never_returned(damaged: Path) -> None:
    """SQLite's own integrity check does not detect such damage."""
    body = b'{"n":2,"type":"note"}'
    offset = damaged.read_bytes().index(body)
    rot(damaged, offset, body.replace(b"2", b"3"))
    with Database.open(damaged) as store:
        assert store._engine.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        for deep in (True, False):
            [finding] = store.check(deep=deep)
            assert "'note:argo:1'" in finding
            assert "checksum" in finding
        reads: list[Callable[[], object]] = [
            lambda: store.get("note:argo:1"),
            lambda: list(store.documents("note:")),
            lambda: store.put("note:argo:1", {}, parent="2-x"),
            lambda: list(store.export()),
        ]
        for read in reads:
            with pytest.raises(DamagedError, match="note:argo:1") as caught:
                read()
            assert caught.value.path == damaged
            assert store.damage is caught.value
    saved = salvage(damaged, damaged.with_name("new.db"))
    assert saved.lost_ids == ("note:argo:1",)
    assert saved.documents == COUNT + 1


@pytest.mark.parametrize(
    ("needle", "says"), [(b'{"local":7}', "local"), (b"reading:argo:gone:abcdef", "floors"), (b"-4", "meta")]
)
def test_damage_in_the_small_tables_is_found(damaged: Path, needle: bytes, says: str) -> None:
    if says == "meta":
        with Database.open(damaged) as store:
            needle = store.uuid.encode()
    data = damaged.read_bytes()
    offset = data.rindex(needle) + len(needle) - 2
    rot(damaged, offset, bytes([data[offset] ^ 1]))
    assert any(says in finding and "checksum" in finding for finding in findings(damaged, deep=False))


def test_text_that_is_no_longer_valid_is_damage(damaged: Path) -> None:
    revision = next(iter(content(damaged).values()))[0].encode()
    data = damaged.read_bytes()
    rot(damaged, data.index(revision) + 4, b"\xff\xfe")
    assert findings(damaged)
    with Database.open(damaged) as store:
        assert store.damage is None
        with pytest.raises(DamagedError) as caught:
            store.changes()
        assert store.damage is caught.value


@pytest.mark.parametrize("offset", [0, 18, 60, 63, 68, 71])
def test_damaged_header_is_not_mistaken_for_another_version(damaged: Path, offset: int) -> None:
    before = content(damaged)
    data = damaged.read_bytes()
    rot(damaged, offset, bytes([data[offset] ^ 0x15]))
    assert findings(damaged)
    new = damaged.with_name("new.db")
    salvage(damaged, new)
    after = content(new)
    assert {k: v for k, v in after.items() if not k.startswith("purged:")} == before


def test_truncated_file_yields_its_remaining_documents(damaged: Path) -> None:
    before = content(damaged)
    with damaged.open("r+b") as file:
        file.truncate(damaged.stat().st_size // 2 + 100)
    assert findings(damaged)
    new = damaged.with_name("new.db")
    saved = salvage(damaged, new)
    after = content(new)
    assert after.items() <= before.items()
    assert len(after) > COUNT // 4
    assert saved.lost > 0


def test_commits_that_are_only_in_the_write_ahead_log_are_saved_too(path: Path, tmp_path: Path) -> None:
    """After a power cut, the write-ahead log may contain the newest commits, with the last one incomplete."""
    into = tmp_path / "cut"
    into.mkdir()
    with Database.open(path, checkpoint_pages=0) as store:
        fill(store, 50)
        store.checkpoint()
        store.put("x", note(1))
        store.put("x", note(2), parent=store.changes()[-1].rev)
        store.purge(["reading:argo:rpm:abcdef:000000000007"])
        before = everything(store)
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", into / f"log.db{suffix}")
    log = into / "log.db-wal"
    committed = log.read_bytes()
    with log.open("ab") as file:
        file.write(committed[-PAGE - 24 :])  # a frame out of sequence
    saved = salvage(into / "log.db", into / "new.db")
    assert content(into / "new.db") == before
    assert saved.lost == 0
    rot(into / "log.db", 0, bytes(PAGE))
    salvage(into / "log.db", into / "again.db")
    assert content(into / "again.db").items() >= before.items()


def test_file_of_noise_yields_an_empty_store(path: Path) -> None:
    path.write_bytes(Random(1).randbytes(200_000))
    assert findings(path)
    saved = salvage(path, path.with_name("new.db"))
    assert saved.documents == 0
    assert content(path.with_name("new.db")) == {}


def test_salvage_overwrites_nothing_and_leaves_no_partial_file(damaged: Path, tmp_path: Path) -> None:
    (tmp_path / "there.db").write_bytes(b"")
    with pytest.raises(StoreError, match="already exists"):
        salvage(damaged, tmp_path / "there.db")
    with pytest.raises(StoreError):
        salvage(tmp_path / "missing.db", tmp_path / "new.db")
    assert not (tmp_path / "new.db").exists()


def test_salvage_does_not_touch_the_damaged_file(damaged: Path) -> None:
    rot(damaged, 5 * PAGE, bytes(PAGE))
    before = damaged.read_bytes()
    salvage(damaged, damaged.with_name("new.db"))
    assert damaged.read_bytes() == before


def test_check_reports_a_row_whose_revisions_contradict_it(store: Database) -> None:
    store.put("x", note(1))
    first = store.put("y", note(1))
    store.put("y", note(2), parent=first)
    rows = [
        ("y", "2-0", None),  # the row's revision differs from the one in its tree
        ("x", "1-0", b"\x93"),  # the encoded tree is invalid
    ]
    from sync.store.rows import DocumentRow

    for document_id, revision, tree in rows:
        with store._engine.reading:
            sequence, kept = store._engine.execute(
                "SELECT seq, tree FROM docs WHERE id = ?", (document_id,)
            ).get
        row = DocumentRow(
            sequence, document_id, revision, 0, tree=tree or kept, body=b"[]" if document_id == "z" else b"{}"
        )
        store._engine.execute(
            "UPDATE docs SET rev = ?, crc = ?, tree = ?, body = ? WHERE id = ?",
            (revision, row.checksum(), row.tree, row.body, document_id),
        )
    said = "\n".join(store.check())
    assert "'x'" in said
    assert "'y'" in said
    assert "checksum" not in said


def test_salvage_removes_a_leaf_whose_body_is_missing(store: Database, tmp_path: Path) -> None:
    """Earlier versions could store such a leaf if a received history contradicted the document's tree."""
    first = store.put("x", note(1))
    second = store.put("x", note(2), parent=first)
    with store._engine.writing:
        row = rows.load(store._engine, "x")
        assert row is not None
        tree = row.revisions()
        tree.nodes["1-empty"] = Node(1, None)
        rows.replace(store._engine, row, tree)
    (fault,) = store.check()
    assert "1-empty: the leaf revision has no body" in fault
    saved = salvage(store.path, tmp_path / "saved.db")
    assert (saved.documents, saved.lost) == (1, 0)
    with Database.open(tmp_path / "saved.db") as healed:
        assert healed.check(deep=True) == []
        document = healed.get("x")
        assert document is not None
        assert (document.rev, document.body) == (second, note(2))
        assert list(healed.conflicts()) == []
