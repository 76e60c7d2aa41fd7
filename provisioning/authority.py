"""A fleet's certificate authority: its root certificate, issued certificates, and signed statements.

All keys are ECDSA P-256. The validity of a certificate begins a year before it is issued. A Raspberry Pi
without a clock battery starts with the time of its image or of its last run, which may be months in the past.
This module reads no clock and no files.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync.fleet import names, radio_key
from sync.fleet import revocations as documents
from sync.fleet.errors import RadioKeyError
from sync.fleet.names import VesselName
from sync.fleet.revocations import Revocations
from sync.net import certificates
from sync.net.tls_identity import TLSIdentity

from .errors import FolderError, PassphraseError

BACK_DATED: Final = timedelta(days=365)
ROOT_VALID: Final = timedelta(days=20 * 365)
"""Validity period of a root certificate. It is about as long as a vessel's service life.

A new root certificate requires a visit to every vessel.
"""
VESSEL_VALID: Final = timedelta(days=5 * 365)
SHORTEST_PASSPHRASE: Final = 12
"""Minimum length of a passphrase, in characters.

Anyone who has copied the root key's file can try any number of passphrases. With the PKCS #8 format that
`cryptography` writes, each attempt costs only 2,048 rounds of PBKDF2.
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """A fleet's certificate authority, with its decrypted key."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def create(
        cls, fleet: str, *, now: datetime, valid_for: timedelta = ROOT_VALID, serial: int | None = None
    ) -> Self:
        """Create an authority for the fleet with this name.

        `now` has a time zone. `serial`, the certificate's serial number, is random by default. Raises
        FleetNameError if the name is not valid.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, names.check("fleet", fleet)),
                x509.NameAttribute(NameOID.COMMON_NAME, f"Logboat fleet {fleet}"),
            ]
        )
        public = key.public_key()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public)
            .serial_number(x509.random_serial_number() if serial is None else serial)
            .not_valid_before(now - BACK_DATED)
            .not_valid_after(now + valid_for)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(is_authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(names.fleet_uri(fleet))]),
                critical=False,
            )
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    @classmethod
    def load(cls, certificate: x509.Certificate, key: bytes, passphrase: str) -> Self:
        """Return the authority with this certificate, after decrypting its private key.

        `key` is the encrypted private key, as `key_pem` returns it.

        Raises PassphraseError if the passphrase is wrong, and FolderError if the key does not belong to the
        certificate.
        """
        try:
            private_key = serialization.load_pem_private_key(key, passphrase.encode())
        except TypeError:
            text = "the fleet's root key is not encrypted, so the file was replaced; restore it from a backup"
            raise FolderError(text) from None
        except ValueError:
            text = "the passphrase is wrong, or the file of the fleet's root key is damaged"
            raise PassphraseError(text) from None
        if (
            not isinstance(private_key, ec.EllipticCurvePrivateKey)
            or private_key.public_key() != certificate.public_key()
        ):
            text = "the fleet's root key does not match its certificate"
            raise FolderError(text)
        return cls(certificate, private_key)

    def key_pem(self, passphrase: str) -> bytes:
        """Return the root key, encrypted with the passphrase (PKCS #8, PBES2).

        Raises PassphraseError if the passphrase is too short.
        """
        if len(passphrase) < SHORTEST_PASSPHRASE:
            text = (
                f"the passphrase is too short; use at least {SHORTEST_PASSPHRASE} characters, such as four"
                " words"
            )
            raise PassphraseError(text)
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase.encode()),
        )

    @property
    def fleet(self) -> str:
        """Name of the fleet. Raises FolderError if the root certificate is not that of a Logboat fleet."""
        return fleet_of(self.certificate)

    def issue(
        self, vessel: str, *, now: datetime, valid_for: timedelta = VESSEL_VALID, serial: int | None = None
    ) -> TLSIdentity:
        """Generate a key, and issue a certificate that a vessel can use as TLS client and as TLS server.

        The certificate expires no later than the root certificate. Raises FleetNameError if the name is not
        valid.
        """
        name = VesselName(self.fleet, vessel)
        key = ec.generate_private_key(ec.SECP256R1())
        public, root = key.public_key(), self.certificate
        known_as = [x509.UniformResourceIdentifier(name.uri), x509.DNSName(names.host(vessel))]
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        subject = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, name.fleet),
            x509.NameAttribute(NameOID.COMMON_NAME, vessel),
        ]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(subject))
            .issuer_name(root.subject)
            .public_key(public)
            .serial_number(x509.random_serial_number() if serial is None else serial)
            .not_valid_before(now - BACK_DATED)
            .not_valid_after(min(now + valid_for, root.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private_key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(known_as), critical=False)
            .sign(self.private_key, hashes.SHA256())
        )
        return TLSIdentity((certificate,), key)

    def state(self, revocations: Revocations) -> dict[str, Any]:
        """Return the document `fleet:revocations`, signed with the root key."""
        return documents.to_body(revocations, fleet=self.fleet, key=self.private_key)

    def state_radio_key(
        self,
        keys: radio_key.RadioPasswords,
        holders: Iterable[tuple[str, x509.Certificate]],
        *,
        number: int,
        issued: datetime,
        begins: datetime,
    ) -> dict[str, Any]:
        """Return the signed document `fleet:radio-key`, with the radio key encrypted for each certificate.

        Raises FolderError if the key of a certificate cannot be used for encryption.
        """
        try:
            parts = tuple(
                radio_key.seal(
                    keys,
                    certificate,
                    vessel=vessel,
                    fleet=self.fleet,
                    number=number,
                    ephemeral=ec.generate_private_key(ec.SECP256R1()),
                )
                for vessel, certificate in holders
            )
        except RadioKeyError as error:
            raise FolderError(str(error)) from error
        statement = radio_key.RadioKey(number, issued, begins, parts)
        return radio_key.to_body(statement, fleet=self.fleet, key=self.private_key)


def fleet_of(root: x509.Certificate) -> str:
    """Return the name of the fleet to which a root certificate belongs.

    Raise FolderError if there is none.
    """
    fleets = [
        fleet for uri in certificates.subject_uris(root) if (fleet := names.parse_fleet_uri(uri)) is not None
    ]
    if len(fleets) == 1:
        return fleets[0]
    text = "the root certificate contains no fleet name (a URI logboat:<fleet>)"
    raise FolderError(text)


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
