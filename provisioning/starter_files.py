"""Configuration files with comments and examples, for a new vessel of a fleet and for the card's image.

The files in `templates/` are made from the declarations of the keys, by `python -m tests.docs.starter`. In
them, a line that begins with `#` and a key is an example. Removing the `#` makes it a setting. A line that
begins with `# ` is a comment.
"""

import json
from importlib.resources import files
from typing import Final

VESSEL: Final = "vessel.toml"
SENSORS: Final = "sensors.toml"
_FOLDER: Final = "templates"


def starter_file(name: str) -> str:
    """Return the text of one of the files, `vessel.toml` or `sensors.toml`."""
    return files(__package__).joinpath(_FOLDER, name).read_text(encoding="utf-8")


def vessel_file(vessel: str, *, name: str | None, mmsi: int | None) -> str:
    """Return the `vessel.toml` of a new vessel, with the given values as settings.

    The values are written as JSON strings. These are valid in TOML, except for the character DEL, which is
    removed.
    """
    given = {"id": json.dumps(vessel)}
    if name is not None:
        given["name"] = json.dumps(name.replace(chr(127), ""), ensure_ascii=False)
    if mmsi is not None:
        given["mmsi"] = str(mmsi)
    lines = []
    for line in starter_file(VESSEL).splitlines():
        key = line.removeprefix("#").partition(" = ")[0]
        lines.append(f"{key} = {given.pop(key)}" if line.startswith("#") and key in given else line)
    return "\n".join(lines) + "\n"
