"""Trust in certificates: which vessel a certificate belongs to, or why the certificate is not accepted.

    trust.objection(certificate, now)    # "the certificate of argo was revoked on 2026-05-01 (stolen)"

A `FleetTrust` is an immutable snapshot. It checks a certificate's issuer even if TLS has already done so,
because the check is cheap and because certificates are also received in documents.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography import x509

from sync.fleet import names
from sync.fleet.names import VesselName
from sync.fleet.revocations import Revocations, Revoked
from sync.net import certificates


@dataclass(frozen=True, slots=True)
class FleetTrust:
    """A fleet's CA certificate and the CA's revocations, against which certificates are checked."""

    root: x509.Certificate
    fleet: str
    revocations: Revocations = field(default_factory=Revocations)

    def vessel(self, certificate: x509.Certificate) -> str | None:
        """Return the id of the vessel of this fleet that a certificate names.

        Return None if it names none or several. The issuer is not checked.
        """
        name = vessel_name_in(certificate)
        return name.vessel if name is not None and name.fleet == self.fleet else None

    def is_issued(self, certificate: x509.Certificate) -> bool:
        """Return True if the fleet's CA has signed the certificate."""
        try:
            certificate.verify_directly_issued_by(self.root)
        except Exception:  # noqa: BLE001 -- `cryptography` may raise anything for a foreign certificate
            return False
        return True

    def revoked(self, certificate: x509.Certificate) -> Revoked | None:
        """Return the revocation of a certificate, or None if it is not revoked."""
        return self.revocations.revocation_of(certificate)

    def objection(self, certificate: x509.Certificate, now: datetime) -> str | None:
        """Return why a certificate is not accepted, as a sentence, or None if it is accepted.

        `now` is an aware datetime. If the clock may be wrong, pass at least the latest time that is known to
        have passed.
        """
        if not self.is_issued(certificate):
            shown = certificates.common_name(certificate)
            return f"the certificate {shown!r} was not issued by the CA of {self._fleet}"
        name = vessel_name_in(certificate)
        if name is None:
            return f"the certificate {certificates.common_name(certificate)!r} names no vessel"
        if name.fleet != self.fleet:
            return f"the certificate of {name.vessel} belongs to fleet {name.fleet!r}, not to {self._fleet}"
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
            f"the certificate of {name.vessel} {when}, but the clock here says {now:%Y-%m-%d %H:%M %Z};"
            " set the clock, or renew the certificate"
        )

    def with_revocations(self, revocations: Revocations) -> "FleetTrust":
        """Return a trust with these revocations; or this object, if they are not newer than its own."""
        return (
            replace(self, revocations=revocations) if revocations.number > self.revocations.number else self
        )

    @property
    def _fleet(self) -> str:
        return f"fleet {self.fleet!r}"


def vessel_name_in(certificate: x509.Certificate) -> VesselName | None:
    """Return the vessel and the fleet that a certificate names.

    Return None if it names no vessel, or several.
    """
    vessel_names = [
        name for uri in certificates.subject_uris(certificate) if (name := names.parse_uri(uri)) is not None
    ]
    return vessel_names[0] if len(vessel_names) == 1 else None
