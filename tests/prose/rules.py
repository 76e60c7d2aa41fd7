"""The style rules, as pure functions that find violations in a text."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

AVOID: Final = {
    r"anew": "again",
    r"for ever": "indefinitely, or: permanently",
    r"whoever": "anyone who",
    r"whomever": "anyone whom",
    r"thereby|therein|thereof|hereby|hence": "so, or: in it",
    r"so many": "n, or: this many",
    r"(?:is|are|be|was) of no fleet": "belongs to no fleet",
    r"such as can be": "that can be",
    r"clone hearing": "duplicate identity",
    r"dear (?:line|way|link)s?": "metered link",
    r"ways? ashore": "uplink",
    r"ends? of (?:a|the|its|their) branch(?:es)?": "leaf revision",
    r"what came of": "the outcome of",
    r"holds? no longer": "is no longer valid",
    r"not any more": "no longer",
}
"""Regular expressions for words and phrases to avoid, each with its replacement."""

MIN_WORDS: Final = 4
"""Minimum number of words in a docstring. A shorter docstring only repeats the name."""

_OPENINGS: Final = re.compile(
    r"(What|Whether|How|Who|Which|Where|When|Why|Whose|It|They|This|That|One|Those|These|Its|He|She)\b"
)
_AVOID: Final = re.compile(
    r"\b(?:" + "|".join(f"(?P<w{number}>{words})" for number, words in enumerate(AVOID)) + r")\b",
    re.IGNORECASE,
)
_ADVICE: Final = tuple(AVOID.values())


@dataclass(frozen=True, slots=True)
class Fault:
    """Violation of a style rule in a file."""

    line: int
    """Line number, counted from 1."""
    words: str


def faults_of_python(text: str, *, checks_strings: bool = True) -> Iterator[Fault]:
    """Yield the style violations in the docstrings, comments and strings of a Python source.

    If `checks_strings` is False, strings are not checked, because strings in tests are often inputs.
    """
    tree = ast.parse(text)
    docstrings = set[int]()
    for node, docstring in _docstrings(tree):
        docstrings.add(docstring.lineno)
        yield from _opening(node, docstring)
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        is_prose = token.type == tokenize.COMMENT or token.start[0] in docstrings
        is_string = token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE"
        if is_prose or (is_string and (checks_strings or _is_attribute_docstring(lines, token))):
            yield from _words(token.string, first=token.start[0])


def faults_of_text(text: str) -> Iterator[Fault]:
    """Yield the style violations in a human-readable text, such as a Markdown file."""
    yield from _words(text, first=1)


def _docstrings(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.Constant]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str()) as docstring), *_]:
                    yield node, docstring


def _opening(node: ast.AST, docstring: ast.Constant) -> Iterator[Fault]:
    words = str(docstring.value).split()
    if len(words) < MIN_WORDS:
        yield Fault(docstring.lineno, f"a docstring of fewer than {MIN_WORDS} words: {' '.join(words)!r}")
    if found := _OPENINGS.match(str(docstring.value).lstrip()):
        rule = (
            "begin with a verb"
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            else "name what it is"
        )
        yield Fault(docstring.lineno, f"a docstring opens with {found[0]!r}; {rule}")


def _is_attribute_docstring(lines: list[str], token: tokenize.TokenInfo) -> bool:
    """Return True if a string token begins its line, as attribute docstrings do."""
    return token.string.startswith('"""') and not lines[token.start[0] - 1][: token.start[1]].strip()


def _words(text: str, *, first: int) -> Iterator[Fault]:
    for found in _AVOID.finditer(text):
        number = next(int(name[1:]) for name, value in found.groupdict().items() if value is not None)
        line = first + text.count("\n", 0, found.start())
        yield Fault(line, f"{found[0]!r}; write: {_ADVICE[number]}")
