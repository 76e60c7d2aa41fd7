"""Applies the files offered at a start: checks them, applies them, and wipes their secrets.

If any offered file is wrong, the files in use do not change, and the offered files stay where they are.
Secrets are wiped only after their copies in use have been read back. No failure in this module prevents the
start: each failure is reported as a problem.
"""

import errno
import json
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from provisioning import files
from provisioning.bundle import identity as identities
from provisioning.bundle.contents import IDENTITY, RADIO_KEY, SENSORS, VESSEL
from provisioning.errors import BundleError
from sensors.toml.toml_file import FileProblem, unforeseen
from sync.fleet.errors import IdentityError
from sync.fleet.identity_names import RADIO_STATEMENT, REVOCATIONS
from sync.folders import PUBLIC

from . import near_misses, permissions, problems, secret_wiping
from .active_config import CONFIG, ActiveConfiguration, StartRecord, digest
from .offers import IN_FORCE, OfferedFiles, collect

_STATEMENTS: Final = (REVOCATIONS, RADIO_STATEMENT)
"""Names of the statements that the fleet's CA signs and numbers; the one with the highest number applies."""
_ON_CARD: Final = {in_force: name for name, in_force in IN_FORCE.items()}


@dataclass(frozen=True, slots=True)
class FolderCheck:
    """Result of checking a folder that contains `logboat.toml` and `sensors.toml`."""

    problems: tuple[FileProblem, ...]
    vessel: str = ""
    """Id of the vessel in the configuration."""
    warnings: tuple[FileProblem, ...] = ()
    """Mistakes that cause a new file to be rejected, but not a file that is already in use."""


Check = Callable[[Path], FolderCheck]
"""Function that checks a folder; it raises no exception, and reports any problems in its result."""


@dataclass(frozen=True, slots=True)
class BesideOutcome:
    """Result of applying files that other programs wrote to the card."""

    problems: tuple[FileProblem, ...] = ()
    notes: tuple[FileProblem, ...] = ()
    """Requests that were understood, but not fulfilled; the files need not be changed."""


Beside = Callable[[Callable[[], None]], BesideOutcome]
"""Function that applies files that other programs wrote to the card, and returns the problems with them.

Its argument is a callback that makes the card writable.
"""


def no_other_files(_open: Callable[[], None]) -> BesideOutcome:
    """Do nothing. Used as `Beside` if no other program writes files to the card."""
    return BesideOutcome()


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of applying the offered files."""

    problems: tuple[FileProblem, ...]
    taken: tuple[str, ...]
    """Names of the new files that were applied."""
    generated: bool
    """True if the vessel has only a generated id."""
    unused: tuple[FileProblem, ...] = ()
    """Files on the card that were probably meant for Logboat, but are not used."""


class Intake:
    """A single run that applies the offered files, at a start or for `config apply`."""

    def __init__(
        self,
        force: ActiveConfiguration,
        *,
        card: Path | None,
        inbox: Path | None,
        check: Check,
        now: datetime,
        fallback: str,
        writable: Callable[[], AbstractContextManager[None]],
        beside: Beside = no_other_files,
    ) -> None:
        """Set the folders; `card` and `inbox` are None if they do not exist.

        `fallback` is the vessel's id until someone configures one. `writable` returns a context manager that
        makes the card writable, and may raise OSError. `beside` applies files that other programs wrote to
        the card.
        """
        self._force = force
        self._card = card
        self._inbox = inbox
        self._check = check
        self._now = now
        self._fallback = fallback
        self._writable = writable
        self._beside = beside
        self._stack = ExitStack()
        self._is_open = False
        self._problems: list[FileProblem] = []
        self._unused: list[FileProblem] = []
        self._notes: list[FileProblem] = []
        self._requests: list[FileProblem] = []
        self._refused: set[str] = set()

    def run(self, extra: OfferedFiles | None = None) -> Outcome:
        """Apply the offered files and `extra`.

        No exception is raised: every failure is reported as a problem.
        """
        taken: tuple[str, ...] = ()
        try:
            with self._stack:
                if self._attempt(self._force.folder, self._force.recover):
                    self._attempt(self._card, self._finish_wiping)
                    offer = self._collect(extra)
                    if offer is not None:
                        taken = self._take(offer)
                    self._attempt(self._force.folder, self._name)
                    if offer is not None:
                        self._attempt(self._card, self._show)
                    self._attempt(self._card, self._look_beside)
                    self._attempt(self._card, self._find_unused)
                self._attempt(self._card, self._tell)
        except Exception as error:  # noqa: BLE001  # the card could not be made read-only again
            self._fail(self._card, error)
        return Outcome(tuple(self._problems), taken, self._force.memory.generated, tuple(self._unused))

    # Applying the files

    def _collect(self, extra: OfferedFiles | None) -> OfferedFiles | None:
        inbox = self._inbox
        if inbox is not None and not permissions.is_ours(inbox):
            self._complain(
                inbox, "the folder does not belong to root, so it is not used", "Write the card again."
            )
            inbox = None
        try:
            offer = collect(self._card, inbox, memory=self._force.memory)
        except BundleError as error:
            what, _, remedy = str(error).partition("; ")
            self._complain(self._card or self._force.folder, what, f"{remedy[:1].upper()}{remedy[1:]}.")
            self._refused |= set(_ON_CARD)
            return None
        except Exception as error:  # noqa: BLE001  # no content of a card may prevent the start
            self._fail(self._card, error)
            return None
        if extra is not None:
            offer.configuration |= extra.configuration
            offer.origins |= extra.origins
        return offer

    def _take(self, offer: OfferedFiles) -> tuple[str, ...]:
        try:
            present = self._force.configuration()
            new = {name for name, each in offer.configuration.items() if present.get(name) != each}
            if offer.identity and not self._is_identity_in_force(offer):
                new.add(IDENTITY)
            if new and not self._change(offer, present):
                self._refused |= set(_ON_CARD)
                return ()
            self._force.remember(
                replace(self._force.memory, shown={**self._force.memory.shown, **offer.shown})
            )
        except Exception as error:  # noqa: BLE001  # as above
            self._fail(self._force.folder, error)
            self._refused |= set(_ON_CARD)
            return ()
        self._attempt(self._card, lambda: self._wipe(offer))
        return tuple(sorted(new))

    def _change(self, offer: OfferedFiles, present: dict[str, bytes]) -> bool:
        """Apply the offered files and return True, or report the problems and return False."""
        memory, wanted = self._force.memory, present | offer.configuration
        if offer.identity and memory.generated and CONFIG not in offer.configuration:
            wanted.pop(CONFIG, None)
        identity = self._with_radio_key(offer.identity)
        staged = self._force.prepare(wanted, identity)
        objections = list(self._objections(offer, staged))
        if not objections:
            self._complete(staged, wanted)
            new = {name for name, each in offer.configuration.items() if present.get(name) != each}
            objections = list(self._check_configuration(offer, staged, new))
        if objections:
            self._force.discard()
            self._problems += objections
            return False
        has_settings = CONFIG in offer.configuration or bool(offer.identity)
        self._force.commit(
            StartRecord(
                shown={**memory.shown, **offer.shown},
                forced={name: digest(wanted[name]) for name in _ON_CARD if name in wanted},
                wipe=memory.wipe,
                generated=memory.generated and not has_settings,
            )
        )
        return True

    def _objections(self, offer: OfferedFiles, staged: Path) -> Iterable[FileProblem]:
        if offer.identity:
            place = offer.origins[IDENTITY]
            present = identities.load(self._force.identity)
            for text, remedy in identities.objections(staged / IDENTITY, present=present, now=self._now):
                yield FileProblem(place, None, "", text, remedy)

    def _check_configuration(
        self, offer: OfferedFiles, staged: Path, new: Collection[str]
    ) -> Iterable[FileProblem]:
        verdict = self._check(staged)
        refusals = (*verdict.problems, *(each for each in verdict.warnings if each.file.name in new))
        for problem in refusals:
            name = problem.file.name
            place = offer.origins.get(name, self._force.folder / _ON_CARD.get(name, name))
            yield replace(problem, file=place)
        whose = identities.load(staged / IDENTITY) or identities.load(self._force.identity)
        objection = None if whose is None else identities.id_objection(verdict.vessel, whose.vessel)
        if not refusals and objection is not None:
            place = offer.origins.get(CONFIG, self._force.folder / VESSEL)
            yield FileProblem(place, None, "id", *objection, table="[vessel]")

    def _complete(self, staged: Path, wanted: dict[str, bytes]) -> None:
        """Add the vessel's id to the staged change, and any newer statements of the CA that are in use."""
        if not (staged / IDENTITY).is_dir():
            return
        offered = identities.whole(staged / IDENTITY)
        if CONFIG not in wanted:
            wanted[CONFIG] = _named(offered.vessel)
            self._stage(staged / CONFIG, wanted[CONFIG])
        present = identities.load(self._force.identity)
        if present is not None and present.trust.revocations.number > offered.trust.revocations.number:
            newer = (self._force.identity / REVOCATIONS).read_bytes()
            self._stage(staged / IDENTITY / REVOCATIONS, newer)
        statement = self._force.identity / RADIO_STATEMENT
        if statement.is_file() and self._is_newer(statement, staged / IDENTITY / RADIO_STATEMENT):
            self._stage(staged / IDENTITY / RADIO_STATEMENT, statement.read_bytes())

    def _is_newer(self, statement: Path, other: Path) -> bool:
        ours = _number(statement.read_bytes())
        theirs = _number(other.read_bytes()) if other.is_file() else None
        return ours is not None and (theirs is None or ours > theirs)

    def _stage(self, path: Path, content: bytes) -> None:
        files.write(path, content, mode=permissions.mode(), group=permissions.group())

    def _with_radio_key(self, identity: dict[str, bytes]) -> dict[str, bytes]:
        """Add the radio key in use to an identity that has none, such as one in a version 1 bundle."""
        present = self._force.identity / RADIO_KEY
        if identity and RADIO_KEY not in identity and present.exists():
            return {**identity, RADIO_KEY: present.read_bytes()}
        return identity

    def _is_identity_in_force(self, offer: OfferedFiles) -> bool:
        """Return True if the offered identity is already in use.

        A statement of the CA counts as new only if it is newer than the statement in use.
        """
        return all(
            self._is_statement_in_force(name, content)
            if name in _STATEMENTS
            else (self._force.identity / name).is_file()
            and (self._force.identity / name).read_bytes() == content
            for name, content in offer.identity.items()
        )

    def _is_statement_in_force(self, name: str, offered: bytes) -> bool:
        """Return True if the statement in use is at least as new as the offered one.

        An offered statement that is unreadable counts as newer, so that the later check reports it.
        """
        path = self._force.identity / name
        if not path.is_file():
            return False
        present, number = _number(path.read_bytes()), _number(offered)
        return number is not None and (present is None or number <= present)

    # Wiping

    def _wipe(self, offer: OfferedFiles) -> None:
        """Wipe the secrets that were offered, once their copies in use have been read back."""
        if not offer.secrets:
            return
        for name, content in offer.configuration.items():
            self._compare(self._force.folder / name, content)
        for name, content in offer.identity.items():
            if name not in _STATEMENTS:
                self._compare(self._force.identity / name, content)
        memory = self._force.memory
        self._force.remember(replace(memory, wipe={**memory.wipe, **offer.secrets}))
        self._finish_wiping()

    def _compare(self, path: Path, content: bytes) -> None:
        if files.read_back(path) != content:
            text = "the file read back differs from what was written"
            raise OSError(None, text, str(path))

    def _finish_wiping(self) -> None:
        memory = self._force.memory
        if memory.wipe:
            self._open()
            secret_wiping.wipe(memory.wipe)
            self._force.remember(replace(memory, wipe={}))

    # Defaults, and the copies on the card

    def _name(self) -> None:
        """Configure the fallback id for a vessel without a configuration, so that the vessel can record."""
        if not (self._force.folder / CONFIG).exists():
            files.write(
                self._force.folder / CONFIG,
                _named(self._fallback),
                mode=permissions.mode(),
                group=permissions.group(),
            )
            self._force.remember(replace(self._force.memory, generated=True))

    def _show(self) -> None:
        """Write the files in use to the card, but do not overwrite rejected files there."""
        if self._card is None:
            return
        in_force, memory = self._force.configuration(), self._force.memory
        shown = dict(memory.shown)
        for name, on_card in _ON_CARD.items():
            content, path = in_force.get(name), self._card / on_card
            if content is None or name in self._refused or shown.get(on_card) == digest(content):
                continue
            if self._check(self._force.folder).problems:
                return  # someone has since made a mistake in the files in use, which the recorder reports
            self._open()
            path.parent.mkdir(mode=PUBLIC, exist_ok=True)
            files.write_on_fat(path, content)
            shown[on_card] = digest(content)
        forced = {name: digest(in_force[name]) for name in _ON_CARD if name in in_force}
        self._force.remember(replace(memory, shown=shown, forced=forced))

    def _look_beside(self) -> None:
        found = self._beside(self._open)
        self._problems += found.problems
        self._requests += found.notes

    def _find_unused(self) -> None:
        if self._card is not None:
            self._unused += near_misses.near_misses(self._card)
            self._notes += near_misses.without_effect(self._card)

    def _tell(self) -> None:
        unused = [*self._unused, *self._notes]
        requests = self._requests
        if self._card is not None and (self._card.is_dir() or self._problems or unused or requests):
            problems.show(self._card, self._problems, unused, requests, before=self._open_folder)

    def _open_folder(self) -> None:
        self._open()
        if self._card is not None:
            self._card.mkdir(mode=PUBLIC, exist_ok=True)

    def _open(self) -> None:
        """Make the card writable until the end of the run."""
        if not self._is_open:
            self._stack.enter_context(self._writable())
            self._is_open = True

    # Problems

    def _attempt(self, where: Path | None, action: Callable[[], None]) -> bool:
        try:
            action()
        except Exception as error:  # noqa: BLE001  # as above
            self._fail(where, error)
            return False
        return True

    def _fail(self, where: Path | None, error: Exception) -> None:
        if not isinstance(error, OSError | IdentityError):
            self._complain(where or self._force.folder, *unforeseen(error))
            return
        words = (error.strerror if isinstance(error, OSError) else None) or str(error)
        name = error.filename if isinstance(error, OSError) else None
        place = Path(str(name)) if name else where or self._force.folder
        remedy = "Check the card's lock switch. If it is off, the card is failing; replace it soon."
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            remedy = "Free up space there: delete files that are not Logboat's."
        self._complain(place, f"the file could not be read or written: {words}", remedy)

    def _complain(self, place: Path, text: str, remedy: str) -> None:
        self._problems.append(FileProblem(place, None, "", text, remedy))


def _number(statement: bytes) -> int | None:
    """Return the number in a statement, without verifying its signature; None if it cannot be read."""
    try:
        return int(json.loads(statement)["number"])
    except Exception:  # noqa: BLE001  # the file may have any content
        return None


def _named(vessel: str) -> bytes:
    return f'[vessel]\nid = "{vessel}"\n'.encode()


__all__ = ["SENSORS", "Check", "FolderCheck", "Intake", "Outcome"]
