"""Windows: each collects consecutive samples of one sensor, which become one `reading` document.

A window ends when its period is over, or when it reaches 2,000 samples or 64 kB. It also ends when the next
sample belongs to a different run of the recorder or a different boot, because all time offsets in a window
refer to one boot clock.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sensors.state import SensorState
from services.clocks.clock_quality import trust_of
from services.journal.batch import SampleRow
from sync import documents

MOST_SAMPLES: Final = 2_000
MOST_BYTES: Final = 64_000


@dataclass(frozen=True, slots=True)
class WindowOrigin:
    """The sensor to which a window belongs, with its path and unit."""

    vessel: str
    sensor: str
    log: str
    path: str
    unit: str
    window_s: float


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A reading of the boot clock, with the UTC time as known at that moment."""

    clock_ms: int
    utc: float
    """UTC time in seconds since 1970."""
    synced: bool

    @property
    def trust(self) -> str:
        """Trust in `utc`, as stated in documents: `synced` or `unsynced`."""
        return trust_of(synced=self.synced)

    def utc_at(self, clock_ms: int) -> float:
        """Return the UTC time for another reading of the same boot clock."""
        return self.utc + (clock_ms - self.clock_ms) / 1000


@dataclass(slots=True)
class ReadingWindow:
    """The open window of a sensor."""

    origin: WindowOrigin
    run: int
    boot: int
    rows: list[SampleRow] = field(default_factory=list)
    _bytes: int = 0

    def accepts(self, row: SampleRow, *, run: int, boot: int) -> bool:
        """Return True if `row` fits into this window.

        If not, the caller must close the window and start a new one with `row`.
        """
        if not self.rows:
            return True
        return (
            (run, boot) == (self.run, self.boot)
            and row.sequence == self.rows[-1].sequence + 1
            and len(self.rows) < MOST_SAMPLES
            and self._bytes < MOST_BYTES
            and not self.is_due(row.clock_ms)
        )

    def add(self, row: SampleRow) -> None:
        """Append a sample that the window accepts."""
        self.rows.append(row)
        # Approximate size as JSON: brackets, comma, offset, value, state.
        self._bytes += (
            12 + len(repr(row.value)) + (0 if row.state is SensorState.GOOD else len(row.state) + 3)
        )

    def is_due(self, clock_ms: int) -> bool:
        """Return True if the window's period is over; `clock_ms` is the boot clock's current time."""
        return bool(self.rows) and clock_ms - self.rows[0].clock_ms >= self.origin.window_s * 1000

    def is_full(self) -> bool:
        """Return True if the window has reached its maximum number of samples or bytes."""
        return len(self.rows) >= MOST_SAMPLES or self._bytes >= MOST_BYTES

    @property
    def first(self) -> int:
        """Sequence number of the first sample in the window."""
        return self.rows[0].sequence

    @property
    def last(self) -> int:
        """Sequence number of the last sample in the window."""
        return self.rows[-1].sequence


def iso(utc: float) -> str:
    """Return a time in the format used in documents: UTC, to the millisecond.

    A time outside the years 1 to 9999 is replaced with the nearest time in that range.
    """
    earliest, latest = -62_135_596_800.0, 253_402_300_799.0  # the years 1 to 9999 of ISO 8601
    moment = datetime.fromtimestamp(min(max(utc, earliest), latest), tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reading(window: ReadingWindow, clock: ClockReading) -> tuple[str, dict[str, Any]]:
    """Return the id and body of the `reading` document for a window, which must not be empty."""
    origin, rows = window.origin, window.rows
    start, end = rows[0].clock_ms, rows[-1].clock_ms
    numbers = [
        float(row.value)
        for row in rows
        if row.value is not None and row.state.carries_value and not isinstance(row.value, bool)
    ]
    body: dict[str, Any] = {
        "type": documents.DocumentType.READING.value,
        "vessel": origin.vessel,
        "sensor": origin.sensor,
        "log": origin.log,
        "channels": documents.channels(documents.DocumentType.READING, origin.vessel),
        "path": origin.path,
        "unit": origin.unit,
        "boot": window.boot,
        "start": start / 1000,
        "end": end / 1000,
        "startUtc": iso(clock.utc_at(start)),
        "endUtc": iso(clock.utc_at(end)),
        "trust": clock.trust,
        "first": window.first,
        "last": window.last,
        "window": origin.window_s,
        "samples": [compact(row, start) for row in rows],
        "min": min(numbers) if numbers else None,
        "max": max(numbers) if numbers else None,
        "mean": _mean(numbers) if numbers else None,
    }
    return documents.reading_id(origin.vessel, origin.sensor, origin.log, window.first), body


def _mean(numbers: Sequence[float]) -> float:
    mean = sum(numbers) / len(numbers)
    # The sum may exceed the range of a float, but the mean must not become infinite.
    return mean if math.isfinite(mean) else sum(number / len(numbers) for number in numbers)


def compact(row: SampleRow, start_ms: int) -> list[Any]:
    """Return a sample as stored in documents: [ms since the start, value], plus any state other than good."""
    offset = row.clock_ms - start_ms
    if row.state is SensorState.GOOD:
        return [offset, row.value]
    return [offset, row.value, row.state.value]
