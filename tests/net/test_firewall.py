"""The appliance's firewall rules, loaded on a simulated host, limit the connections from one address."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.namespaces import Host, Network
from tests.polling import wait_until

RULES = Path(__file__).parents[2] / "image" / "files" / "etc" / "nftables.conf"
PORT = 4984
MOST = 32

_LISTENER = f"""
import socket
server = socket.create_server(("", {PORT}), backlog=256, family=socket.AF_INET6, dualstack_ipv6=True)
print("ready", flush=True)
kept = []
while True:
    kept.append(server.accept())
"""
_CALLER = f"""
import socket, sys
kept, address, count = [], sys.argv[1], int(sys.argv[2])
for _ in range(count):
    try:
        kept.append(socket.create_connection((address, {PORT}), timeout=0.3 if kept else 10))
    except OSError:
        continue
print(len(kept), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host, Host]]:
    """Yield a simulated host with the firewall and a listener, and two other hosts on its network."""
    with Network.for_test() as network:
        argo, greedy, modest = network.hosts("argo", "greedy", "modest")
        network.segment("quay", argo, greedy, modest)
        argo.run(["nft", "-f", str(RULES)])
        listener = argo.popen([sys.executable, "-c", _LISTENER], stdout=-1, text=True)
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        yield argo, greedy, modest
        listener.stdout.close()


def call(host: Host, address: str, count: int) -> int:
    """Open up to `count` connections from a host, keep them open, and return the number that succeeded."""
    caller = host.popen([sys.executable, "-c", _CALLER, address, str(count)], stdin=-1, stdout=-1, text=True)
    assert caller.stdout is not None
    with caller.stdout as told:
        return int(told.readline())


def test_connections_from_one_address_are_limited_and_other_addresses_are_not_affected(
    hosts: tuple[Host, Host, Host],
) -> None:
    argo, greedy, modest = hosts
    assert call(greedy, "10.77.1.1", MOST + 8) == MOST
    assert call(modest, "10.77.1.1", 2) == 2
    address = argo.link_local("eth0")
    assert call(greedy, f"{address}%eth0", 2) == 2  # IPv6 connections have a different source address


def test_connections_of_an_ended_process_are_not_counted(hosts: tuple[Host, Host, Host]) -> None:
    _, greedy, modest = hosts
    caller = greedy.popen(
        [sys.executable, "-c", _CALLER, "10.77.1.1", str(MOST)], stdin=-1, stdout=-1, text=True
    )
    assert caller.stdout is not None
    assert int(caller.stdout.readline()) == MOST
    caller.kill()
    caller.wait()
    caller.stdout.close()
    assert caller.stdin is not None
    caller.stdin.close()
    wait_until(lambda: call(greedy, "10.77.1.1", 2) == 2, "the connections of a process that ended are gone")
    assert call(modest, "10.77.1.1", 1) == 1
