"""Finds the pages of the documentation, and the code blocks on them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
DOCS: Final = ROOT / "docs"
PAGES: Final = (
    README,
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "examples/README.md")),
    *sorted(DOCS.rglob("*.md")),
)
"""Pages for readers: README, the pages of the site, and the pages that the site includes."""

_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Code block on a page."""

    page: Path
    line: int
    """Number of the block's first line on the page, counted from 1."""
    language: str
    text: str

    @property
    def place(self) -> str:
        """Page and line number, for a test's report."""
        return f"{name_of(self.page)}, line {self.line}"


def name_of(page: Path) -> str:
    """Return the path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(*pages: Path, language: str | None = None) -> Iterator[Block]:
    """Yield the code blocks of pages, in order. If `language` is set, yield only blocks in that language."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for found in _BLOCK.finditer(text):
            if language is None or found[1] == language:
                yield Block(page, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])


def words(text: str) -> int:
    """Return the number of words in a text, ignoring the bars of tables and the lines of drawings."""
    return sum(1 for word in text.split() if re.search(r"\w", word))
