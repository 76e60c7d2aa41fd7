"""Line numbers of values in TOML files are known, and error messages use plain words."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.toml.toml_file import (
    MOST_BYTES,
    UNREADABLE,
    ConfigurationError,
    FileProblem,
    TomlFile,
    parse,
    read,
)
from sensors.toml.toml_lines import Place, locate

FILE = Path("sensors.toml")


def parsed(text: str) -> TomlFile:
    return parse(FILE, text.encode())


def problems(text: str) -> list[str]:
    """Return the problems in a text that is not valid TOML."""
    try:
        found = parsed(text).problems
    except ConfigurationError as error:
        found = error.problems
    return [str(problem) for problem in found]


# Line numbers --------------------------------------------------------------------------------------

EXAMPLE = '''\
# a remark with = and [brackets]
title = "x = 1"                 # 2
a.b = 1
a.c = 2

[table]
"quoted key" = 1
'literal.key' = [
  1, # 9
  [2, 3],

  """
  multi = "line"
  """,
  { x = 1, y.z = 2 },           # 15
]
text = """
[not.a.table]
k = 1"""
date = 1979-05-27 07:32:00      # 20
"\\u0041" = 'a'

[[sensor]]
id = "one"
[sensor.alarm]
above = 1
[[sensor]]
id = "two"
[[sensor.alarm]]
[ "sensor" . alarm . deep ]
'''

LINES: dict[Place, int] = {
    ("title",): 2,
    ("a",): 3,
    ("a", "b"): 3,
    ("a", "c"): 4,
    ("table",): 6,
    ("table", "quoted key"): 7,
    ("table", "literal.key"): 8,
    ("table", "literal.key", 0): 9,
    ("table", "literal.key", 1): 10,
    ("table", "literal.key", 1, 0): 10,
    ("table", "literal.key", 1, 1): 10,
    ("table", "literal.key", 2): 12,
    ("table", "literal.key", 3): 15,
    ("table", "literal.key", 3, "x"): 15,
    ("table", "literal.key", 3, "y"): 15,
    ("table", "literal.key", 3, "y", "z"): 15,
    ("table", "text"): 17,
    ("table", "date"): 20,
    ("table", "A"): 21,
    ("sensor",): 23,
    ("sensor", 0): 23,
    ("sensor", 0, "id"): 24,
    ("sensor", 0, "alarm"): 25,
    ("sensor", 0, "alarm", "above"): 26,
    ("sensor", 1): 27,
    ("sensor", 1, "id"): 28,
    ("sensor", 1, "alarm"): 29,
    ("sensor", 1, "alarm", 0): 29,
    ("sensor", 1, "alarm", 0, "deep"): 30,
}


def test_every_table_key_and_element_has_its_line() -> None:
    assert locate(EXAMPLE) == LINES


def test_missing_key_has_the_line_of_its_table() -> None:
    file = parsed(EXAMPLE)
    assert file.line(("sensor", 1, "pin")) == 27
    assert file.line(("table", "literal.key", 3, "x", "y")) == 15
    assert file.line(("nothing",)) is None


def flat(value: Any, place: Place = ()) -> Iterator[Place]:
    """Yield the path of every value in a parsed document."""
    if place:
        yield place
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from flat(child, (*place, key))


@given(st.text(alphabet="ab.=[]{}\"'\n#,1 \\-\t", max_size=40))
def test_every_value_in_a_valid_document_is_located(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(locate(text)) == set(flat(document))


class Writer:
    """Writer of TOML documents in every style of the syntax. Each key's name occurs on one line only."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._keys = 0
        self.lines: list[str] = []

    def key(self) -> str:
        self._keys += 1
        name = f"k{self._keys}z"
        odd = self._draw(st.sampled_from(["", "", "é ", "#", ".", "]", "="]))
        quotes = (
            self._draw(st.sampled_from(["", '"', "'"]))
            if not odd
            else self._draw(st.sampled_from(['"', "'"]))
        )
        return f"{quotes}{odd}{name}{quotes}"

    def value(self, depth: int) -> str:
        kinds = ["scalar", "scalar", "text"] + ["array", "inline"] * (depth > 0)
        match self._draw(st.sampled_from(kinds)):
            case "array":
                items = [self.value(depth - 1) for _ in range(self._draw(st.integers(0, 3)))]
                gap = self._draw(st.sampled_from([" ", "\n", " # [ ' \" }\n", "\n\n\t"]))
                comma = self._draw(st.sampled_from(["", ","])) if items else ""
                return f"[{gap}{f',{gap}'.join(items)}{gap}{comma}{gap}]"
            case "inline":
                pairs = [self.pair(depth - 1) for _ in range(self._draw(st.integers(0, 3)))]
                return "{ " + ", ".join(pairs) + " }"
            case "text":
                return self._draw(
                    st.sampled_from(
                        [
                            '"a # \\" [b] = { \\\\"',
                            "'c \\'",
                            '"""\n[x]\ny = 1 "" \\""""',
                            "'''\n# z = ['\n''''",
                            '"""one"""""',
                        ]
                    )
                )
            case _:
                return self._draw(
                    st.sampled_from(["1", "-0.5e3", "true", "1979-05-27 07:32:00", "0x7f", "inf", "07:32:00"])
                )

    def pair(self, depth: int) -> str:
        names = [self.key() for _ in range(self._draw(st.sampled_from([1, 1, 1, 2, 3])))]
        dot = self._draw(st.sampled_from([".", " . "]))
        return f"{dot.join(names)} = {self.value(depth)}"

    def document(self) -> str:
        parts = [self.pair(2) for _ in range(self._draw(st.integers(0, 3)))]
        for _ in range(self._draw(st.integers(0, 4))):
            name = self.key()
            header = self._draw(st.sampled_from([f"[{name}]", f"[ {self.key()}.{name} ]", f"[[{name}]]"]))
            for _ in range(self._draw(st.integers(1, 3)) if header.startswith("[[") else 1):
                parts += ["", f"{header} # here"]
                parts += [self.pair(2) for _ in range(self._draw(st.integers(0, 3)))]
                if header.startswith("[[") and self._draw(st.booleans()):
                    parts += [f"[{name}.{self.key()}]", self.pair(1)]
        return self._draw(st.sampled_from(["\n", "\r\n"])).join("\n".join(parts).split("\n"))


@st.composite
def documents(draw: st.DrawFn) -> str:
    return Writer(draw).document()


@given(documents())
def test_line_of_every_key_contains_the_key(text: str) -> None:
    document = tomllib.loads(text)
    lines = locate(text)
    rows = text.split("\n")
    assert set(lines) == set(flat(document))
    for place, line in lines.items():
        name = place[-1]
        if isinstance(name, str):
            assert name in rows[line - 1], (place, line)


# Reading -------------------------------------------------------------------------------------------


def test_windows_line_ends_and_a_byte_order_mark_are_accepted() -> None:
    file = parse(FILE, b'\xef\xbb\xbf[a]\r\nb = """x\r\ny"""\r\nc = 1\r\n')
    assert file.data == {"a": {"b": "x\ny", "c": 1}}
    assert file.line(("a", "c")) == 4


def test_text_that_is_not_utf_8_is_reported_with_its_line() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(FILE, b'a = 1\nb = "\xe4"\n')
    assert str(caught.value) == ("sensors.toml:2: the file is not UTF-8 text. Save the file as UTF-8.")


def test_utf_16_is_reported() -> None:
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        parse(FILE, "a = 1".encode("utf-16"))


def test_missing_file_is_a_problem_unless_it_is_permitted(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        read(tmp_path / "sensors.toml")
    empty = read(tmp_path / "sensors.toml", missing_ok=True)
    assert (empty.data, empty.content) == ({}, None)


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read(tmp_path, missing_ok=True)


def test_invisible_character_in_a_header_causes_no_other_problem(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    text = "[[sensor]]\nid = 1\n[[sensor]]\N{ZERO WIDTH SPACE}\nid = 2\n"
    found = parse(path, text.encode())
    assert [problem.line for problem in found.problems] == [3]
    assert [sensor["id"] for sensor in found.data["sensor"]] == [1, 2]


def test_file_that_is_far_too_long_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sensors.toml"
    path.write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(ConfigurationError, match="too long for a configuration"):
        read(path)


# Syntax errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ("a = 1\npin 17\n", "sensors.toml:2:5: pin: ", 'no "="'),
        ("debounce = 50 ms # x\n", "sensors.toml:1:15: debounce: ", 'Write "50 ms".'),
        ("alarm = { above = 3 V }\n", "sensors.toml:1:21: alarm: ", 'Write "3 V".'),
        ("speed = 1,5\n", "sensors.toml:1:10: speed: ", "with a decimal point"),
        ("speed = 1,5 V\n", "sensors.toml:1:10: speed: ", 'Write "1.5 V", with a decimal point'),
        (
            "alarm = { below = 0,15, for = 1 }\n",
            "sensors.toml:1:23: alarm: ",
            "Write 0.15 with a decimal point.",
        ),
        (
            "pulses_per_unit = 1,500\n",
            "sensors.toml:1:",
            "1.500 with a decimal point, or 1500 for thousands.",
        ),
        ("pasword = 12345,678\n", "sensors.toml:1:", "Put text in double quotes, or write the number"),
        ("password = 12,345\n", "sensors.toml:1:", "Put text in double quotes, or write the number"),
        ("pin = GPIO17\n", "sensors.toml:1:7: pin: ", "Write: pin = 17"),
        ("pin = bcm 4\n", "sensors.toml:1:7: pin: ", "Write: pin = 4"),
        ("address = 0X76\n", "sensors.toml:1:12: address: ", "Write: 0x76"),
        ("repeat = FALSE\n", "sensors.toml:1:10: repeat: ", "Write: repeat = false"),
        ("alarm = { a = 1, }\n", "sensors.toml:1:18: alarm: ", "Delete this comma."),
        ("alarm = { a = 1\n", "sensors.toml:1:16: alarm: ", 'Add the "}"'),
        ("alarm = { a = 1,\n  b = 2 }\nc = 3\n", "sensors.toml:1:17: alarm: ", "Write all of { … } on one"),
        ("alarm = {\n  a = 1\n}\n", "sensors.toml:1:10: alarm: ", "{ … } ends only in line 3"),
        ("kind = ''switch''\n", "sensors.toml:1:10: kind: ", "one double quote on each side"),
        ("pin\N{NO-BREAK SPACE}= 17\n", "sensors.toml:1:4: pin: ", "other than the ordinary space (U+00A0)"),
        ("pin =\N{NARROW NO-BREAK SPACE}17\n", "sensors.toml:1:6: pin: ", "(U+202F). Delete every space"),
        ("\N{NO-BREAK SPACE}pin = 17\n", "sensors.toml:1:1: pin: ", "other than the ordinary space"),
        ("[a]\N{ZERO WIDTH SPACE}\n", "sensors.toml:1:4: ", "other than the ordinary space (U+200B)"),
        ("alarm = { a = 1 }\nalarm = { a = 2 }\n", "sensors.toml:2:18: alarm: ", "first in line 1. To have"),
        ("alarm = { a = 1 }\nalarm = { a = 2 }\n", "sensors.toml:2:18: ", "alarm = [{ … }, { … }]"),
        ("[user]\n[user]\n", "sensors.toml:2:6: ", "[[user]]"),
        ("[[sensor]]\n[sensor.alarm]\n[sensor.alarm]\n", "sensors.toml:3:14: ", "[[sensor.alarm]]"),
        ("name = Main bilge\n", "sensors.toml:1:8: name: ", "double quotes"),
        ("repeat = True\n", "sensors.toml:1:10: repeat: ", "lower case"),
        ("name = “Main”\n", "sensors.toml:1:8: name: ", "straight quotes"),
        ('name = "Main\npin = 1\n', "sensors.toml:1:13: name: ", "closing quote"),
        ('file = "C:\\data"\n', "sensors.toml:1:", "backslash"),
        ("[[sensor]\npin = 1\n", "sensors.toml:1:9: ", "[[sensor]]"),
        ("pin = 1\npin = 2\n", "sensors.toml:2:8: pin: ", "is defined twice"),
        ("[a]\n[a]\n", "sensors.toml:2:", "is defined twice"),
        ("x = [1,\n2\ny = 3\n", "sensors.toml:1: x: ", 'Add the "]".'),
        ("x = [1,\n2\n", "sensors.toml:1: x: ", 'Add the "]".'),
        ("x = [\n[1, 2\n]\ny = 3\n", "sensors.toml:1: x: ", 'Add the "]".'),
        ("pulses per_unit = 1\n", "sensors.toml:1:8: pulses_per_unit: ", "Write: pulses_per_unit = …"),
        ("x = 'a\ny = 1\n", "sensors.toml:1: x: ", "Add the closing quote."),
        ("x = 'a\ny = 'b'\n", "sensors.toml:1:7: x: ", "Add the closing quote."),
        ('x = """a"\ny = 1\n', "sensors.toml:1: x: ", "Add the closing quote."),
        ("= 1\n", "sensors.toml:1:1: ", "not understood"),
        ("\x00", "sensors.toml:1:1: ", "not understood"),
    ],
)
def test_syntax_error_is_reported_in_plain_words_with_line_and_column(
    text: str, start: str, part: str
) -> None:
    [said] = problems(text)
    assert said.startswith(start)
    assert part in said
    assert "\n" not in said


QUOTES = [
    "\N{LEFT DOUBLE QUOTATION MARK}a\N{RIGHT DOUBLE QUOTATION MARK}",
    "\N{RIGHT DOUBLE QUOTATION MARK}a\N{RIGHT DOUBLE QUOTATION MARK}",
    "\N{DOUBLE LOW-9 QUOTATION MARK}a\N{LEFT DOUBLE QUOTATION MARK}",
    "\N{SINGLE LOW-9 QUOTATION MARK}a\N{LEFT SINGLE QUOTATION MARK}",
    "\N{LEFT SINGLE QUOTATION MARK}a\N{RIGHT SINGLE QUOTATION MARK}",
    "«a»",
    "« a »",
    "»a«",
    "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}a\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK}",
    "\N{LEFT CORNER BRACKET}a\N{RIGHT CORNER BRACKET}",
    "\N{FULLWIDTH QUOTATION MARK}a\N{FULLWIDTH QUOTATION MARK}",
    "\N{DOUBLE PRIME}a\N{DOUBLE PRIME}",
    "`a`",
    "\N{ACUTE ACCENT}a\N{ACUTE ACCENT}",
    '"a\N{RIGHT DOUBLE QUOTATION MARK}',
    '"a»',
    '\N{LEFT DOUBLE QUOTATION MARK}a"',
    "'a\N{RIGHT SINGLE QUOTATION MARK}",
]


@pytest.mark.parametrize("quoted", QUOTES)
@pytest.mark.parametrize(
    "line", ["name = {}", "name = {}  # the “x”", "alarm = {{ name = {}, b = 1 }}", "names = [{}]"]
)
def test_quotes_of_every_language_are_named(line: str, quoted: str) -> None:
    said = problems(line.format(quoted) + "\n")
    assert all(each.startswith("sensors.toml:1:") for each in said)
    assert "typographic quotes are not allowed. Use straight quotes" in said[0]


def test_apostrophe_is_not_taken_for_a_quote() -> None:
    [said] = problems('name = "L\N{RIGHT SINGLE QUOTATION MARK}été\n')
    assert "Add the closing quote." in said
    [said] = problems("pin 17  # the “main” pin\n")
    assert 'no "="' in said


def test_lines_of_a_table_in_brackets_are_one_mistake() -> None:
    file = parsed("[[sensor]]\nalarm = {\n a = 1,\n b = 2\n}\nrate = yes\n")
    assert [problem.line for problem in file.problems] == [2, 6]


@pytest.mark.parametrize(
    "row", ["password = 12345678Vx", "password = “sesame”", "password = 1234,5678", "password = open"]
)
def test_password_without_quotes_is_not_repeated(row: str) -> None:
    [said] = problems(f"{row}\n")
    assert not any(part in said for part in ("1234", "sesame", "open"))


def test_syntax_error_does_not_hide_later_errors() -> None:
    file = parsed('[[sensor]\nid = "a"\ndebounce = 50 ms\npin 17\nid = "b"\nrate = yes\nwindow = "5 min"\n')
    assert [problem.line for problem in file.problems] == [1, 3, 4, 5, 6]
    assert file.data == {
        "sensor": [
            {"id": "a", "debounce": UNREADABLE, "pin": UNREADABLE, "rate": UNREADABLE, "window": "5 min"}
        ]
    }
    assert file.line(("sensor", 0, "window")) == 7


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "{b = " * 5000])
def test_excessively_nested_brackets_are_reported(text: str) -> None:
    [said] = problems(text)
    assert "nested too deeply" in said


def test_number_with_thousands_of_digits_is_reported() -> None:
    [said] = problems("a = " + "1" * 5000)
    assert "cannot be read" in said


@given(st.text() | st.text(alphabet="ab.=[]{}\"'\n#,1 \\-"))
def test_any_text_is_read_or_reported_in_single_lines(text: str) -> None:
    assert all("\n" not in said for said in problems(text))


def test_problem_is_one_printable_line_with_place_subject_text_and_remedy() -> None:
    problem = FileProblem(
        file=Path("/boot/firmware/logboat/sensors.toml"),
        line=14,
        key="pin",
        text="5 is used by the power light",
        remedy="Choose another pin.",
        table='sensor "bilge\n\x1b[2Jfloat"',
    )
    assert str(problem) == (
        'sensors.toml:14: sensor "bilge··[2Jfloat", pin: 5 is used by the power light. Choose another pin.'
    )
