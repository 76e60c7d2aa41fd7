"""A subscriber is notified when a deletion or an edit removes a document from the subscriber's channels."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from sync.peer import limits
from sync.peer.selection import Selection
from sync.replication.messages import (
    AnnouncedChange,
    Changes,
    ChangesReply,
    DeliveryTerms,
    NoRev,
    Rev,
    SubChanges,
)
from sync.store import Database

from .rig import Wire, assert_same, contents, databases, open_database, replicate
from .script import Script, passive

NOTES = frozenset({"notes"})
REMOVED = 4
DELETED = 1


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    with databases(tmp_path) as (ours, theirs):
        yield ours, theirs


def pull(ours: Database, theirs: Database, *, within: frozenset[str] = frozenset(), **active: Any) -> Wire:
    return replicate(
        ours,
        theirs,
        active={"push": False, "channels": NOTES, **active},
        passive={"readable": Selection(within=within)},
    )


def edit(database: Database, name: str, **body: Any) -> str:
    found = database.get(name)
    return database.put(name, body, parent=None if found is None or found.deleted else found.rev)


def delete(database: Database, name: str) -> None:
    found = database.get(name)
    assert found is not None
    database.delete(name, parent=found.rev)


def told(script: Script) -> list[tuple[str, int]]:
    """Return the announced changes as (document id, flags). Answer that no revision is wanted."""
    found: list[AnnouncedChange] = []
    while lists := script.taken(Changes):
        for message, event in lists:
            found += message.changes
            if message.changes:
                script.answer(event, ChangesReply((0,) * len(message.changes)).encode())
    return [(change.id, change.gone) for change in found]


def subscribed(theirs: Database, *, options: dict[str, Any] | None = None, **what: Any) -> Script:
    script = passive(theirs, **(options or {}))
    script.ask(SubChanges(**{"channels": ("notes",), "revocations": True, **what}).encode())
    return script


# Edits late in a long feed


def test_reader_is_told_of_a_removal_although_many_changes_and_another_edit_follow(
    stores: tuple[Database, Database],
) -> None:
    _, theirs = stores
    edit(theirs, "n1", channels=["notes"])
    since = str(theirs.last_sequence)
    edit(theirs, "n1", channels=["galley"])
    for number in range(2 * limits.BATCH):
        edit(theirs, f"other{number}", channels=["galley"])
    edit(theirs, "n1", channels=["galley"], text="longer")
    assert told(subscribed(theirs, since=since)) == [("n1", REMOVED)]


# Stores of an older Logboat


class ReadOnlyFiles(apsw.VFS):
    """SQLite VFS that opens databases read-only, as on a read-only SD card."""

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            flags[0] &= ~(apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE)
            flags[0] |= apsw.SQLITE_OPEN_READONLY
        return apsw.VFSFile("", name, flags)


def test_read_only_store_without_recorded_removals_serves_the_readers_of_a_channel(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with open_database(path) as store:
        edit(store, "n1", channels=["notes"])
        edit(store, "cook", channels=["galley"])
        edit(store, "deleted", channels=["galley"])
        delete(store, "deleted")
    connection = apsw.Connection(str(path))
    connection.execute("DROP TABLE departures")
    files = ReadOnlyFiles("departures-read-only", "")
    with Database.open(path, vfs="departures-read-only") as theirs:
        assert theirs.departed("deleted") == {}
        assert ("n1", 0) in told(subscribed(theirs))
        script = subscribed(theirs, options={"readable": Selection(within=NOTES)})
        assert [name for name, _ in told(script)] == ["n1"]
        assert script.peer.session.problem is None
    connection.close()  # closed last, because SQLite writes to the database when its last connection closes
    files.unregister()


# Deletions


@pytest.mark.parametrize("within", [frozenset(), NOTES], ids=["sees everything", "sees some channels"])
def test_deletion_is_sent_to_readers_of_the_documents_channels(
    stores: tuple[Database, Database], within: frozenset[str]
) -> None:
    ours, theirs = stores
    edit(theirs, "n1", channels=["notes"])
    edit(theirs, "hull", channels="notes")
    pull(ours, theirs, within=within)
    delete(theirs, "n1")
    delete(theirs, "hull")
    pull(ours, theirs, within=within)
    assert_same(ours, theirs)


def test_deletion_is_announced_in_a_form_that_every_peer_accepts(stores: tuple[Database, Database]) -> None:
    _, theirs = stores
    edit(theirs, "n1", channels=["notes"])
    since = str(theirs.last_sequence)
    delete(theirs, "n1")
    for revocations in (True, False):
        assert told(subscribed(theirs, since=since, revocations=revocations)) == [("n1", DELETED)]


@pytest.mark.parametrize("within", [frozenset(), NOTES], ids=["sees everything", "sees some channels"])
def test_deletion_of_a_document_never_in_the_readers_channels_is_not_announced(
    stores: tuple[Database, Database], within: frozenset[str]
) -> None:
    ours, theirs = stores
    edit(theirs, "cook", channels=["galley"])
    edit(theirs, "plain")
    delete(theirs, "cook")
    delete(theirs, "plain")
    pull(ours, theirs, within=within)
    assert contents(ours) == {}


def test_deletion_long_after_a_removal_still_reaches_former_readers(
    stores: tuple[Database, Database],
) -> None:
    ours, theirs = stores
    edit(theirs, "n1", channels=["notes"])
    pull(ours, theirs)
    edit(theirs, "n1", channels=["galley"])
    pull(ours, theirs)
    delete(theirs, "n1")
    pull(ours, theirs)
    assert_same(ours, theirs)


def test_deletion_forwarded_by_another_vessel_reaches_a_reader_of_all_channels(tmp_path: Path) -> None:
    with databases(tmp_path, "reader", "author", "relay") as (reader, author, relay):
        edit(author, "n1", channels=["notes"])
        pull(reader, author)
        delete(author, "n1")
        replicate(relay, author)
        pull(reader, relay, within=frozenset({"crew"}))
        assert contents(reader)["n1"][1] is False
        pull(reader, relay)
        assert_same(reader, author, relay)


def test_deletion_that_a_peer_pushed_reaches_the_readers(tmp_path: Path) -> None:
    with databases(tmp_path, "reader", "author", "hub") as (reader, author, hub):
        edit(author, "n1", channels=["notes"])
        replicate(author, hub)
        pull(reader, hub)
        delete(author, "n1")
        replicate(author, hub)
        pull(reader, hub, within=NOTES)
        assert_same(reader, author, hub)


def test_first_pull_of_live_documents_only_receives_later_deletions(
    stores: tuple[Database, Database],
) -> None:
    _, theirs = stores
    for name in ("n1", "n2", "n3"):
        edit(theirs, name, channels=["notes"])
    delete(theirs, "n1")
    edit(theirs, "n3", channels=["galley"])
    for channels in (("notes",), ()):
        script = subscribed(theirs, channels=channels, continuous=True, active_only=True)
        assert sorted(told(script)) == [("n2", 0), *([] if channels else [("n3", 0)])]
        delete(theirs, "n2")
        script.peer.wake()
        script.rest()
        assert told(script) == [("n2", DELETED)]
        script.peer.session.end()
        edit(theirs, "n2", channels=["notes"])


# Edits


@pytest.mark.parametrize("within", [frozenset(), NOTES], ids=["sees everything", "sees some channels"])
def test_document_that_leaves_the_channels_is_purged_where_configured(
    stores: tuple[Database, Database], within: frozenset[str]
) -> None:
    ours, theirs = stores
    for name in ("n1", "n2"):
        edit(theirs, name, channels=["notes"])
    pull(ours, theirs, within=within, purges_removed=True)
    edit(theirs, "n1", channels=["galley"], secret=True)
    edit(theirs, "n2", channels=["notes"], text="stays")
    pull(ours, theirs, within=within, purges_removed=True)
    assert contents(ours).keys() == {"n2"}
    edit(theirs, "n1", channels=["notes"], text="back")
    pull(ours, theirs, within=within, purges_removed=True)
    assert_same(ours, theirs)


def test_document_that_leaves_the_channels_is_kept_and_reported_where_nothing_is_purged(
    stores: tuple[Database, Database],
) -> None:
    ours, theirs = stores
    held = edit(theirs, "n1", channels=["notes"])
    pull(ours, theirs)
    edit(theirs, "n1", channels=["galley"])
    wire = pull(ours, theirs)
    assert [(ended.id, ended.access_removed) for ended in wire.told] == [("n1", True)]
    assert contents(ours)["n1"][0] == held


def test_removal_is_announced_once_without_a_body_and_only_on_request(
    stores: tuple[Database, Database],
) -> None:
    _, theirs = stores
    edit(theirs, "n1", channels=["notes"])
    since = str(theirs.last_sequence)
    edit(theirs, "n1", channels=["galley"])
    assert told(subscribed(theirs, since=since)) == [("n1", REMOVED)]
    assert told(subscribed(theirs, since=since, revocations=False)) == []
    since = str(theirs.last_sequence)
    edit(theirs, "n1", channels=["galley"], text="again")
    assert told(subscribed(theirs, since=since)) == []


def test_removal_is_announced_during_a_subscription_even_to_the_peer_that_made_the_edit(
    stores: tuple[Database, Database],
) -> None:
    _, theirs = stores
    first = edit(theirs, "n1", channels=["notes"])
    script = subscribed(theirs, continuous=True)
    assert told(script) == [("n1", 0)]
    script.push("n1", "2-a", b'{"channels":["galley"]}', history=(first,))
    script.peer.wake()
    script.rest()
    assert told(script) == [("n1", REMOVED)]


def test_move_between_two_channels_of_one_reader_is_not_a_removal(stores: tuple[Database, Database]) -> None:
    _, theirs = stores
    edit(theirs, "n1", channels=["notes", "deck"])
    since = str(theirs.last_sequence)
    edit(theirs, "n1", channels=["deck"])
    assert told(subscribed(theirs, since=since, channels=("notes", "deck"))) == [("n1", 0)]


def test_removal_from_a_readers_permitted_channels_is_announced(stores: tuple[Database, Database]) -> None:
    _, theirs = stores
    edit(theirs, "n1", channels=["notes", "crew"])
    since = str(theirs.last_sequence)
    edit(theirs, "n1", channels=["notes"])
    for may_see, hears in ((frozenset({"crew"}), [("n1", REMOVED)]), (frozenset({"guests"}), [])):
        for channels in (("notes",), ()):
            script = subscribed(
                theirs, options={"readable": Selection(within=may_see)}, since=since, channels=channels
            )
            assert told(script) == hears


def test_reader_that_requests_a_removed_document_gets_no_body(stores: tuple[Database, Database]) -> None:
    _, theirs = stores
    edit(theirs, "n1", channels=["notes"])
    edit(theirs, "n1", channels=["galley"], secret=True)
    script = subscribed(theirs)
    message, event = script.take(Changes)
    assert [(change.id, change.gone) for change in message.changes] == [("n1", REMOVED)]
    script.answer(event, ChangesReply(((),), DeliveryTerms(blobs=True, send_replacements=True)).encode())
    script.rest()
    assert script.taken(Rev) == []
    assert script.take(NoRev)[0].id == "n1"


def test_purged_document_leaves_no_trace_of_its_channels(stores: tuple[Database, Database]) -> None:
    _, theirs = stores
    edit(theirs, "n1", channels=["notes"])
    edit(theirs, "n1", channels=["galley"])
    assert theirs.departed("n1") == {"notes": theirs.last_sequence}
    theirs.purge(["n1"])
    assert theirs.departed("n1") == {}
    edit(theirs, "n1", channels=["galley"])
    assert told(subscribed(theirs)) == []
