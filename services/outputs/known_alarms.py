"""The active alarms as they are known while documents are delayed or the document store cannot be read.

The recorder's live state then shows which alarms of this vessel are active. Their text, and whether they are
acknowledged, are taken from the documents that were last read. Alarms of other vessels are known only from
the store.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from sensors.severity import Severity
from services.alarms.audible import AlarmFact
from services.state.recorder_state import LiveState
from sync.documents import alarm_id


def live_alarms(live: LiveState | None, vessel: str) -> dict[str, AlarmFact] | None:
    """Return the active alarms in the recorder's state, by sensor; None if there is no current state."""
    return None if live is None else {fact.sensor: fact for fact in _facts(live, vessel)}


def known_alarms(
    vessel: str, stored: tuple[AlarmFact, ...], live: Mapping[str, AlarmFact] | None
) -> tuple[AlarmFact, ...]:
    """Return the active alarms.

    `stored` contains the alarms that were in the store when it was last read. `live` contains the alarms of
    `vessel` from the recorder's live state, by sensor. If `live` is None, the stored alarms are returned.
    """
    if live is None:
        return stored
    missing = {fact.id: fact for fact in live.values()}
    known = []
    for fact in stored:
        if fact.vessel != vessel:
            known.append(fact)
        elif (now := missing.pop(fact.id, None)) is not None:
            severity = max(fact.severity, now.severity, key=lambda each: each.rank)
            known.append(replace(fact, severity=severity))
    return (*known, *missing.values())


def _facts(live: LiveState, vessel: str) -> Iterator[AlarmFact]:
    for name, sensor in live.sensors.items():
        if sensor.alarm is not None:
            severity = Severity(sensor.alarm) if sensor.alarm in list(Severity) else Severity.EMERGENCY
            document_id = alarm_id(vessel, name, live.log, sensor.alarm_sequence or 0)
            yield AlarmFact(document_id, vessel, name, severity, raised_utc=0.0)
