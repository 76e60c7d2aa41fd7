"""Translates the settings of a GPIO line (pull, edges, bounce) from gpiozero's terms to gpiod's.

This module requests and releases no lines.
"""

import select
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge, Value

CONSUMER: Final = "logboat"
"""Name that `gpioinfo` shows as the user of Logboat's lines."""

BIASES: Final = {"up": Bias.PULL_UP, "down": Bias.PULL_DOWN, "floating": Bias.DISABLED}
EDGES: Final = {"both": Edge.BOTH, "rising": Edge.RISING, "falling": Edge.FALLING, "none": Edge.NONE}
VALUES: Final = {False: Value.INACTIVE, True: Value.ACTIVE}

QUIET_MARGIN_NS: Final = 20_000_000
"""Nanoseconds by which a pin's quiet period exceeds its bounce time.

The kernel's debounce counts in ticks of up to 10 ms, and takes up to two ticks longer than requested.
"""


@dataclass(frozen=True, slots=True)
class PinSetup:
    """Settings of a pin, in gpiozero's terms."""

    function: str = "input"
    pull: str = "floating"
    bounce: float | None = None
    """Bounce time in seconds; None for no debouncing."""
    edges: str = "both"

    def line_settings(self, *, watching: bool, output: bool = False) -> gpiod.LineSettings:
        """Return these settings in gpiod's terms, with edge detection only if `watching` is true."""
        if self.function == "output":
            return gpiod.LineSettings(direction=Direction.OUTPUT, output_value=VALUES[output])
        return gpiod.LineSettings(
            direction=Direction.INPUT,
            bias=BIASES[self.pull],
            edge_detection=EDGES[self.edges] if watching else Edge.NONE,
            debounce_period=timedelta(seconds=self.bounce or 0),
            event_clock=Clock.MONOTONIC,
        )

    def selects(self, level: bool) -> bool:
        """Return True if a change to `level` is one of the edges that the pin reports."""
        return self.edges in ("both", "rising" if level else "falling")

    @property
    def quiet_ns(self) -> int:
        """Time in nanoseconds without an edge after which the level is read again."""
        return round((self.bounce or 0) * 1e9) + QUIET_MARGIN_NS


def read_ready(request: gpiod.LineRequest, most: int) -> list[gpiod.EdgeEvent]:
    """Return up to `most` edges that the kernel has buffered for a line; never blocks."""
    waiting = select.poll()
    waiting.register(request.fd, select.POLLIN)
    return request.read_edge_events(most) if waiting.poll(0) else []
