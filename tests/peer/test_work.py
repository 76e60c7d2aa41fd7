"""A connection's work is done in small slices and at a limited rate."""

from collections.abc import Generator

import pytest

from sync.peer import limits
from sync.peer.work import Work
from sync.replication.messages import MessageError

from .rig import Clock

SLICE = limits.WORK_SLICE


def job(done: list[str], name: str, steps: int, cost: int = SLICE) -> Generator[int, None, None]:
    """Yield `cost` at each step, and append to `done` when the job completes and when it is closed."""
    try:
        for _ in range(steps):
            yield cost
        done.append(name)
    finally:
        done.append(f"{name} closed")


def test_one_turn_runs_one_slice() -> None:
    work, done = Work(Clock()), list[str]()
    work.add(job(done, "a", 3))
    for _ in range(3):
        work.pump()
        assert done == []
        assert not work.is_idle
    work.pump()
    assert done == ["a", "a closed"]
    assert work.is_idle
    assert work.deadline is None


def test_small_jobs_share_a_slice() -> None:
    work, done = Work(Clock()), list[str]()
    for name in "abc":
        work.add(job(done, name, 1, cost=100))
    work.pump()
    assert [name for name in done if len(name) == 1] == ["a", "b", "c"]


def test_work_runs_no_faster_than_its_rate() -> None:
    clock = Clock()
    work, done = Work(clock, rate=1000.0, allowance=500.0), list[str]()
    for number in range(50):
        work.add(job(done, str(number), 1, cost=100))
    began, turns = clock.now, 0
    while not work.is_idle:
        due = work.deadline
        assert due is not None
        assert due >= clock.now
        clock.now = due
        work.pump()
        turns += 1
        assert turns < 1000, "it never comes to rest"
    assert 4.3 <= clock.now - began <= 4.6  # 5000 units at 1000 per second, minus the allowance
    assert len(done) == 100


def test_allowance_does_not_grow_beyond_its_bound_while_idle() -> None:
    clock = Clock()
    work, done = Work(clock, rate=1000.0, allowance=500.0), list[str]()
    clock.now += 1_000_000
    for number in range(20):
        work.add(job(done, str(number), 1, cost=100))
    work.pump()
    assert len([name for name in done if not name.endswith("closed")]) <= 6


def test_short_job_runs_before_a_long_one() -> None:
    work, done = Work(Clock()), list[str]()
    work.add(job(done, "long", 100))
    work.pump()
    work.begin(job(done, "quick", 1, cost=10))
    work.pump()
    assert done == ["quick", "quick closed"]


def test_short_job_waits_when_the_connection_has_used_too_much() -> None:
    clock = Clock()
    work, done = Work(clock, rate=1000.0, allowance=500.0), list[str]()
    work.begin(job(done, "dear", 1, cost=2500))
    work.begin(job(done, "next", 1, cost=10))
    work.pump()
    assert "next" not in done
    due = work.deadline
    assert due is not None
    assert 1.9 <= due - clock.now <= 2.1
    clock.now = due
    work.pump()
    clock.now += 1
    work.pump()
    assert [name for name in done if not name.endswith("closed")] == ["dear", "next"]


def test_jobs_beyond_the_queue_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "JOBS_WAITING", 3)
    work, done = Work(Clock()), list[str]()
    for _ in range(3):
        work.add(job(done, "a", 1))
    with pytest.raises(MessageError) as refused:
        work.add(job(done, "a", 1))
    assert refused.value.code == 503


def test_closed_work_drops_its_jobs_and_accepts_no_more() -> None:
    work, done = Work(Clock()), list[str]()
    work.add(job(done, "begun", 9))
    work.pump()
    work.add(job(done, "waiting", 9))
    work.close()
    assert done == ["begun closed"]
    work.add(job(done, "late", 1))
    assert work.is_idle
    work.pump()


def test_job_that_closes_the_work_itself_is_closed() -> None:
    work, done = Work(Clock()), list[str]()

    def closing() -> Generator[int, None, None]:
        try:
            work.close()
            yield 1
            done.append("went on")
        finally:
            done.append("closed")

    work.add(closing())
    work.pump()
    work.pump()
    assert done == ["closed"]
