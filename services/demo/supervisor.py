"""Supervises a vessel's daemons in a demo that keeps running: restarts those that exit, as systemd does.

The delays are as in the systemd units: `RestartSec=1`, `RestartSteps=8`, `RestartMaxDelaySec=30`.
"""

import math
import signal
import time
from dataclasses import dataclass
from typing import Final

from services.state import crash_loops

from .vessel import Daemon, DemoVessel

FIRST_S: Final = 1.0
LONGEST_S: Final = 30.0
STEPS: Final = 8


def wait_s(ended: int) -> float:
    """Return the time to wait before restarting a daemon that has exited `ended` times, in seconds.

    The time is computed as described in systemd.service(5).
    """
    steps = min(max(ended, 1) - 1, STEPS)
    return FIRST_S * math.exp(math.log(LONGEST_S / FIRST_S) * steps / STEPS)


@dataclass(slots=True)
class _Down:
    daemon: Daemon
    until: float


class Supervisor:
    """Supervisor for one vessel's daemons, which restarts those that exit."""

    def __init__(self, vessel: DemoVessel) -> None:
        self._vessel = vessel
        self._down: list[_Down] = []
        self._ended: dict[Daemon, list[float]] = {}

    def supervise(self, now: float) -> list[str]:
        """Restart daemons whose delay is over, record new exits, and return messages about both.

        `now` is the time in seconds, from any clock. Raise OSError if an exit cannot be recorded.
        """
        messages = []
        for daemon, status in self._vessel.ended():
            how = describe_exit(status)
            times = self._ended[daemon] = [
                at for at in self._ended.get(daemon, ()) if now - at < crash_loops.WITHIN_S
            ]
            times.append(now)
            if status != 0:  # a daemon that was told to stop exits with 0, which is not a fault
                clock = time.clock_gettime(time.CLOCK_BOOTTIME)
                crash_loops.record_exit(self._vessel.folder / "run", daemon.state, how, clock=clock)
            wait = wait_s(len(times))
            self._down.append(_Down(daemon, now + wait))
            messages.append(
                f"{self._vessel.name}: {daemon.state} has stopped ({how}); restarting in {wait:.0f} s"
            )
        for down in [each for each in self._down if each.until <= now]:
            self._down.remove(down)
            self._vessel.start(down.daemon)
        return messages


def describe_exit(status: int) -> str:
    """Return a description of how a process exited, in the same words as `units/ended`."""
    if status >= 0:
        return f"exit status {status}"
    try:
        name = signal.Signals(-status).name.removeprefix("SIG")
    except ValueError:
        name = str(-status)
    return f"killed by signal {name}"
