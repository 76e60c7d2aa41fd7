"""Finds the GPIO chip behind the 40-pin header, or explains why the chip cannot be used.

The chip is found by its label, because the kernel may number chips in any order. For example, the header of a
Pi 5 was `gpiochip4` with earlier kernels and is now `gpiochip0`, followed by four other chips. Every failure
of a chip or a line becomes a `DriverError` that a boat's electrician understands. The caller must close the
chip that this module opens.
"""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import gpiod

from sensors.driver import DriverError

Opener = Callable[[str], gpiod.Chip]
"""Function that opens a chip by the path of its device, or raises `OSError`."""

HEADER_CHIPS: Final[Mapping[str, int]] = {
    "pinctrl-bcm2835": 0xA02082,  # a Pi 3B, for Zero, Zero 2, 1 to 3 and CM1 to CM3+
    "pinctrl-bcm2711": 0xC03111,  # a Pi 4B, for 4, 400, CM4 and CM4S
    "pinctrl-rp1": 0xC04170,  # a Pi 5, for 5, 500 and CM5
}
"""Labels of the chips whose line numbers are the header's BCM numbers, each with a board's revision code.

The labels are from the kernel's `pinctrl-bcm2835.c` and `pinctrl-rp1.c`. The revision code is that of one
board with such a chip. It is used if the actual board cannot be queried.
"""

USUAL_BOARD: Final = HEADER_CHIPS["pinctrl-bcm2711"]
"""Revision code to assume for a chip with another label, which can only be opened by its path."""

DEVICES: Final = Path("/dev")


def board_revision(label: str) -> int:
    """Return gpiozero's revision code for a board whose header is the chip with this label."""
    return HEADER_CHIPS.get(label, USUAL_BOARD)


def open_header_chip(
    path: str | None = None, *, opener: Opener = gpiod.Chip, devices: Path = DEVICES
) -> gpiod.Chip:
    """Open the header's chip: the chip at `path`, or else the one in `devices` with a known label.

    Raises `DriverError` if there is no such chip or it cannot be opened; the message says what was found.
    """
    if path is not None:
        try:
            return opener(path)
        except OSError as error:
            raise DriverError(f"the GPIO chip {path} cannot be opened ({_refusal(error)})") from error
    chips = []
    for device in _chip_devices(devices):
        try:
            chip = opener(str(device))
        except OSError as error:
            chips.append(f"{device.name} (cannot be opened: {_refusal(error)})")
            continue
        label = chip.get_info().label
        if label in HEADER_CHIPS:
            return chip
        chips.append(f"{device.name} ({label})")
        chip.close()
    if not chips:
        raise DriverError(
            f"this machine has no GPIO chip ({devices}/gpiochip* does not exist); a sensor on a pin"
            " needs a Raspberry Pi"
        )
    raise DriverError(
        f"no GPIO chip of this machine is a Raspberry Pi's header; looked for {', '.join(HEADER_CHIPS)};"
        f" found {', '.join(chips)}"
    )


def _chip_devices(devices: Path) -> list[Path]:
    """Return the paths of the GPIO chips' devices in numerical order, without symbolic links.

    On a Pi 5 `gpiochip4` is a link to `gpiochip0`.
    """
    paths = [path for path in devices.glob("gpiochip*") if not path.is_symlink()]
    return sorted(paths, key=lambda path: (len(path.name), path.name))


_NOT_SUPPORTED: Final = 524
"""The kernel's internal ENOTSUPP, which gpiolib passes on; it has no name in user space."""

_REFUSALS: Final[Mapping[int, str]] = {
    errno.EACCES: "not allowed: the user must be in the group gpio",
    errno.EPERM: "not allowed: the user must be in the group gpio",
    errno.EINVAL: "the kernel rejects these settings",
    errno.EOPNOTSUPP: "the chip does not support this",
    _NOT_SUPPORTED: "the chip does not support this",
    errno.ENXIO: "the line has no interrupts",
    errno.ENODEV: "the chip no longer exists",
}


def _refusal(error: OSError) -> str:
    return _REFUSALS.get(error.errno or 0, error.strerror or str(error))


def line_error(chip: gpiod.Chip, pin: int, error: OSError) -> DriverError:
    """Return an error that says what failed on the line of GPIO `pin` (BCM number), and what to do.

    If the line is in use, the error names the program that uses it.
    """
    line = f"GPIO{pin} on {chip.get_info().label}"
    if error.errno == errno.EBUSY:
        holder = chip.get_line_info(pin).consumer
        by = f"by {holder}" if holder else "by another program or overlay"
        return DriverError(
            f"{line} is in use {by}; use another pin, or stop that program, or remove its dtoverlay= or"
            " dtparam= line in /boot/firmware/config.txt"
        )
    return DriverError(f"{line} cannot be used: {_refusal(error)}")
