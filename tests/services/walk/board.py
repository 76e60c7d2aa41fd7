"""A board whose chips and clock can simulate faults."""

import json
import os
from pathlib import Path
from typing import Final

from tests.sensors.sysfs import Sysfs

ROOT: Final = "board"
CLOCK: Final = "clock.json"
FULL: Final = 1023
"""Full-scale code of an MCP3008, which a pull-up produces when the channel's wire is open."""


class Board:
    """Simulated board, whose state is in a vessel's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / ROOT).mkdir()
        self._chip = Sysfs(folder / ROOT).iio("mcp3008", "spi0.0", {"in_voltage0_raw": "300"})
        self.set_clock()

    def set_clock(self, *, slow: float = 0.0, source: str = "network") -> None:
        """Set the clock back by `slow` seconds; `source` determines how far Logboat trusts the clock."""
        self.slow = slow
        _replace(self._folder / CLOCK, json.dumps({"slow": slow, "source": source}))

    def set_channel(self, code: int) -> None:
        """Set the code that the converter reads on its channel 0."""
        _replace(self._chip / "in_voltage0_raw", str(code))


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically, because other processes read it repeatedly."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(path)
