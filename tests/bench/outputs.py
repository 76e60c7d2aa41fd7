"""Time from an edge on the header to the pin of a siren: recorder, document store and lights daemon.

The header is simulated, and both daemons are real processes. The contact has a debounce of 20 ms, which is
included. Aim: at most 500 ms.
"""

import random
import sys
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from tests.services.outputs.vessel import Vessel

EDGES = 200
AIM_MS = 500.0
LONGEST_S = 60.0


def main(edges: int = EDGES) -> None:
    """Measure `edges` alarms, and print the result."""
    print(f"outputs, from the edge of a contact to the pin of a siren, {edges} alarms; aim {AIM_MS:g} ms")
    rng = random.Random(1)
    on, off = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as work, Vessel(Path(work) / "v") as vessel:
        vessel.start_recorder()
        vessel.start_lights()
        for _ in range(edges):
            time.sleep(rng.uniform(0, 1))  # the daemons' cycles of a second must not follow the edges
            on.append(_follow(vessel, True))
            time.sleep(rng.uniform(0, 1))
            off.append(_follow(vessel, False))
    for what, times in (("the alarm turns it on", on), ("its end turns it off", off)):
        most = quantiles(times, n=100)[98]
        print(
            f"  {what:<22} median {median(times):5.0f} ms, 99 % within {most:5.0f} ms, "
            f"longest {max(times):5.0f} ms"
        )


def _follow(vessel: Vessel, is_wet: bool) -> float:
    """Change the contact, and return the milliseconds until the pin follows."""
    began = time.monotonic()
    vessel.flood(is_wet)
    while vessel.sounds != is_wet:
        if time.monotonic() - began > LONGEST_S:
            raise TimeoutError(f"the pin does not follow; {vessel.outputs()}")
        time.sleep(0.001)
    return 1000 * (time.monotonic() - began)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EDGES)
