"""An emergency on the first of three vessels in a chain sounds on the third, which can acknowledge it."""

import itertools
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.namespaces import Host, Network, Segment
from tests.polling import wait_until
from tests.services.outputs.vessel import SENSORS, Vessel

from .appliances import Appliance, wait_for_agreement

pytestmark = pytest.mark.wall_clock

NO_SENSORS = "no_sensors = true\n"
HEALED_WITHIN_S = 60.0
"""Time in seconds within which a busy machine passes a document along a healed chain."""


class Chain:
    """Three vessels, of which the first and the last have a siren."""

    def __init__(self, network: Network, folder: Path, stack: ExitStack) -> None:
        hosts = network.hosts("argo", "brigid", "carina")
        self.straits = [
            network.segment(f"strait{number}", one, other)
            for number, (one, other) in enumerate(itertools.pairwise(hosts))
        ]
        self._hosts = hosts
        self.fleet = [Appliance(folder / host.name, host.name, host) for host in hosts]
        for each in self.fleet:
            stack.callback(each.end)
        self.first = stack.enter_context(Vessel(folder / "argo", sensors=SENSORS))
        stack.enter_context(Vessel(folder / "brigid", name="brigid", sensors=NO_SENSORS, output=""))
        self.third = stack.enter_context(Vessel(folder / "carina", name="carina", sensors=NO_SENSORS))
        self.first.recorder.start()
        for each in self.fleet:
            each.start()
        wait_for_agreement(self.fleet)
        self.first.start_lights()
        self.third.start_lights()

    def cut(self, rng: random.Random) -> list[tuple[Segment, Host, bool]]:
        """Separate the first vessel from the third at one place or at both, and return the places."""
        places = []
        for strait in rng.sample(self.straits, rng.randrange(1, len(self.straits) + 1)):
            host, silently = self._hosts[1], rng.random() < 0.5
            (strait.cut_silently if silently else strait.cut)(host)
            places.append((strait, host, silently))
        return places

    def heal(self, places: list[tuple[Segment, Host, bool]]) -> float:
        """Connect the vessels again, and return the current time."""
        for strait, host, silently in places:
            (strait.heal_silently if silently else strait.heal)(host)
        return time.monotonic()

    def wait_until_cleared(self) -> None:
        """Wait until no alarm of the first vessel is active."""

        def is_cleared() -> bool:
            with self.fleet[0].store() as database:
                return all("cleared" in document.body for document in database.documents("alarm:"))

        wait_until(is_cleared, "the end of the alarm")


@pytest.fixture
def chain(network: Network, tmp_path: Path) -> Iterator[Chain]:
    with ExitStack() as stack:
        yield Chain(network, tmp_path, stack)


def test_emergency_sounds_at_the_other_end_and_its_acknowledgement_comes_back(chain: Chain) -> None:
    raised = time.monotonic()
    chain.first.flood(True)
    chain.third.wait_for_siren(True)
    sounded = time.monotonic()
    assert chain.first.sounds
    chain.third.run("ack", "--by", "anna")
    chain.third.wait_for_siren(False)
    chain.first.wait_for_siren(False)
    print(f"sounded after {sounded - raised:.2f} s, and was quiet {time.monotonic() - sounded:.2f} s later")


def test_silence_at_the_other_end_stops_both_sirens_until_it_ends(chain: Chain) -> None:
    chain.first.flood(True)
    chain.third.wait_for_siren(True)
    chain.third.run("silence", "--for", "10s", "--by", "anna")
    chain.third.wait_for_siren(False)
    chain.first.wait_for_siren(False)
    chain.first.wait_for_siren(True)
    chain.third.wait_for_siren(True)


@pytest.mark.parametrize(
    ("rounds", "longest"),
    [(1, 0.0), pytest.param(20, 30.0, marks=(pytest.mark.torture, pytest.mark.timeout(3600)))],
)
def test_random_partitions_only_delay_alarms_and_acknowledgements(
    chain: Chain, rng: random.Random, rounds: int, longest: float
) -> None:
    """Each partition lasts up to `longest` seconds longer than the event in it."""
    for _ in range(rounds):
        places = chain.cut(rng)
        chain.first.flood(True)
        chain.first.wait_for_siren(True)
        time.sleep(rng.uniform(0, longest))
        assert not chain.third.sounds, "the vessels are separated"
        healed = chain.heal(places)
        chain.third.wait_for_siren(True, within=HEALED_WITHIN_S)
        print(f"sounded {time.monotonic() - healed:.1f} s after the vessels met")
        places = chain.cut(rng)
        chain.third.run("ack", "--by", "anna")
        chain.third.wait_for_siren(False)
        time.sleep(rng.uniform(0, longest))
        assert chain.first.sounds, "the vessels are separated"
        healed = chain.heal(places)
        chain.first.wait_for_siren(False, within=HEALED_WITHIN_S)
        print(f"quiet {time.monotonic() - healed:.1f} s after the vessels met")
        chain.first.flood(False)
        chain.wait_until_cleared()
        assert not chain.first.sounds
        assert not chain.third.sounds
