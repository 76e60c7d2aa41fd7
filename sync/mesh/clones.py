"""Two computers that say they are the same vessel: a card that was copied, or a stolen key. Pure.

Whoever meets its own id on another board knows at once. A third vessel knows when it hears two boards of one
vessel in turns: a card that moves to another board is heard there, and on the old one no more.
"""

from dataclasses import dataclass
from typing import Final

WITHIN: Final = 600.0
"""Seconds within which a board must be heard again, after the other, for the two to be there at once."""


@dataclass(frozen=True, slots=True)
class Clone:
    """Two boards with one vessel's identity."""

    vessel: str
    boards: tuple[str, str]
    since: float
    """When it was first known, by the clock that was given."""
    is_ours: bool
    """Whether one of them is this one."""

    def __str__(self) -> str:
        one, other = self.boards
        if self.is_ours:
            where = f"this board ({one}) and another ({other})"
        else:
            where = f"two boards ({one} and {other})"
        return (
            f"{where} both say they are vessel {self.vessel}: a card was copied, or its key stolen;"
            f" give one of them a card of its own (logboat fleet add), and revoke what should not be there"
        )


@dataclass(frozen=True, slots=True)
class Ahead:
    """A vessel that holds more of this vessel's current log than is here."""

    peer: str
    log: str
    sensor: str
    number: int
    """Where a reading begins that is not here; the highest one that was offered."""
    since: float

    def __str__(self) -> str:
        return (
            f"vessel {self.peer} holds readings of this vessel's log {self.log} that are not here"
            f" (number {self.number} of {self.sensor}): the card was put back to an earlier copy, and numbers"
            f" are given again; restart the recorder: a new log begins, and what {self.peer} holds comes back"
        )


class Clones:
    """What was heard of which board."""

    def __init__(self, vessel: str, board: str) -> None:
        """`vessel` and `board` are ours."""
        self._own = (vessel, board)
        self._heard: dict[str, dict[str, float]] = {}
        """By vessel and board: when it was last heard."""
        self._found: dict[str, Clone] = {}
        self._ahead: dict[str, Ahead] = {}

    @property
    def found(self) -> list[Clone]:
        """All that are known, one a vessel."""
        return list(self._found.values())

    def heard(self, vessel: str, board: str, now: float) -> Clone | None:
        """A board has proved by certificate that it is a vessel. What follows from it, if that is news."""
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
    def ahead(self) -> list[Ahead]:
        """Vessels that hold more of our log than we do, one each."""
        return list(self._ahead.values())

    def offered(self, peer: str, log: str, sensor: str, number: int, now: float) -> Ahead | None:
        """A vessel has offered a reading of our current log that is not here. Return what is news of it."""
        known = self._ahead.get(peer)
        if known is not None and known.log == log:
            if number > known.number:
                self._ahead[peer] = Ahead(peer, log, sensor, number, known.since)
            return None
        self._ahead[peer] = Ahead(peer, log, sensor, number, now)
        return self._ahead[peer]

    def forget(self, now: float, after: float) -> None:
        """What was not seen again for so long has been put right."""
        self._found = {vessel: clone for vessel, clone in self._found.items() if now - clone.since < after}

    def _report(self, vessel: str, boards: tuple[str, str], now: float, *, ours: bool) -> Clone | None:
        known = self._found.get(vessel)
        self._found[vessel] = Clone(vessel, boards, now, ours)
        return None if known is not None and set(known.boards) == set(boards) else self._found[vessel]
