"""While documents are delayed or the store cannot be read, the recorder's live state counts too."""

from dataclasses import replace

from sensors.severity import Severity
from services.alarms.audible import AlarmFact
from services.outputs.known_alarms import known_alarms, live_alarms
from services.state.recorder_state import LiveSensor
from tests.services.lights.builders import recorder


def alarm(number: int = 1, *, vessel: str = "argo", severity: Severity = Severity.ALARM) -> AlarmFact:
    return AlarmFact(f"alarm:{vessel}:bilge:qwerty:{number:012d}", vessel, "bilge", severity, raised_utc=0.0)


def live(severity: str | None = "alarm", number: int | None = 1) -> dict[str, AlarmFact]:
    sensor = LiveSensor(state="good", alarm=severity, alarm_sequence=number)
    found = live_alarms(recorder(sensors={"bilge": sensor}), "argo")
    assert found is not None
    return found


def test_live_alarm_has_the_id_of_its_document() -> None:
    assert live() == {"bilge": alarm()}


def test_alarm_without_a_document_is_known() -> None:
    assert known_alarms("argo", (), live()) == (alarm(),)


def test_acknowledgement_in_the_store_still_counts() -> None:
    stored = replace(alarm(), acknowledged=True, text="Water")
    assert known_alarms("argo", (stored,), live()) == (stored,)
    worse = known_alarms("argo", (stored,), live("emergency"))
    assert worse == (replace(stored, severity=Severity.EMERGENCY),)


def test_alarm_that_was_cleared_or_raised_again_is_known_although_its_document_is_late() -> None:
    stored = replace(alarm(), acknowledged=True)
    assert known_alarms("argo", (stored,), live(None, None)) == ()
    assert known_alarms("argo", (stored,), live(number=7)) == (alarm(7),)


def test_alarms_of_other_vessels_are_those_of_the_store() -> None:
    stored = (alarm(vessel="brigid"),)
    assert known_alarms("argo", stored, live(None, None)) == stored


def test_without_a_current_live_state_the_stored_alarms_count() -> None:
    assert live_alarms(None, "argo") is None
    assert known_alarms("argo", (alarm(),), None) == (alarm(),)
