"""Conversion of quantities between human-readable text and SI numbers.

This module contains the table of units, the only parser of quantities (`parse`), and the only formatters of
durations and numbers of bytes. The module `presentation` defines how a sensor's value is shown. An error
describes what is wrong with a text, but not where in a file the text is.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Final

from .plaintext import clean


class InputError(ValueError):
    """Invalid user input. The message says what is wrong, and what to do.

    `at` is the path from the examined value to its invalid part: `(1,)` is the second element.
    """

    def __init__(self, text: str, remedy: str = "", *, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{text}. {remedy}" if remedy else text)
        self.text = text
        self.remedy = remedy
        self.at = at


@dataclass(frozen=True, slots=True)
class Unit:
    """Unit with its conversion: SI value = number * factor + offset."""

    factor: float
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Dimension:
    """Units in which users may write the quantities that share an SI unit."""

    name: str
    """Name with its article, such as `a duration`."""
    usual: tuple[str, ...]
    """Units to propose in the error message if the unit is missing."""
    units: Mapping[str, Unit]


def _units(**factors: float) -> dict[str, Unit]:
    return {name: Unit(factor) for name, factor in factors.items()}


def _metric(base: str, **prefixes: float) -> dict[str, Unit]:
    return {base: Unit(1.0)} | {f"{prefix}{base}": Unit(factor) for prefix, factor in prefixes.items()}


ZERO_CELSIUS: Final = 273.15
"""Temperature of 0 °C in kelvin."""
_TURN: Final = 2 * math.pi
# gallons: 231 in3 in the United States, 4.54609 dm3 in Britain (NIST SP 811, appendix B)
_US_GALLON: Final = 3.785411784e-3
_IMPERIAL_GALLON: Final = 4.54609e-3
_BYTES: Final = _metric("B", k=1e3, M=1e6, G=1e9, T=1e12, Ki=2.0**10, Mi=2.0**20, Gi=2.0**30)

DIMENSIONS: Final[Mapping[str, Dimension]] = {
    "s": Dimension(
        "a duration",
        ("ms", "s", "min"),
        _units(us=1e-6, ms=1e-3, s=1.0, min=60.0, h=3600.0, d=86400.0),
    ),
    "Hz": Dimension("a frequency", ("Hz",), _metric("Hz", m=1e-3, k=1e3) | {"rpm": Unit(1 / 60)}),
    "V": Dimension("a voltage", ("V",), _metric("V", u=1e-6, m=1e-3, k=1e3)),
    "A": Dimension("a current", ("A",), _metric("A", u=1e-6, m=1e-3, k=1e3)),
    "ohm": Dimension("a resistance", ("ohm",), _metric("ohm", u=1e-6, m=1e-3, k=1e3, M=1e6)),
    "W": Dimension("a power", ("W",), _metric("W", m=1e-3, k=1e3, M=1e6)),
    "J": Dimension(
        "an energy",
        ("kWh", "J"),
        _metric("J", k=1e3, M=1e6) | {"Wh": Unit(3600.0), "kWh": Unit(3.6e6)},
    ),
    "C": Dimension("a charge", ("Ah", "C"), {"C": Unit(1.0), "Ah": Unit(3600.0), "mAh": Unit(3.6)}),
    "K": Dimension(
        "a temperature",
        ("°C", "K"),
        {"K": Unit(1.0), "°C": Unit(1.0, ZERO_CELSIUS), "°F": Unit(5 / 9, ZERO_CELSIUS - 32 * 5 / 9)},
    ),
    # psi: 1 lbf (4.4482216152605 N) on 1 in2; inHg: 1 in of mercury at 0 °C (NIST SP 811, appendix B)
    "Pa": Dimension(
        "a pressure",
        ("bar", "Pa"),
        _metric("Pa", h=1e2, k=1e3, M=1e6) | _units(bar=1e5, mbar=1e2, psi=6894.757293168, inHg=3386.389),
    ),
    "ratio": Dimension("a percentage", ("%",), {"%": Unit(0.01)}),
    "m3": Dimension(
        "a volume",
        ("l", "m3"),
        _units(m3=1.0, l=1e-3, L=1e-3, ml=1e-6)
        | {"US gal": Unit(_US_GALLON), "imp gal": Unit(_IMPERIAL_GALLON)},
    ),
    "m3/s": Dimension(
        "a flow rate",
        ("l/h", "m3/s"),
        {
            "m3/s": Unit(1.0),
            "m3/h": Unit(1 / 3600),
            "l/s": Unit(1e-3),
            "l/min": Unit(1e-3 / 60),
            "l/h": Unit(1e-3 / 3600),
            "L/min": Unit(1e-3 / 60),
            "L/h": Unit(1e-3 / 3600),
            "US gal/min": Unit(_US_GALLON / 60),
            "US gal/h": Unit(_US_GALLON / 3600),
            "imp gal/min": Unit(_IMPERIAL_GALLON / 60),
            "imp gal/h": Unit(_IMPERIAL_GALLON / 3600),
        },
    ),
    # the inch, the foot, the mile and the nautical mile (NIST SP 811, appendix B)
    "m": Dimension(
        "a length",
        ("m",),
        _metric("m", m=1e-3, c=1e-2, k=1e3) | {"nmi": Unit(1852.0), "in": Unit(0.0254), "ft": Unit(0.3048)},
    ),
    "m/s": Dimension(
        "a speed",
        ("kn", "m/s"),
        {"m/s": Unit(1.0), "kn": Unit(1852 / 3600), "km/h": Unit(1 / 3.6), "mph": Unit(0.44704)},
    ),
    "rad": Dimension(
        "an angle", ("°", "rad"), {"rad": Unit(1.0), "°": Unit(_TURN / 360), "deg": Unit(_TURN / 360)}
    ),
    "rad/s": Dimension("a rate of turn", ("°/s", "rad/s"), {"rad/s": Unit(1.0), "°/s": Unit(_TURN / 360)}),
    "B": Dimension("a number of bytes", ("GB",), _BYTES),
    "B/s": Dimension("a data rate", ("kB/s", "MB/s"), {f"{name}/s": unit for name, unit in _BYTES.items()}),
}
"""Dimensions by SI unit, as Signal K writes it (and `ohm`, `B`, `B/s`)."""

RATES: Final = frozenset({"Hz", "m3/s", "m/s", "rad/s", "kg/s"})
"""SI units of rates, which are quantities per second."""

_SPELLINGS: Final = str.maketrans(
    {
        "\N{MICRO SIGN}": "u",
        "\N{GREEK SMALL LETTER MU}": "u",
        "\N{OHM SIGN}": "ohm",
        "\N{GREEK CAPITAL LETTER OMEGA}": "ohm",
        "\N{SUPERSCRIPT THREE}": "3",
        "\N{MINUS SIGN}": "-",
        "\N{NO-BREAK SPACE}": " ",
    }
)
_PART: Final = re.compile(
    r"\s*([0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)\s*"
    r"(m3(?:/[a-z]+)?|(?:US|imp)\s+gal(?:/[a-z]+)?|[^\s0-9.,+-][^\s0-9]*)?"
)


def parse(written: object, unit: str) -> float:
    """Parse a quantity with its unit (`50 ms`, `12.8 V`, `3 min 20 s`), and convert it to the SI unit `unit`.

    Raises `InputError`. A number without a unit is also an error, because its unit is unknown.
    """
    return _parse(written, unit, difference=False)


def parse_value(written: object, unit: str, *, difference: bool = False) -> float:
    """Return a quantity in the SI unit `unit`. A number without a unit is assumed to be in that unit.

    If `difference` is True, the text is a difference between two values (`5 °C` is 5 K). Raises `InputError`.
    """
    if isinstance(written, int | float) and not isinstance(written, bool):
        return finite(written)
    return _parse(written, unit, difference=difference)


def _parse(written: object, unit: str, *, difference: bool) -> float:
    dimension = DIMENSIONS.get(unit)
    if dimension is None:
        raise InputError(
            f"{shown(written)} is not a plain number" + (f" in {unit}" if unit else ""),
            "Write only the number, without quotes.",
        )
    example = f'"10 {dimension.usual[0]}"'
    if isinstance(written, int | float) and not isinstance(written, bool):
        raise InputError(f"{shown(written)} has no unit", _proposal(finite(written), dimension))
    if not isinstance(written, str):
        raise InputError(f"{shown(written)} is not {dimension.name}", f"Write, for example, {example}.")
    text = written.translate(_SPELLINGS).strip()
    sign, text = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    parts = _parts(text)
    if not parts or (len(parts) > 1 and unit != "s"):
        remedy = _without_comma(written, unit, difference=difference) or f"Write, for example, {example}."
        raise InputError(f"{shown(written)} is not {dimension.name}", remedy)
    total = 0.0
    for number, name in parts:
        part_unit = _unit(name, number, unit=unit, dimension=dimension)
        total += sign * number * part_unit.factor + (0.0 if difference else part_unit.offset)
    return float(f"{finite(total):.15g}")  # 940 mV is 0.94 V, not 0.9400000000000001


def _without_comma(written: str, unit: str, *, difference: bool) -> str:
    """Return the remedy if a string contains a number with a decimal comma; otherwise return ''."""
    match = _COMMA.search(written)
    if match is None:
        return ""
    pointed, joined = written.replace(",", "."), written.replace(",", "")
    try:
        _parse(pointed, unit, difference=difference)
    except InputError as error:
        return f'Write "{joined}", without commas.' if _THOUSANDS.search(written) else error.remedy
    if _THOUSANDS.search(written):
        return f'Write "{pointed}" with a decimal point, or "{joined}" for thousands.'
    return f'Write "{pointed}", with a decimal point, not a comma.'


_COMMA: Final = re.compile(r"[0-9],[0-9]")
_THOUSANDS: Final = re.compile(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?![0-9])")


def unit_of_text(written: object, unit: str) -> str | None:
    """Return the unit in which a quantity with the SI unit `unit` was written, such as `l` for `300 l`.

    Returns None if the text has no unit or several, as in `3 min 20 s`.
    """
    if not isinstance(written, str) or unit not in DIMENSIONS:
        return None
    parts = _parts(written.translate(_SPELLINGS).strip().lstrip("+-"))
    return parts[0][1] or None if len(parts) == 1 else None


def parse_unit_name(written: object, unit: str) -> str:
    """Return the name of a unit in which quantities with the SI unit `unit` can be written, such as `psi`.

    Raises `InputError` if there is no such unit.
    """
    dimension = DIMENSIONS[unit]
    name = " ".join(written.translate(_SPELLINGS).split()) if isinstance(written, str) else ""
    if name not in dimension.units:
        if f"US {name}" in dimension.units:
            remedy = f'Write "US {name}" or "imp {name}".'
        elif near := close(name, dimension.units):
            remedy = f'Did you mean "{near}"?'
        else:
            remedy = f"Write one of: {', '.join(dimension.units)}."
        raise InputError(f"{shown(written)} is not a unit for {dimension.name}", remedy)
    return name


def _parts(text: str) -> list[tuple[float, str]]:
    """Return the pairs of number and unit, or an empty list if the text does not consist of such pairs."""
    parts, position = [], 0
    while position < len(text):
        match = _PART.match(text, position)
        if match is None or match.end() == position:
            return []
        parts.append((float(match[1]), " ".join((match[2] or "").split())))
        position = match.end()
    return parts


def _unit(name: str, number: float, *, unit: str, dimension: Dimension) -> Unit:
    known = dimension.units.get(name)
    if known is not None:
        return known
    if not name:
        if unit == "ratio":
            raise InputError(f"{number:g} has no unit", f'Write "{number:g} %", or a number without quotes.')
        raise InputError(f"{number:g} has no unit", _proposal(number, dimension))
    if f"US {name}" in dimension.units:
        raise InputError(
            f'"{name}" can be US or imperial gallons',
            f'Write "{number:g} US {name}" or "{number:g} imp {name}".',
        )
    other = si_of(name)
    if other not in ("", unit):
        raise InputError(
            f'"{name}" is a unit for {DIMENSIONS[other].name}, but this is {dimension.name}',
            f"Write, for example, {_example(number, dimension)}.",
        )
    near = close(name, dimension.units)
    remedy = f'Did you mean "{number:g} {near}"?' if near else f"Known units: {', '.join(dimension.units)}."
    raise InputError(f'"{name}" is not a unit for {dimension.name}', remedy)


def _example(number: float, dimension: Dimension) -> str:
    return f'"{number:g} {dimension.usual[0]}"'


def _proposal(number: float, dimension: Dimension) -> str:
    return "Write " + " or ".join(f'"{number:g} {name}"' for name in dimension.usual) + "."


def finite(number: float) -> float:
    """Return the number as a float; raise `InputError` if it is infinite, `nan` or too large for a float."""
    if isinstance(number, int) and abs(number) > _LARGEST:
        raise InputError(f"{shown(number)} is too large", "Write a smaller number.")
    if not math.isfinite(number):
        raise InputError(f"{shown(number)} is not a finite number", "Write a number such as 12.5.")
    return float(number)


_LARGEST: Final = 10**300


def tidy(value: float) -> float:
    """Return a value rounded to eight significant digits, which removes floating-point rounding errors."""
    return float(f"{value:.8g}")


def close(word: str, words: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the element of `words` that the user probably meant, ignoring case, or '' if none is similar.

    `cutoff` is the lowest similarity that counts, from 0 to 1.
    """
    folded = {candidate.casefold(): candidate for candidate in words}
    near = get_close_matches(word.casefold(), folded, n=1, cutoff=cutoff)
    return folded[near[0]] if near else ""


def si_of(name: str) -> str:
    """Return the SI unit that corresponds to the unit `name`, such as `Pa` for `bar`.

    Returns an empty string if `name` is not known.
    """
    name = name.translate(_SPELLINGS)
    return next((unit for unit, dimension in DIMENSIONS.items() if name in dimension.units), "")


# Output for people ---------------------------------------------------------------------------------

NO_VALUE: Final = "-"
"""Text shown for a sensor without a value."""
_STEPS: Final = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def format_duration(seconds: float) -> str:
    """Return a duration in its two largest units: `50 ms`, `2.5 s`, `3 min 20 s`, `2 h`, `4 d`."""
    if not math.isfinite(seconds):
        return "indefinitely" if seconds > 0 else NO_VALUE
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    for digits, unit, factor, limit in ((3, "us", 1e6, 1e-3), (3, "ms", 1e3, 1.0), (2, "s", 1.0, 10.0)):
        shortened = float(f"{seconds:.{digits}g}")
        if 0 < shortened < limit:
            return f"{shortened * factor:.{digits}g} {unit}"
    finest = next((small for (_, size), (_, small) in pairwise(_STEPS) if seconds >= size), 1)
    rounded = round(seconds / finest) * finest
    for (unit, size), (small_unit, small) in pairwise(_STEPS):
        if rounded >= size:
            whole, rest = divmod(rounded // small, size // small)
            return f"{whole} {unit} {rest} {small_unit}" if rest else f"{whole} {unit}"
    return f"{rounded} s"


def format_bytes(number: float) -> str:
    """Return a number of bytes in decimal units, as printed on SD cards: `512 B`, `1.5 MB`, `20 GB`."""
    if number < 0:
        return f"-{format_bytes(-number)}"
    units = ("B", "kB", "MB", "GB")
    size = next((size for size, _ in enumerate(units) if number < 999.5 * 1000**size), len(units))
    if size == 0:
        return f"{number:.0f} B"
    unit = [*units, "TB"][size]
    scaled = number / 1000**size
    return f"{scaled:.3g} {unit}" if scaled < 1000 else f"{scaled:.0f} {unit}"


_MOST_SHOWN: Final = 40


def shown(value: object) -> str:
    """Return a value as it would be written in a file, shortened and on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        cut = value if len(value) <= _MOST_SHOWN else value[:_MOST_SHOWN] + "…"
        return f'"{clean(cut)}"'
    if isinstance(value, int) and value.bit_length() > 128:
        return "a huge number"
    if isinstance(value, int | float):
        return f"{value}"
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return "a date or time"
