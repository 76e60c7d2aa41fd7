"""The recorder's live state as `status` and `sensors` read it: typed, with a check that it is current.

`services.recorder.state_writer` defines the contents of the file, and `state_file` its format.
"""

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from msgspec import field

from sensors.sample import Value
from sensors.state import is_fault
from services.clocks.time_source import TimeSource

from . import liveness, state_file
from .liveness import DaemonState, Shape, Stamp
from .thresholds import DURABLE_WITHIN_S, is_nearly_full


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

    @property
    def is_faulty(self) -> bool:
        """True if the last sample's state is anything but good."""
        return is_fault(self.state)


class LiveClock(Shape, frozen=True, kw_only=True):
    """Source and uncertainty of the system clock."""

    source: str
    uncertainty: float

    @property
    def is_known(self) -> bool:
        """True if the time is known, so that readings get their times at once."""
        return self.source != TimeSource.FLOOR


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

    @property
    def is_nearly_full(self) -> bool:
        """True if free space on the card is low."""
        return is_nearly_full(free=self.free, total=self.total)


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


class RecordingStatus(Enum):
    """Answer to the question whether samples are becoming durable; every state but `RECORDING` means no."""

    NOT_RUNNING = auto()
    """The recorder is not running, or does not respond."""
    FAULT = auto()
    """The recorder reports a fault."""
    NOTHING_YET = auto()
    """The recorder has not committed a sample since it started."""
    STALLED = auto()
    """The last commit is more than `DURABLE_WITHIN_S` seconds old."""
    RECORDING = auto()
    """Samples are becoming durable."""


def recording_status(sight: Sight, *, boottime: float) -> RecordingStatus:
    """Return whether samples are becoming durable now, and if not, why.

    This is the only place that decides whether the vessel is recording. The lights, `status`, `top`, the
    doctor and the presence on MQTT all use it. The age of the last commit decides, not the recorder's claim.

    `boottime` is the boot clock's current time, in seconds.
    """
    state = sight.state
    if not sight.is_live or state is None:
        return RecordingStatus.NOT_RUNNING
    if state.fault is not None:
        return RecordingStatus.FAULT
    if not state.recording or state.last_durable is None:
        return RecordingStatus.NOTHING_YET
    if boottime - state.last_durable.clock > DURABLE_WITHIN_S:
        return RecordingStatus.STALLED
    return RecordingStatus.RECORDING


def is_recording(sight: Sight, *, boottime: float) -> bool:
    """Return True if samples are becoming durable now; see `recording_status`."""
    return recording_status(sight, boottime=boottime) is RecordingStatus.RECORDING


def read(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Read and check the file in the run directory.

    `boottime` is the boot clock's current time, in seconds.
    """
    return liveness.read_checked(
        state_file.path(run), LiveState, "the recorder", boottime=boottime, alive=alive
    )
