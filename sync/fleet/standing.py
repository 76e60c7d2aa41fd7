"""What is trusted now: what the identity's files say, and what has come through the store since.

trust = standing(database, identity)             # at start
trust = standing(database, identity, trust)      # whenever `fleet:revocations` has changed
"""

from sync.fleet.errors import RevocationsError
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.revocations import from_body
from sync.fleet.trust import Trust
from sync.peer.conflicts import REVOCATIONS
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
