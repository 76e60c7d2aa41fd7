"""`logboat outputs` lists the outputs, and `outputs test` asks the lights daemon to turn one on."""

from collections.abc import Callable
from typing import Any

import pytest

from services.state import state_file
from services.system.control_socket import LIGHTS_SOCKET, ControlAnswer, ControlServer, OutputTest

from . import documents as build
from .appliance import Appliance, logboat

__all__ = ["logboat"]  # fixture

OUTPUTS = 'no_sensors = true\n[[output]]\nid = "siren"\nname = "Horn"\npin = 23\non = ["alarm"]\n'


def drive(appliance: Appliance, *outputs: dict[str, Any]) -> None:
    """Write the state of a lights daemon that drives these outputs."""
    state_file.write(state_file.path(appliance.run_folder, "lights"), build.lights_state(*outputs))


def answering(
    appliance: Appliance, handler: Callable[[OutputTest], ControlAnswer]
) -> ControlServer[OutputTest]:
    return ControlServer(appliance.run_folder / LIGHTS_SOCKET, handler, asked=OutputTest)


def test_list_shows_state_reason_and_read_back(logboat: Appliance) -> None:
    drive(
        logboat,
        build.live_output(on=True, why="alarm of bilge: Water", readBack=True, name="Horn aft"),
        build.live_output("lamp", pin=24, readBack=None, fault="GPIO24 is in use by fan"),
    )
    shown = logboat("outputs")
    assert shown.status == 0
    assert shown.lines[0] == "2 outputs"
    assert "siren 23 on on alarm of bilge: Water Horn aft" in " ".join(shown.out.split())
    assert "FAULT: GPIO24 is in use by fan" in " ".join(shown.out.split())


def test_json_names_each_output(logboat: Appliance) -> None:
    drive(logboat, build.live_output())
    listed = logboat("outputs", "--json").json
    assert listed["driven"] is True
    assert [(each["output"], each["on"], each["readBack"]) for each in listed["outputs"]] == [
        ("siren", False, False)
    ]


def test_configured_outputs_are_listed_as_not_driven_without_a_daemon(logboat: Appliance) -> None:
    (logboat.root / "sensors.toml").write_text(OUTPUTS)
    shown = logboat("outputs")
    assert "alarms cannot sound; run: sudo systemctl restart logboat-lights" in " ".join(shown.out.split())
    assert "NOT DRIVEN" in shown.out
    listed = logboat("outputs", "--json").json
    assert (listed["driven"], listed["outputs"][0]["on"]) == (False, None)


def test_vessel_without_outputs_is_told_where_to_read(logboat: Appliance) -> None:
    assert "no outputs are configured; docs/alarm-outputs.md" in logboat("outputs").out


def test_test_asks_the_daemon_and_reports_what_was_read_back(logboat: Appliance) -> None:
    drive(logboat, build.live_output())
    asked = []

    def answer(request: OutputTest) -> ControlAnswer:
        asked.append(request)
        return ControlAnswer(ok=True, on=True)

    with answering(logboat, answer):
        done = logboat("outputs", "test", "siren", "--for", "3s")
    assert asked == [OutputTest(output="siren", seconds=3.0)]
    assert done.out == "siren is on for 3 s: pin 23; its level was read back and is correct\n"


def test_failed_pin_is_reported(logboat: Appliance) -> None:
    drive(logboat, build.live_output())
    with answering(logboat, lambda _: ControlAnswer.refused("siren was not turned on: pin 23 is off")):
        done = logboat("outputs", "test", "siren")
    assert (done.status, done.err) == (1, "logboat: siren was not turned on: pin 23 is off\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("sirn",), "unknown output 'sirn'; did you mean 'siren'?"),
        (("wheelhouse",), "unknown output 'wheelhouse'; known outputs: siren"),
        (("siren", "--for", "long"), "--for 'long' is not a duration; write a time such as 2s or 500ms"),
        (("siren", "--for", "5min"), "--for '5min' is out of range; write a time up to 60 s"),
        (("siren", "--for", "0s"), "--for '0s' is out of range; write a time up to 60 s"),
    ],
)
def test_wrong_arguments_are_refused_with_the_remedy(
    logboat: Appliance, arguments: tuple[str, ...], said: str
) -> None:
    drive(logboat, build.live_output())
    done = logboat("outputs", "test", *arguments)
    assert (done.status, done.err) == (2, f"logboat: {said}\n")


def test_test_without_a_daemon_names_the_command_that_starts_it(logboat: Appliance) -> None:
    (logboat.root / "sensors.toml").write_text(OUTPUTS)
    done = logboat("outputs", "test", "siren")
    assert done.status == 1
    assert "siren cannot be tested" in done.err
    assert "sudo systemctl restart logboat-lights" in done.err


def test_last_good_outputs_are_listed_if_the_file_is_wrong(logboat: Appliance) -> None:
    from services.config.last_good import load_or_last_good

    sensors = logboat.root / "sensors.toml"
    sensors.write_text(OUTPUTS)
    load_or_last_good(logboat.root / "logboat.toml", sensors, logboat.data)
    sensors.write_text("[[sensor")
    assert [each["output"] for each in logboat("outputs", "--json").json["outputs"]] == ["siren"]


def daemons_line(appliance: Appliance) -> str:
    return str(appliance("status", "--json").json["lines"]["daemons"])


def test_status_after_a_clean_stop_says_that_alarms_cannot_sound(logboat: Appliance) -> None:
    logboat.live()
    assert daemons_line(logboat) == "good; no lights in use"
    (logboat.root / "sensors.toml").write_text(OUTPUTS)
    assert daemons_line(logboat).startswith("ALARMS CANNOT SOUND on siren: the lights daemon is not running")
    status = logboat("status", "--json").json
    assert status["muteOutputs"] == ["siren"]
    assert status["toDo"].startswith(
        "start the lights daemon, so that alarms sound on siren: systemctl restart logboat-lights"
    )


def test_status_after_a_kill_says_that_alarms_cannot_sound(logboat: Appliance) -> None:
    logboat.live()
    (logboat.root / "sensors.toml").write_text(OUTPUTS)
    drive(logboat, build.live_output())
    assert daemons_line(logboat) == "good"
    logboat.living.remove(4712)
    logboat.mesh(pid=4711)
    assert daemons_line(logboat).startswith(
        "ALARMS CANNOT SOUND on siren: the lights daemon is not running ("
    )


def test_status_names_the_output_whose_pin_fails(logboat: Appliance) -> None:
    logboat.live()
    drive(logboat, build.live_output(), build.live_output("horn", fault="pin 24 is on, but was turned off"))
    assert daemons_line(logboat) == "ALARMS CANNOT SOUND on horn: pin 24 is on, but was turned off"
    todo = "check output horn: pin 24 is on, but was turned off; then: logboat outputs test horn"
    assert logboat("status", "--json").json["toDo"] == todo


def test_another_fault_does_not_hide_that_alarms_cannot_sound(logboat: Appliance) -> None:
    logboat.live()
    (logboat.root / "sensors.toml").write_text(OUTPUTS)
    logboat.failed = ["logboat-gnss.service"]
    assert daemons_line(logboat).startswith("FAILED: logboat-gnss.service; ALARMS CANNOT SOUND on siren: ")
