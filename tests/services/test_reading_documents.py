"""Consecutive samples are grouped into reading documents by rules, and each document contains its samples."""

from sensors.state import SensorState
from services.documents.reading_documents import (
    MOST_SAMPLES,
    ClockReading,
    ReadingWindow,
    WindowOrigin,
    iso,
    reading,
)
from services.journal.batch import SampleRow

from .recorder_builders import UTC, row

ORIGIN = WindowOrigin("argo", "rpm", "abcdef", "propulsion.main.revolutions", "Hz", 300.0)


def window(*rows: SampleRow) -> ReadingWindow:
    made = ReadingWindow(ORIGIN, run=1, boot=1)
    for found in rows:
        assert made.accepts(found, run=1, boot=1)
        made.add(found)
    return made


def test_window_ends_when_its_time_has_passed() -> None:
    made = window(row(1, ms=0), row(2, ms=299_999))
    assert not made.accepts(row(3, ms=300_000), run=1, boot=1)
    assert made.is_due(300_000)
    assert not made.is_due(299_999)


def test_window_never_spans_two_runs_or_boots_or_missing_numbers() -> None:
    made = window(row(1))
    assert not made.accepts(row(2), run=2, boot=1)
    assert not made.accepts(row(2), run=1, boot=2)
    assert not made.accepts(row(3), run=1, boot=1)
    assert made.accepts(row(2), run=1, boot=1)


def test_window_is_full_at_its_maximum_number_of_samples() -> None:
    made = window(*(row(n, 1.5, ms=n) for n in range(1, MOST_SAMPLES + 1)))
    assert made.is_full()
    assert not made.accepts(row(MOST_SAMPLES + 1, ms=MOST_SAMPLES + 1), run=1, boot=1)


def test_window_is_full_at_64_kilobytes_of_long_values() -> None:
    made, number = window(row(1, 1 / 3, ms=0)), 1
    while not made.is_full():
        number += 1
        made.add(row(number, number / 3, ms=number))
    _, body = reading(made, ClockReading(0, UTC, synced=True))
    assert number < MOST_SAMPLES + 1
    assert len(str(body["samples"])) < 70_000


def test_document_contains_vessel_sensor_times_and_every_sample() -> None:
    made = window(row(7, 1.5, ms=10_000), row(8, 2.5, ms=11_250))
    document_id, body = reading(made, ClockReading(12_000, UTC, synced=True))
    assert document_id == "reading:argo:rpm:abcdef:000000000007"
    assert body["samples"] == [[0, 1.5], [1_250, 2.5]]
    assert (body["first"], body["last"], body["start"], body["end"]) == (7, 8, 10.0, 11.25)
    assert (body["min"], body["max"], body["mean"]) == (1.5, 2.5, 2.0)
    assert body["startUtc"] == iso(UTC - 2.0)
    assert body["channels"] == ["readings", "vessel.argo"]
    assert body["trust"] == "synced"


def test_fault_has_a_state_instead_of_a_value_and_is_excluded_from_the_statistics() -> None:
    made = window(row(1, 4.0, ms=0), SampleRow("rpm", 2, 5, None, SensorState.OPEN))
    _, body = reading(made, ClockReading(0, UTC, synced=False))
    assert body["samples"] == [[0, 4.0], [5, None, "open"]]
    assert body["mean"] == 4.0
    assert body["trust"] == "unsynced"


def test_contacts_have_no_statistics() -> None:
    _, body = reading(window(row(1, value=True, ms=0)), ClockReading(0, UTC, synced=True))
    assert (body["min"], body["max"], body["mean"]) == (None, None, None)


def test_time_beyond_the_calendar_still_yields_a_document() -> None:
    assert iso(1e18).startswith("9999-")
    assert iso(-1e18).startswith("0001-")
