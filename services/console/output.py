"""Prints remarks on standard error, and JSON that names its format."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sensors.plaintext import json_text

if TYPE_CHECKING:
    from services.history.timeline import Moment


def say(text: str) -> None:
    """Print a remark on standard error, so that it does not mix with the output."""
    print(text, file=sys.stderr)


def shaped(shape: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts with the name of their format added.

    `shape` is the name of a schema in `services.schemas`.
    """
    from services.schemas import format_of

    return {"format": format_of(shape), **facts}


def print_json(shape: str, facts: Mapping[str, Any]) -> None:
    """Print the facts as one line of JSON with their format, and flush it."""
    print(to_json(shaped(shape, facts)), flush=True)


def to_json(facts: Mapping[str, Any]) -> str:
    """Return the facts as one line of JSON, with all control characters escaped.

    A lone surrogate, which stands for an undecodable byte in a file name, becomes a question mark.
    """
    import msgspec

    try:
        return json_text(msgspec.json.encode(facts))
    except UnicodeEncodeError:
        import json

        plain = json.dumps(msgspec.to_builtins(facts), ensure_ascii=False)
        return json_text(plain.encode(errors="replace"))


def moment_json(moment: "Moment") -> dict[str, Any]:
    """Return a moment as a dictionary for JSON."""
    from services.documents.reading_window import iso

    return {
        "time": None if moment.utc is None else iso(moment.utc),
        "uncertainty": moment.uncertainty,
        "trust": moment.trust.value,
    }
