"""How daemons ended lately: noted by systemd's `ExecStopPost=`, read by `status`, doctor and lights.

systemd starts a daemon again for ever, ever more slowly. One that ends again and again is then no silence:
its first ends are kept in `errors.log`, and from the fifth within ten minutes on it is a fault, until the
daemon has run for a while. A file a daemon, in the run directory: `ended-recorder.json`.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from sensors.quantities import format_duration

from . import livestate
from .liveness import Shape

DAEMONS: Final = ("recorder", "sync", "lights", "store", "boot", "networks", "radio")
WITHIN_S: Final = 600.0
MANY: Final = 5
"""Ends within that time that make a fault."""
OVER_AFTER_S: Final = 120.0
"""A daemon that did not end for so long runs again; systemd waits 30 s at most before it starts one."""
TOLD_EVERY_S: Final = 3_600.0
"""How often an end is kept, of a daemon that ends again and again."""
_MOST: Final = 50
_WELL: Final = "success"


class End(Shape, frozen=True, kw_only=True):
    """One end that was none of a person's."""

    clock: float
    """Boot clock, seconds."""
    how: str


class Ends(Shape, frozen=True, kw_only=True):
    """A daemon's, the oldest first."""

    daemon: str
    ends: tuple[End, ...] = ()
    told: float | None = None
    """When one was kept in `errors.log`, by the boot clock."""


@dataclass(frozen=True, slots=True)
class Restless:
    """A daemon that ends again and again."""

    daemon: str
    count: int
    how: str
    """The last time."""

    def __str__(self) -> str:
        return (
            f"logboat-{self.daemon} has ended {self.count} times in {format_duration(WITHIN_S)}"
            f" (the last time: {self.how})"
        )


def in_words(environment: Mapping[str, str]) -> str | None:
    """How a service ended, from what systemd tells `ExecStopPost=` (systemd.exec(5)); None if well."""
    result = environment.get("SERVICE_RESULT", "")
    status = environment.get("EXIT_STATUS", "?")
    if result in ("", _WELL):
        return None
    words = {
        "exit-code": f"exit status {status}",
        "signal": f"killed by signal {status}",
        "core-dump": f"it crashed, signal {status}",
        "watchdog": "it hung, and the watchdog ended it",
        "timeout": "it did not start or end in time",
        "oom-kill": "there was no memory left",
        "start-limit-hit": "it was started too often",
    }
    return words.get(result, result)


def add(before: Ends, how: str, *, clock: float) -> tuple[Ends, str | None]:
    """A daemon has ended once more. What is known then, and what to keep in `errors.log`, if anything."""
    # An end of another boot has another clock: /run does not outlive one, but tests and containers do.
    known = [end for end in before.ends if 0 <= clock - end.clock < WITHIN_S]
    ends = (*known, End(clock=clock, how=how))[-_MOST:]
    told = before.told if before.told is not None and before.told <= clock else None
    if len(ends) < MANY:
        return Ends(daemon=before.daemon, ends=ends, told=told), f"logboat-{before.daemon} has ended: {how}"
    words = None
    if len(known) < MANY or told is None or clock - told >= TOLD_EVERY_S:
        words = f"{_restless(before.daemon, ends)}; it is tried on, every 30 s"
        told = clock
    return Ends(daemon=before.daemon, ends=ends, told=told), words


def judge(found: Ends, *, clock: float) -> Restless | None:
    """Whether a daemon ends again and again at this moment."""
    recent = [end for end in found.ends if 0 <= clock - end.clock < WITHIN_S]
    if len(recent) < MANY or clock - recent[-1].clock >= OVER_AFTER_S:
        return None
    return _restless(found.daemon, recent)


def _restless(daemon: str, ends: Iterable[End]) -> Restless:
    found = list(ends)
    return Restless(daemon, len(found), found[-1].how)


def note(run: Path, daemon: str, how: str, *, clock: float) -> str | None:
    """Note an end; what to keep in `errors.log`, if anything. Raises OSError."""
    found, words = add(_read(run, daemon), how, clock=clock)
    state: dict[str, Any] = msgspec.to_builtins(found)
    livestate.write(_path(run, daemon), {"pid": os.getpid(), **state})
    return words


def restless(run: Path, *, clock: float) -> list[Restless]:
    """The daemons that end again and again at this moment, the most important first."""
    found = (judge(_read(run, daemon), clock=clock) for daemon in DAEMONS)
    return [each for each in found if each is not None]


def _read(run: Path, daemon: str) -> Ends:
    state = livestate.read(_path(run, daemon))
    try:
        return Ends(daemon=daemon) if state is None else msgspec.convert(state, Ends)
    except msgspec.ValidationError:
        return Ends(daemon=daemon)


def _path(run: Path, daemon: str) -> Path:
    return livestate.path(run, f"ended-{daemon}")
