"""What is trusted now: what the identity's files say, and what has come through the store since.

trust = standing(database, identity)             # at start
trust = standing(database, identity, trust)      # whenever `fleet:revocations` has changed
"""

from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509

from sync.fleet import radio_key
from sync.fleet.errors import RadioKeyError, RevocationsError
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.revocations import from_body
from sync.fleet.trust import Trust
from sync.peer.conflicts import RADIO_KEY, REVOCATIONS
from sync.store import Database


def standing(database: Database, identity: FleetIdentity, before: Trust | None = None) -> Trust:
    """The trust with the highest number of revocations: of the files, of the store, of `before`.

    If the files know more than the store, their document is put there, so that it gets to others.
    Raises StoreError.
    """
    trust = identity.trust if before is None else identity.trust.told(before.revocations)
    with database.transaction():
        found = database.get(REVOCATIONS)
        live = found if found is not None and not found.deleted else None
        number = -1
        if live is not None:
            try:
                said = from_body(live.body, identity.trust.root)
            except RevocationsError:
                pass  # of another fleet that the vessel was in: ours takes its place
            else:
                number, trust = said.number, trust.told(said)
        if identity.trust.revocations.number > max(number, 0):
            database.put(REVOCATIONS, identity.statement, parent=None if live is None else live.rev)
    return trust


Stated = tuple[Mapping[str, Any], radio_key.RadioKey]
"""A document fleet:radio-key, and what it says."""


def radio_key_standing(database: Database, root: x509.Certificate, known: Iterable[Stated]) -> Stated | None:
    """Return the radio's key with the highest number: of `known`, or of the store; None if there is none.

    If `known` has a higher number than the store, its document is put there, so that it gets to others.
    Raises StoreError.
    """
    best = max(known, key=lambda each: each[1].number, default=None)
    with database.transaction():
        found = database.get(RADIO_KEY)
        live = found if found is not None and not found.deleted else None
        if live is not None:
            try:
                said = radio_key.from_body(live.body, root)
            except RadioKeyError:
                pass  # of another fleet that the vessel was in: ours takes its place
            else:
                if best is None or said.number >= best[1].number:
                    return live.body, said
        if best is not None:
            database.put(RADIO_KEY, best[0], parent=None if live is None else live.rev)
    return best
