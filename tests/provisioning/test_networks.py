"""Roles are assigned to network adapters, and NetworkManager accepts the generated profiles."""

import ctypes
import ctypes.util
import os
import re
import shutil
import string
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provisioning.networks import adapters, joined, profiles
from provisioning.networks.adapters import CREW, Adapter, Assignment, assign, parse
from provisioning.networks.plan import plan
from provisioning.networks.radio import frequency, radio
from provisioning.networks.ssid import name_of
from services.config.loader import load
from services.config.network_model import AccessPoint, Ethernet, NetworkSection, VesselRadio, Wifi

FOLDER = Path("/etc/logboat")
FULL = NetworkSection(
    country="DE",
    wifi=(Wifi("marina", "correct horse", 10), Wifi("Häfen; #1", "", -5)),
    access_point=AccessPoint("argo", "battery staple"),
    vessel_radio=VesselRadio("mesh", 6),
)
ONBOARD = Adapter("phy0", "wlan0", frozenset({"managed", "AP", "IBSS", "P2P-client"}))
STICK = Adapter("phy1", "wlan1", frozenset({"managed", "AP", "IBSS", "mesh point", "monitor"}))
THIRD = Adapter("phy2", "wlan2", frozenset({"managed", "AP"}))

IW = """\
Wiphy phy1
\tmax # scan SSIDs: 4
\tSupported interface modes:
\t\t * IBSS
\t\t * managed
\t\t * AP
\t\t * mesh point
\tBand 1:
\t\t * 2412.0 MHz [1] (20.0 dBm)
\t\t * 2437.0 MHz [6] (20.0 dBm)
\t\t * 2467 MHz [12] (disabled)
\t\t * 5180 MHz [36] (20.0 dBm) (no IR)
\t\t * 5260.0 MHz [52] (20.0 dBm) (radar detection)
\tDevice supports SAE with AUTHENTICATE command
\tsoftware interface modes (can always be added):
\t\t * AP/VLAN
Wiphy phy0
\tSupported interface modes:
\t\t * managed
\t\t * AP
\tBand 1:
"""


def test_output_of_iw_is_parsed() -> None:
    assert parse(IW, {"wlan1": "phy1", "wlan0": "phy0", "wlan9": "phy9"}) == (
        Adapter("phy0", "wlan0", frozenset({"managed", "AP"}), has_wpa3=False),
        Adapter(
            "phy1",
            "wlan1",
            frozenset({"IBSS", "managed", "AP", "mesh point"}),
            frequencies={
                2412: "(20.0 dBm)",
                2437: "(20.0 dBm)",
                2467: "(disabled)",
                5180: "(20.0 dBm) (no IR)",
                5260: "(20.0 dBm) (radar detection)",
            },
        ),
    )
    assert parse("", {"wlan0": "phy0"}) == ()


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((ONBOARD, STICK, THIRD), Assignment("wlan0", "wlan2", "wlan1")),
        ((ONBOARD, STICK), Assignment("wlan0", CREW, "wlan1", second="phy0")),
    ],
)
def test_each_adapter_has_its_role(there: tuple[Adapter, ...], expected: Assignment) -> None:
    assert assign(there, joins=True, access_point=True, radio="mesh") == expected


def test_unsupported_role_is_reported_and_the_others_are_assigned() -> None:
    alone = assign([ONBOARD], joins=True, access_point=True, radio="mesh")
    assert (alone.client, alone.access_point, alone.radio) == ("wlan0", CREW, None)
    assert "no Wi-Fi adapter supports 802.11s mesh" in alone.missing[0]
    assert assign([ONBOARD], joins=False, access_point=False, radio="adhoc").radio == "wlan0"
    assert assign([ONBOARD], joins=False, access_point=True).access_point == "wlan0"
    assert len(assign([], joins=True, access_point=True, radio="mesh").missing) == 3
    assert assign([], joins=False, access_point=False) == Assignment()


def test_plan_contains_all_possible_networks() -> None:
    found = plan(FULL, fleet="north", radio_key="secret-radio", adapters=[ONBOARD, STICK], folder=FOLDER)
    assert [profile.name.rpartition("-")[0] or profile.name for profile in found.profiles] == [
        "logboat",
        "logboat-join",
        "logboat-join",
        "logboat",
    ]
    assert found.missing == ()
    without = plan(FULL, fleet=None, radio_key=None, adapters=[ONBOARD, STICK], folder=FOLDER)
    assert "needs the fleet's radio key" in without.missing[0]
    assert without.radio is None


# Profiles read by NetworkManager


UNPACKED = Path(__file__).parents[2] / "build/nmcli"


def tool() -> tuple[str, str]:
    """Return the path of nmcli and its library path. `make test` downloads nmcli if it is not installed."""
    if (installed := shutil.which("nmcli")) is not None:
        return installed, os.environ.get("LD_LIBRARY_PATH", "")
    unpacked = UNPACKED / "usr/bin/nmcli"
    if not unpacked.exists():
        missing = "nmcli is not here (Debian's network-manager)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    folders = [*UNPACKED.glob("usr/lib/*-linux-gnu"), *UNPACKED.glob("lib/*-linux-gnu")]
    return str(unpacked), ":".join(map(str, folders))


def reads(profile: profiles.Profile, *fields: str) -> list[str]:
    """Return fields of a profile as nmcli reads them from its keyfile, without the daemon."""
    nmcli, libraries = tool()
    command = [nmcli, "--offline", "connection", "modify", "connection.lldp", "disable"]
    done = subprocess.run(
        command,
        input=profile.text.encode(),
        capture_output=True,
        check=False,
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
    )
    assert done.returncode == 0, done.stderr.decode()
    normal = dict(row.split("=", 1) for row in done.stdout.decode().splitlines() if "=" in row)
    return [normal.get(field, "") for field in fields]


def test_profiles_are_valid_to_networkmanager() -> None:
    found = plan(FULL, fleet="north", radio_key="secret-radio", adapters=[ONBOARD, STICK], folder=FOLDER)
    for profile in found.profiles:
        assert reads(profile, "id") == [profile.name]
    ethernet = profiles.ethernet(address="192.168.1.10/24", gateway="192.168.1.1", dns=["1.1.1.1"])
    assert reads(ethernet, "address1", "dns") == ["192.168.1.10/24,192.168.1.1", "1.1.1.1;"]
    assert reads(profiles.ethernet(address=None, gateway=None, dns=())) == []


@pytest.mark.parametrize(
    ("channel", "megahertz"), [(1, 2412), (6, 2437), (13, 2472), (36, 5180), (165, 5825)]
)
def test_channels_are_converted_to_frequencies(channel: int, megahertz: int) -> None:
    assert frequency(channel) == megahertz


def test_radio_is_configured_for_wpa_supplicant_with_the_fleets_key() -> None:
    found = plan(
        FULL, fleet="north", radio_key="secret-radio", adapters=[ONBOARD, STICK], folder=FOLDER
    ).radio
    assert found is not None
    assert found.interface == "wlan1"
    assert found.text.splitlines() == [
        "country=DE",
        "update_config=0",
        "network={",
        f"\tssid={b'logboat-north'.hex()}",
        "\tfrequency=2437",
        "\tmode=5",
        "\tkey_mgmt=SAE",
        '\tsae_password="secret-radio"',
        "}",
    ]
    adhoc = radio(mode="adhoc", fleet="n" * 32, key="k", channel=36, interface="w", country=None).text
    assert "ap_scan=2\n" in adhoc
    assert "\tmode=1\n" in adhoc
    assert f"\tssid={('logboat-' + 'n' * 24).encode().hex()}\n" in adhoc


def one(network: Wifi) -> profiles.Profile:
    """Return NetworkManager's profile for joining this Wi-Fi network."""
    [profile] = joined.join_all([network], interface=None, folder=FOLDER)
    return profile


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        (1, ""),
        (12, "not allowed in this country"),
        (36, "only for joining other networks"),
        (52, "radar detection"),
        (165, "the adapter does not support it"),
    ],
)
def test_channel_that_the_radio_cannot_use_is_reported(channel: int, words: str) -> None:
    there = parse(IW, {"wlan1": "phy1"})
    network = NetworkSection(country="DE", vessel_radio=VesselRadio("mesh", channel))
    missing = plan(network, fleet="north", radio_key="k", adapters=there, folder=FOLDER).missing
    assert [f"wlan1 cannot use channel {channel}" in each and words in each for each in missing] == (
        [True] if words else []
    )


def test_adapter_that_can_use_the_channel_is_preferred() -> None:
    able = Adapter("phy1", "wlan1", frozenset({"mesh point"}), frequencies={2467: "(20.0 dBm)"})
    other = Adapter("phy2", "wlan2", frozenset({"mesh point"}), frequencies={2467: "(disabled)"})
    assert assign([able, other], joins=False, access_point=False, radio="mesh", channel=12).radio == "wlan1"


def test_network_that_requires_wpa3_is_reported_on_an_adapter_without_it() -> None:
    old = Adapter("phy0", "wlan0", frozenset({"managed"}), has_wpa3=False)
    network = NetworkSection(
        country="DE", wifi=(Wifi("new", "correct horse", security="wpa3"), Wifi("old", "correct horse"))
    )
    found = plan(network, fleet=None, radio_key=None, adapters=[old], folder=FOLDER)
    assert [each.partition(";")[0] for each in found.missing] == [
        'wlan0 does not support WPA3, which "new" requires'
    ]


KINDS: Mapping[str, tuple[Wifi, Mapping[str, str]]] = {
    "open": (Wifi("a"), {"key-mgmt": "", "psk": ""}),
    "open by name": (Wifi("a", security="open"), {"key-mgmt": ""}),
    "default": (Wifi("a", "correct horse"), {"key-mgmt": "wpa-psk", "psk": "correct horse", "pmf": ""}),
    "mixed": (Wifi("a", "correct horse", security="wpa2-wpa3"), {"key-mgmt": "wpa-psk", "pmf": ""}),
    "wpa2": (Wifi("a", "correct horse", security="wpa2"), {"key-mgmt": "wpa-psk", "pmf": "1"}),
    "wpa3": (Wifi("a", "short", security="wpa3"), {"key-mgmt": "sae", "pmf": "3", "psk": "short"}),
    "hidden": (Wifi("a", hidden=True), {"hidden": "true"}),
    "bssid": (Wifi("a", bssid="02:00:5E:10:00:01"), {"bssid": "02:00:5E:10:00:01"}),
    "peap": (
        Wifi("a", "ö", eap="peap", user="argo@b.example", ca="b.pem", server_name="radius.b.example"),
        {
            "key-mgmt": "wpa-eap",
            "eap": "peap;",
            "identity": "argo@b.example",
            "password": "ö",
            "phase2-auth": "mschapv2",
            "ca-cert": "/etc/logboat/b.pem",
            "domain-suffix-match": "radius.b.example",
            "anonymous-identity": "",
        },
    ),
    "ttls": (
        Wifi("a", "secret", eap="ttls", user="argo", anonymous_user="x", server_name="radius.b.example"),
        {"eap": "ttls;", "phase2-auth": "pap", "anonymous-identity": "x", "system-ca-certs": "true"},
    ),
    "tls": (
        Wifi("a", eap="tls", user="argo", ca="b.pem", certificate="argo.pem", certificate_key="argo.key"),
        {
            "eap": "tls;",
            "client-cert": "/etc/logboat/argo.pem",
            "private-key": "/etc/logboat/argo.key",
            "private-key-password-flags": "4",
            "ca-cert": "/etc/logboat/b.pem",
            "password": "",
        },
    ),
}
"""One network of every kind, with the fields that NetworkManager should read from its profile."""


@pytest.mark.parametrize("kind", KINDS)
def test_networkmanager_reads_every_kind_of_network(kind: str) -> None:
    network, expected = KINDS[kind]
    assert dict(zip(expected, reads(one(network), *expected), strict=True)) == expected


def test_networks_of_one_name_have_different_profiles() -> None:
    same = [Wifi("a"), Wifi("a", "correct horse"), Wifi("b"), Wifi("a", bssid="02:00:5E:10:00:01")]
    found = joined.join_all(same, interface="wlan0", folder=FOLDER)
    assert len({each.name for each in found}) == len(found)
    assert len({each.sections["connection"]["uuid"] for each in found}) == len(found)
    assert found[0].name == one(Wifi("a")).name  # as in earlier releases


SSIDS = st.binary(min_size=1, max_size=32)
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" \\\t"), max_size=63)
"""Hypothesis strategy for passwords, user names and paths, without Unicode line separators."""


def read_by_glib(text: str, section: str, key: str) -> bytes:
    """Return the value of a key in a keyfile as read by GLib, whose parser NetworkManager uses."""
    path = ctypes.util.find_library("glib-2.0") or next(
        iter(UNPACKED.glob("usr/lib/*/libglib-2.0.so.0")), None
    )
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("GLib is not here")
        pytest.skip("GLib is not here")
    glib = ctypes.CDLL(str(path))
    glib.g_key_file_new.restype = ctypes.c_void_p
    glib.g_key_file_get_string.restype = ctypes.c_void_p
    file = ctypes.c_void_p(glib.g_key_file_new())
    content = text.encode()
    assert glib.g_key_file_load_from_data(file, content, ctypes.c_size_t(len(content)), 0, None)
    found = ctypes.c_void_p(glib.g_key_file_get_string(file, section.encode(), key.encode(), None))
    value = ctypes.string_at(found)
    glib.g_free(found)
    glib.g_key_file_free(file)
    return value


@settings(max_examples=500)
@given(SSIDS, PRINTABLE)
@example(b"a", " correct  horse ")
@example(b"a", "\t ")
def test_glib_reads_any_name_and_any_password(octets: bytes, password: str) -> None:
    profile = one(Wifi(name_of(octets), password, security="wpa3"))
    assert read_by_glib(profile.text, "wifi-security", "psk") == password.encode()
    listed = read_by_glib(profile.text, "wifi", "ssid").decode()
    assert bytes(int(each) for each in listed.split(";")[:-1]) == octets
    login = one(Wifi(name_of(octets), password, eap="peap", user=password, server_name="b"))
    for key in ("identity", "password"):
        assert read_by_glib(login.text, "802-1x", key) == password.encode()


@settings(max_examples=40, deadline=None)
@given(SSIDS, st.text(st.sampled_from(string.printable[:95]), min_size=8, max_size=63))
@example(b"\xff\xfe", "eight   ")
@example("\N{LOCK} 'n' \"q\" \\".encode(), "\\s\\t;# =x")
@example(b"1;2;", "        ")
@example(b"0" * 32, "        x")
def test_networkmanager_reads_any_name_and_any_password(octets: bytes, password: str) -> None:
    ssid, psk = reads(one(Wifi(name_of(octets), password)), "ssid", "psk")
    assert octets_in(ssid) == octets
    assert unescaped(psk) == password


def octets_in(written: str) -> bytes:
    """Decode an SSID in the form of NetworkManager's keyfiles, which is text or a list of bytes."""
    if re.fullmatch(r"(\d+;)+", written):
        return bytes(int(each) for each in written.split(";")[:-1])
    return unescaped(written).replace("\\;", ";").encode()


def unescaped(written: str) -> str:
    """Decode the escape sequences of GLib keyfiles in a value."""
    return re.sub(r"\\([sntr\\])", lambda match: ESCAPES[match[1]], written)


ESCAPES = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}


def test_ethernet_may_have_a_fixed_address(tmp_path: Path) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text('[network]\nethernet = { address = "192.168.1.10/24", gateway = "192.168.1.1" }\n')
    assert load(path).network.ethernet == Ethernet("192.168.1.10/24", "192.168.1.1")
    path.write_text('[network]\nethernet = { address = "192.168.1.10", gateway = "x" }\n')
    with pytest.raises(Exception, match="not an address with a prefix length"):
        load(path)
    assert adapters.CREW == "crew0"
