"""Tables of the BLIP rules that depend on earlier frames.

The rules are the same for both sides of a connection.

A connection is OPEN until it is closed (CLOSED) or an error ends it (FAILED). It never reopens.

Each frame is checked against the phase of its message. After an allowed frame whose flags announce more
frames, the message is ARRIVING. After a frame without that flag, the message is COMPLETE:

    requests:  IMPOSSIBLE ──(its predecessor began)──► EXPECTED ──► ARRIVING ──► COMPLETE
    replies:   IMPOSSIBLE ──(our request began)──────► EXPECTED ──► ARRIVING ──► COMPLETE
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from sync.blip.errors import (
    NumberInvalidError,
    ReplyUnexpectedError,
    RequestOutOfOrderError,
    RequestRepeatedError,
)


class ConnectionState(Enum):
    """The state of a connection."""

    OPEN = auto()
    CLOSED = auto()
    FAILED = auto()


class MessagePhase(Enum):
    """The phase of a message before the next frame."""

    IMPOSSIBLE = "not expected yet"
    """The preceding request (for a request) or our own request (for a reply) has not begun."""
    EXPECTED = "expected"
    """The first frame of the message may arrive."""
    ARRIVING = "arriving"
    """Some frames of the message have arrived, and more were announced."""
    COMPLETE = "over"
    """The last frame has arrived, or the message is a reply to our request that needs no reply."""


class Step(Enum):
    """The effect that an allowed frame has on its message."""

    BEGIN = auto()
    CONTINUE = auto()


Rules = Mapping[MessagePhase, Step | type[NumberInvalidError]]

REQUEST_FRAMES: Final[Rules] = {
    MessagePhase.IMPOSSIBLE: RequestOutOfOrderError,
    MessagePhase.EXPECTED: Step.BEGIN,
    MessagePhase.ARRIVING: Step.CONTINUE,
    MessagePhase.COMPLETE: RequestRepeatedError,
}
REPLY_FRAMES: Final[Rules] = {
    MessagePhase.IMPOSSIBLE: ReplyUnexpectedError,
    MessagePhase.EXPECTED: Step.BEGIN,
    MessagePhase.ARRIVING: Step.CONTINUE,
    MessagePhase.COMPLETE: ReplyUnexpectedError,
}


def judge(rules: Rules, standing: MessagePhase, number: int) -> Step:
    """Return the effect of a frame of message `number`.

    Raises the NumberInvalidError given in `rules` if the frame is not allowed.
    """
    outcome = rules[standing]
    if isinstance(outcome, Step):
        return outcome
    kind = "request" if rules is REQUEST_FRAMES else "reply to request"
    msg = f"received a frame of {kind} {number}, which is {standing.value}"
    raise outcome(msg)
