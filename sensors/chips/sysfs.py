"""Finds the sysfs directory of a chip that has a kernel driver, and reads its attributes.

This module defines where 1-wire, hwmon and IIO devices are below `/sys`, and how their names contain the bus
and the address. It also defines which line of `config.txt` makes the kernel bind a chip. Every failure raises
a `DriverError` that says what was expected, what was found, and what to do. The drivers in `sensors.kinds`
convert the raw numbers to quantities.

The trees are documented in the kernel's `Documentation/w1/slaves/w1_therm.rst`,
`Documentation/hwmon/sysfs-interface.rst` and `Documentation/ABI/testing/sysfs-bus-iio`. The overlays are
documented in `/boot/firmware/overlays/README`.
"""

import errno
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from sensors.driver import DriverError

_NOT_THERE: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO)
I2C_DEVICES: Final = "sys/bus/i2c/devices"
"""Folder in which the kernel lists the chips on all I2C buses, with and without a driver."""
CHIP_SELECTS: Final = range(3)
"""Chip selects of an SPI bus: SPI1 has three, SPI0 has two."""


class UnreadableError(DriverError):
    """An attribute cannot be read, or does not contain a number.

    Its `errno` shows whether the chip has a fault or is missing.
    """

    def __init__(self, text: str, number: int) -> None:
        super().__init__(text)
        self.errno = number

    @property
    def is_gone(self) -> bool:
        """True if the attribute or its device no longer exists."""
        return self.errno in _NOT_THERE


class Wiring(Enum):
    """Type of connection between a chip and the Pi, with its device names in sysfs and its addresses."""

    I2C = ("I2C", re.compile(r"(\d+)-([0-9a-f]{4})"), 16, "0x{:02x}", 1)
    SPI = ("SPI", re.compile(r"spi(\d+)\.(\d+)"), 10, "chip select {}", 0)
    ONE_WIRE = ("1-wire", re.compile(r"([0-9a-f]{2})-([0-9a-f]{12})"), 16, "{:012x}", 0)

    def __init__(self, title: str, node: re.Pattern[str], base: int, address: str, usual_bus: int) -> None:
        self.title = title
        self.usual_bus = usual_bus
        """Number of the bus on the header's usual pins."""
        self._node = node
        self._base = base
        self._address = address

    def place(self, device: str) -> tuple[int, int] | None:
        """Return the bus and address in the name of a device's directory (`1-0076`, `spi0.1`), or None."""
        match = self._node.fullmatch(device)
        return (int(match[1]), int(match[2], self._base)) if match else None

    def lane(self, bus: int | None) -> str:
        """Return the name of the lane (thread) for a bus: `i2c-1`, `spi-0`, or `w1` for all 1-wire sensors.

        The chips on a bus share a lane, because a chip that blocks the bus blocks all of them.
        """
        if self is Wiring.ONE_WIRE:
            return "w1"
        return f"{self.title.lower()}-{self.usual_bus if bus is None else bus}"

    def describe(self, bus: int | None, address: int | None) -> str:
        """Return a description of a bus and an address, such as `i2c-1, 0x76`."""
        where = f"any {self.title} bus" if bus is None else self.lane(bus)
        return where if address is None else f"{where}, {self._address.format(address)}"


class Subsystem(Enum):
    """Device class of the kernel: its folder, the names of its devices, and the path to the bus device."""

    IIO = ("sys/bus/iio/devices", "iio:device*", "..")
    HWMON = ("sys/class/hwmon", "hwmon*", "device")
    GPIO = ("sys/bus/gpio/devices", "gpiochip*", "..", "../name")

    def __init__(self, folder: str, pattern: str, parent: str, name: str = "name") -> None:
        self.folder = folder
        self.pattern = pattern
        self.parent = parent
        self.name_of_driver = name
        """Path from a device to the attribute that contains the name of its driver or chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """Type of chip, with its connection and the line of config.txt that loads its kernel driver."""

    title: str
    """Human-readable name of the chip."""
    wiring: Wiring
    addresses: range
    """I2C addresses that the chip's address pins can select, or SPI chip selects; empty for 1-wire."""
    overlay: Callable[[int, int], str] | None
    """Function from bus and address to the value of `dtoverlay=` that makes the kernel bind the chip.

    None if there is no such overlay.
    """
    inputs_overlay: Callable[[int, int, Sequence[Any]], str] | None = None
    """Function like `overlay` that also receives the inputs that sensors read (`Options.chip_inputs`).

    None if the overlay does not depend on the inputs.
    """
    most_inputs: int | None = None
    """Number of inputs that `inputs_overlay` can set; None if there is no limit."""
    device: str = ""
    """Name to write to the `new_device` file of an I2C bus, for a chip without an overlay."""

    @property
    def usual_address(self) -> int:
        """Address to assume if `sensors.toml` contains none. It is the chip's lowest address."""
        return self.addresses.start

    def binding(self, bus: int, address: int) -> str:
        """Return an instruction for the user that says how to make the kernel bind the chip."""
        if self.overlay is not None:
            return config_line(self.overlay(bus, address))
        return (
            "enable the bus with dtparam=i2c_arm=on in /boot/firmware/config.txt, and run this as root"
            f" at each boot: echo {self.device} 0x{address:02x} > {new_device(bus)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SysfsChip(Chip):
    """Type of chip on I2C or SPI that is found in sysfs by the name of its driver."""

    subsystem: Subsystem
    names: frozenset[str]
    """Values that the attribute `name` may have for this chip."""

    def find(self, root: Path, *, bus: int | None, address: int | None) -> Path:
        """Return the chip's directory. Without `bus` or `address`, the chip must be the only one of its type.

        Raises `DriverError` if the chip is missing (the message says what to add to config.txt), or if there
        are several.
        """
        everywhere = _devices(root, self)
        places = {
            place: directory
            for place, directory in everywhere.items()
            if bus in (None, place[0]) and address in (None, place[1])
        }
        if not places:
            missing = f"the kernel has no {self.title} on {self.wiring.describe(bus, address)}"
            if everywhere:
                raise DriverError(
                    f"{missing}, but one is on {self._list(everywhere)}; set bus and address accordingly"
                )
            place = (
                bus if bus is not None else self.wiring.usual_bus,
                address if address is not None else self.usual_address,
            )
            raise DriverError(f"{missing}; {self._unanswered(root, place) or self.binding(*place)}")
        if len(places) > 1:
            raise DriverError(
                f"there are {len(places)} {self.title} chips ({self._list(places)}); set bus and address"
            )
        return next(iter(places.values()))

    def _unanswered(self, root: Path, place: tuple[int, int]) -> str:
        """Return advice if the kernel lists an I2C chip that has no driver; otherwise return an empty string.

        The overlay creates the device. If the chip does not answer, or is of another type, the driver does
        not bind to the device.
        """
        bus, address = place
        device = root / I2C_DEVICES / f"{bus}-{address:04x}"
        if self.wiring is not Wiring.I2C or not device.exists() or (device / "driver").exists():
            return ""
        return (
            "the kernel is configured for it, but no such chip answered at the start; check its wires, its"
            f" supply, its address and its type ({self.title}), then restart"
        )

    def _list(self, places: Iterable[tuple[int, int]]) -> str:
        return "; ".join(self.wiring.describe(*place) for place in sorted(places))


def _devices(root: Path, chip: SysfsChip) -> dict[tuple[int, int], Path]:
    """Return the directories of all chips of a type, by bus and address."""
    directories = {}
    for directory in sorted((root / chip.subsystem.folder).glob(chip.subsystem.pattern)):
        device = (directory.resolve() / chip.subsystem.parent).resolve().name
        place = chip.wiring.place(device)
        if place is not None and _name(directory / chip.subsystem.name_of_driver) in chip.names:
            directories[place] = directory
    return directories


def _name(attribute: Path) -> str:
    try:
        return read_text(attribute)
    except UnreadableError:
        return ""  # the device disappeared during the search, or has no name: it is not the wanted chip


def read_text(attribute: Path) -> str:
    """Return an attribute's text, without surrounding white space; raise `UnreadableError` on failure."""
    try:
        return attribute.read_bytes().decode("ascii", "replace").strip()
    except OSError as error:
        number = error.errno or errno.EIO
        reason = "no longer exists" if number in _NOT_THERE else f"cannot be read ({error.strerror or error})"
        raise UnreadableError(f"{attribute.parent.name}/{attribute.name} {reason}", number) from error


def read_number(attribute: Path) -> float:
    """Return the number in an attribute.

    Raise `UnreadableError` on failure, or if the text of the attribute is not a number.
    """
    text = read_text(attribute)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        content = repr(text[:40]) if text else "nothing"
        where = f"{attribute.parent.name}/{attribute.name}"
        raise UnreadableError(f"{where} contains {content} instead of a number", errno.EIO)
    return number


def new_device(bus: int) -> Path:
    """Return the path of the file that registers a chip on an I2C bus, by its name and address."""
    return Path(f"/sys/bus/i2c/devices/i2c-{bus}/new_device")


_LONGEST_LINE: Final = 98
"""Maximum length of a line in config.txt; the firmware ignores the rest of a longer line.

The documentation of Raspberry Pi states this limit in the section about the format of config.txt.
"""
_PARAMETER: Final = re.compile(r'(?:[^,"]|"[^"]*")+')


def overlay_lines(overlay: str) -> tuple[str, ...]:
    """Return the lines of config.txt that load an overlay with its parameters.

    Parameters that do not fit on the first line are in `dtparam` lines, which the firmware applies to the
    overlay above them.
    """
    name, *parameters = _PARAMETER.findall(overlay)
    lines = [f"dtoverlay={name}"]
    for parameter in parameters:
        longer = f"{lines[-1]},{parameter}"
        if len(longer) <= _LONGEST_LINE:
            lines[-1] = longer
        else:
            lines.append(f"dtparam={parameter}")
    return tuple(lines)


def config_line(overlay: str) -> str:
    """Return an instruction that tells the user how to add a missing overlay."""
    lines = overlay_lines(overlay)
    what = "this line" if len(lines) == 1 else "these lines, in this order,"
    return f"add {what} to /boot/firmware/config.txt and restart: {'; '.join(lines)}"


def i2c_overlay(overlay: str) -> Callable[[int, int], str]:
    """Return a function that formats the overlay of an I2C chip for a bus and an address.

    The result names the bus only if it is not the header's own bus.
    """
    return lambda bus, address: overlay.format(address) + ("" if bus == 1 else f",i2c{bus}")


def spi_overlay(overlay: str) -> Callable[[int, int], str]:
    """Return a function that formats the overlay of an SPI chip for a bus and a chip select."""
    return overlay.format
