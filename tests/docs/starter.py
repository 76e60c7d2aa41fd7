"""Generates the configuration templates in provisioning/templates.

The templates consist of the declared keys and the examples of the sensor kinds. Run
`python -m tests.docs.starter` to update them.
"""

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from provisioning import starter_files
from sensors.registry import all_kinds
from sensors.toml.reference import KeyDescription, describe
from services.config.model import Configuration

FOLDER: Final = Path(starter_files.__file__).parent / "templates"
_WIDTH: Final = 100


@dataclass(frozen=True, slots=True)
class Part:
    """Section in the template of vessel.toml, with the keys that most vessels use."""

    name: str
    keys: tuple[str, ...]
    words: str = ""
    """Sentences that follow the declared description of the section."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Values in TOML to show instead of the declared examples, by key."""
    shows_defaults: bool = False
    """True to show the defaults of the keys instead of the declared examples."""


VESSEL: Final = (
    Part("vessel", ("id", "name", "mmsi", "timezone")),
    Part(
        "network",
        ("country", "wifi", "access_point", "vessel_radio", "ethernet", "ssh_keys", "ssh_interfaces"),
    ),
    Part(
        "gateway",
        ("name", "kind", "url", "user", "password_file"),
        "The password is in a file of this name beside this one.",
    ),
    Part(
        "gateway",
        ("name", "kind", "url", "home_assistant", "signalk"),
        "This one is an MQTT broker.",
        {"name": '"home"', "kind": '"mqtt"', "url": '"mqtts://broker.example.org:8883"'},
    ),
    Part(
        "user",
        ("name", "password_hash", "access"),
        "`logboat fleet password` prints the hash of a password. An app with `read-write` access "
        "acknowledges alarms and writes notes; one with `read-only` access, for example a "
        "guest's, only shows records.",
    ),
    Part("mesh", ("static", "max_peers")),
    Part("lights", ("power", "record", "mesh", "gateway", "fault"), shows_defaults=True),
    Part("clock", ("rtc", "gnss")),
    Part("retention", ("budget",)),
)
KINDS: Final = ("switch", "ds18b20", "pulse", "runtime", "analog", "ina226", "manual")
"""Kinds of sensors that most vessels have, in the order of the template."""

_VESSEL_HEAD: Final = """\
# The configuration of a vessel: its name, networks, gateways, users and lights.
#
# A line that begins with "#" has no effect. To use a key, remove the "#" before it, and the "#" before
# the name of its section in square brackets. Replace the examples with your own values.
#
# On the appliance, this file becomes /etc/logboat/logboat.toml, which has the same keys.
#
# Check both files before you use them:   logboat config check vessel.toml sensors.toml
# On the appliance, mistakes are listed in logboat/PROBLEMS.txt on the card. The last good
# configuration stays in use.
"""
_SENSORS_HEAD: Final = """\
# The sensors that are wired to the vessel, each in a section [[sensor]].
#
# A line that begins with "#" has no effect. To use a sensor, remove the "#" before its lines, and remove
# the line no_sensors below. Then change what differs on your vessel: id, name, pin, address,
# calibration, alarm.
#
# Check both files before you use them:   logboat config check vessel.toml sensors.toml
# Pins are BCM numbers, not positions on the header. The header tolerates at most 3.3 V.

no_sensors = true               # nothing is recorded; remove this line when you describe the first sensor
"""


def templates() -> dict[str, str]:
    """Return the text of each configuration template, by file name."""
    sections = {row.name: row for row in describe(Configuration)}
    vessel = ["\n".join(_part(part, sections[part.name])) for part in VESSEL]
    sensors = [
        "\n".join(
            [
                *_comment(f"{kind.title} ({kind.measures})"),
                *_as_comment(kind.example),
            ]
        )
        for kind in (all_kinds()[name] for name in KINDS)
    ]
    return {
        starter_files.VESSEL: "\n".join([_VESSEL_HEAD, "\n\n".join(vessel)]) + "\n",
        starter_files.SENSORS: "\n".join([_SENSORS_HEAD, "\n\n".join(sensors)]) + "\n",
    }


def _as_comment(example: str) -> Iterator[str]:
    """Yield the lines of a kind's example as comments, with one key per line."""
    for line in re.sub(r"\n +", " ", example).splitlines():
        yield line if line.startswith("#") else f"#{line}"


def _part(part: Part, section: KeyDescription) -> Iterator[str]:
    assert section.section is not None
    yield from _comment(f"{section.meaning} {part.words}".rstrip())
    heading = f"[[{section.name}]]" if section.is_list else f"[{section.name}]"
    # A vessel.toml always contains an id, so this section is not commented out.
    yield heading if section.name == "vessel" else f"#{heading}"
    rows = {row.name: row for row in describe(section.section)}
    for key in part.keys:
        row = rows[key]
        default = row.without or row.default
        yield from _comment(row.meaning + (f" Default: {default}." if default else ""))
        shown = row.default if part.shows_defaults else _example(row)
        yield f"#{key} = {part.values.get(key, shown)}"


def _example(row: KeyDescription) -> str:
    """Return the example value of a key. A table's example is an inline table with its main keys."""
    if row.section is None:
        return row.example
    rows = list(describe(row.section))
    # The password is optional, because some networks are open, but most people need this key.
    needed = [each for each in rows if each.is_required or each.name == "password"] or rows
    keys = ", ".join(f"{each.name} = {_example(each)}" for each in needed)
    return f"[{{ {keys} }}]" if row.is_list else f"{{ {keys} }}"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


if __name__ == "__main__":
    for name, text in templates().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
