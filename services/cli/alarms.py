"""`logboat alarms` and `logboat ack ID`: list alarms, and acknowledge them."""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any, Final

from sensors.plaintext import clean
from sensors.units import format_value
from services.terminal.present import Screen, Style, count, moment_text, paint, screen, wrap
from services.terminal.table import fitted

from .common import UsageError, World, chosen_vessel, moment_json, print_json, reading_store, say, zone

if TYPE_CHECKING:
    from services.history.alarms import Episode


NONE_OPEN: Final = "no alarm holds, and none awaits an eye"


def alarms_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat alarms [--all] [--vessel V]`."""
    parser.add_argument("--all", action="store_true", help="also those that are over and acknowledged")
    parser.add_argument("--vessel", metavar="V", help="of this vessel only; else of all on record")


def alarms(args: Namespace, world: World) -> int:  # noqa: ARG001
    """List the active alarms, then those not acknowledged, and with --all the rest. Return 0."""
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
        say(f"passed over: {clean(fault)}")
    if args.json:
        print_json("alarms", as_json(shown, names, faults))
    elif not shown:
        print("no alarm is on record" if args.all or not every else NONE_OPEN)
    else:
        print("\n".join(_lines(shown, names, screen(zone=zone(args)))))
    return 0


def _lines(shown: "Sequence[Episode]", names: Mapping[str, str], where: Screen) -> Iterator[str]:
    head = ("id", "severity", "what", "sensor", "since", "until", "acknowledged")
    rows = [_row(episode, names, where.zone) for episode in shown]
    heads, blocks = fitted([head, *rows], plain=(1, 2, 3), width=where.width)
    yield from (paint(line, Style.TITLE, where) for line in heads)
    for episode, block in zip(shown, blocks, strict=True):
        yield from (paint(line, _style(episode), where) for line in block)
    waiting = sum(not episode.is_acknowledged for episode in shown)
    if waiting:
        yield from wrap(f"{count(waiting, 'alarm')} not acknowledged: logboat ack ID", where.width)


def _style(episode: "Episode") -> Style | None:
    if episode.is_acknowledged:
        return None
    return Style.BAD if episode.cleared is None else Style.WARN


def _row(episode: "Episode", names: Mapping[str, str], place: tzinfo) -> tuple[str, ...]:
    alarm = episode.alarm
    return (
        names[episode.id],
        alarm.severity,
        words(episode),
        f"{alarm.vessel} {alarm.sensor}",
        moment_text(episode.raised, place),
        "HOLDS" if episode.cleared is None else moment_text(episode.cleared, place),
        ", ".join(ack.who for ack in alarm.acks) or "-",
    )


def words(episode: "Episode") -> str:
    """Return the text and reason of an alarm: `Overspeed (above 63, at 3840 rpm)`."""
    alarm = episode.alarm
    value = "" if alarm.value is None else f"at {format_value(alarm.value, alarm.unit, path=alarm.path)}"
    reason = ", ".join(part for part in (alarm.condition, value) if part)
    return f"{alarm.text} ({reason})" if alarm.text and reason else alarm.text or reason or alarm.path


def as_json(shown: "Sequence[Episode]", names: Mapping[str, str], faults: Sequence[str]) -> dict[str, Any]:
    """Return the alarms as JSON facts.

    `names` maps ids to short ids; `faults` describes the documents that were skipped.
    """
    return {"alarms": [_json(episode, names) for episode in shown], "faults": list(faults)}


def _json(episode: "Episode", names: Mapping[str, str]) -> dict[str, Any]:
    from services.documents.models import seconds_of
    from services.documents.reading_window import iso

    alarm = episode.alarm
    return {
        "id": episode.id,
        "short": names[episode.id],
        "vessel": alarm.vessel,
        "sensor": alarm.sensor,
        "path": alarm.path,
        "severity": alarm.severity,
        "text": alarm.text,
        "condition": alarm.condition,
        "value": alarm.value,
        "unit": alarm.unit,
        "holds": episode.cleared is None,
        "raised": moment_json(episode.raised),
        "cleared": None if episode.cleared is None else moment_json(episode.cleared),
        "acks": [
            {"who": ack.who, "when": None if ack.when is None else iso(seconds_of(ack.when))}
            for ack in alarm.acks
        ],
    }


def ack_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat ack ID [--by WHO]`."""
    parser.add_argument("id", metavar="ID", help="as `logboat alarms` shows it: any unique ending of its id")
    parser.add_argument("--by", metavar="WHO", help="who has seen it (you)")


def ack(args: Namespace, world: World) -> int:
    """Record that somebody has seen an alarm. Return 0."""
    who = by_whom(args, world)
    document_id, added = acknowledged(args, world, args.id, who=who)
    if args.json:
        print_json("acknowledgement", {"id": document_id, "who": who, "added": added})
    else:
        print(acknowledged_words(document_id, who, added=added))
    return 0


def by_whom(args: Namespace, world: World) -> str:
    """Return the name of the person who acknowledges: `--by`, else the login name.

    Raise UsageError if it is blank.
    """
    who = (args.by if args.by is not None else world.user()).strip()
    if not who:
        raise UsageError("--by needs a name")
    return who


def acknowledged(args: Namespace, world: World, name: str, *, who: str) -> tuple[str, bool]:
    """Acknowledge the alarm that `name` identifies, by its id or a unique ending of it.

    Return its id, and whether the acknowledgement is new. Raise CommandError if there is no such alarm, or if
    the store cannot be read or written.
    """
    from services.history.alarms import AlarmIdError, acknowledge, find

    with reading_store(args) as database:
        try:
            document_id = find(database, name)
            return document_id, acknowledge(database, document_id, who=who, utc=world.utc)
        except AlarmIdError as error:
            raise UsageError(str(error)) from error


def acknowledged_words(document_id: str, who: str, *, added: bool) -> str:
    """Return a sentence about the acknowledgement."""
    if added:
        return clean(f"{document_id}: acknowledged by {who}")
    return clean(f"{document_id}: {who} had acknowledged it before")
