"""Arguments of `logboat record`, `sync`, `gnss`, `store`, `ended` and `demo`.

The implementations are in `services.recorder.daemon`, `services.syncd.daemon`, `services.gnss.daemon`,
`services.recovery.store_check`, `services.state.crash_loops` and `services.demo`.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from services.console.environment import Environment
from services.system.module_loading import loading

from .options import actions, identity_option


def record_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat record [--identity DIR] [--ledger FD]`."""
    identity_option(parser, "folder of the vessel's identity, used for signing")
    parser.add_argument(
        "--ledger",
        type=int,
        metavar="FD",
        help="write `sensor,log,seq` to this file descriptor after each durable commit",
    )


def record(args: Namespace, world: Environment) -> int:  # noqa: ARG001  # daemons use clocks of their own
    """Run the recorder in the foreground. Return its exit status."""
    with loading():
        from services.recorder import daemon

    return daemon.run(args)


def sync_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat sync [--identity DIR]`."""
    parser.add_argument(
        "--identity",
        type=Path,
        default=Path("/etc/logboat/identity"),
        metavar="DIR",
        help="folder of the vessel's certificate and key (/etc/logboat/identity)",
    )
    parser.add_argument("--board", help="identifier of this computer (its serial number)")


def sync(args: Namespace, world: Environment) -> int:  # noqa: ARG001
    """Run the sync daemon in the foreground. Return its exit status."""
    with loading():
        from services.syncd import daemon

    return daemon.run(args)


def gnss_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat gnss`: none."""


def gnss(args: Namespace, world: Environment) -> int:  # noqa: ARG001
    """Run the daemon that reads the satellite receiver in the foreground. Return its exit status."""
    with loading():
        from services.gnss import daemon

    return daemon.run(args)


def store_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat store check [--repair]`."""
    check = actions(parser, "check")("check", "check both stores")
    check.add_argument(
        "--repair",
        action="store_true",
        help="move damaged stores to set-aside/, and save the contents that are intact",
    )


def store(args: Namespace, world: Environment) -> int:  # noqa: ARG001
    """Check the stores before any daemon opens them. Return the exit status."""
    with loading():
        from services.recovery import store_check

    return store_check.run(args)


def ended_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat ended DAEMON`."""
    from services.state.crash_loops import DAEMONS

    parser.add_argument(
        "daemon",
        choices=DAEMONS,
        metavar="DAEMON",
        help="name of the daemon; systemd passes the result in the environment",
    )


def ended(args: Namespace, world: Environment) -> int:
    """Record how a daemon ended, from the variables that systemd passes to `ExecStopPost=`.

    Return the exit status of the script that writes the record.
    """
    import subprocess

    from services.state.crash_loops import SCRIPT

    # Units run the script directly, because starting Python takes too long on a slow board.
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), args.daemon, str(args.run), str(args.data), "/dev/stdin"],
        input=f"{world.boottime:.2f} 0\n".encode(),
        check=False,
    )
    return done.returncode


def demo_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat demo [--vessels N] [--for SECONDS] [--keep DIR] [--stay DIR]`."""
    parser.add_argument("--vessels", type=int, default=3, metavar="N", help="number of vessels (3)")
    parser.add_argument(
        "--for",
        dest="for_seconds",
        type=float,
        default=45.0,
        metavar="SECONDS",
        help="duration in seconds (45)",
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep all stores and log files in this folder"
    )
    parser.add_argument(
        "--stay", type=Path, metavar="DIR", help="keep a fleet running in this folder, until Ctrl-C"
    )


def demo(args: Namespace, world: Environment) -> int:  # noqa: ARG001
    """Simulate a fleet on this machine, end to end. Return the exit status."""
    from services.demo import command

    return command.run(args)
