"""Chips that the kernel drives, as they stand in sysfs: finds a chip's directory, reads its attributes.

Owns where 1-wire, hwmon and IIO devices stand below `/sys`, how a bus and an address are spelt there, and
which line of `config.txt` makes the kernel bind a chip. Promises that whatever goes wrong is a `DriverError`
that says what was looked for, what was found, and what to do. Does not turn raw numbers into quantities:
that is `bus` and `analog`.

The trees are documented in the kernel's `Documentation/w1/slaves/w1_therm.rst`,
`Documentation/hwmon/sysfs-interface.rst` and `Documentation/ABI/testing/sysfs-bus-iio`; the overlays in
`/boot/firmware/overlays/README`.
"""

import errno
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from .driver import DriverError

_NOT_THERE: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO)


class UnreadableError(DriverError):
    """An attribute could not be read. `errno` tells a chip's own complaint from a chip that is gone."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.errno = number

    @property
    def gone(self) -> bool:
        """Whether the attribute or its device is no longer there."""
        return self.errno in _NOT_THERE


class Wiring(Enum):
    """How a chip is wired to the Pi; how its device is named in sysfs; what its address is called."""

    I2C = ("I2C", re.compile(r"(\d+)-([0-9a-f]{4})"), 16, "0x{:02x}", 1)
    SPI = ("SPI", re.compile(r"spi(\d+)\.(\d+)"), 10, "chip select {}", 0)

    def __init__(self, title: str, node: re.Pattern[str], base: int, address: str, usual_bus: int) -> None:
        self.title = title
        self.usual_bus = usual_bus
        """The bus on the header's usual pins."""
        self._node = node
        self._base = base
        self._address = address

    def place(self, device: str) -> tuple[int, int] | None:
        """Bus and address of a device's directory name (`1-0076`, `spi0.1`), or None."""
        match = self._node.fullmatch(device)
        return (int(match[1]), int(match[2], self._base)) if match else None

    def lane(self, bus: int | None) -> str:
        """The lane of a bus (`i2c-1`, `spi-0`): what blocks one chip on it blocks them all."""
        return f"{self.title.lower()}-{self.usual_bus if bus is None else bus}"

    def describe(self, bus: int | None, address: int | None) -> str:
        """A place, for people: `i2c-1, 0x76`."""
        where = f"any {self.title} bus" if bus is None else self.lane(bus)
        return where if address is None else f"{where}, {self._address.format(address)}"


class Subsystem(Enum):
    """A folder of the kernel's devices: where, their names, the way from one to its bus device."""

    IIO = ("sys/bus/iio/devices", "iio:device*", "..")
    HWMON = ("sys/class/hwmon", "hwmon*", "device")

    def __init__(self, folder: str, pattern: str, parent: str) -> None:
        self.folder = folder
        self.pattern = pattern
        self.parent = parent


@dataclass(frozen=True, slots=True)
class Chip:
    """A chip that the kernel drives."""

    title: str
    """For people."""
    subsystem: Subsystem
    wiring: Wiring
    names: frozenset[str]
    """What the attribute `name` may say."""
    usual_address: int
    overlay: Callable[[int, int], str] | None
    """What `dtoverlay=` in config.txt makes the kernel bind it, from bus and address; None: nothing does."""
    device: str = ""
    """What an I2C bus's `new_device` calls it, where no overlay does."""

    def binding(self, bus: int, address: int) -> str:
        """What to do that the kernel binds it, in words."""
        if self.overlay is not None:
            return config_line(self.overlay(bus, address))
        return (
            "switch the bus on (dtparam=i2c_arm=on in /boot/firmware/config.txt) and at each start, as root:"
            f" echo {self.device} 0x{address:02x} > {new_device(bus)}"
        )

    def find(self, root: Path, *, bus: int | None, address: int | None) -> Path:
        """The chip's directory. With no `bus` or `address` it must be the only one of its kind.

        Raises `DriverError` if it is not there (with what to add to config.txt) or is not the only one.
        """
        everywhere = _devices(root, self)
        places = {
            place: directory
            for place, directory in everywhere.items()
            if bus in (None, place[0]) and address in (None, place[1])
        }
        if not places:
            missing = f"the kernel drives no {self.title} on {self.wiring.describe(bus, address)}"
            if everywhere:
                raise DriverError(f"{missing}, but on {self._list(everywhere)}: set bus and address to that")
            remedy = self.binding(
                bus if bus is not None else self.wiring.usual_bus,
                address if address is not None else self.usual_address,
            )
            raise DriverError(f"{missing}; {remedy}")
        if len(places) > 1:
            raise DriverError(
                f"there are {len(places)} {self.title} ({self._list(places)}): set bus and address"
            )
        return next(iter(places.values()))

    def _list(self, places: Iterable[tuple[int, int]]) -> str:
        return "; ".join(self.wiring.describe(*place) for place in sorted(places))


def _devices(root: Path, chip: Chip) -> dict[tuple[int, int], Path]:
    """Directories by bus and address."""
    found = {}
    for directory in sorted((root / chip.subsystem.folder).glob(chip.subsystem.pattern)):
        device = (directory.resolve() / chip.subsystem.parent).resolve().name
        place = chip.wiring.place(device)
        if place is not None and _name(directory) in chip.names:
            found[place] = directory
    return found


def _name(directory: Path) -> str:
    try:
        return read_text(directory / "name")
    except UnreadableError:
        return ""  # it went away while we looked, or has no name: not the one we look for


def find_thermometer(root: Path, address: str | None) -> Path:
    """The directory of a DS18B20: `28-0316a2…`, or with None the only one on the bus.

    Raises `DriverError` if it is not there or is not the only one.
    """
    folder = root / "sys/bus/w1/devices"
    if not folder.is_dir():
        raise DriverError(f"there is no 1-wire bus ({folder} is missing); {config_line('w1-gpio')}")
    there = sorted(path.name for path in folder.glob("28-*"))
    if address is None:
        if len(there) > 1:
            raise DriverError(
                f"there are {len(there)} thermometers on the bus ({', '.join(there)}): set address"
            )
        if not there:
            raise DriverError("no DS18B20 answers on the 1-wire bus; check its wires and the 4.7 kΩ pull-up")
        return folder / there[0]
    if address not in there:
        others = f"; others answer: {', '.join(there)}" if there else "; nothing else answers either"
        raise DriverError(f"{address} does not answer on the 1-wire bus{others}; check its wires")
    return folder / address


def read_text(attribute: Path) -> str:
    """An attribute's text, without surrounding white space. Raises `UnreadableError`."""
    try:
        return attribute.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        number = error.errno or errno.EIO
        reason = "is gone" if number in _NOT_THERE else f"cannot be read ({error.strerror or error})"
        raise UnreadableError(f"{attribute.parent.name}/{attribute.name} {reason}", number) from error


def read_number(attribute: Path) -> float:
    """An attribute's number. Raises `UnreadableError`, also for text that is no number."""
    text = read_text(attribute)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        said = repr(text[:40]) if text else "nothing"
        where = f"{attribute.parent.name}/{attribute.name}"
        raise UnreadableError(f"{where} says {said} where a number was due", errno.EIO)
    return number


def new_device(bus: int) -> Path:
    """Where an I2C bus is told of a chip on it."""
    return Path(f"/sys/bus/i2c/devices/i2c-{bus}/new_device")


def config_line(overlay: str) -> str:
    """What to do when an overlay is missing."""
    return f"add this line to /boot/firmware/config.txt and restart: dtoverlay={overlay}"


def _i2c(overlay: str) -> Callable[[int, int], str]:
    """An overlay for an I2C chip; the bus is a parameter of it where it is not the header's own."""
    return lambda bus, address: overlay.format(address) + ("" if bus == 1 else f",i2c{bus}")


def _spi(overlay: str) -> Callable[[int, int], str]:
    return overlay.format


CHIPS: Final[dict[str, Chip]] = {
    "mcp3008": Chip(
        "MCP3008",
        Subsystem.IIO,
        Wiring.SPI,
        frozenset({"mcp3008"}),
        0,
        _spi("mcp3008,spi{}-{}-present"),
    ),
    "mcp3208": Chip(
        "MCP3208",
        Subsystem.IIO,
        Wiring.SPI,
        frozenset({"mcp3208"}),
        0,
        _spi('anyspi,spi{}-{},dev="microchip,mcp3208",speed=1000000'),
    ),
    "ads1115": Chip(
        "ADS1115",
        Subsystem.IIO,
        Wiring.I2C,
        frozenset({"ads1115", "ads1015"}),
        0x48,
        _i2c(
            "ads1115,addr=0x{:02x},cha_enable,cha_cfg=4,chb_enable,chb_cfg=5,chc_enable,chc_cfg=6,"
            "chd_enable,chd_cfg=7"
        ),
    ),
    "thermocouple": Chip(
        "MAX31855 or MAX31856",
        Subsystem.IIO,
        Wiring.SPI,
        frozenset({"maxim_thermocouple", "max31855", "max31856"}) | {f"max31855{kind}" for kind in "ejknrst"},
        0,
        _spi("maxtherm,spi{}-{},max31855k"),
    ),
    "ina219": Chip(
        "INA219",
        Subsystem.HWMON,
        Wiring.I2C,
        frozenset({"ina219", "ina220"}),
        0x40,
        None,  # Raspberry Pi OS has a driver, yet no overlay
        "ina219",
    ),
    "ina226": Chip(
        "INA226",
        Subsystem.HWMON,
        Wiring.I2C,
        frozenset({"ina226", "ina230", "ina231"}),
        0x40,
        None,
        "ina226",
    ),
    "bme280": Chip(
        "BME280",
        Subsystem.IIO,
        Wiring.I2C,
        frozenset({"bme280"}),
        0x76,
        _i2c("i2c-sensor,bme280,addr=0x{:02x}"),
    ),
}
"""By the `kind` or `chip` of `sensors.toml`."""
