"""Settings of service that falls due, such as an oil change every 250 running hours.

This module declares the keys of `[[service]]` in `sensors.toml`. `sensors.config.services` checks their
combinations, and `services.maintenance_schedule` decides when a service is due.
"""

import re
import unicodedata
from dataclasses import KW_ONLY
from datetime import UTC, date, datetime
from typing import Any, Final

from sensors.calendar_interval import CalendarInterval
from sensors.toml.declarations import key, section
from sensors.toml.schema import identifier, quantity, text
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, close, shown

Interval = float | CalendarInterval
"""Interval between two services: running time in seconds, or a time of the calendar."""

_HOUR_S: Final = 3600.0
_HOURS: Final = ("h", "hour", "hours")
_MOST_HOURS: Final = 100_000
_MOST_YEARS: Final = 20
_MONTHS: Final = {"month": 1, "months": 1, "year": 12, "years": 12}
_DAYS: Final = {"d": 1, "day": 1, "days": 1, "week": 7, "weeks": 7}
_MOST: Final = {**dict.fromkeys(_MONTHS, 12 * _MOST_YEARS), **dict.fromkeys(_DAYS, 366 * _MOST_YEARS)}
_INTERVAL: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([^\W\d_]*)")
_LONGEST_ID: Final = 32


@parses(ValueForm("an interval", limits="1 h to 100000 h, or 1 day to 20 years"))
def parse_service_interval(raw: Any) -> Interval:
    """Parse running hours (`250 h`), or a time of the calendar (`90 days`, `6 weeks`, `12 months`, `1 year`).

    Raises `InputError`.
    """
    match = _INTERVAL.fullmatch(raw.strip()) if isinstance(raw, str) else _INTERVAL.fullmatch(f"{raw}")
    if match is None or isinstance(raw, bool):
        raise InputError(f"{shown(raw)} is not an interval", 'Write, for example, "250 h" or "12 months".')
    number, word = float(match[1]), match[2]
    if not word:
        raise InputError(f"{shown(raw)} has no unit", f'Write "{match[1]} h" or "{match[1]} days".')
    if word in _HOURS:
        _check_range(raw, number, least=1, most=_MOST_HOURS, words=("1 h", f"{_MOST_HOURS} h"))
        return number * _HOUR_S
    if word not in _MOST:
        near = close(word, (*_HOURS, *_MOST))
        remedy = (
            f'Did you mean "{match[1]} {near}"?'
            if near
            else 'Write "h", "days", "weeks", "months" or "years".'
        )
        raise InputError(f'"{word}" is not a unit for an interval', remedy)
    if not number.is_integer():
        raise InputError(
            f"{shown(raw)} is not a whole number of {word}", "Write a smaller unit, such as days."
        )
    step = _MONTHS.get(word) or _DAYS[word]
    steps = int(number) * step
    _check_range(raw, steps, least=1, most=_MOST[word], words=("1 day", f"{_MOST_YEARS} years"))
    return CalendarInterval(months=steps) if word in _MONTHS else CalendarInterval(days=steps)


def _check_range(raw: object, number: float, *, least: float, most: float, words: tuple[str, str]) -> None:
    if number < least:
        raise InputError(f"{shown(raw)} is too short", f'Write "{words[0]}" or more.')
    if number > most:
        raise InputError(f"{shown(raw)} is too long", f'Write "{words[1]}" or less.')


@parses(ValueForm("a date"))
def parse_date(raw: Any) -> float:
    """Parse a date (`2026-05-14`), and return its beginning in UTC, in seconds since 1970.

    Raises `InputError`.
    """
    try:
        day = raw if isinstance(raw, date) else date.fromisoformat(raw.strip())
    except (AttributeError, TypeError, ValueError):
        raise InputError(f"{shown(raw)} is not a date", "Write the date as in 2026-05-14.") from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def id_of_name(name: str) -> str:
    """Return the id of a service without a key `id`: its name in lower-case letters, digits and hyphens.

    Accents are removed. Return '' if nothing is left.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    without_accents = "".join(each for each in plain if not unicodedata.combining(each))
    words = re.findall("[a-z0-9]+", without_accents)
    return "-".join(words)[:_LONGEST_ID].strip("-")


@section
class ServiceSettings:
    """Settings from one `[[service]]` table."""

    _: KW_ONLY
    name: str = key(text(80, least=1), example='"Engine oil"', meaning="Name of the service.")
    id: str = key(
        identifier,
        default="",
        without="made from the name",
        example='"engine-oil"',
        meaning="Id of the service, to which records refer. Set it before you change the name.",
    )
    sensor: str = key(
        identifier,
        default="",
        without="no sensor",
        example='"main-hours"',
        meaning="Sensor that counts the running hours. Required for an interval in running hours.",
    )
    every: Interval | None = key(
        parse_service_interval,
        default=None,
        without="only `or_every` counts",
        example='"250 h"',
        meaning='Interval: running hours (`"250 h"`), or a time (`"90 days"`, `"6 weeks"`, `"12 months"`).',
    )
    or_every: Interval | None = key(
        parse_service_interval,
        default=None,
        without="only `every` counts",
        example='"12 months"',
        meaning="Second interval: a time if `every` is in running hours, or the reverse. The service is due"
        " when either of the two is over.",
    )
    warn_before: Interval | None = key(
        parse_service_interval,
        default=None,
        without="the last tenth of the interval",
        example='"25 h"',
        meaning="Running hours or time before the end of the interval, when the service is due soon.",
    )
    last_hours_s: float | None = key(
        quantity("s", "0 h", "1000000 h"),
        name="last_hours",
        default=None,
        without="unknown",
        example='"1234 h"',
        meaning="Running hours at the last service before the first record.",
    )
    last_done_utc: float | None = key(
        parse_date,
        name="last_done",
        default=None,
        without="unknown",
        example="2026-05-14",
        meaning="Date of the last service before the first record.",
    )
    text: str = key(
        text(200),
        default="",
        without="no text",
        example='"Filter 1R-0739, 12 l of 15W-40"',
        meaning="Description of the work.",
    )

    @property
    def run_s(self) -> float | None:
        """The interval in seconds of running time; None if running hours do not count."""
        return run_of(self.every, self.or_every)

    @property
    def calendar(self) -> CalendarInterval | None:
        """The interval of the calendar; None if the calendar does not count."""
        return calendar_of(self.every, self.or_every)


def run_of(*intervals: Interval | None) -> float | None:
    """Return the first interval that is in running time, in seconds; None if there is none."""
    return next((each for each in intervals if isinstance(each, float)), None)


def calendar_of(*intervals: Interval | None) -> CalendarInterval | None:
    """Return the first interval that is a time of the calendar; None if there is none."""
    return next((each for each in intervals if isinstance(each, CalendarInterval)), None)
