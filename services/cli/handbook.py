"""`logboat help`: shows a handbook page, wrapped to the terminal's width. Every card contains all pages."""

import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from services.console.environment import Environment
from services.console.errors import CommandError, UsageError
from services.console.output import tell
from services.terminal.markdown import lines_of, title_of
from services.terminal.present import paint, screen, spelt
from services.terminal.table import fitted

INSTALLED: Final = Path("/usr/share/logboat/handbook")
"""Folder that contains the handbook on an appliance."""
_IN_REPOSITORY: Final = Path(__file__).parents[2] / "docs"
_USUAL: Final = ("getting-started", "sensors", "lights", "troubleshooting", "faults", "commands", "glossary")
_MOST_MENTIONS: Final = 5
"""Maximum number of pages to list for a word that is not the name of a page."""


def help_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat help [TOPIC]`."""
    parser.add_argument("topic", nargs="?", metavar="TOPIC", help="name of a page (without it: list all)")


def help(args: Namespace, world: Environment) -> int:  # noqa: A001  # the command's name
    """Show a handbook page, or the list of all pages. Return 0."""
    del world
    pages = _pages()
    where = screen()
    if args.topic is None:
        rows = [("topic", "page"), *((name, title_of(_read(path))) for name, path in pages.items())]
        head, bodies = fitted(rows, width=where.width)
        print(*head, *(line for body in bodies for line in body), sep="\n")
        tell(f"\nto begin: logboat help {_USUAL[0]}; also {', '.join(_USUAL[1:])}")
        return 0
    text = _read(pages[_known(args.topic.lower().removesuffix(".md"), pages)])
    for line in lines_of(text, where.width):
        print(paint(spelt(line.text, unicode=where.unicode), line.style, where))
    return 0


def _pages() -> Mapping[str, Path]:
    """Return the path of each page by its topic. Raise CommandError if the handbook is missing."""
    for folder in (_IN_REPOSITORY, INSTALLED):
        found = sorted(folder.rglob("*.md"))
        if found:
            return {path.stem: path for path in found}
    raise CommandError(f"the handbook is not installed: {INSTALLED} contains no pages")


def _known(topic: str, pages: Mapping[str, Path]) -> str:
    """Return the name of the page for a topic. Raise UsageError if no page matches, or several do."""
    if topic in pages:
        return topic
    begins = [name for name in pages if name.startswith(topic)]
    if len(begins) == 1:
        return begins[0]
    from .main import COMMANDS

    if topic in COMMANDS:
        raise UsageError(f"{topic!r} is a command\ntry: logboat {topic} --help")
    if not begins and (found := _mentions(topic, pages)):
        raise UsageError(
            f"the handbook has no page {topic!r}; these pages contain the word: {', '.join(found)}\n"
            f"try: logboat help {found[0]}"
        )
    near = begins or get_close_matches(topic, pages, n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise UsageError(f"the handbook has no page {topic!r}{hint}\ntry: logboat help")


def _mentions(word: str, pages: Mapping[str, Path]) -> list[str]:
    """Return the names of the pages that contain a word most often.

    Pages that have the word in a heading come first.

    Case and hyphens are ignored, so `wifi` is also found as `Wi-Fi`.
    """
    plain = word.replace("-", "")
    pattern = re.compile(rf"\b{re.escape(plain)}s?\b")
    heading = re.compile(rf"^#.*\b{re.escape(plain)}s?\b", re.MULTILINE)
    ranks = []
    for name, path in pages.items():
        text = _read(path).lower().replace("-", "")
        if often := len(pattern.findall(text)):
            ranks.append((-len(heading.findall(text)), -often, name))
    return [name for *_, name in sorted(ranks)[:_MOST_MENTIONS]]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")
