"""What commands share: their errors, the world they run in, the store, whose vessel this is, JSON.

A command prints to standard output and returns its exit status; what a person did wrong raises UsageError
(exit 2), what could not be done raises FailedError (exit 1). Both become one sentence on standard error.
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
from services.processes import is_alive
from services.systemd import failed_units
from services.zones import zone_of

if TYPE_CHECKING:
    from services.settings import Vessel
    from services.timeline import Moment
    from sync.store import Database

STORE: Final = "log.db"
"""The document store's name in the data directory."""


class CommandError(Exception):
    """A command ends here; the text is a sentence for the person who typed it."""

    status = 1


class FailedError(CommandError):
    """It could not be done."""


class UsageError(CommandError):
    """It was not asked for rightly."""

    status = 2


def login_name() -> str:
    """Who types."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name
        return f"user {os.getuid()}"


def ask_secret(prompt: str) -> str:
    """What a person types at the terminal, without showing it. Raises UsageError if there is no terminal."""
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
    """What a person answers at the terminal. Raises UsageError if there is none."""
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask at; --yes does it without asking")
    try:
        return input(clean(question))
    except EOFError:
        raise UsageError("nothing was typed") from None


@dataclass(frozen=True, slots=True)
class World:
    """What is outside of a command, so that tests can put something else there."""

    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], None] = time.sleep
    alive: Callable[[int], bool] = is_alive
    failed_units: Callable[[], Sequence[str]] = failed_units
    """Of systemd's, ours."""
    user: Callable[[], str] = login_name
    secret: Callable[[str], str] = ask_secret
    ask: Callable[[str], str] = ask_person

    @property
    def utc(self) -> float:
        """Seconds since 1970, as the machine believes."""
        return self.clock.utc_ns() / 1e9

    @property
    def boottime(self) -> float:
        """Boot clock, seconds."""
        return self.clock.boottime_ns() / 1e9


def say(text: str) -> None:
    """A remark beside the output, on standard error."""
    print(text, file=sys.stderr)


def shaped(shape: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts, saying of what shape they are.

    `shape`: one of `services.schemas`, whose file there describes `facts`.
    """
    from services.schemas import format_of

    return {"format": format_of(shape), **facts}


def print_json(shape: str, facts: Mapping[str, Any]) -> None:
    """One line of JSON on standard output, `shaped`; it comes out at once."""
    print(to_json(shaped(shape, facts)), flush=True)


def to_json(facts: Mapping[str, Any]) -> str:
    """Return the facts as one line of JSON, whose control characters are all escapes.

    Half a surrogate pair, as it stands for a byte of a file's name that is no text, becomes a question mark.
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
    """The vessel's document store, which must exist; whatever goes wrong with it is a FailedError."""
    path = args.data / STORE
    if not path.exists():
        raise FailedError(
            f"{path}: there is no document store; has the recorder ever run here? (--data names its folder)"
        )
    # Only sync checkpoints the appliance's store, and whoever watches it wants to know of what is written.
    with opened(path, checkpoint_pages=0, announce=args.run / "watchers") as database:
        yield database


@contextlib.contextmanager
def opened(
    path: Path, *, create: bool = False, checkpoint_pages: int | None = None, announce: Path | None = None
) -> Iterator["Database"]:
    """A document store by its path; whatever goes wrong with it is a FailedError."""
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
    """The vessel as the configuration names it, or as it was last good; None if there is none."""
    from services.configuration import ConfigurationError, load

    if not args.config.exists():
        from services.lastgood import USUAL_PLACES

        if args.config in USUAL_PLACES:
            return None
        raise UsageError(f"{args.config}: there is no such file")
    try:
        return load(args.config).vessel
    except ConfigurationError as error:
        from services.lastgood import LastGood

        try:
            return LastGood(args.data / "last-good").load(error).configuration.vessel
        except ConfigurationError:
            return None


def own_vessel(args: Namespace, database: "Database | None") -> str:
    """Which vessel is meant when nobody says: the one that records here, else the configured one, else the
    only one on record."""
    from services import livestate, shapes

    state = livestate.read(livestate.path(args.run))
    if state is not None and isinstance(state.get("vessel"), str):
        return str(state["vessel"])
    configured = configured_vessel(args)
    if configured is not None:
        return configured.id
    known = [] if database is None else shapes.vessels(database)
    if len(known) == 1:
        return known[0]
    if known:
        raise UsageError(f"which vessel? Name one with --vessel: {', '.join(known)}")
    raise FailedError(
        "nothing is on record yet, and no configuration names the vessel (--config names the file)"
    )


def chosen_vessel(args: Namespace, database: "Database") -> str:
    """The vessel of `--vessel`, which must be on record, or this one."""
    from services import shapes

    if args.vessel is None:
        return own_vessel(args, database)
    known = shapes.vessels(database)
    if args.vessel not in known:
        raise UsageError(
            f"nothing is on record of {args.vessel!r}; there is: {', '.join(known) or 'nothing'}"
        )
    return str(args.vessel)


def zone(args: Namespace) -> tzinfo:
    """The vessel's time zone, for showing times."""
    return zone_for(configured_vessel(args))


def zone_for(configured: "Vessel | None") -> tzinfo:
    """The time zone of a vessel as its configuration has it; UTC without one."""
    return UTC if configured is None or configured.timezone == "UTC" else zone_of(configured.timezone)


def moment_json(moment: "Moment") -> dict[str, Any]:
    """A moment for programs."""
    from services.windows import iso

    return {
        "time": None if moment.utc is None else iso(moment.utc),
        "uncertainty": moment.uncertainty,
        "trust": moment.trust.value,
    }
