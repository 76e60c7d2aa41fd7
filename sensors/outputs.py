"""Settings of the outputs: sirens, buzzers, lamps and relays that alarms turn on.

This module declares the keys of `[[output]]` in `sensors.toml`. `sensors.config.outputs` checks their
combinations, and `services.outputs` drives the pins.
"""

import re
from dataclasses import KW_ONLY
from typing import Any, Final

from sensors.alarm_rules import parse_severity
from sensors.severity import Severity
from sensors.toml.declarations import key, section
from sensors.toml.schema import boolean, choice, identifier, integer, list_of, quantity, text
from sensors.toml.value_forms import ValueForm, parses
from sensors.units import InputError, shown

_FLASHES: Final = re.compile(r"([1-9]) flash(es)?")
MOST_FLASHES: Final = 9


@parses(ValueForm("a BCM pin", limits="2 to 27"))
def parse_output_pin(raw: Any) -> int:
    """Parse the BCM number of a header pin that can be an output."""
    pin: int = integer(2, 27)(raw)
    return pin


@parses(ValueForm("a pattern"))
def parse_pattern(raw: Any) -> str:
    """Parse a pattern: `on`, `slow`, `fast`, or a number of flashes."""
    if isinstance(raw, str) and (raw in ("on", "slow", "fast") or _FLASHES.fullmatch(raw)):
        return raw
    raise InputError(
        f"{shown(raw)} is not a pattern",
        f'Write "on", "slow", "fast", or "1 flash" to "{MOST_FLASHES} flashes".',
    )


@section
class OutputSettings:
    """Settings from one `[[output]]` table."""

    _: KW_ONLY
    id: str = key(identifier, example='"siren"', meaning="Unique id of the output.")
    name: str = key(
        text(80, least=1),
        default="",
        without="the id",
        example='"Siren on the wheelhouse"',
        meaning="Display name of the output.",
    )
    pin: int = key(parse_output_pin, example="23", meaning="BCM number of the output pin.")
    active: str = key(
        choice("high", "low"),
        default="high",
        example='"low"',
        meaning="Level of the pin at which the device is on. Many relay boards need `low`.",
    )
    on: tuple[Severity, ...] = key(
        list_of(parse_severity, least=1),
        default=(),
        without="no severities",
        example='["alarm", "emergency"]',
        meaning="Severities of the alarms that turn the output on. Acknowledged alarms do not.",
    )
    sensors: tuple[str, ...] = key(
        list_of(identifier, least=1),
        default=(),
        without="no sensors",
        example='["bilge-float"]',
        meaning="Sensors whose alarms turn the output on, at any severity. It replaces `on`.",
    )
    pattern: str = key(
        parse_pattern,
        default="on",
        example='"3 flashes"',
        meaning='Pattern in which the output is on: `"on"`, `"slow"` (1 Hz), `"fast"` (4 Hz), or `"1 flash"`'
        ' to `"9 flashes"` followed by a pause.',
    )
    longest_s: float | None = key(
        quantity("s", "1 s", "24 h"),
        name="longest",
        default=None,
        without="no limit",
        example='"15 min"',
        meaning="Time after which the output is turned off, even if the alarm lasts. A new alarm turns it on"
        " again.",
    )
    pause_s: float | None = key(
        quantity("s", "1 s", "24 h"),
        name="pause",
        default=None,
        without="it stays off until a new alarm",
        example='"30 min"',
        meaning="Time for which the output is off after `longest`, before it is turned on again.",
    )
    neighbours: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="If true, alarms of other vessels also turn the output on.",
    )
    silence_pin: int | None = key(
        parse_output_pin,
        default=None,
        without="no button",
        example="24",
        meaning="BCM number of the pin of a push-button that silences alarms.",
    )
    when_silent: bool = key(
        boolean,
        default=False,
        example="true",
        meaning="If true, the output is also on while the recorder has stored nothing for 10 s.",
    )
