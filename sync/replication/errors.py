"""Errors of the replication protocol: what we answer a peer, and what a peer answers us.

::

    MessageError      a peer's message that is malformed, over a limit, or not allowed here
"""

from enum import IntEnum
from http import HTTPStatus
from typing import Final, Self

import msgspec

from sync.blip import BLIP_DOMAIN, HTTP_DOMAIN, ErrorReceived

LITECORE_DOMAIN: Final = "LiteCore"
"""Whose codes are those of Couchbase Lite's core (`c4Error.h`)."""


class LiteCoreCode(IntEnum):
    """Those of Couchbase Lite's own codes that mean something to replication (`c4Error.h`)."""

    NOT_FOUND = 7
    CONFLICT = 8
    INVALID_PARAMETER = 9
    BUSY = 16
    UNSUPPORTED = 19
    REMOTE_ERROR = 26
    BAD_DOCUMENT_ID = 29
    DELTA_BASE_UNKNOWN = 31
    CORRUPT_DELTA = 32
    NOT_IMPLEMENTED = 501
    """No code of the list, but what LiteCore answers to a subscription in a form of revision ids that it
    does not use, or to a second subscription."""


class MessageError(Exception):
    """A peer's message that cannot be taken. The text is for people, and goes to the peer as it is."""

    def __init__(self, text: str, *, code: int = HTTPStatus.BAD_REQUEST, domain: str = HTTP_DOMAIN) -> None:
        super().__init__(text)
        self.text: str = text
        self.code: int = int(code)
        """Of `domain`; of HTTP, a status."""
        self.domain: str = domain
        """What `sync.blip.Connection.send_error` takes as its domain."""

    def kept(self) -> Self:
        """Return the error without the frames that it was raised in.

        An error that was caught and is kept holds on to those frames, and to all that their variables hold:
        the very message that was refused. Where that message leads to the error, neither is ever let go of.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class Failure(msgspec.Struct, frozen=True, gc=False):
    """The error with which a peer answered a request."""

    domain: str
    code: int
    text: str

    @classmethod
    def decode(cls, event: ErrorReceived) -> "Failure":
        """From what BLIP received."""
        return cls(event.domain, event.code, event.message)

    @property
    def status(self) -> int:
        """The nearest HTTP status; 0 if there is none."""
        if self.domain in (HTTP_DOMAIN, BLIP_DOMAIN):
            return self.code
        return _STATUSES.get(self.code, 0) if self.domain == LITECORE_DOMAIN else 0

    @property
    def is_unhandled(self) -> bool:
        """Whether the peer does not know this kind of request at all (not: what was asked for is missing)."""
        return self.domain == BLIP_DOMAIN and self.code == HTTPStatus.NOT_FOUND


_STATUSES: Final[dict[int, int]] = {
    LiteCoreCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    LiteCoreCode.CONFLICT: HTTPStatus.CONFLICT,
    LiteCoreCode.INVALID_PARAMETER: HTTPStatus.BAD_REQUEST,
    LiteCoreCode.BUSY: HTTPStatus.SERVICE_UNAVAILABLE,
    LiteCoreCode.UNSUPPORTED: HTTPStatus.NOT_IMPLEMENTED,
    LiteCoreCode.BAD_DOCUMENT_ID: HTTPStatus.BAD_REQUEST,
    LiteCoreCode.DELTA_BASE_UNKNOWN: HTTPStatus.UNPROCESSABLE_ENTITY,
    LiteCoreCode.CORRUPT_DELTA: HTTPStatus.UNPROCESSABLE_ENTITY,
    LiteCoreCode.NOT_IMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
}
