"""The list of maintenance tasks (services) as text and as JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Final

from sensors.plaintext import clean
from sensors.service_settings import id_of_name
from sensors.units import NO_VALUE, format_duration
from services.console.environment import Environment
from services.maintenance_schedule.due import Due, DueState, Part, Record, Unknown
from services.maintenance_schedule.overview import Overview
from services.state.recorder_state import LiveState
from services.terminal.present import Screen, Style, count, paint, time_text, wrap
from services.terminal.table import fitted

if TYPE_CHECKING:
    from services.schemas.recording import Service, ServicePart, Services

NONE_PLANNED: Final = "no service is described; add a [[service]] to sensors.toml"
_STYLES: Final = {DueState.OVERDUE: Style.BAD, DueState.SOON: Style.WARN, DueState.UNKNOWN: Style.WARN}


def trusted_utc(live: LiveState | None, world: Environment) -> float | None:
    """Return the current time in seconds since 1970; None if the clock is not set.

    `live` is the recorder's state; None if it is not running.
    """
    is_set = world.is_clock_synced() if live is None else live.clock.is_known
    return world.utc if is_set else None


def lines(shown: Overview, where: Screen) -> Iterator[str]:
    """Yield the lines of the table of services, then the reasons why the state of a service is unknown."""
    head = ("service", "run since", "due in", "state", "last done")
    rows = [_row(each, where.zone) for each in shown.services]
    heads, blocks = fitted([head, *rows], plain=(3,), width=where.width)
    yield from (paint(line, Style.TITLE, where) for line in heads)
    for each, block in zip(shown.services, blocks, strict=True):
        yield from (paint(line, _STYLES.get(each.state), where) for line in block)
    for each in shown.services:
        if why := why_unknown(each):
            yield from wrap(clean(f"{each.plan.name}: {why}{_remedy(each)}"), where.width)


def _row(service: Due, zone: tzinfo) -> tuple[str, ...]:
    plan, run = service.plan, service.run
    name = plan.name if id_of_name(plan.name) == plan.id else f"{plan.name} ({plan.id})"
    since = NO_VALUE if run is None or run.since_s is None else hours(run.since_s)
    left = [_left(service, part) for part in service.parts if part.left_s is not None]
    return name, since, " or ".join(left) or NO_VALUE, service.state.value, _last(service.last, zone)


def hours(seconds: float) -> str:
    """Return a running time in hours, such as `12.5 h`."""
    return f"{seconds / 3600:.1f} h"


def _days(seconds: float) -> str:
    """Return a duration as text: in whole days, or in smaller units if it is short."""
    if abs(seconds) < _WHOLE_DAYS * _DAY_S:
        return format_duration(round(seconds))
    return f"{int(seconds / _DAY_S)} d"


_DAY_S: Final = 86_400.0
_WHOLE_DAYS: Final = 3
"""Minimum duration, in days, that is shown in whole days only."""


def _left(service: Due, part: Part) -> str:
    seconds = part.left_s or 0.0
    return hours(seconds) if part is service.run else _days(seconds)


def _last(record: Record | None, zone: tzinfo) -> str:
    if record is None:
        return NO_VALUE
    parts = [] if record.run_s is None else [f"at {hours(record.run_s)}"]
    if record.utc is not None:
        day = record.id == ""  # the configuration states a day, not a time
        parts.append(
            f"{datetime.fromtimestamp(record.utc, UTC):%Y-%m-%d}" if day else time_text(record.utc, zone)
        )
    if record.who:
        parts.append(f"by {record.who}")
    return ", ".join(parts) or NO_VALUE


def why_unknown(service: Due) -> str:
    """Return a clause with the reasons why it is not known whether a service is due; '' if it is known."""
    if service.state is not DueState.UNKNOWN:
        return ""
    return "; ".join(_reason(service, reason) for reason in service.reasons)


def _reason(service: Due, reason: Unknown) -> str:
    sensor, last = service.plan.sensor, service.last
    if (
        reason is Unknown.RESET
        and service.counter_s is not None
        and last is not None
        and last.run_s is not None
    ):
        return (
            f"{sensor} shows {hours(service.counter_s)}, which is less than at the last service"
            f" ({hours(last.run_s)})"
        )
    return {
        Unknown.NO_RECORD: "the last service is not recorded",
        Unknown.NO_HOURS: f"the last service is recorded without the running hours of {sensor}",
        Unknown.NO_COUNTER: f"the running hours of {sensor} are not known",
        Unknown.RESET: f"{sensor} shows less than at the last service",
        Unknown.NO_DATE: "the date of the last service is not known, because the clock was not set then",
        Unknown.NO_CLOCK: "the clock is not set",
        Unknown.FUTURE: "the last service is dated in the future",
        Unknown.NO_END: "the calendar has no date on which the interval ends",
    }[reason]


def _remedy(service: Due) -> str:
    if Unknown.NO_COUNTER in service.reasons:
        return "; check the sensor: logboat sensors"
    if Unknown.NO_CLOCK in service.reasons or Unknown.NO_END in service.reasons:
        return ""
    again = "record it again" if service.last is not None else "record it"
    at = " --at HOURS" if service.plan.run_s is not None else ""
    return f"; {again}: logboat service done {service.plan.id}{at}"


def pressing_words(service: Due) -> str:
    """Return a clause about a service that is due, such as `Engine oil is overdue by 12.5 running hours`."""
    word = "overdue by" if service.state is DueState.OVERDUE else "due in"
    parts = [
        f"{abs(part.left_s) / 3600:.1f} running hours" if part is service.run else _days(abs(part.left_s))
        for part in service.parts
        if part.state is service.state and part.left_s is not None
    ]
    joint = " and " if service.state is DueState.OVERDUE else " or "
    return f"{service.plan.name} is {word} {joint.join(parts)}"


def summary(services: Overview) -> str:
    """Return a line that states how many services are due, and names the most urgent one.

    Return '' if there are no services.
    """
    every = services.services
    if not every:
        return ""
    counts = {state: sum(each.state is state for each in every) for state in DueState}
    parts = [
        f"{counts[state]} {state.value}" for state in DueState if counts[state] and state is not DueState.OK
    ]
    if not parts:
        return f"{count(len(every), 'service')}, none due"
    first = services.pressing[:1]
    return "; ".join([f"{', '.join(parts)} of {count(len(every), 'service')}", *map(pressing_words, first)])


def as_json(shown: Overview, vessel: str) -> "Services":
    """Return the services as an object for JSON output."""
    from services.schemas.recording import Services

    return Services(vessel=vessel, services=[_json(each) for each in shown.services], faults=shown.faults)


def _json(service: Due) -> "Service":
    from services.schemas.recording import Service, ServiceDone

    plan, last = service.plan, service.last
    return Service(
        id=plan.id,
        name=plan.name,
        text=plan.text,
        sensor=plan.sensor or None,
        state=service.state,
        why_unknown=why_unknown(service) or None,
        counter=service.counter_s,
        run=_part_json(service.run),
        calendar=_part_json(service.calendar),
        last=None
        if last is None
        else ServiceDone(
            id=last.id or None,
            run_seconds=last.run_s,
            time=_iso(last.utc),
            who=last.who or None,
            text=last.text,
        ),
    )


def _part_json(part: Part | None) -> "ServicePart | None":
    from services.schemas.recording import ServicePart

    return None if part is None else ServicePart(state=part.state, since=part.since_s, left=part.left_s)


def _iso(utc: float | None) -> str | None:
    from services.documents.reading_documents import iso

    return None if utc is None else iso(utc)
