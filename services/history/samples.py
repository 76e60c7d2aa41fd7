"""A sensor's readings as views show them: individual samples in order, each with its best known time.

Only one window at a time is held in memory. Samples are yielded in order of log and number, even if the
clocks contradict that order. Samples in windows that are still open are in no document yet. They come from
the journal (`undocumented`), if the caller has read it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from sensors.sample import Value
from services.documents import models
from services.documents.models import DocumentSource, ReadingDocument, ReadingHead, ShapeError, StoredDocument
from sync import documents

from .boots import boots_of
from .timeline import NEVER, Moment, Timeline
from .undocumented import Undocumented


@dataclass(frozen=True, slots=True)
class RecordedSample:
    """A sample from a document or from the journal, with its best known time."""

    log: str
    sequence: int
    boot: int
    clock: float
    """Boot clock time of the sample, in seconds."""
    value: Value
    state: str
    path: str
    unit: str
    moment: Moment


class History:
    """The recorded samples of one sensor."""

    def __init__(
        self, source: DocumentSource, *, vessel: str, sensor: str, undocumented: Undocumented | None = None
    ) -> None:
        """Read the vessel's boots.

        `undocumented` contains the sensor's samples from the journal, which must be read before any document.
        It is ignored if it belongs to another vessel.
        """
        self._source, self._vessel, self._sensor = source, vessel, sensor
        boots, self.faults = boots_of(source, vessel)
        """The vessel's boots, and the problems in documents that were skipped (`faults`)."""
        self.timeline = Timeline(boots)
        self.logs = models.logs(source, vessel, sensor)
        """The sensor's logs in the order in which they were started, if that is known."""
        self._open = None
        if undocumented is not None and undocumented.vessel == vessel and undocumented.samples:
            self._open = undocumented
            if undocumented.log not in self.logs:
                self.logs.append(undocumented.log)

    def last_moment(self) -> Moment:
        """Return the time of the last recorded sample."""
        for log in reversed(self.logs):
            if self._open is not None and self._open.log == log:
                last = self._open.samples[-1]
                return self.timeline.at(log, last.boot, last.clock, recorded=last.recorded)
            for document in self._source.documents(self._prefix(log), reverse=True, limit=1):
                head = self._head(document)
                if head is not None:
                    return self._at(head, head.end)
        return NEVER

    def samples(self, *, since: float = -math.inf, until: float = math.inf) -> Iterator[RecordedSample]:
        """Yield the samples from `since` to `until` (UTC), by their best known times.

        Samples whose time is unknown are included.
        """
        for log in self.logs:
            documented = self._last_documented(log)
            for document in self._source.documents(self._prefix(log), after=self._before(log, since)):
                head = self._head(document)
                if head is None or not self._overlaps(head, since, until):
                    continue
                try:
                    reading = models.read(document, ReadingDocument)
                except ShapeError as error:
                    self.faults.append(str(error))
                    continue
                documented = max(documented, reading.last)
                for sample in self._unpacked(reading):
                    if sample.moment.is_within(since, until):
                        yield sample
            if self._open is not None and self._open.log == log:
                for sample in self._not_in_documents(self._open, documented):
                    if sample.moment.is_within(since, until):
                        yield sample

    def _not_in_documents(self, found: Undocumented, documented: int) -> Iterator[RecordedSample]:
        """Yield the samples in `found` with numbers above `documented`, the last documented number."""
        for sample in found.samples:
            if sample.sequence > documented:
                yield RecordedSample(
                    log=found.log,
                    sequence=sample.sequence,
                    boot=sample.boot,
                    clock=sample.clock,
                    value=sample.value,
                    state=sample.state,
                    path=found.path,
                    unit=found.unit,
                    moment=self.timeline.at(found.log, sample.boot, sample.clock, recorded=sample.recorded),
                )

    def _last_documented(self, log: str) -> int:
        """Return the sensor's last sample number in the documents of a log; 0 if there is no document."""
        for document in self._source.documents(self._prefix(log), reverse=True, limit=1):
            head = self._head(document)
            return 0 if head is None else head.last
        return 0

    def _unpacked(self, reading: ReadingDocument) -> Iterator[RecordedSample]:
        for place, entry in enumerate(reading.samples):
            clock = reading.start + entry.offset / 1000
            yield RecordedSample(
                log=reading.log,
                sequence=reading.first + place,
                boot=reading.boot,
                clock=clock,
                value=entry.value,
                state=entry.state,
                path=reading.path,
                unit=reading.unit,
                moment=self._at(reading, clock),
            )

    def _before(self, log: str, since: float) -> str:
        """Return the id of the last window that ended before `since`; '' if there is none."""
        if since == -math.inf:
            return ""
        boot = self.timeline.first_boot_reaching(log, since)
        for document in self._source.documents(self._prefix(log), reverse=True):
            head = self._head(document)
            if head is None or not self.timeline.knows(log, head.boot):
                continue
            end = self._at(head, head.end)
            if head.boot < boot or (head.boot == boot and not end.is_within(since, math.inf)):
                return document.id
        return ""

    def _overlaps(self, head: ReadingHead, since: float, until: float) -> bool:
        start, end = self._at(head, head.start), self._at(head, head.end)
        return end.is_within(since, math.inf) and start.is_within(-math.inf, until)

    def _at(self, head: ReadingHead, clock: float) -> Moment:
        return self.timeline.at(head.log, head.boot, clock, recorded=head.recorded(clock))

    def _head(self, document: StoredDocument) -> ReadingHead | None:
        try:
            return models.read(document, ReadingHead)
        except ShapeError as error:
            if str(error) not in self.faults:
                self.faults.append(str(error))
            return None

    def _prefix(self, log: str) -> str:
        return documents.reading_prefix(self._vessel, self._sensor, log)
