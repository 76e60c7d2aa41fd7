"""`logboat log SENSOR`: shows recorded readings as text, CSV or JSON, or adds a reading by hand.

The text is human-readable, and uses nautical units such as knots. CSV and JSON contain SI units, exactly as
recorded. Times recorded before the machine's clock was set are corrected as accurately as possible, and
marked as corrected.
"""

import csv
import math
import sys
from argparse import ArgumentParser, Namespace
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean, csv_text, json_text
from sensors.units import close
from services.console.environment import Environment
from services.console.errors import UsageError
from services.console.output import moment_json, say, tell
from services.console.stores import chosen_vessel, reading_store, undocumented_samples, zone
from services.terminal.present import count, screen

from .when import FORMS, parse_when

if TYPE_CHECKING:
    from sensors.sample import Value
    from services.history.samples import History, RecordedSample
    from services.schemas.recording import LogSample
    from sync.store import Database

USUAL_SPAN_S: Final = 24 * 3600.0
"""Length of the period to show if --since is not given, in seconds. The period ends at the latest reading."""
COLUMNS: Final = ("time", "seq", "value", "unit", "quality")
MORE_COLUMNS: Final = ("log", "boot", "clock", "trust", "uncertainty")


def log_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat log SENSOR [options] | --add VALUE`."""
    parser.add_argument("sensor", metavar="SENSOR", help="the sensor's id")
    parser.add_argument("--since", metavar="WHEN", help=f"start time: {FORMS}")
    parser.add_argument("--until", metavar="WHEN", help="end time, in one of these forms")
    parser.add_argument("--vessel", metavar="V", help="show a sensor of another vessel")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="show only the last N samples (20 in the table)"
    )
    parser.add_argument("--raw-units", action="store_true", help="show values in SI units, as recorded")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help=f"write CSV: {','.join(COLUMNS)}; SI units, UTC")
    form.add_argument(
        "--add", metavar="VALUE", help="record a value by hand, with its unit: `35 %%` or `95 °C`"
    )
    parser.add_argument(
        "--yes",
        action="store_true",
        help="with --add: do not ask if the value is far from all earlier values",
    )
    parser.add_argument(
        "--wide", action="store_true", help=f"with --csv, also write: {','.join(MORE_COLUMNS)}"
    )


def log(args: Namespace, world: Environment) -> int:
    """Show the readings of a sensor, or add one. Return 0."""
    from services.documents.models import display_units

    from . import add, view

    if args.limit is not None and args.limit < 1:
        raise UsageError("--limit must be 1 or more")
    if args.add is not None:
        return add.add(args, world)
    place = zone(args)
    since = -math.inf if args.since is None else parse_when(args.since, now=world.utc, zone=place)
    until = math.inf if args.until is None else parse_when(args.until, now=world.utc, zone=place)
    if since > until:
        raise UsageError("--since is later than --until")
    with reading_store(args) as database:
        vessel = chosen_vessel(args, database)
        history = _history(args, database, vessel)
        if args.csv or args.json:
            samples = _last(history.samples(since=since, until=until), args.limit)
            (_write_csv if args.csv else _write_json)(samples, args, vessel)
        else:
            if args.since is None and args.until is None:
                latest = history.last_moment()
                since = -math.inf if latest.utc is None else latest.utc - USUAL_SPAN_S
            samples = history.samples(since=since, until=until)
            shown_in = display_units(database, vessel).get(args.sensor, "")
            print(
                "\n".join(
                    view.lines(samples, args, vessel=vessel, where=screen(zone=place), shown_in=shown_in)
                )
            )
            now = view.now_line(args, world, vessel)
            if now:
                tell(now)
        for fault in history.faults:
            say(f"skipped: {clean(fault)}")
    return 0


def _history(args: Namespace, database: "Database", vessel: str) -> "History":
    from services.documents import models
    from services.history.samples import History

    found = undocumented_samples(args)  # read before any document, so that no sample is missed
    known = models.sensors(database, vessel)
    if args.sensor not in known and (found is None or found.vessel != vessel or not found.samples):
        raise unknown_sensor(args.sensor, vessel, known)
    return History(database, vessel=vessel, sensor=args.sensor, undocumented=found)


def unknown_sensor(sensor: str, vessel: str, known: Iterable[str]) -> UsageError:
    """Return the error for an unknown sensor, with a suggestion."""
    names = sorted(known)
    near = close(sensor, names)
    hint = f"did you mean {near!r}?" if near else f"known sensors: {', '.join(names) or 'none'}"
    return UsageError(f"unknown sensor {sensor!r} of vessel {vessel}; {hint}")


def _last(samples: "Iterator[RecordedSample]", limit: int | None) -> "Iterable[RecordedSample]":
    return samples if limit is None else deque(samples, maxlen=limit)


# Output for programs -----------------------------------------------------------------------------------


def _write_csv(samples: "Iterable[RecordedSample]", args: Namespace, vessel: str) -> None:
    from services.documents.reading_documents import iso

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS + MORE_COLUMNS if args.wide else COLUMNS)
    trusts: Counter[str] = Counter()
    logs = set()
    for sample in samples:
        moment = sample.moment
        time = "" if moment.utc is None else iso(moment.utc)
        row = [time, sample.sequence, _csv_value(sample.value), csv_text(sample.unit), csv_text(sample.state)]
        if args.wide:
            give = "" if moment.uncertainty is None else round(moment.uncertainty, 3)
            row += [csv_text(sample.log), sample.boot, round(sample.clock, 3), moment.trust.value, give]
        writer.writerow(row)
        trusts[moment.trust.value] += 1
        logs.add(sample.log)
    unknown = trusts.pop("unknown", 0)
    if unknown:
        say(f"the time of {count(unknown, 'sample')} of {vessel} is unknown; the column time is empty")
    unsure = sum(number for trust, number in trusts.items() if trust not in ("synced", "rtc"))
    if unsure and not args.wide:
        say(
            f"the times of {count(unsure, 'sample')} of {vessel} are estimates or limits; to see which,"
            " use --wide"
        )
    if len(logs) > 1 and not args.wide:
        say(f"the samples come from {len(logs)} logs with separate numbering; use --wide to see which")


def _csv_value(value: "Value") -> str:
    """Return the shortest text that represents a value exactly. True and False are written as 1 and 0."""
    if value is None:
        return ""
    return repr(int(value) if isinstance(value, bool) else value)


def _write_json(samples: "Iterable[RecordedSample]", args: Namespace, vessel: str) -> None:
    """Write all samples as one JSON object, with only one sample at a time in memory."""
    import msgspec

    from services.schemas import format_of

    encode = msgspec.json.encode
    head = encode({"format": format_of("log"), "vessel": vessel, "sensor": args.sensor}).decode()
    sys.stdout.write(json_text(head[:-1]) + ',"samples":[')
    for place, sample in enumerate(samples):
        sys.stdout.write((",\n" if place else "\n") + json_text(encode(_sample_json(sample))))
    print("\n]}")


def _sample_json(sample: "RecordedSample") -> "LogSample":
    from services.schemas.recording import LogSample

    moment = moment_json(sample.moment)
    return LogSample(
        time=moment.time,
        uncertainty=moment.uncertainty,
        trust=moment.trust,
        log=sample.log,
        seq=sample.sequence,
        boot=sample.boot,
        clock=round(sample.clock, 3),
        path=sample.path,
        value=sample.value,
        unit=sample.unit,
        quality=sample.state,
    )
