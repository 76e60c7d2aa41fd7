"""The pins of the outputs. A pin that cannot be used is logged and tried again, and affects no other pin."""

import logging
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import Any, Final, Protocol, runtime_checkable

from sensors.outputs import OutputSettings

log = logging.getLogger(__name__)

TRY_EVERY_S: Final = 10.0


@runtime_checkable
class LineErrors(Protocol):
    """A pin factory that explains errors of its lines."""

    def line_error(self, number: int, error: OSError) -> Exception:
        """Return an error that says what failed on a line, and what to do."""


class OutputPins:
    """The outputs' pins on the GPIO header."""

    def __init__(self, outputs: Iterable[OutputSettings], factory: Callable[[], Any]) -> None:
        """Set the outputs. `factory` opens the header, and returns gpiozero's pin factory."""
        self._outputs = {output.id: output for output in outputs}
        self._factory = factory
        self._opened: Any = None
        self._devices: dict[str, Any] = {}
        self._lit: dict[str, bool] = {}
        self._again_at: dict[str, float] = {}
        self.faults: dict[str, str] = {}
        """Reasons why outputs do not work, by id."""
        self.read_back: dict[str, bool] = {}
        """States that were last read back from the pins, by id: True is on. Unreadable pins are absent."""

    def show(self, lit: dict[str, bool], now: float) -> None:
        """Turn each output on or off as in `lit`. Write to a pin only if it changes.

        `now` is the time of a monotonic clock, in seconds.
        """
        for name, output in self._outputs.items():
            device = self._devices.get(name) or self._try(output, now)
            wanted = lit.get(name, False)
            if device is None or self._lit.get(name) == wanted:
                continue
            try:
                device.value = wanted
                self._lit[name] = wanted
            except Exception as error:  # noqa: BLE001  # one broken pin must not stop the others
                self._fail(output, self._words(output.pin, error), now)

    def check(self) -> None:
        """Read the pins' levels. Report each pin that cannot be read or has another level."""
        for name, device in self._devices.items():
            pin, wanted = self._outputs[name].pin, self._lit.get(name, False)
            self.read_back.pop(name, None)
            try:
                is_on = self.read_back[name] = bool(device.value)
            except Exception as error:  # noqa: BLE001  # one broken pin must not stop the others
                text = f"pin {pin} cannot be read: {error}"
            else:
                is_right = is_on == wanted
                text = "" if is_right else f"pin {pin} is {_word(is_on)}, but was turned {_word(wanted)}"
            if not text:
                if self.faults.pop(name, None) is not None:
                    log.info("output %s works again", name)
            elif self.faults.get(name) != text:
                self.faults[name] = text
                log.error("output %s: %s; check its wiring", name, text)

    def retry(self, name: str) -> None:
        """Try to open the pin of an output without waiting for the next regular attempt."""
        self._again_at.pop(name, None)

    def close(self) -> None:
        """Turn all outputs off, and release their pins."""
        for name, device in list(self._devices.items()):
            try:
                with closing(device):  # without a level, the device is off on most boards
                    device.off()
            except Exception as error:  # noqa: BLE001  # the other outputs must be turned off
                log.error("output %s cannot be turned off: %s", name, str(error))
        self._devices.clear()
        self._lit.clear()
        self.read_back.clear()

    def _try(self, output: OutputSettings, now: float) -> Any:
        if now < self._again_at.get(output.id, now):
            return None
        try:
            from gpiozero import DigitalOutputDevice  # slow to import, and not every machine has a header

            if self._opened is None:
                self._opened = self._factory()
            device = DigitalOutputDevice(
                output.pin,
                active_high=output.active == "high",
                initial_value=False,
                pin_factory=self._opened,
            )
        except Exception as error:  # noqa: BLE001  # reported, and tried again
            self._fail(output, self._words(output.pin, error), now)
            return None
        self._devices[output.id], self._lit[output.id] = device, False
        if self.faults.pop(output.id, None) is not None:
            log.info("output %s works again", output.id)
        return device

    def _words(self, pin: int, error: Exception) -> str:
        """Return the reason why a pin cannot be used, which names the program that uses it, if any."""
        if isinstance(error, OSError) and isinstance(self._opened, LineErrors):
            return str(self._opened.line_error(pin, error))
        return str(error)

    def _fail(self, output: OutputSettings, error: str, now: float) -> None:
        self._again_at[output.id] = now + TRY_EVERY_S
        self.read_back.pop(output.id, None)
        device = self._devices.pop(output.id, None)
        if device is not None:
            with suppress(Exception):  # the pin is already known to be broken
                device.close()
        if self.faults.get(output.id) != error:
            log.error(
                "output %s on pin %d: %s; trying again every %g s", output.id, output.pin, error, TRY_EVERY_S
            )
        self.faults[output.id] = error


def release(pins: Iterable[int], factory: Callable[[], Any]) -> None:
    """Make these pins inputs, so that they no longer turn anything on. Ignore pins that are in use.

    `factory` opens the header, and returns gpiozero's pin factory.
    """
    opened = None
    for number in pins:
        with suppress(Exception):  # the new user of the pin has already changed it
            opened = opened or factory()
            with closing(opened.pin(number)) as pin:
                pin.function = "input"


def _word(is_on: bool) -> str:  # a level has no other name
    return "on" if is_on else "off"
