"""In every document, `clock` is a time on the boot clock, and `trust` says how far a UTC time is trusted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sensors.state import SensorState
from services.clocks.clock_quality import SYNCED, UNSYNCED, Anchor
from services.clocks.time_source import TimeSource
from services.documents import builders
from services.documents.models import ReadingDocument
from services.documents.reading_documents import ClockReading, ReadingWindow, WindowOrigin, reading
from services.history.current import from_documents
from services.history.timeline import TimeTrust
from services.journal.batch import AlarmRecord, Batch, Identity, SampleRow
from sync.documents import POLICY
from sync.store import Database

from . import documents as build

UTC = build.UTC
ROW = SampleRow("rpm", 1, 10_000, 1.5, SensorState.GOOD)


def made(*, synced: bool) -> Iterator[dict[str, Any]]:
    """Yield one document of each type in which the recorder writes UTC times."""
    identity = Identity(vessel="argo", log="abcdef", boot=1, run=1)
    clock = ClockReading(12_000, UTC, synced)
    window = ReadingWindow(WindowOrigin("argo", "rpm", "abcdef", "a.b", "Hz", 300.0), 1, 1, [ROW])
    yield reading(window, clock)[1]
    yield builders.equipment(
        identity, build.settings("rpm"), ROW, clock, boot=1, count=None, seconds=None, severity=None
    )[1]
    episode = AlarmRecord(
        1, "warn", "", "above 1", 2.0, 10_000, UTC, 1, 20_000, UTC, 1, ((10_000, UTC, "warn", "above 1"),)
    )
    episode = msgspec.structs.replace(episode, raised_synced=synced, cleared_synced=synced)
    yield builders.alarm(vessel="argo", sensor="rpm", log="abcdef", path="a.b", unit="Hz", episode=episode)[1]
    yield builders.boot(
        identity,
        boot_id="b",
        previous=Batch(run=1, boot=1, clock_ms=1, utc=UTC, synced=synced),
        anchors=[Anchor(1.0, UTC, TimeSource.RTC, 20.0)],
        version="1",
    )


def values_of(body: object, key: str) -> Iterator[object]:
    """Yield the values of all members with this name, at any depth."""
    if isinstance(body, dict):
        for name, value in body.items():
            if name == key:
                yield value
            yield from values_of(value, key)
    elif isinstance(body, list):
        for value in body:
            yield from values_of(value, key)


@pytest.mark.parametrize(("synced", "trust"), [(True, SYNCED), (False, UNSYNCED)])
def test_clock_is_a_time_and_trust_states_the_trust(*, synced: bool, trust: str) -> None:
    for body in made(synced=synced):
        assert all(isinstance(clock, float) for clock in values_of(body, "clock")), body["type"]
        found = list(values_of(body, "trust"))
        assert found, body["type"]
        assert set(found) == {trust}, body["type"]


@pytest.mark.parametrize(("synced", "recorded"), [(True, UTC - 2.0), (False, None)])
def test_reading_of_an_earlier_version_states_the_trust_in_clock(
    *, synced: bool, recorded: float | None
) -> None:
    body = next(made(synced=synced))
    old = {**body, "clock": body["trust"]}
    del old["trust"]
    for each in (body, old):
        decoded = msgspec.convert(each, ReadingDocument)
        assert decoded.recorded(10.0) == recorded


@pytest.mark.parametrize(
    ("trust", "expected"),
    [(SYNCED, TimeTrust.RECORDED), (None, TimeTrust.RECORDED), (UNSYNCED, TimeTrust.UNKNOWN)],
)
def test_time_of_a_current_value_is_shown_only_if_it_is_trusted(
    tmp_path: Path, trust: str | None, expected: TimeTrust
) -> None:
    document_id, body = build.equipment(30.0)
    if trust is None:
        del body["trust"]
    else:
        body["trust"] = trust
    build.store(tmp_path / "log.db", (document_id, body))
    with Database.open(tmp_path / "log.db", policy=POLICY) as database:
        (value,) = from_documents(database, build.VESSEL, utc=UTC)[0]
    assert value.moment.trust is expected
