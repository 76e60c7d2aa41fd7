"""Generates the pages, the pictures and the lists of sensor kinds from the modules in `sensors/kinds`.

Run `python -m tests.docs.kinds` to update the files.
"""

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from sensors.chips.sysfs import Chip, Wiring, overlay_lines
from sensors.kind import SensorKind
from sensors.registry import all_kinds
from sensors.toml.declarations import from_values
from sensors.toml.reference import KeyDescription, describe

from .pages import ROOT
from .wiring import drawing, stages

NOTE: Final = "<!-- Made from `sensors/kinds` by `python -m tests.docs.kinds`; edit the modules there. -->"
_LIST: Final = re.compile(r"^\| kind \| (?:sensor \| )?measures \|\n(?:\|.*\n)+", re.MULTILINE)
_NAVIGATION: Final = re.compile(
    r"^( *)- [^\n]*: kinds/[\w-]+\.md\n(?:\1- [^\n]*: kinds/[\w-]+\.md\n)*", re.MULTILINE
)


def files() -> dict[Path, str]:
    """Return the content of each file that is generated from the sensor kinds, by path."""
    kinds = all_kinds()
    made = {}
    for name, kind in kinds.items():
        made[ROOT / f"docs/kinds/{name}.md"] = page(kind)
        if kind.wiring is not None:
            made[ROOT / f"docs/pictures/kinds/{name}.svg"] = drawing(kind.wiring)
    rows = [
        f"| [`{name}`](kinds/{name}.md) | {kind.title} | {kind.measures} |" for name, kind in kinds.items()
    ]
    table = "\n".join(["| kind | sensor | measures |", "| --- | --- | --- |", *rows]) + "\n"
    made[ROOT / "docs/sensors.md"] = _replaced(_LIST, ROOT / "docs/sensors.md", table)
    entries = "".join(f"          - {name}: kinds/{name}.md\n" for name in kinds)
    made[ROOT / "mkdocs.yml"] = _replaced(_NAVIGATION, ROOT / "mkdocs.yml", entries)
    return made


def _replaced(pattern: re.Pattern[str], path: Path, text: str) -> str:
    """Return the content of a file with its generated section, which `pattern` matches, replaced."""
    content, count = pattern.subn(lambda _found: text, path.read_text(encoding="utf-8"))
    assert count == 1, f"{path} has {count} generated parts"
    return content


def page(kind: SensorKind) -> str:
    """Return the page that describes a kind of sensor."""
    return "\n\n".join(_parts(kind)) + "\n"


def _parts(kind: SensorKind) -> Iterator[str]:
    yield f"# {kind.title}"
    yield NOTE
    yield f"Sensors of kind `{kind.name}` record {kind.measures}."
    yield kind.description
    if kind.wiring is not None:
        yield "## Wiring"
        yield f"![Wiring of a sensor of kind {kind.name}](../pictures/kinds/{kind.name}.svg)"
        rows = [
            f"| {left}: {wire.start} | {wire.part or '-'} | {right}: {wire.end} |"
            for left, right, wires in stages(kind.wiring)
            for wire in wires
            if wire.end
        ]
        yield "\n".join(["| from | through | to |", "| --- | --- | --- |", *rows])
        yield from _bridges(kind)
        yield (
            "You can use any ground pin, because all ground pins are connected to each other. The same"
            " applies to the two 3.3 V pins, and to the two 5 V pins. [Pins of the header](../pins.md) shows"
            " the position of each pin, and which pins are free."
        )
    yield "## Configuration"
    yield f"```toml\n{kind.example}```"
    keys = list(describe(kind.options))
    if keys:
        rows = [
            f"| `{each.name}` | {_value(kind, each)} | {_default(each)} | {each.meaning} |" for each in keys
        ]
        yield "\n".join(["| key | value | without the key | meaning |", "| --- | --- | --- | --- |", *rows])
    yield _pace(kind)
    if kind.faults:
        yield "## Faults"
        yield (
            "`logboat sensors` and `logboat doctor` show the message of a faulty sensor. In this table, `…`"
            " stands for a name or a number."
        )
        rows = [f"| {message} | {remedy} |" for message, remedy in kind.faults]
        yield "\n".join(["| message | what to do |", "| --- | --- |", *rows])
    if kind.chips:
        yield "## The kernel's driver"
        yield "\n".join(_binding(chip) for chip in kind.chips.values())
    if kind.pin_overlay is not None:
        yield "## The kernel's driver"
        yield f"- Logboat adds `dtoverlay={_pin_overlay(kind)}` to `config.txt`, with your `pin`."


def _bridges(kind: SensorKind) -> Iterator[str]:
    assert kind.wiring is not None
    for left, right, wires in stages(kind.wiring):
        for wire, below in pairwise(wires):
            if wire.bridge:
                yield f"A {wire.bridge} resistor connects {left} {wire.start} to {right} {below.end}."


def _value(kind: SensorKind, row: KeyDescription) -> str:
    words = [
        f'`"{word}"`' + (f" ({unit})" if row.name == "measure" and (unit := _unit(kind, word)) else "")
        for word in row.words
    ]
    if words:
        return " or ".join(words)
    limits = f", {row.limits}" if row.limits else ""
    return f"{row.type_name}{limits}; such as `{row.example}`"


def _unit(kind: SensorKind, measure: str) -> str | None:
    return kind.unit({"measure": measure})


def _default(row: KeyDescription) -> str:
    if row.is_required:
        return "required"
    return row.without or f"`{row.default}`"


def _pace(kind: SensorKind) -> str:
    pace = (
        "This kind has no `rate`."
        if kind.interval_s is None
        else f"Without `rate` or `every`, the interval between samples is {kind.interval_s:g} s. The highest"
        f" rate is {kind.fastest_hz:g} Hz."
    )
    return f"{pace} [Keys of sensors.toml](../keys-sensors.md) lists the keys that all kinds have."


def _pin_overlay(kind: SensorKind) -> str:
    """Return the device-tree overlay for the pin in the kind's example configuration."""
    assert kind.pin_overlay is not None
    table = tomllib.loads(kind.example)["sensor"][0]
    values = {name: table.get(name) for name in kind.schema}
    return kind.pin_overlay(from_values(kind.options, values))


def _binding(chip: Chip) -> str:
    bus, address = chip.wiring.usual_bus, chip.usual_address
    if chip.overlay is None:
        needed = (
            f"- {chip.title}: at each start, Logboat announces the chip to the kernel as `{chip.device}`."
        )
    else:
        lines = " and ".join(f"`{line}`" for line in overlay_lines(chip.overlay(bus, address)))
        needed = f"- {chip.title}: Logboat adds {lines} to `config.txt`."
    if chip.wiring is Wiring.ONE_WIRE:
        return needed
    form = "0x{:02x}" if chip.wiring is Wiring.I2C else "{}"
    ends = " to ".join(form.format(end) for end in (chip.addresses[0], chip.addresses[-1]))
    what = "address" if chip.wiring is Wiring.I2C else "chip select"
    return f"{needed} Its {chip.wiring.title} {what} can be {ends}."


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
