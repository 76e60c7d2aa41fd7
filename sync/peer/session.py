"""A connection between two peers: dispatch of requests and replies, and the end of the connection.

This module does no I/O. The caller passes received frames to `receive`, and obtains the frames to send from
`next_frame`. A session works in the same way on the active and the passive side. If an error ends a session,
the session stores the error in `problem`, and raises no exception.
"""

import logging
import math
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, ClassVar, Final, Protocol, Self, TypeVar

import msgspec

from sync import blip
from sync.blip import (
    BlipConnection,
    BlipError,
    BodyUnavailableError,
    ConnectionOverError,
    ErrorReceived,
    Event,
    RequestReceived,
    ResponsePart,
    ResponseReceived,
    ViolationError,
)
from sync.blip.close_codes import CloseCode
from sync.peer.problems import Domain, Problem
from sync.peer.work import Work
from sync.replication import json_size, messages
from sync.replication.messages import (
    Addressing,
    EncodedMessage,
    GetCollections,
    MessageError,
    MessageLimits,
    Rev,
)
from sync.store import BusyError, DocumentError, StoreError

from .limits import REQUESTS_AHEAD

log = logging.getLogger(__name__)

Reply = ResponseReceived | ErrorReceived
Answered = Callable[[Reply, Any], None]
"""Function to call with the reply to a request, and the `context` that was passed to `Session.request`."""
R = TypeVar("R")


class ExtensionMessage(Protocol):
    """A kind of request that an application adds to the protocol. It belongs to no collection."""

    profile: ClassVar[str]

    @classmethod
    def decode(cls, event: RequestReceived, limits: MessageLimits, /) -> Self:
        """Decode a received request. Raises MessageError if it is invalid."""
        ...


E = TypeVar("E", bound=ExtensionMessage)

_AHEAD: Final = 64
"""Approximate memory, in bytes, used by a request's number in a set."""
_UNANSWERED: Final = 300
"""Approximate memory, in bytes, used by an unanswered request: its event, and later the queued reply."""
_EMPTY: Final = b"{}"
"""Substitute for a received body that is too large to process."""


class Session:
    """The state of one open connection."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        limits: blip.ConnectionLimits | None = None,
        message_limits: MessageLimits = messages.DEFAULT,
    ) -> None:
        """Create a session.

        Args:
            clock: returns monotonic seconds.
            limits: the limits of BLIP messages; None for the defaults.
            message_limits: the limits of replication messages.
        """
        self.connection: Final = BlipConnection(limits)
        self.clock: Final = clock
        self.limits: Final = message_limits
        self.problem: Problem | None = None
        """The problem that ended the session; None after a normal end."""
        self.is_over = False
        self.collection: int | None = None
        """Index of the collection in messages; None if messages name no collection."""
        self.remote: str | None = None
        """Name under which the peer's revisions are recorded; None to record none."""
        self.received = 0
        """Total size in bytes of the frames received."""
        self.work: Final = Work(clock)
        """Queue of long-running jobs, with the limit on such work for the peer."""
        self.nudge: Callable[[], None] = _nothing
        """Function that requests that the session be processed again soon; set by the code that drives it."""
        self.until = math.inf
        """Time, by `clock`, at which processing must pause; set by the code that drives the session."""
        self.is_interrupted = False
        """True if processing was interrupted at the time `until`, and must be continued later."""
        self._addressing = Addressing()
        self._handlers: dict[type[Any], Callable[[Any, RequestReceived], None]] = {}
        self._extensions: dict[str, type[ExtensionMessage]] = {}
        self._replies: dict[int, tuple[Answered, Any]] = {}
        self._parts: dict[int, Callable[[bytes], None]] = {}
        self._at_end: list[Callable[[], None]] = []
        self._came_through = 0
        """Highest number such that all of the peer's requests up to this number have arrived."""
        self._came_ahead: set[int] = set()
        """Numbers of the peer's requests that have arrived although an earlier request has not."""

    # Outgoing requests

    def request(
        self,
        message: EncodedMessage,
        answered: Answered | None = None,
        context: Any = None,
        *,
        part: Callable[[bytes], None] | None = None,
    ) -> None:
        """Send a request, unless the session is over.

        Args:
            message: the encoded request.
            answered: called with the reply.
            context: value passed to `answered`.
            part: called with each piece of the reply's body as it arrives; None to receive the body with the
                reply.
        """
        if self.is_over:
            return
        number = self.connection.send_request(
            message.properties,
            message.body,
            urgent=message.urgent,
            compressed=message.compressed,
            no_reply=message.no_reply,
            in_parts=part is not None,
        )
        if answered is not None:
            self._replies[number] = (answered, context)
        if part is not None:
            self._parts[number] = part

    def ask_for_collections(self, message: GetCollections, answered: Answered, context: Any) -> None:
        """Send a getCollections request. All later messages on the connection must name a collection."""
        self._addressing.admit(message)
        self.request(message.encode(), answered, context)

    def forgo_collections(self) -> None:
        """Stop naming a collection in messages, because the peer does not support collections."""
        self._addressing = Addressing()

    # Incoming requests

    def handle(self, kind: type[R], handler: Callable[[R, RequestReceived], None]) -> None:
        """Set the handler for one kind of request. The handler may raise MessageError and StoreError.

        The handler receives the decoded message, and the request without its properties and body. So unused
        properties do not stay in memory while a request is waiting for its answer.
        """
        self._handlers[kind] = handler

    def handle_extension(self, kind: type[E], handler: Callable[[E, RequestReceived], None]) -> None:
        """Set the handler for an application's own kind of request.

        The handler may raise MessageError and StoreError.
        """
        self._extensions[kind.profile] = kind
        self._handlers[kind] = handler

    def is_in_order(self, event: RequestReceived) -> bool:
        """Return True if all requests that the peer began before this one have arrived.

        A short request may arrive before a long one that was begun earlier, because the long one takes
        several frames.
        """
        return event.number <= self._came_through

    def respond(self, event: RequestReceived, message: EncodedMessage | None = None) -> None:
        """Send the answer to a request. This may be done in the request's handler or later."""
        if self.is_over or event.no_reply:
            return
        if message is None:
            self.connection.send_response(event.number)
            return
        self.connection.send_response(
            event.number, message.properties, message.body, compressed=message.compressed
        )

    def refuse(self, event: RequestReceived, error: MessageError) -> None:
        """Send an error as the answer to a request. This may be done in the request's handler or later."""
        if not self.is_over and not event.no_reply:
            self.connection.send_error(event.number, error.code, error.text, domain=error.domain)

    @property
    def bytes_held(self) -> int:
        """Memory, in bytes, used for the peer: incomplete messages, and waiting requests and replies."""
        connection = self.connection
        return connection.bytes_held + _UNANSWERED * connection.unanswered + _AHEAD * len(self._came_ahead)

    # Time

    def has_time(self) -> bool:
        """Return True before the time `until`. At or after it, set `is_interrupted` and return False."""
        if self.clock() < self.until:
            return True
        self.is_interrupted = True
        return False

    # Frames

    def receive(self, frames: Sequence[bytes]) -> int:
        """Process received frames, and the messages that they complete, until the time `until`.

        Returns:
            The number of frames processed. Pass the remaining frames in the next call. If the processing of
            the last frame was interrupted, call this with `[]` to continue.
        """
        taken = 0
        try:
            self._finish_frame()
            for frame in frames:
                if self.is_over:
                    return len(frames)
                if self.connection.is_amid or not self.has_time():
                    return taken
                taken += 1
                self.received += len(frame)
                for event in self.connection.begin(frame):
                    self._happened(event)
                self._finish_frame()
        except ViolationError as error:
            self.end(Problem(Domain.BLIP, error.close_code, f"{type(error).__name__}: {error}"))
        except MessageError as error:
            # A reply is invalid, and the protocol does not allow an error in answer to a reply.
            self.end(Problem(Domain.WEBSOCKET, error.code, f"invalid reply: {error.text}"))
        except StoreError as error:
            self.fail(error)
        except ConnectionOverError:
            pass
        except BlipError as error:
            self.end(Problem(Domain.BLIP, 0, str(error)))
        return len(frames) if self.is_over else taken

    def _finish_frame(self) -> None:
        """Continue to decompress and process a large compressed frame, until the time `until`."""
        connection = self.connection
        while connection.is_amid and self.has_time():
            for event in connection.go_on():
                self._happened(event)

    def next_frame(self) -> bytes | None:
        """Return the next frame to write to the transport; None if there is none."""
        if self.is_over:
            return None
        try:
            return self.connection.next_frame()
        except BodyUnavailableError as error:
            self.end(Problem(Domain.BLIP, error.close_code, str(error)))
            return None

    # The end

    def end(self, problem: Problem | None = None) -> None:
        """End the session. Replies that arrive afterwards are not processed."""
        if self.is_over:
            return
        self.is_over, self.problem = True, problem
        self.connection.close()
        self._replies.clear()
        self._parts.clear()
        self._came_ahead.clear()
        self.work.close()
        for let_go in self._at_end:
            let_go()

    def at_end(self, let_go: Callable[[], None]) -> None:
        """Register a function to call when the session ends."""
        self._at_end.append(let_go)

    def fail(self, error: StoreError) -> None:
        """End the session with the problem that our store has reported."""
        self.end(
            Problem(
                Domain.STORE,
                HTTPStatus.SERVICE_UNAVAILABLE if isinstance(error, BusyError) else 0,
                str(error),
            )
        )

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._came(event.number)
            self._requested(event)
        elif isinstance(event, (ResponseReceived, ErrorReceived)):
            answered, context = self._replies.pop(event.number, (None, None))
            self._parts.pop(event.number, None)
            if answered is not None:
                answered(event, context)
        elif isinstance(event, ResponsePart):
            self._parts[event.number](event.data)

    def _came(self, number: int) -> None:
        if number != self._came_through + 1:
            self._came_ahead.add(number)
            if len(self._came_ahead) > REQUESTS_AHEAD:
                self.end(
                    Problem(
                        Domain.BLIP,
                        CloseCode.POLICY_VIOLATION,
                        "the peer began a request but did not complete it",
                    )
                )
            return
        self._came_through = number
        while self._came_ahead and self._came_through + 1 in self._came_ahead:
            self._came_through += 1
            self._came_ahead.remove(self._came_through)

    def _requested(self, event: RequestReceived) -> None:
        if event.too_large or json_size.exceeds(event.body, self.limits.nodes):
            event = msgspec.structs.replace(event, body=_EMPTY, too_large=True)
        try:
            if event.too_large and event.profile != Rev.profile:  # the receiver rejects a large revision
                raise MessageError(
                    f"{event.profile[:80]}: the message is too large",
                    code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                )
            request = self._decode(event)
            handler = self._handlers.get(type(request))
            if handler is None:
                raise MessageError(f"{event.profile} is not supported here", code=HTTPStatus.FORBIDDEN)
            handler(request, event.bare())
        except MessageError as error:
            self.refuse(event, error)
        except DocumentError as error:  # the error is in the message, not in the store
            self.refuse(event, MessageError(str(error)))
        except StoreError as error:
            self.refuse(
                event, MessageError("the store is not available now", code=HTTPStatus.SERVICE_UNAVAILABLE)
            )
            self.fail(error)

    def _decode(self, event: RequestReceived) -> object:
        extension = self._extensions.get(event.profile)
        if extension is not None:
            return extension.decode(event, self.limits)
        request = messages.decode(event, self.limits)
        self._addressing.admit(request)
        if request.collection not in (None, self.collection):
            raise MessageError(f"collection {request.collection} does not exist", code=HTTPStatus.NOT_FOUND)
        return request


def _nothing() -> None:
    pass
