"""The connections of a process receive time slices of limited length in a fair order."""

import asyncio
from collections.abc import Callable

from sync.net.turn_scheduler import HALF_LIFE_S, TURN_S, ConnectionOwner, TurnScheduler, turn_scheduler

from .wire import run


class Worker:
    """Simulated connection that has a number of tasks, and runs as many as fit into each time slice."""

    def __init__(self, name: str, done: list[str], pieces: int, piece: Callable[[], None]) -> None:
        self.owner = ConnectionOwner(name)
        self.left, self._done, self._piece = pieces, done, piece

    def take_turn(self, until: float) -> bool:
        loop = asyncio.get_running_loop()
        while self.left:
            self.left -= 1
            self._done.append(self.owner.name)
            self._piece()
            if loop.time() >= until:
                break
        return bool(self.left)


async def passes(holds: Callable[[], object]) -> None:
    """Let the event loop run until a condition is true."""
    for _ in range(10_000):
        if holds():
            return
        await asyncio.sleep(0)
    raise AssertionError("the event loop has looked around often enough")


def busy() -> None:
    """Use the processor for slightly longer than a time slice."""
    loop = asyncio.get_running_loop()
    until = loop.time() + 1.1 * TURN_S
    while loop.time() < until:
        pass


def test_worker_with_the_least_time_used_is_next() -> None:
    async def main() -> None:
        done: list[str] = []
        greedy = [Worker(name, done, 20, busy) for name in ("a", "b", "c")]
        for worker in greedy:
            turn_scheduler().request(worker)
        await passes(lambda: len(done) >= 9)
        so_far = len(done)
        modest = Worker("modest", done, 1, lambda: None)
        turn_scheduler().request(modest)
        await passes(lambda: not modest.left)
        assert done.index("modest") <= so_far + 1
        await passes(lambda: not any(worker.left for worker in greedy))
        assert sorted(done) == sorted([*"abc"] * 20 + ["modest"])
        assert {*done[:3]} == {*"abc"}

    run(main())


def test_event_loop_runs_other_tasks_after_each_turn() -> None:
    async def main() -> None:
        done: list[str] = []
        worker = Worker("a", done, 10, busy)
        turn_scheduler().request(worker)
        looked: list[int] = []
        while worker.left:
            looked.append(len(done))
            await asyncio.sleep(0)
        assert looked == sorted(set(looked))  # the event loop ran between any two tasks

    run(main())


def test_short_tasks_are_done_at_once() -> None:
    async def main() -> None:
        done: list[str] = []
        for name in "abc":
            turn_scheduler().request(Worker(name, done, 1, lambda: None))
        assert done == ["a", "b", "c"]

    run(main())


def test_worker_that_requests_a_turn_while_it_runs_has_another() -> None:
    async def main() -> None:
        done: list[str] = []
        worker = Worker("a", done, 1, lambda: None)
        worker._piece = lambda: turn_scheduler().request(worker)
        turn_scheduler().request(worker)
        worker._piece, worker.left = (lambda: None), 1
        assert done == ["a"]
        await passes(lambda: not worker.left)
        assert done == ["a", "a"]

    run(main())


def test_time_used_by_an_owner_decays() -> None:
    owner = ConnectionOwner("a")
    owner.charge(1.0, 100.0)
    assert owner.spent(100.0) == 1.0
    assert owner.spent(100.0 + HALF_LIFE_S) == 0.5
    assert owner.spent(100.0 + 60 * HALF_LIFE_S) < 1e-6


def test_error_of_one_worker_does_not_stop_others() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        told: list[object] = []
        loop.set_exception_handler(lambda _, context: told.append(context["exception"]))
        done: list[str] = []

        def fault() -> None:
            raise ValueError("a fault")

        slow = Worker("slow", done, 1, busy)
        broken, good = Worker("broken", done, 1, fault), Worker("good", done, 1, lambda: None)
        own = TurnScheduler(loop)
        for worker in (slow, broken, good):
            own.request(worker)
        await passes(lambda: not good.left)
        assert len(told) == 1

    run(main())
