"""Text from strangers on the network, made safe for a problem's text or a log line."""

from typing import Final

MOST_SHOWN: Final = 200
"""Maximum number of characters; a reader of the log does not want a whole portal page."""


def plain(text: str) -> str:
    """Return the printable words of a text on one line, truncated to `MOST_SHOWN` characters."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * MOST_SHOWN])
    words = " ".join(shown.split())
    return words if len(words) <= MOST_SHOWN else words[: MOST_SHOWN - 1] + "…"
