"""A vessel's boots, read from documents: all boots, or only those needed to convert a few times to UTC.

The boots needed are those in which the times were recorded, and the boots around them, up to the nearest boot
on each side whose time is certain. The results are the same as with all boots, but the cost does not grow
with the number of boots.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Final

from services.clocks.boot_order import NEAR, Span, is_outvoted
from services.documents import models
from services.documents.models import BootDocument, DocumentSource, ShapeError, StoredDocument
from sync import documents
from sync.documents import DocumentType

from .timeline import RecordedBoot, Timeline, believed, sure_span

FARTHEST: Final = 64
"""Maximum number of boots to read on each side of a boot.

If none of the boots that were read has a trusted time, the converted times are less certain.
"""


def boot_of(document: StoredDocument) -> RecordedBoot:
    """Return the boot that a document describes. Raise ShapeError if the document is invalid."""
    facts = models.read(document, BootDocument)
    name = documents.parse_id(document.id)
    if name is None or (name.log, name.number) != (facts.log, facts.number):
        raise ShapeError(
            f"{document.id}: the id does not match the body, which describes boot {facts.number} of log"
            f" {facts.log}"
        )
    end = facts.previous_end
    return RecordedBoot(
        log=facts.log,
        number=facts.number,
        anchors=facts.as_anchors(),
        # Earlier versions wrote the boot itself here if the recorder was restarted within seconds.
        previous_end=None if end is None or end.boot >= facts.number else (end.boot, end.clock),
    )


def boots_of(source: DocumentSource, vessel: str) -> tuple[list[RecordedBoot], list[str]]:
    """Return all boots of a vessel, and descriptions of the documents that cannot be decoded."""
    boots, faults = [], []
    for document in source.documents(f"{DocumentType.BOOT}:{vessel}:"):
        try:
            boots.append(boot_of(document))
        except ShapeError as error:
            faults.append(str(error))
    return boots, faults


def timeline_around(source: DocumentSource, vessel: str, wanted: Iterable[tuple[str, int]]) -> Timeline:
    """Return a timeline that can convert times in the `wanted` boots, each given as (log, number)."""
    nearby = _Nearby(source, vessel)
    for log, number in set(wanted):
        if nearby.boot(log, number) is None or nearby.is_believed(log, number):
            continue
        for step in (-1, 1):
            # The nearest boot with a trusted time limits the time of this boot. Boots beyond it do not
            # matter.
            next(filter(partial(nearby.is_believed, log), nearby.numbers(number, step)), None)
    return Timeline(nearby.boots())


class _Nearby:
    """Cache of a vessel's boots. Each boot is read only once, when it is first needed."""

    def __init__(self, source: DocumentSource, vessel: str) -> None:
        self._source, self._vessel = source, vessel
        self._found: dict[tuple[str, int], RecordedBoot | None] = {}

    def boots(self) -> Iterator[RecordedBoot]:
        """Return an iterator over the boots read so far."""
        return (boot for boot in self._found.values() if boot is not None)

    def boot(self, log: str, number: int) -> RecordedBoot | None:
        """Return a boot; None if its document does not exist or cannot be read."""
        if (log, number) not in self._found:
            self._found[log, number] = _read(self._source, documents.boot_id(self._vessel, log, number))
        return self._found[log, number]

    def numbers(self, number: int, step: int) -> range:
        """Return the numbers of the boots on one side of a boot, nearest first; `step` is -1 or 1."""
        away = min(FARTHEST, number) if step < 0 else FARTHEST
        return range(number + step, number + step * (away + 1), step)

    def is_believed(self, log: str, number: int) -> bool:
        """Return True if a boot's time is trusted and is not outvoted by the boots around it."""
        own = self._span(log, number)
        if own is None:
            return False
        before, after = (
            list(islice(filter(None, (self._span(log, near) for near in self.numbers(number, step))), NEAR))
            for step in (-1, 1)
        )
        return not is_outvoted(before[::-1], own, after)

    def _span(self, log: str, number: int) -> Span | None:
        boot = self.boot(log, number)
        return None if boot is None else sure_span(believed(boot.anchors))


def _read(source: DocumentSource, document_id: str) -> RecordedBoot | None:
    document = source.get(document_id)
    if document is None:
        return None
    try:
        return boot_of(document)
    except ShapeError:  # deleted, or invalid, which `verify` reports
        return None
