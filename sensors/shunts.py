"""Parser of shunts, which are written as a resistance or as the rating that is printed on the shunt.

A rating is a current and the voltage across the shunt at that current, such as `500 A / 50 mV`.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from sensors.toml.schema import quantity
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, parse, shown

LEAST_OHM: Final = "10 uohm"
MOST_OHM: Final = "100 ohm"
_MOST_V: Final = 1.0
"""Voltage above which a rating is a mistake. Shunts are rated for 50 to 150 mV, and rarely for more."""
_EXAMPLE: Final = "500 A / 50 mV"
_ONE_PART: Final = re.compile(r"[0-9][0-9.,]*\s*[^\W\d_]+")
_BOTH_PARTS: Final = re.compile(rf"({_ONE_PART.pattern})(?:\s*/\s*|\s+(?:at\s+)?)({_ONE_PART.pattern})")
_UNIT: Final = re.compile(r"(?i)[umk\N{MICRO SIGN}\N{GREEK SMALL LETTER MU}]?(?:(a(?:mp.*)?)|v(?:olt.*)?)")
"""Pattern for the unit of a current (the group) or of a voltage, in upper or lower case."""


@dataclass(frozen=True, slots=True)
class Rating:
    """Rating of a shunt: its highest current, and the voltage at that current."""

    amperes: float
    volts: float


@dataclass(frozen=True, slots=True)
class Shunt:
    """Shunt with a known resistance."""

    ohm: float
    rating: Rating | None = None
    """Rating, from which the resistance was computed; None if the file contains the resistance."""

    @property
    def described(self) -> str:
        """Rating and resistance, such as `500 A / 50 mV = 0.1 mohm`; without a rating only the resistance."""
        resistance = written_ohm(self.ohm)
        if self.rating is None:
            return resistance
        return f"{self.rating.amperes:g} A / {self.rating.volts * 1000:g} mV = {resistance}"


def written_ohm(ohm: float) -> str:
    """Return a shunt's resistance as it can be written in a file, such as `0.1 mohm`."""
    return f"{ohm * 1000:.4g} mohm"


def parse_shunt(raw: Any) -> Shunt:
    """Parse a shunt's resistance (`100 uohm`) or its rating (`500 A / 50 mV`, `50mV/500A`)."""
    if not isinstance(raw, str):
        return Shunt(_resistance(raw))
    parts = _ONE_PART.findall(raw)
    if "/" in raw or len(parts) > 1:
        return _rated(raw, parts)
    for what, unit in (("current", "A"), ("voltage", "V")):
        if _of(parts, unit):
            raise InputError(
                f"{shown(raw)} is only the {what} of a shunt's rating",
                f'Write both numbers that are printed on the shunt, such as "{_EXAMPLE}", or its resistance.',
            )
    return Shunt(_resistance(raw))


@parses(ValueForm("a resistance or a rating", "ohm", limits=f"{LEAST_OHM} to {MOST_OHM}"))
def parse_shunt_ohm(raw: Any) -> float:
    """Parse a shunt as `parse_shunt` does, and return its resistance in ohm."""
    return parse_shunt(raw).ohm


_resistance: Final = quantity("ohm", LEAST_OHM, MOST_OHM)


def _of(parts: list[str], unit: str) -> list[str]:
    """Return the quantities in the unit `unit`, which is A or V."""
    found = []
    for part in parts:
        match = _UNIT.fullmatch(part.lstrip("0123456789.,").strip())
        if match is not None and (unit == "A") is (match[1] is not None):
            found.append(part)
    return found


def _rated(raw: str, parts: list[str]) -> Shunt:
    currents, voltages = _of(parts, "A"), _of(parts, "V")
    if len(parts) != 2 or len(currents) != 1 or len(voltages) != 1:
        raise InputError(
            f"{shown(raw)} is not a current and a voltage",
            f'Write both as they are printed on the shunt, with their units, such as "{_EXAMPLE}".',
        )
    if _BOTH_PARTS.fullmatch(raw.strip()) is None:
        raise InputError(
            f"{shown(raw)} is not the rating of a shunt", f'Write "{currents[0]} / {voltages[0]}".'
        )
    rating = Rating(parse(currents[0], "A"), parse(voltages[0], "V"))
    if rating.amperes == 0 or rating.volts == 0:
        raise InputError(f"{shown(raw)} contains 0", f'Write the rating as printed, such as "{_EXAMPLE}".')
    if rating.volts > _MOST_V:
        raise InputError(
            f"{voltages[0]} is too high for a shunt",
            f'Most shunts are rated for 50 to 150 mV. Did you mean "{rating.volts:g} mV"?',
        )
    ohm = float(f"{rating.volts / rating.amperes:.15g}")
    if not parse(LEAST_OHM, "ohm") <= ohm <= parse(MOST_OHM, "ohm"):
        raise InputError(
            f"{shown(raw)} is a resistance of {f'{ohm:.4g} ohm' if ohm >= 1 else f'{ohm * 1e6:.4g} uohm'}",
            f"A shunt has {LEAST_OHM} to {MOST_OHM}. Correct the units of the current and the voltage.",
        )
    return Shunt(ohm, rating)
