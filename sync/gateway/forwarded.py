"""Record of the documents that have been forwarded, so that no document is forwarded twice.

The document `forwarded:<gateway>:<vessel>`, which only that vessel writes, contains a *bound* for each log of
each sensor. The bound is a sample number: the gateway has acknowledged to this vessel all readings and gaps
of the log up to that number. Readers of these documents use the highest bound of all vessels.

A bound advances from one reading or gap to the next only if no sample number between them is missing. It
starts at the first number in a log, or where another vessel's bound ends. So a vessel that has only part of a
log makes no statement about the missing part.

A gateway that was recreated, or restored from a backup, has lost documents that it had acknowledged. The
vessel that detects this begins the next *epoch*. Bounds of earlier epochs are then ignored, and every vessel
starts again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sync import documents
from sync.documents import DocumentName, DocumentType
from sync.store import Database, Document, DocumentError

log = logging.getLogger(__name__)

Sign = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Function that signs a document. It accepts the document's id and body, and returns the signed body.

On a vessel without an identity, it returns the body unchanged.
"""


def unsigned(_document_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a document's body unchanged. This is the `Sign` function of a vessel without an identity."""
    return body


Log = tuple[str, str, str]
"""Identity of a log: vessel, sensor and log id."""
HISTORY: Final = (DocumentType.READING, DocumentType.GAP)
AT_ONCE: Final = 500
"""Maximum number of documents checked in one call of `Forwarded.advance`."""
EPOCHS_AHEAD: Final = 1000
"""Maximum number by which an epoch (see the module) that another vessel states may exceed ours.

No gateway is recreated that often, so a higher epoch is a forgery. It is ignored, because otherwise the
forger could use up all numbers for later epochs.
"""
_HIGHEST: Final = 10**documents.SEQUENCE_DIGITS - 1


def forwarded_id(gateway: str, vessel: str) -> str:
    """Return the id of the document in which a vessel records what a gateway has acknowledged."""
    return f"{DocumentType.FORWARDED}:{gateway}:{vessel}"


def bounds_of(document: Document) -> dict[Log, int]:
    """Return the valid bounds in a `forwarded` document: the number of the last forwarded sample of each log.

    Another vessel may have written the document, so malformed bounds are ignored.
    """
    bounds: Any = document.body.get("bounds")
    highest: dict[Log, int] = {}
    for key, last in bounds.items() if isinstance(bounds, dict) else ():
        match key.split(":"):
            case [vessel, sensor, log_] if isinstance(last, int) and not isinstance(last, bool):
                if 0 < last <= _HIGHEST:
                    highest[vessel, sensor, log_] = last
            case _:
                pass
    return highest


def epoch_of(document: Document) -> int:
    """Return the epoch of the gateway to which a `forwarded` document refers."""
    epoch: Any = document.body.get("epoch")
    return epoch if isinstance(epoch, int) and not isinstance(epoch, bool) and epoch >= 0 else 0


class Forwarded:
    """Record of the documents that all vessels have forwarded to one gateway.

    It consists of the bounds that the vessels state: for each log, the number of the last sample that was
    forwarded. This class advances the bounds of this vessel.
    """

    def __init__(
        self,
        database: Database,
        gateway: str,
        vessel: str,
        *,
        sign: Sign = unsigned,
    ) -> None:
        """Load the bounds of all vessels. `sign` signs this vessel's `forwarded` document.

        Raises StoreError if the store fails.
        """
        self._sign = sign
        self._database, self._gateway, self._vessel = database, gateway, vessel
        self._id = forwarded_id(gateway, vessel)
        self._prefix = self._id[: -len(vessel)]
        self._own: dict[Log, int] = {}
        self._all: dict[Log, int] = {}
        self._due: dict[Log, None] = {}
        self._is_new = False
        own = database.get(self._id)
        self.epoch = 0
        self._fault = ""
        self._own_body: Mapping[str, Any] = {}
        """Body of this vessel's `forwarded` document, as last written."""
        if own is not None and not own.deleted:
            self._own, self.epoch = bounds_of(own), epoch_of(own)
            self._own_body = own.body
            signed = self._signed()
            self._is_new = "sig" in signed and signed != own.body
        self.read_bounds()

    @property
    def is_empty(self) -> bool:
        """True if this vessel has not recorded any bounds."""
        return not self._own

    def read_bounds(self) -> bool:
        """Read the bounds of all vessels. Return True if another vessel has begun a later epoch.

        Raises StoreError if the store fails.
        """
        forwarded = list(self._database.documents(prefix=self._prefix))
        own = next((document for document in forwarded if document.id == self._id), None)
        if self._own_body and (own is None or own.body != self._own_body):
            self._is_new = True  # another vessel has passed on an older body of ours as a newer revision
        epochs = [epoch for epoch in map(epoch_of, forwarded) if epoch <= self.epoch + EPOCHS_AHEAD]
        newest = max(epochs, default=0)
        is_newer = newest > self.epoch
        if is_newer:
            self._begin(newest)
        self._all = dict(self._own)
        for document in forwarded:
            if epoch_of(document) == self.epoch and document.id != self._id:
                for key, number in bounds_of(document).items():
                    self._all[key] = max(number, self._all.get(key, 0))
        return is_newer

    def begin_epoch(self) -> None:
        """Begin a new epoch, because the gateway has lost documents that it had acknowledged.

        Raises StoreError if the store fails.
        """
        self._begin(self.epoch + 1)
        self._all = {}
        self.write()

    def _begin(self, epoch: int) -> None:
        self.epoch, self._own, self._is_new = epoch, {}, True
        self._due.clear()

    def is_ashore(self, document_id: str) -> bool:
        """Return True if a document is a reading or gap that a vessel has forwarded."""
        if not document_id.startswith(_PREFIXES):
            return False
        name = documents.parse_id(document_id)
        key = None if name is None else _key(name)
        return key is not None and name is not None and (name.number or 0) <= self._all.get(key, 0)

    def acknowledged(self, document_id: str) -> None:
        """Record that the gateway has acknowledged a document, so that `advance` checks its log."""
        if document_id.startswith(_PREFIXES):
            name = documents.parse_id(document_id)
            key = None if name is None else _key(name)
            if key is not None:
                self._due[key] = None

    def everything(self) -> None:
        """Make the next `advance` check all logs.

        After a crash, some acknowledgements may not have been recorded.
        """
        for prefix in _PREFIXES:
            for document_id in _first_of_each_log(self._database, prefix):
                self.acknowledged(document_id)

    def advance(self, is_there: Callable[[Document], bool]) -> bool:
        """Advance this vessel's bounds over acknowledged documents.

        Return True if more documents must be checked. `is_there` must return True for a document of the store
        that the gateway has acknowledged. Raises StoreError if the store fails.
        """
        left = AT_ONCE
        while self._due and left > 0:
            key = next(iter(self._due))
            left = self._walk(key, is_there, left)
            if left > 0:
                del self._due[key]
        return bool(self._due)

    def write(self) -> bool:
        """Write this vessel's bounds to the store if they have advanced. Return True if they were written.

        Raises StoreError if the store fails.
        """
        if not self._is_new:
            return False
        body = self._signed()
        try:
            with self._database.transaction():
                now = self._database.get(self._id)
                if now is None or now.deleted or now.body != body:
                    self._database.put(self._id, body, parent=None if now is None else now.rev)
        except DocumentError as error:
            # Forwarding can continue. The log message names the document. The bounds are written later.
            if str(error) != self._fault:
                self._fault = str(error)
                log.error("the record of forwarded documents cannot be stored: %s", error)
            return False
        self._own_body, self._is_new, self._fault = body, False, ""
        return True

    def _signed(self) -> Mapping[str, Any]:
        body = {
            "type": DocumentType.FORWARDED.value,
            "vessel": self._vessel,
            "gateway": self._gateway,
            "epoch": self.epoch,
            "channels": documents.channels(DocumentType.FORWARDED, self._vessel),
            "bounds": {":".join(key): number for key, number in sorted(self._own.items())},
        }
        return self._sign(self._id, body)

    def _walk(self, key: Log, is_there: Callable[[Document], bool], left: int) -> int:
        bound = max(self._own.get(key, 0), self._all.get(key, 0))
        for document in _from(self._database, key, bound):
            name = documents.parse_id(document.id)
            last = document.body.get("last")
            left -= 1
            if name is None or name.number is None or not isinstance(last, int):
                break
            if name.number > bound + 1 or not is_there(document):
                break
            bound = max(bound, last)
            if left <= 0:
                break
        if bound > self._own.get(key, 0) and bound > 0:
            self._own[key] = bound
            self._is_new = True
            self._all[key] = max(bound, self._all.get(key, 0))
        return left


_PREFIXES: Final = tuple(f"{kind}:" for kind in HISTORY)


def _key(name: DocumentName) -> Log | None:
    if name.sensor is None or name.log is None:
        return None
    return name.vessel, name.sensor, name.log


def _from(database: Database, key: Log, bound: int) -> Iterable[Document]:
    """Yield the readings and gaps of a log whose numbers are above a bound, in order of their numbers."""
    streams = []
    for kind in HISTORY:
        prefix = f"{kind}:{':'.join(key)}:"
        after = f"{prefix}{bound:0{documents.SEQUENCE_DIGITS}}"
        streams.append(iter(database.documents(prefix=prefix, after=after, limit=AT_ONCE)))
    heads = [next(stream, None) for stream in streams]
    while any(head is not None for head in heads):
        place = min(
            (number for number, head in enumerate(heads) if head is not None),
            key=lambda number: heads[number].id.rpartition(":")[2],  # type: ignore[union-attr]
        )
        head = heads[place]
        assert head is not None
        yield head
        heads[place] = next(streams[place], None)


def _first_of_each_log(database: Database, prefix: str) -> Iterable[str]:
    """Yield the id of one document for each log of each sensor, without reading the other documents."""
    after = ""
    while True:
        reading = next(iter(database.documents(prefix=prefix, after=after, limit=1)), None)
        if reading is None:
            return
        if documents.parse_id(reading.id) is None:
            after = reading.id  # a malformed id must not hide a log
            continue
        yield reading.id
        after = reading.id.rpartition(":")[0] + ":~"
