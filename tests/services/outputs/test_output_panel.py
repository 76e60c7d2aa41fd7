"""The lights daemon turns outputs on and off on a simulated header, as alarms in a real store require."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensors.outputs import OutputSettings
from sensors.severity import Severity
from services.lights.daemon import LightsDaemon
from services.lights.output_panel import OutputPanel, pattern_named
from services.lights.panel import DarkPanel
from services.outputs.alarm_feed import AlarmFeed
from services.outputs.machine import SILENT_AFTER_S
from services.outputs.pins import TRY_EVERY_S, OutputPins
from services.state.recorder_state import LiveSensor
from sync.documents import POLICY
from sync.store import Database
from tests.sensors.gpio import Board, board
from tests.services.lights.builders import NOW, facts, recorder

ALARM = "alarm:argo:bilge:qwerty:000000000001"


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
