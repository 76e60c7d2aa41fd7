"""The name of a vessel is read from its certificate, and invalid certificates are refused with a reason."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.fleet import names
from sync.fleet.errors import FleetNameError
from sync.fleet.revocations import Revocations
from tests.net.certificates import BEGIN, NOW, self_signed, with_unreadable_extensions

from .builders import authority, revoked, trust, vessel


def test_vessel_of_the_fleet_is_accepted() -> None:
    certificate = vessel("argo").certificate
    assert trust().objection(certificate, NOW) is None
    assert trust().vessel(certificate) == "argo"


def test_vessel_of_another_fleet_is_refused() -> None:
    certificate = vessel("argo", fleet="south").certificate
    assert trust().vessel(certificate) is None
    assert "not issued by the CA of fleet 'north'" in (trust().objection(certificate, NOW) or "")


def test_certificate_issued_by_the_same_ca_for_another_fleet_is_refused() -> None:
    certificate = authority().issue("argo", uri="logboat:south:argo").certificate
    assert trust().objection(certificate, NOW) == (
        "the certificate of argo belongs to fleet 'south', not to fleet 'north'"
    )


@pytest.mark.parametrize("uri", [None, "logboat:north", "logboat:north:ARGO", "https://example.org"])
def test_a_certificate_without_a_vessel_is_refused(uri: str | None) -> None:
    certificate = authority().issue("argo", uri=uri).certificate
    assert trust().objection(certificate, NOW) == "the certificate 'argo' names no vessel"


def test_a_certificate_whose_extensions_cannot_be_read_is_refused() -> None:
    certificate = with_unreadable_extensions("argo", authority()).certificate
    assert trust().vessel(certificate) is None
    assert trust().objection(certificate, NOW) == "the certificate 'argo' names no vessel"


def test_self_signed_certificate_is_refused() -> None:
    assert "not issued by" in (trust().objection(self_signed().certificate, NOW) or "")


def test_dates_are_compared_with_the_given_time() -> None:
    certificate = (
        authority().issue("argo", uri=names.uri("north", "argo"), end=NOW + timedelta(days=1)).certificate
    )
    assert trust().objection(certificate, NOW) is None
    early = trust().objection(certificate, BEGIN - timedelta(seconds=1)) or ""
    assert early.startswith("the certificate of argo is valid only from 2026-01-01 00:00 UTC")
    late = trust().objection(certificate, datetime(2026, 6, 1, tzinfo=UTC)) or ""
    assert late.startswith(
        "the certificate of argo expired at 2026-05-02 00:00 UTC, but the clock here says 2026-06-01"
    )


def test_revoked_certificate_is_refused_with_date_and_reason() -> None:
    certificate = vessel("argo").certificate
    trusted = trust(revoked(certificate))
    assert trusted.objection(certificate, NOW) == (
        "the certificate of argo was revoked on 2026-04-01 (stolen)"
    )
    assert trusted.objection(vessel("argo", number=2).certificate, NOW) is None


def test_only_revocations_with_a_higher_number_apply() -> None:
    second = trust(revoked(vessel("argo").certificate, number=2))
    assert second.with_revocations(Revocations(2)) is second
    assert second.with_revocations(Revocations(1)) is second
    assert second.with_revocations(Revocations(3)).revocations.number == 3


def test_names_are_written_and_read() -> None:
    assert names.uri("north", "argo") == "logboat:north:argo"
    assert names.parse_uri("logboat:north:argo") == names.VesselName("north", "argo")
    assert names.parse_fleet_uri(names.fleet_uri("north")) == "north"
    assert names.host("argo") == "logboat-argo.local"
    for wrong in ("", "logboat:north", "logboat:north:argo:x", "LOGBOAT:north:argo", "logboat::argo"):
        assert names.parse_uri(wrong) is None
    with pytest.raises(FleetNameError, match="'Argo' is not a valid vessel name"):
        names.uri("north", "Argo")
