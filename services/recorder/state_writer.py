"""Contents of the live state file, which the recorder publishes every second.

Format, version 1 (`clock`: boot clock in seconds, `utc`: seconds since 1970):

    pid, vessel, log, boot, recording, fault, problems, warnings
    started, startedClock    start of the recorder: in seconds since 1970, and on the boot clock
    identity                 {fleet, fault: why it cannot be used}, each null if there is none
    updated, lastDurable     {clock, utc[, samples]}
    clock                    {source, uncertainty}
    commit                   {count, median, p999, longest}: ms that the latest commits took; null before any
    backlog                  {samples: not yet durable, batches: not yet in documents, open: in open windows}
    documents, copies        null, or why they cannot be written now
    storage                  {free, total, budget, used} in bytes, or null
    sensors                  id -> {name, path, unit, kind, value, state, detail, clock, utc, sequence, rate,
                             alarm, alarmSequence}
"""

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from sensors.sample import Sample
from sensors.settings import SensorSettings
from services.clocks.clock_quality import ClockQuality
from services.documents.boot_signing import NONE, OwnIdentity
from services.journal.batch import Identity

from .group_commit import GroupCommitter
from .writer_thread import WriterThread

RATE_OVER_MS: Final = 10_000
"""Period over which sample rates are computed, in milliseconds."""


class PublishedState:
    """Builder of the contents of the recorder's live state file."""

    def __init__(
        self,
        *,
        identity: Identity,
        sensors: Iterable[SensorSettings],
        started_utc: float,
        started_ms: int,
        own: OwnIdentity = NONE,
    ) -> None:
        self._identity = identity
        self._own = own
        self._sensors = tuple(sensors)
        self._started, self._started_ms = started_utc, started_ms
        self._latest: dict[str, Sample] = {}
        self._rates: dict[str, float] = {}
        self._counted: dict[str, int] = {}
        self._counted_ms: int | None = None

    def note_sample(self, sample: Sample) -> None:
        """Store a driver's latest sample for the live state, even if the sample is not recorded."""
        self._latest[sample.sensor] = sample

    def state(
        self,
        *,
        recording: GroupCommitter,
        library: WriterThread,
        quality: ClockQuality,
        problems: Sequence[str],
        warnings: Sequence[str],
        now_ms: int,
        utc: float,
    ) -> dict[str, Any]:
        """Return the current contents for the live state file."""
        self._count(recording, now_ms)
        last = recording.last_commit
        durable = None
        if last is not None:
            durable = {
                "clock": last.clock_ms / 1000,
                "utc": last.utc,
                "samples": sum(recording.accepted.values()),
            }
        return {
            "pid": os.getpid(),
            "vessel": self._identity.vessel,
            "log": self._identity.log,
            "boot": self._identity.boot,
            "started": self._started,
            "startedClock": self._started_ms / 1000,
            "updated": {"clock": now_ms / 1000, "utc": utc},
            "lastDurable": durable,
            "recording": recording.fault is None and last is not None,
            "fault": recording.fault,
            "documents": library.fault,
            "copies": library.copies_fault,
            "problems": list(problems),
            "warnings": list(warnings),
            "identity": {"fleet": self._own.fleet, "fault": self._own.fault},
            "clock": {"source": quality.source.value, "uncertainty": quality.uncertainty_s},
            "commit": _times(recording.commit_ms),
            "backlog": {
                "samples": recording.pending,
                "batches": library.waiting,
                "open": library.open_samples,
            },
            "storage": None if library.storage is None else asdict(library.storage),
            "sensors": {
                sensor.id: self._sensor(sensor, recording, now_ms=now_ms, utc=utc) for sensor in self._sensors
            },
        }

    def _sensor(
        self, sensor: SensorSettings, recording: GroupCommitter, *, now_ms: int, utc: float
    ) -> dict[str, Any]:
        sample, intake = self._latest.get(sensor.id), recording.intakes[sensor.id]
        facts: dict[str, Any] = {
            "name": sensor.name,
            "path": sensor.path,
            "unit": sensor.unit,
            "kind": sensor.kind,
            "display": sensor.display,
            "sequence": intake.last,
            "rate": self._rates.get(sensor.id),
            "alarm": None if intake.episode is None else intake.episode.severity,
            "alarmSequence": None if intake.episode is None else intake.episode.sequence,
            "value": None,
            "state": None,
            "detail": "",
            "clock": None,
            "utc": None,
        }
        if sample is not None:
            clock = sample.boottime_ns / 1e9
            facts |= {
                "value": sample.value if sample.state.carries_value else None,
                "state": sample.state.value,
                "detail": sample.detail,
                "clock": clock,
                "utc": utc - (now_ms / 1000 - clock),
            }
        return facts

    def _count(self, recording: GroupCommitter, now_ms: int) -> None:
        if self._counted_ms is not None and now_ms - self._counted_ms < RATE_OVER_MS:
            return
        if self._counted_ms is not None:
            seconds = (now_ms - self._counted_ms) / 1000
            self._rates = {
                name: round((count - self._counted.get(name, 0)) / seconds, 2)
                for name, count in recording.accepted.items()
            }
        self._counted, self._counted_ms = dict(recording.accepted), now_ms


def _times(values: Collection[float]) -> dict[str, float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return {
        "count": len(ordered),
        "median": round(ordered[len(ordered) // 2], 3),
        "p999": round(ordered[int(len(ordered) * 0.999)], 3),
        "longest": round(ordered[-1], 3),
    }
