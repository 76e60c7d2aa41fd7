"""A BLIP connection without its transport: frames in, events out; messages in, frames out.

    connection = BlipConnection()
    number = connection.send_request({"Profile": "getCheckpoint", "client": "…"})
    while (frame := connection.next_frame()) is not None:
        ...                                  # write the frame, as one binary WebSocket message
    for event in connection.receive(frame):  # one whole message, as the transport read it
        ...

Both sides of a BLIP connection have the same role, so this class does not distinguish them. It does no I/O,
reads no clock, and has no callbacks. The owner calls `next_frame` only when the transport can accept a frame,
so that urgent messages can overtake others until then. The owner must stop reading while `unanswered` or
`queued` exceeds a limit of the owner's choice. `next_frame` also returns acknowledgements, so the owner calls
it after `receive`.

A ViolationError or BodyUnavailableError ends the connection. The connection then discards all messages and
sends no more frames. The owner closes the transport with the error's `close_code`.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from sync.blip import properties as properties_form
from sync.blip import varint
from sync.blip.codec import DEFAULT_LEVEL, Decoder, Encoder
from sync.blip.errors import (
    AcknowledgementInvalidError,
    BodyUnavailableError,
    ConnectionOverError,
    FrameKindUnknownError,
    FrameTooLargeError,
    MessageTooLargeError,
    NotAwaitingReplyError,
    TooManyRequestsError,
    ViolationError,
)
from sync.blip.events import (
    Acknowledged,
    ErrorReceived,
    Event,
    RequestReceived,
    ResponsePart,
    ResponseReceived,
)
from sync.blip.frames import (
    COMPRESSED,
    KIND_MASK,
    MORE_COMING,
    NO_REPLY,
    URGENT,
    FrameKind,
    decode_header,
    encode_header,
)
from sync.blip.incoming import Inbox
from sync.blip.limits import BIG_FRAME, SMALL_FRAME, ConnectionLimits
from sync.blip.outgoing import OVERHEAD, BodySource, OutgoingMessage, SendQueue, prepare
from sync.blip.replies import (
    BLIP_DOMAIN,
    ERROR_CODE,
    ERROR_DOMAIN,
    HTTP_DOMAIN,
    Code,
    error_properties,
    parse_code,
)
from sync.blip.states import REPLY_FRAMES, REQUEST_FRAMES, ConnectionState, MessagePhase, Step, judge

# Plain integers for the most frequent kinds of frames, because comparing with an enum member is slower.
_REQUEST: Final = int(FrameKind.REQUEST)
_RESPONSE: Final = int(FrameKind.RESPONSE)
_ERROR: Final = int(FrameKind.ERROR)
_BIG: Final = BIG_FRAME - OVERHEAD
_SMALL: Final = SMALL_FRAME - OVERHEAD
_ANSWERED: Final = -1


class BlipConnection:
    """A BLIP connection without a transport. The docstring of the module shows how to use it."""

    __slots__ = (
        "_awaiting",
        "_decoder",
        "_encoder",
        "_inbox",
        "_limits",
        "_outbox",
        "_present",
        "_requests_begun",
        "_requests_received",
        "_requests_sent",
        "_unanswered",
        "state",
    )

    def __init__(
        self, limits: ConnectionLimits | None = None, *, compression_level: int = DEFAULT_LEVEL
    ) -> None:
        self._limits = limits = limits or ConnectionLimits()
        self._encoder = Encoder(
            compression_level, window_bits=limits.window_bits, memory_level=limits.memory_level
        )
        self._decoder = Decoder(limits.inflated_bytes)
        self._outbox = SendQueue()
        self._inbox = Inbox(limits)
        self.state = ConnectionState.OPEN
        self._requests_sent = 0
        """Number of the last request that the owner has queued."""
        self._requests_begun = 0
        """Number of our last request whose first frame `next_frame` has returned."""
        self._requests_received = 0
        """Number of the last request from the peer whose first frame has arrived."""
        self._awaiting: dict[int, bool] = {}
        """Numbers of sent requests that the peer has not answered.

        The value is True if the reply was requested in parts.
        """
        self._unanswered: dict[int, int] = {}
        """Urgency of each complete request from the peer, or _ANSWERED while the reply is being sent."""
        self._present = (0, 0, 0)
        """Message number, flags and size in bytes of the frame that is being inflated in pieces."""

    # State for the owner

    @property
    def queued(self) -> int:
        """Number of outgoing messages that `next_frame` has not returned completely."""
        return len(self._outbox)

    @property
    def unanswered(self) -> int:
        """Number of the peer's requests whose replies `next_frame` has not returned completely."""
        return len(self._unanswered)

    @property
    def is_amid(self) -> bool:
        """True while a received frame is only partly inflated; `go_on` continues with it."""
        return self._decoder.is_amid and self.state is ConnectionState.OPEN

    @property
    def inflated(self) -> int:
        """Total inflated size, in bytes, of the peer's compressed frames."""
        return self._decoder.inflated

    @property
    def bytes_held(self) -> int:
        """Bytes of memory used for this peer: incomplete and queued messages, and both deflate streams."""
        return (
            self._inbox.bytes_held + self._outbox.held + self._encoder.bytes_held + self._decoder.bytes_held
        )

    @property
    def queued_bytes(self) -> int:
        """Number of bytes of outgoing messages that `next_frame` has not returned yet.

        For a body that is read from a file, only the bytes read so far count.
        """
        return self._outbox.held

    # Outgoing messages

    def send_request(
        self,
        properties: Mapping[str, str] = properties_form.NONE,
        body: bytes | BodySource = b"",
        *,
        urgent: bool = False,
        compressed: bool = False,
        no_reply: bool = False,
        in_parts: bool = False,
    ) -> int:
        """Queue a request. Return its number, which the events about the reply contain.

        With `in_parts`, the body of the response is reported in `ResponsePart` events while it arrives.
        Raises UnsendableMessageError or ConnectionOverError.
        """
        content, source, held = self._prepare(properties, body)
        self._requests_sent = number = self._requests_sent + 1
        flags = _flags(_REQUEST, urgent, compressed) | (NO_REPLY if no_reply else 0)
        self._outbox.add(OutgoingMessage(number, number * 2, flags, content, source, in_parts, held=held))
        return number

    def send_response(
        self,
        number: int,
        properties: Mapping[str, str] = properties_form.NONE,
        body: bytes | BodySource = b"",
        *,
        compressed: bool = False,
    ) -> None:
        """Queue the response to the peer's request `number`, with that request's urgency.

        Raises NotAwaitingReplyError, UnsendableMessageError or ConnectionOverError.
        """
        self._reply(_RESPONSE, number, properties, body, compressed)

    def send_error(self, number: int, code: int, message: str = "", *, domain: str = BLIP_DOMAIN) -> None:
        """Queue an error as the reply to the peer's request `number`.

        Raises NotAwaitingReplyError, UnsendableMessageError or ConnectionOverError.
        """
        self._reply(
            _ERROR, number, error_properties(code, domain), message.encode(errors="replace"), compressed=False
        )

    def send_not_handled(self, request: RequestReceived) -> None:
        """Queue the error reply to a request with an unknown profile, unless the request needs no reply."""
        if not request.no_reply:
            self.send_error(request.number, Code.NOT_FOUND, f"no handler for '{request.profile}'")

    def close(self) -> None:
        """Close the connection, discarding all messages. Nothing is sent or received afterwards."""
        if self.state is ConnectionState.OPEN:
            self._end(ConnectionState.CLOSED)

    # Outgoing frames

    def next_frame(self) -> bytes | None:
        """Return the next frame to write, or None if there is nothing to send now.

        After the end of the connection, the result is always None. Raises BodyUnavailableError, and ends the
        connection, if the source of a body fails.
        """
        owed = self._inbox.next_owed()
        if owed is not None:
            kind = FrameKind.ACK_REPLY if owed.key & 1 else FrameKind.ACK_REQUEST
            return encode_header(owed.key >> 1, kind | URGENT | NO_REPLY) + varint.encode(owed.received)
        outbox = self._outbox
        message = outbox.pop()
        if message is None:
            return None
        size = _SMALL if outbox.urgent_is_ready and not message.flags & URGENT else _BIG
        try:
            content = message.take(size)
        except (OSError, ValueError) as error:
            self._end(ConnectionState.FAILED)
            msg = f"the body of message {message.number} could not be read: {error}"
            raise BodyUnavailableError(msg) from error
        flags = message.flags
        is_request = not flags & KIND_MASK
        if is_request and message.number > self._requests_begun:
            self._requests_begun = message.number
            if not flags & NO_REPLY:
                self._awaiting[message.number] = message.in_parts
        frame = self._encoder.seal(message.number, flags, content)
        if flags & MORE_COMING:
            outbox.put_back(message, len(frame) - len(encode_header(message.number, flags)))
        else:
            outbox.finish(message)
            if not is_request:
                del self._unanswered[message.number]
        return frame

    # Incoming frames

    def receive(self, frame: bytes) -> list[Event]:
        """Process one frame. Return the events that it caused. Raises the same errors as `begin`."""
        events = self.begin(frame)
        while self.is_amid:
            events += self.go_on()
        return events

    def begin(self, frame: bytes) -> list[Event]:
        """Process one frame, or its first piece. Return the events that it caused.

        If `is_amid` is True afterwards, call `go_on` until it is False. Raises ViolationError, and ends the
        connection, if the peer broke the protocol or a limit. Raises ConnectionOverError if the connection
        was already over.
        """
        if self.state is not ConnectionState.OPEN:
            raise self._over()
        try:
            return self._receive(frame)
        except ViolationError:
            self._end(ConnectionState.FAILED)
            raise

    def go_on(self) -> list[Event]:
        """Process the next piece of a frame.

        Return the events that it caused. Raises the same errors as `begin`.
        """
        if self.state is not ConnectionState.OPEN:
            raise self._over()
        try:
            content = self._decoder.go_on()
            number, flags, frame_bytes = self._present
            if self._decoder.is_amid:
                flags, frame_bytes = flags | MORE_COMING, 0
            return self._message_frame(number, flags, content, frame_bytes)
        except ViolationError:
            self._end(ConnectionState.FAILED)
            raise

    def _receive(self, frame: bytes) -> list[Event]:
        if len(frame) > self._limits.frame_bytes:
            msg = f"the frame has {len(frame)} bytes; the limit is {self._limits.frame_bytes}"
            raise FrameTooLargeError(msg)
        number, flags, start = decode_header(frame)
        kind = flags & KIND_MASK
        if kind > _ERROR:
            return self._acknowledged(kind, number, frame, start)
        content = self._decoder.begin(frame, start, flags)
        if self._decoder.is_amid:
            # A piece of a frame is handled like a frame that announces more frames.
            self._present = (number, flags, len(frame) - start)
            return self._message_frame(number, flags | MORE_COMING, content, 0)
        if kind == _REQUEST:
            return self._request_frame(number, flags, content, len(frame) - start)
        return self._reply_frame(number, flags, content, len(frame) - start)

    def _message_frame(self, number: int, flags: int, content: bytes, frame_bytes: int) -> list[Event]:
        if flags & KIND_MASK == _REQUEST:
            return self._request_frame(number, flags, content, frame_bytes)
        return self._reply_frame(number, flags, content, frame_bytes)

    def _request_frame(self, number: int, flags: int, content: bytes, frame_bytes: int) -> list[Event]:
        inbox, key = self._inbox, number * 2
        if number == self._requests_received + 1:
            if not flags & MORE_COMING:  # By far the most frequent case. The code below has the same result.
                self._requests_received = number
                return [self._request(number, flags, content)]
            standing = MessagePhase.EXPECTED
        elif inbox.is_incomplete(key):
            standing = MessagePhase.ARRIVING
        else:
            standing = (
                MessagePhase.COMPLETE if 0 < number <= self._requests_received else MessagePhase.IMPOSSIBLE
            )
        if judge(REQUEST_FRAMES, standing, number) is Step.BEGIN:
            self._requests_received = number
            inbox.begin(key, flags)
        inbox.add(key, content, frame_bytes)
        if flags & MORE_COMING:
            return []
        arrival = inbox.finish(key)
        return [self._request(number, arrival.flags, arrival.content, too_large=arrival.too_large)]

    def _reply_frame(self, number: int, flags: int, content: bytes, frame_bytes: int) -> list[Event]:
        inbox, key = self._inbox, number * 2 + 1
        in_parts = self._awaiting.pop(number, None)
        if in_parts is not None:
            in_parts = in_parts and flags & KIND_MASK == _RESPONSE
            if not flags & MORE_COMING and not in_parts:  # The most frequent case, as in `_request_frame`.
                return [self._answer(number, flags, content)]
            standing = MessagePhase.EXPECTED
        elif inbox.is_incomplete(key):
            standing = MessagePhase.ARRIVING
        else:
            standing = (
                MessagePhase.COMPLETE if 0 < number <= self._requests_begun else MessagePhase.IMPOSSIBLE
            )
        if judge(REPLY_FRAMES, standing, number) is Step.BEGIN:
            inbox.begin(key, flags, in_parts=bool(in_parts))
        part = inbox.add(key, content, frame_bytes)
        events: list[Event] = [ResponsePart(number, part)] if part else []
        if not flags & MORE_COMING:
            arrival = inbox.finish(key)
            events.append(self._answer(number, arrival.flags, arrival.content, too_large=arrival.too_large))
        return events

    def _acknowledged(self, kind: int, number: int, frame: bytes, start: int) -> list[Event]:
        if kind not in (FrameKind.ACK_REQUEST, FrameKind.ACK_REPLY):
            msg = f"the frame has the unknown type {kind}"
            raise FrameKindUnknownError(msg)
        is_reply = kind == FrameKind.ACK_REPLY
        frame_bytes, _ = varint.decode(frame, start)
        if not 0 < number <= (self._requests_received if is_reply else self._requests_begun):
            msg = f"the peer acknowledges {'reply' if is_reply else 'request'} {number}, which was never sent"
            raise AcknowledgementInvalidError(msg)
        message = self._outbox.find(number * 2 + is_reply)
        if message is None:
            return []  # The message was sent completely. Peers acknowledge even the last frame.
        if frame_bytes > message.sent:
            msg = f"the peer acknowledges {frame_bytes} bytes of a message, but only {message.sent} were sent"
            raise AcknowledgementInvalidError(msg)
        self._outbox.acknowledge(message, frame_bytes)
        return [Acknowledged(number, is_reply, frame_bytes)]

    # Complete messages

    def _request(
        self, number: int, flags: int, content: bytes | bytearray, *, too_large: bool = False
    ) -> RequestReceived:
        properties, body = self._message(content)
        if flags & NO_REPLY:
            return RequestReceived(
                number, properties, body, flags & URGENT != 0, flags & COMPRESSED != 0, True, too_large
            )
        if len(self._unanswered) >= self._limits.unanswered_requests:
            msg = f"{len(self._unanswered)} requests are unanswered, which is the limit"
            raise TooManyRequestsError(msg)
        self._unanswered[number] = flags & URGENT
        return RequestReceived(
            number, properties, body, flags & URGENT != 0, flags & COMPRESSED != 0, False, too_large
        )

    def _answer(
        self, number: int, flags: int, content: bytes | bytearray, *, too_large: bool = False
    ) -> ResponseReceived | ErrorReceived:
        properties, body = self._message(content)
        if too_large:
            text = f"the reply has more than {self._limits.kept_bytes} bytes"
            return ErrorReceived(number, HTTP_DOMAIN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text, properties)
        if flags & KIND_MASK == _RESPONSE:
            return ResponseReceived(number, properties, body)
        return ErrorReceived(
            number,
            domain=properties.get(ERROR_DOMAIN, BLIP_DOMAIN),
            code=parse_code(properties.get(ERROR_CODE, "")),
            message=body.decode(errors="replace"),
            properties=properties,
        )

    def _message(self, content: bytes | bytearray) -> tuple[dict[str, str], bytes]:
        limits = self._limits
        if len(content) > limits.message_bytes:
            msg = f"the message has more than {limits.message_bytes} bytes"
            raise MessageTooLargeError(msg)
        properties, start = properties_form.decode(content, limits)
        if isinstance(content, bytes):
            return properties, content[start:]
        return properties, bytes(memoryview(content)[start:])

    def _reply(
        self,
        kind: int,
        number: int,
        properties: Mapping[str, str],
        body: bytes | BodySource,
        compressed: bool,
    ) -> None:
        content, source, held = self._prepare(properties, body)
        urgency = self._unanswered.get(number, _ANSWERED)
        if urgency == _ANSWERED:
            msg = f"request {number} is not waiting for a reply"
            raise NotAwaitingReplyError(msg)
        self._unanswered[number] = _ANSWERED
        flags = _flags(kind, urgency != 0, compressed)
        self._outbox.add(OutgoingMessage(number, number * 2 + 1, flags, content, source, held=held))

    def _prepare(
        self, properties: Mapping[str, str], body: bytes | BodySource
    ) -> tuple[bytes, BodySource | None, int]:
        if self.state is not ConnectionState.OPEN:
            raise self._over()
        if not properties and not body:
            return properties_form.ENCODED_NONE, None, 1
        return prepare(properties, body, self._limits)

    def _over(self) -> ConnectionOverError:
        return ConnectionOverError(f"the connection is {self.state.name.lower()}")

    def _end(self, state: ConnectionState) -> None:
        self.state = state
        self._outbox.clear()
        self._inbox.clear()
        self._awaiting.clear()
        self._unanswered.clear()
        self._encoder.close()
        self._decoder.close()


def _flags(kind: int, urgent: bool, compressed: bool) -> int:
    return kind | (URGENT if urgent else 0) | (COMPRESSED if compressed else 0)
