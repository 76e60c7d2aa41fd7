"""`logboat status`: shows whether the vessel is recording and, if not, the reason."""

from argparse import ArgumentParser, Namespace

from services.console.environment import Environment
from services.console.output import print_json
from services.console.stores import configured_vessel
from services.screens import no_vessel
from services.screens.status_lines import LINES, advice
from services.screens.status_view import as_json, gather, styled_lines, title
from services.terminal.present import Screen, Style, paint, screen, wrap


def status_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat status`."""
    del parser  # this command has no arguments of its own


def status(args: Namespace, world: Environment) -> int:
    """Print the vessel's status. Return 0 even if there are problems, because the command succeeded."""
    configured = configured_vessel(args)
    facts = gather(args, world, configured)
    missing = no_vessel.missing_places(args)
    todo = advice(facts)
    if missing:
        todo = no_vessel.ADVICE
    if args.json:
        print_json(as_json(facts, todo))
        return 0
    shown = screen(zone=facts.zone)
    if missing:
        for line in wrap(f"{no_vessel.TITLE}: {missing}", shown.width):
            print(paint(line, Style.TITLE, shown))
        _tell_todo(no_vessel.ADVICE, shown)
        return 0
    for line in wrap(title(facts, "" if configured is None else configured.name), shown.width):
        print(paint(line, Style.TITLE, shown))
    for label, words in LINES:
        if text := words(facts):
            print("\n".join(styled_lines(label, text, shown)))
    if todo is not None:
        _tell_todo(todo, shown)
    return 0


def _tell_todo(todo: str, shown: Screen) -> None:
    for line in wrap(f"to do: {todo}", shown.width):
        print(paint(line, Style.WARN, shown))
