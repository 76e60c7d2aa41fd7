"""`logboat record`, `sync`, `store`, `ended` and `demo`: their arguments; what they do is in
`services.recorder`, `services.meshing`, `services.storecheck`, `services.ends` and `services.demo`.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from services.loading import loading

from .common import World
from .options import actions, identity_option


def record_arguments(parser: ArgumentParser) -> None:
    """`logboat record [--identity DIR] [--ledger FD]`."""
    identity_option(parser, "the vessel's identity, with which it signs")
    parser.add_argument(
        "--ledger",
        type=int,
        metavar="FD",
        help="write `sensor,log,seq` to this file descriptor after each durable commit",
    )


def record(args: Namespace, world: World) -> int:  # noqa: ARG001  # daemons have clocks of their own
    """The recorder, in the foreground."""
    with loading():
        from services import recorder

    return recorder.run(args)


def sync_arguments(parser: ArgumentParser) -> None:
    """`logboat sync [--identity DIR]`."""
    parser.add_argument(
        "--identity",
        type=Path,
        default=Path("/etc/logboat/identity"),
        metavar="DIR",
        help="folder of the vessel's certificate and key (/etc/logboat/identity)",
    )
    parser.add_argument("--board", help="what tells this computer from others (its serial number)")


def sync(args: Namespace, world: World) -> int:  # noqa: ARG001
    """The mesh, in the foreground."""
    with loading():
        from services import meshing

    return meshing.run(args)


def store_arguments(parser: ArgumentParser) -> None:
    """`logboat store check [--repair]`."""
    check = actions(parser, "check")("check", "check both stores")
    check.add_argument("--repair", action="store_true", help="set aside what is broken, save what is sound")


def store(args: Namespace, world: World) -> int:  # noqa: ARG001
    """Check the stores before anything opens them."""
    with loading():
        from services import storecheck

    return storecheck.run(args)


def ended_arguments(parser: ArgumentParser) -> None:
    """`logboat ended DAEMON`."""
    from services.ends import DAEMONS

    parser.add_argument("daemon", choices=DAEMONS, help="which one; how it ended is in the environment")


def ended(args: Namespace, world: World) -> int:
    """Note how a daemon has ended: what systemd tells in the environment of `ExecStopPost=`."""
    import subprocess

    from services.ends import SCRIPT

    # Units call the script themselves: a slow board has no time for Python here.
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), args.daemon, str(args.run), str(args.data), "/dev/stdin"],
        input=f"{world.boottime:.2f} 0\n".encode(),
        check=False,
    )
    return done.returncode


def demo_arguments(parser: ArgumentParser) -> None:
    """`logboat demo [--vessels N] [--for SECONDS] [--keep DIR] [--stay DIR]`."""
    parser.add_argument("--vessels", type=int, default=3, metavar="N", help="how many vessels (3)")
    parser.add_argument(
        "--for", dest="for_seconds", type=float, default=45.0, metavar="SECONDS", help="how long (45)"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="leave everything in this folder")
    parser.add_argument(
        "--stay", type=Path, metavar="DIR", help="a fleet in this folder to try things on, until Ctrl-C"
    )


def demo(args: Namespace, world: World) -> int:  # noqa: ARG001
    """A simulated fleet on this machine, end to end."""
    from services.demo import command

    return command.run(args)
