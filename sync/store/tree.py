"""The revisions of one document: which follows which, which are current, which one wins.

Pure: no file, no clock. A tree knows only what it was told and has not pruned, so it may have several roots,
and a parent here means the nearest ancestor still known, not always the one of the generation before. Every
history that comes in is merged with what is known, so that the tree depends on what was told and not on the
order.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from sync.store import revisions

_DELETED: Final = 1
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Any]).decode


@dataclass(slots=True)
class Node:
    """One revision."""

    generation: int
    parent: str | None
    """The nearest ancestor that is known."""
    deleted: bool = False
    body: bytes | None = None
    """JSON text; None where it is not kept. Leaves always have it."""


class RevisionTree:
    """The revision tree of one document. Never empty once something was inserted."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes: Final[dict[str, Node]] = {}

    @classmethod
    def single(cls, revision: str, *, deleted: bool, body: bytes) -> "RevisionTree":
        """The tree of a document of which one revision is known."""
        tree = cls()
        tree.nodes[revision] = Node(revisions.generation(revision), None, deleted, body)
        return tree

    def insert(self, revision: str, history: Sequence[str], *, deleted: bool, body: bytes) -> bool:
        """Add a revision with its ancestors, newest first; they may skip generations.

        Returns:
            Whether it was unknown.

        Raises:
            DocumentError: the history is not one.
        """
        revisions.check_history(revision, history)
        new = revision not in self.nodes
        if new:
            self.nodes[revision] = Node(revisions.generation(revision), None, deleted, body)
        known = self.nodes
        self._merge([revision, *(r for i, r in enumerate(history) if i < revisions.HORIZON or r in known)])
        return new

    def _merge(self, line: Sequence[str]) -> None:
        """Learn that each of `line` descends from the next; the first is known."""
        nodes = self.nodes
        current = nodes[line[0]]
        for revision in line[1:]:
            known = nodes.get(revision)
            number = known.generation if known is not None else revisions.generation(revision)
            while current.parent is not None and nodes[current.parent].generation > number:
                current = nodes[current.parent]
            older = current.parent
            if older != revision:
                if older is not None and nodes[older].generation == number:
                    return  # two histories contradict each other: what was known first stands
                if known is None:
                    known = nodes[revision] = Node(number, None)
                current.parent = revision
                if older is not None:
                    self._merge([revision, *self.line(older)])
            assert known is not None
            current = known

    def line(self, revision: str) -> Iterator[str]:
        """The revision and its known ancestors, newest first."""
        at: str | None = revision
        while at is not None:
            yield at
            at = self.nodes[at].parent

    def leaves(self) -> list[str]:
        """The revisions that nothing known follows, in no particular order."""
        parents = {node.parent for node in self.nodes.values()}
        return [revision for revision in self.nodes if revision not in parents]

    def live_leaves(self) -> list[str]:
        """The leaves that are not deletions. More than one is a conflict."""
        return [revision for revision in self.leaves() if not self.nodes[revision].deleted]

    def has_ended(self, revision: str) -> bool:
        """Whether a revision that is known and no deletion has no live leaf after it, while another has."""
        node, live = self.nodes.get(revision), self.live_leaves()
        if node is None or node.deleted or not live:
            return False
        return not any(revision in self.line(leaf) for leaf in live)

    def winner(self) -> str:
        """The current revision."""
        leaves = self.leaves()
        if len(leaves) == 1:
            return leaves[0]
        return revisions.winner((leaf, self.nodes[leaf].deleted) for leaf in leaves)

    def history(
        self, revision: str, *, until: Collection[str] = (), limit: int = revisions.HORIZON
    ) -> list[str]:
        """Ancestors of a revision to send with it, newest first, ending at the first of `until`.

        Where that one lies below `limit` ancestors, the history skips down to it: a history that ends at an
        ancestor the other side has named is one that it can attach.
        """
        line = list(self.line(revision))[1:]
        named = next((index for index, ancestor in enumerate(line) if ancestor in until), None)
        if named is None:
            return line[:limit]
        if named < limit:
            return line[: named + 1]
        return [*line[: max(limit - 1, 0)], line[named]]

    def keep_branch(self, revision: str) -> None:
        """Forget all that is not the line of this revision: a document with one writer has one branch."""
        kept = set(self.line(revision))
        for other in [r for r in self.nodes if r not in kept]:
            del self.nodes[other]

    def forget_unsound(self) -> None:
        """Forget the revisions whose generations are not sound, and below them those without a body.

        Nothing may be left.
        """
        nodes = self.nodes
        unsound = [revision for revision, node in nodes.items() if node.generation >= revisions.SOUND_LIMIT]
        below = {nodes[revision].parent for revision in unsound} - {None, *unsound}
        for revision in unsound:
            del nodes[revision]
        for end in below:
            leaf = end
            while leaf is not None and nodes[leaf].body is None and leaf in self.leaves():
                leaf = nodes.pop(leaf).parent

    def prune(self, keep: Collection[str] = ()) -> None:
        """Forget ancestors beyond every leaf's horizon, except `keep`; what stays is linked past the gap."""
        nodes = self.nodes
        kept = {revision for revision in keep if revision in nodes}
        for leaf in self.leaves():
            lowest = nodes[leaf].generation - revisions.HORIZON
            for revision in self.line(leaf):
                if nodes[revision].generation <= lowest:
                    break
                kept.add(revision)
        if len(kept) == len(nodes):
            return
        for revision in kept:
            nodes[revision].parent = next((a for a in list(self.line(revision))[1:] if a in kept), None)
        for revision in [r for r in nodes if r not in kept]:
            del nodes[revision]

    def drop_bodies(self, keep: Collection[str] = ()) -> None:
        """Forget the bodies of revisions that are neither leaves nor in `keep`."""
        for node in self.nodes.values():
            if node.parent is not None and node.parent not in keep:
                self.nodes[node.parent].body = None

    def encode(self, without_body_of: str) -> bytes:
        """Compact bytes. The body of one revision, the winner, is left out: it has a column of its own."""
        order = sorted(self.nodes, key=lambda revision: (self.nodes[revision].generation, revision))
        index = {revision: number for number, revision in enumerate(order)}
        flat: list[Any] = []
        for revision in order:
            node = self.nodes[revision]
            body = None if revision == without_body_of else node.body
            flat += (
                node.generation,
                _pack_digest(revisions.split(revision)[1]),
                -1 if node.parent is None else index[node.parent],
                _DELETED if node.deleted else 0,
                body,
            )
        return _encode(flat)

    @classmethod
    def decode(cls, data: bytes, *, winner: str, body: bytes) -> "RevisionTree":
        """The tree of `encode`d bytes, and of the winner's body.

        Raises:
            ValueError: these are no such bytes.
        """
        tree = cls()
        try:
            flat = iter(_decode(data))
            order: list[str] = []
            for number, digest, parent, flags, kept in zip(flat, flat, flat, flat, flat, strict=True):
                revision = revisions.join(number, _unpack_digest(digest))
                order.append(revision)
                above = None if parent < 0 else order[parent]
                tree.nodes[revision] = Node(number, above, bool(flags & _DELETED), kept)
            tree.nodes[winner].body = body
        except (msgspec.MsgspecError, TypeError, IndexError, KeyError, AttributeError) as error:
            raise ValueError(f"not an encoded revision tree: {error}") from None
        return tree

    def faults(self) -> list[str]:
        """What breaks the invariants, in words; empty in a sound tree."""
        found = []
        for revision, node in self.nodes.items():
            if not revisions.valid(revision) or revisions.generation(revision) != node.generation:
                found.append(f"{revision}: no revision id, or not of generation {node.generation}")
            if node.parent is not None:
                if node.parent not in self.nodes:
                    found.append(f"{revision}: its parent {node.parent} is missing")
                elif self.nodes[node.parent].generation >= node.generation:
                    found.append(f"{revision}: its parent {node.parent} is not older")
        found += [f"{leaf}: a leaf without a body" for leaf in self.leaves() if self.nodes[leaf].body is None]
        return found if self.nodes else ["no revision at all"]


def _pack_digest(digest: str) -> bytes | str:
    """Hexadecimal digests as bytes: half the size."""
    try:
        packed = bytes.fromhex(digest)
    except ValueError:
        return digest
    return packed if packed.hex() == digest else digest


def _unpack_digest(packed: bytes | str) -> str:
    return packed.hex() if isinstance(packed, bytes) else packed
