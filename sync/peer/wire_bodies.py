"""Conversion of bodies between their form in the store and in messages: blobs and reserved keys.

A stored body contains its blobs where the application put them. Its key `_attachments` contains only
attachments that were created through Sync Gateway's REST interface, which are not blobs within the body. No
other key begins with `_`.

If a body is sent to a peer that does not support blobs, `_attachments` also contains an entry for each blob
of the body. When a body is received, such entries and all other keys that begin with `_` are removed. Most
bodies have neither blobs nor such keys, and are passed on unchanged without being parsed.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from sync.replication.errors import MessageError
from sync.store import attachments
from sync.store.bodies import ATTACHMENTS, DEPTH_LIMIT, is_digest

PATH_LIMIT: Final = 512
"""Maximum length of a blob's path, in characters. A blob with a longer path is not sent as an attachment."""

_STAND_IN: Final = "blob_"
_CONTENT: Final = frozenset({"data", "follows"})
"""Keys of an attachment that is sent with its content instead of its digest."""
_ESCAPED: Final = b"\\u00"
"""Text that every body with escaped ASCII characters contains. A plain search does not find escaped keys."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_Link = tuple[Any, str | int] | None
"""The path to a value, as (path of its container, key or index in it); None for the whole body."""
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class BlobInfo(msgspec.Struct, frozen=True, gc=False):
    """A description of a blob that a body refers to."""

    length: int | None
    """Size of the blob in bytes, as stated in the body; None if it is missing or invalid."""
    content_type: str | None
    path: str
    """JSON pointer (RFC 6901) to the first reference to the blob in the body; empty if it is too long.

    The maximum length is PATH_LIMIT.
    """

    @property
    def is_compressible(self) -> bool:
        """True if the blob's content type suggests that compression would make the blob smaller."""
        kind = (self.content_type or "").lower()
        if kind.startswith("text/") or any(part in kind for part in ("json", "xml", "html", "yaml")):
            return True
        return not kind.startswith(("image/", "audio/", "video/")) and not any(
            part in kind for part in ("zip", "zlib", "pkcs", "mpeg", "mp4", "crypt", ".rar", "-rar")
        )


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A received body, converted to the form in which it is stored."""

    raw: bytes
    removed: bool = False
    """True if the document has left all channels that we may read. In this case, `raw` is not its body."""
    blobs: dict[str, BlobInfo] = {}
    """All blobs that the body refers to, by digest."""


def may_hold_blobs(raw: bytes) -> bool:
    """Return False if a body certainly refers to no blobs. The body is searched as text, without parsing."""
    return (b'"@type"' in raw and b'"blob"' in raw) or attachments.MARK in raw or _ESCAPED in raw


def blobs_in(body: object) -> dict[str, BlobInfo]:
    """Return the blobs that a decoded body refers to, by digest. The body may be any JSON value."""
    blobs: dict[str, BlobInfo] = {}
    for path, blob in itertools.chain(_blobs(body), _attached(body)):
        if blob["digest"] not in blobs:
            length, kind = blob.get("length"), blob.get("content_type")
            is_length = isinstance(length, int) and not isinstance(length, bool) and length >= 0
            blobs[blob["digest"]] = BlobInfo(
                length if is_length else None, kind if isinstance(kind, str) else None, path
            )
    return blobs


def to_gateway(raw: bytes, revpos: int = 1) -> bytes:
    """Return a stored body in the form for a peer that does not support blobs.

    The body's blobs are added to `_attachments`. Each attachment is marked as new in this revision, so that
    the peer requests the attachments that it lacks.

    Args:
        raw: the stored body.
        revpos: generation of the revision.

    Raises:
        MessageError: the body is not a JSON object.
    """
    if not may_hold_blobs(raw):
        return raw
    body = _value(raw)
    stub = {"stub": True, "revpos": revpos}
    shown = {name: entry | stub for name, entry in attachments.attachments_of(body).items()} | {
        _STAND_IN + path: {key: value for key, value in blob.items() if key not in ("@type", "stub")} | stub
        for path, blob in _blobs(body)
        if path
    }
    if not shown:
        return raw
    members: dict[str, Any] = dict(_object(raw))
    members[ATTACHMENTS] = shown
    return _encode(members)


def delta_base(raw: bytes, delta: bytes) -> bytes:
    """Return the body to which a received delta must be applied.

    The result is either the stored body `raw`, or its form for a peer that does not support blobs. The delta
    shows which of the two is needed, because only such a peer changes an attachment that represents a blob.
    Apply the delta to the result, and pass the patched body to `from_peer`, like any received body.

    Raises:
        MessageError: the delta is not JSON.
    """
    if attachments.MARK not in delta and _ESCAPED not in delta:
        return raw
    changes = _value(delta)
    if not isinstance(changes, dict) or ATTACHMENTS not in changes:
        return raw
    changed = changes[ATTACHMENTS]
    if (
        attachments.MARK in raw
        and isinstance(changed, dict)
        and not any(name.startswith(_STAND_IN) for name in changed)
    ):
        return raw
    return to_gateway(raw)


def from_peer(raw: bytes) -> Incoming:
    """Convert a received body, or the result of applying a delta, to the form in which it is stored.

    Entries in `_attachments` that represent blobs of the body are removed. If the digest in such an entry
    differs from the blob's digest, a peer that does not support blobs has changed the entry, and the blob
    gets the new digest. Other entries with a digest are kept, because nothing else refers to their blobs.
    Other reserved keys are removed. All other content is validated by the store.

    Raises:
        MessageError: the body is not a JSON object.
    """
    if raw[:1] == b"{" and b'"_' not in raw and _ESCAPED not in raw:
        return Incoming(raw, blobs=_blobs_of(raw)) if b'"@type"' in raw else Incoming(raw)
    members = _object(raw)
    if not any(key[:1] == "_" for key in members):
        return Incoming(raw, blobs=_blobs_of(raw))
    body: dict[str, Any] = {key: value for key, value in members.items() if key[:1] != "_"}
    removed = "_removed" in members and bytes(members["_removed"]) == b"true"
    if ATTACHMENTS in members and (own := _take_in(_value(bytes(members[ATTACHMENTS])), body)):
        body[ATTACHMENTS] = own
    stripped = _encode(body)
    return Incoming(stripped, removed, _blobs_of(stripped))


def _object(raw: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _members(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the body is not a JSON object: {error}") from None


def _value(raw: bytes) -> Any:
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the body is not a JSON object: {error}") from None


def _blobs_of(raw: bytes) -> dict[str, BlobInfo]:
    return blobs_in(_value(raw)) if may_hold_blobs(raw) else {}


def _is_blob(value: object) -> bool:
    return isinstance(value, dict) and value.get("@type") == "blob" and is_digest(value.get("digest"))


def _attached(body: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the JSON pointer and the entry of each attachment that has a digest."""
    if isinstance(body, dict):
        for name, entry in attachments.attachments_of(body).items():
            if isinstance(entry, dict) and is_digest(entry.get("digest")):
                yield _pointer(((None, ATTACHMENTS), name)), entry


def _blobs(body: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the JSON pointer and the dictionary of each blob, in the order of the body.

    Blobs within blobs are skipped. A pointer longer than PATH_LIMIT is replaced by the empty string, because
    a small body with many blobs under a long key would otherwise produce a huge amount of data.
    """
    waiting: list[tuple[_Link, int, Any]] = [(None, 0, body)]
    while waiting:
        link, depth, value = waiting.pop()
        if depth and _is_blob(value):
            yield _pointer(link), value
        elif depth < DEPTH_LIMIT and isinstance(value, dict | list):
            items = value.items() if isinstance(value, dict) else enumerate(value)
            below = [
                ((link, key), depth + 1, inner)
                for key, inner in items
                if isinstance(inner, dict | list) and (depth or key != ATTACHMENTS)
            ]
            waiting += reversed(below)


def _pointer(link: "_Link") -> str:
    parts: list[str] = []
    room = PATH_LIMIT
    while link is not None:
        link, key = link
        part = str(key)
        room -= len(part) + 1
        if room < 0:
            return ""
        parts.append("/" + part.replace("~", "~0").replace("/", "~1"))
    return "".join(reversed(parts))


def _take_in(shown: object, body: dict[str, Any]) -> dict[str, Any]:
    """Update the blobs of a body from the received attachments that represent them.

    Args:
        shown: the received value of `_attachments`.
        body: the members of the body, of which those with a changed blob are replaced.

    Returns:
        The attachments that do not represent a blob of the body.
    """
    if not isinstance(shown, dict):
        return {}
    own: dict[str, Any] = {}
    opened: dict[str, Any] = {}
    for name, attachment in shown.items():
        if not isinstance(attachment, dict) or not is_digest(attachment.get("digest")):
            continue
        pointer = name.removeprefix(_STAND_IN)
        if pointer != name and pointer[:1].isdigit():
            continue  # Couchbase Lite 2.0 uses such names, which do not identify the blob
        blob = _find(pointer, body, opened) if pointer != name else None
        if blob is None:
            own[name] = _plain(attachment)
        elif blob["digest"] != attachment["digest"]:
            _replace(blob, attachment)
            head = _unescaped(pointer)[0]
            body[head] = opened[head]
    return own


def _plain(attachment: dict[str, Any]) -> dict[str, Any]:
    """Return the description of an attachment without its content."""
    return {
        key: value
        for key, value in attachment.items()
        if key not in _CONTENT and not isinstance(value, dict | list)
    }


def _replace(blob: dict[str, Any], attachment: dict[str, Any]) -> None:
    for key in list(blob):
        if key == "@type":
            continue
        if key in attachment:
            blob[key] = attachment[key]
        elif key in ("length", "content_type"):
            del blob[key]  # this key described the old content


def _unescaped(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _find(pointer: str, members: dict[str, Any], opened: dict[str, Any]) -> dict[str, Any] | None:
    """Return the blob at a JSON pointer, or None. The member that contains it is decoded into `opened`."""
    if pointer[:1] != "/" or pointer.count("/") > DEPTH_LIMIT:
        return None
    head, *rest = _unescaped(pointer)
    if head not in members:
        return None
    if head not in opened:
        opened[head] = _value(bytes(members[head]))
    value = opened[head]
    for part in rest:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value if _is_blob(value) else None
