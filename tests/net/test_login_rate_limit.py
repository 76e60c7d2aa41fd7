"""The listener limits password attempts, and computes no password hash for clients above the limit."""

import asyncio
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.net.authenticators import (
    BasicAuthenticator,
    Client,
    ListenerAuthenticators,
    ListenerPasswordAuthenticator,
    Refusal,
    User,
)
from sync.net.known_addresses import site_of
from sync.net.login_rate_limit import LoginAttempts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def wrong(
    guesses: LoginAttempts, times: int, address: str = "192.0.2.7", user: str = "bridge"
) -> list[float]:
    return [guesses.attempt(address, user) for _ in range(times)]


def test_address_with_too_many_wrong_passwords_waits_until_the_first_expires(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_address=3, window_s=60)
    assert wrong(guesses, 1) == [0]
    clock.now += 10
    assert wrong(guesses, 4) == [0, 0, 50, 50]
    clock.now += 50
    assert wrong(guesses, 2) == [0, 10]


def test_other_addresses_are_not_delayed(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_address=1, per_user=9)
    assert wrong(guesses, 2)[1] > 0
    assert wrong(guesses, 1, "192.0.2.8") == [0]


def test_wrong_passwords_for_a_user_are_limited_over_all_addresses(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_user=3)
    assert [wrong(guesses, 1, f"192.0.2.{number}")[0] > 0 for number in range(5)] == [0, 0, 0, 1, 1]
    assert wrong(guesses, 1, "192.0.2.9", "galley") == [0]


def test_user_under_attack_can_still_log_in_from_a_known_address(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_address=3, per_user=3)
    assert guesses.attempt("192.0.2.1", "bridge") == 0
    guesses.succeeded("192.0.2.1", "bridge")
    for number in range(10, 15):
        wrong(guesses, 1, f"192.0.2.{number}")
    assert wrong(guesses, 1, "192.0.2.2")[0] > 0
    assert wrong(guesses, 1, "192.0.2.1") == [0]


def test_successful_login_neither_counts_nor_resets_the_count(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_address=3)
    for _ in range(20):
        assert guesses.attempt("192.0.2.7", "bridge") == 0
        guesses.succeeded("192.0.2.7", "bridge")
    wrong(guesses, 2, user="galley")
    assert guesses.attempt("192.0.2.7", "bridge") == 0
    guesses.succeeded("192.0.2.7", "bridge")
    assert wrong(guesses, 2, user="galley")[0] == 0
    assert wrong(guesses, 1, user="galley")[0] > 0


def test_attempts_in_progress_count(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_address=2)
    assert [wait > 0 for wait in wrong(guesses, 3)] == [False, False, True]
    guesses.take_back("192.0.2.7", "bridge")
    assert wrong(guesses, 1) == [0]


def test_addresses_in_one_ipv6_64_prefix_count_as_one() -> None:
    assert site_of("[2001:db8::1]") == site_of("2001:db8::ffff:1") == site_of("[2001:db8::2%eth0]")
    assert site_of("2001:db8:0:1::1") != site_of("2001:db8::1")
    assert site_of("192.0.2.7") != site_of("192.0.2.8")
    assert site_of("an unknown address") == "an unknown address"
    assert site_of("[fe80::1%mesh0]") != site_of("[fe80::2%mesh0]"), "a radio has link-local addresses alone"


def test_memory_for_attempts_is_bounded(clock: Clock) -> None:
    guesses = LoginAttempts(clock, capacity=8, per_address=1)
    for number in range(1000):
        wrong(guesses, 1, f"10.0.{number // 250}.{number % 250}", f"user-{number}" * 50)
        guesses.succeeded(f"10.0.{number // 250}.{number % 250}", f"user-{number}" * 50)
    wrong(guesses, 20, user="a")
    welcome = guesses.welcome.as_json()
    held = (guesses._by_address._times, guesses._by_user._times, guesses._by_pair._times, welcome)
    assert all(len(names) <= 8 for names in held)
    assert max(len(user) for user in welcome) <= 100


def test_attacker_in_the_same_64_prefix_does_not_lock_out_a_known_address(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_address=3, per_user=3)
    guesses.attempt("fe80::1", "bridge")
    guesses.succeeded("fe80::1", "bridge")
    for number in range(2, 12):
        wrong(guesses, 3, f"fe80::{number}")
    assert wrong(guesses, 1, "fe80::99")[0] > 0
    assert wrong(guesses, 4, "fe80::1") == [0, 0, 0, 300]


def test_attacker_in_a_known_64_prefix_is_still_limited(clock: Clock) -> None:
    guesses = LoginAttempts(clock, per_address=3, per_user=5)
    guesses.attempt("2001:db8::1", "bridge")
    guesses.succeeded("2001:db8::1", "bridge")
    tried = [wrong(guesses, 1, f"2001:db8::{number}")[0] for number in range(2, 30)]
    assert sum(wait == 0 for wait in tried) == 3


def test_limits_are_positive(clock: Clock) -> None:
    for options in ({"per_address": 0}, {"per_user": 0}, {"capacity": 0}, {"window_s": 0.0}):
        with pytest.raises(ValueError, match="must be positive"):
            LoginAttempts(clock, **options)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.floats(0, 40)), max_size=60))
def test_no_window_contains_more_attempts_than_the_limits_allow(steps: list[tuple[int, int, float]]) -> None:
    clock = Clock()
    guesses = LoginAttempts(clock, per_address=3, per_user=5, window_s=60)
    looked: dict[str, list[float]] = defaultdict(list)
    for address, user, pause in steps:
        clock.now += pause
        recent = {
            name: sum(then > clock.now - 60 for then in looked[name]) for name in (f"a{address}", f"u{user}")
        }
        allowed = recent[f"a{address}"] < 3 and recent[f"u{user}"] < 5
        assert (guesses.attempt(f"192.0.2.{address}", f"user-{user}") == 0) == allowed
        if allowed:
            looked[f"a{address}"].append(clock.now)
            looked[f"u{user}"].append(clock.now)


# In a listener's authenticators


def judge(authenticators: ListenerAuthenticators, password: str, address: str) -> Client | Refusal:
    header = BasicAuthenticator("bridge", password).headers()["Authorization"]
    return asyncio.run(authenticators.authenticate(header, None, address))


def test_no_password_is_checked_for_a_client_over_the_limit(clock: Clock) -> None:
    looked_at: list[str] = []

    def check(_: str, password: str) -> bool:
        looked_at.append(password)
        return password == "kedge"

    guesses = LoginAttempts(clock, per_address=2, window_s=60)
    authenticators = ListenerAuthenticators(password=ListenerPasswordAuthenticator(check, guesses=guesses))
    for guess in ("a", "b"):
        refusal = judge(authenticators, guess, "192.0.2.7")
        assert isinstance(refusal, Refusal)
        assert refusal.status == 401
    clock.now += 0.5
    refusal = judge(authenticators, "kedge", "192.0.2.7")
    assert refusal == Refusal(429, "too many wrong passwords; try again in 60 s", {"Retry-After": "60"})
    assert looked_at == ["a", "b"]
    assert judge(authenticators, "kedge", "192.0.2.8") == User("bridge")
    clock.now += 60
    assert judge(authenticators, "kedge", "192.0.2.7") == User("bridge")


def test_failing_callback_is_not_counted_as_a_wrong_password(clock: Clock) -> None:
    def broken(*_: object) -> bool:
        raise LookupError("no users file")

    guesses = LoginAttempts(clock, per_address=1)
    authenticators = ListenerAuthenticators(password=ListenerPasswordAuthenticator(broken, guesses=guesses))
    for _ in range(3):
        with pytest.raises(LookupError, match="no users file"):
            judge(authenticators, "kedge", "192.0.2.7")
