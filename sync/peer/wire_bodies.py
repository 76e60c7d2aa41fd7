"""How a document's body differs between the store and the wire: blobs, and keys that are reserved.

In the store a body has its blobs where the application put them. Under `_attachments` it has only attachments
that are no blobs of the body: they were made over Sync Gateway's REST interface. No other key begins with
`_`. A peer that knows no blobs is shown the blobs under `_attachments` as well. From what comes from a peer,
attachments that stand in for blobs are taken out, and so are all other keys that begin with `_`. Most bodies
have no such keys and no blobs. They are passed on untouched and unread.
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
"""Characters of the way to a blob, all keys together. One further away is not shown as an attachment."""

_STAND_IN: Final = "blob_"
_CONTENT: Final = frozenset({"data", "follows"})
"""Fields of an attachment that is sent with its content, not by digest."""
_ESCAPED: Final = b"\\u00"
"""In every body in which a character of ASCII is written so that a plain search misses it."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_Link = tuple[Any, str | int] | None
"""The way to a value from its end: the container's own link, and the key or index in it."""
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class BlobInfo(msgspec.Struct, frozen=True, gc=False):
    """A blob that a body refers to."""

    length: int | None
    """Bytes, as the body says."""
    content_type: str | None
    path: str
    """Where the body first refers to it, as a JSON pointer (RFC 6901); empty beyond PATH_LIMIT."""

    @property
    def is_compressible(self) -> bool:
        """Whether it may be worth compressing, by its type."""
        kind = (self.content_type or "").lower()
        if kind.startswith("text/") or any(part in kind for part in ("json", "xml", "html", "yaml")):
            return True
        return not kind.startswith(("image/", "audio/", "video/")) and not any(
            part in kind for part in ("zip", "zlib", "pkcs", "mpeg", "mp4", "crypt", ".rar", "-rar")
        )


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A body that came, ready for the store."""

    raw: bytes
    removed: bool = False
    """The document has left every channel that we may read; this is not a body of it."""
    blobs: dict[str, BlobInfo] = {}
    """Digest to blob, of all that it refers to."""


def may_hold_blobs(raw: bytes) -> bool:
    """Whether it is worth looking for blobs; True for every body with one."""
    return (b'"@type"' in raw and b'"blob"' in raw) or attachments.MARK in raw or _ESCAPED in raw


def blobs_in(body: object) -> dict[str, BlobInfo]:
    """The blobs that a decoded body refers to, by digest; anything may stand in the body."""
    found: dict[str, BlobInfo] = {}
    for path, blob in itertools.chain(_blobs(body), _attached(body)):
        if blob["digest"] not in found:
            length, kind = blob.get("length"), blob.get("content_type")
            is_length = isinstance(length, int) and not isinstance(length, bool) and length >= 0
            found[blob["digest"]] = BlobInfo(
                length if is_length else None, kind if isinstance(kind, str) else None, path
            )
    return found


def to_gateway(raw: bytes, revpos: int = 1) -> bytes:
    """Return a body for a peer that did not say that it knows blobs: they are shown under `_attachments` too.

    Every attachment is said to be of this revision, so that a peer that lacks it asks for it.

    Args:
        raw: a body of the store.
        revpos: generation of the revision.

    Raises:
        MessageError: it is not a JSON object.
    """
    if not may_hold_blobs(raw):
        return raw
    body = _value(raw)
    stub = {"stub": True, "revpos": revpos}
    shown = {name: entry | stub for name, entry in attachments.named(body).items()} | {
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
    """Return the body to which a delta from a peer is to be applied.

    That is the stored body `raw`, or what a peer that knows no blobs was shown of it. The delta tells which:
    only such a peer changes an attachment that stands in for a blob. What applying it gives goes through
    `from_peer` as any other body.

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
    """A body, or what applying a delta gave, as the store takes it.

    `_attachments` that stand in for blobs of the body are taken out; where such a one has another digest, it
    was changed by somebody who knows no blobs, and the blob gets it. The others stay, if they have a digest:
    nothing else leads to them. Other reserved keys are taken out.
    What stays is not checked: the store does that.

    Raises:
        MessageError: it is not a JSON object.
    """
    if raw[:1] == b"{" and b'"_' not in raw and _ESCAPED not in raw:
        return Incoming(raw, blobs=_blobs_of(raw)) if b'"@type"' in raw else Incoming(raw)
    members = _object(raw)
    if not any(key[:1] == "_" for key in members):
        return Incoming(raw, blobs=_blobs_of(raw))
    kept: dict[str, Any] = {key: value for key, value in members.items() if key[:1] != "_"}
    removed = "_removed" in members and bytes(members["_removed"]) == b"true"
    if ATTACHMENTS in members and (own := _take_in(_value(bytes(members[ATTACHMENTS])), kept)):
        kept[ATTACHMENTS] = own
    stripped = _encode(kept)
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
    """JSON pointer and entry of each attachment that is no blob of the body."""
    if isinstance(body, dict):
        for name, entry in attachments.named(body).items():
            if isinstance(entry, dict) and is_digest(entry.get("digest")):
                yield _pointer(((None, ATTACHMENTS), name)), entry


def _blobs(body: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """JSON pointer and dictionary of each blob, in the order of the body; no blobs within blobs.

    A pointer beyond PATH_LIMIT is empty: long keys over many blobs would make much out of little.
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


def _take_in(shown: object, kept: dict[str, Any]) -> dict[str, Any]:
    """Let the blobs of a body say what the attachments that stand in for them say.

    `kept` are the body's members, of which those that change are replaced. Returns those attachments that
    stand in for nothing.
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
            continue  # the form of Couchbase Lite 2.0, which does not say for which blob it stands
        blob = _find(pointer, kept, opened) if pointer != name else None
        if blob is None:
            own[name] = _plain(attachment)
        elif blob["digest"] != attachment["digest"]:
            _replace(blob, attachment)
            head = _unescaped(pointer)[0]
            kept[head] = opened[head]
    return own


def _plain(attachment: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of an attachment: its description without its content."""
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
            del blob[key]  # of what was there before


def _unescaped(pointer: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _find(pointer: str, members: dict[str, Any], opened: dict[str, Any]) -> dict[str, Any] | None:
    """The blob at a pointer; the member that it is in is decoded and put into `opened`."""
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
