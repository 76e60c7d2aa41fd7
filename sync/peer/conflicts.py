"""Resolution of conflicts: documents with more than one live branch.

    outcome = resolve(database, "alarm:argo:bilge:abcdef:000000000007", resolvers)

Each peer resolves conflicts itself, and all peers must create the same revision. So a resolver is not told
which revision is local. It receives two revisions, ordered by the store's ranking. If there are more than
two, the result for the first two is resolved with the third, and so on. The final result is always stored on
the branch that the store ranks first. Only there does the new revision outrank the revisions that it
replaces. If that branch already has the result, it stays unchanged.

Peers that exchange revisions in a different order resolve different pairs. All of them reach the same result
if the resolver fulfils one of two conditions. Either its decision depends only on the two bodies, as maximum
and union do: `f(a, a) == a`, `f(a, b) == f(b, a)`, `f(a, f(b, c)) == f(f(a, b), c)`. Or it keeps the winning
revision, as the default resolver does.

In the store, a live branch wins over a deleted one, because a losing branch ends in a tombstone too. To
include an intended deletion in a conflict, find it with `deletion_in` and pass it to `resolve`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sync.documents import DocumentType, parse_id
from sync.peer.problems import Domain, Problem
from sync.replication.errors import LiteCoreCode
from sync.store import Database, Document, DocumentError, InsertOutcome, attachments, bodies, revisions

REVOCATIONS: Final = "fleet:revocations"
RADIO_KEY: Final = "fleet:radio-key"
_NUMBERED: Final = frozenset({REVOCATIONS, RADIO_KEY})
"""Documents issued by the fleet's CA. Of two versions, the one with the higher `number` is valid."""

_SEVERITIES: Final = ("nominal", "normal", "alert", "warn", "alarm", "emergency")
"""Signal K's alarm states, in ascending order of severity."""
_DELETED: Final = b'{"deleted":true}'
"""Body of a resolution that deletes, if the resolver gives none: a losing branch's tombstone has no body."""
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
    """The decision to keep one of the two revisions unchanged."""

    document: Document


@dataclass(frozen=True, slots=True)
class Merge:
    """The decision to give the document this body."""

    body: Mapping[str, Any] | bytes


@dataclass(frozen=True, slots=True)
class Delete:
    """The decision to delete the document."""

    body: Mapping[str, Any] | bytes | None = None
    """Body of the tombstone; None for an empty one."""


Resolution = Keep | Merge | Delete
ConflictResolver = Callable[[Conflict], Resolution]


@dataclass(frozen=True, slots=True)
class Resolved:
    """The outcome of a resolved conflict."""

    document_id: str
    rev: str
    """The current revision."""
    deleted: bool
    is_new: bool
    """True if a revision was created; otherwise the winning branch stays unchanged."""


def default_resolver(conflict: Conflict) -> Resolution:
    """Resolve as Couchbase Lite does: a deletion wins, then the higher generation, then the higher digest."""
    if conflict.losing.deleted:
        return Delete(conflict.losing.raw)
    return Keep(conflict.winning)


def resolve_alarm(conflict: Conflict) -> Resolution:
    """Merge two states of an alarm; a deletion wins."""
    if conflict.losing.deleted:
        return default_resolver(conflict)
    return Merge(merge_alarms(conflict.winning.body, conflict.losing.body))


def resolve_fleet(conflict: Conflict) -> Resolution:
    """Keep the revocations or radio key with the higher number, even against a deletion."""
    if conflict.document_id not in _NUMBERED:
        return default_resolver(conflict)
    winning, losing = conflict.winning, conflict.losing
    return Keep(winning if _number_key(winning) >= _number_key(losing) else losing)


@dataclass(frozen=True, slots=True)
class Resolvers:
    """The resolvers by type of document.

    A type that is not in `by_kind` has Logboat's own resolver, or else `default`.
    """

    by_kind: Mapping[DocumentType, ConflictResolver] = field(default_factory=dict)
    default: ConflictResolver = default_resolver

    def resolver_for(self, document_id: str) -> ConflictResolver:
        """Return the resolver for a document."""
        name = parse_id(document_id)
        if name is None:
            return self.default
        return self.by_kind.get(name.kind) or _OWN.get(name.kind) or self.default


def deletion_in(before: Document | None, rev: str, *, deleted: bool, outcome: InsertOutcome) -> str | None:
    """Return the deletion that conflicts with a live branch after a peer's revision was inserted.

    The store itself does not count a deletion and a live branch as a conflict.

    Args:
        before: the document's current revision before `insert`.
        rev: the revision that was inserted.
        deleted: whether that revision is a deletion.
        outcome: the result of `insert`.

    Returns:
        The argument `deletion` for `resolve`; None if there is no such conflict.
    """
    if outcome is not InsertOutcome.BRANCHED or before is None or before.deleted == deleted:
        return None
    return rev if deleted else before.rev


def intended_deletion(database: Database, deletions: Iterable[Document]) -> str | None:
    """Return the highest-ranked deletion that is certainly not a losing branch's tombstone, or None."""
    ranked = sorted(deletions, key=_rank, reverse=True)
    return next((deletion.rev for deletion in ranked if _is_intended(database, deletion)), None)


def is_closing(rev: str, parent: str | None) -> bool:
    """Return True if a deletion of `parent` is the tombstone with which Logboat closes a losing branch."""
    return rev == revisions.make(parent, deleted=True, body=bodies.EMPTY, closing=True)


def resolve(
    database: Database, document_id: str, resolvers: Resolvers | None = None, *, deletion: str | None = None
) -> Resolved | Problem | None:
    """Resolve a document's conflict.

    A resolver may be application code. If it raises or returns something invalid, only this conflict stays
    open. It is called outside a transaction, unless the caller is in one.

    Args:
        database: the store.
        document_id: the document's id.
        resolvers: the resolvers to choose from.
        deletion: a deleted leaf that takes part in the conflict; see `deletion_in`. It is ignored if it may
            be a losing branch's tombstone.

    Returns:
        The outcome; a Problem if the conflict stays open; None if there is no conflict.

    Raises:
        StoreError: the store cannot be read or written.
    """
    resolver = (resolvers or Resolvers()).resolver_for(document_id)
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
            if leaves[0].deleted:  # it outranks live branches beyond the horizon, which can no longer win
                decided = replace(decided, deleted=True, raw=_DELETED)
            with database.transaction():
                if database.leaves(document_id) == leaves:
                    return _settle(database, live, decided)
        except (DocumentError, _ResolverError) as error:
            return _problem(document_id, f"{error}; the conflict remains unresolved")
    return _problem(document_id, "the document keeps changing; the conflict remains unresolved for now")


def merge_alarms(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two states of one alarm without losing information from either.

    The result has the acknowledgements of both states, and the worse severity. If either state is cleared,
    the result is cleared, at the earlier time. All other fields come from the state with the longer history,
    which is the later one. Malformed values in these fields are ignored. Any number of states give the same
    result, in whatever order and however often they are merged.
    """
    chosen = max((_rest(first), _rest(second)), key=_rest_key)
    merged = dict(chosen)
    acks: dict[bytes, Any] = {}
    for body in (first, second):
        if isinstance(acknowledgements := body.get("acks"), list):
            merged["acks"] = []
            acks |= {_canonical(ack): ack for ack in acknowledgements if isinstance(ack, Mapping)}
    if acks:
        merged["acks"] = [acks[key] for key in sorted(acks, key=lambda key: (_when(acks[key]), key))]
    severities = [body["severity"] for body in (first, second) if "severity" in body]
    if severities:
        merged["severity"] = max(severities, key=_severity_key)
    cleared = [body["cleared"] for body in (first, second) if isinstance(body.get("cleared"), Mapping)]
    if cleared:
        merged["cleared"] = min(cleared, key=_cleared_key)
    elif "cleared" in first or "cleared" in second:
        merged["cleared"] = None
    return merged


_OWN: Final[dict[DocumentType, ConflictResolver]] = {
    DocumentType.ALARM: resolve_alarm,
    DocumentType.FLEET: resolve_fleet,
}


class _ResolverError(Exception):
    """A resolver raised an exception, or returned an invalid decision."""


def _decide(resolver: ConflictResolver, parties: list[Document]) -> Document:
    """Return the result of resolving the parties' conflict.

    Only the body and the deletion flag of the returned document matter. It may be none of the parties.
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
        raise _ResolverError("the conflict resolver returned a revision that it was not given")
    if isinstance(resolution, Merge | Delete):
        deleted = isinstance(resolution, Delete)
        body = resolution.body
        if not (isinstance(body, Mapping | bytes) or (deleted and body is None)):
            raise _ResolverError(f"the conflict resolver returned a {type(body).__name__} as the body")
        try:
            raw = bodies.to_canonical(conflict.document_id, body)
        except DocumentError:
            raise
        except Exception as error:  # a mapping of the application's own type
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
    """Return True if a leaf is a deletion, and certainly not a losing branch's tombstone."""
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
    except Exception:  # noqa: BLE001  # an exception of the application's own that cannot even be shown
        return type(error).__name__


def _canonical(value: Any) -> bytes:
    """Return a sort key for a JSON value. Equal values have equal keys, whatever the order of members."""
    return bodies.canonical("merged", {"value": value})


def _number(value: object) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number_key(document: Document) -> tuple[bool, float | int, bytes]:
    number = _number(document.body.get("number"))
    return not document.deleted, -1 if number is None else number, document.raw


def _rest(body: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in ("acks", "cleared", "severity")}


def _rest_key(rest: Mapping[str, Any]) -> tuple[int, bytes]:
    history = rest.get("history")
    return len(history) if isinstance(history, list) else 0, _canonical(rest)


def _when(ack: Mapping[str, Any]) -> str:
    when = ack.get("when")
    return when if isinstance(when, str) else ""


def _severity_key(severity: object) -> tuple[int, bytes]:
    known = isinstance(severity, str) and severity in _SEVERITIES
    return _SEVERITIES.index(str(severity)) if known else -1, _canonical(severity)


def _cleared_key(cleared: Mapping[str, Any]) -> tuple[bool, float | int, float | int, bytes]:
    boot, clock = _number(cleared.get("boot")), _number(cleared.get("clock"))
    if boot is None or clock is None:
        return True, 0, 0, _canonical(cleared)
    return False, boot, clock, _canonical(cleared)
