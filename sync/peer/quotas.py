"""Quotas: the amount of data that each owner may send per day, and the maximum size of a document.

    quotas = Quotas(lambda owner: Allowance(bytes=4_000_000, revisions=20_000), clock=time.monotonic)
    quota = quotas.quota_of("user:bridge")
    quota.objection("pancakes", 300)      # None: the document is allowed
    quota.charge(300)                     # the document was stored

An owner is a user or a vessel. A document that is too large is rejected permanently (413). Its sender keeps
the document and reports the failure. A document that exceeds the daily allowance is rejected temporarily
(429). Peers treat status 429 as a temporary failure (Couchbase Lite: `c4error_mayBeTransient`): they keep the
document and send it later.

A day begins when an owner first sends something, and lasts 24 hours by a monotonic clock. So a change of the
system clock does not end the day. The counters start from zero when the daemon restarts.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from typing import Final

from sync.replication.errors import MessageError

log = logging.getLogger(__name__)

DAY_S: Final = 86_400.0
LARGEST: Final = 256 * 1024
"""Maximum size of a document's body, in bytes.

A document usually has a few hundred bytes. Larger data belongs in blobs.
"""


class Measure(Enum):
    """The quantity that a daily allowance limits."""

    BYTES = "bytes"
    REVISIONS = "revisions"


@dataclass(frozen=True, slots=True)
class Allowance:
    """The amount of data that one owner may send per day."""

    bytes: int
    """Maximum total size, in bytes, of the document bodies and blobs that the owner may send per day."""
    revisions: int


@dataclass(frozen=True, slots=True)
class ExhaustedAllowance:
    """A daily allowance that an owner has used up."""

    owner: str
    """Name of the owner: `user:<name>`, or another name that the application chooses."""
    measure: Measure
    limit: int
    """The daily allowance, as a number of bytes or of revisions, depending on `measure`."""
    seconds: float
    """Seconds until the next day begins."""
    refused: int
    """Number of documents rejected during the current day because of the allowance."""


class Quota:
    """The quota of one owner, shared by all its connections."""

    def __init__(
        self,
        owner: str,
        allowance: Allowance,
        *,
        clock: Callable[[], float],
        largest: Callable[[str], int] = lambda _: LARGEST,
    ) -> None:
        """Create an unused quota.

        Args:
            owner: name of the owner: `user:<name>`, or another name that the application chooses.
            allowance: the allowance for a day.
            clock: returns monotonic seconds.
            largest: returns the maximum size in bytes of the document with the given id.
        """
        self.owner, self.allowance = owner, allowance
        self._clock, self._largest = clock, largest
        self._began: float | None = None
        self._bytes = self._revisions = self._refused = 0

    def objection(self, document_id: str, size: int) -> MessageError | None:
        """Return the error with which to reject a document of `size` bytes; None if it is allowed."""
        most = self._largest(document_id)
        if size > most:
            text = f"{document_id}: the document has {size} bytes; the limit is {most}"
            return MessageError(text, code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self.blob_objection(document_id, 0)

    def blob_objection(self, document_id: str, size: int) -> MessageError | None:
        """Return the error with which to reject blobs of `size` bytes in total; None if they are allowed."""
        if size > self.allowance.bytes:
            text = (
                f"{document_id}: the size is {size} bytes, more than {self.owner} may send in a day"
                f" ({self.allowance.bytes} bytes)"
            )
            return MessageError(text, code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self._look()
        if self._used_up() is None and self._bytes + size <= self.allowance.bytes:
            return None
        if not self._refused:
            log.warning(
                "%s has used its daily quota (%s): further documents are rejected", self.owner, self.words
            )
        self._refused += 1
        text = (
            f"{document_id}: {self.owner} has used its daily quota ({self.words}); try again in"
            f" {self._left / 3600:.1f} hours"
        )
        return MessageError(text, code=HTTPStatus.TOO_MANY_REQUESTS)

    @property
    def room(self) -> int:
        """Number of bytes left in the daily allowance."""
        self._look()
        return max(self.allowance.bytes - self._bytes, 0)

    def charge(self, size: int, revisions: int = 1) -> None:
        """Charge stored bytes and revisions to the daily allowance."""
        self._look()
        if self._began is None:
            self._began = self._clock()
        self._bytes += size
        self._revisions += revisions

    @property
    def words(self) -> str:
        """Human-readable description of the daily allowance, for messages."""
        return f"{self.allowance.bytes} bytes, {self.allowance.revisions} revisions"

    @property
    def bite(self) -> ExhaustedAllowance | None:
        """The daily allowance if it is used up and documents were rejected because of it; otherwise None."""
        self._look()
        measure = self._used_up() or Measure.BYTES
        limit = self.allowance.bytes if measure is Measure.BYTES else self.allowance.revisions
        return (
            ExhaustedAllowance(self.owner, measure, limit, self._left, self._refused)
            if self._refused
            else None
        )

    def _used_up(self) -> Measure | None:
        if self._bytes >= self.allowance.bytes:
            return Measure.BYTES
        return Measure.REVISIONS if self._revisions >= self.allowance.revisions else None

    @property
    def _left(self) -> float:
        return DAY_S if self._began is None else max(self._began + DAY_S - self._clock(), 0.0)

    def _look(self) -> None:
        """Reset the counters if the owner's current day is over."""
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
        """Create the quotas.

        Args:
            allowance: returns the daily allowance of an owner.
            clock: returns monotonic seconds.
            largest: returns the maximum size in bytes of the document with the given id.
        """
        self._allowance, self._clock, self._largest = allowance, clock, largest
        self._quotas: dict[str, Quota] = {}

    def quota_of(self, owner: str) -> Quota:
        """Return the quota of an owner. All calls for the same owner return the same object."""
        quota = self._quotas.get(owner)
        if quota is None:
            quota = Quota(owner, self._allowance(owner), clock=self._clock, largest=self._largest)
            self._quotas[owner] = quota
        return quota

    @property
    def bites(self) -> list[ExhaustedAllowance]:
        """Daily allowances that are used up and because of which documents were rejected, sorted by owner."""
        exhausted = (self._quotas[owner].bite for owner in sorted(self._quotas))
        return [bite for bite in exhausted if bite is not None]
