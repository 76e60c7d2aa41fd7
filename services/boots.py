"""A vessel's boots, as documents have them, for its timeline: all of them, or those that a few moments need.

These are the moments' own boots, and those around them up to the next ones whose time is sure. What is told
of the moments is the same as with all boots there are, at a cost that does not grow with them.
"""

from collections.abc import Iterable
from typing import Final

from sync import documents
from sync.documents import Kind

from . import shapes
from .shapes import BootFacts, Documents, ShapeError, Stored
from .timekeeping import Source
from .timeline import Boot, Timeline, believed

FARTHEST: Final = 64
"""Boots that are looked at on either side; if none of them has a sure time, what is told is less sure."""


def boot_of(document: Stored) -> Boot:
    """A boot as its document tells. Raises ShapeError."""
    facts = shapes.read(document, BootFacts)
    name = documents.parse_id(document.id)
    if name is None or (name.log, name.number) != (facts.log, facts.number):
        raise ShapeError(f"{document.id}: says it is boot {facts.number} of log {facts.log}")
    end = facts.previous_end
    return Boot(
        log=facts.log,
        number=facts.number,
        anchors=facts.as_anchors(),
        previous_end=None if end is None else (end.boot, end.clock),
    )


def boots_of(source: Documents, vessel: str) -> tuple[list[Boot], list[str]]:
    """The boots of a vessel for a timeline, and what is wrong with documents that cannot be read."""
    boots, faults = [], []
    for document in source.documents(f"{Kind.BOOT}:{vessel}:"):
        try:
            boots.append(boot_of(document))
        except ShapeError as error:
            faults.append(str(error))
    return boots, faults


def timeline_around(source: Documents, vessel: str, wanted: Iterable[tuple[str, int]]) -> Timeline:
    """A timeline for moments of these boots: (log, number) each."""
    found: dict[tuple[str, int], Boot | None] = {}

    def look(log: str, number: int) -> Boot | None:
        if (log, number) not in found:
            found[log, number] = _read(source, documents.boot_id(vessel, log, number))
        return found[log, number]

    for log, number in set(wanted):
        own = look(log, number)
        if own is None or _is_sure(own):
            continue
        for step in (-1, 1):
            for away in range(1, min(FARTHEST, number if step < 0 else FARTHEST) + 1):
                near = look(log, number + step * away)
                if near is not None and _is_sure(near):
                    break
    return Timeline(boot for boot in found.values() if boot is not None)


def _read(source: Documents, document_id: str) -> Boot | None:
    document = source.get(document_id)
    if document is None:
        return None
    try:
        return boot_of(document)
    except ShapeError:  # deleted, or nonsense that `verify` names
        return None


def _is_sure(boot: Boot) -> bool:
    points = believed(boot.anchors)
    return bool(points) and points[0].source is not Source.RTC
