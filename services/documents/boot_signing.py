"""Loads the vessel's fleet identity for the recorder, and uses it to sign boot documents.

The recorder signs the documents about the vessel and its boots, so that other vessels can pass them on. If
the vessel has no identity, or an identity that cannot be used, documents are not signed. An unusable identity
is reported, and recording continues.
"""

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensors.toml.toml_file import unforeseen
from sync.documents import DocumentType
from sync.store import Database

if TYPE_CHECKING:
    from sync.fleet.identity_files import FleetIdentity

log = logging.getLogger(__name__)

Sign = Callable[[str, Mapping[str, Any]], dict[str, Any]]
"""Function that takes a document's id and body, and returns the signed body."""

USUAL: Final = Path("/etc/logboat/identity")
_SIGNED: Final = "boots-signed"
"""Id of the local document that names the fleet for which every boot document in this store is signed."""
_AT_ONCE: Final = 16
"""Maximum number of boot documents to sign in one transaction.

Each signature takes a few milliseconds on a small machine.
"""


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """The vessel's fleet identity, or the reason why that identity cannot be used."""

    identity: "FleetIdentity | None" = field(default=None, repr=False)
    fault: str | None = None
    """The reason why the identity cannot be used, and what to do; None if there is no problem."""

    @property
    def fleet(self) -> str | None:
        """Name of the fleet that the vessel belongs to; None without an identity."""
        return None if self.identity is None else self.identity.fleet

    @property
    def sign(self) -> Sign | None:
        """Function that signs documents; None if there is no usable identity."""
        if self.identity is None:
            return None
        from sync.fleet import signing

        tls = self.identity.tls
        return lambda document_id, body: signing.sign(tls, document_id, body)

    def has_signed(self, document_id: str, body: Mapping[str, Any]) -> bool:
        """Return True if the vessel signed its own document with a certificate from its current fleet."""
        if self.identity is None:
            return False
        from sync.fleet import signing
        from sync.fleet.errors import SignatureError

        try:
            return signing.signer(document_id, body, self.identity.trust) == self.identity.vessel
        except SignatureError:
            return False


NONE: Final = OwnIdentity()


def load(folder: Path, vessel: str) -> OwnIdentity:
    """Load the identity in a folder, which must be the identity of `vessel`.

    If the identity cannot be used, no exception is raised: the result contains the reason.
    """
    with contextlib.suppress(OSError):  # an error here is reported when the identity is loaded
        if not folder.exists():
            return NONE  # return early, because the imports below are needed only for an identity
    from sync.fleet import identity_files
    from sync.fleet.errors import IdentityError, NoIdentityError

    try:
        identity = identity_files.load(folder)
    except NoIdentityError:
        return NONE
    except IdentityError as error:
        return OwnIdentity(fault=str(error))
    except Exception as error:  # noqa: BLE001  # recording must continue even with an unusable identity
        text, _ = unforeseen(error)
        return OwnIdentity(fault=f"{folder}: {text}; copy the vessel's identity folder again")
    if identity.vessel != vessel:
        return OwnIdentity(
            fault=f"{folder}: this identity is for {identity.vessel!r}, but the configuration says this "
            f"vessel is {vessel!r}; correct [vessel] id, or copy the right identity"
        )
    return OwnIdentity(identity)


def sign_earlier(database: Database, vessel: str, own: OwnIdentity) -> int:
    """Sign boot documents that do not have a signature for this fleet yet, and return their number.

    The store is searched for such documents at the first start with an identity, and after each start without
    an identity. Raise StoreError if documents cannot be read or written.
    """
    done = database.get_local(_SIGNED)
    if own.identity is None or own.sign is None:
        if done is not None:
            database.delete_local(_SIGNED, parent=done.rev)
        return 0
    from sync.fleet import signing
    from sync.fleet.errors import SignatureError
    from sync.net.certificates import fingerprint

    mark = {"fleet": fingerprint(own.identity.trust.root)}
    if done is not None and done.body == mark:
        return 0
    unsigned = []
    for document in database.documents(f"{DocumentType.BOOT}:{vessel}:"):
        try:
            signing.signer(document.id, document.body, own.identity.trust)
        except SignatureError:
            unsigned.append(document.id)
    for first in range(0, len(unsigned), _AT_ONCE):
        with database.transaction():
            for document_id in unsigned[first : first + _AT_ONCE]:
                boot = database.get(document_id)
                if boot is None or boot.deleted:
                    continue
                try:
                    body = own.sign(document_id, boot.body)
                except SignatureError as error:  # a malformed document from another vessel is skipped
                    log.warning("a boot document was not signed: %s", error)
                    continue
                database.put(document_id, body, parent=boot.rev)
    database.put_local(_SIGNED, mark, parent=None if done is None else done.rev)
    return len(unsigned)
