"""A listener remembers the addresses from which users have logged in, for a limited time."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.net.known_addresses import ADDRESSES, EXPIRES_S, NOTE_EVERY_S, USERS, KnownAddresses


class Clock:
    now = 1_000_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_address_is_remembered_only_for_its_user(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    assert welcome.note("anna", "192.0.2.7")
    assert welcome.has("anna", "192.0.2.7")
    assert welcome.has("anna", "::ffff:192.0.2.7")
    assert not welcome.has("bo", "192.0.2.7")
    assert not welcome.has("anna", "192.0.2.8")
    assert not welcome.has_site("anna", "192.0.2.8")


def test_for_ipv6_the_64_prefix_is_remembered_too(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    welcome.note("anna", "2001:db8::1")
    assert welcome.has_site("anna", "2001:db8::2")
    assert not welcome.has("anna", "2001:db8::2")
    assert not welcome.has_site("anna", "2001:db8:0:1::1")
    welcome.note("anna", "fe80::1%wlan0")
    assert welcome.has("anna", "fe80::1%eth0")


def test_same_address_is_noted_once_a_day(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    assert welcome.note("anna", "192.0.2.7")
    assert not welcome.note("anna", "192.0.2.7")
    clock.now += NOTE_EVERY_S
    assert welcome.note("anna", "192.0.2.7")


def test_unused_address_expires(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    welcome.note("anna", "192.0.2.7")
    clock.now += EXPIRES_S - 1
    assert welcome.has("anna", "192.0.2.7")
    clock.now += 1
    assert not welcome.has("anna", "192.0.2.7")
    assert not welcome.has_site("anna", "192.0.2.7")


def test_only_the_latest_addresses_and_users_are_kept(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    for number in range(100):
        clock.now += 1
        welcome.note("anna", f"192.0.2.{number}")
    assert sorted(welcome.as_json()["anna"]) == sorted(f"192.0.2.{n}" for n in range(100 - ADDRESSES, 100))
    for number in range(USERS + 10):
        welcome.note(f"user-{number}", "192.0.2.7")
    assert len(welcome.as_json()) == USERS
    assert not welcome.has("anna", "192.0.2.99")


def test_addresses_of_a_user_are_forgotten_when_the_password_changes(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    welcome.note("anna", "192.0.2.7")
    assert welcome.forget(["anna", "bo"])
    assert not welcome.has("anna", "192.0.2.7")
    assert not welcome.forget(["anna"])


@given(st.lists(st.tuples(st.sampled_from(["anna", "bo"]), st.ip_addresses()), max_size=20))
def test_stored_addresses_are_known_after_a_restart(noted: list[tuple[str, object]]) -> None:
    clock = Clock()
    welcome = KnownAddresses(utc=clock)
    for user, address in noted:
        welcome.note(user, str(address))
    again = KnownAddresses(utc=clock, stored=json.loads(json.dumps(welcome.as_json())))
    assert again.as_json() == welcome.as_json()


def test_future_times_and_malformed_entries_in_the_file_are_tolerated(clock: Clock) -> None:
    kept = {"anna": {"192.0.2.7": 10.0**18}, "bo": 3, "cy": {"192.0.2.7": "x", "192.0.2.8": True}}
    welcome = KnownAddresses(utc=clock, stored=kept)
    assert welcome.has("anna", "192.0.2.7")
    clock.now += EXPIRES_S
    assert not welcome.has("anna", "192.0.2.7")
    assert welcome.as_json().keys() <= {"anna"}
