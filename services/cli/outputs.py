"""`logboat outputs`: lists sirens and other outputs. `outputs test ID` briefly turns an output on."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, tell

from .options import actions

if TYPE_CHECKING:
    from services.screens.output_list import OutputList


def outputs_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat outputs [test ID [--for TIME]]`."""
    test = actions(parser, "test", required=False)("test", "turn an output on for a moment")
    test.add_argument("output", metavar="ID", help="id of the output")
    test.add_argument(
        "--for", dest="duration", default="2s", metavar="TIME", help="duration, up to 60 s (2s)"
    )


def outputs(args: Namespace, world: Environment) -> int:
    """List the outputs, or test one. Return 0."""
    from services.screens import output_list
    from services.terminal.present import screen

    listed = output_list.view(args, world)
    if args.action == "test":
        return _test(args, listed)
    if args.json:
        print_json(output_list.as_json(listed))
    else:
        print("\n".join(output_list.lines(listed, screen())))
    return 0


def _test(args: Namespace, listed: "OutputList") -> int:
    from sensors.units import format_duration
    from services.system.control_socket import ControlError, OutputTest, ask

    seconds = _seconds(args.duration)
    known = [output.id for output in listed.outputs]
    if args.output not in known:
        raise UsageError(_unknown(args.output, known))
    if listed.why_not:
        raise FailedError(
            f"{args.output} cannot be tested: {listed.why_not}; run: sudo systemctl restart logboat-lights"
        )
    try:
        answer = ask(args.run, OutputTest(output=args.output, seconds=seconds))
    except ControlError as error:
        raise FailedError(str(error)) from error
    if not answer.ok:
        raise FailedError(answer.error or "the lights daemon rejected the request and gave no reason")
    if args.json:
        from services.schemas.outputs import OutputTested

        print_json(OutputTested(output=args.output, seconds=seconds, read_back=answer.on))
        return 0
    pin = next(output.pin for output in listed.outputs if output.id == args.output)
    read = "its level cannot be read back" if answer.on is None else "its level was read back and is correct"
    tell(f"{args.output} is on for {format_duration(seconds)}: pin {pin}; {read}")
    return 0


def _seconds(text: str) -> float:
    from sensors.units import InputError, parse
    from services.system.control_socket import LONGEST_TEST_S

    try:
        seconds = parse(text, "s")
    except InputError as error:
        raise UsageError(f"--for {text!r} is not a duration; write a time such as 2s or 500ms") from error
    if not 0 < seconds <= LONGEST_TEST_S:
        raise UsageError(f"--for {text!r} is out of range; write a time up to {LONGEST_TEST_S:g} s")
    return seconds


def _unknown(output: str, known: list[str]) -> str:
    from sensors.units import close
    from services.screens.output_list import NONE

    if not known:
        return f"unknown output {output!r}: {NONE}"
    near = close(output, known)
    hint = f"; did you mean {near!r}?" if near else f"; known outputs: {', '.join(known)}"
    return f"unknown output {output!r}{hint}"
