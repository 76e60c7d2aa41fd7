"""`logboat top`: a live overview of the vessel's state, full-screen or line by line."""

import os
import sys
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import Final

from services.console.environment import Environment
from services.console.errors import UsageError
from services.console.output import say
from services.console.stores import configured_vessel
from services.terminal.present import screen

from .alarms import acting_person
from .options import identity_option

EVERY_S: Final = {"screen": 1.0, "plain": 10.0}
LEAST_S, MOST_S = 0.2, 3600.0
_PATIENCE_S: Final = 2.0
"""Time to wait for data before the first display, in seconds. Later data is shown in later updates."""
_LONG_S: Final = 15.0
"""Time to wait for all data with --once, in seconds. It is longer than the timeout for a locked store."""

_HELP: Final = """\
Shows the state, updated once a second: recording and clock; alarms; sensors
with a curve of their last ten minutes; vessels nearby, gateways and lights.
The words are the same as in `logboat status`, `alarms`, `sensors`, `peers` and
`lights explain`, and each fact is shown with its age. Keys: `tab` and the arrow
keys move between and within the sections; `a` acknowledges the selected alarm,
like `logboat ack`, after you confirm; `l` explains the lights; `?` lists all
keys; `q` quits.

--plain writes one sentence for each change, without control sequences, for a
serial console or a screen reader. It writes no more than 9600 baud can carry
(960 characters a second): alarms first, then changes of state, then values.
Changes that do not fit are written with the next update, with the values of
that time. Once a minute a sentence says whether the vessel is recording.
Acknowledge alarms with `logboat ack`.

If the output is not a terminal, the state is printed once, as with --plain
--once; with --plain it continues. --json prints the state as one line of JSON.
Press Ctrl-C to stop."""


def top_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat top [--plain] [--once] [--every SECONDS] [--by WHO]`."""
    parser.description = f"{parser.description}\n\n{_HELP}"
    parser.add_argument(
        "--plain", action="store_true", help="write sentences, for a serial console or a screen reader"
    )
    parser.add_argument("--once", action="store_true", help="print the state once and exit")
    parser.add_argument(
        "--every",
        type=float,
        metavar="SECONDS",
        help=f"seconds between updates ({EVERY_S['screen']:g}; with --plain {EVERY_S['plain']:g})",
    )
    parser.add_argument(
        "--by", metavar="WHO", help="name of the person who acknowledges alarms (default: you)"
    )
    identity_option(parser, "folder of the vessel's certificate")


def top(args: Namespace, world: Environment) -> int:
    """Show the live view, full-screen if the terminal allows it. Return the exit status."""
    every = args.every
    if every is not None and not LEAST_S <= every <= MOST_S:
        raise UsageError(f"--every must be from {LEAST_S:g} to {MOST_S:g} seconds")
    if args.by is not None:
        acting_person(args, world)
    configured_vessel(args)  # so that a missing --config file is a usage error, as in other commands
    from services.screens.top import plain
    from services.screens.top.facts import TopFactsCollector

    where = screen()
    looker = TopFactsCollector(args, world)
    if args.once or not (where.is_terminal or args.plain or _is_dumb()):
        return plain.once(looker, looker.collect(patience=_LONG_S), args, where)
    is_plain = args.plain or args.json or not _has_screen()
    args.every = every or EVERY_S["plain" if is_plain else "screen"]
    look = looker.collect(patience=_PATIENCE_S)
    if is_plain:
        if not (args.plain or args.json):
            say("logboat: this terminal cannot show the screen; continuing as with --plain")
        return plain.follow(looker, look, args, world, where)
    from services.screens.top.app import Top

    app = Top(looker, look, every=args.every, who=partial(acting_person, args, world), unicode=where.unicode)
    return app.show()


def _is_dumb() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") == "dumb"


def _has_screen() -> bool:
    """Return True if a full-screen view is possible.

    All standard streams must be terminals: keys are read from standard input, and Textual draws on standard
    error.
    """
    return not _is_dumb() and all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))
