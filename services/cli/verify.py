"""`logboat verify`: checks the completeness of every sensor's log, using the stored documents alone."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean
from services.console.environment import Environment
from services.console.errors import CommandError
from services.console.output import moment_json, print_json, tell
from services.console.stores import chosen_vessel, own_vessel, reading_store, zone
from services.terminal.present import count, moment_text, screen, thousands
from services.terminal.table import fitted

if TYPE_CHECKING:
    from datetime import tzinfo

    from services.history.completeness import LogBoots, MissingRange, MissingTally, SensorLog, VesselReport
    from services.schemas.recording import LogResult, SensorResult, Tally, VesselResult
    from sync.store import Database

_INDENT: Final = "  "


def verify_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat verify [--vessel V]`."""
    parser.add_argument(
        "--vessel", metavar="V", help="check this vessel only (default: all vessels in the store)"
    )


def verify(args: Namespace, world: Environment) -> int:  # noqa: ARG001
    """Report on the logs. Return 1 if samples are invalid, repeated, or missing without a reason, else 0."""
    from services.history.completeness import verify as verified

    when = zone(args)
    reports = []
    with reading_store(args) as database:
        chosen = None if args.vessel is None else [chosen_vessel(args, database)]
        for report in verified(database, chosen, floors=database.floors(), own=_own(args, database)):
            reports.append(report)
            if not args.json:
                tell("\n".join(_vessel_lines(report, when, screen().width)))
    complete = all(report.is_complete for report in reports)
    if args.json:
        from services.schemas.recording import Verify

        print_json(Verify(complete=complete, vessels=[_vessel_json(report) for report in reports]))
    else:
        tell(_conclusion(reports))
    return 0 if complete else 1


def _own(args: Namespace, database: "Database") -> str:
    """Return the id of the vessel to which this card belongs; '' if the id is unknown."""
    try:
        return own_vessel(args, database)
    except CommandError:
        return ""


def _conclusion(reports: "Sequence[VesselReport]") -> str:
    sensors = [sensor for report in reports for sensor in report.sensors]
    if not sensors:
        return "no history in the store"
    samples = sum(sensor.samples for sensor in sensors)
    scope = (
        f"{count(samples, 'sample')} of {count(len({(s.vessel, s.sensor) for s in sensors}), 'sensor')}, "
        f"{count(len(reports), 'vessel')}"
    )
    if all(report.is_complete for report in reports):
        return f"complete: {scope}"
    parts = [
        (sum(sensor.missing.samples for sensor in sensors), "missing"),
        (sum(sensor.repeated.samples for sensor in sensors), "duplicated"),
        (
            sum(sensor.fault_count for sensor in sensors) + sum(len(report.faults) for report in reports),
            "faulty documents",
        ),
    ]
    counts = ", ".join(f"{thousands(number)} {words}" for number, words in parts if number)
    return f"NOT COMPLETE: {counts}; {scope}"


def _vessel_lines(report: "VesselReport", when: "tzinfo", width: int) -> Iterator[str]:
    yield f"{report.vessel}: {'complete' if report.is_complete else 'NOT COMPLETE'}"
    rows = [_sensor_row(sensor, when) for sensor in report.sensors]
    if rows:
        head = ("sensor", "log", "samples", "last number", "taken", "")
        heads, blocks = fitted([head, *rows], right=(2, 3), width=width - len(_INDENT))
        yield from (_INDENT + line for line in chain(heads, *blocks))
    for sensor in report.sensors:
        yield from _sensor_lines(sensor, when)
    if report.silent:
        yield f"  no data yet: {', '.join(report.silent)}"
    for log in report.logs:
        yield from _boot_lines(log)
    for fault in report.faults:
        yield f"  {clean(fault)}"


def _sensor_row(sensor: "SensorLog", when: "tzinfo") -> tuple[str, ...]:
    parts = [
        (sensor.missing.samples, "missing"),
        (sensor.repeated.samples, "duplicated"),
        (sensor.fault_count, "faults"),
        (sensor.explained.samples, "explained"),
    ]
    words = [] if not sensor.is_complete else ["complete"]
    words += [f"{thousands(number)} {name}" for number, name in parts if number]
    if sensor.waiting:  # the number is a lower bound, because an unchanged value is recorded once per window
        words.append(f"at least {thousands(sensor.waiting)} not yet in documents")
    taken = moment_text(sensor.last_at, when) if sensor.last else "-"
    return (
        sensor.sensor,
        sensor.log,
        thousands(sensor.samples),
        thousands(sensor.last) if sensor.last else "-",
        taken,
        ", ".join(words),
    )


def _sensor_lines(sensor: "SensorLog", when: "tzinfo") -> Iterator[str]:
    name = f"{sensor.sensor}, log {sensor.log}"
    for word, tally in (
        ("missing", sensor.missing),
        ("duplicated", sensor.repeated),
        ("explained", sensor.explained),
    ):
        for span in tally.listed:
            numbers = str(span.first) if span.first == span.last else f"{span.first} to {span.last}"
            reason = f": {clean(span.reason)}" if span.reason else ""
            yield f"  {name}: {numbers} {word}{reason}{_between(span, when)}"
        if tally.spans > len(tally.listed):
            yield f"  {name}: {count(tally.spans - len(tally.listed), 'more range')} {word}"
    for fault in sensor.faults:
        yield f"  {clean(fault)}"
    if sensor.fault_count > len(sensor.faults):
        yield f"  {name}: {count(sensor.fault_count - len(sensor.faults), 'more faulty document')}"


def _between(span: "MissingRange", when: "tzinfo") -> str:
    if span.after.utc is not None and span.before.utc is not None:
        return f" (between {moment_text(span.after, when)} and {moment_text(span.before, when)})"
    if span.before.utc is not None:
        return f" (before {moment_text(span.before, when)})"
    if span.after.utc is not None:
        return f" (after {moment_text(span.after, when)})"
    return ""


def _boot_lines(log: "LogBoots") -> Iterator[str]:
    from sensors.units import format_duration

    if log.downtimes:
        known = [off for off in log.downtimes if off.seconds is not None]
        total = sum(max(off.seconds or 0.0, 0.0) for off in known)
        give = sum(off.uncertainty for off in known)
        text = f"  log {log.log}: the machine was off {count(len(log.downtimes), 'time')}"
        if known:
            text += f", {format_duration(total)}"
            if give >= 1:
                text += f" ± {format_duration(give)}"
            text += " in total"
        unknown = len(log.downtimes) - len(known)
        yield text + (f", {unknown} of them for an unknown time" if unknown else "")
    for first, last in log.absent:
        numbers = f"boot {first} has" if first == last else f"boots {first} to {last} have"
        yield f"  log {log.log}: {numbers} no document here, so their times are less certain"


def _vessel_json(report: "VesselReport") -> "VesselResult":
    from services.schemas.recording import VesselResult

    return VesselResult(
        vessel=report.vessel,
        complete=report.is_complete,
        sensors=[_sensor_json(sensor) for sensor in report.sensors],
        silent=report.silent,
        logs=[_log_json(log) for log in report.logs],
        faults=report.faults,
    )


def _sensor_json(sensor: "SensorLog") -> "SensorResult":
    from services.schemas.recording import InvalidDocuments, SensorResult

    return SensorResult(
        sensor=sensor.sensor,
        log=sensor.log,
        complete=sensor.is_complete,
        windows=sensor.windows,
        samples=sensor.samples,
        last=sensor.last,
        last_time=moment_json(sensor.last_at),
        waiting=sensor.waiting,
        missing=_tally_json(sensor.missing),
        explained=_tally_json(sensor.explained),
        repeated=_tally_json(sensor.repeated),
        faults=InvalidDocuments(count=sensor.fault_count, listed=sensor.faults),
    )


def _log_json(log: "LogBoots") -> "LogResult":
    from services.schemas.recording import Downtime, LogResult

    return LogResult(
        log=log.log,
        boots=log.numbers,
        boots_without_document=log.absent,
        downtimes=[
            Downtime(
                from_=moment_json(off.end),
                to=moment_json(off.start),
                boot_before=off.before,
                boot_after=off.after,
                seconds=off.seconds,
                uncertainty=off.uncertainty,
            )
            for off in log.downtimes
        ],
    )


def _tally_json(tally: "MissingTally") -> "Tally":
    from services.schemas.recording import Span, Tally

    return Tally(
        spans=tally.spans,
        samples=tally.samples,
        listed=[
            Span(
                first=span.first,
                last=span.last,
                reason=span.reason,
                after=moment_json(span.after),
                before=moment_json(span.before),
            )
            for span in tally.listed
        ],
    )
