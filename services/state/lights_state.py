"""The lights daemon's live state, as read by `status` and the doctor.

It contains the state of each light. Readers check that the file is current.
"""

from collections.abc import Callable
from pathlib import Path

from msgspec import field

from . import liveness, state_file
from .liveness import DaemonState, Shape


class LiveLight(Shape, frozen=True, kw_only=True):
    """The state that a light shows."""

    pattern: str
    means: str


class LiveOutput(Shape, frozen=True, kw_only=True):
    """The state of an output, such as a siren."""

    id: str
    name: str
    pin: int
    on: bool
    why: str
    neighbours: bool = False
    """True if alarms of other vessels turn the output on, too."""
    read_back: bool | None = None
    """State that was last read back from the pin: True is on. None if it cannot be read."""
    fault: str | None = None
    """Reason why the output does not work; None if it does."""
    silence_pin: int | None = None
    """Pin of the button that silences alarms; None if the output has none."""
    silence_fault: str | None = None
    """Reason why this button does not work; None if it does."""


class LiveLights(DaemonState, frozen=True, kw_only=True):
    """The complete live state of the lights daemon."""

    lights: dict[str, LiveLight] = field(default_factory=dict)
    why_dark: str | None = None
    """Reason why the LEDs cannot be used; None if they can."""
    outputs: list[LiveOutput] = field(default_factory=list)


Sight = liveness.ObservedState[LiveLights]
"""The lights daemon's state, and whether it is current."""


def read(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Read the lights daemon's state file in the run directory, and check that the state is current.

    `boottime` is the boot clock's current time, in seconds.
    """
    return liveness.read_checked(
        state_file.path(run, "lights"), LiveLights, "the lights daemon", boottime=boottime, alive=alive
    )
