"""Roles are assigned to adapters, and NetworkManager accepts the profiles."""

import os
import shutil
import string
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.networks import adapters, profiles
from provisioning.networks.adapters import CREW, Adapter, Assignment, assign, parse
from provisioning.networks.plan import plan
from provisioning.networks.radio import frequency, radio
from services.config.loader import load
from services.config.model import AccessPoint, Ethernet, NetworkSection, VesselRadio, Wifi

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
\t\t * 2412 MHz [1] (20.0 dBm)
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
        Adapter("phy0", "wlan0", frozenset({"managed", "AP"})),
        Adapter("phy1", "wlan1", frozenset({"IBSS", "managed", "AP", "mesh point"})),
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
    found = plan(FULL, fleet="north", radio_key="secret-radio", adapters=[ONBOARD, STICK])
    assert [profile.name.rpartition("-")[0] or profile.name for profile in found.profiles] == [
        "logboat",
        "logboat-join",
        "logboat-join",
        "logboat",
    ]
    assert found.missing == ()
    without = plan(FULL, fleet=None, radio_key=None, adapters=[ONBOARD, STICK])
    assert "needs the fleet's radio key" in without.missing[0]
    assert without.radio is None


# Profiles read by NetworkManager


UNPACKED = Path(__file__).parents[2] / "build/nmcli"


def tool() -> tuple[str, str]:
    """Return the paths of nmcli and its libraries: this machine's, or those that `make test` fetched."""
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
    """Return fields of a keyfile as NetworkManager's own tool reads them, without a daemon."""
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
    found = plan(FULL, fleet="north", radio_key="secret-radio", adapters=[ONBOARD, STICK])
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
    found = plan(FULL, fleet="north", radio_key="secret-radio", adapters=[ONBOARD, STICK]).radio
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


PASSWORDS = st.text(st.sampled_from(string.printable[:95]), min_size=8, max_size=63)


@settings(max_examples=30)
@given(PASSWORDS)
def test_any_password_is_preserved(password: str) -> None:
    found = profiles.join(ssid="marina", password=password, priority=1, interface=None)
    again = profiles.join(ssid="marina", password="x" * 8, priority=1, interface=None)
    [psk] = reads(found, "psk")
    assert psk == profiles.escaped(password)  # written as NetworkManager escapes them, and read back
    assert found.sections["connection"]["uuid"] == again.sections["connection"]["uuid"]


@pytest.mark.parametrize("ssid", ["marina", "Häfen; #1", " lead", "a=b", "\\", "日本"])
def test_any_network_name_is_preserved(ssid: str) -> None:
    [found] = reads(profiles.join(ssid=ssid, password="", priority=0, interface=None), "ssid")
    plain = found.replace("\\;", ";").replace("\\\\", "\\").replace("\\s", " ")
    listed = (
        bytes(int(each) for each in found.split(";") if each.isdigit()).decode()
        if found[:1].isdigit()
        else ""
    )
    assert ssid in (plain, listed)


def test_ethernet_may_have_a_fixed_address(tmp_path: Path) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text('[network]\nethernet = { address = "192.168.1.10/24", gateway = "192.168.1.1" }\n')
    assert load(path).network.ethernet == Ethernet("192.168.1.10/24", "192.168.1.1")
    path.write_text('[network]\nethernet = { address = "192.168.1.10", gateway = "x" }\n')
    with pytest.raises(Exception, match="not an address with a prefix length"):
        load(path)
    assert adapters.CREW == "crew0"
