"""Decides whether a service is due, from its plan, the service records, and the running hours.

The result depends only on the set of records, not on the order in which they arrived. So vessels that have
the same records agree. Several crews may record the same service while their vessels are apart. A record
names the records that were known when it was written, and replaces them. Of the remaining records, the
one with the most running hours counts. So a record replaces an earlier one even if the counter has been reset
since, and two concurrent records count as one.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sensors.calendar_interval import CalendarInterval

COUNTER_LAG_S: Final = 3600.0
"""Maximum number of seconds by which a counter may be behind a record without having been reset.

A power cut loses the running time that was not yet durable.
"""
CLOCK_LAG_S: Final = 86_400.0
"""Maximum number of seconds by which a record may be dated in the future."""
_SOON: Final = 0.1
"""Part of the interval, at its end, in which the service is due soon."""


class DueState(StrEnum):
    """Urgency of a service. The members are in order from the most urgent to the least urgent."""

    OVERDUE = "overdue"
    """The interval is over."""
    SOON = "due soon"
    """The end of the interval is near."""
    UNKNOWN = "unknown"
    """It is not known when the service was last done, or how long the equipment has run since."""
    OK = "ok"
    """The service is not due yet."""

    @property
    def rank(self) -> int:
        """Position in the order of urgency; 0 is the most urgent."""
        return list(DueState).index(self)


class Unknown(StrEnum):
    """Reason why it is not known whether a service is due."""

    NO_RECORD = "no-record"
    """No service is recorded."""
    NO_HOURS = "no-hours"
    """The last service was recorded without the running hours of the sensor."""
    NO_COUNTER = "no-counter"
    """The running hours are not known."""
    RESET = "reset"
    """The counter shows less than at the last service, because it was reset or replaced."""
    NO_DATE = "no-date"
    """The date of the last service is not known, because the clock was not set."""
    NO_CLOCK = "no-clock"
    """The clock is not set."""
    FUTURE = "future"
    """The last service is dated in the future."""
    NO_END = "no-end"
    """The calendar has no date on which the interval ends. Only a damaged document has such an interval."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A service that is done at regular intervals."""

    id: str
    name: str
    sensor: str = ""
    """Id of the sensor that counts the running hours; '' if only the calendar counts."""
    run_s: float | None = None
    """Running time, in seconds, after which the service is due; None if only the calendar counts."""
    calendar: CalendarInterval | None = None
    """Time after which the service is due; None if only the running hours count."""
    warn_run_s: float | None = None
    """Running time before the end of `run_s` from which the service is due soon; None for a tenth."""
    warn_calendar: CalendarInterval | None = None
    """Time before the end of `calendar` from which the service is due soon; None for a tenth."""
    last_run_s: float | None = None
    """Running time at the last service before the first record; None if unknown."""
    last_done_utc: float | None = None
    """Time of the last service before the first record, in seconds since 1970; None if unknown."""
    text: str = ""
    """Description of the work."""


@dataclass(frozen=True, slots=True)
class Record:
    """A service record: one occasion on which a service was done."""

    id: str
    sensor: str = ""
    """Id of the sensor that counted the running hours."""
    run_s: float | None = None
    """Running time at the service, in seconds; None if unknown."""
    utc: float | None = None
    """Time of the service, in seconds since 1970; None if the clock was not set."""
    who: str = ""
    text: str = ""
    replaces: frozenset[str] = frozenset()
    """Ids of the records that this record replaces."""


@dataclass(frozen=True, slots=True)
class Part:
    """The state of a service by running hours alone, or by the calendar alone."""

    state: DueState
    since_s: float | None = None
    """Seconds since the last service; None if unknown."""
    left_s: float | None = None
    """Seconds until the service is due, negative if it is overdue; None if unknown."""
    unknown: Unknown | None = None
    """Reason why the state is unknown; None if it is known."""


@dataclass(frozen=True, slots=True)
class Due:
    """The state of a service."""

    plan: Plan
    state: DueState
    last: Record | None
    """Record of the last service; None if there is none. It has no id if it comes from the plan."""
    run: Part | None
    """State by running hours; None if they do not count."""
    calendar: Part | None
    """State by the calendar; None if it does not count."""

    counter_s: float | None = None
    """Running time now, in seconds; None if it is not known."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """The states by running hours and by the calendar, as far as they count."""
        return tuple(part for part in (self.run, self.calendar) if part is not None)

    @property
    def reasons(self) -> tuple[Unknown, ...]:
        """The reasons why a state is unknown."""
        return tuple(dict.fromkeys(part.unknown for part in self.parts if part.unknown is not None))


def current(records: Iterable[Record]) -> tuple[Record, ...]:
    """Return the records of one service that no other record replaces, in order of their ids."""
    by_id = {record.id: record for record in records}
    replaced = {each for record in by_id.values() for each in record.replaces - {record.id}}
    return tuple(by_id[each] for each in sorted(by_id.keys() - replaced))


def due(plan: Plan, records: Iterable[Record], *, counter_s: float | None, utc: float | None) -> Due:
    """Return the state of a service.

    `records` are the records of this service. `counter_s` is the running time now, in seconds; None if it is
    not known. `utc` is the time in seconds since 1970; None if the clock is not set.
    """
    known = current(records)
    initial = _initial(plan)
    by_run = max(
        (record for record in known if record.sensor == plan.sensor and record.run_s is not None),
        key=lambda record: (record.run_s, _time(record), record.id),
        default=initial if initial is not None and initial.run_s is not None else None,
    )
    by_time = max(known, key=lambda record: (_time(record), record.id), default=initial)
    run = None if plan.run_s is None else _by_run(plan, plan.run_s, by_run, by_time, counter_s)
    calendar = None if plan.calendar is None else _by_calendar(plan, plan.calendar, by_time, utc)
    states = [part.state for part in (run, calendar) if part is not None]
    return Due(
        plan,
        min(states, key=lambda state: state.rank, default=DueState.UNKNOWN),
        last=by_time if run is None or by_run is None else by_run,
        run=run,
        calendar=calendar,
        counter_s=counter_s,
    )


def _time(record: Record) -> float:
    return -math.inf if record.utc is None else record.utc


def _initial(plan: Plan) -> Record | None:
    """Return the record that stands for the last service according to the plan."""
    if plan.last_run_s is None and plan.last_done_utc is None:
        return None
    return Record("", plan.sensor, plan.last_run_s, plan.last_done_utc)


def _unknown(reason: Unknown) -> Part:
    return Part(DueState.UNKNOWN, unknown=reason)


def _by_run(
    plan: Plan, interval_s: float, last: Record | None, by_time: Record | None, counter_s: float | None
) -> Part:
    if last is None or last.run_s is None:
        return _unknown(Unknown.NO_RECORD if by_time is None else Unknown.NO_HOURS)
    if counter_s is None:
        return _unknown(Unknown.NO_COUNTER)
    since = counter_s - last.run_s
    if since < -COUNTER_LAG_S:
        return _unknown(Unknown.RESET)
    since = max(since, 0.0)
    left = interval_s - since
    warn = interval_s * _SOON if plan.warn_run_s is None else plan.warn_run_s
    return Part(_state(left, is_soon=left <= warn), since, left)


def _by_calendar(plan: Plan, interval: CalendarInterval, last: Record | None, utc: float | None) -> Part:
    if last is None:
        return _unknown(Unknown.NO_RECORD)
    if last.utc is None:
        return _unknown(Unknown.NO_DATE)
    if utc is None:
        return _unknown(Unknown.NO_CLOCK)
    if last.utc > utc + CLOCK_LAG_S:
        return _unknown(Unknown.FUTURE)
    end = interval.after(last.utc)
    if math.isinf(end):
        return _unknown(Unknown.NO_END)
    left = end - utc
    if plan.warn_calendar is None:
        is_soon = left <= (end - last.utc) * _SOON
    else:
        is_soon = utc >= plan.warn_calendar.before(end)
    return Part(_state(left, is_soon=is_soon), max(utc - last.utc, 0.0), left)


def _state(left_s: float, *, is_soon: bool) -> DueState:
    if left_s <= 0:
        return DueState.OVERDUE
    return DueState.SOON if is_soon else DueState.OK
