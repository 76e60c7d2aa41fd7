"""Connecting is retried after transient problems, with increasing waits, but not after permanent ones."""

import errno
import random
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.net.backoff import (
    JITTER,
    ONE_SHOT_ATTEMPTS,
    Backoff,
    is_transient,
    is_worth_retrying,
    max_attempts,
    may_be_network_dependent,
)
from sync.peer.problems import Domain, Problem

waits = st.floats(0.001, 10_000)
seeds = st.integers(0, 2**32)


def problem(domain: Domain, code: int = 0) -> Problem:
    return Problem(domain, code, "it went wrong")


class Highest(random.Random):
    """Random number generator that always returns its highest value, which makes waits shortest."""

    def random(self) -> float:
        return 1 - 2**-53


class Lowest(random.Random):
    """Random number generator that always returns its lowest value, which makes waits longest."""

    def random(self) -> float:
        return 0.0


@pytest.mark.parametrize("code", [408, 429, 502, 503, 504, 1001, 1006, 1012, 1013, 1014, 4001])
def test_a_server_that_is_overloaded_or_restarting_is_tried_again(code: int) -> None:
    assert is_transient(problem(Domain.WEBSOCKET, code))


@pytest.mark.parametrize(
    "code", [400, 401, 403, 404, 409, 426, 500, 501, 1000, 1002, 1003, 1007, 1008, 1009, 1011, 1015, 4002]
)
def test_a_server_that_refuses_is_not_tried_again(code: int) -> None:
    assert not is_transient(problem(Domain.WEBSOCKET, code))
    assert not is_worth_retrying(problem(Domain.WEBSOCKET, code), continuous=True)


@pytest.mark.parametrize(
    "code", [errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.ECONNABORTED, errno.EPIPE]
)
def test_a_connection_that_broke_is_tried_again(code: int) -> None:
    assert is_transient(problem(Domain.POSIX, code))


@pytest.mark.parametrize("code", [errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN])
def test_without_a_route_to_the_peer_only_a_continuous_replication_waits(code: int) -> None:
    assert not is_transient(problem(Domain.POSIX, code))
    assert may_be_network_dependent(problem(Domain.POSIX, code))
    assert is_worth_retrying(problem(Domain.POSIX, code), continuous=True)
    assert not is_worth_retrying(problem(Domain.POSIX, code), continuous=False)


def test_silent_name_server_is_transient_but_an_unknown_name_needs_another_network() -> None:
    assert is_transient(problem(Domain.DNS, socket.EAI_AGAIN))
    assert not is_transient(problem(Domain.DNS, socket.EAI_NONAME))
    assert may_be_network_dependent(problem(Domain.DNS, socket.EAI_NONAME))


@pytest.mark.parametrize("continuous", [False, True])
def test_a_certificate_that_does_not_match_is_not_tried_again(continuous: bool) -> None:
    assert not is_worth_retrying(problem(Domain.TLS), continuous=continuous)


def test_a_store_that_is_full_or_busy_is_tried_again() -> None:
    assert is_transient(problem(Domain.STORE))
    assert is_transient(problem(Domain.LITECORE, 16))


def test_a_peer_that_breaks_the_protocol_is_not_tried_again() -> None:
    assert not is_transient(problem(Domain.BLIP, 400))
    assert not is_transient(problem(Domain.LITECORE, 8))


@given(st.sampled_from(Domain), st.integers(-(2**40), 2**40), st.booleans())
def test_any_problem_is_classified(domain: Domain, code: int, continuous: bool) -> None:
    assert is_worth_retrying(problem(domain, code), continuous=continuous) in (True, False)


@given(seeds, waits, waits, st.integers(1, 2000))
def test_each_wait_is_within_its_range_and_never_above_the_longest(
    seed: int, base: float, longest: float, count: int
) -> None:
    backoff = Backoff(random.Random(seed), base_s=base, max_wait_s=longest)
    for attempt in range(min(count, 50)):
        nominal = min(base * 2**attempt, longest)
        delay = backoff.next_delay()
        assert delay is not None
        assert nominal * (1 - JITTER) <= delay <= nominal <= longest


@given(seeds, waits)
def test_waits_grow_until_the_longest_is_reached(seed: int, base: float) -> None:
    backoff = Backoff(random.Random(seed), base_s=base, max_wait_s=base * 2**12)
    delays = [delay for _ in range(12) if (delay := backoff.next_delay()) is not None]
    assert delays == sorted(delays)
    assert delays[-1] > delays[0] * 2


def test_whole_range_of_waits_is_used() -> None:
    assert Backoff(Lowest(), base_s=4).next_delay() == 4
    assert Backoff(Highest(), base_s=4).next_delay() == pytest.approx(2)


def test_after_ten_thousand_failures_waits_are_still_no_longer_than_the_longest() -> None:
    backoff = Backoff(Lowest())
    assert {backoff.next_delay() for _ in range(10_000)} == {2, 4, 8, 16, 32, 64, 128, 256, 300}


@given(st.integers(1, 50))
def test_retrying_ends_after_the_allowed_number_of_attempts(allowed: int) -> None:
    backoff = Backoff(random.Random(1), max_attempts=allowed)
    delays = [backoff.next_delay() for _ in range(allowed + 2)]
    assert None not in delays[: allowed - 1]
    assert delays[allowed - 1 :] == [None] * 3
    assert backoff.failures == allowed + 2


def test_a_one_shot_replication_has_ten_attempts_and_a_continuous_one_any_number() -> None:
    assert max_attempts(continuous=False) == ONE_SHOT_ATTEMPTS == 10
    assert max_attempts(continuous=True) is None


def test_success_resets_the_count_and_the_waits() -> None:
    backoff = Backoff(Lowest(), max_attempts=3)
    assert [backoff.next_delay(), backoff.next_delay()] == [2, 4]
    backoff.succeeded()
    assert [backoff.next_delay(), backoff.next_delay(), backoff.next_delay()] == [2, 4, None]


def test_new_network_makes_the_next_attempt_immediate_and_resets_the_count() -> None:
    backoff = Backoff(Lowest(), max_attempts=3)
    assert [backoff.next_delay(), backoff.next_delay()] == [2, 4]
    backoff.reachability_changed()
    assert [backoff.next_delay(), backoff.next_delay(), backoff.next_delay()] == [0, 4, None]


def test_success_clears_the_network_change() -> None:
    backoff = Backoff(Lowest())
    backoff.reachability_changed()
    backoff.succeeded()
    assert backoff.next_delay() == 2


@pytest.mark.parametrize("arguments", [{"max_attempts": 0}, {"max_wait_s": 0.0}, {"base_s": -1.0}])
def test_invalid_limits_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Backoff(random.Random(1), **arguments)  # type: ignore[arg-type]
