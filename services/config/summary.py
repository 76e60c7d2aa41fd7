"""Describes a valid configuration file in a few lines, for `logboat config check`."""

from collections.abc import Sequence

from sensors.outputs import OutputSettings
from sensors.plaintext import clean
from sensors.settings import SensorSettings
from sensors.signalk_paths import unit_words
from sensors.units import format_duration

from .loader import reserved_pins
from .model import LIGHTS, Configuration
from .understood_outputs import causes


def sensors_summary(sensors: Sequence[SensorSettings], outputs: Sequence[OutputSettings], pins: str) -> str:
    """Return a line for each sensor and output, and a line about the lights' pins.

    `pins` names the source of the lights' pins.
    """
    lines = [*_columns(list(map(_row, sensors))), *_columns(list(map(_output_row, outputs)))]
    numbers = ((len(sensors), "sensor"), (len(outputs), "output"))
    counts = ", ".join(f"{number} {noun}{'s' if number > 1 else ''}" for number, noun in numbers if number)
    if sensors:
        return "\n".join([*lines, f"{counts}; pins of lights and clock: {pins}"])
    nothing = "no sensors are configured, so nothing will be recorded"
    if not outputs:
        return nothing
    return "\n".join([*lines, f"{counts}; pins of lights and clock: {pins}", nothing])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


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


def _output_row(output: OutputSettings) -> tuple[str, ...]:
    return (output.id, f"output on pin {output.pin}", f"turned on by {causes(output)}")


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
