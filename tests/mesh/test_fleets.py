"""Complete appliances on simulated networks end up with the same log when they meet."""

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.documents import DocumentType
from tests.namespaces import Host, Network

from .appliances import Appliance, kinds, wait_for_agreement, wait_until

pytestmark = pytest.mark.wall_clock

NAMES = ("argo", "brigid", "carina", "dione", "elgin")

Launch = Callable[..., Appliance]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Yield a function that starts an appliance on a simulated host, with documents or with a recorder.

    All appliances are killed at the end of the test.
    """
    launched: list[Appliance] = []

    def one(host: Host, *, records: bool = False, configuration: str = "") -> Appliance:
        appliance = Appliance(tmp_path / host.name, host.name, host, configuration=configuration)
        launched.append(appliance)
        if records:
            appliance.recorder.start()
        else:
            appliance.write()
        appliance.start()
        return appliance

    yield one
    for appliance in launched:
        appliance.end()


def links(fleet: list[Appliance]) -> int:
    """Return the number of pairs of appliances that are linked."""
    return len({frozenset((each.vessel, other)) for each in fleet for other in each.linked})


def test_vessels_in_a_full_mesh_record_and_agree(network: Network, launch: Launch) -> None:
    hosts = network.hosts(*NAMES)
    network.segment("roads", *hosts)
    fleet = [launch(host, records=True) for host in hosts]
    wait_until(lambda: links(fleet) == 10, "a full mesh", fleet)
    for vessel in fleet:
        vessel.recorder.wait_for_lines(5)
    for vessel in fleet:
        assert vessel.recorder.stop() == 0
    took = wait_for_agreement(fleet)
    told = {(vessel.vessel, *line) for vessel in fleet for line in vessel.recorder.ledger}
    print(f"full mesh of 5: 10 links, {len(told)} samples, agreed {took:.1f} s after the last recorder ended")
    for vessel in fleet:
        assert told <= samples_in(vessel)


def samples_in(appliance: Appliance) -> set[tuple[str, str, str, int]]:
    """Return every sample in an appliance's store as (vessel, sensor, log, sequence)."""
    with appliance.store() as database:
        return {
            (body["vessel"], body["sensor"], body["log"], number)
            for body in (document.body for document in database.documents("reading:"))
            for number in range(body["first"], body["last"] + 1)
        }


def test_configured_star_has_only_links_with_the_hub(network: Network, launch: Launch) -> None:
    hosts = network.hosts("depot", *NAMES[:4])
    network.segment("roads", *hosts)
    star = '[mesh]\nhub = ["depot"]\n'
    fleet = [launch(hosts[0], configuration='[mesh]\nrole = "hub"\n')]
    fleet += [launch(host, configuration=star) for host in hosts[1:]]
    took = wait_for_agreement(fleet)
    wait_until(lambda: links(fleet) == 4, "four links", fleet)
    print(f"star of 5: 4 links, agreed after {took:.1f} s")


def test_chain_of_vessels_passes_documents_from_end_to_end(network: Network, launch: Launch) -> None:
    hosts = network.hosts(*NAMES)
    for number, (one, other) in enumerate(itertools.pairwise(hosts)):
        network.segment(f"strait{number}", one, other)
    fleet = [launch(host) for host in hosts]
    took = wait_for_agreement(fleet)
    print(f"chain of 5: {links(fleet)} links, agreed after {took:.1f} s")
    first, last = fleet[0], fleet[-1]

    def way(here: Appliance, there: str) -> object:
        return here.state()["routes"].get(there, {}).get("path")

    wait_until(
        lambda: (
            way(last, "argo") == ["dione", "carina", "brigid", "argo"]
            and way(first, "elgin") == ["brigid", "carina", "dione", "elgin"]
        ),
        "the ways from end to end",
        fleet,
    )
    first.write()
    print(f"from end to end {wait_for_agreement(fleet):.1f} s")


def test_vessel_that_moves_between_two_networks_carries_documents(network: Network, launch: Launch) -> None:
    argo, brigid, carina, dione, mule = network.hosts(*NAMES[:4], "mule")
    west, east = network.segment("west", argo, brigid, mule), network.segment("east", carina, dione, mule)
    west.cut(mule)
    east.cut(mule)
    islands = [launch(host) for host in (argo, brigid, carina, dione)]
    mule_ship = launch(mule)
    for _ in range(2):
        for island, port in ((west, islands[:2]), (east, islands[2:])):
            for vessel in islands:
                vessel.write(5)
            island.heal(mule)
            wait_for_agreement([mule_ship, *port])
            island.cut(mule)
    west.heal(mule)
    took = wait_for_agreement([mule_ship, *islands[:2]])
    assert {"carina", "dione"} <= set(islands[0].state()["routes"])
    east.heal(mule)
    wait_for_agreement([mule_ship, *islands])
    print(f"islands agree with the mule's help, the last time after {took:.1f} s")
    assert "carina" not in islands[0].linked


def test_unreachable_vessel_is_reported_before_its_link_is_given_up(network: Network, launch: Launch) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    roads = network.segment("roads", argo, brigid)
    one, two = fleet = [launch(argo), launch(brigid)]
    told: dict[str, dict[str, Any]] = {}

    def are(*states: str) -> bool:
        """Return True once each vessel has reported one of these states for the other, even briefly."""
        for vessel, other in ((one, two), (two, one)):
            peer = vessel.peer(other.vessel)
            if peer.get("state") in states:
                told.setdefault(vessel.vessel, peer)
        return len(told) == len(fleet)

    wait_until(lambda: are("linked"), "a link", fleet)
    told.clear()
    roads.cut_silently(brigid)
    wait_until(lambda: are("silent"), "both tell that the other is silent", fleet)
    for peer in told.values():
        assert peer["problem"].startswith("no answer for ")
        assert peer["upFor"] is not None
    told.clear()
    # The refused state is included here so that the assertion below can detect it.
    wait_until(lambda: are("connecting", "in sight", "refused"), "both give up the link", fleet)
    for peer in told.values():
        assert peer["state"] != "refused"
        assert "does not respond: nothing was received for 8 s" in peer["problem"]
    told.clear()
    roads.heal_silently(brigid)
    wait_until(lambda: are("linked"), "linked again", fleet)
    assert [peer["problem"] for peer in told.values()] == [None, None]


@pytest.mark.parametrize(
    ("rounds", "longest"),
    [(4, 0.0), pytest.param(30, 40.0, marks=(pytest.mark.torture, pytest.mark.timeout(3600)))],
)
def test_random_partitions_heal_within_seconds(
    network: Network, launch: Launch, rng: random.Random, rounds: int, longest: float
) -> None:
    """Each partition lasts until the connected vessels agree, and up to `longest` seconds longer."""
    hosts = network.hosts(*NAMES)
    roads = network.segment("roads", *hosts)
    fleet = [launch(host) for host in hosts]
    wait_for_agreement(fleet)
    times = []
    for _ in range(rounds):
        away = rng.sample(hosts, rng.randrange(1, 4))
        silently = rng.random() < 0.5
        for host in away:
            (roads.cut_silently if silently else roads.cut)(host)
        for vessel in fleet:
            vessel.write(5)
        stay = [vessel for vessel in fleet if vessel.host not in away]
        wait_for_agreement(stay)
        time.sleep(rng.uniform(0, longest))  # the duration of the partition varies
        for host in away:
            (roads.heal_silently if silently else roads.heal)(host)
        times.append(wait_for_agreement(fleet))
        print(
            f"{len(away)} of 5 away{' silently' if silently else ''}: agreed {times[-1]:.1f} s after the heal"
        )
    assert max(times) < 10


def test_flapping_interface_loses_no_documents(network: Network, launch: Launch) -> None:
    hosts = network.hosts(*NAMES[:3])
    roads = network.segment("roads", *hosts)
    fleet = [launch(host) for host in hosts]
    wait_for_agreement(fleet)
    for vessel in fleet:
        vessel.write()
        roads.flap(hosts[1], 3)
    took = wait_for_agreement(fleet)
    print(f"agreed {took:.1f} s after the last flap")


def test_fleet_agrees_with_only_link_local_ipv6_addresses(tmp_path: Path, launch: Launch) -> None:
    with Network.for_test(settle=True) as network:
        hosts = network.hosts(*NAMES[:3])
        network.segment("radio", *hosts, ipv4=False)
        fleet = [launch(host) for host in hosts]
        took = wait_for_agreement(fleet)
        print(f"over link-local addresses: agreed after {took:.1f} s")
        wait_until(lambda: links(fleet) == 3, "three links", fleet)
        assert all("fe80::" in peer["address"] for vessel in fleet for peer in vessel.state()["peers"])
        for vessel in fleet:
            vessel.end()


@pytest.mark.parametrize(
    ("kills", "readings"),
    [(3, 1_500), pytest.param(30, 3_000, marks=(pytest.mark.torture, pytest.mark.timeout(3600)))],
)
def test_peer_killed_during_a_transfer_loses_and_repeats_no_documents(
    network: Network, launch: Launch, rng: random.Random, kills: int, readings: int
) -> None:
    hosts = network.hosts(*NAMES[:3])
    network.segment("roads", *hosts)
    fleet = [launch(host) for host in hosts]
    wait_for_agreement(fleet)
    landed = 0
    while landed < kills:
        victim, other = rng.sample(fleet, 2)
        before = victim.count()
        other.write(readings)
        wanted = before + rng.randrange(1, readings)
        wait_until(lambda: victim.count() >= wanted, "some of it is there", fleet)  # noqa: B023
        victim.kill()
        landed += victim.count() < before + readings  # otherwise the vessel already had all documents
        victim.start()
        wait_for_agreement(fleet)
    written = sum(vessel.written for vessel in fleet)
    for vessel in fleet:
        assert len(kinds(vessel, DocumentType.READING)) == written
    print(f"{landed} kills in mid-transfer, {written} readings everywhere, each once")
