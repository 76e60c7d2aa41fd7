"""The documenter, which reads new batches from the journal and writes their samples to documents.

It reads batches in order, over its own connection. The journal keeps its batches until their documents are
durable, so a document store that is slow, locked, full or broken never delays a commit. Every step can safely
be repeated. Ids depend only on a document's content, so if the process is killed at any instant, the next run
produces the same documents from the same batches, or finds them in the store.

    journal --batches--> windows --ended--> outbox --one transaction--> document store
       ^                                                                     |
       +----------------------- release (through, closed) -------------------+
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sensors.settings import SensorSettings
from services.journal.batch import AlarmRecord, Batch, Identity, NumberGap, SampleRow
from services.journal.journal import JournalReader
from sync import documents
from sync.documents import DocumentType
from sync.store import Database, DocumentError

from . import builders
from .boot_signing import Sign
from .number_spans import span_of
from .reading_documents import ClockReading, ReadingWindow, WindowOrigin, reading

log = logging.getLogger(__name__)

BATCHES_A_STEP: Final = 64
EQUIPMENT_MS: Final = 10_000
"""Minimum time between writes of a sensor's current value while that value is changing, in milliseconds.

The writes are limited because each one must be replicated to other vessels.
"""
WRITES_A_TRANSACTION: Final = 64
"""Maximum number of writes in a transaction, so that other writers wait for much less than 50 ms."""

Release = Callable[[int, Mapping[str, int]], None]


@dataclass(frozen=True, slots=True)
class _Write:
    """A document that has not been written to the store yet."""

    apply: Callable[[Database], object]
    sensor: str | None = None
    first: int = 0
    closes: int = 0
    """Number of the sensor's last sample that is in a document once this write is durable."""


@dataclass(slots=True)
class _Current:
    """A sensor's newest sample, for the sensor's `equipment` document."""

    row: SampleRow
    clock: ClockReading
    boot: int
    count: int | None = None
    seconds: float | None = None
    severity: str | None = None
    written: tuple[Any, ...] | None = None
    said: dict[str, Any] | None = None
    """The document's body as last written; None before the first write."""

    def standing(self) -> tuple[Any, ...]:
        """Return those values in the document whose changes are written immediately."""
        value = self.row.value
        return (self.row.state, self.severity, value if isinstance(value, bool) else None)

    def moved(self) -> tuple[Any, ...]:
        """Return those values in the document whose changes are written by the next periodic write.

        Changed totals count only once another sample has been recorded. That sample may have the same value
        as the sample before it: a tachometer may have counted pulses and stopped in between.
        """
        if self.written is not None and self.written[2] == self.row.sequence:
            written: tuple[Any, ...] = self.written[1]
            return written
        return (self.row.value, self.count, self.seconds)


class Documenter:
    """Writes documents from the journal's batches. It must be used by one thread only."""

    def __init__(
        self,
        *,
        identity: Identity,
        sensors: Iterable[SensorSettings],
        registered: Mapping[str, tuple[str, str]],
        reader: JournalReader,
        database: Database,
        release: Release,
        severities: Mapping[str, str],
        measured_before: Mapping[str, tuple[str, str]] | None = None,
        sign: Sign | None = None,
    ) -> None:
        """Set up the documenter and read its position in the journal.

        `registered` contains the path and unit of every sensor whose samples the journal may contain.
        `severities` contains the severities of active alarms. `measured_before` contains the paths and units
        that applied in earlier runs, for sensors whose configuration has changed since. `sign` adds the
        vessel's signature; None without an identity.
        """
        self.identity = identity
        self.cursor = reader.through()
        """Number of the last batch that has been read."""
        self._sensors = {sensor.id: sensor for sensor in sensors}
        self._registered = registered
        self._measured_before = measured_before or {}
        self._reader = reader
        self._database = database
        self._release = release
        self._windows: dict[str, ReadingWindow] = {}
        self._began: dict[str, int] = {}
        self._clocks: dict[str, ClockReading] = {}
        self._closed: dict[str, int] = reader.closed()
        self._catching_up: set[str] = set(registered)
        self._current: dict[str, _Current] = {}
        self._severities = dict(severities)
        self._taken: dict[str, int] = {}
        self._outbox: list[_Write] = []
        self._sign = sign
        self._boot_document: dict[str, Any] | None = None
        self._boot_said: dict[str, Any] | None = None
        self._vessel_document: dict[str, Any] | None = None
        self._equipment_ms = 0
        self._run = 0

    def set_boot(self, body: dict[str, Any]) -> None:
        """Schedule the document about this boot for writing."""
        self._boot_document = body

    def set_vessel(self, body: dict[str, Any]) -> None:
        """Schedule the document about this vessel for writing; it is written only if it has changed."""
        self._vessel_document = body
        if self._sign is not None:
            body = body | self._vouched()
        self._put_signed(documents.vessel_id(self.identity.vessel), body)

    def reassert(self, in_progress: Iterable[tuple[str, AlarmRecord]] = ()) -> None:
        """Schedule own documents for writing if the store's versions differ from those last written.

        A peer may have sent back documents from before the card was replaced. Such documents have more
        revisions, and therefore replace the current documents. Another vessel may also have written in this
        vessel's name, or have passed on an old document as a newer one. `in_progress` contains the active
        alarms by sensor. Their documents are written again, because they may have been removed as documents
        of an unknown vessel.
        """
        for name, episode in in_progress:
            self._alarm(name, episode)
        if self._vessel_document is not None:
            self.set_vessel(self._vessel_document)
        for name, current in self._current.items():
            stored = self._database.get(documents.equipment_id(self.identity.vessel, name))
            if current.said is not None:
                is_ours = stored is not None and not stored.deleted and stored.body == current.said
            else:
                is_ours = stored is None or stored.body.get("log") == self.identity.log
            if not is_ours:
                current.written = None
        if self._boot_document is None:
            self._boot_document = self._boot_said

    def _vouched(self) -> dict[str, Any]:
        """Return the vessel document's field that states the highest vouched-for revision generation."""
        from sync.fleet import generations  # not needed without an identity

        identity, database = self.identity, self._database
        own = (
            documents.vessel_id(identity.vessel),
            documents.boot_id(identity.vessel, identity.log, identity.boot),
        )
        revisions = [revision for revision, _ in database.current(own).values()]
        revisions += [
            each.rev
            for each in database.documents(f"{DocumentType.EQUIPMENT}:{identity.vessel}:", deleted=True)
        ]
        revisions += [
            each.rev
            for each in database.documents(f"{DocumentType.FORWARDED}:")
            if each.id.endswith(f":{identity.vessel}")
        ]
        before = database.get(own[0])
        earlier = None if before is None else before.body.get(generations.MEMBER)
        highest = max((generations.generation_reached(revision) for revision in revisions), default=0)
        return {generations.MEMBER: generations.generation_to_vouch_for(highest, earlier)}

    def step(self, now_ms: int) -> bool:
        """Read batches from the journal, and write the documents that are due at `now_ms` (boot clock time).

        Return True if more work is due at once. Raise JournalError or sync.store.StoreError if the journal or
        the store cannot be used; a later call continues where this call stopped.
        """
        self._flush()
        batches = self._reader.batches(after=self.cursor, limit=BATCHES_A_STEP)
        for batch in batches:
            self._take_in(batch)
            self.cursor = batch.number
        more = len(batches) == BATCHES_A_STEP
        if not more:
            self._end_due(now_ms)
            self._equipment(now_ms)
        if self._boot_document is not None:
            body, self._boot_document = self._boot_document, None
            self._boot_said = body
            self._put_signed(documents.boot_id(self.identity.vessel, self.identity.log, body["number"]), body)
        self._flush()
        self._release(self.documented, dict(self._closed))
        return more

    def finish(self, now_ms: int) -> None:
        """Read all remaining batches, close every window and write all documents.

        Raise the same errors as `step`.
        """
        while self.step(now_ms):
            pass
        for name in list(self._windows):
            self._end(name)
        self._equipment_ms = now_ms - EQUIPMENT_MS
        self._equipment(now_ms)
        self._flush()
        self._release(self.documented, dict(self._closed))

    @property
    def open_samples(self) -> int:
        """Number of samples in windows that are still open."""
        # Called from another thread: the copy is atomic, even while windows are added or removed.
        return sum(len(window.rows) for window in list(self._windows.values()))

    @property
    def documented(self) -> int:
        """Number of the last batch whose samples are all in documents."""
        return min((number - 1 for number in self._began.values()), default=self.cursor)

    def _take_in(self, batch: Batch) -> None:
        if batch.run != self._run:
            for name in list(self._windows):
                self._end(name)
            self._run = batch.run
        clock = ClockReading(batch.clock_ms, batch.utc, batch.synced)
        for row in batch.rows:
            self._add(row, batch, clock)
        for name, totals in batch.totals.items():
            current = self._current.get(name)
            if current is not None:
                current.count, current.seconds = totals.count, totals.seconds
        for name, episode in batch.episodes:
            self._alarm(name, episode)
        for gap in batch.gaps:
            self._gap(gap, batch.utc)

    def _add(self, row: SampleRow, batch: Batch, clock: ClockReading) -> None:
        name = row.sensor
        known = self._current.get(name)
        if known is None:
            severity = self._severities.get(name)
            self._current[name] = _Current(row=row, clock=clock, boot=batch.boot, severity=severity)
        else:
            known.row, known.clock, known.boot = row, clock, batch.boot
        # A batch may be read a second time if the store failed partway through it.
        if row.sequence <= max(self._taken.get(name, 0), self._closed.get(name, 0)):
            return
        window = self._windows.get(name)
        if window is not None and not window.accepts(row, run=batch.run, boot=batch.boot):
            self._end(name)
            window = None
        if window is None:
            if name in self._catching_up and self._is_documented(row):
                return
            path, unit = self._measured(name)
            settings = self._sensors.get(name)
            window = ReadingWindow(
                origin=WindowOrigin(
                    vessel=self.identity.vessel,
                    sensor=name,
                    log=self.identity.log,
                    path=path,
                    unit=unit,
                    window_s=300.0 if settings is None else settings.window_s,
                ),
                run=batch.run,
                boot=batch.boot,
            )
            self._windows[name] = window
            self._began[name] = batch.number
        window.add(row)
        self._taken[name] = row.sequence
        self._clocks[name] = clock
        if window.is_full():
            self._end(name)

    def _measured(self, name: str) -> tuple[str, str]:
        """Return the path and unit that a sensor had in the run to which the current batch belongs."""
        if self._run != self.identity.run and name in self._measured_before:
            return self._measured_before[name]
        return self._registered[name]

    def _is_documented(self, row: SampleRow) -> bool:
        """Return True if a document already contains this sample or explains its absence.

        This happens if the recorder was killed after it wrote the document, but before the batch was dropped
        from the journal. A repair may also have written the sample in a different window, or retention may
        have removed it to free space.
        """
        vessel, log, after = self.identity.vessel, self.identity.log, row.sequence + 1
        for prefix, beyond in (
            (documents.reading_prefix, documents.reading_id),
            (documents.gap_prefix, documents.gap_id),
        ):
            for stored in self._database.documents(
                prefix(vessel, row.sensor, log),
                after=beyond(vessel, row.sensor, log, after),
                reverse=True,
                limit=1,
            ):
                span = span_of(stored.id, stored.raw)
                if span is not None and span[1] >= row.sequence:
                    self._closed[row.sensor] = span[1]
                    return True
        self._catching_up.discard(row.sensor)
        return False

    def _end_due(self, now_ms: int) -> None:
        for name, window in list(self._windows.items()):
            if window.run != self.identity.run or window.is_due(now_ms):
                self._end(name)

    def _end(self, name: str) -> None:
        window = self._windows.pop(name)
        del self._began[name]
        document_id, body = reading(window, self._clocks[name])
        self._outbox.append(
            _Write(
                lambda database: database.put_if_absent(document_id, body),
                sensor=name,
                first=window.first,
                closes=window.last,
            )
        )

    def _alarm(self, name: str, episode: AlarmRecord) -> None:
        current = self._current.get(name)
        if current is not None:
            current.severity = None if episode.cleared_ms is not None else episode.severity
        path, unit = self._measured(name)
        identity = self.identity
        document_id, body = builders.alarm(
            vessel=identity.vessel, sensor=name, log=identity.log, path=path, unit=unit, episode=episode
        )
        self._outbox.append(_Write(lambda database: builders.upsert_alarm(database, document_id, body)))

    def _gap(self, gap: NumberGap, utc: float) -> None:
        # These numbers have been assigned too, and must not be assigned again after the batch is released.
        if gap.sensor in self._windows:
            self._end(gap.sensor)
        document_id, body = builders.gap(self.identity.vessel, self.identity.log, gap, utc)
        self._outbox.append(
            _Write(
                lambda database: builders.upsert(database, document_id, body),
                sensor=gap.sensor,
                first=gap.first,
                closes=gap.last,
            )
        )

    def _equipment(self, now_ms: int) -> None:
        """Write current values: changed states immediately, and all other changes every ten seconds."""
        periodic = now_ms - self._equipment_ms >= EQUIPMENT_MS
        if periodic:
            self._equipment_ms = now_ms
        for name, current in self._current.items():
            settings = self._sensors.get(name)
            if settings is None:
                continue
            standing = current.standing()
            last = current.written
            if last is not None and last[0] == standing and not (periodic and last[1] != current.moved()):
                continue
            current.written = (
                standing,
                (current.row.value, current.count, current.seconds),
                current.row.sequence,
            )
            document_id, current.said = builders.equipment(
                self.identity,
                settings,
                current.row,
                current.clock,
                boot=current.boot,
                count=current.count,
                seconds=current.seconds,
                severity=current.severity,
            )
            self._put(document_id, current.said)

    def _put_signed(self, document_id: str, body: dict[str, Any]) -> None:
        self._put(document_id, body if self._sign is None else self._sign(document_id, body))

    def _put(self, document_id: str, body: dict[str, Any]) -> None:
        self._outbox.append(_Write(lambda database: builders.upsert(database, document_id, body)))

    def _apply(self, write: _Write) -> None:
        try:
            write.apply(self._database)
        except DocumentError as error:
            # A document that the store rejects must not block the documents that follow it.
            log.error("skipped a document that the store rejected: %s", error)
            if write.sensor is not None:
                gap = NumberGap(
                    write.sensor, write.first, write.closes, f"the store rejected it: {error}"[:200]
                )
                utc = self._clocks[write.sensor].utc
                builders.upsert(
                    self._database, *builders.gap(self.identity.vessel, self.identity.log, gap, utc)
                )

    def _flush(self) -> None:
        """Write the outbox, a few documents in each transaction, and drop each document once written."""
        while self._outbox:
            some = self._outbox[:WRITES_A_TRANSACTION]
            with self._database.transaction():
                for write in some:
                    self._apply(write)
            del self._outbox[: len(some)]
            for write in some:
                if write.sensor is not None:
                    self._closed[write.sensor] = max(write.closes, self._closed.get(write.sensor, 0))
