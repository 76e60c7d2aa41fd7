"""Tests of the validation of certificates by fingerprint, dates, names and signature."""

import base64
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.net import certificates
from sync.peer.problems import Domain, ProblemError
from tests.net.certificates import BEGIN, CA, END, NOW, of_unknown_version, self_signed

DIGESTS = st.binary(min_size=32, max_size=32)


@given(DIGESTS, st.sampled_from(["", ":", " ", "-"]), st.booleans(), st.sampled_from(["", " ", "\n"]))
def test_fingerprint_in_any_usual_form_is_read(
    digest: bytes, separator: str, upper: bool, around: str
) -> None:
    text = digest.hex(separator) if separator else digest.hex()
    text = text.upper() if upper else text
    assert certificates.parse_fingerprint(around + text + around) == digest.hex(":").upper()


@given(DIGESTS, st.sampled_from(["sha256 Fingerprint=", "SHA256 Fingerprint=", "SHA-256: ", "sha256:"]))
def test_fingerprint_is_read_as_tools_print_it(digest: bytes, prefix: str) -> None:
    printed = digest.hex(":").upper()
    assert certificates.parse_fingerprint(prefix + printed) == printed


@given(st.text() | st.binary(max_size=40).map(bytes.hex))
def test_anything_is_a_fingerprint_of_32_bytes_or_refused(text: str) -> None:
    try:
        parsed = certificates.parse_fingerprint(text)
    except ValueError as error:
        words = str(error)
    else:
        assert len(bytes.fromhex(parsed.replace(":", ""))) == 32
        assert certificates.parse_fingerprint(parsed) == parsed
        return
    assert "not a SHA-256 fingerprint" in words


@pytest.mark.parametrize("text", ["", "AB:CD", "ab" * 20, "ab" * 33, "zz" * 32, ("ab" * 32)[:-1], "ab:" * 32])
def test_invalid_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256 fingerprint"):
        certificates.parse_fingerprint(text)


def test_file_with_an_unreadable_certificate_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    encoded = base64.encodebytes(of_unknown_version(self_signed().certificate))
    path.write_bytes(b"-----BEGIN CERTIFICATE-----\n" + encoded + b"-----END CERTIFICATE-----\n")
    with pytest.raises(ProblemError, match=f"{path} contains a certificate that cannot be read"):
        certificates.load_certificates(path)


def test_dates_are_checked_to_the_second() -> None:
    certificate = CA.new().issue("argo").certificate
    certificates.check_dates(certificate, BEGIN)
    certificates.check_dates(certificate, END)
    with pytest.raises(ProblemError, match="valid only from 2026-01-01 00:00 UTC") as early:
        certificates.check_dates(certificate, BEGIN - timedelta(seconds=1))
    with pytest.raises(
        ProblemError,
        match="expired at 2126-01-01 00:00 UTC, but this machine's clock says 2126-01-01 00:00 UTC",
    ):
        certificates.check_dates(certificate, END + timedelta(seconds=1))
    assert early.value.problem.domain is Domain.TLS


def test_uri_must_be_exactly_the_expected_one() -> None:
    certificate = CA.new().issue("argo", uri="logboat:fleet:argo").certificate
    certificates.check_uri(certificate, "logboat:fleet:argo")
    for other in ("logboat:fleet:arg", "logboat:fleet:argonaut", "logboat:other:argo", "LOGBOAT:fleet:argo"):
        with pytest.raises(ProblemError, match="is issued to 'logboat:fleet:argo', not to"):
            certificates.check_uri(certificate, other)
    with pytest.raises(ProblemError, match="is issued to no URI"):
        certificates.check_uri(self_signed().certificate, "logboat:fleet:argo")


def test_self_signed_means_signed_with_its_own_key() -> None:
    certificates.check_self_signed(self_signed().certificate)
    certificates.check_self_signed(CA.new().certificate)
    ca = CA.new("fleet")
    for impostor in (ca.issue("argo"), ca.issue("fleet")):  # the second one has the same name as its issuer
        with pytest.raises(ProblemError, match="is not self-signed"):
            certificates.check_self_signed(impostor.certificate)


def test_certificates_of_a_file_are_read_in_order(tmp_path: Path) -> None:
    path = tmp_path / "roots.pem"
    identities = [self_signed("argo"), self_signed("brigid")]
    path.write_bytes(b"# the fleet's\n" + b"\n".join(identity.chain_pem() for identity in identities))
    assert certificates.load_certificates(path) == [identity.certificate for identity in identities]


def test_names_from_a_peer_cannot_break_a_line() -> None:
    certificate = CA.new().issue("argo\nINFO all is well").certificate
    with pytest.raises(ProblemError) as caught:
        certificates.check_dates(certificate, NOW - timedelta(days=1000))
    assert "\n" not in caught.value.problem.text
