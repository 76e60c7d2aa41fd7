"""`logboat silence [ID]`: stops the sound of one alarm, or of all audible alarms, for some minutes."""

from argparse import ArgumentParser, Namespace
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean
from sensors.units import format_duration
from services.alarms.silences import SHORTEST_S, USUAL_S
from services.console.environment import Environment
from services.console.errors import CommandError, FailedError, UsageError
from services.console.output import print_json, tell
from services.console.stores import chosen_vessel, reading_store, zone
from services.terminal.present import count, time_text
from sync.fleet.silences import LONGEST_S

from .alarms import ID_HELP, acting_person
from .durations import parse_duration

if TYPE_CHECKING:
    from services.alarms.audible import AlarmFact
    from sync.fleet.silences import Silence
    from sync.store import Database

_USUAL: Final = format_duration(USUAL_S).replace(" min", "m")


def silence_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat silence [ID] [--for TIME] [--by WHO] [--vessel V]`."""
    parser.add_argument(
        "id", nargs="?", metavar="ID", help=f"{ID_HELP}; if omitted, all alarms that sound on this vessel"
    )
    parser.add_argument(
        "--for",
        dest="duration",
        default=_USUAL,
        metavar="TIME",
        help=f"duration, up to {format_duration(LONGEST_S)} ({_USUAL})",
    )
    parser.add_argument(
        "--by", metavar="WHO", help="name of the person who silences the alarms (default: you)"
    )
    parser.add_argument(
        "--vessel",
        metavar="V",
        help="without ID: silence the alarms of another vessel (default: this vessel)",
    )


def silence(args: Namespace, world: Environment) -> int:
    """Record that a user has silenced alarms. Return 0."""
    from services.clocks.clock_quality import trust_of
    from services.history import silences

    who = acting_person(args, world)
    duration = _duration(args.duration)
    utc = world.utc
    here: list[AlarmFact] = []
    with reading_store(args) as database:
        if args.id is None:
            here = _audible(args, world, database)
            chosen = _all(database, here, args)
        else:
            chosen = [_named(database, args.id)]
            with suppress(CommandError):  # the store may contain several vessels, none of them this one
                here = _audible(args, world, database)
        trust = trust_of(synced=world.is_clock_synced())
        silences.silence(database, chosen, who=who, utc=utc, duration_s=duration, trust=trust)
    silenced = {alarm.id for alarm in chosen}
    left = [alarm for alarm in here if alarm.id not in silenced]
    until = utc + duration
    if args.json:
        from services.documents.reading_documents import iso
        from services.schemas.recording import Silenced

        print_json(
            Silenced(
                alarms=[alarm.id for alarm in chosen],
                who=who,
                until=iso(until),
                seconds=duration,
                audible=[alarm.id for alarm in left],
            )
        )
        return 0
    what = f"alarm {args.id}" if args.id is not None else count(len(chosen), "alarm")
    ends = f"silenced by {who} for {format_duration(duration)}, until {time_text(until, zone(args))}"
    tell(clean(f"{what}: {ends}"))
    if left:
        verb, them = ("is", "it") if len(left) == 1 else ("are", "them")
        tell(f"{count(len(left), 'alarm')} {verb} still audible; to silence {them}: logboat silence")
    return 0


def _duration(text: str) -> float:
    seconds = parse_duration(text.strip().casefold())
    if seconds is None:
        raise UsageError(f"--for {text!r} is not a duration; write a time such as {_USUAL} or 30s")
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise UsageError(
            f"--for {text!r} is out of range; write a time from {format_duration(SHORTEST_S)} to "
            f"{format_duration(LONGEST_S)}, or acknowledge the alarm: logboat ack"
        )
    return seconds


def _audible(args: Namespace, world: Environment, database: "Database") -> "list[AlarmFact]":
    """Return the audible alarms of the vessel selected with `--vessel`, or else those that sound here.

    Other vessels' alarms sound here if an output of this vessel is configured to sound for them.
    """
    from services.alarms.audible import audible
    from services.state import lights_state
    from sync.fleet.silences import current

    vessel = chosen_vessel(args, database)
    lights = lights_state.read(args.run, boottime=world.boottime, alive=world.alive)
    outputs = lights.state.outputs if lights.is_live and lights.state is not None else []
    everywhere = args.vessel is None and any(output.neighbours for output in outputs)
    alarms, silences = _facts(database, None if everywhere else vessel)
    return list(audible(alarms, current(silences, utc=world.utc)))


def _facts(database: "Database", vessel: str | None) -> "tuple[list[AlarmFact], list[Silence]]":
    """Return the alarms that would be audible without silences, and their silences."""
    from services.alarms.phases import Phase
    from services.history.alarms import episodes
    from services.history.silences import alarm_fact, silences_of

    facts = [alarm_fact(episode.id, episode.alarm) for episode in episodes(database, vessel)[0]]
    sounding = [fact for fact in facts if fact.phase is Phase.UNACKNOWLEDGED]
    return sounding, silences_of(database, [fact.id for fact in sounding])


def _all(database: "Database", here: "list[AlarmFact]", args: Namespace) -> "list[AlarmFact]":
    """Return the alarms to silence if the user names none. Raise FailedError if none is audible."""
    from services.alarms.silences import to_silence

    if here:
        return list(to_silence(here))
    vessel = chosen_vessel(args, database)
    every, _ = _facts(database, None)
    others = sorted({alarm.vessel for alarm in every} - {vessel})
    if any(alarm.vessel == vessel for alarm in every):
        raise FailedError(f"no alarm of {vessel} is audible; those that are active are already silenced")
    if others:
        raise FailedError(
            f"no alarm of {vessel} is audible; to silence those of {', '.join(others)}: "
            f"logboat silence --vessel {others[0]}"
        )
    raise FailedError(f"no alarm of {vessel} is audible")


def _named(database: "Database", name: str) -> "AlarmFact":
    """Return the alarm that a user names.

    Raise UsageError if there is no such alarm, and FailedError if the alarm would not sound anyway.
    """
    from services.alarms.phases import Phase
    from services.documents import models
    from services.history.alarms import AlarmIdError, find
    from services.history.silences import alarm_fact

    try:
        document_id = find(database, name)
    except AlarmIdError as error:
        raise UsageError(str(error)) from error
    document = database.get(document_id)
    if document is None:
        raise UsageError(f"{document_id} no longer exists")
    try:
        alarm = alarm_fact(document_id, models.read(document, models.AlarmDocument))
    except models.ShapeError as error:
        raise FailedError(f"the alarm cannot be silenced: {error}") from error
    if alarm.phase is not Phase.UNACKNOWLEDGED:
        why = "cleared" if alarm.cleared else "acknowledged"
        raise FailedError(f"alarm {name} does not sound, because it is {why}")
    return alarm
