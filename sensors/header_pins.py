"""The 40-pin header: the position of each GPIO line, and the lines that each bus occupies."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Final

_PINS_OF_LINES: Final = (
    *(27, 28, 3, 5, 7, 29, 31, 26, 24, 21, 19, 23, 32, 33),
    *(8, 10, 36, 11, 12, 35, 38, 40, 15, 16, 18, 22, 37, 13),
)
HEADER_PINS: Final[Mapping[int, int]] = dict(enumerate(_PINS_OF_LINES))
"""Position on the 40-pin header by BCM number (Raspberry Pi documentation, "GPIO and the 40-pin header")."""


def on_header(line: int) -> str:
    """Return the position and the name of a GPIO line on the header: `header pin 23 = GPIO11`."""
    return f"header pin {HEADER_PINS[line]} = GPIO{line}"


@dataclass(frozen=True, slots=True)
class BusLine:
    """GPIO line that a bus occupies."""

    bcm: int
    signal: str
    board: str = ""
    """Board on which the bus occupies this line, such as `Raspberry Pi 4`; empty for every board."""

    @property
    def on_board(self) -> str:
        """Phrase that names the board, such as ` on a Raspberry Pi 4`; empty for every board."""
        return f" on a {self.board}" if self.board else ""


_PI_4: Final = "Raspberry Pi 4"
_PI_5: Final = "Raspberry Pi 5"


def _i2c(sda: int, scl: int, board: str = "") -> tuple[BusLine, ...]:
    return BusLine(sda, "SDA", board), BusLine(scl, "SCL", board)


def _spi(clock: int, out: int, into: int, *selects: int) -> tuple[BusLine, ...]:
    data = (BusLine(clock, "SCLK"), BusLine(out, "MOSI"), BusLine(into, "MISO"))
    return *data, *(BusLine(line, f"CE{number}") for number, line in enumerate(selects))


USUAL_BUSES: Final[Mapping[str, tuple[BusLine, ...]]] = {
    "i2c-1": _i2c(2, 3),
    "spi-0": _spi(11, 10, 9, 8, 7),
    "spi-1": _spi(21, 20, 19, 18, 17, 16),
    "w1": (BusLine(4, "data"),),
}
"""Lines of the buses that most vessels use, by the name of the bus."""
OTHER_BUSES: Final[Mapping[str, tuple[BusLine, ...]]] = {
    "i2c-0": _i2c(0, 1),
    "i2c-2": _i2c(4, 5, _PI_5),
    "i2c-3": (*_i2c(4, 5, _PI_4), *_i2c(6, 7, _PI_5)),
    "i2c-4": _i2c(8, 9, _PI_4),
    "i2c-5": _i2c(12, 13, _PI_4),
    "i2c-6": _i2c(22, 23, _PI_4),
}
"""Lines of the other I2C buses, without parameters of their overlays (`/boot/firmware/overlays/README`)."""
BUSES: Final[Mapping[str, tuple[BusLine, ...]]] = {**USUAL_BUSES, **OTHER_BUSES}
CLOCK_BUS: Final = "i2c-1"
"""Name of the clock chip's bus."""


def bus_on_header(bus: str, select: int | None = None) -> str:
    """Return the header pins of a bus as a phrase; empty if the bus's pins are unknown.

    For an SPI bus, the phrase includes only the chip select with the number `select`.
    """
    lines = [
        line
        for line in BUSES.get(bus, ())
        if not line.signal.startswith("CE") or line.signal == f"CE{select}"
    ]
    if not lines:
        return ""
    groups = [
        ", ".join(f"{HEADER_PINS[line.bcm]} = GPIO{line.bcm} ({line.signal})" for line in those) + where
        for where, those in groupby(lines, key=lambda line: line.on_board)
    ]
    return f"header {'pin' if len(lines) == 1 else 'pins'} {', or '.join(groups)}"
