"""Totals of counting sensors (engine hours, pulses), as known when their log cannot continue.

A total never decreases while its sensor is fitted. So if several files of a vessel disagree, the highest
value is right.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sensors.sample import Totals

KEY: Final = "totals"
"""Key of the journal's value with the totals with which its log began, as `encode` writes them."""
_MOST_COUNT: Final = 2**53
"""Highest count that all JSON readers represent exactly; 20,000 pulses a second take 14,000 years."""
_MOST_SECONDS: Final = 1e10
"""Highest plausible number of seconds: three centuries."""


class Total(msgspec.Struct, frozen=True, array_like=True):
    """A sensor's totals, with their source."""

    count: int
    seconds: float
    utc: float = 0.0
    """Time at which the totals were valid, in seconds since 1970; 0 if unknown."""
    source: str = ""
    """Description of the file from which the totals come."""
    log: str = ""
    """The log to which `number` refers; empty if an earlier version wrote this."""
    number: int = 0
    """Number of the sensor's last sample known to be included in these totals; 0 if none is."""

    def value(self) -> Totals:
        """Return the totals without their source."""
        return Totals(self.count, self.seconds)


class _Stored(msgspec.Struct):
    vessel: str
    sensors: dict[str, Total]


def plausible(count: object, seconds: object) -> Totals | None:
    """Return the totals that a document states; None if no counter can have these values.

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
    """Return totals with time and source added; `last` has each sensor's last number in `log`."""
    return {
        name: Total(total.count, total.seconds, utc, source, log, last.get(name, 0))
        for name, total in totals.items()
    }


def highest(several: Iterable[Mapping[str, Total]]) -> dict[str, Total]:
    """Return each sensor's highest totals among those that several files of one vessel state."""
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

    The result is empty if `encode` did not write the string for this vessel.
    """
    try:
        stored = msgspec.json.decode(str(text), type=_Stored)
    except msgspec.DecodeError:
        return {}
    return stored.sensors if stored.vessel == vessel else {}
