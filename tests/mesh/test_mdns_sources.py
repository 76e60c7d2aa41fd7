"""The record of which addresses announced each mDNS name is limited in size, and its entries expire.

Malformed packets are ignored.
"""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st
from zeroconf import DNSOutgoing, ServiceInfo  # type: ignore[attr-defined]

from sync.mesh.mdns_sources import ADDRESSES, NAMES, MdnsSources
from sync.mesh.sightings import SERVICE_TYPE

RESPONSE, QUERY = 0x8400, 0


def packet(name: str, *, flags: int = RESPONSE, ttl: int = 120) -> bytes:
    info = ServiceInfo(SERVICE_TYPE, name, port=1, server="x.local.", host_ttl=ttl)
    out = DNSOutgoing(flags)
    out.add_answer_at_time(info.dns_service(), 0)
    (data,) = out.packets()
    return bytes(data)


ARGO = f"argo-abcdef.{SERVICE_TYPE}"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_sources_are_kept_for_a_while_after_the_last_announcement() -> None:
    clock = Clock()
    hearing = MdnsSources(memory=120.0, clock=clock)
    hearing.process_packet(packet(ARGO), "10.0.0.1")
    clock.now = 100.0
    hearing.process_packet(packet(ARGO), "fe80::1%2")
    assert hearing.sources(ARGO) == {"10.0.0.1", "fe80::1%2"}
    clock.now = 130.0
    assert hearing.sources(ARGO) == {"fe80::1%2"}
    assert hearing.sources(f"brigid-abcdef.{SERVICE_TYPE}") == frozenset()


def test_queries_and_goodbyes_are_not_recorded_as_sources() -> None:
    hearing = MdnsSources(memory=120.0, clock=Clock())
    hearing.process_packet(packet(ARGO, flags=QUERY), "10.0.0.1")
    hearing.process_packet(packet(ARGO, ttl=0), "10.0.0.1")
    assert hearing.sources(ARGO) == frozenset()


def test_number_of_names_and_addresses_is_bounded() -> None:
    hearing = MdnsSources(memory=120.0, clock=Clock())
    for number in range(ADDRESSES + 3):
        hearing.process_packet(packet(ARGO), f"10.0.0.{number}")
    assert hearing.sources(ARGO) == {f"10.0.0.{number}" for number in range(3, ADDRESSES + 3)}
    for number in range(NAMES):
        hearing.process_packet(packet(f"x{number}.{SERVICE_TYPE}"), "10.0.0.1")
    assert hearing.sources(ARGO) == frozenset()
    assert hearing.sources(f"x0.{SERVICE_TYPE}") == {"10.0.0.1"}


@given(st.binary(max_size=200) | st.integers(0, 80).map(lambda n: packet(ARGO)[:n]), st.binary(max_size=20))
def test_malformed_packets_are_ignored_or_refused(data: bytes, more: bytes) -> None:
    hearing = MdnsSources(memory=120.0, clock=Clock())
    with suppress(ValueError):
        hearing.process_packet(data + b"_logboat" + more, "10.0.0.1")
    assert hearing.sources(ARGO) in {frozenset(), frozenset({"10.0.0.1"})}
