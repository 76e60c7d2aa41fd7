"""`logboat config check FILE…` runs the check that boot uses; `config apply FILE` puts a file in force."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from sensors.toml.toml_file import FileProblem
from services.boot.paths import FIRMWARE
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json

from .options import actions

if TYPE_CHECKING:
    from services.schemas.appliance import Problem


def config_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat config check|apply FILE…`."""
    add = actions(parser, "check|apply")
    check = add("check", "check a file, as boot does")
    check.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a sensors.toml or logboat.toml file"
    )
    apply = add("apply", "check a file and apply it, on the card and on the appliance")
    apply.add_argument(
        "file", type=Path, metavar="FILE", help="a sensors.toml, logboat.toml or vessel.toml file"
    )
    apply.add_argument(
        "--firmware",
        type=Path,
        default=FIRMWARE,
        metavar="DIR",
        help=f"mount point of the card's first partition ({FIRMWARE})",
    )


def config(args: Namespace, world: Environment) -> int:
    """Check each file, or apply one. Return 2 if a file has errors, else 0."""
    return _apply(args, world) if args.action == "apply" else _check(args)


def _check(args: Namespace) -> int:
    from services.config.check import check

    checked = {path: check(path) for path in args.files}
    if args.json:
        from services.schemas.appliance import CheckedFile, ConfigCheck

        files = [
            CheckedFile(file=str(path), good=result.good, problems=[_json(each) for each in result.problems])
            for path, result in checked.items()
        ]
        print_json(ConfigCheck(files=files))
    else:
        print("\n".join(result.text for result in checked.values()))
    return 0 if all(result.good for result in checked.values()) else 2


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
        raise FailedError(f"{args.config.parent}: cannot be written; run this with sudo")
    offer = OfferedFiles({name: args.file.read_bytes()}, origins={name: args.file})
    outcome = run.BootSequence(selected_paths(args), clock.now(args.data, utc=world.utc)).take_in(offer)
    if args.json:
        from services.schemas.appliance import ConfigApply

        print_json(ConfigApply(taken=outcome.taken, problems=[_json(each) for each in outcome.problems]))
    elif outcome.problems:
        print("\n".join(str(problem) for problem in outcome.problems))
        print("nothing was changed" if not outcome.taken else f"applied: {', '.join(outcome.taken)}")
    else:
        print(
            f"applied: {', '.join(outcome.taken)}"
            if outcome.taken
            else "no change: the file was already applied"
        )
        if outcome.taken:
            print("next: sudo systemctl restart logboat-boot logboat-recorder logboat-sync")
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
