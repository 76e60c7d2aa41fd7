"""Detects whether one of a vessel's files (journal, documents, number witness, copies) is out of date.

A file that has lost its end, or is an older copy, looks valid. Only the other files reveal the loss. The
files are written in a fixed order, each after the previous write is durable. First, sample numbers are
reserved in the number witness (`number_witness`). Then a batch is committed (`journal`) and recorded in the
witness. Finally, the batch's documents are written and then copied (`mirror`). So:

- The journal is out of date if the witness or a document contains a number, batch, boot or log that comes
  after the journal's last one. Such a journal would assign numbers twice, so a new log begins.
- Documents are out of date if they lack numbers that, according to the journal, they once contained, or if
  the copies contain documents that the store lacks. They are restored from the copies and the journal's ring
  buffer.
- The witness is out of date if the journal has numbers that the witness has not reserved. The witness is then
  rewritten.

If all files of a vessel are reset to the same earlier state, they agree, and the loss cannot be detected.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import apsw

from services.documents.number_spans import span_of
from services.journal.number_witness import GivenNumbers
from services.journal.schema import connect, read_batches, seed, translating
from services.mirror import mirror, restore
from services.mirror.segment_file import Mark
from sync import documents
from sync.store import Database

from . import rebuild

if TYPE_CHECKING:
    from sync.fleet.rights import Claim  # not needed by the recorder

WITNESSED: Final = "witness"
"""Key under which the journal records that a number witness exists.

If this record is set but the witness is missing, the witness was lost. Without the record, an older version,
which had no witness, may have written the journal.
"""
_BOOTS: Final = 3
"""Number of boots after the journal's last boot for which documents are looked up."""
Progress = Callable[[], None]
"""Callback that long operations call often, to show that they are still running."""
NO_WITNESS: Final = "given-numbers is missing or damaged, so it is not certain which numbers were assigned"


@dataclass(frozen=True, slots=True)
class JournalState:
    """The contents of a journal that are compared with other files."""

    vessel: str
    log: str
    boot: int
    batch: int
    """Number of the last batch; 0 if there is none."""
    last: Mapping[str, int]
    """Last assigned sample number, by sensor id."""
    closed: Mapping[str, int]
    """Last sample number known to be in documents, by sensor id."""
    has_witness: bool
    before: tuple[str, ...] = ()
    """Names of this vessel's earlier logs, as listed in the journal."""


def read_journal_state(journal: Path, *, progress: Progress = lambda: None) -> JournalState | None:
    """Return the state of a journal; None if it contains no log. Raise JournalError if it is damaged."""
    connection = connect(journal)
    try:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        with translating(journal):
            return _look(connection, progress)
    finally:
        connection.close(True)


def _look(connection: Any, progress: Progress) -> JournalState | None:
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").fetchone():
        return None
    meta: dict[str, Any] = dict(connection.execute("SELECT key, value FROM meta"))
    if not {"vessel", "log"} <= meta.keys():
        return None
    closed: dict[str, int] = dict(connection.execute("SELECT id, closed FROM sensor"))
    last = dict(closed)
    newest = int(connection.execute("SELECT coalesce(max(number), 0) FROM batch").get)
    after = min(int(meta.get("through") or 0), newest - 1)
    for batch in read_batches(connection, {}, after=after, seed=seed(meta["log"])):
        progress()
        for name, number in {**batch.given, **batch.last_numbers()}.items():
            last[name] = max(number, last.get(name, 0))
    return JournalState(
        vessel=str(meta["vessel"]),
        log=str(meta["log"]),
        boot=int(meta.get("boot") or 0),
        batch=newest,
        last=last,
        closed=closed,
        has_witness=WITNESSED in meta,
        before=tuple(str(meta.get("logs") or "").split()[:-1]),
    )


def journal_behind_witness(state: JournalState, given: GivenNumbers | None) -> str | None:
    """Compare the journal with the number witness.

    Return the reason why the journal must not be continued; None if it can be.
    """
    if given is None:
        return NO_WITNESS if state.has_witness else None
    if given.vessel == state.vessel and given.log != state.log and given.log in state.before:
        # an earlier version, which writes no witness, began this log, so the witness is older
        return None
    if (given.vessel, given.log) != (state.vessel, state.log):
        return f"the journal is of log {state.log}, but the last numbers were assigned in log {given.log}"
    if given.batch > state.batch:
        return f"the journal ends with batch {state.batch}, but batch {given.batch} was durable"
    for name in given.numbers:
        if given.last(name) > state.last.get(name, 0):
            return (
                f"the journal ends with number {state.last.get(name, 0)} of {name}, but "
                f"{given.last(name)} was assigned"
            )
    return None


def journal_lost(given: GivenNumbers | None) -> str | None:
    """Describe the loss if the journal contains no log but the number witness names one.

    Return None if nothing is lost.
    """
    if given is None or not (given.batch or any(last for last, _ in given.numbers.values())):
        return None
    return f"the journal has lost log {given.log}, in which numbers were assigned"


def journal_behind_documents(state: JournalState, database: Database) -> str | None:
    """Compare the journal with documents.

    Return the reason why the journal must not be continued; None if it can be.

    Raise StoreError if the documents cannot be read.
    """
    vessel, log = state.vessel, state.log
    named = database.get(documents.vessel_id(vessel))
    logs = None if named is None else named.body.get("logs")
    if isinstance(logs, list) and log in logs and logs[-1] != log:
        return f"the journal is of log {log}, but a document mentions the later log {logs[-1]}"
    for number in range(state.boot + 1, state.boot + _BOOTS + 1):
        if database.get(documents.boot_id(vessel, log, number)) is not None:
            return f"the journal ends with boot {state.boot}, but a document mentions boot {number}"
    for name, number in numbers_in_documents(state, database):
        if number > state.last.get(name, 0):
            last = state.last.get(name, 0)
            return f"the journal ends with number {last} of {name}, but a document has {number}"
    return None


def numbers_in_documents(state: JournalState, database: Database) -> Iterator[tuple[str, int]]:
    """Yield pairs of sensor and sample number that the journal's log assigned, according to documents.

    Current values do not count: any vessel in the fleet may write them, and could force a new log to begin.
    """
    for name in sorted(state.last):
        yield name, documented(database, state.vessel, name, state.log)
        prefix = documents.alarm_prefix(state.vessel, name, state.log)
        for reading in database.documents(prefix, reverse=True, limit=1):
            parsed = documents.parse_id(reading.id)
            if parsed is not None and parsed.number is not None:
                yield name, parsed.number


def witness_behind(state: JournalState, given: GivenNumbers | None) -> str | None:
    """Return the reason why the number witness must be rewritten; None if it is up to date."""
    if given is None or (given.vessel, given.log) != (state.vessel, state.log):
        return None
    for name, number in state.last.items():
        if number > given.reserved(name):
            return (
                f"given-numbers is older than the journal: number {number} of {name} was never reserved in it"
            )
    return None


def documents_behind(
    state: JournalState, database: Database, *, deep: bool, progress: Progress = lambda: None
) -> str | None:
    """Describe the samples missing from documents that should contain them according to the journal.

    Return None if no samples are missing. If `deep` is True, the whole log is checked, else only the newest
    document of each sensor. Raise StoreError if documents cannot be read.
    """
    if deep:
        held = rebuild.documented(database, state.vessel, log=state.log, progress=progress)
        for name, closed in state.closed.items():
            holes = held.get((name, state.log), rebuild.Spans()).holes(closed)
            if holes:
                return f"no document contains numbers {holes[0][0]} to {holes[0][1]} of {name}"
        return None
    for name, closed in state.closed.items():
        last = documented(database, state.vessel, name, state.log)
        if last < closed:
            return f"no document contains numbers {last + 1} to {closed} of {name}"
    return None


def newest_mark(folder: Path) -> Mark | None:
    """Return the last progress mark in the newest segment of the copies; None if there is none.

    Raise OSError if the segment cannot be read.
    """
    mark: Mark | None = None
    for _, content in mirror.contents(folder, newest=True):
        mark = content.last_mark.mark() if content.last_mark is not None else mark
    return mark


def store_behind_copies(
    database: Database,
    mark: Mark | None,
    there: Iterable[tuple[str, str]],
    *,
    progress: Progress = lambda: None,
) -> str | None:
    """Describe the documents that copies contain but the store lacks; return None if none are missing.

    `mark` is the newest mark; `there` contains the document id and revision of each copy to look for. Raise
    StoreError if the store cannot be read.
    """
    if mark is not None and mark.store == database.uuid and mark.through > database.last_sequence:
        return (
            f"copies were made up to change {mark.through}, but the store's last change is"
            f" {database.last_sequence}"
        )
    lacks = restore.lacking(database, there, progress=progress)
    if lacks:
        return f"{lacks[0]} is only in copies" + (f", and {len(lacks) - 1} more" if lacks[1:] else "")
    return None


def is_beyond(claim: "Claim", given: GivenNumbers | None, database: Database, vessel: str) -> bool:
    """Return True if a peer claims to have sample numbers or boots of the current log that are unknown here.

    `given` is the current content of the number witness. Raise StoreError if the store cannot be read.
    """
    if claim.contradicts:
        return True
    if claim.sensor is None:
        prefix = f"{documents.DocumentType.BOOT}:{vessel}:{claim.log}:"
        here = (
            documents.parse_id(reading.id) for reading in database.documents(prefix, reverse=True, limit=1)
        )
        return claim.number > max((name.number or 0 for name in here if name is not None), default=0)
    if given is not None and (given.vessel, given.log) == (vessel, claim.log):
        return claim.number > given.last(claim.sensor)
    return claim.number > documented(database, vessel, claim.sensor, claim.log)


def documented(database: Database, vessel: str, sensor: str, log: str) -> int:
    """Return the highest sample number of a sensor in a log that a document contains or explains.

    Raise StoreError if documents cannot be read.
    """
    last = 0
    for document in database.documents(documents.reading_prefix(vessel, sensor, log), reverse=True, limit=1):
        span = span_of(document.id, document.raw)
        last = 0 if span is None else span[1]
    for document in database.documents(documents.gap_prefix(vessel, sensor, log)):
        span = span_of(document.id, document.raw)
        last = max(last, 0 if span is None else span[1])
    return last


def known_of(database: Database, vessel: str) -> dict[str, str]:
    """Return the `uuid` and `logs` fields of a vessel's document, if present.

    Raise StoreError if the document cannot be read.
    """
    document = database.get(documents.vessel_id(vessel))
    if document is None:
        return {}
    uuid, logs = document.body.get("uuid"), document.body.get("logs")
    known = {}
    if isinstance(uuid, str) and uuid.startswith("urn:mrn:signalk:uuid:"):
        known["uuid"] = uuid.rpartition(":")[2]
    if isinstance(logs, list) and all(isinstance(log, str) for log in logs):
        known["logs"] = " ".join(logs)
    return known
