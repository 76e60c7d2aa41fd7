"""A fleet's authority issues certificates that are valid for TLS, and signs statements."""

import asyncio
from datetime import timedelta

import pytest
from cryptography import x509

from provisioning.authority import BACK_DATED, Authority, fleet_of
from provisioning.errors import FolderError, PassphraseError
from sync.fleet.errors import FleetNameError
from sync.fleet.revocations import Revocations, from_body
from sync.fleet.trust import FleetTrust
from sync.net.tls_contexts import client_context, server_context
from sync.net.tls_identity import TLSIdentity
from tests.net.certificates import NOW, meet, self_signed

PASSPHRASE = "four words and more"
NORTH = Authority.create("north", now=NOW)
ARGO, BRIGID = NORTH.issue("argo", now=NOW), NORTH.issue("brigid", now=NOW)


def test_two_vessels_connect_with_their_issued_certificates() -> None:
    root = [NORTH.certificate]
    server = server_context(ARGO, client_roots=root, client_certificate_required=True)
    client = client_context(roots=root, identity=BRIGID, expected_uri="logboat:north:argo", now=lambda: NOW)
    met = asyncio.run(meet(server, client.context, client.check, host="logboat-argo.local"))
    assert met.is_good
    assert met.seen == BRIGID.certificate


def test_vessels_certificate_states_its_owner_and_purpose() -> None:
    certificate = ARGO.certificate
    assert FleetTrust(NORTH.certificate, "north").vessel(certificate) == "argo"
    assert FleetTrust(NORTH.certificate, "north").objection(certificate, NOW) is None
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["logboat-argo.local"]
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    assert not usage.key_cert_sign
    assert usage.digital_signature


def test_certificates_are_valid_for_clocks_that_are_slow() -> None:
    assert ARGO.not_before == NOW - BACK_DATED
    assert NORTH.certificate.not_valid_before_utc == NOW - BACK_DATED
    assert ARGO.not_after == NOW + timedelta(days=5 * 365)


def test_no_certificate_expires_after_its_root() -> None:
    late = NOW + timedelta(days=19 * 365)
    assert NORTH.issue("argo", now=late).not_after == NORTH.certificate.not_valid_after_utc


def test_serial_numbers_may_be_given() -> None:
    assert NORTH.issue("argo", now=NOW, serial=7).certificate.serial_number == 7
    assert Authority.create("north", now=NOW, serial=8).certificate.serial_number == 8


def test_the_root_key_is_kept_encrypted() -> None:
    pem = NORTH.key_pem(PASSPHRASE)
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    again = Authority.load(NORTH.certificate, pem, PASSPHRASE)
    assert again.fleet == "north"
    with pytest.raises(PassphraseError, match="the passphrase is wrong"):
        Authority.load(NORTH.certificate, pem, "another one, and long")
    with pytest.raises(PassphraseError, match="at least 12 characters"):
        NORTH.key_pem("short")
    other = Authority.create("north", now=NOW)
    with pytest.raises(FolderError, match="does not match its certificate"):
        Authority.load(other.certificate, pem, PASSPHRASE)
    with pytest.raises(FolderError, match="not encrypted"):
        Authority.load(NORTH.certificate, TLSIdentity((NORTH.certificate,), NORTH.private_key).key_pem(), "x")


def test_root_certificate_names_its_fleet() -> None:
    assert fleet_of(NORTH.certificate) == "north"
    with pytest.raises(FolderError, match="contains no fleet name"):
        fleet_of(self_signed().certificate)
    for wrong in ("North", "", "a" * 33):
        with pytest.raises(FleetNameError):
            Authority.create(wrong, now=NOW)


def test_revocations_are_signed() -> None:
    assert from_body(NORTH.state(Revocations(1, NOW)), NORTH.certificate) == Revocations(1, NOW)


def test_authoritys_key_is_not_in_its_repr() -> None:
    assert "private_key" not in repr(NORTH)
