"""What carries BLIP's frames, and whom it hands them to: the seam between sockets and everything else."""

from typing import Protocol

from sync.peer.problems import Problem


class Receiver(Protocol):
    """Whoever uses a transport. All calls come from the event loop, in order, `closed` last and once."""

    def frames(self, frames: list[bytes]) -> None:
        """Whole frames, all that one read brought, in order."""

    def writable(self) -> None:
        """There is room again in the buffer of a transport that was not writable."""

    def closed(self, problem: Problem | None) -> None:
        """It is over. None after a close that both sides meant (codes 1000 and 1001 of ours)."""


class Transport(Protocol):
    """Carries frames both ways, each whole, in order."""

    remote: str
    """Where the other side is, for people: an address and port, or a name."""

    @property
    def bytes_received(self) -> int:
        """Payload of all frames so far; framing, TLS and TCP not counted."""

    @property
    def bytes_sent(self) -> int:
        """As `bytes_received`."""

    @property
    def is_writable(self) -> bool:
        """Whether it is sensible to send more: what was sent is not waiting in a long buffer."""

    @property
    def unwritten(self) -> int:
        """Bytes that were sent and wait here to be written, as far as that is known."""

    @property
    def silence(self) -> float:
        """Seconds for which the other side has owed a sign of life: it was asked for one, and not a byte has
        come since. 0 if all is well, or if it is never asked."""

    def send(self, frame: bytes) -> None:
        """Put one frame in line; nothing is written before `flush`. A transport that is over ignores it."""

    def flush(self) -> None:
        """Write everything that was sent."""

    def pause(self) -> None:
        """Read no more for now, so that the other side must wait."""

    def resume(self) -> None:
        """Read on."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is in line, say goodbye, and close; `Receiver.closed` is called when that is done."""

    def abort(self) -> None:
        """Close at once, without a word."""
