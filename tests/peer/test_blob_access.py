"""A blob, or a proof of possession of the blob, is sent only to peers that may read a document with it."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.blip import ErrorReceived, ResponseReceived
from sync.peer import limits
from sync.peer.selection import EVERYTHING, Selection
from sync.replication.messages import (
    Changes,
    ChangesReply,
    DeliveryTerms,
    GetAttachment,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    ProveAttachment,
    ProveAttachmentReply,
    Rev,
    SubChanges,
    proof,
)
from sync.store import Database

from .rig import Clock, open_database, replicate
from .script import Script, assert_sound, begun, passive

NOTES = Selection(within=frozenset({"notes"}))
NONCE = b"n" * 20
SECRET = b"the officers' photograph" * 100


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    assert_sound(database)
    database.close()


def photo(digest: str, channel: str, length: int = len(SECRET)) -> dict[str, Any]:
    return {"channels": [channel], "photo": {"@type": "blob", "digest": digest, "length": length}}


@pytest.fixture
def secret(store: Database) -> str:
    """Return the digest of a stored blob that only a document in the channel `officers` refers to."""
    digest = store.blobs.put(SECRET)
    store.put("theirs", photo(digest, "officers"))
    return digest


def raw(digest: str, channel: str = "notes") -> bytes:
    return json.dumps(photo(digest, channel)).encode()


def prove(script: Script, digest: str, nonce: bytes = NONCE, **more: Any) -> Any:
    return script.ask(ProveAttachment(digest, nonce, **more).encode())


def get(script: Script, digest: str, document_id: str | None = None) -> Any:
    return script.ask(GetAttachment(digest, document_id).encode())


def code(reply: Any) -> int:
    assert isinstance(reply, ErrorReceived), reply
    return reply.code


def told(reply: Any) -> str:
    assert isinstance(reply, ResponseReceived), reply
    return reply.body.decode()


# Proofs


def test_peer_cannot_obtain_a_proof_by_returning_our_own_request(store: Database, secret: str) -> None:
    script = passive(store, readable=NOTES)
    pushed = script.post(Rev("mine", "1-a", raw(secret)).encode())
    script.rest(1.0)
    question, asked = script.take(ProveAttachment)
    assert question.digest == secret
    reply = prove(script, secret, question.nonce)
    assert code(reply) in (403, 503)
    assert proof(question.nonce, [SECRET]) not in reply.message
    script.refuse(asked, 404)
    script.rest(1.0)
    assert isinstance(script.replies[pushed], ErrorReceived)
    assert store.get("mine") is None
    assert code(get(script, secret, "mine")) == 403


@pytest.mark.parametrize("named", [None, "theirs", "mine", "absent"])
def test_proof_of_a_blob_of_inaccessible_documents_is_refused_whatever_document_is_named(
    store: Database, secret: str, named: str | None
) -> None:
    store.put("mine", {"channels": ["notes"]})
    absent = "sha1-" + "A" * 27 + "="
    script = passive(store, readable=NOTES)
    replies = [prove(script, digest, document_id=named) for digest in (secret, absent)]
    assert [code(reply) for reply in replies] == [403, 403]
    texts = [
        reply.message.replace(digest, "") for reply, digest in zip(replies, (secret, absent), strict=True)
    ]
    assert texts[0] == texts[1]


def test_proof_of_a_blob_of_an_accessible_document_is_sent(store: Database) -> None:
    digest = store.blobs.put(SECRET)
    store.put("mine", photo(digest, "notes"))
    script = passive(store, readable=NOTES)
    assert told(prove(script, digest, document_id="mine")) == proof(NONCE, [SECRET])


def test_gateway_that_names_no_document_gets_a_proof_while_its_revision_is_in_transit(
    store: Database, secret: str
) -> None:
    """A Sync Gateway that already has a blob requests the proof before it acknowledges the revision."""
    store.put("shared", photo(secret, "notes"))
    script = passive(store, readable=NOTES)
    script.ask(SubChanges().encode())
    assert code(prove(script, secret)) == 403
    message, event = script.take(Changes)
    assert [change.id for change in message.changes] == ["shared"]
    script.answer(event, ChangesReply(((),), DeliveryTerms(blobs=True)).encode())
    _, rev = script.take(Rev)
    assert told(prove(script, secret)) == proof(NONCE, [SECRET])
    assert isinstance(get(script, secret), ResponseReceived)
    script.answer(rev)
    assert code(prove(script, secret)) == 403
    assert code(get(script, secret)) == 403


def test_proof_is_refused_while_the_same_proof_is_requested_on_another_connection(store: Database) -> None:
    """Otherwise, a peer with two connections could obtain the proof on one and send it on the other."""
    clock = Clock()
    digest = store.blobs.put(SECRET)
    store.put("known", photo(digest, "officers"))
    asking = passive(store, clock=clock, readable=NOTES)
    pushed = asking.post(Rev("mine", "1-a", raw(digest)).encode())
    asking.rest(1.0)
    question, asked = asking.take(ProveAttachment)
    for readable in (EVERYTHING, Selection(within=frozenset({"officers"}))):
        other = passive(store, clock=clock, readable=readable)
        assert code(prove(other, digest, question.nonce, document_id="known")) == 503
    active = begun(store, clock=clock, pull=False)
    assert code(prove(active, digest, question.nonce)) == 503
    asking.answer(asked, ProveAttachmentReply(proof(question.nonce, [b"another"])).encode())
    asking.rest(1.0)
    assert isinstance(asking.replies[pushed], ErrorReceived)
    assert told(prove(passive(store, clock=clock), digest)) == proof(NONCE, [SECRET])


def test_request_for_proof_ends_with_its_connection(store: Database) -> None:
    clock = Clock()
    digest = store.blobs.put(SECRET)
    asking = passive(store, clock=clock, readable=NOTES)
    asking.post(Rev("mine", "1-a", raw(digest)).encode())
    asking.rest(1.0)
    question, _ = asking.take(ProveAttachment)
    other = passive(store, clock=clock)
    assert code(prove(other, digest, question.nonce)) == 503
    asking.peer.session.end()
    assert told(prove(other, digest, question.nonce)) == proof(question.nonce, [SECRET])


def test_silent_peer_does_not_prevent_proofs_of_the_same_blob(store: Database) -> None:
    clock = Clock()
    digest = store.blobs.put(SECRET)
    silent = passive(store, clock=clock, readable=NOTES)
    silent.post(Rev("mine", "1-a", raw(digest)).encode())
    silent.rest(1.0)
    assert silent.taken(ProveAttachment)
    for readable in (EVERYTHING, NOTES):
        script = passive(store, clock=clock, readable=readable)
        if readable is NOTES:
            pushed = script.post(Rev("another", "1-a", raw(digest)).encode())
            script.rest(1.0)
            question, event = script.take(ProveAttachment)
            script.answer(event, ProveAttachmentReply(proof(question.nonce, [SECRET])).encode())
            script.rest(1.0)
            assert isinstance(script.replies[pushed], ResponseReceived)
        assert told(prove(script, digest, document_id="another")) == proof(NONCE, [SECRET])


def test_two_peers_can_prove_the_same_blob_to_each_other_at_the_same_time(store: Database) -> None:
    digest = store.blobs.put(SECRET)
    script = passive(store, readable=NOTES)
    assert isinstance(script.push("mine", "1-a", b'{"channels":["notes"]}'), ResponseReceived)
    store.put("both", photo(digest, "notes"))
    pushed = script.post(Rev("mine", "2-b", raw(digest), history=("1-a",)).encode())
    script.rest(1.0)
    question, event = script.take(ProveAttachment)
    assert told(prove(script, digest, document_id="both")) == proof(NONCE, [SECRET])
    script.answer(event, ProveAttachmentReply(proof(question.nonce, [SECRET])).encode())
    script.rest(1.0)
    assert isinstance(script.replies[pushed], ResponseReceived)


def test_documents_fail_temporarily_when_a_proof_does_not_arrive_within_a_minute(store: Database) -> None:
    digest = store.blobs.put(SECRET)
    script = passive(store, readable=NOTES)
    began = script.clock.now
    numbers = [script.post(Rev(f"d{number}", "1-a", raw(digest)).encode()) for number in range(3)]
    script.rest(1.0)
    script.clock.now = began + limits.PROOF_WITHIN - 1.0
    script.pump()
    assert script.replies == {}
    question, late = script.take(ProveAttachment)
    script.rest(2.0)
    assert limits.PROOF_WITHIN <= script.clock.now - began < limits.PROOF_WITHIN + 1.0
    assert {code(script.replies[number]) for number in numbers} == {503}
    assert not script.is_over
    other = passive(store, clock=script.clock)
    assert told(prove(other, digest, question.nonce)) == proof(question.nonce, [SECRET])

    # A late answer must be ignored, because the peer may since have obtained the proof from us.
    again = script.post(Rev("d0", "1-a", raw(digest)).encode())
    script.rest(1.0)
    script.answer(late, ProveAttachmentReply(proof(question.nonce, [SECRET])).encode())
    script.rest(1.0)
    assert again not in script.replies
    question, event = script.take(ProveAttachment)
    script.answer(event, ProveAttachmentReply(proof(question.nonce, [SECRET])).encode())
    script.rest(1.0)
    assert isinstance(script.replies[again], ResponseReceived)


def test_peer_that_proves_blobs_one_after_the_other_has_time_for_all(store: Database) -> None:
    contents = [bytes([number]) * 1000 for number in range(5)]
    digests = [store.blobs.put(content) for content in contents]
    script = passive(store, readable=NOTES)
    numbers = [
        script.post(Rev(f"d{at}", "1-a", json.dumps(photo(digest, "notes", 1000)).encode()).encode())
        for at, digest in enumerate(digests)
    ]
    script.pump()
    asked = {question.digest: (question, event) for question, event in script.taken(ProveAttachment)}
    for content, digest in zip(contents, digests, strict=True):
        script.clock.now += limits.PROOF_WITHIN / 2
        script.pump()
        question, event = asked[digest]
        script.answer(event, ProveAttachmentReply(proof(question.nonce, [content])).encode())
        script.rest(0.2)
    assert all(isinstance(script.replies[number], ResponseReceived) for number in numbers)


def test_each_request_for_proof_has_its_own_time(store: Database) -> None:
    contents = [b"first" * 200, b"second" * 200]
    digests = [store.blobs.put(content) for content in contents]
    script = passive(store, readable=NOTES)
    began = script.clock.now
    first, second = (Rev(f"d{at}", "1-a", raw(digest)).encode() for at, digest in enumerate(digests))
    unanswered = script.post(first)
    script.pump()
    script.take(ProveAttachment)
    script.clock.now = began + limits.PROOF_WITHIN - 1.0
    later = script.post(second)
    script.pump()
    script.clock.now = began + limits.PROOF_WITHIN + 1.0
    script.rest(1.0)
    assert code(script.replies[unanswered]) == 503
    assert later not in script.replies
    question, event = script.take(ProveAttachment)
    script.answer(event, ProveAttachmentReply(proof(question.nonce, [contents[1]])).encode())
    script.rest(1.0)
    assert isinstance(script.replies[later], ResponseReceived)


def test_blob_is_proven_once_for_all_documents_that_refer_to_it(store: Database) -> None:
    digest = store.blobs.put(SECRET)
    script = passive(store, readable=NOTES)
    numbers = [script.post(Rev(f"d{number}", "1-a", raw(digest)).encode()) for number in range(5)]
    script.rest(1.0)
    ((question, event),) = script.taken(ProveAttachment)
    script.answer(event, ProveAttachmentReply(proof(question.nonce, [SECRET])).encode())
    script.rest(1.0)
    assert all(isinstance(script.replies[number], ResponseReceived) for number in numbers)
    assert isinstance(script.push("later", "1-a", raw(digest)), ResponseReceived)
    assert script.taken(ProveAttachment) == []
    assert store.count() == 6


def test_wrong_proof_is_valid_for_no_document(store: Database) -> None:
    digest = store.blobs.put(SECRET)
    script = passive(store, readable=NOTES)
    for number in range(2):
        pushed = script.post(Rev(f"d{number}", "1-a", raw(digest)).encode())
        script.rest(1.0)
        question, event = script.take(ProveAttachment)
        script.answer(event, ProveAttachmentReply(proof(question.nonce, [b"no"])).encode())
        script.rest(1.0)
        assert code(script.replies[pushed]) == 403
    assert store.count() == 0


# Blobs


def test_tombstone_gives_no_access_to_blobs_that_it_names(store: Database, secret: str) -> None:
    """A tombstone is stored without a check of its blobs, so it must not grant access to them."""
    script = passive(store, readable=NOTES)
    first = script.push("mine", "1-a", b'{"channels":["notes"]}')
    assert isinstance(first, ResponseReceived)
    gone = script.push("mine", "2-b", raw(secret), deleted=True, history=("1-a",))
    assert isinstance(gone, ResponseReceived)
    assert script.taken(ProveAttachment) == []
    assert code(get(script, secret, "mine")) == 403
    assert code(prove(script, secret, document_id="mine")) == 403


def test_peer_that_we_push_to_gets_only_blobs_of_pushed_documents(store: Database, secret: str) -> None:
    shared = store.blobs.put(b"shared" * 1000)
    store.put("ours", photo(shared, "notes", 6000))
    chosen = Selection(document_ids=frozenset({"ours"}))
    script = begun(store, push_selection=chosen)
    for named in (None, "theirs", "ours"):
        assert code(get(script, secret, named)) == 403
        assert code(prove(script, secret, document_id=named)) == 403
    assert isinstance(get(script, shared, "ours"), ResponseReceived)
    event = script.take(ProposeChanges)[1]
    script.answer(event, ProposeChangesReply((ProposalAnswer(0),)).encode())
    assert [rev.id for rev, _ in script.taken(Rev)] == ["ours"]
    assert isinstance(get(script, shared), ResponseReceived)
    assert told(prove(script, shared)) == proof(NONCE, [b"shared" * 1000])


def test_peer_that_we_only_pull_from_gets_no_blob(store: Database, secret: str) -> None:
    script = begun(store, push=False)
    assert code(get(script, secret, "theirs")) == 403
    assert code(prove(script, secret, document_id="theirs")) == 403


def test_damaged_blob_is_reported_as_missing_and_named_in_the_log(
    store: Database, secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    (path,) = store.blobs.directory.glob("[0-9a-f]*")
    path.write_bytes(b"x" * len(SECRET))
    script = passive(store)
    for reply in (get(script, secret, "theirs"), prove(script, secret)):
        assert code(reply) == 404
        assert str(store.path.parent) not in reply.message
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([text for text in found if str(path) in text]) == 2
    path.write_bytes(SECRET)


# Costs


def test_large_blob_is_hashed_in_slices_over_several_turns(store: Database) -> None:
    content = b"0123456789abcdef" * (1024 * 1024 // 16)
    digest = store.blobs.put(content)
    script = passive(store)
    number = script.post(ProveAttachment(digest, NONCE).encode())
    turns = 0
    while number not in script.replies:
        script.pump()
        turns += 1
        script.clock.now += 0.001
        assert turns < 1000
    assert turns >= len(content) // limits.WORK_SLICE
    assert script.replies[number].body.decode() == proof(NONCE, [content])  # type: ignore[union-attr]


def test_endless_proofs_are_computed_one_after_the_other_and_delay_nothing_else(store: Database) -> None:
    content = b"0123456789abcdef" * (4 * 1024 * 1024 // 16)
    digest = store.blobs.put(content)
    script = passive(store)
    began = script.clock.now
    numbers = [script.post(ProveAttachment(digest, NONCE).encode()) for _ in range(20)]
    script.pump()
    assert isinstance(script.push("d", "1-a", b"{}"), ResponseReceived)
    assert script.clock.now < began + 1.0
    script.rest(60.0)
    assert all(isinstance(script.replies[number], ResponseReceived) for number in numbers)
    cost = 2 * len(content) * len(numbers) - limits.WORK_ALLOWANCE
    assert script.clock.now - began >= 0.99 * cost / limits.WORK_RATE


def test_requests_beyond_the_queue_limit_are_refused_and_the_connection_continues(store: Database) -> None:
    digest = store.blobs.put(b"x" * 1024 * 1024)
    script = passive(store)
    numbers = [script.post(ProveAttachment(digest, NONCE).encode()) for _ in range(limits.JOBS_WAITING + 100)]
    script.pump()
    refused = [script.replies[number] for number in numbers if number in script.replies]
    assert 80 <= sum(isinstance(reply, ErrorReceived) for reply in refused) <= 100
    assert {code(reply) for reply in refused if isinstance(reply, ErrorReceived)} == {503}
    assert not script.is_over
    script.peer.session.end()


def test_honest_peer_with_many_blobs_gets_them_all(tmp_path: Path) -> None:
    with open_database(tmp_path / "ours.db") as ours, open_database(tmp_path / "theirs.db") as theirs:
        for number in range(60):
            digest = theirs.blobs.put(bytes([number]) * 300_000)
            theirs.put(f"d{number}", photo(digest, "notes", 300_000))
        wire = replicate(ours, theirs, passive={"readable": NOTES})
        assert wire.active.ledger.progress.blobs_pulled == 60
        assert ours.count() == 60
