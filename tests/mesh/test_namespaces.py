"""A simulated network cuts exactly the intended connections, and leaves no namespaces or processes behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.namespaces import Host, NamespaceError, Network
from tests.polling import wait_until

SERVE = """
import socket
server = socket.create_server(("", 7))
print(flush=True)
while True:
    server.accept()
"""
COUNT = """
import socket
inbox = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
inbox.bind(("127.0.0.1", 0))
inbox.setblocking(False)
got = 0
for _ in range(1000):
    inbox.sendto(b"x", inbox.getsockname())
    try:
        got += len(inbox.recv(9))
    except BlockingIOError:
        pass
print(got)
"""
KILLED = """
import os, signal, subprocess
from tests.namespaces import Network
with Network() as network:
    host = network.host("left")
    child = host.popen(["sh", "-c", "echo; exec sleep 1000"], stdout=subprocess.PIPE)
    child.stdout.readline()
    print(host.namespace, child.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def namespaces() -> str:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout


def reaches(host: Host, address: str) -> bool:
    connect = f"import socket; socket.create_connection(({address!r}, 7), timeout=0.3)"
    try:
        host.run([sys.executable, "-c", connect])
    except NamespaceError as error:
        if "timed out" not in str(error):
            raise
        return False
    return True


@pytest.fixture
def ends(network: Network) -> tuple[Network, Host, Host]:
    argo, brigid = network.hosts("argo", "brigid")
    process = brigid.popen([sys.executable, "-c", SERVE], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as said:
        said.readline()
    return network, argo, brigid


def test_segments_can_be_cut_and_healed_visibly_and_silently(ends: tuple[Network, Host, Host]) -> None:
    network, argo, brigid = ends
    quay = network.segment("quay", argo, brigid)
    assert reaches(argo, "10.77.1.2")
    quay.cut(brigid)
    assert not reaches(argo, "10.77.1.2")
    quay.heal(brigid)
    wait_until(lambda: reaches(argo, "10.77.1.2"), "the plug is in again")
    quay.cut_silently(argo)
    assert not reaches(argo, "10.77.1.2")
    brigid.await_carrier("eth0")
    argo.await_carrier("eth0")
    quay.heal_silently(argo)
    wait_until(lambda: reaches(argo, "10.77.1.2"), "it is in reach again")


def test_loss_and_rate_are_as_configured(ends: tuple[Network, Host, Host]) -> None:
    network, argo, brigid = ends
    network.segment("radio", argo, brigid)
    argo.rate("eth0", 256)
    assert "rate 256Kbit" in argo.run(["tc", "qdisc", "show", "dev", "eth0"])
    argo.lose("lo", 30)
    assert 600 < int(argo.run([sys.executable, "-c", COUNT])) < 800
    argo.lose("lo", 0)
    assert int(argo.run([sys.executable, "-c", COUNT])) == 1000


def test_namespaces_left_by_a_killed_run_are_removed_by_the_next_run(network: Network) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left, child = killed.stdout.split()
    assert not Path(f"/proc/{child}/fd/0").exists()  # The processes of a killed run end with the run.
    assert left in namespaces()
    own = network.host("own")
    with Network():
        assert left not in namespaces()
        assert own.namespace in namespaces()  # The namespaces of a run in progress are kept.
