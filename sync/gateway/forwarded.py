"""What is ashore: `forwarded` documents, by which vessels spare each other and a full card what is safe.

`forwarded:<gateway>:<vessel>`, written by that vessel alone: for each log of each sensor the number up to
which everything has been acknowledged by the gateway, as far as this vessel has seen it. Readers take the
highest of all vessels'.

A bound is only ever moved from one document to the next one: whoever has just some of a log says nothing of
the rest. It begins with a log's first number, or where another vessel's ends.

A gateway that was begun anew, or restored from a backup, has lost what it had acknowledged. The vessel that
sees it begins the next *epoch*: bounds of an earlier one count for nothing, and everybody looks once more.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from sync import documents
from sync.documents import DocumentName, Kind
from sync.store import Database, Document, DocumentError

log = logging.getLogger(__name__)

Sign = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""A document's body by its id, signed by this vessel; as it is if the vessel has no identity."""


def unsigned(_document_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the body as it is: a vessel without identity signs nothing."""
    return body


Log = tuple[str, str, str]
"""Vessel, sensor, log."""
HISTORY: Final = (Kind.READING, Kind.GAP)
AT_ONCE: Final = 500
"""Documents looked at in one go."""
EPOCHS_AHEAD: Final = 1000
"""An epoch further ahead of ours than this is made up: a gateway is not begun anew so often. It is not
heeded, or the vessel that made it up could leave no number for the epochs that follow."""
_HIGHEST: Final = 10**documents.SEQUENCE_DIGITS - 1


def forwarded_id(gateway: str, vessel: str) -> str:
    """Id of what a vessel has seen acknowledged by a gateway."""
    return f"{Kind.FORWARDED}:{gateway}:{vessel}"


def bounds_of(document: Document) -> dict[Log, int]:
    """The bounds that a `forwarded` document gives; another vessel may have written anything."""
    bounds: Any = document.body.get("bounds")
    found: dict[Log, int] = {}
    for key, last in bounds.items() if isinstance(bounds, dict) else ():
        match key.split(":"):
            case [vessel, sensor, log_] if isinstance(last, int) and not isinstance(last, bool):
                if 0 < last <= _HIGHEST:
                    found[vessel, sensor, log_] = last
            case _:
                pass
    return found


def epoch_of(document: Document) -> int:
    """Which epoch of the gateway a `forwarded` document is about."""
    epoch: Any = document.body.get("epoch")
    return epoch if isinstance(epoch, int) and not isinstance(epoch, bool) and epoch >= 0 else 0


class Forwarded:
    """The bounds of one gateway: those of all vessels, and our own, which grow."""

    def __init__(
        self,
        database: Database,
        gateway: str,
        vessel: str,
        *,
        sign: Sign = unsigned,
    ) -> None:
        """Raises StoreError."""
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
        self._said: Mapping[str, Any] = {}
        """The body that was written last."""
        if own is not None and not own.deleted:
            self._own, self.epoch = bounds_of(own), epoch_of(own)
            self._said = own.body
            signed = self._signed()
            self._is_new = "sig" in signed and signed != own.body
        self.look()

    @property
    def is_empty(self) -> bool:
        """Whether we have seen nothing acknowledged."""
        return not self._own

    def look(self) -> bool:
        """Read what all vessels say; whether somebody has begun another epoch. Raises StoreError."""
        found = list(self._database.documents(prefix=self._prefix))
        own = next((document for document in found if document.id == self._id), None)
        if self._said and (own is None or own.body != self._said):
            self._is_new = True  # somebody has passed on an old state of ours as a newer one
        epochs = [epoch for epoch in map(epoch_of, found) if epoch <= self.epoch + EPOCHS_AHEAD]
        newest = max(epochs, default=0)
        is_newer = newest > self.epoch
        if is_newer:
            self._begin(newest)
        self._all = dict(self._own)
        for document in found:
            if epoch_of(document) == self.epoch and document.id != self._id:
                for key, number in bounds_of(document).items():
                    self._all[key] = max(number, self._all.get(key, 0))
        return is_newer

    def begin_anew(self) -> None:
        """The gateway has lost what it had. Raises StoreError."""
        self._begin(self.epoch + 1)
        self._all = {}
        self.write()

    def _begin(self, epoch: int) -> None:
        self.epoch, self._own, self._is_new = epoch, {}, True
        self._due.clear()

    def is_ashore(self, document_id: str) -> bool:
        """Whether a reading or gap is known to be there already."""
        if not document_id.startswith(_PREFIXES):
            return False
        name = documents.parse_id(document_id)
        key = None if name is None else _key(name)
        return key is not None and name is not None and (name.number or 0) <= self._all.get(key, 0)

    def acknowledged(self, document_id: str) -> None:
        """The gateway has it."""
        if document_id.startswith(_PREFIXES):
            name = documents.parse_id(document_id)
            key = None if name is None else _key(name)
            if key is not None:
                self._due[key] = None

    def everything(self) -> None:
        """Look at all logs: what was acknowledged before a crash may not have been noted."""
        for prefix in _PREFIXES:
            for document_id in _first_of_each_log(self._database, prefix):
                self.acknowledged(document_id)

    def advance(self, is_there: Callable[[Document], bool]) -> bool:
        """Move bounds on over what is there; whether there is more to be looked at.

        `is_there`: whether the gateway has acknowledged a document of the store. Raises StoreError.
        """
        left = AT_ONCE
        while self._due and left > 0:
            key = next(iter(self._due))
            left = self._walk(key, is_there, left)
            if left > 0:
                del self._due[key]
        return bool(self._due)

    def write(self) -> bool:
        """Put our bounds into the store, if they have grown; whether they had. Raises StoreError."""
        if not self._is_new:
            return False
        body = self._signed()
        try:
            with self._database.transaction():
                now = self._database.get(self._id)
                if now is None or now.deleted or now.body != body:
                    self._database.put(self._id, body, parent=None if now is None else now.rev)
        except DocumentError as error:
            # Forwarding does not depend on it: the log says which document it is, and the bounds stay due.
            if str(error) != self._fault:
                self._fault = str(error)
                log.error("what is ashore cannot be written down: %s", error)
            return False
        self._said, self._is_new, self._fault = body, False, ""
        return True

    def _signed(self) -> Mapping[str, Any]:
        body = {
            "type": Kind.FORWARDED.value,
            "vessel": self._vessel,
            "gateway": self._gateway,
            "epoch": self.epoch,
            "channels": documents.channels(Kind.FORWARDED, self._vessel),
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
    """Readings and gaps of a log that come after a bound, in order of their numbers."""
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
    """An id of each log of each sensor: a few reads each, however many documents they have."""
    after = ""
    while True:
        found = next(iter(database.documents(prefix=prefix, after=after, limit=1)), None)
        if found is None:
            return
        if documents.parse_id(found.id) is None:
            after = found.id  # an id that is none hides no log
            continue
        yield found.id
        after = found.id.rpartition(":")[0] + ":~"
