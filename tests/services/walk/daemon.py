"""A real daemon or command on a board of a test's: `python -m tests.services.walk.daemon FOLDER record …`.

Nothing here can be unplugged, and nobody may set this machine's clock. So the kernel's view of chips is a
folder, and what the clock says, and is worth, stands in a file; all else is as on an appliance.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from .board import CLOCK, ROOT


def put_on(board: Path) -> None:
    """Let this process run on that board; before anything that reads clocks or chips is imported."""
    real_time, real_time_ns = time.time, time.time_ns

    def told() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((board / CLOCK).read_text())
        return found

    time.time = lambda: real_time() - float(told()["slow"])
    time.time_ns = lambda: real_time_ns() - round(float(told()["slow"]) * 1e9)

    from sensors import drivers
    from sensors.clock import Clock
    from services import timekeeping
    from services.doctor import network

    def quality(*, root: Path = board) -> timekeeping.ClockQuality:
        del root
        return timekeeping.ClockQuality(timekeeping.Source(told()["source"]), 0.01)

    timekeeping.system_quality = quality

    class Context(drivers.DriverContext):
        def __init__(self, clock: Clock) -> None:
            super().__init__(clock, root=board / ROOT)

    network.read_interfaces = lambda: ()  # type: ignore[attr-defined] # the doctor's probe of multicast sends nothing anywhere
    drivers.DriverContext = Context  # type: ignore[assignment,misc]


if __name__ == "__main__":
    put_on(Path(sys.argv[1]))

    from services.command import main

    sys.exit(main(sys.argv[2:]))
