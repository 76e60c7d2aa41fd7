"""JSON output about recorded data: sensors, samples, alarms, notes and completeness."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final

import msgspec

from sensors.sample import Value
from services.alarms.phases import Phase
from services.history.timeline import TimeTrust
from services.maintenance_schedule.due import DueState
from services.state.described import described

from . import format_of
from .parts import Moment, Output, Part


class Span(Part, frozen=True, kw_only=True):
    """A range of consecutive sample numbers."""

    first: Annotated[int, described("First number in the range.", minimum=0)]
    last: Annotated[int, described("Last number in the range.", minimum=0)]
    reason: Annotated[
        str | None, described("Reason given by the gap document; null if there is no gap document.")
    ]
    after: Annotated[Moment, described("Time of the last sample before the range.")]
    before: Annotated[Moment, described("Time of the first sample after the range.")]


class Tally(Part, frozen=True, kw_only=True):
    """Sample numbers with the same finding."""

    spans: Annotated[int, described("Number of ranges.", minimum=0)]
    samples: Annotated[int, described("Total number of sample numbers in all ranges.", minimum=0)]
    listed: Annotated[Sequence[Span], described("The first ranges; long lists are cut off.")]


class SensorValue(Part, frozen=True, kw_only=True):
    """A sensor with its last value."""

    sensor: Annotated[str, described("Id of the sensor.")]
    name: Annotated[str, described("Name of the sensor, for people.")]
    path: Annotated[str, described("Path in the Signal K data model, or one in the same style.")]
    unit: Annotated[
        str, described("SI unit of the value; 'bool' for contacts, 'ratio' for 0 to 1, '' for counts.")
    ]
    value: Annotated[
        Value,
        described(
            "Value in the SI unit given beside it; true or false for a contact; null if there is no value."
        ),
    ]
    state: Annotated[str | None, described("State of the last sample; null if there is no sample yet.")]
    detail: Annotated[str, described("Remark on the state; '' if there is none.")]
    time: Annotated[
        str | None,
        described(
            "Best estimate of the time of the last sample, or the only bound, in UTC, ISO "
            "8601 to the millisecond; null if unknown.",
            format="date-time",
        ),
    ]
    uncertainty: Annotated[
        float | None,
        described(
            "Uncertainty of the time in seconds; null if only one bound or nothing is known.", minimum=0
        ),
    ]
    trust: Annotated[
        TimeTrust,
        described(
            "Source of a time, best first: GNSS or network; a clock chip; estimated from the "
            "boots before and after; lower bound only; upper bound only; as stated in the "
            "document itself; unknown."
        ),
    ]
    age: Annotated[float | None, described("Seconds since the last sample; null if unknown.", minimum=0)]
    rate: Annotated[float | None, described("Samples per second; null if they are not counted.", minimum=0)]
    alarm: Annotated[str | None, described("Severity of the sensor's active alarm; null if there is none.")]
    seq: Annotated[int, described("Number of the last sample.", minimum=0)]


class Sensors(Output, frozen=True, kw_only=True, tag=format_of("sensors")):
    """All sensors of a vessel; with --watch, one line per second."""

    command: ClassVar[str] = "logboat sensors --json"

    vessel: Annotated[str, described("Id of the vessel.")]
    live: Annotated[
        bool,
        described(
            "True if these are the current values from the recorder; false if they are from documents."
        ),
    ]
    why_not: Annotated[str | None, described("The reason why the values are not current; null if they are.")]
    sensors: Annotated[Sequence[SensorValue], described("The sensors, sorted by id.")]
    faults: Annotated[Sequence[str], described("Descriptions of invalid documents that were skipped.")]


class LogSample(Part, frozen=True, kw_only=True):
    """Sample of one sensor."""

    time: Annotated[
        str | None,
        described(
            "Best estimate of the time, or the only bound, in UTC, ISO 8601 to the "
            "millisecond; null if unknown.",
            format="date-time",
        ),
    ]
    uncertainty: Annotated[
        float | None,
        described(
            "Uncertainty of the time in seconds; null if only one bound or nothing is known.", minimum=0
        ),
    ]
    trust: Annotated[
        TimeTrust,
        described(
            "Source of a time, best first: GNSS or network; a clock chip; estimated from the "
            "boots before and after; lower bound only; upper bound only; as stated in the "
            "document itself; unknown."
        ),
    ]
    log: Annotated[str, described("Name of the log.")]
    seq: Annotated[int, described("Number of the sample within the log.", minimum=1)]
    boot: Annotated[int, described("Number of the boot within the log.", minimum=0)]
    clock: Annotated[float, described("Clock of that boot at the sample, in seconds.")]
    path: Annotated[str, described("Path in the Signal K data model, or one in the same style.")]
    value: Annotated[
        Value,
        described(
            "Value in the SI unit given beside it; true or false for a contact; null if there is no value."
        ),
    ]
    unit: Annotated[
        str, described("SI unit of the value; 'bool' for contacts, 'ratio' for 0 to 1, '' for counts.")
    ]
    quality: Annotated[
        str,
        described(
            "State of a sensor: good, or a fault (open, short, out-of-range, stale, noisy, "
            "edges-lost, disagrees, failed). Of the faults, only noisy, edges-lost and "
            "disagrees come with a value."
        ),
    ]


class Log(Output, frozen=True, kw_only=True, tag=format_of("log")):
    """Recorded readings of a sensor: a single object, with one sample on each line."""

    command: ClassVar[str] = "logboat log SENSOR --json"

    vessel: Annotated[str, described("Id of the vessel.")]
    sensor: Annotated[str, described("Id of the sensor.")]
    samples: Annotated[Sequence[LogSample], described("The samples, in the order in which they were taken.")]


class LogAdded(Output, frozen=True, kw_only=True, tag=format_of("log-added")):
    """Confirmation that a reading added by hand is durable."""

    command: ClassVar[str] = "logboat log SENSOR --add VALUE --json"

    vessel: Annotated[str, described("Id of the vessel.")]
    sensor: Annotated[str, described("Id of the sensor.")]
    log: Annotated[str, described("Name of the log.")]
    seq: Annotated[int, described("Number assigned to the sample.", minimum=1)]
    value: Annotated[
        Value,
        described(
            "Value in the SI unit given beside it; true or false for a contact; null if there is no value."
        ),
    ]
    unit: Annotated[
        str, described("SI unit of the value; 'bool' for contacts, 'ratio' for 0 to 1, '' for counts.")
    ]


class AlarmAcknowledgement(Part, frozen=True, kw_only=True):
    """Acknowledgement of an alarm by one person."""

    who: Annotated[str, described("Name of the person who acknowledged the alarm.")]
    when: Annotated[
        str | None,
        described(
            "Time of the acknowledgement, in UTC, ISO 8601 to the millisecond; null if unknown.",
            format="date-time",
        ),
    ]


class Alarm(Part, frozen=True, kw_only=True):
    """An alarm, from when it is raised until it is cleared."""

    id: Annotated[str, described("Id of the alarm's document.")]
    short: Annotated[str, described("Shortest unique suffix of the id, for `logboat ack`.")]
    vessel: Annotated[str, described("Id of the vessel that raised the alarm.")]
    sensor: Annotated[str, described("Id of the sensor.")]
    path: Annotated[str, described("Path in the Signal K data model, or one in the same style.")]
    severity: Annotated[
        str,
        described(
            "Severity of an alarm, as defined by Signal K: nominal, normal, alert, warn, alarm or emergency."
        ),
    ]
    text: Annotated[str, described("Text of the alarm, as configured.")]
    condition: Annotated[
        str, described("Condition of the alarm, as configured, in SI units; for example `above 63`.")
    ]
    value: Annotated[Value, described("Value of the sensor when the alarm was raised.")]
    unit: Annotated[
        str, described("SI unit of the value; 'bool' for contacts, 'ratio' for 0 to 1, '' for counts.")
    ]
    holds: Annotated[bool, described("True if the alarm is active, that is, has not been cleared.")]
    phase: Annotated[
        Phase,
        described("Phase of the alarm, a state of IEC 62923-1. `normal` means cleared and acknowledged."),
    ]
    silenced_until: Annotated[
        str | None,
        described(
            "Time at which a silenced alarm sounds again, in UTC, ISO 8601 to the millisecond; null if the "
            "alarm is not silenced.",
            format="date-time",
        ),
    ]
    raised: Annotated[Moment, described("Time at which the alarm was raised.")]
    cleared: Annotated[Moment | None, described("Time at which the alarm was cleared; null if it is active.")]
    acks: Annotated[Sequence[AlarmAcknowledgement], described("Acknowledgements of the alarm.")]


class Alarms(Output, frozen=True, kw_only=True, tag=format_of("alarms")):
    """Active and past alarms."""

    command: ClassVar[str] = "logboat alarms --json"

    alarms: Annotated[
        Sequence[Alarm], described("The alarms: active ones first, then the most severe, then the latest.")
    ]
    faults: Annotated[Sequence[str], described("Descriptions of invalid documents that were skipped.")]


class Silenced(Output, frozen=True, kw_only=True, tag=format_of("silence")):
    """Confirmation that alarms have been silenced."""

    command: ClassVar[str] = "logboat silence --json"

    alarms: Annotated[Sequence[str], described("Ids of the documents of the alarms that were silenced.")]
    who: Annotated[str, described("Name of the person who silenced the alarms.")]
    until: Annotated[
        str,
        described(
            "Time at which the alarms sound again, in UTC, ISO 8601 to the millisecond.", format="date-time"
        ),
    ]
    seconds: Annotated[float, described("Duration of the silence, in seconds.")]
    audible: Annotated[Sequence[str], described("Ids of the documents of the alarms that are still audible.")]


class Acknowledgement(Output, frozen=True, kw_only=True, tag=format_of("acknowledgement")):
    """Confirmation that an alarm has been acknowledged."""

    command: ClassVar[str] = "logboat ack ID --json"

    id: Annotated[str, described("Id of the alarm's document.")]
    who: Annotated[str, described("Name of the person who acknowledged the alarm.")]
    added: Annotated[
        bool,
        described(
            "True if the acknowledgement is new; false if this person had already acknowledged the alarm."
        ),
    ]


class Note(Output, frozen=True, kw_only=True, tag=format_of("note")):
    """Confirmation that a note was recorded."""

    command: ClassVar[str] = "logboat note TEXT --json"

    id: Annotated[str, described("Id of the note's document.")]
    vessel: Annotated[str, described("Id of the vessel.")]
    text: Annotated[str, described("Text of the note.")]
    who: Annotated[str, described("Name of the person who wrote the note.")]


_NOTE: Final = {
    "description": "A note.",
    "type": "object",
    "required": ["id"],
    "properties": {
        "id": {"description": "Id of the note's document.", "type": "string"},
        "vessel": {"description": "Id of the vessel."},
        "text": {"description": "Text of the note."},
        "who": {"description": "Name of the person who wrote the note."},
        "when": {"description": "Time of the note, in UTC, ISO 8601."},
    },
}
"""Schema of a note's document, which is printed unchanged, and may have any other members."""


class Notes(Output, frozen=True, kw_only=True, tag=format_of("notes")):
    """The most recent notes, newest last."""

    command: ClassVar[str] = "logboat note --json"

    notes: Annotated[
        Sequence[Annotated[Mapping[str, Any], msgspec.Meta(extra_json_schema=_NOTE)]],
        described(
            "The notes, unchanged from their documents; other vessels and apps may have written anything into"
            " them."
        ),
    ]


class ServicePart(Part, frozen=True, kw_only=True):
    """State of a service by running hours alone, or by the calendar alone."""

    state: Annotated[DueState, described("State by this interval alone.")]
    since: Annotated[
        float | None,
        described("Seconds of running time, or of the calendar, since the last service; null if unknown."),
    ]
    left: Annotated[
        float | None,
        described(
            "Seconds of running time, or of the calendar, until the service is due; negative if it is "
            "overdue, null if unknown."
        ),
    ]


class ServiceDone(Part, frozen=True, kw_only=True):
    """The last time that a service was done."""

    id: Annotated[
        str | None, described("Id of the record's document; null if the configuration states the service.")
    ]
    run_seconds: Annotated[
        float | None, described("Running time at the service, in seconds; null if unknown.")
    ]
    time: Annotated[
        str | None,
        described(
            "Time of the service in UTC, ISO 8601 to the millisecond; null if the clock was not set.",
            format="date-time",
        ),
    ]
    who: Annotated[str | None, described("Name of the person who recorded the service; null if unknown.")]
    text: Annotated[str, described("Text of the record; '' if there is none.")]


class Service(Part, frozen=True, kw_only=True):
    """A service that falls due."""

    id: Annotated[str, described("Id of the service.")]
    name: Annotated[str, described("Name of the service, for people.")]
    text: Annotated[str, described("Description of the work, as configured; '' if there is none.")]
    sensor: Annotated[
        str | None,
        described("Id of the sensor that counts the running hours; null if only the calendar counts."),
    ]
    state: Annotated[
        DueState, described("State of the service: the more urgent one of `run` and `calendar`.")
    ]
    why_unknown: Annotated[str | None, described("The reason why the state is unknown; null if it is known.")]
    counter: Annotated[
        float | None,
        described("Running time now, in seconds; null if it is not known, or does not count."),
    ]
    run: Annotated[ServicePart | None, described("State by running hours; null if they do not count.")]
    calendar: Annotated[ServicePart | None, described("State by the calendar; null if it does not count.")]
    last: Annotated[ServiceDone | None, described("The last service; null if none is known.")]


class Services(Output, frozen=True, kw_only=True, tag=format_of("services")):
    """The services of a vessel, and when they are due."""

    command: ClassVar[str] = "logboat service --json"

    vessel: Annotated[str, described("Id of the vessel.")]
    services: Annotated[Sequence[Service], described("The services: the most urgent first, then by name.")]
    faults: Annotated[Sequence[str], described("Descriptions of invalid documents that were skipped.")]


class ServiceAdded(Output, frozen=True, kw_only=True, tag=format_of("service-added")):
    """Confirmation that a completed service was recorded."""

    command: ClassVar[str] = "logboat service done NAME --json"

    id: Annotated[str, described("Id of the record's document.")]
    vessel: Annotated[str, described("Id of the vessel.")]
    service: Annotated[str, described("Id of the service.")]
    run_seconds: Annotated[
        float | None,
        described("Running time at the service, in seconds; null if running hours do not count."),
    ]
    who: Annotated[str, described("Name of the person who did the service.")]
    text: Annotated[str, described("Text of the record; '' if there is none.")]


class InvalidDocuments(Part, frozen=True, kw_only=True):
    """Invalid documents that were skipped."""

    count: Annotated[int, described("Number of faults.", minimum=0)]
    listed: Annotated[Sequence[str], described("Descriptions of the first faults.")]


class SensorResult(Part, frozen=True, kw_only=True):
    """Completeness of one sensor's samples in one log."""

    sensor: Annotated[str, described("Id of the sensor.")]
    log: Annotated[str, described("Name of the log.")]
    complete: Annotated[bool, described("True if the log is complete for this sensor.")]
    windows: Annotated[int, described("Number of reading documents.", minimum=0)]
    samples: Annotated[int, described("Number of samples in these documents.", minimum=0)]
    last: Annotated[int | None, described("Highest recorded number.", minimum=0)]
    last_time: Annotated[Moment, described("Time of the sample with this number.")]
    waiting: Annotated[
        int, described("Number of samples known to exist that are not in documents yet.", minimum=0)
    ]
    missing: Annotated[Tally, described("Numbers that are missing, and that no gap document explains.")]
    explained: Annotated[Tally, described("Numbers that are missing, and that a gap document explains.")]
    repeated: Annotated[Tally, described("Numbers that are in more than one document.")]
    faults: Annotated[InvalidDocuments, described("Invalid documents.")]


class Downtime(Part, frozen=True, kw_only=True):
    """A period between two boots."""

    from_: Annotated[Moment, described("Time at which the machine went off.")] = msgspec.field(name="from")
    to: Annotated[Moment, described("Time at which the machine was on again.")]
    boot_before: Annotated[int, described("Number of the boot before the period.", minimum=0)]
    boot_after: Annotated[int, described("Number of the boot after the period.", minimum=0)]
    seconds: Annotated[float | None, described("Duration in seconds; null if unknown.")]
    uncertainty: Annotated[float, described("Uncertainty of the duration in seconds.", minimum=0)]


class LogResult(Part, frozen=True, kw_only=True):
    """The boots within one log."""

    log: Annotated[str, described("Name of the log.")]
    boots: Annotated[Sequence[int], described("Numbers of the boots that have a document here.")]
    boots_without_document: Annotated[
        Sequence[tuple[int, int]],
        described("First and last number of each range of boots that have no document here."),
    ]
    downtimes: Annotated[Sequence[Downtime], described("Periods in which the machine was off.")]


class VesselResult(Part, frozen=True, kw_only=True):
    """Completeness of one vessel's logs."""

    vessel: Annotated[str, described("Id of the vessel.")]
    complete: Annotated[bool, described("True if all logs of the vessel are complete.")]
    sensors: Annotated[Sequence[SensorResult], described("The sensors; a sensor has one entry for each log.")]
    silent: Annotated[Sequence[str], described("Ids of sensors that have no recorded data yet.")]
    logs: Annotated[Sequence[LogResult], described("The vessel's logs.")]
    faults: Annotated[Sequence[str], described("Descriptions of faults in the vessel's other documents.")]


class Verify(Output, frozen=True, kw_only=True, tag=format_of("verify")):
    """Completeness of every sensor's log, determined from documents alone."""

    command: ClassVar[str] = "logboat verify --json"

    complete: Annotated[bool, described("True if nothing is repeated, invalid, or missing without a reason.")]
    vessels: Annotated[Sequence[VesselResult], described("The vessels, sorted by id.")]
