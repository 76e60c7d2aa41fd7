"""The list of outputs, such as sirens: whether each is on, and which alarm turned it on."""

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from services.config.configured_outputs import configured_outputs
from services.console.environment import Environment
from services.state import lights_state
from services.state.lights_state import LiveOutput
from services.terminal.present import Screen, Style, count, paint, wrap
from services.terminal.table import fitted

if TYPE_CHECKING:
    from services.schemas.outputs import Outputs

HEAD: Final = ("output", "pin", "state", "read back", "why", "name")
NONE: Final = "no outputs are configured; docs/alarm-outputs.md shows how to connect a siren"


@dataclass(frozen=True, slots=True)
class OutputList:
    """All outputs of this vessel."""

    outputs: Sequence[LiveOutput]
    why_not: str
    """Reason why the outputs are not driven, as a clause; '' if the outputs are driven."""


def view(args: Namespace, world: Environment) -> OutputList:
    """Return the outputs as the lights daemon reports them, or as configured if it is not running."""
    sight = lights_state.read(args.run, boottime=world.boottime, alive=world.alive)
    if sight.is_live and sight.state is not None:
        return OutputList(sight.state.outputs, "")
    configured = configured_outputs(args.config, args.sensors, args.data)
    return OutputList(
        [LiveOutput(id=each.id, name=each.name, pin=each.pin, on=False, why="") for each in configured],
        sight.why_not,
    )


def lines(listed: OutputList, where: Screen) -> Iterator[str]:
    """Yield the lines of the table of outputs.

    If the outputs are not driven, the reason comes first.
    """
    if not listed.outputs:
        yield from wrap(NONE, where.width)
        return
    for line in wrap(count(len(listed.outputs), "output"), where.width):
        yield paint(line, Style.TITLE, where)
    if listed.why_not:
        text = f"{listed.why_not}, so alarms cannot sound; run: sudo systemctl restart logboat-lights"
        for line in wrap(text, where.width):
            yield paint(line, Style.BAD, where)
    rows = [_row(output, is_driven=not listed.why_not) for output in listed.outputs]
    heads, blocks = fitted([HEAD, *rows], right=(1,), plain=(2, 4, 5), width=where.width)
    yield from (paint(line, Style.TITLE, where) for line in heads)
    for output, block in zip(listed.outputs, blocks, strict=True):
        style = Style.BAD if output.fault or listed.why_not else Style.WARN if output.on else None
        yield from (paint(line, style, where) for line in block)


def _row(output: LiveOutput, *, is_driven: bool) -> tuple[str, ...]:
    state = ("on" if output.on else "off") if is_driven else "NOT DRIVEN"
    if output.fault is not None:
        state = f"FAULT: {output.fault}"
    read_back = "-" if output.read_back is None else "on" if output.read_back else "off"
    return output.id, str(output.pin), state, read_back, output.why or "-", output.name


def as_json(listed: OutputList) -> "Outputs":
    """Return the list as an object for JSON output."""
    from services.schemas.outputs import OutputRow, Outputs

    is_driven = not listed.why_not
    return Outputs(
        driven=is_driven,
        why_not=listed.why_not or None,
        outputs=[
            OutputRow(
                output=each.id,
                name=each.name,
                pin=each.pin,
                on=each.on if is_driven else None,
                why=each.why,
                read_back=each.read_back,
                fault=each.fault,
            )
            for each in listed.outputs
        ],
    )
