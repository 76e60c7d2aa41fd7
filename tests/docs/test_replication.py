"""Every program in docs/replication.md runs as it stands there, over real sockets, TLS and a real pty."""

import asyncio
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.store import Database

PAGE = Path(__file__).parents[2] / "docs" / "replication.md"
PROGRAM = re.compile(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = PROGRAM.findall(PAGE.read_text())
WAIT_S = 60.0


def test_all_programs_of_the_page_are_run() -> None:
    assert len(PROGRAMS) == PAGE.read_text().count("```python")


@pytest.mark.parametrize("program", [text for _, text in PROGRAMS], ids=[title for title, _ in PROGRAMS])
def test_program_runs_as_it_stands(program: str, tmp_path: Path) -> None:
    source = "async def main(ours, theirs):\n" + textwrap.indent(program, "    ")
    names: dict[str, Any] = {}
    exec(compile(source, str(PAGE), "exec"), names)

    async def run() -> None:
        with (
            Database.open(tmp_path / "ours.db", single_writer=documents.is_single_writer) as ours,
            Database.open(tmp_path / "theirs.db", single_writer=documents.is_single_writer) as theirs,
        ):
            async with asyncio.timeout(WAIT_S):
                await names["main"](ours, theirs)

    asyncio.run(run())
