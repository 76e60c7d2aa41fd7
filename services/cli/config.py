"""`logboat config check FILE…` checks files as each boot does. `config apply FILE` applies a file.

`config sender` computes the configuration keys for an analog sender from its electrical data.
"""

import json
import math
import os
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Final

from sensors.toml.toml_file import FileProblem
from services.boot.paths import FIRMWARE
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, tell

from .options import actions

if TYPE_CHECKING:
    from services.config.check import Checked, CheckedFiles
    from services.schemas.appliance import CheckedFile, Problem

WIDTH: Final = 80
"""Maximum width, in columns, of the lines that `config sender` prints."""
_NO_BREAK: Final = "\xa0"


def config_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat config check|apply FILE…` and `config sender`."""
    add = actions(parser, "check|apply|sender")
    check = add(
        "check",
        "check files as `fleet card` and each boot do, and show what each sensor's keys mean",
    )
    check.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="a vessel.toml, sensors.toml or logboat.toml file, which is checked with the files beside it; or"
        " the folder of a vessel, of a card, or of a fleet",
    )
    apply = add("apply", "check a file and apply it, on the card and on the appliance")
    apply.add_argument(
        "file", type=Path, metavar="FILE", help="a vessel.toml, sensors.toml or logboat.toml file"
    )
    apply.add_argument(
        "--firmware",
        type=Path,
        default=FIRMWARE,
        metavar="DIR",
        help=f"mount point of the card's first partition ({FIRMWARE})",
    )
    sender = add(
        "sender",
        "compute a calibration in volts for an analog sender that has no key sender in sensors.toml",
    )
    circuit = sender.add_mutually_exclusive_group(required=True)
    circuit.add_argument(
        "--ohms",
        nargs=2,
        type=float,
        metavar=("EMPTY", "FULL"),
        help="resistances of a sender to ground, when empty and when full, such as 240 33",
    )
    circuit.add_argument(
        "--shunt", type=float, metavar="OHM", help="resistor to ground of a 4-20 mA transmitter, such as 150"
    )
    sender.add_argument(
        "--pull-up", type=float, metavar="OHM", help="with --ohms: resistor between the supply and the sender"
    )
    sender.add_argument(
        "--supply", type=float, default=3.3, metavar="V", help="with --ohms: voltage of the supply (3.3)"
    )
    sender.add_argument(
        "--values",
        nargs=2,
        type=_number_and_unit,
        default=((0.0, ""), (1.0, "")),
        metavar=("EMPTY", "FULL"),
        help="values when empty and when full, or at 4 and at 20 mA, with their unit, such as '0 bar' and"
        " '10 bar'; levels need no unit (0 and 1)",
    )
    sender.add_argument(
        "--divider",
        nargs=2,
        type=float,
        metavar=("TOP", "BOTTOM"),
        help="resistors of a voltage divider: from the sender to the converter, and from there to ground",
    )


def _number_and_unit(text: str) -> tuple[float, str]:
    """Return the number and the unit in a text, such as 10 and `bar`; the unit is '' if there is none.

    Raise ArgumentTypeError if the text is not a number, with or without a unit.
    """
    from sensors.units import parse, si_of

    number, _, unit = text.strip().partition(" ")
    unit = unit.strip()
    try:
        if unit:
            parse(text, si_of(unit))
        return float(number), unit
    except ValueError:
        message = f"{text!r} is not a number with a known unit, such as '10 bar'"
        raise ArgumentTypeError(message) from None


def config(args: Namespace, world: Environment) -> int:
    """Check files, apply a file, or compute a sender's keys. Return 2 if a file has errors, else 0."""
    if args.action == "sender":
        return _sender(args)
    return _apply(args, world) if args.action == "apply" else _check(args, world)


def _check(args: Namespace, world: Environment) -> int:
    from services.config.check import check_files

    result = check_files(args.files, now=datetime.fromtimestamp(world.utc, UTC))
    if args.json:
        from services.schemas.appliance import ConfigCheck

        print_json(
            ConfigCheck(files=[_checked_json(each) for each in result.files], not_checked=result.not_checked)
        )
    else:
        _tell_checked(result)
    return 2 if result.problems else 0


def _tell_checked(result: "CheckedFiles") -> None:
    """Print how each file was understood, then whether it is valid.

    If the files are in several folders, group them by folder.
    """
    from services.config.understood import listing, understood
    from services.config.understood_outputs import understood_outputs
    from services.config.understood_services import understood_services

    for each in result.files:
        examined = each.examined
        if examined is not None and (examined.sensors or examined.outputs or examined.services):
            facts = listing(
                understood(examined),
                understood_outputs(examined.outputs),
                understood_services(examined.services),
            )
            tell(f"{each.path.name}, as understood:\n{facts}\n")
    folders: dict[Path, list[Checked]] = {}
    for each in result.files:
        folders.setdefault(each.path.parent, []).append(each)
    for folder, files in folders.items():
        if len(folders) > 1:
            tell(f"{folder}:")
        tell("\n".join(each.text for each in files))
    if result.not_checked:
        tell("\n".join(f"not checked: {each}" for each in result.not_checked))


def _checked_json(checked: "Checked") -> "CheckedFile":
    from services.config.understood import understood
    from services.config.understood_outputs import understood_outputs
    from services.config.understood_services import understood_services
    from services.schemas.appliance import (
        CheckedFile,
        UnderstoodFact,
        UnderstoodOutput,
        UnderstoodSensor,
        UnderstoodService,
    )

    sensors = () if checked.examined is None else understood(checked.examined)
    outputs = () if checked.examined is None else understood_outputs(checked.examined.outputs)
    services = () if checked.examined is None else understood_services(checked.examined.services)
    return CheckedFile(
        file=str(checked.path),
        good=checked.good,
        problems=[_json(each) for each in (*checked.problems, *checked.warnings)],
        reminders=[_json(each) for each in checked.reminders],
        sensors=[
            UnderstoodSensor(
                sensor=each.settings.id,
                name=each.settings.name,
                kind=each.settings.kind,
                path=each.settings.path,
                unit=each.settings.unit,
                facts=[UnderstoodFact(subject=subject, text=text) for subject, text in each.facts],
            )
            for each in sensors
        ],
        outputs=[
            UnderstoodOutput(
                output=each.settings.id,
                name=each.settings.name,
                pin=each.settings.pin,
                facts=[UnderstoodFact(subject=subject, text=text) for subject, text in each.facts],
            )
            for each in outputs
        ],
        services=[
            UnderstoodService(
                service=each.settings.id,
                name=each.settings.name,
                facts=[UnderstoodFact(subject=subject, text=text) for subject, text in each.facts],
            )
            for each in services
        ],
    )


def _sender(args: Namespace) -> int:
    from msgspec import UNSET, to_builtins

    from sensors.senders import current_loop, divider, resistive_sender
    from services.schemas.appliance import ConfigSender, SenderKeys

    (low, unit), (high, other) = args.values
    if unit != other:
        raise UsageError("--values needs two values in the same unit, such as '0 bar' '10 bar'")
    ohms = [args.shunt] if args.ohms is None else [*args.ohms, args.pull_up or 0.0, args.supply]
    ohms += args.divider or []
    if not all(math.isfinite(each) and each > 0 for each in ohms):
        raise UsageError("resistances and voltages must be above 0, and --ohms needs --pull-up")
    if args.ohms is not None and args.ohms[0] == args.ohms[1]:
        raise UsageError("--ohms needs two different resistances")
    if args.ohms is None:
        circuit = current_loop(args.shunt, at_4_ma=low, at_20_ma=high)
    else:
        circuit = resistive_sender(
            *args.ohms, pull_up_ohm=args.pull_up, supply_v=args.supply, empty=low, full=high
        )
    keys = SenderKeys(
        calibration=[
            (volts, f"{value:.10g} {unit}" if unit else value) for volts, value in circuit.calibration
        ],
        valid=circuit.valid,
        open_is_high=circuit.open_is_high,
        divider=UNSET if args.divider is None else round(divider(*args.divider), 4),
    )
    if args.json:
        print_json(ConfigSender(keys=keys))
    else:
        print("\n".join(_assignment(name, value) for name, value in to_builtins(keys).items()))
    return 0


def _assignment(name: str, value: object) -> str:
    """Return the TOML text that sets a key. A long list of pairs is continued on further lines."""
    # `textwrap` breaks lines at spaces, so only the spaces between two pairs are kept.
    text = f"{name} = {json.dumps(value, ensure_ascii=False)}".replace(" ", _NO_BREAK).replace(
        f"],{_NO_BREAK}[", "], ["
    )
    indent = " " * len(f"{name} = [")
    return fill(text, WIDTH, subsequent_indent=indent, break_long_words=False).replace(_NO_BREAK, " ")


def _apply(args: Namespace, world: Environment) -> int:
    from provisioning.ingest.offers import OfferedFiles
    from sensors.toml.toml_file import ConfigurationError
    from services.boot import clock, run
    from services.config.check import name_in_force

    from .boot import selected_paths

    try:
        name = name_in_force(args.file)
    except ConfigurationError as error:
        raise UsageError(str(error)) from error
    if not os.access(args.config.parent, os.W_OK):
        raise FailedError(f"{args.config.parent}: the folder cannot be written; run this with sudo")
    offer = OfferedFiles({name: args.file.read_bytes()}, origins={name: args.file})
    outcome = run.BootSequence(selected_paths(args), clock.now(args.data, utc=world.utc)).take_in(offer)
    if args.json:
        from services.schemas.appliance import ConfigApply

        print_json(ConfigApply(taken=outcome.taken, problems=[_json(each) for each in outcome.problems]))
    elif outcome.problems:
        tell("\n".join(str(problem) for problem in outcome.problems))
        tell("nothing was changed" if not outcome.taken else f"applied: {', '.join(outcome.taken)}")
    else:
        tell(
            f"applied: {', '.join(outcome.taken)}"
            if outcome.taken
            else "no change: the file was already applied"
        )
        if outcome.taken:
            units = "logboat-boot logboat-recorder logboat-sync logboat-lights logboat-gnss"
            tell(f"next: sudo systemctl restart {units}")
    return 2 if outcome.problems else 0


def _json(problem: FileProblem) -> "Problem":
    from services.schemas.appliance import Problem

    return Problem(
        line=problem.line,
        table=problem.table,
        key=problem.key,
        text=problem.text,
        remedy=problem.remedy,
        message=str(problem),
    )
