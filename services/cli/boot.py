"""`logboat boot`: sets up the appliance. systemd runs this command at each boot, before recording starts."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import msgspec

from services.boot.paths import FIRMWARE, PARTITION, AppliancePaths
from services.console.environment import Environment
from services.console.errors import FailedError
from services.console.output import print_json, tell
from services.system.module_loading import loading


def boot_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat boot [card|networks|radio] [--firmware DIR] [--partition DIR]`."""
    parser.add_argument(
        "part",
        nargs="?",
        choices=("card", "networks", "radio"),
        metavar="PART",
        help="run one part only: card (the card's files), networks, or radio (the radio key)",
    )
    parser.add_argument(
        "--firmware",
        type=Path,
        default=FIRMWARE,
        metavar="DIR",
        help=f"mount point of the card's first partition ({FIRMWARE})",
    )
    parser.add_argument(
        "--partition",
        type=Path,
        default=PARTITION,
        metavar="DIR",
        help=f"mount point of the card's data partition ({PARTITION})",
    )


def boot(args: Namespace, world: Environment) -> int:
    """Apply the files on the card, and set up everything that depends on them.

    Always return 0, so that no fault prevents the machine from starting.
    """
    with loading():
        from services.boot import clock, run, system
        from services.logs.setup import running
        from services.system.systemd import Notifier

    if not system.is_root():
        raise FailedError("logboat boot changes the system: run it as root (systemd runs it at each boot)")
    places = selected_paths(args)
    boot = run.BootSequence(places, clock.now(args.data, utc=world.utc), progress=Notifier().progress)
    parts = {None: boot.run, "card": boot.run_offline_steps, "networks": boot.join, "radio": boot.rekey}
    with running({"networks": "networks", "radio": "radio"}.get(args.part, "boot"), args.data):
        state = parts[args.part]()
    if args.json:
        from services.schemas.appliance import Boot

        print_json(Boot(**msgspec.structs.asdict(state)))
        return 0
    for line in (*state.problems, *state.unused, *state.networks):
        tell(line)
    if args.part in ("networks", "radio"):
        return 0
    if state.taken:
        tell(f"applied: {', '.join(state.taken)}")
    if state.generated:
        tell("no bundle yet: the vessel records under a generated id")
    return 0


def selected_paths(args: Namespace) -> AppliancePaths:
    """Return the paths that the command's options select."""
    partition = getattr(args, "partition", PARTITION)
    return AppliancePaths(
        config=args.config, data=args.data, run=args.run, firmware=args.firmware, partition=partition
    )
