"""Sequence numbers are reserved in a separate file first, so that an outdated journal starts a new log."""

import os
import shutil
from pathlib import Path

import pytest

from services.journal import number_witness
from services.journal.batch import Identity
from services.journal.journal import Journal
from services.recorder.log_identity import establish
from services.recovery import rollback, store_check
from services.state import peer_ahead
from sync import documents
from sync.documents import DocumentType
from sync.fleet.rights import Claim
from sync.store import Database

from .recorder_builders import UTC, batch, row


def start(
    opened: Journal, data: Path, *, boot_id: str = "b1", utc: float = UTC, board: str = "b"
) -> Identity:
    made = establish(opened, vessel="argo", board=board, boot_id=boot_id, documents=data / "log.db", utc=utc)
    opened.register([("rpm", "a.b", "Hz")])
    return made


def gaps(data: Path) -> list[tuple[str, int, int, str]]:
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        return [
            (found.body["log"], found.body["first"], found.body["last"], found.body["reason"].split(":")[0])
            for found in database.documents(f"{DocumentType.GAP}:")
        ]


def test_every_number_is_reserved_before_its_commit_without_additional_syncs(tmp_path: Path) -> None:
    synchronised = []

    def sync(descriptor: int) -> None:
        synchronised.append(descriptor)
        os.fdatasync(descriptor)

    with Journal(tmp_path / "samples.db", sync=sync) as opened:
        start(opened, tmp_path)
        before = len(synchronised)
        for number in range(1, 901):
            opened.commit(batch(row(number)))
            found = number_witness.read(number_witness.path_in(tmp_path))
            assert found is not None
            assert (found.batch, found.last("rpm")) == (number, number)
            assert found.reserved("rpm") >= number
            if number % 10 == 0:
                opened.witness.work()
        assert len(synchronised) - before <= 3
        for number in range(901, 5_000):
            opened.commit(batch(row(number)))
            if number % 10 == 0:
                opened.witness.work()
        # one sync each time half of a block is used, which takes ten minutes at the previous rate
        assert 3 <= len(synchronised) - before <= 20


def test_burst_beyond_the_reserved_numbers_waits_for_a_reservation(tmp_path: Path) -> None:
    durable = 0

    def sync(descriptor: int) -> None:
        nonlocal durable
        found = number_witness._newest(os.pread(descriptor, 1_000_000, 0))
        durable = 0 if found is None else found.reserved("rpm")

    with Journal(tmp_path / "samples.db", sync=sync) as opened:
        start(opened, tmp_path)
        opened.commit(batch(*(row(number) for number in range(1, 3_001))))
        assert durable >= 3_000


@pytest.mark.parametrize("boot_id", ["b1", "b2"])
def test_journal_restored_from_an_older_copy_begins_a_new_log_and_names_the_loss(
    tmp_path: Path, boot_id: str
) -> None:
    """The recorder itself detects the older copy if another process prevents a check of the stores."""
    older = tmp_path / "older"
    older.mkdir()
    with Journal(tmp_path / "samples.db") as opened:
        before = start(opened, tmp_path)
        for number in range(1, 41):
            opened.commit(batch(row(number)))
            if number == 25:
                for name in ("samples.db", "samples.db-wal"):
                    shutil.copy(tmp_path / name, older)
    for name in ("samples.db", "samples.db-wal"):
        shutil.copy(older / name, tmp_path)
    with Journal(tmp_path / "samples.db") as opened:
        after = start(opened, tmp_path, boot_id=boot_id)
        assert after.log != before.log
        assert opened.sensors["rpm"].last == 0
    lost = (before.log, 26, 40, "lost")
    if boot_id == "b1":  # the machine was not restarted, so the witness's last note exists
        assert gaps(tmp_path) == [lost]
    else:
        assert gaps(tmp_path) == [lost, (before.log, 41, 1_000, "in doubt")]


def test_check_reports_an_outdated_journal_and_finds_nothing_after_its_repair(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path)
        for number in range(1, 41):
            opened.commit(batch(row(number)))
    for file in tmp_path.glob("samples.db*"):
        file.unlink()
    assert "lost log" in store_check.prepare(tmp_path, repair=False).findings[0]
    assert store_check.prepare(tmp_path).repaired
    assert store_check.prepare(tmp_path, repair=False).findings == []


def test_journal_is_checked_while_the_sync_daemon_has_the_stores_open(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path)
        opened.commit(batch(row(1)))
    (tmp_path / "samples.db").unlink()
    with store_check.using(tmp_path):
        assert store_check.prepare(tmp_path, patience=0.0).in_use
        # A process that has the stores open ends on this error, and the next start repairs them.
        assert store_check.is_marked(tmp_path)
    assert store_check.prepare(tmp_path).repaired


def test_missing_or_older_witness_is_reported(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path)
        older = number_witness.path_in(tmp_path).read_bytes()
        for number in range(1, 1_201):
            opened.commit(batch(row(number)))
    number_witness.path_in(tmp_path).write_bytes(older)
    assert "never reserved" in store_check.prepare(tmp_path).findings[0]
    assert store_check.prepare(tmp_path).findings == []
    number_witness.path_in(tmp_path).unlink()
    assert "missing or damaged" in store_check.prepare(tmp_path).findings[0]
    assert store_check.prepare(tmp_path).findings == []


def test_journal_of_an_older_logboat_continues(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        before = start(opened, tmp_path)
        opened.commit(batch(row(1)))
        with opened._connection:
            opened._connection.execute("DELETE FROM meta WHERE key = 'witness'")
            opened._spare()
    number_witness.path_in(tmp_path).unlink()
    assert store_check.prepare(tmp_path).findings == []
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path).log == before.log


def test_unwritable_witness_delays_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / f".{number_witness.NAME}.new").mkdir()
    with Journal(tmp_path / "samples.db") as opened:
        before = start(opened, tmp_path)
        for number in range(1, 50):
            opened.commit(batch(row(number)))
    assert sum("cannot be written" in line for line in caplog.messages) == 1
    assert store_check.prepare(tmp_path).findings == []
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path).log == before.log


def test_report_of_another_vessel_with_more_samples_begins_a_new_log_once(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        before = start(opened, tmp_path)
        opened.commit(batch(row(1)))
    peer_ahead.note(tmp_path, before.log, "vessel brigid holds more")
    with Journal(tmp_path / "samples.db") as opened:
        after = start(opened, tmp_path)
    assert after.log != before.log
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path).log == after.log
    assert gaps(tmp_path) == []


@pytest.mark.parametrize("signed", [False, True])
def test_unsigned_report_ends_a_log_at_most_once_a_day_across_restarts(
    tmp_path: Path, signed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Unsigned reports have little effect, because any vessel in the fleet could forge one."""

    def after(hours: float) -> bool:
        """Return True if a recorder that starts this many hours later ends the current log."""
        with Journal(tmp_path / "samples.db") as opened:
            before = str(opened.get_meta("log"))
        peer_ahead.note(tmp_path, before, "vessel brigid holds more", is_signed=signed)
        with Journal(tmp_path / "samples.db") as opened:
            return start(opened, tmp_path, utc=UTC + hours * 3_600).log != before

    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path)
    assert after(0)
    assert [after(1), after(23), after(-23)] == [signed] * 3
    assert (
        caplog.text.count("ignored: it is unsigned, and only one unsigned report a day can cause a new log")
        == 3
    ) is not signed
    assert after(25)
    assert after(24.5) is signed
    (tmp_path / peer_ahead.BELIEVED).write_text("nan")
    assert [after(50), after(60)] == [signed] * 2
    assert after(80)


def test_log_whose_end_by_an_unsigned_note_was_interrupted_ends_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unsigned report counts towards the daily limit only after it has led to a new log."""
    with Journal(tmp_path / "samples.db") as opened:
        before = start(opened, tmp_path).log
    peer_ahead.note(tmp_path, before, "vessel brigid holds more")

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("services.recorder.log_identity.write_out_journal", cut)
    with Journal(tmp_path / "samples.db") as opened, pytest.raises(KeyboardInterrupt):
        start(opened, tmp_path)
    monkeypatch.undo()
    with Journal(tmp_path / "samples.db") as opened:
        after = start(opened, tmp_path, utc=UTC + 60.0).log
    assert after != before
    peer_ahead.note(tmp_path, after, "vessel brigid holds more")
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path, utc=UTC + 120.0).log == after


def test_signed_report_is_not_replaced_by_an_unsigned_one(tmp_path: Path) -> None:
    peer_ahead.note(tmp_path, "abcdef", "proved", is_signed=True)
    peer_ahead.note(tmp_path, "abcdef", "guessed")
    assert peer_ahead.read(tmp_path, "abcdef") == peer_ahead.Note("proved", is_signed=True)
    peer_ahead.note(tmp_path, "ghijkl", "guessed")
    assert peer_ahead.read(tmp_path, "ghijkl") == peer_ahead.Note("guessed", is_signed=False)


def test_claim_counts_if_its_numbers_are_above_ours(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        made = start(opened, tmp_path)
        opened.commit(batch(*(row(number) for number in range(1, 41))))
    given = number_witness.read(number_witness.path_in(tmp_path))
    reading = documents.reading_id("argo", "rpm", made.log, 1)
    boots = [documents.boot_id("argo", made.log, number) for number in (1, 2)]
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        database.put(reading, {"first": 1, "last": 30, "samples": [[0, 1]] * 30})
        for name in boots:
            database.put(name, {})

        def is_beyond(claim: Claim, given: number_witness.GivenNumbers | None = given) -> bool:
            return rollback.is_beyond(claim, given, database, "argo")

        def of_rpm(number: int) -> Claim:
            return Claim(log=made.log, sensor="rpm", number=number)

        assert [is_beyond(of_rpm(number)) for number in (30, 40, 41)] == [False, False, True]
        # without the witness, the documents show this
        assert [is_beyond(of_rpm(number), None) for number in (30, 31)] == [False, True]
        assert [is_beyond(Claim(log=made.log, number=number, is_signed=True)) for number in (2, 3)] == [
            False,
            True,
        ]
        assert is_beyond(Claim(log=made.log, number=1, is_signed=True, contradicts=True))


def test_log_begun_by_an_earlier_version_continues_after_the_update(tmp_path: Path) -> None:
    """An update is rolled back and installed again. In between, the earlier version begins a log."""
    with Journal(tmp_path / "samples.db") as opened:
        start(opened, tmp_path)
        opened.commit(batch(row(1)))
    older = number_witness.path_in(tmp_path).read_bytes()
    with Journal(tmp_path / "samples.db") as opened:
        made = start(opened, tmp_path, board="another")
        opened.commit(batch(row(1)))
    number_witness.path_in(tmp_path).write_bytes(older)
    assert store_check.prepare(tmp_path).findings == []
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path, board="another").log == made.log
        opened.commit(batch(row(2)))
    given = number_witness.read(number_witness.path_in(tmp_path))
    assert given is not None
    assert (given.log, given.last("rpm")) == (made.log, 2)


def test_log_that_is_older_than_its_witness_does_not_continue(tmp_path: Path) -> None:
    with Journal(tmp_path / "samples.db") as opened:
        first = start(opened, tmp_path)
        opened.commit(batch(row(1)))
    older = (tmp_path / "samples.db").read_bytes()
    with Journal(tmp_path / "samples.db") as opened:
        second = start(opened, tmp_path, board="another")
        opened.commit(batch(row(1)))
    (tmp_path / "samples.db").write_bytes(older)
    assert f"numbers were assigned in log {second.log}" in store_check.prepare(tmp_path).findings[0]
    with Journal(tmp_path / "samples.db") as opened:
        assert start(opened, tmp_path).log not in (first.log, second.log)
