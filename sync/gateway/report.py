"""What a gateway does just now, for those who look at it: the same for every kind."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class GatewayState(Enum):
    """How it stands with a gateway."""

    CONNECTED = "connected"
    CONNECTING = "connecting"
    """It does not answer, or not yet; it is tried again and again."""
    WAITING = "waiting"
    """Nothing may go there now: the policy keeps it for another interface or hour."""
    REFUSED = "refused"
    """It answers, and does not take us, or not what we send: somebody has to do something."""


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
    """Documents that it may not have; none only if there are none."""
    backlog_bytes: int = 0
    """Their bodies' bytes, about."""
    rate: float | None = None
    """Documents a second, lately; None while nothing passes."""
    problem: str | None = None
    """The last error, in words; None once it is over."""

    @property
    def estimated_seconds(self) -> float | None:
        """Until the backlog has gone, at the present rate; None if nobody knows."""
        if self.backlog_documents == 0:
            return 0.0
        return self.backlog_documents / self.rate if self.rate else None


class Gateway(Protocol):
    """One way ashore, from `start` to `stop`; all run in the sync daemon's event loop."""

    def start(self) -> None:
        """Begin, in the running event loop. Whatever goes wrong later is in `report`."""

    async def stop(self) -> None:
        """End, and keep what was acknowledged."""

    def network_changed(self) -> None:
        """Interfaces came or went: try at once."""

    def report(self) -> GatewayReport:
        """What it does just now."""
