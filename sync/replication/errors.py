"""Errors of the replication protocol: those that this side sends to a peer, and those that it receives.

::

    MessageError      a peer's message that is malformed, over a limit, or not allowed here
"""

from enum import IntEnum
from http import HTTPStatus
from typing import Final, Self

import msgspec

from sync.blip import BLIP_DOMAIN, HTTP_DOMAIN, Code, ErrorReceived

LITECORE_DOMAIN: Final = "LiteCore"
"""Error domain with the codes of Couchbase Lite's core (`c4Error.h`)."""


TRANSIENT_STATUSES: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""HTTP status codes of errors that may be temporary. The same request may succeed later."""


class LiteCoreCode(IntEnum):
    """The error codes of Couchbase Lite that are relevant to replication (`c4Error.h`)."""

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
    """LiteCore's answer to a second subscription or to an unsupported form of revision ids.

    This code is not listed in `c4Error.h`.
    """


class MessageError(Exception):
    """An error in a peer's message, because of which the message is rejected.

    The human-readable text of the error is sent to the peer.
    """

    def __init__(self, text: str, *, code: int = HTTPStatus.BAD_REQUEST, domain: str = HTTP_DOMAIN) -> None:
        super().__init__(text)
        self.text: str = text
        self.code: int = int(code)
        """Error code in the domain `domain`; an HTTP status code in the domain HTTP."""
        self.domain: str = domain
        """Domain of the error code, for `sync.blip.BlipConnection.send_error`."""

    def without_traceback(self) -> Self:
        """Return the error without the stack frames of its traceback.

        A stored error would otherwise keep those frames and all their variables in memory, including the
        rejected message. If that message also refers to the error, reference counting never frees either of
        them.
        """
        self.__traceback__ = self.__cause__ = self.__context__ = None
        return self


class Failure(msgspec.Struct, frozen=True, gc=False):
    """The error with which a peer has answered a request."""

    domain: str
    code: int
    text: str

    @classmethod
    def decode(cls, event: ErrorReceived) -> "Failure":
        """Return the failure for an error reply that was received over BLIP."""
        return cls(event.domain, event.code, event.message)

    @property
    def status(self) -> int:
        """HTTP status code that corresponds most closely to the error; 0 if there is none."""
        if self.domain in (HTTP_DOMAIN, BLIP_DOMAIN):
            return self.code
        return _STATUSES.get(self.code, 0) if self.domain == LITECORE_DOMAIN else 0

    @property
    def is_unhandled(self) -> bool:
        """True if the peer does not support this kind of request; False if only the object is missing."""
        return self.domain == BLIP_DOMAIN and self.code == Code.NOT_FOUND


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
