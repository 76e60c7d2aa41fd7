"""JSON output about the outputs, such as sirens, that alarms turn on."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from services.state.described import described

from . import format_of
from .parts import Output, Part


class OutputRow(Part, frozen=True, kw_only=True):
    """An output, and its state."""

    output: Annotated[str, described("Id of the output.")]
    name: Annotated[str, described("Name of the output, for people.")]
    pin: Annotated[int, described("BCM number of the output's pin.", minimum=0)]
    on: Annotated[
        bool | None,
        described(
            "True if it is on now, in the configured pattern; null if the lights daemon does not drive it."
        ),
    ]
    why: Annotated[
        str, described("The alarm that turned it on, or another reason, for people; '' if there is none.")
    ]
    read_back: Annotated[
        bool | None,
        described("State that was last read back from the pin, true is on; null if it was not read."),
    ]
    fault: Annotated[str | None, described("Reason why the output does not work; null if it does.")]


class Outputs(Output, frozen=True, kw_only=True, tag=format_of("outputs")):
    """All outputs of the vessel."""

    command: ClassVar[str] = "logboat outputs --json"

    driven: Annotated[bool, described("True if the lights daemon drives the outputs.")]
    why_not: Annotated[str | None, described("Reason why it does not; null if it does.")]
    outputs: Annotated[Sequence[OutputRow], described("The outputs, in the order of the configuration.")]


class OutputTested(Output, frozen=True, kw_only=True, tag=format_of("output-test")):
    """An output that was turned on for a test."""

    command: ClassVar[str] = "logboat outputs test ID --json"

    output: Annotated[str, described("Id of the output.")]
    seconds: Annotated[float, described("Time in seconds for which it is on.", minimum=0)]
    read_back: Annotated[
        bool | None,
        described("State that was read back from the pin, true is on; null if it cannot be read."),
    ]
