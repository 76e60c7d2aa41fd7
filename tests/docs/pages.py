"""Finds the pages of the documentation and the code blocks on the pages."""

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
"""All documentation pages, including README and other pages outside `docs/`."""

_BLOCK: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """Code block on a documentation page."""

    page: Path
    line: int
    """Line number of the block's first line on the page, counted from 1."""
    language: str
    text: str

    @property
    def place(self) -> str:
        """Page and line number of the block, for test reports."""
        return f"{name_of(self.page)}, line {self.line}"


def name_of(page: Path) -> str:
    """Return the path of a page, relative to the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(*pages: Path, language: str | None = None) -> Iterator[Block]:
    """Yield the code blocks on pages, in order, or only those in `language` if it is set."""
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for found in _BLOCK.finditer(text):
            if language is None or found[1] == language:
                yield Block(page, text.count("\n", 0, found.start(2)) + 1, found[1], found[2])


def words(text: str) -> int:
    """Return the number of words in a text. Table bars and lines of drawings do not count."""
    return sum(1 for word in text.split() if re.search(r"\w", word))
