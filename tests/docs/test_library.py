"""The programs in docs/library.md run if they are joined into one program, and import only `sync.api`."""

import ast
import asyncio
from pathlib import Path

import pytest

from .pages import DOCS, blocks

PAGE = DOCS / "library.md"
WAIT_S = 120.0
PROGRAMS = list(blocks(PAGE, language="python"))


def test_all_programs_of_the_page_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names = dict[str, object]()

    async def run() -> None:
        for program in PROGRAMS:
            source = "\n" * (program.line - 1) + program.text
            code = compile(source, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            if (waiting := eval(code, names)) is not None:
                await waiting

    async def within_time() -> None:
        async with asyncio.timeout(WAIT_S):
            await run()

    asyncio.run(within_time())


def test_the_page_shows_every_part_of_the_library() -> None:
    assert len(PROGRAMS) == PAGE.read_text().count("```python") >= 8


def test_programs_of_the_page_import_only_the_public_interface() -> None:
    imported = {
        node.module
        for program in PROGRAMS
        for node in ast.walk(ast.parse(program.text))
        if isinstance(node, ast.ImportFrom)
    }
    assert imported == {"pathlib", "sync.api"}
