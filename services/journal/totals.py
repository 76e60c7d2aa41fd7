"""Totals of counting sensors (engine hours, pulses), which are carried over from one log to the next.

A total never decreases while its sensor is fitted. So if a vessel's files contain different values, the
highest one is correct.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sensors.sample import Totals

KEY: Final = "totals"
"""Key under which the journal stores the totals at the start of its log, in the format of `encode`."""
_MOST_COUNT: Final = 2**53
"""Highest count that every JSON parser represents exactly.

At 20,000 pulses per second, a sensor takes 14,000 years to reach it.
"""
_MOST_SECONDS: Final = 1e10
"""Highest plausible number of seconds: three centuries."""


class Total(msgspec.Struct, frozen=True, array_like=True):
    """Totals (count and seconds) of a counting sensor, with the source of these values."""

    count: int
    seconds: float
    utc: float = 0.0
    """Time at which the totals were valid, in seconds since 1970; 0 if unknown."""
    source: str = ""
    """Description of the file from which the totals come."""
    log: str = ""
    """Log to which `number` refers; empty in totals written by earlier versions."""
    number: int = 0
    """Number of the last sample known to be included in these totals; 0 if no sample is."""

    def value(self) -> Totals:
        """Return the totals without their source."""
        return Totals(self.count, self.seconds)


class _Stored(msgspec.Struct):
    vessel: str
    sensors: dict[str, Total]


def plausible(count: object, seconds: object) -> Totals | None:
    """Return the totals stated in a document; None if the values are not plausible.

    A value of None in the document counts as zero.
    """
    number = 0 if count is None else count
    time = 0.0 if seconds is None else seconds
    if type(number) is not int or type(time) not in (int, float):
        return None
    assert isinstance(time, int | float)
    if not 0 <= number <= _MOST_COUNT or not isfinite(time) or not 0 <= time <= _MOST_SECONDS:
        return None
    return Totals(number, float(time))


def of(
    totals: Mapping[str, Totals],
    *,
    utc: float,
    source: str,
    log: str = "",
    last: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Total]:
    """Return totals with their time and source, by sensor id.

    `last` contains each sensor's last sample number in `log`.
    """
    return {
        name: Total(total.count, total.seconds, utc, source, log, last.get(name, 0))
        for name, total in totals.items()
    }


def highest(several: Iterable[Mapping[str, Total]]) -> dict[str, Total]:
    """Return the highest totals of each sensor, given the totals from several files of one vessel."""
    by_sensor: dict[str, Total] = {}
    for some in several:
        for name, total in some.items():
            known = by_sensor.get(name)
            if known is None:
                by_sensor[name] = total
                continue
            best = max(known, total, key=lambda each: (each.seconds, each.count, each.utc, each.number))
            by_sensor[name] = msgspec.structs.replace(
                best, count=max(known.count, total.count), seconds=max(known.seconds, total.seconds)
            )
    return by_sensor


def encode(vessel: str, totals: Mapping[str, Total]) -> str:
    """Return the totals as a string to store under `KEY`, which `decode` reads."""
    return msgspec.json.encode(_Stored(vessel, dict(totals))).decode()


def decode(text: Any, vessel: object) -> dict[str, Total]:
    """Return a vessel's totals from a stored string.

    The result is empty if the string is invalid or was written for a different vessel.
    """
    try:
        stored = msgspec.json.decode(str(text), type=_Stored)
    except msgspec.DecodeError:
        return {}
    return stored.sensors if stored.vessel == vessel else {}
