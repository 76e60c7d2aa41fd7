"""Samples that are durable in the journal, but not in a document yet, because their window is still open.

The journal is opened read-only, and batches are read a few at a time, by separate statements. So the recorder
is never delayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensors.sample import Value
from services.journal.journal import JournalReader
from services.journal.schema import JournalError

__all__ = ["JournalError", "Undocumented", "UndocumentedSample", "undocumented"]

JOURNAL: Final = "samples.db"
"""File name of the journal in the data directory."""


@dataclass(frozen=True, slots=True)
class UndocumentedSample:
    """A sample in the journal."""

    sequence: int
    boot: int
    clock: float
    """Boot clock time of the sample, in seconds."""
    value: Value
    state: str
    recorded: float | None
    """UTC time as known when the sample was committed, in seconds since 1970; None if it was not known."""


@dataclass(frozen=True, slots=True)
class Undocumented:
    """The samples of one sensor that may not be in documents yet, in order."""

    vessel: str
    log: str
    path: str
    unit: str
    samples: Sequence[UndocumentedSample]


def undocumented(data: Path, sensor: str) -> Undocumented | None:
    """Return a sensor's samples in windows that were open when the journal last recorded its progress.

    Some of the samples may already be in documents. Return None if there is no journal, or if it does not
    contain the sensor. Raise JournalError if it cannot be read.
    """
    path = data / JOURNAL
    if not path.exists():
        return None
    reader = JournalReader(path, read_only=True)
    try:
        identity = reader.identity()
        measured = reader.registered().get(sensor)
        if identity is None or measured is None:
            return None
        closed = reader.closed().get(sensor, 0)
        samples = [
            UndocumentedSample(
                sequence=row.sequence,
                boot=batch.boot,
                clock=row.clock_ms / 1000,
                value=row.value,
                state=str(row.state),
                recorded=batch.utc + (row.clock_ms - batch.clock_ms) / 1000 if batch.synced else None,
            )
            for batch in reader.all_batches(after=reader.through())
            for row in batch.rows
            if row.sensor == sensor and row.sequence > closed
        ]
    finally:
        reader.close()
    return Undocumented(identity.vessel, identity.log, *measured, samples)
