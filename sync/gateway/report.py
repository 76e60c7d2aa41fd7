"""What a gateway does just now, for those who look at it: the same for every kind."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Protocol


class GatewayState(Enum):
    """How it stands with a gateway."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    """It does not answer, or not yet; it is tried again and again."""
    WAITING = "waiting"
    """Nothing may go there now: the policy keeps it for another interface or hour."""
    REFUSED = "refused"
    """It answers, and does not take us, or not what we send: somebody has to do something."""


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A document that a gateway does not take."""

    id: str
    reason: str
    """In the gateway's words."""
    when: float
    """Seconds since 1970 when it was first refused as it is now."""


MOST_NAMED: Final = 10
"""Refused documents that a report names."""


def words_of_refused(gateway: str, refused: Sequence[RefusedDocument], *, has_more: bool = False) -> str:
    """Say that a gateway refuses documents, and what to do. `refused` is not empty, the newest at the end."""
    last, number = refused[-1], len(refused)
    documents = "1 document" if number == 1 else f"{number}{' and more' if has_more else ''} documents"
    return (
        f"it refuses {documents}, the last {last.id}: {last.reason}; when that is mended there:"
        f" logboat gateway retry {gateway}"
    )


@dataclass(slots=True)
class GatewayReport:
    """One gateway."""

    name: str
    kind: str
    """`couchbase` or `mqtt`."""
    url: str
    state: GatewayState = GatewayState.CONNECTING
    since: float | None = None
    """Seconds since 1970 when it came into this state."""
    last_acknowledged: float | None = None
    """Seconds since 1970 when it last took a document for good."""
    backlog_documents: int = 0
    """Documents that it may not have, refused ones included; none only if there are none."""
    backlog_bytes: int = 0
    """Their bodies' bytes, about."""
    refused_documents: int = 0
    """Documents that it has refused: not ashore, and offered again now and then."""
    refused: list[RefusedDocument] = field(default_factory=list)
    """The last of them, the newest at the end."""
    rate: float | None = None
    """Documents a second, lately; None while nothing passes."""
    problem: str | None = None
    """The last error, in words; None once it is over."""

    @property
    def estimated_seconds(self) -> float | None:
        """Until the backlog has gone, at the present rate; None if nobody knows."""
        going = self.backlog_documents - self.refused_documents
        if going <= 0:
            return 0.0 if self.refused_documents == 0 else None
        return going / self.rate if self.rate else None


class Gateway(Protocol):
    """One way ashore, from `start` to `stop`; all run in the sync daemon's event loop."""

    def start(self) -> None:
        """Begin, in the running event loop. Whatever goes wrong later is in `report`."""

    async def stop(self) -> None:
        """End, and keep what was acknowledged."""

    def network_changed(self) -> None:
        """Interfaces came or went: try at once."""

    def retry(self) -> int:
        """Connect now, and offer all refused documents again; return how many there are."""

    def report(self) -> GatewayReport:
        """What it does just now."""
