"""Exceptions of BLIP, in one tree, so that a caller can catch a single exception or a whole branch.

    BlipError
    ├── LocalError                         an invalid call by the owner; nothing was sent
    │   ├── ConnectionOverError            the connection was closed, or was ended by a violation
    │   ├── NotAwaitingReplyError          a reply to a request never received or already answered
    │   └── UnsendableMessageError         a property with a NUL, or a message over our own limits
    ├── BodyUnavailableError               the source of a body failed; ends the connection
    └── ViolationError                     the peer broke the protocol or a limit; ends the connection
        ├── FrameInvalidError
        │   ├── FrameTooLargeError
        │   ├── FrameTruncatedError        ends within its header or checksum
        │   ├── VarintInvalidError         truncated, or wider than 64 bits
        │   ├── FrameKindUnknownError
        │   ├── ChecksumMismatchError
        │   ├── DeflateInvalidError
        │   └── InflatedTooLargeError      a compressed frame that inflates to more than is allowed
        ├── MessageInvalidError
        │   ├── MessageTooLargeError
        │   ├── PropertiesInvalidError     not NUL-terminated pairs of UTF-8, or a name twice
        │   ├── PropertiesTooLargeError
        │   └── TooManyPropertiesError
        ├── NumberInvalidError
        │   ├── RequestOutOfOrderError     a request begun before the preceding request
        │   ├── RequestRepeatedError       a frame for a request that was complete
        │   └── ReplyUnexpectedError       a reply that was not requested, or a second one
        └── FlowInvalidError
            ├── TooManyRequestsError       too many unanswered requests
            ├── TooManyArrivingError       too many incomplete messages
            ├── ArrivingTooLargeError      too many bytes of incomplete messages
            ├── AcknowledgementInvalidError   of more bytes than were sent, or of an unknown message
            └── FlowControlIgnoredError    the peer did not wait for acknowledgements

If the peer *replies* with an error, this is not an exception, but the event `ErrorReceived`.
"""

from typing import ClassVar

from sync.blip.close_codes import CloseCode


class BlipError(Exception):
    """The base class of BLIP's exceptions."""


class LocalError(BlipError):
    """The owner of the connection made an invalid call. Nothing was sent, and the connection continues."""


class ConnectionOverError(LocalError):
    """The connection was closed, or was ended by a violation."""


class NotAwaitingReplyError(LocalError):
    """No request with the given number is waiting for a reply."""


class UnsendableMessageError(LocalError):
    """The message cannot be encoded in BLIP, or exceeds our own limits."""


class BodyUnavailableError(BlipError):
    """The source of an outgoing body failed before its end.

    The message cannot be completed, so the connection ends.
    """

    close_code: ClassVar[int] = CloseCode.INTERNAL_ERROR


class ViolationError(BlipError):
    """The peer broke the protocol or exceeded a limit, which ends the connection."""

    close_code: ClassVar[int] = CloseCode.PROTOCOL_ERROR
    """WebSocket close code (RFC 6455, section 7.4.1) that reports the violation to the peer."""


class FrameInvalidError(ViolationError):
    """A frame that cannot be decoded."""


class FrameTooLargeError(FrameInvalidError):
    """A frame of more bytes than `ConnectionLimits.frame_bytes`."""

    close_code = CloseCode.TOO_BIG


class FrameTruncatedError(FrameInvalidError):
    """A frame that ends within its header or its checksum."""


class VarintInvalidError(FrameInvalidError):
    """A variable-length integer that is truncated or does not fit into 64 bits."""


class FrameKindUnknownError(FrameInvalidError):
    """A frame of a kind that BLIP does not define."""


class ChecksumMismatchError(FrameInvalidError):
    """The running checksum does not match, because data was lost, changed or reordered."""


class DeflateInvalidError(FrameInvalidError):
    """A compressed frame whose content is not deflated data, or that ends the deflate stream."""


class InflatedTooLargeError(FrameInvalidError):
    """A compressed frame that inflates to more than `ConnectionLimits.inflated_bytes`."""

    close_code = CloseCode.TOO_BIG


class MessageInvalidError(ViolationError):
    """A message that cannot be decoded or is too large."""


class MessageTooLargeError(MessageInvalidError):
    """A message with more uncompressed bytes than `ConnectionLimits.message_bytes`."""

    close_code = CloseCode.TOO_BIG


class PropertiesInvalidError(MessageInvalidError):
    """Properties that are not pairs of NUL-terminated UTF-8 strings with distinct names."""

    close_code = CloseCode.INVALID_DATA


class PropertiesTooLargeError(MessageInvalidError):
    """Properties of more bytes than `ConnectionLimits.properties_bytes`."""

    close_code = CloseCode.TOO_BIG


class TooManyPropertiesError(MessageInvalidError):
    """A message with more properties than `ConnectionLimits.properties`."""

    close_code = CloseCode.TOO_BIG


class NumberInvalidError(ViolationError):
    """A frame whose message number is not allowed now."""


class RequestOutOfOrderError(NumberInvalidError):
    """A request whose first frame arrived before the first frame of the request with the preceding number."""


class RequestRepeatedError(NumberInvalidError):
    """A frame for a request of which the last frame has already arrived."""


class ReplyUnexpectedError(NumberInvalidError):
    """A reply to a request that was never sent, needed no reply, or was already answered."""


class FlowInvalidError(ViolationError):
    """The peer exceeded a limit on open requests, incomplete messages or unacknowledged bytes."""

    close_code = CloseCode.POLICY_VIOLATION


class TooManyRequestsError(FlowInvalidError):
    """The peer has sent more unanswered requests than `ConnectionLimits.unanswered_requests`."""


class TooManyArrivingError(FlowInvalidError):
    """The peer has more incomplete messages in progress than `ConnectionLimits.arriving_messages`."""


class ArrivingTooLargeError(FlowInvalidError):
    """Incomplete messages with more bytes in total than `ConnectionLimits.arriving_bytes`."""


class AcknowledgementInvalidError(FlowInvalidError):
    """An acknowledgement of more bytes than were sent, or of a message that was never sent."""


class FlowControlIgnoredError(FlowInvalidError):
    """A message whose unacknowledged bytes exceed `ConnectionLimits.unacknowledged_bytes`."""
