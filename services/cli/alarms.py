"""`logboat alarms` and `logboat ack [ID]`: list alarms, and acknowledge them."""

from argparse import ArgumentParser, Namespace
from typing import Final

from sensors.plaintext import clean
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, say, tell
from services.console.stores import chosen_vessel, reading_store, zone
from services.screens.alarm_list import NONE_OPEN, acknowledged, acknowledged_words, as_json, lines, words
from services.terminal.present import screen

ID_HELP: Final = "alarm as shown by `logboat alarms`: any unique ending of its id"
MOST_SHOWN: Final = 100
"""Maximum number of alarms that `logboat alarms` lists without --all. Further alarms are only counted."""
LISTED: Final = 10
"""Maximum number of alarms that `logboat ack` without an id lists."""


def alarms_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat alarms [--all] [--vessel V]`."""
    parser.add_argument(
        "--all", action="store_true", help="also show alarms that are cleared and acknowledged"
    )
    parser.add_argument(
        "--vessel", metavar="V", help="show alarms of this vessel only (default: all vessels)"
    )


def alarms(args: Namespace, world: Environment) -> int:
    """List the active alarms, then unacknowledged ones and, with --all, all other alarms. Return 0."""
    from services.history.alarms import episodes, short_ids

    with reading_store(args) as database:
        vessel = None if args.vessel is None else chosen_vessel(args, database)
        every, faults = episodes(database)
    names = short_ids([episode.id for episode in every])
    shown = [
        episode
        for episode in every
        if (args.all or episode.is_open) and vessel in (None, episode.alarm.vessel)
    ]
    for fault in faults:
        say(f"skipped: {clean(fault)}")
    if args.json:
        print_json(as_json(shown, names, faults, utc=world.utc))
    elif not shown:
        tell("no alarms in the log" if args.all or not every else NONE_OPEN)
    else:
        most = None if args.all else MOST_SHOWN
        print("\n".join(lines(shown, names, screen(zone=zone(args)), utc=world.utc, most=most)))
    return 0


def ack_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat ack [ID] [--by WHO]`."""
    parser.add_argument(
        "id", nargs="?", metavar="ID", help=f"{ID_HELP}; may be omitted if only one alarm is not acknowledged"
    )
    parser.add_argument(
        "--by", metavar="WHO", help="name of the person who acknowledges the alarm (default: you)"
    )


def ack(args: Namespace, world: Environment) -> int:
    """Record that a user has acknowledged an alarm. Return 0."""
    who = acting_person(args, world)
    name = _only_alarm(args) if args.id is None else args.id
    document_id, added = acknowledged(args, world, name, who=who)
    if args.json:
        from services.schemas.recording import Acknowledgement

        print_json(Acknowledgement(id=document_id, who=who, added=added))
    else:
        tell(acknowledged_words(name, who, added=added))
    return 0


def _only_alarm(args: Namespace) -> str:
    """Return the id of the only alarm that is not acknowledged.

    Raise UsageError with the commands to choose from if there are several, and FailedError if there is none.
    """
    from services.history.alarms import episodes, short_ids

    with reading_store(args) as database:
        every, _ = episodes(database)
    names = short_ids([episode.id for episode in every])
    waiting = [episode for episode in every if not episode.is_acknowledged]
    if not waiting:
        raise FailedError("no alarm is waiting to be acknowledged")
    if len(waiting) == 1:
        if not args.json:
            tell(f"{waiting[0].alarm.severity}: {words(waiting[0])}")
        return names[waiting[0].id]
    choices = "\n".join(
        f"  logboat ack {names[episode.id]}  {episode.alarm.severity}: {words(episode)}"
        for episode in waiting[:LISTED]
    )
    more = f"\n  and {len(waiting) - LISTED} more: logboat alarms" if len(waiting) > LISTED else ""
    raise UsageError(f"{len(waiting)} alarms are not acknowledged; choose one:\n{choices}{more}")


def acting_person(args: Namespace, world: Environment) -> str:
    """Return the name of the user who acknowledges or silences an alarm.

    This is the name given with `--by`, or else the login name.

    Raise UsageError if the name is blank.
    """
    who = (args.by if args.by is not None else world.user()).strip()
    if not who:
        raise UsageError("--by must not be empty")
    return who
