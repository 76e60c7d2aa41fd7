"""Formats the Markdown elements that the handbook uses as text for a terminal, wrapped to any width."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from .present import NARROWEST, Style, StyledLine, wrap
from .table import fitted

_COMMENT: Final = re.compile(r"<!--.*?-->\n*", re.DOTALL)
_PICTURE: Final = re.compile(r"!\[[^\]]*\]\([^)]*\)")
_LINK: Final = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")
_EMPHASIS: Final = re.compile(r"(?<!\w)(\*\*|\*|`)(?=\S)(.+?)(?<=\S)\1(?!\w)")
_ITEM: Final = re.compile(r"(\s*)(- |\d+\. )")
_HEADING: Final = re.compile(r"(#+) (.*)")
_FENCE: Final = "```"
_CODE_INDENT: Final = "    "


def lines_of(text: str, width: int) -> Iterator[StyledLine]:
    """Yield the lines of a page. Only lines of code and single words can be longer than `width`."""
    width = max(width, NARROWEST)
    is_first = True
    for block in _blocks(_COMMENT.sub("", text)):
        lines = list(_shown(block, width))
        if lines and not is_first:
            yield StyledLine("")
        is_first = is_first and not lines
        yield from lines


def title_of(text: str) -> str:
    """Return the first heading of a page; '' if the page has no heading."""
    found = re.search(r"^# (.*)$", text, re.MULTILINE)
    return _plain(found[1]) if found else ""


def _blocks(text: str) -> Iterator[list[str]]:
    """Yield each paragraph, list, table and code block as a list of its lines."""
    block, is_code = list[str](), False
    for line in text.splitlines():
        is_fence = line.startswith(_FENCE)
        if is_code or is_fence:
            if is_fence and not is_code and block:
                yield block
                block = []
            block.append(line)
            if is_fence and is_code:
                yield block
                block = []
            is_code = is_code is not is_fence
        elif line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _shown(block: Sequence[str], width: int) -> Iterator[StyledLine]:
    first = block[0]
    if first.startswith(_FENCE):
        yield from (StyledLine(f"{_CODE_INDENT}{line}".rstrip()) for line in block[1:-1])
    elif heading := _HEADING.match(first):
        yield from (StyledLine(line, Style.TITLE) for line in wrap(_plain(heading[2]), width, hang=0))
        if len(block) > 1:
            yield from _shown(block[1:], width)
    elif first.startswith("|"):
        yield from map(StyledLine, _table(block, width))
    else:
        for text, indent, hang in _items(block):
            yield from map(StyledLine, wrap(text, width, indent=" " * indent, hang=hang) if text else [])


def _items(block: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the text, indentation and hanging indentation of a paragraph, or of each item of a list."""
    starts = [number for number, line in enumerate(block) if number == 0 or _ITEM.match(line)]
    for start, end in zip(starts, [*starts[1:], len(block)], strict=True):
        item = _ITEM.match(block[start])
        text = " ".join(line.strip() for line in block[start:end])
        yield _plain(text), len(item[1]) if item else 0, len(item[2]) if item else 0


def _table(block: Sequence[str], width: int) -> Iterator[str]:
    rows = [[_plain(cell) for cell in _cells(line)] for number, line in enumerate(block) if number != 1]
    columns = len(rows[0])
    rows = [(row + [""] * columns)[:columns] for row in rows]
    head, bodies = fitted(rows, width=width)
    if not head:  # the columns do not fit
        bodies = [list(_as_list(rows[0], row, width)) for row in rows[1:]]
    yield from head
    is_folded = any(len(body) > 1 for body in bodies)
    for number, body in enumerate(bodies):
        if is_folded and (number or head):
            yield ""
        yield from body


def _as_list(heads: Sequence[str], row: Sequence[str], width: int) -> Iterator[str]:
    """Yield the lines of a row: its first cell, and below that the other cells with their headings."""
    yield from wrap(row[0], width, hang=0)
    for head, cell in zip(heads[1:], row[1:], strict=True):
        if cell:
            yield from wrap(f"{head}: {cell}" if head else cell, width, indent="  ")


def _cells(line: str) -> list[str]:
    """Return the cells of a row. A `|` within code or after a backslash is part of a cell."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    parts = [""]
    is_code = False
    for character, group in groupby(re.findall(r"\\\||.", inner), key=lambda each: each):
        for _ in group:
            is_code = is_code is not (character == "`")
            if character == "|" and not is_code:
                parts.append("")
            else:
                parts[-1] += "|" if character == "\\|" else character
    return [part.strip() for part in parts]


def _plain(text: str) -> str:
    """Return the text of a line without Markdown syntax. For a web link, include its address."""
    text = _LINK.sub(_link, _PICTURE.sub("", text))
    return _EMPHASIS.sub(r"\2", _EMPHASIS.sub(r"\2", text)).strip()


def _link(found: re.Match[str]) -> str:
    words, target = found.groups()
    return f"{words} ({target})" if re.match(r"https?:", target) else words
