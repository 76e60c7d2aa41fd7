"""The image's firewall rules open the ports of SSH and of the listener on the configured interfaces only."""

import sys
from pathlib import Path

import pytest

from provisioning.networks import firewall
from services.boot import system
from services.config.loader import ConfigurationError, load
from tests.namespaces import Host, Network
from tests.provisioning.bundles import bundle, put
from tests.services.test_boot import Pi, pi

__all__ = ["pi"]  # a fixture

RULES = Path(__file__).parents[2] / "image/files/etc/nftables.conf"
SERVERS = """
import select, socket
servers = [socket.create_server(("", port)) for port in (22, 4984)]
print("ready", flush=True)
while True:
    for server in select.select(servers, [], [])[0]:
        server.accept()[0].close()
"""
CLIENT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.6).close()
except OSError:
    sys.exit("closed")
"""


@pytest.fixture
def network() -> Network:
    return Network.for_test()


def told(argo: Host, ssh: tuple[str, ...], listener: tuple[str, ...], folder: Path) -> None:
    """Load the image's firewall rules and those generated from a configuration on a simulated host."""

    def tool(command: list[str], **_named: object) -> bytes:
        return argo.run(command).encode()

    system.write_firewall(folder, firewall.text(ssh=ssh, listener=listener), tool=tool)


def open_from(argo: Host, guest: Host, interface: str) -> set[int]:
    """Return the ports that are open to another host on the network of this interface."""
    words = argo.run(["ip", "-4", "-brief", "address", "show", interface]).split()
    address = words[2].partition("/")[0]
    found = set()
    for port in (22, 4984):
        process = guest.popen([sys.executable, "-c", CLIENT, address, str(port)])
        if process.wait(10) == 0:
            found.add(port)
    return found


def test_ports_are_open_on_configured_interfaces_even_if_one_appears_late(
    network: Network, tmp_path: Path
) -> None:
    with network:
        argo, quay, crew, late = network.hosts("argo", "quay", "crew", "late")
        network.segment("quay", argo, quay)
        network.segment("crew", argo, crew)
        argo.run(["nft", "-f", str(RULES)])
        servers = argo.popen([sys.executable, "-c", SERVERS], stdout=-1, text=True)
        assert servers.stdout is not None
        with servers.stdout as told_by:
            assert told_by.readline() == "ready\n"
        assert open_from(argo, quay, "eth0") == open_from(argo, crew, "eth1") == {22, 4984}, "the default"
        told(argo, ("eth0", "eth2"), ("eth1",), tmp_path)
        assert open_from(argo, quay, "eth0") == {22}
        assert open_from(argo, crew, "eth1") == {4984}
        network.segment("late", argo, late)
        assert open_from(argo, late, "eth2") == {22}
        told(argo, ("eth*",), ("*",), tmp_path)
        assert open_from(argo, late, "eth2") == open_from(argo, crew, "eth1") == {22, 4984}
        told(argo, ("wlan0",), ("wlan*",), tmp_path)
        assert open_from(argo, quay, "eth0") == set()
        told(argo, ("*",), ("eth0", "[we]*"), tmp_path)
        assert open_from(argo, quay, "eth0") == {22, 4984}, "a pattern that is the daemon's to judge"


def test_reloading_the_rules_keeps_the_limits(network: Network, tmp_path: Path) -> None:
    with network:
        argo, quay = network.hosts("argo", "quay")
        network.segment("quay", argo, quay)
        rules = tmp_path / "nftables.conf"
        rules.write_text(RULES.read_text().replace("/run/logboat-firewall", str(tmp_path / "made")))
        argo.run(["nft", "-f", str(rules)])
        told(argo, ("wlan0",), ("wlan0",), tmp_path / "made")
        argo.run(["nft", "-f", str(rules)])
        shown = argo.run(["nft", "list", "chain", "inet", "logboat", "ssh"])
        assert 'iifname "wlan0" accept' in shown
        assert shown.count("accept") == 1


@pytest.mark.parametrize(
    "written",
    [
        '""',
        '"a b"',
        '"eth0\\" accept; "',
        '"*0"',
        '"a*b"',
        '"sixteen-letters-"',
        '"e\\n"',
        "7",
        '"[ab]*"',
        '"/"',
    ],
)
def test_invalid_interface_is_reported(tmp_path: Path, written: str) -> None:
    path = tmp_path / "logboat.toml"
    path.write_text(f"[network]\nssh_interfaces = [{written}]\n")
    with pytest.raises(ConfigurationError, match="ssh_interfaces"):
        load(path)


@pytest.mark.parametrize("name", ["eth0", "wlan*", "end0", "enp3s0f1", "br-lan", "wlan0.7", "*"])
def test_names_of_interfaces_are_accepted(tmp_path: Path, name: str) -> None:
    path = tmp_path / "logboat.toml"
    path.write_text(f'[network]\nssh_interfaces = ["{name}"]\n')
    assert load(path).network.ssh_interfaces == (name,)


def test_start_changes_only_rules_that_differ_from_the_images(pi: Pi) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    assert not [line for line in pi.ran if line.startswith("nft")]
    with (pi.places.etc / "logboat.toml").open("a") as file:
        file.write('\n[network]\nssh_interfaces = ["eth0"]\n')
    assert pi.start().problems == ()
    assert [line for line in pi.ran if line.startswith("nft")]
    kept = pi.places.firewall / firewall.NAME
    assert 'ssh iifname "eth0" accept' in kept.read_text()
    text = (pi.places.etc / "logboat.toml").read_text()
    (pi.places.etc / "logboat.toml").write_text(text.replace('"eth0"', '"*"'))
    pi.start()
    assert "iifname" not in kept.read_text()


def test_failure_to_load_rules_is_reported_and_keeps_the_rules_in_force(pi: Pi) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    with (pi.places.etc / "logboat.toml").open("a") as file:
        file.write('\n[network]\nssh_interfaces = ["eth0"]\n')
    pi.broken.add("nft")
    assert "firewall could not be set up" in "\n".join(pi.start().problems)
    assert not (pi.places.firewall / firewall.NAME).exists()
