"""Requests that an active peer sends to a gateway, and its reactions to the replies, message by message."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.peer import conflicts, limits
from sync.peer.active import Activity
from sync.peer.failed_documents import FailedDocuments
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Direction
from sync.replication.checkpoint import Checkpoint
from sync.replication.messages import (
    AnnouncedChange,
    Changes,
    GetAttachment,
    GetCheckpoint,
    GetCheckpointReply,
    GetRev,
    GetRevReply,
    Proposal,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    Rev,
    SetCheckpoint,
    SubChanges,
)
from sync.store import Database, revisions

from .rig import open_database
from .script import Script, active, assert_sound, begun, caught_up, store_checkpoint, tell

WANTED = ProposalAnswer(0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    assert_sound(database)
    database.close()


def give(script: Script, document_id: str, revision: str, body: bytes = b"{}", **more: Any) -> None:
    """Send a revision to the peer under test without requesting a reply, as Sync Gateway does."""
    script.post(Rev(document_id, revision, body, no_reply=True, **more).encode())
    script.rest(1.0)


def proposed(script: Script, *verdicts: ProposalAnswer) -> tuple[Proposal, ...]:
    """Take the next `proposeChanges` message, answer it with these verdicts, and return its proposals."""
    message, event = script.take(ProposeChanges)
    script.answer(event, ProposeChangesReply(verdicts).encode())
    return message.proposals


def remote(checkpoint: bytes) -> Any:
    return json.loads(checkpoint).get("remote")


def is_pushed(checkpoint: bytes, sequence: int) -> bool:
    return sequence in Checkpoint.decode(checkpoint).completed


def body(store: Database, document_id: str) -> dict[str, Any] | None:
    found = store.get(document_id)
    return None if found is None else found.body


# The checkpoint and the subscription


def test_peer_requests_its_checkpoint_first_and_without_one_subscribes_from_the_beginning(
    store: Database,
) -> None:
    script = active(store, channels=frozenset({"b", "a"}), continuous=True)
    assert [event.profile for event in script.requests] == ["getCheckpoint"]
    assert script.peer.activity is Activity.CONNECTING  # type: ignore[attr-defined]
    script.refuse(script.take(GetCheckpoint)[1], 404)
    asked, _ = script.take(SubChanges)
    assert (asked.since, asked.continuous, asked.channels) == (None, True, ("a", "b"))
    assert asked.send_replacements


@pytest.mark.parametrize("sequence", ["7", '"7"', '"16:5"', '"2::7"', '"3:4::9"'])
def test_sequence_is_returned_exactly_as_received(store: Database, sequence: str) -> None:
    script = begun(store)
    assert tell(script, (sequence, "d", "1-a")) == [()]
    give(script, "d", "1-a", sequence=sequence)
    caught_up(script)
    stored = store_checkpoint(script)
    assert remote(stored) == json.loads(sequence)
    assert script.is_over
    again = active(store)
    again.answer(again.take(GetCheckpoint)[1], GetCheckpointReply("0-1", stored).encode())
    assert again.take(SubChanges)[0].since == sequence


def test_checkpoint_names_the_revision_that_it_replaces(store: Database) -> None:
    script = begun(store, continuous=True)
    script.rest()
    first, event = script.take(SetCheckpoint)
    assert first.revision is None
    script.answer(event, None, b"")
    assert script.is_over  # the reply is invalid, because it contains no revision
    again = active(store, continuous=True)
    again.answer(again.take(GetCheckpoint)[1], GetCheckpointReply("0-5", b"{}").encode())
    tell(again, ("1", "d", "1-a", 2))
    again.rest()
    assert again.take(SetCheckpoint)[0].revision == "0-5"


def test_differing_copies_of_the_checkpoint_count_as_far_as_both_agree(store: Database) -> None:
    script = begun(store, push=False)
    tell(script, ("8", "d", "1-a", 2))
    caught_up(script)
    store_checkpoint(script)
    again = active(store, push=False)
    again.answer(again.take(GetCheckpoint)[1], GetCheckpointReply("0-1", b'{"remote":5}').encode())
    assert again.take(SubChanges)[0].since == "5"


@pytest.mark.parametrize("code", [401, 403, 500, 503])
def test_checkpoint_that_is_refused_ends_the_connection(store: Database, code: int) -> None:
    script = active(store)
    script.refuse(script.take(GetCheckpoint)[1], code)
    assert script.is_over
    problem = script.peer.session.problem
    assert problem is not None
    assert problem.code == code


@pytest.mark.parametrize(("code", "push"), [(400, True), (401, True), (500, True), (503, True), (403, False)])
def test_subscription_that_is_refused_ends_the_connection(store: Database, code: int, push: bool) -> None:
    script = active(store, push=push)
    script.refuse(script.take(GetCheckpoint)[1], 404)
    script.refuse(script.take(SubChanges)[1], code)
    assert script.is_over
    problem = script.peer.session.problem
    assert problem is not None
    assert problem.code == code


def test_refused_subscription_is_reported_after_the_push_has_ended(store: Database) -> None:
    store.put("ours", {})
    script = active(store)
    script.refuse(script.take(GetCheckpoint)[1], 404)
    script.refuse(script.take(SubChanges)[1], 403)
    assert not script.is_over
    proposed, event = script.take(ProposeChanges)
    assert [proposal.id for proposal in proposed.proposals] == ["ours"]
    script.answer(event, ProposeChangesReply((ProposalAnswer(304),)).encode())
    store_checkpoint(script)
    assert script.is_over
    assert script.peer.session.problem is not None
    assert script.peer.session.problem.code == 403


def test_checkpoint_that_always_conflicts_is_given_up(store: Database) -> None:
    script = begun(store)
    caught_up(script)
    for _ in range(20):
        if script.is_over:
            break
        script.refuse(script.take(SetCheckpoint)[1], 409)
        for _, event in script.taken(GetCheckpoint):
            script.answer(event, GetCheckpointReply("0-9", b"{}").encode())
    assert script.is_over
    assert script.peer.session.problem is None


def test_conflicting_checkpoint_is_read_again_and_then_stored(store: Database) -> None:
    script = begun(store)
    caught_up(script)
    script.refuse(script.take(SetCheckpoint)[1], 409)
    script.answer(script.take(GetCheckpoint)[1], GetCheckpointReply("0-9", b"{}").encode())
    message, _ = script.take(SetCheckpoint)
    assert message.revision == "0-9"


def test_replication_ends_although_the_gateway_cannot_store_the_checkpoint(
    store: Database,
) -> None:
    script = begun(store)
    caught_up(script)
    script.refuse(script.take(SetCheckpoint)[1], 503)
    assert script.is_over


# Pull


def test_removed_and_revoked_documents_are_not_requested(store: Database) -> None:
    kept = store.put("e", {})
    script = begun(store, push=False)
    gone = [("1", "d", "2-a", 2), ("2", "e", "2-b", 4), ("3", "f", "2-c", 6)]
    assert tell(script, *gone, ("4", "g", "2-d", 1)) == [0, 0, 0, ()]
    assert [ended.id for ended in script.told if ended.access_removed] == ["d", "e", "f"]
    give(script, "g", "2-d", deleted=True, sequence="4")
    caught_up(script)
    assert remote(store_checkpoint(script)) == 4
    found = store.get("e")
    assert found is not None
    assert found.rev == kept


@pytest.mark.parametrize("flags", [1, 5, 3, 7])
@pytest.mark.parametrize("is_held", [True, False], ids=["held", "not held"])
def test_tombstone_is_accepted_whatever_its_other_flags(store: Database, flags: int, is_held: bool) -> None:
    held = (store.put("d", {"n": 1}),) if is_held else ()
    script = begun(store, push=False)
    assert tell(script, ("1", "d", "2-a", flags)) == [held]
    give(script, "d", "2-a", deleted=True, sequence="1", history=held)
    caught_up(script)
    assert remote(store_checkpoint(script)) == 1
    assert [ended.id for ended in script.told if ended.access_removed] == []
    found = store.get("d")
    assert found is not None
    assert (found.rev, found.deleted) == ("2-a", True)


def test_tombstone_is_accepted_although_its_body_says_that_it_was_removed(store: Database) -> None:
    held = store.put("d", {"n": 1})
    script = begun(store, push=False, purges_removed=True)
    tell(script, ("1", "d", "2-a", True))
    give(script, "d", "2-a", b'{"_removed":true}', deleted=True, sequence="1", history=(held,))
    caught_up(script)
    found = store.get("d")
    assert found is not None
    assert (found.rev, found.deleted, found.body) == ("2-a", True, {})


@pytest.mark.parametrize(
    ("flags", "is_purged"), [(1, False), (5, False)] + [(n, True) for n in (2, 3, 4, 6, 7)]
)
def test_removed_document_is_purged_where_configured_but_a_deleted_one_is_not(
    store: Database, flags: int, is_purged: bool
) -> None:
    held = store.put("d", {})
    script = begun(store, push=False, purges_removed=True)
    assert tell(script, ("1", "d", "2-a", flags)) == [0 if is_purged else (held,)]
    if not is_purged:
        give(script, "d", "2-a", deleted=True, sequence="1", history=(held,))
    caught_up(script)
    assert remote(store_checkpoint(script)) == 1
    assert store.count(deleted=True) == (0 if is_purged else 1)
    assert [ended.access_removed for ended in script.told if ended.id == "d"] == [is_purged]


def test_document_whose_body_only_says_removed_is_purged_where_configured(store: Database) -> None:
    known = store.put("f", {})
    script = begun(store, push=False, purges_removed=True)
    assert tell(script, ("1", "f", "2-b")) == [(known,)]
    give(script, "f", "2-b", b'{"_removed":true}', sequence="1")
    assert store.count(deleted=True) == 0


def test_revision_received_just_before_access_was_removed_is_purged(store: Database) -> None:
    script = begun(store, push=False, continuous=True, purges_removed=True)
    tell(script, ("1", "d", "1-a"), ("2", "e", "1-b"))
    for name, revision, sequence in (("d", "1-a", "1"), ("e", "1-b", "2")):
        script.post(Rev(name, revision, b"{}", sequence, no_reply=True).encode())
    script.post(Changes((AnnouncedChange("3", "d", "2-a", 4),)).encode())
    script.rest()
    assert store.get("d") is None
    assert store.get("e") is not None


def test_peer_is_asked_to_report_lost_access(store: Database) -> None:
    script = active(store, push=False, purges_removed=True)
    script.refuse(script.take(GetCheckpoint)[1], 404)
    request, _ = script.take(SubChanges)
    assert request.revocations


def test_body_that_only_says_removed_is_not_stored(store: Database) -> None:
    kept = store.put("e", {"n": 1})
    script = begun(store, push=False)
    tell(script, ("1", "d", "2-a"), ("2", "e", "2-b"))
    give(script, "d", "2-a", b'{"_removed":true}', sequence="1")
    give(script, "e", "2-b", b'{"_removed":true}', sequence="2", history=(kept,))
    caught_up(script)
    assert remote(store_checkpoint(script)) == 2
    assert store.get("d") is None
    assert body(store, "e") == {"n": 1}
    assert [ended.id for ended in script.told if ended.access_removed] == ["d", "e"]


def test_end_of_the_changes_does_not_end_the_wait_for_revisions(store: Database) -> None:
    script = begun(store, push=False)
    assert tell(script, ("1", "d", "1-a"), ("2", "e", "1-b")) == [(), ()]
    caught_up(script)
    script.rest()
    assert not script.is_over
    give(script, "e", "1-b", b'{"n":2}', sequence="2")
    script.rest(60)
    assert not script.is_over
    assert remote(store_checkpoint(script)) is None
    give(script, "d", "1-a", b'{"n":1}', sequence="1")
    assert body(store, "d") == {"n": 1}
    assert remote(store_checkpoint(script)) == 2
    assert script.is_over


def test_empty_list_means_caught_up_like_null(store: Database) -> None:
    script = begun(store)
    script.post(Changes(()).encode())
    script.pump()
    store_checkpoint(script)
    assert script.is_over


def test_permanent_norev_settles_its_revision(store: Database) -> None:
    script = begun(store, push=False)
    tell(script, ('"16:5"', "d", "1-a"), ("17", "e", "1-b"))
    norev = {"Profile": "norev", "sequence": '"16:5"', "error": "404", "reason": "gone"}
    script.post(norev, no_reply=True)
    script.post(
        {"Profile": "norev", "id": "e", "rev": "1-b", "sequence": "17", "error": "404"}, no_reply=True
    )
    script.pump()
    assert not script.is_over
    caught_up(script)
    assert remote(store_checkpoint(script)) == 17
    assert [(ended.id, ended.problem is not None) for ended in script.told] == [("d", True)]


def test_temporary_norev_keeps_the_checkpoint_before_its_revision(store: Database) -> None:
    script = begun(store, push=False)
    tell(script, ("4", "c", "1-c"), ("5", "d", "1-a"), ("6", "e", "1-b"))
    give(script, "c", "1-c", sequence="4")
    script.post({"Profile": "norev", "id": "d", "rev": "1-a", "error": "503"}, no_reply=True)
    give(script, "e", "1-b", sequence="6")
    caught_up(script)
    assert remote(store_checkpoint(script)) == 4
    assert script.is_over
    assert script.peer.must_be_repeated == 1  # type: ignore[attr-defined]


def test_norev_that_was_not_requested_changes_nothing(store: Database) -> None:
    script = begun(store, push=False)
    tell(script, ("4", "c", "1-c"))
    script.post({"Profile": "norev", "id": "x", "rev": "1-a", "sequence": "9"}, no_reply=True)
    caught_up(script)
    assert not script.is_over
    give(script, "c", "1-c", sequence="4")
    assert remote(store_checkpoint(script)) == 4


def test_replacement_counts_as_the_requested_revision(store: Database) -> None:
    script = begun(store, push=False)
    tell(script, ("4", "d", "1-a"))
    caught_up(script)
    give(script, "d", "3-c", b'{"n":3}', history=("2-b", "1-a"), sequence="4", replaced="1-a")
    assert remote(store_checkpoint(script)) == 4
    found = store.get("d")
    assert found is not None
    assert found.rev == "3-c"


def test_change_announced_twice_is_sent_once_and_settles_both_announcements(store: Database) -> None:
    script = begun(store, push=False)
    assert tell(script, ("4", "d", "1-a")) == [()]
    assert tell(script, ("5", "d", "1-a")) == [0]
    caught_up(script)
    give(script, "d", "1-a", sequence="4")
    assert remote(store_checkpoint(script)) == 5


def test_known_revisions_are_not_requested_and_known_ancestors_are_listed(store: Database) -> None:
    first = store.put("d", {"n": 1})
    script = begun(store, push=False)
    assert tell(script, ("1", "d", first), ("2", "d", "2-x"), ("3", "new", "1-a")) == [0, (first,), ()]


@pytest.mark.parametrize("replies", [True, False])
def test_body_that_cannot_be_stored_fails_alone_with_and_without_a_reply(
    store: Database, replies: bool
) -> None:
    script = begun(store, push=False)
    tell(script, ("1", "d", "1-a"), ("2", "e", "1-b"))
    script.post(Rev("d", "1-a", b"[1]", no_reply=not replies).encode())
    give(script, "e", "1-b", b'{"n":1}')
    caught_up(script)
    assert remote(store_checkpoint(script)) == 2
    assert store.get("d") is None
    assert body(store, "e") == {"n": 1}
    assert [ended.id for ended in script.told if ended.problem is not None] == ["d"]


def test_received_conflict_is_stored_resolved_and_proposed(store: Database) -> None:
    first = store.put("d", {"n": 1})
    ours = store.put("d", {"n": 2}, parent=first)
    script = begun(store, continuous=True)
    proposed(script, ProposalAnswer(409))
    assert tell(script, ("1", "d", "2-zz")) == [(first,)]
    give(script, "d", "2-zz", b'{"n":3}', history=(first,), sequence="1")
    assert store.conflicts() == []
    found = store.get("d")
    assert found is not None
    assert found.rev == "2-zz"
    assert found.rev != ours


# Push


def test_every_proposal_names_its_parent_and_asks_for_conflicting_revisions(store: Database) -> None:
    first = store.put("d", {"n": 1})
    second = store.put("d", {"n": 2}, parent=first)
    new = store.put("e", {})
    script = begun(store, pull=False)
    message, _ = script.take(ProposeChanges)
    assert message.conflict_includes_revision
    assert [(item.id, item.revision, item.parent) for item in message.proposals] == [
        ("d", second, first),
        ("e", new, None),
    ]


@pytest.mark.parametrize("status", [403, 404])
def test_permanently_refused_proposal_is_reported_and_settled(store: Database, status: int) -> None:
    for name in ("known", "bad", "good"):
        store.put(name, {})
    script = begun(store, pull=False)
    proposed(script, ProposalAnswer(304), ProposalAnswer(status), WANTED)
    rev, event = script.take(Rev)
    assert rev.id == "good"
    script.answer(event)
    stored = store_checkpoint(script)
    assert [is_pushed(stored, sequence) for sequence in (1, 2, 3)] == [True, True, True]
    (failed,) = [ended for ended in script.told if ended.problem is not None]
    assert (failed.id, failed.direction) == ("bad", Direction.PUSH)
    assert failed.problem is not None
    assert failed.problem.code == status
    assert not failed.is_transient


@pytest.mark.parametrize("status", [500, 503])
@pytest.mark.parametrize("of_proposal", [True, False])
def test_temporarily_refused_documents_are_left_for_the_next_replication(
    store: Database, status: int, of_proposal: bool
) -> None:
    for name in ("bad", "good"):
        store.put(name, {})
    script = begun(store, pull=False)
    proposed(script, ProposalAnswer(status) if of_proposal else WANTED, WANTED)
    for rev, event in script.taken(Rev):
        if rev.id == "bad":
            script.refuse(event, status)
        else:
            script.answer(event)
    stored = store_checkpoint(script)
    assert [is_pushed(stored, sequence) for sequence in (1, 2)] == [False, True]
    assert script.is_over
    assert script.peer.must_be_repeated == 1  # type: ignore[attr-defined]
    assert [ended.is_transient for ended in script.told if ended.problem is not None] == [True]
    again = active(store, pull=False)
    again.answer(again.take(GetCheckpoint)[1], GetCheckpointReply("0-1", stored).encode())
    assert [item.id for item in proposed(again, WANTED)] == ["bad"]


def test_document_over_the_daily_allowance_is_retried_less_often(store: Database) -> None:
    for name in ("enough", "busy"):
        store.put(name, {})
    script = begun(store, pull=False, continuous=True)
    proposed(script, WANTED, WANTED)
    for rev, event in script.taken(Rev):
        script.refuse(event, 429 if rev.id == "enough" else 503)
    script.rest(2 * limits.RETRY_DOCUMENT)
    assert [item.id for item in proposed(script, WANTED)] == ["busy"]
    script.answer(script.take(Rev)[1])
    script.rest(limits.RETRY_REFUSED - 4 * limits.RETRY_DOCUMENT)
    assert script.taken(ProposeChanges) == []
    script.rest(limits.RETRY_REFUSED)
    assert [item.id for item in proposed(script, WANTED)] == ["enough"]


@pytest.mark.parametrize("of_proposal", [True, False])
def test_continuous_replication_retries_temporarily_refused_documents(
    store: Database, of_proposal: bool
) -> None:
    store.put("d", {})
    script = begun(store, pull=False, continuous=True)
    proposed(script, ProposalAnswer(503) if of_proposal else WANTED)
    if not of_proposal:
        script.refuse(script.take(Rev)[1], 503)
    assert script.taken(Rev) == []
    script.rest(60)
    assert script.taken(Rev) == []  # the revision must be requested again before it is sent
    assert [item.id for item in proposed(script, WANTED)] == ["d"]
    _, event = script.take(Rev)
    script.answer(event)
    assert not script.peer.is_pending(1)  # type: ignore[attr-defined]


def test_document_on_which_the_gateway_always_fails_is_recorded_and_offered_on_the_next_connection(
    store: Database,
) -> None:
    store.put("d", {})
    failed = FailedDocuments(store, "failed:test")
    script = begun(store, pull=False, continuous=True, failed=failed)
    for _ in range(limits.FAULTS_MOST):
        proposed(script, WANTED)
        script.refuse(script.take(Rev)[1], 500)
        script.rest(60)
    assert script.taken(ProposeChanges) == []
    assert not script.peer.is_pending(1)  # type: ignore[attr-defined]
    assert [(each.id, each.code) for each in FailedDocuments(store, "failed:test")] == [("d", 500)]
    stored = script.take(SetCheckpoint)[0].body
    again = active(store, pull=False, failed=FailedDocuments(store, "failed:test"))
    again.answer(again.take(GetCheckpoint)[1], GetCheckpointReply("0-1", stored).encode())
    assert [item.id for item in proposed(again, WANTED)] == ["d"]
    again.answer(again.take(Rev)[1])
    assert list(FailedDocuments(store, "failed:test")) == []


@pytest.mark.parametrize("status", [304, 0])
def test_failed_document_is_forgotten_once_the_gateway_has_it(store: Database, status: int) -> None:
    store.put("d", {})
    failed = FailedDocuments(store, "failed:test")
    script = begun(store, pull=False, failed=failed)
    proposed(script, ProposalAnswer(403))
    assert is_pushed(store_checkpoint(script), 1)
    script = active(store, pull=False, failed=failed)
    script.refuse(script.take(GetCheckpoint)[1], 404)
    proposed(script, ProposalAnswer(status))
    for _, event in script.taken(Rev):
        script.answer(event)
    assert list(failed) == []


def test_document_without_a_final_answer_is_offered_on_the_next_connection(store: Database) -> None:
    store.put("d", {})
    failed = FailedDocuments(store, "failed:test")
    script = begun(store, pull=False, failed=failed)
    proposed(script, ProposalAnswer(403))
    assert failed.unanswered == []
    stored = store_checkpoint(script)
    for answer in (503, None):
        script = active(store, pull=False, failed=failed)
        script.answer(script.take(GetCheckpoint)[1], GetCheckpointReply("0-1", stored).encode())
        assert failed.unanswered == ["d"]
        if answer is not None:
            script.refuse(script.take(ProposeChanges)[1], answer)
            assert script.is_over
            assert failed.unanswered == ["d"]
    proposed(script, ProposalAnswer(403))
    assert failed.unanswered == []


def test_failed_document_that_no_longer_exists_is_forgotten(store: Database) -> None:
    store.put("d", {})
    failed = FailedDocuments(store, "failed:test")
    script = begun(store, pull=False, failed=failed)
    proposed(script, ProposalAnswer(403))
    store_checkpoint(script)
    store.purge(["d"])
    script = active(store, pull=False, failed=failed)
    script.refuse(script.take(GetCheckpoint)[1], 404)
    assert list(failed) == []


def test_failed_documents_beyond_the_limit_on_names_are_still_counted(store: Database) -> None:
    failed = FailedDocuments(store, "failed:test", most=2)
    for number in range(3):
        failed.note(Direction.PUSH, f"d{number}", "1-a", Problem(Domain.WEBSOCKET, 403, "no"))
    failed.save()
    kept = FailedDocuments(store, "failed:test", most=2)
    assert [each.id for each in kept] == ["d0", "d1"]
    assert kept.has_overflowed
    assert not kept.has_room
    kept.forget(Direction.PUSH, "d0")
    assert kept.has_room


@pytest.mark.parametrize("code", [400, 501])
def test_push_continues_when_a_pull_of_chosen_documents_ends(store: Database, code: int) -> None:
    store.put("ours", {})
    script = active(store, continuous=True, document_ids=frozenset({"ours"}))
    script.refuse(script.take(GetCheckpoint)[1], 404)
    script.refuse(script.take(SubChanges)[1], code)
    assert [item.id for item in proposed(script, WANTED)] == ["ours"]
    script.answer(script.take(Rev)[1])
    assert not script.is_over
    unfed = script.peer.unfed  # type: ignore[attr-defined]
    assert "does not support continuous replication of selected documents" in unfed.text


def test_proposal_of_a_known_revision_sends_nothing(store: Database) -> None:
    store.put("d", {})
    script = begun(store, pull=False)
    proposed(script, ProposalAnswer(304))
    assert is_pushed(store_checkpoint(script), 1)
    assert script.is_over


def test_list_of_proposals_that_is_refused_ends_the_connection(store: Database) -> None:
    store.put("d", {})
    script = begun(store, pull=False)
    script.refuse(script.take(ProposeChanges)[1], 503)
    assert script.is_over
    problem = script.peer.session.problem
    assert problem is not None
    assert problem.code == 503


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_permanently_refused_revision_is_reported_and_settled(store: Database, status: int) -> None:
    store.put("d", {})
    script = begun(store, pull=False)
    proposed(script, WANTED)
    script.refuse(script.take(Rev)[1], status)
    assert script.taken(Rev) == []
    assert is_pushed(store_checkpoint(script), 1)
    assert [ended.problem.code for ended in script.told if ended.problem] == [status]


def test_conflict_with_an_ancestor_is_proposed_again_with_it_as_parent(
    store: Database,
) -> None:
    first = store.put("d", {"n": 1})
    second = store.put("d", {"n": 2}, parent=first)
    third = store.put("d", {"n": 3}, parent=second)
    script = begun(store, pull=False)
    proposed(script, ProposalAnswer(409, first))
    assert script.taken(Rev) == []
    assert [(item.revision, item.parent) for item in proposed(script, WANTED)] == [(third, first)]
    rev, _ = script.take(Rev)
    assert (rev.revision, rev.history) == (third, (second, first))


def test_unresolvable_conflict_is_reported_and_retried_in_the_next_replication(
    store: Database,
) -> None:
    store.put("d", {})
    script = begun(store, pull=False)
    proposed(script, ProposalAnswer(409, "1-ff"))
    stored = store_checkpoint(script)
    assert script.is_over
    assert [(ended.id, ended.problem.code) for ended in script.told if ended.problem] == [("d", 409)]
    again = active(store, pull=False)
    again.answer(again.take(GetCheckpoint)[1], GetCheckpointReply("0-1", stored).encode())
    assert [item.id for item in proposed(again, WANTED)] == ["d"]


def test_refused_change_counts_as_not_pushed_until_it_is_accepted(store: Database) -> None:
    first = store.put("d", {"n": 1})
    script = begun(store, pull=False, continuous=True)
    proposed(script, ProposalAnswer(409, "1-ff"))
    sender = script.peer.sender
    assert sender is not None
    assert sender.behind == 1
    store.put("d", {"n": 2}, parent=first)
    script.peer.wake()
    script.pump()
    proposed(script, WANTED)
    _, sent = script.take(Rev)
    assert sender.behind > 0
    script.answer(sent)
    assert sender.behind == 0


def test_proposal_with_a_parent_unknown_to_the_peer_is_repeated_without_parent(
    store: Database,
) -> None:
    first = store.put("d", {"n": 1})
    second = store.put("d", {"n": 2}, parent=first)
    script = begun(store, pull=False)
    assert [item.parent for item in proposed(script, ProposalAnswer(409))] == [first]
    assert [(item.revision, item.parent) for item in proposed(script, WANTED)] == [(second, None)]
    assert script.take(Rev)[0].history == (first,)


def test_revision_that_becomes_a_conflict_in_transit_is_proposed_once_more_and_then_given_up(
    store: Database,
) -> None:
    revision = store.put("d", {})
    script = begun(store, pull=False)
    for _ in range(2):
        assert [item.revision for item in proposed(script, WANTED)] == [revision]
        script.refuse(script.take(Rev)[1], 409)
    assert script.taken(ProposeChanges) == []
    assert [ended.problem.code for ended in script.told if ended.problem] == [409]
    store_checkpoint(script)
    assert script.is_over


def test_conflict_is_left_to_the_pull_of_the_same_replication(store: Database) -> None:
    store.put("d", {})
    script = begun(store)
    proposed(script, ProposalAnswer(409, "1-ff"))
    tell(script, ("1", "d", "1-ff"))
    caught_up(script)
    give(script, "d", "1-ff", b'{"n":1}', sequence="1")
    assert script.taken(GetRev) == []
    assert {leaf.rev for leaf in store.leaves("d")} > {"1-ff"}
    assert is_pushed(store_checkpoint(script), 1)
    assert [ended for ended in script.told if ended.problem is not None] == []


# Revisions that the peer has but does not announce


def refused(store: Database, **options: Any) -> Script:
    """Return a scripted gateway that has rejected `30-aa` because of `1-ff`, which it has not announced."""
    store.insert("d", "30-aa", ["29-aa"], {"n": 30})
    script = begun(store, **options)
    proposed(script, ProposalAnswer(409, "1-ff"))
    script.rest(1.0)
    assert script.taken(GetRev) == []
    return script


def test_conflicting_revision_missing_from_the_feed_is_requested_and_resolved(store: Database) -> None:
    script = refused(store)
    caught_up(script)
    message, event = script.take(GetRev)
    assert message.id == "d"
    assert [each for each, _ in script.taken(SetCheckpoint) if is_pushed(each.body, 1)] == []
    script.answer(event, GetRevReply("1-ff", b'{"n":1}').encode())
    assert store.conflicts() == []
    found = store.get("d")
    assert found is not None
    assert found.rev == "30-aa"
    proposed(script, ProposalAnswer(409, "1-ff"))
    assert [(item.revision, item.parent) for item in proposed(script, WANTED)] == [("30-aa", "1-ff")]
    rev, event = script.take(Rev)
    assert (rev.revision, rev.deleted_branch[1:]) == ("30-aa", ("1-ff",))
    script.answer(event)
    assert is_pushed(store_checkpoint(script), store.last_sequence)
    assert script.is_over
    assert [ended for ended in script.told if ended.problem is not None] == []


def test_conflicting_revision_received_in_the_feed_is_not_awaited_any_longer(store: Database) -> None:
    store.put("d", {})
    script = begun(store, continuous=True)
    began = script.clock.now
    proposed(script, ProposalAnswer(409, "1-00"))
    tell(script, ("1", "d", "1-00"))
    caught_up(script)
    assert not script.is_idle
    give(script, "d", "1-00", b'{"n":1}', sequence="1")
    proposed(script, ProposalAnswer(304))
    assert script.is_idle
    assert script.clock.now < began + 5  # as soon as without a conflict
    assert script.taken(GetRev) == []


@pytest.mark.parametrize(("code", "domain"), [(404, "HTTP"), (404, "BLIP"), (403, "HTTP")])
def test_edit_refused_in_every_form_is_reported_and_proposed_in_the_next_replication(
    store: Database, code: int, domain: str
) -> None:
    script = refused(store)
    caught_up(script)
    script.refuse(script.take(GetRev)[1], code, domain=domain)
    stored = store_checkpoint(script)
    assert script.is_over
    (failed,) = [ended for ended in script.told if ended.problem is not None]
    assert (failed.id, failed.direction, failed.is_transient) == ("d", Direction.PUSH, False)
    assert failed.problem is not None
    assert failed.problem.code == 409
    again = active(store)
    again.answer(again.take(GetCheckpoint)[1], GetCheckpointReply("0-1", stored).encode())
    assert [item.id for item in proposed(again, WANTED)] == ["d"]


def test_edit_whose_conflicting_revision_is_unavailable_is_left_for_the_next_replication(
    store: Database,
) -> None:
    script = refused(store)
    caught_up(script)
    script.refuse(script.take(GetRev)[1], 503)
    assert not is_pushed(store_checkpoint(script), 1)
    assert [ended.is_transient for ended in script.told if ended.problem is not None] == [True]


def test_conflicting_revision_of_a_document_is_requested_once(store: Database) -> None:
    script = refused(store)
    caught_up(script)
    script.answer(script.take(GetRev)[1], GetRevReply("1-ff", b'{"n":1}').encode())
    proposed(script, ProposalAnswer(409, "1-ee"))
    script.rest(60)
    assert script.taken(GetRev) == []
    assert [(ended.id, ended.problem.code) for ended in script.told if ended.problem] == [("d", 409)]
    assert not is_pushed(store_checkpoint(script), store.last_sequence)


def test_revision_that_cannot_be_stored_now_is_left_for_the_next_replication(store: Database) -> None:
    script = refused(store)
    caught_up(script)
    photo = {"@type": "blob", "digest": "sha1-" + "A" * 27 + "=", "length": 3}
    script.answer(script.take(GetRev)[1], GetRevReply("1-ff", json.dumps({"photo": photo}).encode()).encode())
    for _, event in script.taken(GetAttachment):
        script.refuse(event, 503)
    assert store.get("d", rev="1-ff") is None
    script.rest(60)
    assert not any(is_pushed(message.body, 1) for message, _ in script.taken(SetCheckpoint))


def test_continuous_feed_is_given_time_to_contain_the_conflicting_revision(store: Database) -> None:
    script = begun(store, continuous=True)
    caught_up(script)
    store.insert("d", "30-aa", ["29-aa"], {"n": 30})
    script.peer.wake()
    script.pump()
    proposed(script, ProposalAnswer(409, "1-ff"))
    script.rest(0.9 * limits.FEED_PATIENCE)
    assert script.taken(GetRev) == []
    script.rest(limits.FEED_PATIENCE)
    assert [message.id for message, _ in script.taken(GetRev)] == ["d"]


def test_gap_in_a_history_is_filled_down_to_the_last_known_ancestor(store: Database) -> None:
    store.insert("d", "9-ff", ["4-ee"], b"{}", allow_conflict=True)
    script = begun(store, pull=False)
    proposed(script, WANTED)
    rev, _ = script.take(Rev)
    assert [revisions.generation(each) for each in rev.history] == [8, 7, 6, 5, 4]
    assert rev.history[-1] == "4-ee"
    assert rev.no_conflicts


def test_checkpoint_does_not_advance_when_the_gateway_never_replies(store: Database) -> None:
    store.put("d", {})
    store.put("e", {})
    script = begun(store, continuous=True)
    tell(script, ("1", "f", "1-a"))
    script.rest(60)
    proposals = script.take(ProposeChanges)[1]
    for _, event in script.taken(SetCheckpoint):
        script.refuse(event, 503)
    script.rest(60)
    script.answer(proposals, ProposeChangesReply((WANTED, WANTED)).encode())
    (_, first), _ = script.taken(Rev)
    script.answer(first)
    script.rest(60)
    stored = [store_checkpoint(script)]
    script.rest(60)
    assert [[is_pushed(each, 1), is_pushed(each, 2), remote(each)] for each in stored] == [
        [True, False, None]
    ]
    assert script.peer.activity is Activity.BUSY  # type: ignore[attr-defined]


# Documents that were deleted here and changed at the peer


def deletion_refused(store: Database, **options: Any) -> tuple[Script, str]:
    """Return a scripted gateway that has rejected a deletion because of `2-ff`, and the deletion's revision.

    The peer under test does not pull from this gateway.
    """
    deletion = store.delete("d", parent=store.put("d", {}))
    script = begun(store, pull=False, **options)
    proposed(script, ProposalAnswer(409, "2-ff"))
    return script, deletion


def failed(script: Script) -> list[tuple[str, int]]:
    return [(ended.id, ended.problem.code) for ended in script.told if ended.problem is not None]


def test_document_deleted_on_both_sides_is_not_a_conflict(store: Database) -> None:
    script, _ = deletion_refused(store, is_gateway=True)
    message, event = script.take(GetRev)
    assert message.id == "d"
    assert not script.is_over
    script.refuse(event, 404, "deleted")
    assert is_pushed(store_checkpoint(script), store.last_sequence)
    assert (script.is_over, failed(script)) == (True, [])


@pytest.mark.parametrize("domain", ["HTTP", "BLIP"])
@pytest.mark.parametrize("takes", [True, False])
def test_deletion_without_parent_is_proposed_when_the_peer_has_no_current_revision(
    store: Database, domain: str, takes: bool
) -> None:
    script, deletion = deletion_refused(store)
    script.refuse(script.take(GetRev)[1], 404, domain=domain)
    assert [(item.revision, item.parent) for item in proposed(script, WANTED)] == [(deletion, None)]
    rev, event = script.take(Rev)
    assert rev.deleted
    if takes:
        script.answer(event)
    else:  # as LiteCore does in conflict-free mode
        script.refuse(event, 8, domain="LiteCore")
    assert is_pushed(store_checkpoint(script), store.last_sequence)
    assert (script.is_over, failed(script)) == (True, [])


@pytest.mark.parametrize("gateway", [True, False])
def test_deletion_of_a_document_that_exists_at_the_peer_is_reported_as_failed(
    store: Database, gateway: bool
) -> None:
    script, _ = deletion_refused(store, is_gateway=gateway)
    script.answer(script.take(GetRev)[1], GetRevReply("2-ff", b"{}").encode())
    assert failed(script) == [("d", 409)]
    assert not is_pushed(store_checkpoint(script), store.last_sequence)


def test_deletion_of_a_document_that_cannot_be_read_at_the_peer_is_reported_as_failed(
    store: Database,
) -> None:
    script, _ = deletion_refused(store)
    script.refuse(script.take(GetRev)[1], 404)
    proposed(script, ProposalAnswer(409, "2-ff"))
    script.refuse(script.take(GetRev)[1], 404)
    assert failed(script) == [("d", 409)]
    assert not is_pushed(store_checkpoint(script), store.last_sequence)


# A conflict resolved here while the losing branch is still current at the gateway


def resolved(store: Database) -> str:
    """Resolve the conflict between `3-ee` and `2-bb`, and return the tombstone that closed `2-bb`."""
    store.insert("d", "1-aa", [], b"{}", allow_conflict=True)
    store.insert("d", "3-ee", ["2-ee", "1-aa"], b'{"n":3}', allow_conflict=True)
    store.insert("d", "2-bb", ["1-aa"], b'{"n":2}', allow_conflict=True)
    conflicts.resolve(store, "d")
    assert store.conflicts() == []
    (closing,) = [leaf.rev for leaf in store.leaves("d") if leaf.deleted]
    return closing


def offered(script: Script, verdict: ProposalAnswer) -> tuple[str, str | None]:
    """Answer a `proposeChanges` message with a single proposal, and return its revision and parent."""
    assert script.taken(Rev) == []  # nothing is sent that was not requested
    (item,) = proposed(script, verdict)
    return item.revision, item.parent


def test_losing_branch_is_closed_at_the_gateway_before_the_winner_is_sent(store: Database) -> None:
    closing = resolved(store)
    script = begun(store, pull=False, is_gateway=True)
    proposed(script, ProposalAnswer(409, "2-bb"))
    assert offered(script, WANTED) == (closing, "2-bb")
    rev, event = script.take(Rev)
    assert (rev.revision, rev.deleted, rev.history) == (closing, True, ("2-bb",))
    script.answer(event)
    assert offered(script, WANTED) == ("3-ee", closing)
    rev, event = script.take(Rev)
    assert (rev.revision, rev.deleted, rev.history) == ("3-ee", False, ("2-ee", "1-aa"))
    script.refuse(event, 409)
    assert offered(script, WANTED) == ("3-ee", closing)
    rev, event = script.take(Rev)
    assert (rev.revision, rev.deleted, rev.history) == ("3-ee", False, ("2-ee",))
    script.answer(event)
    assert is_pushed(store_checkpoint(script), store.last_sequence)
    assert script.is_over
    assert [ended for ended in script.told if ended.problem is not None] == []


@pytest.mark.parametrize("gateway", [True, False])
def test_winner_is_sent_even_if_the_connection_broke_after_the_branch_was_closed(
    store: Database, gateway: bool
) -> None:
    closing = resolved(store)
    script = begun(store, is_gateway=gateway)
    proposed(script, ProposalAnswer(409, closing))
    assert offered(script, WANTED) == ("3-ee", closing)
    rev, event = script.take(Rev)
    assert (rev.revision, rev.deleted) == ("3-ee", False)
    script.refuse(event, 409)
    assert offered(script, WANTED) == ("3-ee", closing)
    rev, event = script.take(Rev)
    assert (rev.revision, rev.history) == ("3-ee", ("2-ee",))
    script.answer(event)
    caught_up(script)
    assert is_pushed(store_checkpoint(script), store.last_sequence)


def test_winner_is_proposed_again_if_the_branch_was_extended_before_it_was_closed(store: Database) -> None:
    closing = resolved(store)
    script = begun(store, pull=False, is_gateway=True)
    proposed(script, ProposalAnswer(409, "2-bb"))
    assert offered(script, WANTED) == (closing, "2-bb")
    script.refuse(script.take(Rev)[1], 409)
    assert offered(script, WANTED) == ("3-ee", "2-ee")
    assert script.take(Rev)[0].revision == "3-ee"


@pytest.mark.parametrize("status", [500, 503])
def test_winner_remains_to_be_pushed_when_the_gateway_cannot_close_the_branch_now(
    store: Database, status: int
) -> None:
    closing = resolved(store)
    script = begun(store, pull=False, is_gateway=True)
    proposed(script, ProposalAnswer(409, "2-bb"))
    assert offered(script, WANTED) == (closing, "2-bb")
    script.refuse(script.take(Rev)[1], status)
    assert script.taken(Rev) == []
    assert not is_pushed(store_checkpoint(script), store.last_sequence)


def test_peer_other_than_a_gateway_is_sent_the_winner_together_with_the_branchs_tombstone(
    store: Database,
) -> None:
    closing = resolved(store)
    script = begun(store, pull=False)
    proposed(script, ProposalAnswer(409, "2-bb"))
    assert offered(script, WANTED) == ("3-ee", "2-bb")
    rev, event = script.take(Rev)
    assert (rev.revision, rev.history) == ("3-ee", ("2-ee", "1-aa"))
    assert rev.deleted_branch == (closing, "2-bb")
    script.answer(event)
    assert is_pushed(store_checkpoint(script), store.last_sequence)


def test_peer_without_support_for_closed_branches_is_sent_the_winner_as_a_successor(store: Database) -> None:
    resolved(store)
    script = begun(store, pull=False)
    proposed(script, ProposalAnswer(409, "2-bb"))
    assert offered(script, WANTED) == ("3-ee", "2-bb")
    script.refuse(script.take(Rev)[1], 409)
    assert offered(script, WANTED) == ("3-ee", "2-bb")
    rev, event = script.take(Rev)
    assert (rev.revision, rev.history, rev.deleted_branch) == ("3-ee", ("2-bb",), ())
    script.answer(event)
    assert is_pushed(store_checkpoint(script), store.last_sequence)


@pytest.mark.parametrize("gateway", [True, False])
def test_winner_that_remains_a_conflict_fails_after_a_few_proposals(store: Database, gateway: bool) -> None:
    resolved(store)
    script = begun(store, pull=False, is_gateway=gateway)
    proposed(script, ProposalAnswer(409, "2-bb"))
    sent = 0
    for _ in range(20):
        for rev, event in script.taken(Rev):
            sent += rev.revision == "3-ee"
            if rev.deleted:
                script.answer(event)
            else:
                script.refuse(event, 409)
        for _, event in script.taken(ProposeChanges):
            script.answer(event, ProposeChangesReply((WANTED,)).encode())
    assert 2 <= sent <= 4
    assert [ended.problem.code for ended in script.told if ended.problem] == [409]
    assert not is_pushed(store_checkpoint(script), store.last_sequence)
    assert script.is_over


@pytest.mark.parametrize("again", [False, True])
def test_checkpoint_advances_after_a_temporarily_failed_revision_arrives(
    store: Database, again: bool
) -> None:
    script = begun(store, push=False, continuous=True)
    tell(script, ("4", "c", "1-c"), ("5", "d", "1-a"), ("6", "e", "1-b"))
    give(script, "c", "1-c", sequence="4")
    script.post({"Profile": "norev", "id": "d", "rev": "1-a", "error": "503"}, no_reply=True)
    give(script, "e", "1-b", sequence="6")
    caught_up(script)
    script.rest(limits.CHECKPOINT_EVERY)
    assert remote(store_checkpoint(script)) == 4
    assert script.peer.must_be_repeated == 1  # type: ignore[attr-defined]
    if again:  # another peer has sent the revision before this peer announces it again
        store.insert("d", "1-a")
        assert tell(script, ("7", "d", "1-a")) == [0]
    else:  # the peer sends the revision later, as Logboat's own passive peer does
        give(script, "d", "1-a", sequence="5")
    script.rest(limits.CHECKPOINT_EVERY)
    assert remote(store_checkpoint(script, "0-2")) == (7 if again else 6)
    assert script.peer.must_be_repeated == 0  # type: ignore[attr-defined]


def test_request_that_waits_for_a_slow_revision_uses_no_processor_time(store: Database) -> None:
    script = begun(store, continuous=True)
    tell(script, ("1", "slow", "1-aa"))
    caught_up(script)
    store.insert("d", "30-aa", ["29-aa"], {"n": 30})
    script.peer.wake()
    script.pump()
    proposed(script, ProposalAnswer(409, "1-ff"))
    script.clock.now += 10 * limits.FEED_PATIENCE
    script.pump()
    if (due := script.peer.deadline) is not None and due <= script.clock.now:
        store_checkpoint(script)
    due = script.peer.deadline
    assert due is None or due > script.clock.now, "a turn now has nothing to do"
    assert script.taken(GetRev) == []
    give(script, "slow", "1-aa", sequence="1")
    assert [message.id for message, _ in script.taken(GetRev)] == ["d"]
