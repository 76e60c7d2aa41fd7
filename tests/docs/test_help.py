"""Each command's help fits into 80 columns, and the documentation mentions only commands that exist."""

import re
import shlex
from argparse import SUPPRESS, ArgumentParser, _SubParsersAction
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.main import COMMANDS, main
from tests.services.parsers import every_parser

from . import commands
from .pages import DOCS, PAGES, blocks, name_of

PARSERS = every_parser()
INTERNAL = {name for name, command in COMMANDS.items() if command.is_internal}
UNTYPED = {"ack", "demo"} | INTERNAL
"""Commands that need not appear on pages.

Pages show some of them in another form (`alarms | ack ID`, `make demo`). Only systemd runs the others.
"""


@pytest.mark.parametrize("words", ["", *COMMANDS, *sorted(PARSERS.keys() - COMMANDS.keys())])
def test_help_fits_into_80_columns(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main([*words.split(), "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert [line for line in shown.out.splitlines() if len(line) > 80] == []
    assert f"logboat {words}".strip() in shown.out


@pytest.mark.parametrize("words", PARSERS)
def test_command_and_all_its_arguments_have_help_texts(words: str) -> None:
    parser = PARSERS[words]
    assert parser.description
    untold = [
        action.dest
        for action in parser._actions
        if not action.help and action.help is not SUPPRESS and not isinstance(action, _SubParsersAction)
    ]
    assert untold == []


def typed(page: Path) -> Iterator[str]:
    """Yield the `logboat` commands that a page shows in code blocks and as inline code."""
    for block in blocks(page):
        for line in block.text.splitlines():
            found = re.match(r"(?:\$ )?(?:sudo )?(logboat .*)", line)
            if found and not found[1].startswith("logboat  "):
                yield re.split(r"  +", found[1])[0]
    yield from (found.replace("\n", " ") for found in re.findall(r"`(logboat [^`]*)`", page.read_text()))


TYPED = sorted({(name_of(page), line) for page in PAGES for line in typed(page)})


def test_the_documentation_shows_commands() -> None:
    assert {
        line.split()[1] for name, line in TYPED if name == "docs/commands.md"
    } >= COMMANDS.keys() - UNTYPED


@pytest.mark.parametrize(("page", "line"), TYPED)
def test_command_in_the_documentation_exists(page: str, line: str) -> None:
    del page
    words = shlex.split(re.sub(r"[\[\]()|…]|'\{.*\}'", " ", line))[1:]
    assert words[0] in COMMANDS, line
    parsers = [parser for known, parser in PARSERS.items() if (known + " ").startswith(_path(words) + " ")]
    assert parsers, line
    options = {option for parser in parsers for option in parser._option_string_actions}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options | {"--help"}, line


def _path(words: list[str]) -> str:
    """Return the name of a command, followed by the name of its action if it has actions."""
    actions = {known.split()[1] for known in PARSERS if known.startswith(f"{words[0]} ")}
    if not actions or len(words) < 2 or words[1] not in actions:
        return words[0]
    return f"{words[0]} {words[1]}"


def test_parsers_include_those_of_actions() -> None:
    assert {"status", "db put", "lights", "lights explain", "fleet card"} <= PARSERS.keys()
    assert all(isinstance(parser, ArgumentParser) for parser in PARSERS.values())


@pytest.mark.parametrize("name", commands.pages())
def test_pages_of_commands_are_made_from_the_parsers(name: str) -> None:
    assert (DOCS / name).read_text() == commands.pages()[name], "run: python -m tests.docs.commands"


def test_every_command_has_a_heading_on_these_pages() -> None:
    text = "".join(commands.pages().values())
    headings = set(re.findall(r"^## logboat (.*)$", text, re.MULTILINE))
    assert headings == PARSERS.keys() - INTERNAL
