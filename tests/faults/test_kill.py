"""A recorder under load is killed with SIGKILL at random moments. Every sample in its ledger is stored."""

import random
from pathlib import Path

import pytest

from services.documents import retention
from sync import documents
from sync.documents import DocumentType
from sync.store import Database

from . import loads, proof
from .processes import RecorderProcess

pytestmark = pytest.mark.disk

FLAPPING = {"flap-a": 3.0, "flap-b": 7.0, "flap-c": 13.0}
"""Sensors with alarms that are raised and cleared, each with its sampling rate in Hz."""
TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))


def busy_vessel(folder: Path) -> Path:
    """Configure a vessel with 25 sensors and 2,400 samples/s.

    Commits, alarms, and ends of windows for every possible reason occur continuously.
    """
    return loads.write(
        folder,
        [
            *loads.simulated(14, rate_hz=5.0, name="slow"),
            *loads.simulated(6, rate_hz=50.0, name="quick"),
            *loads.rapid(folder, 2, loads.WHOLE),  # a window of 2,000 samples is full every 2 s
            *(loads.flapping(folder, name, rate_hz=rate) for name, rate in FLAPPING.items()),
        ],
    )


def hoarding_vessel(folder: Path) -> Path:
    """Configure a vessel with 4,000 samples/s of values with many digits, and the smallest possible budget.

    Its sensors also raise an occasional alarm.
    """
    return loads.write(
        folder,
        [loads.flapping(folder, "flap", rate_hz=4.0), *loads.rapid(folder, 4, loads.MANY_DIGITS)],
        budget="10 MB",
    )


def live_and_die(recorder: RecorderProcess, rng: random.Random, how: str) -> None:
    """Start the recorder, and kill it after a random time."""
    recorder.start()
    match how:
        case "starting":  # while the recorder opens and checks the stores, catches up and frees space
            recorder.listen(rng.uniform(0.2, 1.2))
        case "told":  # just after a commit
            recorder.wait_for_lines(rng.randrange(1, 5_000))
        case "later":  # in the middle of any work after that
            recorder.wait_for_lines(1)
            recorder.listen(rng.uniform(0.0, 4.0))
    recorder.kill()


def alarms_as_left(data: Path, aside: Path) -> set[str]:
    """Return the ids of the alarm documents that exist after a kill.

    Read a copy, so that reading repairs nothing.
    """
    if not (data / "log.db").exists():
        return set()
    aside = proof.copy_store(data, aside)
    with Database.open(aside / "log.db", policy=documents.POLICY) as database:
        return {document.id for document in database.documents(f"{DocumentType.ALARM}:")}


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=TORTURE)])
def test_samples_in_the_ledger_survive_kills(tmp_path: Path, rng: random.Random, kills: int) -> None:
    alarms: set[str] = set()
    with RecorderProcess(busy_vessel(tmp_path / "vessel")) as recorder:
        for number in range(kills):
            live_and_die(recorder, rng, ("told", "starting", "later", "told", "later")[number % 5])
            alarms |= alarms_as_left(recorder.data, tmp_path / "aside")
        recorder.start()
        recorder.wait_for_lines(2_000)
        assert recorder.stop() == 0
    proof.assert_sound(recorder.data)
    history = proof.read(recorder.data)
    assert history.absent(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert len(history.logs) == 1
    assert history.gaps == {}
    proof.assert_proved(history)
    proof.assert_alarms_follow_from_samples(history, FLAPPING)
    assert alarms <= history.alarm_ids
    print(f"{kills} kills, {len(recorder.ledger)} samples told, {len(history.alarm_ids)} alarms")


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=TORTURE)])
def test_kill_during_retention_leaves_a_gap_document_for_all_removed_samples(
    tmp_path: Path, rng: random.Random, kills: int
) -> None:
    alarms: set[str] = set()
    with RecorderProcess(hoarding_vessel(tmp_path / "vessel")) as recorder:
        # A single long run uses up the remaining budget, because each start frees space first.
        loads.fill_store(recorder.data, 9_450_000)
        for number in range(kills):
            recorder.start()
            if number % 2 == 0:
                recorder.wait_for_lines(12_000)
            else:
                recorder.listen(rng.uniform(0.3, 1.2))
            recorder.kill()
            alarms |= alarms_as_left(recorder.data, tmp_path / "aside")
        recorder.start()
        recorder.wait_for_lines(1_000)
        assert recorder.stop() == 0
    proof.assert_sound(recorder.data)
    history = proof.read(recorder.data)
    assert history.unexplained(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert history.reasons == {retention.REASON}
    for key, spans in history.gaps.items():
        ((first, last, _),) = spans  # one document that grows, instead of one for each removal
        assert first == 1
        assert min(history.samples[key], default=last + 1) == last + 1
    proof.assert_proved(history)
    assert alarms <= history.alarm_ids
