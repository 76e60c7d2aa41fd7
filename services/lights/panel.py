"""Panels of LEDs: up to five on the GPIO header, through gpiozero, or one LED that the kernel controls."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

log = logging.getLogger(__name__)

TRY_EVERY_S: Final = 10.0
LED_CLASS: Final = Path("/sys/class/leds")


class PanelError(Exception):
    """A light that cannot be used. The message states the reason."""


class Panel(Protocol):
    """A set of lights that can be turned on and off."""

    @property
    def lights(self) -> tuple[str, ...]:
        """Names of the lights; a single light is named `status`."""

    def show(self, lit: Mapping[str, bool]) -> None:
        """Turn on the lights that are True in `lit`, and turn all others off."""

    def close(self) -> None:
        """Turn all lights off, and release them."""


class HeaderPanel:
    """Panel of LEDs on header pins."""

    def __init__(self, pins: Mapping[str, int], *, factory: Any = None, active_high: bool = True) -> None:
        """Open an LED on each pin. Raise PanelError if a pin cannot be used."""
        from gpiozero import LED  # slow to import, and not every machine has a header

        self._leds: dict[str, LED] = {}
        self._lit: dict[str, bool] = {}
        for name, pin in pins.items():
            try:
                self._leds[name] = LED(pin, active_high=active_high, pin_factory=factory)
            except Exception as error:
                self.close()
                raise PanelError(
                    f"the {name} light on pin {pin}: {error}; choose another pin in [lights], or 0 for none"
                ) from error
            self._lit[name] = False

    @property
    def lights(self) -> tuple[str, ...]:
        """Names of the lights."""
        return tuple(self._leds)

    def show(self, lit: Mapping[str, bool]) -> None:
        """Turn each light on or off as in `lit`. Write to a pin only if its light changes."""
        for name, led in self._leds.items():
            wanted = lit.get(name, False)
            if wanted != self._lit[name]:
                led.value = wanted
                self._lit[name] = wanted

    def close(self) -> None:
        """Turn all lights off, and release them."""
        for led in self._leds.values():
            led.off()
            led.close()
        self._leds.clear()


class DarkPanel:
    """A panel without lights, for a daemon that only publishes the lights' states."""

    lights: tuple[str, ...] = ()

    def show(self, lit: Mapping[str, bool]) -> None:
        """Do nothing, because there are no lights."""

    def close(self) -> None:
        """Do nothing, because there are no lights."""


class RetryingPanel:
    """Panel that retries opening its LEDs until that succeeds. The LEDs stay dark until then.

    The GPIO driver may load late, or another process may be using a pin. The daemon continues in both cases.
    """

    def __init__(self, opened: Callable[[], Panel], *, clock: Callable[[], float]) -> None:
        """Try to open the LEDs.

        `opened` is called to open them, and raises PanelError if that fails. `clock` returns the time of a
        monotonic clock, in seconds.
        """
        self._opened, self._clock = opened, clock
        self._panel: Panel = DarkPanel()
        self._again_at: float | None = None
        self.why_dark: str | None = None
        self._try()

    @property
    def lights(self) -> tuple[str, ...]:
        """Names of the lights; empty while they cannot be used."""
        return self._panel.lights

    def show(self, lit: Mapping[str, bool]) -> None:
        """Turn each light on or off as in `lit`. First retry opening the LEDs, if a retry is due."""
        if self._again_at is not None and self._clock() >= self._again_at:
            self._try()
        self._panel.show(lit)

    def close(self) -> None:
        """Turn all lights off, and release them."""
        self._panel.close()

    def _try(self) -> None:
        try:
            self._panel = self._opened()
        except PanelError as error:
            if str(error) != self.why_dark:
                # logging `error` itself would keep its pins open
                log.error("%s; trying again every %g s", str(error), TRY_EVERY_S)
            self.why_dark, self._again_at = str(error), self._clock() + TRY_EVERY_S
            return
        if self.why_dark is not None:
            log.info("the lights work again")
        self.why_dark = self._again_at = None


class KernelPanel:
    """A panel with one LED that the kernel controls, such as the board's green one (ACT)."""

    def __init__(self, name: str, *, leds: Path = LED_CLASS) -> None:
        """Take control of the LED from the kernel. Raise PanelError if that fails."""
        self._folder = leds / name
        self._lit: bool | None = None
        try:
            (self._folder / "trigger").write_text("none")
            self._most = (self._folder / "max_brightness").read_text().strip() or "1"
        except OSError as error:
            there = ", ".join(sorted(path.name for path in leds.glob("*"))) or "none"
            raise PanelError(
                f"the board's LED {name}: {error.strerror or error}; available LEDs: {there}"
            ) from error

    @property
    def lights(self) -> tuple[str, ...]:
        """The name of the only light."""
        return ("status",)

    def show(self, lit: Mapping[str, bool]) -> None:
        """Turn the light on if `lit["status"]` is True, and off otherwise."""
        wanted = lit.get("status", False)
        if wanted is not self._lit:
            (self._folder / "brightness").write_text(self._most if wanted else "0")
            self._lit = wanted

    def close(self) -> None:
        """Turn the light off."""
        self.show({})
