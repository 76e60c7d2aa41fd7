"""Selects the key of the vessel-to-vessel radio from the latest statement by the fleet's CA.

The CA publishes keys in a statement (`sync.fleet.radio_key`). The statement is in the vessel's identity
folder, or has arrived through the mesh. The sync daemon stores the statement with the highest number, with
the CA's signature, in the data folder. Each part of the statement contains keys that are encrypted for one
vessel, so the file reveals no secret. The code that sets up the radio checks the signature, so the daemon
that writes the file need not be trusted. That code also decrypts this vessel's part with the vessel's private
key.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from provisioning import files
from services.state import boot_state, state_file
from sync.documents import RADIO_KEY
from sync.fleet import identity_files, radio_key
from sync.fleet.effective_trust import Stated, current_radio_key
from sync.fleet.errors import IdentityError, RadioKeyError
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.identity_names import RADIO_STATEMENT
from sync.fleet.radio_key import RadioKey
from sync.store import Database

log = logging.getLogger(__name__)

_KEPT_MODE: Final = 0o640
DUE: Final = "radio-key-due"
"""File in the run directory. When it is created, logboat-rekey.path starts `logboat boot radio`."""
_ASK_EVERY_S: Final = 300.0
_PATIENCE_S: Final = 150.0
"""Maximum time, in seconds, to switch the radio to a new key on a slow board. A longer delay is reported."""


@dataclass(frozen=True, slots=True)
class RadioKeyChoice:
    """The key that the radio should use now."""

    key: str
    mark: str
    """Name of the key, such as `3 before` or `3 after`.

    The number identifies the statement, and `before` or `after` selects one of its two keys.
    """


def known(identity: FleetIdentity, folder: Path, data: Path, problems: list[str]) -> Iterator[Stated]:
    """Yield the radio key statements stored in the identity's folder and in the data folder.

    A problem with the statement in the identity's folder is appended to `problems`.
    """
    root = identity.trust.root
    try:
        loaded = identity_files.load_radio_key(folder, root)
    except IdentityError as error:
        problems.append(str(error))
        loaded = None
    if loaded is not None:
        yield loaded
    try:
        loaded = identity_files.load_radio_key(data, root)
    except IdentityError as error:  # from an earlier fleet, or damaged: the mesh will resend it
        log.info("skipped: %s", error)
        loaded = None
    if loaded is not None:
        yield loaded


def choose(statement: RadioKey, identity: FleetIdentity, now: datetime) -> RadioKeyChoice | None:
    """Return the radio key that a statement assigns to this vessel at the time `now`.

    Return None if the statement contains no key for this vessel. Raise RadioKeyError if the key cannot be
    decrypted.
    """
    keys = radio_key.open_passwords(statement, identity.tls, vessel=identity.vessel, fleet=identity.fleet)
    if keys is None:
        return None
    if statement.has_begun(now):
        return RadioKeyChoice(keys.after, f"{statement.number} after")
    return RadioKeyChoice(keys.before, f"{statement.number} before")


def in_force(identity: FleetIdentity, folder: Path, data: Path, now: datetime) -> RadioKeyChoice | None:
    """Return the radio key from the latest statement; None if the key in `folder`/`radio.key` applies."""
    problems: list[str] = []
    try:
        stated = max(known(identity, folder, data, problems), key=lambda each: each[1].number, default=None)
        return None if stated is None else choose(stated[1], identity, now)
    except RadioKeyError as error:
        problems.append(str(error))
        return None
    finally:
        for problem in problems:
            log.warning("%s", problem)


class RadioKeyWatch:
    """Tracks radio key statements in the sync daemon, stores the latest, and reports the radio's state."""

    def __init__(
        self,
        identity: FleetIdentity,
        *,
        folder: Path,
        data: Path,
        run: Path,
        database: Database,
        has_radio: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the known statements.

        `folder` is the identity's folder. `has_radio` is True if a vessel-to-vessel radio is configured here.
        `clock` returns the time of a monotonic clock, in seconds.
        """
        self._clock, self._waiting_for = clock, ""
        self._waits_since = self._asked = 0.0
        self._identity, self._database, self._has_radio = identity, database, has_radio
        self._data, self._run = data, run
        self._own: list[str] = []
        self._known = list(known(identity, folder, data, self._own))
        self._looked_at: str | None = ""
        self._statement: RadioKey | None = None
        self.problems: list[str] = []
        """Problems with the radio key that require the user's attention."""
        self.told: dict[str, Any] | None = None
        """State of the radio key to publish in `sync.json`; None if the key has never changed."""

    def attend(self, now: datetime) -> None:
        """Process new statements, and update `problems` and `told`.

        Raise StoreError if the store cannot be read.
        """
        if self._revision() != self._looked_at:
            self._take_up()
        self.problems = list(self._own)
        statement = self._statement
        if statement is None:
            self.told = None
            return
        try:
            choice = choose(statement, self._identity, now)
            why_not = (
                None if choice is not None else "the fleet's new radio key was not encrypted for this vessel"
            )
        except RadioKeyError as error:
            choice, why_not = None, str(error)
        when = f"{statement.begins:%Y-%m-%d %H:%M} UTC"
        if why_not is not None:
            self.problems.append(
                f"{why_not} (number {statement.number}, from {when}), so the vessel cannot reach other "
                f"vessels by radio; copy its identity folder, or {RADIO_STATEMENT}, from the fleet's folder "
                "again"
            )
        elif choice is not None and self._is_late(choice.mark):
            self.problems.append(
                f"the radio does not yet use the key that is valid from {when}; run: sudo systemctl restart "
                "logboat-networks logboat-radio"
            )
        self.told = {
            "number": statement.number,
            "begins": statement.begins.timestamp(),
            "hasPart": choice is not None,
            "hasBegun": statement.has_begun(now),
        }

    def _revision(self) -> str | None:
        document = self._database.get(RADIO_KEY)
        return None if document is None else document.rev

    def _take_up(self) -> None:
        stated = current_radio_key(self._database, self._identity.trust.root, self._known)
        self._looked_at = self._revision()
        if stated is None or (self._statement is not None and stated[1].number <= self._statement.number):
            return
        body, statement = stated
        self._statement, self._known = statement, [stated]
        log.info("radio key number %d is valid from %s", statement.number, statement.begins.astimezone(UTC))
        try:
            files.write(self._data / RADIO_STATEMENT, msgspec.json.encode(body), mode=_KEPT_MODE)
        except OSError as error:
            log.warning("%s: %s", error.filename or self._data, error.strerror or error)

    def _is_late(self, mark: str) -> bool:
        """Request that the radio switch to the key `mark`, if necessary.

        Return True if the switch is overdue.
        """
        if not self._is_outdated(mark):
            self._waiting_for = ""
            return False
        now = self._clock()
        if self._waiting_for != mark:
            self._waiting_for, self._waits_since, self._asked = mark, now, now - _ASK_EVERY_S
        if now - self._asked >= _ASK_EVERY_S:
            self._asked = now
            log.info("requesting a new key for the radio: %s", mark)
            try:
                files.write(self._run / DUE, f"{mark}\n".encode(), mode=_KEPT_MODE)
            except OSError as error:
                log.warning("%s: %s", error.filename or self._run, error.strerror or error)
        return now - self._waits_since >= _PATIENCE_S

    def _is_outdated(self, mark: str) -> bool:
        """Return True if the radio was set up with a key other than the one named `mark`."""
        if not self._has_radio or not state_file.path(self._run, boot_state.NAME).exists():
            return False
        return boot_state.read(self._run).radio_key != mark
