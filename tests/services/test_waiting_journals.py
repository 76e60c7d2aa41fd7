"""If the document store cannot be written, a new log begins and the old journal waits for the store."""

import contextlib
import errno
import shutil
from pathlib import Path

import apsw
import pytest

from services.journal import number_witness
from services.journal.batch import Identity
from services.journal.journal import Journal
from services.journal.number_witness import NumberWitness
from services.journal.schema import move_database
from services.recorder.log_identity import establish
from services.recovery import store_check, store_repair
from services.recovery.rebuild import documented
from services.system import machine
from sync import documents
from sync.documents import DocumentType
from sync.store import Database, StoreError, UnsupportedError, meta

from .recorder_builders import batch, row

NEWER = 9_999
"""Schema version that only a later version of Logboat supports."""


def start(opened: Journal, data: Path, *, board: str = "b") -> Identity:
    made = establish(opened, vessel="argo", board=board, boot_id=machine.boot_id(), documents=data / "log.db")
    opened.register([("rpm", "a.b", "Hz")])
    return made


def sail(data: Path) -> Identity:
    """Record forty samples that are in no document yet. Copy the journal after 25 of them."""
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        database.put("a", {})
    with Journal(data / "samples.db") as opened:
        identity = start(opened, data)
        for number in range(1, 41):
            opened.commit(batch(row(number)))
            if number == 25:
                (data / "older").mkdir()
                for file in data.glob("samples.db*"):
                    shutil.copy(file, data / "older")
    return identity


def make_unwritable(data: Path) -> int:
    """Mark the document store as written by a later version; return the store's own version."""
    version = set_version(data, NEWER)
    with pytest.raises(UnsupportedError):
        Database.open(data / "log.db").close()
    return version


def set_version(data: Path, version: int) -> int:
    connection = apsw.Connection(str(data / "log.db"))
    before: int = connection.pragma("user_version")
    connection.pragma("user_version", version)
    connection.execute(
        "UPDATE meta SET value = ?, crc = ? WHERE key = ?",
        (version, meta.checksum(meta.SCHEMA, version), meta.SCHEMA),
    )
    connection.close()
    return before


def put_back(data: Path) -> None:
    for name in ("samples.db", "samples.db-wal"):
        (data / name).unlink(missing_ok=True)
        if (data / "older" / name).exists():
            shutil.copy(data / "older" / name, data)


def spans(data: Path, log: str) -> list[tuple[str, int, int, str]]:
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        return [
            (
                found.body["type"],
                found.body["first"],
                found.body["last"],
                found.body.get("reason", "").split(":")[0],
            )
            for kind in (DocumentType.READING, DocumentType.GAP)
            for found in database.documents(f"{kind}:argo:rpm:{log}:")
        ]


@pytest.mark.parametrize("checked", [True, False], ids=["checked", "in use"])
@pytest.mark.parametrize("cause", ["board", "behind", "lost"])
def test_new_log_begins_and_the_old_journal_is_documented_once_the_store_is_writable(
    tmp_path: Path, checked: bool, cause: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = sail(tmp_path)
    version = make_unwritable(tmp_path)
    if cause == "behind":
        put_back(tmp_path)
    elif cause == "lost":
        for file in tmp_path.glob("samples.db*"):
            file.unlink()
    board = "c" if cause == "board" else "b"
    if checked:
        store_check.prepare(tmp_path)
    with Journal(tmp_path / "samples.db") as opened:
        after = start(opened, tmp_path, board=board)
        assert after.log != before.log
        opened.commit(batch(row(1)))
    store_check.prepare(tmp_path)  # again without success
    assert ": not yet written to documents: " in caplog.text
    set_version(tmp_path, version)
    assert store_check.prepare(tmp_path).findings == []
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path, board=board).log == after.log
    reading = [("reading", 1, {"board": 40, "behind": 25, "lost": 0}[cause], "")]
    lost = [("gap", {"board": 41, "behind": 26, "lost": 1}[cause], 40, "lost")]
    assert spans(tmp_path, before.log) == (reading if cause != "lost" else []) + (
        lost if cause != "board" else []
    )
    assert not list((tmp_path / store_repair.WAITING).iterdir())
    assert store_check.prepare(tmp_path).findings == []


def test_power_cut_before_the_loss_is_recorded_loses_no_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sail(tmp_path)
    version = make_unwritable(tmp_path)
    put_back(tmp_path)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_repair, "note_lost_numbers", cut)
    with Journal(tmp_path / "samples.db") as opened, pytest.raises(KeyboardInterrupt):
        start(opened, tmp_path)
    monkeypatch.undo()
    set_version(tmp_path, version)
    store_check.prepare(tmp_path)
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path).log != before.log
    assert spans(tmp_path, before.log) == [("reading", 1, 25, ""), ("gap", 26, 40, "lost")]


@pytest.mark.parametrize("looks", [1, 2], ids=["at once", "later"])
@pytest.mark.parametrize("emptied", [True, False], ids=["log emptied", "card full"])
@pytest.mark.parametrize("renames", [1, 2, 3])
def test_power_cut_while_a_journal_is_moved_loses_no_sample(
    tmp_path: Path, renames: int, emptied: bool, looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The document store becomes writable again at the first or the second start after the power cut."""
    data = tmp_path / "killed"
    data.mkdir()
    with Journal(tmp_path / "samples.db") as opened:
        before = start(opened, tmp_path)
        for number in range(1, 41):
            opened.commit(batch(row(number)))
        for file in tmp_path.glob("samples.db*"):
            shutil.copy(file, data)
    assert (data / "samples.db-wal").stat().st_size > 40_000
    with contextlib.closing(NumberWitness(number_witness.path_in(data))) as witness:
        witness.begin(vessel="argo", log=before.log, start="b", batch=41, last={"rpm": 41})
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        database.put("a", {})
    version = make_unwritable(data)
    replace, left = Path.replace, renames

    def cut(self: Path, target: Path | str) -> Path:
        nonlocal left
        moved = replace(self, target)
        left -= store_repair.WAITING in str(target)
        if not left:
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "replace", cut)
    if not emptied:  # as on a full card
        monkeypatch.setattr(store_repair, "_empty_write_ahead_log", lambda _: None)
    with contextlib.suppress(KeyboardInterrupt):
        store_check.prepare(data)
    monkeypatch.setattr(Path, "replace", replace)
    for version_now in (NEWER, version)[-looks:]:
        set_version(data, version_now)
        store_check.prepare(data)
        with Journal(data / "samples.db") as opened:
            start(opened, data)
    assert spans(data, before.log)[:2] == [("reading", 1, 40, ""), ("gap", 41, 41, "lost")]


def test_full_write_ahead_log_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    """A power cut left only the write-ahead log at its new path.

    Then an empty log was made at the old one.
    """
    path, target = tmp_path / "samples.db", tmp_path / "samples.db.1"
    for name, content in (("samples.db", b"d"), ("samples.db-wal", b""), ("samples.db.1-wal", b"w")):
        (tmp_path / name).write_bytes(content)
    move_database(path, target)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        "samples.db.1": b"d",
        "samples.db.1-wal": b"w",
    }


def test_log_without_its_journal_is_not_attached_to_another_journal(tmp_path: Path) -> None:
    sail(tmp_path)
    waiting = tmp_path / store_repair.WAITING
    waiting.mkdir()
    shutil.copy(tmp_path / "older" / "samples.db-wal", waiting / "samples.db.1-wal")
    with Journal(tmp_path / "samples.db") as opened:
        after = start(opened, tmp_path, board="c")
        opened.commit(batch(row(1)))
    assert store_repair.waiting_place(tmp_path / "samples.db").name == "samples.db.1"
    assert store_check.prepare(tmp_path).findings == []
    assert not list(waiting.iterdir())
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path, board="c").log == after.log
        assert opened.last_batch is not None
    assert len(list((tmp_path / "set-aside").glob("samples.db.*-wal"))) == 1


def test_record_of_assigned_numbers_is_kept_until_the_loss_is_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sail(tmp_path)
    version = make_unwritable(tmp_path)
    put_back(tmp_path)

    def full(_path: Path, _content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("services.recovery.store_repair.create", full)
    store_check.prepare(tmp_path)
    monkeypatch.undo()
    assert [file.name for file in (tmp_path / store_repair.WAITING).glob("samples.db.1*")] == ["samples.db.1"]
    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path)
    set_version(tmp_path, version)
    store_check.prepare(tmp_path)
    assert spans(tmp_path, before.log)[:2] == [("reading", 1, 25, ""), ("gap", 26, 40, "lost")]


def test_unreadable_waiting_journal_is_set_aside_and_not_deleted(tmp_path: Path) -> None:
    before = sail(tmp_path)
    version = make_unwritable(tmp_path)
    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path, board="c")
    (waiting,) = (tmp_path / store_repair.WAITING).glob("samples.db.*")
    garbled = waiting.read_bytes().replace(before.log.encode(), bytes(len(before.log)))
    waiting.write_bytes(garbled)
    set_version(tmp_path, version)
    (*_, line) = store_check.prepare(tmp_path).done
    (aside,) = (tmp_path / "set-aside").glob("samples.db.*")
    assert line == f"{waiting}: no batch in it can be read; set aside as {aside}"
    assert aside.read_bytes() == garbled
    assert not list((tmp_path / store_repair.WAITING).iterdir())


def test_incomplete_store_that_cannot_be_written_is_reported_as_not_repaired(tmp_path: Path) -> None:
    """The store fails after the store check. The journal continues, and the next start tries again."""
    before = sail(tmp_path)
    with Journal(tmp_path / "samples.db") as opened:
        opened.release(40, {"rpm": 40})
        opened.settle()
    real = store_repair.make_good

    def fails(*_: object) -> int:
        raise StoreError("log.db: no room")

    store_repair.make_good = fails  # type: ignore[assignment]
    try:
        report = store_check.prepare(tmp_path)
    finally:
        store_repair.make_good = real
    assert report.findings
    assert not report.repaired
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path).log == before.log
    assert store_check.prepare(tmp_path).repaired
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        assert documented(database, "argo")["rpm", before.log].holes(40) == []
    assert number_witness.path_in(tmp_path).exists()
