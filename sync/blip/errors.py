"""What can go wrong in BLIP: one tree, so that a caller catches as much of it as it means to.

    BlipError
    ├── LocalError                         we asked for the impossible; nothing was sent, all goes on
    │   ├── ConnectionOverError            it was closed, or ended by a violation, before
    │   ├── NotAwaitingReplyError          a reply to a request never received, or answered already
    │   └── UnsendableMessageError         a property with a NUL, or a message over our own limits
    ├── BodyUnavailableError               the source of a body broke off; ends the connection
    └── ViolationError                     the peer broke the protocol or a limit; ends the connection
        ├── FrameInvalidError
        │   ├── FrameTooLargeError
        │   ├── FrameTruncatedError        ends within its header or checksum
        │   ├── VarintInvalidError         cut off, or wider than 64 bits
        │   ├── FrameKindUnknownError
        │   ├── ChecksumMismatchError
        │   ├── DeflateInvalidError
        │   └── InflatedTooLargeError      a compressed frame that unpacks to more than is allowed
        ├── MessageInvalidError
        │   ├── MessageTooLargeError
        │   ├── PropertiesInvalidError     not NUL-terminated pairs of UTF-8, or a name twice
        │   ├── PropertiesTooLargeError
        │   └── TooManyPropertiesError
        ├── NumberInvalidError
        │   ├── RequestOutOfOrderError     a request begun before the one with the number below it
        │   ├── RequestRepeatedError       a frame for a request that was complete
        │   └── ReplyUnexpectedError       a reply never asked for, or a second one
        └── FlowInvalidError
            ├── TooManyRequestsError       requests unanswered
            ├── TooManyArrivingError       messages begun and not ended
            ├── ArrivingTooLargeError      bytes of messages begun and not ended
            ├── AcknowledgementInvalidError   of more than was sent, or of what was never sent
            └── FlowControlIgnoredError    went on sending without waiting for acknowledgements

An error that the peer *replies* with is no exception: it is the event `ErrorReceived`.
"""

from typing import ClassVar


class BlipError(Exception):
    """Anything that BLIP raises on purpose."""


class LocalError(BlipError):
    """The caller asked for something that cannot be; nothing was sent, and the connection goes on."""


class ConnectionOverError(LocalError):
    """The connection had been closed, or had been ended by a violation."""


class NotAwaitingReplyError(LocalError):
    """No request of this number waits for a reply."""


class UnsendableMessageError(LocalError):
    """The message cannot be put into BLIP's form, or exceeds our own limits."""


class BodyUnavailableError(BlipError):
    """The source of an outgoing body failed half-way; the message cannot be ended, so the connection is."""

    close_code: ClassVar[int] = 1011


class ViolationError(BlipError):
    """The peer broke the protocol or a limit; this connection is over."""

    close_code: ClassVar[int] = 1002
    """The WebSocket close code (RFC 6455, section 7.4.1) that tells the peer so."""


class FrameInvalidError(ViolationError):
    """A frame that cannot be read."""


class FrameTooLargeError(FrameInvalidError):
    """A frame of more bytes than `Limits.frame_bytes`."""

    close_code = 1009


class FrameTruncatedError(FrameInvalidError):
    """A frame that ends within its header or its checksum."""


class VarintInvalidError(FrameInvalidError):
    """A variable-length integer that is cut off or does not fit 64 bits."""


class FrameKindUnknownError(FrameInvalidError):
    """A frame of a kind that BLIP does not define."""


class ChecksumMismatchError(FrameInvalidError):
    """The running checksum differs: something was lost, changed or reordered."""


class DeflateInvalidError(FrameInvalidError):
    """A compressed frame whose content is not deflated data, or ends the deflate stream."""


class InflatedTooLargeError(FrameInvalidError):
    """A compressed frame that unpacks to more than `Limits.inflated_bytes`."""

    close_code = 1009


class MessageInvalidError(ViolationError):
    """A message that cannot be read, or is too large."""


class MessageTooLargeError(MessageInvalidError):
    """A message of more bytes, unpacked, than `Limits.message_bytes`."""

    close_code = 1009


class PropertiesInvalidError(MessageInvalidError):
    """Properties that are not pairs of NUL-terminated UTF-8 strings with distinct names."""

    close_code = 1007


class PropertiesTooLargeError(MessageInvalidError):
    """Properties of more bytes than `Limits.properties_bytes`."""

    close_code = 1009


class TooManyPropertiesError(MessageInvalidError):
    """More properties than `Limits.properties`."""

    close_code = 1009


class NumberInvalidError(ViolationError):
    """A frame whose message number makes no sense now."""


class RequestOutOfOrderError(NumberInvalidError):
    """A request begun before the one with the number below it."""


class RequestRepeatedError(NumberInvalidError):
    """A frame for a request whose last frame came before."""


class ReplyUnexpectedError(NumberInvalidError):
    """A reply to a request that was never sent, wanted no reply, or has its reply."""


class FlowInvalidError(ViolationError):
    """More at once than is allowed."""

    close_code = 1008


class TooManyRequestsError(FlowInvalidError):
    """More requests unanswered than `Limits.unanswered_requests`."""


class TooManyArrivingError(FlowInvalidError):
    """More messages begun and not ended than `Limits.arriving_messages`."""


class ArrivingTooLargeError(FlowInvalidError):
    """Messages begun and not ended hold more than `Limits.arriving_bytes` together."""


class AcknowledgementInvalidError(FlowInvalidError):
    """An acknowledgement of more bytes than were sent, or of a message never sent."""


class FlowControlIgnoredError(FlowInvalidError):
    """A message whose unacknowledged bytes exceed `Limits.unacknowledged_bytes`."""
