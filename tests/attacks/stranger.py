"""A hostile peer that sends well-formed but wrong messages, which lead a session into unusual states.

The peer follows the BLIP protocol, and keeps track of documents, revisions and unanswered requests. Most of
its messages are correct except for one detail. It proposes and requests like an active peer, and it answers
and announces like a passive peer. It has no socket. The caller transfers the frames of `connection`, and
passes the connection's events to `hear`.
"""

import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from sync.blip import BlipConnection, ErrorReceived, Event, RequestReceived, ResponsePart, ResponseReceived

DIGEST: Final = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="
"""Digest of the empty blob."""
_UNKNOWN: Final = "sha1-" + "A" * 27 + "="
_ENDING: Final = frozenset({"changes", "proposeChanges", "proveAttachment", "getCheckpoint", "subChanges"})
"""Types of requests for which a wrong answer may end the session. They are rarely answered wrongly."""
SPARED: Final = "kept-"
"""Prefix of the ids of documents that the hostile peer never mentions."""
_WAITING: Final = 200
"""Maximum number of requests that wait for an answer. If there are more, the oldest are never answered."""
_LARGEST: Final = 2**31 - 1


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


class Stranger:
    """Hostile peer, which sends wrong messages to the session under test."""

    def __init__(
        self, rng: random.Random, names: Sequence[str], connection: BlipConnection | None = None
    ) -> None:
        """Create a peer whose messages mention the documents in `names` and invented documents."""
        self.connection = connection or BlipConnection()
        self.said: Counter[str] = Counter()
        """Number of messages sent, by message type. Answers have the types `reply` and `error`."""
        self.heard: Counter[str] = Counter()
        """Number of messages received, by message type. Answers have the types `response` and `error`."""
        self._rng, self._names = rng, list(names)
        self._revisions: dict[str, list[str]] = {}
        """Received and invented revisions of each document, oldest first."""
        self._wanted: deque[tuple[str, str]] = deque(maxlen=500)
        """Revisions that the peer under test has requested, as (document, revision)."""
        self._asked: dict[int, tuple[str, list[tuple[str, str]]]] = {}
        """Type and content of each unanswered `changes` or `proposeChanges` message, by request number."""
        self._waiting: deque[RequestReceived] = deque(maxlen=_WAITING)
        self._sequence = 0
        self._moves: list[tuple[Callable[[], None], int]] = [
            (self._propose, 12),
            (self._tell, 10),
            (self._send_revision, 25),
            (self._send_wanted, 30),
            (self._answer, 40),
            (self._give_none, 3),
            (self._ask_revision, 5),
            (self._ask_blob, 4),
            (self._ask_proof, 4),
            (self._checkpoint, 6),
            (self._subscribe, 3),
            (self._other, 1),
        ]

    def move(self) -> None:
        """Send one random message. Raise ConnectionOverError if the session has ended."""
        moves, weights = zip(*self._moves, strict=True)
        self._rng.choices(moves, weights)[0]()

    def hear(self, event: Event) -> None:
        """Process an event of the BLIP connection."""
        if isinstance(event, RequestReceived):
            self.heard[event.profile] += 1
            self._learn(event)
            if not event.no_reply:
                self._waiting.append(event)
        elif isinstance(event, ResponseReceived):
            self.heard["response"] += 1
            self._learn_answers(event)
        elif isinstance(event, ErrorReceived):
            self.heard["error"] += 1
            self._asked.pop(event.number, None)
        elif isinstance(event, ResponsePart):
            self.heard["part"] += 1

    # Memory of received revisions

    def _learn(self, event: RequestReceived) -> None:
        if event.profile == "changes":
            for item in _list(event.body):
                if isinstance(item, list) and len(item) > 2:
                    self._add(str(item[1]), str(item[2]))
        elif event.profile == "proposeChanges":
            for item in _list(event.body):
                if isinstance(item, list) and len(item) > 1:
                    self._add(str(item[0]), str(item[1]))
        elif event.profile == "rev":
            self._add(event.properties.get("id", ""), event.properties.get("rev", ""))

    def _learn_answers(self, event: ResponseReceived) -> None:
        profile, items = self._asked.pop(event.number, ("", []))
        for item, answer in zip(items, _list(event.body), strict=False):
            if (profile == "changes" and isinstance(answer, list)) or answer == 0:
                self._wanted.append(item)

    def _add(self, document: str, revision: str) -> None:
        if document.startswith(SPARED):
            return
        known = self._revisions.setdefault(document, [])
        if revision not in known:
            known.append(revision)
        del known[:-8]
        if len(self._revisions) > 300:
            del self._revisions[next(iter(self._revisions))]

    # Invented ids and bodies

    def _chance(self, one_in: int) -> bool:
        return self._rng.randrange(one_in) == 0

    def _document(self) -> str:
        rng = self._rng
        if self._revisions and rng.random() < 0.6:
            return rng.choice(list(self._revisions))
        if rng.random() < 0.7:
            return rng.choice(self._names)
        return rng.choice(
            [f"made-{rng.randrange(50)}", "note:argo:" + "0" * 26, "é" * 9, "_x", "a b", "x" * 200, '"\\']
        )

    def _revision(self, document: str, *, after: str | None = None) -> str:
        """Return a known or invented revision id, usually with the generation that follows `after`."""
        rng = self._rng
        known = self._revisions.get(document, [])
        if after is None and known and rng.random() < 0.3:
            return rng.choice(known)
        generation = 1 if after is None else _generation(after) + 1
        if self._chance(25):
            generation = rng.choice([0, 1, 2, 70, 1_000, 10**6, _LARGEST - 1, _LARGEST, _LARGEST + 1, 10**20])
        digest = f"{rng.getrandbits(128):032x}"
        if self._chance(40):
            digest = rng.choice(["", "x", "A" * 32, "é", digest * 9, "12@peer", digest.upper()])
        return f"{generation}-{digest}"

    def _value(self, depth: int = 0) -> Any:
        rng = self._rng
        kind = rng.randrange(9 if depth < 4 else 6)
        if kind == 6:
            return [self._value(depth + 1) for _ in range(rng.randrange(5))]
        if kind >= 7:
            return {self._key(): self._value(depth + 1) for _ in range(rng.randrange(5))}
        return [
            None,
            rng.choice([True, False]),
            rng.choice([0, -1, 2**53, -(2**63), 2**64, 1e308, 1.5, 10**30]),
            rng.choice(["", "x", "é\u2028", "\x00", "=1+1", "\x1b[2J", "2026-12-01T12:00:00Z", "9" * 400]),
            rng.getrandbits(40),
            rng.random(),
        ][kind]

    def _key(self) -> str:
        return self._rng.choice(
            [
                "n",
                "type",
                "vessel",
                "channels",
                "_id",
                "_rev",
                "_deleted",
                "_attachments",
                "@type",
                "é",
                "a.b",
                "",
            ]
        )

    def _body(self) -> bytes:
        rng = self._rng
        body: dict[str, Any] = {"n": rng.randrange(100), "channels": ["notes"]}
        if rng.random() < 0.5:
            body |= {self._key(): self._value() for _ in range(rng.randrange(6))}
        if self._chance(6):
            digest = rng.choice([DIGEST, _UNKNOWN, "sha1-", "", 7])
            body["photo"] = {"@type": "blob", "digest": digest, "length": rng.choice([0, 3, -1, 10**12])}
        if self._chance(12):
            entry = {"digest": rng.choice([DIGEST, _UNKNOWN]), "stub": True, "length": 0, "revpos": 1}
            body["_attachments"] = {"a": entry}
        if self._chance(20):
            body["filled"] = "x" * rng.choice([1_000, 30_000, 200_000])
        if self._chance(60):
            return b"[" * 300 + b"]" * 300
        text = _json(body)
        if self._chance(40):
            at = rng.randrange(len(text))
            text = text[:at] + bytes([rng.randrange(256)]) + text[at + 1 :]
        return text

    # Messages

    def _post(
        self, profile: str, properties: dict[str, Any], body: bytes = b"", *, listed: Any = None
    ) -> None:
        given = {"Profile": profile} | {key: str(value) for key, value in properties.items()}
        if self._chance(50):
            given[
                self._rng.choice(["since", "rev", "id", "history", "deltaSrc", "sequence", "collection"])
            ] = self._rng.choice(["", "0", "-1", "x", "1-a", "[]", "9" * 30])
        no_reply = self._chance(15)
        number = self.connection.send_request(
            given, body, compressed=self._chance(3), urgent=self._chance(5), no_reply=no_reply
        )
        self.said[profile] += 1
        if listed is not None and not no_reply:
            self._asked[number] = profile, listed
            if len(self._asked) > _WAITING:
                del self._asked[next(iter(self._asked))]

    def _propose(self) -> None:
        items, listed = [], []
        for _ in range(self._rng.choice([1, 1, 3, 20, 200])):
            document = self._document()
            known = self._revisions.get(document, [])
            parent = self._rng.choice(known) if known and self._rng.random() < 0.7 else None
            revision = self._revision(document, after=parent)
            listed.append((document, revision))
            item: list[Any] = [document, revision]
            if parent is not None:
                item.append(parent)
            if self._chance(40):
                odd: list[Any] = [[], [document], [document, 1], {}, None, [document, revision, 7, "x"]]
                item = self._rng.choice(odd)
            items.append(item)
        properties = {"conflictIncludesRev": "true"} if self._rng.random() < 0.5 else {}
        self._post("proposeChanges", properties, _json(items), listed=listed)

    def _tell(self) -> None:
        items, listed = [], []
        for _ in range(self._rng.choice([0, 1, 1, 3, 20, 200])):
            document = self._document()
            revision = self._revision(
                document, after=self._rng.choice([None, *self._revisions.get(document, [])])
            )
            self._sequence += 1
            sequence: Any = self._sequence
            if self._chance(20):
                sequence = self._rng.choice([0, -1, "7", "3::9", [1, 2], None, 10**30, self._sequence - 5])
            item: list[Any] = [sequence, document, revision]
            if self._rng.random() < 0.3:
                item += [
                    self._rng.choice([0, 1, 2, 4, 5, 7, True, 64, -1]),
                    self._rng.choice([0, 50, 10**12]),
                ]
            items.append(item)
            listed.append((document, revision))
        self._post("changes", {}, _json(items) if items or self._chance(2) else b"null", listed=listed)

    def _send_wanted(self) -> None:
        if self._wanted:
            self._revise(*self._wanted.popleft())

    def _send_revision(self) -> None:
        document = self._document()
        known = self._revisions.get(document, [])
        parent = self._rng.choice(known) if known and self._rng.random() < 0.8 else None
        self._revise(document, self._revision(document, after=parent), parent)

    def _revise(self, document: str, revision: str, parent: str | None = None) -> None:
        rng = self._rng
        properties: dict[str, Any] = {"id": document, "rev": revision}
        known = self._revisions.get(document, [])
        if parent is None and known and rng.random() < 0.5:
            parent = known[-1]
        if parent is not None and rng.random() < 0.9:
            history = [parent, *reversed(known[: known.index(parent)])] if parent in known else [parent]
            if self._chance(15):
                history = rng.choice(
                    [
                        [revision],
                        history * 2,
                        history[::-1],
                        ["x"],
                        [f"{n}-{n:032x}" for n in range(60, 0, -1)],
                    ]
                )
            properties["history"] = ",".join(history)
        body = self._body()
        if parent is not None and self._chance(6):
            properties["deltaSrc"] = rng.choice([parent, self._revision(document)])
            body = _json(
                rng.choice([{"n": 7}, {"n": []}, {"": [1]}, [], {"filled": ["x", 3, 2]}, {"a": {"b": [[]]}}])
            )
        if self._chance(8):
            properties["deleted"] = rng.choice(["1", "true", "0", "x"])
        if self._chance(10):
            properties["noconflicts"] = rng.choice(["true", "1"])
        if self._chance(5):
            properties["sequence"] = rng.choice([self._sequence, '"3::9"', "x", "-1"])
        if self._chance(20):
            properties["replacedRev"] = self._revision(document)
        self._add(document, revision)
        self._post("rev", properties, body)

    def _give_none(self) -> None:
        document, revision = self._wanted.popleft() if self._wanted else (self._document(), "1-a")
        properties = {"id": document, "rev": revision, "error": self._rng.choice([403, 404, 500, "x", 0])}
        self._post("norev", properties | {"sequence": self._sequence, "reason": "no"})

    def _ask_revision(self) -> None:
        document = self._document()
        properties = {"id": document}
        if self._chance(3):
            properties[self._rng.choice(["rev", "ifNotRev"])] = self._revision(document)
        self._post("getRev", properties)

    def _ask_blob(self) -> None:
        digest = self._rng.choice([DIGEST, _UNKNOWN, "", "sha1-x"])
        self._post("getAttachment", {"digest": digest, "docID": self._document()})

    def _ask_proof(self) -> None:
        digest = self._rng.choice([DIGEST, _UNKNOWN, "md5-x"])
        self._post(
            "proveAttachment", {"digest": digest}, self._rng.randbytes(self._rng.choice([0, 1, 20, 255]))
        )

    def _checkpoint(self) -> None:
        client = self._rng.choice(["me", "you", "é", "x" * 300, f"c{self._rng.randrange(30)}"])
        if self._chance(2):
            self._post("getCheckpoint", {"client": client})
        else:
            properties = {"client": client}
            if self._chance(2):
                properties["rev"] = self._rng.choice(["0-1", "0-2", "x", "0-999"])
            body = self._rng.choice(
                [b"{}", _json({"local": 1, "remote": "7"}), b"x", _json({"x": "y" * 20_000})]
            )
            self._post("setCheckpoint", properties, body)

    def _subscribe(self) -> None:
        rng = self._rng
        properties: dict[str, Any] = {
            "since": rng.choice([0, 1, "x", '"3"', 10**9]),
            "batch": rng.choice([1, 200, 0]),
        }
        if self._chance(2):
            properties["continuous"] = "true"
        if self._chance(4):
            properties |= {
                "filter": "sync_gateway/bychannel",
                "channels": rng.choice(["notes", "", "a,b", "é"]),
            }
        body = b""
        if self._chance(6):
            body = _json({"docIDs": [self._document() for _ in range(3)]})
        self._post(rng.choice(["subChanges", "subChanges", "unsubChanges"]), properties, body)

    def _other(self) -> None:
        profile = self._rng.choice(["getCollections", "levitate", "", "sub-changes", "putRev", "getUnsub"])
        self._post(
            profile, {}, self._rng.choice([b"", b"{}", b'{"checkpoint_ids":["a"],"collections":["b"]}'])
        )

    def _answer(self) -> None:
        """Answer one of the requests that wait for an answer, usually the oldest, and usually correctly."""
        if not self._waiting:
            return
        rng = self._rng
        at = 0 if rng.random() < 0.8 else rng.randrange(len(self._waiting))
        event = self._waiting[at]
        del self._waiting[at]
        ends = event.profile in _ENDING
        is_spared = event.properties.get("id", "").startswith(SPARED)
        if is_spared or self._chance(80 if ends else 12):
            self.said["error"] += 1
            code = rng.choice([400, 401, 403, 404, 409, 429, 500, 503, 0, -1, 2**31 - 1])
            self.connection.send_error(
                event.number, code, "no\x1b[2J", domain=rng.choice(["HTTP", "BLIP", "é"])
            )
            return
        self.said["reply"] += 1
        properties, body = self._answer_to(event)
        if self._chance(150 if ends else 30):
            body = rng.choice([b"", b"null", b"{}", b"[[]]", b"[0,0,0]", b"\xff"])
        self.connection.send_response(event.number, properties, body, compressed=self._chance(3))

    def _answer_to(self, event: RequestReceived) -> tuple[dict[str, str], bytes]:
        rng, count = self._rng, len(_list(event.body))
        if event.profile == "changes":
            answers = [rng.choice([0, [], ["1-a"], [self._revision("x")], 304]) for _ in range(count)]
            return {"maxHistory": "20", "deltas": rng.choice(["true", "false"])}, _json(answers)
        if event.profile == "proposeChanges":
            answers = [
                rng.choice(
                    [0, 0, 0, 304, 403, 409, 500, {"status": 409, "rev": self._revision("x", after="1-a")}]
                )
                for _ in range(count)
            ]
            return {"deltas": rng.choice(["true", "false"])}, _json(answers)
        if event.profile in ("getCheckpoint", "setCheckpoint"):
            return {"rev": "0-1"}, rng.choice([b"{}", _json({"local": 3, "remote": "4"}), b'{"local":-1}'])
        if event.profile == "getRev":
            document = event.properties.get("id", "x")
            return {"rev": self._revision(document)}, self._body()
        if event.profile == "getAttachment":
            return {}, rng.choice([b"", b"x", b"y" * 100_000])
        if event.profile == "proveAttachment":
            return {}, rng.choice([DIGEST, _UNKNOWN]).encode()
        return {}, b""


def _list(body: bytes) -> list[Any]:
    try:
        found = msgspec.json.decode(body or b"[]")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _generation(revision: str) -> int:
    head = revision.partition("-")[0]
    return min(int(head), _LARGEST) if head.isascii() and head.isdigit() and len(head) < 12 else 1
