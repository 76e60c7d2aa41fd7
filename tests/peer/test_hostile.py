"""Invalid or excessive data from a peer is rejected or ends that peer's session, and has no other effects."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.blip import BlipConnection, ErrorReceived, ResponseReceived
from sync.peer import limits
from sync.peer.problems import Domain
from sync.replication.messages import AnnouncedChange, Changes, GetAttachment, GetCheckpoint, Rev, SubChanges
from sync.store import Database

from .rig import contents, open_database
from .script import Script, active, assert_sound, begun, passive

KEPT = {f"kept-{number}": {"n": number, "channels": ["crew"]} for number in range(5)}
DIGEST = "sha1-" + "A" * 27 + "="


@contextmanager
def a_store() -> Iterator[Database]:
    """Yield a store with documents that the tests' messages never mention.

    At the end, assert that these documents are unchanged and that the store is undamaged.
    """
    with TemporaryDirectory() as folder, open_database(Path(folder) / "store.db") as database:
        for name, body in KEPT.items():
            database.put(name, body)
        before = contents(database)
        yield database
        assert {name: found for name, found in contents(database).items() if name in KEPT} == before
        assert_sound(database)


@pytest.fixture
def store() -> Iterator[Database]:
    with a_store() as database:
        yield database


def rest(script: Script) -> None:
    """Deliver frames for up to ten seconds, until the peer under test is idle or its session has ended."""
    until = script.clock.now + 10
    for _ in range(1000):
        script.pump()
        due = script.peer.deadline
        if script.is_over or due is None or due > until:
            return
        script.clock.now = max(script.clock.now, due)
    raise AssertionError(f"our peer never comes to rest: it wants a turn at {due}, and has had it")


def assert_ends_by_name(script: Script) -> None:
    """Assert that the session is still open, or has ended with a problem that has a message."""
    if script.is_over:
        assert script.peer.session.problem is not None
        assert script.peer.session.problem.text


IDS = st.sampled_from(["d", "e", "", "_local", "x" * 300, "reading:argo:rpm:abcdef:000000000001"])
REVISIONS = st.sampled_from(["1-a", "2-b", "3-c", "0-a", "nonsense", "", "1-", "9" * 30 + "-a"])
TEXTS = st.one_of(
    IDS,
    REVISIONS,
    st.sampled_from(["0", "1", "-1", "true", "null", "[]", DIGEST]),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=9),
)
KEYS = [
    "id",
    "rev",
    "client",
    "since",
    "batch",
    "continuous",
    "activeOnly",
    "filter",
    "channels",
    "docID",
    "digest",
    "compress",
    "history",
    "deltaSrc",
    "deleted",
    "noconflicts",
    "sequence",
    "replacedRev",
    "collection",
    "ifNotRev",
    "conflictIncludesRev",
    "error",
    "reason",
    "maxHistory",
    "deltas",
    "blobs",
    "sendReplacementRevs",
    "Error-Domain",
    "Error-Code",
    "Content-Type",
]
KINDS = [
    "getCheckpoint",
    "setCheckpoint",
    "getCollections",
    "subChanges",
    "changes",
    "proposeChanges",
    "rev",
    "norev",
    "getRev",
    "getAttachment",
    "proveAttachment",
    "levitate",
]
PROPERTIES = st.dictionaries(st.sampled_from(KEYS), TEXTS, max_size=6)
PROFILES = st.sampled_from(KINDS)
ITEMS = st.lists(st.one_of(IDS, REVISIONS, st.integers(-2, 99), st.none(), st.booleans()), max_size=5).map(
    lambda item: "[" + ",".join(msgspec.json.encode(value).decode() for value in item) + "]"
)
BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", b"{}", b"[]", b"null", b"[null]", b'{"n":1}', b"[0,[]]", b"\xff", b"[" * 500]),
    st.lists(ITEMS, max_size=4).map(lambda items: f"[{','.join(items)}]".encode()),
    st.just(b'{"_attachments":{"a":{"digest":"' + DIGEST.encode() + b'","stub":true}}}'),
    st.just(b'{"photo":{"@type":"blob","digest":"' + DIGEST.encode() + b'","length":3}}'),
)


MESSAGES = st.lists(st.tuples(PROFILES, PROPERTIES, BODIES, st.booleans()), min_size=1, max_size=8)
ANSWERS = st.lists(st.tuples(st.sampled_from([0, 0, 404, 409, 503]), PROPERTIES, BODIES), max_size=8)


def converse(script: Script, sent: list[tuple[str, dict[str, str], bytes, bool]]) -> None:
    for profile, properties, body, no_reply in sent:
        script.post({"Profile": profile, **properties}, body, no_reply=no_reply)
        script.pump()


def answer_all(script: Script, answers: list[tuple[int, dict[str, str], bytes]]) -> None:
    """Reply to the requests of the peer under test in order, until all `answers` are used."""
    for code, properties, body in answers:
        waiting = [event for event in script.requests if not event.no_reply]
        if not waiting or script.is_over:
            break
        script.requests.remove(waiting[0])
        if code:
            script.refuse(waiting[0], code)
        else:
            script.connection.send_response(waiting[0].number, properties, body)
            script.pump()


@settings(max_examples=40)
@given(sent=MESSAGES, answers=ANSWERS)
def test_random_messages_to_a_passive_peer(
    sent: list[tuple[str, dict[str, str], bytes, bool]], answers: list[tuple[int, dict[str, str], bytes]]
) -> None:
    with a_store() as database:
        script = passive(database)
        converse(script, sent)
        answer_all(script, answers)
        rest(script)
        assert_ends_by_name(script)


@settings(max_examples=40)
@given(sent=MESSAGES, answers=ANSWERS, has_begun=st.booleans())
def test_random_messages_and_replies_to_an_active_peer(
    sent: list[tuple[str, dict[str, str], bytes, bool]],
    answers: list[tuple[int, dict[str, str], bytes]],
    has_begun: bool,
) -> None:
    with a_store() as database:
        script = (begun if has_begun else active)(database, continuous=True)
        converse(script, sent)
        answer_all(script, answers)
        rest(script)
        assert_ends_by_name(script)


@settings(max_examples=40)
@given(frames=st.lists(st.binary(max_size=60), max_size=10), is_active=st.booleans())
def test_random_frames(frames: list[bytes], is_active: bool) -> None:
    with a_store() as database:
        script = (active if is_active else passive)(database)
        script.peer.receive(frames)
        script.pump()
        assert_ends_by_name(script)


@settings(max_examples=40)
@given(data=st.data(), is_active=st.booleans())
def test_changed_frames(data: st.DataObject, is_active: bool) -> None:
    with a_store() as database:
        script = begun(database, continuous=True) if is_active else passive(database)
        script.post(SubChanges(continuous=True).encode())
        script.post(Changes((AnnouncedChange("1", "d", "1-a"),)).encode())
        script.post(Rev("d", "1-a", b'{"n":1}').encode())
        frames = []
        while (frame := script.connection.next_frame()) is not None:
            frames.append(frame)
        at = data.draw(st.integers(0, len(frames) - 1))
        changed = bytearray(frames[at])
        for _ in range(data.draw(st.integers(1, 3))):
            changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
        cut = data.draw(st.integers(0, len(changed)))
        frames[at] = bytes(changed[: cut or None])
        script.peer.receive(frames)
        script.peer.turn()
        while script.peer.next_frame() is not None:
            pass
        assert_ends_by_name(script)


def test_unrequested_reply_does_no_harm(store: Database) -> None:
    for script in (passive(store), active(store)):
        asking, answering = BlipConnection(), BlipConnection()
        for _ in range(50):
            number = asking.send_request({"Profile": "getCheckpoint"})
        while (frame := asking.next_frame()) is not None:
            answering.receive(frame)
        answering.send_response(number, {}, b"{}")
        frame = answering.next_frame()
        assert frame is not None
        script.peer.receive([frame])
        script.peer.turn()
        assert_ends_by_name(script)


# Floods


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def frames_of(script: Script) -> list[bytes]:
    """Return all frames that are queued for the peer under test, without delivering them."""
    frames = []
    while (frame := script.connection.next_frame()) is not None:
        frames.append(frame)
    return frames


def test_endless_lists_of_changes_are_refused_beyond_a_few(store: Database) -> None:
    script = begun(store, push=False, continuous=True)
    numbers = []
    for start in range(0, 30_000, 10):
        changes = tuple(AnnouncedChange(str(n), f"d-{n}", "1-a") for n in range(start, start + 10))
        numbers.append(script.post(Changes(changes).encode()))
    script.rest(1.0)
    receiver = script.peer.receiver
    assert receiver is not None
    assert len(receiver._lists) <= limits.LISTS_UNANSWERED
    assert len(receiver._expected) < limits.REVISIONS_WANTED + 10
    assert len(receiver._by_sequence) == len(receiver._expected)
    refused = [reply for reply in script.replies.values() if isinstance(reply, ErrorReceived)]
    assert {(reply.domain, reply.code) for reply in refused} == {("HTTP", 429)}
    assert len(refused) + len(receiver._lists) + limits.REVISIONS_WANTED // 10 == len(numbers)
    assert not script.is_over


def test_same_change_announced_endlessly_ends_the_session(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "CHANGES_OPEN", 2000)
    script = begun(store, push=False, continuous=True)
    for start in range(0, 10_000, 100):
        changes = tuple(AnnouncedChange(str(n), "d", "1-a") for n in range(start, start + 100))
        script.post(Changes(changes).encode())
    script.rest(1.0)
    problem = script.peer.session.problem
    assert problem is not None
    assert (problem.domain, problem.code) == (Domain.BLIP, 1008)


def test_proposals_whose_revisions_are_never_sent_affect_nothing(store: Database) -> None:
    script = passive(store)
    for lot in range(50):
        assert set(script.verdicts(*((f"d-{lot}-{n}", "1-a") for n in range(100)))) == {0}
    assert isinstance(script.push("e", "1-a"), ResponseReceived)
    assert store.get("e") is not None


def test_requested_batch_size_may_be_huge(store: Database) -> None:
    with store.transaction():
        for number in range(500):
            store.put(f"d-{number}", {})
    script = passive(store)
    assert len(script.subscribe(batch=10**9)) <= limits.BATCH


def test_endless_requests_for_revisions_are_refused_while_many_replies_wait(store: Database) -> None:
    script = passive(store)
    for _ in range(1000):
        script.post({"Profile": "getRev", "id": "kept-1"})
    script.peer.receive(frames_of(script))
    script.pump()
    given_up = [reply for reply in script.replies.values() if isinstance(reply, ErrorReceived)]
    assert {(reply.domain, reply.code) for reply in given_up} == {("HTTP", 503)}
    assert len(script.replies) == 1000
    assert len(script.replies) - len(given_up) <= limits.MESSAGES_QUEUED + 1
    assert isinstance(script.ask({"Profile": "getRev", "id": "kept-1"}), ResponseReceived)


def test_requests_whose_replies_are_never_read_end_the_session(store: Database) -> None:
    script = passive(store)
    for _ in range(5000):
        script.post({"Profile": "getRev", "id": "kept-1"})
    script.peer.receive(frames_of(script))
    problem = script.peer.session.problem
    assert problem is not None
    assert problem.domain is Domain.BLIP
    assert "TooManyRequestsError" in problem.text


def test_endless_requests_for_blobs_open_few_files_and_all_are_closed_at_the_end(store: Database) -> None:
    digest = store.blobs.put(os.urandom(300_000))
    script = passive(store)
    before = open_files()
    for _ in range(300):
        script.post({"Profile": "getAttachment", "digest": digest})
    script.peer.receive(frames_of(script))
    for _ in range(50):
        script.peer.next_frame()
    assert open_files() - before <= limits.FILES_OPEN
    script.peer.session.end()
    assert open_files() == before


def test_huge_checkpoint_is_refused_or_ends_the_session(store: Database) -> None:
    script = passive(store)
    body = b'{"x":"' + b"y" * (5 * 1024 * 1024) + b'"}'
    reply = script.ask({"Profile": "setCheckpoint", "client": "me"}, body)
    assert isinstance(reply, ErrorReceived)
    assert script.refusal({"Profile": "getCheckpoint", "client": "me"}) == ("HTTP", 404)


def test_proof_of_a_missing_blob_is_refused(store: Database) -> None:
    script = passive(store)
    question = {"Profile": "proveAttachment", "digest": DIGEST}
    assert script.refusal(question, bytes(20)) == ("HTTP", 404)
    assert not script.is_over


def test_only_the_session_that_breaks_the_protocol_ends(store: Database) -> None:
    broken, other = passive(store), passive(store)
    broken.peer.receive([b"\xff" * 20])
    assert broken.is_over
    assert_ends_by_name(broken)
    assert other.refusal(GetCheckpoint("me").encode()) == ("HTTP", 404)


def test_large_documents_that_wait_for_blobs_are_refused_beyond_a_few(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BYTES_FETCHING", 50_000)
    script = passive(store)
    digest = "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    body = b'{"blob":{"@type":"blob","digest":"%s"},"filled":"%s"}' % (digest.encode(), b"x" * 20_000)
    asked = [script.post(Rev(f"large-{number}", "1-a", body).encode()) for number in range(10)]
    script.rest(1.0)
    refused = [reply for number in asked if (reply := script.replies.get(number)) is not None]
    assert {reply.code for reply in refused if isinstance(reply, ErrorReceived)} == {503}
    assert len(refused) == 8
    for _, event in script.taken(GetAttachment):
        script.answer(event, body=b"")  # the digest is that of the empty blob
    script.rest(1.0)
    assert store.count("large-") == 2
    assert isinstance(script.push("later", "1-a", body), ResponseReceived), "there is room again"
