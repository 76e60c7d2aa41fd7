"""Parses the NMEA 0183 sentences from which a satellite receiver's time and state can be determined.

Fields are as in NMEA 0183 and in u-blox's protocol descriptions. A line without a correct checksum raises
NmeaError, and sentences of other types yield `Other`. Functions in this module are pure.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import xor
from typing import Final

LONGEST: Final = 256
"""Maximum length of a line in bytes. The standard allows 82, and some receivers exceed it."""
_SENTENCE: Final = re.compile(rb"\$(P[A-Z0-9]{1,5}|[A-Z]{2}[A-Z]{3}),([ -)+-~]*)\*([0-9A-Fa-f]{2})")
_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(\.\d{1,9})?")
_CENTURY: Final = 80
"""Lowest two-digit year that is in the 20th century. GPS time begins in 1980."""


class NmeaError(ValueError):
    """The line is not a sentence, or its checksum is wrong."""


@dataclass(frozen=True, slots=True)
class Fix:
    """The time of a position fix (RMC)."""

    utc: datetime | None
    """Time of the fix; None if the sentence has no date or no time."""
    is_valid: bool
    """True if the status is A (valid), False if it is V (void)."""
    mode: str
    """Mode indicator, such as A (autonomous), E (estimated) or S (simulator); '' before NMEA 2.3."""


@dataclass(frozen=True, slots=True)
class FullDate:
    """Date and time with a four-digit year (ZDA). The sentence does not state whether there is a fix."""

    utc: datetime | None


@dataclass(frozen=True, slots=True)
class FixQuality:
    """Quality of the position (GGA)."""

    quality: int
    """Source of the position: 0 none, 1 to 5 satellites, 6 estimated, 7 entered by hand, 8 simulator."""
    satellites: int
    """Number of satellites from which the position was computed."""


@dataclass(frozen=True, slots=True)
class InView:
    """Number of satellites of one system, such as GPS, that are in view (GSV)."""

    system: str
    """Talker id, such as GP (GPS) or GL (GLONASS)."""
    satellites: int


@dataclass(frozen=True, slots=True)
class AntennaStatus:
    """The receiver's own report about its antenna (TXT): OK, OPEN, SHORT, INIT or DONTKNOW."""

    status: str


@dataclass(frozen=True, slots=True)
class Other:
    """A valid sentence of a type that Logboat does not use."""


Sentence = Fix | FullDate | FixQuality | InView | AntennaStatus | Other


def checksum(body: bytes) -> int:
    """Return the checksum of a sentence: the exclusive or of all characters between `$` and `*`."""
    return reduce(xor, body, 0)


def sentence(body: str) -> bytes:
    """Return a complete sentence, with `$` and checksum. `body` is the text between `$` and `*`."""
    return b"$%s*%02X\r\n" % (body.encode("ascii"), checksum(body.encode("ascii")))


def parse(line: bytes) -> Sentence:
    """Return the content of a line. Raise NmeaError if the line is not a sentence with a correct checksum."""
    match = _SENTENCE.fullmatch(line.strip(b"\r\n\0 "))
    if match is None:
        raise NmeaError("not a sentence")
    address, text, stated = match.groups()
    if checksum(address + b"," + text) != int(stated, 16):
        raise NmeaError("wrong checksum")
    talker, kind = address[:2].decode(), address[2:].decode()
    read = None if talker.startswith("P") else _READERS.get(kind)
    return Other() if read is None else read(talker, text.decode("ascii").split(","))


def _rmc(_talker: str, fields: list[str]) -> Sentence:
    time, status, date = _at(fields, 0), _at(fields, 1), _at(fields, 8)
    utc = None
    if re.fullmatch(r"\d{6}", date):
        year = int(date[4:])
        century = 1900 if year >= _CENTURY else 2000
        utc = _moment(time, day=int(date[:2]), month=int(date[2:4]), year=century + year)
    return Fix(utc, is_valid=status == "A", mode=_at(fields, 11))


def _zda(_talker: str, fields: list[str]) -> Sentence:
    day, month, year = (_at(fields, number) for number in (1, 2, 3))
    if not (re.fullmatch(r"\d{1,2},\d{1,2},\d{4}", f"{day},{month},{year}")):
        return FullDate(None)
    return FullDate(_moment(_at(fields, 0), day=int(day), month=int(month), year=int(year)))


def _gga(_talker: str, fields: list[str]) -> Sentence:
    return FixQuality(_count(_at(fields, 5)), _count(_at(fields, 6)))


def _gsv(talker: str, fields: list[str]) -> Sentence:
    return InView(talker, _count(_at(fields, 2)))


def _txt(_talker: str, fields: list[str]) -> Sentence:
    name, _, status = _at(fields, 3).partition("=")  # u-blox: ANTSTATUS=OPEN
    return AntennaStatus(status) if name == "ANTSTATUS" else Other()


_READERS: Final = {"RMC": _rmc, "ZDA": _zda, "GGA": _gga, "GSV": _gsv, "TXT": _txt}


def _at(fields: list[str], number: int) -> str:
    return fields[number] if number < len(fields) else ""


def _count(text: str) -> int:
    return int(text) if re.fullmatch(r"\d{1,3}", text) else 0


def _moment(time: str, *, day: int, month: int, year: int) -> datetime | None:
    match = _TIME.fullmatch(time)
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.groups()[:3])
    try:
        start = datetime(year, month, day, hours, minutes, min(seconds, 59), tzinfo=UTC)
        leap = timedelta(seconds=1 if seconds == 60 else 0)  # a leap second
        return None if seconds > 60 else start + leap + timedelta(seconds=float(match[4] or 0))
    except (ValueError, OverflowError):
        return None
