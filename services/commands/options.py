"""Options that every command takes, and how parsers of commands are made."""

from argparse import SUPPRESS, ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from .common import UsageError


class Parser(ArgumentParser):
    """Argparse's, whose complaint is a UsageError that names the command."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}\ntry: {self.prog} --help")


def common_options(default: str | None) -> ArgumentParser:
    """Options that every command takes, before or after its name; SUPPRESS keeps what came before it."""
    parser = ArgumentParser(add_help=False)
    group = parser.add_argument_group("options of every command")
    group.add_argument("--json", action="store_true", default=default or False, help="output for programs")
    for option, place, words in (
        ("--config", "/etc/logboat/logboat.toml", "logboat.toml"),
        ("--sensors", "/etc/logboat/sensors.toml", "sensors.toml"),
        ("--data", "/var/lib/logboat", "folder of the stores"),
        ("--run", "/run/logboat", "folder of the live state"),
    ):
        group.add_argument(
            option,
            type=Path,
            default=default or Path(place),
            metavar="FILE" if place.endswith("toml") else "DIR",
            help=f"{words} ({place})",
        )
    return parser


def actions(
    parser: ArgumentParser, metavar: str, *, required: bool = True
) -> Callable[[str, str], ArgumentParser]:
    """Let a command have actions (`db get`): call what is returned with the name and help of each."""
    added = parser.add_subparsers(dest="action", required=required, metavar=metavar)

    def add(name: str, words: str) -> ArgumentParser:
        return added.add_parser(
            name, help=words, description=words, parents=[common_options(SUPPRESS)], allow_abbrev=False
        )

    return add


def identity_option(parser: ArgumentParser, words: str) -> None:
    """`--identity DIR`; `words`: what the folder is of interest for."""
    usual = "/etc/logboat/identity"
    parser.add_argument(
        "--identity", type=Path, default=Path(usual), metavar="DIR", help=f"{words} ({usual})"
    )
