"""The recorder's live state as `status` and `sensors` read it: typed, with a judgement whether it is alive.

What is written there, and how, is in `view` and `livestate`.
"""

from collections.abc import Callable
from pathlib import Path

from msgspec import field

from sensors.sample import Value

from . import liveness, livestate
from .liveness import Shape, Stamp, Told
from .thresholds import DURABLE_WITHIN_S


class LiveSensor(Shape, frozen=True, kw_only=True):
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


class LiveClock(Shape, frozen=True, kw_only=True):
    """What the machine's clock is worth."""

    source: str
    uncertainty: float


class LiveBacklog(Shape, frozen=True, kw_only=True):
    """What is on its way."""

    samples: int = 0
    """Not yet durable."""
    batches: int = 0
    """Durable, not yet all in documents."""
    open: int = 0
    """Samples in windows that are still open."""


class LiveStorage(Shape, frozen=True, kw_only=True):
    """Room on the card, bytes."""

    free: float
    total: float
    budget: float
    used: float


class LiveIdentity(Shape, frozen=True, kw_only=True):
    """What the vessel signs its boots with."""

    fleet: str | None = None
    fault: str | None = None


class LiveState(Told, frozen=True, kw_only=True):
    """All of it."""

    vessel: str
    log: str
    boot: int
    started: float
    last_durable: Stamp | None = None
    recording: bool
    fault: str | None = None
    documents: str | None = None
    """Why documents cannot be written just now."""
    copies: str | None = None
    """Why their copies cannot."""
    problems: list[str] = field(default_factory=list)
    """Of the configuration."""
    identity: LiveIdentity = LiveIdentity()
    clock: LiveClock
    backlog: LiveBacklog = LiveBacklog()
    storage: LiveStorage | None = None
    sensors: dict[str, LiveSensor] = field(default_factory=dict)


Sight = liveness.Sight[LiveState]
"""What can be seen of the recorder."""


def is_recording(sight: Sight, *, boottime: float) -> bool:
    """Return True if samples become durable just now, whatever the recorder says of itself."""
    state = sight.state
    return (
        sight.is_live
        and state is not None
        and state.recording
        and state.fault is None
        and state.last_durable is not None
        and boottime - state.last_durable.clock <= DURABLE_WITHIN_S
    )


def look(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Judge the file in the run directory; `boottime` is the boot clock now, seconds."""
    return liveness.judge(livestate.path(run), LiveState, "the recorder", boottime=boottime, alive=alive)
