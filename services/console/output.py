"""Prints remarks on standard error, and JSON that names its format."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sensors.plaintext import json_text

if TYPE_CHECKING:
    import msgspec

    from services.history.timeline import Moment
    from services.schemas import parts


def say(text: str) -> None:
    """Print a remark on standard error, so that it does not mix with the output."""
    print(text, file=sys.stderr)


def print_json(output: "msgspec.Struct") -> None:
    """Print an object of a type in `services.schemas` as one line of JSON, and flush it."""
    print(to_json(output), flush=True)


def to_json(facts: "Mapping[str, Any] | msgspec.Struct") -> str:
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


def moment_json(moment: "Moment") -> "parts.Moment":
    """Return the form of a moment for JSON output."""
    from services.documents.reading_window import iso
    from services.schemas import parts

    return parts.Moment(
        time=None if moment.utc is None else iso(moment.utc),
        uncertainty=moment.uncertainty,
        trust=moment.trust,
    )
