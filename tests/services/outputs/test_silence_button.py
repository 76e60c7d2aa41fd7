"""A push-button silences the alarms that sound, at once and on all vessels, even if nothing can be stored."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sensors.outputs import OutputSettings
from sensors.severity import Severity
from services.alarms.silences import USUAL_S
from services.documents.reading_documents import iso
from services.lights.output_panel import OutputPanel
from services.outputs.alarm_feed import AlarmFeed
from services.outputs.pins import TRY_EVERY_S, OutputPins
from services.outputs.silence_buttons import SilenceButtons
from services.outputs.silence_writer import SilenceWriter
from services.state.recorder_state import LiveSensor
from sync.documents import POLICY
from sync.store import Database
from tests.sensors.gpio import Board, board
from tests.services.lights.builders import NOW, UTC, facts, recorder

from .test_output_panel import ALARM, SILENCE, alarm, siren

BUTTON = 24
SMOKE = ALARM.replace("bilge", "smoke")


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    (tmp_path / "dev").mkdir()
    made = board(tmp_path / "dev")
    made.line(BUTTON).drive(level=True)
    yield made
    made.factory.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db", policy=POLICY, announce=tmp_path / "run" / "watchers") as made:
        yield made


class Siren:
    """A siren on pin 23 with a silence button on pin 24, and the clocks."""

    def __init__(self, pi: Board, folder: Path, *more: OutputSettings, **keys: Any) -> None:
        outputs = [siren(silence_pin=BUTTON, **keys), *more]
        self.pi, self.second = pi, 0.0
        self.recorder: Any = recorder()
        self.panel = OutputPanel(
            outputs,
            vessel="argo",
            pins=OutputPins(outputs, lambda: pi.factory),
            feed=AlarmFeed(folder / "log.db", folder / "run"),
            boottime=NOW,
            buttons=SilenceButtons(outputs, lambda: pi.factory),
            writer=SilenceWriter(folder / "log.db", folder / "run"),
        )

    def sounds(self, seconds: float = 0.1) -> bool:
        """Return the siren's state after some time."""
        self.second += seconds
        self.panel.look(facts(recorder_is=self.recorder, boottime=NOW + self.second, utc=UTC + self.second))
        self.panel.turn(self.second, look=True)
        return bool(self.pi.line(23).level)

    def press(self, *, bounces: int = 0) -> None:
        """Press the button, which bounces for some ms, and release it."""
        for _ in range(bounces):
            for level in (False, True):
                self.pi.line(BUTTON).drive(level=level)
                self.pi.advance(0.001)
        for level in (False, True):
            self.pi.line(BUTTON).drive(level=level)
            self.pi.advance(0.3)


def test_pressing_the_button_stops_the_siren_and_stores_a_silence(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    store.put(ALARM, alarm())
    horn = Siren(pi, tmp_path)
    assert horn.sounds()
    horn.press(bounces=5)
    assert not horn.sounds()
    horn.panel.close()
    document = store.get(SILENCE)
    assert document is not None
    body = document.body
    assert (body["severity"], body["who"], body["for"]) == ("alarm", "silence button", USUAL_S)
    assert document.rev.startswith("1-"), "one press writes once"


def test_alarm_sounds_again_after_the_silence(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    horn = Siren(pi, tmp_path)
    assert horn.sounds()
    horn.press()
    assert [horn.sounds(), horn.sounds(USUAL_S - 1), horn.sounds(2.0)] == [False, False, True]
    horn.press()
    assert not horn.sounds()
    horn.panel.close()


def test_new_alarm_sounds_although_the_button_was_pressed(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    horn = Siren(pi, tmp_path)
    assert horn.sounds()
    horn.press()
    assert not horn.sounds()
    store.put(SMOKE, alarm(sensor="smoke"))
    assert horn.sounds()
    horn.panel.close()


def test_emergency_is_silenced_by_a_second_press(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    store.put(SMOKE, alarm(sensor="smoke", severity="emergency"))
    horn = Siren(pi, tmp_path, on=(Severity.ALARM, Severity.EMERGENCY))
    assert horn.sounds()
    horn.press()
    assert horn.sounds()
    assert horn.panel.report()[0]["why"] == "emergency of smoke"
    horn.press()
    assert not horn.sounds()
    horn.panel.close()


def test_one_press_is_enough_for_an_emergency_if_no_lesser_alarm_sounds(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    store.put(ALARM, alarm(severity="warn"))
    store.put(SMOKE, alarm(sensor="smoke", severity="emergency"))
    horn = Siren(pi, tmp_path, on=(Severity.EMERGENCY,))
    assert horn.sounds()
    horn.press()
    assert not horn.sounds()
    horn.panel.close()
    assert {document.id for document in store.documents("silence:")} == {
        SILENCE,
        SILENCE.replace("bilge", "smoke"),
    }


def test_neighbours_alarm_that_sounds_here_is_silenced_for_both(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    store.put(ALARM.replace("argo", "brigid"), alarm("brigid"))
    store.put(SMOKE.replace("argo", "careen"), alarm("careen", sensor="smoke", severity="warn"))
    horn = Siren(pi, tmp_path, neighbours=True)
    assert horn.sounds()
    horn.press()
    assert not horn.sounds()
    horn.panel.close()
    assert [document.id for document in store.documents("silence:")] == [SILENCE.replace("argo", "brigid")]


def test_button_works_while_the_store_cannot_be_used(
    pi: Board, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    horn = Siren(pi, tmp_path)
    horn.recorder = recorder(sensors={"bilge": LiveSensor(state="good", alarm="alarm")})
    assert horn.sounds()
    horn.press()
    assert [horn.sounds(), horn.sounds(USUAL_S - 1), horn.sounds(2.0)] == [False, False, True]
    horn.panel.close()


def test_button_works_while_the_store_cannot_be_written(
    pi: Board, store: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(ALARM, alarm())
    horn = Siren(pi, tmp_path)
    horn.panel._writer = SilenceWriter(tmp_path / "none" / "log.db", tmp_path / "run")
    assert horn.sounds()
    horn.press()
    assert [horn.sounds(), horn.sounds(USUAL_S - 1), horn.sounds(2.0)] == [False, False, True]
    horn.panel.close()
    assert "the silence applies to this vessel only, because it cannot be stored" in caplog.text
    assert store.get(SILENCE) is None


def test_later_silence_replaces_that_of_the_button(pi: Board, store: Database, tmp_path: Path) -> None:
    store.put(ALARM, alarm())
    horn = Siren(pi, tmp_path)
    assert horn.sounds()
    horn.press()
    assert not horn.sounds()
    assert horn.panel._writer is not None
    horn.panel._writer.close()
    stored = store.get(SILENCE)
    assert stored is not None
    begins = UTC + horn.second
    shorter = {"begins": iso(begins), "ends": iso(begins + 1), "for": 1}
    store.put(SILENCE, stored.body | shorter, parent=stored.rev)
    assert horn.sounds(5.0)
    horn.panel.close()


def test_silence_of_a_vessel_whose_clock_is_far_ahead_does_not_disable_the_button(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    store.put(ALARM, alarm())
    times = {"begins": iso(UTC + 1e7), "ends": iso(UTC + 1e7 + 60), "for": 60}
    store.put(SILENCE, {"vessel": "argo", "sensor": "bilge", "severity": "alarm", **times})
    horn = Siren(pi, tmp_path)
    horn.panel._writer = SilenceWriter(tmp_path / "none" / "log.db", tmp_path / "run")
    assert horn.sounds()
    horn.press()
    assert not horn.sounds()
    horn.panel.close()


def test_siren_that_says_that_the_recorder_is_silent_is_silenced_too(pi: Board, tmp_path: Path) -> None:
    horn = Siren(pi, tmp_path, on=(), when_silent=True)
    assert not horn.sounds()
    assert horn.sounds(30.0)
    horn.press()
    assert [horn.sounds(), horn.sounds(USUAL_S - 1), horn.sounds(2.0)] == [False, False, True]
    horn.panel.close()


def test_button_that_is_stuck_silences_nothing(pi: Board, store: Database, tmp_path: Path) -> None:
    pi.line(BUTTON).drive(level=False)
    horn = Siren(pi, tmp_path)
    assert not horn.sounds()
    pi.advance(1.0)
    store.put(ALARM, alarm())
    assert [horn.sounds() for _ in range(3)] == [True] * 3
    horn.panel.close()


def test_press_without_an_alarm_does_not_silence_the_next_one(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    horn = Siren(pi, tmp_path)
    assert not horn.sounds()
    horn.press()
    assert not horn.sounds()
    store.put(ALARM, alarm())
    assert horn.sounds()
    horn.panel.close()


def test_press_wakes_the_daemon(pi: Board, store: Database, tmp_path: Path) -> None:
    horn = Siren(pi, tmp_path)
    horn.sounds()
    button = horn.panel.descriptors()[-1]
    with pytest.raises(BlockingIOError):
        os.eventfd_read(button)
    horn.press()
    assert os.eventfd_read(button) == 1
    horn.panel.close()


def test_button_whose_pin_is_in_use_is_reported_and_tried_again(
    pi: Board, store: Database, tmp_path: Path
) -> None:
    store.put(ALARM, alarm())
    pi.line(BUTTON).holder = "spi0"
    horn = Siren(pi, tmp_path)
    assert horn.sounds(), "the siren does not depend on the button"
    report = horn.panel.report()[0]
    assert (report["fault"], report["silencePin"]) == (None, BUTTON)
    assert report["silenceFault"].startswith("GPIO24 on pinctrl-bcm2711 is in use by spi0; use another pin")
    pi.line(BUTTON).holder = ""
    assert horn.sounds(TRY_EVERY_S)
    assert horn.panel.report()[0]["silenceFault"] is None
    horn.press()
    assert not horn.sounds()
    horn.panel.close()
