"""The recorder's live state as typed objects, for readers such as `status` and `sensors`.

`services.recorder.state_writer` defines the contents of the file, and `state_file` its format.
"""

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path
from typing import Annotated

from msgspec import field

from sensors.sample import Value
from sensors.state import is_fault
from services.clocks.time_source import TimeSource

from . import liveness, state_file
from .described import described
from .liveness import DaemonState, Shape, Stamp
from .thresholds import DURABLE_WITHIN_S, is_nearly_full


class LiveSensor(Shape, frozen=True, kw_only=True):
    """A sensor's last sample, even if it was not recorded."""

    name: Annotated[str, described("Name of the sensor, for people.")] = ""
    path: Annotated[str, described("Path in the Signal K data model, or one in the same style.")] = ""
    unit: Annotated[
        str, described("SI unit of the value; 'bool' for contacts, 'ratio' for 0 to 1, '' for counts.")
    ] = ""
    kind: Annotated[str, described("Kind of the sensor, as configured: switch, pulse, analog …")] = ""
    display: Annotated[
        str, described("Unit in which the value is shown; '' for the usual unit of the quantity.")
    ] = ""
    value: Annotated[
        Value,
        described(
            "Value in the SI unit given beside it; true or false for a contact; null if there is no value."
        ),
    ] = None
    state: Annotated[str | None, described("State of the last sample; null if there is no sample yet.")] = (
        None
    )
    detail: Annotated[str, described("Remark on the state; '' if there is none.")] = ""
    clock: Annotated[float | None, described("Boot clock at the last sample, in seconds.")] = None
    utc: Annotated[float | None, described("Time of the last sample, in seconds since 1970.")] = None
    sequence: Annotated[int, described("Number of the last recorded sample.", minimum=0)] = 0
    rate: Annotated[
        float | None,
        described("Recorded samples per second, over 10 s; null until it has been measured.", minimum=0),
    ] = None
    alarm: Annotated[
        str | None, described("Severity of the sensor's active alarm; null if there is none.")
    ] = None
    alarm_sequence: Annotated[
        int | None,
        described("Number of the sample that raised the active alarm; null if there is none.", minimum=0),
    ] = None

    @property
    def is_faulty(self) -> bool:
        """True if the last sample's state is not good."""
        return is_fault(self.state)


class LiveClock(Shape, frozen=True, kw_only=True):
    """Source and uncertainty of the system clock, as published by the recorder."""

    source: Annotated[
        str,
        described(
            "Source of the time. `floor` means that only a lower bound is known.",
            enum=[each.value for each in TimeSource],
        ),
    ]
    uncertainty: Annotated[float, described("Uncertainty in seconds.", minimum=0)]

    @property
    def is_known(self) -> bool:
        """True if the time is known, so that readings get their UTC times at once."""
        return self.source != TimeSource.FLOOR


class LiveBacklog(Shape, frozen=True, kw_only=True):
    """Amount of data that is not durable or not in documents yet."""

    samples: Annotated[int, described("Number of samples that are not yet durable.", minimum=0)] = 0
    batches: Annotated[
        int,
        described(
            "Number of batches that are durable, but whose samples are not all in documents yet.", minimum=0
        ),
    ] = 0
    open: Annotated[int, described("Number of samples in windows that are still open.", minimum=0)] = 0


class LiveStorage(Shape, frozen=True, kw_only=True):
    """Space on the card, in bytes."""

    free: Annotated[float, described("Number of free bytes on the card.")]
    total: Annotated[float, described("Size of the card's data partition in bytes.")]
    budget: Annotated[float, described("Maximum number of bytes for history.")]
    used: Annotated[float, described("Number of bytes that history uses.")]

    @property
    def is_nearly_full(self) -> bool:
        """True if free space on the card is low."""
        return is_nearly_full(free=self.free, total=self.total)


class LiveIdentity(Shape, frozen=True, kw_only=True):
    """The identity with which the recorder signs the vessel's boot documents."""

    fleet: Annotated[str | None, described("Name of the fleet; null if the vessel belongs to none.")] = None
    fault: Annotated[str | None, described("The reason why the identity cannot be used; null if it can.")] = (
        None
    )


class LiveState(DaemonState, frozen=True, kw_only=True):
    """The complete live state of the recorder."""

    vessel: Annotated[str, described("Id of the vessel.")]
    log: Annotated[str, described("Name of the log.")]
    boot: Annotated[int, described("Number of the boot within the log.", minimum=0)]
    started: Annotated[float, described("Time at which the recorder started, in seconds since 1970.")]
    started_clock: Annotated[
        float | None,
        described("Boot clock at the recorder's start, in seconds; null for recorders of older versions."),
    ] = None
    last_durable: Annotated[Stamp | None, described("Time of the last commit; null before the first.")] = None
    recording: Annotated[bool, described("True if samples are becoming durable, according to the recorder.")]
    fault: Annotated[
        str | None, described("The reason why samples are not becoming durable; null if they are.")
    ] = None
    documents: Annotated[
        str | None,
        described(
            "The reason why documents cannot be written now; null if they can. Samples "
            "meanwhile wait in the journal."
        ),
    ] = None
    copies: Annotated[
        str | None,
        described("The reason why second copies of documents cannot be written now; null if they can."),
    ] = None
    problems: Annotated[list[str], described("Descriptions of problems in the configuration.")] = field(
        default_factory=list
    )
    warnings: Annotated[
        list[str],
        described("Mistakes in the files in use that would be refused in new files, and their meaning."),
    ] = field(default_factory=list)
    identity: Annotated[
        LiveIdentity, described("The identity with which the recorder signs the vessel's boot documents.")
    ] = LiveIdentity()
    clock: Annotated[LiveClock, described("Source and uncertainty of the system clock.")]
    backlog: Annotated[LiveBacklog, described("Data that is not in documents yet.")] = LiveBacklog()
    storage: Annotated[LiveStorage | None, described("Space on the card; null if unknown.")] = None
    sensors: Annotated[dict[str, LiveSensor], described("The sensors, by id.")] = field(default_factory=dict)

    @property
    def running_s(self) -> float | None:
        """Seconds between the recorder's start and the last update of this state; None if not known.

        The time is measured on the boot clock, because UTC may be set while the recorder is running.
        """
        return None if self.started_clock is None else max(self.updated.clock - self.started_clock, 0.0)


Sight = liveness.ObservedState[LiveState]
"""The recorder's state, and whether it is current."""


class RecordingStatus(Enum):
    """Recording status: `RECORDING` if samples are becoming durable, otherwise the reason why not."""

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

    This function alone decides whether the vessel is recording. The lights, `status`, `top`, the doctor and
    the presence messages on MQTT all call this function. The decision is based on the age of the last commit.

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
    """Read the recorder's state file in the run directory, and check that the state is current.

    `boottime` is the boot clock's current time, in seconds.
    """
    return liveness.read_checked(
        state_file.path(run), LiveState, "the recorder", boottime=boottime, alive=alive
    )
