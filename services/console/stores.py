"""The document store, the configuration and the vessel that a command line selects."""

import contextlib
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.config.timezones import zone_of

if TYPE_CHECKING:
    from services.config.model import VesselSection
    from services.history.undocumented import Undocumented
    from sync.store import Database
from sensors.plaintext import clean
from services.console.errors import FailedError, UsageError
from services.console.output import say

STORE: Final = "log.db"
"""File name of the document store in the data directory."""


@contextlib.contextmanager
def reading_store(args: Namespace) -> Iterator["Database"]:
    """Open the vessel's document store, which must exist. Raise FailedError if that fails."""
    path = args.data / STORE
    if not path.exists():
        raise FailedError(
            f"{path}: no document store; start the recorder first, or specify the store's folder with --data"
        )
    # Only the sync daemon checkpoints the appliance's store, and processes that watch the store must be
    # notified of each write.
    with open_store(path, checkpoint_pages=0, announce=args.run / "watchers") as database:
        yield database


def undocumented_samples(args: Namespace) -> "Undocumented | None":
    """Return the samples of the sensor `args.sensor` that are in the journal but may not be in documents yet.

    If the journal cannot be read, print a message and return None. Call this before reading any document.
    """
    from services.history.undocumented import JournalError, undocumented

    try:
        return undocumented(args.data, args.sensor)
    except JournalError as error:
        say(f"the newest samples, which are not in documents yet, cannot be shown: {clean(str(error))}")
        return None


@contextlib.contextmanager
def open_store(
    path: Path, *, create: bool = False, checkpoint_pages: int | None = None, announce: Path | None = None
) -> Iterator["Database"]:
    """Open the document store at a path. Raise FailedError if that fails."""
    from sync.documents import POLICY
    from sync.store import Database, StoreError
    from sync.store.schema import WAL_PAGES

    try:
        with Database.open(
            path,
            policy=POLICY,
            announce=announce,
            checkpoint_pages=WAL_PAGES if checkpoint_pages is None else checkpoint_pages,
            create=create,
        ) as database:
            yield database
    except StoreError as error:
        raise FailedError(str(error)) from error


def configured_vessel(args: Namespace) -> "VesselSection | None":
    """Return the [vessel] section of the configuration, or of the last good one; None if there is neither.

    Raise UsageError if --config refers to a file that does not exist.
    """
    from services.config.loader import ConfigurationError, load

    if not args.config.exists():
        from services.config.last_good import USUAL_PLACES

        if args.config in USUAL_PLACES:
            return None
        raise UsageError(f"{args.config}: no such file")
    try:
        return load(args.config).vessel
    except ConfigurationError as error:
        from services.config.last_good import LastGood

        try:
            return LastGood(args.data / "last-good").load(error, check_recordings=False).configuration.vessel
        except ConfigurationError:
            return None


def own_vessel(args: Namespace, database: "Database | None") -> str:
    """Return the id of this vessel.

    The id comes from the recorder's state, or else from the configuration, or else from the store if that
    contains only one vessel. Raise UsageError if the store contains several vessels, and FailedError if it
    contains none.
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
        raise UsageError(f"the store has several vessels; choose one with --vessel: {', '.join(known)}")
    raise FailedError(
        "the store is empty, and no configuration contains the vessel id; specify the "
        "configuration file with --config"
    )


def chosen_vessel(args: Namespace, database: "Database") -> str:
    """Return the vessel selected with `--vessel`, or this vessel if the option is missing.

    Raise UsageError if the store contains nothing from that vessel.
    """
    from services.documents import models

    if args.vessel is None:
        return own_vessel(args, database)
    known = models.vessels(database)
    if args.vessel not in known:
        raise UsageError(f"unknown vessel {args.vessel!r}; known vessels: {', '.join(known) or 'none'}")
    return str(args.vessel)


def zone(args: Namespace) -> tzinfo:
    """Return the vessel's time zone, in which times are shown."""
    return zone_for(configured_vessel(args))


def zone_for(configured: "VesselSection | None") -> tzinfo:
    """Return the configured time zone of a vessel; UTC without a configuration."""
    return UTC if configured is None or configured.timezone == "UTC" else zone_of(configured.timezone)
