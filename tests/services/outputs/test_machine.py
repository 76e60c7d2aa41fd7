"""An output is on when an audible alarm concerns it, or when the recorder is silent; tested without pins."""

from dataclasses import replace
from typing import Any

from sensors.outputs import OutputSettings
from sensors.severity import Severity
from services.alarms.audible import AlarmFact
from services.outputs.machine import (
    FIRST_COMMIT_WITHIN_S,
    MOST_TEXT,
    SILENT_AFTER_S,
    OutputMachine,
    SilenceDetector,
)


def siren(**more: Any) -> OutputMachine:
    keys = {"on": (Severity.ALARM, Severity.EMERGENCY), **more}
    return OutputMachine(OutputSettings(id="siren", pin=23, **keys), "argo")


def alarm(
    number: int = 1, *, vessel: str = "argo", severity: Severity = Severity.ALARM, sensor: str = "bilge"
) -> AlarmFact:
    return AlarmFact(f"alarm:{vessel}:{sensor}:{number}", vessel, sensor, severity, raised_utc=0.0)


def sounds(machine: OutputMachine, now: float, *alarms: AlarmFact, is_silent: bool = False) -> bool:
    return machine.turn(alarms, now, is_silent=is_silent).sounds


def test_output_is_off_without_alarms() -> None:
    assert not sounds(siren(when_silent=True), 0.0)


def test_output_is_on_for_its_severities_only() -> None:
    machine = siren()
    assert sounds(machine, 0.0, alarm())
    assert not sounds(machine, 1.0, alarm(severity=Severity.WARN))


def test_output_for_sensors_ignores_severities_and_other_sensors() -> None:
    machine = siren(on=(), sensors=("bilge",))
    assert sounds(machine, 0.0, alarm(severity=Severity.ALERT))
    assert not sounds(machine, 1.0, alarm(sensor="oil"))
    assert not sounds(machine, 2.0, alarm(vessel="brigid"))


def test_alarm_of_another_vessel_sounds_only_with_neighbours() -> None:
    assert not sounds(siren(), 0.0, alarm(vessel="brigid"))
    assert sounds(siren(neighbours=True), 0.0, alarm(vessel="brigid"))


def test_alarm_that_becomes_more_severe_sounds_again_after_longest() -> None:
    machine = siren(longest_s=60.0)
    assert sounds(machine, 100.0, alarm())
    assert not sounds(machine, 160.0, alarm())
    assert sounds(machine, 200.0, alarm(severity=Severity.EMERGENCY))
    assert not sounds(machine, 260.0, alarm(severity=Severity.EMERGENCY))


def test_reason_is_short_whatever_the_text_of_another_vessels_alarm() -> None:
    long = replace(alarm(vessel="brigid"), text="x" * 100_000)
    why = siren(neighbours=True).turn([long], 0.0, is_silent=False).why
    assert why == f"alarm of bilge of brigid: {'x' * MOST_TEXT}…"


def test_output_goes_off_after_longest_until_a_new_alarm() -> None:
    machine = siren(longest_s=60.0)
    assert sounds(machine, 100.0, alarm(1))
    assert not sounds(machine, 160.0, alarm(1))
    assert sounds(machine, 200.0, alarm(2), alarm(1))
    assert not sounds(machine, 260.0, alarm(2), alarm(1))
    assert not sounds(machine, 300.0, alarm(1))


def test_output_comes_on_again_after_pause() -> None:
    machine = siren(longest_s=60.0, pause_s=30.0)
    states = {now: sounds(machine, float(now), alarm()) for now in (0, 59, 60, 89, 90, 149, 150)}
    assert states == {0: True, 59: True, 60: False, 89: False, 90: True, 149: True, 150: False}


def test_a_flood_of_alarms_is_counted_and_sounds_once() -> None:
    shown = siren().turn([alarm(number) for number in range(1000)], 0.0, is_silent=False)
    assert shown.why == "alarm of bilge and 999 more"


def test_silent_recorder_sounds_only_with_when_silent() -> None:
    assert not sounds(siren(), 0.0, is_silent=True)
    assert sounds(siren(on=(), when_silent=True), 0.0, is_silent=True)


def test_recorder_is_silent_after_ten_seconds_but_not_during_a_short_restart() -> None:
    detector = SilenceDetector(1_000.0)
    assert not detector.is_silent(1_000.0, 1_001.0)
    assert not detector.is_silent(None, 1_000.0 + SILENT_AFTER_S)
    assert detector.is_silent(None, 1_000.1 + SILENT_AFTER_S)
    assert not detector.is_silent(1_011.0, 1_012.0)


def test_recorder_that_was_killed_before_the_start_is_silent_at_once() -> None:
    assert SilenceDetector(1_000.0).is_silent(900.0, 1_000.0)


def test_recorder_that_never_stores_anything_after_a_boot_is_silent_in_the_end() -> None:
    detector = SilenceDetector(10.0)
    assert not detector.is_silent(None, 10.0 + FIRST_COMMIT_WITHIN_S)
    assert detector.is_silent(None, 10.1 + FIRST_COMMIT_WITHIN_S)
