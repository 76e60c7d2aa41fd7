"""The proof: compares each store's content with that of the other stores and with the recorded samples.

First, each store is examined on its own (`examine`). For each vessel in the fleet, the examination shows
whether sample numbers are missing, whether the store has everything that the recorder reported as durable,
and whether the recording was stored exactly. Then the stores are compared, document by document (`compare`).
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from sensors.kinds.replay import load
from services.history import completeness
from services.history.completeness import SensorLog, VesselReport
from sync import documents
from sync.documents import DocumentType
from sync.store import Database

from . import vessel_sensors
from .vessel import Ledger


@dataclass(frozen=True, slots=True)
class ExpectedSamples:
    """Samples that one vessel recorded, according to sources other than the stores."""

    vessel: str
    sensors: frozenset[str]
    ledger: Ledger
    recording: Path | None = None
    """The recording that the vessel played; None if it played none."""
    speed: float = 1.0

    @property
    def reported(self) -> int:
        """Number of samples that the vessel's recorder reported as durable."""
        return sum(map(len, self.ledger.values()))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of comparing the recording's readings of one path with the stored samples."""

    path: str
    recorded: int
    stored: int
    first_difference: str | None
    worst_ms: float
    """Largest deviation, in milliseconds, of a reading's time from its time in the recording.

    Times are relative to the first reading.
    """

    @property
    def is_equal(self) -> bool:
        """True if the stored samples are equal to the readings in the recording."""
        return self.first_difference is None and self.recorded == self.stored


@dataclass(frozen=True, slots=True)
class StoreContents:
    """The content of one vessel's document store, and the problems found in it."""

    holder: str
    """Id of the vessel to which this store belongs."""
    documents: Mapping[str, tuple[str, bytes]]
    """Revision and digest of every document, including deleted ones.

    The digest covers id, revision and body.
    """
    reports: tuple[VesselReport, ...]
    comparisons: tuple[Comparison, ...]
    not_held: int
    """Number of samples that were reported as durable but are not in any document of this store."""
    faults: tuple[str, ...]
    """Problems found in the store, each described by a clause."""

    @property
    def digest(self) -> str:
        """Digest of all documents. It is equal for stores with the same content."""
        whole = hashlib.sha256()
        for document in sorted(self.documents):
            whole.update(self.documents[document][1])
        return whole.hexdigest()

    @property
    def sensors(self) -> list[SensorLog]:
        """Results of the completeness check for each sensor and log of all vessels."""
        return [sensor for report in self.reports for sensor in report.sensors]


def examine(database: Database, holder: str, fleet: Sequence[ExpectedSamples]) -> StoreContents:
    """Examine one store. Raise StoreError if it cannot be read."""
    reports = tuple(completeness.verify(database, [recorded.vessel for recorded in fleet]))
    faults: list[str] = []
    comparisons: list[Comparison] = []
    not_held = 0
    for recorded, report in zip(fleet, reports, strict=True):
        faults += _incomplete(report, recorded.sensors)
        for (sensor, log), missing in _not_held(database, recorded):
            not_held += len(missing)
            faults.append(
                f"reported durable, but missing: {recorded.vessel}'s {sensor} {log} {_spans(missing)}"
            )
        if recorded.recording is not None:
            for sensor in vessel_sensors.REPLAYED:
                comparison = compare_recording(database, recorded, sensor)
                comparisons.append(comparison)
                if not comparison.is_equal:
                    faults.append(
                        f"{recorded.vessel}'s {sensor} differs from the recording: "
                        f"{comparison.first_difference}"
                    )
    faults += [f"{document} has two leaf revisions" for document in database.conflicts()]
    return StoreContents(holder, _digests(database), reports, tuple(comparisons), not_held, tuple(faults))


def compare(stores: Sequence[StoreContents]) -> list[str]:
    """Return the differences between stores, each described by a sentence."""
    faults = []
    for document in sorted({document for store in stores for document in store.documents}):
        held = [store.documents.get(document) for store in stores]
        if len(set(held)) == 1:
            continue
        absent = [store.holder for store in stores if document not in store.documents]
        if absent:
            faults.append(f"{document} is not in the store of {', '.join(absent)}")
        elif len({one[0] for one in held if one is not None}) > 1:
            faults.append(
                f"{document} has different revisions: "
                + ", ".join(f"{store.documents[document][0]} ({store.holder})" for store in stores)
            )
        else:
            faults.append(f"{document} has different bodies for the same revision")
    return faults


def stored(database: Database, vessel: str, sensor: str) -> list[tuple[int, float]]:
    """Return the boot clock in ms and the value of each good sample of a sensor, in log order."""
    samples = []
    for document in database.documents(prefix=f"{DocumentType.READING}:{vessel}:{sensor}:"):
        body = document.body
        start = round(body["start"] * 1000)
        samples += [(start + sample[0], sample[1]) for sample in body["samples"] if len(sample) == 2]
    return samples


def compare_recording(database: Database, recorded: ExpectedSamples, sensor: str) -> Comparison:
    """Compare a recording's readings of one path with the stored samples of the sensor that replayed them."""
    assert recorded.recording is not None
    path = vessel_sensors.REPLAYED[sensor]
    wanted = load(recorded.recording, path).rows
    got = stored(database, recorded.vessel, sensor)
    difference, worst = None, 0.0
    for number, (row, (clock_ms, value)) in enumerate(zip(wanted, got, strict=False), start=1):
        if value != row.value and difference is None:
            difference = f"reading {number}: {value} is stored, {row.value} was recorded"
        due_ms = got[0][0] + (row.offset_ns - wanted[0].offset_ns) / 1e6 / recorded.speed
        worst = max(worst, abs(clock_ms - due_ms))
    if len(wanted) != len(got):
        difference = f"{len(got)} readings are stored, {len(wanted)} were recorded"
    return Comparison(path, len(wanted), len(got), difference, worst)


def kinds(findings: StoreContents) -> Counter[str]:
    """Return the number of documents of each type."""
    return Counter(document.partition(":")[0] for document in findings.documents)


def _incomplete(report: VesselReport, sensors: frozenset[str]) -> Iterable[str]:
    """Yield the problems that `verify` finds in a vessel's history, including explained gaps."""
    yield from report.faults
    for sensor in sorted(sensors.difference(each.sensor for each in report.sensors)):
        yield f"there is no data from {report.vessel}'s {sensor}"
    for each in report.sensors:
        name = f"{report.vessel}'s {each.sensor} {each.log}"
        for words, tally in (
            ("missing", each.missing),
            ("in a gap", each.explained),
            ("duplicated", each.repeated),
        ):
            for span in tally.listed:
                yield f"{name} {span.first} to {span.last} {words}"
        if each.waiting:
            yield f"{name}: {each.waiting} samples after number {each.last} are not in any document"
        yield from each.faults


def _not_held(database: Database, recorded: ExpectedSamples) -> Iterable[tuple[tuple[str, str], set[int]]]:
    for (sensor, log), numbers in sorted(recorded.ledger.items()):
        missing = set(numbers)
        for document in database.documents(prefix=documents.reading_prefix(recorded.vessel, sensor, log)):
            body = document.body
            missing.difference_update(range(body["first"], body["last"] + 1))
        if missing:
            yield (sensor, log), missing


def _spans(numbers: set[int]) -> str:
    return f"{min(numbers)} to {max(numbers)} ({len(numbers)} samples)"


def _digests(database: Database) -> dict[str, tuple[str, bytes]]:
    digests = {}
    for line in database.export(deleted=True):
        document = msgspec.json.decode(line)
        digests[document["_id"]] = (document["_rev"], hashlib.sha256(line).digest())
    return digests
