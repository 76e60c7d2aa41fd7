"""Only selected documents are replicated. All other documents are neither sent nor changed."""

from pathlib import Path

import pytest

from sync.blip import ErrorReceived, ResponseReceived
from sync.peer import limits
from sync.peer.problems import Domain
from sync.peer.progress import Direction
from sync.peer.selection import Selection, Stream, channels
from sync.replication.messages import Changes as ChangesMessage
from sync.replication.messages import ChangesReply, DeliveryTerms, Rev, SubChanges
from sync.store import Database, Document

from .rig import Wire, databases, replicate
from .script import passive

EQUIPMENT = "equipment:argo:main-rpm"
ALARM = "alarm:argo:main-rpm:abcdef:000000000007"
OTHER_VESSEL = "equipment:dove:main-rpm"


def fill(database: Database) -> None:
    for name in (EQUIPMENT, ALARM, OTHER_VESSEL, "plain"):
        database.put(name, {})
    database.put("crew", {"channels": ["crew", "deck"]})
    database.put("galley", {"channels": "galley"})
    database.put("odd", {"channels": {"crew": 1}})
    database.delete("gone", parent=database.put("gone", {"channels": ["crew"]}), body={"channels": ["crew"]})


def ids(database: Database, *, deleted: bool = False) -> set[str]:
    return {document.id for document in database.documents(deleted=deleted)}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"vessel.argo"}, {EQUIPMENT, ALARM}),
        ({"equipment"}, {EQUIPMENT, OTHER_VESSEL}),
        ({"alarms", "galley"}, {ALARM, "galley"}),
        ({"crew"}, {"crew"}),
        ({"nobody"}, set()),
    ],
)
def test_channels_select_by_id_and_by_body(tmp_path: Path, wanted: set[str], expected: set[str]) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(theirs)
        replicate(ours, theirs, active={"push": False, "channels": frozenset(wanted)})
        assert ids(ours) == expected


def test_id_of_a_logboat_document_overrides_the_channels_in_its_body(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        theirs.put(EQUIPMENT, {"channels": ["crew"]})
        replicate(ours, theirs, active={"push": False, "channels": frozenset({"crew"})})
        assert ids(ours) == set()
        document = theirs.get(EQUIPMENT)
        assert document is not None
        assert channels(theirs.policy, document) == {"equipment", "vessel.argo"}


def test_channel_name_with_a_comma_is_refused(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs), pytest.raises(ValueError, match="comma"):
        replicate(ours, theirs, active={"channels": frozenset({"a,b"})})


def test_document_ids_select_in_both_directions(tmp_path: Path) -> None:
    chosen = frozenset({"a", "b"})
    with databases(tmp_path) as (ours, theirs):
        for name in ("a", "x"):
            ours.put(name, {})
        for name in ("b", "y"):
            theirs.put(name, {})
        replicate(
            ours,
            theirs,
            active={"document_ids": chosen, "push_selection": Selection(document_ids=chosen)},
        )
        assert ids(ours) == {"a", "b", "x"}
        assert ids(theirs) == {"a", "b", "y"}


def test_push_filter_selects_by_body_and_is_called_for_deletions(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours)

        def chosen(document: Document) -> bool:
            return document.deleted or "channels" in document.body

        replicate(ours, theirs, active={"pull": False, "push_selection": Selection(filter=chosen)})
        assert ids(theirs, deleted=True) == {"crew", "galley", "odd", "gone"}


def fails(document: Document) -> bool:
    raise LookupError(f"cannot tell about {document.id}")


def test_failing_push_filter_ends_the_session_and_nothing_is_sent(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        fill(ours)
        wire = Wire(ours, theirs, active={"pull": False, "push_selection": Selection(filter=fails)})
        wire.settle()
        problem = wire.active.session.problem
        assert problem is not None
        assert problem.domain is Domain.STORE
        assert "the filter failed on" in problem.text
        assert "LookupError" in problem.text
        assert theirs.count(deleted=True) == 0
        wire.passive.session.end()


def test_reader_whose_filter_fails_is_shown_nothing(tmp_path: Path) -> None:
    with databases(tmp_path, "theirs") as (theirs,):
        theirs.put("plain", {})
        script = passive(theirs, readable=Selection(filter=fails))
        assert script.refusal({"Profile": "getRev", "id": "plain"}) == ("HTTP", 404)
        script.post({"Profile": "subChanges"})
        script.rest()
        assert script.is_over
        assert script.peer.session.problem is not None
        assert "the filter failed on plain" in script.peer.session.problem.text
        assert script.requests == []


def refuses_bad(document: Document) -> str | None:
    return "not yours" if document.id.startswith("bad") else None


def test_rule_of_the_receiver_of_a_push_refuses_a_document_and_others_continue(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        for number in range(300):
            ours.put(f"{'bad' if number % 100 == 7 else 'good'}-{number}", {})
        wire = replicate(ours, theirs, active={"pull": False}, passive={"rule": refuses_bad})
        assert theirs.count() == 297
        failed = {ended.id: ended.problem for ended in wire.told if ended.problem is not None}
        assert set(failed) == {"bad-7", "bad-107", "bad-207"}
        for problem in failed.values():
            assert problem is not None
            assert problem.code == 403
            assert "not yours" in problem.text
        again = replicate(ours, theirs, active={"pull": False}, passive={"rule": refuses_bad})
        assert again.told == []


def test_rule_of_the_puller_refuses_a_document_and_others_continue(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        for name in ("bad", "good"):
            theirs.put(name, {})
        wire = replicate(ours, theirs, active={"push": False, "pull_rule": refuses_bad})
        assert ids(ours) == {"good"}
        (failed,) = [ended for ended in wire.told if ended.problem is not None]
        assert (failed.direction, failed.id) == (Direction.PULL, "bad")
        assert failed.problem is not None
        assert failed.problem.code == 403


def test_restricted_reader_sees_only_its_channels_whatever_it_requests(tmp_path: Path) -> None:
    readable = Selection(within=frozenset({"crew", "vessel.argo"}))
    for number, asked in enumerate(
        ({}, {"channels": frozenset({"galley", "crew"})}, {"document_ids": frozenset({"galley", "crew"})})
    ):
        with databases(tmp_path, f"ours-{number}", f"theirs-{number}") as (ours, theirs):
            fill(theirs)
            replicate(ours, theirs, active={"push": False, **asked}, passive={"readable": readable})
            assert ids(ours) == ({"crew"} if asked else {"crew", EQUIPMENT, ALARM})


def test_restricted_reader_gets_no_revision_of_a_hidden_document(tmp_path: Path) -> None:
    with databases(tmp_path, "theirs") as (theirs,):
        fill(theirs)
        script = passive(theirs, readable=Selection(within=frozenset({"crew"})))
        assert isinstance(script.ask({"Profile": "getRev", "id": "crew"}), ResponseReceived)
        for name in ("galley", "plain", EQUIPMENT, "absent"):
            assert script.refusal({"Profile": "getRev", "id": name}) == ("HTTP", 404)


def test_document_that_left_the_readers_channels_is_not_sent_after_all(tmp_path: Path) -> None:
    with databases(tmp_path, "theirs") as (theirs,):
        first = theirs.put("moving", {"channels": ["crew"], "n": 1})
        script = passive(theirs, readable=Selection(within=frozenset({"crew"})))
        script.post({"Profile": "subChanges"})
        script.rest()
        _, event = script.take(ChangesMessage)
        theirs.put("moving", {"channels": ["officers"], "secret": True}, parent=first)
        script.answer(event, ChangesReply(((),), DeliveryTerms(blobs=True, send_replacements=True)).encode())
        script.rest()
        assert all(b"secret" not in rev.body for rev, _ in script.taken(Rev))


def test_restricted_reader_gets_only_blobs_of_documents_that_it_may_see(tmp_path: Path) -> None:
    with databases(tmp_path, "theirs") as (theirs,):
        seen, hidden = theirs.blobs.put(b"seen"), theirs.blobs.put(b"hidden")
        for name, digest, channel in (("mine", seen, "crew"), ("other", hidden, "officers")):
            blob = {"@type": "blob", "digest": digest, "length": 4}
            theirs.put(name, {"photo": blob, "channels": [channel]})
        script = passive(theirs, readable=Selection(within=frozenset({"crew"})))
        question = {"Profile": "getAttachment"}
        reply = script.ask({**question, "digest": seen, "docID": "mine"})
        assert isinstance(reply, ResponseReceived)
        assert reply.body == b"seen"
        for digest, named in (
            (hidden, {"docID": "other"}),
            (hidden, {"docID": "mine"}),
            (hidden, {}),
            (seen, {}),
            (seen, {"docID": "absent"}),
        ):
            refused = script.ask({**question, "digest": digest, **named})
            assert isinstance(refused, ErrorReceived)
            assert (refused.domain, refused.code) == ("HTTP", 403)
        assert not script.is_over


PINK = Stream("pink", lambda document_id: document_id.startswith("pink"))


def test_stream_replicates_only_its_documents_in_both_directions(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        for name in ("pink-1", "grey-1"):
            ours.put(name, {})
        for name in ("pink-2", "grey-2"):
            theirs.put(name, {})
        replicate(ours, theirs, active={"stream": PINK}, passive={"streams": (PINK,)})
        assert ids(ours) == {"pink-1", "pink-2", "grey-1"}
        assert ids(theirs) == {"pink-1", "pink-2", "grey-2"}


def test_streams_have_checkpoints_of_their_own(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        for name in ("pink-1", "grey-1"):
            ours.put(name, {})
        replicate(ours, theirs, active={"stream": PINK}, passive={"streams": (PINK,)})
        replicate(ours, theirs)
        assert ids(theirs) == {"pink-1", "grey-1"}


def test_stream_unknown_to_the_peer_is_refused(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        wire = Wire(ours, theirs, active={"stream": PINK})
        wire.settle()
        assert wire.active.session.problem is not None
        assert "the filter 'pink' does not exist" in wire.active.session.problem.text


def test_stream_by_channels_is_refused(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs), pytest.raises(ValueError, match="one filter"):
        Wire(ours, theirs, active={"stream": PINK, "channels": frozenset({"a"})})


def test_write_only_peer_accepts_pushed_documents(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        ours.put("here", {})
        theirs.put("there", {})
        wire = Wire(ours, theirs, passive={"write_only": True})
        wire.settle()
        assert wire.active.session.problem is not None
        assert "this database is write-only for you" in wire.active.session.problem.text
        assert ids(ours) == {"here"}
        assert ids(theirs) == {"here", "there"}


def test_long_run_of_excluded_documents_is_not_read_in_one_turn(tmp_path: Path) -> None:
    with databases(tmp_path, "store") as (store,):
        for number in range(2 * limits.SCANS_AT_ONCE):
            store.put(f"other-{number}", {})
        store.put("wanted", {})
        script = passive(store, streams=(Stream("some", lambda document_id: document_id == "wanted"),))
        reply = SubChanges(filter="some", batch=1, continuous=True).encode()
        script.post(reply)
        script.pump()
        sender = script.peer.sender
        assert sender is not None
        assert sender.behind
        assert script.taken(ChangesMessage) == []
        due = script.peer.deadline
        assert due is not None
        assert due <= script.clock.now, "it goes on as soon as everybody else has had a turn"
        script.rest(0.0)
        assert [c.id for message, _ in script.taken(ChangesMessage) for c in message.changes] == ["wanted"]
        assert script.peer.deadline is None


def test_push_continues_after_a_long_run_of_excluded_documents(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        with ours.transaction():
            for number in range((limits.SCANS_AT_ONCE + 1) * limits.BATCH):
                ours.put(f"other-{number}", {})
        ours.put("wanted", {})
        wanted = Selection(filter=lambda document: document.id == "wanted")
        replicate(ours, theirs, active={"push_selection": wanted, "pull": False})
        assert ids(theirs) == {"wanted"}
