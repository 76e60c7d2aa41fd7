"""The list of alarms as text and as JSON, and the acknowledgement of alarms."""

from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean
from sensors.presentation import format_value
from services.console.environment import Environment
from services.console.errors import UsageError
from services.console.output import moment_json
from services.console.stores import reading_store
from services.terminal.present import Screen, Style, count, moment_text, paint, thousands, time_text, wrap
from services.terminal.table import fitted

if TYPE_CHECKING:
    from services.history.alarms import AlarmEpisode
    from services.schemas.recording import Alarm, Alarms


NONE_OPEN: Final = "no active alarms, none to acknowledge"


def lines(
    shown: "Sequence[AlarmEpisode]",
    names: Mapping[str, str],
    where: Screen,
    *,
    utc: float,
    most: int | None = None,
) -> Iterator[str]:
    """Yield the lines of the table of alarms, then advice about unacknowledged alarms.

    `utc` is the current time, in seconds since 1970. At most `most` alarms are listed. Further alarms are
    only counted.
    """
    head = ("id", "severity", "what", "sensor", "raised", "state", "acknowledged")
    rows = [_row(episode, names, where.zone, utc) for episode in shown[:most]]
    heads, blocks = fitted([head, *rows], plain=(1, 2, 3, 5), width=where.width)
    yield from (paint(line, Style.TITLE, where) for line in heads)
    for episode, block in zip(shown, blocks, strict=False):
        yield from (paint(line, _style(episode), where) for line in block)
    if most is not None and len(shown) > most:
        yield from wrap(f"and {count(len(shown) - most, 'more alarm')}: logboat alarms --all", where.width)
    silenced = silenced_words(shown, utc, where.zone)
    if silenced:
        yield from wrap(silenced, where.width)
    waiting = sum(not episode.is_acknowledged for episode in shown)
    if waiting:
        yield from wrap(f"{count(waiting, 'alarm')} not acknowledged: logboat ack ID", where.width)


def silenced_words(alarms: "Sequence[AlarmEpisode]", utc: float, zone: tzinfo) -> str:
    """Return text that states how many alarms are audible and how many are silenced.

    Return '' if no alarm is silenced.

    `utc` is the current time, in seconds since 1970.
    """
    ends = [end for alarm in alarms if (end := alarm.silenced_until(utc)) is not None]
    if not ends:
        return ""
    audible = sum(alarm.is_audible(utc) for alarm in alarms)
    until = f"{'' if len(set(ends)) == 1 else ', the first'} until {time_text(min(ends), zone)}"
    return f"{thousands(audible)} audible, {thousands(len(ends))} silenced{until}"


def _style(episode: "AlarmEpisode") -> Style | None:
    if episode.is_acknowledged:
        return None
    return Style.BAD if episode.cleared is None else Style.WARN


def _row(episode: "AlarmEpisode", names: Mapping[str, str], place: tzinfo, utc: float) -> tuple[str, ...]:
    alarm = episode.alarm
    return (
        names[episode.id],
        alarm.severity,
        words(episode),
        f"{alarm.vessel} {alarm.sensor}",
        moment_text(episode.raised, place),
        state_words(episode, utc, place)
        if episode.cleared is None
        else f"cleared {moment_text(episode.cleared, place)}",
        ", ".join(ack.who for ack in alarm.acks) or "-",
    )


def state_words(episode: "AlarmEpisode", utc: float, place: tzinfo) -> str:
    """Return the state of an active alarm, such as `ACTIVE, silenced until 2025-10-10 12:50:00Z`."""
    until = episode.silenced_until(utc)
    return "ACTIVE" if until is None else f"ACTIVE, silenced until {time_text(until, place)}"


def words(episode: "AlarmEpisode") -> str:
    """Return an alarm's text with the condition and value, as in `Overspeed (above 63 Hz, at 3840 rpm)`."""
    alarm = episode.alarm
    is_number = alarm.value is not None and not isinstance(alarm.value, bool)  # the condition names a state
    value = ""
    if is_number:
        number = format_value(alarm.value, alarm.unit, path=alarm.path, shown_in=episode.display)
        value = f"at {number}"
    reason = ", ".join(part for part in (alarm.condition, value) if part)
    return f"{alarm.text} ({reason})" if alarm.text and reason else alarm.text or reason or alarm.path


def as_json(
    shown: "Sequence[AlarmEpisode]", names: Mapping[str, str], faults: Sequence[str], *, utc: float
) -> "Alarms":
    """Return the alarms as an object for JSON output.

    `names` maps the alarms' ids to short ids. `faults` describes invalid documents that were skipped. `utc`
    is the current time, in seconds since 1970.
    """
    from services.schemas.recording import Alarms

    return Alarms(alarms=[_json(episode, names, utc) for episode in shown], faults=faults)


def _json(episode: "AlarmEpisode", names: Mapping[str, str], utc: float) -> "Alarm":
    from services.documents.models import seconds_of
    from services.documents.reading_documents import iso
    from services.schemas.recording import Alarm, AlarmAcknowledgement

    alarm, until = episode.alarm, episode.silenced_until(utc)
    return Alarm(
        id=episode.id,
        short=names[episode.id],
        vessel=alarm.vessel,
        sensor=alarm.sensor,
        path=alarm.path,
        severity=alarm.severity,
        text=alarm.text,
        condition=alarm.condition,
        value=alarm.value,
        unit=alarm.unit,
        holds=episode.cleared is None,
        phase=episode.phase,
        silenced_until=None if until is None else iso(until),
        raised=moment_json(episode.raised),
        cleared=None if episode.cleared is None else moment_json(episode.cleared),
        acks=[
            AlarmAcknowledgement(who=ack.who, when=None if ack.when is None else iso(seconds_of(ack.when)))
            for ack in alarm.acks
        ],
    )


def acknowledged(args: Namespace, world: Environment, name: str, *, who: str) -> tuple[str, bool]:
    """Acknowledge an alarm. `name` is its id or a unique suffix of its id.

    Return the id, and True if the acknowledgement is new. Raise CommandError if the alarm does not exist, or
    if the store cannot be read or written.
    """
    from services.history.alarms import AlarmIdError, acknowledge, find

    with reading_store(args) as database:
        try:
            document_id = find(database, name)
            return document_id, acknowledge(database, document_id, who=who, utc=world.utc)
        except AlarmIdError as error:
            raise UsageError(str(error)) from error


def acknowledged_words(name: str, who: str, *, added: bool) -> str:
    """Return a message which states that an alarm is acknowledged, or that it already was.

    `name` is the alarm's short id.
    """
    return clean(f"alarm {name}: {'' if added else 'already '}acknowledged by {who}")
