"""A damaged page in the journal, the document store or a write-ahead log is detected, and no sample is lost.

The damage happens while a recorder runs or between two runs. The damaged file is set aside.
"""

import random
import shutil
from pathlib import Path

import pytest

from services.recovery import store_check
from sync.store import wal
from sync.store.sqlite_pages import Pages

from . import loads, proof, rig
from .copies import copy_data
from .processes import Line, RecorderProcess
from .rig import FakeClock, Rig

TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))
PAGE = 4_096


def vessel(folder: Path) -> Path:
    """Configure a vessel with alarms and 2,300 samples/s. Its windows of 2,000 samples are full every 2 s."""
    return loads.write(
        folder,
        [
            *loads.simulated(5, rate_hz=50.0),
            *loads.rapid(folder, 2, loads.MANY_DIGITS),
            loads.flapping(folder, "flap", rate_hz=15.0),
        ],
    )


def damage(file: Path, rng: random.Random, *, among: int | None = None) -> int:
    """Overwrite a random page with random bytes, and return its number.

    If `among` is given, the page is one of the `among` pages written last.
    """
    written = _as_written(file)
    page = rng.choice(written[-among:] if among else written)
    with file.open("r+b") as opened:
        opened.seek(page * PAGE)
        opened.write(rng.randbytes(PAGE))
    return page


def _as_written(file: Path) -> list[int]:
    """Return the numbers of the file's pages, in the order in which the pages were last written."""
    pages = list(range(file.stat().st_size // PAGE))
    if file.name.endswith("-wal"):  # up to the last frame of the newest log, whose salt is in the header
        with file.open("rb") as opened:
            ends = [frame.offset + PAGE for frame in wal.read(opened, PAGE).seen]
        return [page for page in pages if page * PAGE < max(ends, default=PAGE)]
    with Pages(file) as found:
        numbers = dict.fromkeys(pages, 0)
        for record in found.rows():
            numbers[record.page - 1] = max(numbers.get(record.page - 1, 0), record.rowid or 0)
    return sorted(pages, key=lambda page: numbers[page])


def record_and_end(recorder: RecorderProcess, lines: int, rng: random.Random) -> None:
    recorder.start()
    recorder.wait_for_lines(lines)
    rng.choice((recorder.stop, recorder.kill))()


def record_until_it_is_well(recorder: RecorderProcess) -> None:
    """Restart the recorder each time it exits for a repair, as systemd does."""
    for _ in range(5):
        if not recorder.is_running:
            recorder.start()
        recorder.listen_for_lines(2_000)
        if recorder.has_hung_up:
            assert recorder.wait() == 1
            continue
        if recorder.stop() == 0:
            return
    pytest.fail(f"it never was well again; the recorder says: {recorder.log[-2000:]}")


def assert_nothing_lost(recorder: RecorderProcess) -> None:
    proof.assert_sound(recorder.data)
    history = proof.read(recorder.data)
    assert history.absent(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert history.gaps == {}
    proof.assert_proved(history)
    proof.assert_alarms_follow_from_samples(history, ["flap"])
    assert "Traceback" not in recorder.log


@pytest.mark.disk
@pytest.mark.parametrize("file", ["samples.db", "log.db"])
@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=TORTURE)])
def test_page_damaged_while_the_recorder_is_stopped_loses_nothing(
    tmp_path: Path, rng: random.Random, file: str, rounds: int
) -> None:
    for number in range(rounds):
        folder = tmp_path / str(number)
        with RecorderProcess(vessel(folder)) as recorder:
            record_and_end(recorder, rng.randrange(3_000, 8_000), rng)
            page = damage(recorder.data / file, rng)
            print(f"page {page} of {file}")
            record_until_it_is_well(recorder)
            assert_nothing_lost(recorder)


@pytest.mark.disk
@pytest.mark.parametrize("file", ["samples.db", "log.db"])
@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=TORTURE)])
def test_page_damaged_while_the_recorder_runs_loses_nothing(
    tmp_path: Path, rng: random.Random, file: str, rounds: int
) -> None:
    for number in range(rounds):
        folder = tmp_path / str(number)
        with RecorderProcess(vessel(folder)) as recorder:
            record_and_end(recorder, rng.randrange(3_000, 8_000), rng)
            recorder.start()
            recorder.wait_for_lines(rng.randrange(1, 2_000))
            page = damage(recorder.data / file, rng)
            print(f"page {page} of {file}")
            recorder.listen_for_lines(3_000)
            record_until_it_is_well(recorder)
            # Damage that the recorder has not detected is found at the next start.
            record_until_it_is_well(recorder)
            assert_nothing_lost(recorder)


@pytest.mark.parametrize("rounds", [20, pytest.param(200, marks=TORTURE)])
def test_damaged_page_of_documents_that_the_ring_has_dropped_loses_nothing(
    tmp_path: Path, rng: random.Random, rounds: int
) -> None:
    lost = 0
    for number in range(rounds):
        data = tmp_path / str(number)
        data.mkdir()
        ledger: list[Line] = []
        clock = FakeClock()
        for _ in range(rng.randrange(1, 3)):  # each run ends with a kill or a stop
            with Rig(data, clock=clock, rng=rng, ledger=ledger, ring=0) as vessel:
                for _ in range(rng.randrange(30, 70)):
                    vessel.second()
                held = len(vessel.journal._ring)
                assert held < 150
                if rng.random() < 0.3:
                    assert vessel.finish()
        page = damage(data / "log.db", rng)
        print(f"page {page}")
        report = store_check.prepare(data)
        saved = [line for line in report.done if "documents saved" in line and not line.endswith(" 0 lost")]
        lost += len(saved)
        clock.boot()
        with Rig(data, clock=clock, rng=rng, ledger=ledger, ring=0) as vessel:
            for _ in range(5):
                vessel.second()
            assert not vessel.is_damaged
            assert vessel.finish()
        proof.assert_sound(data)
        history = proof.read(data)
        assert history.absent(ledger) == []
        proof.assert_told_once(ledger)
        assert history.gaps == {}
        proof.assert_proved(history)
        proof.assert_alarms_follow_from_samples(history, rig.SENSORS)
        proof.assert_copied(data)
        shutil.rmtree(data)
    print(f"{rounds} bad pages, {lost} had held documents")
    assert lost


@pytest.mark.disk
@pytest.mark.parametrize("kills", [4, pytest.param(100, marks=TORTURE)])
def test_kills_and_damaged_pages_without_a_ring_lose_nothing(
    tmp_path: Path, rng: random.Random, kills: int
) -> None:
    with RecorderProcess(vessel(tmp_path / "vessel"), module="tests.faults.short_ring") as recorder:
        for number in range(kills):
            recorder.start()
            recorder.wait_for_lines(1)
            recorder.listen(rng.uniform(0.0, 4.0))
            recorder.kill()
            if number % 4 == 3:
                page = damage(recorder.data / "log.db", rng)
                print(f"page {page}")
        record_until_it_is_well(recorder)
        assert_nothing_lost(recorder)
        proof.assert_copied(recorder.data)


def test_copies_that_cannot_be_written_are_reported_and_do_not_stop_recording(
    tmp_path: Path, rng: random.Random
) -> None:
    ledger: list[Line] = []
    (tmp_path / "copies").write_text("in the way")
    with Rig(tmp_path, clock=FakeClock(), rng=rng, ledger=ledger, ring=0) as vessel:
        for _ in range(100):
            vessel.second()
        assert vessel.library.fault is None
        assert vessel.library.copies_fault is not None
        assert "copies: File exists" in vessel.library.copies_fault
        assert vessel.journal.last_batch is not None
        # The ring has the only second copy of each batch.
        assert len(vessel.journal._ring) == vessel.journal.last_batch.number
        (tmp_path / "copies").unlink()
        for _ in range(120):
            vessel.second()
        assert vessel.library.copies_fault is None
        assert len(vessel.journal._ring) < vessel.journal.last_batch.number / 2
        assert vessel.finish()
    assert proof.read(tmp_path).absent(ledger) == []
    proof.assert_copied(tmp_path)


FILES = ("samples.db", "log.db", "samples.db-wal", "log.db-wal")


@pytest.mark.parametrize(
    "rounds",
    # 40 rounds in parts that run in parallel. Each part has its own random numbers.
    [
        *(pytest.param(10, id=f"10 of 40, part {part}") for part in (1, 2, 3, 4)),
        pytest.param(500, marks=TORTURE),
    ],
)
def test_page_damaged_after_a_power_cut_loses_nothing(
    tmp_path: Path, rng: random.Random, rounds: int
) -> None:
    repaired = 0
    for number in range(rounds):
        data, left = tmp_path / f"{number}-before", tmp_path / f"{number}"
        data.mkdir()
        ledger: list[Line] = []
        clock = FakeClock()
        with Rig(data, clock=clock, rng=rng, ledger=ledger, log_pages=rng.choice((5, 50, 1_000))) as vessel:
            for _ in range(rng.randrange(5, 120)):
                vessel.second()
            copy_data(data, left, without_shared_memory=True)
        file = FILES[number % len(FILES)]
        newest = rng.choice((None, 1, 8))
        page = damage(left / file, rng, among=newest)
        print(f"page {page} of {file}, {newest=}")
        clock.boot()
        repaired += store_check.prepare(left).repaired
        with Rig(left, clock=clock, rng=rng, ledger=ledger) as vessel:
            for _ in range(20):
                vessel.second()
            assert not vessel.is_damaged
            assert vessel.finish()
        proof.assert_sound(left)
        history = proof.read(left)
        assert history.absent(ledger) == []
        proof.assert_told_once(ledger)
        assert history.gaps == {}
        proof.assert_proved(history)
        proof.assert_alarms_follow_from_samples(history, rig.SENSORS)
        shutil.rmtree(data)
        shutil.rmtree(left)
    print(f"{rounds} bad pages, {repaired} repairs")
