"""Conversion of untrusted text from the network to text that is safe in error messages and logs."""

from typing import Final

MOST_SHOWN: Final = 200
"""Maximum number of characters shown, because the text may be the complete web page of a login portal."""


def plain(text: str) -> str:
    """Return a text's printable characters on one line, truncated to `MOST_SHOWN` characters."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * MOST_SHOWN])
    words = " ".join(shown.split())
    return words if len(words) <= MOST_SHOWN else words[: MOST_SHOWN - 1] + "…"
