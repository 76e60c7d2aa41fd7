"""A GPIO line with a contact: a gpiozero device whose changes are delivered to each sensor on the line."""

import logging
from collections.abc import Callable
from typing import Final

from .contact_device import ContactDevice
from .counters import PinLevels
from .pinfactory import GpiodFactory
from .shared_lines import ElectricalSettings

_log = logging.getLogger(__name__)

OnChange = Callable[[int, bool], None]
"""Callback that receives the time stamp of a change and the new level (True is high)."""

RESYNC_NS: Final = 10_000_000_000
"""Interval, in nanoseconds, at which the kernel's debounce is made to read the pin again.

If an interrupt was missed, the level is therefore wrong for at most this time.
"""


class ContactLine:
    """Line of a contact. Its `lock` is held while a change is delivered to the listeners one by one."""

    def __init__(self, pin: int, settings: ElectricalSettings, factory: GpiodFactory) -> None:
        self.settings = settings
        self.users = 0
        self.broken: OSError | None = None
        self._listeners: dict[OnChange, None] = {}
        self._device = ContactDevice(
            pin,
            pull=settings.pull,
            active_low=settings.active_low,
            debounce_s=settings.debounce_s,
            pin_factory=factory,
            on_change=self._changed,
        )
        self._pin = self._device.pin
        self.lock = self._pin.lock
        self._factory = factory
        self._resynced_ns = factory.ticks()

    def listen(self, on_change: OnChange) -> None:
        """Call `on_change` for each change from now on."""
        with self.lock:
            self._listeners[on_change] = None

    def ignore(self, on_change: OnChange) -> None:
        """Stop calling `on_change`. Do nothing if it was never passed to `listen`."""
        with self.lock:
            self._listeners.pop(on_change, None)

    def _changed(self, ticks: int, level: bool) -> None:
        for listener in tuple(self._listeners):
            try:
                listener(ticks, level)
            except Exception:  # noqa: BLE001
                # this is a bug of one sensor, and must not affect the others on the line
                _log.exception("a change of %r could not be processed", self._pin)

    def look(self) -> PinLevels:
        """Deliver pending changes, and return the levels and edge counts.

        Raise `OSError` if the line has failed.
        """
        with self.lock:
            if self.broken is not None:
                raise self.broken
            try:
                look: PinLevels = self._pin.look()
            except OSError as error:
                self.broken = error
                raise
            return look

    def resync(self) -> None:
        """Make the kernel's debounce read the pin again, if `RESYNC_NS` has passed since the last time.

        Raises `OSError`.
        """
        with self.lock:
            now_ns = self._factory.ticks()
            if now_ns - self._resynced_ns < RESYNC_NS:
                return
            self._resynced_ns = now_ns
            try:
                self._pin.resync()
            except OSError as error:
                self.broken = error
                raise

    @property
    def edges_lost(self) -> int:
        """Number of edges that the kernel dropped since the line was requested; never decreases."""
        lost: int = self._pin.edges_lost
        return lost

    def close(self) -> None:
        """Release the line; safe to call twice."""
        self._device.close()
