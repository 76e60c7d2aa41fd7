"""The vessel's identity in its fleet, as far as the recorder needs it: to sign what it writes of the vessel
and its boots, so that others may pass that on.

Without an identity nothing is signed, and with one that is broken neither: that is said, and recording goes
on.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensors.tomlfile import unforeseen
from sync.documents import Kind
from sync.store import Database

if TYPE_CHECKING:
    from sync.fleet.identity_files import FleetIdentity

log = logging.getLogger(__name__)

Sign = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""A document's body by its id, signed."""

USUAL: Final = Path("/etc/logboat/identity")
_SIGNED: Final = "boots-signed"
"""Local document: as of which fleet every boot in this store is signed."""
_AT_ONCE: Final = 16
"""Signed in one transaction: each costs some milliseconds of a small machine."""


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """What was found."""

    identity: "FleetIdentity | None" = field(default=None, repr=False)
    fault: str | None = None
    """Why it cannot be used, and what to do."""

    @property
    def fleet(self) -> str | None:
        """The fleet that the vessel is of."""
        return None if self.identity is None else self.identity.fleet

    @property
    def sign(self) -> Sign | None:
        """What signs; None if nothing can be."""
        if self.identity is None:
            return None
        from sync.fleet import signing

        tls = self.identity.tls
        return lambda document_id, body: signing.sign(tls, document_id, body)


NONE: Final = OwnIdentity()


def load(folder: Path, vessel: str) -> OwnIdentity:
    """Return the identity in a folder, which must be that of this vessel.

    Raises nothing, whatever is in the folder: recording goes on.
    """
    with contextlib.suppress(OSError):  # then loading says what is wrong
        if not folder.exists():
            return NONE  # without loading a library for it
    from sync.fleet import identity_files
    from sync.fleet.errors import IdentityError, NoIdentityError

    try:
        identity = identity_files.load(folder)
    except NoIdentityError:
        return NONE
    except IdentityError as error:
        return OwnIdentity(fault=str(error))
    except Exception as error:  # noqa: BLE001  # whatever is in the folder: recording goes on
        text, _ = unforeseen(error)
        return OwnIdentity(fault=f"{folder}: {text}; copy the vessel's identity folder anew")
    if identity.vessel != vessel:
        return OwnIdentity(
            fault=f"{folder}: the identity of {identity.vessel!r}, and the configuration names this vessel"
            f" {vessel!r}; correct [vessel] id, or copy the right identity"
        )
    return OwnIdentity(identity)


def sign_earlier(database: Database, vessel: str, own: OwnIdentity) -> int:
    """Sign the boots that were written without this fleet's identity; how many.

    They are looked for once; after a start without identity, once more. Raises StoreError.
    """
    done = database.get_local(_SIGNED)
    if own.identity is None or own.sign is None:
        if done is not None:
            database.delete_local(_SIGNED, parent=done.rev)
        return 0
    from sync.fleet import signing
    from sync.fleet.errors import SignatureError
    from sync.net.tls import fingerprint

    mark = {"fleet": fingerprint(own.identity.trust.root)}
    if done is not None and done.body == mark:
        return 0
    unsigned = []
    for document in database.documents(f"{Kind.BOOT}:{vessel}:"):
        try:
            signing.signer(document.id, document.body, own.identity.trust)
        except SignatureError:
            unsigned.append(document.id)
    for first in range(0, len(unsigned), _AT_ONCE):
        with database.transaction():
            for document_id in unsigned[first : first + _AT_ONCE]:
                found = database.get(document_id)
                if found is None or found.deleted:
                    continue
                try:
                    body = own.sign(document_id, found.body)
                except SignatureError as error:  # it came from elsewhere, and is odd: not worth a stop
                    log.warning("left unsigned: %s", error)
                    continue
                database.put(document_id, body, parent=found.rev)
    database.put_local(_SIGNED, mark, parent=None if done is None else done.rev)
    return len(unsigned)
