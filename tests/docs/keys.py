"""Generates the pages docs/keys-*.md from the declarations of the configuration keys.

Run `python -m tests.docs.keys` to update the pages.
"""

from collections.abc import Iterator
from typing import Final

from sensors.settings import CorrectionKeys, SamplingKeys, SensorsFile
from sensors.toml.reference import KeyDescription, describe
from services.config.model import Configuration, GatewaySection

from .pages import DOCS

NOTE: Final = (
    "<!-- Made from the declarations of the keys by `python -m tests.docs.keys`; edit them there. -->"
)
_EXPLANATION: Final = (
    'A key without a default is required. Values with a unit are written as text, such as `"50 ms"`. The'
    " column *value* names the SI unit in which Logboat stores them. `logboat config check vessel.toml"
    " sensors.toml` reports every mistake in both files."
)


def pages() -> dict[str, str]:
    """Return the text of each page about keys, by file name."""
    others = [row for row in describe(Configuration) if row.section is not GatewaySection]
    gateways = [row for row in describe(Configuration) if row.section is GatewaySection]
    return {
        "keys-logboat.md": _page(
            "Keys of vessel.toml and logboat.toml",
            "`vessel.toml` and `logboat.toml` have the same keys. You write `vessel.toml`, on the card or in"
            " the fleet's folder. The appliance copies it to `/etc/logboat/logboat.toml`. The section"
            " `[[gateway]]` has [a page of its own](keys-gateways.md).",
            others,
        ),
        "keys-gateways.md": _page(
            "Keys of gateways",
            "Each gateway is a section `[[gateway]]` in `vessel.toml` (on the appliance, `logboat.toml`)."
            " [Gateways](gateways.md) shows their use.",
            gateways,
        ),
        "keys-sensors.md": _page(
            "Keys of sensors.toml",
            "These keys are the same for all kinds of sensors. The page of each kind lists its own keys; see"
            " [Wiring a sensor](sensors.md).",
            list(describe(SensorsFile)),
            "## Sampling",
            "The kinds that are sampled at an interval also have these keys in `[[sensor]]`:",
            _table(list(describe(SamplingKeys))),
            "## Corrections",
            "The kinds that read a chip also have these keys in `[[sensor]]`. They correct a constant error"
            " of the sensor:",
            _table(list(describe(CorrectionKeys))),
        ),
    }


def _page(title: str, words: str, rows: list[KeyDescription], *more: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, words, _EXPLANATION, *_sections(rows, ()), *more]) + "\n"


def _sections(rows: list[KeyDescription], outer: tuple[KeyDescription, ...]) -> Iterator[str]:
    """Yield the parts of a page. Simple keys come first, and then each table with its keys."""
    if outer:
        yield f"## {_heading(outer)}"
        yield outer[-1].meaning
    elif plain := [row for row in rows if row.section is None]:
        yield _table(plain)
    if outer:
        yield _table(rows)
    for row in rows:
        if row.section is not None:
            yield from _sections(list(describe(row.section)), (*outer, row))


def _heading(path: tuple[KeyDescription, ...]) -> str:
    """Return the heading for a table of the configuration, which begins with the name of its section."""
    section = f"[[{path[0].name}]]" if path[0].is_list else f"[{path[0].name}]"
    return " ".join([section, *(row.name for row in path[1:])])


def _table(rows: list[KeyDescription]) -> str:
    lines = [
        f"| `{row.name}` | {_value(row)} | {_default(row)} | {_example(row)} | {_meaning(row)} |"
        for row in rows
    ]
    head = ["| key | value | default | example | meaning |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *lines]).replace("| |", "| - |")


def _value(row: KeyDescription) -> str:
    words = [f'`"{word}"`' for word in row.words]
    if words:
        return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
    unit = f" ({row.unit})" if row.unit else ""
    return f"{row.type_name}{unit}" + (f", {row.limits}" if row.limits else "")


def _default(row: KeyDescription) -> str:
    if row.section is not None:
        return row.without or "-"
    return "required" if row.is_required else row.without or f"`{row.default}`"


def _example(row: KeyDescription) -> str:
    return f"`{row.example}`" if row.example else "-"


def _meaning(row: KeyDescription) -> str:
    return f"{row.meaning} Only for {row.only_for}." if row.only_for else row.meaning


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
