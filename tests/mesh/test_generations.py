"""No vessel can make a document read-only by writing a revision with a very high generation."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.documents import REVOCATIONS
from sync.fleet import signing
from sync.fleet.generations import MEMBER, generation_to_vouch_for
from sync.fleet.revocations import to_body
from sync.mesh.manager import Mesh
from sync.mesh.vessel_endpoint import endpoint_of_url
from sync.net.authenticators import ClientCertificateAuthenticator
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.net.tls_identity import TLSIdentity
from sync.replication.checkpoint_id import Peer
from sync.store import Database, revisions
from tests.fleet.builders import body
from tests.polling import until
from tests.store.test_generations import as_before

from .inprocess import Fleet, run, said_about, vessel

EQUIPMENT = documents.equipment_id("argo", "bilge")
ABOUT = documents.vessel_id("argo")
FORWARDED = "forwarded:office:argo"
ALARM = documents.alarm_id("argo", "bilge", "zxcvbn", 7)
BOOT = documents.boot_id("argo", "zxcvbn", 1)
NOTE = "note:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV"
ALL = (EQUIPMENT, ABOUT, FORWARDED, ALARM, BOOT, NOTE)
OF_MANY = (ALARM, NOTE)
SIGNED = (ABOUT, FORWARDED, BOOT)
LAST = 2**31 - 1


def content(document_id: str, by: TLSIdentity, **more: Any) -> Mapping[str, Any]:
    if document_id == ABOUT:
        more = {MEMBER: generation_to_vouch_for(20), **more}
    found = body(document_id, **more)
    return signing.sign(by, document_id, found) if document_id in SIGNED else found


def at(database: Database, document_id: str, generation: int, said: Mapping[str, Any]) -> None:
    """Store a revision with an arbitrary generation, as a vessel with modified software could."""
    before = database.get(document_id)
    with as_before():
        database.insert(
            document_id,
            f"{generation}-{'ab' * 16}",
            [] if before is None else [before.rev],
            said,
        )


async def pull(theirs: Database, argo: Mesh, fleet: Fleet, shown: TLSIdentity) -> None:
    """Pull all documents from argo over TLS, and assert that none is rejected."""
    assert await push(theirs, argo, fleet, shown, pulls=True) == 0


async def push(theirs: Database, argo: Mesh, fleet: Fleet, shown: TLSIdentity, *, pulls: bool = False) -> int:
    """Push all documents to argo over TLS, or pull if `pulls` is True. Return the number of rejections."""
    status = await Replicator(
        ReplicatorConfiguration(
            theirs,
            endpoint_of_url(f"wss://127.0.0.1:{argo.port}/log"),
            push=not pulls,
            pull=pulls,
            authenticator=ClientCertificateAuthenticator(shown),
            roots=(fleet.authority.certificate,),
            judge=lambda _: None,
            peer=Peer.address("argo"),
        )
    ).run()
    return status.progress.failed


def write(mesh: Mesh, by: TLSIdentity, **more: Any) -> dict[str, str]:
    """Write a new revision of each document in `ALL`, as argo's recorder would. Return the revisions."""
    found = {}
    for document_id in ALL:
        current = mesh.database.get(document_id)
        parent = None if current is None or current.deleted else current.rev
        said = content(document_id, by, **more)
        if document_id == ABOUT:
            reached = max(revisions.generation(change.rev) for change in mesh.database.changes())
            said = content(document_id, by, **{**more, MEMBER: generation_to_vouch_for(reached)})
        found[document_id] = mesh.database.put(document_id, said, parent=parent)
    return found


def has_all(mesh: Mesh, expected: Mapping[str, str]) -> bool:
    found = {document_id: mesh.database.get(document_id) for document_id in expected}
    return all(each is not None and each.rev == expected[name] for name, each in found.items())


def test_no_vessel_of_the_fleet_can_freeze_a_document(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        fleet = Fleet.new()
        own, stolen = fleet.issue("argo"), fleet.issue("mallory")
        with Database.open(tmp_path / "mallory.db") as theirs:
            async with (
                vessel(tmp_path, fleet, "argo", identity=own) as argo,
                vessel(tmp_path, fleet, "brigid") as brigid,
            ):
                first = write(argo, own, state=1)
                await until(lambda: has_all(brigid, first), "brigid has argo's documents")
                await pull(theirs, argo, fleet, stolen)
                for document_id in ALL:
                    found = theirs.get(document_id)
                    assert found is not None
                    at(theirs, document_id, LAST, found.body)
                assert await push(theirs, argo, fleet, stolen) == len(OF_MANY)
                for document_id in OF_MANY:  # documents with a single writer are not even requested
                    assert said_about(caplog, f"a document from mallory is rejected: {document_id}")
                assert has_all(argo, first)
                revoked = to_body(fleet.revoke(stolen), fleet=fleet.name, key=fleet.authority.key)
                argo.database.put(REVOCATIONS, revoked)
                second = write(argo, own, state=2)
                await until(lambda: has_all(brigid, second), "argo goes on writing")

    run(main())


def test_owner_of_a_document_can_exceed_every_permitted_generation(
    tmp_path: Path,
) -> None:
    """After another vessel has raised the generations of argo's documents, argo can write higher ones."""

    async def main() -> None:
        fleet = Fleet.new()
        own, other = fleet.issue("argo"), fleet.issue("mallory")
        with Database.open(tmp_path / "mallory.db") as theirs:
            async with (
                vessel(tmp_path, fleet, "argo", identity=own) as argo,
                vessel(tmp_path, fleet, "brigid") as brigid,
            ):
                first = write(argo, own, state=1)
                await until(lambda: has_all(brigid, first), "brigid has argo's documents")
                await pull(theirs, brigid, fleet, other)
                for document_id in ALL:
                    found = theirs.get(document_id)
                    assert found is not None
                    at(theirs, document_id, 9_000, found.body)
                assert await push(theirs, brigid, fleet, other) == 0
                await until(
                    lambda: all(
                        (found := argo.database.get(document_id)) is not None
                        and revisions.generation(found.rev) == 9_000
                        for document_id in ALL
                    ),
                    "argo hears of it",
                )
                second = write(argo, own, state=2)
                await until(lambda: has_all(brigid, second), "argo has overtaken it")

    run(main())


def test_fleet_with_frozen_documents_continues_after_the_update(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        own = fleet.issue("argo")
        for name in ("argo", "brigid"):
            with Database.open(tmp_path / f"{name}.db", policy=documents.POLICY) as store:
                for document_id in ALL:
                    store.put(document_id, content(document_id, own))
                    at(store, document_id, LAST, content(document_id, own, state="frozen"))
        async with (
            vessel(tmp_path, fleet, "argo", identity=own) as argo,
            vessel(tmp_path, fleet, "brigid") as brigid,
        ):
            written = write(argo, own, state="written")
            await until(lambda: has_all(brigid, written), "brigid hears what argo writes")
            again = write(argo, own, state="again")
            await until(lambda: has_all(brigid, again), "and once more")

    run(main())


def test_vessel_that_was_not_attacked_sends_removed_documents_again(tmp_path: Path) -> None:
    """Argo offers the documents again when its link restarts, although brigid had received them before."""

    async def main() -> None:
        fleet = Fleet.new()
        own = fleet.issue("argo")
        async with (
            vessel(tmp_path, fleet, "argo", identity=own) as argo,
            vessel(tmp_path, fleet, "brigid") as brigid,
        ):
            first = write(argo, own)
            await until(lambda: has_all(brigid, first), "brigid has it")
        with Database.open(tmp_path / "brigid.db", policy=documents.POLICY) as store:
            for document_id in ALL:
                at(store, document_id, LAST, content(document_id, own, state="frozen"))
            marked = store.get_local("generations-looked-at")
            assert marked is not None
            # Stores of earlier versions do not contain this marker.
            store.delete_local(marked.key, parent=marked.rev)
        async with (
            vessel(tmp_path, fleet, "argo", identity=own),
            vessel(tmp_path, fleet, "brigid") as brigid,
        ):
            await until(lambda: has_all(brigid, first), "it has argo's revisions")

    run(main())


def test_new_card_accepts_the_millionth_revision_from_another_vessel(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        own = fleet.issue("argo")
        path = tmp_path / "brigid.db"
        with Database.open(path, policy=documents.POLICY) as store:
            at(store, EQUIPMENT, 1_000_000, content(EQUIPMENT, own))
            at(store, FORWARDED, 1_000_000, content(FORWARDED, own))
            store.put(ABOUT, content(ABOUT, own, **{MEMBER: generation_to_vouch_for(1_000_000)}))
        async with vessel(tmp_path, fleet, "brigid"), vessel(tmp_path, fleet, "carina") as carina:
            await until(
                lambda: all(carina.database.get(each) for each in (EQUIPMENT, FORWARDED, ABOUT)),
                "the fresh card has them",
            )

    run(main())


def test_owner_exceeds_generations_vouched_for_by_a_thief_after_the_revocation(tmp_path: Path) -> None:
    most = revisions.SOUND_LIMIT - 1

    async def main() -> None:
        fleet = Fleet.new()
        stolen, renewed = fleet.issue("argo"), fleet.issue("argo")
        with Database.open(tmp_path / "thief.db") as theirs:
            async with vessel(tmp_path, fleet, "brigid") as brigid:
                at(theirs, ABOUT, most, content(ABOUT, stolen, **{MEMBER: most}))
                assert await push(theirs, brigid, fleet, stolen) == 0
                at(theirs, EQUIPMENT, most, content(EQUIPMENT, stolen))
                at(theirs, FORWARDED, most, content(FORWARDED, stolen))
                assert await push(theirs, brigid, fleet, stolen) == 0
                async with vessel(tmp_path, fleet, "argo", identity=renewed) as argo:
                    revoked = to_body(fleet.revoke(stolen), fleet=fleet.name, key=fleet.authority.key)
                    argo.database.put(REVOCATIONS, revoked)
                    written = write(argo, renewed)
                    await until(lambda: has_all(brigid, written), "the new card has overtaken the thief")

    run(main())
