"""Measures the traffic of a simulated fleet's documents in several topologies.

Run this module with `python -m tests.mesh.traffic`, which takes some minutes.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .simulation import Radio, Sight, everybody, fleet, in_a_row

EACH: Final = 20
VESSELS: Final = 30


@dataclass(frozen=True, slots=True)
class Measured:
    """Traffic of a simulated fleet whose vessels have written and replicated documents."""

    links: int
    written: int
    """Number of revisions written, including later revisions of the same document."""
    bytes: int
    """Total number of bytes sent in BLIP frames."""
    bytes_telling: int
    """Number of bytes sent in `changes` and `proposeChanges` messages."""
    copies: float
    """Number of received revisions per written revision and receiving vessel.

    The ratio may be below 1, because a revision that is replaced early does not reach every vessel.
    """
    told_per_link: float
    """Number of announcements and proposals per written revision and link."""
    seconds: float
    """Time in seconds from the last write until all vessels had all documents."""


def measure(
    folder: Path, sight: Sight, *, max_peers: int, each: int = EACH, radio: Radio | None = None
) -> Measured:
    """Connect vessels, let each write `each` documents, and measure the traffic until all stores agree."""
    with fleet(folder, len(sight)) as vessels:
        vessels.meet(sight, max_peers=max_peers, radio=radio or Radio())
        vessels.simulation.run(1.0)
        before = vessels.traffic.bytes
        vessels.write_all(each, over=each / 10)
        seconds = vessels.converge(60)
        vessels.simulation.run(6.0)  # time for the vessels' checkpoints
        vessels.assert_same()
        traffic, written = vessels.traffic, each * len(sight)
        return Measured(
            links=len(vessels.links),
            written=written,
            bytes=traffic.bytes - before,
            bytes_telling=traffic.bytes_telling,
            copies=sum(traffic.bodies.values()) / (written * (len(sight) - 1)),
            told_per_link=sum(traffic.told.values()) / (written * len(vessels.links)),
            seconds=seconds,
        )


def main(count: int = VESSELS, *, each: int = EACH) -> None:
    """Print a table of the traffic in several topologies, for a fleet of `count` vessels."""
    names = [f"v{number:02d}" for number in range(count)]
    print(f"a fleet of {count} vessels, {each} documents by each, simulated links of 10 ms and 1 MB/s")
    print(
        f"  {'':16}{'links':>6}{'MB on the wire':>16}{'bytes/document':>16}{'copies/needed':>15}"
        f"{'lists, bytes/document/link':>28}{'entries':>9}{'seconds':>9}{'(took)':>9}"
    )
    for name, sight, max_peers in (
        ("full mesh", everybody(names), 29),
        ("limited degree", everybody(names), 8),
        ("chain", in_a_row(names), 8),
    ):
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as work:
            found = measure(Path(work), sight, max_peers=max_peers, each=each)
        print(
            f"  {name:16}{found.links:6}{found.bytes / 1e6:16.2f}{found.bytes / found.written:16,.0f}"
            f"{found.copies:15.3f}{found.bytes_telling / found.written / found.links:28.0f}"
            f"{found.told_per_link:9.2f}{found.seconds:9.2f}{time.perf_counter() - began:9.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
