"""A simulated machine with GPIO chips, as fakes of `gpiod.Chip` and `gpiod.LineRequest`.

The lines behave as in the kernel's `drivers/gpio/gpiolib-cdev.c`. Edges are numbered before they are
buffered. A full buffer drops its oldest event. Debounce reports a level that has been stable for the debounce
time (counted in ticks, rounded up). Reading a debounced line returns the level that was last reported. The
test controls time.
"""

import errno
import heapq
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import gpiod
from gpiod.line import Bias, Direction, Edge, Value
from gpiozero.exc import PinUnknownPi

from sensors.driver import Driver
from sensors.gpio.context import GpioContext
from sensors.gpio.edge_watcher import EdgeWatcher
from sensors.gpio.pinfactory import GpiodFactory
from sensors.sample import Sample, Totals
from tests.sensors.fakes import SECOND, Collector

MS = 1_000_000
TICK = 4 * MS
"""Duration, in nanoseconds, of a timer tick in a kernel with 250 ticks per second, as in Raspberry Pi OS."""
BOOT_OFFSET = 7 * SECOND
"""Time in nanoseconds for which the machine has been suspended."""

RISING, FALLING = (kind.value for kind in gpiod.EdgeEvent.Type)


class Kernel:
    """Simulated time with a queue of future events. It is also the sensors' clock."""

    def __init__(self) -> None:
        self.now_ns = 1_000 * SECOND
        self.offset_ns = BOOT_OFFSET
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._made = 0

    def monotonic_ns(self) -> int:
        return self.now_ns

    def boottime_ns(self) -> int:
        return self.now_ns + self.offset_ns

    def utc_ns(self) -> int:
        return self.now_ns

    def call_at(self, at_ns: int, what: Callable[[], None]) -> None:
        self._made += 1
        heapq.heappush(self._later, (at_ns, self._made, what))

    def next_ns(self) -> int | None:
        return self._later[0][0] if self._later else None

    def move_to(self, at_ns: int) -> None:
        while self._later and self._later[0][0] <= at_ns:
            due_ns, _, what = heapq.heappop(self._later)
            self.now_ns = max(self.now_ns, due_ns)
            what()
        self.now_ns = max(self.now_ns, at_ns)


class Line:
    """Simulated GPIO line, with the wire that is connected to it."""

    def __init__(self, kernel: Kernel, offset: int) -> None:
        self.kernel = kernel
        self.offset = offset
        self.holder = ""
        """Name of another program that uses the line; empty if none does."""
        self.refuses: OSError | None = None
        """Error to raise when the line is configured; None if this succeeds."""
        self.interrupts = True
        """True if the chip supports interrupts for this line."""
        self.deaf = False
        """True if interrupts of this line are lost, so that edges are missed."""
        self.writes: list[bool] = []
        """Levels to which the line was driven while it was an output, in order."""
        self.settings = gpiod.LineSettings(direction=Direction.INPUT)
        self.request: FakeRequest | None = None
        self._wire: bool | None = None
        self._raw = False
        self._debounced: bool | None = None
        self._debounce_due_ns = 0
        self._number = 0

    @property
    def level(self) -> bool:
        """Level that a voltmeter would show on the line."""
        if self.settings.direction is Direction.OUTPUT:
            return bool(self.settings.output_value)
        if self._wire is not None:
            return self._wire
        return self.settings.bias is Bias.PULL_UP

    def drive(self, level: bool | None) -> None:
        """Set the level of the wire, or leave the wire open if the level is None."""
        self._wire = level
        self._interrupt()

    def flip(self) -> None:
        self.drive(not self.level)

    def start_numbering_at(self, number: int) -> None:
        """Set the sequence number of the last edge, as if the line had seen earlier edges."""
        self._number = number

    def configure(self, settings: gpiod.LineSettings) -> None:
        if self.refuses is not None:
            raise self.refuses
        if not self.interrupts and (settings.edge_detection is not Edge.NONE or settings.debounce_period):
            raise OSError(errno.ENXIO, "No such device or address")
        as_is = settings.direction is Direction.AS_IS
        is_input = settings.direction is Direction.INPUT
        if (settings.edge_detection is not Edge.NONE or settings.debounce_period) and not is_input:
            raise OSError(errno.EINVAL, "Invalid argument")
        if settings.bias is not Bias.AS_IS and as_is:
            raise OSError(errno.EINVAL, "Invalid argument")
        if as_is:
            return
        self.settings = settings
        if settings.direction is Direction.OUTPUT:
            self.writes.append(bool(settings.output_value))
        if not settings.debounce_period:
            self._debounced = None
        elif self._debounced is None:
            self._debounced = self.level
        self._raw = self.level

    def free(self) -> None:
        self.request = None
        self._number = 0
        self._debounced = None

    def read(self) -> Value:
        level = self.level if self._debounced is None else self._debounced
        return Value.ACTIVE if level ^ self.settings.active_low else Value.INACTIVE

    def _interrupt(self) -> None:
        if self.level == self._raw or self.deaf:
            return
        self._raw = self.level
        if self._debounced is None:
            self._edge(self.level)
        else:
            period = round(self.settings.debounce_period.total_seconds() * 1e9)
            self._debounce_due_ns = self.kernel.now_ns + -(-period // TICK) * TICK
            self.kernel.call_at(self._debounce_due_ns, self._settled)

    def _settled(self) -> None:
        if self.kernel.now_ns < self._debounce_due_ns or self._debounced in (None, self.level):
            return
        self._debounced = self.level
        self._edge(self.level)

    def _edge(self, level: bool) -> None:
        rising = level ^ self.settings.active_low
        wanted = (Edge.BOTH, Edge.RISING if rising else Edge.FALLING)
        request = self.request
        if request is None or self.settings.edge_detection not in wanted:
            return
        self._number += 1
        request.put(
            gpiod.EdgeEvent(
                event_type=RISING if rising else FALLING,
                timestamp_ns=self.kernel.now_ns,
                line_offset=self.offset,
                global_seqno=_as_the_bindings_do(self._number),
                line_seqno=_as_the_bindings_do(self._number),
            )
        )


def _as_the_bindings_do(number: int) -> int:
    """Convert the kernel's unsigned 32-bit number to a signed one, as gpiod's Python bindings do."""
    number %= 1 << 32
    return number - (1 << 32) if number >= 1 << 31 else number


class FakeRequest(gpiod.LineRequest):
    """Fake of `gpiod.LineRequest`: a granted request for a line."""

    def __init__(self, line: Line, room: int) -> None:
        self.line = line
        self.room = room
        self.reads = 0
        self.gone: OSError | None = None
        """Error to raise when the line is read after the chip was removed."""
        self._lock = threading.RLock()
        self._events: deque[gpiod.EdgeEvent] = deque(maxlen=room)
        self._fd: int | None = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def put(self, event: gpiod.EdgeEvent) -> None:
        with self._lock:
            if self._fd is None:
                return  # another thread has just released the line
            if not self._events:
                os.eventfd_write(self._fd, 1)
            self._events.append(event)

    def lose_chip(self) -> None:
        """Remove the chip. The request's file descriptor is then always readable, as in the kernel."""
        self.gone = OSError(errno.ENODEV, "No such device")
        os.eventfd_write(self.fd, 1)

    @property
    def fd(self) -> int:
        if self._fd is None:
            raise gpiod.RequestReleasedError
        return self._fd

    def __bool__(self) -> bool:
        return self._fd is not None

    def _alive(self) -> Line:
        if self._fd is None:
            raise gpiod.RequestReleasedError
        if self.gone is not None:
            raise self.gone
        return self.line

    def get_value(self, line: int | str) -> Value:
        assert line == self.line.offset
        return self._alive().read()

    def set_value(self, line: int | str, value: Value) -> None:
        assert line == self.line.offset
        if self._alive().settings.direction is not Direction.OUTPUT:
            raise OSError(errno.EPERM, "Operation not permitted")
        self.line.settings.output_value = value
        self.line.writes.append(bool(value))

    def reconfigure_lines(
        self, config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None]
    ) -> None:
        settings = config[self.line.offset]
        assert settings is not None
        self._alive().configure(settings)

    def read_edge_events(self, max_events: int | None = None) -> list[gpiod.EdgeEvent]:
        self._alive()
        with self._lock:
            assert self._events, "this read would block for ever"
            self.reads += 1
            most = min(max_events or 64, self.room, len(self._events))
            events = [self._events.popleft() for _ in range(most)]
            if not self._events:
                os.eventfd_read(self.fd)
            return events

    def release(self) -> None:
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None
                self.line.free()


class FakeChip(gpiod.Chip):
    """Fake of `gpiod.Chip`, with a given number of lines."""

    def __init__(self, kernel: Kernel, name: str, label: str, lines: int) -> None:
        self.name = name
        self.label = label
        self.lines = [Line(kernel, offset) for offset in range(lines)]
        self.refuses: OSError | None = None
        """Error to raise when the chip is opened; None if this succeeds."""
        self.open = False

    def __bool__(self) -> bool:
        return self.open

    def __repr__(self) -> str:
        return f"{self.name} ({self.label})"

    def close(self) -> None:
        self.open = False

    def get_info(self) -> gpiod.ChipInfo:
        return gpiod.ChipInfo(self.name, self.label, len(self.lines))

    def get_line_info(self, line: int | str) -> gpiod.LineInfo:
        found = self.lines[int(line)]
        request = found.request
        return gpiod.LineInfo(
            found.offset,
            f"GPIO{line}",
            used=bool(found.holder or request),
            consumer=found.holder or ("logboat" if request else ""),
            direction=found.settings.direction.value,
            active_low=found.settings.active_low,
            bias=found.settings.bias.value,
            drive=found.settings.drive.value,
            edge_detection=found.settings.edge_detection.value,
            event_clock=found.settings.event_clock.value,
            debounced=bool(found.settings.debounce_period),
            debounce_period_us=0,
        )

    def request_lines(
        self,
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
        output_values: dict[int | str, Value] | None = None,
    ) -> gpiod.LineRequest:
        assert self.open
        assert output_values is None
        ((offset, settings),) = config.items()
        assert isinstance(offset, int)
        assert settings is not None
        line = self.lines[offset]
        if line.holder or line.request:
            raise OSError(errno.EBUSY, "Device or resource busy")
        line.configure(settings)
        line.request = FakeRequest(line, event_buffer_size or 16)
        return line.request


class Machine:
    """Simulated machine with GPIO chips, and the folder that contains the chips' device files."""

    def __init__(self, devices: Path) -> None:
        self.kernel = Kernel()
        self.devices = devices
        self.chips: dict[str, FakeChip] = {}

    def chip(self, label: str, *, number: int = 0, lines: int = 54) -> FakeChip:
        name = f"gpiochip{number}"
        path = self.devices / name
        path.touch()
        self.chips[str(path)] = FakeChip(self.kernel, name, label, lines)
        return self.chips[str(path)]

    def opener(self, path: str) -> gpiod.Chip:
        try:
            chip = self.chips[str(Path(path).resolve())]
        except KeyError:
            raise OSError(errno.ENOENT, "No such file or directory") from None
        if chip.refuses is not None:
            raise chip.refuses
        chip.open = True
        return chip


class HandCranked(EdgeWatcher):
    """Edge watcher without a thread, whose steps the test runs."""

    def start(self) -> None:
        return None

    def next_ns(self) -> int | None:
        return min((line.wake.at_ns for line in self._lines if line.wake.at_ns is not None), default=None)


def not_a_pi() -> int:
    raise PinUnknownPi("no revision anywhere")


@dataclass(slots=True)
class Board:
    """Machine with a GPIO header, its pin factory, and an edge watcher that the test runs."""

    machine: Machine
    chip: FakeChip
    factory: GpiodFactory
    gpio: GpioContext
    drivers: list[Driver] = field(default_factory=list)
    """References that keep the drivers alive, because gpiozero closes devices that are garbage-collected."""

    @property
    def kernel(self) -> Kernel:
        return self.machine.kernel

    @property
    def watcher(self) -> HandCranked:
        assert isinstance(self.factory.watcher, HandCranked)
        return self.factory.watcher

    def line(self, pin: int) -> Line:
        return self.chip.lines[pin]

    def request(self, pin: int) -> FakeRequest:
        request = self.chip.lines[pin].request
        assert request is not None
        return request

    def advance(self, seconds: float) -> None:
        """Advance time, and run the edge watcher at each moment at which its thread would run."""
        end_ns = self.kernel.now_ns + round(seconds * SECOND)
        self.watcher.step(0)
        while True:
            due = [at for at in (self.kernel.next_ns(), self.watcher.next_ns()) if at is not None]
            at_ns = max(self.kernel.now_ns, min([end_ns, *due]))
            self.kernel.move_to(at_ns)
            self.watcher.step(0)
            if at_ns >= end_ns:
                return

    def stall(self, seconds: float) -> None:
        """Advance time without running the edge watcher, to simulate a stalled thread."""
        self.kernel.move_to(self.kernel.now_ns + round(seconds * SECOND))

    def square(self, pin: int, hz: float, seconds: float, *, stalled: bool = False) -> int:
        """Apply a square wave to a pin, and return the number of complete periods."""
        periods = round(hz * seconds)
        line, half = self.line(pin), 0.5 / hz
        for _ in range(2 * periods):
            line.flip()
            (self.stall if stalled else self.advance)(half)
        return periods

    def poll(self, driver: Driver) -> None:
        driver.poll(self.kernel.boottime_ns())

    def run(self, driver: Driver, seconds: float, *, every: float = 1.0) -> None:
        """Advance time, and poll the driver at regular intervals."""
        for _ in range(round(seconds / every)):
            self.advance(every)
            self.poll(driver)


def board(
    devices: Path, label: str = "pinctrl-bcm2711", *, watcher: type[EdgeWatcher] = HandCranked
) -> Board:
    """Return a simulated Raspberry Pi whose pin factory is open."""
    machine = Machine(devices)
    chip = machine.chip(label)
    factory = GpiodFactory(
        opener=machine.opener,
        devices=devices,
        monotonic_ns=machine.kernel.monotonic_ns,
        watcher=watcher,
        revision=not_a_pi,
    )
    gpio = GpioContext(machine.kernel, make_factory=lambda: factory, monotonic_ns=machine.kernel.monotonic_ns)
    return Board(machine, chip, factory, gpio)


def opened(driver: Driver, resume: Totals | None = None) -> Collector:
    """Open a driver, and return the collector of its samples."""
    said = Collector()
    driver.open(said, resume=resume or Totals())
    return said


def last(said: Collector) -> Sample:
    return said[-1]


def last_totals(said: Collector) -> Totals:
    totals = said[-1].totals
    assert totals is not None
    return totals
