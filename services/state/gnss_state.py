"""The live state of the daemon that reads the satellite receiver, and the quality of the system clock.

The kernel only reports that a time service synchronises the clock. This state shows whether the satellite
receiver does so.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Final

from services.clocks.clock_quality import ClockQuality, system_quality
from services.clocks.time_source import TimeSource

from . import liveness, state_file
from .liveness import DaemonState


class LiveReceiver(DaemonState, frozen=True, kw_only=True):
    """The complete live state of the GNSS daemon."""

    device: str
    words: str
    """Description of the receiver's state, as a clause."""
    fault: str | None = None
    """Name of the receiver's fault; None if there is none."""
    remedy: str | None = None


Sight = liveness.ObservedState[LiveReceiver]
"""The daemon's state, and whether it is current."""

NOT_CONFIGURED: Final = Sight(None, "no satellite receiver is configured")


def path(run: Path) -> Path:
    """Return the path of the GNSS daemon's state file in the run directory."""
    return state_file.path(run, "gnss")


def read(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Read the GNSS daemon's state file in the run directory, and check that the state is current.

    `boottime` is the boot clock's current time, in seconds.
    """
    return liveness.read_checked(path(run), LiveReceiver, "the GNSS daemon", boottime=boottime, alive=alive)


def clock_path(run: Path) -> Path:
    """Return the path of the file about the clock's last correction, which remains when the daemon stops."""
    return state_file.path(run, "gnss-clock")


def write_clock(run: Path, *, boot: str, last_set: tuple[float, float] | None, governs: bool) -> None:
    """Store whether the receiver's time has set the clock. Raise OSError if that fails.

    `last_set` has the boot clock time and the uncertainty of the last correction, in seconds.
    """
    kept = {"boot": boot, "lastSet": None if last_set is None else list(last_set), "governs": governs}
    state_file.write(clock_path(run), kept)


def last_set(run: Path, *, boot: str) -> tuple[float, float] | None:
    """Return the boot clock time and uncertainty, in seconds, of the last correction by an earlier run.

    Only runs within the current boot count.
    """
    match state_file.read(clock_path(run)):
        case {"boot": found, "lastSet": [int() | float() as when, int() | float() as uncertainty]}:
            return (float(when), float(uncertainty)) if found == boot else None
        case _:
            return None


def clock_quality(run: Path, *, system: Callable[[], ClockQuality] = system_quality) -> ClockQuality:
    """Return the quality of the system clock. Raise OSError if the kernel cannot be queried."""
    quality = system()
    if quality.source is not TimeSource.NETWORK:
        return quality
    state = state_file.read(clock_path(run))
    if state is None or state.get("governs") is not True:
        return quality
    return dataclasses.replace(quality, source=TimeSource.GNSS)
