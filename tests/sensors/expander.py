"""A simulated MCP23017 behind the kernel's driver, as fakes of `gpiod.Chip` and `gpiod.LineRequest`.

As in `pinctrl-mcp23s08.c`, a register is written only if its cached value changes. A failed write changes the
cache too, as in `regmap.c`. An input of a chip that does not answer reads as 0, without an error.
"""

import errno
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import gpiod
from gpiod.line import Direction, Value

from sensors.chips.expander import Expanders
from sensors.driver import Driver
from sensors.driver_context import DriverContext
from tests.sensors.fakes import FakeClock

LINES = 16


def _inputs() -> dict[int, bool]:
    return dict.fromkeys(range(LINES), True)


def _lows() -> dict[int, bool]:
    return dict.fromkeys(range(LINES), False)


@dataclass(slots=True)
class Registers:
    """Registers of the chip, or the driver's cache of them: a bit for each line."""

    is_input: dict[int, bool] = field(default_factory=_inputs)
    output: dict[int, bool] = field(default_factory=_lows)


class FakeExpander(gpiod.Chip):
    """Fake of `gpiod.Chip` for an MCP23017, with a wire at each line."""

    def __init__(self) -> None:
        self.answers = True
        """True if the chip answers on the bus."""
        self.refuses: OSError | None = None
        """Error to raise when a line is requested; None if this succeeds."""
        self.wires: dict[int, bool] = dict.fromkeys(range(LINES), True)
        """Level of the wire at each line: True if a resistor pulls it up and no contact closes."""
        self.forced: dict[int, bool] = {}
        """Levels of lines that something holds, also against an output."""
        self.holders: set[int] = set()
        """Lines that are requested."""
        self.transfers = 0
        """Number of reads so far."""
        self.cache = Registers()
        self.chip = Registers()

    def lose_supply(self) -> None:
        """Interrupt the supply of the chip for a moment; its registers are then those after a reset."""
        self.chip = Registers()

    def close(self) -> None:
        pass

    def request_lines(
        self,
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None],
        consumer: str | None = None,
        event_buffer_size: int | None = None,
        output_values: dict[int | str, Value] | None = None,
    ) -> gpiod.LineRequest:
        assert (consumer, event_buffer_size, output_values) == ("logboat", None, None)
        ((line, settings),) = config.items()
        assert isinstance(line, int)
        assert settings is not None
        if self.refuses is not None:
            raise self.refuses
        if line in self.holders:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.configure(line, settings)
        self.holders.add(line)
        return FakeRequest(self, line)

    def configure(self, line: int, settings: gpiod.LineSettings) -> None:
        is_input = settings.direction is Direction.INPUT
        if not is_input:
            self._write("output", line, bit=settings.output_value is Value.ACTIVE)
        self._write("is_input", line, bit=is_input)

    def drive(self, line: int, *, level: bool) -> None:
        with suppress(OSError):  # the kernel's driver ignores the error
            self._write("output", line, bit=level)

    def level(self, line: int) -> bool:
        self.transfers += 1
        if not self.answers:
            return False
        if line in self.forced:
            return self.forced[line]
        return self.wires[line] if self.chip.is_input[line] else self.chip.output[line]

    def _write(self, register: str, line: int, *, bit: bool) -> None:
        cached: dict[int, bool] = getattr(self.cache, register)
        if cached[line] is bit:
            return
        cached[line] = bit
        if not self.answers:
            raise OSError(errno.EREMOTEIO, "Remote I/O error")
        # the whole register is written, from the cache
        getattr(self.chip, register).update(cached)


class FakeRequest(gpiod.LineRequest):
    """Fake of `gpiod.LineRequest` for one line of an expander."""

    def __init__(self, expander: FakeExpander, line: int) -> None:
        self._expander = expander
        self._line = line

    def get_value(self, line: int | str) -> Value:
        assert line == self._line
        assert self._line in self._expander.holders
        return Value.ACTIVE if self._expander.level(self._line) else Value.INACTIVE

    def set_value(self, line: int | str, value: Value) -> None:
        assert line == self._line
        self._expander.drive(self._line, level=value is Value.ACTIVE)

    def reconfigure_lines(
        self, config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None]
    ) -> None:
        settings = config[self._line]
        assert settings is not None
        self._expander.configure(self._line, settings)

    def release(self) -> None:
        self._expander.holders.discard(self._line)


class ExpanderBoard:
    """Machine with expanders on its I2C bus."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock()
        self._expanders: dict[str, FakeExpander] = {}
        self.context = DriverContext(self.clock, root=root, expanders=Expanders(root, opener=self._opener))
        self.drivers: list[Driver] = []

    def attach(self, address: int = 0x20, *, number: int = 2, name: str = "mcp23017") -> FakeExpander:
        """Attach an expander, and return it; `number` is that of its GPIO chip."""
        device = self.device(address, name)
        (device / "driver").mkdir()
        own = device / f"gpiochip{number}"
        own.mkdir()
        links = self.root / "sys/bus/gpio/devices"
        links.mkdir(parents=True, exist_ok=True)
        (links / own.name).symlink_to(own)
        return self._expanders.setdefault(str(self.root / "dev" / own.name), FakeExpander())

    def device(self, address: int, name: str = "mcp23017") -> Path:
        """Create the I2C device of a chip, without a driver, and return its directory."""
        device = self.root / f"sys/devices/platform/soc/i2c-1/1-{address:04x}"
        device.mkdir(parents=True)
        (device / "name").write_text(f"{name}\n")
        links = self.root / "sys/bus/i2c/devices"
        links.mkdir(parents=True, exist_ok=True)
        (links / device.name).symlink_to(device)
        return device

    def _opener(self, path: str) -> gpiod.Chip:
        try:
            return self._expanders[path]
        except KeyError:
            raise OSError(errno.ENOENT, "No such file or directory") from None
