"""A TLS identity: a certificate, its chain of issuers, and its private key."""

import ipaddress
import logging
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sync import durable_files
from sync.durable_files import NewFile
from sync.folders import OWN_FILE, PUBLIC_FILE

from . import certificates as tls

log = logging.getLogger(__name__)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
"""The types of private keys that TLS supports for signatures."""

BACK_DATED: Final = timedelta(days=30)
"""Time by which a certificate's start of validity precedes its creation, in case a peer's clock is slow."""
VALID_FOR: Final = timedelta(days=20 * 365)
"""Period of validity of a self-signed certificate.

The period is long, because a pinned certificate must be replaced by hand.
"""


@dataclass(frozen=True, slots=True)
class TLSIdentity:
    """A certificate chain and the private key of its first certificate, for a server or a client."""

    certificates: tuple[x509.Certificate, ...]
    """The identity's own certificate, followed by those of its issuers in order. The root may be omitted."""
    private_key: Key = field(repr=False)

    def __post_init__(self) -> None:
        if not self.certificates:
            msg = "an identity needs at least one certificate"
            raise ValueError(msg)
        if not _belong(self.certificates[0], self.private_key):
            msg = f"the private key does not match the certificate {self.common_name!r}"
            raise ValueError(msg)

    @classmethod
    def self_signed(
        cls,
        common_name: str,
        *,
        now: datetime | None = None,
        valid_for: timedelta = VALID_FOR,
        hosts: Sequence[str] = (),
    ) -> Self:
        """Return an identity with a new key (ECDSA P-256) and a self-signed certificate.

        The certificate's validity begins 30 days before `now`.

        Args:
            common_name: the subject's name, of 1 to 64 characters.
            now: an aware datetime; None for the system clock.
            valid_for: time from `now` until the certificate expires.
            hosts: host names and IP addresses by which clients address this machine.

        Raises:
            ValueError: a name is not allowed in a certificate.
        """
        now = datetime.now(UTC) if now is None else now
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACK_DATED)
            .not_valid_after(now + valid_for)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        return cls((builder.sign(key, hashes.SHA256()),), key)

    @classmethod
    def load(cls, cert_file: Path | str, key_file: Path | str, password: str | bytes | None = None) -> Self:
        """Load an identity from two PEM files, or from one file that contains both.

        The identity's own certificate must come first. If all users of this machine can read the key file, a
        warning is logged. The key is loaded nevertheless, so that the listener stays available.

        Raises:
            ProblemError: a file cannot be read or used. The message names the file and the reason.
        """
        cert_path, key_path = Path(cert_file), Path(key_file)
        certificates = tls.load_certificates(cert_path)
        key = _load_key(key_path, password)
        if not _belong(certificates[0], key):
            others = [n for n, certificate in enumerate(certificates, 1) if _belong(certificate, key)]
            hint = f"it matches certificate number {others[0]} there, which must come first" if others else ""
            text = f"the key in {key_path} does not match the first certificate in {cert_path}"
            raise tls.tls_error(f"{text}: {hint}" if hint else text)
        return cls(tuple(certificates), key)

    def save(self, cert_file: Path | str, key_file: Path | str) -> None:
        """Write the certificates and the key to PEM files.

        The key is not encrypted, and only the owner of its file can read it. Each file is replaced atomically
        and durably, one after the other. If the power fails in between, the two files do not match, and
        `load` reports an error. To avoid this, use the same path for both. Raises OSError if a file cannot be
        written.
        """
        cert_path, key_path = Path(cert_file), Path(key_file)
        if cert_path == key_path:
            durable_files.write(cert_path, self.chain_pem() + self.key_pem(), mode=OWN_FILE)
        else:
            durable_files.write_all(
                [
                    NewFile(key_path, self.key_pem(), OWN_FILE),
                    NewFile(cert_path, self.chain_pem(), PUBLIC_FILE),
                ]
            )

    def chain_pem(self) -> bytes:
        """Return the identity's own certificate and those of its issuers, as PEM."""
        return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in self.certificates)

    def key_pem(self) -> bytes:
        """Return the private key as unencrypted PEM."""
        return self.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def certificate(self) -> x509.Certificate:
        """The identity's own certificate, which is the first in the chain."""
        return self.certificates[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 fingerprint of the certificate, as printed by `openssl x509 -fingerprint -sha256`."""
        return tls.fingerprint(self.certificate)

    @property
    def common_name(self) -> str:
        """Common name of the certificate's subject; empty if it has none."""
        return tls.common_name(self.certificate)

    @property
    def not_before(self) -> datetime:
        """Start of the certificate's validity, in UTC."""
        return self.certificate.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """End of the certificate's validity, in UTC."""
        return self.certificate.not_valid_after_utc


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        # A certificate contains the ASCII form of an internationalised host name.
        return x509.DNSName(host if host.isascii() else host.encode("idna").decode())


def _belong(certificate: x509.Certificate, key: Key) -> bool:
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return public.public_bytes(*form) == key.public_key().public_bytes(*form)


def _load_key(path: Path, password: str | bytes | None) -> Key:
    content = tls.read_file(path, "private key")
    if b"PRIVATE KEY-----" not in content:
        text = f"{path} contains no private key in PEM format (beginning with -----BEGIN PRIVATE KEY-----)"
        raise tls.tls_error(text)
    encrypted = b"BEGIN ENCRYPTED PRIVATE KEY" in content or b"Proc-Type: 4,ENCRYPTED" in content
    if encrypted and password is None:
        text = f"the private key in {path} is encrypted; give its password"
        raise tls.tls_error(text)
    if isinstance(password, str):
        password = password.encode()
    try:
        key = serialization.load_pem_private_key(content, password if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        text = f"the private key in {path} cannot be read: {error}"
        raise tls.tls_error(text) from error
    if not isinstance(key, Key):
        text = f"the private key in {path} is of a type that TLS does not support; use ECDSA P-256"
        raise tls.tls_error(text)
    if path.stat().st_mode & stat.S_IROTH:
        log.warning("all users of this machine can read the private key in %s; run chmod 600 on it", path)
    return key
