"""Describes a valid configuration file in a few lines, for `logboat config check`."""

from collections.abc import Sequence

from sensors.plaintext import clean
from sensors.settings import SensorSettings
from sensors.signalk_paths import unit_words
from sensors.units import format_duration

from .loader import reserved_pins
from .model import LIGHTS, Configuration


def sensors_summary(sensors: Sequence[SensorSettings], pins: str) -> str:
    """Return a line for each sensor, and a line that states the source of the lights' pins (`pins`)."""
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
            f"{len(sensors)} sensor{'s' if len(sensors) != 1 else ''}; pins of lights and clock: {pins}",
        ]
    )


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


def configuration_summary(configuration: Configuration) -> str:
    """Return one line for each section of the configuration, such as the networks or the gateways."""
    vessel, network, mesh = configuration.vessel, configuration.network, configuration.mesh
    users = ", ".join(user.name for user in configuration.users)
    networks = [clean(wifi.ssid) for wifi in network.wifi]
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
