"""A vessel that may read some channels of a real Sync Gateway is notified of removals and deletions."""

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.net.authenticators import BasicAuthenticator
from sync.net.endpoints import URLEndpoint
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.peer.progress import DocumentEnded
from sync.store import Database
from tests.interop.sync_gateway.gateway import Gateway, GatewayDatabase

pytestmark = pytest.mark.timeout(600)  # the first test builds the gateway
CREW = BasicAuthenticator("crew", "secret")
NUMBERS = itertools.count()
PATIENCE_S = 60.0


@pytest.fixture
def ashore(gateway: Gateway) -> Iterator[GatewayDatabase]:
    database = gateway.database(f"crew{next(NUMBERS)}")
    allow(database, "notes", "manuals")
    yield database
    gateway.drop(database)


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "ours.db", policy=documents.POLICY) as database:
        yield database


def allow(ashore: GatewayDatabase, *channels: str) -> None:
    ashore.add_user("crew", "secret", channels=channels)


def replicate(ours: Database, ashore: GatewayDatabase, **options: Any) -> list[DocumentEnded]:
    """Replicate once, assert that there was no error, and return the outcome for each document."""
    told: list[DocumentEnded] = []

    async def main() -> None:
        configuration = ReplicatorConfiguration(ours, URLEndpoint(ashore.url), authenticator=CREW, **options)
        replicator = Replicator(configuration, on_documents=told.extend)
        async with asyncio.timeout(PATIENCE_S):
            status = await replicator.run()
        assert status.problem is None
        assert dict(replicator.failures) == {}

    asyncio.run(main())
    return told


@pytest.mark.parametrize("purges", [False, True], ids=["keeps", "purges"])
def test_deletion_over_rest_arrives(ours: Database, ashore: GatewayDatabase, purges: bool) -> None:
    made = {name: ashore.put(name, {"channels": ["notes"]}) for name in ("n1", "n2")}
    replicate(ours, ashore, enable_auto_purge=purges)
    tombstone = ashore.delete("n1", rev=made["n1"])
    replicate(ours, ashore, enable_auto_purge=purges)
    found = ours.get("n1")
    assert found is not None
    assert (found.rev, found.deleted) == (tombstone, True)
    kept = ours.get("n2")
    assert kept is not None
    assert not kept.deleted


def test_deletion_over_rest_arrives_in_a_pull_of_some_channels(
    ours: Database, ashore: GatewayDatabase
) -> None:
    allow(ashore, "*")
    made = ashore.put("n1", {"channels": ["notes"]})
    channels = frozenset({"notes"})
    replicate(ours, ashore, channels=channels, push=False)
    tombstone = ashore.delete("n1", rev=made)
    replicate(ours, ashore, channels=channels, push=False)
    found = ours.get("n1")
    assert found is not None
    assert (found.rev, found.deleted) == (tombstone, True)


def test_deletion_by_a_vessel_reaches_another_vessel_through_the_gateway(
    ours: Database, ashore: GatewayDatabase, tmp_path: Path
) -> None:
    with Database.open(tmp_path / "theirs.db") as theirs:
        made = ours.put("n1", {"channels": ["notes"]})
        for vessel in (ours, theirs):
            replicate(vessel, ashore)
        tombstone = ours.delete("n1", parent=made)
        for vessel in (ours, theirs):
            replicate(vessel, ashore)
        found = theirs.get("n1")
        assert found is not None
        assert (found.rev, found.deleted) == (tombstone, True)


@pytest.mark.parametrize("purges", [False, True], ids=["keeps", "purges"])
def test_lost_access_is_reported_and_purges_if_enabled(
    ours: Database, ashore: GatewayDatabase, purges: bool
) -> None:
    ashore.put("n1", {"channels": ["notes"]})
    ashore.put("m1", {"channels": ["manuals"]})
    ashore.put("both", {"channels": ["manuals", "notes"]})
    replicate(ours, ashore, enable_auto_purge=purges)
    allow(ashore, "notes")
    told = replicate(ours, ashore, enable_auto_purge=purges)
    assert [ended.id for ended in told if ended.access_removed] == ["m1"]
    assert {document.id for document in ours.documents()} == {"n1", "both"} | (set() if purges else {"m1"})
    allow(ashore, "notes", "manuals")
    replicate(ours, ashore, enable_auto_purge=purges)
    assert {document.id for document in ours.documents()} == {"n1", "both", "m1"}


@pytest.mark.parametrize("purges", [False, True], ids=["keeps", "purges"])
def test_document_removed_from_its_channels_is_reported_and_purged_if_enabled(
    ours: Database, ashore: GatewayDatabase, purges: bool
) -> None:
    first = ashore.put("n1", {"channels": ["notes"]})
    replicate(ours, ashore, enable_auto_purge=purges)
    ashore.put("n1", {"channels": ["galley"], "secret": True}, rev=first)
    told = replicate(ours, ashore, enable_auto_purge=purges)
    assert [ended.id for ended in told if ended.access_removed] == ["n1"]
    found = ours.get("n1")
    assert (found is None) is purges
    if found is not None:
        assert found.rev == first


@pytest.mark.parametrize("purges", [False, True], ids=["keeps", "purges"])
def test_document_deleted_after_access_was_lost_is_deleted_here_too(
    ours: Database, ashore: GatewayDatabase, purges: bool
) -> None:
    first = ashore.put("m1", {"channels": ["manuals"]})
    ashore.put("n1", {"channels": ["notes"]})
    replicate(ours, ashore, enable_auto_purge=purges)
    allow(ashore, "notes")
    tombstone = ashore.delete("m1", rev=first)
    replicate(ours, ashore, enable_auto_purge=purges)
    found = ours.get("m1")
    assert found is None or (found.deleted and found.rev == tombstone)
    assert {document.id for document in ours.documents()} == {"n1"}
