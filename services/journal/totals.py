"""Totals of counting sensors (engine hours, pulses), as far as known when their log cannot continue. Pure.

A total never falls while its sensor is fitted. So of what several files of one vessel say, the highest is
true.
"""

from collections.abc import Iterable, Mapping
from math import isfinite
from types import MappingProxyType
from typing import Any, Final

import msgspec

from sensors.sample import Totals

KEY: Final = "totals"
"""The journal's fact that holds the totals with which its log began, as `encode` writes them."""
_MOST_COUNT: Final = 2**53
"""As many as JSON's readers count exactly; 20,000 pulses a second reach it in 14,000 years."""
_MOST_SECONDS: Final = 1e10
"""Three centuries."""


class Total(msgspec.Struct, frozen=True, array_like=True):
    """A sensor's totals, and how they are known."""

    count: int
    seconds: float
    utc: float = 0.0
    """As of when, seconds since 1970; 0 if that is not known."""
    source: str = ""
    """The file that said so, in words."""
    log: str = ""
    """The log whose number `number` is; empty if an earlier version wrote this."""
    number: int = 0
    """The sensor's last sample number that these totals are known to include; 0 if they include none."""

    def value(self) -> Totals:
        """Return the totals alone."""
        return Totals(self.count, self.seconds)


class _Stored(msgspec.Struct):
    vessel: str
    sensors: dict[str, Total]


def plausible(count: object, seconds: object) -> Totals | None:
    """Return totals of what a document says, where None is none; None if no meter can say that."""
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
    """Return totals with how they are known; `last` has each sensor's last number in `log`."""
    return {
        name: Total(total.count, total.seconds, utc, source, log, last.get(name, 0))
        for name, total in totals.items()
    }


def highest(several: Iterable[Mapping[str, Total]]) -> dict[str, Total]:
    """Return the highest that several files of one vessel say of each sensor."""
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
    """Return the text that `decode` reads, for `KEY`."""
    return msgspec.json.encode(_Stored(vessel, dict(totals))).decode()


def decode(text: Any, vessel: object) -> dict[str, Total]:
    """Return the totals of a vessel; none if the text is not what `encode` made for it."""
    try:
        stored = msgspec.json.decode(str(text), type=_Stored)
    except msgspec.DecodeError:
        return {}
    return stored.sensors if stored.vessel == vessel else {}
