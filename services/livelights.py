"""The lights' daemon's live state as `status` and the doctor read it: what is shown,
and whether it still is.
"""

from collections.abc import Callable
from pathlib import Path

from msgspec import field

from . import liveness, livestate
from .liveness import Shape, Told


class LiveLight(Shape, frozen=True, kw_only=True):
    """What one light shows."""

    pattern: str
    means: str


class LiveLights(Told, frozen=True, kw_only=True):
    """All of them, by name."""

    lights: dict[str, LiveLight] = field(default_factory=dict)
    why_dark: str | None = None
    """Why the LEDs cannot be used, if so."""


Sight = liveness.Sight[LiveLights]
"""What can be seen of the lights' daemon."""


def look(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Judge the file in the run directory; `boottime` is the boot clock now, seconds."""
    return liveness.judge(
        livestate.path(run, "lights"), LiveLights, "the lights' daemon", boottime=boottime, alive=alive
    )
