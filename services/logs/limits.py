"""How often the same may be said. Pure: the time comes in.

The same is what one place in the code says in the same words, whatever numbers are in them; a place that
says ever other words (a stranger's names, perhaps) has a limit, too. What is not said is counted, and the
count told.
"""

import re
from dataclasses import dataclass
from typing import Final

WITHIN_S: Final = 60.0
SAME: Final = 3
"""Within that time, of the same words."""
PLACE: Final = 30
"""Of one place, whatever its words."""
MOST: Final = 500
"""Words that are remembered."""
_NUMBERS: Final = re.compile(r"\d+(\.\d+)?")


@dataclass(slots=True)
class _Span:
    began: float
    said: int = 0
    kept_back: int = 0
    text: str = ""
    """What was kept back last."""


def same(text: str) -> str:
    """What two texts have in common that differ in their numbers."""
    return _NUMBERS.sub("#", text)


class Limiter:
    """Remembers what was said in the last minute."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], _Span] = {}
        self._places: dict[str, _Span] = {}

    def admit(self, place: str, text: str, now: float) -> int | None:
        """Whether it may be said: how often it was kept back before, or None if it is kept back now."""
        whole = self._places.get(place)
        if whole is None or now - whole.began >= WITHIN_S:
            self._places[place] = whole = _Span(now, kept_back=0 if whole is None else whole.kept_back)
        if whole.said >= PLACE:
            whole.kept_back += 1
            return None
        key = (place, same(text))
        words, before = self._words.get(key), 0
        if words is None or now - words.began >= WITHIN_S:
            before = 0 if words is None else words.kept_back
            self._words.pop(key, None)  # the newest stand last
            self._words[key] = words = _Span(now)
            self._forget()
        if words.said >= SAME:
            words.kept_back += 1
            words.text = text
            return None
        words.said += 1
        whole.said += 1
        return before

    def due(self, now: float) -> list[tuple[str, str, int]]:
        """What was kept back and not said since, once its minute is over: place, words ('' if they were
        many), how often."""
        over = [key for key, span in self._words.items() if now - span.began >= WITHIN_S]
        spans = [(key[0], self._words.pop(key)) for key in over]
        found = [(place, span.text, span.kept_back) for place, span in spans]
        for place, span in self._places.items():
            if now - span.began >= WITHIN_S:
                found.append((place, "", span.kept_back))
                span.kept_back = 0
        return [each for each in found if each[2]]

    def _forget(self) -> None:
        """The oldest words, if there are too many; not what of them is untold."""
        while len(self._words) > MOST:
            place, words = next(iter(self._words))
            self._places[place].kept_back += self._words.pop((place, words)).kept_back
