"""Recent exits of daemons, which systemd records by running `units/ended`. Commands and lights show them.

systemd restarts a daemon indefinitely, at increasing intervals, so repeated exits must be reported. A
daemon's first exits are saved in `errors.log`, then one exit per hour. Five exits within ten minutes count as
a fault, until the daemon has run for two minutes. Each daemon has a file in the run directory, such as
`ended-recorder`, with a line for each exit: the boot clock in seconds, whether the exit was saved, and how
the daemon ended.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync.folders import opener

DAEMONS: Final = ("recorder", "sync", "lights", "store", "boot", "networks", "radio", "gnss")
SCRIPT: Final = Path(__file__).parents[1] / "units" / "ended"
"""Path of the script that systemd runs, which contains the same limits as this module."""
WITHIN_S: Final = 600.0
MANY: Final = 5
"""Minimum number of exits within the period that counts as a fault."""
OVER_AFTER_S: Final = 120.0
"""Time without an exit after which a daemon no longer counts as failing, in seconds.

Systemd delays a restart by at most 30 s.
"""
KEPT_EVERY_S: Final = 3_600.0
"""Minimum interval between exits saved in `errors.log` while a daemon exits repeatedly, in seconds."""


@dataclass(frozen=True, slots=True)
class DaemonExit:
    """An exit of a daemon that was not requested."""

    clock: float
    """Boot clock time of the exit, in seconds."""
    how: str


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """A daemon that exits repeatedly."""

    daemon: str
    count: int
    how: str
    """Description of the daemon's last exit."""

    def __str__(self) -> str:
        within = f"{WITHIN_S / 60:g} min"
        return f"logboat-{self.daemon} has stopped {self.count} times in {within} (last: {self.how})"


def crash_loop_in(daemon: str, ends: Sequence[DaemonExit], *, clock: float) -> CrashLoop | None:
    """Return a CrashLoop if a daemon is exiting repeatedly at the time `clock`, else None.

    `ends` are the daemon's recorded exits, oldest first. `clock` is the boot clock in seconds.
    """
    recent = [end for end in ends if 0 <= clock - end.clock < WITHIN_S]
    if len(recent) < MANY or clock - recent[-1].clock >= OVER_AFTER_S:
        return None
    return CrashLoop(daemon, len(recent), recent[-1].how)


def record_exit(run: Path, daemon: str, how: str, *, clock: float) -> None:
    """Record a daemon's exit on systems without systemd, where no script records it.

    Raise OSError if that fails.
    """
    with open(_path(run, daemon), "a", opener=opener()) as file:
        # Rounded down, because an exit that seems to be in the future would not count.
        file.write(f"{math.floor(clock * 100) / 100:.2f} once {how}\n")


def recorded_exits(run: Path, daemon: str) -> tuple[DaemonExit, ...]:
    """Return the recorded exits of a daemon, oldest first."""
    try:
        text = _path(run, daemon).read_text(errors="replace")
    except OSError:
        return ()
    return tuple(_parsed(text))


def last_changes(run: Path) -> tuple[tuple[str, int], ...]:
    """Return the names of the files with recorded exits, and their modification times in nanoseconds."""
    changes = []
    for path in sorted(run.glob("ended-*")):
        with suppress(OSError):
            changes.append((path.name, path.stat().st_mtime_ns))
    return tuple(changes)


def find_crash_loops(run: Path, *, clock: float) -> list[CrashLoop]:
    """Return the daemons that are exiting repeatedly at the time `clock`, most important first."""
    loops = (crash_loop_in(daemon, recorded_exits(run, daemon), clock=clock) for daemon in DAEMONS)
    return [each for each in loops if each is not None]


def _parsed(text: str) -> Iterator[DaemonExit]:
    for line in text.splitlines():
        clock, _, rest = line.partition(" ")
        _, _, how = rest.partition(" ")
        try:
            yield DaemonExit(float(clock), how)
        except ValueError:  # an incomplete line
            continue


def _path(run: Path, daemon: str) -> Path:
    return run / f"ended-{daemon}"
