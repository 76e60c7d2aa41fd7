"""Parts that messages share: strict parsing of properties and bodies, and writing of properties.

Parsing functions raise MessageError. A sequence is opaque: it is stored as JSON text and sent back unchanged.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from sync.replication.errors import MessageError
from sync.replication.limits import MessageLimits
from sync.store import revisions
from sync.store.errors import DocumentError

T = TypeVar("T")

_TRUE: Final = frozenset({"true", "yes", "1"})
_FALSE: Final = frozenset({"false", "no", "0"})
_INTEGER: Final = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_SHOWN: Final = 80


class EncodedMessage(msgspec.Struct, frozen=True, gc=False):
    """A message in the form accepted by `send_request` and `send_response` of `sync.blip.BlipConnection`."""

    properties: dict[str, str]
    body: bytes = b""
    urgent: bool = False
    """True for an urgent request. A response has the same urgency as its request."""
    compressed: bool = False
    no_reply: bool = False
    """True for a request that needs no reply."""


# Properties


def text(properties: Mapping[str, str], name: str, most: int) -> str | None:
    """Return the value of an optional property, which may have at most `most` bytes; None if it is absent."""
    value = properties.get(name)
    if value is not None and len(value) * 4 > most and len(value.encode()) > most:
        raise MessageError(f"'{name[:_SHOWN]}' has more than {most} bytes")
    return value


def required(properties: Mapping[str, str], name: str, most: int) -> str:
    """Return the value of a property that must be present and not empty, of at most `most` bytes."""
    value = text(properties, name, most)
    if not value:
        raise MessageError(f"'{name}' is missing")
    return value


def boolean(properties: Mapping[str, str], name: str) -> bool:
    """Return the value of a property that is a flag; False if the property is absent."""
    value = properties.get(name)
    if value is None:
        return False
    value = value.lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise MessageError(f"'{name}' is {value[:_SHOWN]!r}, not true or false")


def integer(properties: Mapping[str, str], name: str, *, least: int = 0, most: int = 2**63 - 1) -> int | None:
    """Return the value of an optional property, a decimal integer from `least` to `most`; None if absent."""
    value = properties.get(name)
    if value is None:
        return None
    if not _INTEGER.fullmatch(value) or not least <= (number := int(value)) <= most:
        raise MessageError(f"'{name}' is {value[:_SHOWN]!r}, not a whole number from {least} to {most}")
    return number


def collection(properties: Mapping[str, str], limits: MessageLimits) -> int | None:
    """Return the index of a message's collection, or None if the message names no collection."""
    if "collection" not in properties:
        return None
    return integer(properties, "collection", most=limits.collections - 1)


def sequence(properties: Mapping[str, str], name: str, limits: MessageLimits) -> str | None:
    """Return the value of an optional property, a sequence, as JSON without unnecessary whitespace."""
    value = properties.get(name)
    if value is None or _INTEGER.fullmatch(value):
        return value
    return sequence_text(value.encode(), name, limits)


def put(properties: dict[str, str], name: str, value: str | int | None) -> None:
    """Set a property, unless the value is None."""
    if value is not None:
        properties[name] = value if isinstance(value, str) else str(value)


def put_flag(properties: dict[str, str], name: str, *, value: bool) -> None:
    """Set a property to "true" if `value` is True. Sync Gateway supports no other spelling."""
    if value:
        properties[name] = "true"


def request(profile: str, index: int | None) -> dict[str, str]:
    """Return the properties of a request: its profile, and its collection's index unless that is None."""
    return {"Profile": profile} if index is None else {"Profile": profile, "collection": str(index)}


# Values from any source


def document_id(value: str, limits: MessageLimits) -> str:
    """Return a document id after checking that it can be sent in a property."""
    if not value or (len(value) * 4 > limits.id_bytes and len(value.encode()) > limits.id_bytes):
        raise MessageError(f"document id {value[:_SHOWN]!r} does not have 1 to {limits.id_bytes} bytes")
    if "\0" in value:
        raise MessageError(f"document id {value[:_SHOWN]!r} contains a NUL")
    return value


def revision(value: str, limits: MessageLimits) -> str:
    """Return a revision id after checking its form."""
    if len(value) > limits.revision_bytes or not revisions.valid(value):
        raise MessageError(f"{value[:_SHOWN]!r} is not a revision id of the form <generation>-<digest>")
    return value


def optional_revision(properties: Mapping[str, str], name: str, limits: MessageLimits) -> str | None:
    """Return the value of a property, a revision id, or None if the property is absent or empty."""
    value = properties.get(name)
    return revision(value, limits) if value else None


def history(value: str, of: str, limits: MessageLimits) -> tuple[str, ...]:
    """Parse the ancestors of revision `of`, newest first, separated by commas and optional spaces."""
    if not value:
        return ()
    if value.count(",") >= limits.history:
        raise MessageError(f"the history of {of} has more than {limits.history} revisions")
    ancestors = tuple([ancestor.strip(" ") for ancestor in value.split(",")])
    try:
        revisions.check_history(of, ancestors)
    except DocumentError as error:
        raise MessageError(str(error)) from error
    return ancestors


def branch(value: str, limits: MessageLimits) -> tuple[str, ...]:
    """Parse a revision and its ancestors, newest first.

    LiteCore may send an empty value. The result is then empty.
    """
    first, _, rest = value.partition(",")
    newest = first.strip(" ")
    return (revision(newest, limits), *history(rest, newest, limits)) if newest else ()


def sequence_text(value: bytes, name: str, limits: MessageLimits) -> str:
    """Return a sequence, given as JSON, without unnecessary whitespace. JSON null is rejected."""
    if len(value) > limits.sequence_bytes:
        raise MessageError(f"'{name}' has more than {limits.sequence_bytes} bytes")
    try:
        if not value[:1].isdigit():
            value = msgspec.json.format(bytes(_RAW.decode(value)), indent=-1)
        else:
            _RAW.decode(value)
        result = value.decode()
    except (ValueError, RecursionError) as error:
        raise MessageError(f"'{name}' is not JSON: {error}") from error
    if result == "null":
        raise MessageError(f"'{name}' is null, which is not a sequence")
    return result.strip()


# Bodies


def body(decoder: "msgspec.json.Decoder[T]", content: bytes, what: str) -> T:
    """Decode a JSON body with a typed decoder. `what` describes the body in errors."""
    try:
        return decoder.decode(content)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"the body of {what} is malformed: {error}") from error


def no_more(items: Sequence[Any], most: int, what: str) -> None:
    """Raise MessageError if there are more than `most` items."""
    if len(items) > most:
        raise MessageError(f"{len(items)} {what}; the limit is {most}")
