"""A revision that several peers offer is requested from one of them. A silent peer delays it only briefly."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.blip import ErrorReceived, ResponseReceived
from sync.peer import limits, pull_dedup
from sync.peer.pull_dedup import CLAIMS_MOST, LONGEST, PATIENCE, SLOWEST, AnswerTurn, Claims
from sync.peer.session import Session
from sync.replication.messages import (
    DEFAULT,
    AnnouncedChange,
    Changes,
    ChangesReply,
    DeliveryTerms,
    NoRev,
    Proposal,
    ProposalAnswer,
    ProposeChanges,
    ProposeChangesReply,
    Rev,
)
from sync.store import Database

from .rig import Clock, open_database
from .script import Script, begun, passive

ALARM = "alarm:argo:bilge:abcdef:000000000007"
ASKED = [0]
KNOWN = [304]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    database.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Pusher:
    """Scripted vessel that proposes documents to the peer under test."""

    def __init__(self, store: Database, clock: Clock) -> None:
        self.script = passive(store, clock=clock)
        self.nudges = 0
        self.script.peer.session.nudge = self._nudged

    def _nudged(self) -> None:
        self.nudges += 1

    def offer(self, *revisions: tuple[str, str]) -> int:
        items = tuple(Proposal(document_id, revision) for document_id, revision in revisions)
        number = self.script.post(ProposeChanges(items).encode())
        self.script.pump()
        return number

    def send(self, document_id: str, revision: str, body: bytes = b"{}") -> None:
        self.script.post(Rev(document_id, revision, body).encode())
        self.script.pump()

    def verdicts(self, number: int, asked: int = 1) -> list[int] | None:
        """Return the statuses in the reply to the proposal `number`, or None if there is no reply yet."""
        self.script.pump()
        reply = self.script.replies.get(number)
        if reply is None:
            return None
        assert isinstance(reply, ResponseReceived), reply
        return [
            verdict.status for verdict in ProposeChangesReply.decode(reply, DEFAULT, asked=asked).verdicts
        ]


def tell(script: Script, *changes: AnnouncedChange) -> int:
    """Announce changes to the peer under test, which has subscribed, and return the request's number."""
    number = script.post(Changes(changes).encode())
    script.pump()
    return number


def answers(script: Script, number: int, asked: int = 1) -> list[object] | None:
    script.pump()
    reply = script.replies.get(number)
    assert not isinstance(reply, ErrorReceived), reply
    return None if reply is None else list(ChangesReply.decode(reply, DEFAULT, asked=asked).answers)


def until_answered(pusher: Pusher, number: int, clock: Clock) -> float:
    """Advance the clock until a proposal is answered, and return the elapsed simulated time in seconds."""
    began = clock.now
    while pusher.verdicts(number) is None:
        due = pusher.script.peer.deadline
        assert due is not None
        clock.now = max(clock.now, due)
    return clock.now - began


def test_second_peer_is_answered_after_the_first_has_sent_the_revision(store: Database, clock: Clock) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    assert first.verdicts(first.offer((ALARM, "1-a"))) == ASKED
    waiting = second.offer((ALARM, "1-a"))
    assert second.verdicts(waiting) is None
    first.send(ALARM, "1-a")
    assert second.nudges == 1
    assert second.verdicts(waiting) == KNOWN


def test_same_applies_to_peers_that_we_have_subscribed_to(store: Database, clock: Clock) -> None:
    first, second = begun(store, clock=clock, push=False), begun(store, clock=clock, push=False)
    change = AnnouncedChange("1", ALARM, "1-a")
    assert answers(first, tell(first, change)) == [()]
    waiting = tell(second, change)
    assert answers(second, waiting) is None
    first.post(Rev(ALARM, "1-a", b"{}", "1").encode())
    first.pump()
    assert answers(second, waiting) == [0]
    assert second.peer.receiver is not None
    assert second.peer.receiver.is_idle


def test_lists_are_answered_in_order_so_that_no_feed_advances_past_missing_revisions(
    store: Database, clock: Clock
) -> None:
    first, second = Pusher(store, clock), begun(store, clock=clock, push=False)
    first.offer((ALARM, "1-a"))
    waiting, later = (
        tell(second, AnnouncedChange("1", ALARM, "1-a")),
        tell(second, AnnouncedChange("2", "other", "1-b")),
    )
    assert answers(second, waiting) is answers(second, later) is None
    first.send(ALARM, "1-a")
    assert answers(second, waiting) == [0]
    assert answers(second, later) == [()]


def test_silent_peer_delays_another_for_one_second(store: Database, clock: Clock) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    first.offer((ALARM, "1-a"))
    waiting = second.offer((ALARM, "1-a"))
    assert until_answered(second, waiting, clock) == pytest.approx(PATIENCE) == 1.0
    assert second.verdicts(waiting) == ASKED
    third = Pusher(store, clock)
    assert third.verdicts(third.offer((ALARM, "1-a"))) is None, "now it is the second that is waited for"


def test_peer_that_keeps_sending_other_data_delays_another_for_ten_seconds(
    store: Database, clock: Clock
) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    first.offer((ALARM, "1-a"))
    waiting = second.offer((ALARM, "1-a"))
    began = clock.now
    while second.verdicts(waiting) is None:
        first.script.peer.session.received += SLOWEST
        clock.now += 0.5
        assert clock.now < began + 20
    assert LONGEST == 10.0
    assert clock.now - began == pytest.approx(LONGEST, abs=0.5)


def test_peer_on_a_slow_link_is_awaited_while_it_sends(store: Database, clock: Clock) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    offered = [(f"reading:argo:rpm:abcdef:{number:012}", "1-a") for number in range(20)]
    first.offer(*offered)
    waiting = second.offer(*offered)
    rng = random.Random(1)
    for document_id, revision in offered:
        clock.now += 0.3
        assert second.verdicts(waiting, 20) is None
        first.send(document_id, revision, b'{"samples":"%s"}' % rng.randbytes(8_000).hex().encode())
    clock.now += limits.COMMIT_AFTER
    first.script.pump()
    assert second.verdicts(waiting, 20) == KNOWN * 20


@pytest.mark.parametrize("how", ["ends", "has none", "is refused"])
def test_second_peer_is_asked_at_once_when_the_first_will_not_send_the_revision(
    store: Database, clock: Clock, how: str
) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    first.offer((ALARM, "1-a"))
    waiting = second.offer((ALARM, "1-a"))
    if how == "ends":
        first.script.peer.session.end()
    elif how == "has none":
        first.script.post(NoRev(ALARM, "1-a").encode())
        first.script.pump()
    else:
        first.send(ALARM, "1-a", b"[]")
    assert second.nudges == 1
    assert second.verdicts(waiting) == ASKED
    assert len(pull_dedup.claims_of(store)) == 1


def test_pusher_reports_a_revision_that_it_will_not_send(store: Database, clock: Clock) -> None:
    pusher = begun(store, clock=clock, pull=False, continuous=True)
    first = store.put("equipment:argo:rpm", {"value": 1})
    pusher.peer.wake()
    pusher.pump()
    _, event = pusher.take(ProposeChanges)
    store.put("equipment:argo:rpm", {"value": 2}, parent=first)
    pusher.answer(event, ProposeChangesReply((ProposalAnswer(0),), DeliveryTerms()).encode())
    said, _ = pusher.take(NoRev)
    assert (said.id, said.revision) == ("equipment:argo:rpm", first)


def test_waiting_session_that_has_ended_is_not_notified(store: Database, clock: Clock) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    first.offer((ALARM, "1-a"))
    second.offer((ALARM, "1-a"))
    second.script.peer.session.end()
    first.send(ALARM, "1-a")
    assert second.nudges == 0
    first.script.peer.session.end()
    assert len(pull_dedup.claims_of(store)) == 0


def test_two_peers_that_wait_for_each_other_both_continue(store: Database, clock: Clock) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    first.offer(("a", "1-a"))
    second.offer(("b", "1-b"))
    waiting = [first.offer(("b", "1-b")), second.offer(("a", "1-a"))]
    assert [first.verdicts(waiting[0]), second.verdicts(waiting[1])] == [None, None]
    first.send("a", "1-a")
    second.send("b", "1-b")
    assert [first.verdicts(waiting[0]), second.verdicts(waiting[1])] == [KNOWN, KNOWN]


def test_peer_that_keeps_proposing_while_it_waits_is_refused(store: Database, clock: Clock) -> None:
    first, second = Pusher(store, clock), Pusher(store, clock)
    first.offer((ALARM, "1-a"))
    for _ in range(limits.LISTS_UNANSWERED):
        second.offer((ALARM, "1-a"))
    refused = second.script.replies[second.offer((ALARM, "1-a"))]
    assert isinstance(refused, ErrorReceived)
    assert refused.code == 429


def test_claims_are_bounded_and_expire(clock: Clock) -> None:
    kept, session, other = Claims(), Session(clock=clock), Session(clock=clock)
    turn, others = AnswerTurn(kept, session), AnswerTurn(kept, other)
    for number in range(2 * CLAIMS_MOST):
        assert turn.try_claim([(str(number), "1-a")])
    assert len(kept) == CLAIMS_MOST
    assert not others.try_claim([("0", "1-a")])
    clock.now += LONGEST
    assert turn.try_claim([("new", "1-a")])
    assert len(kept) == 1
    session.end()
    assert len(kept) == 0
