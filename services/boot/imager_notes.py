"""Raspberry Pi Imager's unfulfilled requests, which PROBLEMS.txt lists until the user deletes that file.

The file with the request is erased at the first boot, but the user may read the card only after several
boots. Therefore the requests are stored. They are discarded once the user has deleted PROBLEMS.txt.
"""

import json
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from provisioning import files
from provisioning.ingest.problems import NAME
from sensors.toml.toml_file import FileProblem

log = logging.getLogger(__name__)

_KEPT: Final = ".imager-notes.json"
"""Name of the file, in the active configuration folder, that stores the requests."""


@dataclass(frozen=True, slots=True)
class StoredNotes:
    """Imager's unfulfilled requests, as stored by earlier boots.

    `shown` is True if PROBLEMS.txt has already listed them.
    """

    notes: tuple[FileProblem, ...] = ()
    shown: bool = False


def update(
    etc: Path, card: Path, found: Sequence[FileProblem], *, read: Collection[str]
) -> tuple[FileProblem, ...]:
    """Store the unfulfilled requests in `found`, and return all requests that PROBLEMS.txt should list.

    `card` is Logboat's folder on the card. `read` contains the names of the files in which the requests were
    found. Earlier requests from files of the same names are dropped. Raise OSError if a file cannot be read
    or written.
    """
    before = _stored(etc)
    is_dismissed = before.shown and not (card / NAME).exists()
    earlier = () if is_dismissed else before.notes
    kept = [note for note in earlier if note.file.name not in read]
    notes = (*kept, *found)
    after = StoredNotes(notes, before.shown and notes == before.notes)
    if after != before:
        _store(etc, after)
    return notes


def mark_shown(etc: Path, card: Path) -> None:
    """Record that PROBLEMS.txt contains Imager's stored requests. Raise OSError if that fails."""
    before = _stored(etc)
    if before.notes and not before.shown and (card / NAME).exists():
        _store(etc, StoredNotes(before.notes, shown=True))


def _store(etc: Path, stored: StoredNotes) -> None:
    if not stored.notes:
        files.remove(etc / _KEPT)
        return
    rows = [[str(each.file), each.line, each.key, each.text, each.remedy] for each in stored.notes]
    content = json.dumps({"shown": stored.shown, "notes": rows}).encode()
    files.write(etc / _KEPT, content, mode=files.SECRET)


def _stored(etc: Path) -> StoredNotes:
    try:
        content: dict[str, Any] = json.loads((etc / _KEPT).read_bytes())
        notes = [
            FileProblem(Path(file), line, key, text, remedy)
            for file, line, key, text, remedy in content["notes"]
        ]
        return StoredNotes(tuple(notes), content["shown"] is True)
    except FileNotFoundError:
        return StoredNotes()
    except Exception as error:  # noqa: BLE001  # an unreadable file contains no requests
        log.error("%s cannot be read: %s", etc / _KEPT, error)
        return StoredNotes()
