"""How daemons ended lately: noted by `units/ended`, which systemd runs; read by `status`, doctor and lights.

systemd starts a daemon again for ever, ever more slowly. One that ends again and again is then no silence:
its first ends are kept in `errors.log`, and from the fifth within ten minutes on it is a fault, until the
daemon has run for a while. A file for each daemon in the run directory, `ended-recorder`, has a line for each
end: the boot clock in seconds, a mark of what was kept, and how it ended.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sync.folders import opening

DAEMONS: Final = ("recorder", "sync", "lights", "store", "boot", "networks", "radio")
SCRIPT: Final = Path(__file__).with_name("units") / "ended"
"""What systemd runs; it has the same numbers."""
WITHIN_S: Final = 600.0
MANY: Final = 5
"""Ends within that time that make a fault."""
OVER_AFTER_S: Final = 120.0
"""A daemon that did not end for so long runs again; systemd waits 30 s at most before it starts one."""
KEPT_EVERY_S: Final = 3_600.0
"""How often an end is kept in `errors.log`, of a daemon that ends again and again."""


@dataclass(frozen=True, slots=True)
class End:
    """One end that nobody asked for."""

    clock: float
    """Boot clock, seconds."""
    how: str


@dataclass(frozen=True, slots=True)
class Restless:
    """A daemon that ends again and again."""

    daemon: str
    count: int
    how: str
    """The last time."""

    def __str__(self) -> str:
        within = f"{WITHIN_S / 60:g} min"
        return f"logboat-{self.daemon} has ended {self.count} times in {within} (the last time: {self.how})"


def judge(daemon: str, ends: Sequence[End], *, clock: float) -> Restless | None:
    """Return what is wrong if a daemon ends again and again at this moment; `ends`: the oldest first."""
    recent = [end for end in ends if 0 <= clock - end.clock < WITHIN_S]
    if len(recent) < MANY or clock - recent[-1].clock >= OVER_AFTER_S:
        return None
    return Restless(daemon, len(recent), recent[-1].how)


def note(run: Path, daemon: str, how: str, *, clock: float) -> None:
    """Note an end, where no systemd does. Raises OSError."""
    with open(_path(run, daemon), "a", opener=opening()) as file:
        # Rounded down: an end that seems to lie ahead would not count.
        file.write(f"{math.floor(clock * 100) / 100:.2f} once {how}\n")


def noted(run: Path, daemon: str) -> tuple[End, ...]:
    """Return the ends of a daemon that are noted, the oldest first."""
    try:
        text = _path(run, daemon).read_text(errors="replace")
    except OSError:
        return ()
    return tuple(_parsed(text))


def last_changes(run: Path) -> tuple[tuple[str, int], ...]:
    """Return which daemons' ends are noted, and when each note was last changed, in nanoseconds."""
    found = []
    for path in sorted(run.glob("ended-*")):
        with suppress(OSError):
            found.append((path.name, path.stat().st_mtime_ns))
    return tuple(found)


def restless(run: Path, *, clock: float) -> list[Restless]:
    """Return the daemons that end again and again at this moment, the most important first."""
    found = (judge(daemon, noted(run, daemon), clock=clock) for daemon in DAEMONS)
    return [each for each in found if each is not None]


def _parsed(text: str) -> Iterator[End]:
    for line in text.splitlines():
        clock, _, rest = line.partition(" ")
        _, _, how = rest.partition(" ")
        try:
            yield End(float(clock), how)
        except ValueError:  # a line that is not whole
            continue


def _path(run: Path, daemon: str) -> Path:
    return run / f"ended-{daemon}"
