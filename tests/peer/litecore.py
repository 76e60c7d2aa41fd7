"""A passive peer that behaves like LiteCore 3.2 to 4, the core of Couchbase Lite, with revision trees.

The simulated peer follows LiteCore's sources and recorded traffic:

- It answers every message without a collection with error 400, so getCollections must be the first message.
- It accepts a proposed revision (answer 0) whose parent is its current revision. A proposal without a parent
  is accepted if the document does not exist or is deleted. The answer is 304 if the revision is already
  current, and 409 in all other cases. If `conflictIncludesRev` is set, 409 includes the current revision, or
  an empty string if the document does not exist.
- It closes the connection with code 4002 if it receives a `rev` or `norev` that it did not request.
- It permanently rejects a history in which a generation is missing, except beyond the maximum depth of its
  trees. The error is `LiteCore` 28 for an invalid history, and `LiteCore` 8 for a conflict.
- It does not support getRev, and it ignores `deleted_branch`.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from sync.blip import BlipConnection, ErrorReceived, Event, RequestReceived, ResponseReceived
from sync.peer.active import ActiveOptions, ActivePeer
from sync.peer.progress import DocumentEnded, Ledger
from sync.peer.session import Session
from sync.replication.checkpoint_id import Peer as PeerName
from sync.store import Database

from .rig import Clock

DEPTH: Final = 50
CLOSES_UNASKED: Final = 4002
BAD_HISTORY: Final = 28
CONFLICT: Final = 8


class RefusedError(Exception):
    """Error raised if a revision cannot be inserted. `code` is LiteCore's error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass
class Node:
    parent: str | None
    deleted: bool = False
    body: Any = None


class Tree:
    """Revision tree of one document in the simulated LiteCore database."""

    def __init__(self, depth: int = DEPTH) -> None:
        self.nodes: dict[str, Node] = {}
        self._depth = depth

    @property
    def leaves(self) -> list[str]:
        parents = {node.parent for node in self.nodes.values()}
        return [revision for revision in self.nodes if revision not in parents]

    @property
    def current(self) -> str:
        """Winning leaf revision: live before deleted, then the higher generation, then the higher digest."""
        return max(self.leaves, key=lambda leaf: (not self.nodes[leaf].deleted, *key(leaf)))

    @property
    def deleted(self) -> bool:
        return self.nodes[self.current].deleted

    def line(self, revision: str) -> list[str]:
        found, at = [], self.nodes[revision].parent
        while at is not None:
            found.append(at)
            at = self.nodes[at].parent
        return found

    def insert(
        self, history: list[str], body: Any, *, deleted: bool = False, allow_conflict: bool = False
    ) -> bool:
        """Insert a revision and its ancestors, which `history` lists newest first.

        Return True if the revision was new.

        Raises:
            RefusedError: The history is invalid, or the revision conflicts and `allow_conflict` is False.
        """
        parent, above = None, 0
        for index, revision in enumerate(history):
            generation = key(revision)[0]
            if above and generation != above - 1 and not (generation < above and index >= self._depth - 1):
                raise RefusedError(BAD_HISTORY, "Bad revision history (non-sequential)")
            above = generation
            if revision in self.nodes:
                parent = revision
                break
        else:
            index = len(history)
        if not allow_conflict and self.nodes and (parent is None or parent not in self.leaves):
            raise RefusedError(CONFLICT, f"{history[0]} conflicts with {self.current}")
        for revision in reversed(history[:index]):
            self.nodes[revision] = Node(parent)
            parent = revision
        if index:
            self.nodes[history[0]].deleted, self.nodes[history[0]].body = deleted, body
        return index > 0


@dataclass
class LiteCore:
    """Simulated LiteCore database, and the requests that it has received."""

    requires_collections: bool = True
    knows_collections: bool = True
    tells: bool = True
    """True if LiteCore announces its documents to subscribers, False if its changes feed is empty."""
    depth: int = DEPTH
    documents: dict[str, Tree] = field(default_factory=dict)
    checkpoints: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    requests: list[RequestReceived] = field(default_factory=list)
    """Requests in the order in which they arrived, on all connections."""
    refusals: list[str] = field(default_factory=list)
    """Messages of the errors with which LiteCore rejected revisions, in order."""
    closes: list[int] = field(default_factory=list)
    """Close codes with which LiteCore closed connections, in order."""

    def put(self, document_id: str, *history: str, body: Any = None, deleted: bool = False) -> None:
        """Insert a revision and its ancestors. `history` begins with the newest revision."""
        tree = self.documents.setdefault(document_id, Tree(self.depth))
        tree.insert(list(history), body or {}, deleted=deleted, allow_conflict=True)

    def current(self, document_id: str) -> tuple[str, bool] | None:
        """Return the current revision of a document, and whether that revision is a deletion."""
        tree = self.documents.get(document_id)
        return None if tree is None else (tree.current, tree.deleted)

    def answer(self, document_id: str, revision: str) -> tuple[str, ...] | int:
        """Return the answer to an announced change: 0 if LiteCore has the revision, else known ancestors."""
        tree = self.documents.get(document_id)
        if tree is None:
            return ()
        if revision in tree.nodes:
            return 0
        older = [known for known in tree.nodes if key(known)[0] < key(revision)[0]]
        return tuple(sorted(older, key=key, reverse=True)[:10])

    def body(self, document_id: str) -> Any:
        tree = self.documents[document_id]
        return tree.nodes[tree.current].body

    def asked(self, profile: str) -> list[RequestReceived]:
        """Return the requests of this message type that LiteCore has received."""
        return [request for request in self.requests if request.profile == profile]

    def proposed(self) -> list[list[Any]]:
        """Return the items of all `proposeChanges` messages in the order in which they arrived."""
        return [item for request in self.asked("proposeChanges") for item in json.loads(request.body)]


class Conversation:
    """LiteCore's end of one connection to a peer."""

    def __init__(self, litecore: LiteCore) -> None:
        self.connection = BlipConnection()
        self.closed: int | None = None
        """WebSocket close code that LiteCore has sent, or None while the connection is open."""
        self._of = litecore
        self._names_collection = False
        self._expected = 0
        self._sent: dict[int, list[tuple[str, str]]] = {}

    def receive(self, frame: bytes) -> None:
        """Receive a frame, and queue the answers to the requests that the frame completes."""
        for event in self.connection.receive(frame):
            if self.closed is None:
                self._happened(event)

    def frames(self) -> list[bytes]:
        """Return the queued frames that LiteCore is to send."""
        found = []
        while (frame := self.connection.next_frame()) is not None:
            found.append(frame)
        return found

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._of.requests.append(event)
            self._requested(event)
        elif isinstance(event, ResponseReceived | ErrorReceived) and event.number in self._sent:
            told = self._sent.pop(event.number)
            answers = json.loads(event.body or b"[]") if isinstance(event, ResponseReceived) else []
            for (document_id, revision), answer in zip(told, answers, strict=False):
                if isinstance(answer, list):
                    self._send(document_id, revision)

    def _requested(self, event: RequestReceived) -> None:
        if event.profile == "getCollections" and not self._of.knows_collections:
            self.connection.send_not_handled(event)
            return
        if event.profile == "getCollections":
            self._names_collection = True
        elif self._of.requires_collections and (
            not self._names_collection or "collection" not in event.properties
        ):
            self._error(event, 400, "the message names no collection", domain="BLIP")
            return
        match event.profile:
            case "getCollections":
                asked = json.loads(event.body)
                items: list[Any] = []
                for name, client in zip(asked["collections"], asked["checkpoint_ids"], strict=True):
                    kept = self._of.checkpoints.get(client)
                    found = {} if kept is None else {**json.loads(kept[1]), "rev": kept[0]}
                    items.append(found if name == "_default" else None)
                self.connection.send_response(event.number, {}, json.dumps(items).encode())
            case "getCheckpoint":
                kept = self._of.checkpoints.get(event.properties["client"])
                if kept is None:
                    self._error(event, 404, "no such checkpoint")
                else:
                    self.connection.send_response(event.number, {"rev": kept[0]}, kept[1])
            case "setCheckpoint":
                kept = self._of.checkpoints.get(event.properties["client"])
                if (kept[0] if kept else None) != event.properties.get("rev"):
                    self._error(event, 409, "another checkpoint")
                    return
                revision = f"0-{1 if kept is None else int(kept[0][2:]) + 1}"
                self._of.checkpoints[event.properties["client"]] = revision, event.body
                self.connection.send_response(event.number, {"rev": revision})
            case "proposeChanges":
                self._proposed(event)
            case "changes":
                self._error(event, 409, "propose changes", domain="BLIP")
            case "subChanges":
                self.connection.send_response(event.number)
                self._tell()
            case "rev" | "norev":
                if self._expected == 0:
                    self.closed = CLOSES_UNASKED
                    self._of.closes.append(CLOSES_UNASKED)
                    return
                self._expected -= 1
                if event.profile == "rev":
                    self._inserted(event)
            case _:
                if not event.no_reply:
                    self.connection.send_not_handled(event)

    def _proposed(self, event: RequestReceived) -> None:
        tells = event.properties.get("conflictIncludesRev") == "true"
        answers: list[Any] = []
        for item in json.loads(event.body):
            document_id, revision, parent = item[0], item[1], (item[2] if len(item) > 2 else "") or None
            tree = self._of.documents.get(document_id)
            current = None if tree is None else tree.current
            if current == revision:
                answers.append(304)
            elif current == parent or (parent is None and tree is not None and tree.deleted):
                answers.append(0)
                self._expected += 1
            else:
                answers.append({"status": 409, "rev": current or ""} if tells else 409)
        while answers and answers[-1] == 0:
            answers.pop()
        terms = {"maxHistory": str(self._of.depth), "blobs": "true", "deltas": "true"}
        self.connection.send_response(event.number, terms, json.dumps(answers).encode())

    def _inserted(self, event: RequestReceived) -> None:
        properties = event.properties
        tree = self._of.documents.get(properties["id"], Tree(self._of.depth))
        history = [part.strip() for part in properties.get("history", "").split(",") if part.strip()]
        deleted = properties.get("deleted") in ("1", "true")
        if "deltaSrc" in properties:
            self._error(event, 422, "no delta")
            self._expected += 1
            return
        try:
            is_new = tree.insert([properties["rev"], *history], json.loads(event.body), deleted=deleted)
        except RefusedError as error:
            self._of.refusals.append(f"{properties['id']} {properties['rev']}: {error}")
            self._error(event, error.code, str(error), domain="LiteCore")
            return
        self._of.documents[properties["id"]] = tree
        self.connection.send_response(event.number, {} if is_new else {"noop": "true"})

    def _tell(self) -> None:
        named = {"collection": "0"} if self._names_collection else {}
        told = [(name, tree.current) for name, tree in self._of.documents.items() if self._of.tells]
        items = [
            [number, name, revision, self._of.documents[name].deleted]
            for number, (name, revision) in enumerate(told, 1)
        ]
        if items:
            number = self.connection.send_request({"Profile": "changes", **named}, json.dumps(items).encode())
            self._sent[number] = told
        self.connection.send_request({"Profile": "changes", **named}, b"[]", no_reply=True)

    def _send(self, document_id: str, revision: str) -> None:
        tree = self._of.documents[document_id]
        node = tree.nodes[revision]
        sequence = list(self._of.documents).index(document_id) + 1
        properties = {"Profile": "rev", "id": document_id, "rev": revision, "sequence": str(sequence)}
        if self._names_collection:
            properties["collection"] = "0"
        if node.deleted:
            properties["deleted"] = "1"
        if line := tree.line(revision):
            properties["history"] = ",".join(line[: self._of.depth])
        self.connection.send_request(properties, json.dumps(node.body or {}).encode())

    def _error(self, event: RequestReceived, code: int, text: str, *, domain: str = "HTTP") -> None:
        if not event.no_reply:
            self.connection.send_error(event.number, code, text, domain=domain)


def replicate(ours: Database, litecore: LiteCore, *, clock: Clock | None = None, **options: Any) -> "Run":
    """Replicate a store with a simulated LiteCore until both sides are done, and return the run."""
    given = {"peer": PeerName.address("litecore"), "names_collection": True, **options}
    run = Run(ours, litecore, clock or Clock(), ActiveOptions(**given))
    run.settle()
    return run


class Run:
    """Replication between Logboat's active peer and a simulated LiteCore."""

    def __init__(self, ours: Database, litecore: LiteCore, clock: Clock, options: ActiveOptions) -> None:
        self.clock = clock
        self.told: list[DocumentEnded] = []
        self.peer = ActivePeer(Session(clock=clock), ours, options, Ledger(self.told.extend))
        self.conversation = Conversation(litecore)
        self.peer.start()

    @property
    def failed(self) -> dict[str, int]:
        """Error codes of the documents that failed to replicate, by document id."""
        return {ended.id: ended.problem.code for ended in self.told if ended.problem is not None}

    def settle(self, seconds: float = 3600.0) -> None:
        """Run until the replication ends, LiteCore closes the connection, or no event is due in `seconds`."""
        until = self.clock.now + seconds
        while not self.peer.session.is_over and self.conversation.closed is None:
            if self._step():
                continue
            due = self.peer.deadline
            if due is None or due > until:
                break
            self.clock.now = max(self.clock.now, due)
        if self.conversation.closed is not None:
            self.peer.session.end()

    def _step(self) -> bool:
        moved = False
        self.peer.turn()
        while (frame := self.peer.next_frame()) is not None:
            moved = True
            self.conversation.receive(frame)
        if self.conversation.closed is None and (frames := self.conversation.frames()):
            moved = True
            self.peer.receive(frames)
        return moved


def key(revision: str) -> tuple[int, str]:
    """Return the sort key by which LiteCore orders revisions."""
    generation, _, digest = revision.partition("-")
    return int(generation), digest
