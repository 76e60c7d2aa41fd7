"""`logboat config check FILE…`: the same check that boot uses."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .common import World, print_json
from .options import actions


def config_arguments(parser: ArgumentParser) -> None:
    """`logboat config check FILE…`."""
    check = actions(parser, "check")("check", "the same check that boot uses")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a sensors.toml or logboat.toml")


def config(args: Namespace, world: World) -> int:  # noqa: ARG001
    """Check each file; 2 if any is wrong."""
    from services.configcheck import check

    checked = {path: check(path) for path in args.files}
    if args.json:
        print_json(
            [
                {
                    "file": str(path),
                    "good": found.good,
                    "problems": [
                        {
                            "line": problem.line,
                            "table": problem.table,
                            "key": problem.key,
                            "text": problem.text,
                            "remedy": problem.remedy,
                            "message": str(problem),
                        }
                        for problem in found.problems
                    ],
                }
                for path, found in checked.items()
            ]
        )
    else:
        print("\n".join(found.text for found in checked.values()))
    return 0 if all(found.good for found in checked.values()) else 2
