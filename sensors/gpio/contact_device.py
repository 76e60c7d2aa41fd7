"""A gpiozero input device that reports each change of its pin to a callback."""

from collections.abc import Callable
from typing import Any, Final

from gpiozero import DigitalInputDevice

from .pin_keys import Pull
from .pinfactory import GpiodFactory

_PULL_UP: Final = {Pull.UP: True, Pull.DOWN: False, Pull.NONE: None}


class ContactDevice(DigitalInputDevice):
    """Input device of gpiozero that also calls `on_change(ticks, level)` when its pin changes."""

    def __init__(
        self,
        pin: int,
        *,
        pull: Pull,
        active_low: bool,
        debounce_s: float,
        pin_factory: GpiodFactory,
        on_change: Callable[[int, bool], None],
    ) -> None:
        self._on_change = on_change
        try:
            super().__init__(
                pin,
                pull_up=_PULL_UP[pull],
                # gpiozero derives this from the pull, and accepts it only where there is no pull
                active_state=not active_low if pull is Pull.NONE else None,
                bounce_time=debounce_s or None,
                pin_factory=pin_factory,
            )
        except BaseException:
            # gpiozero keeps the reservation of a device that failed as long as its exception is referenced
            pin_factory.release_pins(self, pin)
            raise

    def _pin_changed(self, ticks: int, state: Any) -> None:
        super()._pin_changed(ticks, state)
        self._on_change(ticks, bool(state))
