"""Quotas: what each user and each vessel may bring in a day, and how large one document may be. Pure.

    quotas = Quotas(lambda owner: Allowance(bytes=4_000_000, revisions=20_000), clock=time.monotonic)
    quota = quotas.of("user:bridge")
    quota.objection("note:argo:1", 300)      # None: it may come
    quota.charge(300)                        # it was stored

A document that is too large is refused for good (413): its sender keeps it, and says so. What comes when the
day's allowance is used up is refused for now (429). Peers take that for a failure that passes (Couchbase
Lite: `c4error_mayBeTransient`): they keep the document and bring it later.

A day begins when something is brought, and lasts 24 hours of a steady clock, so no setting of the time ends
it. What was counted is forgotten at a restart of the daemon.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sync.replication.errors import MessageError

log = logging.getLogger(__name__)

DAY_S: Final = 86_400.0
LARGEST: Final = 256 * 1024
"""Bytes of a document's body. A window of readings closes at 64 kB; notes and current values have some
hundred."""
_TOO_LARGE: Final = 413
_TOO_MANY: Final = 429


class Measure(Enum):
    """What of an allowance is used up."""

    BYTES = "bytes"
    REVISIONS = "revisions"


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one owner may bring in a day."""

    bytes: int
    """Of bodies and blobs."""
    revisions: int


@dataclass(frozen=True, slots=True)
class Bite:
    """An allowance that is used up."""

    owner: str
    """`user:<name>`, `vessel:<name>` or `gateway:<name>`."""
    measure: Measure
    limit: int
    """In a day."""
    seconds: float
    """Until the next day begins."""
    refused: int
    """Times that something was refused for it."""


class Quota:
    """The quota of one owner, on all its connections together."""

    def __init__(
        self,
        owner: str,
        allowance: Allowance,
        *,
        clock: Callable[[], float],
        largest: Callable[[str], int] = lambda _: LARGEST,
    ) -> None:
        """`clock`: seconds that only rise; `largest`: the most bytes that a document by this id may have."""
        self.owner, self.allowance = owner, allowance
        self._clock, self._largest = clock, largest
        self._began: float | None = None
        self._bytes = self._revisions = self._refused = 0

    def objection(self, document_id: str, size: int) -> MessageError | None:
        """Return why a document of this size is not taken; None if it is."""
        most = self._largest(document_id)
        if size > most:
            text = f"{document_id}: {size} bytes; at most {most} are taken here"
            return MessageError(text, code=_TOO_LARGE)
        return self.blob_objection(document_id, 0)

    def blob_objection(self, document_id: str, size: int) -> MessageError | None:
        """Return why a blob of this size is not taken; None if it is."""
        if size > self.allowance.bytes:
            text = f"{document_id}: {size} bytes; {self.owner} may bring {self.allowance.bytes} a day"
            return MessageError(text, code=_TOO_LARGE)
        self._look()
        if self._used_up() is None and self._bytes + size <= self.allowance.bytes:
            return None
        if not self._refused:
            log.warning("%s has brought what it may in a day (%s): more is refused", self.owner, self.words)
        self._refused += 1
        text = (
            f"{document_id}: {self.owner} has brought what it may in a day here ({self.words}); "
            f"what is left can come in {self._left / 3600:.1f} hours"
        )
        return MessageError(text, code=_TOO_MANY)

    def charge(self, size: int, revisions: int = 1) -> None:
        """Count what was stored."""
        self._look()
        if self._began is None:
            self._began = self._clock()
        self._bytes += size
        self._revisions += revisions

    @property
    def words(self) -> str:
        """The allowance, for people."""
        return f"{self.allowance.bytes} bytes, {self.allowance.revisions} revisions"

    @property
    def bite(self) -> Bite | None:
        """Return the allowance that is used up and has led to refusals; None if none has."""
        self._look()
        measure = self._used_up() or Measure.BYTES
        limit = self.allowance.bytes if measure is Measure.BYTES else self.allowance.revisions
        return Bite(self.owner, measure, limit, self._left, self._refused) if self._refused else None

    def _used_up(self) -> Measure | None:
        if self._bytes >= self.allowance.bytes:
            return Measure.BYTES
        return Measure.REVISIONS if self._revisions >= self.allowance.revisions else None

    @property
    def _left(self) -> float:
        return DAY_S if self._began is None else max(self._began + DAY_S - self._clock(), 0.0)

    def _look(self) -> None:
        """Begin a new day if the last one is over."""
        if self._began is not None and self._clock() >= self._began + DAY_S:
            self._began = None
            self._bytes = self._revisions = self._refused = 0


class Quotas:
    """The quotas of all owners."""

    def __init__(
        self,
        allowance: Callable[[str], Allowance],
        *,
        clock: Callable[[], float],
        largest: Callable[[str], int] = lambda _: LARGEST,
    ) -> None:
        """`allowance` gives that of an owner; the others are as in `Quota`."""
        self._allowance, self._clock, self._largest = allowance, clock, largest
        self._quotas: dict[str, Quota] = {}

    def of(self, owner: str) -> Quota:
        """Return the quota of an owner: the same one each time."""
        found = self._quotas.get(owner)
        if found is None:
            found = Quota(owner, self._allowance(owner), clock=self._clock, largest=self._largest)
            self._quotas[owner] = found
        return found

    @property
    def bites(self) -> list[Bite]:
        """Those that are used up now, and have led to refusals, by owner."""
        found = (self._quotas[owner].bite for owner in sorted(self._quotas))
        return [bite for bite in found if bite is not None]
