"""Permitted writes are replicated and merged. Forbidden writes are rejected, reported and not replicated."""

import logging
from pathlib import Path

import pytest

from sync import documents
from sync.fleet.revocations import Revocations, to_body
from sync.mesh.report import mesh_report
from sync.mesh.vessel_endpoint import endpoint_of_url
from sync.net.authenticators import ClientCertificateAuthenticator
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.store import Database
from tests.fleet.builders import body
from tests.polling import until

from .inprocess import NOW, Fleet, run, said_about, vessel

LOG = "zxcvbn"


def test_acknowledgements_on_three_separate_vessels_are_merged_into_one_revision(tmp_path: Path) -> None:
    alarm = documents.alarm_id("argo", "bilge", LOG, 7)
    names = ("argo", "brigid", "carina")

    async def main() -> None:
        fleet = Fleet.new()
        for name in names:
            with Database.open(tmp_path / f"{name}.db", policy=documents.POLICY) as database:
                raised = database.put(alarm, body(alarm, acks=[]))
                ack = {"who": f"cook of {name}", "when": "2026-06-01T00:00:00Z"}
                database.put(alarm, body(alarm, acks=[ack]), parent=raised)
        async with (
            vessel(tmp_path, fleet, "argo") as argo,
            vessel(tmp_path, fleet, "brigid") as brigid,
            vessel(tmp_path, fleet, "carina") as carina,
        ):
            stores = [mesh.database for mesh in (argo, brigid, carina)]

            def united() -> bool:
                found = [store.get(alarm) for store in stores]
                return len({document and document.rev for document in found}) == 1 and all(
                    document is not None and len(document.body["acks"]) == 3 for document in found
                )

            await until(united, "three acknowledgements, one revision")
            assert [list(store.conflicts()) for store in stores] == [[], [], []]

    run(main())


def test_only_the_forbidden_documents_of_a_vessel_are_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    good = documents.reading_id("mallory", "rpm", LOG, 1)
    kept = documents.reading_id("argo", "rpm", LOG, 1)
    boot = documents.boot_id("brigid", LOG, 9)
    changed = documents.reading_id("mallory", "rpm", LOG, 2)

    async def main() -> None:
        fleet = Fleet.new()
        with Database.open(tmp_path / "mallory.db") as theirs:
            forged = body(kept, samples=[[0, 1]])
            async with vessel(tmp_path, fleet, "argo") as argo, vessel(tmp_path, fleet, "brigid") as brigid:
                rev = argo.database.put(kept, forged)
                await until(lambda: brigid.database.get(kept), "the reading is everywhere")
                theirs.insert(kept, rev, [], forged)
                theirs.delete(kept, parent=rev)
                theirs.put(boot, body(boot))
                theirs.put(
                    "fleet:revocations",
                    to_body(Revocations(9, NOW), fleet="x", key=Fleet.new().authority.key),
                )
                first = theirs.put(changed, body(changed, samples=[[0, 1]]))
                theirs.put(changed, body(changed, samples=[[0, 2]]), parent=first)
                theirs.put(good, body(good, samples=[[0, 3]]))
                status = await Replicator(
                    ReplicatorConfiguration(
                        theirs,
                        endpoint_of_url(f"wss://127.0.0.1:{argo.port}/log"),
                        pull=False,
                        authenticator=ClientCertificateAuthenticator(fleet.issue("mallory")),
                        roots=(fleet.authority.certificate,),
                        judge=lambda _: None,
                    )
                ).run()
                assert status.progress.failed == 4
                await until(lambda: brigid.database.get(good), "what may be written is everywhere")
                for store in (argo.database, brigid.database):
                    document = store.get(kept)
                    assert document is not None
                    assert (document.rev, document.deleted) == (rev, False)
                    assert store.get(boot) is None
                    assert store.get(changed) is None
                    assert store.get("fleet:revocations") is None
                for refused in (kept, boot, changed, "fleet:revocations"):
                    assert said_about(caplog, f"a document from mallory is rejected: {refused}")

    run(main())


def test_vessel_with_a_restored_card_learns_of_later_readings_from_another_vessel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # The files on argo's restored card are consistent. Only brigid's store shows that readings are missing.
    here, beyond = (documents.reading_id("argo", "rpm", "qwerty", first) for first in (1, 4_001))
    with Database.open(tmp_path / "argo.db", policy=documents.POLICY) as database:
        rev = database.put(here, body(here, samples=[[0, 1]]))
    with Database.open(tmp_path / "brigid.db", policy=documents.POLICY) as database:
        database.insert(here, rev, [], body(here, samples=[[0, 1]]))
        database.put(beyond, body(beyond, samples=[[0, 2]]))

    async def main() -> None:
        fleet = Fleet.new()
        async with (
            vessel(tmp_path, fleet, "argo") as argo,
            vessel(tmp_path, fleet, "brigid", knows=(argo,)) as brigid,
        ):
            await until(lambda: mesh_report(argo).problems, "argo is told")
            (problem,) = mesh_report(argo).problems
            assert "vessel brigid has readings of this vessel's log qwerty that are missing here" in problem
            assert "number 4001 of rpm" in problem
            assert mesh_report(brigid).problems == []
            assert argo.database.get(beyond) is None
        assert len(said_about(caplog, "restart the recorder to begin a new log")) == 1

    run(main())


def test_forbidden_documents_are_also_refused_in_a_pull(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    boot = documents.boot_id("carina", LOG, 9)

    async def main() -> None:
        fleet = Fleet.new()
        async with vessel(tmp_path, fleet, "argo") as argo, vessel(tmp_path, fleet, "brigid") as brigid:
            await until(lambda: argo.outward and argo.linked, "argo has dialled brigid")
            brigid.database.put(boot, body(boot))
            brigid.database.put("later", {})
            await until(lambda: argo.database.get("later"), "what follows it came")
            assert argo.database.get(boot) is None
            await until(
                lambda: said_about(caplog, f"a document from brigid is rejected: {boot}"), "it is named"
            )

    run(main())


@pytest.mark.parametrize("way", ["push", "pull"])
def test_one_way_link_transfers_in_one_direction(tmp_path: Path, way: str) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        async with (
            vessel(tmp_path, fleet, "argo", gives=way == "push", takes=way == "pull") as argo,
            vessel(tmp_path, fleet, "brigid") as brigid,
            vessel(tmp_path, fleet, "aaron") as aaron,  # connects to argo
        ):
            for mesh in (argo, brigid, aaron):
                mesh.database.put(f"by-{mesh.vessel}", {})
            await until(lambda: len(argo.linked) == 2, "all are linked")
            if way == "push":
                await until(
                    lambda: all(other.database.get("by-argo") for other in (brigid, aaron)), "argo's came"
                )
                await until(lambda: brigid.database.get("by-aaron"), "the others' too")
                assert argo.database.count() == 1
            else:
                await until(lambda: argo.database.count() == 3, "argo has all")
                assert brigid.database.get("by-argo") is aaron.database.get("by-argo") is None

    run(main())
