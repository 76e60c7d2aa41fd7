"""The status, the lights and the doctor agree on whether the vessel is recording."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from services.doctor import daemons, wiring
from services.doctor.context import Appliance
from services.doctor.findings import CheckStatus
from services.lights.states import shown
from services.screens.status_lines import StatusFacts, advice, committed, recording
from services.state import lights_state, state_file, sync_state
from services.state.liveness import Stamp
from services.state.recorder_state import (
    LiveSensor,
    LiveState,
    RecordingStatus,
    is_recording,
    recording_status,
)
from services.state.thresholds import DURABLE_WITHIN_S

from .lights.builders import NOW, UTC, facts, mesh, recorder

NOT_RUNNING, FAULT, NOTHING_YET, STALLED, RECORDING = RecordingStatus


def committed_at(clock: float) -> LiveState:
    return recorder(last_durable=Stamp(clock=clock, utc=UTC))


def published(folder: Path, state: LiveState | None, *, is_alive: bool = True) -> Appliance:
    """Return an appliance whose recorder has published this state."""
    if state is not None:
        state_file.write(state_file.path(folder), msgspec.to_builtins(state))
    return Appliance(
        config=folder / "logboat.toml",
        sensors_file=folder / "sensors.toml",
        data=folder,
        run=folder,
        identity=folder,
        boottime=NOW,
        utc=UTC,
        alive=lambda _pid: is_alive,
    )


STATES = [
    pytest.param(None, True, NOT_RUNNING, id="never started"),
    pytest.param(recorder(), False, NOT_RUNNING, id="stopped"),
    pytest.param(recorder(fault="disk is full", recording=False), True, FAULT, id="fault"),
    pytest.param(recorder(fault="disk is full"), True, FAULT, id="fault that the recorder denies"),
    pytest.param(recorder(recording=False, last_durable=None), True, NOTHING_YET, id="started"),
    pytest.param(recorder(last_durable=None), True, NOTHING_YET, id="claims to record"),
    pytest.param(committed_at(NOW - DURABLE_WITHIN_S - 0.1), True, STALLED, id="hangs"),
    pytest.param(committed_at(NOW - DURABLE_WITHIN_S), True, RECORDING, id="slow"),
    pytest.param(recorder(), True, RECORDING, id="records"),
]


@pytest.mark.parametrize(("state", "is_alive", "wanted"), STATES)
def test_status_lights_and_doctor_agree(
    state: LiveState | None, *, is_alive: bool, wanted: RecordingStatus, tmp_path: Path
) -> None:
    appliance = published(tmp_path, state, is_alive=is_alive)
    sight = appliance.recorder_sight
    assert recording_status(sight, boottime=NOW) is wanted
    is_well = wanted is RECORDING
    assert is_recording(sight, boottime=NOW) is is_well

    status = StatusFacts(
        vessel="argo",
        sight=sight,
        mesh_sight=sync_state.Sight(mesh(), ""),
        lights_sight=lights_state.Sight(None, "it is not running"),
        boottime=NOW,
        utc=UTC,
        store=None,
    )
    assert committed(status).startswith("yes") is is_well
    assert (advice(status) is None) is (is_well or wanted is NOTHING_YET)

    lights = replace(facts(), recorder=sight)
    assert (shown(lights)["record"].severity == 0) is is_well

    assert (daemons.recorder(appliance).verdict is CheckStatus.GOOD) is is_well


def test_doctor_and_status_report_that_nothing_was_committed_yet(tmp_path: Path) -> None:
    appliance = published(tmp_path, recorder(recording=False, last_durable=None))
    assert daemons.recorder(appliance).seen == "no sample has been committed yet"


def test_time_that_was_set_after_the_start_does_not_count_as_running_time(tmp_path: Path) -> None:
    """The recorder started ten minutes ago, when the clock showed a time a year earlier."""
    year = 365 * 86_400
    stamp = Stamp(clock=NOW, utc=UTC, samples=59)
    state = recorder(started=UTC - year, started_clock=NOW - 600, last_durable=stamp, updated=stamp)
    assert state.running_s == 600
    status = StatusFacts(
        vessel="argo",
        sight=published(tmp_path, state).recorder_sight,
        mesh_sight=sync_state.Sight(mesh(), ""),
        lights_sight=lights_state.Sight(None, "it is not running"),
        boottime=NOW,
        utc=UTC,
        store=None,
    )
    assert recording(status).endswith(", 59 samples in 10 min")


@pytest.mark.parametrize(
    ("seconds", "verdict"), [(59, CheckStatus.GOOD), (61, CheckStatus.WARN)], ids=["start", "later"]
)
def test_sensor_without_data_is_reported_a_minute_after_the_start(
    tmp_path: Path, seconds: int, verdict: CheckStatus
) -> None:
    state = recorder(started=UTC, started_clock=NOW - seconds, sensors={"fuel": LiveSensor()})
    assert wiring.silent(published(tmp_path, state)).verdict is verdict
