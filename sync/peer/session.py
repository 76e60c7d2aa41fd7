"""One connection between two peers: requests to their handlers, replies to those who asked, and its end.

Sans-I/O: frames go in by `receive`, and are pulled out by `next_frame`. It does not know who is active, nor
what a revision is. Whatever ends it is its `problem`; nothing is raised at its owner.
"""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from sync import blip
from sync.blip import (
    BlipError,
    BodyUnavailableError,
    Connection,
    ConnectionOverError,
    ErrorReceived,
    Event,
    RequestReceived,
    ResponsePart,
    ResponseReceived,
    ViolationError,
)
from sync.peer.problems import Domain, Problem
from sync.peer.work import Work
from sync.replication import json_size, messages
from sync.replication.messages import Addressing, Encoded, GetCollections, Limits, MessageError, Rev
from sync.store import BusyError, DocumentError, StoreError

from .limits import REQUESTS_AHEAD

log = logging.getLogger(__name__)

Reply = ResponseReceived | ErrorReceived
Answered = Callable[[Reply, Any], None]
"""Called with the reply to a request, and with what was given when it was sent."""
R = TypeVar("R")

_SERVICE_UNAVAILABLE: Final = 503
_FORBIDDEN: Final = 403
_POLICY: Final = 1008
_NOT_FOUND: Final = 404
_TOO_LARGE: Final = 413
_AHEAD: Final = 64
"""Bytes of a number that is kept in a set."""
_EMPTY: Final = b"{}"
"""Stands for a body that is too large to be looked at."""


class Session:
    """The state of one connection that is up."""

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        limits: blip.Limits | None = None,
        message_limits: Limits = messages.DEFAULT,
    ) -> None:
        """`clock`: seconds that only rise."""
        self.connection: Final = Connection(limits)
        self.clock: Final = clock
        self.limits: Final = message_limits
        self.problem: Problem | None = None
        """What ended it, if that was no agreement."""
        self.is_over = False
        self.collection: int | None = None
        """The index by which messages name the collection, once there is one."""
        self.remote: str | None = None
        """The name under which is kept which revisions the peer holds; None to keep none."""
        self.received = 0
        """Bytes of frames that have come."""
        self.work: Final = Work(clock)
        """Jobs that take long, and how much of such work the peer may cause."""
        self.nudge: Callable[[], None] = _nothing
        """Has the peer given a turn soon. Its owner sets it."""
        self.until = math.inf
        """When, by `clock`, what is being done is to be interrupted. Its owner sets it."""
        self.is_interrupted = False
        """Whether something was left undone because the time was up: its owner gives another turn."""
        self._addressing = Addressing()
        self._handlers: dict[type[Any], Callable[[Any, RequestReceived], None]] = {}
        self._replies: dict[int, tuple[Answered, Any]] = {}
        self._parts: dict[int, Callable[[bytes], None]] = {}
        self._at_end: list[Callable[[], None]] = []
        self._came_through = 0
        """All requests of the peer's up to this number have come."""
        self._came_ahead: set[int] = set()
        """Numbers of those beyond that have."""

    # Requests out

    def request(
        self,
        message: Encoded,
        answered: Answered | None = None,
        given: Any = None,
        *,
        part: Callable[[bytes], None] | None = None,
    ) -> None:
        """Send a request; `part` takes the body of its reply as it arrives. On a session that is over, it
        is forgotten."""
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
            self._replies[number] = (answered, given)
        if part is not None:
            self._parts[number] = part

    def ask_for_collections(self, message: GetCollections, answered: Answered, given: Any) -> None:
        """Send the request by which the connection becomes one that names collections."""
        self._addressing.admit(message)
        self.request(message.encode(), answered, given)

    def forgo_collections(self) -> None:
        """Go on without naming collections: the peer knows none."""
        self._addressing = Addressing()

    # Requests in

    def handle(self, kind: type[R], handler: Callable[[R, RequestReceived], None]) -> None:
        """Say who answers requests of a kind. Handlers may raise MessageError, and StoreError."""
        self._handlers[kind] = handler

    def is_in_order(self, event: RequestReceived) -> bool:
        """Whether all requests that the peer began before this one have come. A short one overtakes long
        ones, which take several frames."""
        return event.number <= self._came_through

    def respond(self, event: RequestReceived, message: Encoded | None = None) -> None:
        """Answer a request, now or later."""
        if self.is_over or event.no_reply:
            return
        if message is None:
            self.connection.send_response(event.number)
            return
        self.connection.send_response(
            event.number, message.properties, message.body, compressed=message.compressed
        )

    def refuse(self, event: RequestReceived, error: MessageError) -> None:
        """Answer a request with an error, now or later."""
        if not self.is_over and not event.no_reply:
            self.connection.send_error(event.number, error.code, error.text, domain=error.domain)

    @property
    def held(self) -> int:
        """Bytes that are held for the peer: messages that arrive, and that are queued for it."""
        return self.connection.held + _AHEAD * len(self._came_ahead)

    # Time

    def has_time(self) -> bool:
        """Return True if the work may go on. If not, take note that some was left undone."""
        if self.clock() < self.until:
            return True
        self.is_interrupted = True
        return False

    # Frames

    def receive(self, frames: Sequence[bytes]) -> int:
        """Take in frames, and everything that follows from them, until the time is up.

        Returns:
            How many were taken in. The others are to be given again, and `[]` if a frame was interrupted.
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
            # A reply that makes no sense: there is nobody to refuse it to.
            self.end(Problem(Domain.WEBSOCKET, error.code, f"a reply that cannot be read: {error.text}"))
        except StoreError as error:
            self.fail(error)
        except ConnectionOverError:
            pass
        except BlipError as error:
            self.end(Problem(Domain.BLIP, 0, str(error)))
        return len(frames) if self.is_over else taken

    def _finish_frame(self) -> None:
        """Take in what is left of a frame that inflates to much, as long as there is time."""
        connection = self.connection
        while connection.is_amid and self.has_time():
            for event in connection.go_on():
                self._happened(event)

    def next_frame(self) -> bytes | None:
        """The next frame to be written, if there is one."""
        if self.is_over:
            return None
        try:
            return self.connection.next_frame()
        except BodyUnavailableError as error:
            self.end(Problem(Domain.BLIP, error.close_code, str(error)))
            return None

    # The end

    def end(self, problem: Problem | None = None) -> None:
        """It is over; whoever waits for a reply is forgotten."""
        if self.is_over:
            return
        self.is_over, self.problem = True, problem
        self.connection.close()
        self._replies.clear()
        self._parts.clear()
        self.work.close()
        for let_go in self._at_end:
            let_go()

    def at_end(self, let_go: Callable[[], None]) -> None:
        """Say what is to be let go of when it is over."""
        self._at_end.append(let_go)

    def fail(self, error: StoreError) -> None:
        """Our store could not do what replication needs."""
        self.end(
            Problem(Domain.STORE, _SERVICE_UNAVAILABLE if isinstance(error, BusyError) else 0, str(error))
        )

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._came(event.number)
            self._requested(event)
        elif isinstance(event, (ResponseReceived, ErrorReceived)):
            answered, given = self._replies.pop(event.number, (None, None))
            self._parts.pop(event.number, None)
            if answered is not None:
                answered(event, given)
        elif isinstance(event, ResponsePart):
            self._parts[event.number](event.data)

    def _came(self, number: int) -> None:
        if number != self._came_through + 1:
            self._came_ahead.add(number)
            if len(self._came_ahead) > REQUESTS_AHEAD:
                self.end(Problem(Domain.BLIP, _POLICY, "the peer never ends a request that it has begun"))
            return
        self._came_through = number
        while self._came_ahead and self._came_through + 1 in self._came_ahead:
            self._came_through += 1
            self._came_ahead.remove(self._came_through)

    def _requested(self, event: RequestReceived) -> None:
        if event.too_large or json_size.exceeds(event.body, self.limits.nodes):
            event = msgspec.structs.replace(event, body=_EMPTY, too_large=True)
        try:
            if event.too_large and event.profile != Rev.profile:  # That of a revision is told by its name.
                raise MessageError(f"{event.profile[:80]}: too large", code=_TOO_LARGE)
            request = messages.decode(event, self.limits)
            self._addressing.admit(request)
            if request.collection not in (None, self.collection):
                raise MessageError(f"collection {request.collection} is not here", code=_NOT_FOUND)
            handler = self._handlers.get(type(request))
            if handler is None:
                raise MessageError(f"{event.profile} is not answered here", code=_FORBIDDEN)
            handler(request, event)
        except MessageError as error:
            self.refuse(event, error)
        except DocumentError as error:  # what was sent is at fault, not the store
            self.refuse(event, MessageError(str(error)))
        except StoreError as error:
            self.refuse(event, MessageError("the store is not available now", code=_SERVICE_UNAVAILABLE))
            self.fail(error)


def _nothing() -> None:
    pass
