"""The current trust and radio key, from the identity's files and from newer documents in the store.

Call `current_trust` at the start, and again whenever `fleet:revocations` has changed:

    trust = current_trust(database, identity)
    trust = current_trust(database, identity, trust)
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509

from sync.documents import RADIO_KEY, REVOCATIONS
from sync.fleet import radio_key
from sync.fleet.errors import RadioKeyError, RevocationsError
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.revocations import from_body
from sync.fleet.trust import FleetTrust
from sync.store import Database


def current_trust(
    database: Database, identity: FleetIdentity, before: FleetTrust | None = None
) -> FleetTrust:
    """Return the trust with the newest revocations found in the identity files, the store and `before`.

    `before` is the earlier trust, if any. If the revocations in the files are newer than those in the store,
    they are stored, so that they are replicated. Raises StoreError if the store fails.
    """
    trust = identity.trust if before is None else identity.trust.with_revocations(before.revocations)
    with database.transaction():
        document = database.get(REVOCATIONS)
        live = document if document is not None and not document.deleted else None
        number = -1
        if live is not None:
            try:
                revocations = from_body(live.body, identity.trust.root)
            except RevocationsError:
                pass  # the stored document is from a former fleet of the vessel, so ours replaces it
            else:
                number, trust = revocations.number, trust.with_revocations(revocations)
        if identity.trust.revocations.number > max(number, 0):
            database.put(REVOCATIONS, identity.statement, parent=None if live is None else live.rev)
    return trust


Stated = tuple[Mapping[str, Any], radio_key.RadioKey]
"""The body of a `fleet:radio-key` document, and its parsed content."""


def current_radio_key(database: Database, root: x509.Certificate, known: Iterable[Stated]) -> Stated | None:
    """Return the newest radio key found in `known` and the store, or None if there is none.

    If a key in `known` is newer than the stored one, that key is stored, so that it is replicated. Raises
    StoreError if the store fails.
    """
    best = max(known, key=lambda each: each[1].number, default=None)
    with database.transaction():
        document = database.get(RADIO_KEY)
        live = document if document is not None and not document.deleted else None
        if live is not None:
            try:
                statement = radio_key.from_body(live.body, root)
            except RadioKeyError:
                pass  # the stored document is from a former fleet of the vessel, so ours replaces it
            else:
                if best is None or statement.number >= best[1].number:
                    return live.body, statement
        if best is not None:
            database.put(RADIO_KEY, best[0], parent=None if live is None else live.rev)
    return best
