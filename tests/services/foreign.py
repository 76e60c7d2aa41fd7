"""Documents of every type that others may have written, each with one wrong field."""

import copy
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from sync import documents
from sync.documents import DocumentType

from . import documents as build
from .documents import UTC, Built, network

WRONG: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    0.5,
    10**12,
    2**53 - 1,
    1e308,
    "",
    "x",
    "\x1b[2J\x00",
    "0001-01-01T00:00:00",  # without a time zone, and too early for some calendars
    "9999-12-31T23:59:59-14:00",
    [],
    [None],
    [["a"]],
    {},
    {"": {"a": [1]}},
)
"""Wrong values that replace valid ones."""
ODD_IDS: Final = (
    "reading:argo:rpm:abcdef:!",
    "reading:argo:rpm:abcdef:zzz",
    "reading:argo:rpm:abcdef:999999999999",
    "gap:argo:rpm:abcdef:",
    "gap:argo:rpm:abcdef:999999999999",
    "alarm:argo:rpm:abcdef:17",
    "boot:argo:abcdef:99999999999999999999",
    "boot:argo:abcdef:007",
    "equipment:argo",
    "equipment:argo:\x1b[2J",
    "vessel:\x1b[2J",
    "note:argo:short",
    "forwarded:office",
)


def store(vessel: str, *, log: str = "foreig") -> Iterator[Built]:
    """Yield one document for each possible error; `log` is the log in documents that name one."""
    place = 1
    for make in (_reading, _gap, _alarm, _boot, _equipment, _vessel, _note, _service, _forwarded):
        for wrong in _wrongs(make(vessel, log, 0)[1]):
            document_id, body = make(vessel, log, place)
            place += 10
            yield document_id, wrong(body)
    for document_id in ODD_IDS:
        yield document_id.replace("argo", vessel), {"type": document_id.partition(":")[0], "vessel": vessel}


def _wrongs(body: dict[str, Any]) -> Iterator[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Yield functions that replace one value in a body of this form with a wrong one, or remove one key."""
    for path in _paths(body):
        for value in (*WRONG, _MISSING):
            yield partial(_changed, path=path, value=value)


_MISSING: Final = object()


def _paths(value: Any, before: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if before:
        yield before
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*before, key))
    elif isinstance(value, list) and value:
        yield from _paths(value[0], (*before, 0))


def _changed(body: dict[str, Any], path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    found = copy.deepcopy(body)
    inner: Any = found
    for step in path[:-1]:
        inner = inner[step]
    if value is _MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return found


def _reading(vessel: str, log: str, place: int) -> Built:
    return build.reading(1.5, 2.5, first=place + 1, start=100.0 + place, vessel=vessel, log=log)


def _gap(vessel: str, log: str, place: int) -> Built:
    return build.gap(place + 1, place + 3, "removed to make room on the card", vessel=vessel, log=log)


def _alarm(vessel: str, log: str, place: int) -> Built:
    acks = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
    return build.alarm(place + 1, cleared=130.0, acks=acks, vessel=vessel, log=log)


def _boot(vessel: str, log: str, place: int) -> Built:
    return build.boot(place + 1, network(0, UTC + place), previous_end=(place, 5.0), vessel=vessel, log=log)


def _equipment(vessel: str, log: str, place: int) -> Built:
    return build.equipment(30.0, vessel=vessel, sensor=f"s{place}", log=log)


def _vessel(vessel: str, log: str, place: int) -> Built:
    document_id, body = build.vessel(f"{vessel}-{place}", logs=(log,))
    every = {"months": 12, "days": 0}
    plan = {"name": "Oil", "sensor": "rpm", "runSeconds": 900_000.0, "calendar": every, "warnCalendar": every}
    last = {"lastRunSeconds": 1.0, "lastDone": "2025-10-09T10:00:00Z"}
    return document_id, body | {"services": {"oil": plan | last}}


def _note(vessel: str, log: str, place: int) -> Built:
    head = {
        "type": DocumentType.NOTE.value,
        "vessel": vessel,
        "channels": documents.channels(DocumentType.NOTE, vessel),
    }
    body = head | {"text": f"of {log}", "who": "anna", "when": "2025-10-09T10:00:00Z"}
    return documents.note_id(vessel, f"{place:026d}"), body


def _service(vessel: str, log: str, place: int) -> Built:
    body = {
        "type": DocumentType.SERVICE.value,
        "vessel": vessel,
        "channels": documents.channels(DocumentType.SERVICE, vessel),
        "service": "engine-oil",
        "sensor": "main-hours",
        "runSeconds": 3_600.0,
        "who": "anna",
        "when": "2025-10-09T10:00:00Z",
        "trust": "synced",
        "text": f"of {log}",
        "replaces": [documents.service_id(vessel, f"{place + 1:026d}")],
    }
    return documents.service_id(vessel, f"{place:026d}"), body


def _forwarded(vessel: str, log: str, place: int) -> Built:
    body = {"type": DocumentType.FORWARDED.value, "vessel": vessel, "gateway": f"g{place}", "epoch": 0}
    return f"{DocumentType.FORWARDED}:g{place}:{vessel}", body | {"bounds": {f"{vessel}:rpm:{log}": 6}}
