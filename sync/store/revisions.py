"""Revision ids: how they are made, which of two is newer, and which one wins.

No other module makes, parses or ranks revision ids. They have the form of Couchbase Lite 2 and 3:
`<generation>-<digest>`. The generation counts edits from 1. Our own digests have 32 hexadecimal digits and
depend on parent, deletion and canonical body alone, so two vessels that make the same edit make the same
revision. A digest made by other software is accepted unchanged.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from sync.store.errors import DocumentError

HORIZON: Final = 20
"""Number of generations of ancestry kept below each leaf, as by default in Couchbase Lite.

A leaf this far or further below the highest one may be an old ancestor of it that arrived late. Its link to
the newer ones may have been pruned here but not elsewhere. So that all stores still agree, such a leaf never
wins.
"""

GENERATION_LIMIT: Final = 2**31
"""Limit of all generations, so that no peer can give a document a generation that others cannot count."""

SOUND_LIMIT: Final = 2**29
"""Limit of the generations that a store accepts from elsewhere, and gives to its own edits.

One edit each second for 17 years reaches it. A revision beyond it was forged to keep everyone else from
writing the document again. A store that has one from an earlier version lets any other revision replace it.
"""

RESTART: Final = 2**13
"""Generation of the edit that replaces a revision beyond `SOUND_LIMIT`.

Few documents are edited this often, so it outranks earlier edits. It is low enough for every peer to accept.
"""

RESTART_OF_ONE: Final = 2**24
"""The same as `RESTART` for a document with a single writer, who may rewrite it every few seconds."""

BRIDGE_LIMIT: Final = 500
"""Maximum number of missing generations between two ancestors for which substitute ids are made."""

_LOW: Final = "0" * 8
"""First digits of the digest of the tombstone that closes a losing branch."""

_SHAPE: Final = re.compile(r"([1-9][0-9]{0,9})-([0-9A-Za-z+/=_.-]{1,128})")

Rank = tuple[bool, int, str]
"""Sort key of the leaves of a document: live or deleted, generation, digest."""


def make(parent: str | None, *, deleted: bool, body: bytes, closing: bool = False, above: int = 0) -> str:
    """Return the id of the edit that gives `parent` this canonical body; `parent` is None for a new document.

    The digest is the first 128 bits of a SHA-256 over the parent's id, a byte for deletion, and the body. A
    tombstone that closes a losing branch has a byte of its own, so that it differs from a deletion that
    somebody intended. Its digest is also lower than other software's digests, so that it does not outrank a
    deletion of the winning branch, which is of the same generation or a later one. The generation is one more
    than the parent's, or than `above` if that is higher.
    """
    kind = "c" if closing else "d" if deleted else "l"
    digest = hashlib.sha256(f"{parent or ''}\0{kind}\0".encode())
    digest.update(body)
    number = max(0 if parent is None else generation(parent), above) + 1
    if number >= GENERATION_LIMIT:
        raise DocumentError(f"revision {parent}: there is no higher generation")
    name = digest.hexdigest()[:32]
    return join(number, _LOW + name[len(_LOW) :] if closing else name)


def bridged(revision: str, history: Iterable[str]) -> list[str]:
    """Return the history of a local deletion that skips generations, newest first, with the gaps filled.

    Where too many generations are missing, the gap is left.
    """
    bridge: list[str] = []
    above = generation(revision)
    for ancestor in history:
        number = generation(ancestor)
        if above - number <= BRIDGE_LIMIT:
            bridge += [_made_up(missing, ancestor) for missing in range(above - 1, number, -1)]
        bridge.append(ancestor)
        above = number
    return bridge


def handed_on(revision: str, history: Sequence[str], *, known: Collection[str], depth: int) -> list[str]:
    """Return the ancestors to send to a peer whose revision trees are `depth` deep, newest first.

    Couchbase Lite permanently refuses a history with a missing generation, except for one gap at its depth.
    So the ancestors sent are contiguous. Down to the newest ancestor in `known`, which the peer has reported,
    missing generations get substitute ids. If that does not fit, ancestors just before the known one are left
    out. Without a known ancestor, the history ends at the first missing generation.

    Args:
        revision: the revision to send.
        history: its ancestors that are known here, newest first; generations may be missing.
        known: revisions that the peer has reported.
        depth: the maximum number of ancestors to send, at least 1.
    """
    named = next((index for index, ancestor in enumerate(history) if ancestor in known), None)
    line = list(islice(_contiguous(revision, history, fill=0 if named is None else named + 1), depth))
    if named is not None and history[named] not in line:
        line[depth - 1 :] = [history[named]]
    return line


def _contiguous(revision: str, history: Sequence[str], *, fill: int) -> Iterator[str]:
    """Yield a history up to its first gap, filling gaps before its first `fill` ancestors."""
    above = generation(revision)
    for index, ancestor in enumerate(history):
        number = generation(ancestor)
        if above - number > 1 and index >= fill:
            return
        for missing in range(above - 1, number, -1):
            yield _made_up(missing, ancestor)
        yield ancestor
        above = number


def _made_up(number: int, ancestor: str) -> str:
    """Return a substitute id for an unknown generation. Every store makes the same one."""
    return join(number, hashlib.sha256(f"{number} before {ancestor}".encode()).hexdigest()[:32])


def valid(revision: str) -> bool:
    """Return True if the string has the form of a revision id."""
    match = _SHAPE.fullmatch(revision)
    return match is not None and int(match[1]) < GENERATION_LIMIT


def generation(revision: str) -> int:
    """Return the number of edits that led to this revision, including its own.

    Raises:
        DocumentError: the string is not a revision id.
    """
    match = _SHAPE.fullmatch(revision)
    if match is None or (number := int(match[1])) >= GENERATION_LIMIT:
        raise DocumentError(f"{revision[:80]!r} is not a revision id of the form <generation>-<digest>")
    return number


def is_sound(revision: str) -> bool:
    """Return True if the generation of this revision leaves room for edits that follow it."""
    return generation(revision) < SOUND_LIMIT


def split(revision: str) -> tuple[int, str]:
    """Split a revision id into generation and digest, for compact storage. `join` reverses this."""
    return generation(revision), revision.partition("-")[2]


def join(number: int, digest: str) -> str:
    """Return the revision id with this generation and digest."""
    return f"{number}-{digest}"


def rank(revision: str, *, deleted: bool) -> Rank:
    """Return the sort key of a leaf within the horizon: live first, then generation, then digest."""
    number, digest = split(revision)
    return not deleted, number, digest


def newer(first: str, second: str) -> bool:
    """Return True if `first` replaces `second` in a document with a single writer.

    They are compared by generation, then digest. A generation that is not sound ranks below all others.
    """
    return (is_sound(first), *split(first)) > (is_sound(second), *split(second))


def winner(leaves: Iterable[tuple[str, bool]]) -> str:
    """Return the winner among a document's leaves, which are given as (revision, deleted).

    The result depends on the set of leaves alone. Leaves beyond the horizon are ignored, and so are leaves
    that are not sound while others are.
    """
    ranked = [rank(revision, deleted=deleted) for revision, deleted in leaves]
    ranked = [entry for entry in ranked if entry[1] < SOUND_LIMIT] or ranked
    highest = max(number for _, number, _ in ranked)
    _, number, digest = max(entry for entry in ranked if highest - entry[1] < HORIZON)
    return join(number, digest)


def check_history(revision: str, history: Iterable[str]) -> None:
    """Raise DocumentError unless `history` lists possible ancestors of `revision`, newest first."""
    above = generation(revision)
    for ancestor in history:
        number = generation(ancestor)
        if number >= above:
            raise DocumentError(f"history of {revision}: {ancestor} is not older than its successor")
        above = number
