"""The sensors of the demo's vessels: simulated, except for some that play a recording.

Only the first vessel has sensors that play the recording. The recording contains ten real minutes from a
sailing yacht, and ships with Logboat.
"""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from sensors.kinds.replay import load

RECORDING: Final = "yacht-2014-08-15.csv"
WINDOW: Final = "10 s"
"""Length of the sensors' windows. It is short so that vessels soon exchange documents."""

REPLAYED: Final = {
    "house-voltage": "electrical.batteries.1.voltage",
    "house-current": "electrical.batteries.1.current",
    "boat-speed": "navigation.speedThroughWater",
}
"""Paths in the recording, by id of the sensor on the first vessel that plays the path."""

NAMES: Final = {
    "house-voltage": "House voltage",
    "house-current": "House current",
    "boat-speed": "Speed log",
}
"""Display names of the sensors that play the recording, by sensor id."""

SIMULATED: Final = (
    (
        ("main-rpm", "Main engine"),
        "engine",
        "propulsion.main.revolutions",
        "5 Hz",
        'alarm = { above = "2400 rpm", severity = "warn", text = "The main engine turns too fast" }',
    ),
    (
        ("bilge-float", "Main bilge float switch"),
        "bilge",
        "bilge.main.highWater",
        "1 Hz",
        'alarm = { when = "active", severity = "alarm", text = "Water in the main bilge" }',
    ),
    (("fuel-level", "Fuel"), "tank", "tanks.fuel.main.currentLevel", "1 Hz", ""),
    (("cabin", "Saloon"), "temperature", "environment.inside.saloon.temperature", "1 Hz", ""),
    (("hatch", "Forward hatch"), "door", "security.hatch.state", "1 Hz", ""),
)
"""Simulated sensors on every vessel, each with its id and name, model, path, rate and alarm."""


def recording() -> Path:
    """Return the path of the recording that the demo's first vessel plays."""
    return Path(str(files("sensors") / "recordings" / RECORDING))


@cache
def rows(sensor: str) -> int:
    """Return the number of readings that the recording contains for a sensor."""
    return len(load(recording(), REPLAYED[sensor]).rows)


def length_s() -> float:
    """Return the length of the recording in seconds."""
    return max(load(recording(), path).rows[-1].offset_ns for path in REPLAYED.values()) / 1e9


def sensor_ids(*, plays: bool) -> frozenset[str]:
    """Return the ids of a vessel's sensors; `plays` is True for the vessel that plays the recording."""
    return frozenset([*(REPLAYED if plays else ()), *(sensor for (sensor, _), *_ in SIMULATED)])


def write(folder: Path, *, seed: int, speed: float | None, repeat: bool = False) -> None:
    """Write a vessel's `sensors.toml`, with the recording beside it if `speed` is not None.

    `speed` is the speed at which the recording is played, and `repeat` plays it in a loop. `seed` determines
    the simulated values.
    """
    tables = []
    if speed is not None:
        (folder / RECORDING).write_bytes(recording().read_bytes())
        tables += [
            f'[[sensor]]\nid = "{sensor}"\nname = "{NAMES[sensor]}"\nkind = "replay"\nfile = "{RECORDING}"\n'
            f'path = "{path}"\nspeed = {speed}\nrepeat = {str(repeat).lower()}\nwindow = "{WINDOW}"\n'
            for sensor, path in REPLAYED.items()
        ]
    tables += [
        f'[[sensor]]\nid = "{sensor}"\nname = "{name}"\nkind = "simulated"\nmodel = "{model}"\n'
        f'path = "{path}"\nrate = "{rate}"\nseed = {seed}\nwindow = "{WINDOW}"\n{alarm}\n'
        for (sensor, name), model, path, rate, alarm in SIMULATED
    ]
    (folder / "sensors.toml").write_text("\n".join(tables))
