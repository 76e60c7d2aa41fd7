"""The table of light states, as human-readable text and as JSON."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from services.config.model import LIGHTS, LightsSection
from services.terminal.present import Screen, Style, paint, wrap

from .patterns import FAST
from .states import TABLE, LightState

if TYPE_CHECKING:
    from services.schemas.appliance import Lights

DEFAULT_PINS: Final[Mapping[str, int]] = {light: getattr(LightsSection(), light) for light in LIGHTS}


def markdown() -> str:
    """Return the table as Markdown, in the form used in docs/lights.md."""
    lines = ["| light (pin) | pattern | what it means | what to do |", "| --- | --- | --- | --- |"]
    for state in TABLE:
        light = f"{state.light} ({DEFAULT_PINS[state.light]})"
        lines.append(f"| {light} | {state.pattern} | {state.means} | {state.cure} |")
    return "\n".join(lines)


def now(states: Mapping[str, LightState], where: Screen) -> Iterator[str]:
    """Yield lines that describe what each light shows now, and the reason."""
    for light in LIGHTS:
        state = states[light]
        style = Style.GOOD if state.severity == 0 else Style.BAD if state.pattern is FAST else Style.WARN
        yield paint(f"{light:<8} {state.pattern.name}", style, where)
        yield from wrap(state.means, where.width, indent="  ")
        if state.cure:
            yield from wrap(f"-> {state.cure}", where.width, indent="  ")


def as_json(states: Mapping[str, LightState]) -> "Lights":
    """Return the lights' states as an object for JSON output."""
    from services.schemas.appliance import Lights, ShownLight, ShownLights

    shown = {
        light: ShownLight(
            pattern=state.pattern.name, means=state.means, cure=state.cure, severity=state.severity
        )
        for light, state in states.items()
    }
    return Lights(lights=ShownLights(**shown))
