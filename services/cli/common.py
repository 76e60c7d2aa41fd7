"""Shared parts of the commands: errors, the environment, the store, the choice of the vessel, JSON.

A command prints to standard output and returns its exit status. A mistake of the user raises UsageError (exit
status 2), and a failure raises FailedError (exit status 1). Both become one sentence on standard error.
"""

import contextlib
import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensors.clock import Clock, SystemClock
from sensors.plaintext import clean, json_text
from services.config.timezones import zone_of
from services.system.processes import is_alive
from services.system.systemd import failed_units

if TYPE_CHECKING:
    from services.config.model import Vessel
    from services.history.timeline import Moment
    from sync.store import Database

STORE: Final = "log.db"
"""File name of the document store in the data directory."""


class CommandError(Exception):
    """Failure of a command; the text is a sentence for the user."""

    status = 1


class FailedError(CommandError):
    """Failure of the requested action."""


class UsageError(CommandError):
    """Error in the command line."""

    status = 2


def login_name() -> str:
    """Return the login name of the user."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return f"user {os.getuid()}"


def ask_secret(prompt: str) -> str:
    """Ask for a secret at the terminal, without showing what is typed.

    Raise UsageError if there is no terminal, or if input ends.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise UsageError("there is no terminal to ask for a secret at; hand it in as a file") from None
    os.close(terminal)
    import getpass

    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise UsageError("nothing was typed") from None


def ask_person(question: str) -> str:
    """Ask a question at the terminal, and return the answer.

    Raise UsageError if there is no terminal, or if input ends.
    """
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask at; --yes does it without asking")
    try:
        return input(clean(question))
    except EOFError:
        raise UsageError("nothing was typed") from None


@dataclass(frozen=True, slots=True)
class World:
    """The environment of a command, so that tests can replace it."""

    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], None] = time.sleep
    alive: Callable[[int], bool] = is_alive
    failed_units: Callable[[], Sequence[str]] = failed_units
    """Function that returns Logboat's units that systemd lists as failed."""
    user: Callable[[], str] = login_name
    secret: Callable[[str], str] = ask_secret
    ask: Callable[[str], str] = ask_person

    @property
    def utc(self) -> float:
        """Current time by the system clock, in seconds since 1970."""
        return self.clock.utc_ns() / 1e9

    @property
    def boottime(self) -> float:
        """Current time of the boot clock, in seconds."""
        return self.clock.boottime_ns() / 1e9


def say(text: str) -> None:
    """Print a remark on standard error, apart from the output."""
    print(text, file=sys.stderr)


def shaped(shape: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with the format that describes them.

    `shape` is the name of a schema in `services.schemas`.
    """
    from services.schemas import format_of

    return {"format": format_of(shape), **facts}


def print_json(shape: str, facts: Mapping[str, Any]) -> None:
    """Print the facts as one line of JSON with their format, and flush it."""
    print(to_json(shaped(shape, facts)), flush=True)


def to_json(facts: Mapping[str, Any]) -> str:
    """Return the facts as one line of JSON, with all control characters escaped.

    A lone surrogate, which stands for an undecodable byte of a file name, becomes a question mark.
    """
    import msgspec

    try:
        return json_text(msgspec.json.encode(facts))
    except UnicodeEncodeError:
        import json

        plain = json.dumps(msgspec.to_builtins(facts), ensure_ascii=False)
        return json_text(plain.encode(errors="replace"))


@contextlib.contextmanager
def reading_store(args: Namespace) -> Iterator["Database"]:
    """Open the vessel's document store, which must exist. Raise FailedError if that fails."""
    path = args.data / STORE
    if not path.exists():
        raise FailedError(
            f"{path}: there is no document store; has the recorder ever run here? (--data names its folder)"
        )
    # Only sync checkpoints the appliance's store, and processes that watch it must hear of each write.
    with opened(path, checkpoint_pages=0, announce=args.run / "watchers") as database:
        yield database


@contextlib.contextmanager
def opened(
    path: Path, *, create: bool = False, checkpoint_pages: int | None = None, announce: Path | None = None
) -> Iterator["Database"]:
    """Open a document store by its path. Raise FailedError if that fails."""
    from sync.documents import is_single_writer
    from sync.store import Database, StoreError
    from sync.store.schema import WAL_PAGES

    try:
        with Database.open(
            path,
            single_writer=is_single_writer,
            announce=announce,
            checkpoint_pages=WAL_PAGES if checkpoint_pages is None else checkpoint_pages,
            create=create,
        ) as database:
            yield database
    except StoreError as error:
        raise FailedError(str(error)) from error


def configured_vessel(args: Namespace) -> "Vessel | None":
    """Return the vessel of the configuration, or of the last good one; None if there is none.

    Raise UsageError if --config refers to a file that does not exist.
    """
    from services.config.loader import ConfigurationError, load

    if not args.config.exists():
        from services.config.last_good import USUAL_PLACES

        if args.config in USUAL_PLACES:
            return None
        raise UsageError(f"{args.config}: there is no such file")
    try:
        return load(args.config).vessel
    except ConfigurationError as error:
        from services.config.last_good import LastGood

        try:
            return LastGood(args.data / "last-good").load(error).configuration.vessel
        except ConfigurationError:
            return None


def own_vessel(args: Namespace, database: "Database | None") -> str:
    """Return the id of this vessel.

    It comes from the recorder's state, else from the configuration, else from the store if that contains a
    single vessel. Raise UsageError if the store contains several, FailedError if it contains none.
    """
    from services.documents import models
    from services.state import state_file

    state = state_file.read(state_file.path(args.run))
    if state is not None and isinstance(state.get("vessel"), str):
        return str(state["vessel"])
    configured = configured_vessel(args)
    if configured is not None:
        return configured.id
    known = [] if database is None else models.vessels(database)
    if len(known) == 1:
        return known[0]
    if known:
        raise UsageError(f"which vessel? Name one with --vessel: {', '.join(known)}")
    raise FailedError(
        "nothing is on record yet, and no configuration names the vessel (--config names the file)"
    )


def chosen_vessel(args: Namespace, database: "Database") -> str:
    """Return the vessel of `--vessel`, or this one if the option is missing.

    Raise UsageError if the store contains nothing of that vessel.
    """
    from services.documents import models

    if args.vessel is None:
        return own_vessel(args, database)
    known = models.vessels(database)
    if args.vessel not in known:
        raise UsageError(
            f"nothing is on record of {args.vessel!r}; there is: {', '.join(known) or 'nothing'}"
        )
    return str(args.vessel)


def zone(args: Namespace) -> tzinfo:
    """Return the vessel's time zone, in which times are shown."""
    return zone_for(configured_vessel(args))


def zone_for(configured: "Vessel | None") -> tzinfo:
    """Return the configured time zone of a vessel; UTC without a configuration."""
    return UTC if configured is None or configured.timezone == "UTC" else zone_of(configured.timezone)


def moment_json(moment: "Moment") -> dict[str, Any]:
    """Return a moment as JSON facts."""
    from services.documents.reading_window import iso

    return {
        "time": None if moment.utc is None else iso(moment.utc),
        "uncertainty": moment.uncertainty,
        "trust": moment.trust.value,
    }
