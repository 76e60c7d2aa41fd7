"""Formats rows as columns on a screen of any width.

If the columns do not fit, cells are wrapped at words. If that takes more lines than writing each row as a
sentence, each row becomes a sentence. No text is left out.
"""

from collections.abc import Collection, Sequence
from itertools import zip_longest
from typing import Final

from sensors.plaintext import clean

from .present import broken, whole, wrap

GAP: Final = 2
"""Number of spaces between two columns."""

Lines = list[str]


def fitted(
    rows: Sequence[Sequence[str]], *, right: Collection[int] = (), plain: Collection[int] = (), width: int
) -> tuple[Lines, list[Lines]]:
    """Return the lines of the headings, and the lines of each row, none longer than `width`.

    The first of `rows` contains the headings. `right` are the columns that are aligned to the right and never
    wrapped. The headings of the columns in `plain` are left out of sentences.
    """
    cells = [[whole(clean(cell)) for cell in row] for row in rows]
    widths = _widths(cells, right, width)
    blocks = [] if widths is None else [_block(row, widths, right) for row in cells]
    if widths is not None and len(blocks) == sum(map(len, blocks)):
        return blocks[0], blocks[1:]
    heads = ["" if place in plain else head for place, head in enumerate(rows[0])]
    sentences = [_sentence(heads, row, width) for row in rows[1:]]
    if widths is None or sum(map(len, blocks[1:])) > sum(map(len, sentences)):
        return [], sentences
    return blocks[0], blocks[1:]


def _widths(cells: Sequence[Sequence[str]], right: Collection[int], width: int) -> list[int] | None:
    """Return the width of each column so that no word is broken; None if that needs more than `width`."""
    columns = list(zip(*cells, strict=True))
    widths = [max(map(len, column)) for column in columns]
    least = [
        natural
        if place in right
        else max((len(word) for cell in column for word in cell.split(" ")), default=0)
        for place, (natural, column) in enumerate(zip(widths, columns, strict=True))
    ]
    room = width - GAP * (len(columns) - 1)
    if sum(least) > room:
        return None
    while sum(widths) > room:
        widest = max(
            (place for place in range(len(widths)) if widths[place] > least[place]), key=widths.__getitem__
        )
        widths[widest] -= 1
    return widths


def _block(row: Sequence[str], widths: Sequence[int], right: Collection[int]) -> Lines:
    wrapped = [broken(cell, width) if width else [] for cell, width in zip(row, widths, strict=True)]
    return [
        (" " * GAP)
        .join(
            cell.rjust(width) if place in right else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        .rstrip()
        for line in zip_longest(*wrapped, fillvalue="")
    ]


def _sentence(heads: Sequence[str], row: Sequence[str], width: int) -> Lines:
    """Return a row as a sentence such as `brigid: linked; behind 3; route direct`."""
    facts = [
        f"{head} {cell}".strip()
        for head, cell in zip(heads[1:], row[1:], strict=True)
        if cell not in ("", "-")
    ]
    return wrap(f"{row[0]}: {'; '.join(facts)}" if facts else row[0], width)
