"""A scripted peer, which sends the messages that a test specifies over a BLIP connection."""

from collections.abc import Mapping
from typing import Any, TypeVar

from sync.blip import BlipConnection, ErrorReceived, Event, RequestReceived, ResponsePart, ResponseReceived
from sync.blip.limits import ConnectionLimits
from sync.peer.active import ActiveOptions, ActivePeer, Activity
from sync.peer.failed_documents import FailedDocuments
from sync.peer.passive import PassiveOptions, PassivePeer
from sync.peer.peer_base import PeerBase
from sync.peer.progress import Direction, DocumentEnded, Ledger
from sync.peer.session import Session
from sync.replication import messages
from sync.replication.checkpoint_id import Peer as PeerName
from sync.replication.messages import (
    AnnouncedChange,
    Changes,
    ChangesReply,
    EncodedMessage,
    GetCheckpoint,
    Proposal,
    ProposeChanges,
    ProposeChangesReply,
    Rev,
    SetCheckpoint,
    SetCheckpointReply,
    SubChanges,
)
from sync.store import Database

from .rig import Clock

Reply = ResponseReceived | ErrorReceived
M = TypeVar("M")


class Script:
    """Peer under test, and the other end of its connection, which the test controls."""

    def __init__(self, peer: PeerBase, clock: Clock, told: list[DocumentEnded]) -> None:
        self.peer, self.clock, self.told = peer, clock, told
        self.connection = BlipConnection()
        self.requests: list[RequestReceived] = []
        """Requests from the peer under test that the test has not yet taken, in order of arrival."""
        self.replies: dict[int, Reply] = {}
        self.parts: dict[int, bytes] = {}
        self.bytes_here = 0
        """Total size, in bytes, of the frames that the peer under test has sent."""
        self.bytes_there = 0

    def pump(self) -> None:
        """Deliver frames in both directions until none are queued, without advancing the clock."""
        moved = True
        while moved:
            moved = False
            self.peer.turn()
            while (frame := self.peer.next_frame()) is not None:
                moved = True
                self.bytes_here += len(frame)
                for event in self.connection.receive(frame):
                    self._happened(event)
            frames = []
            while not self.is_over and (out := self.connection.next_frame()) is not None:
                frames.append(out)
            if frames:
                moved = True
                self.bytes_there += sum(map(len, frames))
                self.peer.receive(frames)

    def rest(self, seconds: float = 10.0) -> None:
        """Deliver frames for at most `seconds` of simulated time.

        When no frames are queued, advance the clock to the next deadline of the peer under test.
        """
        until = self.clock.now + seconds
        self.pump()
        while (due := self.peer.deadline) is not None and due <= until:
            self.clock.now = max(self.clock.now, due)
            self.pump()

    def post(
        self, message: EncodedMessage | Mapping[str, str], body: bytes = b"", *, no_reply: bool = False
    ) -> int:
        """Queue a request to the peer under test, and return its number."""
        if isinstance(message, EncodedMessage):
            return self.connection.send_request(
                message.properties,
                message.body,
                urgent=message.urgent,
                compressed=message.compressed,
                no_reply=message.no_reply,
            )
        return self.connection.send_request(message, body, no_reply=no_reply)

    def ask(self, message: EncodedMessage | Mapping[str, str], body: bytes = b"") -> Reply:
        """Send a request to the peer under test, and return its reply."""
        number = self.post(message, body)
        self.rest(1.0)
        return self.replies.pop(number)

    def refusal(self, message: EncodedMessage | Mapping[str, str], body: bytes = b"") -> tuple[str, int]:
        """Send a request that must be rejected, and return the domain and the code of the error."""
        reply = self.ask(message, body)
        assert isinstance(reply, ErrorReceived), reply
        return reply.domain, reply.code

    def take(self, kind: type[M]) -> tuple[M, RequestReceived]:
        """Remove the earliest request of this type from `requests`, and return it decoded and as received."""
        for at, event in enumerate(self.requests):
            message = messages.decode(event)
            if isinstance(message, kind):
                del self.requests[at]
                return message, event
        raise AssertionError(f"no {kind.__name__} among {[event.profile for event in self.requests]}")

    def taken(self, kind: type[M]) -> list[tuple[M, RequestReceived]]:
        """Remove all requests of this type from `requests`, and return them decoded and as received."""
        return [self.take(kind) for event in list(self.requests) if isinstance(messages.decode(event), kind)]

    def answer(
        self, event: RequestReceived, message: EncodedMessage | None = None, body: bytes = b""
    ) -> None:
        """Reply to a request from the peer under test."""
        if message is None:
            self.connection.send_response(event.number, {}, body)
        else:
            self.connection.send_response(
                event.number, message.properties, message.body, compressed=message.compressed
            )
        self.pump()

    def refuse(self, event: RequestReceived, code: int, text: str = "no", *, domain: str = "HTTP") -> None:
        """Reply to a request from the peer under test with an error."""
        self.connection.send_error(event.number, code, text, domain=domain)
        self.pump()

    @property
    def is_over(self) -> bool:
        return self.peer.session.is_over

    @property
    def is_idle(self) -> bool:
        """True if the peer under test is an active peer that only waits for new changes."""
        return isinstance(self.peer, ActivePeer) and self.peer.activity is Activity.IDLE

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self.requests.append(event)
        elif isinstance(event, ResponseReceived | ErrorReceived):
            self.replies[event.number] = event
        elif isinstance(event, ResponsePart):
            self.parts[event.number] = self.parts.get(event.number, b"") + event.data

    # Shortcuts

    def propose(self, *proposals: tuple[str, str] | tuple[str, str, str], tells: bool = False) -> Reply:
        items = tuple(Proposal(*proposal) for proposal in proposals)
        return self.ask(ProposeChanges(items, conflict_includes_revision=tells).encode())

    def verdicts(
        self, *proposals: tuple[str, str] | tuple[str, str, str], tells: bool = False
    ) -> list[int | tuple[int, str]]:
        reply = self.propose(*proposals, tells=tells)
        assert isinstance(reply, ResponseReceived), reply
        found = ProposeChangesReply.decode(reply, messages.DEFAULT, asked=len(proposals)).verdicts
        return [
            verdict.status if verdict.current is None else (verdict.status, verdict.current)
            for verdict in found
        ]

    def push(self, document_id: str, revision: str, body: bytes = b"{}", **more: Any) -> Reply:
        return self.ask(Rev(document_id, revision, body, **more).encode())

    def subscribe(self, **what: Any) -> list[AnnouncedChange]:
        """Subscribe to the peer under test, and return its first `changes` message."""
        reply = self.ask(SubChanges(**what).encode())
        assert isinstance(reply, ResponseReceived), reply
        return list(self.take(Changes)[0].changes)


def passive(
    database: Database, *, limits: ConnectionLimits | None = None, clock: Clock | None = None, **options: Any
) -> Script:
    """Return a scripted client of a passive peer. All clients of the same store must share a `clock`."""
    clock, told = clock or Clock(), list[DocumentEnded]()
    session = Session(clock=clock, limits=limits)
    return Script(PassivePeer(session, database, PassiveOptions(**options), Ledger(told.extend)), clock, told)


def active(
    database: Database,
    *,
    limits: ConnectionLimits | None = None,
    clock: Clock | None = None,
    failed: FailedDocuments | None = None,
    **options: Any,
) -> Script:
    """Return a scripted gateway that has received an active peer's getCheckpoint request."""
    clock, told = clock or Clock(), list[DocumentEnded]()
    session = Session(clock=clock, limits=limits)
    given = {"peer": PeerName.address("gateway"), **options}
    peer = ActivePeer(session, database, ActiveOptions(**given), Ledger(told.extend, failed))
    if failed is not None:
        failed.offer(failed.ids(Direction.PUSH))
        peer.offer(failed.unanswered)
    peer.start()
    script = Script(peer, clock, told)
    script.pump()
    return script


def begun(database: Database, **options: Any) -> Script:
    """Return a scripted gateway that has no checkpoint and has accepted an active peer's subscription."""
    script = active(database, **options)
    script.refuse(script.take(GetCheckpoint)[1], 404)
    if options.get("pull", True):
        script.answer(script.take(SubChanges)[1])
    return script


def store_checkpoint(script: Script, revision: str = "0-1") -> bytes:
    """Accept an active peer's setCheckpoint request, and return the body of the checkpoint."""
    message, event = script.take(SetCheckpoint)
    script.answer(event, SetCheckpointReply(revision).encode())
    return message.body


def tell(script: Script, *changes: tuple[Any, ...]) -> list[tuple[str, ...] | int]:
    """Announce changes to an active peer, and return its answer to each change."""
    items = tuple(AnnouncedChange(*change) for change in changes)
    reply = script.ask(Changes(items).encode())
    assert isinstance(reply, ResponseReceived), reply
    return list(ChangesReply.decode(reply, messages.DEFAULT, asked=len(items)).answers)


def caught_up(script: Script) -> None:
    """Send an empty `changes` message, with which Sync Gateway marks the end of the existing changes."""
    script.post({"Profile": "changes"}, b"null", no_reply=True)
    script.pump()


def assert_sound(database: Database) -> None:
    """Assert that the database is undamaged, and that no partial files of blobs are left."""
    faults = database.check(deep=True)
    assert not faults, faults
    assert not list(database.blobs.directory.glob(".part-*"))
