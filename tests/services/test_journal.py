"""A commit to the journal is durable, and the next start restores the state of the last commit."""

import sqlite3
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sensors.sample import Totals, Value
from sensors.state import SensorState
from services.journal import journal as journal_module
from services.journal.batch import AlarmRecord, Batch, BatchError, NumberGap, SampleRow, check, pack, unpack
from services.journal.journal import SETTLE_EVERY, TELL_FOR, Journal, JournalReader
from services.journal.schema import JournalBusyError, JournalDamagedError, JournalError, unechoed
from services.recovery import store_check
from services.recovery.journal_salvage import salvage
from sync.store import wal

from .recorder_builders import UTC, batch, journal, row

EPISODE = AlarmRecord(
    sequence=3, severity="warn", text="", condition="above 1", value=2.0, raised_ms=5, raised_utc=UTC, boot=1
)


def test_committed_batch_exists_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    with journal(path) as made:
        made.commit(batch(row(1, 1.5), row(2, 2.5)))
    reader = JournalReader(path)
    (found,) = reader.batches(after=0, limit=10)
    reader.close()
    assert [(r.sequence, r.value) for r in found.rows] == [(1, 1.5), (2, 2.5)]


def test_numbers_totals_and_alarms_continue_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    with journal(path) as made:
        made.commit(
            Batch(
                run=1,
                boot=1,
                clock_ms=5_000,
                utc=UTC,
                synced=True,
                rows=(row(1), row(2), row(3)),
                totals={"rpm": Totals(12, 3.5)},
                episodes=(("rpm", EPISODE),),
            )
        )
    with Journal(path) as again:
        record = again.sensors["rpm"]
        assert (record.last, record.totals, record.episode) == (3, Totals(12, 3.5), EPISODE)
        assert again.last_batch is not None
        assert again.last_batch.clock_ms == 5_000


@pytest.mark.parametrize("commits", [SETTLE_EVERY - 1, SETTLE_EVERY, 3 * SETTLE_EVERY + 7])
def test_start_finds_the_last_number_wherever_the_settled_part_ends(tmp_path: Path, commits: int) -> None:
    path = tmp_path / "samples.db"
    with journal(path) as made:
        for number in range(1, commits + 1):
            made.commit(batch(row(number)))
            made.release(max(number - 5, 0), {"rpm": max(number - 5, 0)})
    with Journal(path) as again:
        assert again.sensors["rpm"].last == commits


def test_documented_batches_are_dropped_once_the_ring_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RING_BYTES", 2_000)
    path = tmp_path / "samples.db"
    with journal(path) as made:
        for number in range(1, 1_001):
            made.commit(batch(row(number)))
            made.release(number, {"rpm": number})
    reader = JournalReader(path)
    kept = reader.batches(after=0, limit=10_000)
    reader.close()
    assert kept[-1].number == 1_000
    assert len(kept) < 150
    with Journal(path) as again:
        assert again.sensors["rpm"].last == 1_000


def test_nothing_is_dropped_before_its_documents_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RING_BYTES", 0)
    path = tmp_path / "samples.db"
    with journal(path) as made:
        made.release(50, {"rpm": 50})
        for number in range(1, 301):
            made.commit(batch(row(number)))
    reader = JournalReader(path)
    kept = reader.batches(after=0, limit=10_000)
    reader.close()
    assert {found.number for found in kept} >= set(range(51, 301))


def test_nothing_is_dropped_before_second_copies_are_durable_unless_they_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "RING_BYTES", 2_000)
    path = tmp_path / "samples.db"
    with journal(path) as made:
        made.release_copies(40)
        for number in range(1, 301):
            made.commit(batch(row(number)))
            made.release(number, {"rpm": number})
        assert made.wants_copies
        reader = JournalReader(path)
        assert [found.number for found in reader.batches(after=0, limit=10_000)] == list(range(41, 301))
        made.release_copies(300)
        assert not made.wants_copies
        for number in range(301, 331):
            made.commit(batch(row(number)))
            made.release(number, {"rpm": number})
        assert reader.batches(after=0, limit=1)[0].number > 280
        reader.close()
        monkeypatch.setattr(journal_module, "LEAST_PATIENCE", 20_000)
        for number in range(331, 631):
            made.commit(batch(row(number)))
            made.release(number, {"rpm": number})
        assert 20_000 < made._ring_bytes < 50_000


def test_every_batch_is_copied_by_the_commit_that_makes_it_durable(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    with journal(path) as made:
        for number in range(1, 41):
            made.commit(batch(row(number)))
            assert content(path, "newest") == content(path, "batch")[-1:]
    assert content(path, "echo") == content(path, "batch")
    assert len(content(path, "batch")) == 40


def content(path: Path, table: str) -> list[tuple[int, bytes, int]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(f"SELECT number, data, crc FROM {table} ORDER BY number").fetchall()
    finally:
        connection.close()


def test_bad_block_of_the_write_ahead_log_leaves_a_copy_of_the_newest_batch(
    tmp_path: Path,
) -> None:
    path = tmp_path / "samples.db"
    with journal(path) as made:
        made._connection.wal_autocheckpoint(0)
        before = set(frames(path))
        for number in range(1, 120):
            done = made.commit(
                batch(*(row(number * 20 + n, 1 / (number + n)) for n in range(number % 20 + 1)))
            )
            after = frames(path)
            held = copies(path, done, after) - before
            before = set(after)
            assert len(held) == 3
            assert max(held) - min(held) >= 2 * (PAGE + wal.FRAME_HEADER)


PAGE = 4_096


def frames(path: Path) -> list[int]:
    with Path(f"{path}-wal").open("rb") as file:
        return [frame.offset for frame in wal.read(file, PAGE).seen]


def copies(path: Path, made: Batch, among: list[int]) -> set[int]:
    """Return those of the positions in the write-ahead log whose pages contain the batch."""
    data, log = pack(made, {"rpm": 1}), Path(f"{path}-wal").read_bytes()
    return {at for at in among if data in log[at : at + PAGE]}


def test_batch_contains_the_last_numbers_of_sensors_without_a_sample_in_it(tmp_path: Path) -> None:
    with journal(tmp_path / "samples.db", "rpm", "door", "oil") as made:
        made.commit(batch(row(1), row(1, sensor="door"), row(2, sensor="door")))
        assert made.commit(batch(row(2))).given == {"door": 2}
        lost = batch(row(3))
        assert made.commit(replace(lost, gaps=(NumberGap("oil", 1, 7, "full"),))).given == {"door": 2}
        assert made.commit(batch()).given == {"rpm": 3, "door": 2, "oil": 7}


def test_last_numbers_are_repeated_in_batches_for_a_while_across_starts(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    with journal(path, "rpm", "door") as made:
        made.commit(batch(row(1), row(1, sensor="door")))
        for number in range(2, 31):
            assert made.commit(batch(row(number))).given == {"door": 1}
        made.release(30, {"rpm": 30, "door": 1})
        made.settle()
    with Journal(path) as again:
        for number in range(31, TELL_FOR + 2):
            assert again.commit(batch(row(number))).given == {"door": 1}
        assert again.commit(batch(row(TELL_FOR + 2))).given == {}


def test_new_log_contains_no_last_numbers_of_the_previous_one(tmp_path: Path) -> None:
    with journal(tmp_path / "samples.db") as made:
        made.commit(batch(row(1)))
        made.begin_log({"log": "zzzzzz"})
        made.register([("door", "security.door.state", "bool")])
        assert made.commit(batch(row(1, True, sensor="door"))).given == {}


def test_sensors_in_every_batch_cost_one_byte_together(tmp_path: Path) -> None:
    numbers = {f"s{number}": number for number in range(1, 51)}
    full = batch(*(row(1_000_000, 20.5, sensor=name) for name in numbers))
    data = plain(pack(full, numbers))
    assert len(data) - len(as_without_given(data)) == 1


def test_batch_is_compressed_if_this_makes_it_shorter() -> None:
    numbers = {f"s{number}": number for number in range(1, 51)}
    full = batch(*(row(1_000_000, 20.5, sensor=name) for name in numbers))
    assert len(pack(full, numbers)) < len(plain(pack(full, numbers))) / 2
    data = pack(batch(row(1)), {"rpm": 1})
    assert plain(data) == data
    assert len(data) < 50


def plain(data: bytes) -> bytes:
    return zlib.decompress(data) if data[0] == 0x78 else data


def test_batch_of_the_first_version_without_last_numbers_is_read(tmp_path: Path) -> None:
    made = replace(batch(row(1), row(2)), gaps=(NumberGap("rpm", 3, 4, "full"),), number=7)
    assert unpack(7, as_of_the_first_version(pack(made, {"rpm": 1}), telling=False), {1: "rpm"}) == made


def as_without_given(data: bytes) -> bytes:
    array = msgspec.msgpack.decode(plain(data))
    return msgspec.msgpack.encode([*array[:-2], array[-1]])


def as_of_the_first_version(data: bytes, *, telling: bool = True) -> bytes:
    """Return a batch in the format of the journal's first version, with rows instead of columns.

    If `telling` is False, leave out the sensors' last sequence numbers, which were added to the format later.
    """
    array = msgspec.msgpack.decode(plain(data))
    *head, in_rows, _, _, _, given, (numbers, sequences, before, values, states) = array
    rows = list(zip(numbers, sequences, before, msgspec.json.decode(values), states, strict=True))
    assert in_rows == []
    return msgspec.msgpack.encode([*head, rows, *array[6:9], *([given] if telling else [])])


def test_second_recorder_is_refused(tmp_path: Path) -> None:
    with journal(tmp_path / "samples.db"), pytest.raises(JournalBusyError, match="another recorder"):
        Journal(tmp_path / "samples.db")


def test_lock_is_released_by_closing(tmp_path: Path) -> None:
    journal(tmp_path / "samples.db").close()
    Journal(tmp_path / "samples.db").close()


def test_batch_that_does_not_match_its_checksum_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    with journal(path) as made:
        made.commit(batch(row(1)))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE batch SET data = x'00'")
    connection.commit()
    connection.close()
    with pytest.raises(JournalDamagedError, match="batch 1"):
        Journal(path)
    with pytest.raises(JournalDamagedError, match="batch 1"):
        Journal(path)  # refused for the same reason, because the lock was released


def test_file_that_is_not_a_database_is_damage(tmp_path: Path) -> None:
    (tmp_path / "samples.db").write_bytes(b"not a database " * 1_000)
    with pytest.raises(JournalDamagedError):
        Journal(tmp_path / "samples.db")


def test_journal_of_a_newer_version_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match="newer"):
        Journal(path)


VERSION_1 = """
CREATE TABLE meta(key TEXT UNIQUE NOT NULL, value);
CREATE TABLE sensor(
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, closed INTEGER NOT NULL DEFAULT 0,
    path TEXT NOT NULL, unit TEXT NOT NULL, kept BLOB
);
CREATE TABLE batch(
    number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, data BLOB NOT NULL, echo_crc INTEGER, echo BLOB
);
CREATE TABLE spare(number INTEGER PRIMARY KEY, crc INTEGER NOT NULL, data BLOB NOT NULL);
PRAGMA user_version = 1;
INSERT INTO meta VALUES('log', 'abcdef'), ('vessel', 'argo');
INSERT INTO sensor VALUES(1, 'rpm', 0, 'a.b', 'Hz', NULL);
"""


def version_1(path: Path, batches: int) -> None:
    """Create a journal of the first version.

    The echo of a batch is 64 rows after the batch; one echo is missing.
    """
    made: list[tuple[int, bytes]] = []
    connection = sqlite3.connect(path)
    connection.executescript(VERSION_1)
    for number in range(1, batches + 1):
        rows = [row(5 * number + n, number / 7) for n in range(-4, 1)]
        data = as_of_the_first_version(pack(batch(*rows), {"rpm": 1}))
        made.append((zlib.crc32(data, zlib.crc32(b"abcdef")), data))
        echo = made[number - 65] if number > 64 and number != 70 else (None, None)
        connection.execute("INSERT INTO batch VALUES(?, ?, ?, ?, ?)", (number, *made[-1], *echo))
    spare = msgspec.msgpack.encode([[("log", "abcdef"), ("vessel", "argo")], [(1, "rpm", 0, "a.b", "Hz")]])
    connection.execute("INSERT INTO spare VALUES(1, ?, ?)", (zlib.crc32(spare), spare))
    connection.commit()
    connection.close()


def test_journal_of_the_first_version_continues_and_all_its_batches_have_echoes(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    version_1(path, 200)
    assert store_check.prepare(tmp_path).findings == []
    with Journal(path) as made:
        assert made.sensors["rpm"].last == 1_000
        made.commit(batch(row(1_001, 201 / 7)))
        assert unechoed(made._connection) == []
    assert [number for number, _, _ in content(path, "echo")] == [6, *range(137, 202)]
    assert store_check.prepare(tmp_path).findings == []
    reader = JournalReader(path)
    assert [found.rows[0].value for found in reader.all_batches()] == [n / 7 for n in range(1, 202)]
    reader.close()


def test_bad_page_of_a_journal_of_the_first_version_loses_no_batch(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    version_1(path, 200)
    Journal(path).close()
    sound = path.read_bytes()
    for page in range(len(sound) // PAGE):
        path.write_bytes(sound[: page * PAGE] + bytes(PAGE) + sound[(page + 1) * PAGE :])
        assert sorted(salvage(path).batches) == list(range(1, 201)), page


def test_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: "3.46.1")
    with pytest.raises(JournalError, match="can corrupt"):
        Journal(tmp_path / "samples.db")


def test_new_log_starts_without_numbers_and_samples(tmp_path: Path) -> None:
    with journal(tmp_path / "samples.db") as made:
        made.commit(batch(row(1)))
        made.begin_log({"log": "zzzzzz"})
        assert made.sensors == {}
        made.register([("rpm", "a.b", "Hz")])
        assert made.sensors["rpm"].last == 0
        made.commit(batch(row(1)))
    with Journal(tmp_path / "samples.db") as again:
        assert again.get_meta("log") == "zzzzzz"
        assert again.sensors["rpm"].last == 1


def test_changed_path_is_stored_and_numbers_continue(tmp_path: Path) -> None:
    with journal(tmp_path / "samples.db") as made:
        made.commit(batch(row(1)))
        made.register([("rpm", "propulsion.port.revolutions", "Hz")])
    with Journal(tmp_path / "samples.db") as again:
        assert (again.sensors["rpm"].path, again.sensors["rpm"].last) == ("propulsion.port.revolutions", 1)


def test_reader_finds_sensors_added_later(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    with journal(path) as made:
        reader = JournalReader(path)
        made.commit(batch(row(1)))
        assert len(reader.batches(after=0, limit=9)) == 1
        made.register([("door", "security.door.state", "bool")])
        made.commit(batch(row(1, True, sensor="door")))
        assert reader.batches(after=1, limit=9)[0].rows[0].sensor == "door"
        reader.close()


VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False)
)


@given(
    st.lists(
        st.builds(
            SampleRow,
            sensor=st.sampled_from(["a", "b"]),
            sequence=st.integers(1, 10**12),
            clock_ms=st.integers(0, 10**11),
            value=VALUES,
            state=st.sampled_from(SensorState),
        ),
        max_size=30,
    ),
    st.integers(0, 10**11),
    st.dictionaries(st.sampled_from(["a", "b"]), st.integers(1, 10**12)),
)
def test_batch_survives_packing(rows: list[SampleRow], clock_ms: int, given: dict[str, int]) -> None:
    made = Batch(
        run=2,
        boot=3,
        clock_ms=clock_ms,
        utc=UTC,
        synced=False,
        rows=tuple(rows),
        totals={"a": Totals(1, 0.5)},
        episodes=(("b", EPISODE),),
        gaps=(NumberGap("a", 1, 2, "full"),),
        number=9,
        given=given,
    )
    assert unpack(9, pack(made, {"a": 1, "b": 2}), {1: "a", 2: "b"}) == made


@given(
    place=st.integers(0, 400),
    byte=st.integers(0, 255),
    ids=st.sampled_from([{1: "a", 2: "b"}, {1: "a"}, {}]),
    whole=st.booleans(),
)
def test_batch_fails_its_check_exactly_if_it_cannot_be_unpacked(
    place: int, byte: int, ids: dict[int, str], whole: bool
) -> None:
    made = Batch(
        run=2,
        boot=3,
        clock_ms=5_000,
        utc=UTC,
        synced=False,
        rows=(SampleRow("a", 1, 4_000, 1.5 if whole else float("inf")), SampleRow("b", 7, 4_500, value=True)),
        totals={"a": Totals(1, 0.5)},
        episodes=(("b", EPISODE),),
        given={"a": 3},
    )
    packed = pack(made, {"a": 1, "b": 2})
    data = bytearray(zlib.decompress(packed) if packed[0] == 0x78 else packed)
    data[place % len(data)] = byte

    def fails(read: Callable[[int, bytes, dict[int, str]], object]) -> bool:
        try:
            read(9, bytes(data), ids)
        except BatchError:
            return True
        return False

    assert fails(check) == fails(unpack)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(data=st.binary(max_size=200))
def test_any_bytes_for_a_batch_are_damage_and_not_a_crash(tmp_path: Path, data: bytes) -> None:
    try:
        unpack(1, data, {1: "a"})
    except BatchError:
        return
