"""Documentation pages are short and in the site's navigation, and name only files and targets that exist."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from .pages import DOCS, PAGES, README, ROOT, blocks, name_of, words

README_WORDS = 900
PAGE_WORDS = 1_500
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
RUN_BY_TESTS = {"json.md", "library.md"}
"""Pages whose Python programs are run by other tests, in addition to `replication*.md`."""


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_page_is_within_the_word_limit(page: Path) -> None:
    limit = README_WORDS if page == README else PAGE_WORDS
    assert words(page.read_text()) <= limit


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_targets_of_make_exist(page: Path) -> None:
    text = page.read_text()
    named = re.findall(r"^make ([a-z-]+)", "".join(block.text for block in blocks(page)), re.MULTILINE)
    named += re.findall(r"`make ([a-z-]+)", text)
    assert set(named) <= TARGETS


def test_python_programs_are_only_on_pages_that_are_tested() -> None:
    pages = {block.page.name for block in blocks(*PAGES, language="python")}
    assert {name for name in pages if not name.startswith("replication")} <= RUN_BY_TESTS


def test_every_page_is_in_the_navigation() -> None:
    listed = set(re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    assert {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")} <= listed


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    missing = [
        target
        for target in targets
        if not re.match(r"https?:", target) and not (page.parent / target).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES[1:], ids=name_of)
def test_lists_and_tables_begin_after_an_empty_line(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "```", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = text.splitlines()
    starts = [
        line
        for before, line in pairwise(lines)
        if (re.match(r"- |\d+\. ", line) and before and not re.match(r"- |\d+\. | ", before))
        or (line.startswith("|") and before and not before.startswith("|"))
    ]
    assert starts == []  # MkDocs would treat these lines as part of the paragraph before them
