"""What identifies a revision, which of two is newer, and which one wins.

Nothing else in the code makes, parses or ranks revision ids. They are Couchbase Lite's of versions 2 and 3:
`<generation>-<digest>`. The generation counts edits from 1. Our own digests are 32 hexadecimal digits and a
function of parent, deletion and canonical body alone, so that two vessels that make the same edit make the
same revision; another maker's digest is taken as it is.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from sync.store.errors import DocumentError

HORIZON: Final = 20
"""Generations of ancestry kept below each leaf. Couchbase Lite's default depth of a revision tree.

A leaf this far or further below the highest one may be an old ancestor of it that came late, its link to the
newer ones pruned here but not elsewhere. So that stores agree all the same, such a leaf never wins.
"""

GENERATION_LIMIT: Final = 2**31
"""Generations stay below this. A peer cannot push a document beyond what others can count."""

SOUND_LIMIT: Final = 2**29
"""Generations that a store takes from elsewhere, and gives to its own edits, stay below this. One per second
for 17 years leads there. A revision beyond it was made up to keep everybody else from ever writing the
document again. A store that has one from an earlier version lets any other revision take its place.
"""

RESTART: Final = 2**13
"""Generation of the edit that takes the place of a revision beyond `SOUND_LIMIT`. Few documents are edited as
often as this, so it outranks what was edited before; and it is low enough that every peer takes it.
"""

RESTART_OF_ONE: Final = 2**24
"""The same where the document has a single writer, who may rewrite it every few seconds for years."""

BRIDGE_LIMIT: Final = 500
"""Generations missing between two of a history for which names are made up."""

_LOW: Final = "0" * 8
"""How the digest of the end of a branch begins that lost a conflict."""

_SHAPE: Final = re.compile(r"([1-9][0-9]{0,9})-([0-9A-Za-z+/=_.-]{1,128})")

Rank = tuple[bool, int, str]
"""Orders the leaves of a document: live or deleted, generation, digest."""


def make(parent: str | None, *, deleted: bool, body: bytes, closing: bool = False, above: int = 0) -> str:
    """The id of the edit that gives `parent` (None for a new document) this canonical body.

    SHA-256 over the parent's id, a byte for deletion, and the body, the first 128 bits of it. The deletion by
    which a branch that lost a conflict is closed has a byte of its own, so that it is not taken for one that
    somebody meant; and its digest is lower than other makers' are, so that it outranks no deletion of the
    branch that won, which is of the same generation or a later one. The generation is the one after the
    parent's, or after `above` if that is higher.
    """
    kind = "c" if closing else "d" if deleted else "l"
    digest = hashlib.sha256(f"{parent or ''}\0{kind}\0".encode())
    digest.update(body)
    number = max(0 if parent is None else generation(parent), above) + 1
    if number >= GENERATION_LIMIT:
        raise DocumentError(f"revision {parent}: no generation is left above it")
    name = digest.hexdigest()[:32]
    return join(number, _LOW + name[len(_LOW) :] if closing else name)


def bridged(revision: str, history: Iterable[str]) -> list[str]:
    """Return the history of a deletion of ours that skips generations, newest first, with those made up.

    Where too many are missing, none are made up.
    """
    found: list[str] = []
    above = generation(revision)
    for ancestor in history:
        number = generation(ancestor)
        if above - number <= BRIDGE_LIMIT:
            found += [_made_up(missing, ancestor) for missing in range(above - 1, number, -1)]
        found.append(ancestor)
        above = number
    return found


def handed_on(revision: str, history: Sequence[str], *, known: Collection[str], depth: int) -> list[str]:
    """Return the ancestors to send to a peer whose revision trees are `depth` deep, newest first.

    Couchbase Lite refuses a history for good in which a generation is missing, but for one gap at its depth.
    So what is sent is contiguous. Down to the newest ancestor of `known`, which the peer has named, missing
    generations get made-up names, and what does not fit is left out just before that ancestor. Without one,
    the history ends where the first generation is missing.

    Args:
        revision: the revision to send.
        history: its ancestors that are known here, newest first; generations may be missing.
        known: revisions that the peer has named.
        depth: the most ancestors to send, at least 1.
    """
    named = next((index for index, ancestor in enumerate(history) if ancestor in known), None)
    line = list(islice(_contiguous(revision, history, fill=0 if named is None else named + 1), depth))
    if named is not None and history[named] not in line:
        line[depth - 1 :] = [history[named]]
    return line


def _contiguous(revision: str, history: Sequence[str], *, fill: int) -> Iterator[str]:
    """Yield a history up to its first gap; gaps before its first `fill` ancestors are filled."""
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
    """Return a name for a generation that is not known here; every store makes up the same one."""
    return join(number, hashlib.sha256(f"{number} before {ancestor}".encode()).hexdigest()[:32])


def valid(revision: str) -> bool:
    """Whether this has the form of a revision id."""
    match = _SHAPE.fullmatch(revision)
    return match is not None and int(match[1]) < GENERATION_LIMIT


def generation(revision: str) -> int:
    """How many edits led to this revision, itself included.

    Raises:
        DocumentError: it is no revision id.
    """
    match = _SHAPE.fullmatch(revision)
    if match is None or (number := int(match[1])) >= GENERATION_LIMIT:
        raise DocumentError(f"{revision[:80]!r} is not a revision id of the form <generation>-<digest>")
    return number


def is_sound(revision: str) -> bool:
    """Return True if the generation of this revision leaves room for edits that follow it."""
    return generation(revision) < SOUND_LIMIT


def split(revision: str) -> tuple[int, str]:
    """Generation and digest, for compact storage; `join` undoes it."""
    return generation(revision), revision.partition("-")[2]


def join(number: int, digest: str) -> str:
    """The revision id of this generation and digest."""
    return f"{number}-{digest}"


def rank(revision: str, *, deleted: bool) -> Rank:
    """The key by which leaves within the horizon are ordered: live first, then generation, then digest."""
    number, digest = split(revision)
    return not deleted, number, digest


def newer(first: str, second: str) -> bool:
    """Return True if `first` replaces `second` where one vessel writes: by generation, then digest.

    A generation that is not sound ranks below all others.
    """
    return (is_sound(first), *split(first)) > (is_sound(second), *split(second))


def winner(leaves: Iterable[tuple[str, bool]]) -> str:
    """The winning one of a document's leaves, each given with whether it is deleted.

    It depends on the set of leaves alone, and not on leaves beyond the horizon, nor on those that are not
    sound while others are.
    """
    ranked = [rank(revision, deleted=deleted) for revision, deleted in leaves]
    ranked = [entry for entry in ranked if entry[1] < SOUND_LIMIT] or ranked
    highest = max(number for _, number, _ in ranked)
    _, number, digest = max(entry for entry in ranked if highest - entry[1] < HORIZON)
    return join(number, digest)


def check_history(revision: str, history: Iterable[str]) -> None:
    """Raise DocumentError unless `history` can be ancestors of `revision`, newest first."""
    above = generation(revision)
    for ancestor in history:
        number = generation(ancestor)
        if number >= above:
            raise DocumentError(f"history of {revision}: {ancestor} is not older than what follows it")
        above = number
