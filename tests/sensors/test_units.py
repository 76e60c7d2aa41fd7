"""Quantities are parsed from human-readable text, and formatted as human-readable text."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sensors.units import (
    InputError,
    format_bytes,
    format_duration,
    parse,
    parse_value,
    shown,
    si_of,
)


@pytest.mark.parametrize(
    ("written", "unit", "si"),
    [
        ("50 ms", "s", 0.05),
        ("5 min", "s", 300.0),
        ("3 min 20 s", "s", 200.0),
        ("3min20s", "s", 200.0),
        ("4 d", "s", 345_600.0),
        ("10 µs", "s", 1e-5),
        ("1 Hz", "Hz", 1.0),
        ("1800 rpm", "Hz", 30.0),
        ("12.8 V", "V", 12.8),
        ("-50 mV", "V", -0.05),
        ("80 %", "ratio", 0.8),
        ("50 kB/s", "B/s", 50_000.0),
        ("64 kB", "B", 64_000.0),
        ("64 KiB", "B", 65_536.0),
        ("2.5 kohm", "ohm", 2500.0),
        ("2.5 kΩ", "ohm", 2500.0),
        ("1.5 mohm", "ohm", 0.0015),
        ("85 °C", "K", 358.15),
        ("32 °F", "K", 273.15),
        ("4 bar", "Pa", 400_000.0),
        ("3.6 m3/h", "m3/s", 0.001),
        ("1 m³", "m3", 1.0),
        ("100 Ah", "C", 360_000.0),
        ("180 °", "rad", math.pi),
        ("5.4 kn", "m/s", 2.778),
        ("1e3 V", "V", 1000.0),
        ("100 US gal", "m3", 0.3785411784),
        ("100imp  gal", "m3", 0.454609),
        ("60 US gal/h", "m3/s", 3.785411784e-3 / 60),
        ("2 imp gal/min", "m3/s", 4.54609e-3 / 30),
        ("300 L", "m3", 0.3),
        ("30 psi", "Pa", 206_842.71879504),
        ("29.92 inHg", "Pa", 101_320.75888),
        ("10 ft", "m", 3.048),
        ("10 mph", "m/s", 4.4704),
    ],
)
def test_quantity_is_converted_to_si(written: str, unit: str, si: float) -> None:
    assert parse(written, unit) == pytest.approx(si, rel=1e-9)


@pytest.mark.parametrize(
    ("written", "unit", "text", "remedy"),
    [
        (50, "s", "50 has no unit", 'Write "50 ms" or "50 s" or "50 min".'),
        ("50", "s", "50 has no unit", 'Write "50 ms"'),
        (True, "s", "true is not a duration", "Write"),
        ("", "s", '"" is not a duration', "Write"),
        ("10 V", "s", "is a unit for a voltage, but this is a duration", '"10 ms"'),
        ("85 C", "K", "this is a temperature", '"85 °C"'),
        ("5 mins", "s", '"mins" is not a unit', 'Did you mean "5 min"?'),
        ("1 hz", "Hz", '"hz" is not a unit', 'Did you mean "1 Hz"?'),
        ("12,8 V", "V", "is not a voltage", 'Write "12.8 V", with a decimal point, not a comma.'),
        ("12,8", "V", "is not a voltage", 'Write "12.8 V".'),
        ("0,15", "ratio", "is not a percentage", 'Write "0.15 %", or a number without quotes.'),
        ("1,200 rpm", "Hz", "is not a frequency", '"1.200 rpm" with a decimal point, or "1200 rpm"'),
        ("1,200,000 Pa", "Pa", "is not a pressure", 'Write "1200000 Pa", without commas.'),
        ("3 V 5 V", "V", "is not a voltage", "Write"),
        ("about 3 s", "s", "is not a duration", "Write"),
        ("0.5", "ratio", "0.5 has no unit", "without quotes"),
        ("20 gal", "m3", '"gal" can be US or imperial gallons', 'Write "20 US gal" or "20 imp gal".'),
        ("2 gal/h", "m3/s", '"gal/h" can be', 'Write "2 US gal/h" or "2 imp gal/h".'),
        ("20 US", "m3", '"US" is not a unit for a volume', "US gal"),
        ("20 US gal", "Pa", "is a unit for a volume", '"20 bar"'),
        ("1e999 s", "s", "inf is not a finite number", ""),
        (10**400, "s", "a huge number", ""),
    ],
)
def test_invalid_quantity_is_reported_with_a_remedy(
    written: object, unit: str, text: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse(written, unit)
    assert text in caught.value.text
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_number_without_a_unit_is_si_where_a_value_is_expected() -> None:
    assert parse_value(63, "Hz") == 63.0
    assert parse_value("3600 rpm", "Hz") == pytest.approx(60.0)


@pytest.mark.parametrize("number", [math.inf, math.nan, 10**400])
def test_infinite_and_undefined_numbers_are_refused(number: float) -> None:
    with pytest.raises(InputError, match=r"is not a finite number|is too large"):
        parse_value(number, "V")


def test_temperature_difference_is_converted_without_an_offset() -> None:
    assert parse_value("5 °C", "K", difference=True) == 5.0
    assert parse_value("9 °F", "K", difference=True) == pytest.approx(5.0)


def test_unknown_unit_accepts_only_numbers() -> None:
    assert parse_value(4, "") == 4.0
    with pytest.raises(InputError, match="not a plain number"):
        parse_value("4 V", "")


def test_si_unit_of_a_written_unit_is_found() -> None:
    assert (si_of("bar"), si_of("°C"), si_of("m³"), si_of("furlong")) == ("Pa", "K", "m3", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (1e-5, "10 us"),
        (0.05, "50 ms"),
        (0.9996, "1 s"),
        (2.5, "2.5 s"),
        (20, "20 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7200, "2 h"),
        (7260, "2 h 1 min"),
        (84_700, "23 h 32 min"),
        (86_399.9, "1 d"),
        (4 * 86_400, "4 d"),
        (400 * 86_400 + 3600, "400 d 1 h"),
        (-200, "-3 min 20 s"),
        (math.inf, "indefinitely"),
        (math.nan, "-"),
    ],
)
def test_duration_is_formatted_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.floats(min_value=1e-6, max_value=1e9))
@example(0.0009995)
def test_formatted_duration_can_be_parsed_back_to_its_rounded_value(seconds: float) -> None:
    back = parse(format_duration(seconds), "s")
    assert back == pytest.approx(seconds, rel=0.05, abs=1e-9)
    assert format_duration(back) == format_duration(seconds)


@given(st.integers(min_value=0, max_value=3600))
def test_whole_seconds_up_to_an_hour_are_formatted_exactly(seconds: int) -> None:
    assert parse(format_duration(seconds), "s") == seconds


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (512, "512 B"),
        (999.6, "1 kB"),
        (64_000, "64 kB"),
        (999_600, "1 MB"),
        (1_500_000, "1.5 MB"),
        (20e9, "20 GB"),
        (3e15, "3000 TB"),
        (-512, "-512 B"),
    ],
)
def test_bytes_are_formatted_with_three_digits(number: float, text: str) -> None:
    assert format_bytes(number) == text


@given(st.floats(min_value=0, max_value=1e15))
def test_formatted_bytes_can_be_parsed_back_within_half_a_percent(number: float) -> None:
    assert parse(format_bytes(number), "B") == pytest.approx(number, rel=0.006, abs=0.51)


@given(
    st.text() | st.integers() | st.floats() | st.booleans() | st.lists(st.integers()),
    st.sampled_from(["s", "K", "ratio", "m3", ""]),
)
def test_any_input_yields_a_number_or_an_error_in_one_line(written: object, unit: str) -> None:
    try:
        assert math.isfinite(parse(written, unit))
    except InputError as error:
        assert re.fullmatch(r"[^\n\r\x1b]+", str(error))  # noqa: PT017


def test_value_from_a_file_is_formatted_briefly_on_one_line() -> None:
    assert shown("a\nb\x1b[2J") == '"a·b·[2J"'
    assert len(shown("x" * 1000)) < 50
    assert (shown(True), shown(1.5), shown([1]), shown({})) == ("true", "1.5", "a list", "a table")
