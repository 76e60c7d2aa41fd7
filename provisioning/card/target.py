"""Checks whether a card may be written to a target.

The target is a file, or a whole device that is removable, unmounted and large enough. The state of the
devices comes from `lsblk --json`. The check changes nothing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from provisioning.card.tools import run
from provisioning.errors import CardError
from sensors.units import format_bytes

_COLUMNS: Final = "NAME,PATH,TYPE,SIZE,RM,HOTPLUG,RO,MODEL,VENDOR,TRAN,MOUNTPOINTS"
_YES: Final = (True, "1", "true")
"""Values that lsblk prints for true, depending on its version."""


@dataclass(frozen=True, slots=True)
class Target:
    """Device or file to which a card is to be written."""

    path: Path
    size: int | None
    """Size in bytes; None for a file, which grows as it is written."""
    words: str
    """Description of the target, shown when the user is asked to confirm it."""

    @property
    def is_device(self) -> bool:
        """True for a device, False for a file."""
        return self.size is not None


def devices() -> Mapping[str, Any]:
    """Return lsblk's description of this machine's devices. Raises CardError if lsblk fails."""
    listing: Mapping[str, Any] = json.loads(run(["lsblk", "--json", "--bytes", "--output", _COLUMNS]))
    return listing


def is_device(path: Path) -> bool:
    """Return True if a path denotes a device, which need not exist; False if it denotes a file."""
    place = str(path.resolve())
    return place.startswith("/dev/") and not place.startswith("/dev/shm/")  # noqa: S108  # files in memory


def check_target(path: Path, *, need: int, listed: Mapping[str, Any]) -> Target:
    """Return the target if a card of `need` bytes may be written to it.

    `listed` is the output of `devices`. Raises CardError if the target must not be overwritten. The message
    states the reason and the remedy.
    """
    if not is_device(path):
        return _file(path)
    path = path.resolve()
    device = next(
        (each for each in _all(listed.get("blockdevices", [])) if each.get("path") == str(path)), None
    )
    if device is None:
        text = f"{path}: the device does not exist; is the card in the reader?"
        raise CardError(text)
    size = int(device.get("size") or 0)
    words = " ".join(str(device[key]).strip() for key in ("vendor", "model") if device.get(key))
    words = f"{path}: {words or 'a card reader'}, {format_bytes(size)}"
    for objection in _objections(device, size, need):
        raise CardError(f"{words}: {objection}")
    return Target(path, size, words)


def _objections(device: Mapping[str, Any], size: int, need: int) -> Iterator[str]:
    kind = device.get("type")
    if kind != "disk":
        yield f"this is a {kind or 'device'}, not a whole card; specify the device of the whole card"
    mounted = [
        str(point)
        for each in _all([device])
        for point in each.get("mountpoints") or [each.get("mountpoint")]
        if point
    ]
    if mounted:
        yield f"it is mounted at {', '.join(mounted)}; if this is the card, unmount it first"
    if not any(device.get(key) in _YES for key in ("rm", "hotplug")) and device.get("tran") != "usb":
        yield "the device is not removable, so it is not a card"
    if size == 0:
        yield "there is no card in the reader"
    if device.get("ro") in _YES:
        yield "the card is read-only; is its lock switch on?"
    if size < need:
        yield f"the card is too small; the image needs {format_bytes(need)}"


def _file(path: Path) -> Target:
    if path.exists() and not path.is_file():
        text = f"{path}: this is neither a file nor a device"
        raise CardError(text)
    if not path.parent.is_dir():
        text = f"{path.parent}: the folder does not exist; create it first"
        raise CardError(text)
    return Target(path, None, f"file {path}" + (", which exists already" if path.exists() else ""))


def _all(listed: list[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for each in listed:
        yield each
        yield from _all(each.get("children") or [])
