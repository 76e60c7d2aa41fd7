"""All replicators of a process share a single watcher for each store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.net import store_watch
from sync.net.store_watch import watch
from sync.store import Database
from tests.net.wire import run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "store.db") as database:
        yield database


class Woken:
    """Callback that counts its calls."""

    def __init__(self) -> None:
        self.times = 0
        self.event = asyncio.Event()

    def __call__(self) -> None:
        self.times += 1
        self.event.set()


def test_all_subscribers_are_notified_by_one_watcher(store: Database) -> None:
    async def main() -> None:
        one, two = Woken(), Woken()
        ends = [watch(store, one, one), watch(store, two, two)]
        assert len(store_watch._watches) == 1
        store.put("d", {})
        await one.event.wait()
        await two.event.wait()
        for end in ends:
            end()

    run(main())


def test_watcher_ends_with_its_last_subscriber(store: Database) -> None:
    async def main() -> None:
        one, two = Woken(), Woken()
        end_one, end_two = watch(store, one, one), watch(store, two, two)
        shared = store_watch._watches[store]
        end_one()
        assert store_watch._watches[store] is shared
        store.put("d", {})
        await two.event.wait()
        assert one.times == 0
        end_two()
        assert store not in store_watch._watches
        end_two()  # a second call has no effect
        again = Woken()
        end_again = watch(store, again, again)
        end_two()
        store.put("e", {})
        await again.event.wait()
        end_again()
        assert store not in store_watch._watches

    run(main())


def test_unsubscribing_during_notification_does_not_affect_others(store: Database) -> None:
    async def main() -> None:
        other = Woken()

        def leave() -> None:
            end()

        end = watch(store, "who leaves", leave)
        end_other = watch(store, other, other)
        store.put("d", {})
        await other.event.wait()
        end_other()
        assert store not in store_watch._watches

    run(main())


def test_each_store_has_its_own_watcher(store: Database, tmp_path: Path) -> None:
    async def main() -> None:
        one, two = Woken(), Woken()
        with Database.open(tmp_path / "another.db") as another:
            ends = [watch(store, one, one), watch(another, two, two)]
            another.put("d", {})
            await two.event.wait()
            assert one.times == 0
            for end in ends:
                end()

    run(main())


def test_change_by_a_connection_that_sends_no_notification_is_noticed(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_watch, "ASK_EVERY", 0.01)

    async def main() -> None:
        woken = Woken()
        end = watch(store, woken, woken)
        with Database.open(store.path) as elsewhere:
            elsewhere.put("d", {})
            await woken.event.wait()
        assert store.get("d") is not None
        end()

    run(main())


def test_successive_event_loops_each_have_a_watcher(store: Database) -> None:
    async def main() -> None:
        woken = Woken()
        end = watch(store, woken, woken)
        store.put("d", {"n": store.last_sequence}, parent=None if (d := store.get("d")) is None else d.rev)
        await woken.event.wait()
        end()

    run(main())
    run(main())
