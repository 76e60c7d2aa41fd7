"""Functions that make text from any source safe to show on a terminal, in a log, in JSON or in a spreadsheet.

Names, units, error texts and headers come from other vessels, from peers, and from unknown senders on the
network. They may contain control characters, which a terminal would execute. `clean` defines which characters
may be shown.
"""

import contextlib
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Final, TextIO, cast

SUBSTITUTE: Final = "·"
"""Character shown in place of a character that must not reach a terminal."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001
"""First characters that make a spreadsheet treat a string as a formula (OWASP, "CSV Injection").

Some are also recognised in their full-width form.
"""
_STYLED: Final = re.compile("\x1b\\[(?:0|1|32|33|1;31)m")
"""Sequences for Logboat's own styles (`services.terminal.present.Style`) and for the reset to plain text."""
_BLANKS: Final = {"\n": "", "\t": ""}


def clean(text: str) -> str:
    """Return the text with a dot in place of each character that could control a terminal.

    These are the control characters (C0, C1, DEL), line and paragraph separators, characters that reverse the
    direction of text or have no width, and code points that are not characters, such as half a surrogate
    pair.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else SUBSTITUTE for c in text)


def clean_lines(text: str) -> str:
    """Return the text as `clean` does, but keep its line ends and tabs."""
    if text.translate(_TABLE).isprintable():
        return text
    return "".join(c if c.isprintable() or c in _BLANKS else SUBSTITUTE for c in text)


_TABLE: Final = str.maketrans(_BLANKS)


def csv_text(text: str) -> str:
    """Return the text, cleaned by `clean`, as a CSV field that no spreadsheet treats as a formula.

    A field that begins like a formula gets an apostrophe in front. Use this only for strings: a number must
    stay a number.
    """
    return f"'{clean(text)}" if text.startswith(_FORMULA) else clean(text)


def json_text(encoded: str | bytes) -> str:
    """Return encoded JSON with an escape in place of each character that `clean` would replace.

    A decoder reads the same values (RFC 8259, section 7). Line ends and tabs between values are kept.
    """
    text = encoded.decode(errors="replace") if isinstance(encoded, bytes) else encoded
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _BLANKS else _escape(c) for c in text)


def _escape(character: str) -> str:
    if character == "\r":  # only between values: within a value it is already escaped
        return " "
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


class CleanStream:
    """Text stream that replaces terminal control characters, except those written with `steer`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> object:
        """Return any other attribute of the underlying stream."""
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write the text, cleaned by `clean`, but keep its line ends, its tabs and Logboat's own styles."""
        if "\x1b" not in text:
            self._stream.write(clean_lines(text))
            return len(text)
        at = 0
        for style in _STYLED.finditer(text):
            self._stream.write(clean_lines(text[at : style.start()]) + style[0])
            at = style.end()
        self._stream.write(clean_lines(text[at:]))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of the lines as `write` does."""
        for line in lines:
            self.write(line)

    def steer(self, sequence: str) -> None:
        """Write a control sequence unchanged, for example to move the cursor or to erase a line."""
        self._stream.write(sequence)


def steer(stream: TextIO, sequence: str) -> None:
    """Write a control sequence to a terminal unchanged; no part of the sequence may come from input."""
    (stream.steer if isinstance(stream, CleanStream) else stream.write)(sequence)


@contextlib.contextmanager
def cleaned_output() -> Iterator[None]:
    """Clean all text that is printed to standard output and standard error inside the block."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast("TextIO", CleanStream(stream)) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
