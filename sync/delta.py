r"""Deltas: changes from one JSON value to another, in the format of Couchbase Mobile's delta sync.

The format is defined in `Deltas.md` of Couchbase's Fleece library. Sync Gateway uses it too:

| delta | meaning |
| --- | --- |
| `5`, `"x"`, `true`, `null` | the new value |
| `[v]` | the new value `v`; objects, arrays and all values at the root are written in this form |
| `[]` | deleted; only as the value of a key in an object |
| `{"k": delta, …}` for a base that is an object | changed, added or deleted keys |
| `{"3": delta, "7-": [v, …]}` for a base that is an array | item 3 changed; items from 7 on replaced |
| `["5=2-3+abc\\|9=", 0, 2]` for a base that is a string | keep 5 bytes, drop 2, insert 3, keep 9 (UTF-8) |
| `[old, v]`, `[old, 0, 0]` | replaced, deleted: JsonDiffPatch's form, accepted but never written |
| `{}` | nothing changed |

The module guarantees:

- `apply(old, make(old, new))` equals `new`, including the types of numbers and the sign of zeros.
- No argument is ever modified.
- Only DeltaError is raised for a delta that does not match its base.
- The time taken is proportional to the total size of base, new value and delta, and in the worst case also to
  the depth. It never grows with the square of the size.
- A result is never longer than its base and its delta together.

Values have the types that a JSON decoder returns (dict, list, str, int, float, bool, None). They are shared,
not copied: a result contains parts of its base and its delta, and a delta contains parts of the new value.
Treat all these values as immutable.

The module is independent of documents, revisions and peers. It does not check a result against the limits for
a body, because the store does that for every body.

Where Fleece is lenient, this module is strict, so that wrong results are detected. In an array's delta,
Fleece ignores keys that match no item, replaces deleted items with a value that JSON cannot express, and
accepts signs and spaces in the lengths of a string's patch. Deltas made by Fleece contain none of these.
However, for a key that is the empty string, Fleece always writes a deletion, even for other changes. So this
module neither accepts nor writes a deletion of an empty key.
"""

import re
from enum import Enum
from math import copysign
from typing import Any, Final

import msgspec

DEPTH_LIMIT: Final = 64
"""Maximum depth of nested objects and arrays that are compared or patched, the same as for a body."""
TEXT_MINIMUM: Final = 60
"""Minimum length in bytes of a string for which a patch is made, as in Couchbase Lite and Sync Gateway."""

_DELETION_CODE: Final = 0
_TEXT_CODE: Final = 2
_MARKED_LENGTH: Final = 3
_TEXT_WRAPPING: Final = len('["",0,2]') - len('""')
_TAIL_WRAPPING: Final = len('"-":[],')
_PLACE_LIMIT: Final = 200

_OPERATION: Final = re.compile(rb"([0-9]{1,10})([=+-])")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")
_PLAIN: Final = frozenset({str, int, bool, type(None)})

_encode: Final = msgspec.json.Encoder().encode
_encode_sorted: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


class _Mark(Enum):
    """Markers that are distinct from every JSON value."""

    SAME = "no change"
    ABSENT = "no such key"


_SAME: Final = _Mark.SAME
_ABSENT: Final = _Mark.ABSENT


class DeltaError(ValueError):
    """A delta is malformed or was not made for its base. The caller should request the whole value."""

    def __init__(self, reason: str, place: tuple[str, ...] = ()) -> None:
        super().__init__(reason, place)
        self.reason = reason
        self.place = place
        """Keys and array indices on the path to the value at which the delta is wrong."""

    def __str__(self) -> str:
        where = "/".join(("", *self.place))[:_PLACE_LIMIT]
        return f"the delta does not fit its base at {where or '/'!r}: {self.reason}"

    def within(self, key: str) -> "DeltaError":
        """Return a copy of this error with `key` added to the front of `place`."""
        return DeltaError(self.reason, (key[:_PLACE_LIMIT], *self.place))


def make(old: Any, new: Any) -> Any:
    """Return the delta that changes `old` to `new`, or `{}` if they are equal.

    The delta between two objects is an object, unless a key that is the empty string was deleted. A delta may
    be longer than `new` if the two values have little in common. `make_json` checks for that.
    """
    delta = _difference(old, new, 0)
    if delta is _SAME:
        return {}
    return delta if type(delta) in (dict, list) else [delta]


def apply(old: Any, delta: Any) -> Any:
    """Apply `delta` to `old` and return the result.

    Raises:
        DeltaError: the delta is malformed, was not made for this base, or deletes the whole value.
    """
    new = _patched(old, delta, 0)
    if new is _ABSENT:
        raise DeltaError("the delta deletes the whole value")
    return new


def make_json(old: bytes, new: bytes, *, overhead: int = 0) -> bytes | None:
    """Return the delta between two documents as JSON text, or None if it is not shorter than `new`.

    Args:
        old: the base's body, a JSON object.
        new: the new body, a JSON object.
        overhead: additional bytes needed to send a delta, for example to name the base.

    Raises:
        DeltaError: a body is not a JSON object.
    """
    delta = make(_object(old, "the base"), _object(new, "the new body"))
    if type(delta) is not dict:
        return None
    text = _encode(delta)
    return text if len(text) + overhead < len(new) else None


def apply_json(old: bytes, delta: bytes) -> bytes:
    """Apply a delta to a document and return the new document, all as JSON text.

    The keys are sorted as in canonical JSON, so that a peer that receives a delta stores the same bytes as a
    peer that receives the whole document.

    Raises:
        DeltaError: the base or the delta is not a JSON object, or the delta does not match the base.
    """
    new = apply(_object(old, "the base"), _object(delta, "the delta"))
    try:
        return _encode_sorted(new)
    except RecursionError:
        raise DeltaError("the result is nested too deeply") from None


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DeltaError(f"{what} is not a JSON object: {error}") from None
    except RecursionError:
        raise DeltaError(f"{what} is nested too deeply") from None


# Creating deltas


def _difference(old: Any, new: Any, depth: int) -> Any:
    """Return the delta between two values, or _SAME if they are equal."""
    kind = type(new)
    if kind is not type(old):
        return _literal(new)
    if kind is dict or kind is list:
        if depth == DEPTH_LIMIT:
            return [new]
        return (_object_difference if kind is dict else _array_difference)(old, new, depth)
    if old == new and (kind is not float or copysign(1.0, old) == copysign(1.0, new)):
        return _SAME
    return _text_difference(old, new) if kind is str else new


def _literal(value: Any) -> Any:
    return [value] if type(value) in (dict, list) else value


def _object_difference(old: dict[str, Any], new: dict[str, Any], depth: int) -> Any:
    delta: dict[str, Any] = {}
    unchanged = 0
    for key, value in new.items():
        before = old.get(key, _ABSENT)
        if before is _ABSENT:
            delta[key] = _literal(value)
            continue
        unchanged += 1
        kind = type(value)
        if before is value or (kind is type(before) and kind in _PLAIN and before == value):
            continue
        change = _difference(before, value, depth + 1)
        if change is not _SAME:
            delta[key] = change
    if unchanged < len(old):
        if "" in old and "" not in new:
            return [new]  # the receiver would reject the deletion of an empty key
        delta |= {key: [] for key in old if key not in new}
        # At the root a replacement would not be an object, and Sync Gateway accepts objects only.
        return delta if depth == 0 else _shorter(delta, [new])
    return delta or _SAME


def _array_difference(old: list[Any], new: list[Any], depth: int) -> Any:
    shared = min(len(old), len(new))
    if not shared:
        return [new] if old or new else _SAME
    changes: dict[int, Any] = {}
    for index, (before, value) in enumerate(zip(old, new, strict=False)):
        kind = type(value)
        if before is value or (kind is type(before) and kind in _PLAIN and before == value):
            continue
        change = _difference(before, value, depth + 1)
        if change is not _SAME:
            changes[index] = change
    if len(changes) + (len(old) != len(new)) > 1:
        return _shorter(_cut(changes, old, new), [new])
    return _array_delta(changes, old, new, shared) or _SAME


def _array_delta(changes: dict[int, Any], old: list[Any], new: list[Any], cut: int) -> dict[str, Any]:
    """Return the changes to items before index `cut`, and the replacement for all later items, if any."""
    delta = {str(index): change for index, change in changes.items() if index < cut}
    if cut < len(old) or cut < len(new):
        delta[f"{cut}-"] = new[cut:]
    return delta


def _cut(changes: dict[int, Any], old: list[Any], new: list[Any]) -> dict[str, Any]:
    """Return the shortest delta that changes single items before some index and replaces all later items.

    An inserted or removed item shifts all items after it. Replacing them together is then shorter than many
    small changes.
    """
    shared = min(len(old), len(new))
    best = tail = shared
    saved = most = 0
    try:
        if len(old) != len(new):
            saved = len(str(shared)) + _TAIL_WRAPPING
        for index in reversed(changes):
            saved += len(str(index)) + len('"":,') + len(_encode(changes[index]))
            saved -= sum(len(_encode(value)) + 1 for value in new[index:tail])
            tail = index
            gain = saved - len(str(index)) - _TAIL_WRAPPING
            if gain > most:
                most, best = gain, index
    except (ValueError, RecursionError):
        best = shared
    return _array_delta(changes, old, new, best)


def _shorter(delta: Any, replacement: Any) -> Any:
    try:
        return delta if len(_encode(delta)) <= len(_encode(replacement)) else replacement
    except (ValueError, RecursionError):
        # A string with a lone surrogate, or a value nested too deeply, cannot be encoded, so its length is
        # unknown.
        return delta


def _text_difference(old: str, new: str) -> Any:
    """Return a patch that replaces the differing part of a string, or `new` if the patch is not shorter."""
    try:
        size = _bytes(new)
        if size < TEXT_MINIMUM:
            return new
        start = _common_start(old, new)
        end = _common_start(old[start:][::-1], new[start:][::-1])
        inserted = new[start : len(new) - end]
        operations = (
            (_bytes(old[:start]), "="),
            (_bytes(old[start : len(old) - end]), "-"),
            (_bytes(inserted), f"+{inserted}|"),
            (_bytes(old[len(old) - end :]), "="),
        )
    except UnicodeEncodeError:
        return new
    patch = "".join(f"{count}{what}" for count, what in operations if count)
    # JSON escapes are not counted in either length, because those of the inserted text occur in `new` as
    # well.
    return [patch, 0, _TEXT_CODE] if _bytes(patch) + _TEXT_WRAPPING < size else new


def _bytes(text: str) -> int:
    """Return the length of a string in bytes of UTF-8, the unit in which the format counts."""
    return len(text) if text.isascii() else len(text.encode())


def _common_start(old: str, new: str) -> int:
    """Return the length, in characters, of the common prefix of two strings.

    It is found by bisection, so that the comparisons run in C.
    """
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


# Applying deltas


def _patched(old: Any, delta: Any, depth: int) -> Any:
    """Apply a delta to `old` and return the result. Both `old` and the result may be _ABSENT."""
    kind = type(delta)
    if kind is list:
        return _marked(old, delta)
    if kind is not dict:
        return delta
    if depth == DEPTH_LIMIT:
        raise DeltaError(f"the delta is nested more than {DEPTH_LIMIT} levels deep")
    if type(old) is dict:
        return _patched_object(old, delta, depth)
    if type(old) is list:
        return _patched_array(old, delta, depth)
    if delta or old is _ABSENT:
        raise DeltaError("the delta changes parts of a value that is neither an object nor an array")
    return old


def _marked(old: Any, delta: list[Any]) -> Any:
    """Apply a delta in the form of an array to `old` and return the result.

    The array's length determines its meaning.
    """
    size = len(delta)
    if size == 1:
        return delta[0]
    if size > _MARKED_LENGTH:
        raise DeltaError(f"an array of {size} elements is not valid in a delta")
    if old is _ABSENT:
        raise DeltaError("the delta changes or deletes a value that does not exist")
    if size == 0:
        return _ABSENT
    if size == _MARKED_LENGTH - 1:
        return delta[1]
    code = delta[2]
    if type(code) is int and code == _DELETION_CODE:
        return _ABSENT
    if type(code) is int and code == _TEXT_CODE:
        return _patched_text(old, delta[0])
    raise DeltaError("the delta has an unknown operation code")


def _patched_object(old: dict[str, Any], delta: dict[str, Any], depth: int) -> dict[str, Any]:
    new = old.copy()
    for key, change in delta.items():
        try:
            value = _patched(old.get(key, _ABSENT), change, depth + 1)
        except DeltaError as error:
            raise error.within(key) from None
        if value is _ABSENT:
            if not key:
                raise DeltaError(
                    "the delta deletes an empty key, which is not accepted because Fleece encodes"
                    " unchanged keys in the same way"
                )
            del new[key]
        else:
            new[key] = value
    return new


def _patched_array(old: list[Any], delta: dict[str, Any], depth: int) -> list[Any]:
    end, tail = len(old), []
    tails = [key for key in delta if key[-1:] == "-"]
    for key in tails:
        end, tail = _index(key[:-1], len(old) + 1), delta[key]
    if len(tails) > 1:
        raise DeltaError("the delta replaces the end of an array twice")
    if type(tail) is not list:
        raise DeltaError("the replacement for the end of an array is not an array")
    new = old[:end]
    for key, change in delta.items():
        if key[-1:] == "-":
            continue
        index = _index(key, end)
        try:
            value = _patched(old[index], change, depth + 1)
        except DeltaError as error:
            raise error.within(key) from None
        if value is _ABSENT:
            raise DeltaError("an array element cannot be deleted, only replaced", (key,))
        new[index] = value
    return new + tail


def _index(key: str, end: int) -> int:
    """Return the array index that a key of a delta represents. Raises DeltaError if it is not below `end`."""
    index = int(key) if _INDEX.fullmatch(key) else end
    if index >= end:
        raise DeltaError(f"{key[:40]!r} is not the index of a remaining array element")
    return index


def _patched_text(old: Any, patch: Any) -> str:
    if type(old) is not str or type(patch) is not str or not patch:
        raise DeltaError("the patched value or its patch is not a string")
    new = bytearray()
    taken = at = 0
    try:
        source, operations = old.encode(), patch.encode()
        while at < len(operations):
            operation = _OPERATION.match(operations, at)
            if operation is None:
                raise DeltaError(f"the string patch has no valid operation at byte {at}")
            count, at = int(operation[1]), operation.end()
            if operation[2] == b"+":
                new += operations[at : at + count]
                at += count + 1
                if operations[at - 1 : at] != b"|":
                    raise DeltaError(f"the string patch has no '|' at byte {at - 1}")
                continue
            if count > len(source) - taken:
                raise DeltaError("the string patch extends beyond the end of the string")
            if operation[2] == b"=":
                new += source[taken : taken + count]
            taken += count
        if taken != len(source):
            raise DeltaError(f"the string patch is for {taken} bytes, but the string has {len(source)}")
        return new.decode()
    except UnicodeError:
        raise DeltaError("the string, its patch or the result is not UTF-8") from None
