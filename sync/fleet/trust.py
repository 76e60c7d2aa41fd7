"""Which certificate is whose in a fleet, and why one is not acceptable. An immutable snapshot.

    trust.objection(certificate, now)    # "the certificate of argo was revoked on 2026-05-01 (stolen)"

TLS has looked at the chain before it asks here; the issuer is looked at again, for it costs little and
certificates come by other ways, too.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509

from sync.fleet import names
from sync.fleet.names import VesselName
from sync.fleet.revocations import Revocations, Revoked
from sync.net import certificates


@dataclass(frozen=True, slots=True)
class Trust:
    """A fleet's CA, and what it says of the certificates that it has issued."""

    root: x509.Certificate
    fleet: str
    revocations: Revocations = field(default_factory=Revocations)

    def vessel(self, certificate: x509.Certificate) -> str | None:
        """The vessel of this fleet that a certificate names; None if it names none, or several. Says nothing
        of who issued it."""
        name = named(certificate)
        return name.vessel if name is not None and name.fleet == self.fleet else None

    def is_issued(self, certificate: x509.Certificate) -> bool:
        """Whether the fleet's CA has signed it."""
        try:
            certificate.verify_directly_issued_by(self.root)
        except Exception:  # noqa: BLE001 -- whatever `cryptography` makes of what somebody else made
            return False
        return True

    def revoked(self, certificate: x509.Certificate) -> Revoked | None:
        """When and why it was revoked; None if it was not."""
        return self.revocations.of(certificate)

    def objection(self, certificate: x509.Certificate, now: datetime) -> str | None:
        """Why a certificate is not acceptable, a sentence; None if it is.

        `now` is aware, and no earlier than is known: the clock or its floor, whichever is later.
        """
        if not self.is_issued(certificate):
            shown = certificates.common_name(certificate)
            return f"the certificate {shown!r} was not issued by the CA of {self._fleet}"
        name = named(certificate)
        if name is None:
            return f"the certificate {certificates.common_name(certificate)!r} names no vessel"
        if name.fleet != self.fleet:
            return f"the certificate of {name.vessel} is of fleet {name.fleet!r}, not of {self._fleet}"
        if (revoked := self.revoked(certificate)) is not None:
            return f"the certificate of {name.vessel} was revoked on {revoked}"
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if now < begin:
            when = f"is valid only from {begin:%Y-%m-%d %H:%M} UTC"
        elif now > end:
            when = f"expired at {end:%Y-%m-%d %H:%M} UTC"
        else:
            return None
        return (
            f"the certificate of {name.vessel} {when}, and it is {now:%Y-%m-%d %H:%M %Z} by the clock here:"
            " set that, or renew the certificate"
        )

    def told(self, revocations: Revocations) -> "Trust":
        """What is trusted once these revocations are known: of two, the higher number is right."""
        return (
            replace(self, revocations=revocations) if revocations.number > self.revocations.number else self
        )

    @property
    def _fleet(self) -> str:
        return f"fleet {self.fleet!r}"


def named(certificate: x509.Certificate) -> VesselName | None:
    """The vessel, of whatever fleet, that a certificate names; None if it names none, or several."""
    found = [
        name for uri in certificates.subject_uris(certificate) if (name := names.parse_uri(uri)) is not None
    ]
    return found[0] if len(found) == 1 else None
