"""`logboat service`: lists maintenance tasks (services) and when they are due.

`logboat service done NAME` records that a service was done.
"""

import math
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, say, tell
from services.console.stores import chosen_vessel, reading_store, zone
from services.screens.service_list import NONE_PLANNED, as_json, hours, lines, trusted_utc
from services.terminal.present import screen

from .alarms import acting_person
from .options import actions

if TYPE_CHECKING:
    from services.maintenance_schedule.due import Due
    from services.maintenance_schedule.overview import Overview
    from services.state.recorder_state import LiveState
    from sync.store import Database

LONGEST: Final = 1000
"""Maximum length of a service record's text, in characters. Each record is sent to every vessel."""
_HOUR_S: Final = 3600.0


def service_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat service [--vessel V] [done NAME [NOTE…]]`."""
    parser.add_argument(
        "--vessel", metavar="V", help="list the services of another vessel (default: this vessel)"
    )
    add = actions(parser, "done", required=False)
    done = add("done", "record that a service has been done")
    done.add_argument("name", metavar="NAME", help="name or id of the service, as in `logboat service`")
    done.add_argument(
        "note", nargs="*", default=[], metavar="NOTE", help="text of the record, such as the parts used"
    )
    done.add_argument(
        "--at",
        metavar="HOURS",
        help="running hours at the service, such as 1234.5 (default: the running hours now)",
    )
    done.add_argument("--by", metavar="WHO", help="name of the person who did the service (default: you)")
    done.add_argument(
        "--vessel",
        metavar="V",
        default=SUPPRESS,
        help="record a service of another vessel (default: this vessel)",
    )


def service(args: Namespace, world: Environment) -> int:
    """List the services, or record that one was done. Return 0."""
    return _done(args, world) if args.action == "done" else _list(args, world)


def _list(args: Namespace, world: Environment) -> int:
    with reading_store(args) as database:
        vessel = chosen_vessel(args, database)
        shown = _overview(args, world, database, vessel)
    for fault in shown.faults:
        say(f"skipped: {clean(fault)}")
    if args.json:
        print_json(as_json(shown, vessel))
    elif not shown.services:
        tell(NONE_PLANNED if args.vessel is None else f"{vessel} describes no service")
    else:
        print("\n".join(lines(shown, screen(zone=zone(args)))))
    return 0


def _overview(args: Namespace, world: Environment, database: "Database", vessel: str) -> "Overview":
    from services.maintenance_schedule.overview import overview

    live = _live(args, world)
    return overview(database, vessel, live=live, utc=trusted_utc(live, world))


def _live(args: Namespace, world: Environment) -> "LiveState | None":
    from services.state.recorder_state import read

    sight = read(args.run, boottime=world.boottime, alive=world.alive)
    return sight.state if sight.is_live else None


def _done(args: Namespace, world: Environment) -> int:
    from services.maintenance_schedule.records import write

    who = acting_person(args, world)
    text = " ".join(args.note).strip()
    if len(text) > LONGEST:
        raise UsageError(f"the note is too long: {len(text)} characters, at most {LONGEST} are allowed")
    with reading_store(args) as database:
        vessel = chosen_vessel(args, database)
        shown = _overview(args, world, database, vessel)
        found = _named(shown.services, args.name)
        run_s = _running_time(args.at, found)
        is_synced = trusted_utc(_live(args, world), world) is not None
        document_id = write(
            database,
            vessel,
            found.plan,
            run_s=run_s,
            who=who,
            utc=world.utc,
            is_synced=is_synced,
            text=text,
        )
    if args.json:
        from services.schemas.recording import ServiceAdded

        print_json(
            ServiceAdded(
                id=document_id, vessel=vessel, service=found.plan.id, run_seconds=run_s, who=who, text=text
            )
        )
    else:
        at = "" if run_s is None else f" at {hours(run_s)}"
        tell(clean(f"{found.plan.name}: done{at}, by {who}; saved as {document_id}"))
    return 0


def _named(services: "Sequence[Due]", name: str) -> "Due":
    """Return the service with the given name or id. Raise UsageError if no service matches, or several do."""
    from sensors.units import close

    if not services:
        raise UsageError(NONE_PLANNED)
    wanted = name.strip().casefold()
    by_id = [each for each in services if each.plan.id == wanted]
    found = by_id or [each for each in services if each.plan.name.strip().casefold() == wanted]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"several services are named {name!r}; use an id: {_ids(found)}")
    near = close(wanted, [text for each in services for text in (each.plan.id, each.plan.name)])
    hint = f"did you mean {near!r}?" if near else f"services: {_ids(services)}"
    raise UsageError(f"unknown service {name!r}; {hint}")


def _ids(services: "Sequence[Due]") -> str:
    return ", ".join(each.plan.id for each in services)


def _running_time(written: str | None, service: "Due") -> float | None:
    """Return the running time to record, in seconds; None if running hours do not count.

    Raise UsageError if the time that was given is impossible, and FailedError if the time is not known.
    """
    plan, counter_s = service.plan, service.counter_s
    if plan.run_s is None:
        if written is not None:
            raise UsageError(f"{plan.name} is not due by running hours; omit --at")
        return None
    if written is None:
        if counter_s is None:
            raise FailedError(
                f"the running hours of {plan.sensor} are not known; state the hour meter's reading with --at"
            )
        return counter_s
    given_s = _parse_hours(written)
    if counter_s is not None and given_s > counter_s and hours(given_s) != hours(counter_s):
        raise UsageError(
            f"--at {written} is more than {plan.sensor} shows now ({hours(counter_s)}); state the"
            " hours at the service"
        )
    return given_s if counter_s is None else min(given_s, counter_s)


def _parse_hours(written: str) -> float:
    text = written.strip().removesuffix("h").strip()
    try:
        number = float(text)
    except ValueError:
        raise UsageError(
            f"--at {written!r} is not a number of hours; write, for example, --at 1234.5"
        ) from None
    if not math.isfinite(number) or not 0 <= number <= _MOST_HOURS:
        raise UsageError(f"--at {written} is not between 0 and {_MOST_HOURS:.0f} hours")
    return number * _HOUR_S


_MOST_HOURS: Final = 1_000_000.0
