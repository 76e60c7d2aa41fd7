"""A board that troubles can be planted on: its chips, and its clock."""

import json
import os
from pathlib import Path
from typing import Final

from tests.sensors.sysfs import Sysfs

ROOT: Final = "board"
CLOCK: Final = "clock.json"
FULL: Final = 1023
"""Of an MCP3008: the channel's wire is open, and the pull-up has it."""


class Board:
    """In a vessel's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / ROOT).mkdir()
        self._chip = Sysfs(folder / ROOT).iio("mcp3008", "spi0.0", {"in_voltage0_raw": "300"})
        self.set_clock()

    def set_clock(self, *, slow: float = 0.0, source: str = "network") -> None:
        """Let the clock be behind by so many seconds, and be worth what its source is."""
        self.slow = slow
        _replace(self._folder / CLOCK, json.dumps({"slow": slow, "source": source}))

    def set_channel(self, code: int) -> None:
        """What the converter reads at its channel 0."""
        _replace(self._chip / "in_voltage0_raw", str(code))


def _replace(path: Path, text: str) -> None:
    """Never half of it: who reads it reads again and again."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
