"""The rules of BLIP that depend on what came before, as tables.

Everything here is symmetrical: it does not know which side opened the connection, because BLIP does not.

A connection is OPEN until it is closed (CLOSED) or something ends it (FAILED); nothing leads back.

A frame of a message is judged by where that message stands. A frame that is allowed and says that more is
coming makes it ARRIVING; without that flag it is COMPLETE:

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


class State(Enum):
    """Of a connection."""

    OPEN = auto()
    CLOSED = auto()
    FAILED = auto()


class Standing(Enum):
    """Of a message that a frame belongs to, before that frame."""

    IMPOSSIBLE = "not to come yet"
    """A request whose predecessor has not begun; a reply to a request of ours that has not begun."""
    EXPECTED = "expected"
    """Its first frame may come."""
    ARRIVING = "arriving"
    """Some of its frames came, and more were promised."""
    COMPLETE = "over"
    """Its last frame came; or it is a reply to a request of ours that wanted none."""


class Step(Enum):
    """What an allowed frame does."""

    BEGIN = auto()
    CONTINUE = auto()


Rules = Mapping[Standing, Step | type[NumberInvalidError]]

REQUEST_FRAMES: Final[Rules] = {
    Standing.IMPOSSIBLE: RequestOutOfOrderError,
    Standing.EXPECTED: Step.BEGIN,
    Standing.ARRIVING: Step.CONTINUE,
    Standing.COMPLETE: RequestRepeatedError,
}
REPLY_FRAMES: Final[Rules] = {
    Standing.IMPOSSIBLE: ReplyUnexpectedError,
    Standing.EXPECTED: Step.BEGIN,
    Standing.ARRIVING: Step.CONTINUE,
    Standing.COMPLETE: ReplyUnexpectedError,
}


def judge(rules: Rules, standing: Standing, number: int) -> Step:
    """What a frame of message `number` does; raises what it is refused with."""
    outcome = rules[standing]
    if isinstance(outcome, Step):
        return outcome
    kind = "request" if rules is REQUEST_FRAMES else "reply to request"
    msg = f"a frame of {kind} {number}, which is {standing.value}"
    raise outcome(msg)
