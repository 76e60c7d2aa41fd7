"""The table of lights, for people. Pure."""

from collections.abc import Iterator, Mapping
from typing import Final

from services.present import wrap

from .states import LIGHTS, TABLE, State

DEFAULT_PINS: Final = {"power": 5, "record": 6, "mesh": 13, "gateway": 19, "fault": 26}


def markdown() -> str:
    """As README has it."""
    lines = ["| light (pin) | pattern | what it means | what to do |", "| --- | --- | --- | --- |"]
    for state in TABLE:
        light = f"{state.light} ({DEFAULT_PINS[state.light]})"
        lines.append(f"| {light} | {state.pattern} | {state.means} | {state.cure} |")
    return "\n".join(lines)


def now(states: Mapping[str, State], width: int) -> Iterator[str]:
    """What the lights show just now, and why."""
    for light in LIGHTS:
        state = states[light]
        yield f"{light:<8} {state.pattern.name}"
        yield from wrap(state.means, width, indent="  ")
        if state.cure:
            yield from wrap(f"-> {state.cure}", width, indent="  ")
