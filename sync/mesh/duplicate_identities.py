"""Detection of two boards with the same vessel's identity, because a card was copied or a key was stolen.

A vessel detects a board with its own identity as soon as the two are connected. A third vessel detects the
two boards when it receives data from each of them in turn. If a card was only moved to another board, the old
board sends no more data, so nothing is reported.
"""

from dataclasses import dataclass
from typing import Final

from sync.fleet.rights import Claim

WITHIN: Final = 600.0
"""Maximum age, in seconds, of data that is used as evidence of a duplicate identity.

Two boards are reported if data arrives from the first, then from the second, and then from the first again.
"""


@dataclass(frozen=True, slots=True)
class DuplicateIdentity:
    """A pair of boards that both have the identity of one vessel."""

    vessel: str
    boards: tuple[str, str]
    since: float
    """Time of the most recent detection, in seconds by the caller's clock."""
    is_ours: bool
    """True if one of the two boards is the one on which this program runs."""

    def __str__(self) -> str:
        one, other = self.boards
        if self.is_ours:
            where = f"this board ({one}) and another board ({other})"
        else:
            where = f"two boards ({one} and {other})"
        return (
            f"{where} both have the identity of vessel {self.vessel}: a card was copied, or its key was"
            " stolen; give one of them its own identity (logboat fleet add), and revoke the certificate"
            " that should not exist"
        )


@dataclass(frozen=True, slots=True)
class LogAhead:
    """Evidence that another vessel has more of this vessel's current log than is stored here."""

    peer: str
    log: str
    sensor: str | None
    """Sensor of the reading that the peer has offered; None if the evidence is a signed `boot` document."""
    number: int
    """Highest sequence number in the offered reading, or the boot number in the `boot` document."""
    since: float

    @property
    def is_signed(self) -> bool:
        """True if this vessel's own signature proves the claim."""
        return self.sensor is None

    def __str__(self) -> str:
        what, which = (
            ("signed boots", f"boot {self.number}")
            if self.sensor is None
            else ("readings", f"number {self.number} of {self.sensor}")
        )
        return (
            f"vessel {self.peer} has {what} of this vessel's log {self.log} that are missing here ({which}):"
            " the card was restored from an earlier copy, and numbers are being reused; restart the recorder"
            f" to begin a new log and to get the data back from {self.peer}"
        )


class DuplicateIdentities:
    """Record of the boards from which data was received recently, and of duplicate identities found."""

    def __init__(self, vessel: str, board: str) -> None:
        """Create an empty record. `vessel` and `board` are the ids of this vessel and this board."""
        self._own = (vessel, board)
        self._heard: dict[str, dict[str, float]] = {}
        """For each vessel, the time at which data was last received from each board, by board id."""
        self._known: dict[str, DuplicateIdentity] = {}
        self._ahead: dict[str, LogAhead] = {}

    @property
    def found(self) -> list[DuplicateIdentity]:
        """The detected duplicate identities, one for each vessel."""
        return list(self._known.values())

    def board_proved(self, vessel: str, board: str, now: float) -> DuplicateIdentity | None:
        """Record that data was received from a board that has presented a certificate of `vessel`.

        If this reveals a duplicate identity that was not known before, return it; otherwise return None.
        """
        own_vessel, own_board = self._own
        if vessel == own_vessel:
            return None if board == own_board else self._report(vessel, (own_board, board), now, ours=True)
        boards = self._heard.setdefault(vessel, {})
        before, clone = boards.get(board), None
        for other, last in boards.items():
            if other != board and before is not None and before <= last and now - before < WITHIN:
                clone = self._report(vessel, (other, board), now, ours=False) or clone
        boards[board] = now
        for other in [name for name, last in boards.items() if now - last > WITHIN]:
            del boards[other]
        return clone

    @property
    def ahead(self) -> list[LogAhead]:
        """Evidence that other vessels have more of our current log than is stored here; one item for each."""
        return list(self._ahead.values())

    def is_known(self, peer: str, claim: Claim) -> bool:
        """Return True if evidence of at least the same strength is already recorded for a vessel's claim."""
        known = self._ahead.get(peer)
        return known is not None and known.log == claim.log and known.is_signed >= claim.is_signed

    def offered(self, peer: str, claim: Claim, now: float) -> LogAhead | None:
        """Record a vessel's claim to have more of our current log than is stored here.

        Return the recorded evidence if the claim is new, or if it is the first claim that our own signature
        proves. Otherwise return None.
        """
        known = self._ahead.get(peer)
        if known is not None and self.is_known(peer, claim):
            # The numbers of different sensors cannot be compared.
            if known.sensor == claim.sensor and claim.number > known.number:
                self._ahead[peer] = LogAhead(peer, claim.log, claim.sensor, claim.number, known.since)
            return None
        self._ahead[peer] = LogAhead(peer, claim.log, claim.sensor, claim.number, now)
        return self._ahead[peer]

    def forget(self, now: float, after: float) -> None:
        """Remove duplicate identities whose last detection was at least `after` seconds ago."""
        self._known = {vessel: clone for vessel, clone in self._known.items() if now - clone.since < after}

    def _report(
        self, vessel: str, boards: tuple[str, str], now: float, *, ours: bool
    ) -> DuplicateIdentity | None:
        known = self._known.get(vessel)
        self._known[vessel] = DuplicateIdentity(vessel, boards, now, ours)
        return None if known is not None and set(known.boards) == set(boards) else self._known[vessel]
