"""Durations that users type, such as `30m`, `90 s` or `1h 30m`."""

import re
from typing import Final

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_UNITS: Final = {
    "s": {"s", "sec", "secs", "second", "seconds"},
    "m": {"m", "min", "mins", "minute", "minutes"},
    "h": {"h", "hr", "hrs", "hour", "hours"},
    "d": {"d", "day", "days"},
    "w": {"w", "week", "weeks"},
}
"""Accepted names of each unit of time. `m` means minutes."""
_FACTORS: Final = {word: _SECONDS[unit] for unit, words in _UNITS.items() for word in words}
_PART: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]+)")
_LONGEST_S: Final = 1e11
"""Longest accepted duration, in seconds: about 3,000 years, so that the result is a valid date."""


def parse_duration(text: str) -> float | None:
    """Return a duration such as `1h 30m` in seconds; None if the text is not a duration."""
    position, total = 0, 0.0
    while position < len(text):
        part = _PART.match(text, position)
        factor = None if part is None else _FACTORS.get(part[2])
        if part is None or factor is None:
            return None
        total += float(part[1]) * factor
        position = part.end()
    return total if position and total <= _LONGEST_S else None
