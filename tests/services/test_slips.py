"""A small mistake in a valid configuration file is rejected with its line number, or has no effect."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sensors.config.loader import examine_sensors
from sensors.registry import all_kinds
from sensors.toml import toml_file
from sensors.toml.toml_file import ConfigurationError, FileProblem
from services.config.loader import read_configuration

from .remedies.cases import OUTPUTS, SENSORS, SERVICES, VESSEL

ROOT = Path(__file__).parents[2]
EXAMPLES = {
    path: path.read_text()
    for path in sorted(ROOT.glob("examples/*/*.toml"))
    if path.stem in ("sensors", "vessel")
}
RECORDINGS = ROOT / "sensors" / "recordings"
"""Folder that contains the recording for the example sensor of kind `replay`."""
PUMP_HOURS = next(sensor for sensor in SENSORS.split("\n\n") if 'id = "pump-hours"' in sensor)
DENSE = [
    *(
        (RECORDINGS / "sensors.toml", f"{sensor}\n".replace("yacht.csv", "yacht-2014-08-15.csv"))
        for sensor in SENSORS.removesuffix(OUTPUTS + SERVICES).split("\n\n")
        if 'kind = "derived"' not in sensor  # the example of this kind contains its inputs too
    ),
    (RECORDINGS / "sensors.toml", f"no_sensors = true\n{OUTPUTS}"),
    (RECORDINGS / "sensors.toml", f"{PUMP_HOURS}\n{SERVICES}"),
    (RECORDINGS / "vessel.toml", VESSEL),
    *((RECORDINGS / "sensors.toml", kind.example) for kind in all_kinds().values()),
]
"""Files that contain most keys, and the example of each kind of sensor."""

NBSP = "\N{NO-BREAK SPACE}"
KEY = r"^(?P<key>[a-z_]+)(?= =)"
QUOTED = r'"(?P<text>[^"]*)"'
ASSIGNED = rf"(?<= = ){QUOTED}"
WORD = r'(?<=^kind = )"[a-z0-9]+"|(?<=severity = )"[a-z]+"|(?<=^pull = )"[a-z]+"|(?<=^measure = )"[a-zA-Z]+"'
QUANTITY = r'"(?P<number>-?[0-9.]+) (?P<unit>[A-Za-z°%/]+)"'
QUANTITY_NOT_IN_SI = r'"(?P<number>-?[0-9.]+) (?!m?[VA]"|kohm")(?P<unit>[A-Za-z°%/]+)"'
"""Pattern of a quantity whose number, without its unit, has another meaning or is rejected."""
INLINE = r"^[a-z_]+ = \[?\{ .*\}\]?"
PIN = r"(?<=^pin = )[0-9]+"
HEADER = r"^\[+[a-z]+\]+"

Replacement = str | Callable[[re.Match[str]], str]


@dataclass(frozen=True)
class Slip:
    """Mistake in a file: the text to replace on one line, and the wrong text that replaces it."""

    where: str
    """Regular expression for the text to replace."""
    change: Replacement
    """Wrong text, or function that returns it, in the form that `re.sub` accepts."""


def typo(kind: int) -> Callable[[re.Match[str]], str]:
    """Return a replacement that drops, doubles or swaps letters of a word of four letters or more."""

    def change(match: re.Match[str]) -> str:
        word = match[0]
        if len(word) < 4:
            return word
        return (f"{word[:2]}{word[3:]}", f"{word[:3]}{word[2:]}", f"{word[0]}{word[2]}{word[1]}{word[3:]}")[
            kind
        ]

    return change


SLIPS = {
    # numbers and units
    "comma for point": Slip(r"(?<=[0-9])\.(?=[0-9])", ","),
    "letter O for zero": Slip(r"(?<== )(?P<before>\"?[0-9]*)0(?=[ \n\"])", r"\g<before>O"),
    "unit without quotes": Slip(QUANTITY, r"\g<number> \g<unit>"),
    "unit missing": Slip(QUANTITY, r'"\g<number>"'),
    "unit and quotes missing": Slip(QUANTITY_NOT_IN_SI, r"\g<number>"),
    "unit misspelt": Slip(QUANTITY, r'"\g<number> \g<unit>x"'),
    "unit in capitals": Slip(QUANTITY, lambda match: match[0].upper()),
    "unit without a blank": Slip(QUANTITY, r'"\g<number>\g<unit>"'),
    "unit of something else": Slip(QUANTITY, r'"\g<number> furlong"'),
    "no-break space before a unit": Slip(QUANTITY, rf'"\g<number>{NBSP}\g<unit>"'),
    "pin with a name": Slip(PIN, r"GPIO\g<0>"),
    "pin with a name in quotes": Slip(PIN, r'"GPIO\g<0>"'),
    "pin in quotes": Slip(PIN, r'"\g<0>"'),
    "pin that does not exist": Slip(PIN, r"\g<0>0"),
    # quotes
    "closing quote missing": Slip(ASSIGNED, r'"\g<text>'),
    "opening quote missing": Slip(ASSIGNED, r'\g<text>"'),
    "no quotes": Slip(ASSIGNED, r"\g<text>"),
    "single quotes": Slip(ASSIGNED, r"'\g<text>'"),
    "closing single quote missing": Slip(ASSIGNED, r"'\g<text>"),
    "two single quotes": Slip(ASSIGNED, r"''\g<text>''"),
    "three quotes": Slip(ASSIGNED, r'"""\g<text>"'),
    "English quotes": Slip(QUOTED, "\N{LEFT DOUBLE QUOTATION MARK}\\g<text>\N{RIGHT DOUBLE QUOTATION MARK}"),
    "German quotes": Slip(QUOTED, "\N{DOUBLE LOW-9 QUOTATION MARK}\\g<text>\N{LEFT DOUBLE QUOTATION MARK}"),
    "French quotes": Slip(QUOTED, f"«{NBSP}\\g<text>{NBSP}»"),
    "only one typographic quote": Slip(QUOTED, '"\\g<text>\N{RIGHT DOUBLE QUOTATION MARK}'),
    "accents for quotes": Slip(QUOTED, r"`\g<text>`"),
    # blanks
    "tab": Slip(" = ", "\t=\t"),
    "no blanks": Slip(" = ", "="),
    "indented": Slip(KEY, r"  \g<0>"),
    "no-break space before =": Slip(" =", f"{NBSP}="),
    "no-break space after =": Slip("= ", f"={NBSP}"),
    "no-break space at the start": Slip(KEY, rf"{NBSP}\g<0>"),
    "invisible character at the end": Slip(r"(?<=.)$", "\N{ZERO WIDTH SPACE}"),
    # keys
    "key with a capital": Slip(KEY, lambda match: match[0].capitalize()),
    "key in capitals": Slip(KEY, lambda match: match[0].upper()),
    "key without a letter": Slip(KEY, typo(0)),
    "key with a doubled letter": Slip(KEY, typo(1)),
    "key with letters swapped": Slip(KEY, typo(2)),
    "key with a hyphen": Slip(r"(?<=^[a-z])(?P<rest>[a-z]*)_", r"\g<rest>-"),
    "key with a blank": Slip(r"(?<=^[a-z])(?P<rest>[a-z]*)_", r"\g<rest> "),
    "line written twice": Slip(rf"{KEY}.*$", r"\g<0>\n\g<0>"),
    "no =": Slip(" = ", " "),
    "two =": Slip(" = ", " == "),
    "colon for =": Slip(" =", ":"),
    "no value": Slip(rf"{KEY} = .*$", r"\g<key> ="),
    # words
    "word misspelt": Slip(WORD, lambda match: f'"{typo(0)(re.match("[a-z0-9A-Z]+", match[0][1:]))}"'),  # type: ignore[arg-type]
    "word in capitals": Slip(WORD, lambda match: match[0].upper()),
    "True": Slip(r"(?<= = )(true|false)\b", lambda match: match[0].capitalize()),
    "yes": Slip(r"(?<= = )(true|false)\b", "yes"),
    '"true"': Slip(r"(?<= = )(true|false)\b", r'"\g<0>"'),
    # lines and brackets
    "semicolon at the end": Slip(rf"{KEY} = [^#\n]*[^ #,\[]$", r"\g<0>;"),
    "comma at the end": Slip(rf"{KEY} = [^#\n]*[^ #,\[]$", r"\g<0>,"),
    "// for #": Slip(r"#(?= )", "//"),
    "no #": Slip(r"^# (?=[a-z])", ""),
    "header without its last bracket": Slip(HEADER, lambda match: match[0][:-1]),
    "header without its first bracket": Slip(HEADER, lambda match: match[0][1:]),
    "header with a capital": Slip(HEADER, lambda match: match[0].title()),
    "header in the plural": Slip(HEADER, lambda match: match[0].replace("]", "s]", 1)),
    "line break in { … }": Slip(rf"(?P<first>{INLINE[:-10]}[^,]*,) ", r"\g<first>\n  "),
    "} missing": Slip(r"(?<=.) \}(?=\]?$)", ""),
    "comma missing in { … }": Slip(r'(?<=")(?P<comma>,)(?= [a-z_]+ = )', ""),
    "comma before }": Slip(r" \}", ", }"),
    "bracket missing": Slip(r"(?<=[\"0-9}])\]$", ""),
    "round brackets": Slip(INLINE, lambda match: match[0].replace("{", "(").replace("}", ")")),
}
"""Possible mistakes, by name."""


def read(path: Path, text: str) -> Any:
    """Return the settings that the file describes."""
    file = toml_file.parse(path, text.encode())
    if path.name == "vessel.toml":
        return read_configuration(file)
    examined = examine_sensors(file, check_recordings=False)
    if examined.warnings:
        raise ConfigurationError(examined.warnings)
    return examined.sensors


@cache
def meaning_of(path: Path, good: str) -> Any:
    """Return the settings that a valid file describes. The file is read only once."""
    return read(path, good)


def names(problem: FileProblem, lines: set[int]) -> bool:
    """Return True if the problem is reported for one of the lines."""
    return problem.line in lines or any(re.search(rf"line {line}\b", problem.text) for line in lines)


def places(name: str, good: str) -> list[re.Match[str]]:
    """Return the matches in a valid file to which a mistake applies. Few mistakes apply to comments."""
    return [
        match
        for match in re.finditer(SLIPS[name].where, good, re.MULTILINE)
        if name in ("// for #", "no #")
        or "#" not in good[good.rfind("\n", 0, match.start()) + 1 : match.start()]
    ]


def check_slip(name: str, path: Path, good: str, match: re.Match[str]) -> None:
    """Check that the mistake in a file is reported with its line, or does not change the file's meaning."""
    change = SLIPS[name].change
    replacement = change(match) if callable(change) else match.expand(change)
    line = good.count("\n", 0, match.start()) + 1
    lines = set(range(line, line + replacement.count("\n") + 1))
    refusal = meaning = None
    try:
        meaning = read(path, good[: match.start()] + replacement + good[match.end() :])
    except ConfigurationError as error:
        refusal = error
    if refusal is None:
        assert meaning == meaning_of(path, good), f"line {line} changes the meaning"
        return
    assert names(refusal.problems[0], lines), f"line {line}:\n{refusal}"
    assert refusal.problems[0].remedy, f"line {line}:\n{refusal}"


@pytest.mark.parametrize("name", SLIPS)
def test_slip_anywhere_in_a_dense_file_is_refused_with_its_line_or_changes_nothing(name: str) -> None:
    tried = [(path, good, match) for path, good in DENSE for match in places(name, good)]
    for path, good, match in tried:
        check_slip(name, path, good, match)
    assert tried or any(places(name, good) for good in EXAMPLES.values())


@settings(deadline=None)
@given(st.sampled_from(sorted(SLIPS)), st.sampled_from(sorted(EXAMPLES)), st.integers(0, 10_000))
def test_random_slip_in_an_example_is_refused_with_its_line_or_changes_nothing(
    name: str, path: Path, number: int
) -> None:
    good = EXAMPLES[path]
    if found := places(name, good):
        check_slip(name, path, good, found[number % len(found)])
