"""The addresses of users are remembered for a limited time."""

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


def test_an_address_is_remembered_for_its_user_alone(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    assert welcome.note("anna", "192.0.2.7")
    assert welcome.has("anna", "192.0.2.7")
    assert welcome.has("anna", "::ffff:192.0.2.7")
    assert not welcome.has("bo", "192.0.2.7")
    assert not welcome.has("anna", "192.0.2.8")
    assert not welcome.has_site("anna", "192.0.2.8")


def test_of_ipv6_the_64_is_known_too(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    welcome.note("anna", "2001:db8::1")
    assert welcome.has_site("anna", "2001:db8::2")
    assert not welcome.has("anna", "2001:db8::2")
    assert not welcome.has_site("anna", "2001:db8:0:1::1")
    welcome.note("anna", "fe80::1%wlan0")
    assert welcome.has("anna", "fe80::1%eth0")


def test_the_same_address_is_noted_once_a_day(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    assert welcome.note("anna", "192.0.2.7")
    assert not welcome.note("anna", "192.0.2.7")
    clock.now += NOTE_EVERY_S
    assert welcome.note("anna", "192.0.2.7")


def test_an_address_that_is_not_used_is_forgotten_in_time(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    welcome.note("anna", "192.0.2.7")
    clock.now += EXPIRES_S - 1
    assert welcome.has("anna", "192.0.2.7")
    clock.now += 1
    assert not welcome.has("anna", "192.0.2.7")
    assert not welcome.has_site("anna", "192.0.2.7")


def test_few_addresses_and_users_are_kept_the_latest(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    for number in range(100):
        clock.now += 1
        welcome.note("anna", f"192.0.2.{number}")
    assert sorted(welcome.as_json()["anna"]) == sorted(f"192.0.2.{n}" for n in range(100 - ADDRESSES, 100))
    for number in range(USERS + 10):
        welcome.note(f"user-{number}", "192.0.2.7")
    assert len(welcome.as_json()) == USERS
    assert not welcome.has("anna", "192.0.2.99")


def test_a_changed_password_makes_strangers_of_addresses(clock: Clock) -> None:
    welcome = KnownAddresses(utc=clock)
    welcome.note("anna", "192.0.2.7")
    assert welcome.forget(["anna", "bo"])
    assert not welcome.has("anna", "192.0.2.7")
    assert not welcome.forget(["anna"])


@given(st.lists(st.tuples(st.sampled_from(["anna", "bo"]), st.ip_addresses()), max_size=20))
def test_what_is_kept_is_known_after_a_restart(noted: list[tuple[str, object]]) -> None:
    clock = Clock()
    welcome = KnownAddresses(utc=clock)
    for user, address in noted:
        welcome.note(user, str(address))
    again = KnownAddresses(utc=clock, stored=json.loads(json.dumps(welcome.as_json())))
    assert again.as_json() == welcome.as_json()


def test_a_time_in_the_future_and_what_is_malformed_do_no_harm(clock: Clock) -> None:
    kept = {"anna": {"192.0.2.7": 10.0**18}, "bo": 3, "cy": {"192.0.2.7": "x", "192.0.2.8": True}}
    welcome = KnownAddresses(utc=clock, stored=kept)
    assert welcome.has("anna", "192.0.2.7")
    clock.now += EXPIRES_S
    assert not welcome.has("anna", "192.0.2.7")
    assert welcome.as_json().keys() <= {"anna"}
