"""The programs and commands in docs/replication*.md run unchanged, over real sockets and serial lines."""

import ast
import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.store import Database

from .pages import DOCS, ROOT, blocks

PAGES = sorted(DOCS.glob("replication*.md"))
TEXT = (DOCS / "replication.md").read_text()
WAIT_S = 60.0
LOGBOAT = "from services.cli.main import main; raise SystemExit(main())"


def programs() -> Iterator[Any]:
    """Yield the programs on the pages. Their line numbers in error messages are those on the page."""
    for block in blocks(*PAGES, language="python"):
        yield pytest.param(block.page, "\n" * (block.line - 1) + block.text, id=block.place)


def test_all_programs_of_the_pages_are_run() -> None:
    assert len(list(programs())) == sum(page.read_text().count("```python") for page in PAGES) > 0


OF_LOGBOAT = {"sync.documents", "sync.fleet.conflict_resolvers"}
"""Internal modules that the programs on the pages may import to handle Logboat's own documents."""


def test_programs_import_only_the_public_interface() -> None:
    texts = "".join(page.read_text() for page in PAGES)
    imported = set(re.findall(r"^from (sync\S*) import", texts, re.MULTILINE))
    assert imported <= {"sync.api"} | OF_LOGBOAT


@pytest.mark.parametrize(("page", "program"), list(programs()))
def test_program_runs_unchanged(page: Path, program: str, tmp_path: Path) -> None:
    code = compile(program, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)

    async def run() -> None:
        with (
            Database.open(tmp_path / "ours.db", policy=documents.POLICY) as ours,
            Database.open(tmp_path / "theirs.db", policy=documents.POLICY) as theirs,
        ):
            async with asyncio.timeout(WAIT_S):
                await eval(code, {"ours": ours, "theirs": theirs})

    asyncio.run(run())


@contextmanager
def logboat(line: str, folder: Path, *more: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a `logboat` command line from a page, and stop it with SIGINT, as Ctrl-C does."""
    name, *arguments = shlex.split(line, comments=True)
    assert name == "logboat"
    command = [sys.executable, "-c", LOGBOAT, *arguments, *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=WAIT_S)


def answer(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Read a command's output until a pattern matches, and return the matched text."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(said)


def put(path: Path, document: str) -> None:
    with Database.open(path) as database:
        database.put(document, {"text": "oil changed"})


def has(path: Path, document: str) -> bool:
    with Database.open(path, create=False) as database:
        return database.get(document) is not None


def test_commands_of_the_page_serve_sync_and_push(tmp_path: Path) -> None:
    serve, sync, push = re.findall(r"^logboat db .*$", TEXT, re.MULTILINE)
    boat, mine = tmp_path / "boat.db", tmp_path / "mine.db"
    put(boat, "theirs")
    put(mine, "ours")
    with logboat(serve, tmp_path, "--port", "0") as listener:
        address = answer(listener, r"wss://(\S+)/log")
        pin = answer(listener, r"(\S+)$")

        def placed(line: str) -> str:
            return line.replace("HOST:4984", address).replace("FINGERPRINT", pin)

        with logboat(placed(sync), tmp_path) as once:
            assert answer(once, r"(pushed 1 document .*pulled 1 document) ")
            assert once.wait(WAIT_S) == 0  # the command ends on its own
        assert has(boat, "ours")
        assert has(mine, "theirs")
        put(mine, "later")
        with logboat(placed(push), tmp_path) as continuous:
            assert answer(continuous, r"(up to date: pushed 1 document)")
        assert continuous.returncode == 0
    assert listener.returncode == 0
    assert has(boat, "later")
