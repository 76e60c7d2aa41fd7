"""How much waits for a gateway, and how fast it goes: for those who look at it. Pure."""

from collections.abc import Callable
from typing import Final

from sync import documents
from sync.store import Change


class Rate:
    """Things a second over the last ten seconds."""

    SPAN: Final = 10

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._counts: dict[int, int] = {}
        self._began: float | None = None

    def add(self, count: int = 1) -> None:
        """So many, now."""
        now = self._clock()
        if not self._counts:
            self._began = now
        second = int(now)
        self._counts[second] = self._counts.get(second, 0) + count
        if len(self._counts) > self.SPAN:
            self._forget(second)

    def value(self) -> float | None:
        """A second; None if there were none."""
        now = self._clock()
        self._forget(int(now))
        if not self._counts or self._began is None:
            return None
        return sum(self._counts.values()) / min(self.SPAN, max(1.0, now - self._began))

    def _forget(self, second: int) -> None:
        for old in [old for old in self._counts if old <= second - self.SPAN]:
            del self._counts[old]


class Backlog:
    """Documents that wait, and their bytes. One that is rewritten while it waits is still one."""

    __slots__ = ("_rewritten", "bytes", "documents")

    def __init__(self) -> None:
        self.documents = self.bytes = 0
        self._rewritten: set[str] = set()

    def add(self, change: Change) -> None:
        """One more waits."""
        if not documents.is_immutable(change.id):
            if change.id in self._rewritten:
                return
            self._rewritten.add(change.id)
        self.documents += 1
        self.bytes += change.size

    def remove(self, document_id: str, size: int) -> None:
        """One waits no more. What nobody has counted yet is not missed."""
        self._rewritten.discard(document_id)
        self.documents = max(0, self.documents - 1)
        self.bytes = max(0, self.bytes - size)

    def reset(self, left: int = 0) -> None:
        """Whatever was counted: so many wait."""
        self.documents, self.bytes = left, 0
        self._rewritten.clear()
