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


class Clones:
    """What was heard of which board."""

    def __init__(self, vessel: str, board: str) -> None:
        """`vessel` and `board` are ours."""
        self._own = (vessel, board)
        self._heard: dict[str, dict[str, float]] = {}
        """By vessel and board: when it was last heard."""
        self._found: dict[str, Clone] = {}

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

    def forget(self, now: float, after: float) -> None:
        """What was not seen again for so long has been put right."""
        self._found = {vessel: clone for vessel, clone in self._found.items() if now - clone.since < after}

    def _report(self, vessel: str, boards: tuple[str, str], now: float, *, ours: bool) -> Clone | None:
        known = self._found.get(vessel)
        self._found[vessel] = Clone(vessel, boards, now, ours)
        return None if known is not None and set(known.boards) == set(boards) else self._found[vessel]
