"""Resolution of conflicts: documents with more than one live branch.

    outcome = resolve(database, "pancakes", resolver)

Each peer resolves conflicts itself, and all peers must create the same revision. So a resolver does not learn
which revision is local. It receives two revisions, ordered by the store's ranking. If more than two revisions
conflict, the result for the first two is resolved against the third, and so on. The final result is always
stored on the branch that the store ranks first. If it were stored on another branch, the new revision would
not outrank the revisions that it replaces. If the first branch already has the result as its current body, no
revision is created.

Peers that receive revisions in different orders resolve different pairs. All of them reach the same result if
the resolver meets one of two conditions. Either its decision is an idempotent, commutative and associative
function of the two bodies, such as a maximum or a union: `f(a, a) == a`, `f(a, b) == f(b, a)`,
`f(a, f(b, c)) == f(f(a, b), c)`. Or it keeps the winning revision, as the default resolver does.

In the store, a live branch always wins over a deleted one, because the losing branch of a resolved conflict
also ends in a tombstone. To include an intended deletion in a conflict, find it with `deletion_in` and pass
it to `resolve`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from sync.peer.problems import Domain, Problem
from sync.replication.errors import LiteCoreCode
from sync.store import Database, Document, DocumentError, InsertOutcome, attachments, bodies, revisions

_DELETED: Final = b'{"deleted":true}'
"""Body of the tombstone that is created if a conflict is resolved as a deletion with an empty body.

It is not empty, because the tombstone of a losing branch has an empty body.
"""
_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two conflicting revisions of a document, with bodies in canonical JSON."""

    document_id: str
    winning: Document
    """The revision that the store ranks higher: live above deleted, then by generation, then by digest."""
    losing: Document


@dataclass(frozen=True, slots=True)
class Keep:
    """A resolver's decision to keep one of the two revisions unchanged."""

    document: Document


@dataclass(frozen=True, slots=True)
class Merge:
    """A resolver's decision to replace the document's body."""

    body: Mapping[str, Any] | bytes


@dataclass(frozen=True, slots=True)
class Delete:
    """A resolver's decision to delete the document."""

    body: Mapping[str, Any] | bytes | None = None
    """Body of the tombstone. If it is None or empty, the tombstone has the body `{"deleted":true}`."""


Resolution = Keep | Merge | Delete
ConflictResolver = Callable[[Conflict], Resolution]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The outcome of a resolved conflict."""

    document_id: str
    rev: str
    """Id of the document's current revision, after the conflict was resolved."""
    deleted: bool
    is_new: bool
    """True if a revision was created; False if the winning branch is unchanged."""


def default_resolver(conflict: Conflict) -> Resolution:
    """Resolve a conflict as Couchbase Lite does.

    A deletion wins over a live revision. Otherwise the higher generation wins, and then the higher digest.
    """
    if conflict.losing.deleted:
        return Delete(conflict.losing.raw)
    return Keep(conflict.winning)


def deletion_in(before: Document | None, rev: str, *, deleted: bool, outcome: InsertOutcome) -> str | None:
    """Return the id of a deletion that conflicts with a live branch, after a peer's revision was inserted.

    The store itself does not treat a deletion and a live branch as a conflict.

    Args:
        before: the document's current revision before `insert`.
        rev: the revision that was inserted.
        deleted: whether that revision is a deletion.
        outcome: the result of `insert`.

    Returns:
        The value to pass to `resolve` as `deletion`; None if there is no such conflict.
    """
    if outcome is not InsertOutcome.BRANCHED or before is None or before.deleted == deleted:
        return None
    return rev if deleted else before.rev


def intended_deletion(database: Database, deletions: Iterable[Document]) -> str | None:
    """Return the revision id of the highest-ranked deletion that was certainly intended, or None.

    A deletion that may be the tombstone of a losing branch does not count as intended.
    """
    ranked = sorted(deletions, key=_rank, reverse=True)
    return next((deletion.rev for deletion in ranked if _is_intended(database, deletion)), None)


def is_closing(rev: str, parent: str | None) -> bool:
    """Return True if `rev`, a deletion of `parent`, is the tombstone that closes a losing branch."""
    return rev == revisions.make(parent, deleted=True, body=bodies.EMPTY, closing=True)


def resolve(
    database: Database,
    document_id: str,
    resolver: ConflictResolver = default_resolver,
    *,
    deletion: str | None = None,
) -> Resolved | Problem | None:
    """Resolve a document's conflict.

    The resolver may be application code. If it raises an exception or returns an invalid result, the conflict
    remains unresolved, and a Problem is returned. The resolver is called outside a transaction, unless the
    caller has begun one.

    Args:
        database: the store.
        document_id: the document's id.
        resolver: decides between two revisions.
        deletion: revision id of a deleted leaf that takes part in the conflict (see `deletion_in`), or None.
            It is ignored if it may be the tombstone of a losing branch.

    Returns:
        The outcome; a Problem if the conflict remains unresolved; None if there is no conflict.

    Raises:
        StoreError: the store cannot be read or written.
    """
    for _ in range(_ATTEMPTS):
        leaves = database.leaves(document_id)
        live = sorted((leaf for leaf in leaves if not leaf.deleted), key=_rank, reverse=True)
        parties = live + [leaf for leaf in leaves if leaf.rev == deletion and _is_intended(database, leaf)]
        if not live or len(parties) < 2:
            return None
        try:
            decided = _decide(resolver, parties)
            if decided.deleted and decided.raw == bodies.EMPTY:
                decided = replace(decided, raw=_DELETED)
            if leaves[0].deleted:  # it is at least HORIZON generations above the live branches, so it wins
                decided = replace(decided, deleted=True, raw=_DELETED)
            with database.transaction():
                if database.leaves(document_id) == leaves:
                    return _settle(database, live, decided)
        except (DocumentError, _ResolverError) as error:
            return _problem(document_id, f"{error}; the conflict remains unresolved")
    return _problem(document_id, "the document keeps changing; the conflict remains unresolved for now")


class _ResolverError(Exception):
    """A resolver raised an exception, or returned an invalid decision."""


def _decide(resolver: ConflictResolver, parties: list[Document]) -> Document:
    """Return the document that results from resolving the conflict between the revisions in `parties`.

    The result may differ from all of these revisions. Only its body and its deletion flag are valid.
    """
    decided, *others = [replace(party, raw=bodies.recanonical(party.id, party.raw)) for party in parties]
    for other in others:
        if decided.raw == other.raw and decided.deleted == other.deleted:
            continue
        losing, winning = sorted((decided, other), key=_rank)
        conflict = Conflict(decided.id, winning, losing)
        decided = _apply(conflict, _ask(resolver, conflict))
    return decided


def _ask(resolver: ConflictResolver, conflict: Conflict) -> object:
    try:
        return resolver(conflict)
    except Exception as error:  # application code may raise anything, and must not stop replication
        raise _ResolverError(f"the conflict resolver failed: {_described(error)}") from error


def _apply(conflict: Conflict, resolution: object) -> Document:
    winning = conflict.winning
    if isinstance(resolution, Keep):
        for party in (winning, conflict.losing):
            if isinstance(resolution.document, Document) and resolution.document == party:
                return party
        raise _ResolverError("the conflict resolver returned a revision that is not part of the conflict")
    if isinstance(resolution, Merge | Delete):
        deleted = isinstance(resolution, Delete)
        body = resolution.body
        if not (isinstance(body, Mapping | bytes) or (deleted and body is None)):
            raise _ResolverError(f"the conflict resolver returned a {type(body).__name__} as the body")
        try:
            raw = bodies.to_canonical(conflict.document_id, body)
        except DocumentError:
            raise
        except Exception as error:  # the application's own mapping type may raise anything
            raise _ResolverError(
                f"the conflict resolver returned an invalid body: {_described(error)}"
            ) from error
        if not deleted:
            raw = attachments.keep_attachments(conflict.document_id, raw, winning.raw, conflict.losing.raw)
        return replace(winning, raw=raw, deleted=deleted)
    raise _ResolverError(
        f"the conflict resolver returned a {type(resolution).__name__} instead of a resolution"
    )


def _settle(database: Database, live: list[Document], decided: Document) -> Resolved:
    target = live[0]
    unchanged = not decided.deleted and decided.raw == bodies.recanonical(target.id, target.raw)
    rev = target.rev
    if len(live) > 1 or not unchanged:
        rev = database.resolve(target.id, target.rev, decided.raw, deleted=decided.deleted)
    return Resolved(target.id, rev, decided.deleted, is_new=rev != target.rev)


def _is_intended(database: Database, leaf: Document) -> bool:
    """Return True if a leaf is a deletion, and certainly not the tombstone of a losing branch."""
    if not leaf.deleted:
        return False
    if leaf.raw != bodies.EMPTY:
        return True
    revision = database.revision(leaf.id, leaf.rev, limit=1)
    parent = revision.history[0] if revision is not None and revision.history else None
    generation = 0 if parent is None else revisions.generation(parent)
    if generation + 1 != revisions.generation(leaf.rev):
        return False  # the deletion's parent was pruned here, so nothing can be decided
    return not is_closing(leaf.rev, parent)


def _rank(document: Document) -> revisions.Rank:
    return revisions.rank(document.rev, deleted=document.deleted)


def _problem(document_id: str, text: str) -> Problem:
    return Problem(Domain.LITECORE, LiteCoreCode.CONFLICT, f"{document_id}: {text}")


def _described(error: Exception) -> str:
    try:
        return f"{type(error).__name__}: {error}"[:500]
    except Exception:  # noqa: BLE001  # the application's exception may itself fail in __str__
        return type(error).__name__
