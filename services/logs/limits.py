"""Limits on how often the same message is logged. The caller passes in the current time.

Messages are the same if they come from the same place in the code and differ only in numbers. A further limit
applies to each place, because messages from one place may all differ, for example in names sent by a peer.
Suppressed messages are counted, and the count is logged.
"""

import re
from dataclasses import dataclass
from typing import Final

WITHIN_S: Final = 60.0
SAME: Final = 3
"""Maximum number of times to log the same message within `WITHIN_S` seconds."""
PLACE: Final = 30
"""Maximum number of messages from the same place in the code to log within `WITHIN_S` seconds."""
MOST: Final = 500
"""Maximum number of different messages whose counts a `Limiter` keeps."""
_NUMBERS: Final = re.compile(r"\d+(\.\d+)?")


@dataclass(slots=True)
class _Span:
    began: float
    said: int = 0
    kept_back: int = 0
    text: str = ""
    """Text of the last suppressed message."""


def same(text: str) -> str:
    """Return `text` with `#` in place of numbers. Messages with equal results count as the same message."""
    return _NUMBERS.sub("#", text)


class Limiter:
    """Rate limiter for log messages, which remembers the messages of the last minute."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, str], _Span] = {}
        self._places: dict[str, _Span] = {}

    def admit(self, place: str, text: str, now: float) -> int | None:
        """Count a message, and return None if it must be suppressed now.

        Otherwise return the number of times that the message was suppressed since it was last logged.
        """
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
            self._words.pop(key, None)  # keeps the newest message last
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
        """Return suppressed messages that have not been logged since, and whose limiting period is over.

        Each item is a place in the code, a message ('' if several different messages were suppressed) and a
        count.
        """
        over = [key for key, span in self._words.items() if now - span.began >= WITHIN_S]
        spans = [(key[0], self._words.pop(key)) for key in over]
        counts = [(place, span.text, span.kept_back) for place, span in spans]
        for place, span in self._places.items():
            if now - span.began >= WITHIN_S:
                counts.append((place, "", span.kept_back))
                span.kept_back = 0
        return [each for each in counts if each[2]]

    def _forget(self) -> None:
        """Discard the oldest messages if there are too many, but keep the counts of suppressed messages."""
        while len(self._words) > MOST:
            place, words = next(iter(self._words))
            self._places[place].kept_back += self._words.pop((place, words)).kept_back
