"""The lights daemon turns outputs on and off on a simulated header, as alarms in a real store require."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensors.outputs import OutputSettings
from sensors.severity import Severity
from services.documents.reading_documents import iso
from services.lights.daemon import LightsDaemon
from services.lights.output_panel import OutputPanel
from services.lights.panel import DarkPanel
from services.lights.patterns import pattern_named
from services.outputs.alarm_feed import PURGED_EVERY_S, AlarmFeed
from services.outputs.machine import SILENT_AFTER_S
from services.outputs.pins import TRY_EVERY_S, OutputPins
from services.state.recorder_state import LiveSensor
from sync.documents import POLICY
from sync.store import Database
from tests.sensors.gpio import Board, board
from tests.services.lights.builders import NOW, facts, recorder

ALARM = "alarm:argo:bilge:qwerty:000000000001"
UTC = 1_790_000_000.0


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    (tmp_path / "dev").mkdir()
    made = board(tmp_path / "dev")
    yield made
    made.factory.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db", policy=POLICY, announce=tmp_path / "run" / "watchers") as made:
        yield made


def alarm(vessel: str = "argo", **more: Any) -> dict[str, Any]:
    raised = {"clock": 1.0, "boot": 1, "utc": "2026-09-20T00:00:00Z"}
    return {
        "type": "alarm",
        "vessel": vessel,
        "sensor": "bilge",
        "log": "qwerty",
        "sequence": 1,
        "severity": "alarm",
        "raised": raised,
        **more,
    }


def siren(**more: Any) -> OutputSettings:
    keys = {"id": "siren", "pin": 23, "on": (Severity.ALARM,), **more}
    return OutputSettings(**{**keys, "name": "siren"})


def panel_of(pi: Board, folder: Path, *outputs: OutputSettings) -> OutputPanel:
    return OutputPanel(
        outputs,
        vessel="argo",
        pins=OutputPins(outputs, lambda: pi.factory),
        feed=AlarmFeed(folder / "log.db", folder / "run"),
        boottime=NOW,
    )


def test_alarm_in_the_store_sounds_and_its_acknowledgement_ends_it(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    panel = panel_of(pi, tmp_path, siren())
    panel.turn(0.0, look=True)
    assert not pi.line(23).level
    made = store.put(ALARM, alarm())
    panel.turn(0.1)
    assert pi.line(23).level
    assert panel.report()[0]["why"] == "alarm of bilge"
    acks = [{"who": "anna", "time": "2026-09-20T00:01:00Z"}]
    store.put(ALARM, alarm(acks=acks), parent=made)
    panel.turn(0.2)
    assert not pi.line(23).level
    panel.close()


SILENCE = "silence:argo:bilge:qwerty:000000000001"
MUTED_S = 60.0


def silence(**more: Any) -> dict[str, Any]:
    """Return the body of a silence of one minute, which begins at the time `UTC`."""
    times = {"begins": iso(UTC), "ends": iso(UTC + MUTED_S), "for": MUTED_S, "severity": "alarm"}
    return {"vessel": "argo", "sensor": "bilge", "log": "qwerty", "sequence": 1, **times, **more}


def is_on(pi: Board, panel: OutputPanel, second: float, *, ahead: float = 0.0) -> bool:
    """Return the siren's state at a time after the silence began, with the clock set `ahead`."""
    panel.look(facts(boottime=NOW + second, utc=UTC + second + ahead))
    panel.turn(second, look=True)
    return bool(pi.line(23).level)


def test_silence_stops_the_siren_until_it_ends(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    panel = panel_of(pi, tmp_path, siren())
    assert is_on(pi, panel, 0.0)
    store.put(SILENCE, silence())
    assert [is_on(pi, panel, second) for second in (0.1, 30.0, 59.9, 60.0, 61.0)] == [False] * 3 + [True] * 2
    panel.close()


def test_silence_that_was_written_before_the_start_counts(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    store.put(SILENCE, silence())
    panel = panel_of(pi, tmp_path, siren())
    assert [is_on(pi, panel, second) for second in (50.0, 60.0)] == [False, True]
    panel.close()


@pytest.mark.parametrize("ahead", [-1e8, -3600.0, 3600.0, 1e8])
def test_clock_that_is_set_during_a_silence_neither_extends_nor_ends_it(
    pi: Board, store: Database, tmp_path: Path, ahead: float
) -> None:
    store.put(ALARM, alarm())
    store.put(SILENCE, silence())
    panel = panel_of(pi, tmp_path, siren())
    assert not is_on(pi, panel, 1.0)
    assert [is_on(pi, panel, second, ahead=ahead) for second in (59.0, 60.0)] == [False, True]
    panel.close()


def test_silence_that_arrives_from_another_vessel_counts(pi: Board, store: Database, tmp_path: Path) -> None:
    panel = panel_of(pi, tmp_path, siren())
    assert not is_on(pi, panel, 0.0)
    with Database.open(tmp_path / "other.db", policy=POLICY) as other:
        for document_id, body in ((SILENCE, silence()), (ALARM, alarm())):
            made = other.put(document_id, body)
            store.insert(document_id, made, (), body)
            level = is_on(pi, panel, 1.0)
    assert not level
    assert is_on(pi, panel, 60.0)
    panel.close()


def test_silence_concerns_only_its_alarm_and_severity(pi: Board, store: Database, tmp_path: Path) -> None:
    made = store.put(ALARM, alarm())
    store.put(SILENCE, silence())
    panel = panel_of(pi, tmp_path, siren(on=(Severity.ALARM, Severity.EMERGENCY)))
    assert not is_on(pi, panel, 1.0)
    made = store.put(ALARM, alarm(severity="emergency"), parent=made)
    assert is_on(pi, panel, 2.0), "it became an emergency"
    store.put(ALARM, alarm(cleared={"clock": 2.0, "boot": 1}), parent=made)
    assert not is_on(pi, panel, 3.0)
    store.put(ALARM.replace("1", "2"), alarm(sequence=2))
    assert is_on(pi, panel, 4.0), "another alarm was raised"
    panel.close()


def test_silence_that_is_shortened_ends_sooner(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    made = store.put(SILENCE, silence())
    panel = panel_of(pi, tmp_path, siren())
    assert not is_on(pi, panel, 10.0)
    shorter = silence(begins=iso(UTC + 10), ends=iso(UTC + 11)) | {"for": 1}
    store.put(SILENCE, shorter, parent=made)
    assert [is_on(pi, panel, second) for second in (10.5, 11.0)] == [False, True]
    panel.close()


@pytest.mark.parametrize(
    "more",
    [{"for": 1e9, "ends": "2126-01-01T00:00:00Z"}, {"for": "long"}, {"severity": "loud"}, {"begins": None}],
)
def test_invalid_silence_has_no_effect(
    pi: Board, store: Database, tmp_path: Path, more: dict[str, Any]
) -> None:
    store.put(ALARM, alarm())
    store.put(SILENCE, silence(**more))
    panel = panel_of(pi, tmp_path, siren())
    assert is_on(pi, panel, 1.0)
    panel.close()


def test_alarm_that_was_active_before_the_start_sounds(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    panel = panel_of(pi, tmp_path, siren(active="low"))
    panel.turn(0.0, look=True)
    assert not pi.line(23).level, "the device is on at the low level"
    panel.close()


def test_stopping_turns_the_outputs_off(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    panel = panel_of(pi, tmp_path, siren())
    panel.turn(0.0, look=True)
    assert pi.line(23).level
    panel.close()
    assert not pi.line(23).level


def test_without_a_store_the_recorders_state_counts(pi: Board, tmp_path: Path) -> None:
    panel = panel_of(pi, tmp_path, siren())
    panel.look(facts(recorder_is=recorder(sensors={"bilge": LiveSensor(state="good", alarm="alarm")})))
    panel.turn(0.0, look=True)
    assert pi.line(23).level
    panel.close()


def test_flood_of_alarms_sounds_once_and_is_counted(pi: Board, store: Database, tmp_path: Path) -> None:
    panel = panel_of(pi, tmp_path, siren())
    levels = [is_on(pi, panel, 0.0)]
    with store.transaction():
        for number in range(1000):
            name = f"s{number}"
            store.put(ALARM.replace("bilge", name), alarm(sensor=name))
    levels += [is_on(pi, panel, second / 10) for second in range(1, 50)]
    assert levels == [False] + [True] * 49
    assert panel.report()[0]["why"].endswith(" and 999 more")
    panel.close()


def test_store_that_can_no_longer_be_read_changes_no_output(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    """An acknowledged alarm stays silent, and an alarm of another vessel goes on."""
    store.put(ALARM, alarm(acks=[{"who": "anna"}]))
    store.put(ALARM.replace("argo", "brigid"), alarm("brigid"))
    panel = panel_of(pi, tmp_path, siren(neighbours=True), siren(id="horn", pin=24))
    bilge = LiveSensor(state="good", alarm="alarm", alarm_sequence=1)
    panel.look(facts(recorder_is=recorder(sensors={"bilge": bilge})))
    for second in range(3):
        panel.turn(float(second), look=True)
        assert (pi.line(23).level, pi.line(24).level) == (True, False)
        (tmp_path / "log.db").unlink(missing_ok=True)
        (tmp_path / "log.db").write_bytes(b"no store" * 100)
    panel.close()


def test_alarm_that_was_removed_to_free_space_stops_sounding(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    """Nobody could acknowledge it, because it is no longer listed."""
    store.put(ALARM.replace("argo", "brigid"), alarm("brigid"))
    panel = panel_of(pi, tmp_path, siren(neighbours=True))
    assert is_on(pi, panel, 100.0)
    store.purge([ALARM.replace("argo", "brigid")])
    assert not is_on(pi, panel, 100.0 + PURGED_EVERY_S)
    panel.close()


@pytest.mark.parametrize("fault", ["fault", "documents"])
def test_siren_follows_its_alarm_although_nothing_can_be_written(
    pi: Board, store: Database, tmp_path: Path, fault: str
) -> None:
    """The journal cannot be written (`fault`), or the document store cannot."""
    panel = panel_of(pi, tmp_path, siren())
    raised = LiveSensor(state="good", alarm="alarm", alarm_sequence=1)
    quiet = LiveSensor(state="good")
    for sensor, is_stored in ((quiet, False), (raised, False), (raised, True), (quiet, True)):
        if is_stored and store.get(ALARM) is None:
            store.put(ALARM, alarm())
        state = recorder(sensors={"bilge": sensor}, **{fault: "the card is full"})
        panel.look(facts(recorder_is=state))
        panel.turn(0.0, look=True)
        assert pi.line(23).level is (sensor is raised)
    panel.close()


def test_neighbours_alarm_sounds(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM.replace("argo", "brigid"), alarm("brigid"))
    panel = panel_of(pi, tmp_path, siren(neighbours=True), siren(id="horn", pin=24))
    panel.turn(0.0, look=True)
    assert (pi.line(23).level, pi.line(24).level) == (True, False)
    panel.close()


def test_silent_recorder_sounds_the_output_within_15_s(pi: Board, tmp_path: Path) -> None:
    panel = panel_of(pi, tmp_path, siren(on=(), when_silent=True))
    for second in range(16):
        panel.look(facts(recorder_is=recorder(), boottime=NOW + second))
        panel.turn(float(second), look=True)
        assert pi.line(23).level == (second > SILENT_AFTER_S)
    panel.close()


def test_pattern_is_shown_by_the_daemon_between_its_looks(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    panel = panel_of(pi, tmp_path, siren(pattern="fast"))
    daemon = LightsDaemon(DarkPanel(), facts, outputs=panel)
    assert daemon.turn(1000.0) <= 0.125
    states = []
    for step in range(8):
        daemon.turn(1000.01 + step * 0.125)
        states.append(pi.line(23).level)
    assert states == [True, False] * 4
    panel.close()


def test_pin_in_use_is_reported_and_tried_again(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    held = pi.factory.pin(23)
    reserved = pi.factory.reserve_pins

    def refuse(*_args: Any) -> None:
        raise OSError("in use")

    pi.factory.reserve_pins = refuse
    panel = panel_of(pi, tmp_path, siren())
    panel.turn(0.0, look=True)
    assert panel.report()[0]["fault"] == "GPIO23 on pinctrl-bcm2711 cannot be used: in use"
    pi.factory.reserve_pins = reserved
    held.close()
    panel.turn(TRY_EVERY_S + 0.1, look=True)
    assert panel.report()[0]["fault"] is None
    assert pi.line(23).level
    panel.close()


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("on", "on"),
        ("slow", "slow blink"),
        ("fast", "fast blink"),
        ("1 flash", "1 flash"),
        ("3 flashes",) * 2,
    ],
)
def test_patterns_are_those_of_the_lights(written: str, name: str) -> None:
    assert pattern_named(written).name == name
