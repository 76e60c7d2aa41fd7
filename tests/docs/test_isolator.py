"""The page about opto-isolators contains a picture and a table of each circuit, with the same pins."""

import tomllib
from pathlib import Path

import pytest

from . import isolator
from .isolator import CIRCUITS, PAGE
from .pages import blocks
from .wiring import stages


@pytest.mark.parametrize("path", isolator.files(), ids=lambda path: path.name)
def test_picture_is_made_from_the_circuit(path: Path) -> None:
    assert path.read_text() == isolator.files()[path], "run: python -m tests.docs.isolator"


@pytest.mark.parametrize("name", CIRCUITS)
def test_page_shows_the_picture_and_lists_its_wires(name: str) -> None:
    text = PAGE.read_text()
    assert f"](pictures/{name}.svg)" in text
    for left, right, wires in stages(CIRCUITS[name]):
        for wire in wires:
            if wire.end:
                assert f"| {left}: {wire.start} | {wire.part or '-'} | {right}: {wire.end} |" in text


@pytest.mark.parametrize(("number", "name"), list(enumerate(CIRCUITS)))
def test_example_uses_the_pin_of_the_circuit(number: int, name: str) -> None:
    (sensor,) = tomllib.loads(list(blocks(PAGE, language="toml"))[number].text)["sensor"]
    starts = {wire.start for wire in CIRCUITS[name].wires}
    assert f"GPIO{sensor['pin']}" in starts


@pytest.mark.parametrize(("ohm", "volts"), [(2_200, 12), (2_200, 14.4), (4_700, 24), (4_700, 28.8)])
def test_currents_follow_from_the_resistors(ohm: float, volts: float) -> None:
    ampere = (volts - 1.2) / ohm
    row = next(
        line
        for line in PAGE.read_text().splitlines()
        if line.startswith(f"| {ohm / 1000:g} kΩ | {volts:g} V")
    )
    assert row.endswith(f"| {ampere * 1e3:.1f} mA | {ampere * ampere * ohm * 1e3:.0f} mW |")
