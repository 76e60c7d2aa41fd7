"""A vessel refuses peers that it does not trust, and both vessels report the reason."""

import asyncio
import logging
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from services.clocks.clock_floor import Floor
from sync import documents
from sync.documents import REVOCATIONS
from sync.fleet.revocations import to_body
from sync.mesh import manager
from sync.mesh.report import mesh_report
from sync.mesh.vessel_endpoint import endpoint_of_url
from sync.net.authenticators import ClientCertificateAuthenticator
from sync.net.listener import describe_client
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.peer.checkpoints import PeersCheckpoints
from sync.store import Database
from tests.fleet.builders import body
from tests.polling import until

from .inprocess import NOW, Fleet, problem_of, run, said_about, turned, vessel


def test_vessel_of_another_fleet_is_refused_in_the_handshake_by_both_sides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with (
            vessel(tmp_path, Fleet.new(), "argo") as argo,
            vessel(tmp_path, Fleet.new(), "brigid", knows=(argo,)) as brigid,
        ):
            await until(lambda: problem_of(brigid), "brigid says why")
            assert "cannot verify" in problem_of(brigid)
            await until(lambda: said_about(caplog, "does not know the issuer"), "argo says why")
            assert argo.linked == brigid.linked == frozenset()

    run(main())


def test_expired_certificate_is_refused_with_the_reason_on_both_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        fleet = Fleet.new()
        late = fleet.issue("brigid", end=NOW - timedelta(days=1))
        async with (
            vessel(tmp_path, fleet, "argo") as argo,
            vessel(tmp_path, fleet, "brigid", identity=late) as brigid,
        ):
            await until(lambda: "expired" in problem_of(argo), "argo says why")
            await until(lambda: said_about(caplog, "expired"), "it is in the log")
            assert argo.linked == brigid.linked == frozenset()

    run(main())


def test_vessel_with_an_expired_certificate_learns_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        fleet = Fleet.new()
        late = fleet.issue("argo", end=NOW - timedelta(days=1))
        async with (
            vessel(tmp_path, fleet, "argo", identity=late) as argo,
            vessel(tmp_path, fleet, "brigid") as brigid,
        ):
            await until(lambda: "expired" in problem_of(argo), "argo hears why")
            assert "403" in problem_of(argo)
            await until(
                lambda: said_about(caplog, "is rejected: the peer's certificate 'argo'"), "brigid too"
            )
            assert argo.linked == brigid.linked == frozenset()

    run(main())


def test_clock_at_1970_accepts_certificates_that_the_time_floor_allows(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        with Database.open(tmp_path / "clock.db", policy=documents.POLICY) as database:
            floor = Floor(database, image=NOW.timestamp(), utc=lambda: 0.0)
            assert floor.now() == NOW
            async with (
                vessel(tmp_path, fleet, "argo", now=floor.now) as argo,
                vessel(tmp_path, fleet, "brigid") as brigid,
            ):
                await until(lambda: argo.linked and brigid.linked, "they are linked")

    run(main())


def test_clock_at_1970_refuses_certificates_that_expired_before_the_time_floor(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        late = fleet.issue("brigid", end=NOW - timedelta(days=1))
        with Database.open(tmp_path / "clock.db", policy=documents.POLICY) as database:
            floor = Floor(database, image=NOW.timestamp(), utc=lambda: 0.0)
            async with (
                vessel(tmp_path, fleet, "argo", now=floor.now) as argo,
                vessel(tmp_path, fleet, "brigid", identity=late),
            ):
                await until(lambda: "expired" in problem_of(argo), "it is refused")

    run(main())


def test_revocation_is_passed_on_and_ends_the_links_of_the_revoked_vessel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        fleet = Fleet.new()
        stolen = fleet.issue("carina")
        async with (
            vessel(tmp_path, fleet, "argo") as argo,
            vessel(tmp_path, fleet, "brigid") as brigid,
            vessel(tmp_path, fleet, "carina", identity=stolen) as carina,
        ):
            await until(lambda: len(argo.linked) == len(brigid.linked) == 2, "all are linked")
            revoked = to_body(fleet.revoke(stolen), fleet=fleet.name, key=fleet.authority.key)
            argo.database.put(REVOCATIONS, revoked)
            await until(
                lambda: argo.linked == {"brigid"} and brigid.linked == {"argo"}, "carina is out everywhere"
            )
            assert brigid.membership.trust.revocations.number == 1
            assert "revoked on 2026-06-01 (stolen)" in problem_of(brigid)
            await until(lambda: "revoked" in problem_of(carina), "carina hears why")
            await until(lambda: not carina.linked, "it is alone")

    run(main())


def test_two_boards_with_one_identity_are_reported_by_both_and_by_a_third_vessel(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        shared = fleet.issue("argo")
        async with (
            vessel(tmp_path, fleet, "argo", identity=shared, board="one") as one,
            vessel(tmp_path, fleet, "argo", identity=shared, board="two") as two,
            vessel(tmp_path, fleet, "zora") as third,
        ):
            await until(lambda: mesh_report(one).clones and mesh_report(two).clones, "both say so")
            assert "both have the identity of vessel argo" in mesh_report(one).clones[0]
            assert one.linked | two.linked <= {"zora"}
            one.database.put("note-one", {})
            two.database.put("note-two", {})
            await until(
                lambda: third.database.get("note-one") or third.database.get("note-two"), "data flows"
            )

    run(main())


def test_vessel_whose_configuration_contains_its_own_address_ignores_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with vessel(tmp_path, Fleet.new(), "argo", port=4103, known=("wss://127.0.0.1:4103",)) as argo:
            await turned([argo], 4)
            await until(lambda: not argo.outward, "it was tried and left")
            assert mesh_report(argo).clones == []
            assert argo.linked == frozenset()

    run(main())


def test_revoked_vessel_without_a_checkpoint_is_disconnected_at_once_on_both_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        stolen = fleet.issue("brigid")
        async with (
            vessel(tmp_path, fleet, "brigid", identity=stolen) as brigid,
            vessel(tmp_path, fleet, "argo", knows=(brigid,)) as argo,
        ):
            await until(lambda: len([p for link in argo.outward.values() for p in link.peers]) == 2, "linked")
            monkeypatch.setattr(PeersCheckpoints, "_set", lambda *_: None)
            reading = "reading:argo:rpm:abcdef:000000000001"
            argo.database.put(reading, body(reading))
            await until(lambda: brigid.database.get(reading), "it passes")
            peers = [peer for link in argo.outward.values() for peer in link.peers]
            revoked = to_body(fleet.revoke(stolen), fleet=fleet.name, key=fleet.authority.key)
            argo.database.put(REVOCATIONS, revoked)
            argo._take_up_revocations()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert [peer.session.is_over for peer in peers] == [True, True]

    run(main())


@pytest.mark.parametrize("why", ["revoked", "expired"])
def test_all_connections_of_a_vessel_end_with_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, why: str
) -> None:
    """Connections of programs that do not select a stream must also end."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(manager, "JUDGE_EVERY", 0.1)
    time = NOW

    async def main() -> None:
        nonlocal time
        fleet = Fleet.new()
        ends = NOW + timedelta(days=1)
        stolen, good = fleet.issue("carina", end=ends), fleet.issue("zora")
        with ExitStack() as stack:
            async with vessel(tmp_path, fleet, "argo", now=lambda: time) as argo:
                replicators = []
                for number, shown in enumerate([stolen, stolen, stolen, stolen, good]):
                    path = tmp_path / f"{number}.db"
                    theirs = stack.enter_context(Database.open(path, policy=documents.POLICY))
                    replicators.append(
                        Replicator(
                            ReplicatorConfiguration(
                                theirs,
                                endpoint_of_url(f"wss://127.0.0.1:{argo.port}/log"),
                                continuous=True,
                                authenticator=ClientCertificateAuthenticator(shown),
                                roots=(fleet.authority.certificate,),
                                judge=lambda _: None,
                            )
                        )
                    )
                assert argo.listener is not None
                listener = argo.listener
                for replicator in replicators:
                    replicator.start()
                await until(lambda: len(listener.connections) == 5, "all are connected")
                if why == "revoked":
                    said = to_body(fleet.revoke(stolen), fleet=fleet.name, key=fleet.authority.key)
                    argo.database.put(REVOCATIONS, said)
                else:
                    time = ends + timedelta(seconds=1)
                await until(
                    lambda: len(said_about(caplog, "closing the connection of")) == 4, "four are sent away"
                )
                await until(lambda: len(listener.connections) == 1, "one is left")
                await turned([argo])
                assert [describe_client(each.client) for each in listener.connections] == [
                    "holder of certificate 'zora'"
                ]
                await asyncio.gather(*(replicator.stop() for replicator in replicators))

    run(main())
