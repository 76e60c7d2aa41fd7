"""Conditions that a vessel's stores must meet after any fault. They are checked from documents alone."""

import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensors.sample import Value
from services.history.completeness import VesselReport, verify
from services.mirror import mirror
from services.recovery import store_check
from services.recovery.rebuild import Spans
from sync import documents
from sync.documents import DocumentType
from sync.store import Database

from .loads import ALARM_ABOVE, VESSEL, WARN_ABOVE
from .processes import Line

Key = tuple[str, str]
"""Key of a sequence of samples, as (sensor, log)."""


@dataclass(frozen=True, slots=True)
class Told:
    """Time and value of a sample, as stored in a document."""

    clock_ms: int
    value: Value


@dataclass(slots=True)
class History:
    """Samples, gaps and alarms of a vessel, as its documents state them."""

    report: VesselReport
    samples: dict[Key, dict[int, Told]] = field(default_factory=lambda: defaultdict(dict))
    gaps: dict[Key, list[tuple[int, int, str]]] = field(default_factory=lambda: defaultdict(list))
    alarms: dict[Key, dict[int, dict[str, Any]]] = field(default_factory=lambda: defaultdict(dict))

    @property
    def logs(self) -> set[str]:
        return {log for _, log in self.samples}

    @property
    def alarm_ids(self) -> set[str]:
        return {
            documents.alarm_id(VESSEL, sensor, log, number)
            for (sensor, log), found in self.alarms.items()
            for number in found
        }

    @property
    def reasons(self) -> set[str]:
        """Reasons for missing samples, from the gap documents."""
        return {reason for spans in self.gaps.values() for _, _, reason in spans}

    def unexplained(self, ledger: Iterable[Line]) -> list[Line]:
        """Return the ledger's lines whose samples are neither stored nor covered by a gap document."""
        spans = {key: Spans((first, last) for first, last, _ in found) for key, found in self.gaps.items()}
        nothing = Spans()
        return [line for line in self.absent(ledger) if line[2] not in spans.get(line[:2], nothing)]

    def absent(self, ledger: Iterable[Line]) -> list[Line]:
        """Return the ledger's lines whose samples are not stored."""
        nothing: dict[int, Told] = {}
        return [line for line in ledger if line[2] not in self.samples.get(line[:2], nothing)]


def read(data: Path) -> History:
    """Read the documents in a vessel's data folder. No process may be using the folder."""
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        assert database.check(deep=True) == []
        (report,) = verify(database, [VESSEL])
        history = History(report)
        for document in database.documents(f"{DocumentType.READING}:{VESSEL}:"):
            body = document.body
            start, numbers = round(body["start"] * 1000), range(body["first"], body["last"] + 1)
            history.samples[body["sensor"], body["log"]].update(
                (number, Told(start + sample[0], sample[1]))
                for number, sample in zip(numbers, body["samples"], strict=True)
            )
        for document in database.documents(f"{DocumentType.GAP}:{VESSEL}:"):
            body = document.body
            span = (body["first"], body["last"], body["reason"])
            history.gaps[body["sensor"], body["log"]].append(span)
        for document in database.documents(f"{DocumentType.ALARM}:{VESSEL}:"):
            body = document.body
            history.alarms[body["sensor"], body["log"]][body["sequence"]] = body
    return history


def documented(data: Path, aside: Path) -> set[Line]:
    """Return the samples in the documents. Read a copy of the store, so that reading repairs nothing."""
    history = read(copy_store(data, aside))
    return {(*key, number) for key, found in history.samples.items() for number in found}


def copy_store(data: Path, aside: Path) -> Path:
    """Copy the document store with its write-ahead log, exactly as a kill left them.

    Return the path of the copy.
    """
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for file in data.glob("log.db*"):
        if file.is_file():
            shutil.copy(file, aside)
    return aside


def assert_sound(data: Path) -> None:
    """Assert that a complete check of both stores finds no error."""
    report = store_check.prepare(data, repair=False)
    assert not report.in_use
    assert report.findings == []


def assert_copied(data: Path) -> None:
    """Assert that each finished document of the vessel has a copy with the same revision."""
    copied = {
        (copy.id, copy.rev) for _, content in mirror.contents(data / "copies") for copy in content.copies()
    }
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        there = {(d.id, d.rev) for d in database.documents() if mirror.is_own(d.id, VESSEL)}
    assert there <= copied, sorted(there - copied)


def assert_told_once(ledger: Sequence[Line]) -> None:
    """Assert that the ledger contains no sequence number of a sensor's log twice."""
    assert len(set(ledger)) == len(ledger)


def assert_proved(history: History) -> None:
    """Assert that `verify` finds no error, and no sample that is stored twice or missing without a reason."""
    report = history.report
    assert report.faults == ()
    for sensor in report.sensors:
        assert sensor.missing.listed == [], sensor
        assert sensor.repeated.listed == [], sensor
        assert sensor.faults == [], sensor
        assert sensor.waiting == 0, sensor
    assert report.is_complete


def assert_alarms_follow_from_samples(history: History, sensors: Iterable[str]) -> None:
    """Assert that the alarm documents of `flapping` sensors match their samples.

    There is one alarm document for each rise above the limits, and no other. Each document has the right
    severity, and the right times of raising and clearing.
    """
    for sensor, log in list(history.samples):
        if sensor in sensors:
            found = {
                number: (body["severity"], body["raised"]["clock"], (body["cleared"] or {}).get("clock"))
                for number, body in history.alarms[sensor, log].items()
            }
            assert found == _alarms(history.samples[sensor, log]), (sensor, log)


def _alarms(samples: Mapping[int, Told]) -> dict[int, tuple[str, float, float | None]]:
    expected: dict[int, tuple[str, float, float | None]] = {}
    raised: int | None = None
    for number, told in sorted(samples.items()):
        assert isinstance(told.value, float | int)
        if told.value <= WARN_ABOVE:
            if raised is not None:
                expected[raised] = (*expected[raised][:2], told.clock_ms / 1000)
            raised = None
            continue
        if raised is None:
            raised = number
            expected[raised] = ("warn", told.clock_ms / 1000, None)
        if told.value > ALARM_ABOVE:
            expected[raised] = ("alarm", *expected[raised][1:])
    return expected
