"""The revision tree of one document: the order of its revisions, its leaves, and the winning revision.

This module does no I/O. A tree contains only the revisions that were inserted and have not been pruned, so it
may have several roots. The parent of a node is its nearest known ancestor, which may be several generations
older. Each inserted history is merged into the tree. So the tree depends only on the inserted revisions, not
on the order in which they were inserted.
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
    """A revision in a document's revision tree."""

    generation: int
    parent: str | None
    """Id of the nearest known ancestor; None for a root."""
    deleted: bool = False
    body: bytes | None = None
    """The revision's body as JSON text; None if it is not kept. The body of a leaf is always kept."""


class RevisionTree:
    """The revision tree of one document."""

    __slots__ = ("nodes",)

    def __init__(self) -> None:
        self.nodes: Final[dict[str, Node]] = {}

    @classmethod
    def single(cls, revision: str, *, deleted: bool, body: bytes) -> "RevisionTree":
        """Return the tree of a document that has only one known revision."""
        tree = cls()
        tree.nodes[revision] = Node(revisions.generation(revision), None, deleted, body)
        return tree

    def insert(self, revision: str, history: Sequence[str], *, deleted: bool, body: bytes) -> bool:
        """Add a revision and its ancestors.

        Args:
            revision: id of the revision.
            history: ids of its ancestors, newest first; generations may be missing.
            deleted: True if the revision is a deletion.
            body: the revision's body as JSON text.

        Returns:
            True if the revision was not in the tree before.

        Raises:
            DocumentError: the generations in `history` do not descend.
        """
        revisions.check_history(revision, history)
        new = revision not in self.nodes
        if new:
            self.nodes[revision] = Node(revisions.generation(revision), None, deleted, body)
        known = self.nodes
        self._merge([revision, *(r for i, r in enumerate(history) if i < revisions.HORIZON or r in known)])
        return new

    def _merge(self, line: Sequence[str]) -> bool:
        """Record that each revision in `line` descends from the next one. The first must be in the tree.

        Stop where `line` contradicts the tree, that is, where a revision would have two ancestors of the same
        generation. In that case, the earlier record is kept. No ancestor becomes a leaf, because its body may
        have been removed.

        Returns:
            False if there was a contradiction.
        """
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
                    return False
                if known is None:
                    known = nodes[revision] = Node(number, None)
                current.parent = revision
                if older is not None and not self._merge([revision, *self.line(older)]):
                    current.parent = older
                    return False
            assert known is not None
            current = known
        return True

    def line(self, revision: str) -> Iterator[str]:
        """Yield a revision and its known ancestors, newest first."""
        at: str | None = revision
        while at is not None:
            yield at
            at = self.nodes[at].parent

    def leaves(self) -> list[str]:
        """Return the revisions that have no known successor, in no particular order."""
        parents = {node.parent for node in self.nodes.values()}
        return [revision for revision in self.nodes if revision not in parents]

    def live_leaves(self) -> list[str]:
        """Return the leaves that are not deletions. If there are several, the document has a conflict."""
        return [revision for revision in self.leaves() if not self.nodes[revision].deleted]

    def has_ended(self, revision: str) -> bool:
        """Return True if a tombstone has closed a live revision's branch, and another branch is live."""
        node, live = self.nodes.get(revision), self.live_leaves()
        if node is None or node.deleted or not live:
            return False
        return not any(revision in self.line(leaf) for leaf in live)

    def winner(self) -> str:
        """Return the document's current revision: the leaf that ranks first."""
        leaves = self.leaves()
        if len(leaves) == 1:
            return leaves[0]
        return revisions.winner((leaf, self.nodes[leaf].deleted) for leaf in leaves)

    def history(
        self, revision: str, *, until: Collection[str] = (), limit: int = revisions.HORIZON
    ) -> list[str]:
        """Return the ancestors to send with a revision, newest first, ending with the first one in `until`.

        At most `limit` ancestors are returned. If necessary, the ancestors just above the last one are
        omitted. The peer has reported the last one, so it can still attach the revision to that ancestor.
        """
        line = list(self.line(revision))[1:]
        named = next((index for index, ancestor in enumerate(line) if ancestor in until), None)
        if named is None:
            return line[:limit]
        if named < limit:
            return line[: named + 1]
        return [*line[: max(limit - 1, 0)], line[named]]

    def keep_branch(self, revision: str) -> None:
        """Remove all revisions except `revision` and its ancestors.

        This is used for a document with a single writer, which has only one branch.
        """
        branch = set(self.line(revision))
        for other in [r for r in self.nodes if r not in branch]:
            del self.nodes[other]

    def forget_unsound(self) -> None:
        """Remove the revisions whose generation is SOUND_LIMIT or higher.

        If ancestors without a body become leaves, they are removed too. The tree may be empty afterwards.
        """
        nodes = self.nodes
        unsound = [revision for revision, node in nodes.items() if node.generation >= revisions.SOUND_LIMIT]
        below = {nodes[revision].parent for revision in unsound} - {None, *unsound}
        for revision in unsound:
            del nodes[revision]
        self._forget_empty(below)

    def forget_empty_leaves(self) -> bool:
        """Remove the leaves without a body, and the ancestors without a body that then become leaves.

        In earlier versions of Logboat, an ancestor could lose its descendants if a history contradicted the
        tree.

        Returns:
            True if any leaf was removed.
        """
        empty = {leaf for leaf in self.leaves() if self.nodes[leaf].body is None}
        self._forget_empty(empty)
        return bool(empty)

    def _forget_empty(self, ends: Collection[str | None]) -> None:
        """Remove each revision in `ends` that is a leaf without a body.

        If the parent of a removed leaf then becomes a leaf without a body, it is removed too, and so on.
        """
        for end in ends:
            leaf = end
            while leaf is not None and self.nodes[leaf].body is None and leaf in self.leaves():
                leaf = self.nodes.pop(leaf).parent

    def prune(self, keep: Collection[str] = ()) -> None:
        """Remove ancestors that are at least HORIZON generations below every leaf, except those in `keep`.

        Each remaining revision is linked to its nearest remaining ancestor.
        """
        nodes = self.nodes
        remaining = {revision for revision in keep if revision in nodes}
        for leaf in self.leaves():
            lowest = nodes[leaf].generation - revisions.HORIZON
            for revision in self.line(leaf):
                if nodes[revision].generation <= lowest:
                    break
                remaining.add(revision)
        if len(remaining) == len(nodes):
            return
        for revision in remaining:
            nodes[revision].parent = next((a for a in list(self.line(revision))[1:] if a in remaining), None)
        for revision in [r for r in nodes if r not in remaining]:
            del nodes[revision]

    def drop_bodies(self, keep: Collection[str] = ()) -> None:
        """Remove the bodies of revisions that are neither leaves nor in `keep`."""
        for node in self.nodes.values():
            if node.parent is not None and node.parent not in keep:
                self.nodes[node.parent].body = None

    def encode(self, without_body_of: str) -> bytes:
        """Encode the tree compactly, except for the winning revision's body, which has its own column."""
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
        """Decode a tree from the result of `encode` and the body of the winning revision.

        Raises:
            ValueError: the bytes are not an encoded tree.
        """
        tree = cls()
        try:
            flat = iter(_decode(data))
            order: list[str] = []
            for number, digest, parent, flags, content in zip(flat, flat, flat, flat, flat, strict=True):
                revision = revisions.join(number, _unpack_digest(digest))
                order.append(revision)
                above = None if parent < 0 else order[parent]
                tree.nodes[revision] = Node(number, above, bool(flags & _DELETED), content)
            tree.nodes[winner].body = body
        except (msgspec.MsgspecError, TypeError, IndexError, KeyError, AttributeError) as error:
            raise ValueError(f"the value is not an encoded revision tree: {error}") from None
        return tree

    def faults(self) -> list[str]:
        """Return a description of each invariant that the tree violates; empty if the tree is valid."""
        faults = []
        for revision, node in self.nodes.items():
            if not revisions.valid(revision) or revisions.generation(revision) != node.generation:
                faults.append(f"{revision}: not a revision id of generation {node.generation}")
            if node.parent is not None:
                if node.parent not in self.nodes:
                    faults.append(f"{revision}: the parent {node.parent} is missing")
                elif self.nodes[node.parent].generation >= node.generation:
                    faults.append(f"{revision}: the parent {node.parent} is not older")
        faults += [
            (f"{leaf}: the leaf revision has no body")
            for leaf in self.leaves()
            if self.nodes[leaf].body is None
        ]
        return faults if self.nodes else ["the tree has no revisions"]


def _pack_digest(digest: str) -> bytes | str:
    """Convert a hexadecimal digest to bytes, which halves its size. Other digests are returned unchanged."""
    try:
        packed = bytes.fromhex(digest)
    except ValueError:
        return digest
    return packed if packed.hex() == digest else digest


def _unpack_digest(packed: bytes | str) -> str:
    return packed.hex() if isinstance(packed, bytes) else packed
