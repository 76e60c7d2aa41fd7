"""Vessels in separate processes discover each other over simulated networks."""

import subprocess
import sys
import time
from contextlib import suppress

from tests.mesh.vessels import Vessel
from tests.namespaces import Network

OTHER_STORE = ("--store", "0b8e7c52-7f0e-4c7e-8f50-2a4b4f1f2c02")


def test_vessels_on_one_network_find_each_other_and_see_a_goodbye(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    network.segment("quay", argo, brigid)
    first, second = Vessel(argo, "argo"), Vessel(brigid, "brigid")
    found = first.await_seen(second.name, "10.77.1.2", f"{brigid.link_local('eth0')}%eth0")
    assert (found["instance"], found["fleet"], found["db"], found["port"]) == (
        second.name,
        "isles",
        "log",
        4984,
    )
    assert second.await_("found")["instance"] == first.name

    second.leave()
    assert first.await_("gone")["instance"] == second.name
    assert first.state()["seen"] == []


def test_vessel_that_leaves_while_answering_a_query_is_removed_at_once(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    network.segment("quay", argo, brigid)
    pace = ("--pace", "60", "60", "60", "120")  # so that only the test causes queries
    first, second = Vessel(argo, "argo", "logone", *pace), Vessel(brigid, "brigid", "logone", *pace)
    first.await_("found")
    second.await_announced()
    second.ask("leave when asked")
    # zeroconf delays an answer by a second if it has sent the records within the last second. So query every
    # three seconds at most, until an answer is due before the vessel has left.
    while second.process.poll() is None:
        first.ask("refresh")
        with suppress(subprocess.TimeoutExpired):
            second.process.wait(3.0)
    assert first.await_state(lambda state: not state["seen"])


def test_vessels_with_only_link_local_addresses_connect() -> None:
    with Network.for_test(settle=True) as network:
        argo, brigid = network.hosts("argo", "brigid")
        network.segment("quay", argo, brigid, ipv4=False)
        first = Vessel(argo, "argo", "logone", "--dial")
        Vessel(brigid, "brigid")
        address = f"{brigid.link_local('eth0')}%eth0"
        # Only addresses that have passed duplicate address detection are announced. Others may follow later.
        assert first.await_("dialled")["url"] == f"wss://[{address.replace('%', '%25')}]:4984/log"


def test_a_vessel_between_two_networks_sees_both(network: Network) -> None:
    argo, brigid, cygnet = network.hosts("argo", "brigid", "cygnet")
    network.segment("quay", argo, brigid)
    network.segment("radio", brigid, cygnet)
    middle = Vessel(brigid, "brigid")
    ends = Vessel(argo, "argo"), Vessel(cygnet, "cygnet")
    middle.await_("found", instance="argo-logone")
    middle.await_seen("cygnet-logone", "10.77.2.2", f"{cygnet.link_local('eth0')}%eth1")
    for end, nearest in zip(ends, ("10.77.1.2", "10.77.2.1"), strict=True):
        assert end.await_("found")["addresses"][0] == nearest  # the address on the shared network comes first
        assert end.state()["seen"] == ["brigid-logone"]


def test_vessels_with_identical_home_networks_find_each_other_over_the_radio(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    for host in (argo, brigid):
        network.segment(f"home-{host.name}", host)
        host.run(["ip", "addr", "add", "192.168.1.7/24" if host is argo else "192.168.1.8/24", "dev", "eth0"])
    network.segment("radio", argo, brigid, ipv4=False)
    first, second = Vessel(argo, "argo"), Vessel(brigid, "brigid")
    # Only the radio's own link-local address is announced on the radio.
    found = first.await_("found", instance=second.name)
    assert found["addresses"][0] == f"{brigid.link_local('eth1')}%eth1"
    assert [address for address in found["addresses"] if address.startswith("fe80")] == found["addresses"][:1]
    assert "192.168.1.8" in found["addresses"]


def test_interface_that_appears_later_is_used(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    quay = network.segment("quay", brigid)
    early = Vessel(argo, "argo")
    assert "no network interface" in early.await_("started")["problem"]
    there = Vessel(brigid, "brigid")
    there.await_("started", problem=None)
    quay.join(argo)
    early.await_("found", instance="brigid-logone")
    there.await_("found", instance="argo-logone")
    assert early.state()["problem"] is None


def test_an_interface_that_is_replaced_by_another_leads_to_the_same_neighbours(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    radio = network.segment("radio", argo, brigid, ipv4=False)
    first, second = Vessel(argo, "argo"), Vessel(brigid, "brigid")
    address = brigid.link_local("eth0")
    first.await_seen(second.name, f"{address}%eth0")
    radio.remove(argo)
    first.await_("changed", instance=second.name, addresses=[])
    radio.join(argo)
    first.await_("changed", instance=second.name, addresses=[f"{address}%eth1"])


def test_vessel_missed_while_the_link_flaps_is_found_afterwards(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    quay = network.segment("quay", argo, brigid)
    slow = ("--pace", "60", "60", "60", "120")  # so that only the replugging causes queries
    first, second = Vessel(argo, "argo", "logone", *slow), Vessel(brigid, "brigid", "logone", *slow)
    first.await_("found")
    second.await_("found")
    quay.cut(argo)
    second.ask("links cygnet")
    second.await_announced()
    quay.heal(argo)
    quay.flap(argo)
    first.await_("changed", instance=second.name, links=["cygnet"])
    assert second.state()["seen"] == [first.name]


def test_vessel_is_found_by_the_next_query_after_a_silent_outage(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    quay = network.segment("quay", argo, brigid)
    quay.cut_silently(argo)
    first, second = Vessel(argo, "argo"), Vessel(brigid, "brigid")
    first.await_announced()
    second.await_announced()
    assert first.state()["seen"] == second.state()["seen"] == []
    quay.heal_silently(argo)
    first.await_("found", instance=second.name)
    second.await_("found", instance=first.name)


def test_vessel_that_was_silent_is_reported_when_it_announces_itself_again(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    quay = network.segment("quay", argo, brigid)
    pace = ("--pace", "0.2", "1", "3", "120")
    first, second = Vessel(argo, "argo", "logone", *pace), Vessel(brigid, "brigid", "logone", *pace)
    first.await_("found")
    quay.cut_silently(brigid)
    time.sleep(3.2)  # The test is about a silence of more than 3 s.
    assert first.state()["seen"] == [second.name]
    assert not first.has_told("again")
    quay.heal_silently(brigid)
    assert first.await_("again")["instance"] == second.name


def test_vessel_that_vanishes_without_a_goodbye_is_removed_when_its_records_expire(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    network.segment("quay", argo, brigid)
    pace = ("--pace", "0.3", "0.5", "60", "3")
    first, second = Vessel(argo, "argo", "logone", *pace), Vessel(brigid, "brigid", "logone", *pace)
    first.await_("found")
    second.kill()
    assert first.await_("gone")["instance"] == second.name


def test_copied_card_chooses_another_name_and_both_are_seen(network: Network) -> None:
    argo, copy, brigid = network.hosts("argo", "copy", "brigid")
    network.segment("quay", argo, copy, brigid)
    original, witness = Vessel(argo, "argo"), Vessel(brigid, "brigid")
    witness.await_("found", instance="argo-logone")
    clone = Vessel(copy, "argo")
    assert clone.await_("taken")["name"] == "argo-logone"
    assert clone.state()["instance"] == "argo-logone-2"
    original.await_("found", instance="argo-logone-2", vessel="argo")
    witness.await_("found", instance="argo-logone-2", vessel="argo")
    clone.await_state(lambda state: state["seen"] == ["argo-logone", "brigid-logone"])


def test_copied_cards_that_meet_later_get_two_names(network: Network) -> None:
    argo, copy = network.hosts("argo", "copy")
    quay = network.segment("quay", argo, copy)
    quay.cut_silently(copy)
    both = Vessel(argo, "argo"), Vessel(copy, "argo", "logone", *OTHER_STORE)
    for vessel in both:
        vessel.await_announced()
    quay.heal_silently(copy)
    for vessel in both:
        vessel.await_("taken", name="argo-logone")
    names = {"argo-logone", "argo-logone-2"}
    taken = {
        vessel.await_state(lambda state: state["seen"] == sorted(names - {state["instance"]}))["instance"]
        for vessel in both
    }
    assert taken == names


def test_three_processes_on_one_machine_find_each_other_over_loopback(network: Network) -> None:
    machine = network.host("machine")
    vessels = [
        Vessel(machine, name, "logone", "--interface", "lo", "--dial", "--port", str(port))
        for name, port in (("argo", 4984), ("brigid", 4985), ("cygnet", 4986))
    ]
    ports = {4984, 4985, 4986}
    for vessel, port in zip(vessels, sorted(ports), strict=True):
        found = [vessel.await_("found"), vessel.await_("found")]
        assert {other["port"] for other in found} == ports - {port}
        assert {address for other in found for address in other["addresses"]} == {"127.0.0.1"}
    for vessel in vessels:
        for _ in range(2):
            vessel.await_("dialled")  # before any vessel leaves
    for vessel in vessels:
        vessel.leave()


def test_vessels_find_each_other_despite_a_third_of_packets_being_lost(network: Network) -> None:
    argo, brigid = network.hosts("argo", "brigid")
    network.segment("radio", argo, brigid)
    for host in (argo, brigid):
        host.lose("eth0", 33)
    first, second = Vessel(argo, "argo"), Vessel(brigid, "brigid")
    first.await_("found", instance=second.name)
    second.await_("found", instance=first.name)


TAKER = """
import socket, sys
for family in (socket.AF_INET, socket.AF_INET6):
    sock = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("", 5353))
    globals()[family.name] = sock
print("taken", flush=True)
sys.stdin.read()
"""


def test_mdns_port_used_exclusively_by_another_program_is_reported(network: Network) -> None:
    argo = network.host("argo")
    network.segment("quay", argo)
    with argo.popen([sys.executable, "-c", TAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as taker:
        assert taker.stdout is not None
        taker.stdout.readline()
        vessel = Vessel(argo, "argo")
        assert "port 5353 for mDNS cannot be opened" in vessel.await_("started")["problem"]
        vessel.leave()
        taker.kill()


HOSTILE = """
import sys
from zeroconf import ServiceInfo, Zeroconf
kind = "_logboat._tcp.local."
zeroconf = Zeroconf(interfaces=["10.77.1.2"])
for name, properties in (
    ("argo-fakedd", {"v": "1", "vessel": "argo"}),
    ("brigid-logone", {"v": "9"}),
    ("x" * 63, {"v": "1", "links": "," * 200, "vessel": b"\\xff\\x00"}),
    ("\\u202egnp", b"\\xff"),
):
    info = ServiceInfo(kind, f"{name}.{kind}", port=1, properties=properties, parsed_addresses=["10.77.1.2"])
    zeroconf.register_service(info, cooperating_responders=True)
print("said", flush=True)
sys.stdin.read()
"""


def test_malformed_advertisements_are_reported_once_and_ignored(network: Network) -> None:
    argo, stranger = network.hosts("argo", "stranger")
    network.segment("quay", argo, stranger)
    vessel = Vessel(argo, "argo")
    with stranger.popen(
        [sys.executable, "-c", HOSTILE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as hostile:
        assert hostile.stdout is not None
        assert hostile.stdout.readline() == "said\n"
        texts = [vessel.await_("warning")["text"] for _ in range(4)]
        hostile.kill()
    assert all("ignoring" in text and text.isprintable() for text in texts)
    assert any(
        "ignoring 'brigid-logone' on the network: the record has version '9'" in text for text in texts
    )
    assert vessel.await_state(lambda state: state["instance"] is not None)["instance"] == "argo-logone"
    assert vessel.state()["seen"] == []


STRANGER = """
import socket, struct, sys
from zeroconf import DNSIncoming

TYPE = (b"_logboat", b"_tcp", b"local")

def name(*labels):
    return b"".join(bytes([len(label)]) + label for label in labels) + bytes(1)

def record(owner, kind, data):
    return owner + struct.pack(">HHIH", kind, 1 if kind == 12 else 0x8001, 4500, len(data)) + data

def packet(label, text, host):
    records = [record(name(*TYPE), 12, name(label, *TYPE))]
    if text is not None:
        service = struct.pack(">HHH", 0, 0, 80) + name(host, b"local")
        records += [record(name(label, *TYPE), 33, service), record(name(label, *TYPE), 16, text)]
    return struct.pack(">HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("", 5353))
group = socket.inet_aton("224.0.0.251") + socket.inet_aton("10.77.1.2")
sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.1.2"))
for label in map(bytes.fromhex, sys.argv[1:]):
    for text, host in ((None, b"h"), (b"\\x03v=1", b"h"), (b"\\xff", b"\\xff" * 63), (b"", b"a..b")):
        sock.sendto(packet(label, text, host), ("224.0.0.251", 5353))
print("said", flush=True)
for line in sys.stdin:
    if line == "ask\\n":
        names = name(*TYPE), name(bytes([255]) * 63, *TYPE)
        questions = [owner + struct.pack(">HH", 12, 1) for owner in names]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:  # so the answer quotes the questions
            other.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.1.2"))
            header = struct.pack(">HHHHHH", 7, 0, len(questions), 0, 0, 0)
            other.sendto(header + b"".join(questions), ("224.0.0.251", 5353))
    while line == "listen\\n":
        data, sender = sock.recvfrom(9000)
        asked = DNSIncoming(data)
        if sender[0] == "10.77.1.1" and not data[2] & 0x80:
            answers = asked.answers()
            is_whole = asked.valid and len(answers) == sum(struct.unpack_from(">HHH", data, 6))
            print(is_whole, *sorted({question.name for question in asked.questions}), flush=True)
            break
"""
"""Source of a program that announces each of the given names alone, and then with records of several types.

The command `ask` sends a question that no answer can quote. The command `listen` prints the next questions
from the host 10.77.1.1, and whether their packet can be parsed completely.
"""


STRANGE_NAMES = (
    b"Gate_01:\r\n",  # zeroconf refuses control characters in names
    b"\xff" * 63,  # not UTF-8, and too long for a name after decoding with replacement characters
    b"x..y",  # has an empty label, which ends the name early and makes the rest of the packet invalid
    b"argo.",
    b"\0",
    b"brigid-logone",  # a valid vessel name, but with empty records
)


def test_malformed_names_do_not_stop_queries_or_discovery(network: Network) -> None:
    argo, stranger, brigid = network.hosts("argo", "stranger", "brigid")
    network.segment("quay", argo, stranger, brigid)
    first = Vessel(argo, "argo")
    first.await_("started")
    with stranger.popen(
        [sys.executable, "-c", STRANGER, *(name.hex() for name in STRANGE_NAMES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as hostile:
        assert hostile.stdin is not None
        assert hostile.stdout is not None
        assert hostile.stdout.readline() == "said\n"
        assert len([first.await_("warning") for _ in STRANGE_NAMES]) == len(STRANGE_NAMES)
        for _ in range(2):
            hostile.stdin.write("listen\n")
            hostile.stdin.flush()
            is_whole, *questions = hostile.stdout.readline().split()
            assert is_whole == "True"
            assert "_logboat._tcp.local." in questions
        second = Vessel(brigid, "brigid", "logtwo")
        first.await_("found", instance="brigid-logtwo")
        second.await_("found", instance="argo-logone")
        hostile.stdin.write("ask\n")
        hostile.stdin.flush()
        while "that zeroconf cannot answer" not in first.await_("warning")["text"]:
            pass
        hostile.kill()
    assert first.state()["seen"] == ["brigid-logtwo"]
    assert not first.has_told("traceback")
