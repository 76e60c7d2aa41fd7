"""Polling checks a condition until it is true, and pauses longer between checks that take longer."""

import pytest

from tests import polling


class Clock:
    """Simulated clock that advances during each check of a condition and during pauses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, cost: float) -> None:
        self.now, self.cost, self.pauses = 0.0, cost, list[float]()
        monkeypatch.setattr("tests.polling.time.monotonic", lambda: self.now)
        monkeypatch.setattr("tests.polling.time.sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def ask(self) -> bool:
        self.now += self.cost
        return False


def test_wait_until_returns_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    Clock(monkeypatch, cost=0.0)
    answers = iter((None, 0, "found"))
    assert polling.wait_until(lambda: next(answers), "it is found") == "found"


def test_checking_an_expensive_condition_takes_a_fifth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, cost=0.5)
    with pytest.raises(AssertionError, match="not within 10 s: it is so"):
        polling.wait_until(clock.ask, "it is so", within=10.0)
    assert set(clock.pauses) == {2.0}


def test_condition_is_checked_once_more_after_the_last_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, cost=0.0)
    monkeypatch.setattr(polling, "LEAST_PAUSE_S", 7.0)
    answers = iter((False, False, True))
    assert polling.wait_until(lambda: next(answers), "it is so", within=10.0)
    assert clock.now == 14.0
