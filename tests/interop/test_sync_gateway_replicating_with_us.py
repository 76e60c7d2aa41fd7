"""Tests of a real Sync Gateway as the active peer of Logboat's listener, with and without collections.

Gateways can replicate with each other, so Sync Gateway is the second real active peer, besides Couchbase
Lite. Only Sync Gateway has collections (`getCollections`).
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.store import Database
from tests.interop.couchbase_lite.listening import ListenerThread
from tests.interop.sync_gateway.gateway import Gateway, GatewayDatabase, eventually

pytestmark = pytest.mark.timeout(600)  # the first test builds the gateway
NUMBERS = itertools.count()
DEFAULT = "_default._default"
AT_MOST = 5
CREDENTIALS = {"remote_username": "shore", "remote_password": "s3cret"}


@pytest.fixture
def ashore(gateway: Gateway) -> Iterator[GatewayDatabase]:
    database = gateway.database(
        f"shore{next(NUMBERS)}", unsupported={"sgr_tls_skip_verify": True}, guest={"disabled": True}
    )
    yield database
    gateway.drop(database)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "ours.db", policy=documents.POLICY) as database:
        yield database


@pytest.fixture
def listener(ours: Database) -> Iterator[ListenerThread]:
    with ListenerThread(ours, users={"shore": "s3cret"}) as listener:
        yield listener


@pytest.fixture(params=[False, True], ids=["no collections", "collections"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return the options for a replication that the gateway runs, with or without collections."""
    if request.param:
        return {**CREDENTIALS, "collections_enabled": True, "collections_local": [DEFAULT]}
    return CREDENTIALS


def pull(ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]) -> dict[str, Any]:
    return ashore.replicate(f"r{next(NUMBERS)}", listener.url, direction="pull", continuous=False, **options)


def push(ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]) -> dict[str, Any]:
    return ashore.replicate(f"r{next(NUMBERS)}", listener.url, direction="push", continuous=False, **options)


def replicate(ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]) -> None:
    """Let the gateway pull and then push, so that it resolves conflicts before it pushes."""
    for status in (pull(ashore, listener, options), push(ashore, listener, options)):
        assert status["status"] == "stopped", status


def settle(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    """Let the gateway replicate until both sides have the same documents.

    Repetitions may be necessary, because the gateway's changes feed does not immediately contain a document
    that the gateway has just stored.
    """
    for _ in range(AT_MOST):
        replicate(ashore, listener, options)
        if live(ours) == ashore.revisions():
            break
    assert live(ours) == ashore.revisions()
    assert ours.conflicts() == []


def change(database: Database, name: str, **body: Any) -> str:
    found = database.get(name)
    parent = None if found is None or found.deleted else found.rev
    return database.put(name, {"channels": ["notes"], **body}, parent=parent)


def change_ashore(ashore: GatewayDatabase, name: str, **body: Any) -> str:
    found = ashore.document(name)
    return ashore.put(
        name, {"channels": ["notes"], **body}, rev=None if found is None else str(found["_rev"])
    )


def body_ashore(ashore: GatewayDatabase, name: str) -> dict[str, Any] | None:
    found = ashore.document(name)
    if found is None or found.get("_deleted"):
        return None
    return {key: value for key, value in found.items() if not key.startswith("_")}


def live(database: Database) -> dict[str, str]:
    return {document.id: document.rev for document in database.documents() if not document.deleted}


def test_gateway_pushes_and_pulls(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    with ours.transaction():
        for number in range(450):
            change(ours, f"sea-{number}", n=number)
    for number in range(30):
        change_ashore(ashore, f"shore-{number}", n=number)
    settle(ours, ashore, listener, options)
    assert ours.count() == 480


def test_updates_and_deletions_are_replicated_in_both_directions(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    for number in range(4):
        change(ours, f"note-{number}", n=number)
    settle(ours, ashore, listener, options)
    change(ours, "note-0", n="changed at sea")
    ours.delete("note-1", parent=ours.get("note-1").rev)  # type: ignore[union-attr]
    change_ashore(ashore, "note-2", n="changed ashore")
    change_ashore(ashore, "note-2", n="changed ashore again")
    ashore.delete("note-3", rev=ashore.revisions()["note-3"])
    settle(ours, ashore, listener, options)
    assert body_ashore(ashore, "note-0") == {"channels": ["notes"], "n": "changed at sea"}
    assert body_ashore(ashore, "note-1") is None
    assert ours.get("note-2").body["n"] == "changed ashore again"  # type: ignore[union-attr]
    assert ours.get("note-3").deleted  # type: ignore[union-attr]


@pytest.mark.parametrize("number", range(3))
def test_conflict_is_refused_by_the_listener_and_resolved_by_the_gateway(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any], number: int
) -> None:
    change(ours, "note", n=number)
    settle(ours, ashore, listener, options)
    change(ours, "note", by="sea", n=number)
    change_ashore(ashore, "note", by="shore", n=number)
    refused = push(ashore, listener, options)
    assert refused["doc_write_conflict"] == 1
    assert ours.get("note").body["by"] == "sea"  # type: ignore[union-attr]
    settle(ours, ashore, listener, options)
    assert ours.get("note").body == body_ashore(ashore, "note")  # type: ignore[union-attr]


@pytest.mark.parametrize("deletes", ["sea", "shore"])
def test_conflict_of_a_deletion_and_an_edit_is_resolved_identically(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any], deletes: str
) -> None:
    rev = change(ours, "note", n=1)
    settle(ours, ashore, listener, options)
    if deletes == "sea":
        ours.delete("note", parent=rev)
        change_ashore(ashore, "note", n=2)
    else:
        ashore.delete("note", rev=rev)
        change(ours, "note", n=2)
    settle(ours, ashore, listener, options)
    found = ours.get("note")
    assert found is not None
    assert body_ashore(ashore, "note") == (None if found.deleted else found.body)


def test_blob_reaches_the_gateway_and_returns_with_an_edit(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    content = bytes(range(256)) * 40
    blob = {
        "@type": "blob",
        "digest": ours.blobs.put(content),
        "length": len(content),
        "content_type": "image/jpeg",
    }
    change(ours, "note", photo=blob)
    settle(ours, ashore, listener, options)
    assert ashore.attachment("note", "blob_/photo") == content
    found = ashore.document("note")
    assert found is not None
    attachments = {"_attachments": found["_attachments"]}
    change_ashore(ashore, "note", photo=blob, caption="the leak", **attachments)
    settle(ours, ashore, listener, options)
    assert ours.get("note").body == {"channels": ["notes"], "photo": blob, "caption": "the leak"}  # type: ignore[union-attr]


def test_continuous_replication_transfers_changes_and_resumes_from_its_checkpoint(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    def is_here(name: str) -> None:
        eventually(lambda: ours.get(name), lambda found: found is not None)

    def is_ashore(name: str) -> None:
        eventually(lambda: ashore.document(name), lambda found: found is not None)

    name = f"r{next(NUMBERS)}"
    for number in range(20):
        change(ours, f"sea-{number}", n=number)
    ashore.start_replication(name, listener.url, direction="pushAndPull", continuous=True, **options)
    is_ashore("sea-19")
    change(ours, "later-at-sea")
    is_ashore("later-at-sea")
    change_ashore(ashore, "later-ashore")
    is_here("later-ashore")
    ashore.set_replication(name, "stop")
    before = eventually(lambda: ashore.replication_status(name), lambda status: status["status"] == "stopped")
    change(ours, "last-at-sea")
    change_ashore(ashore, "last-ashore")
    ashore.set_replication(name, "start")
    is_ashore("last-at-sea")
    is_here("last-ashore")
    ashore.set_replication(name, "stop")
    after = eventually(lambda: ashore.replication_status(name), lambda status: status["status"] == "stopped")
    assert after["docs_checked_pull"] - before["docs_checked_pull"] < 5
    assert live(ours) == ashore.revisions()


def test_restarted_gateway_does_not_list_replicated_documents_again(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    def ended(checked: int) -> int:
        """Return the number of changes that the gateway has listed by the end of a run.

        The run is repeated until this number exceeds `checked`, because a run may begin before the gateway's
        changes feed contains newly stored documents.
        """

        def look() -> tuple[bool, int]:
            status = ashore.replication_status(name)
            is_over, listed = status["status"] == "stopped", int(status.get("docs_checked_push", 0))
            if is_over and listed <= checked:
                ashore.set_replication(name, "start")
            return is_over, listed

        return eventually(look, lambda found: found[0] and found[1] > checked)[1]

    for number in range(30):
        change(ours, f"sea-{number}", n=number)
    settle(ours, ashore, listener, options)
    name = f"r{next(NUMBERS)}"
    ashore.start_replication(name, listener.url, direction="push", continuous=False, **options)
    before = ended(29)
    change_ashore(ashore, "shore")
    assert ended(before) - before < 5
    assert live(ours) == ashore.revisions()


def test_gateway_that_pulls_some_channels_receives_deletions_and_removals(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    chosen = {
        **options,
        "filter": "sync_gateway/bychannel",
        "query_params": {"channels": ["notes"]},
        "purge_on_removal": True,
        "direction": "pull",
        "continuous": False,
    }
    for name in ("stays", "is-deleted", "leaves"):
        change(ours, name)
    name = f"r{next(NUMBERS)}"
    ashore.start_replication(name, listener.url, **chosen)
    eventually(ashore.revisions, lambda found: found.keys() == {"stays", "is-deleted", "leaves"})
    eventually(lambda: ashore.replication_status(name), lambda status: status["status"] == "stopped")
    tombstone = ours.delete("is-deleted", parent=ours.get("is-deleted").rev)  # type: ignore[union-attr]
    change(ours, "leaves", channels=["galley"])
    ashore.set_replication(name, "start")
    eventually(lambda: ashore.document("leaves"), lambda found: found is None)
    eventually(lambda: ashore.document("is-deleted", rev=tombstone), lambda found: found is not None)
    assert ashore.document("is-deleted") is None
    assert ashore.document("stays") is not None


def test_gateway_replicates_over_tls(
    ours: Database, ashore: GatewayDatabase, options: dict[str, Any]
) -> None:
    change(ours, "note", n=1)
    with ListenerThread(ours, users={"shore": "s3cret"}, tls=True) as listener:
        settle(ours, ashore, listener, options)


def test_wrong_password_is_reported(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    change(ours, "note", n=1)
    status = pull(ashore, listener, {**options, "remote_password": "wrong"})
    assert status["status"] == "error"
    assert "401" in status["error_message"]
    assert ashore.revisions() == {}


def test_unknown_database_is_reported(
    ashore: GatewayDatabase, listener: ListenerThread, options: dict[str, Any]
) -> None:
    status = ashore.replicate(
        f"r{next(NUMBERS)}", f"{listener.url}-other", direction="pull", continuous=False, **options
    )
    assert status["status"] == "error"
    assert "404" in status["error_message"]


def test_unknown_collection_is_reported(
    ours: Database, ashore: GatewayDatabase, listener: ListenerThread
) -> None:
    change(ours, "note", n=1)
    named = {
        "collections_enabled": True,
        "collections_local": [DEFAULT],
        "collections_remote": ["fleet.notes"],
    }
    status = pull(ashore, listener, {**CREDENTIALS, **named})
    assert status["status"] == "error"
    assert 'peer does not have collection "fleet.notes"' in status["error_message"]
    assert ashore.revisions() == {}
