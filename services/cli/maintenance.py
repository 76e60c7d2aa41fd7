"""`logboat maintenance [--for 30m | --end]`: makes the appliance's root file system temporarily writable."""

import os
from argparse import ArgumentParser, Namespace

from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, tell


def maintenance_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat maintenance [--for 30m | --end]`."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--for", dest="duration", default="30m", metavar="TIME", help="duration (30m)")
    what.add_argument("--end", action="store_true", help="make the file system read-only again now")


def maintenance(args: Namespace, world: Environment) -> int:
    """Make the root file system writable, or read-only again. Return 0."""
    from services.system import maintenance as work

    try:
        duration = work.seconds(args.duration)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if os.geteuid() != 0:
        raise FailedError("maintenance changes the system: run it with sudo")
    try:
        if args.end:
            work.end(args.run)
        else:
            work.begin(args.run, duration, utc=world.utc)
    except work.MaintenanceError as error:
        raise FailedError(str(error)) from error
    if args.json:
        from services.schemas.appliance import Maintenance

        print_json(Maintenance(until=work.until(args.run)))
    elif args.end:
        tell("the root file system is read-only again")
    else:
        tell(
            f"the root file system is writable for {args.duration}; to end this earlier: sudo logboat "
            "maintenance --end"
        )
    return 0
