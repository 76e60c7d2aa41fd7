"""Options that every command accepts, and helpers that build the commands' parsers."""

from argparse import (
    ONE_OR_MORE,
    PARSER,
    REMAINDER,
    SUPPRESS,
    ZERO_OR_MORE,
    Action,
    ArgumentParser,
    HelpFormatter,
    _MutuallyExclusiveGroup,
)
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NoReturn

from services.console.errors import UsageError
from services.terminal.present import fold, wrap

_SEVERAL: Final = frozenset({ZERO_OR_MORE, ONE_OR_MORE})
_REST: Final = frozenset({PARSER, REMAINDER})
"""Values of `nargs` with which argparse cannot mix arguments and options."""


class Parser(ArgumentParser):
    """An ArgumentParser that raises each error as a UsageError with the command's name.

    It also accepts options between the words of an argument that can have several, as in
    `done NAME --at HOURS NOTE` and `note TEXT --by WHO TEXT`.
    """

    _is_mixing = False

    # argparse also calls this method for the parser of an action, and from parse_known_intermixed_args.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the parsed arguments, and the arguments that are not known."""
        if self._is_mixing or not self._can_mix():
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False

    def _can_mix(self) -> bool:
        """Return True if an argument can have several words, and argparse can mix these with options.

        If an option is required, argparse would report only that option as missing, and no argument.
        """
        counts = {action.nargs for action in self._actions if not action.option_strings}
        needs_option = any(action.required for action in self._actions if action.option_strings)
        return not (counts.isdisjoint(_SEVERAL) or counts & _REST or needs_option)

    def error(self, message: str) -> NoReturn:
        """Raise UsageError with the message."""
        raise UsageError(f"{message}\ntry: {self.prog} --help")


class Folded(HelpFormatter):
    """Formatter that fits help text into any terminal width, even if a part of the usage is long."""

    def _format_usage(
        self,
        usage: str | None,
        actions: Iterable[Action],
        groups: Iterable[_MutuallyExclusiveGroup],
        prefix: str | None,
    ) -> str:
        text = super()._format_usage(usage, actions, groups, prefix)
        if all(len(line) <= self._width for line in text.splitlines()):
            return text
        return "\n".join(wrap(" ".join(text.split()), self._width, hang=4)) + "\n\n"


class FoldedLines(Folded):
    """Formatter that fits help text into any terminal width, and keeps the line breaks of a description."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        del indent
        return fold(text, width)


def common_options(default: str | None) -> ArgumentParser:
    """Return a parent parser with the options that every command accepts before or after its name.

    With `default=None`, the options have their usual defaults. With SUPPRESS, values given before the
    command's name are kept.
    """
    parser = ArgumentParser(add_help=False)
    group = parser.add_argument_group("common options")
    group.add_argument("--json", action="store_true", default=default or False, help="print JSON")
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
    """Return a function that adds an action, such as `get` in `db get`, to a command.

    Call the function with the name and help text of each action. It returns the action's parser.
    """
    added = parser.add_subparsers(dest="action", required=required, metavar=metavar)

    def add(name: str, words: str) -> ArgumentParser:
        return added.add_parser(
            name,
            help=words,
            description=words,
            parents=[common_options(SUPPRESS)],
            formatter_class=Folded,
            allow_abbrev=False,
        )

    return add


def identity_option(parser: ArgumentParser, words: str) -> None:
    """Add the option `--identity DIR`. `words` is its help text, which states the purpose of the folder."""
    usual = "/etc/logboat/identity"
    parser.add_argument(
        "--identity", type=Path, default=Path(usual), metavar="DIR", help=f"{words} ({usual})"
    )
