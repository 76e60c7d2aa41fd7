"""Parsers of times and values in the forms that data loggers write."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from enum import Enum
from typing import Final

from .refusals import CellError

MOST_S: Final = 1e10
"""Maximum duration of a recording, in seconds: 317 years.

A longer duration indicates an overflow in the program that wrote the file.
"""
MISSING: Final = frozenset({"", "-", "--", "---", "nan", "null", "none", "na", "n/a", "#n/a"})
"""Texts, in lower case, that loggers write for a missing value."""
_TRUTH: Final = {"true": 1.0, "false": 0.0}
_DAY: Final = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_SLASHES: Final = re.compile(r"\s*\d{1,4}/\d{1,2}/\d{1,4}\b")
_COMMA: Final = re.compile(r"[+-]?\d*,\d+")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TimeForm(Enum):
    """Form in which a recording states times. The value of each member is a human-readable description."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds since 1970"
    MICROSECONDS = "microseconds since 1970"
    NANOSECONDS = "nanoseconds since 1970"
    DAY = "dates such as 20240601"
    LOCAL = "dates without a time zone"
    ZONED = "dates with a time zone"


_NS: Final = {
    TimeForm.SECONDS: 1e9,
    TimeForm.MILLISECONDS: 1e6,
    TimeForm.MICROSECONDS: 1e3,
    TimeForm.NANOSECONDS: 1.0,
}
_SMALLEST: Final = (
    (1e17, TimeForm.NANOSECONDS),
    (1e14, TimeForm.MICROSECONDS),
    (1e11, TimeForm.MILLISECONDS),
)
"""Smallest number that is accepted as a time in each form.

For example, 1e11 s is in the year 5138, but 1e11 ms is in 1973.
"""


@dataclass(frozen=True, slots=True)
class Time:
    """Time stated in a row of a recording."""

    form: TimeForm
    moment: datetime | float
    """The time. A number is in the unit of the time's form."""

    @property
    def zone(self) -> tzinfo | None:
        """Time zone, or None if the form has none."""
        return (
            self.moment.tzinfo if self.form is TimeForm.ZONED and isinstance(self.moment, datetime) else None
        )

    @property
    def epoch_s(self) -> float:
        """Time in seconds since 1970. Local times are treated as UTC."""
        if isinstance(self.moment, datetime):
            zone = self.moment.tzinfo or UTC
            return (self.moment.replace(tzinfo=zone) - _EPOCH).total_seconds()
        return self.moment * _NS[self.form] / 1e9

    def since(self, first: "Time") -> int:
        """Return the nanoseconds from `first` to this time. Raise `CellError` if the number is too large."""
        if isinstance(self.moment, datetime) and isinstance(first.moment, datetime):
            between = self.moment - first.moment
            # much faster than dividing by a timedelta
            offset_ns = ((between.days * 86_400 + between.seconds) * 1_000_000 + between.microseconds) * 1000
            offset_s = offset_ns / 1e9
        else:
            assert not isinstance(self.moment, datetime)
            assert not isinstance(first.moment, datetime)
            offset = (self.moment - first.moment) * _NS[self.form]
            if not math.isfinite(offset):
                raise CellError(f"{self.moment:.6g}", _TOO_LONG)
            offset_s, offset_ns = offset / 1e9, round(offset)
        if abs(offset_s) > MOST_S or abs(offset_ns) >= 2**63:  # offsets are stored in 64 bits
            raise CellError(f"{offset_s:.6g} s", _TOO_LONG)
        return offset_ns


_TOO_LONG: Final = f"after the first row is too long for a recording; the limit is {MOST_S:.6g} s"


def parse_time(text: str, expected: TimeForm | None = None, *, days: bool = True) -> Time:
    """Parse a row's time; `expected` is the form of the path's earlier rows, if there are any.

    `days` is False if the file counts seconds. A number such as 20240601 is then not a date.

    Raises `CellError` if the text is not a time, or if its form is not the expected one.
    """
    time = _time(text, days=days)
    if expected not in (None, time.form):
        assert expected is not None
        raise CellError(
            text,
            f"is not in the same form as earlier times ({expected.value}); for each path, write every time as"
            " a date, or every time in seconds, and give a time zone for all times or for none",
        )
    return time


def _time(text: str, *, days: bool) -> Time:
    try:
        number = float(text)
    except ValueError:
        return _date(text)
    if not math.isfinite(number):
        raise CellError(text, "is not a time; write an ISO 8601 date and time, or a number of seconds")
    if days and _DAY.fullmatch(text):
        try:
            return Time(TimeForm.DAY, datetime.strptime(text, "%Y%m%d"))  # noqa: DTZ007  # no zone is written
        except ValueError:
            pass  # such as 20240231, which is a number
    form = next((form for least, form in _SMALLEST if abs(number) >= least), TimeForm.SECONDS)
    return Time(form, number)


def _date(text: str) -> Time:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return Time(TimeForm.LOCAL, moment)
        return Time(TimeForm.ZONED, moment)
    except (ValueError, OverflowError) as error:
        if _SLASHES.match(text):
            cause = (
                "is a date with slashes, whose day and month can be confused; write it as 2024-06-01T10:00:00"
            )
        elif _COMMA.fullmatch(text):
            cause = "is a number with a decimal comma; use a decimal point"
        else:
            cause = "is not a time; write an ISO 8601 date and time, or a number of seconds"
        raise CellError(text, cause) from error


def parse_value(text: str, *, decimal_comma: bool) -> float | None:
    """Parse a value. Return None if the logger recorded no value. True and False are 1 and 0.

    Raises `CellError` if the text is not a finite number.
    """
    try:
        value = float(text)
    except ValueError:
        value = _words(text, decimal_comma=decimal_comma)
    if math.isinf(value):
        raise CellError(text, "is not a finite number; correct or remove the line")
    return None if math.isnan(value) else value


def _words(text: str, *, decimal_comma: bool) -> float:
    word = text.casefold()
    if word in MISSING:
        return math.nan
    if word in _TRUTH:
        return _TRUTH[word]
    if _COMMA.fullmatch(text):
        if decimal_comma:
            return float(text.replace(",", "."))
        raise CellError(text, "is a number with a decimal comma; use a decimal point")
    raise CellError(text, "is not a number; correct or remove the line")
