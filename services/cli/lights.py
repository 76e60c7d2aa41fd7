"""`logboat lights`: runs the lights daemon. Its actions test, turn off or explain the lights."""

import os
import signal
from argparse import ArgumentParser, Namespace

from services.console.environment import Environment
from services.console.errors import FailedError
from services.console.output import print_json, tell
from services.system.module_loading import loading

from .options import actions, identity_option


def lights_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat lights [test | explain [--table] | off]`."""
    identity_option(parser, "folder of the vessel's certificate")
    choose = actions(parser, "test | explain", required=False)
    choose("test", "turn all lights on for a moment")
    choose("off", "turn all lights off, after the daemon was killed")
    explain = choose("explain", "show what the lights show now, and why")
    explain.add_argument("--table", action="store_true", help="show the table of all patterns")


def lights(args: Namespace, world: Environment) -> int:
    """Run the selected action, or the lights daemon if no action is given. Return the exit status."""
    if args.action == "test":
        return _test(args, world)
    if args.action == "explain":
        return _explain(args, world)
    with loading():
        from services.lights import daemon

    return daemon.off(args) if args.action == "off" else daemon.run(args)


def _test(args: Namespace, world: Environment) -> int:
    from services.state import state_file

    state = state_file.read(state_file.path(args.run, "lights"))
    pid = None if state is None else state.get("pid")
    if not isinstance(pid, int) or not world.alive(pid):
        raise FailedError("the lights daemon is not running; start it with: systemctl start logboat-lights")
    try:
        os.kill(pid, signal.SIGUSR1)
    except OSError as error:
        raise FailedError(
            f"the lights daemon cannot be signalled: {error.strerror or error}; run this with sudo"
        ) from error
    tell("all lights are on for a moment")
    return 0


def _explain(args: Namespace, world: Environment) -> int:
    from services.lights import explain
    from services.lights.facts import Machine
    from services.lights.states import TABLE, shown
    from services.terminal.present import screen

    if args.table:
        if args.json:
            from services.schemas.appliance import LightsTable, TableState

            table = [
                TableState(
                    light=state.light,
                    pin=explain.DEFAULT_PINS[state.light],
                    pattern=state.pattern.name,
                    means=state.means,
                    cure=state.cure,
                    severity=state.severity,
                )
                for state in TABLE
            ]
            print_json(LightsTable(states=table))
        else:
            print(explain.markdown())
        return 0
    machine = Machine(args.run, args.identity)
    states = shown(machine.read_facts(boottime=world.boottime, utc=world.utc, alive=world.alive))
    if args.json:
        print_json(explain.as_json(states))
        return 0
    print("\n".join(explain.now(states, screen())))
    return 0
