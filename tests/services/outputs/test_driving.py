"""Real daemons drive a siren on a simulated GPIO header, and turn it off when they are killed."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.polling import wait_until

from .vessel import BUTTON, OUTPUT, Vessel

PROMISED_S = 15.0
"""Maximum time in seconds until a silent recorder turns on the siren, on a machine that does nothing else."""
WITHIN_S = 2 * PROMISED_S
"""Time limit on a busy machine."""


@pytest.fixture
def vessel(tmp_path: Path) -> Iterator[Vessel]:
    with Vessel(tmp_path / "v", output=f"{OUTPUT}when_silent = true\n") as made:
        made.start_recorder()
        made.start_lights()
        yield made


def test_contact_sounds_the_siren_until_someone_acknowledges_the_alarm(vessel: Vessel) -> None:
    assert not vessel.sounds
    vessel.flood(True)
    vessel.wait_for_siren(True)
    vessel.run("ack", "--by", "anna")
    vessel.wait_for_siren(False)


def test_silence_stops_the_siren_until_it_ends(vessel: Vessel) -> None:
    vessel.flood(True)
    vessel.wait_for_siren(True)
    said = vessel.run("silence", "--for", "4s", "--by", "anna")
    assert said.startswith("1 alarm: silenced by anna for 4 s, until ")
    vessel.wait_for_siren(False)
    vessel.wait_for_siren(True)
    assert "1 not acknowledged" in vessel.run("status")


def test_silence_button_stops_the_siren(tmp_path: Path) -> None:
    with Vessel(tmp_path / "v", output=f"{OUTPUT}silence_pin = {BUTTON}\n") as vessel:
        vessel.header.drive(BUTTON, True)
        vessel.start_recorder()
        vessel.start_lights()
        vessel.flood(True)
        vessel.wait_for_siren(True)
        vessel.header.drive(BUTTON, False)
        vessel.wait_for_siren(False)
        wait_until(lambda: "silenced until" in vessel.run("alarms"), "the stored silence")


def test_killed_lights_daemon_leaves_a_pin_on_which_its_unit_turns_off(vessel: Vessel) -> None:
    """`logboat lights off` is the unit's ExecStopPost. Afterwards status says that alarms cannot sound."""
    vessel.flood(True)
    vessel.wait_for_siren(True)
    vessel.kill_lights()
    assert vessel.sounds, "the level of a real pin stays too"
    vessel.run("lights", "off")
    assert not vessel.sounds
    assert "ALARMS CANNOT SOUND on siren: the lights daemon is not running" in " ".join(
        vessel.run("status").split()
    )
    vessel.start_lights()
    vessel.wait_for_siren(True)


def test_command_tests_the_siren_of_a_running_daemon(vessel: Vessel) -> None:
    said = vessel.run("outputs", "test", "siren", "--for", "1s")
    assert said == "siren is on for 1 s: pin 23; its level was read back and is correct\n"
    vessel.wait_for_siren(False)


@pytest.mark.wall_clock
def test_wall_clock_silent_recorder_sounds_the_siren(vessel: Vessel) -> None:
    """The recorder is killed (SIGKILL), and then stopped without being ended (SIGSTOP)."""
    killed = time.monotonic()
    vessel.recorder.kill()
    vessel.wait_for_siren(True)
    took = time.monotonic() - killed
    print(f"\n  siren {took:.1f} s after SIGKILL of the recorder; promised {PROMISED_S:g} s")
    assert took <= WITHIN_S
    vessel.start_recorder()
    vessel.wait_for_siren(False)
    pid = vessel.recorder.wait_for_state(lambda _: True)["pid"]
    stopped = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        vessel.wait_for_siren(True)
        took = time.monotonic() - stopped
        print(f"\n  siren {took:.1f} s after SIGSTOP of the recorder; promised {PROMISED_S:g} s")
        assert took <= WITHIN_S
    finally:
        os.kill(pid, signal.SIGCONT)
    vessel.wait_for_siren(False)
