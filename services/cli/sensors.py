"""`logboat sensors`: shows every sensor's value, age, rate and faults, from the recorder if it is running."""

import sys
from argparse import ArgumentParser, Namespace
from typing import Final

from sensors.plaintext import steer
from services.console.environment import Environment
from services.console.errors import UsageError
from services.console.output import print_json
from services.console.stores import zone
from services.screens.sensor_list import as_json, lines, view
from services.terminal.present import screen

EVERY_S: Final = 1.0
HOME_AND_CLEAR: Final = "\x1b[H\x1b[J"
"""Escape sequence that moves the cursor to the top left, and erases the screen from there (ECMA-48).

The new text is printed right after the sequence, so the screen hardly flickers.
"""


def sensors_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat sensors [--watch] [--count N] [--vessel V]`."""
    parser.add_argument("--watch", action="store_true", help="update once a second, until Ctrl-C")
    parser.add_argument("--count", type=int, metavar="N", help="with --watch: stop after N updates")
    parser.add_argument(
        "--vessel", metavar="V", help="show another vessel's sensors, from the documents received"
    )


def sensors(args: Namespace, world: Environment) -> int:
    """Show the sensors once, or repeatedly. Return 0."""
    if args.count is not None and (args.count < 1 or not args.watch):
        raise UsageError("--count must be 1 or more, and needs --watch")
    place = zone(args)
    is_terminal = screen().is_terminal
    left = 1 if not args.watch else args.count
    try:
        while True:
            sensor_list = view(args, world)
            if args.json:
                print_json(as_json(sensor_list))
            else:
                text = "\n".join(lines(sensor_list, screen(zone=place)))
                if args.watch and is_terminal:
                    steer(sys.stdout, HOME_AND_CLEAR)
                print(text, flush=True)
            if left is not None:
                left -= 1
                if left == 0:
                    return 0
            world.sleep(EVERY_S)
    except KeyboardInterrupt:
        return 0
