"""All connections share a memory budget. If they exceed it, the client that uses most is disconnected."""

import asyncio
import gc
import weakref

import pytest

from sync.net.memory import MemoryBudget
from sync.net.turn_scheduler import ConnectionOwner
from tests.polling import until

from .wire import run


class Holder:
    def __init__(self, owner: ConnectionOwner, *, rest: int = 0) -> None:
        self.owner, self.is_shed, self._rest = owner, False, rest

    def shed(self) -> int:
        assert not self.is_shed
        self.is_shed = True
        return self._rest


def test_largest_connection_of_the_client_that_uses_most_memory_is_closed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        memory = MemoryBudget(most=100)
        greedy, honest = ConnectionOwner("user mallory"), ConnectionOwner("user bridge")
        few, more, one = Holder(greedy), Holder(greedy), Holder(honest)
        memory.report(one, 40)
        memory.report(few, 20)
        memory.report(more, 40)
        assert [holder.is_shed for holder in (few, more, one)] == [False] * 3
        memory.report(few, 21)
        assert (few.is_shed, more.is_shed, one.is_shed) == (False, True, False)
        assert memory.total == 61
        assert "mallory" in caplog.text

    run(main())


def test_connections_count_until_they_have_ended_and_are_closed_once() -> None:
    async def main() -> None:
        memory = MemoryBudget(most=100)
        slow, other = Holder(ConnectionOwner("slow"), rest=30), Holder(ConnectionOwner("other"), rest=5)
        memory.report(slow, 90)
        memory.report(other, 20)
        assert (slow.is_shed, other.is_shed, memory.total) == (True, False, 50)
        memory.report(other, 75)
        assert (other.is_shed, memory.total) == (True, 35)
        memory.report(slow, 200)
        assert memory.total == 205
        memory.forget(slow)
        memory.forget(other)
        assert memory.total == 0

    run(main())


def test_freed_memory_no_longer_counts() -> None:
    async def main() -> None:
        memory = MemoryBudget(most=140)
        holders = [Holder(ConnectionOwner(str(number))) for number in range(10)]
        for holder in holders:
            memory.report(holder, 90)
            memory.report(holder, 5)
        assert memory.total == 50
        for holder in holders:
            memory.forget(holder)
        assert memory.total == 0
        assert not any(holder.is_shed for holder in holders)

    run(main())


def test_memory_is_returned_to_the_system_after_much_was_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[None] = []
    monkeypatch.setattr("sync.net.memory.release_free_memory", lambda: times.append(None))

    async def main() -> None:
        memory = MemoryBudget(most=100_000_000)
        small, large = Holder(ConnectionOwner("a")), Holder(ConnectionOwner("b"))
        memory.report(small, 100_000)
        memory.forget(small)
        memory.report(large, 50_000_000)
        memory.forget(large)
        memory.report(small, 100_000)
        memory.forget(small)
        await asyncio.get_running_loop().shutdown_default_executor()
        assert len(times) == 1

    run(main())


def test_reference_cycles_of_closed_connections_are_collected() -> None:
    class Remains:
        def __init__(self) -> None:
            self.itself = self

    async def main() -> None:
        memory = MemoryBudget()
        left = weakref.WeakSet[Remains]()
        for _ in range(20):
            left.add(Remains())
            memory.departed()
        await until(lambda: not left, "what is left of connections goes")

    enabled = gc.isenabled()
    gc.disable()
    try:
        run(main())
    finally:
        if enabled:
            gc.enable()
