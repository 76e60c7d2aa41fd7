"""Checks that a bundle fits on a card's FAT partition, before anything is written there."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioning.card.tools import run
from provisioning.errors import CardError
from sensors.units import format_bytes

_CLUSTER: Final = 4096
"""Space, in bytes, allowed for each file in addition to its size.

It is the size of a FAT cluster, because files occupy whole clusters.
"""
_FOLDERS: Final = 3
"""Number of clusters for the `logboat/` and `identity/` folders, and for the temporary file of a change."""
_FREE: Final = re.compile(r"([\d ]+) bytes free")


def in_folder(folder: Path) -> int:
    """Return the free space, in bytes, of the file system that contains a folder; raises OSError."""
    system = os.statvfs(folder)
    return system.f_bavail * system.f_frsize


def on_fat(drive: str) -> int:
    """Return the free space of a FAT partition in bytes; raises CardError. `drive` has mtools's notation."""
    found = _FREE.search(run(["mdir", "-i", drive, "::"]).decode(errors="replace"))
    if found is None:
        text = f"{drive}: the free space of the FAT partition cannot be read"
        raise CardError(text)
    return int(found[1].replace(" ", ""))


def check(target: Path, bundle: Mapping[str, bytes], before: Mapping[str, bytes], *, free: int) -> None:
    """Raise CardError if a bundle does not fit.

    `before` contains the files that the bundle replaces, and `free` is the free space in bytes.
    """
    need = _clusters(bundle) + _FOLDERS * _CLUSTER - _clusters(before)
    if need <= free:
        return
    largest = max(bundle, key=lambda name: len(bundle[name]))
    size = format_bytes(len(bundle[largest]))
    text = (
        f"{target}: the FAT partition is too full: the bundle needs {format_bytes(need)}, but only"
        f" {format_bytes(free)} is free; its largest file is {largest} ({size}); delete files there that are"
        " not Logboat's, and run the command again; nothing on the card was changed"
    )
    raise CardError(text)


def _clusters(contents: Mapping[str, bytes]) -> int:
    return sum(-(-len(content) // _CLUSTER) for content in contents.values()) * _CLUSTER
