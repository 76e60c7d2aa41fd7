"""Revision ids: their creation, parsing and ranking.

No other module creates, parses or ranks revision ids. They have the form `<generation>-<digest>`, as in
Couchbase Lite 2 and 3. The generation counts edits, starting from 1. Logboat's digests have 32 hexadecimal
digits, and depend only on the parent, the deletion flag and the canonical body. So two peers that make the
same edit create the same revision. Digests from other software are kept unchanged.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from sync.store.errors import DocumentError

HORIZON: Final = 20
"""Number of generations of ancestors kept for each leaf, the default of Couchbase Lite.

If a leaf is at least this many generations below the highest leaf, it may be an ancestor of the highest leaf
that arrived late. Some stores have pruned the link between the two, and others have not. Such a leaf never
wins, so that all stores select the same winner.
"""

GENERATION_LIMIT: Final = 2**31
"""Exclusive upper limit of a generation in any revision id, so that every peer can store it as an integer."""

SOUND_LIMIT: Final = 2**29
"""Exclusive upper limit of the generations that a store accepts from peers and assigns to its own edits.

With one edit per second, the limit would be reached after 17 years. So a revision beyond the limit is assumed
to be forged, to prevent anyone else from editing the document. If an earlier version of Logboat has stored
such a revision, any other revision replaces it.
"""

RESTART: Final = 2**13
"""Generation of the edit that replaces a revision beyond `SOUND_LIMIT`.

Few documents are edited more than 8,192 times, so the edit outranks the document's earlier revisions. Every
peer accepts this generation.
"""

RESTART_OF_ONE: Final = 2**24
"""Counterpart of `RESTART` for single-writer documents, which may be rewritten every few seconds."""

BRIDGE_LIMIT: Final = 500
"""Maximum difference in generation between two successive ancestors for which substitute ids are created."""

_LOW: Final = "0" * 8
"""The first digits of the digest of every tombstone that closes a losing branch."""

_SHAPE: Final = re.compile(r"([1-9][0-9]{0,9})-([0-9A-Za-z+/=_.-]{1,128})")

Rank = tuple[bool, int, str]
"""Sort key of a leaf of a document: True if live, generation, digest."""


def make(parent: str | None, *, deleted: bool, body: bytes, closing: bool = False, above: int = 0) -> str:
    """Return the revision id of an edit.

    The digest consists of the first 128 bits of a SHA-256 hash of the parent's id, a byte for the kind of
    edit, and the body. A tombstone that closes a losing branch counts as a separate kind, so that its id
    differs from that of an intended deletion. The digest of such a tombstone begins with zeros. A deletion of
    the winning branch has the same generation or a later one. So the tombstone does not outrank it,
    regardless of the software that made the deletion.

    Args:
        parent: the revision that the edit replaces; None for a new document.
        deleted: True if the edit deletes the document.
        body: the new body in canonical form.
        closing: True if the edit is the tombstone that closes a losing branch.
        above: the new generation exceeds both this number and the parent's generation.
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
    """Return the history of a local deletion, newest first, with substitute ids for missing generations.

    A gap of more than BRIDGE_LIMIT generations is not filled.
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
    """Return the ancestors to send to a peer together with a revision, newest first.

    Couchbase Lite permanently rejects a history with a missing generation, except for one gap at its maximum
    depth. So the ancestors that are sent have contiguous generations. If the peer has reported an ancestor,
    the history ends with that ancestor, and missing generations above it get substitute ids. If that history
    is longer than `depth`, the ancestors just above the reported one are omitted. If the peer has reported no
    ancestor, the history ends at the first missing generation.

    Args:
        revision: id of the revision to send.
        history: ids of its ancestors that are stored here, newest first; generations may be missing.
        known: ids of revisions that the peer has reported.
        depth: the maximum number of ancestors to send, at least 1.
    """
    named = next((index for index, ancestor in enumerate(history) if ancestor in known), None)
    line = list(islice(_contiguous(revision, history, fill=0 if named is None else named + 1), depth))
    if named is not None and history[named] not in line:
        line[depth - 1 :] = [history[named]]
    return line


def _contiguous(revision: str, history: Sequence[str], *, fill: int) -> Iterator[str]:
    """Yield a history up to its first gap. Gaps above the first `fill` ancestors are filled instead."""
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
    """Return the substitute revision id for the missing generation `number` above `ancestor`.

    It is the same in every store.
    """
    return join(number, hashlib.sha256(f"{number} before {ancestor}".encode()).hexdigest()[:32])


def valid(revision: str) -> bool:
    """Return True if a string has the form of a revision id."""
    match = _SHAPE.fullmatch(revision)
    return match is not None and int(match[1]) < GENERATION_LIMIT


def generation(revision: str) -> int:
    """Return the generation of a revision, which is 1 for the first revision of a document.

    Raises:
        DocumentError: the string is not a revision id.
    """
    match = _SHAPE.fullmatch(revision)
    if match is None or (number := int(match[1])) >= GENERATION_LIMIT:
        raise DocumentError(f"{revision[:80]!r} is not a revision id of the form <generation>-<digest>")
    return number


def is_sound(revision: str) -> bool:
    """Return True if a revision's generation is below SOUND_LIMIT, so that the revision can be edited."""
    return generation(revision) < SOUND_LIMIT


def split(revision: str) -> tuple[int, str]:
    """Split a revision id into its generation and its digest. `join` is the reverse operation."""
    return generation(revision), revision.partition("-")[2]


def join(number: int, digest: str) -> str:
    """Return the revision id with this generation and digest."""
    return f"{number}-{digest}"


def rank(revision: str, *, deleted: bool) -> Rank:
    """Return the sort key of a leaf: live above deleted, then higher generation, then higher digest."""
    number, digest = split(revision)
    return not deleted, number, digest


def newer(first: str, second: str) -> bool:
    """Return True if `first` replaces `second` in a document with a single writer.

    Revisions are compared by generation, and then by digest. A revision whose generation is not below
    SOUND_LIMIT ranks lowest.
    """
    return (is_sound(first), *split(first)) > (is_sound(second), *split(second))


def winner(leaves: Iterable[tuple[str, bool]]) -> str:
    """Return the winning revision among a document's leaves, which are given as (revision, deleted).

    The result depends only on the set of leaves. Leaves that are at least HORIZON generations below the
    highest leaf are ignored. Leaves whose generation is not below SOUND_LIMIT are ignored if there are other
    leaves.
    """
    ranked = [rank(revision, deleted=deleted) for revision, deleted in leaves]
    ranked = [entry for entry in ranked if entry[1] < SOUND_LIMIT] or ranked
    highest = max(number for _, number, _ in ranked)
    _, number, digest = max(entry for entry in ranked if highest - entry[1] < HORIZON)
    return join(number, digest)


def check_history(revision: str, history: Iterable[str]) -> None:
    """Raise DocumentError unless the generations of `revision` and its `history` are in descending order."""
    above = generation(revision)
    for ancestor in history:
        number = generation(ancestor)
        if number >= above:
            raise DocumentError(f"history of {revision}: {ancestor} is not older than its successor")
        above = number
