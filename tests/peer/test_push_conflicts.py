"""A change that the peer rejects as a conflict is reported as failed and retried. It is never lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.blip import ErrorReceived
from sync.peer import limits
from sync.peer.failed_documents import FailedDocuments
from sync.peer.progress import DocumentEnded
from sync.replication.messages import (
    AnnouncedChange,
    Changes,
    GetCheckpoint,
    GetRev,
    GetRevReply,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    Rev,
    SubChanges,
)
from sync.store import Database

from .rig import open_database
from .script import Script, active, assert_sound, begun, caught_up
from .test_active_protocol import WANTED, proposed

CONFLICT = ProposalAnswer(409, "1-ff")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    assert_sound(database)
    database.close()


def failures(script: Script) -> list[tuple[str, int]]:
    """Return the ids and error codes of the documents that failed permanently."""
    return [(e.id, e.problem.code) for e in script.told if e.problem is not None and not e.is_transient]


def problems(script: Script) -> list[DocumentEnded]:
    return [ended for ended in script.told if ended.problem is not None]


def stuck(store: Database, **options: bool) -> Script:
    """Return a scripted peer that has rejected `d` as a conflict during a continuous push."""
    store.put("d", {"n": 1})
    script = begun(store, pull=False, continuous=True, **options)
    proposed(script, CONFLICT)
    assert failures(script) == [("d", 409)]
    return script


def behind(script: Script) -> int:
    assert script.peer.sender is not None
    return script.peer.sender.behind


# Repeating on the same connection


def test_conflict_is_proposed_again_after_a_while_on_the_same_connection(store: Database) -> None:
    script = stuck(store)
    script.clock.now += 0.9 * limits.RETRY_CONFLICT
    script.pump()
    assert script.taken(ProposeChanges) == []
    assert script.is_idle
    script.clock.now += 0.2 * limits.RETRY_CONFLICT
    script.pump()
    assert [item.id for item in proposed(script, WANTED)] == ["d"]
    rev, event = script.take(Rev)
    assert rev.id == "d"
    script.answer(event)
    assert behind(script) == 0
    assert not script.peer.is_pending(1)  # type: ignore[attr-defined]
    script.rest(3 * limits.RETRY_CONFLICT)
    assert script.taken(ProposeChanges) == []


def test_persistent_conflict_is_reported_once_however_often_it_is_tried(store: Database) -> None:
    failed = FailedDocuments(store, "failed:test")
    store.put("d", {"n": 1})
    script = begun(store, pull=False, continuous=True, failed=failed)
    proposed(script, CONFLICT)
    for _ in range(10):
        script.rest(1.01 * limits.RETRY_CONFLICT)
        proposed(script, CONFLICT)
        assert script.taken(Rev) == []
        assert behind(script) == 1
    assert failures(script) == [("d", 409)]
    assert script.peer.ledger.progress.failed == 1
    assert [each.id for each in failed] == ["d"]


def test_conflict_that_becomes_another_failure_is_reported_again(store: Database) -> None:
    script = stuck(store)
    script.rest(1.1 * limits.RETRY_CONFLICT)
    proposed(script, ProposalAnswer(403))
    assert failures(script) == [("d", 409), ("d", 403)]
    assert behind(script) == 0  # the document has been refused permanently
    script.rest(3 * limits.RETRY_CONFLICT)
    assert script.taken(ProposeChanges) == []


def test_every_form_of_proposal_is_tried_again_when_a_conflict_is_retried(store: Database) -> None:
    """The document is proposed with its parent and then without. Each retry begins with the parent again."""
    first = store.put("d", {"n": 1})
    second = store.put("d", {"n": 2}, parent=first)
    script = begun(store, pull=False, continuous=True)
    for _ in range(3):
        assert [item.parent for item in proposed(script, ProposalAnswer(409))] == [first]
        assert [item.parent for item in proposed(script, ProposalAnswer(409))] == [None]
        assert script.taken(ProposeChanges) == []
        script.rest(1.1 * limits.RETRY_CONFLICT)
    proposed(script, WANTED)
    assert script.take(Rev)[0].revision == second


def test_edit_replaces_the_waiting_conflict(store: Database) -> None:
    first = store.put("d", {"n": 1})
    script = begun(store, pull=False, continuous=True)
    proposed(script, CONFLICT)
    second = store.put("d", {"n": 2}, parent=first)
    script.peer.wake()
    script.pump()
    assert [item.revision for item in proposed(script, WANTED)] == [second]
    script.answer(script.take(Rev)[1])
    assert behind(script) == 0
    script.rest(3 * limits.RETRY_CONFLICT)
    assert script.taken(ProposeChanges) == []
    assert not script.peer.is_pending(1)  # type: ignore[attr-defined]


def test_conflicting_revision_is_requested_again_when_a_conflict_is_retried(store: Database) -> None:
    store.insert("d", "30-aa", ["29-aa"], {"n": 30})
    script = begun(store, continuous=True)
    caught_up(script)
    proposed(script, CONFLICT)
    script.rest(2 * limits.FEED_PATIENCE)
    script.refuse(script.take(GetRev)[1], 404)
    assert failures(script) == [("d", 409)]
    script.rest(1.1 * limits.RETRY_CONFLICT)
    proposed(script, CONFLICT)
    script.rest(2 * limits.FEED_PATIENCE)
    script.answer(script.take(GetRev)[1], GetRevReply("1-ff", b'{"n":1}').encode())
    proposed(script, CONFLICT)
    proposed(script, WANTED)
    script.answer(script.take(Rev)[1])
    assert failures(script) == [("d", 409)]
    assert behind(script) == 0


def test_document_purged_meanwhile_is_settled(store: Database) -> None:
    script = stuck(store)
    store.purge(["d"])
    script.rest(2 * limits.RETRY_CONFLICT)
    assert script.taken(ProposeChanges) == []
    assert behind(script) == 0


def test_numerous_conflicts_are_proposed_again_in_lists(store: Database) -> None:
    with store.transaction():
        for number in range(500):
            store.put(f"d-{number:03}", {})
    script = begun(store, pull=False, continuous=True)
    for _ in range(20):
        for message, event in script.taken(ProposeChanges):
            script.answer(event, ProposeChangesReply((CONFLICT,) * len(message.proposals)).encode())
    assert behind(script) == 500
    script.rest(1.1 * limits.RETRY_CONFLICT)
    sizes = [len(message.proposals) for message, _ in script.taken(ProposeChanges)]
    assert sizes == [limits.BATCH, limits.BATCH, 100]


def test_replication_that_is_not_continuous_leaves_a_conflict_to_the_next_one(store: Database) -> None:
    store.put("d", {})
    store.put("e", {})
    script = begun(store, pull=False)
    event = script.take(ProposeChanges)[1]
    script.answer(event, ProposeChangesReply((CONFLICT, WANTED)).encode())
    script.rest(3 * limits.RETRY_CONFLICT)  # a continuous replication would have retried by now
    assert script.taken(ProposeChanges) == []
    assert not script.is_over


def test_numerous_conflicts_are_settled_a_few_lists_at_a_time(store: Database) -> None:
    """Logboat's passive peer closes a connection on which too many messages wait for answers."""
    names = [f"d-{number:03}" for number in range(1000)]
    with store.transaction():
        for name in names:
            store.put(name, {}, parent=store.put(name, {"n": 1}))
    script = begun(store, pull=False, continuous=True)
    proposals = dict.fromkeys(names, 0)
    for round_ in range(2):
        for _ in range(200):
            lists = script.taken(ProposeChanges)
            assert len(lists) <= limits.LISTS_AWAITING
            for message, event in lists:
                for item in message.proposals:
                    proposals[item.id] += 1
                # The peer has neither the parent nor another revision, so each is proposed once more, without
                # a parent.
                script.answer(
                    event, ProposeChangesReply((ProposalAnswer(409),) * len(message.proposals)).encode()
                )
        assert set(proposals.values()) == {2 * (round_ + 1)}
        assert behind(script) == 1000
        script.clock.now += 1.1 * limits.RETRY_CONFLICT
        script.pump()


# A peer with a different revision each time


def test_retries_end_although_the_peer_names_another_revision_each_time(store: Database) -> None:
    """A single-writer document may replace any older revision, so the number of retries must be limited."""
    name = "equipment:argo:bilge"
    store.insert(name, "90-aa", ["89-aa"], {"n": 90})
    script = begun(store, pull=False)
    answered = 0
    for number in range(60):
        lists = script.taken(ProposeChanges)
        for _, event in lists:
            answered += 1
            script.answer(event, ProposeChangesReply((ProposalAnswer(409, f"{number + 1}-ff"),)).encode())
        if not lists:
            break
    assert answered <= limits.WAYS_MOST + 2
    assert failures(script) == [(name, 409)]


# Waiting for a pull that does not continue


def waiting(store: Database) -> Script:
    """Return a scripted peer that has rejected `d` because of a revision that is still to be pulled."""
    store.insert("d", "30-aa", ["29-aa"], {"n": 30})
    script = active(store, continuous=True)
    script.refuse(script.take(GetCheckpoint)[1], 404)
    proposed(script, CONFLICT)
    assert problems(script) == []
    return script


def test_conflict_that_waits_for_a_refused_pull_is_reported(store: Database) -> None:
    script = waiting(store)
    script.refuse(script.take(SubChanges)[1], 403, "nothing for you")
    assert failures(script) == [("d", 409)]
    assert "nothing for you" in str(problems(script)[0].problem)
    assert script.peer.must_be_repeated == 1  # type: ignore[attr-defined]
    assert behind(script) == 1
    assert not script.is_over
    script.rest(1.1 * limits.RETRY_CONFLICT)
    assert [item.id for item in proposed(script, WANTED)] == ["d"]


def test_conflict_that_waits_for_the_pull_is_reported_when_a_list_is_refused(store: Database) -> None:
    script = waiting(store)
    script.answer(script.take(SubChanges)[1])
    store.put("e", {})
    script.peer.wake()
    script.pump()
    script.refuse(script.take(ProposeChanges)[1], 403, "read-only")
    assert failures(script) == [("d", 409)]
    assert "read-only" in str(problems(script)[-1].problem)
    assert {ended.id for ended in problems(script)} == {"d", "e"}
    assert script.peer.must_be_repeated == 2  # type: ignore[attr-defined]
    assert not script.is_over
    script.rest(3 * limits.RETRY_CONFLICT)
    assert script.taken(ProposeChanges) == []


def test_conflict_whose_revision_was_requested_is_reported_when_a_list_is_refused(store: Database) -> None:
    script = waiting(store)
    script.answer(script.take(SubChanges)[1])
    caught_up(script)
    script.rest(2 * limits.FEED_PATIENCE)
    _, question = script.take(GetRev)
    store.put("e", {})
    script.peer.wake()
    script.pump()
    script.refuse(script.take(ProposeChanges)[1], 403, "read-only")
    script.answer(question, GetRevReply("1-ff", b'{"n":1}').encode())
    assert ("d", 409) in failures(script)
    assert script.taken(ProposeChanges) == []
    assert script.peer.must_be_repeated == 2  # type: ignore[attr-defined]


def test_requested_revisions_not_yet_sent_are_reported_when_a_list_is_refused(store: Database) -> None:
    with store.transaction():
        for number in range(limits.MESSAGES_QUEUED + 200):
            store.put(f"d-{number:03}", {"text": "x" * 50_000})
    script = begun(store, continuous=True)
    lists = script.taken(ProposeChanges)
    for message, event in lists[:-1]:
        script.answer(event, ProposeChangesReply((WANTED,) * len(message.proposals)).encode())
    script.refuse(lists[-1][1], 403, "read-only")
    sent = {rev.id for rev, _ in script.taken(Rev)}
    told = {ended.id for ended in problems(script)}
    assert sent
    assert sent.isdisjoint(told)
    assert len(sent) + len(told) == store.count()
    assert script.peer.must_be_repeated == len(told)  # type: ignore[attr-defined]


def test_waiting_conflicts_are_bounded_and_further_ones_are_reported(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "QUESTIONS_WAITING", 5)
    with store.transaction():
        for number in range(8):
            store.put(f"d{number}", {})
    script = begun(store, continuous=True)
    event = script.take(ProposeChanges)[1]
    script.answer(event, ProposeChangesReply((CONFLICT,) * 8).encode())
    assert failures(script) == [(f"d{number}", 409) for number in (5, 6, 7)]
    assert script.peer.must_be_repeated == 3  # type: ignore[attr-defined]


# A peer on an outdated branch


def test_conflict_with_a_peer_on_an_outdated_branch_is_reported_once(store: Database) -> None:
    store.insert("d", "1-aa", [], b"{}", allow_conflict=True)
    store.insert("d", "3-ee", ["2-ee", "1-aa"], b'{"n":3}', allow_conflict=True)
    store.insert("d", "2-bb", ["1-aa"], b'{"n":2}', allow_conflict=True)
    from sync.peer import conflicts

    conflicts.resolve(store, "d")
    script = begun(store, continuous=True)
    proposed(script, ProposalAnswer(304))
    proposals = 0
    for number in range(10):
        reply = script.ask(Changes((AnnouncedChange(str(number), "d", "2-bb"),)).encode())
        assert not isinstance(reply, ErrorReceived)
        for _, event in script.taken(ProposeChanges):
            proposals += 1
            script.answer(event, ProposeChangesReply((ProposalAnswer(304),)).encode())
    assert proposals == 1
