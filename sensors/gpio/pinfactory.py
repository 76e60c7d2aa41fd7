"""A gpiozero pin factory on `gpiod`, libgpiod's own bindings (`GPIOZERO_PIN_FACTORY=gpiod`).

The factory uses the chip behind the header, which is found by its label. Events carry the kernel's time
stamp. The kernel filters bounce and reports a level once it has been stable for the bounce time. After each
quiet period the level is read once more, so that a device shows the real level of its pin even if edges were
lost. One background thread serves all pins. Edges that the kernel dropped are counted (`GpiodPin.look`).

The kernel's debounce counts in its ticks (1 to 10 ms), rounded up. A signal that is never stable for the
bounce time generates no events at all. PWM is not supported.
"""

import errno
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import gpiod
from gpiod.line import Direction, Value
from gpiozero.exc import (
    PinFixedPull,
    PinInvalidBounce,
    PinInvalidEdges,
    PinInvalidFunction,
    PinInvalidPin,
    PinInvalidPull,
    PinSetInput,
    PinUnknownPi,
)
from gpiozero.pins.local import LocalPiFactory, LocalPiPin, get_pi_revision
from gpiozero.pins.pi import PiBoardInfo

from sensors.driver import DriverError

from .counters import PinLevels, edges_between
from .edge_watcher import EdgeWatcher, NextCall
from .event_clock import Monotonic
from .header_chip import DEVICES, Opener, board_revision, line_error, open_header_chip
from .line_settings import BIASES, CONSUMER, EDGES, VALUES, PinSetup, read_ready

_log = logging.getLogger(__name__)

PIN_EVENTS: Final = 64
"""Number of edges that the kernel buffers for a pin.

Pins are intended for contacts, which change slowly. Faster changes are noise.
"""
FLOOD: Final = 32
"""Number of edges within `FLOOD_NS` that count as a flood.

The pin is then not served for another `FLOOD_NS`, so that it does not starve the other pins.
"""
FLOOD_NS: Final = 50_000_000


class GpiodFactory(LocalPiFactory):
    """Factory that makes the header's pins by BCM number; it requests the GPIO line when it makes a pin.

    `chip` is the path of the chip's device; None selects the header's chip. Raises `DriverError` if the chip
    is missing. The other parameters are for tests.
    """

    def __init__(
        self,
        chip: str | None = None,
        *,
        opener: Opener = gpiod.Chip,
        devices: Path = DEVICES,
        monotonic_ns: Monotonic = time.monotonic_ns,
        watcher: type[EdgeWatcher] = EdgeWatcher,
        revision: Callable[[], int] = get_pi_revision,
    ) -> None:
        super().__init__()
        # gpiozero's local factories share these so that no two of them drive one pin; here the kernel
        # prevents that
        self.pins: dict[Any, GpiodPin] = {}
        self._reservations: dict[Any, list[Any]] = defaultdict(list)
        # reentrant: the garbage collector may release the reservation of a forgotten device at any point
        self._res_lock = threading.RLock()
        self.pin_class = GpiodPin
        self.chip = open_header_chip(chip, opener=opener, devices=devices)
        self.watcher = watcher(monotonic_ns)
        self._chip_lock = threading.Lock()
        self._monotonic_ns = monotonic_ns
        self._revision = revision

    def close(self) -> None:
        """Release all pins, stop the thread, close the chip; safe to call twice."""
        for pin in list(self.pins.values()):
            pin.close()
        self.watcher.close()
        with self._chip_lock:
            self.chip.close()

    def request(
        self, number: int, settings: gpiod.LineSettings, *, events: int, consumer: str = CONSUMER
    ) -> gpiod.LineRequest:
        """Request a line of the header from the kernel, with a buffer for `events` edges.

        Raises `OSError`, and `PinInvalidPin` for lines that are not on the header (such as the SD card's).
        """
        if not any(self.board_info.find_pin(number)):
            raise PinInvalidPin(f"{number} is not a valid pin name")
        with self._chip_lock:
            return self.chip.request_lines({number: settings}, consumer=consumer, event_buffer_size=events)

    def direction(self, number: int) -> Direction:
        """Return the direction of a line at present."""
        with self._chip_lock:
            return self.chip.get_line_info(number).direction

    def line_error(self, number: int, error: OSError) -> DriverError:
        """Return an error that tells the user what failed on a line."""
        with self._chip_lock:
            return line_error(self.chip, number, error)

    def _get_revision(self) -> int:
        try:
            revision = self._revision()
            PiBoardInfo.from_revision(revision)
        except PinUnknownPi:
            return board_revision(self.chip.get_info().label)
        return revision

    def ticks(self) -> int:
        """Return nanoseconds on the kernel's clock for events (`CLOCK_MONOTONIC`)."""
        return self._monotonic_ns()

    def ticks_diff(self, later: int, earlier: int) -> float:
        """Return the seconds from `earlier` to `later`."""
        return (later - earlier) / 1e9


class GpiodPin(LocalPiPin):
    """Pin of the header. Its `lock` is held while edges are delivered, so they are delivered one by one."""

    _when_changed: Any

    def __init__(self, factory: GpiodFactory, info: Any) -> None:
        super().__init__(factory, info)
        self.lock = self._when_changed_lock
        function = "output" if factory.direction(self._number) is Direction.OUTPUT else "input"
        self._setup = PinSetup(function, pull=info.pull or "floating")
        # the line's settings are left unchanged: requesting a line must not make an output blink
        self._request: gpiod.LineRequest | None = factory.request(
            self._number, gpiod.LineSettings(), events=PIN_EVENTS
        )
        self.wake = NextCall(on_events=False)
        self._watching = False
        self._level = False
        self._look = PinLevels(level=False, implied_level=False, edges=0, lost=0)
        self._last_edge = 0
        self._burst_ns = 0
        self._burst = 0
        self._broken: OSError | None = None

    def close(self) -> None:
        """Make the pin an input and release its line; safe to call twice."""
        # before the lock is taken: this may be the garbage collector, in the thread that runs the watcher
        self._factory.watcher.remove(self)
        with self.lock:
            self._watching = False
            self._when_changed = None
            self._factory.pins.pop(self._info, None)
            request, self._request = self._request, None
            if request is None:
                return
            try:
                if self._setup.function == "output":
                    request.reconfigure_lines({self._number: PinSetup().line_settings(watching=False)})
            except OSError as error:
                _log.warning("%r could not be reset to an input: %s", self, error)
            finally:
                request.release()

    # Interface that gpiozero requires from a pin ---------------------------------------------------------

    def output_with_state(self, state: float) -> None:
        """Make the pin an output that starts with `state`, in a single request to the kernel."""
        with self.lock:
            self._stop_watching()
            self._become(replace(self._setup, function="output"), output=bool(state))

    def input_with_pull(self, pull: str) -> None:
        """Make the pin an input with the pull resistor `pull`, in a single request to the kernel."""
        with self.lock:
            self._check_pull(pull)
            self._become(replace(self._setup, function="input", pull=pull))

    def _get_function(self) -> str:
        return self._setup.function

    def _set_function(self, value: str) -> None:
        with self.lock:
            if value == "output":
                self.output_with_state(self._get_state())
            elif value == "input":
                self._become(replace(self._setup, function=value))
            else:
                raise PinInvalidFunction(f"{self!r} has no function {value!r}: use input or output")

    def _get_state(self) -> int:
        with self.lock:
            return int(self._read())

    def _set_state(self, value: float) -> None:
        with self.lock:
            if self._setup.function != "output":
                raise PinSetInput(f"{self!r} is an input, so its state cannot be set")
            self._line.set_value(self._number, VALUES[bool(value)])

    def _get_pull(self) -> str:
        return self._setup.pull

    def _set_pull(self, value: str) -> None:
        with self.lock:
            if self._setup.function != "input":
                raise PinFixedPull(f"{self!r} is an output, so it cannot have a pull resistor")
            self._check_pull(value)
            self._become(replace(self._setup, pull=value))

    def _check_pull(self, value: str) -> None:
        if value not in BIASES:
            raise PinInvalidPull(f"{self!r} has no pull {value!r}: use up, down or floating")
        if self._info.pull not in (value, ""):
            raise PinFixedPull(f"{self!r} has a resistor on the board that pulls it {self._info.pull}")

    def _get_bounce(self) -> float | None:
        return self._setup.bounce

    def _set_bounce(self, value: float | None) -> None:
        if value is not None and value < 0:
            raise PinInvalidBounce(f"a bounce time of {value} s is negative")
        with self.lock:
            self._become(replace(self._setup, bounce=value or None))

    def _get_edges(self) -> str:
        return self._setup.edges

    def _set_edges(self, value: str) -> None:
        if value not in EDGES:
            raise PinInvalidEdges(f"{self!r} has no edges {value!r}: use {', '.join(EDGES)}")
        with self.lock:
            self._become(replace(self._setup, edges=value))

    def _enable_event_detect(self) -> None:
        with self.lock:
            self._take_edges()  # discard the edges that an earlier watch left in the buffer
            self._watching = True
            try:
                self._become(self._setup)
                self._level = self._read()
            except OSError:
                self._stop_watching()
                self._when_changed = None
                raise
            self._look = replace(self._look, implied_level=self._level)

    def _disable_event_detect(self) -> None:
        with self.lock:
            if self._watching:
                self._stop_watching()
                self._become(self._setup)

    # The line ------------------------------------------------------------------------------------------

    @property
    def _line(self) -> gpiod.LineRequest:
        if self._broken is not None:
            raise self._broken
        if self._request is None:
            raise OSError(errno.ENODEV, "the pin is closed")
        return self._request

    def _read(self) -> bool:
        return self._line.get_value(self._number) is Value.ACTIVE

    def _become(self, setup: PinSetup, *, output: bool = False) -> None:
        """Configure the line in the kernel; store the new setup only if the kernel accepts it."""
        settings = setup.line_settings(watching=self._watching, output=output)
        self._line.reconfigure_lines({self._number: settings})
        self._setup = setup
        if self._watching:
            # the kernel may have missed edges during the change: read the level again once it has settled
            self.wake = NextCall(self._factory.ticks() + setup.quiet_ns)
            self._factory.watcher.add(self)

    def _stop_watching(self) -> None:
        self._watching = False
        self._factory.watcher.remove(self)

    def fileno(self) -> int | None:
        """Return the file descriptor that becomes readable when the kernel has an edge.

        After the pin has been closed, return None.
        """
        with self.lock:
            return None if self._request is None else self._request.fd

    def service(self, now_ns: int) -> None:
        """Deliver the kernel's edges; read the level again if there was no edge for the quiet period."""
        with self.lock:
            if not self._watching or self._broken is not None:
                return
            try:
                taken = self._take_edges()
                if taken:
                    self.wake = self._rest(now_ns, taken)
                elif self.wake.at_ns is not None and now_ns >= self.wake.at_ns:
                    if self.wake.on_events:
                        self.wake = NextCall()
                        self._read_again()
                    else:
                        self.wake = NextCall(now_ns + self._setup.quiet_ns)
            except OSError as error:
                if self._request is None:
                    return  # closed by the callback, or by the garbage collector
                self._broken = error
                self.wake = NextCall(on_events=False)
                _log.warning("%r can no longer be read: %s", self, error)

    def _rest(self, now_ns: int, taken: int) -> NextCall:
        if now_ns - self._burst_ns >= FLOOD_NS:
            self._burst_ns, self._burst = now_ns, 0
        self._burst += taken
        if self._burst < FLOOD:
            return NextCall(now_ns + self._setup.quiet_ns)
        self._burst = 0
        return NextCall(now_ns + FLOOD_NS, on_events=False)

    def look(self) -> PinLevels:
        """Deliver pending edges, read the level, and return the levels and edge counts.

        If the level differs from the one that the edges imply, the change is delivered with the current time.
        Raises `OSError`.
        """
        with self.lock:
            taken = self._take_edges() if self._watching else 0
            if taken:
                self.wake = self._rest(self._factory.ticks(), taken)
                self._factory.watcher.nudge()
            self._read_again()
            self._look = replace(self._look, level=self._level)
            return self._look

    def resync(self) -> None:
        """Make the kernel's debounce read the pin again; do nothing for a pin without debounce.

        For a debounced line, the kernel returns the level that its interrupts last reported
        (`debounced_value` in `gpiolib-cdev.c`). If an interrupt was missed, this level stays wrong until the
        pin changes again. A change found in this way is delivered after the quiet period, unless it is a
        glitch. Raises `OSError`.
        """
        with self.lock:
            if not self._watching or self._setup.bounce is None:
                return
            self._take_edges()
            plain = replace(self._setup, bounce=None)
            self._line.reconfigure_lines({self._number: plain.line_settings(watching=False)})
            self._become(self._setup)
            level = self._read()
            if level is not self._level:
                # an edge may have been pending: only repeated differences indicate a fault
                self._look = replace(self._look, implied_level=level, found=self._look.found + 1)

    @property
    def edges_lost(self) -> int:
        """Number of edges that the kernel dropped since the pin was opened; never decreases."""
        return self._look.lost

    def _take_edges(self) -> int:
        events = read_ready(self._line, PIN_EVENTS)
        for event in events:
            new = edges_between(self._last_edge, event.line_seqno)
            self._last_edge = event.line_seqno
            level = event.event_type is gpiod.EdgeEvent.Type.RISING_EDGE
            self._look = PinLevels(
                level=level, implied_level=level, edges=self._look.edges + new, lost=self._look.lost + new - 1
            )
            self._hand_on(event.timestamp_ns, level)
        return len(events)

    def _read_again(self) -> None:
        level = self._read()
        if level is not self._level:
            self._hand_on(self._factory.ticks(), level)

    def _hand_on(self, ticks: int, level: bool) -> None:
        self._level = level
        if not self._watching or self._when_changed is None or not self._setup.selects(level):
            return
        try:
            self._call_when_changed(ticks, int(level))
        except Exception:  # noqa: BLE001
            # the callback is the caller's code; its errors must not affect the other pins
            _log.exception("the callback for changes of %r failed", self)
