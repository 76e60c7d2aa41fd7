"""Runs a real daemon or command on a simulated board.

The command line is `python -m tests.services.walk.daemon FOLDER record …`. Tests cannot unplug chips or set
this machine's clock. The kernel's view of the chips is therefore a folder, and time and quality of the clock
are in a file. All other parts are the same as on an appliance.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from .board import CLOCK, ROOT


def put_on(board: Path) -> None:
    """Make this process use the board, before it imports any module that reads clocks or chips."""
    real_time, real_time_ns = time.time, time.time_ns

    def told() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((board / CLOCK).read_text())
        return found

    time.time = lambda: real_time() - float(told()["slow"])
    time.time_ns = lambda: real_time_ns() - round(float(told()["slow"]) * 1e9)

    from sensors import driver_context
    from sensors.clock import Clock
    from services.clocks import clock_quality
    from services.clocks.time_source import TimeSource
    from services.doctor import network

    def quality(*, root: Path = board) -> clock_quality.ClockQuality:
        del root
        return clock_quality.ClockQuality(TimeSource(told()["source"]), 0.01)

    clock_quality.system_quality = quality

    class Context(driver_context.DriverContext):
        def __init__(self, clock: Clock) -> None:
            super().__init__(clock, root=board / ROOT)

    network.read_interfaces = lambda: ()  # type: ignore[attr-defined] # the doctor's probe of multicast sends nothing anywhere
    driver_context.DriverContext = Context  # type: ignore[assignment,misc]


def remove_header() -> None:
    """Make the lights daemon find no GPIO chip, even if the tests run on a Raspberry Pi."""
    from sensors.driver import DriverError
    from services.lights import daemon

    def fail() -> None:
        raise DriverError("this board has no GPIO chip")

    daemon._factory = fail


if __name__ == "__main__":
    put_on(Path(sys.argv[1]))
    if sys.argv[2] == "lights":
        remove_header()

    from services.cli.main import main

    sys.exit(main(sys.argv[2:]))
