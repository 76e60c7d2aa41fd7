"""Whether a daemon lives, and what it last said: the files of `livestate`, typed and judged.

A state that is old, or whose process is gone, is never taken for how things are now.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from sensors.quantities import format_duration

from . import livestate

FRESH_S: Final = 8.0
"""It is written once a second; a machine under load may be late. With this, whoever looks once a second has
told within 10 s of a daemon that hangs."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Field names as in the file: camel case."""


class Stamp(Shape, frozen=True, kw_only=True):
    """A moment by both clocks."""

    clock: float
    utc: float
    samples: int | None = None
    """The recorder's: accepted since its start."""


class Told(Shape, frozen=True, kw_only=True):
    """What every daemon says of itself."""

    pid: int
    updated: Stamp


State = TypeVar("State", bound=Told)


@dataclass(frozen=True)
class Sight(Generic[State]):
    """What can be seen of a daemon."""

    state: State | None
    """The last there is, also if it is old."""
    why_not: str
    """Why this is not how things are now, a clause; '' if it is."""

    @property
    def is_live(self) -> bool:
        """Whether the daemon runs, and `state` is how things are now."""
        return not self.why_not


def judge(
    path: Path, shape: type[State], who: str, *, boottime: float, alive: Callable[[int], bool]
) -> Sight[State]:
    """Judge a daemon's file; `who` it is in words, `boottime` the boot clock now, seconds."""
    found = livestate.read(path)
    if found is None:
        what = "cannot be read" if path.exists() else "is not there"
        return Sight(None, f"{who} is not running ({path} {what})")
    try:
        state = msgspec.convert(found, shape)
    except msgspec.ValidationError as error:
        return Sight(None, f"{path} cannot be understood ({error}): is {who} of this version?")
    age = boottime - state.updated.clock
    if not alive(state.pid):
        heard = f"last heard of {format_duration(age)} ago" if age >= 0 else "last heard of before this boot"
        return Sight(state, f"{who} is not running ({heard})")
    if not 0 <= age + 1 <= FRESH_S + 1:
        heard = f"for {format_duration(age)}" if age >= 0 else "since this boot"
        return Sight(state, f"{who} is not running well: it has said nothing {heard}")
    return Sight(state, "")
