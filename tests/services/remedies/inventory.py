"""Inventory of the messages about configuration files in the source: problem texts and remedies.

It contains each string that is passed to a function which records or raises a problem. It also contains each
string of several words that begins with a capital letter, because every remedy does.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[3]
SOURCES: Final = (
    "sensors/toml/*.py",
    "sensors/kinds/*.py",
    "sensors/config/*.py",
    "sensors/alarm_rules.py",
    "sensors/analog/*.py",
    "sensors/chips/*_keys.py",
    "sensors/derived/*.py",
    "sensors/gpio/pin_keys.py",
    "sensors/kind.py",
    "sensors/outputs.py",
    "sensors/plausibility.py",
    "sensors/service_settings.py",
    "sensors/settings.py",
    "sensors/shunts.py",
    "sensors/units.py",
    "services/config/*.py",
)
"""Glob patterns of the modules whose messages are about the content of configuration files."""
WITHOUT_CASES: Final = frozenset(
    {
        "services/config/example_values.py",  # reminders about good files
        "services/config/last_good.py",  # the state of the machine
        "services/config/surroundings.py",  # the folders of cards and fleets
    }
)
"""Modules whose messages are not about the content of a configuration file."""
TEXT_ARGUMENT: Final = {"complain": 1, "warn": 1, "_failed": 1, "InputError": 0, "FileProblem": 3}
"""Index of the argument that describes the problem, by the name of the function."""
NOT_MESSAGES: Final = frozenset(
    {"meaning", "example", "description", "title", "measures", "without", "limits", "faults"}
)
"""Names of keyword arguments whose strings are not part of any message."""


def texts() -> dict[str, re.Pattern[str]]:
    """Return the pattern of each text, by its file and its source code."""
    files = sorted(
        path
        for pattern in SOURCES
        for path in ROOT.glob(pattern)
        if str(path.relative_to(ROOT)) not in WITHOUT_CASES
    )
    return {
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}": pattern
        for path in files
        for node in _texts(ast.parse(path.read_text()))
        if (pattern := _pattern(node))
    }


def unlisted() -> set[str]:
    """Return the modules in `sensors` and `services/config` that report problems but are not in `SOURCES`."""
    folders = [ROOT / "sensors", ROOT / "services" / "config"]
    found = {path for folder in folders for path in folder.rglob("*.py") if _CALL.search(path.read_text())}
    listed = {path for pattern in SOURCES for path in ROOT.glob(pattern)}
    return {str(path.relative_to(ROOT)) for path in found - listed}


_CALL: Final = re.compile(r"(?:\.complain|\.warn|InputError|FileProblem)\(")


def _texts(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the nodes of message texts below a node, except for docstrings and annotations."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        if _is_remedy(node):
            yield node
        return
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.Call):
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name == "Picture":  # the labels of a drawing
            return
        position = TEXT_ARGUMENT.get(name)
        if position is not None and position < len(node.args):
            yield from _literals(node.args[position])
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.keyword) and child.arg in NOT_MESSAGES):
            yield from _texts(child)


def _literals(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.Constant | ast.JoinedStr) and not _is_remedy(node):
        yield node


def _is_remedy(node: ast.expr) -> bool:
    return re.match(r"[A-Z][a-z]+:? \S", _pieces(node)[0]) is not None


def _pieces(node: ast.expr) -> list[str]:
    """Return the fixed parts of a string, and an empty part for each value that is formatted into it."""
    if isinstance(node, ast.JoinedStr):
        return [piece for value in node.values for piece in _pieces(value)] or [""]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else [""]


def _pattern(node: ast.expr) -> re.Pattern[str] | None:
    """Return a pattern that matches every text the node can yield, or None if the text has no fixed words."""
    pieces = _pieces(node)
    if not re.search("[A-Za-z]{2}", "".join(pieces)):
        return None
    return re.compile("".join(re.escape(piece) or ".*" for piece in pieces))
