"""What a stranger on the network says, fit to stand in a problem's text or a log line. Pure."""

from typing import Final

MOST_SHOWN: Final = 200
"""Characters; whoever reads a log wants no page of a portal."""


def plain(text: str) -> str:
    """Return the text's printable words on one line, `MOST_SHOWN` characters at most."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * MOST_SHOWN])
    words = " ".join(shown.split())
    return words if len(words) <= MOST_SHOWN else words[: MOST_SHOWN - 1] + "…"
