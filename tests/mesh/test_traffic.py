"""On simulated links, hardly any document is sent to a vessel twice, with few links and with many."""

from pathlib import Path

import pytest

from .simulation import Radio, Sight, everybody, fleet, in_a_row
from .traffic import Measured, measure

NAMES = [f"v{number:02d}" for number in range(10)]
SLOW = Radio(latency=0.1, bandwidth=20_000)


@pytest.mark.parametrize(
    ("sight", "max_peers", "links"),
    [
        pytest.param(everybody(NAMES), 29, 45, id="full mesh"),
        pytest.param(everybody(NAMES), 4, 25, id="limited degree"),
        pytest.param(in_a_row(NAMES), 8, 9, id="chain"),
    ],
)
def test_each_document_reaches_each_vessel_once(
    tmp_path: Path, sight: Sight, max_peers: int, links: int
) -> None:
    found = measure(tmp_path, sight, max_peers=max_peers, each=6)
    assert found.links == links
    assert_lean(found)
    assert found.seconds < 5
    if links < len(sight):
        assert found.told_per_link <= 1.02, "in a chain one of the two has nothing to tell"


def test_each_document_is_sent_once_over_slow_links(tmp_path: Path) -> None:
    names = NAMES[:6]
    found = measure(tmp_path, everybody(names), max_peers=29, each=6, radio=SLOW)
    assert_lean(found)
    assert found.seconds < 10


def test_vessels_that_reconnect_exchange_hardly_any_changes(tmp_path: Path) -> None:
    with fleet(tmp_path, 3) as vessels:
        names, told = list(vessels.vessels), vessels.traffic.told
        for again in range(3):
            before = dict(told)
            vessels.meet(everybody(names), max_peers=8, radio=Radio())
            if not again:
                vessels.write_all(8, over=1.0)
            vessels.converge(10)
            vessels.simulation.run(10.0)  # time for the vessels' checkpoints
            for vessel in vessels.vessels.values():
                for endpoint in list(vessel.endpoints):
                    endpoint.close()
            assert sum(told.values()) > 0
            if again:
                assert told == before


def assert_lean(found: Measured) -> None:
    """Assert that few documents were received or announced more often than necessary."""
    assert found.copies <= 1.1
    assert found.told_per_link <= 2.0, "at worst each tells the other"
