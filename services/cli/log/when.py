"""Parses times that users type: `30m`, `2 h`, `today`, `12:08`, or a date."""

import re
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from services.cli.durations import parse_duration
from services.console.errors import UsageError

FORMS: Final = "`30m`, `1 hour` or `2 d` (ago), `today`, `yesterday`, `12:08`, 2025-10-09 or 2025-10-09T08:00"
"""Accepted forms of a time, for messages and for the help."""


def parse_when(text: str, *, now: float, zone: tzinfo) -> float:
    """Parse a time that a user typed. Return it in seconds since 1970.

    The text must have one of the `FORMS`. A duration is counted back from `now`. A time of day means the
    latest such time before `now`. A date without a time zone is in the time zone `zone`. Raise UsageError for
    any other text.
    """
    typed = text.strip()
    word = typed.casefold()
    ago = parse_duration(word.removesuffix("ago").rstrip())
    if ago is not None:
        return now - ago
    present = datetime.fromtimestamp(now, tz=zone)
    if word == "now":
        return now
    if word in ("today", "yesterday"):
        return _on(present, time()) if word == "today" else _on(present - timedelta(days=1), time())
    try:
        clock = _clock(typed)
        if clock is not None:
            today = _on(present, clock)
            return today if today <= now else _on(present - timedelta(days=1), clock)
        moment = datetime.fromisoformat(typed)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is not a valid time; write {FORMS}") from error


def _clock(text: str) -> time | None:
    """Return a time of day such as `6:05` or `12:08:30`; None if the text has another form."""
    if not re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        return None
    hour, minute, second, *_ = [*map(int, text.split(":")), 0]
    return time(hour, minute, second)


def _on(day: datetime, clock: time) -> float:
    """Return a time of day on the date of `day`, in the time zone of `day`."""
    return datetime.combine(day.date(), clock, tzinfo=day.tzinfo).timestamp()
