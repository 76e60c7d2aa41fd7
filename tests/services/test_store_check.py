"""The store check finds damage, keeps readable data, and records unreadable data as gaps."""

import os
import random
import shutil
import sys
from argparse import Namespace
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import apsw
import pytest

from services.documents import retention
from services.documents.documenter import Documenter
from services.journal import number_witness
from services.journal.batch import Identity
from services.journal.journal import Journal, JournalReader
from services.mirror.mirror import SEGMENT_BYTES, CopyWriter, contents
from services.recorder.log_identity import establish
from services.recovery import rebuild, store_check, store_repair
from services.recovery.journal_salvage import batches, salvage
from services.recovery.rebuild import Spans, documented, refill
from sync import documents
from sync.store import BusyError, Database, wal
from sync.store.sqlite_pages import Pages

from .recorder_builders import UTC, batch, row, settings

PAGE = 4096
NAMES = ("coolant", "rpm")


class Recorded:
    """Maker of data folders as recorders leave them after a power cut.

    Each folder is made once, then copied.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, data: Path, *, commits: int, documented_to: int) -> dict[str, int]:
        """Fill a data folder, with documents up to batch `documented_to`.

        Return each sensor's last number.
        """
        original = self._folder / f"{commits}-{documented_to}"
        if not original.exists():
            original.mkdir()
            _record(original, commits=commits, documented_to=documented_to)
        shutil.copytree(original, data, dirs_exist_ok=True)
        return dict.fromkeys(NAMES, commits)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("recorded"))


def _record(data: Path, *, commits: int, documented_to: int) -> None:
    with Journal(data / "samples.db") as opened:
        identity = establish(opened, vessel="argo", board="b", boot_id="x", documents=data / "log.db")
        opened.register((name, "a.b", "Hz") for name in NAMES)
        with Database.open(data / "log.db", policy=documents.POLICY) as database:
            reader = JournalReader(opened.path)
            documenter = Documenter(
                identity=identity,
                sensors=[settings(name, window_s=10.0) for name in NAMES],
                registered=dict.fromkeys(NAMES, ("a.b", "Hz")),
                reader=reader,
                database=database,
                release=opened.release,
                severities={},
            )
            for number in range(1, commits + 1):
                if number == commits - 70:
                    # As on a card, data before a checkpoint is in the file, and later data is in the log.
                    opened._connection.wal_checkpoint()
                opened.commit(
                    batch(*(row(number, random.Random(number).random(), sensor=name) for name in NAMES))
                )
                if number == documented_to:
                    documenter.finish(100_000 + number * 1_000)
            reader.close()
        cut(data)
    after_cut(data)


def cut(data: Path) -> None:
    """Simulate a power cut: copy the databases and their write-ahead logs as they are now."""
    for name in ("samples.db", "samples.db-wal", "log.db", "log.db-wal"):
        if (data / name).exists():
            shutil.copy(data / name, data / f"{name}.cut")


def after_cut(data: Path) -> None:
    for file in data.glob("*.cut"):
        file.rename(file.with_suffix(""))


def damage(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(random.Random(page).randbytes(PAGE))


def pages(path: Path) -> int:
    return path.stat().st_size // PAGE


def is_in_log(path: Path, page: int) -> bool:
    """Return True if the write-ahead log contains the page, so that the page in the file is not used."""
    with Pages(path) as found:
        return page + 1 in found._in_log


def journaled(data: Path) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {name: set() for name in NAMES}
    reader = JournalReader(data / "samples.db")
    for made in reader.all_batches():
        for sample in made.rows:
            found[sample.sensor].add(sample.sequence)
    reader.close()
    return found


def held(data: Path) -> dict[str, Spans]:
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        return {sensor: spans for (sensor, _), spans in documented(database, "argo").items()}


def samples(data: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {name: [] for name in NAMES}
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        for document in database.documents("reading:"):
            body = document.body
            found[body["sensor"]] += range(body["first"], body["last"] + 1)
    return found


def test_sound_stores_are_not_changed(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=100, documented_to=50)
    report = store_check.prepare(tmp_path)
    assert report.findings == []
    assert not (tmp_path / "set-aside").exists()


def test_empty_folder_is_sound(tmp_path: Path) -> None:
    assert store_check.prepare(tmp_path).findings == []


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("newest(number", "newest(numbep"),
        ("echo(number", "echo(nuober"),
        ("closed INTEGER", "closee INTEGER"),
    ],
)
def test_wrong_bit_in_the_names_of_the_journals_tables_loses_no_sample(
    tmp_path: Path, record: Recorded, text: str, wrong: str
) -> None:
    last = record(tmp_path, commits=100, documented_to=50)
    journal = tmp_path / "samples.db"
    checkpoint(journal)
    content = journal.read_bytes()
    assert content.count(text.encode()) == 1
    journal.write_bytes(content.replace(text.encode(), wrong.encode()))
    report = store_check.prepare(tmp_path)
    assert report.repaired
    assert "differs from its definition" in report.findings[0]
    assert samples(tmp_path) == {name: list(range(1, number + 1)) for name, number in last.items()}


@pytest.mark.parametrize("version", [0, 3, 6, 2**30 + 2])
def test_wrong_bit_in_the_journals_version_loses_no_sample(
    tmp_path: Path, record: Recorded, version: int
) -> None:
    last = record(tmp_path, commits=100, documented_to=50)
    connection = apsw.Connection(str(tmp_path / "samples.db"))
    connection.pragma("user_version", version)
    connection.close()
    report = store_check.prepare(tmp_path)
    assert report.repaired
    assert f"the header says schema version {version}, but the tables are of version 2" in report.findings[0]
    assert samples(tmp_path) == {name: list(range(1, number + 1)) for name, number in last.items()}


def test_journal_of_a_newer_version_is_not_changed(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=10, documented_to=5)
    connection = apsw.Connection(str(tmp_path / "samples.db"))
    connection.execute("CREATE TABLE later(key TEXT PRIMARY KEY)")
    connection.pragma("user_version", 3)
    connection.close()
    assert store_check.prepare(tmp_path).findings == []


def checkpoint(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


@pytest.mark.parametrize("page", range(1, 18))
def test_one_bad_page_of_the_journal_loses_no_sample(tmp_path: Path, record: Recorded, page: int) -> None:
    last = record(tmp_path, commits=450, documented_to=100)
    assert pages(tmp_path / "samples.db") >= 18
    damage(tmp_path / "samples.db", page)
    masked = is_in_log(tmp_path / "samples.db", page)
    report = store_check.prepare(tmp_path)
    assert bool(report.findings) is not masked
    assert report.repaired is not masked
    for name, number in last.items():
        found = samples(tmp_path)[name]
        assert len(found) == len(set(found))
        assert set(found) | journaled(tmp_path)[name] == set(range(1, number + 1))


def test_bad_block_of_the_journals_write_ahead_log_loses_no_sample(tmp_path: Path, record: Recorded) -> None:
    sound = tmp_path / "sound"
    sound.mkdir()
    last = record(sound, commits=90, documented_to=85)
    with (sound / "samples.db-wal").open("rb") as file:
        blocks = (wal.read(file, PAGE).seen[-1].offset + 2 * PAGE) // PAGE
    noticed = 0
    for block in (0, 1, *range(blocks - 20, blocks)):
        data = shutil.copytree(sound, tmp_path / str(block))
        damage(data / "samples.db-wal", block)
        noticed += store_check.prepare(data).repaired
        assert store_check.prepare(data).findings == []
        for sensor, number in last.items():
            found = samples(data)[sensor]
            assert len(found) == len(set(found))
            assert set(found) | journaled(data)[sensor] == set(range(1, number + 1)), block
        shutil.rmtree(data)
    assert noticed


def test_commit_left_complete_beyond_a_damaged_part_of_the_log_is_recovered(
    tmp_path: Path, record: Recorded
) -> None:
    record(tmp_path, commits=100, documented_to=50)
    with (tmp_path / "samples.db-wal").open("rb") as file:
        newest = wal.read(file, PAGE).seen[-1]
    before = journaled(copy(tmp_path))
    with (tmp_path / "samples.db-wal").open("r+b") as file:
        file.seek(newest.offset + PAGE // 2)
        file.write(b"rubbish")
    assert journaled(copy(tmp_path)) != before
    report = store_check.prepare(tmp_path)
    assert report.findings == []
    assert "batch 100 recovered" in report.done[0]
    assert journaled(tmp_path) == before
    assert not (tmp_path / "set-aside").exists()


def copy(data: Path) -> Path:
    target = data.with_name(data.name + "-copy")
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(data, target)


def newest_leaves(path: Path) -> set[int]:
    """Return the numbers, from 0, of the pages that contain the newest batch and the batch's echo."""
    batches: dict[int, int] = {}
    echoes: dict[int, int] = {}
    with Pages(path) as found:
        for record in found.rows():
            match record.values:
                case (None, int(), bytes(), None, None):
                    batches[record.rowid or 0] = record.page - 1
                case (None, bytes(), int()):  # in `newest`, which is nearer to the beginning, and in `echo`
                    echoes[record.rowid or 0] = record.page - 1
    return {batches[max(batches)], echoes[max(batches)]}


def test_numbers_lost_on_two_bad_pages_are_explained_by_any_later_batch(
    tmp_path: Path,
) -> None:
    path = tmp_path / "samples.db"
    with Journal(path) as opened:
        establish(opened, vessel="argo", board="b", boot_id="x", documents=tmp_path / "log.db")
        opened.register((name, "a.b", "Hz") for name in NAMES)
        for number in range(1, 151):
            opened.commit(batch(row(number, sensor="coolant")))
        leaves, number = newest_leaves(path), 0
        while leaves & newest_leaves(path):
            number += 1
            opened._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            opened.commit(batch(row(number)))
        cut(tmp_path)
    after_cut(tmp_path)
    assert len(leaves) == 2
    for leaf in leaves:
        assert not is_in_log(path, leaf)
        damage(path, leaf)
    assert store_check.prepare(tmp_path).repaired
    assert set(samples(tmp_path)["coolant"]) < set(range(1, 151))
    assert {name: spans.holes(10_000) for name, spans in held(tmp_path).items()} == {
        "coolant": [(151, 10_000)],
        "rpm": [(number + 1, 10_000)],
    }


@pytest.mark.parametrize("page", range(1, 24))
def test_one_bad_page_of_the_document_store_loses_no_sample_that_the_journal_still_has(
    tmp_path: Path, record: Recorded, page: int
) -> None:
    last = record(tmp_path, commits=400, documented_to=390)
    assert pages(tmp_path / "log.db") >= 24
    damage(tmp_path / "log.db", page)
    report = store_check.prepare(tmp_path)
    if not report.findings:  # a free page, on which no data can be damaged
        assert not store_check.prepare(tmp_path).findings
    for name, number in last.items():
        assert set(range(1, number - 10)) <= set(samples(tmp_path)[name])
        assert len(samples(tmp_path)[name]) == len(set(samples(tmp_path)[name]))


@pytest.mark.parametrize("name", ["samples.db", "log.db"])
def test_file_of_random_data_is_set_aside(tmp_path: Path, record: Recorded, name: str) -> None:
    record(tmp_path, commits=50, documented_to=40)
    (tmp_path / name).write_bytes(random.Random(0).randbytes(50_000))
    (tmp_path / f"{name}-wal").unlink(missing_ok=True)
    report = store_check.prepare(tmp_path)
    assert report.repaired
    assert list((tmp_path / "set-aside").glob(f"{name}.*"))
    assert store_check.prepare(tmp_path).findings == []


def test_both_stores_damaged_at_once_are_replaced_by_working_ones(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=400, documented_to=390)
    damage(tmp_path / "samples.db", 5)
    damage(tmp_path / "log.db", 5)
    report = store_check.prepare(tmp_path)
    assert report.repaired
    assert store_check.prepare(tmp_path).findings == []
    for spans in held(tmp_path).values():
        assert spans.holes(400) == []


def test_damaged_journal_begins_a_new_log_so_that_no_number_is_assigned_twice(
    tmp_path: Path, record: Recorded
) -> None:
    record(tmp_path, commits=400, documented_to=100)
    with Journal(tmp_path / "samples.db") as opened:
        before = (opened.get_meta("log"), opened.get_meta("uuid"))
    damage(tmp_path / "samples.db", 3)
    store_check.prepare(tmp_path)
    with Journal(tmp_path / "samples.db") as opened:
        identity = establish(opened, vessel="argo", board="b", boot_id="x", documents=tmp_path / "log.db")
        assert identity.log != before[0]
        assert opened.sensors == {}


def test_stores_in_use_are_not_a_failure_for_a_daemon_that_starts_second(tmp_path: Path) -> None:
    args = Namespace(data=tmp_path, repair=True, json=False)
    with store_check.using(tmp_path):
        assert store_check.run(args) == 0
        assert store_check.run(Namespace(data=tmp_path, repair=False, json=False)) == 1


def test_stores_in_use_are_not_repaired(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=400, documented_to=100)
    damage(tmp_path / "samples.db", 3)
    with store_check.using(tmp_path):
        report = store_check.prepare(tmp_path)
    assert report.in_use
    assert not report.repaired


def test_mark_left_by_a_daemon_causes_a_complete_check_and_is_then_removed(
    tmp_path: Path, record: Recorded
) -> None:
    record(tmp_path, commits=20, documented_to=10)
    store_check.mark_damaged(tmp_path, "a page did not match")
    assert store_check.prepare(tmp_path).findings == []
    assert not (tmp_path / "damaged").exists()


def test_check_waits_for_daemons_that_are_ending_because_of_damage(
    tmp_path: Path, record: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, commits=20, documented_to=10)
    store_check.mark_damaged(tmp_path, "a page did not match")
    with ExitStack() as daemon:
        daemon.enter_context(store_check.using(tmp_path))
        monkeypatch.setattr("services.recovery.store_check.time.sleep", lambda _: daemon.close())
        report = store_check.prepare(tmp_path)
    assert not report.in_use
    assert not store_check.is_marked(tmp_path)


def test_check_does_not_wait_indefinitely(tmp_path: Path) -> None:
    store_check.mark_damaged(tmp_path, "a page did not match")
    with store_check.using(tmp_path):
        assert store_check.prepare(tmp_path, patience=0.05).in_use


def test_only_the_newest_damaged_files_are_kept(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "samples.db").write_bytes(bytes([number]) * 9_000)
        store_check.prepare(tmp_path)
    assert len(list((tmp_path / "set-aside").glob("samples.db.*"))) == store_repair.KEPT_ASIDE


def test_command_reports_its_findings_and_exits_accordingly(
    tmp_path: Path, record: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, commits=400, documented_to=100)
    arguments = Namespace(data=tmp_path, repair=False, json=False)
    assert store_check.run(arguments) == 0
    assert "no damage found" in capsys.readouterr().out
    damage(tmp_path / "samples.db", 3)
    assert store_check.run(arguments) == 1
    assert "samples.db" in capsys.readouterr().out
    arguments.repair = True
    assert store_check.run(arguments) == 0
    assert store_check.run(arguments) == 0


def test_samples_that_no_file_contains_become_gap_documents(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        saved = refill(
            database,
            identity=Identity(vessel="argo", log="abcdef", boot=1, run=1),
            registered={"rpm": ("a.b", "Hz")},
            batches=[batch(row(3), row(4)), batch(row(8))],
            last={"rpm": 10},
            utc=UTC,
        )
        assert (saved.samples, saved.lost) == (3, 7)
        found = [(d.body["first"], d.body["last"]) for d in database.documents("gap:")]
        assert found == [(1, 2), (5, 7), (9, 10)]


def test_refilling_twice_changes_nothing(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=100, documented_to=40)
    found = salvage(tmp_path / "samples.db")
    assert found.identity is not None
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        for _ in range(2):
            refill(database, identity=found.identity, registered={}, batches=batches(found))
            assert [spans.holes(100) for spans in documented(database, "argo").values()] == [[], []]
        sequence = database.last_sequence
        refill(database, identity=found.identity, registered={}, batches=batches(found))
        assert database.last_sequence == sequence


class PowerCut(BaseException):
    """Exception that a test raises to simulate a power cut."""


def broken_store(record: Recorded, data: Path) -> None:
    record(data, commits=300, documented_to=200)
    for suffix in ("-wal", "-shm"):
        Path(f"{data / 'log.db'}{suffix}").unlink(missing_ok=True)
    (data / "log.db").write_bytes(random.Random(1).randbytes(10 * PAGE))


@pytest.mark.parametrize("moment", ["before the samples are documented again", "between the two moves"])
def test_repair_interrupted_by_a_power_cut_is_completed_by_the_next_start(
    tmp_path: Path, record: Recorded, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def cut_power(*_: object, **__: object) -> None:
        raise PowerCut

    broken_store(record, tmp_path)
    target, name = (store_repair, "adopt") if moment.startswith("between") else (rebuild, "refill")
    with monkeypatch.context() as patch:
        if moment.startswith("between"):
            # A check begins with the same function, and then finds nothing to adopt.
            steps = iter((store_repair.adopt, cut_power))

            def adopt(path: Path) -> None:
                next(steps)(path)

            patch.setattr(target, name, adopt)
        else:
            patch.setattr(target, name, cut_power)
        with pytest.raises(PowerCut):
            store_check.prepare(tmp_path)
    store_check.prepare(tmp_path)
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        spans = documented(database, "argo")
    assert {sensor: found.holes(300) for (sensor, _), found in spans.items()} == {name: [] for name in NAMES}


def test_store_that_cannot_be_checked_now_does_not_prevent_recording(
    tmp_path: Path, record: Recorded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, commits=5, documented_to=3)

    def locked(*_: object, **__: object) -> Database:
        raise BusyError("log.db: another process writes")

    monkeypatch.setattr(Database, "open", locked)
    store_check.mark_damaged(tmp_path, "found at run time")
    report = store_check.prepare(tmp_path)
    assert report.findings == []
    assert (tmp_path / "damaged").exists()
    assert "another process writes" in report.unchecked[0]
    assert store_check.run(Namespace(data=tmp_path, repair=True, json=False)) == 1
    assert "could not be checked" in capsys.readouterr().out


def test_kept_damaged_files_are_deleted_when_the_card_is_full(tmp_path: Path) -> None:
    (tmp_path / "samples.db").write_bytes(b"rubbish" * 2_000)
    store_check.prepare(tmp_path)
    assert list((tmp_path / "set-aside").iterdir())
    store_repair.delete_set_aside(tmp_path)
    assert not list((tmp_path / "set-aside").iterdir())
    store_repair.delete_set_aside(tmp_path / "nowhere")


def copied(data: Path) -> list[str]:
    return [copy.id for _, content in contents(data / "copies") for copy in content.copies()]


def copy_all(data: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        copies = CopyWriter(data / "copies", segment_bytes=segment_bytes)
        while not copies.follow(database, "argo"):
            pass
        copies.close()


def test_documents_no_longer_in_the_journal_are_restored_from_copies(
    tmp_path: Path, record: Recorded
) -> None:
    record(tmp_path, commits=300, documented_to=300)
    copy_all(tmp_path)
    for name in (
        "samples.db",
        "samples.db-wal",
        "given-numbers",
    ):  # as if dropped by the journal
        (tmp_path / name).unlink()
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        before = {found.id: (found.rev, found.raw) for found in database.documents("reading:")}
    (tmp_path / "log.db").write_bytes(b"rubbish" * 2_000)
    report = store_check.prepare(tmp_path)
    assert any(f"{len(before)} documents restored from copies" in line for line in report.done)
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        after = {found.id: (found.rev, found.raw) for found in database.documents("reading:")}
        assert list(database.documents("gap:")) == []
    assert after == before
    there = copied(tmp_path)
    copy_all(tmp_path)
    assert copied(tmp_path) == there  # restored documents are not copied again


def test_missing_store_is_restored_from_copies(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=300, documented_to=300)
    copy_all(tmp_path)
    before = samples(tmp_path)
    for file in tmp_path.glob("log.db*"):
        if file.is_file():
            file.unlink()
    report = store_check.prepare(tmp_path)
    assert any(store_check.GONE in line for line in report.findings)
    assert samples(tmp_path) == before
    assert store_check.prepare(tmp_path).findings == []


def test_damaged_copies_are_reported_and_repaired_from_the_store(
    tmp_path: Path, record: Recorded, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, commits=300, documented_to=300)
    copy_all(tmp_path)
    ids = set(copied(tmp_path))
    assert store_check.run(Namespace(data=tmp_path, repair=False, json=False)) == 0
    assert "1 segments of copies" in capsys.readouterr().out
    damage(tmp_path / "copies" / "000001.seg", 0)
    assert store_check.run(Namespace(data=tmp_path, repair=False, json=False)) == 1
    assert "segment 1 is damaged" in capsys.readouterr().out
    assert set(copied(tmp_path)) < ids
    report = store_check.prepare(tmp_path)
    assert report.findings == []
    assert any("copied again" in line for line in report.copies)
    assert set(copied(tmp_path)) == ids
    assert store_check.run(Namespace(data=tmp_path, repair=False, json=False)) == 0


# No damage


def write_crews_readings(database: Database, log: str, count: int) -> None:
    """Write readings of a manual sensor. An app of the crew has numbered these readings in its own log."""
    for first in range(1, 10 * count, 10):
        found = {"type": "reading", "vessel": "argo", "sensor": "fuel", "log": log, "first": first}
        found |= {"last": first + 9, "startUtc": "2026-01-01T00:00:00.000Z", "text": "x" * 4_000}
        database.put(documents.reading_id("argo", "fuel", log, first), found)


def test_documents_removed_for_space_are_not_restored(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=100, documented_to=100)
    with Journal(tmp_path / "samples.db") as journal:
        log = establish(journal, vessel="argo", board="b", boot_id="x", documents=tmp_path / "log.db").log
    for crews_log in ("zzzzza", "zzzzzb", "zzzzzc"):
        with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
            copies = CopyWriter(tmp_path / "copies")
            write_crews_readings(database, crews_log, 120)
            removed = retention.make_room(
                database, vessel="argo", excess=lambda: database.usage().used - 400_000, utc=UTC, log=log
            )
            assert removed.readings
            while not copies.follow(database, "argo"):
                pass
            copies.forget(removed.alarm_ids)
            copies.close()
        assert store_check.prepare(tmp_path).findings == []


def test_copy_of_a_document_that_only_an_earlier_version_accepted_does_not_prevent_a_start(
    tmp_path: Path, record: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, commits=100, documented_to=100)
    frozen = documents.gap_id("argo", "fuel", "zzzzza", 1)
    body = b'{"type":"gap","vessel":"argo","sensor":"fuel","log":"zzzzza","first":1,"last":9}'
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        copies = CopyWriter(tmp_path / "copies")
        with monkeypatch.context() as earlier:
            earlier.setattr("sync.store.edits.revisions.is_sound", lambda _: True)
            database.insert(frozen, "2147483647-" + "f" * 32, [], body)
        while not copies.follow(database, "argo"):
            pass
        copies.close()
        database.purge([frozen])
    for _ in range(2):
        found = store_check.prepare(tmp_path)
        assert found.findings == [], found.done


def test_card_too_full_for_a_repair_record_does_not_prevent_a_start(tmp_path: Path, record: Recorded) -> None:
    record(tmp_path, commits=100, documented_to=50)
    with Journal(tmp_path / "samples.db") as journal:
        identity = establish(journal, vessel="argo", board="b", boot_id="x", documents=tmp_path / "log.db")
    old = number_witness.NumberWitness(number_witness.path_in(tmp_path))
    old.begin(vessel="argo", log=identity.log, start="x", batch=1, last=dict.fromkeys(NAMES, 0))
    old.close()
    (tmp_path / "log.db").unlink()
    (tmp_path / "last-repair.json").mkdir()
    found = store_check.prepare(tmp_path)
    assert found.findings
    assert found.repaired
    assert store_check.prepare(tmp_path).findings == []


def test_check_reads_each_segment_of_copies_once(
    tmp_path: Path, record: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(tmp_path, commits=200, documented_to=150)
    monkeypatch.setattr("services.mirror.mirror.BLOCK_BYTES", 1_000)
    copy_all(tmp_path, segment_bytes=2_000)
    reads: Counter[Path] = Counter()

    def read(path: Path) -> bytes:
        reads[path] += 1
        return path.read_bytes()

    monkeypatch.setattr("services.mirror.mirror.read", read)
    report = store_check.prepare(tmp_path)
    assert report.findings == []
    assert len(reads) > 3
    assert set(reads.values()) == {1}
    assert f"{len(reads)} segments of copies" in report.copies[0]


@pytest.mark.parametrize("gone", ["nothing", "log.db*", "samples.db*"])
def test_check_and_repair_report_progress_continuously(
    tmp_path: Path, record: Recorded, gone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start may take two minutes after each report of progress to systemd, so no step may take longer."""
    record(tmp_path, commits=200, documented_to=150)
    monkeypatch.setattr("services.mirror.mirror.BLOCK_BYTES", 1_000)
    copy_all(tmp_path, segment_bytes=2_000)
    for file in tmp_path.glob(gone):
        file.unlink()
    places: Counter[str] = Counter()

    def progress() -> None:
        frame = sys._getframe(1)
        places[f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"] += 1

    store_check.prepare(tmp_path, progress=progress)
    steps = {"mirror.survey": 30}  # documents and segments
    if gone != "samples.db*":
        steps |= {"store_check._journal_faults": 200, "rebuild.documented": 30}
    if gone == "nothing":
        steps |= {"check._documents": 1, "restore.lacking": 1, "mirror.uncopied": 1, "rollback._look": 50}
    else:
        steps |= {"restore.restore_missing": 3}
    if gone == "log.db*":
        steps |= {"journal_salvage.salvage": 400, "rebuild.refill": 200}
    assert {step: places[step] for step, least in steps.items() if places[step] < least} == {}


def row_headers(path: Path) -> list[int]:
    """Return the offsets in a database of the bytes that describe the layout of its pages and rows."""
    content = path.read_bytes()
    size = int.from_bytes(content[16:18])
    offsets: list[int] = []
    for page in range(len(content) // size):
        start = page * size
        header = start + (100 if page == 0 else 0)
        if content[header] not in {0x0A, 0x0D}:  # leaf pages of an index and of a table
            continue
        cells = int.from_bytes(content[header + 3 : header + 5])
        offsets += range(header, header + 8 + 2 * cells)
        for cell in range(cells):
            at = start + int.from_bytes(content[header + 8 + 2 * cell : header + 10 + 2 * cell])
            offsets += range(at, min(at + 20, len(content)))
    return offsets


@pytest.mark.parametrize(
    "count", [60, pytest.param(4000, marks=(pytest.mark.torture, pytest.mark.timeout(3600)))]
)
def test_any_wrong_bit_in_the_headers_of_the_journals_rows_loses_no_sample(
    tmp_path: Path, record: Recorded, count: int
) -> None:
    rng, sound = random.Random(os.environ["LOGBOAT_SEED"]), tmp_path / "sound"
    last = record(sound, commits=40, documented_to=20)
    checkpoint(sound / "samples.db")
    offsets = row_headers(sound / "samples.db")
    for number in range(count):
        data = tmp_path / str(number)
        shutil.copytree(sound, data)
        content = bytearray((data / "samples.db").read_bytes())
        offset, bit = rng.choice(offsets), 1 << rng.randrange(8)
        content[offset] ^= bit
        (data / "samples.db").write_bytes(content)
        report = store_check.prepare(data)
        where = f"bit {bit} of byte {offset}"
        assert report.repaired or not report.findings, where
        with Journal(data / "samples.db"):
            in_documents, in_journal = samples(data), journaled(data)
        for name, most in last.items():
            assert {*in_documents[name], *in_journal[name]} == {*range(1, most + 1)}, where
        shutil.rmtree(data)
