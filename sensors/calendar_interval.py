"""Calendar intervals, such as 12 months or 90 days."""

import calendar
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = 12


@dataclass(frozen=True, slots=True)
class CalendarInterval:
    """A number of months, a number of days, or both."""

    months: int = 0
    days: int = 0

    def after(self, utc: float) -> float:
        """Return the time at which the interval ends if it begins at `utc`. Both are in seconds since 1970.

        If the month at the end has no such day, the interval ends on the last day of that month. Return
        infinity if the calendar has no such date.
        """
        try:
            begin = datetime.fromtimestamp(utc, UTC)
            years, month = divmod(begin.month - 1 + self.months, _MONTHS)
            year, month = begin.year + years, month + 1
            day = min(begin.day, calendar.monthrange(year, month)[1])
            return (begin.replace(year=year, month=month, day=day) + timedelta(days=self.days)).timestamp()
        except (OverflowError, ValueError, OSError):
            return math.inf

    def before(self, utc: float) -> float:
        """Return the time at which the interval begins if it ends at `utc`.

        Both times are in seconds since 1970, and the calendar is applied as in `after`.
        """
        end = CalendarInterval(-self.months, -self.days).after(utc)
        return -math.inf if math.isinf(end) else end

    def __str__(self) -> str:
        """Return the interval as it is written in a file, such as `12 months`."""
        parts = [
            f"{number} {word}{'' if number == 1 else 's'}"
            for number, word in ((self.months, "month"), (self.days, "day"))
            if number
        ]
        return " ".join(parts) or "0 days"
