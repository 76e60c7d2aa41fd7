"""NMEA sentences are parsed, and invalid ones are rejected."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gnss.nmea import (
    AntennaStatus,
    Fix,
    FixQuality,
    FullDate,
    InView,
    NmeaError,
    Other,
    parse,
    sentence,
)

from .receiver import rmc

SECONDS = st.integers(
    int(datetime(1980, 1, 6, tzinfo=UTC).timestamp()), int(datetime(2079, 12, 31, tzinfo=UTC).timestamp())
)

CONTENT = st.characters(min_codepoint=0x2B, max_codepoint=0x7E, exclude_characters="*$")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            b"$GPRMC,225446,A,4916.45,N,12311.12,W,000.5,054.7,191194,020.3,E*68\r\n",
            Fix(datetime(1994, 11, 19, 22, 54, 46, tzinfo=UTC), is_valid=True, mode=""),
        ),
        (
            sentence("GNRMC,120000.50,V,,,,,,,051127,,,N"),
            Fix(datetime(2027, 11, 5, 12, 0, 0, 500_000, tzinfo=UTC), is_valid=False, mode="N"),
        ),
        (sentence("GPRMC,,V,,,,,,,,,,N"), Fix(None, is_valid=False, mode="N")),
        (sentence("GPRMC,246000,A,,,,,,,051127,,,A"), Fix(None, is_valid=True, mode="A")),
        (sentence("GPRMC,120000,A,,,,,,,310227,,,A"), Fix(None, is_valid=True, mode="A")),
        (sentence("GPRMC"), None),
        (
            sentence("GPZDA,235960.00,31,12,2026,00,00"),
            FullDate(datetime(2027, 1, 1, tzinfo=UTC)),
        ),
        (sentence("GPZDA,,,,,00,00"), FullDate(None)),
        (sentence("GNGGA,120000,5400.0,N,01000.0,E,1,09,1.0,0,M,0,M,,"), FixQuality(1, 9)),
        (sentence("GLGSV,3,1,11,65,10,120,30"), InView("GL", 11)),
        (sentence("GNTXT,01,01,02,ANTSTATUS=OPEN"), AntennaStatus("OPEN")),
        (sentence("GNTXT,01,01,02,u-blox AG"), Other()),
        (sentence("PUBX,04,120000"), Other()),
    ],
)
def test_sentence_is_parsed(line: bytes, found: object) -> None:
    if found is None:
        with pytest.raises(NmeaError):
            parse(line)
    else:
        assert parse(line) == found


@given(SECONDS)
def test_time_survives_a_sentence(seconds: int) -> None:
    assert parse(rmc(seconds)) == Fix(
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds), is_valid=True, mode="A"
    )


@given(SECONDS, st.data())
def test_damaged_character_is_always_detected(seconds: int, data: st.DataObject) -> None:
    whole = rmc(seconds)
    place = data.draw(st.integers(0, len(whole) - 3))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    damaged = whole[:place] + bytes([other]) + whole[place + 1 :]
    try:
        found = parse(damaged)
    except NmeaError:
        return
    # the checksum's digits may be written in small letters
    assert damaged.upper() == whole
    assert found == parse(whole)


@given(st.binary(max_size=300))
def test_noise_raises_only_the_error_of_the_parser(noise: bytes) -> None:
    try:
        parse(noise)
    except NmeaError:
        return


@given(st.text(alphabet=CONTENT, max_size=80))
def test_any_content_with_a_correct_checksum_is_parsed(content: str) -> None:
    for kind in ("GPRMC", "GPZDA", "GPGGA", "GPGSV", "GPTXT"):
        parse(sentence(f"{kind},{content}"))
