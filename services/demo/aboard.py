"""What the demo's vessels have aboard: simulated sensors, and for the first one those that play a recording.

The recording is ten real minutes of a sailing yacht, and ships with Logboat.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from sensors.replay import load

RECORDING: Final = "yacht-2014-08-15.csv"
WINDOW: Final = "10 s"
"""Short, so that history goes from vessel to vessel while one looks on."""

REPLAYED: Final = {
    "house-voltage": "electrical.batteries.1.voltage",
    "house-current": "electrical.batteries.1.current",
    "boat-speed": "navigation.speedThroughWater",
}
"""Sensors of the first vessel that play the recording, and the recording's paths."""

SIMULATED: Final = (
    (
        "main-rpm",
        "engine",
        "propulsion.main.revolutions",
        "5 Hz",
        'alarm = { above = 40.0, severity = "warn" }',
    ),
    (
        "bilge-float",
        "bilge",
        "bilge.main.highWater",
        "1 Hz",
        'alarm = { when = "active", severity = "alarm" }',
    ),
    ("fuel-level", "tank", "tanks.fuel.main.currentLevel", "1 Hz", ""),
    ("cabin", "temperature", "environment.inside.saloon.temperature", "1 Hz", ""),
    ("hatch", "door", "security.hatch.state", "1 Hz", ""),
)
"""Of every vessel: id, model, path, rate, alarm."""


def recording() -> Path:
    """The recording's file."""
    return Path(str(files("sensors") / "recordings" / RECORDING))


@cache
def rows(sensor: str) -> int:
    """How many readings the recording has for a sensor."""
    return len(load(recording(), REPLAYED[sensor]).rows)


def length_s() -> float:
    """How long the recording is."""
    return max(load(recording(), path).rows[-1].offset_ns for path in REPLAYED.values()) / 1e9


def sensor_ids(*, plays: bool) -> frozenset[str]:
    """The sensors of a vessel; `plays`: whether it plays the recording."""
    return frozenset([*(REPLAYED if plays else ()), *(sensor for sensor, *_ in SIMULATED)])


def write(folder: Path, *, seed: int, speed: float | None, repeat: bool = False) -> None:
    """Write a vessel's `sensors.toml`, with the recording beside it if it plays that, at `speed`.

    `seed` decides what happens aboard; `repeat`: play the recording again and again.
    """
    tables = []
    if speed is not None:
        (folder / RECORDING).write_bytes(recording().read_bytes())
        tables += [
            f'[[sensor]]\nid = "{sensor}"\nname = "{sensor}"\nkind = "replay"\nfile = "{RECORDING}"\n'
            f'path = "{path}"\nspeed = {speed}\nrepeat = {str(repeat).lower()}\nwindow = "{WINDOW}"\n'
            for sensor, path in REPLAYED.items()
        ]
    tables += [
        f'[[sensor]]\nid = "{sensor}"\nname = "{sensor}"\nkind = "simulated"\nmodel = "{model}"\n'
        f'path = "{path}"\nrate = "{rate}"\nseed = {seed}\nwindow = "{WINDOW}"\n{alarm}\n'
        for sensor, model, path, rate, alarm in SIMULATED
    ]
    (folder / "sensors.toml").write_text("\n".join(tables))
