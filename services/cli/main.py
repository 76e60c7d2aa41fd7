"""The `logboat` command: runs a subcommand, and converts its outcome to an exit status.

The status is 0 (success), 1 (failure) or 2 (usage error). An error is reported in a sentence, never as a
traceback. Each subcommand's module is imported only when it runs.
"""

import io
import os
import sys
from argparse import REMAINDER, SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final, TextIO

from sensors.plaintext import cleaned_output
from services.console.environment import Environment
from services.console.errors import CommandError, UsageError
from services.console.output import say
from services.logs.setup import in_foreground
from services.system.systemd import ImportProgress, Notifier
from sync.folders import restricted_umask

from .options import Folded, FoldedLines, Parser, common_options


@dataclass(frozen=True, slots=True)
class Command:
    """A subcommand, and the module that defines its functions `<function>_arguments` and `<function>`."""

    name: str
    module: str
    words: str
    is_internal: bool = False
    """True if only Logboat's systemd units run the command. The help and the handbook omit such commands."""
    function: str = ""
    """Name of the command's function; '' if it is the name of the command.

    A command whose name is a Python keyword needs a function with a different name.
    """


GROUPS: Final[dict[str, tuple[Command, ...]]] = {
    "now": (
        Command("status", "status", "show whether the vessel is recording, and if not, why"),
        Command("top", "top", "show everything live on one screen; acknowledge alarms"),
        Command("sensors", "sensors", "list sensors: value, age, rate, faults"),
        Command("doctor", "doctor", "check wiring, clock, card, network and daemons; say what to do"),
        Command("bundle", "bundle", "make a support archive, with secrets removed"),
        Command("outputs", "outputs", "list sirens and other outputs of alarms; test one"),
        Command("peers", "peers", "list vessels nearby, links, gateways and document routes"),
        Command("gateway", "gateway", "resend documents that a gateway has rejected"),
        Command("help", "handbook", "show a page of the handbook: lights, faults, switch …"),
    ),
    "history": (
        Command("log", "log.command", "show a sensor's readings, or add one by hand"),
        Command("alarms", "alarms", "list alarms, current and past"),
        Command("ack", "alarms", "acknowledge an alarm"),
        Command("silence", "silence", "stop the sound of alarms for some minutes"),
        Command("note", "notes", "write a note to the log, or read the notes"),
        Command("service", "service", "list services and when they are due; record a completed service"),
        Command("verify", "verify", "check that every sensor's log is complete"),
    ),
    "setup and daemons": (
        Command("config", "config", "check a configuration file, or apply it"),
        Command("import", "recordings", "check a recording (CSV) for replay", function="import_recording"),
        Command("maintenance", "maintenance", "make an appliance's root file system temporarily writable"),
        Command("record", "daemons", "run the recorder in the foreground, until Ctrl-C"),
        Command("sync", "daemons", "run the sync daemon in the foreground, until Ctrl-C"),
        Command("lights", "lights", "run the lights daemon, until Ctrl-C; test or explain the lights"),
        Command("gnss", "daemons", "run the daemon that reads the satellite receiver, until Ctrl-C"),
        Command("store", "daemons", "check the stores and repair damage"),
        Command(
            "ended", "daemons", "record how a daemon exited (units run a script instead)", is_internal=True
        ),
        Command("boot", "boot", "apply the card's files, as an appliance does at each boot"),
        Command("demo", "daemons", "run a simulated fleet on this machine, end to end"),
    ),
    "ashore, on the operator's computer": (
        Command("fleet", "fleet.command", "manage vessels' identities: init, add, renew, revoke, rekey …"),
    ),
    "diagnostics and scripts": (
        Command("db", "db.command", "use a store: put, get, ls, changes …; push, pull, sync, serve"),
    ),
}
COMMANDS: Final = {command.name: command for group in GROUPS.values() for command in group}


def main(argv: Sequence[str] | None = None, *, world: Environment | None = None) -> int:
    """Run one command and return its exit status."""
    for stream in (sys.stdout, sys.stderr):
        _tolerate(stream)
    if "NOTIFY_SOCKET" in os.environ:
        sys.meta_path.insert(0, ImportProgress(Notifier()))
    with restricted_umask(), cleaned_output(), in_foreground():
        return _ended(sys.argv[1:] if argv is None else list(argv), world or Environment())


def _ended(arguments: list[str], world: Environment) -> int:
    try:
        status = _run(arguments, world)
        sys.stdout.flush()
    except BrokenPipeError:
        # The program that reads the output has closed the pipe. Python flushes the stream again at exit, so
        # redirect it to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 1
    except SystemExit as end:  # raised by argparse after --help
        return end.code if isinstance(end.code, int) else 0
    except Exception as error:  # noqa: BLE001  # our own faults are also reported in a sentence
        return _tell(error)
    return status


def _tell(error: Exception) -> int:
    """Report an error that ended a command, and return the exit status."""
    if isinstance(error, CommandError):
        _complain(str(error))
        return error.status
    if isinstance(error, OSError):
        _complain(f"{error.filename or 'input/output'}: {error.strerror or error}")
    else:
        from services.logs.lines import of_exception

        _complain(f"internal error, please report it: {of_exception(error, error.__traceback__)}")
    return 1


def _tolerate(stream: TextIO) -> None:
    """Make a stream replace characters that it cannot encode, instead of failing."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")


def _complain(text: str) -> None:
    say(f"logboat: {text}")


def _run(arguments: list[str], world: Environment) -> int:
    first = _overall_parser()
    args = first.parse_args(arguments)
    if args.version:
        from services.system.version import VERSION

        print(f"logboat {VERSION}")
        return 0
    if args.command is None:
        first.print_help()
        return 2
    command = COMMANDS.get(args.command)
    if command is None:
        from difflib import get_close_matches

        near = get_close_matches(args.command, COMMANDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"unknown command {args.command!r}{hint}\ntry: logboat --help")
    parser = parser_of(command)
    parsed = parser.parse_args(args.rest, Namespace(**_without(vars(args), "command", "rest", "version")))
    status: int = getattr(_module(command), command.function or command.name)(parsed, world)
    return status


def parser_of(command: Command) -> Parser:
    """Return the parser for a command's arguments."""
    parser = Parser(
        prog=f"logboat {command.name}",
        description=command.words,
        parents=[common_options(SUPPRESS)],
        formatter_class=Folded,
        allow_abbrev=False,
    )
    getattr(_module(command), f"{command.function or command.name}_arguments")(parser)
    return parser


def _module(command: Command) -> ModuleType:
    return import_module(f"services.cli.{command.module}")


def _without(values: dict[str, object], *names: str) -> dict[str, object]:
    return {name: value for name, value in values.items() if name not in names}


def _overall_parser() -> ArgumentParser:
    lines = []
    for group, commands in GROUPS.items():
        shown = [command for command in commands if not command.is_internal]
        lines += ["", f"{group}:", *(f"  {command.name:<11}  {command.words}" for command in shown)]
    parser = Parser(
        prog="logboat",
        usage="logboat [options] COMMAND …",
        description="Logboat records a vessel's machinery." + "\n".join(["", *lines]),
        epilog=(
            "Details: logboat COMMAND --help. Handbook: logboat help.\n"
            "Exit status: 0 done, 1 failed, 2 wrong usage."
        ),
        parents=[common_options(None)],
        formatter_class=FoldedLines,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument("command", nargs="?", help=SUPPRESS)
    parser.add_argument("rest", nargs=REMAINDER, help=SUPPRESS)
    return parser
