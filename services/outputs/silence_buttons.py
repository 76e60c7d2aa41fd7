"""The push-buttons that silence alarms. A button that cannot be used is logged, and tried again."""

import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

from sensors.outputs import OutputSettings

from .pins import TRY_EVERY_S, LineErrors

log = logging.getLogger(__name__)

BOUNCE_S: Final = 0.05
"""Time in seconds for which the level must be stable to count as a press. Contacts bounce for some ms."""


class SilenceButtons:
    """The push-buttons on the GPIO header that silence alarms. Each connects its pin to ground."""

    def __init__(self, outputs: Iterable[OutputSettings], factory: Callable[[], Any]) -> None:
        """Set the outputs whose buttons are used.

        `factory` opens the header, and returns gpiozero's pin factory.
        """
        self._pins = {output.id: output.silence_pin for output in outputs if output.silence_pin is not None}
        self._factory = factory
        self._opened: Any = None
        self._buttons: dict[str, Any] = {}
        self._again_at: dict[str, float] = {}
        self._presses = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.faults: dict[str, str] = {}
        """Reasons why buttons do not work, by the output's id."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when a button was pressed."""
        return self._presses

    def was_pressed(self, now: float) -> bool:
        """Return True if a button was pressed since the last call.

        `now` is the time of a monotonic clock, in seconds. Buttons that cannot be used yet are tried again.
        A button that was already pressed when it was opened does not count until it is pressed again.
        """
        for name, pin in self._pins.items():
            if name not in self._buttons and now >= self._again_at.get(name, now):
                self._open(name, pin, now)
        try:
            return os.eventfd_read(self._presses) > 0
        except BlockingIOError:
            return False

    def close(self) -> None:
        """Release the buttons' pins."""
        for button in self._buttons.values():
            with suppress(Exception):  # the other pins must be released
                button.close()
        self._buttons.clear()
        if self._presses >= 0:
            os.close(self._presses)
            self._presses = -1

    def _open(self, name: str, pin: int, now: float) -> None:
        try:
            from gpiozero import Button  # slow to import, and not every machine has a header

            if self._opened is None:
                self._opened = self._factory()
            button = Button(pin, pull_up=True, bounce_time=BOUNCE_S, pin_factory=self._opened)
            button.when_pressed = self._press
        except Exception as error:  # noqa: BLE001  # reported, and tried again
            self._fail(name, pin, error, now)
            return
        self._buttons[name] = button
        if self.faults.pop(name, None) is not None:
            log.info("the silence button of output %s works again", name)

    def _press(self) -> None:
        """Record a press. The pin factory calls this in its own thread."""
        with suppress(OSError):  # the daemon is stopping
            os.eventfd_write(self._presses, 1)

    def _fail(self, name: str, pin: int, error: Exception, now: float) -> None:
        self._again_at[name] = now + TRY_EVERY_S
        words = str(error)
        if isinstance(error, OSError) and isinstance(self._opened, LineErrors):
            words = str(self._opened.line_error(pin, error))
        if self.faults.get(name) != words:
            log.error(
                "silence button of output %s on pin %d: %s; trying again every %g s",
                name,
                pin,
                words,
                TRY_EVERY_S,
            )
        self.faults[name] = words
