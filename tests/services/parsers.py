"""Finds every command, such as `status` or `db put`, by walking through the parsers."""

from argparse import ArgumentParser, _SubParsersAction
from collections.abc import Iterator

from services.cli.main import COMMANDS, parser_of


def every_parser() -> dict[str, ArgumentParser]:
    """Return a mapping from each command and action, as typed on the command line, to its parser."""
    return {
        words: parser for name, command in COMMANDS.items() for words, parser in _of(name, parser_of(command))
    }


def _of(words: str, parser: ArgumentParser) -> Iterator[tuple[str, ArgumentParser]]:
    choices = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if not any(action.required for action in choices):  # the command may be used without an action
        yield words, parser
    for action in choices:
        for name, inner in action.choices.items():
            yield from _of(f"{words} {name}", inner)
