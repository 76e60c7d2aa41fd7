"""The recorder's live state as `status` and `sensors` read it: typed, with a check that it is current.

`services.recorder.state_writer` defines the contents of the file, and `state_file` its format.
"""

from collections.abc import Callable
from pathlib import Path

from msgspec import field

from sensors.sample import Value

from . import liveness, state_file
from .liveness import DaemonState, Shape, Stamp
from .thresholds import DURABLE_WITHIN_S


class LiveSensor(Shape, frozen=True, kw_only=True):
    """A sensor's last sample, whether recorded or not."""

    name: str = ""
    path: str = ""
    unit: str = ""
    kind: str = ""
    value: Value = None
    state: str | None = None
    """State of the last sample; None if there is no sample yet."""
    detail: str = ""
    clock: float | None = None
    """Boot clock at the last sample, in seconds."""
    utc: float | None = None
    sequence: int = 0
    rate: float = 0.0
    """Number of samples per second."""
    alarm: str | None = None
    """Severity of the active alarm; None if there is none."""


class LiveClock(Shape, frozen=True, kw_only=True):
    """Source and uncertainty of the system clock."""

    source: str
    uncertainty: float


class LiveBacklog(Shape, frozen=True, kw_only=True):
    """Data that is not in documents yet."""

    samples: int = 0
    """Number of samples that are not yet durable."""
    batches: int = 0
    """Number of batches that are durable, but whose samples are not all in documents yet."""
    open: int = 0
    """Number of samples in windows that are still open."""


class LiveStorage(Shape, frozen=True, kw_only=True):
    """Space on the card, in bytes."""

    free: float
    total: float
    budget: float
    used: float


class LiveIdentity(Shape, frozen=True, kw_only=True):
    """The identity with which the recorder signs the vessel's boots."""

    fleet: str | None = None
    fault: str | None = None


class LiveState(DaemonState, frozen=True, kw_only=True):
    """The complete live state of the recorder."""

    vessel: str
    log: str
    boot: int
    started: float
    last_durable: Stamp | None = None
    recording: bool
    fault: str | None = None
    documents: str | None = None
    """The reason why documents cannot be written now; None if they can."""
    copies: str | None = None
    """The reason why second copies cannot be written now; None if they can."""
    problems: list[str] = field(default_factory=list)
    """Problems in the configuration."""
    identity: LiveIdentity = LiveIdentity()
    clock: LiveClock
    backlog: LiveBacklog = LiveBacklog()
    storage: LiveStorage | None = None
    sensors: dict[str, LiveSensor] = field(default_factory=dict)


Sight = liveness.ObservedState[LiveState]
"""The recorder's state, and whether it is current."""


def is_recording(sight: Sight, *, boottime: float) -> bool:
    """Return True if samples are becoming durable now, regardless of what the recorder claims."""
    state = sight.state
    return (
        sight.is_live
        and state is not None
        and state.recording
        and state.fault is None
        and state.last_durable is not None
        and boottime - state.last_durable.clock <= DURABLE_WITHIN_S
    )


def read(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Read and check the file in the run directory.

    `boottime` is the boot clock's current time, in seconds.
    """
    return liveness.read_checked(
        state_file.path(run), LiveState, "the recorder", boottime=boottime, alive=alive
    )
