"""Copies of documents agree with the store, stay readable despite damage, and restore lost documents."""

import os
import random
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.documents import retention
from services.mirror import mirror as copies_module
from services.mirror import segment_file
from services.mirror.mirror import CopyWriter, contents, numbers, segment
from services.mirror.restore import restore_missing
from services.mirror.segment_file import PAGE, Copy, Mark, RecordKind, SegmentContent, parse
from sync import documents
from sync.store import Database

VESSEL, LOG = "argo", "abcdef"
texts = st.text(st.characters(codec="utf-8"), max_size=40)


def copy(number: int, *, sensor: str = "rpm", rev: str = "1-" + "0" * 32, **more: object) -> Copy:
    body = {"first": number, "last": number, "vessel": VESSEL, "sensor": sensor, "log": LOG, **more}
    return Copy(
        documents.reading_id(VESSEL, sensor, LOG, number), rev, [], msgspec.Raw(msgspec.json.encode(body))
    )


def store(data: Path) -> Database:
    return Database.open(data / "log.db", policy=documents.POLICY)


def put_reading(database: Database, number: int, *, sensor: str = "rpm", vessel: str = VESSEL) -> str:
    name = documents.reading_id(vessel, sensor, LOG, number)
    noise = random.Random(number).randbytes(600).hex()
    database.put(name, {"type": "reading", "vessel": vessel, "first": number, "last": number, "noise": noise})
    return name


def put_gap(database: Database, first: int, last: int) -> None:
    name = documents.gap_id(VESSEL, "rpm", LOG, first)
    body = {"vessel": VESSEL, "sensor": "rpm", "log": LOG, "first": first, "last": last}
    database.put(name, {"type": "gap", "reason": retention.REASON, **body})


def follow(copies: CopyWriter, database: Database) -> None:
    while not copies.follow(database, VESSEL):
        pass


def follow_once(data: Path, database: Database, *, segment_bytes: int = 8_000_000) -> None:
    copies = CopyWriter(data / "copies", segment_bytes=segment_bytes)
    follow(copies, database)
    copies.close()


def held(data: Path) -> dict[str, str]:
    """Return the revision of each copied document, by document id."""
    return {c.id: c.rev for _, content in contents(data / "copies") for c in content.copies()}


def all_of(database: Database, prefix: str = "") -> dict[str, tuple[str, bytes]]:
    return {found.id: (found.rev, found.raw) for found in database.documents(prefix)}


def damage(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek(page * PAGE)
        file.write(random.Random(page).randbytes(PAGE))


# --- the format


@given(st.lists(st.tuples(st.integers(1, 10**6), texts), max_size=20), st.integers(0, 2**40))
def test_written_records_are_read(found: list[tuple[int, str]], number: int) -> None:
    written = [copy(first, text=text) for first, text in found]
    data = segment_file.block(written, number) + segment_file.mark(Mark("store", 7, 1, 2), number)
    content = parse(data, number)
    assert list(content.copies()) == written
    assert content.damaged == []
    assert content.lost() == set()
    assert content.last_mark is not None
    assert content.last_mark.mark() == Mark("store", 7, 1, 2)


def test_records_of_another_segment_are_ignored() -> None:
    data = segment_file.block([copy(1)], 4)
    assert parse(data, 5) == SegmentContent(records=[], damaged=[(0, len(data))])


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=30),
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=600)), max_size=4),
)
def test_damaged_bytes_destroy_only_the_records_that_contain_them(
    sizes: list[int], faults: list[tuple[int, bytes]]
) -> None:
    written = [copy(n, noise=random.Random(n).randbytes(size).hex()) for n, size in enumerate(sizes, 1)]
    data = bytearray(segment_file.block(written, 1))
    places = {r.start: r.end for r in parse(bytes(data), 1).records}
    before = bytes(data)
    for where, rubbish in faults:
        at = where % len(data)
        data[at : at + len(rubbish)] = rubbish[: len(data) - at]
    content = parse(bytes(data), 1)
    untouched = [start for start, end in places.items() if data[start:end] == before[start:end]]
    assert [r.start for r in content.records] == untouched
    assert all(found in written for found in content.copies())
    assert bool(content.damaged) == (len(untouched) < len(places))


@given(st.binary(max_size=3_000))
def test_any_bytes_can_be_read(data: bytes) -> None:
    content = parse(segment_file.MAGIC.join((data[:50], data[50:])), 1)
    assert list(content.copies()) == []


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(0, 1_000), st.integers(0, PAGE))
def test_bad_page_never_destroys_both_a_document_and_the_record_of_it(
    count: int, page: int, shift: int
) -> None:
    written = [copy(number, noise=random.Random(number).randbytes(150).hex()) for number in range(count)]
    lead = segment_file.record(RecordKind.FILLING, bytes(shift), 1)
    data = bytearray(lead + segment_file.block(written, 1))
    start = page * PAGE % len(data) // PAGE * PAGE
    data[start : start + PAGE] = bytes(len(data[start : start + PAGE]))
    content = parse(bytes(data), 1)
    assert {c.id for c in content.copies()} | content.lost() == {c.id for c in written}


def test_partly_readable_segment_is_read_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "1.seg"
    path.write_bytes(segment_file.block([copy(n, noise="x" * 3) for n in range(400)], 1))
    whole = path.read_bytes()

    def pread(_handle: int, size: int, start: int) -> bytes:
        if start == PAGE:
            raise OSError(5, "Input/output error")
        return whole[start : start + size]

    def read_bytes(_path: Path) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    data = segment_file.read(path)
    assert len(data) == len(whole)
    assert data[PAGE : 2 * PAGE] == bytes(PAGE)
    assert data[2 * PAGE :] == whole[2 * PAGE :]


# --- following the store


def test_own_finished_documents_are_copied_and_nothing_else(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        put_reading(database, 1)
        put_reading(database, 1, vessel="brigid")
        put_gap(database, 2, 3)
        database.put(documents.equipment_id(VESSEL, "rpm"), {"value": 1})
        database.put(documents.boot_id(VESSEL, LOG, 1), {"number": 1})
        database.put(documents.alarm_id(VESSEL, "rpm", LOG, 1), {"acks": []})
        follow_once(tmp_path, database)
        assert {name.split(":")[0] for name in held(tmp_path)} == {"reading", "gap", "boot", "alarm"}
        assert all(f":{VESSEL}:" in name for name in held(tmp_path))


def test_each_document_is_copied_once_across_restarts(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        for number in range(1, 30):
            put_reading(database, number)
            follow_once(tmp_path, database)
        assert sum(len(list(content.copies())) for _, content in contents(tmp_path / "copies")) == 29


def test_copies_that_did_not_become_durable_are_written_again(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        put_reading(database, 1)
        follow_once(tmp_path, database)
        size = segment(tmp_path / "copies", 1).stat().st_size
        names = [put_reading(database, number) for number in range(2, 20)]
        follow_once(tmp_path, database)
        whole = segment(tmp_path / "copies", 1).read_bytes()
        rng = random.Random(5)
        for cut in range(40):
            torn = bytearray(whole[: rng.randrange(size, len(whole))])
            start = rng.randrange(size, len(torn) + 1)
            if cut % 2:  # an unwritten page before written ones
                torn[start : start + PAGE] = bytes(len(torn[start : start + PAGE]))
            folder = tmp_path / "copies"
            shutil.rmtree(folder)
            folder.mkdir()
            segment(folder, 1).write_bytes(torn)
            copies = CopyWriter(folder)
            follow(copies, database)
            assert held(tmp_path).keys() >= set(names)
            while copies.damaged:
                copies.retire(min(copies.damaged), database)
            copies.close()
            assert held(tmp_path).keys() >= set(names)
            assert all(content.damaged == [] for _, content in contents(folder))


def test_documents_of_an_existing_store_are_copied_gradually(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies_module, "AT_ONCE", 20)
    monkeypatch.setattr(copies_module, "FILL_BYTES", 10_000)
    monkeypatch.setattr(copies_module, "LOOKED_AT", 7)
    with store(tmp_path) as database:
        names = [put_reading(database, number) for number in range(1, 101)]
        follow_once(tmp_path, database)
        assert set(held(tmp_path)) == set(names[-20:])
        goes = 0
        while True:
            copies = CopyWriter(tmp_path / "copies")  # a restart between any two steps does no harm
            names.append(put_reading(database, 101 + goes))
            follow(copies, database)
            more = copies.fill(database, VESSEL)
            copies.close()
            goes += 1
            if not more:
                break
        assert goes >= 10
        copied = [c.id for _, content in contents(tmp_path / "copies") for c in content.copies()]
        assert sorted(copied) == sorted(names)


def test_store_that_replaces_another_is_copied_from_its_beginning(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        for number in range(1, 50):
            put_reading(database, number)
        follow_once(tmp_path, database)
    for file in tmp_path.glob("log.db*"):
        if file.is_file():
            file.unlink()
    with store(tmp_path) as database:
        name = put_reading(database, 1_000)
        follow_once(tmp_path, database)
        assert name in held(tmp_path)


def test_changes_that_replaced_lost_ones_are_copied(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        put_reading(database, 1)
        copies = CopyWriter(tmp_path / "copies")
        follow(copies, database)
        assert copies._mark is not None
        # as if the store's write-ahead log had continued while it was copied
        copies._settle(msgspec.structs.replace(copies._mark, through=500))
        copies.close()
        follow_once(tmp_path, database)
        name = put_reading(database, 2)
        follow_once(tmp_path, database)
        assert name in held(tmp_path)


# --- damage


@pytest.mark.parametrize("segment_bytes", [20_000, 8_000_000])
def test_any_bad_page_of_copies_is_repaired_from_the_store(tmp_path: Path, segment_bytes: int) -> None:
    folder = tmp_path / "copies"
    with store(tmp_path) as database:
        names = [put_reading(database, number) for number in range(1, 150)]
        for _ in range(3):
            names += [put_reading(database, number + len(names)) for number in range(1, 10)]
            follow_once(tmp_path, database, segment_bytes=segment_bytes)
        rng = random.Random(2)
        for _ in range(12):
            number = rng.choice(numbers(folder))
            file = segment(folder, number)
            damage(file, rng.randrange(max(file.stat().st_size // PAGE, 1)))
            copies = CopyWriter(folder, segment_bytes=segment_bytes)
            if not any(content.damaged for _, content in contents(folder)):
                assert number == copies._number  # truncated, and copied again by the next writer
            for which in numbers(folder)[:-1]:
                if not copies.is_sound(which):
                    copies.retire(which, database)
            follow(copies, database)
            while copies.damaged:
                copies.retire(min(copies.damaged), database)
            copies.close()
            assert held(tmp_path).keys() == set(names)
            assert all(content.damaged == [] for _, content in contents(folder))


# --- restoring


def test_lost_documents_are_restored_at_their_revision(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        for number in range(1, 40):
            put_reading(database, number)
        alarm = documents.alarm_id(VESSEL, "rpm", LOG, 3)
        rev = database.put(alarm, {"cleared": None, "acks": []})
        follow_once(tmp_path, database)
        database.put(alarm, {"cleared": {}, "acks": ["ann"]}, parent=rev)
        follow_once(tmp_path, database)
        before = all_of(database)
        database.purge([name for number, name in enumerate(before) if number % 3 == 0 or name == alarm])
        assert restore_missing(database, tmp_path / "copies") == 14
        assert all_of(database) == before
        assert restore_missing(database, tmp_path / "copies") == 0


def test_copy_replaces_an_older_salvaged_revision_but_not_a_newer_one(
    tmp_path: Path,
) -> None:
    older = [documents.alarm_id(VESSEL, "rpm", LOG, 1), documents.boot_id(VESSEL, LOG, 1)]
    newer = [documents.alarm_id(VESSEL, "rpm", LOG, 2), documents.boot_id(VESSEL, LOG, 2)]
    with store(tmp_path) as database:
        first = {name: database.put(name, {"n": 1}) for name in older + newer}
        second = {name: database.put(name, {"n": 2}, parent=first[name]) for name in older + newer}
        follow_once(tmp_path, database)
        database.purge(older)
        for name in older:
            database.insert(name, first[name], [], {"n": 1})
        third = {name: database.put(name, {"n": 3}, parent=second[name]) for name in newer}
        assert restore_missing(database, tmp_path / "copies") == 2
        current = {name: rev for name, (rev, _) in all_of(database).items()}
        assert current == {name: second[name] for name in older} | third
        assert database.conflicts() == []


def test_documents_removed_for_space_are_not_restored_even_if_the_store_has_no_record(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        for number in range(1, 20):
            put_reading(database, number)
        put_gap(database, 1, 9)  # retention's record of the first nine samples
        alarms = [documents.alarm_id(VESSEL, "rpm", LOG, number) for number in (1, 2)]
        for name in alarms:
            database.put(name, {"acks": []})
        copies = CopyWriter(tmp_path / "copies")
        follow(copies, database)
        copies.forget(alarms[:1])
        copies.close()
    with store(tmp_path / "copies") as empty:
        restore_missing(empty, tmp_path / "copies")
        found = all_of(empty)
        assert sorted(found) == sorted(
            [documents.reading_id(VESSEL, "rpm", LOG, number) for number in range(10, 20)]
            + [documents.gap_id(VESSEL, "rpm", LOG, 1), alarms[1]]
        )
        assert empty.floor(documents.reading_id(VESSEL, "rpm", LOG, 9))


# --- disk space


def test_segments_are_removed_when_most_of_their_documents_were_removed(tmp_path: Path) -> None:
    folder = tmp_path / "copies"
    with store(tmp_path) as database:
        boot = documents.boot_id(VESSEL, LOG, 1)
        database.put(boot, {"number": 1})
        names = []
        copies = CopyWriter(folder, segment_bytes=20_000)
        for number in range(1, 201):
            names.append(put_reading(database, number))
            if number % 5 == 0:
                follow(copies, database)
        assert len(numbers(folder)) > 5
        assert copies.make_room(database) <= 0
        size = copies.bytes_on_disk()
        database.set_floor(documents.reading_prefix(VESSEL, "rpm", LOG), names[150])
        database.purge(names[:150])
        copies.make_room(database)
        assert copies.bytes_on_disk() < 0.5 * size
        assert held(tmp_path).keys() >= {boot, *names[150:]}
        assert names[0] not in held(tmp_path)
        copies.close()


def test_copies_of_documents_that_the_store_lost_are_kept(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        copies = CopyWriter(tmp_path / "copies", segment_bytes=20_000)
        names = []
        for number in range(1, 101):
            names.append(put_reading(database, number))
            follow(copies, database)
        database.purge(names[:50])
        copies.make_room(database)
        copies.close()
        assert held(tmp_path).keys() == set(names)


def test_restored_documents_are_not_copied_again(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        for number in range(1, 40):
            put_reading(database, number)
        follow_once(tmp_path, database)
        before = all_of(database)
    size = sum(file.stat().st_size for file in (tmp_path / "copies").iterdir())
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    with store(fresh) as database:
        last = database.last_sequence
        restore_missing(database, tmp_path / "copies")
        copies = CopyWriter(tmp_path / "copies")
        copies.rebase(database, before=last)
        name = put_reading(database, 99)
        follow(copies, database)
        copies.close()
        assert all_of(database).keys() == before.keys() | {name}
    assert name in held(tmp_path)
    assert sum(file.stat().st_size for file in (tmp_path / "copies").iterdir()) < size + 20_000


def kinds(content: SegmentContent) -> list[Any]:
    return [record.kind for record in content.records]


def test_new_segment_begins_with_a_mark(tmp_path: Path) -> None:
    with store(tmp_path) as database:
        copies = CopyWriter(tmp_path / "copies", segment_bytes=20_000)
        for number in range(1, 60):
            put_reading(database, number)
            follow(copies, database)
        copies.close()
    later = [content for number, content in contents(tmp_path / "copies") if number > 1]
    assert later
    assert all(kinds(content)[0] is RecordKind.MARK for content in later)
