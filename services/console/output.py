"""Prints human-readable text, folded to the width of a terminal, and JSON that names its format."""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from sensors.plaintext import json_text

if TYPE_CHECKING:
    import msgspec

    from services.history.timeline import Moment
    from services.schemas import parts


def tell(text: str) -> None:
    """Print human-readable text on standard output, and flush the stream."""
    _print(text, sys.stdout)


def say(text: str) -> None:
    """Print a message on standard error, to keep it separate from the command's output."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    from services.terminal.present import fold, screen

    print(fold(text, screen(stream).width), file=stream, flush=True)


def print_json(output: "msgspec.Struct") -> None:
    """Print an object of a type in `services.schemas` as one line of JSON, and flush the output."""
    print(to_json(output), flush=True)


def to_json(facts: "Mapping[str, Any] | msgspec.Struct") -> str:
    """Return the data as one line of JSON, with all control characters escaped.

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
    """Return a moment in the format used in JSON output."""
    from services.documents.reading_documents import iso
    from services.schemas import parts

    return parts.Moment(
        time=None if moment.utc is None else iso(moment.utc),
        uncertainty=moment.uncertainty,
        trust=moment.trust,
    )
