"""Rules for the bodies of documents, and their canonical form.

A body is a JSON object. Bodies that are written locally are stored in canonical form (RFC 8785). Bodies from
a peer are stored byte for byte as received. All bodies are validated first. So every stored body can be
decoded, has no key that replication reserves except `_attachments`, and can be read by any JSON parser
without loss of digits.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import rfc8785

from sync.store.errors import DocumentError

SIZE_LIMIT: Final = 20 * 1024 * 1024
"""Maximum size of a body in bytes, the same as in Couchbase Server."""
DEPTH_LIMIT: Final = 64
"""Maximum nesting depth of the objects and arrays in a body."""
INTEGER_LIMIT: Final = 2**53
"""Smallest absolute value at which integers are no longer exact in every JSON parser.

See RFC 8785, section 3.2.2.3, and RFC 7493. Canonical JSON writes even a double beyond this limit as an
integer. So an integer beyond the limit is accepted only if its digits are exactly those of a double.
"""
_EXPONENT_FROM: Final = 10**21
"""Smallest absolute value that canonical JSON writes with an exponent."""
ID_LIMIT: Final = 250
"""Maximum length of a document id in bytes, as in Couchbase Server."""

EMPTY: Final = b"{}"

ATTACHMENTS: Final = "_attachments"
"""The only reserved key that a body may contain; see `attachments`."""
_DIGEST: Final = re.compile(r"sha1-[A-Za-z0-9+/]{27}=", re.ASCII)

_DIGITS: Final = bytes(ord("0") if chr(byte).isdecimal() and byte < 128 else ord(" ") for byte in range(256))
_LEAVES: Final = frozenset((str, float, bool, type(None)))
"""Types of JSON values that need no check: they contain no other values, and no limits apply to them."""
_LONG_NUMBER: Final = b"0" * 16
"""Sixteen zeros: the shortest integer beyond INTEGER_LIMIT after `_DIGITS` has replaced its digits by 0."""
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode

_encode: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
_NEGATIVE_ZERO: Final = re.compile(r"-0\.0[,\]}]")
_LONG_INTEGER: Final = re.compile(r"(?<![.\d])\d{16}")
"""Pattern of integers that may be beyond INTEGER_LIMIT, and that only `rfc8785` handles correctly."""
_WHOLE: Final = re.compile(r"\.0(?=[,\]}])")
"""Pattern of the fraction `.0`, which `json` writes after integral doubles and canonical JSON omits."""
_SORTED_BY_UTF16: Final = re.compile("[\ue000-\U0010ffff]")
"""Pattern of characters that sort differently in UTF-16. Canonical JSON sorts keys by their UTF-16 form."""


def check_id(document_id: str) -> None:
    """Raise DocumentError unless a string is a valid document id."""
    if not document_id or document_id[0] == "_" or "\0" in document_id:
        raise DocumentError(
            f"{document_id[:80]!r} is not a valid document id: it is empty, begins with _ or contains a NUL"
        )
    try:
        size = len(document_id) if document_id.isascii() else len(document_id.encode())
    except UnicodeEncodeError:
        raise DocumentError(
            f"{document_id[:80]!r} is not a valid document id: it is not Unicode text"
        ) from None
    if size > ID_LIMIT:
        raise DocumentError(f"document id {document_id[:80]!r}… has more than {ID_LIMIT} bytes")


def canonical(document_id: str, body: Mapping[str, Any]) -> bytes:
    """Return the canonical JSON of a body.

    Raises:
        DocumentError: the body is not an object of JSON values, or exceeds a limit.
    """
    body = dict(body)
    try:
        try:
            raw = _fast_canonical(body) or rfc8785.dumps(body)
        except rfc8785.IntegerDomainError:
            raw = rfc8785.dumps(_as_doubles(body))
    except rfc8785.CanonicalizationError as error:
        raise DocumentError(f"{document_id}: the body cannot be written as canonical JSON: {error}") from None
    except RecursionError:
        raise DocumentError(f"{document_id}: the body is nested deeper than {DEPTH_LIMIT}") from None
    _check(document_id, raw, body)
    return raw


def _fast_canonical(body: dict[str, Any]) -> bytes | None:
    """Return the canonical JSON of a body, or None if the much slower package `rfc8785` must create it.

    This function uses the encoder of `json`, which is written in C. Its output differs from canonical JSON
    for some numbers, and it converts values that are not valid JSON, such as integers as keys. To detect such
    conversions, the output is decoded again.
    """
    try:
        text = _encode(body)
    except (TypeError, ValueError, RecursionError):
        return None
    if "\\" in text or not (text.isascii() or _SORTED_BY_UTF16.search(text) is None):
        return None
    parts = text.split('"')  # the text has no escapes, so every second part is the content of a string
    outside = '"'.join(parts[::2])
    if "e-" in outside or "e+" in outside or _NEGATIVE_ZERO.search(outside) is not None:
        return None
    if _LONG_NUMBER in outside.encode().translate(_DIGITS) and _LONG_INTEGER.search(outside) is not None:
        return None
    without = _WHOLE.sub("", outside)
    if without != outside:
        parts[::2] = without.split('"')
        text = '"'.join(parts)
    try:
        raw = text.encode()
        return raw if _decode(raw) == body else None
    except (UnicodeEncodeError, msgspec.DecodeError, RecursionError):
        return None


def accept(document_id: str, raw: bytes) -> None:
    """Check that a JSON text is a body that may be stored.

    Raises:
        DocumentError: the text is not a JSON object, or exceeds a limit.
    """
    if len(raw) > SIZE_LIMIT:
        raise DocumentError(f"{document_id}: the body has {len(raw)} bytes, more than {SIZE_LIMIT}")
    _check(document_id, raw, decode(document_id, raw))


def to_json(document_id: str, body: Mapping[str, Any] | bytes | None) -> bytes:
    """Return the JSON text to store for a body. The body may already be JSON text; None means an empty body.

    Raises:
        DocumentError: the body is not an object of JSON values, or exceeds a limit.
    """
    if body is None:
        return EMPTY
    if not isinstance(body, bytes):
        return canonical(document_id, body)
    accept(document_id, body)
    return body


def to_canonical(document_id: str, body: Mapping[str, Any] | bytes | None) -> bytes:
    """Return the canonical JSON of a body. The body may be JSON text; None means an empty body.

    Raises:
        DocumentError: the body is not an object of JSON values, or exceeds a limit.
    """
    if body is None:
        return EMPTY
    return recanonical(document_id, body) if isinstance(body, bytes) else canonical(document_id, body)


def recanonical(document_id: str, raw: bytes) -> bytes:
    """Return the canonical JSON of a body that is given as JSON text."""
    return canonical(document_id, decode(document_id, raw))


def is_digest(value: object) -> bool:
    """Return True if a decoded JSON value is the digest of a blob."""
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def decode(document_id: str, raw: bytes) -> dict[str, Any]:
    """Decode a body from JSON text.

    Raises:
        DocumentError: the text is not a JSON object.
    """
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DocumentError(f"{document_id}: the body is not a JSON object: {error}") from None
    except RecursionError:
        raise DocumentError(f"{document_id}: the body is nested deeper than {DEPTH_LIMIT}") from None


def _check(document_id: str, raw: bytes, body: Mapping[str, Any]) -> None:
    """Raise DocumentError if a body must not be stored.

    A fast scan of `raw` determines whether every value must be checked individually.
    """
    if len(raw) > SIZE_LIMIT:
        raise DocumentError(f"{document_id}: the body has {len(raw)} bytes, more than {SIZE_LIMIT}")
    for key in body:
        if key == ATTACHMENTS:
            _check_attachments(document_id, body[key])
        elif key[:1] == "_":
            raise DocumentError(
                f"{document_id}: the key {key!r} is reserved; use a key that does not begin with _"
            )
    if raw.count(b"{") + raw.count(b"[") > DEPTH_LIMIT or _LONG_NUMBER in raw.translate(_DIGITS):
        _walk(document_id, body)


def _check_attachments(document_id: str, value: object) -> None:
    if not isinstance(value, Mapping) or not all(
        isinstance(entry, Mapping) and is_digest(entry.get("digest")) for entry in value.values()
    ):
        raise DocumentError(
            f"{document_id}: {ATTACHMENTS} must be an object that contains attachments, each with the digest"
            " of a blob; add files to the body as blobs instead"
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
                if type(value) in _LEAVES:  # nearly all values, and isinstance with Mapping is slow
                    continue
                if type(value) is int and -INTEGER_LIMIT < value < INTEGER_LIMIT:
                    continue
                if isinstance(value, (list, dict, tuple, Mapping)):
                    below.append(value)
                elif isinstance(value, int) and not _is_double(value):
                    raise DocumentError(
                        f"{document_id}: {value} has more digits than JSON parsers preserve; write it as"
                        " a string"
                    )
        level = below


def _is_double(value: int) -> bool:
    """Return True if a JSON parser that reads an integer as a double preserves all digits."""
    if -INTEGER_LIMIT < value < INTEGER_LIMIT:
        return True
    return abs(value) < _EXPONENT_FROM and str(value).encode() == rfc8785.dumps(float(value))


def _as_doubles(value: Any) -> Any:
    """Return a JSON value in which large integers that represent doubles are converted to doubles."""
    if isinstance(value, dict):
        return {key: _as_doubles(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_doubles(inner) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and _is_double(value):
        return float(value)
    return value
