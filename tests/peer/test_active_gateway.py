"""Answers of Logboat's passive peer to a Sync Gateway that is the active peer, message by message.

The gateway sends `changes` messages with the flag `Changes.insists` to push and to pull. It disconnects after
the empty `changes` message that marks the end of the changes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.blip import ResponseReceived
from sync.replication.messages import (
    DEFAULT,
    NOT_WANTED,
    AnnouncedChange,
    Changes,
    ChangesReply,
    Rev,
    SubChanges,
)
from sync.store import Database

from .rig import open_database
from .script import Script, assert_sound, passive


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    database = open_database(tmp_path / "store.db")
    yield database
    assert_sound(database)
    database.close()


def offer(script: Script, *changes: AnnouncedChange) -> list[tuple[str, ...] | int]:
    reply = script.ask(Changes(changes, insists=True).encode())
    assert isinstance(reply, ResponseReceived), reply
    return list(ChangesReply.decode(reply, DEFAULT, asked=len(changes)).answers)


def test_missing_revisions_are_requested_from_changes_that_insist(store: Database) -> None:
    known = store.put("d", {"n": 1})
    script = passive(store)
    assert offer(
        script,
        AnnouncedChange("1", "d", known),
        AnnouncedChange("2", "d", "2-x"),
        AnnouncedChange("3", "new", "1-a"),
    ) == [
        NOT_WANTED,
        (known,),
        (),
    ]
    pushed = script.push("d", "2-x", b'{"n":2}', history=(known,), no_conflicts=True)
    assert isinstance(pushed, ResponseReceived)
    assert store.get("d").rev == "2-x"  # type: ignore[union-attr]


def test_conflicting_revision_is_requested_and_then_refused(store: Database) -> None:
    first = store.put("d", {"n": 1})
    second = store.put("d", {"n": 2}, parent=first)
    script = passive(store)
    assert offer(script, AnnouncedChange("1", "d", "2-x")) == [(first,)]
    assert script.refusal(Rev("d", "2-x", b"{}", history=(first,), no_conflicts=True).encode()) == (
        "HTTP",
        409,
    )
    assert store.get("d").rev == second  # type: ignore[union-attr]


def test_reader_that_may_not_write_may_not_offer(store: Database) -> None:
    script = passive(store, read_only=True)
    assert script.refusal(Changes((AnnouncedChange("1", "d", "1-a"),), insists=True).encode()) == (
        "HTTP",
        403,
    )


def test_pulling_gateway_is_sent_changes_that_insist(store: Database) -> None:
    store.put("d", {})
    script = passive(store)
    script.ask(SubChanges(is_gateway=True).encode())
    assert [message.insists for message, _ in script.taken(Changes)] == [True]
    script = passive(store)
    script.ask(SubChanges().encode())
    assert [message.insists for message, _ in script.taken(Changes)] == [False, False]


def test_gateway_is_sent_the_final_empty_list_only_after_answering_all_lists(store: Database) -> None:
    for number in range(3):
        store.put(f"d{number}", {})
    script = passive(store)
    script.ask(SubChanges(batch=2, is_gateway=True).encode())
    lists = script.taken(Changes)
    assert [len(message.changes) for message, _ in lists] == [2, 1]
    script.answer(lists[1][1], ChangesReply(()).encode())
    assert script.taken(Changes) == []
    script.answer(lists[0][1], ChangesReply(((), ())).encode())
    assert [message.changes for message, _ in script.taken(Changes)] == [()]
