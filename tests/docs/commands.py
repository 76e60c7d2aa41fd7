"""Generates the pages docs/commands-*.md from the commands' argument parsers.

Run `python -m tests.docs.commands` to update the pages.
"""

from argparse import SUPPRESS, Action, ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from services.cli.main import GROUPS, parser_of
from services.cli.options import common_options

from .pages import DOCS

NOTE: Final = "<!-- Made from the parsers by `python -m tests.docs.commands`; edit the help texts there. -->"
COMMON: Final = {action.dest for action in common_options(None)._actions} | {"help"}
WIDTH: Final = 80


@dataclass(frozen=True, slots=True)
class Page:
    """Documentation page that describes a group of commands."""

    name: str
    group: str
    """Name of the group of commands in `GROUPS`."""
    title: str
    words: str


PAGES: Final = (
    Page("now", "now", "Commands: the present state", "These commands show what the vessel does now."),
    Page(
        "history", "history", "Commands: the log", "These commands show, check and extend the vessel's log."
    ),
    Page(
        "setup",
        "setup and daemons",
        "Commands: setup and daemons",
        "These commands configure an appliance, or run as its daemons.",
    ),
    Page(
        "fleet",
        "ashore, on the operator's computer",
        "Commands: fleets and cards",
        "The operator ashore uses these commands. [Fleets](fleets.md) and [Cards](cards.md) show their use.",
    ),
    Page(
        "db",
        "diagnostics and scripts",
        "Commands: stores",
        "These commands work on a store, without the daemons. [Replication](replication.md) shows their use.",
    ),
)


def pages() -> dict[str, str]:
    """Return the text of each page about commands, by file name."""
    return {f"commands-{page.name}.md": _text(page) for page in PAGES}


def _text(page: Page) -> str:
    parts = [
        f"# {page.title}",
        NOTE,
        f"{page.words}\n[Commands](commands.md) lists the options that every command accepts.",
    ]
    for command in GROUPS[page.group]:
        if not command.is_internal:
            for words, parser, about in _walk(command.name, parser_of(command), command.words):
                parts += _command(words, parser, about)
    return "\n\n".join(parts) + "\n"


def _walk(words: str, parser: ArgumentParser, about: str) -> Iterator[tuple[str, ArgumentParser, str]]:
    """Yield the words, the argument parser and the description of a command or of each of its actions."""
    choices = [action for action in parser._actions if isinstance(action, _SubParsersAction)]
    if not any(action.required for action in choices):
        yield words, parser, about
    for choice in choices:
        for added in choice._choices_actions:
            yield from _walk(f"{words} {added.dest}", choice.choices[added.dest], added.help or "")


def _command(words: str, parser: ArgumentParser, about: str) -> Iterator[str]:
    actions = [action for action in parser._actions if action.dest not in COMMON]
    arguments = [action for action in actions if not isinstance(action, _SubParsersAction)]
    yield f"## logboat {words}"
    yield f"{about[0].upper()}{about[1:]}."
    yield f"```\n{_usage(words, parser, arguments)}\n```"
    shown = [each for each in arguments if each.help is not SUPPRESS]
    if shown:
        rows = [f"| {_name(each)} | {_cell(each)} |" for each in shown]
        yield "\n".join(["| argument | meaning |", "| --- | --- |", *rows])


def _usage(words: str, parser: ArgumentParser, arguments: Sequence[Action]) -> str:
    """Return a command's usage, wrapped to the page width, with mutually exclusive options kept together."""
    parts, done = [f"logboat {words}"], set[str]()
    for action in sorted(arguments, key=lambda each: bool(each.option_strings)):
        if action.help is SUPPRESS or action.dest in done:
            continue
        rivals, is_needed = [action], action.required
        for group in parser._mutually_exclusive_groups:
            if action in group._group_actions:
                rivals, is_needed = (
                    [each for each in group._group_actions if each in arguments],
                    group.required,
                )
        done |= {each.dest for each in rivals}
        text = " | ".join(_option(each) if each.option_strings else _positional(each) for each in rivals)
        if action.option_strings and not is_needed:
            text = f"[{text}]"
        elif len(rivals) > 1:
            text = f"({text})"
        parts.append(text)
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) > WIDTH:
            lines.append("   ")
        lines[-1] += f" {part}"
    return "\n".join(lines)


def _positional(action: Action) -> str:
    name = str(action.metavar or (" | ".join(action.choices) if action.choices else action.dest))
    return {"?": f"[{name}]", "*": f"[{name} …]", "+": f"{name} …"}.get(str(action.nargs), name)


def _option(action: Action) -> str:
    if action.nargs == 0:
        return action.option_strings[-1]
    values = action.metavar or action.dest.upper()
    return " ".join([action.option_strings[-1], *([values] if isinstance(values, str) else values)])


def _name(action: Action) -> str:
    return f"`{_option(action) if action.option_strings else action.metavar or action.dest.upper()}`"


def _cell(action: Action) -> str:
    text = str(action.help) % {"default": action.default}
    return text.replace("|", "\\|")


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
