"""A revision is not announced to a peer that sent or offered it, but the peer's checkpoint advances."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.blip import RequestReceived
from sync.peer import limits
from sync.peer.echo_suppression import EchoSuppression
from sync.replication.messages import Changes, Proposal, ProposeChanges, Rev, SubChanges
from sync.store import Database

from .rig import open_database
from .script import Script, passive


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    database.close()


@pytest.fixture
def script(store: Database) -> Script:
    """Return a scripted subscriber that has received an empty `changes` message."""
    script = passive(store)
    script.ask(SubChanges(continuous=True).encode())
    assert told(script) == []
    return script


def told(script: Script) -> list[str]:
    """Return the ids of the documents that the peer under test has announced since the last call."""
    found: list[tuple[Changes, RequestReceived]] = script.taken(Changes)
    for message, event in found:
        if event.no_reply:
            continue
        script.answer(event, body=b"[%s]" % b",".join([b"0"] * len(message.changes)))
    return [change.id for message, _ in found for change in message.changes]


def changed(script: Script) -> list[str]:
    """Wake the peer under test, and return the ids of the documents that it announces at once."""
    script.peer.wake()
    script.pump()
    return told(script)


def offer(script: Script, document_id: str, revision: str) -> None:
    script.post(ProposeChanges((Proposal(document_id, revision),)).encode())
    script.pump()


def test_revision_is_not_announced_to_a_peer_that_has_offered_it(store: Database, script: Script) -> None:
    offer(script, "a", store.put("a", {}))
    store.put("b", {})
    assert changed(script) == ["b"]


def test_sender_of_a_revision_is_told_its_sequence_later_and_once(store: Database, script: Script) -> None:
    for document_id in ("a", "b"):
        offer(script, document_id, "1-a")
        script.post(Rev(document_id, "1-a", b"{}").encode())
        script.pump()
        assert changed(script) == []
    script.rest(limits.CHECKPOINT_EVERY - 1)
    assert told(script) == []
    script.rest(limits.CHECKPOINT_EVERY)
    assert told(script) == ["b"]
    script.rest(60.0)
    assert told(script) == []
    assert store.count() == 2


def test_sequence_is_not_announced_separately_when_a_change_follows(store: Database, script: Script) -> None:
    offer(script, "a", store.put("a", {}))
    assert changed(script) == []
    store.put("b", {})
    assert changed(script) == ["b"]
    script.rest(60.0)
    assert told(script) == []


def test_document_changed_since_it_was_offered_is_announced(store: Database, script: Script) -> None:
    first = store.put("a", {})
    offer(script, "a", first)
    store.put("a", {"more": 1}, parent=first)
    assert changed(script) == ["a"]


def test_offers_already_announced_are_not_remembered() -> None:
    echo = EchoSuppression()
    echo.read_through(7, is_all=True)
    echo.note_offered([("a", "1-a")], 7)
    assert not echo
    echo.note_offered([("a", "1-a")], 8)
    assert echo.take("a") == "1-a"
    assert echo.take("a") is None


def test_memory_of_offers_is_bounded() -> None:
    echo = EchoSuppression()
    for number in range(20_000):
        echo.note_offered([(str(number), "1-a")], 1)
    assert echo.take("19999") is None
    assert echo.take("0") == "1-a"
    echo.note("b", "1-b")
    echo.read_through(1, is_all=True)
    assert not echo


def test_memory_of_received_revisions_is_bounded() -> None:
    echo = EchoSuppression()
    for number in range(20_000):
        echo.note(str(number), "1-a")
    echo.note("0", "2-b")
    assert echo.take("19999") is None
    assert echo.take("0") == "2-b"
