"""A GPIO line as gpiod wants it told: gpiozero's words for pull, edges and bounce, and gpiod's for the same.

Owns no line: whoever requested one releases it.
"""

import select
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge, Value

CONSUMER: Final = "logboat"
"""Who holds a line, as `gpioinfo` shows it."""

BIASES: Final = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "floating": Bias.DISABLED}
EDGES: Final = {"both": Edge.BOTH, "rising": Edge.RISING, "falling": Edge.FALLING, "none": Edge.NONE}
VALUES: Final = {False: Value.INACTIVE, True: Value.ACTIVE}

QUIET_MARGIN_NS: Final = 20_000_000
"""By how much a pin's quiet period is longer than its bounce time: the kernel's debounce counts in ticks of
up to 10 ms, and takes up to two more than it was told."""


@dataclass(frozen=True, slots=True)
class PinSetup:
    """What a pin is told to be, in gpiozero's words."""

    function: str = "input"
    pull: str = "floating"
    bounce: float | None = None
    """Seconds."""
    edges: str = "both"

    def line_settings(self, *, watching: bool, output: bool = False) -> gpiod.LineSettings:
        """The same in gpiod's words; with edges only while someone is `watching`."""
        if self.function == "output":
            return gpiod.LineSettings(direction=Direction.OUTPUT, output_value=VALUES[output])
        return gpiod.LineSettings(
            direction=Direction.INPUT,
            bias=BIASES[self.pull],
            edge_detection=EDGES[self.edges] if watching else Edge.NONE,
            debounce_period=timedelta(seconds=self.bounce or 0),
            event_clock=Clock.MONOTONIC,
        )

    def tells_of(self, level: bool) -> bool:
        """Whether a change to `level` is one of the edges."""
        return self.edges in ("both", "rising" if level else "falling")

    @property
    def quiet_ns(self) -> int:
        """How long it must be quiet before its level is read again."""
        return round((self.bounce or 0) * 1e9) + QUIET_MARGIN_NS


def read_ready(request: gpiod.LineRequest, most: int) -> list[gpiod.EdgeEvent]:
    """The edges that the kernel has buffered for a line, at most so many; never blocks."""
    waiting = select.poll()
    waiting.register(request.fd, select.POLLIN)
    return request.read_edge_events(most) if waiting.poll(0) else []
