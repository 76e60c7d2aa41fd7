"""`logboat peers`: shows the vessels nearby, their links, and the routes by which documents arrive."""

from argparse import ArgumentParser, Namespace

from services.console.environment import Environment
from services.console.errors import FailedError
from services.console.output import print_json
from services.console.stores import zone
from services.screens.peer_list import as_json, chosen, overview, route_lines, rows, shore_lines, why_not
from services.state.sync_state import read
from services.terminal.present import paint, screen


def peers_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat peers [--route VESSEL] [--all]`."""
    parser.add_argument(
        "--route", metavar="VESSEL", help="show one vessel: its link, and the route of its documents"
    )
    parser.add_argument(
        "--all", action="store_true", help="show every vessel, even if they do not fit the screen"
    )


def peers(args: Namespace, world: Environment) -> int:
    """Show the mesh and the gateways. Return 0 if there is a mesh.

    If there is no mesh, return 1 with --json. Without --json, show the gateways and raise FailedError.
    """
    sight = read(args.run, boottime=world.boottime, alive=world.alive)
    state = sight.state
    if args.json:
        if args.route is not None and state is not None:
            chosen(rows(state), args.route)
        print_json(as_json(sight, args.route, world))
        return 0 if why_not(sight) is None else 1
    where = screen(zone=zone(args))
    if (words := why_not(sight)) is not None or state is None:
        if state is not None and sight.is_live and args.route is None:
            # Gateways need no mesh.
            for line in shore_lines(state, where.width, world.utc):
                print(paint(line.text, line.style, where))
        raise FailedError(words or "")
    if args.route is not None:
        shown = list(route_lines(state, chosen(rows(state), args.route), where, world.utc))
    else:
        shown = overview(state, where, world.utc, everything=args.all)
    print("\n".join(shown))
    return 0
