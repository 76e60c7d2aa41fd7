"""Logboat's replicator and a vessel's Couchbase gateway exchange documents with a real Sync Gateway."""

import asyncio
import base64
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.fleet.conflict_resolvers import Resolvers
from sync.gateway.couchbase import CouchbaseGateway, CouchbaseGatewayConfiguration
from sync.net.authenticators import Authenticator, BasicAuthenticator, SessionAuthenticator
from sync.net.endpoints import URLEndpoint
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.peer.active import Activity
from sync.peer.progress import DocumentEnded
from sync.store import Database
from tests.gateway import builders
from tests.interop.sync_gateway.gateway import Gateway, GatewayDatabase

pytestmark = pytest.mark.timeout(600)  # the first test builds the gateway
ARGO = BasicAuthenticator("argo", "secret")
NUMBERS = itertools.count()
PATIENCE_S = 60.0


@pytest.fixture
def ashore(gateway: Gateway) -> Iterator[GatewayDatabase]:
    database = gateway.database(f"fleet{next(NUMBERS)}")
    database.add_user("argo", "secret")
    yield database
    gateway.drop(database)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "ours.db", policy=documents.POLICY) as database:
        yield database


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[Database]:
    """Yield the database of another vessel that uses the same Sync Gateway."""
    with Database.open(tmp_path / "theirs.db", policy=documents.POLICY) as database:
        yield database


def replicate(
    database: Database,
    ashore: GatewayDatabase,
    *,
    told: list[DocumentEnded] | None = None,
    authenticator: Authenticator = ARGO,
    well: bool = True,
    **options: Any,
) -> Status:
    """Replicate once with a Sync Gateway, and return the status. If `well` is True, assert success."""

    async def main() -> Status:
        configuration = ReplicatorConfiguration(
            database,
            URLEndpoint(ashore.url),
            authenticator=authenticator,
            conflict_resolver=Resolvers(),
            **options,
        )
        replicator = Replicator(configuration, on_documents=None if told is None else told.extend)
        async with asyncio.timeout(PATIENCE_S):
            status = await replicator.run()
        if well:
            assert status.problem is None
            assert dict(replicator.failures) == {}
        return status

    return asyncio.run(main())


def change(database: Database, name: str, **body: Any) -> str:
    found = database.get(name)
    parent = None if found is None or found.deleted else found.rev
    return database.put(name, {"channels": ["notes"], **body}, parent=parent)


def body_ashore(ashore: GatewayDatabase, name: str) -> dict[str, Any] | None:
    found = ashore.document(name)
    if found is None or found.get("_deleted"):
        return None
    return {key: value for key, value in found.items() if not key.startswith("_")}


def assert_as_ashore(database: Database, ashore: GatewayDatabase) -> None:
    here = {document.id: document.rev for document in database.documents()}
    assert here == {name: rev for name, rev in ashore.revisions().items() if name in here}
    assert database.conflicts() == []


def test_pushed_documents_are_unchanged_at_the_gateway(ours: Database, ashore: GatewayDatabase) -> None:
    with ours.transaction():
        for number in range(450):
            change(ours, f"note-{number}", n=number)
    status = replicate(ours, ashore, pull=False)
    assert status.progress.pushed == 450
    assert body_ashore(ashore, "note-7") == {"channels": ["notes"], "n": 7}
    assert_as_ashore(ours, ashore)
    assert replicate(ours, ashore, pull=False).progress.pushed == 0


def test_documents_of_the_gateway_are_pulled_unchanged(ours: Database, ashore: GatewayDatabase) -> None:
    revisions = {
        f"n{number}": ashore.put(f"n{number}", {"channels": ["notes"], "n": number}) for number in range(30)
    }
    assert replicate(ours, ashore, push=False).progress.pulled == 30
    assert {document.id: document.rev for document in ours.documents()} == revisions
    assert replicate(ours, ashore, push=False).progress.pulled == 0


def test_only_the_requested_channels_are_pulled(ours: Database, ashore: GatewayDatabase) -> None:
    ashore.put("a", {"channels": ["alarms"]})
    ashore.put("n", {"channels": ["notes"]})
    replicate(ours, ashore, push=False, channels=frozenset({"alarms"}))
    assert [document.id for document in ours.documents()] == ["a"]


def test_two_vessels_and_their_gateway_become_identical(
    ours: Database, theirs: Database, ashore: GatewayDatabase
) -> None:
    for number in range(20):
        change(ours, f"ours-{number}", n=number)
        change(theirs, f"theirs-{number}", n=number)
    for vessel in (ours, theirs, ours):
        replicate(vessel, ashore)
    assert ours.count() == theirs.count() == 40
    assert_as_ashore(ours, ashore)
    assert_as_ashore(theirs, ashore)


def test_updates_and_deletions_are_replicated_in_both_directions(
    ours: Database, theirs: Database, ashore: GatewayDatabase
) -> None:
    for number in range(3):
        change(ours, f"note-{number}", n=number)
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
    change(theirs, "note-0", n="changed")
    ours.delete("note-1", parent=ours.get("note-1").rev)  # type: ignore[union-attr]
    for vessel in (ours, theirs, ours):
        replicate(vessel, ashore)
    for vessel in (ours, theirs):
        assert vessel.get("note-0").body["n"] == "changed"  # type: ignore[union-attr]
        assert vessel.get("note-1").deleted  # type: ignore[union-attr]
    assert body_ashore(ashore, "note-0") == {"channels": ["notes"], "n": "changed"}
    assert body_ashore(ashore, "note-1") is None


@pytest.mark.parametrize("number", range(6))
def test_conflict_between_vessels_is_resolved_identically(
    ours: Database, theirs: Database, ashore: GatewayDatabase, number: int
) -> None:
    change(ours, "note", n=number)
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
    change(ours, "note", by="ours", n=number)
    change(theirs, "note", by="theirs", n=number)
    for vessel in (ours, theirs, ours, theirs):
        replicate(vessel, ashore)
    assert ours.get("note").body == theirs.get("note").body == body_ashore(ashore, "note")  # type: ignore[union-attr]
    assert_as_ashore(ours, ashore)
    assert_as_ashore(theirs, ashore)
    for vessel in (ours, theirs):
        progress = replicate(vessel, ashore).progress
        assert (progress.pushed, progress.pulled) == (0, 0)


def test_acknowledgements_of_two_vessels_are_both_kept(
    ours: Database, theirs: Database, ashore: GatewayDatabase
) -> None:
    alarm = documents.alarm_id("argo", "bilge", "abcdef", 7)
    ours.put(alarm, {"channels": ["alarms"], "acks": [], "severity": "alarm"})
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
    for vessel, who in ((ours, "ann"), (theirs, "bob")):
        found = vessel.get(alarm)
        assert found is not None
        vessel.put(alarm, {**found.body, "acks": [{"who": who, "when": "now"}]}, parent=found.rev)
    for vessel in (ours, theirs, ours, theirs):
        replicate(vessel, ashore)
    for body in (ours.get(alarm).body, theirs.get(alarm).body, body_ashore(ashore, alarm)):  # type: ignore[union-attr]
        assert body is not None
        assert {ack["who"] for ack in body["acks"]} == {"ann", "bob"}


def test_document_rewritten_many_times_between_replications_is_no_conflict(
    ours: Database, theirs: Database, ashore: GatewayDatabase
) -> None:
    for name in ("note", "equipment:argo:rpm"):
        change(ours, name, n=0)
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
    for number in range(1, 101):
        for name in ("note", "equipment:argo:rpm"):
            change(ours, name, n=number)
    for vessel in (ours, theirs, ours):
        replicate(vessel, ashore)
    for name in ("note", "equipment:argo:rpm"):
        assert body_ashore(ashore, name) == {"channels": ["notes"], "n": 100}
        assert theirs.get(name).body["n"] == 100  # type: ignore[union-attr]
    assert_as_ashore(ours, ashore)
    assert_as_ashore(theirs, ashore)


@pytest.mark.parametrize("size", [10, 100_000])
def test_blob_reaches_the_gateway_and_another_vessel(
    ours: Database, theirs: Database, ashore: GatewayDatabase, size: int
) -> None:
    content = bytes(number * 7 % 251 for number in range(size))
    digest = ours.blobs.put(content)
    blob = {"@type": "blob", "digest": digest, "length": size, "content_type": "image/jpeg"}
    change(ours, "note", photo=blob)
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
    assert ashore.attachment("note", "blob_/photo") == content
    assert theirs.blobs.read(digest) == content
    assert theirs.get("note").body["photo"] == blob  # type: ignore[union-attr]
    change(theirs, "note", photo=blob, caption="the leak")
    for vessel in (theirs, ours):
        replicate(vessel, ashore)
    assert ours.get("note").body == {"channels": ["notes"], "photo": blob, "caption": "the leak"}  # type: ignore[union-attr]


def test_session_is_accepted(ours: Database, ashore: GatewayDatabase) -> None:
    session = ashore.session("argo")
    change(ours, "note", n=1)
    replicate(ours, ashore, authenticator=SessionAuthenticator(session.session_id, session.cookie_name))
    assert body_ashore(ashore, "note") is not None


def test_wrong_password_is_reported_at_once(ours: Database, ashore: GatewayDatabase) -> None:
    status = replicate(ours, ashore, authenticator=BasicAuthenticator("argo", "wrong"), well=False)
    assert status.activity is Activity.STOPPED
    assert status.problem is not None
    assert status.problem.code == 401


def test_refused_document_is_named_and_all_others_are_sent(ours: Database, gateway: Gateway) -> None:
    ashore = gateway.database(
        f"fleet{next(NUMBERS)}",
        sync='function(doc) { if (doc.n == 1) { throw({forbidden: "not that one"}) } channel(doc.channels) }',
    )
    ashore.add_user("argo", "secret")
    for number in range(3):
        change(ours, f"note-{number}", n=number)
    told: list[DocumentEnded] = []
    replicate(ours, ashore, told=told, well=False, pull=False)
    assert sorted(ashore.revisions()) == ["note-0", "note-2"]
    (failed,) = [ended for ended in told if ended.problem is not None]
    assert failed.id == "note-1"
    assert failed.problem is not None
    assert failed.problem.code == 403
    assert "not that one" in failed.problem.text
    gateway.drop(ashore)


@pytest.mark.parametrize("pull", [True, False])
def test_document_deleted_on_board_and_ashore_is_no_conflict(
    ours: Database, ashore: GatewayDatabase, pull: bool
) -> None:
    first = change(ours, "note", text="here")
    replicate(ours, ashore)
    ours.delete("note", parent=first)
    ashore.delete("note", rev=first)
    for _ in range(2):
        replicate(ours, ashore, pull=pull)


@pytest.mark.parametrize("pull", [True, False])
def test_edit_that_the_gateway_always_refuses_fails_at_every_run(
    ours: Database, ashore: GatewayDatabase, pull: bool
) -> None:
    """The conflicting document on the gateway is in a channel that the vessel may not read."""
    ashore.add_user("argo", "secret", channels=["notes"])
    ashore.put("note", {"channels": ["office"]})
    change(ours, "note", text="here")
    for _ in range(2):
        told: list[DocumentEnded] = []
        replicate(ours, ashore, told=told, well=False, pull=pull)
        assert [(ended.id, ended.problem.code) for ended in told if ended.problem] == [("note", 409)]


def test_continuous_replication_transfers_changes_of_both_sides(
    ours: Database, ashore: GatewayDatabase
) -> None:
    async def main() -> None:
        arrived = asyncio.Event()
        pushed = asyncio.Event()

        def told(ended: list[DocumentEnded]) -> None:
            for document in ended:
                (arrived if document.id == "from-shore" else pushed).set()

        replicator = Replicator(
            ReplicatorConfiguration(ours, URLEndpoint(ashore.url), authenticator=ARGO, continuous=True),
            on_documents=told,
        )
        replicator.start()
        async with asyncio.timeout(PATIENCE_S):
            change(ours, "from-sea", n=1)
            await pushed.wait()
            await asyncio.to_thread(ashore.put, "from-shore", {"channels": ["notes"]})
            await arrived.wait()
            status = await replicator.stop()
        assert status.problem is None

    asyncio.run(main())
    assert body_ashore(ashore, "from-sea") is not None
    assert ours.get("from-shore") is not None


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("by", ["us", "ashore"])
def test_deletion_after_a_conflict_reaches_the_other_vessel(
    ours: Database, theirs: Database, ashore: GatewayDatabase, number: int, by: str
) -> None:
    change(ours, "note", n=number)
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
    change(ours, "note", by="ours", n=number)
    change(theirs, "note", by="theirs", n=number)
    for vessel in (ours, theirs, ours, theirs):
        replicate(vessel, ashore)
    found = ours.get("note")
    assert found is not None
    if by == "us":
        ours.delete("note", parent=found.rev)
        replicate(ours, ashore)
    else:
        ashore.delete("note", rev=found.rev)
    assert body_ashore(ashore, "note") is None
    for vessel in (theirs, ours):
        replicate(vessel, ashore)
        assert vessel.get("note").deleted  # type: ignore[union-attr]
    for vessel in (ours, theirs):
        progress = replicate(vessel, ashore).progress
        assert (progress.pushed, progress.pulled) == (0, 0)


@pytest.mark.parametrize("made", ["here", "elsewhere"])
def test_deletion_is_accepted_although_a_closed_branch_has_a_higher_generation(
    ours: Database, theirs: Database, ashore: GatewayDatabase, made: str
) -> None:
    change(ours, "note", n=1)
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
        vessel.insert("note", "9-ended", [], {}, deleted=True)
        replicate(vessel, ashore)
    found = ours.get("note")
    assert found is not None
    if made == "here":
        ours.delete("note", parent=found.rev)
    else:
        ours.insert("note", "2-gone", [found.rev], {}, deleted=True)
    for vessel in (ours, theirs, ours):
        replicate(vessel, ashore)
        assert body_ashore(ashore, "note") is None
    for vessel in (ours, theirs):
        assert vessel.get("note").deleted  # type: ignore[union-attr]
        progress = replicate(vessel, ashore).progress
        assert (progress.pushed, progress.pulled) == (0, 0)
    change(theirs, "note", n=2)
    for vessel in (theirs, ours):
        replicate(vessel, ashore)
        assert vessel.get("note").body["n"] == 2  # type: ignore[union-attr]
    assert body_ashore(ashore, "note") == {"channels": ["notes"], "n": 2}


# As a gateway in the configuration


async def forward(
    database: Database, ashore: GatewayDatabase, vessel: str, is_done: Callable[[], bool]
) -> int:
    """Run a vessel's Couchbase gateway until `is_done` returns True, and return the number of bytes sent."""
    configuration = CouchbaseGatewayConfiguration("office", ashore.url, authenticator=ARGO)
    gateway = CouchbaseGateway(database, configuration, vessel=vessel, look_every=0.3)
    gateway.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(is_done):  # noqa: ASYNC110 -- it is another process
                await asyncio.sleep(0.05)
            while gateway.report().backlog_documents:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert gateway.report().problem is None
    finally:
        await gateway.stop()
    return gateway.transferred[0]


def test_two_vessels_send_one_copy_of_documents_that_both_have(
    ours: Database, theirs: Database, ashore: GatewayDatabase
) -> None:
    for database in (ours, theirs):
        builders.write_windows(database, "argo", "main", 1_000)
        builders.write_equipment(database, "argo", "main", 1, 0.5)

    def is_done() -> bool:
        return len(ashore.revisions()) == 1_001

    async def main() -> None:
        await asyncio.gather(
            forward(ours, ashore, "argo", is_done), forward(theirs, ashore, "brigid", is_done)
        )

    asyncio.run(main())
    there = ashore.revisions()
    for database in (ours, theirs):
        held = {document.id: document.rev for document in database.documents()}
        assert there == {name: rev for name, rev in held.items() if not name.startswith("forwarded:")}
    for database, vessel in ((ours, "argo"), (theirs, "brigid")):
        noted = database.get(f"forwarded:office:{vessel}")
        assert noted is not None
        assert noted.body["bounds"] == {"argo:main:qwerty": 150_000}


def test_vessel_that_has_only_the_latest_of_many_revisions_sends_it(
    ours: Database, theirs: Database, ashore: GatewayDatabase
) -> None:
    builders.write_equipment(ours, "argo", "main", 0, 0.0)
    asyncio.run(forward(ours, ashore, "argo", lambda: ashore.document("equipment:argo:main") is not None))
    for number in range(1, 1_001):
        builders.write_equipment(ours, "argo", "main", number, number / 1_000)
    found = ours.get("equipment:argo:main")
    assert found is not None
    revision = ours.revision(found.id, found.rev)
    assert revision is not None
    theirs.insert(found.id, found.rev, revision.history[:20], found.raw)

    def is_newest() -> bool:
        there = ashore.document(found.id)
        return there is not None and there["value"] == 1.0

    asyncio.run(forward(theirs, ashore, "brigid", is_newest))
    asyncio.run(forward(ours, ashore, "argo", is_newest))
    assert ashore.revisions()[found.id] == found.rev


PHOTO = bytes(number * 11 % 251 for number in range(30_000))


def attach(ashore: GatewayDatabase, name: str, **body: Any) -> str:
    """Create a document with an attachment on the Sync Gateway over REST, and return the revision id."""
    data = base64.b64encode(PHOTO).decode()
    attachments = {"leak.jpg": {"content_type": "image/jpeg", "data": data}}
    return ashore.put(name, {"channels": ["notes"], **body, "_attachments": attachments})


def test_attachment_created_over_rest_is_pulled_and_survives_edits_on_board(
    ours: Database, theirs: Database, ashore: GatewayDatabase
) -> None:
    attach(ashore, "note", text="see the photograph")
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
        found = vessel.get("note")
        assert found is not None
        assert vessel.blobs.read(found.body["_attachments"]["leak.jpg"]["digest"]) == PHOTO
        vessel.compact()
    change(ours, "note", text="tightened")
    for vessel in (ours, theirs):
        replicate(vessel, ashore)
    assert ashore.attachment("note", "leak.jpg") == PHOTO
    assert body_ashore(ashore, "note") == {"channels": ["notes"], "text": "tightened"}
    blob = {
        "@type": "blob",
        "digest": theirs.blobs.put(b"drawing"),
        "length": 7,
        "content_type": "image/png",
    }
    change(theirs, "note", text="tightened", drawing=blob)
    for vessel in (theirs, ours):
        replicate(vessel, ashore)
    assert ashore.attachment("note", "leak.jpg") == PHOTO
    assert ashore.attachment("note", "blob_/drawing") == b"drawing"
    assert ours.get("note").body == theirs.get("note").body  # type: ignore[union-attr]
    assert ours.get("note").body["drawing"] == blob  # type: ignore[union-attr]
    for vessel in (ours, theirs):
        progress = replicate(vessel, ashore).progress
        assert (progress.pushed, progress.pulled) == (0, 0)


def test_attachment_created_over_rest_is_sent_to_another_gateway(
    ours: Database, ashore: GatewayDatabase, gateway: Gateway
) -> None:
    attach(ashore, "note", n=0)
    replicate(ours, ashore)
    for number in range(1, 30):
        change(ours, "note", n=number)
    other = gateway.database(f"fleet{next(NUMBERS)}")
    other.add_user("argo", "secret")
    replicate(ours, other)
    assert other.attachment("note", "leak.jpg") == PHOTO
    gateway.drop(other)


def test_attachment_removed_on_board_is_removed_at_the_gateway(
    ours: Database, ashore: GatewayDatabase
) -> None:
    attach(ashore, "note")
    replicate(ours, ashore)
    change(ours, "note", _attachments={})
    replicate(ours, ashore)
    found = ashore.document("note")
    assert found is not None
    assert "_attachments" not in found
