"""`logboat config check FILE`: runs the check that boot uses, and describes the result for a terminal.

It distinguishes `sensors.toml` from `vessel.toml` and `logboat.toml` by name, or else by content. It changes
nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sensors.config.loader import NO_SENSORS, ExaminedSensors, examine_sensors
from sensors.config.sections import SECTIONS
from sensors.settings import SensorSettings
from sensors.signalk_paths import unit_words
from sensors.toml import toml_file
from sensors.toml.schema import Table
from sensors.toml.toml_file import TomlFile, unforeseen
from sensors.units import format_duration

from .loader import (
    Configuration,
    ConfigurationError,
    FileProblem,
    load,
    read_configuration,
    reserved_pins,
)
from .model import LIGHTS
from .readiness import missing_files, placeholders

BESIDE: Final = ("logboat.toml", "vessel.toml")
"""Names of the files that define the lights' pins: in the active configuration folder, and on the card."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of checking a file."""

    text: str
    """Human-readable text: a summary, or one line for each problem."""
    problems: tuple[FileProblem, ...] = ()
    """Mistakes that prevent the file from being used."""
    warnings: tuple[FileProblem, ...] = ()
    """Mistakes that cause a new file to be rejected. A file that is already in use remains in use."""
    examined: ExaminedSensors | None = field(default=None, repr=False)
    """The sensors of a good `sensors.toml`; None for any other file, and for a file with mistakes."""

    @property
    def good(self) -> bool:
        """True if the file could be applied."""
        return not self.problems and not self.warnings


def check(path: Path, *, check_recordings: bool = True) -> Checked:
    """Check one configuration file of any kind. Never raise: every problem is reported in the result.

    Without `check_recordings`, recordings are not read, which can take seconds.
    """
    try:
        file = toml_file.read(path)
        if not _describes_sensors(file):
            configuration = read_configuration(file)
            lacking = (*missing_files(file, configuration), *placeholders(file, configuration))
            if lacking:
                return Checked(_listed(path, lacking), warnings=lacking)
            return _good(path, _configuration(configuration))
        reserved, source = _lights_beside(file.path.parent)
        examined = examine_sensors(file, reserved=reserved, check_recordings=check_recordings)
        if examined.warnings:
            return Checked(_listed(path, examined.warnings), warnings=examined.warnings)
        return replace(_good(path, _sensors(examined.sensors, source)), examined=examined)
    except ConfigurationError as error:
        return Checked(_listed(path, error.problems), error.problems)
    except Exception as error:  # noqa: BLE001  # any error that the file causes is reported
        problem = FileProblem(path, None, "", *unforeseen(error))
        return Checked(_listed(path, [problem]), (problem,))


def _good(path: Path, summary: str) -> Checked:
    return Checked(f"{path.name}: good\n{summary}")


def _listed(path: Path, problems: Sequence[FileProblem]) -> str:
    count = len(problems)
    return "\n".join([*map(str, problems), f"{path.name}: {count} problem{'s' if count > 1 else ''}"])


def name_in_force(path: Path) -> str:
    """Return the name of the configuration file that this file would replace.

    Raise ConfigurationError if the kind of the file is unclear.
    """
    return "sensors.toml" if _describes_sensors(toml_file.read(path)) else BESIDE[0]


def _describes_sensors(file: TomlFile) -> bool:
    """Return True if the file describes sensors. Raise ConfigurationError if that is unclear."""
    if file.path.name == "sensors.toml":
        return True
    if file.path.name in BESIDE:
        return False
    if not file.data.keys().isdisjoint({"sensor", NO_SENSORS}) or "sensor" in file.path.stem:
        return True
    if file.data.keys().isdisjoint(SECTIONS):
        table = Table.root(file)
        table.complain(
            "",
            "this is neither sensors.toml nor the vessel's configuration",
            f"Add a [[sensor]], or a section such as [{SECTIONS[0]}].",
        )
        raise ConfigurationError(table.problems)
    return False


def _sensors(sensors: Sequence[SensorSettings], source: str) -> str:
    if not sensors:
        return "no sensors are configured, so nothing will be recorded"
    rows = [_row(sensor) for sensor in sensors]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join(
        [
            *lines,
            f"{len(sensors)} sensor{'s' if len(sensors) != 1 else ''}; pins of lights and clock: {source}",
        ]
    )


def _lights_beside(folder: Path) -> tuple[Mapping[int, str], str]:
    """Return the reserved pins, and text that names their file or says why they are the defaults."""
    reason = f"this folder has no {BESIDE[1]}"
    for name in BESIDE:
        if not (folder / name).exists():
            continue
        try:
            return reserved_pins(load(folder / name)), f"from {name}"
        except ConfigurationError:
            reason = f"{name} contains mistakes"  # which are reported when that file is checked
    return reserved_pins(Configuration()), f"defaults, because {reason}"


def _row(sensor: SensorSettings) -> tuple[str, ...]:
    pin = getattr(sensor.options, "pin", None)
    alarms = len(sensor.alarms)
    return (
        sensor.id,
        sensor.kind if pin is None else f"{sensor.kind} on pin {pin}",
        sensor.path,
        unit_words(sensor.unit),
        f"window {format_duration(sensor.window_s)}",
        f"{alarms} alarm{'s' if alarms > 1 else ''}" if alarms else "",
    )


def _configuration(configuration: Configuration) -> str:
    vessel, network, mesh = configuration.vessel, configuration.network, configuration.mesh
    users = ", ".join(user.name for user in configuration.users)
    networks = [wifi.ssid for wifi in network.wifi]
    lights = ", ".join(
        f"{name} {pin}" for pin, name in reserved_pins(configuration).items() if name in LIGHTS
    )
    rows = {
        "vessel": f"{vessel.id} ({vessel.name})" + (f", MMSI {vessel.mmsi}" if vessel.mmsi else ""),
        "time zone": vessel.timezone,
        "network": ", ".join(networks) or "no Wi-Fi network configured",
        "listener": f"port {configuration.listener.port}",
        "SSH keys": str(len(network.ssh_keys) or "none"),
        "users": f"{len(configuration.users)}: {users}" if users else "none",
        "mesh": f"{mesh.role}, at most {mesh.max_peers} peers",
        "gateways": ", ".join(f"{gateway.name} ({gateway.kind})" for gateway in configuration.gateways)
        or "none",
        "retention": str(configuration.retention.budget),
        "lights": lights or "none",
    }
    return "\n".join(f"{name:<10} {what}" for name, what in rows.items())
