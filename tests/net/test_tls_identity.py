"""TLS identities are created, saved and loaded, and errors explain why an identity is invalid."""

import hashlib
import logging
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import Domain, ProblemError
from tests.net.certificates import CA, NOW, self_signed

PEM, PKCS8 = Encoding.PEM, PrivateFormat.PKCS8


@pytest.fixture
def cert(tmp_path: Path) -> Path:
    return tmp_path / "argo.crt"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "argo.key"


def load_error(cert: Path, key: Path, password: str | None = None) -> str:
    with pytest.raises(ProblemError) as caught:
        TLSIdentity.load(cert, key, password)
    assert caught.value.problem.domain is Domain.TLS
    return caught.value.problem.text


# Creating


def test_self_signed_identity_is_backdated_and_has_the_requested_lifetime() -> None:
    identity = TLSIdentity.self_signed("argo", now=NOW, valid_for=timedelta(days=10))
    assert identity.common_name == "argo"
    assert identity.not_before <= NOW - timedelta(days=1)
    assert identity.not_after == NOW + timedelta(days=10)


def test_self_signed_identity_can_be_made_in_1970() -> None:
    identity = TLSIdentity.self_signed("argo", now=datetime(1970, 1, 1, tzinfo=UTC))
    assert identity.not_before.year == 1969


def test_self_signed_identity_carries_host_names_and_addresses() -> None:
    identity = self_signed(hosts=["logboat-argo.local", "192.0.2.7", "2001:db8::1", "möwe.example"])
    names = identity.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["logboat-argo.local", "xn--mwe-sna.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == [
        "192.0.2.7",
        "2001:db8::1",
    ]


@pytest.mark.parametrize("name", ["", "a" * 65])
def test_name_that_no_certificate_can_carry_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        TLSIdentity.self_signed(name)


def test_fingerprint_is_the_digest_of_the_certificate_in_upper_case_pairs() -> None:
    identity = self_signed()
    digest = hashlib.sha256(identity.certificate.public_bytes(Encoding.DER)).hexdigest().upper()
    assert identity.fingerprint == ":".join(digest[i : i + 2] for i in range(0, 64, 2))


def test_private_key_is_not_in_the_repr() -> None:
    assert "private" not in repr(self_signed()).lower()


def test_identity_of_another_key_is_refused() -> None:
    with pytest.raises(ValueError, match="'argo'"):
        TLSIdentity((self_signed().certificate,), self_signed().private_key)
    with pytest.raises(ValueError, match="at least one"):
        TLSIdentity((), self_signed().private_key)


# Saving


def test_saved_identity_can_be_loaded(cert: Path, key: Path) -> None:
    ca = CA.new()
    leaf = ca.issue("argo")
    identity = TLSIdentity((leaf.certificate, ca.certificate), leaf.private_key)
    identity.save(cert, key)
    loaded = TLSIdentity.load(str(cert), str(key))
    assert loaded.certificates == identity.certificates
    assert loaded.key_pem() == identity.key_pem()


def test_saved_key_is_readable_only_by_its_owner_whatever_the_umask_or_previous_file(
    cert: Path, key: Path
) -> None:
    key.write_text("old")
    key.chmod(0o644)
    before = os.umask(0)
    try:
        self_signed().save(cert, key)
    finally:
        os.umask(before)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(cert.stat().st_mode) == 0o644


def test_file_with_certificate_and_key_is_readable_only_by_its_owner(cert: Path) -> None:
    identity = self_signed()
    identity.save(cert, cert)
    assert stat.S_IMODE(cert.stat().st_mode) == 0o600
    assert TLSIdentity.load(cert, cert).fingerprint == identity.fingerprint


def test_failed_save_leaves_the_old_identity_and_no_temporary_files(
    cert: Path, key: Path, tmp_path: Path
) -> None:
    old = self_signed()
    old.save(cert, key)
    with pytest.raises(FileNotFoundError):
        self_signed().save(tmp_path / "missing" / "argo.crt", key)
    assert TLSIdentity.load(cert, key).fingerprint == old.fingerprint
    assert sorted(tmp_path.iterdir()) == [cert, key]


# Loading


def test_missing_files_are_named(cert: Path, key: Path) -> None:
    assert load_error(cert, key) == f"certificate file {cert} does not exist"
    self_signed().save(cert, key)
    key.unlink()
    assert load_error(cert, key) == f"private key file {key} does not exist"


def test_directory_in_place_of_a_file_is_named(cert: Path, key: Path) -> None:
    cert.mkdir()
    assert load_error(cert, key) == f"certificate file {cert} cannot be read: Is a directory"


def test_files_without_pem_are_named(cert: Path, key: Path) -> None:
    identity = self_signed()
    identity.save(cert, key)
    cert.write_bytes(identity.certificate.public_bytes(Encoding.DER))
    assert load_error(cert, key).startswith(f"{cert} contains no certificate in PEM format")
    identity.save(cert, key)
    key.write_bytes(b"")
    assert load_error(cert, key).startswith(f"{key} contains no private key in PEM format")


def test_files_in_the_wrong_order_are_named(cert: Path, key: Path) -> None:
    self_signed().save(cert, key)
    assert load_error(key, cert).startswith(f"{key} contains no certificate in PEM format")


def test_damaged_files_are_named(cert: Path, key: Path) -> None:
    identity = self_signed()
    identity.save(cert, key)
    key.write_bytes(key.read_bytes().replace(b"\nM", b"\nN", 1))
    assert load_error(cert, key).startswith(f"the private key in {key} cannot be read: ")
    cert.write_bytes(cert.read_bytes().replace(b"\nM", b"\nN", 1))
    assert load_error(cert, key).startswith(f"{cert} contains a certificate that cannot be read: ")


def test_key_of_another_certificate_is_named(cert: Path, key: Path) -> None:
    identity = self_signed()
    identity.save(cert, key)
    key.write_bytes(self_signed().key_pem())
    assert load_error(cert, key) == f"the key in {key} does not match the first certificate in {cert}"


def test_chain_in_the_wrong_order_is_reported(cert: Path, key: Path) -> None:
    ca = CA.new()
    identity = ca.issue("argo")
    identity.save(cert, key)
    cert.write_bytes(ca.certificate.public_bytes(PEM) + cert.read_bytes())
    assert load_error(cert, key).endswith("it matches certificate number 2 there, which must come first")


@pytest.mark.parametrize("form", [PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_encrypted_key_requires_its_password(cert: Path, key: Path, form: PrivateFormat) -> None:
    identity = self_signed()
    identity.save(cert, key)
    key.write_bytes(identity.private_key.private_bytes(PEM, form, BestAvailableEncryption(b"kedge")))
    assert load_error(cert, key) == f"the private key in {key} is encrypted; give its password"
    assert load_error(cert, key, "wrong").startswith(f"the private key in {key} cannot be read: ")
    assert TLSIdentity.load(cert, key, "kedge").fingerprint == identity.fingerprint


def test_password_for_a_key_that_needs_none_is_not_used(cert: Path, key: Path) -> None:
    self_signed().save(cert, key)
    TLSIdentity.load(cert, key, "kedge")


def test_key_type_that_cannot_sign_is_refused(cert: Path, key: Path) -> None:
    self_signed().save(cert, key)
    key.write_bytes(x25519.X25519PrivateKey.generate().private_bytes(PEM, PKCS8, NoEncryption()))
    assert load_error(cert, key).startswith(
        f"the private key in {key} is of a type that TLS does not support"
    )


def test_rsa_key_of_another_certificate_is_read_and_reported(cert: Path, key: Path) -> None:
    self_signed().save(cert, key)
    rsa_key = rsa.generate_private_key(65537, 2048)
    key.write_bytes(rsa_key.private_bytes(PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    assert load_error(cert, key).startswith(f"the key in {key} does not match")


def test_world_readable_key_is_used_with_a_warning(
    cert: Path, key: Path, caplog: pytest.LogCaptureFixture
) -> None:
    self_signed().save(cert, key)
    key.chmod(0o640)
    with caplog.at_level(logging.WARNING):
        TLSIdentity.load(cert, key)
        assert caplog.messages == []
        key.chmod(0o644)
        TLSIdentity.load(cert, key)
    assert caplog.messages == [
        f"all users of this machine can read the private key in {key}; run chmod 600 on it"
    ]
