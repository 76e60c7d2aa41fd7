"""`logboat lights off` turns off the outputs that a killed daemon left on, and reports any that fail."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiod.line import Direction

from services.lights import daemon
from services.state import state_file
from tests.sensors.gpio import Board, board

from .test_process import DARK


@pytest.fixture
def pi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    (tmp_path / "dev").mkdir()
    made = board(tmp_path / "dev")
    monkeypatch.setattr(daemon, "_factory", lambda: made.factory)
    yield made
    made.factory.close()


@pytest.fixture
def places(tmp_path: Path) -> Namespace:
    (tmp_path / "logboat.toml").write_text(DARK)
    (tmp_path / "sensors.toml").write_text(
        'no_sensors = true\n[[output]]\nid = "siren"\npin = 23\non = ["alarm"]\n'
        '[[output]]\nid = "horn"\npin = 24\nactive = "low"\non = ["alarm"]\n'
    )
    return Namespace(
        config=tmp_path / "logboat.toml",
        sensors=tmp_path / "sensors.toml",
        data=tmp_path,
        run=tmp_path / "run",
    )


def test_outputs_are_turned_off_at_their_level(pi: Board, places: Namespace) -> None:
    assert daemon.off(places) == 0
    assert (pi.line(23).writes[-1], pi.line(24).writes[-1]) == (False, True)


def test_output_that_cannot_be_turned_off_is_named_and_the_others_are_turned_off(
    pi: Board, places: Namespace, capsys: pytest.CaptureFixture[str]
) -> None:
    pi.line(23).holder = "fan-control"
    assert daemon.off(places) == 1
    assert "output siren: GPIO23 on pinctrl-bcm2711 is in use by fan-control" in capsys.readouterr().err
    assert pi.line(24).writes[-1] is True


def test_former_pin_of_an_output_is_released(pi: Board, places: Namespace) -> None:
    """The output's pin was changed in the file, and then the daemon was killed."""
    places.run.mkdir()
    state_file.write(state_file.path(places.run, "lights"), {"outputs": [{"id": "siren", "pin": 25}]})
    pi.line(25).settings.direction = Direction.OUTPUT
    assert daemon.off(places) == 0
    assert pi.line(25).settings.direction is Direction.INPUT
    assert (pi.line(23).writes[-1], pi.line(25).writes) == (False, [])
