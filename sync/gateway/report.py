"""Report on the current state of a gateway. Its form is the same for every kind of gateway."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol


class GatewayState(StrEnum):
    """State of a gateway, as reported to users."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    """The gateway has not answered yet. Attempts to connect continue."""
    WAITING = "waiting"
    """The policy does not allow a connection now, because of the network interface or the time of day."""
    REFUSED = "refused"
    """The gateway rejects the connection or the documents, and a user must solve the problem."""


@dataclass(frozen=True, slots=True)
class RefusedDocument:
    """A document that a gateway has rejected."""

    id: str
    reason: str
    """The gateway's reason for rejecting the document."""
    when: float
    """Time at which the gateway first rejected the document for this reason, in seconds since 1970."""


MOST_NAMED: Final = 10
"""Maximum number of rejected documents in a report."""


def describe_refused(gateway: str, refused: Sequence[RefusedDocument], *, has_more: bool = False) -> str:
    """Return a message about rejected documents and how to resolve the problem.

    Args:
        gateway: name of the gateway.
        refused: the rejected documents, at least one. The newest is last.
        has_more: whether there are more rejected documents than these.
    """
    last, number = refused[-1], len(refused)
    documents = "1 document" if number == 1 else f"{number}{' and more' if has_more else ''} documents"
    return (
        f"the gateway rejects {documents}, most recently {last.id}: {last.reason}; fix the cause there,"
        f" then run `logboat gateway retry {gateway}`"
    )


@dataclass(slots=True)
class GatewayReport:
    """Report on the current state of one gateway."""

    name: str
    kind: str
    """Kind of the gateway: `couchbase` or `mqtt`."""
    url: str
    state: GatewayState = GatewayState.CONNECTING
    since: float | None = None
    """Time at which the gateway entered this state, in seconds since 1970."""
    last_acknowledged: float | None = None
    """Time at which the gateway last accepted a document, in seconds since 1970."""
    backlog_documents: int = 0
    """Number of documents that the gateway lacks, including rejected documents.

    The actual number may be lower.
    """
    backlog_bytes: int = 0
    """Approximate total size of the bodies of the documents in the backlog, in bytes."""
    refused_documents: int = 0
    """Number of documents that the gateway has rejected. They are offered again at regular intervals."""
    refused: list[RefusedDocument] = field(default_factory=list)
    """The documents that were rejected most recently, newest last."""
    rate: float | None = None
    """Recent forwarding rate in documents per second; None if no documents are being forwarded."""
    problem: str | None = None
    """The current problem, as a message; None if there is none."""

    @property
    def estimated_seconds(self) -> float | None:
        """Seconds until the backlog is forwarded at the current rate; None if unknown."""
        going = self.backlog_documents - self.refused_documents
        if going <= 0:
            return 0.0 if self.refused_documents == 0 else None
        return going / self.rate if self.rate else None


class Gateway(Protocol):
    """A gateway that runs from `start` to `stop` in the sync daemon's event loop."""

    def start(self) -> None:
        """Start in the running event loop. `report` shows errors that occur later."""

    async def stop(self) -> None:
        """Stop the gateway, and store the record of forwarded documents."""

    def network_changed(self) -> None:
        """Try to connect immediately, because network interfaces have changed."""

    def retry(self) -> int:
        """Connect immediately, and offer all rejected documents again.

        Return the number of these documents.
        """

    def report(self) -> GatewayReport:
        """Return the current state of the gateway."""
