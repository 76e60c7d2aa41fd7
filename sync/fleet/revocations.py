"""The `fleet:revocations` document: the revoked certificates, signed by the fleet's CA.

    {"id": "fleet:revocations", "type": "fleet", "channels": ["fleet"], "fleet": "north", "number": 3,
     "issued": "2026-05-01T12:00:00Z",
     "revoked": [{"serial": "1f…", "vessel": "argo", "reason": "stolen", "when": "2026-05-01T12:00:00Z"}],
     "sig": "…"}

Each version of the document lists all revocations. A version replaces another one only if its `number` is
higher. In a conflict, the version with the higher number wins
(`sync.fleet.conflict_resolvers.resolve_fleet`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sync.documents import REVOCATIONS
from sync.fleet import signatures
from sync.fleet.errors import RevocationsError

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate that was revoked."""

    serial: str
    """Serial number in lower-case hexadecimal digits, in the form of `serial_text`."""
    vessel: str
    reason: str
    """Reason that the operator stated; may be empty."""
    when: datetime

    def __str__(self) -> str:
        return f"{self.when:%Y-%m-%d}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True)
class Revocations:
    """All revocations in one version of the `fleet:revocations` document."""

    number: int = 0
    """Number of the version; 0 if the CA has not issued any yet."""
    issued: datetime = _BEGINNING
    entries: tuple[Revoked, ...] = ()

    @cached_property
    def _by_serial(self) -> dict[str, Revoked]:
        return {entry.serial: entry for entry in self.entries}

    def revocation_of(self, certificate: x509.Certificate) -> Revoked | None:
        """Return the revocation of a certificate; None if it is not revoked."""
        return self._by_serial.get(serial_text(certificate.serial_number))


def serial_text(serial: int) -> str:
    """Return a certificate's serial number as text, in the form used in revocations."""
    return f"{serial:x}"


def to_body(revocations: Revocations, *, fleet: str, key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    """Return the body of the document for revocations, signed with the CA's key."""
    body = {
        "fleet": fleet,
        "number": revocations.number,
        "issued": time_text(revocations.issued),
        "revoked": [
            {
                "serial": entry.serial,
                "vessel": entry.vessel,
                "reason": entry.reason,
                "when": time_text(entry.when),
            }
            for entry in revocations.entries
        ],
    }
    return signatures.seal(REVOCATIONS, body, key)


class _Entry(msgspec.Struct, frozen=True):
    serial: str
    vessel: str
    reason: str
    when: datetime


class _Body(msgspec.Struct, frozen=True):
    number: int
    issued: datetime
    revoked: list[_Entry]


def from_body(body: Mapping[str, Any], root: x509.Certificate) -> Revocations:
    """Parse the document's body.

    Raises RevocationsError if the body is invalid or the fleet's CA has not signed it.
    """
    if not signatures.is_sealed(REVOCATIONS, body, root):
        text = f"{REVOCATIONS}: not signed by the fleet's CA"
        raise RevocationsError(text)
    try:
        decoded = msgspec.convert(body, _Body)
    except msgspec.ValidationError as error:
        text = f"{REVOCATIONS}: signed by the fleet's CA, but in an unknown format: {error}"
        raise RevocationsError(text) from error
    entries = tuple(
        Revoked(entry.serial, entry.vessel, entry.reason, in_utc(entry.when)) for entry in decoded.revoked
    )
    return Revocations(decoded.number, in_utc(decoded.issued), entries)


def time_text(when: datetime) -> str:
    """Return a time as text, in the form used in the CA's documents: UTC, with a resolution of one second."""
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def in_utc(when: datetime) -> datetime:
    """Convert a time to UTC. A time without a time zone is treated as UTC.

    Raises OverflowError if the year in UTC would be outside 1 to 9999.
    """
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
