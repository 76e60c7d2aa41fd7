"""Builders of the parts of a fleet, such as its CA, the identities of its vessels, and documents."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from cryptography import x509

from sync import documents
from sync.documents import DocumentType
from sync.fleet import names
from sync.fleet.revocations import Revocations, Revoked, serial_text
from sync.fleet.trust import FleetTrust
from sync.net.tls_identity import TLSIdentity
from sync.store import Document, bodies, revisions
from tests.net.certificates import CA, NOW

FLEET = "north"
_NUMBERED = {
    DocumentType.ALARM: "sequence",
    DocumentType.SILENCE: "sequence",
    DocumentType.BOOT: "number",
}
WHEN = datetime(2026, 4, 1, tzinfo=UTC)


def authority(fleet: str = FLEET) -> CA:
    """Return the CA of a fleet. Each fleet's CA is created only once, because key generation takes time."""
    return _authority(fleet)


def vessel(name: str, *, fleet: str = FLEET, number: int = 1) -> TLSIdentity:
    """Return the identity of a vessel. Different values of `number` return different certificates."""
    return _vessel(name, fleet, number)


@cache
def _authority(fleet: str) -> CA:
    return CA.new(fleet)


@cache
def _vessel(name: str, fleet: str, number: int) -> TLSIdentity:  # distinguishes cached identities
    return authority(fleet).issue(name, uri=names.uri(fleet, name))


def revoked(*certificates: x509.Certificate, number: int = 1, reason: str = "stolen") -> Revocations:
    entries = tuple(Revoked(serial_text(each.serial_number), "argo", reason, WHEN) for each in certificates)
    return Revocations(number, NOW, entries)


def trust(revocations: Revocations | None = None, *, fleet: str = FLEET) -> FleetTrust:
    return FleetTrust(authority(fleet).certificate, fleet, revocations or Revocations())


def body(document_id: str, **more: Any) -> dict[str, Any]:
    """Return a valid body for a document with this id."""
    name = documents.parse_id(document_id)
    assert name is not None
    found: dict[str, Any] = {
        "type": name.kind.value,
        "vessel": name.vessel,
        "channels": documents.channels(name.kind, name.vessel),
    }
    if name.sensor is not None:
        found["sensor"] = name.sensor
    if name.log is not None:
        found["log"] = name.log
    if name.number is not None:
        member = _NUMBERED.get(name.kind, "first")
        found[member] = name.number
    if name.kind in (DocumentType.READING, DocumentType.GAP):
        found["last"] = name.number
    return found | more


def document(
    document_id: str,
    content: Mapping[str, Any] | None = None,
    *,
    parent: str | None = None,
    deleted: bool = False,
    closing: bool = False,
) -> Document:
    """Return a revision of a document as it would be received from a peer."""
    raw = bodies.to_canonical(document_id, content if content is not None or deleted else body(document_id))
    rev = revisions.make(parent, deleted=deleted, body=raw, closing=closing)
    return Document(document_id, rev, 0, deleted, False, raw)


@dataclass
class Here:
    """Simulated document store, in which each document has a single leaf revision."""

    found: dict[str, Document] = field(default_factory=dict)

    def add(self, *added: Document) -> None:
        for each in added:
            self.found[each.id] = each

    def leaves(self, document_id: str) -> list[Document]:
        found = self.found.get(document_id)
        return [] if found is None else [found]
