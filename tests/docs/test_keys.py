"""The pages about keys match the declarations of the keys, and all examples and defaults are valid."""

from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import pytest

from sensors.config.sections import SECTIONS
from sensors.registry import all_kinds
from sensors.settings import CorrectionKeys, SamplingKeys, SensorsFile
from sensors.toml import toml_file
from sensors.toml.declarations import Declaration, declarations
from sensors.toml.reference import as_written
from sensors.toml.value_forms import form_of
from services.config.model import Configuration

from . import keys
from .pages import DOCS


@pytest.mark.parametrize("name", keys.pages())
def test_page_is_made_from_the_declarations(name: str) -> None:
    assert (DOCS / name).read_text() == keys.pages()[name], "run: python -m tests.docs.keys"


def declared(section: type, path: str) -> Iterator[tuple[str, str, Declaration, Any]]:
    for name, (_field, declaration, default) in declarations(section).items():
        yield f"{path}.{name}", name, declaration, default
        if declaration.section is not None:
            yield from declared(declaration.section, f"{path}.{name}")


KEYS = [
    *declared(Configuration, "logboat"),
    *declared(SensorsFile, "sensors"),
    *declared(SamplingKeys, "sampling"),
    *declared(CorrectionKeys, "correction"),
    *(key for name, kind in all_kinds().items() for key in declared(kind.options, name)),
]
VALUES = [key for key in KEYS if key[2].section is None]


def parsed(name: str, written: str, declaration: Declaration) -> Any:
    file = toml_file.parse(Path("file.toml"), f"{name} = {written}\n".encode())
    assert file.problems == ()
    return declaration.parse(file.data[name])


@pytest.mark.parametrize(("path", "name", "declaration", "default"), VALUES, ids=[key[0] for key in VALUES])
def test_example_is_valid_and_is_not_the_default(
    path: str, name: str, declaration: Declaration, default: Any
) -> None:
    value = parsed(name, declaration.example, declaration)
    assert value != default or len(form_of(declaration.parse).words) == 1


@pytest.mark.parametrize(("path", "name", "declaration", "default"), VALUES, ids=[key[0] for key in VALUES])
def test_default_is_written_as_in_a_file(
    path: str, name: str, declaration: Declaration, default: Any
) -> None:
    written = as_written(default, form_of(declaration.parse))
    if default is None:
        assert declaration.without, "say what applies without the key"
    elif default is not MISSING and not declaration.without:
        assert parsed(name, written, declaration) == default


@pytest.mark.parametrize(("path", "name", "declaration", "default"), KEYS, ids=[key[0] for key in KEYS])
def test_meaning_is_a_sentence(path: str, name: str, declaration: Declaration, default: Any) -> None:
    assert declaration.meaning[0].isupper() or declaration.meaning[0] == "`"
    assert declaration.meaning.endswith(".")
    assert form_of(declaration.parse).name != "a value", "give the parser its form"


def test_sections_of_the_other_file_are_those_of_the_configuration() -> None:
    assert tuple(declarations(Configuration)) == SECTIONS
