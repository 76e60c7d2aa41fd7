"""A page that goes bad, in either file, under a recorder or between two: it is noticed, set aside, and what
is lost is said."""

import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from services import rescue, storecheck
from services.journal import ECHO_AFTER

from . import loads, proof, rig
from .processes import Line, RecorderProcess
from .rig import FakeClock, Rig

TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))
PAGE = 4_096


def vessel(folder: Path) -> Path:
    """800 samples/s and alarms; windows of 2,000 samples are full every 4 s."""
    return loads.write(
        folder,
        [
            *loads.simulated(5, rate_hz=50.0),
            loads.replayed(folder, "rapid", [1 / (n + 3) for n in range(997)], rate_hz=500.0),
            loads.flapping(folder, "flap", rate_hz=5.0),
        ],
    )


def damage(file: Path, rng: random.Random) -> int:
    """A page of rubbish; which."""
    page = rng.randrange(file.stat().st_size // PAGE)
    with file.open("r+b") as opened:
        opened.seek(page * PAGE)
        opened.write(rng.randbytes(PAGE))
    return page


def record_and_end(recorder: RecorderProcess, lines: int, rng: random.Random) -> None:
    recorder.start()
    recorder.wait_for_lines(lines)
    rng.choice((recorder.stop, recorder.kill))()


def record_until_it_is_well(recorder: RecorderProcess) -> None:
    """Start it again when it ends by itself, as the system does."""
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


def assert_honest(recorder: RecorderProcess, file: str, documented: set[Line]) -> None:
    proof.assert_sound(recorder.data)
    history = proof.read(recorder.data)
    assert history.unexplained(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert history.reasons <= {rescue.LOST}
    proof.assert_proved(history)
    absent = history.absent(recorder.ledger)
    assert not documented.intersection(absent)
    if file == "log.db":  # all of this is still in the journal's ring
        assert absent == []
    if not absent:
        proof.assert_alarms_follow_from_samples(history, ["flap"])
    assert "Traceback" not in recorder.log


@pytest.mark.parametrize("file", ["samples.db", "log.db"])
@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=TORTURE)])
def test_page_that_went_bad_while_the_recorder_was_down(
    tmp_path: Path, rng: random.Random, file: str, rounds: int
) -> None:
    for number in range(rounds):
        folder = tmp_path / str(number)
        with RecorderProcess(vessel(folder)) as recorder:
            record_and_end(recorder, rng.randrange(3_000, 8_000), rng)
            documented = proof.documented(recorder.data, folder / "aside")
            page = damage(recorder.data / file, rng)
            print(f"page {page} of {file}")
            record_until_it_is_well(recorder)
            assert_honest(recorder, file, documented)


@pytest.mark.parametrize("file", ["samples.db", "log.db"])
@pytest.mark.parametrize("rounds", [1, pytest.param(8, marks=TORTURE)])
def test_page_that_goes_bad_under_a_recorder(
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
            # Whatever it had not noticed by itself is found at the next start.
            record_until_it_is_well(recorder)
            assert_honest(recorder, file, set())


class Commits(list[Line]):
    """A ledger that remembers what each commit told."""

    def __init__(self) -> None:
        super().__init__()
        self.each: list[list[Line]] = []

    def extend(self, lines: Iterable[Line]) -> None:
        told = list(lines)
        self.each.append(told)
        super().extend(told)


@pytest.mark.parametrize("rounds", [40, pytest.param(500, marks=TORTURE)])
def test_page_that_went_bad_after_a_power_cut_costs_the_last_minute_at_most(
    tmp_path: Path, rng: random.Random, rounds: int
) -> None:
    lost = 0
    for number in range(rounds):
        data, left = tmp_path / f"{number}-before", tmp_path / f"{number}"
        data.mkdir()
        ledger, clock = Commits(), FakeClock()
        with Rig(data, clock=clock, rng=rng, ledger=ledger, log_pages=rng.choice((5, 50))) as vessel:
            for _ in range(rng.randrange(5, 120)):
                vessel.second()
            shutil.copytree(data, left, ignore=shutil.ignore_patterns("*-shm"))
        last_minute = {line for told in ledger.each[-ECHO_AFTER:] for line in told}
        documented = proof.documented(left, tmp_path / "aside")
        file = rng.choice(("samples.db", "log.db"))
        damage(left / file, rng)
        clock.boot()
        storecheck.prepare(left)
        with Rig(left, clock=clock, rng=rng, ledger=ledger) as vessel:
            for _ in range(20):
                vessel.second()
            assert not vessel.is_damaged
            assert vessel.finish()
        proof.assert_sound(left)
        history = proof.read(left)
        absent = set(history.absent(ledger))
        assert history.unexplained(ledger) == []
        proof.assert_told_once(ledger)
        assert history.reasons <= {rescue.LOST}
        proof.assert_proved(history)
        assert not absent & documented
        if file == "log.db":
            assert not absent
        assert absent <= last_minute
        if not absent:
            proof.assert_alarms_follow_from_samples(history, rig.SENSORS)
        lost += bool(absent)
        shutil.rmtree(data)
        shutil.rmtree(left)
    print(f"{rounds} bad pages, {lost} cost samples")
