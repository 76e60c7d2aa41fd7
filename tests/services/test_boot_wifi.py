"""The boot sets up enterprise Wi-Fi networks, and reports certificates that can no longer be used."""

from dataclasses import replace
from datetime import UTC, datetime

from tests.provisioning.bundles import VESSEL, bundle, put
from tests.services.remedies.certificates import WIFI_FILES

from .test_boot import Pi, pi

__all__ = ["pi"]  # a fixture

NETWORK = """
[network]
country = "DE"
[[network.wifi]]
ssid = "harbour"
eap = "tls"
user = "argo"
ca = "marina-ca.pem"
certificate = "argo.pem"
key = "argo.key"
"""


def given(pi: Pi) -> None:
    text = VESSEL.format("argo", "Argo") + NETWORK
    put(pi.places.inbox, {**bundle(), "vessel.toml": text.encode()})
    put(pi.places.card, WIFI_FILES)
    pi.radio("wlan0", "phy0")


def test_network_with_a_certificate_is_set_up_and_the_key_is_wiped_from_the_card(pi: Pi) -> None:
    given(pi)
    found = pi.start()
    assert (found.problems, found.networks) == ((), ())
    [profile] = pi.places.profiles.glob("logboat-join-*")
    for name in ("argo.pem", "argo.key", "marina-ca.pem"):
        assert f"={pi.places.etc}/{name}\n" in profile.read_text()
        assert (pi.places.etc / name).read_bytes() == WIFI_FILES[name]
    assert not (pi.places.card / "argo.key").exists()


def test_certificate_that_expires_in_use_is_reported_and_the_network_is_kept(pi: Pi) -> None:
    given(pi)
    pi.start()
    later = replace(pi.boot(), now=datetime(2130, 1, 1, tzinfo=UTC)).join()
    assert len(later.networks) == 2
    assert all("the certificate expired on 2126-01-01" in each for each in later.networks)
    assert len(list(pi.places.profiles.glob("logboat-join-*"))) == 1
