"""Checks claims by peers to have later samples of this vessel's current log, and notifies the recorder.

A peer may repeat a claim with each reading that it sends, so a claim that is already known causes no file
access. If the store cannot be read, the connection to the peer continues.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from services.journal import number_witness
from services.recovery import rollback
from services.state import peer_ahead
from sync.fleet.rights import Claim
from sync.mesh.duplicate_identities import DuplicateIdentities, LogAhead
from sync.store import Database, StoreError

log = logging.getLogger(__name__)


def check_claim(
    claim: Claim,
    peer: str,
    *,
    vessel: str,
    data: Path,
    database: Database,
    clones: DuplicateIdentities,
    report: Callable[[str, Claim], LogAhead | None],
) -> None:
    """Leave a note for the recorder if a peer claims to have later samples of this vessel's log.

    `vessel` is this vessel's id, and `data` its data folder. `report` records the claim in `clones`, and
    returns the entry if it is new.
    """
    if not clones.is_known(peer, claim):
        given = number_witness.read(number_witness.path_in(data))
        try:
            if not rollback.is_beyond(claim, given, database, vessel):
                return
        except StoreError as error:
            log.warning("a claim by vessel %s about log %s cannot be checked: %s", peer, claim.log, error)
            return
    ahead = report(peer, claim)
    if ahead is None:
        return
    try:
        peer_ahead.note(data, ahead.log, str(ahead), is_signed=ahead.is_signed)
    except OSError as error:
        log.warning("%s", error)
