"""Thermometers on the 1-wire bus: the supported families, and the thermometers that the kernel has found.

The kernel lists each device in `/sys/bus/w1/devices`. The name of a device begins with the code of its
family, such as `28-0316a2795cff`. `w1_therm` reads the families in `FAMILIES`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sensors.driver import DriverError

from .sysfs import Chip, Wiring, config_line

OVERLAY: Final = "w1-gpio"
DEVICES: Final = "sys/bus/w1/devices"
"""Folder in which the kernel lists the devices on all 1-wire buses."""


@dataclass(frozen=True, slots=True)
class Family:
    """Family of 1-wire thermometers."""

    code: str
    """Code of the family: the first two hexadecimal digits of each address."""
    chips: tuple[str, ...]
    """Names of the chips in this family."""

    @property
    def kinds(self) -> str:
        """Values of the key `kind` for this family, as they are written in `sensors.toml`."""
        return " or ".join(f'"{chip.lower()}"' for chip in self.chips)

    @property
    def pattern(self) -> str:
        """Pattern that matches the addresses of this family."""
        return f"{self.code}-*"


FAMILIES: Final[Mapping[str, Family]] = {
    family.code: family
    for family in (
        Family("10", ("DS18S20",)),
        Family("22", ("DS1822",)),
        Family("28", ("DS18B20",)),
        Family("3b", ("DS1825", "MAX31850")),
        Family("42", ("DS28EA00",)),
    )
}
"""Families that `w1_therm` reads, by their codes (`drivers/w1/slaves/w1_therm.c`)."""


def one_wire_chip(title: str) -> Chip:
    """Return the description of a chip on the 1-wire bus."""
    return Chip(
        title=title, wiring=Wiring.ONE_WIRE, addresses=range(0), overlay=lambda _bus, _address: OVERLAY
    )


def thermometers(root: Path) -> list[str]:
    """Return the addresses of all thermometers that the kernel found, in alphabetical order."""
    folder = root / DEVICES
    return sorted(path.name for family in FAMILIES.values() for path in folder.glob(family.pattern))


def find_thermometer(root: Path, title: str, family: Family, address: str | None) -> Path:
    """Return the directory of the thermometer with this address (`28-0316a2…`).

    The address None selects the only thermometer of the family. Raises `DriverError` if the thermometer is
    missing, or if there are several and the address is None.
    """
    folder = root / DEVICES
    if not folder.is_dir():
        raise DriverError(f"there is no 1-wire bus ({folder} does not exist); {config_line(OVERLAY)}")
    there = thermometers(root)
    if address is None:
        return folder / _only(there, title, family)
    if address not in there:
        others = f"; others that answer: {', '.join(there)}" if there else "; no other thermometer answers"
        raise DriverError(f"{address} does not answer on the 1-wire bus{others}; check its wires")
    return folder / address


def _only(there: list[str], title: str, family: Family) -> str:
    """Return the address of the only thermometer of a family in a list of thermometer addresses."""
    fitting = [name for name in there if name.startswith(f"{family.code}-")]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise DriverError(
            f"there are {len(fitting)} thermometers on the 1-wire bus ({', '.join(fitting)}); set address"
        )
    if there:
        other = FAMILIES[there[0].partition("-")[0]]
        raise DriverError(
            f"no {title} answers on the 1-wire bus, but {there[0]} does, which is a"
            f" {' or '.join(other.chips)}; if this is the sensor, write kind = {other.kinds}"
        )
    raise DriverError(f"no {title} answers on the 1-wire bus; check its wires and the 4.7 kΩ pull-up")
