"""Resolution of conflicts between revisions of Logboat's documents.

    configuration = ReplicatorConfiguration(database, endpoint, conflict_resolver=Resolvers())

Every vessel resolves conflicts itself, and all vessels must arrive at the same revision.
`sync.peer.conflicts` states the conditions that a resolver must meet.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sync.documents import CA_STATEMENTS, DocumentType, parse_id
from sync.fleet.severities import SEVERITIES
from sync.fleet.silences import utc_of
from sync.peer.conflicts import Conflict, ConflictResolver, Keep, Merge, Resolution, default_resolver
from sync.store import Document, bodies


def resolve_alarm(conflict: Conflict) -> Resolution:
    """Merge two states of an alarm. If one of them is a deletion, the deletion wins."""
    if conflict.losing.deleted:
        return default_resolver(conflict)
    return Merge(merge_alarms(conflict.winning.body, conflict.losing.body))


def resolve_silence(conflict: Conflict) -> Resolution:
    """Of two silences of one alarm, keep the one that begins later.

    If both begin at the same time, the one that ends first is kept, so that the alarm sounds again sooner. If
    one of them is a deletion, the deletion wins.
    """
    if conflict.losing.deleted:
        return default_resolver(conflict)
    return Keep(max((conflict.winning, conflict.losing), key=lambda each: _silence_key(each.body)))


def resolve_fleet(conflict: Conflict) -> Resolution:
    """Keep the version of a CA statement (revocations or radio key) with the higher number.

    The version is kept even if the other revision is a deletion. Other documents of the fleet are resolved by
    `default_resolver`.
    """
    if conflict.document_id not in CA_STATEMENTS:
        return default_resolver(conflict)
    winning, losing = conflict.winning, conflict.losing
    return Keep(winning if _number_key(winning) >= _number_key(losing) else losing)


@dataclass(frozen=True, slots=True)
class Resolvers:
    """Conflict resolver that applies the resolver for a document's type.

    For a type that is not in `by_kind`, Logboat's own resolver is used if there is one, and `default`
    otherwise.
    """

    by_kind: Mapping[DocumentType, ConflictResolver] = field(default_factory=dict)
    default: ConflictResolver = default_resolver

    def resolver_for(self, document_id: str) -> ConflictResolver:
        """Return the resolver for the type of a document."""
        name = parse_id(document_id)
        if name is None:
            return self.default
        return self.by_kind.get(name.kind) or _OWN.get(name.kind) or self.default

    def __call__(self, conflict: Conflict) -> Resolution:
        """Resolve a conflict with the resolver for its document."""
        return self.resolver_for(conflict.document_id)(conflict)


def merge_alarms(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two states of one alarm without losing information from either.

    The result has the acknowledgements of both states, and the worse severity. If either state is cleared,
    the result is cleared, at the earlier time. All other fields come from the state with the longer history,
    which is the later one. Malformed acknowledgements and clearing times are ignored. The result of several
    merges depends neither on their order nor on how often a state is merged.
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


def _silence_key(body: Mapping[str, Any]) -> tuple[float, float, bytes]:
    """Return the key by which two silences of one alarm are compared.

    The silence with the higher key is kept.
    """
    begins, ends = utc_of(body.get("begins")), utc_of(body.get("ends"))
    return (
        -math.inf if begins is None else begins,
        -math.inf if ends is None else -ends,
        _canonical(body),
    )


_OWN: Final[dict[DocumentType, ConflictResolver]] = {
    DocumentType.ALARM: resolve_alarm,
    DocumentType.SILENCE: resolve_silence,
    DocumentType.FLEET: resolve_fleet,
}


def _canonical(value: Any) -> bytes:
    """Return a sort key for a JSON value. It does not depend on the order of the value's members."""
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
    known = isinstance(severity, str) and severity in SEVERITIES
    return SEVERITIES.index(str(severity)) if known else -1, _canonical(severity)


def _cleared_key(cleared: Mapping[str, Any]) -> tuple[bool, float | int, float | int, bytes]:
    boot, clock = _number(cleared.get("boot")), _number(cleared.get("clock"))
    if boot is None or clock is None:
        return True, 0, 0, _canonical(cleared)
    return False, boot, clock, _canonical(cleared)
