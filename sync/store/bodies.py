"""Document bodies: what may be stored, and the one canonical form.

A body is a JSON object. Bodies made here are kept in canonical form (RFC 8785), bodies that came from a peer
as the bytes that came. Both are validated before they are stored, so that whatever is read back can be
decoded, has no key that replication reserves but `_attachments`, and survives any JSON reader without loss of
digits.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import rfc8785

from sync.store.errors import DocumentError

SIZE_LIMIT: Final = 20 * 1024 * 1024
"""Bytes in one body; Couchbase's own limit."""
DEPTH_LIMIT: Final = 64
"""Objects and arrays within each other."""
INTEGER_LIMIT: Final = 2**53
"""Integers from here on are not exact in every JSON reader (RFC 8785, section 3.2.2.3, and RFC 7493).

Canonical JSON writes a double beyond it as an integer too; one that is no double's digits is refused.
"""
_EXPONENT_FROM: Final = 10**21
"""Canonical JSON writes doubles from here on with an exponent."""
ID_LIMIT: Final = 250
"""Bytes in an id: what Sync Gateway's server stores at most."""

EMPTY: Final = b"{}"

ATTACHMENTS: Final = "_attachments"
"""The one reserved key that a body may have; see `attachments`."""
_DIGEST: Final = re.compile(r"sha1-[A-Za-z0-9+/]{27}=", re.ASCII)

_DIGITS: Final = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else ord(" ") for byte in range(256))
_LONG_NUMBER: Final = b"0" * 16
"""Digits in the shortest number beyond the limit, after every digit was made a 0."""
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


def check_id(document_id: str) -> None:
    """Raise DocumentError unless this can name a document."""
    if not document_id or document_id[0] == "_" or "\0" in document_id:
        raise DocumentError(
            f"{document_id[:80]!r} cannot be a document id: it is empty, begins with _ or holds a NUL"
        )
    try:
        size = len(document_id) if document_id.isascii() else len(document_id.encode())
    except UnicodeEncodeError:
        raise DocumentError(f"{document_id[:80]!r} cannot be a document id: it is not Unicode text") from None
    if size > ID_LIMIT:
        raise DocumentError(f"document id {document_id[:80]!r}… has more than {ID_LIMIT} bytes")


def canonical(document_id: str, body: Mapping[str, Any]) -> bytes:
    """The canonical JSON of a body.

    Raises:
        DocumentError: it is not an object of JSON values, or breaks a limit.
    """
    try:
        try:
            raw = rfc8785.dumps(dict(body))
        except rfc8785.IntegerDomainError:
            raw = rfc8785.dumps(_as_doubles(dict(body)))
    except rfc8785.CanonicalizationError as error:
        raise DocumentError(f"{document_id}: the body has no canonical JSON: {error}") from None
    except RecursionError:
        raise DocumentError(f"{document_id}: the body is nested deeper than {DEPTH_LIMIT}") from None
    _check(document_id, raw, body)
    return raw


def accept(document_id: str, raw: bytes) -> None:
    """Check a body that came as JSON text.

    Raises:
        DocumentError: it is not a JSON object, or breaks a limit.
    """
    if len(raw) > SIZE_LIMIT:
        raise DocumentError(f"{document_id}: the body has {len(raw)} bytes, more than {SIZE_LIMIT}")
    _check(document_id, raw, decode(document_id, raw))


def to_json(document_id: str, body: Mapping[str, Any] | bytes | None) -> bytes:
    """The JSON text to store for a body that may be JSON text already; None is an empty body.

    Raises:
        DocumentError: it is not an object of JSON values, or breaks a limit.
    """
    if body is None:
        return EMPTY
    if not isinstance(body, bytes):
        return canonical(document_id, body)
    accept(document_id, body)
    return body


def to_canonical(document_id: str, body: Mapping[str, Any] | bytes | None) -> bytes:
    """The canonical JSON of a body that may be JSON text; None is an empty body.

    Raises:
        DocumentError: it is not an object of JSON values, or breaks a limit.
    """
    if body is None:
        return EMPTY
    return recanonical(document_id, body) if isinstance(body, bytes) else canonical(document_id, body)


def recanonical(document_id: str, raw: bytes) -> bytes:
    """The canonical JSON of a body given as JSON text."""
    return canonical(document_id, decode(document_id, raw))


def is_digest(value: object) -> bool:
    """Return True if this is the digest of a blob, as JSON has it."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def decode(document_id: str, raw: bytes) -> dict[str, Any]:
    """The body of this JSON text.

    Raises:
        DocumentError: it is not a JSON object.
    """
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DocumentError(f"{document_id}: the body is not a JSON object: {error}") from None
    except RecursionError:
        raise DocumentError(f"{document_id}: the body is nested deeper than {DEPTH_LIMIT}") from None


def _check(document_id: str, raw: bytes, body: Mapping[str, Any]) -> None:
    """Raise DocumentError for what a body must not have; `raw` tells cheaply what need not be looked for."""
    if len(raw) > SIZE_LIMIT:
        raise DocumentError(f"{document_id}: the body has {len(raw)} bytes, more than {SIZE_LIMIT}")
    for key in body:
        if key == ATTACHMENTS:
            _check_attachments(document_id, body[key])
        elif key[:1] == "_":
            raise DocumentError(f"{document_id}: the key {key!r} is reserved; keys do not begin with _")
    if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT or _LONG_NUMBER in raw.translate(_DIGITS):
        _walk(document_id, body)


def _check_attachments(document_id: str, value: object) -> None:
    if not isinstance(value, Mapping) or not all(
        isinstance(entry, Mapping) and is_digest(entry.get("digest")) for entry in value.values()
    ):
        raise DocumentError(
            f"{document_id}: {ATTACHMENTS} is not an object of attachments, each with the digest of a blob; "
            "put a file into the body as a blob instead"
        )


def _walk(document_id: str, body: Mapping[str, Any]) -> None:
    level: list[Any] = [body]
    depth = 0
    while level:
        depth += 1
        if depth > DEPTH_LIMIT:
            raise DocumentError(f"{document_id}: the body is nested deeper than {DEPTH_LIMIT}")
        below: list[Any] = []
        for container in level:
            for value in container.values() if isinstance(container, Mapping) else container:
                if isinstance(value, (Mapping, list, tuple)):
                    below.append(value)
                elif isinstance(value, int) and not _is_double(value):
                    raise DocumentError(
                        f"{document_id}: {value} has more digits than JSON readers keep; write it as a string"
                    )
        level = below


def _is_double(value: int) -> bool:
    """Whether an integer says no more than the double that a JSON reader may make of it."""
    if -INTEGER_LIMIT < value < INTEGER_LIMIT:
        return True
    return abs(value) < _EXPONENT_FROM and str(value).encode() == rfc8785.dumps(float(value))


def _as_doubles(value: Any) -> Any:
    """The value with each integer that is written for a big double made that double."""
    if isinstance(value, dict):
        return {key: _as_doubles(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_doubles(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and _is_double(value):
        return float(value)
    return value
