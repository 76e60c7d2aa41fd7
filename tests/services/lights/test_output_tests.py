"""Tests of outputs are requested in other threads, and started by the thread that drives the pins."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.lights.output_tests import OutputTests
from services.system.control_socket import ControlAnswer, OutputTest
from sync.documents import POLICY
from sync.store import Database
from tests.polling import wait_until
from tests.sensors.gpio import Board, board
from tests.services.outputs.test_output_panel import ALARM, alarm, panel_of, siren


@pytest.fixture
def pi(tmp_path: Path) -> Iterator[Board]:
    (tmp_path / "dev").mkdir()
    made = board(tmp_path / "dev")
    yield made
    made.factory.close()


def asked(tests: OutputTests, panel: Any, request: OutputTest, *, now: float) -> ControlAnswer:
    """Request a test in a thread, start it in this one, and return the answer."""
    answers: list[ControlAnswer] = []
    thread = threading.Thread(target=lambda: answers.append(tests.handle(request)))
    thread.start()

    def start() -> bool:
        tests.start(panel, now)
        return bool(answers)

    wait_until(start, "an answer")
    thread.join()
    return answers[0]


def test_output_is_on_for_the_time_of_the_test(pi: Board, tmp_path: Path) -> None:
    panel, tests = panel_of(pi, tmp_path, siren(pattern="slow"), siren(id="lamp", pin=24)), OutputTests()
    answer = asked(tests, panel, OutputTest(output="siren", seconds=2.0), now=100.0)
    assert answer == ControlAnswer(ok=True, on=True)
    assert panel.report()[0]["why"] == "test"
    levels = {}
    for now in (100.6, 101.9, 102.0):
        panel.turn(now)
        levels[now] = (pi.line(23).level, pi.line(24).level)
    assert levels == {100.6: (True, False), 101.9: (True, False), 102.0: (False, False)}
    panel.close()


def test_alarm_sounds_after_a_test(pi: Board, tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db", policy=POLICY) as store:
        store.put(ALARM, alarm())
        panel = panel_of(pi, tmp_path, siren())
        panel.test("siren", 2.0, 100.0)
        assert panel.report()[0]["why"] == "test; alarm of bilge"
        panel.turn(103.0)
        assert pi.line(23).level
        panel.close()


def test_unknown_output_is_refused(pi: Board, tmp_path: Path) -> None:
    panel = panel_of(pi, tmp_path, siren())
    answer = asked(OutputTests(), panel, OutputTest(output="horn", seconds=1.0), now=100.0)
    assert answer.error == "the lights daemon has no output 'horn'; its outputs: siren"
    panel.close()


def test_pin_in_use_is_refused_and_names_its_user(pi: Board, tmp_path: Path) -> None:
    panel = panel_of(pi, tmp_path, siren())
    pi.line(23).holder = "fan-control"
    panel.turn(100.0)
    with pytest.raises(Exception, match="siren was not turned on: GPIO23 on pinctrl-bcm2711 is in use by"):
        panel.test("siren", 2.0, 100.5)
    pi.line(23).holder = ""
    assert panel.test("siren", 2.0, 101.0) is True, "a test tries the pin at once"
    panel.close()


def test_level_that_a_short_circuit_holds_is_refused(pi: Board, tmp_path: Path) -> None:
    panel = panel_of(pi, tmp_path, siren())
    panel.turn(100.0)
    request = pi.request(23)
    request.set_value = lambda *_: None  # type: ignore[method-assign]  # the level stays low
    with pytest.raises(Exception, match="pin 23 is off, but was turned on"):
        panel.test("siren", 2.0, 101.0)
    panel.close()
