"""The recorder removes history from a full card and continues to record.

If there is no history to remove, the recorder reports that the card is full. It keeps the samples that it has
accepted, and continues as soon as there is space.
"""

import shutil
from pathlib import Path

import pytest

from services.documents import retention
from tests.polling import wait_until

from . import disks, loads, proof
from .disks import Disk
from .processes import RecorderProcess

pytestmark = [pytest.mark.wall_clock, pytest.mark.disk]


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


def fill_until_it_notices(disk: Disk, recorder: RecorderProcess) -> None:
    """Fill the disk repeatedly, until the recorder has used up its reserve and reports a full disk."""

    def is_noticed() -> bool:
        disk.fill()
        state = recorder.state()
        return state is not None and state["fault"] is not None

    wait_until(is_noticed, lambda: f"never noticed; the recorder says: {recorder.log[-2000:]}")


def assert_nothing_lost(disk: Disk, recorder: RecorderProcess, folder: Path) -> None:
    """Assert that every reported sample is present, unless retention has recorded it as removed."""
    data = disk.copy(folder / "copy")
    proof.assert_sound(data)
    history = proof.read(data)
    assert history.unexplained(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert history.reasons <= {retention.REASON}
    assert len(history.logs) == 1
    proof.assert_proved(history)
    assert "Traceback" not in recorder.log


def test_recorder_continues_on_its_own_once_there_is_space_again(tmp_path: Path) -> None:
    with (
        disks.in_memory(tmp_path, megabytes=32) as disk,
        RecorderProcess(vessel(tmp_path / "vessel"), data=disk.data, prefix=disk.prefix) as recorder,
    ):
        recorder.start()
        recorder.wait_for_lines(2_000)
        fill_until_it_notices(disk, recorder)
        state = recorder.wait_for_state(lambda state: state["backlog"]["samples"] > 2_000)
        assert "full" in state["fault"]
        disk.make_room()
        recorder.wait_for_lines(4_000)
        state = recorder.wait_for_state(lambda state: state["recording"] and state["documents"] is None)
        assert state["fault"] is None
        assert recorder.stop() == 0
        assert_nothing_lost(disk, recorder, tmp_path)


def test_recorder_stopped_while_the_card_is_full_keeps_reported_samples(tmp_path: Path) -> None:
    with (
        disks.in_memory(tmp_path, megabytes=32) as disk,
        RecorderProcess(vessel(tmp_path / "vessel"), data=disk.data, prefix=disk.prefix) as recorder,
    ):
        recorder.start()
        recorder.wait_for_lines(2_000)
        fill_until_it_notices(disk, recorder)
        recorder.stop()
        disk.make_room()
        recorder.start()
        recorder.wait_for_lines(2_000)
        assert recorder.stop() == 0
        assert_nothing_lost(disk, recorder, tmp_path)


def test_recorder_started_on_a_full_card_records(tmp_path: Path) -> None:
    with (
        disks.in_memory(tmp_path, megabytes=32) as disk,
        RecorderProcess(vessel(tmp_path / "vessel"), data=disk.data, prefix=disk.prefix) as recorder,
    ):
        loads.relay_history(tmp_path / "history", 10_000_000)
        shutil.move(tmp_path / "history" / "log.db", disk.seen)
        recorder.start()
        recorder.wait_for_lines(2_000)
        recorder.wait_for_state(lambda state: state["storage"] is not None)
        assert recorder.stop() == 0
        disk.fill()
        recorder.start()
        recorder.wait_for_lines(4_000)
        recorder.wait_for_state(lambda state: state["recording"] and state["documents"] is None)
        assert recorder.stop() == 0
        assert_nothing_lost(disk, recorder, tmp_path)


@pytest.mark.parametrize(
    ("megabytes", "other", "removals"),
    [
        (10, 5_500_000, 3),
        pytest.param(24, 12_000_000, 60, marks=[pytest.mark.torture, pytest.mark.timeout(900)]),
    ],
)
def test_history_is_removed_for_space_and_recording_never_stops(
    tmp_path: Path, megabytes: int, other: int, removals: int
) -> None:
    folder = tmp_path / "vessel"
    loads.write(
        folder,
        [loads.flapping(folder, "flap", rate_hz=3.0), *loads.rapid(folder, 4, loads.MANY_DIGITS)],
    )
    loads.fill_store(tmp_path / "other", other)
    with (
        disks.in_memory(tmp_path, megabytes=megabytes) as disk,
        RecorderProcess(folder, data=disk.data, prefix=disk.prefix) as recorder,
    ):
        shutil.move(tmp_path / "other" / "log.db", disk.seen)
        recorder.start()
        wait_until(
            lambda: recorder.log.count("freed space") >= removals,
            lambda: f"the recorder says: {recorder.log[-2000:]}",
            within=600.0,
        )
        recorder.wait_for_lines(10_000)
        assert recorder.stop() == 0
        data = disk.copy(tmp_path / "copy")
    assert "not recording" not in recorder.log
    assert "Traceback" not in recorder.log
    proof.assert_sound(data)
    history = proof.read(data)
    assert history.unexplained(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert history.reasons == {retention.REASON}
    for key, spans in history.gaps.items():
        ((first, last, _),) = spans
        assert first == 1
        assert min(history.samples[key], default=last + 1) == last + 1
    proof.assert_proved(history)
    # All alarms are still stored, including alarms whose readings were removed.
    (alarms,) = history.alarms.values()
    assert sorted(alarms) == loads.flapping_alarms(max(n for name, _, n in recorder.ledger if name == "flap"))
