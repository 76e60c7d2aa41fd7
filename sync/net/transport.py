"""The interface between sockets and everything else: transports of BLIP frames, and their receivers."""

from typing import Protocol

from sync.peer.problems import Problem


class FrameReceiver(Protocol):
    """The user of a transport. All calls come from the event loop, in order, with `closed` last and once."""

    def frames(self, frames: list[bytes]) -> None:
        """Receive all complete frames of one read, in order."""

    def writable(self) -> None:
        """Continue sending, because a transport that was not writable has room again."""

    def closed(self, problem: Problem | None) -> None:
        """Handle the end of the transport.

        `problem` is None after a normal close, such as one of ours with code 1000 or 1001.
        """


class Transport(Protocol):
    """A connection that carries complete frames both ways, in order."""

    remote: str
    """The other side for people: an address and port, or a name."""

    @property
    def bytes_received(self) -> int:
        """Payload bytes of all frames received, without framing, TLS and TCP."""

    @property
    def bytes_sent(self) -> int:
        """Payload bytes of all frames sent, without framing, TLS and TCP."""

    @property
    def is_writable(self) -> bool:
        """True if more should be sent now, because the buffer is not full."""

    @property
    def unwritten(self) -> int:
        """Number of sent bytes that are still waiting to be written, as far as known."""

    @property
    def silence(self) -> float:
        """Seconds since a ping after which no byte has arrived; 0 if none is unanswered, or without pings."""

    def send(self, frame: bytes) -> None:
        """Queue one frame. Nothing is written before `flush`. A transport that is over ignores it."""

    def flush(self) -> None:
        """Write all queued frames."""

    def pause(self) -> None:
        """Stop reading for now, so that the other side must wait."""

    def resume(self) -> None:
        """Resume reading after `pause`."""

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Send the queued frames, close, and call `FrameReceiver.closed` when that is complete."""

    def abort(self) -> None:
        """Close at once, without a close frame."""
