"""Builds trees with the kernel's sysfs layout, including links, in any folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

Attributes = Mapping[str, object]
"""Content of each sysfs attribute, by name. If it is a `Path`, the attribute is a symbolic link."""
NONE: Attributes = MappingProxyType({})

UNREADABLE = Path("/proc/self/mem")
"""File whose first byte cannot be read (EIO), like an attribute of a chip that does not answer."""


@dataclass(frozen=True, slots=True)
class Sysfs:
    """Builder of the folder `sys` in a root folder."""

    root: Path

    def iio(self, name: str, device: str, attributes: Attributes = NONE, *, number: int = 0) -> Path:
        """Create an IIO device on `i2c-1/1-0076` or `spi0/spi0.1`, and return its directory."""
        parent = self.root / "sys/devices/platform/soc" / device
        return self._device(parent, f"iio:device{number}", "sys/bus/iio/devices", name, attributes)

    def hwmon(self, name: str, device: str, attributes: Attributes = NONE, *, number: int = 0) -> Path:
        """Create a hwmon device on `i2c-1/1-0040`, and return its directory."""
        parent = self.root / "sys/devices/platform/soc" / device
        directory = self._device(parent / "hwmon", f"hwmon{number}", "sys/class/hwmon", name, attributes)
        (directory / "device").symlink_to(parent)
        return directory

    def thermometer(self, address: str, w1_slave: str) -> Path:
        """Create a thermometer on the first 1-wire bus, and return its directory."""
        directory = self.root / "sys/devices/w1_bus_master1" / address
        directory.mkdir(parents=True)
        (directory / "w1_slave").write_text(w1_slave)
        self.one_wire().joinpath(address).symlink_to(directory)
        return directory

    def one_wire(self) -> Path:
        """Create a 1-wire bus without devices, and return its directory."""
        bus = self.root / "sys/bus/w1/devices"
        bus.mkdir(parents=True, exist_ok=True)
        return bus

    def _device(self, parent: Path, own: str, folder: str, name: str, attributes: Attributes) -> Path:
        directory = parent / own
        directory.mkdir(parents=True)
        (directory / "name").write_text(f"{name}\n")
        for attribute, value in attributes.items():
            if isinstance(value, Path):
                (directory / attribute).symlink_to(value)
            else:
                (directory / attribute).write_text(f"{value}\n")
        links = self.root / folder
        links.mkdir(parents=True, exist_ok=True)
        (links / own).symlink_to(directory)
        return links / own


def w1_slave(celsius: float, *, mark: int = 0x10, crc: str = "YES") -> str:
    """Return the text of `w1_slave` for a temperature; `mark` is byte 6 of the scratchpad."""
    raw = round(celsius * 16) & 0xFFFF
    data = bytes((raw & 0xFF, raw >> 8, 0x4B, 0x46, 0x7F, 0xFF, mark, 0x10))
    return w1_text(data, round(celsius * 1000), crc=crc)


def w1_text(data: bytes, millidegrees: int, *, crc: str = "YES") -> str:
    """Return the text of `w1_slave` for the eight bytes before the CRC, and the kernel's temperature."""
    line = " ".join(f"{byte:02x}" for byte in (*data, 0xA5))
    return f"{line} : crc=a5 {crc}\n{line} t={millidegrees}\n"
