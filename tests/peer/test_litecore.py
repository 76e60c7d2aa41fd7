"""Logboat's active peer replicates with a simulated LiteCore."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.blip import ResponseReceived
from sync.peer import conflicts, limits
from sync.replication.messages import Changes, ChangesReply, DeliveryTerms, Rev, SubChanges
from sync.store import Database

from .litecore import LiteCore, Tree, replicate
from .rig import assert_same, databases, open_database
from .rig import replicate as meet
from .script import passive

PUSH: dict[str, Any] = {"pull": False}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    assert database.check(deep=True) == []
    database.close()


def edit(store: Database, document_id: str, times: int = 1) -> str:
    """Write `times` revisions of a document, and return the last one."""
    found = store.get(document_id)
    revision = None if found is None else found.rev
    with store.transaction():
        for number in range(times):
            revision = store.put(document_id, {"edit": number, "after": revision}, parent=revision)
    assert revision is not None
    return revision


@pytest.mark.parametrize("push", [True, False])
def test_connection_begins_with_get_collections_and_every_message_names_a_collection(
    store: Database, push: bool
) -> None:
    litecore = LiteCore()
    litecore.put("theirs", "1-aa")
    ours = store.put("ours", {})
    run = replicate(store, litecore, push=push, pull=not push)
    assert run.peer.session.problem is None
    assert litecore.requests[0].profile == "getCollections"
    assert all(request.properties["collection"] == "0" for request in litecore.requests[1:])
    if push:
        assert litecore.current("ours") == (ours, False)
    else:
        assert store.get("theirs") is not None


def test_next_replication_begins_at_the_checkpoint_from_get_collections(store: Database) -> None:
    litecore = LiteCore()
    store.put("d", {})
    replicate(store, litecore)
    litecore.requests.clear()
    run = replicate(store, litecore)
    assert run.peer.session.problem is None
    assert litecore.proposed() == []


def test_peer_without_collections_is_asked_for_its_checkpoint_alone(store: Database) -> None:
    litecore = LiteCore(requires_collections=False, knows_collections=False)
    revision = store.put("d", {})
    run = replicate(store, litecore, **PUSH)
    assert run.peer.session.problem is None
    assert litecore.current("d") == (revision, False)
    assert not any("collection" in request.properties for request in litecore.requests)


def test_newer_revision_follows_the_earlier_one_that_litecore_has(store: Database) -> None:
    litecore = LiteCore()
    first = store.put("d", {})
    litecore.put("d", first)
    last = edit(store, "d", 2)
    run = replicate(store, litecore, **PUSH)
    assert (litecore.closes, run.failed) == ([], {})
    assert litecore.current("d") == (last, False)


def test_edited_document_that_litecore_does_not_have_arrives(store: Database) -> None:
    litecore = LiteCore()
    last = edit(store, "d", 3)
    run = replicate(store, litecore)
    assert run.failed == {}
    assert litecore.current("d") == (last, False)


@pytest.mark.parametrize("pull", [True, False])
def test_conflict_resolved_here_neither_disconnects_nor_deletes_anything_there(
    store: Database, pull: bool
) -> None:
    litecore = LiteCore()
    for number in range(20):
        name = f"d{number}"
        store.insert(name, "3-ee", ["2-ee", "1-aa"], b'{"n":3}', allow_conflict=True)
        store.insert(name, "2-bb", ["1-aa"], b'{"n":2}', allow_conflict=True)
        conflicts.resolve(store, name)
        litecore.put(name, "2-bb", "1-aa")
    run = replicate(store, litecore, pull=pull)
    assert (litecore.closes, run.failed) == ([], {})
    assert {litecore.current(f"d{number}") for number in range(20)} == {("3-ee", False)}


def test_winner_that_cannot_follow_litecores_revision_is_reported_and_deletes_nothing(
    store: Database,
) -> None:
    litecore = LiteCore()
    store.insert("d", "2-ee", ["1-aa"], b'{"n":3}', allow_conflict=True)
    store.insert("d", "2-bb", ["1-aa"], b'{"n":2}', allow_conflict=True)
    conflicts.resolve(store, "d")
    litecore.put("d", "2-bb", "1-aa")
    run = replicate(store, litecore)
    assert (litecore.closes, run.failed) == ([], {"d": 409})
    assert litecore.current("d") == ("2-bb", False)


def test_conflict_that_litecore_has_resolved_meanwhile_is_pushed_on_the_same_connection(
    store: Database,
) -> None:
    litecore = LiteCore(tells=False)
    store.insert("d", "2-ee", ["1-aa"], b'{"n":3}', allow_conflict=True)
    litecore.put("d", "2-bb", "1-aa")
    run = replicate(store, litecore, continuous=True)
    assert (litecore.closes, run.failed) == ([], {"d": 409})
    assert 2 <= len(litecore.asked("proposeChanges")) <= 40  # within an hour
    assert len([ended for ended in run.told if ended.problem is not None]) == 1
    del litecore.documents["d"]
    litecore.put("d", "1-aa")
    run.settle(2 * limits.RETRY_CONFLICT)
    assert litecore.closes == []
    assert litecore.current("d") == ("2-ee", False)


def test_revision_of_a_single_writer_replaces_one_that_litecore_had_from_another_vessel(
    store: Database,
) -> None:
    litecore = LiteCore()
    name = "equipment:argo:bilge"
    store.insert(name, "90-aa", [f"{number}-aa" for number in range(89, 60, -1)], {"n": 90})
    litecore.put(name, *[f"{number}-bb" for number in range(30, 0, -1)])
    run = replicate(store, litecore, **PUSH)
    assert (litecore.closes, litecore.refusals, run.failed) == ([], [], {})
    assert litecore.current(name) == ("90-aa", False)


# Histories


@pytest.mark.parametrize("times", [19, 20, 21, 30, 48, 49, 50, 51, 60, 200, 700])
def test_document_edited_many_times_since_the_last_push_is_accepted(store: Database, times: int) -> None:
    litecore = LiteCore()
    store.put("d", {})
    replicate(store, litecore, **PUSH)
    last = edit(store, "d", times)
    run = replicate(store, litecore, **PUSH)
    assert (litecore.refusals, run.failed) == ([], {})
    assert litecore.current("d") == (last, False)


@pytest.mark.parametrize("times", [1, 19, 20, 60])
def test_document_edited_many_times_before_the_first_push_is_accepted(store: Database, times: int) -> None:
    litecore = LiteCore()
    last = edit(store, "d", times)
    replicate(store, litecore, **PUSH)
    assert litecore.current("d") == (last, False)


def pull(phone: LiteCore, boat: Database) -> None:
    """Pull all documents from a boat to a phone, as LiteCore does from Logboat's passive peer."""
    script = passive(boat)
    script.ask(SubChanges().encode())
    message, event = script.take(Changes)
    answers = tuple([phone.answer(change.id, change.revision) for change in message.changes])
    script.answer(event, ChangesReply(answers, DeliveryTerms(phone.depth, blobs=True)).encode())
    for rev, reply_to in script.taken(Rev):
        tree = phone.documents.setdefault(rev.id, Tree(phone.depth))
        tree.insert([rev.revision, *rev.history], rev.body, deleted=rev.deleted, allow_conflict=True)
        script.answer(reply_to)


@pytest.mark.parametrize("times", [19, 20, 21, 60])
@pytest.mark.parametrize("knew_it", [True, False])
def test_document_edited_many_times_between_two_pushes_reaches_a_phone(
    store: Database, tmp_path: Path, times: int, knew_it: bool
) -> None:
    phone = LiteCore()
    with databases(tmp_path, "other") as (other,):
        edit(store, "d")
        meet(store, other)
        if knew_it:
            pull(phone, store)
        last = edit(store, "d", times)
        meet(store, other)
        pull(phone, store)
        pull(phone, other)
    assert phone.current("d") == (last, False)
    assert phone.documents["d"].leaves == [last]


@pytest.mark.parametrize("knew", [0, 1, 15, 45])
def test_document_edited_offline_and_forwarded_by_another_vessel_reaches_a_phone(
    store: Database, tmp_path: Path, knew: int
) -> None:
    """`knew` is the generation of the revision that the phone already has, or 0 if it has none."""
    phone = LiteCore()
    with databases(tmp_path, "other") as (other,):
        if knew:
            edit(store, "d", knew)
            pull(phone, store)
            meet(store, other)
        last = edit(store, "d", 60)
        meet(store, other)
        pull(phone, other)
        assert_same(store, other)
    assert phone.current("d") == (last, False)
    assert phone.documents["d"].leaves == [last]


def test_forwarded_state_of_a_single_writer_follows_an_older_one_on_a_phone(
    store: Database, tmp_path: Path
) -> None:
    phone, name = LiteCore(), "equipment:argo:bilge"
    with databases(tmp_path, "other") as (other,):
        edit(store, name, 30)
        pull(phone, store)
        last = edit(store, name, 100)
        meet(store, other)  # this store never had the phone's revision
        pull(phone, other)
    assert phone.documents[name].leaves == [last]


# A conflict resolved by a phone that has replicated with both boats


def test_two_boats_and_a_phone_that_resolved_their_conflict_converge(store: Database, tmp_path: Path) -> None:
    with databases(tmp_path, "other") as (other,):
        first = edit(store, "d")
        meet(store, other)
        here = store.put("d", {"by": "here"}, parent=first)
        there = other.put("d", {"by": "there"}, parent=first)
        # The phone has added its resolution to the other boat's branch, and has closed this boat's branch.
        won, ended = "3-" + "a" * 32, "3-" + "b" * 32
        body = b'{"by":"phone"}'
        assert isinstance(passive(other).push("d", won, body, history=(there, first)), ResponseReceived)
        script = passive(store)
        assert script.verdicts(("d", won, here)) == [0]
        rev = {"Profile": "rev", "id": "d", "rev": won, "history": f"{there},{first}"}
        reply = script.ask(rev | {"deleted_branch": f"{ended},{here},{first}"}, body)
        assert isinstance(reply, ResponseReceived)
        for boats in ((store, other), (other, store)):
            meet(*boats)
        assert_same(store, other)
        assert store.get("d").rev == won  # type: ignore[union-attr]
