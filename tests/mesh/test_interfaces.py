"""Tests of the interfaces and addresses that the mesh uses, and of the kernel's notifications of changes."""

import asyncio
import ipaddress
import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.mesh import interface_watch
from sync.mesh.interface_watch import Event, InterfaceWatch, parse_netlink
from sync.mesh.interfaces import (
    LOOPBACK,
    MULTICAST,
    RUNNING,
    UP,
    Interface,
    RecentInterfaces,
    advertised,
    dialable,
    is_reached_by,
    multicast_choice,
    read_interfaces,
    suitable,
)

LIVE = UP | RUNNING | MULTICAST


def interface(name: str, index: int, *addresses: str, flags: int = LIVE) -> Interface:
    return Interface(name, index, flags, tuple(map(ipaddress.ip_interface, addresses)))


LO = interface("lo", 1, "127.0.0.1/8", "::1/128", flags=UP | RUNNING | LOOPBACK)
ETH = interface("eth0", 2, "10.0.0.1/24", "10.9.0.1/24", "fd00::1/64", "fe80::a/64")
MESH = interface("wlan1", 3, "fe80::b/64")


def names(found: Iterable[Interface]) -> list[str]:
    return [each.name for each in found]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["*"], ["eth0", "wlan1"]),
        (["wlan*"], ["wlan1"]),
        (["lo"], ["lo"]),
        (["l*"], []),
        (["eth0", "lo"], ["lo", "eth0"]),
        ([], []),
    ],
)
def test_interfaces_are_selected_by_pattern_but_loopback_only_by_name(
    wanted: list[str], found: list[str]
) -> None:
    assert names(suitable([LO, ETH, MESH], wanted)) == found


@pytest.mark.parametrize("lacking", [UP, RUNNING, MULTICAST])
def test_interface_without_link_carrier_or_multicast_is_not_used(lacking: int) -> None:
    assert suitable([interface("eth0", 2, "10.0.0.1/24", flags=LIVE & ~lacking)]) == ()
    assert suitable([interface("eth0", 2)]) == ()


def test_one_address_per_interface_and_family_is_used_link_local_first() -> None:
    assert multicast_choice([LO, ETH, MESH]) == ["127.0.0.1", "10.0.0.1", "fe80::a", "fe80::b"]


def test_same_link_local_address_on_two_interfaces_is_distinguished_by_index() -> None:
    twins = [interface("eth0", 2, "fe80::a/64"), interface("eth0.7", 7, "fe80::a/64")]
    assert multicast_choice(twins) == [2, 7]


def test_all_addresses_except_ipv6_loopback_are_advertised() -> None:
    assert advertised([LO, ETH]) == ["127.0.0.1", "10.0.0.1", "10.9.0.1", "fd00::1", "fe80::a"]


def test_nearest_address_is_dialled_first_and_unreachable_ones_never() -> None:
    told = [
        "192.0.2.9",
        "fe80::9%3",
        "fe80::8",
        "fe80::7%9",
        "127.0.0.1",
        "::1",
        "224.0.0.1",
        "0.0.0.0",
        "10.9.0.7",
    ]
    told += ["fd00::9", "2001:db8::9", "10.9.0.7"]
    assert dialable(told, [ETH, MESH]) == ("10.9.0.7", "fd00::9", "fe80::9%wlan1", "192.0.2.9", "2001:db8::9")
    assert dialable(["127.0.0.1"], [LO]) == ("127.0.0.1",)


def test_source_addresses_of_a_neighbour_come_before_advertised_ones() -> None:
    told = ["10.0.0.9", "192.0.2.9", "fe80::8%3", "fe80::9%3", "fe80::7%2"]
    assert dialable(told, [ETH, MESH], {"fe80::9%3", "192.0.2.9"}) == (
        "192.0.2.9",
        "fe80::9%wlan1",
        "10.0.0.9",
        "fe80::7%eth0",
    )


@pytest.mark.parametrize(
    ("local", "wanted", "is_heard"),
    [
        ("10.9.0.1", ("eth0",), True),
        ("::ffff:10.9.0.1", ("eth0",), True),
        ("10.9.0.1", ("wlan*",), False),
        ("fe80::b%wlan1", ("wlan*",), True),
        ("fe80::b%wlan1", ("eth0",), False),
        ("fe80::a%wlan1", ("eth0",), False),
        ("127.0.0.1", ("lo",), True),
        ("127.8.8.8", ("lo",), True),
        ("127.0.0.1", ("eth0",), False),
        ("127.0.0.1", ("l*",), False),
        ("192.0.2.1", ("eth0", "wlan1", "lo"), False),
    ],
)
def test_connection_is_accepted_if_it_arrives_on_a_configured_interface(
    local: str, wanted: tuple[str, ...], is_heard: bool
) -> None:
    assert is_reached_by(local, (LO, ETH, MESH), wanted) is is_heard


def test_interfaces_of_this_machine_are_read_from_the_kernel() -> None:
    lo = next(each for each in read_interfaces() if each.name == "lo")
    assert lo.is_loopback
    assert ipaddress.ip_interface("127.0.0.1/8") in lo.addresses


# Netlink


def message(kind: int, body: bytes) -> bytes:
    padded = body + bytes(-len(body) % 4)
    return struct.pack("=LHHLL", 16 + len(body), kind, 0, 0, 0) + padded


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


LINK = message(16, bytes(16) + attribute(3, b"eth0\0"))
SCAN = message(16, bytes(16) + attribute(3, b"wlan0\0") + attribute(11, b"..."))


def test_netlink_messages_about_links_and_addresses_are_distinguished_from_scans() -> None:
    assert list(parse_netlink(LINK + message(20, bytes(8)) + SCAN + message(17, bytes(16)))) == [
        Event.LINK,
        Event.ADDRESS,
        Event.LINK,
    ]
    assert list(parse_netlink(message(24, b"a route"))) == []


@given(st.binary(max_size=200) | st.integers(0, 200).map(lambda n: (LINK + SCAN + LINK)[:n]))
def test_parsing_any_netlink_bytes_ends(data: bytes) -> None:
    assert all(isinstance(event, Event) for event in parse_netlink(data))


def test_interface_watch_polls_if_netlink_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(interface_watch, "_open_netlink", refuse)  # as in a sandbox without netlink

    async def watch() -> list[frozenset[Event]]:
        told: asyncio.Queue[frozenset[Event]] = asyncio.Queue()
        watch = InterfaceWatch(told.put_nowait, poll=0.01)
        watch.start()
        assert watch._socket is None
        events = [await told.get(), await told.get()]
        watch.stop()
        await asyncio.sleep(0.03)
        assert told.empty()
        return events

    assert asyncio.run(asyncio.wait_for(watch(), 5.0)) == [frozenset({Event.ADDRESS})] * 2


def test_interfaces_are_read_at_most_once_a_second() -> None:
    now, read = [10.0], list[float]()

    def reading() -> tuple[Interface, ...]:
        read.append(now[0])
        return ()

    recent = RecentInterfaces(reading, clock=lambda: now[0])
    for now[0] in (10.0, 10.5, 10.99, 11.0, 11.5, 13.0):
        assert recent() == ()
    assert read == [10.0, 11.0, 13.0]
