"""Tests that the remedy in each message about a configuration file leads to a valid file."""

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pytest

from sensors.toml import syntax_errors
from sensors.toml.toml_file import FileProblem
from services.config.check import check

from . import (
    alarms,
    analog,
    derived,
    expander,
    folders,
    inventory,
    outputs,
    sensors,
    services,
    syntax,
    vessel,
    wifi,
)
from .cases import Case, FolderCase, write

LINES: Final[tuple[Case, ...]] = (
    *syntax.SYNTAX,
    *syntax.KEYS,
    *sensors.QUANTITIES,
    *sensors.VALUES,
    *sensors.SHUNTS,
    *sensors.COMBINATIONS,
    *alarms.RULES,
    *analog.CALIBRATION,
    *analog.SENDERS,
    *analog.INPUTS,
    *analog.SUPERVISED,
    *expander.EXPANDER,
    *derived.EXPRESSIONS,
    *derived.DIMENSIONS,
    *outputs.OUTPUTS,
    *services.SERVICES,
    *vessel.VALUES,
)
FOLDERS: Final[tuple[FolderCase, ...]] = (*folders.PLACES, *folders.FILES, *folders.OTHERS, *wifi.FILES)
ALL: Final[tuple[Case | FolderCase, ...]] = (*LINES, *FOLDERS)
_TOKEN: Final = re.compile(r"[A-Za-z0-9_.]+|[^\sA-Za-z0-9_.]")
_ALWAYS: Final = frozenset({",", "#", '"', "'", "}", "{", "[", "]"})
"""Characters that a message may mention by name instead of quoting them, such as a comma."""
_PARTS: Final = {f"sensors/toml/syntax_errors.py: {part!r}" for part, _what, _remedy in syntax_errors.WORDS}
"""Parts of the messages of `tomllib`, which Logboat replaces with its own."""
WITHOUT_CASE: Final = {
    # the machine, and not the content of a file; or a bug
    "sensors/toml/toml_file.py: f'the file cannot be read: {error.strerror or error}'",
    "sensors/toml/toml_file.py: 'Check the card.'",
    "sensors/toml/toml_file.py: 'Change or remove it, and please report this.'",
    # reported at boot only, with the remedy of a file without sensors: `test_last_good`
    "sensors/config/loader.py: 'the file does not exist, so nothing is recorded'",
    # files of Raspberry Pi Imager: `test_boot_imager`
    "services/config/parsers.py: f'{shown(written)} is not a valid host name'",
    "services/config/parsers.py: 'Use 1 to 63 letters, digits and hyphens.'",
    "services/config/parsers.py: f'{shown(written)} is not a valid user name'",
    "services/config/parsers.py: 'Use 1 to 31 lower-case letters, digits, _ and -, beginning with a letter.'",
    "services/config/parsers.py: f'{shown(written)} is reserved by the system'",
    "services/config/parsers.py: 'Write what `openssl passwd -6` prints.'",
}
"""Texts of messages that the content of a configuration file cannot cause."""


_REFUSALS: Final[dict[int, FileProblem]] = {}
"""Problems that were reported, by the identity of the case. They save `messages` a second check."""


def refusal(case: Case | FolderCase, folder: Path) -> FileProblem:
    """Return the first problem that is reported for a case, and keep it for `messages`."""
    problem = _REFUSALS[id(case)] = case.refusal(folder)
    return problem


@pytest.mark.parametrize("case", LINES, ids=lambda case: case.what)
def test_lines_are_good_after_the_remedy_in_the_message(case: Case, tmp_path: Path) -> None:
    problem = refusal(case, tmp_path)
    message = str(problem)
    assert problem.remedy
    assert _is_at_the_slip(case, problem.line), message
    remedied = case.remedied or case.good
    assert _words(remedied) <= _words(f"{message} {case.slip} {case.chosen}") | _ALWAYS, message
    write(tmp_path, case.as_folder().after)
    assert check(tmp_path / case.name).good, f"{message}\n{check(tmp_path / case.name).text}"


def _words(text: str) -> set[str]:
    """Return the words and symbols in a text, without full stops."""
    return {token.rstrip(".") for token in _TOKEN.findall(text)}


def _is_at_the_slip(case: Case, line: int | None) -> bool:
    """Return True if the line contains the mistake, is the header above it, or is named by the case."""
    if line is None:
        return False
    rows = case.text(case.slip).split("\n")
    first = case.parts[0].count("\n") + 1
    if case.at:
        return rows[line - 1].startswith(case.at)
    if first <= line <= first + case.slip.count("\n"):
        return True
    return rows[line - 1].startswith("[") and not any(row.startswith("[") for row in rows[line : first - 1])


@pytest.mark.parametrize("case", FOLDERS, ids=lambda case: case.what)
def test_files_are_good_after_the_remedy_in_the_message(case: FolderCase, tmp_path: Path) -> None:
    problem = refusal(case, tmp_path)
    assert problem.remedy
    write(tmp_path, case.after)
    assert check(tmp_path / case.name).good, f"{problem}\n{check(tmp_path / case.name).text}"


@cache
def messages() -> str:
    """Return the messages of all cases, one per line."""
    with TemporaryDirectory() as folder:
        problems = [
            _REFUSALS.get(id(case)) or refusal(case, Path(folder, f"{number}"))
            for number, case in enumerate(ALL)
        ]
    return "\n".join(f"{problem.text}. {problem.remedy}" for problem in problems)


def test_inventory_contains_every_module_that_reports_problems() -> None:
    assert inventory.unlisted() == set()


def test_every_text_of_a_message_has_a_case() -> None:
    missing = {place for place, pattern in inventory.texts().items() if not pattern.search(messages())}
    assert missing - _PARTS == WITHOUT_CASE
