"""An encoded advertisement of a vessel is decoded without changes, and invalid records are rejected."""

import string
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import ServiceInfo

from sync.mesh.sightings import (
    SERVICE_TYPE,
    STRING_BYTES,
    Advertisement,
    AdvertisementError,
    Sighting,
    SightingChange,
    SightingChangeKind,
    Sightings,
    is_instance,
    with_links,
)

NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=32)
ADVERTISEMENTS = st.builds(
    Advertisement,
    vessel=NAMES,
    log=st.text(string.ascii_lowercase, min_size=6, max_size=6),
    fleet=st.text(st.characters(categories=("L", "N")), min_size=1, max_size=16),
    db=st.just("log"),
    store=st.uuids().map(str),
    port=st.integers(1, 65535),
    links=st.lists(NAMES, max_size=20, unique=True).map(tuple),
)
ARGO = Advertisement("argo", "abcdef", "isles", "log", str(uuid.UUID(int=1)), 4984)


def over_the_wire(advertisement: Advertisement) -> dict[bytes, bytes | None]:
    """Encode and decode an advertisement with zeroconf, and return its TXT properties."""
    name = f"x.{SERVICE_TYPE}"
    packed = ServiceInfo(SERVICE_TYPE, name, properties=advertisement.to_txt()).text
    return ServiceInfo(SERVICE_TYPE, name, properties=packed).properties


@given(ADVERTISEMENTS, st.sampled_from(["", "-2", "-17"]))
def test_advertisement_is_decoded_as_it_was_encoded(said: Advertisement, suffix: str) -> None:
    instance = said.instance + suffix
    assert is_instance(instance)
    seen = Sighting.from_txt(instance, over_the_wire(said), ("10.0.0.1",), said.port)
    assert seen == Sighting(
        vessel=said.vessel,
        log=said.log,
        fleet=said.fleet,
        db=said.db,
        store=said.store,
        links=said.links,
        addresses=("10.0.0.1",),
        port=said.port,
        instance=instance,
    )


@given(st.lists(NAMES, max_size=300, unique=True))
def test_last_links_are_omitted_if_they_do_not_fit(links: list[str]) -> None:
    said = replace(ARGO, links=tuple(links))
    assert all(len(f"{key}={value}".encode()) <= STRING_BYTES for key, value in said.to_txt().items())
    seen = Sighting.from_txt(said.instance, over_the_wire(said), (), 1).links
    assert seen == said.links[: len(seen)]
    assert len(seen) >= min(len(links), 28)


KEYS = st.sampled_from([b"v", b"vessel", b"fleet", b"db", b"store", b"links", b"links2", b"links4"])


@given(
    st.sampled_from([ARGO.instance, "argo-abcdef-9"]) | st.text(max_size=70),
    st.lists(st.tuples(KEYS, st.none() | st.binary(max_size=80) | NAMES.map(str.encode)), max_size=3),
    st.integers(0, 65535),
)
def test_invalid_advertisement_is_refused_with_a_printable_reason(
    instance: str, wrong: list[tuple[bytes, bytes | None]], port: int
) -> None:
    txt = over_the_wire(ARGO) | dict(wrong)
    try:
        seen = Sighting.from_txt(instance, txt, (), port)
    except AdvertisementError as error:
        text = str(error)
    else:
        text = seen.url("10.0.0.1") + seen.fleet + "".join(seen.links)
        assert instance.startswith(f"{seen.vessel}-{seen.log}")
        assert is_instance(instance) or len(instance) > 63
    assert text.isprintable()
    assert len(text) < 1200


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("v", b"2", "version '2'"),
        ("v", None, "no v"),
        ("vessel", b"brigid", "does not begin with the vessel's id 'brigid'"),
        ("vessel", b"\xff", "not text"),
        ("fleet", b"", "fleet"),
        ("fleet", b"a\nb", r"fleet 'a\\nb'"),
        ("fleet", b"a" * 65, "fleet"),
        ("db", b"../etc", "db"),
        ("store", b"1", "store '1' is not a UUID"),
        ("store", b"00000000000000000000000000000001", "UUID"),
        ("links", b"argo,,brigid", "links: ''"),
        ("links2", b"A" * 250, "link"),
    ],
)
def test_invalid_field_is_named(key: str, value: bytes | None, what: str) -> None:
    txt = over_the_wire(ARGO) | {key.encode(): value}
    with pytest.raises(AdvertisementError, match=what):
        Sighting.from_txt(ARGO.instance, txt, (), 4984)


@pytest.mark.parametrize("instance", ["argo-abcdef-x", "argo-abcdef-²", "argo-", "argo", "argo-ABCDEF", ""])
def test_instance_name_of_another_form_is_refused(instance: str) -> None:
    with pytest.raises(AdvertisementError):
        Sighting.from_txt(instance, over_the_wire(ARGO), (), 4984)


@pytest.mark.parametrize(
    "instance",
    [
        "",
        "argo",
        "argo-abcdef\n",
        "argo-abcdef.",
        "argo-abcdef-",
        "Argo-abcdef",
        "a..b-abcdef",
        "\ufffd" * 63,
    ],
)
def test_name_that_no_vessel_can_have_is_recognised(instance: str) -> None:
    assert not is_instance(instance)


def test_advertisement_that_would_be_refused_cannot_be_made() -> None:
    for wrong in ({"vessel": "Argo"}, {"log": ""}, {"port": 0}, {"store": "x"}, {"links": ("a,b",)}):
        with pytest.raises(AdvertisementError):
            replace(ARGO, **wrong)


def test_addresses_become_urls() -> None:
    sighting = seen("argo-abcdef")
    assert sighting.url("10.0.0.1") == "wss://10.0.0.1:4984/log"
    assert sighting.url("fd00::1") == "wss://[fd00::1]:4984/log"
    assert sighting.url("fe80::1%eth0") == "wss://[fe80::1%25eth0]:4984/log"


def test_links_are_advertised_in_a_fixed_order() -> None:
    assert with_links(ARGO, ["cygnet", "brigid", "cygnet"]) == replace(ARGO, links=("brigid", "cygnet"))


def seen(instance: str, *, port: int = 4984) -> Sighting:
    return Sighting.from_txt(instance, over_the_wire(ARGO), (), port)


INSTANCES = st.sampled_from(["argo-abcdef", "argo-abcdef-2", "argo-ghijkl", "argo-mnopqr"])
EVENTS = st.lists(
    st.tuples(st.just("see"), INSTANCES, st.integers(1, 2), st.booleans())
    | st.tuples(st.just("lose"), INSTANCES, st.just(0), st.just(False))
)


@given(EVENTS)
def test_reported_changes_reproduce_the_table(events: list[tuple[str, str, int, bool]]) -> None:
    table, follower = Sightings(limit=3), dict[str, Sighting]()
    for what, instance, port, was_silent in events:
        before = table.get(instance)
        if what == "see":
            change = table.record(seen(instance, port=port), was_silent=was_silent)
        else:
            change = table.lose(instance)
        match change:
            case SightingChange(SightingChangeKind.GONE, gone):
                assert follower.pop(instance) == gone == before
            case SightingChange(SightingChangeKind.FOUND, found):
                assert before is None
                follower[instance] = found
            case SightingChange(SightingChangeKind.CHANGED, changed):
                assert before not in {None, changed}
                follower[instance] = changed
            case SightingChange(SightingChangeKind.AGAIN, same):
                assert was_silent
                assert same == before
        assert follower == {sighting.instance: sighting for sighting in table}
        assert len(table) <= 3
        assert set(table.of_vessel("argo")) == set(table)


def test_full_table_refuses_new_instances_and_still_updates_known_ones() -> None:
    table = Sightings(limit=1)
    table.record(seen("argo-abcdef"))
    assert table.record(seen("argo-ghijkl")) is None
    assert table.refused == 1
    change = table.record(seen("argo-abcdef", port=1))
    assert change is not None
    assert change.kind is SightingChangeKind.CHANGED
