"""The recorder reports a card that becomes read-only, and loses no sample in its ledger.

Samples that it has accepted but not stored are kept in memory until its process ends.
"""

import random
from pathlib import Path

import pytest

from . import disks, loads, proof, rig
from .processes import Line, RecorderProcess
from .rig import FakeClock, Rig
from .vfs import FaultyDisk

pytestmark = pytest.mark.disk


def vessel(folder: Path) -> Path:
    """Configure a vessel with 2,500 samples/s and alarms."""
    return loads.write(
        folder,
        [
            *loads.simulated(10, rate_hz=50.0),
            *loads.rapid(folder, 2, loads.WHOLE),
            loads.flapping(folder, "flap", rate_hz=15.0),
        ],
    )


def assert_nothing_lost(data: Path, recorder: RecorderProcess) -> None:
    proof.assert_sound(data)
    history = proof.read(data)
    assert history.absent(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert history.gaps == {}
    assert len(history.logs) == 1
    proof.assert_proved(history)
    proof.assert_alarms_follow_from_samples(history, ["flap"])
    assert "Traceback" not in recorder.log


def test_samples_accepted_while_the_card_is_read_only_are_recorded_afterwards(
    tmp_path: Path, rng: random.Random
) -> None:
    ledger: list[Line] = []
    with (
        FaultyDisk(rng) as disk,
        Rig(tmp_path, clock=FakeClock(), rng=rng, ledger=ledger, vfs=disk.name) as vessel,
    ):
        for _ in range(20):
            vessel.second()
        disk.is_read_only = True
        for _ in range(20):
            vessel.second()
        told = len(ledger)
        for _ in range(100):
            vessel.second()
        assert len(ledger) == told
        assert vessel.recording.fault is not None
        assert vessel.library.fault is not None
        assert vessel.recording.pending > 100
        disk.is_read_only = False
        vessel.clock.advance(5_000)
        for _ in range(20):
            vessel.second()
        assert not vessel.recording.fault
        assert not vessel.library.fault
        assert vessel.finish()
        accepted = {name: intake.last for name, intake in vessel.recording.intakes.items()}
    proof.assert_sound(tmp_path)
    history = proof.read(tmp_path)
    assert {name: len(found) for (name, _), found in history.samples.items()} == accepted
    assert history.absent(ledger) == []
    assert history.gaps == {}
    proof.assert_proved(history)
    proof.assert_alarms_follow_from_samples(history, rig.SENSORS)


def test_reported_samples_survive_the_repair_of_a_card_that_became_read_only(tmp_path: Path) -> None:
    with (
        disks.card(tmp_path, megabytes=64) as card,
        RecorderProcess(vessel(tmp_path / "vessel"), data=card.data, prefix=card.prefix) as recorder,
    ):
        recorder.start()
        recorder.wait_for_lines(2_000)
        card.fail()
        state = recorder.wait_for_state(lambda state: state["fault"] is not None)
        assert not state["recording"]
        assert "cannot be written" in state["fault"]
        told = len(recorder.ledger)
        recorder.wait_for_state(lambda state: state["backlog"]["samples"] > 1_000)
        assert len(recorder.ledger) == told
        assert recorder.stop() == 1
        card.mend()
        recorder.start()
        recorder.wait_for_lines(2_000)
        assert recorder.stop() == 0
        assert_nothing_lost(card.copy(tmp_path / "copy"), recorder)


def test_recorder_started_on_a_read_only_card_reports_it_and_ends(tmp_path: Path) -> None:
    with (
        disks.in_memory(tmp_path, megabytes=32) as disk,
        RecorderProcess(vessel(tmp_path / "vessel"), data=disk.data, prefix=disk.prefix) as recorder,
    ):
        recorder.start()
        recorder.wait_for_lines(500)
        assert recorder.stop() == 0
        disk.remount("ro")
        recorder.start()
        assert recorder.wait() == 1
        assert "read-only" in recorder.log.lower()
        disk.remount("rw")
        recorder.start()
        recorder.wait_for_lines(500)
        assert recorder.stop() == 0
        assert_nothing_lost(disk.copy(tmp_path / "copy"), recorder)
