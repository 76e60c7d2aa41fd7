"""Each pair of vessels ends up with one link that matches their roles, even if both vessels connect."""

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sync.mesh import link_plan, vessel_endpoint
from sync.mesh.inbound_link import InboundLink
from sync.mesh.link_plan import MeshNode, Role
from sync.mesh.link_state import LinkState
from sync.mesh.manager import PASSED_AFTER, Mesh
from sync.mesh.report import mesh_report
from sync.peer.active import Activity
from sync.peer.problems import Domain, Problem
from tests.polling import until

from .inprocess import Fleet, run, turned, vessel

PORTS = (4101, 4102)


def links_of(mesh: Mesh, other: str) -> int:
    """Return the number of links with another vessel, both outgoing and incoming."""
    dialled = sum(link.is_up and link.vessel == other for link in mesh.outward.values())
    return dialled + sum(link.is_up and link.vessel == other for link in mesh.inward)


@asynccontextmanager
async def dialled_unseen(folder: Path) -> AsyncIterator[tuple[Mesh, Mesh]]:
    """Yield argo and brigid. Argo does not advertise itself, and connects to brigid's configured address."""
    fleet, alone = Fleet.new(), MeshNode("argo", role=Role.ACTIVE_ONLY)
    async with (
        vessel(folder, fleet, "brigid") as brigid,
        vessel(folder, fleet, "argo", place=alone, knows=(brigid,)) as argo,
    ):
        yield argo, brigid


def test_vessels_that_dial_each_other_keep_one_link(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        urls = [f"wss://127.0.0.1:{port}" for port in PORTS]
        async with (
            vessel(tmp_path, fleet, "argo", port=PORTS[0], known=(urls[1],)) as argo,
            vessel(tmp_path, fleet, "brigid", port=PORTS[1], known=(urls[0],)) as brigid,
        ):
            await until(lambda: links_of(argo, "brigid") and links_of(brigid, "argo"), "they are linked")
            await until(
                lambda: links_of(argo, "brigid") == links_of(brigid, "argo") == 1, "one link is left of all"
            )
            wanted = {
                mesh: mesh.turns + 3 for mesh in (argo, brigid)
            }  # each at its own interval, because a second link may still be opened
            await until(
                lambda: all(mesh.turns >= turns for mesh, turns in wanted.items()), "they looked again"
            )
            await until(
                lambda: links_of(argo, "brigid") == links_of(brigid, "argo") == 1, "one link is left again"
            )
            assert not brigid.outward or not any(link.is_up for link in brigid.outward.values())
            argo.database.put("menu", {})
            await until(lambda: brigid.database.get("menu"), "documents pass")

    run(main())


def test_configured_address_is_sufficient_without_discovery(tmp_path: Path) -> None:
    async def main() -> None:
        async with dialled_unseen(tmp_path) as (argo, brigid):
            await until(lambda: argo.linked == {"brigid"}, "it has dialled")
            assert brigid.linked == {"argo"}

    run(main())


def test_active_only_vessel_is_not_advertised_and_does_not_listen(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        async with (
            vessel(tmp_path, fleet, "argo") as argo,
            vessel(tmp_path, fleet, "brigid", place=MeshNode("brigid", role=Role.ACTIVE_ONLY)) as brigid,
        ):
            await until(lambda: argo.linked and brigid.linked, "it has dialled, although its id is higher")
            assert brigid.port is None
            assert [sighting.vessel for sighting in argo.sightings] == []
            assert [peer.dialled for peer in mesh_report(brigid).peers] == [True]

    run(main())


def test_passive_only_vessel_is_also_dialled_by_vessels_with_higher_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        monkeypatch.setattr(link_plan, "DIAL_AFTER", 0.5)
        fleet = Fleet.new()
        async with (
            vessel(tmp_path, fleet, "argo", place=MeshNode("argo", role=Role.PASSIVE_ONLY)) as argo,
            vessel(tmp_path, fleet, "brigid") as brigid,
        ):
            await until(lambda: brigid.linked == {"argo"}, "the other dialled after its wait")
            assert not argo.outward
            [peer] = mesh_report(argo).peers
            assert (peer.state, peer.dialled) == (LinkState.LINKED, False)

    run(main())


def test_vessel_without_advertisement_that_does_not_answer_is_reported_as_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with dialled_unseen(tmp_path) as (argo, brigid):
            await until(lambda: brigid.linked == {"argo"} and argo.linked, "both know of the link")
            assert [peer.state for peer in mesh_report(brigid).peers] == [LinkState.LINKED]
            monkeypatch.setattr(InboundLink, "silence", 4.4)
            [peer] = mesh_report(brigid).peers
            assert (peer.state, peer.problem) == (LinkState.SILENT, "no answer for 4 s")

    run(main())


def test_vessel_that_is_out_of_reach_is_not_reported_as_refusing(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        async with vessel(tmp_path, fleet, "argo") as argo:
            argo._note("brigid", Problem(Domain.POSIX, errno.ETIMEDOUT, "brigid is gone"))
            assert mesh_report(argo).peers == []
            argo._note("carina", Problem(Domain.WEBSOCKET, 403, "carina was revoked"))
            assert [(peer.vessel, peer.state) for peer in mesh_report(argo).peers] == [
                ("carina", LinkState.REFUSED)
            ]
            await turned([argo])
            assert argo.problems == {}

    run(main())


def test_broken_link_with_a_visible_vessel_is_reported_only_for_a_while(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        async with vessel(tmp_path, fleet, "argo") as argo:
            now = asyncio.get_running_loop().time()
            argo._note("brigid", Problem(Domain.POSIX, errno.ETIMEDOUT, "brigid is gone"))
            argo._note("carina", Problem(Domain.WEBSOCKET, 403, "carina was revoked"))
            argo._forget(now + PASSED_AFTER - 1, {"brigid", "carina"})
            assert set(argo.problems) == {"brigid", "carina"}
            argo._forget(now + PASSED_AFTER + 1, {"brigid", "carina"})
            assert set(argo.problems) == {"carina"}

    run(main())


def test_vessel_that_returns_is_linked_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        fleet, loop = Fleet.new(), asyncio.get_running_loop()
        async with vessel(tmp_path, fleet, "argo") as argo:
            for _ in range(3):
                async with vessel(tmp_path, fleet, "brigid") as brigid:
                    began = loop.time()
                    await until(lambda: argo.linked and brigid.linked, "they are linked")
                    assert loop.time() - began < 15  # no backoff after a refusal or a disconnection
                await until(lambda: not argo.linked, "it has gone")

    run(main())


def test_link_given_up_during_connecting_leaves_no_connection(tmp_path: Path) -> None:
    async def main() -> None:
        fleet = Fleet.new()
        async with (
            vessel(tmp_path, fleet, "brigid", place=MeshNode("brigid", role=Role.PASSIVE_ONLY)) as brigid,
            vessel(tmp_path, fleet, "argo", place=MeshNode("argo", role=Role.PASSIVE_ONLY)) as argo,
        ):
            link = argo._make(vessel_endpoint.endpoint_of_url(f"wss://127.0.0.1:{brigid.port}"), "brigid")
            link.start()
            await asyncio.sleep(0)  # the vessel is now connecting
            await link.stop()
            assert {status.activity for status in link.statuses.values()} == {Activity.STOPPED}
            await until(lambda: not brigid.linked, "the other sees it go")
            assert [peer.session.is_over for peer in link.peers] == []

    run(main())
