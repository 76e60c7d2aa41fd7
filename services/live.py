"""The recorder's live state as `status` and `sensors` read it: typed, with a judgement whether it is alive.

What is written there, and how, is in `view` and `livestate`. A state that is old, or whose process is gone,
is never shown as if it were now.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from sensors.quantities import format_duration
from sensors.sample import Value

from . import livestate

FRESH_S: Final = 10.0
"""It is written once a second; a machine under load may be late."""


class _Shape(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Field names as in the file: camel case."""


class LiveSensor(_Shape, frozen=True, kw_only=True):
    """What a sensor last said, recorded or not."""

    name: str = ""
    path: str = ""
    unit: str = ""
    kind: str = ""
    value: Value = None
    state: str | None = None
    """None: it has said nothing yet."""
    detail: str = ""
    clock: float | None = None
    """Boot clock, seconds."""
    utc: float | None = None
    sequence: int = 0
    rate: float = 0.0
    """Samples a second."""
    alarm: str | None = None
    """Severity."""


class Stamp(_Shape, frozen=True, kw_only=True):
    """A moment by both clocks."""

    clock: float
    utc: float
    samples: int | None = None
    """Accepted since the recorder started."""


class LiveClock(_Shape, frozen=True, kw_only=True):
    """What the machine's clock is worth."""

    source: str
    uncertainty: float


class LiveBacklog(_Shape, frozen=True, kw_only=True):
    """What is on its way."""

    samples: int = 0
    """Not yet durable."""
    batches: int = 0
    """Durable, not yet all in documents."""
    open: int = 0
    """Samples in windows that are still open."""


class LiveStorage(_Shape, frozen=True, kw_only=True):
    """Room on the card, bytes."""

    free: float
    total: float
    budget: float
    used: float


class LiveIdentity(_Shape, frozen=True, kw_only=True):
    """What the vessel signs its boots with."""

    fleet: str | None = None
    fault: str | None = None


class LiveState(_Shape, frozen=True, kw_only=True):
    """All of it."""

    pid: int
    vessel: str
    log: str
    boot: int
    started: float
    updated: Stamp
    last_durable: Stamp | None = None
    recording: bool
    fault: str | None = None
    documents: str | None = None
    """Why documents cannot be written just now."""
    problems: list[str] = []
    """Of the configuration."""
    identity: LiveIdentity = LiveIdentity()
    clock: LiveClock
    backlog: LiveBacklog = LiveBacklog()
    storage: LiveStorage | None = None
    sensors: dict[str, LiveSensor] = {}


@dataclass(frozen=True, slots=True)
class Sight:
    """What can be seen of the recorder."""

    state: LiveState | None
    """The last there is, also if it is old."""
    why_not: str
    """Why this is not how things are now, a clause; '' if it is."""

    @property
    def is_live(self) -> bool:
        """Whether the recorder runs, and `state` is how things are now."""
        return not self.why_not


def look(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Judge the file in the run directory; `boottime` is the boot clock now, seconds."""
    path = livestate.path(run)
    found = livestate.read(path)
    if found is None:
        what = "cannot be read" if path.exists() else "is not there"
        return Sight(None, f"the recorder is not running ({path} {what})")
    try:
        state = msgspec.convert(found, LiveState)
    except msgspec.ValidationError as error:
        return Sight(None, f"{path} cannot be understood ({error}): is the recorder of this version?")
    age = boottime - state.updated.clock
    if not alive(state.pid):
        heard = f"last heard of {format_duration(age)} ago" if age >= 0 else "last heard of before this boot"
        return Sight(state, f"the recorder is not running ({heard})")
    if not 0 <= age + 1 <= FRESH_S + 1:
        heard = f"for {format_duration(age)}" if age >= 0 else "since this boot"
        return Sight(state, f"the recorder is not running well: it has said nothing {heard}")
    return Sight(state, "")
