"""Replies and requests of a passive peer, message by message."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.blip import ErrorReceived, ResponseReceived
from sync.peer import limits
from sync.peer.selection import Selection
from sync.replication.messages import (
    DEFAULT,
    NOT_WANTED,
    Changes,
    ChangesReply,
    DeliveryTerms,
    NoRev,
    RemovalFlags,
    Rev,
    SubChanges,
)
from sync.store import Database, Document, revisions
from sync.store.checkpoints import LARGEST, MOST

from .rig import Clock, open_database
from .script import Script, assert_sound, passive

EQUIPMENT = "equipment:argo:main-rpm"
CHECKPOINT = {"Profile": "getCheckpoint", "client": "me"}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    assert_sound(database)
    database.close()


def wanted(script: Script, answers: tuple[Any, ...], terms: DeliveryTerms | None = None) -> None:
    """Reply to the next `changes` message from the peer under test with these answers."""
    _, event = script.take(Changes)
    script.answer(event, ChangesReply(answers, terms or DeliveryTerms(blobs=True)).encode())


# Checkpoints and collections


def test_checkpoint_is_missing_then_stored_then_returned(store: Database) -> None:
    script = passive(store)
    assert script.refusal(CHECKPOINT) == ("HTTP", 404)
    stored = script.ask({"Profile": "setCheckpoint", "client": "me"}, b'{"remote":5}')
    assert isinstance(stored, ResponseReceived)
    found = script.ask(CHECKPOINT)
    assert isinstance(found, ResponseReceived)
    assert found.properties["rev"] == stored.properties["rev"]
    assert json.loads(found.body) == {"remote": 5}


def test_checkpoint_of_another_revision_is_a_conflict(store: Database) -> None:
    script = passive(store)
    stored = script.ask({"Profile": "setCheckpoint", "client": "me"}, b"{}")
    assert isinstance(stored, ResponseReceived)
    for wrong in ({}, {"rev": "0-77"}):
        assert script.refusal({"Profile": "setCheckpoint", "client": "me", **wrong}, b"{}") == ("HTTP", 409)
    again = {"Profile": "setCheckpoint", "client": "me", "rev": stored.properties["rev"]}
    assert isinstance(script.ask(again, b'{"remote":6}'), ResponseReceived)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"_local":1}', b'{"n":123456789012345678901}'])
def test_checkpoint_that_cannot_be_stored_is_refused_and_the_connection_continues(
    store: Database, body: bytes
) -> None:
    script = passive(store)
    assert script.refusal({"Profile": "setCheckpoint", "client": "me"}, body) == ("HTTP", 400)
    assert script.refusal(CHECKPOINT) == ("HTTP", 404)


def test_checkpoint_that_is_too_large_is_refused_and_the_connection_continues(store: Database) -> None:
    script = passive(store)
    body = b'{"remote":"' + b"x" * LARGEST + b'"}'
    assert script.refusal({"Profile": "setCheckpoint", "client": "me"}, body) == ("HTTP", 413)
    assert script.refusal(CHECKPOINT) == ("HTTP", 404)


def test_checkpoints_beyond_the_limit_replace_older_ones_of_the_same_user(store: Database) -> None:
    """Without a limit, one user could fill the SD card. After losing a checkpoint, a peer starts over."""
    bridge, guest = passive(store, owner="user:bridge"), passive(store, owner="user:guest")
    bridge.ask({"Profile": "setCheckpoint", "client": "me"}, b'{"remote":5}')
    for number in range(3 * MOST):
        message = {"Profile": "setCheckpoint", "client": f"cp-{number}"}
        assert isinstance(guest.ask(message, b'{"remote":5}'), ResponseReceived)
    assert len(store.checkpoints.all()) == MOST + 1
    found = bridge.ask(CHECKPOINT)
    assert isinstance(found, ResponseReceived)
    assert json.loads(found.body) == {"remote": 5}
    stale = {"Profile": "setCheckpoint", "client": "cp-0", "rev": "0-1"}
    assert guest.refusal(stale, b'{"remote":6}') == ("HTTP", 409)
    assert guest.refusal({"Profile": "getCheckpoint", "client": "cp-0"}) == ("HTTP", 404)
    again = {"Profile": "setCheckpoint", "client": "cp-0"}
    assert isinstance(guest.ask(again, b'{"remote":6}'), ResponseReceived)


def test_rate_of_storing_checkpoints_is_limited(store: Database) -> None:
    """Every checkpoint causes a write to the SD card, and even a read-only user may store checkpoints."""
    clock = Clock()
    guests = [passive(store, clock=clock, owner="user:guest") for _ in range(3)]
    bridge = passive(store, clock=clock, owner="user:bridge")
    for number, guest in enumerate(guests):
        for save in range(30):
            guest.post({"Profile": "setCheckpoint", "client": f"cp-{number}-{save % 5}-{save}"}, b"{}")
        guest.pump()
    assert sum(len(guest.replies) for guest in guests) < 25
    assert isinstance(bridge.ask({"Profile": "setCheckpoint", "client": "me"}, b"{}"), ResponseReceived)
    for guest in guests:
        guest.rest(60.0)
    assert [len(guest.replies) for guest in guests] == [30, 30, 30]
    assert clock.now >= 1_000.0 + (90 - 25) / 2
    for number in range(100):
        guests[0].post({"Profile": "setCheckpoint", "client": f"again-{number}"}, b"{}")
    guests[0].pump()
    assert any(isinstance(reply, ErrorReceived) for reply in guests[0].replies.values())
    assert not guests[0].is_over


def test_get_collections_returns_the_default_collections_checkpoint_and_null_for_others(
    store: Database,
) -> None:
    passive(store).ask({"Profile": "setCheckpoint", "client": "b"}, b'{"remote":5}')
    script = passive(store)
    reply = script.ask(
        {"Profile": "getCollections"},
        b'{"collections":["crew.notes","_default"],"checkpoint_ids":["a","b"]}',
    )
    assert isinstance(reply, ResponseReceived)
    assert json.loads(reply.body) == [None, {"remote": 5, "rev": "0-1", "_rev": "0-1"}]


def test_after_get_collections_each_message_names_the_collection_by_its_index(store: Database) -> None:
    store.put("d", {})
    script = passive(store)
    script.ask(
        {"Profile": "getCollections"},
        b'{"collections":["crew.notes","_default"],"checkpoint_ids":["a","b"]}',
    )
    assert script.refusal(CHECKPOINT) == ("HTTP", 400)
    assert script.refusal({**CHECKPOINT, "collection": "2"}) == ("HTTP", 400)
    assert script.refusal({**CHECKPOINT, "collection": "0"}) == ("HTTP", 404)
    assert script.refusal({"Profile": "getRev", "id": "d", "collection": "0"}) == ("HTTP", 404)
    assert isinstance(script.ask({"Profile": "getRev", "id": "d", "collection": "1"}), ResponseReceived)
    script.ask(SubChanges(collection=1).encode())
    changes, event = script.take(Changes)
    assert changes.collection == 1
    script.answer(event, ChangesReply(((),)).encode())
    assert script.take(Rev)[0].collection == 1


def test_get_collections_later_than_first_and_collections_without_it_are_refused(store: Database) -> None:
    script = passive(store)
    assert script.refusal({**CHECKPOINT, "collection": "0"}) == ("HTTP", 400)
    script.refusal(CHECKPOINT)
    body = b'{"collections":["_default"],"checkpoint_ids":["a"]}'
    assert script.refusal({"Profile": "getCollections"}, body) == ("HTTP", 400)


def test_unknown_profile_is_answered_as_blip_requires(store: Database) -> None:
    assert passive(store).refusal({"Profile": "levitate"}) == ("BLIP", 404)
    assert passive(store).refusal({}) == ("BLIP", 404)


def test_norev_for_a_revision_that_was_not_awaited_is_accepted(store: Database) -> None:
    script = passive(store)
    for properties in ({}, {"id": "d", "rev": "1-a"}, {"id": "d", "rev": "1-a", "sequence": "7"}):
        script.post({"Profile": "norev", **properties}, no_reply=True)
        script.pump()
    assert script.verdicts(("d", "1-a")) == [0]
    assert not script.is_over


def test_norev_from_a_read_only_peer_is_refused(store: Database) -> None:
    assert passive(store, read_only=True).refusal({"Profile": "norev", "id": "d", "rev": "1-a"}) == (
        "HTTP",
        403,
    )


# Subscriptions


def fill(store: Database, count: int) -> None:
    with store.transaction():
        for number in range(count):
            store.put(f"d-{number:04}", {"n": number})


def ids(script: Script, **what: Any) -> list[str]:
    return [change.id for change in script.subscribe(**what)]


@pytest.mark.parametrize(
    ("since", "first"),
    [
        (None, 0),
        ("0", 0),
        ("3", 3),
        ('"3"', 0),
        ("[3]", 0),
        ("-3", 0),
        ("3.5", 0),
        ("true", 0),
        ("99", 0),
        ("9" * 40, 0),
        ('"2::7"', 0),
    ],
)
def test_feed_begins_after_a_known_sequence_and_otherwise_at_the_start(
    store: Database, since: str | None, first: int
) -> None:
    fill(store, 5)
    assert ids(passive(store), since=since) == [f"d-{number:04}" for number in range(first, 5)]


@pytest.mark.parametrize("since", ["", "nonsense", "{", "null", '"' + "x" * 2000 + '"'])
def test_since_that_is_not_json_is_refused(store: Database, since: str) -> None:
    assert passive(store).refusal({"Profile": "subChanges", "since": since}) == ("HTTP", 400)


def test_feed_ends_with_an_empty_list_without_a_reply(store: Database) -> None:
    fill(store, 3)
    script = passive(store)
    assert len(script.subscribe()) == 3
    changes, event = script.take(Changes)
    assert changes.changes == ()
    assert event.no_reply
    assert script.requests == []


def test_empty_store_sends_only_the_empty_list(store: Database) -> None:
    script = passive(store)
    assert script.subscribe() == []
    assert script.requests == []


def test_batch_limits_the_changes_in_a_list(store: Database) -> None:
    fill(store, 5)
    script = passive(store)
    script.ask(SubChanges(batch=2).encode())
    assert [len(changes.changes) for changes, _ in script.taken(Changes)] == [2, 2, 1, 0]


def test_only_a_few_lists_are_sent_before_they_are_answered(store: Database) -> None:
    fill(store, 30)
    script = passive(store)
    script.ask(SubChanges(batch=2).encode())
    lists = script.taken(Changes)
    assert len(lists) < 15
    script.answer(lists[0][1], ChangesReply(()).encode())
    assert len(script.taken(Changes)) == 1


def test_future_subscription_announces_only_later_changes(store: Database) -> None:
    fill(store, 2)
    script = passive(store)
    assert script.subscribe(future=True, continuous=True) == []
    store.put("later", {})
    script.peer.wake()
    script.pump()
    assert [change.id for change in script.take(Changes)[0].changes] == ["later"]


def test_one_shot_subscription_announces_no_later_changes(store: Database) -> None:
    script = passive(store)
    assert script.subscribe() == []
    store.put("later", {})
    script.peer.wake()
    script.pump()
    assert script.requests == []


def test_subscription_to_documents_or_channels_announces_only_these(store: Database) -> None:
    store.put(EQUIPMENT, {})
    store.put("mine", {"channels": ["crew"]})
    store.put("other", {"channels": "galley"})
    assert ids(passive(store), document_ids=("other", "absent")) == ["other"]
    assert ids(passive(store), channels=("crew", "equipment")) == [EQUIPMENT, "mine"]
    assert ids(passive(store), channels=("nobody",)) == []


def test_active_only_leaves_out_deletions_from_the_start_but_not_later_ones(store: Database) -> None:
    store.put("kept", {})
    store.delete("gone", parent=store.put("gone", {}))
    assert ids(passive(store), active_only=True) == ["kept"]
    changes = passive(store).subscribe(since="1", active_only=True)
    assert [(change.id, change.gone) for change in changes] == [("gone", RemovalFlags.DELETED)]


def test_unknown_filter_is_refused(store: Database) -> None:
    script = passive(store)
    assert script.refusal(SubChanges(filter="mine").encode()) == ("HTTP", 404)
    assert script.subscribe() == []


def test_version_vectors_are_refused_as_litecore_does(store: Database) -> None:
    script = passive(store)
    assert script.refusal({"Profile": "subChanges", "versioning": "version-vectors"}) == ("LiteCore", 501)


def test_second_subscription_is_refused(store: Database) -> None:
    script = passive(store)
    script.subscribe(continuous=True)
    assert script.refusal(SubChanges().encode()) == ("LiteCore", 501)
    assert not script.is_over


# Revisions out


def test_revision_is_sent_with_its_sequence_and_at_most_the_requested_history(store: Database) -> None:
    revisions = [store.put("d", {"n": 0})]
    for number in range(1, 6):
        revisions.append(store.put("d", {"n": number}, parent=revisions[-1]))
    newest_first = revisions[::-1]
    for answer, terms, expected in (
        ((), DeliveryTerms(), newest_first[1:]),
        ((), DeliveryTerms(max_history=2), newest_first[1:3]),
        ((revisions[2],), DeliveryTerms(), newest_first[1:4]),
    ):
        script = passive(store)
        script.ask(SubChanges().encode())
        wanted(script, (answer,), terms)
        rev, event = script.take(Rev)
        assert (rev.id, rev.revision, rev.sequence) == ("d", revisions[-1], str(store.last_sequence))
        assert list(rev.history) == expected
        assert not event.no_reply
        assert rev.delta_source is None
        assert not rev.no_conflicts


def test_revision_that_was_not_requested_is_not_sent(store: Database) -> None:
    fill(store, 4)
    script = passive(store)
    script.ask(SubChanges().encode())
    wanted(script, (NOT_WANTED, (), NOT_WANTED))
    assert [rev.id for rev, _ in script.taken(Rev)] == ["d-0001"]


def test_change_that_the_reader_cannot_accept_now_is_announced_again_and_not_sent_unrequested(
    store: Database,
) -> None:
    fill(store, 2)
    script = passive(store)
    script.ask(SubChanges(continuous=True).encode())
    wanted(script, (503, 403))
    assert [(ended.id, ended.is_transient) for ended in script.told if ended.problem] == [
        ("d-0000", True),
        ("d-0001", False),
    ]
    script.taken(Changes)
    script.rest(limits.RETRY_DOCUMENT)
    assert script.taken(Rev) == []
    message, _ = script.take(Changes)
    assert [change.id for change in message.changes] == ["d-0000"]


def test_deletion_is_announced_and_sent_as_a_deletion(store: Database) -> None:
    store.delete("d", parent=store.put("d", {}), body={"why": "old"})
    script = passive(store)
    script.ask(SubChanges().encode())
    wanted(script, ((),))
    rev, _ = script.take(Rev)
    assert rev.deleted
    assert json.loads(rev.body) == {"why": "old"}


def test_all_leaves_of_a_deleted_document_are_announced_with_the_current_one_last(store: Database) -> None:
    store.insert("d", "9-ended", [], {}, deleted=True)
    store.insert("d", "2-live", ["1-first"], {"a": 1})
    store.insert("d", "3-gone", ["2-live", "1-first"], {}, deleted=True)
    store.insert("e", "9-ended", [], {}, deleted=True)
    store.insert("e", "2-live", ["1-first"], {"a": 1})
    script = passive(store)
    script.ask(SubChanges(batch=2).encode())
    lists = [changes.changes for changes, _ in script.taken(Changes)]
    assert [len(told) for told in lists] == [2, 1, 0]
    told = [change for changes in lists for change in changes]
    assert [(change.id, change.revision) for change in told] == [
        ("d", "3-gone"),
        ("d", "9-ended"),
        ("e", "2-live"),
    ]
    assert [change.gone for change in told] == [RemovalFlags.DELETED, RemovalFlags.DELETED, RemovalFlags.NO]
    assert told[0].sequence == told[1].sequence


@pytest.mark.parametrize("replaces", [False, True])
def test_missing_revision_is_answered_with_norev_or_its_replacement(store: Database, replaces: bool) -> None:
    first = store.put("d", {"n": 1})
    script = passive(store)
    script.ask(SubChanges().encode())
    second = store.put("d", {"n": 2}, parent=first)
    for number in range(40):  # after this, the store has discarded the body of the first revision
        second = store.put("d", {"n": number}, parent=second)
    assert store.get("d", rev=first) is None
    wanted(script, ((),), DeliveryTerms(send_replacements=replaces))
    if replaces:
        rev, _ = script.take(Rev)
        assert (rev.revision, rev.replaced, rev.sequence) == (second, first, "1")
    else:
        norev, event = script.take(NoRev)
        assert (norev.id, norev.revision, norev.sequence, norev.status) == ("d", first, "1", 404)
        assert event.no_reply


def test_requested_document_that_was_purged_is_answered_with_norev(
    store: Database,
) -> None:
    store.put("d", {})
    script = passive(store)
    script.ask(SubChanges().encode())
    store.purge(["d"])
    wanted(script, ((),), DeliveryTerms(send_replacements=True))
    assert script.take(NoRev)[0].id == "d"


def test_get_rev_returns_the_current_revision(store: Database) -> None:
    revision = store.put("d", {"n": 1})
    store.delete("gone", parent=store.put("gone", {}))
    script = passive(store)
    reply = script.ask({"Profile": "getRev", "id": "d"})
    assert isinstance(reply, ResponseReceived)
    assert reply.properties == {"rev": revision}
    assert json.loads(reply.body) == {"n": 1}
    assert script.refusal({"Profile": "getRev", "id": "d", "ifNotRev": revision}) == ("HTTP", 304)
    assert isinstance(script.ask({"Profile": "getRev", "id": "d", "ifNotRev": "1-other"}), ResponseReceived)
    for name in ("absent", "gone", "x" * 255, "_local"):
        assert script.refusal({"Profile": "getRev", "id": name}) == ("HTTP", 404)


def test_restricted_reader_sees_no_changes_or_revisions_of_other_channels(store: Database) -> None:
    store.put("mine", {"channels": ["crew"]})
    store.put("other", {"channels": ["officers"]})
    script = passive(store, readable=Selection(within=frozenset({"crew"})))
    assert isinstance(script.ask({"Profile": "getRev", "id": "mine"}), ResponseReceived)
    assert script.refusal({"Profile": "getRev", "id": "other"}) == ("HTTP", 404)
    assert ids(script) == ["mine"]


# Revisions in


def test_changes_are_refused_with_a_conflict_so_that_they_are_proposed(store: Database) -> None:
    script = passive(store)
    assert script.refusal({"Profile": "changes"}, b'[[1,"d","1-a"]]') == ("HTTP", 409)
    assert isinstance(script.ask({"Profile": "changes"}, b"[]"), ResponseReceived)


def test_proposals_are_answered_with_their_verdicts(store: Database) -> None:
    first = store.put("d", {"n": 1})
    second = store.put("d", {"n": 2}, parent=first)
    gone = store.put("gone", {})
    store.delete("gone", parent=gone)
    script = passive(store)
    assert script.verdicts(
        ("new", "1-a"),
        ("d", second),
        ("d", first),
        ("d", "3-x", second),
        ("d", "2-x", first),
        ("d", "3-x", "2-unknown"),
        ("gone", "2-x", gone),
        ("absent", "5-x", "4-x"),
    ) == [0, 304, 304, 0, 409, 409, 0, 0]
    assert script.verdicts(("d", "2-x", first), ("d", "3-x", second), tells=True) == [(409, second), 0]


def test_first_revision_of_an_existing_document_is_a_conflict(store: Database) -> None:
    current = store.put("d", {"n": 1})
    script = passive(store)
    script.verdicts(("d", "1-x"))
    reply = script.push("d", "1-x", b'{"n":2}', no_conflicts=True)
    assert isinstance(reply, ErrorReceived)
    assert (reply.domain, reply.code) == ("HTTP", 409)
    found = store.get("d")
    assert found is not None
    assert found.rev == current
    assert store.conflicts() == []


def test_newer_revision_of_a_single_writers_document_is_accepted_and_an_older_one_is_known(
    store: Database,
) -> None:
    revision = store.put(EQUIPMENT, {"n": 1})
    for number in range(2, 5):
        revision = store.put(EQUIPMENT, {"n": number}, parent=revision)
    script = passive(store)
    assert script.verdicts(
        (EQUIPMENT, "3-other", "2-other"), (EQUIPMENT, "9-other", "8-other"), tells=True
    ) == [304, 0]
    assert isinstance(
        script.push(EQUIPMENT, "9-other", b'{"n":9}', history=("8-other",), no_conflicts=True),
        ResponseReceived,
    )
    found = store.get(EQUIPMENT)
    assert found is not None
    assert found.rev == "9-other"


def test_documents_below_a_floor_count_as_known(store: Database) -> None:
    prefix = "reading:argo:rpm:abcdef:"
    store.set_floor(prefix, f"{prefix}000000000100")
    old, new = f"{prefix}000000000099", f"{prefix}000000000100"
    script = passive(store)
    assert script.verdicts((old, "1-a"), (new, "1-a")) == [304, 0]
    assert isinstance(script.push(old, "1-a"), ResponseReceived)
    assert store.get(old) is None


def test_reply_to_proposals_states_how_revisions_are_to_be_sent(store: Database) -> None:
    for deltas in (True, False):
        reply = passive(store, deltas=deltas).propose(("d", "1-a"))
        assert isinstance(reply, ResponseReceived)
        terms = DeliveryTerms.parse(reply.properties)
        assert terms.max_history
        assert terms.blobs
        assert bool(terms.deltas) is deltas


def test_revision_is_durable_when_it_is_acknowledged(store: Database) -> None:
    script = passive(store)
    assert isinstance(script.push("d", "1-a", b'{"n":1}'), ResponseReceived)
    with open_database(store.path) as another:
        found = another.get("d")
    assert found is not None
    assert (found.rev, found.body) == ("1-a", {"n": 1})
    assert isinstance(script.push("d", "1-a", b'{"n":1}'), ResponseReceived)
    assert store.last_sequence == 1


def test_revision_is_stored_with_its_history(store: Database) -> None:
    first = store.put("d", {"n": 1})
    script = passive(store)
    pushed = script.push("d", "4-z", b"{}", history=("3-y", "2-x", first), no_conflicts=True)
    assert isinstance(pushed, ResponseReceived)
    assert script.verdicts(("d", "3-y"), ("d", "2-x")) == [304, 304]


@pytest.mark.parametrize("declares", [True, False])
def test_conflict_is_refused_whether_the_peer_says_noconflicts_or_not(
    store: Database, declares: bool
) -> None:
    first = store.put("d", {"n": 1})
    store.put("d", {"n": 2}, parent=first)
    reply = passive(store).push("d", "2-x", b"{}", history=(first,), no_conflicts=declares)
    assert isinstance(reply, ErrorReceived)
    assert (reply.domain, reply.code) == ("HTTP", 409)
    assert store.conflicts() == []


BAD = {
    "malformed": b'{"a":',
    "no object": b"[1]",
    "too deep": b'{"a":' * 70 + b"1" + b"}" * 70,
    "far too deep": b'{"_x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    "too large": b'{"a":"' + b"x" * (20 * 1024 * 1024) + b'"}',
    "number too long": b'{"a":12345678901234567890}',
    "not UTF-8": b'{"a":"\xff"}',
}


# A conflict that the peer has resolved by sending a tombstone of our current branch and a replacement

ENDS = revisions.make("2-live", deleted=True, body=b"{}", closing=True)

PHONES = "3-by.a.phone"
"""Tombstone of `2-live` that a phone has created. Its id differs from the one that a store computes."""


@pytest.mark.parametrize("tombstone", [ENDS, PHONES])
def test_branch_named_as_closed_is_replaced_by_the_revision_that_names_it(
    store: Database, tombstone: str
) -> None:
    store.insert("d", "2-live", ["1-first"], {"n": 2})
    script = passive(store)
    assert script.verdicts(("d", "3-won", "2-live")) == [0]
    reply = script.push(
        "d",
        "3-won",
        b'{"n":3}',
        history=("2-lost", "1-first"),
        deleted_branch=(tombstone, "2-live", "1-first"),
    )
    assert isinstance(reply, ResponseReceived)
    assert shown(store) == ("3-won", False)
    # The store computes an id that is the same on every vessel, so that no vessel mistakes it for a deletion.
    assert {leaf.rev: leaf.deleted for leaf in store.leaves("d")} == {"3-won": False, ENDS: True}
    assert_sound(store)


@pytest.mark.parametrize("branch", [(PHONES, "2-other", "1-first"), (PHONES,), (PHONES, "1-first")])
def test_branch_that_is_not_current_here_is_not_replaced(store: Database, branch: tuple[str, ...]) -> None:
    store.insert("d", "2-live", ["1-first"], {"n": 2})
    reply = passive(store).push(
        "d", "3-won", b'{"n":3}', history=("2-lost", "1-first"), deleted_branch=branch
    )
    assert isinstance(reply, ErrorReceived)
    assert reply.code == 409
    assert shown(store) == ("2-live", False)


def test_edit_made_before_its_branch_is_named_as_closed_is_kept(store: Database) -> None:
    store.insert("d", "2-live", ["1-first"], {"n": 2})
    edit = store.put("d", {"n": 4}, parent="2-live")
    reply = passive(store).push(
        "d", "3-won", b'{"n":3}', history=("2-lost", "1-first"), deleted_branch=(PHONES, "2-live", "1-first")
    )
    assert isinstance(reply, ErrorReceived)
    assert shown(store) == (edit, False)


def test_revision_is_refused_if_a_rule_refuses_the_tombstone_that_it_names(store: Database) -> None:
    store.insert("d", "2-live", ["1-first"], {"n": 2})
    script = passive(store, rule=lambda document: "nothing is deleted here" if document.deleted else None)
    reply = script.push("d", "3-won", b"{}", history=("2-lost",), deleted_branch=(PHONES, "2-live"))
    assert isinstance(reply, ErrorReceived)
    assert reply.code == 403
    assert shown(store) == ("2-live", False)


@pytest.mark.parametrize("value", ["x", "3-a,x", "3-a,4-b", ",", ",2-live"])
def test_malformed_deleted_branch_is_refused_and_an_empty_one_ignored(store: Database, value: str) -> None:
    script = passive(store)
    rev = {"Profile": "rev", "id": "d", "rev": "1-a"}
    if not value.partition(",")[0]:
        assert isinstance(script.ask(rev | {"deleted_branch": value}, b"{}"), ResponseReceived)
    else:
        assert script.refusal(rev | {"deleted_branch": value}, b"{}") == ("HTTP", 400)


@pytest.fixture
def contested(store: Database) -> Script:
    """Return a client whose proposal of `3-won` was rejected because the store's revision is `2-live`."""
    store.insert("d", "2-live", ["1-first"], {"n": 2})
    script = passive(store)
    assert script.verdicts(("d", "3-won", "2-lost"), tells=True) == [(409, "2-live")]
    return script


def shown(store: Database) -> tuple[str, bool]:
    found = store.get("d")
    assert found is not None
    return found.rev, found.deleted


def test_tombstone_of_a_branch_is_stored_with_its_replacement(store: Database, contested: Script) -> None:
    sequence = store.last_sequence
    assert isinstance(contested.push("d", ENDS, deleted=True, history=("2-live",)), ResponseReceived)
    assert store.last_sequence == sequence
    reply = contested.push("d", "3-won", b'{"n":3}', history=("2-lost", "1-first"), no_conflicts=True)
    assert isinstance(reply, ResponseReceived)
    assert shown(store) == ("3-won", False)
    assert {leaf.rev: leaf.deleted for leaf in store.leaves("d")} == {"3-won": False, ENDS: True}
    assert_sound(store)


@pytest.mark.parametrize("ends", [True, False])
def test_document_is_shown_unchanged_until_its_replacement_has_arrived(
    store: Database, contested: Script, ends: bool
) -> None:
    contested.push("d", ENDS, deleted=True, history=("2-live",))
    if ends:
        contested.peer.session.end()
    else:
        contested.rest(60)
    assert shown(store) == ("2-live", False)


def test_edit_made_before_the_replacement_has_arrived_is_kept(store: Database, contested: Script) -> None:
    contested.push("d", ENDS, deleted=True, history=("2-live",))
    edit = store.put("d", {"n": 4}, parent="2-live")
    reply = contested.push("d", "3-won", b'{"n":3}', history=("2-lost", "1-first"))
    assert isinstance(reply, ErrorReceived)
    assert reply.code == 409
    assert [leaf.rev for leaf in store.leaves("d")] == [edit]


def test_rule_that_refuses_the_tombstone_of_a_branch_refuses_its_replacement(store: Database) -> None:
    store.insert("d", "2-live", ["1-first"], {"n": 2})
    script = passive(store, rule=lambda document: "nothing is deleted here" if document.deleted else None)
    script.verdicts(("d", "3-won", "2-lost"), tells=True)
    script.push("d", ENDS, deleted=True, history=("2-live",))
    reply = script.push("d", "3-won", b'{"n":3}', history=("2-lost", "1-first"))
    assert isinstance(reply, ErrorReceived)
    assert (reply.code, reply.message) == (403, "d: nothing is deleted here")
    assert shown(store) == ("2-live", False)


@pytest.mark.parametrize(
    ("proposed", "deletion", "history"),
    [
        ([("d", ENDS, "2-live")], ENDS, ("2-live",)),  # the tombstone itself has been proposed
        ([("d", "3-won", "2-live")], ENDS, ("2-live",)),  # `3-won` is now proposed as a child of `2-live`
        ([], "3-meant", ("2-live",)),  # a deletion by a user, not a tombstone that closes a branch
    ],
)
def test_other_deletions_are_stored_unchanged(
    store: Database, contested: Script, proposed: list[Any], deletion: str, history: tuple[str, ...]
) -> None:
    if proposed:
        contested.verdicts(*proposed)
    sequence = store.last_sequence
    contested.push("d", deletion, deleted=True, history=history)
    assert store.last_sequence == sequence + 1
    assert deletion in [leaf.rev for leaf in store.leaves("d")]


@pytest.mark.parametrize("has_rule", [False, True])
@pytest.mark.parametrize("what", BAD)
def test_body_that_cannot_be_stored_fails_that_document_only(
    store: Database, what: str, has_rule: bool
) -> None:
    def rule(document: Document) -> str | None:
        return "forbidden" if document.body.get("forbidden") else None

    script = passive(store, rule=rule if has_rule else None)
    numbers = [
        script.post(Rev(name, "1-a", body).encode())
        for name, body in (("before", b'{"n":1}'), ("bad", BAD[what]), ("after", b'{"n":2}'))
    ]
    script.rest()
    replies = [script.replies[number] for number in numbers]
    assert [isinstance(reply, ErrorReceived) for reply in replies] == [False, True, False]
    assert isinstance(replies[1], ErrorReceived)
    assert (replies[1].domain, replies[1].code) == ("HTTP", 400)
    assert {document.id for document in store.documents()} == {"before", "after"}
    assert not script.is_over


@pytest.mark.parametrize("name", ["x" * 251, "x" * 255, "é" * 127, "_design", "_"])
def test_id_that_the_store_does_not_accept_fails_that_document_only(store: Database, name: str) -> None:
    script = passive(store)
    assert script.verdicts((name, "1-a"), ("good", "1-a")) == [0, 0]
    assert isinstance(script.push(name, "1-a"), ErrorReceived)
    assert isinstance(script.push("good", "1-a"), ResponseReceived)
    assert store.count() == 1


def test_reserved_keys_are_removed(store: Database) -> None:
    passive(store).push("d", "1-a", b'{"_id":"d","_rev":"1-a","n":1,"in":{"_kept":1}}')
    found = store.get("d")
    assert found is not None
    assert found.body == {"n": 1, "in": {"_kept": 1}}


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"id": "d"},
        {"rev": "1-a"},
        {"id": "d", "rev": "nonsense"},
        {"id": "", "rev": "1-a"},
        {"id": "x" * 256, "rev": "1-a"},
        {"id": "d", "rev": "2-a", "history": "5-b"},
        {"id": "d", "rev": "1-a", "deleted": "perhaps"},
    ],
)
def test_rev_that_is_malformed_is_refused(store: Database, properties: dict[str, str]) -> None:
    script = passive(store)
    assert script.refusal({"Profile": "rev", **properties}, b"{}") == ("HTTP", 400)
    assert store.count(deleted=True) == 0
    assert not script.is_over


def test_read_only_peer_refuses_proposals_and_revisions(store: Database) -> None:
    script = passive(store, read_only=True)
    reply = script.propose(("d", "1-a"))
    assert isinstance(reply, ErrorReceived)
    assert (reply.domain, reply.code) == ("HTTP", 403)
    assert isinstance(script.push("d", "1-a"), ErrorReceived)
    assert store.count(deleted=True) == 0
    assert script.refusal(CHECKPOINT) == ("HTTP", 404)


def test_rule_refuses_a_document_with_its_reason(store: Database) -> None:
    script = passive(store, rule=lambda document: "not yours" if document.id == "bad" else None)
    reply = script.push("bad", "1-a")
    assert isinstance(reply, ErrorReceived)
    assert (reply.domain, reply.code) == ("HTTP", 403)
    assert "not yours" in reply.message
    assert isinstance(script.push("good", "1-a"), ResponseReceived)
    assert store.get("bad") is None


def test_edit_that_follows_a_deletion_is_accepted(store: Database) -> None:
    store.delete("d", parent=store.put("d", {}))
    current = store.get("d")
    assert current is not None
    script = passive(store)
    assert script.verdicts(("d", "3-x", current.rev)) == [0]
    assert isinstance(
        script.push("d", "3-x", b'{"back":true}', history=(current.rev,), no_conflicts=True),
        ResponseReceived,
    )
    found = store.get("d")
    assert found is not None
    assert not found.deleted


def test_trailing_zero_answers_are_omitted(store: Database) -> None:
    current = store.put("d", {})
    script = passive(store)
    reply = script.propose(("d", current), ("new", "1-a"), ("newer", "1-a"))
    assert isinstance(reply, ResponseReceived)
    assert json.loads(reply.body) == [304]
    assert ChangesReply.decode(reply, DEFAULT, asked=3).answers == (304, 0, 0)


def test_write_only_peer_reads_no_document_or_blob_by_name(store: Database) -> None:
    digest = store.blobs.put(b"a photograph")
    store.put("d", {"photo": {"@type": "blob", "digest": digest, "length": 12}})
    script = passive(store, write_only=True)
    assert script.refusal({"Profile": "getRev", "id": "d"}) == ("HTTP", 403)
    assert script.refusal({"Profile": "getAttachment", "digest": digest, "docID": "d"}) == ("HTTP", 403)
    assert isinstance(script.push("mine", "1-a"), ResponseReceived)


@pytest.mark.parametrize(
    "profile", ["getAttachment", "proveAttachment", "getRev", "getCheckpoint", "subChanges"]
)
def test_request_without_a_reply_gets_none_and_the_session_continues(store: Database, profile: str) -> None:
    digest = store.blobs.put(b"a photo")
    store.put("d", {"photo": {"@type": "blob", "digest": digest, "length": 7}})
    script = passive(store)
    about = {"digest": digest, "docID": "d", "id": "d", "client": "me"}
    script.post(
        {"Profile": profile, **about}, bytes(20) if profile == "proveAttachment" else b"", no_reply=True
    )
    script.pump()
    assert script.replies == {}
    assert script.verdicts(("e", "1-a")) == [0]
