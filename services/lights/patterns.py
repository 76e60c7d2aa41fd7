"""Blink patterns, which define when a light or another output is on or off.

A state is shown by a pattern, never by a colour: off, on, slow blink (1 Hz), fast blink (4 Hz), or n short
flashes followed by a pause. All lights use the same clock, so that two blinking lights blink together.
"""

from dataclasses import dataclass
from typing import Final

FLASH_S: Final = 0.2
"""Duration in seconds of a flash, and of the dark period that follows it."""
PAUSE_S: Final = 1.2
"""Duration in seconds of the dark period after the last flash."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A repeating sequence of alternating light and dark periods, in seconds, starting with light."""

    name: str
    spans: tuple[float, ...] = ()
    steady: bool | None = None
    """True if the light is always on, False if it is always off, None if it blinks."""

    def is_lit(self, now: float) -> bool:
        """Return True if the light is on at time `now` of the clock that all lights share."""
        if self.steady is not None:
            return self.steady
        left = now % sum(self.spans)
        for number, span in enumerate(self.spans):
            if left < span:
                return number % 2 == 0
            left -= span
        return False

    def next_change(self, now: float) -> float | None:
        """Return the seconds from `now` until the light changes; None for a steady light."""
        if self.steady is not None:
            return None
        left = now % sum(self.spans)
        for span in self.spans:
            if left < span:
                return span - left
            left -= span
        return 0.0

    def __str__(self) -> str:
        return self.name


OFF: Final = Pattern("off", steady=False)
ON: Final = Pattern("on", steady=True)
SLOW: Final = Pattern("slow blink", (0.5, 0.5))
FAST: Final = Pattern("fast blink", (0.125, 0.125))


def flashes(count: int) -> Pattern:
    """Return a pattern of `count` flashes followed by a pause."""
    spans = (FLASH_S, FLASH_S) * (count - 1) + (FLASH_S, PAUSE_S)
    return Pattern(f"{count} flash{'es' if count > 1 else ''}", spans)


_NAMED: Final = {"on": ON, "slow": SLOW, "fast": FAST}


def pattern_named(name: str) -> Pattern:
    """Return the pattern with a name from `sensors.toml`, such as `slow` or `3 flashes`.

    `sensors.outputs` declares these names.
    """
    return _NAMED[name] if name in _NAMED else flashes(int(name.split(maxsplit=1)[0]))
