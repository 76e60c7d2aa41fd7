"""The JSON schema, the parsed object and the reference page of keys are derived from one class."""

from dataclasses import FrozenInstanceError, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from sensors.toml import toml_file
from sensors.toml.declarations import from_values, included, key, read, schema_of, section, table, tables
from sensors.toml.reference import as_written, describe
from sensors.toml.schema import (
    Table,
    boolean,
    choice,
    integer,
    list_of,
    number,
    one_of,
    quantity,
    text,
    word_for,
)
from sensors.toml.value_forms import ValueForm, form_of, parsed_later
from sensors.units import InputError


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


@section
class Rule:
    """Example of a section that describes one table in a list."""

    above: float = key(number(0.0, 10.0), example="5", meaning="Limit.")
    hold_s: float = key(
        quantity("s", "0 ms", "10 s"), name="for", default=0.05, example='"20 ms"', meaning="Duration."
    )


@section
class Cable:
    """A table that can appear only once."""

    length_m: float | None = key(
        quantity("m", "1 cm", "1 km"),
        name="length",
        default=None,
        without="the length is not known",
        example='"2 m"',
        meaning="Length.",
    )


@section
class Device:
    """A section with every kind of field."""

    pin: int = key(integer(2, 27), example="17", meaning="Pin.")
    password: str = key(text(), example='"sesame"', secret=True, meaning="Password.")
    colour: Colour = key(one_of(Colour), default=Colour.RED, example='"green"', meaning="Colour.")
    is_low: bool = key(
        word_for({"low": True, "high": False}),
        name="active",
        default=True,
        example='"high"',
        meaning="Level.",
    )
    names: tuple[str, ...] = key(
        list_of(text(5, least=1), least=1), default=("a", "b"), example='["c"]', meaning="Names."
    )
    is_hidden: bool = key(boolean, name="hidden", default=False, example="true", meaning="Hidden.")
    rules: tuple[Rule, ...] = tables(Rule, name="rule", default=(), meaning="Rules.")
    cable: Cable = table(Cable, default=Cable(), meaning="Cable.")
    found: str = ""
    """Field that is not a key of the file."""


def read_device(content: str, **options: Any) -> tuple[Device, list[str]]:
    root = Table.root(toml_file.parse(Path("device.toml"), content.encode()))
    device = read(root, Device, **options)
    return device, [str(problem) for problem in root.problems]


def test_table_and_its_subtables_become_objects() -> None:
    device, problems = read_device(
        'pin = 3\npassword = "s"\nactive = "high"\nrule = [{ above = 2, for = "1 s" }, { above = 3 }]\n'
        'cable = { length = "20 cm" }\n'
    )
    assert problems == []
    assert device == Device(
        pin=3, password="s", is_low=False, rules=(Rule(2.0, 1.0), Rule(3.0)), cable=Cable(length_m=0.2)
    )


def test_problems_have_lines_and_the_names_in_the_file() -> None:
    _, problems = read_device('pin = 1\nactive = "on"\nhiden = true\nrule = [{ for = "1 h" }]\n')
    assert [problem.partition(": ")[2] for problem in problems] == [
        'hiden: this key is not known. Did you mean "hidden"?',
        "pin: 1 is too low. The value must be 2 or more.",
        'password: this key is missing. Add, for example: password = "…"',
        'active: "on" is not an allowed value. Use one of "low", "high".',
        "rule, above: this key is missing. Add, for example: above = 5",
        'rule, for: "1 h" is too large. The value must be 10 s or less.',
    ]


def test_single_table_can_appear_only_once() -> None:
    device, problems = read_device('pin = 3\npassword = "s"\n[[cable]]\n[[cable]]\nlength = "2 m"\n')
    assert len(problems) == 1
    assert "this section can appear only once" in problems[0]
    assert device.cable == Cable()


def test_checks_receive_the_table_and_the_section() -> None:
    def check(source: Table, rule: Rule) -> None:
        if rule.above > 2:
            source.complain("above", "this is a lot")

    _, problems = read_device(
        'pin = 3\npassword = "s"\nrule = [{ above = 2 }, { above = 3 }]', checks={Rule: check}
    )
    assert problems == ["device.toml:3: rule, above: this is a lot"]


def test_fields_that_are_not_keys_are_set_by_the_caller() -> None:
    assert "found" not in schema_of(Device)
    values = {name: each.default for name, each in schema_of(Device).items()}
    assert from_values(Device, values, found="here").found == "here"


@dataclass(frozen=True, slots=True)
class PlainOptions:
    """Options of a package that does not read files."""

    bright: bool = field(default=False, metadata={"meaning": "Bright.", "example": "true"})
    count: int = field(default=2, metadata={"meaning": "Count.", "example": "3", "limits": (1, 5)})
    hold_s: float = field(
        default=2.0,
        metadata={"meaning": "Hold.", "example": '"3 s"', "unit": "s", "limits": ("1 s", "5 s")},
    )
    title: str = field(default="", metadata={"meaning": "Title.", "example": '"a"'})
    level: str = field(
        default="low", metadata={"meaning": "Level.", "example": '"high"', "words": ("low", "high")}
    )


@section
class Lamp:
    """A section that includes the keys of a plain dataclass."""

    name: str = key(text(), example='"a"', meaning="Name.")
    options: PlainOptions = included(PlainOptions, default=PlainOptions(), only_for="lamp")


def test_fields_of_a_plain_dataclass_are_keys_of_the_same_table() -> None:
    root = Table.root(
        toml_file.parse(Path("l.toml"), b'name = "x"\nbright = true\nhold_s = "9 s"\ncount = 4\n')
    )
    lamp = read(root, Lamp)
    assert [str(problem) for problem in root.problems] == [
        'l.toml:3: hold_s: "9 s" is too large. The value must be 5 s or less.'
    ]
    assert lamp.options == PlainOptions(bright=True, count=4, hold_s=None)  # type: ignore[arg-type]
    rows = {row.name: row for row in describe(Lamp)}
    assert list(rows) == ["name", "bright", "count", "hold_s", "title", "level"]
    assert {row.only_for for row in rows.values()} == {"", "lamp"}
    assert (rows["hold_s"].limits, rows["hold_s"].default, rows["level"].words) == (
        "1 s to 5 s",
        '"2 s"',
        ("low", "high"),
    )


def test_secret_appears_in_no_repr() -> None:
    assert "sesame" not in repr(Device(pin=3, password="sesame"))


def test_sections_with_the_same_values_are_equal() -> None:
    device = Device(pin=3, password="sesame")
    assert device == replace(device, pin=3)
    assert hash(device) == hash(replace(device))
    assert device != replace(device, pin=4)
    other: object = Cable(1.0)
    assert Rule(1.0) != other
    assert repr(Rule(1.0)) == "Rule(above=1.0, hold_s=0.05)"


def test_section_is_frozen_and_has_slots() -> None:
    device = Device(pin=3, password="")
    with pytest.raises(FrozenInstanceError):
        device.pin = 4  # type: ignore[misc]
    assert not hasattr(device, "__dict__")


def test_description_has_type_unit_limits_and_choices_of_the_parser() -> None:
    rows = {row.name: row for row in describe(Device)}
    assert list(rows) == ["pin", "password", "colour", "active", "names", "hidden", "rule", "cable"]
    assert (rows["pin"].type_name, rows["pin"].limits, rows["pin"].is_required) == (
        "whole number",
        "2 to 27",
        True,
    )
    assert (rows["colour"].words, rows["colour"].default) == (("red", "green"), '"red"')
    assert (rows["active"].words, rows["active"].default) == (("low", "high"), '"low"')
    assert (rows["names"].type_name, rows["names"].default) == ("list: text", '["a", "b"]')
    assert rows["names"].limits == "at least 1 entry, 1 to 5 characters"
    assert rows["hidden"].default == "false"
    assert rows["rule"].section is Rule
    assert rows["cable"].section is Cable
    (above, hold) = describe(Rule)
    assert (above.type_name, above.limits) == ("number", "0 to 10")
    assert (hold.name, hold.type_name, hold.unit, hold.limits, hold.default) == (
        "for",
        "duration",
        "s",
        "0 ms to 10 s",
        '"50 ms"',
    )
    (length,) = describe(Cable)
    assert (length.default, length.without) == ("", "the length is not known")


@pytest.mark.parametrize(
    ("value", "parser", "written"),
    [
        (0.0, quantity("s", "0 s", "1 h"), '"0 s"'),
        (300.0, quantity("s", "0 s", "1 h"), '"5 min"'),
        (20_000.0, quantity("Hz", "1 Hz", "1000 kHz"), '"20 kHz"'),
        (3.3, quantity("V", "0 V", "6 V"), '"3.3 V"'),
        (293.15, quantity("K", "0 °C", "90 °C"), '"20 °C"'),
        (1.0, number(), "1"),
        ("low", choice("low", "high"), '"low"'),
        (None, text(), ""),
    ],
)
def test_default_is_written_in_the_files_syntax(value: object, parser: Any, written: str) -> None:
    assert as_written(value, form_of(parser)) == written
    if written:
        content = toml_file.parse(Path("f.toml"), f"value = {written}".encode())
        assert parser(content.data["value"]) == value


def test_value_that_is_parsed_later_is_not_changed() -> None:
    parser = parsed_later(ValueForm("a number or a quantity", "the sensor's unit"))
    assert parser("3 bar") == "3 bar"
    assert form_of(parser).unit == "the sensor's unit"


def test_value_outside_the_table_of_choices_is_refused() -> None:
    with pytest.raises(InputError, match="not an allowed value"):
        word_for({"low": True})("high")
