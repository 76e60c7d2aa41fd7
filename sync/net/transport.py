"""The interface between sockets and peers: transports of BLIP frames, and the receivers of frames."""

from typing import Protocol

from sync.blip.close_codes import CloseCode
from sync.peer.problems import Problem


class FrameReceiver(Protocol):
    """The object that handles a transport's events.

    All calls come from the event loop, in order. The last call is `closed`.
    """

    def frames(self, frames: list[bytes]) -> None:
        """Process all frames that one read has completed, in order."""

    def writable(self) -> None:
        """Continue sending, because the transport's buffer has room again."""

    def closed(self, problem: Problem | None) -> None:
        """Handle the end of the transport.

        `problem` is None after a normal close, for example by us with `CloseCode.NORMAL` or `GOING_AWAY`.
        """


class Transport(Protocol):
    """A connection that carries complete frames in both directions, in order."""

    remote: str
    """Human-readable address and port of the other side, or its name."""

    @property
    def bytes_received(self) -> int:
        """Number of payload bytes in all frames received, without the overhead of framing, TLS and TCP."""

    @property
    def bytes_sent(self) -> int:
        """Number of payload bytes in all frames sent, without the overhead of framing, TLS and TCP."""

    @property
    def is_writable(self) -> bool:
        """True if more data should be sent now, because the buffer is not full."""

    @property
    def unwritten(self) -> int:
        """Number of bytes passed to `send` that the transport has not written to the socket yet."""

    @property
    def silence(self) -> float:
        """Seconds since the last ping if no byte has arrived after it; otherwise 0.

        The value is always 0 if no pings are sent.
        """

    def send(self, frame: bytes) -> None:
        """Queue one frame. Nothing is written before `flush`. A closed transport ignores the frame."""

    def flush(self) -> None:
        """Write all queued frames."""

    def pause(self) -> None:
        """Stop reading until `resume` is called, so that the other side must wait."""

    def resume(self) -> None:
        """Resume reading after `pause`."""

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send the queued frames, and close the transport. `FrameReceiver.closed` is called afterwards."""

    def abort(self) -> None:
        """Close immediately, without a close frame."""
