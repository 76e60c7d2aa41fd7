"""`logboat log --since` accepts times in the usual forms."""

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli.log.when import parse_when
from services.console.errors import UsageError

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2025, 10, 9, 14, 30, tzinfo=BERLIN)


def when(text: str, now: datetime = NOW) -> datetime:
    return datetime.fromtimestamp(parse_when(text, now=now.timestamp(), zone=BERLIN), tz=BERLIN)


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30m", timedelta(minutes=30)),
        ("30 min", timedelta(minutes=30)),
        ("1 hour", timedelta(hours=1)),
        ("2 hours ago", timedelta(hours=2)),
        ("1h30m", timedelta(minutes=90)),
        ("3 min 20 s", timedelta(seconds=200)),
        ("1.5 h", timedelta(minutes=90)),
        ("2 d", timedelta(days=2)),
        ("1 DAY", timedelta(days=1)),
        ("1 week", timedelta(weeks=1)),
        ("now", timedelta()),
    ],
)
def test_duration_counts_back_from_now(text: str, ago: timedelta) -> None:
    assert NOW - when(text) == ago


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", "2025-10-09T00:00+02:00"),
        ("Yesterday", "2025-10-08T00:00+02:00"),
        ("12:08", "2025-10-09T12:08+02:00"),
        ("6:05", "2025-10-09T06:05+02:00"),
        ("14:30", "2025-10-09T14:30+02:00"),
        ("14:31", "2025-10-08T14:31+02:00"),
        ("23:59:30", "2025-10-08T23:59:30+02:00"),
        ("2025-10-09", "2025-10-09T00:00+02:00"),
        ("2025-10-09T08:00", "2025-10-09T08:00+02:00"),
        ("2025-10-09 08:00", "2025-10-09T08:00+02:00"),
        ("2025-10-09T08:00Z", "2025-10-09T08:00+00:00"),
        ("2025-10-09T08:00-03:00", "2025-10-09T08:00-03:00"),
    ],
)
def test_time_is_in_the_vessels_zone_unless_it_names_another(text: str, expected: str) -> None:
    assert when(text) == datetime.fromisoformat(expected)


def test_today_and_a_time_of_day_follow_the_change_of_summer_time() -> None:
    now = datetime(2025, 10, 26, 14, 0, tzinfo=BERLIN)  # summer time ended at 3:00
    assert when("today", now) == datetime(2025, 10, 25, 22, 0, tzinfo=UTC)
    assert when("12:00", now) == datetime(2025, 10, 26, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["", "soon", "5", "30 x", "25:00", "12:60", "2025-13-01", "ago", "1e9 d", "99999999 w"]
)
def test_other_text_is_refused_with_the_forms_that_are_valid(text: str) -> None:
    with pytest.raises(UsageError) as raised:
        when(text)
    message = str(raised.value)
    assert message.startswith(f"{text!r} is not a valid time; write ")
    for form in ("`30m`", "`1 hour`", "`today`", "`12:08`", "2025-10-09T08:00"):
        assert form in message


@given(st.text(max_size=12) | st.from_regex(r"[0-9:mhd .T+-]{1,12}", fullmatch=True))
def test_no_text_raises_another_error(text: str) -> None:
    try:
        found = parse_when(text, now=NOW.timestamp(), zone=BERLIN)
    except UsageError:
        return
    assert math.isfinite(found)
