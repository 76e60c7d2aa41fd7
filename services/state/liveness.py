"""Reads daemons' state files as typed objects, and checks whether they are current.

A state that is old, or was written by a process that no longer exists, never counts as current.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Generic, TypeVar

import msgspec

from sensors.units import format_duration

from . import state_file
from .described import described

FRESH_S: Final = 8.0
"""Maximum age of a current state, in seconds.

A state is written once a second, but may be late on a machine under load. With this limit, a program that
reads the state once a second takes at most 10 s to report that a daemon has stalled.
"""


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base class for state types. In the file, the fields of these types have camel-case names."""


class Stamp(Shape, frozen=True, kw_only=True):
    """A point in time, as a boot clock reading and in UTC."""

    clock: Annotated[float, described("Time of the boot clock, in seconds.")]
    utc: Annotated[float, described("Time in seconds since 1970.")]
    samples: Annotated[
        int | None,
        described(
            "Number of samples that the recorder has accepted since it started; only in the "
            "recorder's state.",
            minimum=0,
        ),
    ] = None


class DaemonState(Shape, frozen=True, kw_only=True):
    """Facts that every daemon publishes about itself."""

    pid: Annotated[int, described("Process id of the daemon.", minimum=0)]
    updated: Annotated[Stamp, described("Time at which the state was published.")]


State = TypeVar("State", bound=DaemonState)


@dataclass(frozen=True)
class ObservedState(Generic[State]):
    """A daemon's state, and whether it is current."""

    state: State | None
    """The last known state, even if it is old; None if there is none."""
    why_not: str
    """Reason why the state is not current, as a clause; '' if it is current."""

    @property
    def is_live(self) -> bool:
        """True if the daemon is running and `state` is current."""
        return not self.why_not


def read_checked(
    path: Path, shape: type[State], who: str, *, boottime: float, alive: Callable[[int], bool]
) -> ObservedState[State]:
    """Read and check a daemon's state file.

    `who` is the daemon's name for messages. `boottime` is the boot clock's current time, in seconds.
    """
    content = state_file.read(path)
    if content is None:
        what = "cannot be read" if path.exists() else "does not exist"
        return ObservedState(None, f"{who} is not running ({path} {what})")
    try:
        state = msgspec.convert(content, shape)
    except msgspec.ValidationError as error:
        return ObservedState(
            None, f"{path} is not valid ({error}): check that {who} has the same version as this command"
        )
    age = boottime - state.updated.clock
    if not alive(state.pid):
        heard = f"last update {format_duration(age)} ago" if age >= 0 else "last update before this boot"
        return ObservedState(state, f"{who} is not running ({heard})")
    if not 0 <= age + 1 <= FRESH_S + 1:
        heard = f"for {format_duration(age)}" if age >= 0 else "since this boot"
        return ObservedState(state, f"{who} is not responding: no update {heard}")
    return ObservedState(state, "")
