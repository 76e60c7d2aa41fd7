"""A peer that may not read a document gets the same answers as for a nonexistent document.

Each test makes the same requests to two stores, one with a document in another channel and one without it,
and compares everything that the peer receives.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sync.blip import ErrorReceived, ResponseReceived
from sync.peer import limits, pull_dedup
from sync.peer.selection import Selection
from sync.replication.messages import (
    AnnouncedChange,
    Changes,
    ChangesReply,
    DeliveryTerms,
    GetRev,
    Proposal,
    ProposeChanges,
    Rev,
    SetCheckpoint,
    SubChanges,
)
from sync.store import Database

from .rig import Clock, open_database
from .script import Script, assert_sound, passive

NOTES = Selection(within=frozenset({"notes"}))
SECRET = {"channels": ["officers"], "crew": ["anna", "bo"], "plan": "to sail at dawn " * 10}
FOREIGN = ["theirs", "equipment:argo:main-rpm", "note:argo:01JZZZZZZZZZZZZZZZZZZZZZZZ"]
"""Ids of an application's document and of two Logboat documents. Logboat's ids determine the channels."""
ALARMS = Selection(within=frozenset({"alarms"}))


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    with ExitStack() as stack:
        made = [stack.enter_context(open_database(tmp_path / f"{name}.db")) for name in ("with", "without")]
        yield made[0], made[1]
        for store in made:
            assert_sound(store)


def fill(store: Database, document_id: str) -> list[str]:
    """Store three revisions of a document that the peer may not read, and return them, oldest first."""
    revisions = [store.put(document_id, SECRET)]
    for number in range(2):
        body = SECRET | {"edit": number}
        revisions.append(store.put(document_id, body, parent=revisions[-1]))
    return revisions


def edited(store: Database, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    """Store two revisions of document `d`, and return both.

    The body of the older one is kept, because it is recorded as another vessel's revision.
    """
    old = store.put("d", before)
    store.set_remote_revision("d", "vessel:brigid", old)
    new = store.put("d", after, parent=old)
    assert store.get("d", rev=old) is not None
    return old, new


def answers(reply: Any) -> tuple[Any, ...]:
    """Return the complete content of a reply, for comparison."""
    if isinstance(reply, ErrorReceived):
        return "error", reply.domain, reply.code, reply.message, dict(reply.properties)
    return "reply", dict(reply.properties), reply.body


def both(stores: tuple[Database, Database], ask: Callable[[Script], Any], **options: Any) -> list[Any]:
    """Call `ask` with a new client of each of the two stores, and return both results."""
    given = {"readable": ALARMS, **options}
    return [ask(passive(store, **given)) for store in stores]


def proposed(script: Script, message: ProposeChanges) -> tuple[Any, ...]:
    return answers(script.ask(message.encode()))


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("insists", [True, False])
def test_lists_of_changes_reveal_nothing(stores: tuple[Database, Database], name: str, insists: bool) -> None:
    """The answers must not reveal the document's existence, its ancestors, or a conflicting revision."""
    known = fill(stores[0], name)
    for number, revision in enumerate([*known, "1-ff", "4-ff", "90-ff"]):

        def ask(script: Script, revision: str = revision, number: int = number) -> tuple[Any, ...]:
            if insists:
                return answers(
                    script.ask(Changes((AnnouncedChange("7", name, revision),), insists=True).encode())
                )
            parents = (None, known[2], known[0], "3-ff")
            items = tuple(
                Proposal(name, revision, parent) for parent in parents if parent != revision and number > 2
            )
            items = items or (Proposal(name, revision),)
            message = ProposeChanges(items, conflict_includes_revision=True)
            return answers(script.ask(message.encode()))

        here, absent = both(stores, ask)
        assert here == absent
        assert b"[]" in here[-1] or here[-1] in (b"[]", b"[[]]")


@pytest.mark.parametrize("name", FOREIGN)
def test_deleted_documents_reveal_nothing(stores: tuple[Database, Database], name: str) -> None:
    last = fill(stores[0], name)[-1]
    gone = stores[0].delete(name, parent=last)
    for revision in (last, gone, "9-ff"):
        message = ProposeChanges((Proposal(name, revision, last),), conflict_includes_revision=True)
        here, absent = both(stores, partial(proposed, message=message))
        assert here == absent


def test_documents_removed_by_retention_reveal_nothing(stores: tuple[Database, Database]) -> None:
    prefix = "reading:argo:rpm:abcdef:"
    stores[0].set_floor(prefix, f"{prefix}000000000100")
    message = ProposeChanges((Proposal(f"{prefix}000000000099", "1-a"),))
    here, absent = both(stores, partial(proposed, message=message))
    assert here == absent


DELTAS = {
    "that fits": b'{"edit":7}',
    "of nothing": b"{}",
    "of a member that is there": b'{"crew":{"1":"eve"}}',
    "of a member that is not": b'{"crew":{"2":"eve"}}',
    "of a text of that length": b'{"plan":["160=1+x|",0,2]}',
    "of a text of another": b'{"plan":["161=",0,2]}',
    "that is none": b"[1]",
    "that takes it for its own": b'{"channels":["alarms"]}',
    "that is long": b'{"a":"' + b"x" * limits.DELTA_BYTES + b'"}',
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("what", DELTAS)
def test_delta_of_an_inaccessible_document_reveals_nothing(
    stores: tuple[Database, Database], name: str, what: str
) -> None:
    known = fill(stores[0], name)

    def ask(script: Script) -> tuple[Any, ...]:
        return answers(script.push(name, "4-ff", DELTAS[what], history=(known[2],), delta_source=known[2]))

    here, absent = both(stores, ask)
    assert here == absent
    assert here[2] == 422
    found = stores[0].get(name)
    assert found is not None
    assert found.rev == known[2]


@pytest.mark.parametrize("what", DELTAS)
def test_delta_from_a_revision_that_was_inaccessible_reveals_nothing(
    stores: tuple[Database, Database], what: str
) -> None:
    """The first store has an old revision in another channel. The second store never had that revision."""
    shown = {"channels": ["alarms"], "text": "for all"}
    old, new = edited(stores[0], SECRET, shown)
    stores[1].insert("d", new, [old], shown)

    def ask(script: Script) -> tuple[Any, ...]:
        assert isinstance(script.ask(GetRev("d").encode()), ResponseReceived)
        return answers(script.push("d", "3-ff", DELTAS[what], history=(new, old), delta_source=old))

    here, absent = both(stores, ask)
    assert here == absent
    assert here[2] == 422


def test_error_for_a_mismatched_delta_does_not_say_where(stores: tuple[Database, Database]) -> None:
    """The error message is the same for every mismatch, even if the peer may read the document."""
    store = stores[0]
    revision = store.put("d", {"channels": ["alarms"], "list": [1, 2]})
    script = passive(store, readable=ALARMS)
    texts = set()
    for body in (b'{"list":{"7":1}}', b'{"channels":{"x":1}}', b'{"none":{"x":1}}'):
        reply = script.push("d", "2-ff", body, history=(revision,), delta_source=revision)
        assert isinstance(reply, ErrorReceived)
        assert reply.code == 422
        texts.add(reply.message)
    assert len(texts) == 1


def test_delta_is_never_made_from_a_revision_that_the_reader_could_not_see(
    stores: tuple[Database, Database],
) -> None:
    """A peer may claim to have a revision that it could not read.

    A delta from that revision would reveal the content of the revision.
    """
    store = stores[0]
    shown = {"channels": ["alarms"], "text": "for all " * 40}
    old, _ = edited(store, SECRET | {"text": shown["text"]}, shown)
    script = passive(store, readable=ALARMS)
    script.ask(SubChanges().encode())
    _, event = script.take(Changes)
    script.answer(event, ChangesReply(((old,),), DeliveryTerms(deltas=True, blobs=True)).encode())
    rev, _ = script.take(Rev)
    assert rev.delta_source is None
    assert b"crew" not in rev.body
    assert b"plan" not in rev.body


@pytest.mark.parametrize("unless", [None, 0, 2])
@pytest.mark.parametrize("name", FOREIGN)
def test_request_for_a_document_by_id_reveals_nothing(
    stores: tuple[Database, Database], name: str, unless: int | None
) -> None:
    known = fill(stores[0], name)
    message = GetRev(name, None if unless is None else known[unless])
    here, absent = both(stores, lambda script: answers(script.ask(message.encode())))
    assert here == absent


def test_subscription_to_inaccessible_documents_reveals_nothing(stores: tuple[Database, Database]) -> None:
    for name in FOREIGN:
        fill(stores[0], name)
    for what in ({"document_ids": tuple(FOREIGN)}, {"channels": ("officers", "equipment")}, {}):

        def ask(script: Script, what: dict[str, Any] = what) -> tuple[Any, ...]:
            reply = answers(script.ask(SubChanges(**what).encode()))
            return reply, [message.changes for message, _ in script.taken(Changes)]

        here, absent = both(stores, ask)
        assert here == absent


def test_conflict_reveals_neither_document_nor_revision(
    stores: tuple[Database, Database],
) -> None:
    """The peer learns that there is a conflict, because its revision is rejected, but nothing else."""
    current = fill(stores[0], "theirs")[-1]
    script = passive(stores[0], readable=ALARMS)
    for history in ((), ("3-ff",)):
        reply = script.push("theirs", "4-ff", b'{"channels":["alarms"]}', history=history)
        assert isinstance(reply, ErrorReceived)
        assert reply.code == 403
        assert current not in reply.message
        assert current.partition("-")[2] not in str(answers(reply))
    found = stores[0].get("theirs")
    assert found is not None
    assert (found.rev, found.conflicted) == (current, False)


def test_peer_that_knows_the_current_revision_may_extend_it_if_the_rule_permits(
    stores: tuple[Database, Database],
) -> None:
    """The peer may write the document but not read it, and knows the revision that it has written."""
    script = passive(stores[0], readable=NOTES)
    assert isinstance(script.push("box", "1-a", b'{"channels":["officers"]}'), ResponseReceived)
    assert script.verdicts(("box", "2-b", "1-a"), ("box", "1-a")) == [0, 0]
    edited = script.push("box", "2-b", b'{"channels":["officers"],"n":2}', history=("1-a",))
    assert isinstance(edited, ResponseReceived)
    again = script.push("box", "2-b", b'{"channels":["officers"],"n":2}', history=("1-a",))
    assert isinstance(again, ResponseReceived)
    found = stores[0].get("box")
    assert found is not None
    assert found.rev == "2-b"


def test_list_of_an_inaccessible_document_does_not_reveal_requests_to_other_peers(
    stores: tuple[Database, Database],
) -> None:
    """A delayed answer would reveal that the same revision has been requested from another peer."""
    store, clock = stores[0], Clock()
    asked = passive(store, clock=clock)
    assert asked.verdicts(("equipment:argo:main-rpm", "1-a")) == [0]
    assert len(pull_dedup.claims_of(store)) == 1
    spy = passive(store, clock=clock, readable=ALARMS)
    number = spy.post(ProposeChanges((Proposal("equipment:argo:main-rpm", "1-a"),)).encode())
    spy.pump()
    assert number in spy.replies


# Checkpoints


def test_checkpoint_of_another_user_is_neither_revealed_nor_overwritten(store: Database) -> None:
    anna = passive(store, readable=NOTES, owner="user:anna")
    bo = passive(store, readable=NOTES, owner="user:bo")
    mine = anna.ask(SetCheckpoint("cp-1", b'{"remote":5}').encode())
    assert isinstance(mine, ResponseReceived)
    get = {"Profile": "getCheckpoint", "client": "cp-1"}
    assert bo.refusal(get) == ("HTTP", 404)
    assert bo.refusal({"Profile": "getCheckpoint", "client": "user:anna/cp-1"}) == ("HTTP", 404)
    assert isinstance(bo.ask(SetCheckpoint("cp-1", b'{"remote":9}').encode()), ResponseReceived)
    found = anna.ask(get)
    assert isinstance(found, ResponseReceived)
    assert found.body == b'{"remote":5}'
    body = b'{"collections":["_default"],"checkpoint_ids":["cp-1"]}'
    fresh = passive(store, readable=NOTES, owner="user:cook")
    listed = fresh.ask({"Profile": "getCollections"}, body)
    assert isinstance(listed, ResponseReceived)
    assert b"remote" not in listed.body


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with open_database(tmp_path / "store.db") as database:
        yield database
        assert_sound(database)
