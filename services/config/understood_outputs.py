"""Describes in plain words how Logboat interprets each output in a `sensors.toml` file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from sensors.header_pins import on_header
from sensors.outputs import OutputSettings
from sensors.settings import Fact
from sensors.units import format_duration


@dataclass(frozen=True, slots=True)
class UnderstoodOutput:
    """Description of how Logboat interprets one output."""

    settings: OutputSettings
    facts: tuple[Fact, ...]


def understood_outputs(outputs: Sequence[OutputSettings]) -> tuple[UnderstoodOutput, ...]:
    """Return a description of each output, in the order of the file."""
    return tuple(UnderstoodOutput(output, tuple(_facts(output))) for output in outputs)


def causes(output: OutputSettings) -> str:
    """Return a phrase that names the causes that turn an output on."""
    if output.sensors:
        alarms = [f"alarms of {', '.join(output.sensors)}"]
    else:
        others = ", also of other vessels" if output.neighbours else ""
        alarms = [f"alarms of severity {' or '.join(output.on)}{others}"] if output.on else []
    return "; ".join([*alarms, *(["a recorder that stores nothing"] if output.when_silent else [])])


def _facts(output: OutputSettings) -> Iterator[Fact]:
    yield "pin", f"{on_header(output.pin)}, on at the {output.active} level"
    yield "turned on by", causes(output)
    yield "pattern", _PATTERNS.get(output.pattern, output.pattern)
    if output.silence_pin is not None:
        yield "button", f"{on_header(output.silence_pin)}; it connects the pin to ground, and silences alarms"
    if output.longest_s is None:
        yield "off", "when nothing turns it on any more"
    elif output.pause_s is None:
        yield "off", f"after {format_duration(output.longest_s)}, until a new alarm"
    else:
        longest, pause = format_duration(output.longest_s), format_duration(output.pause_s)
        yield "off", f"after {longest}; on again after {pause}"


_PATTERNS: Final = {"on": "on without interruption", "slow": "slow (1 Hz)", "fast": "fast (4 Hz)"}
