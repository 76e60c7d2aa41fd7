"""Transactions are atomic, including nested ones, those in several threads, and those on a full SD card."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from sync.store import ConflictError, Database, FullError, StoreError

from .builders import note


class WhimError(Exception):
    """Exception that a test raises inside a transaction to end it."""


def test_failed_transaction_leaves_no_changes(store: Database) -> None:
    store.put("before", {})

    def work() -> None:
        with store.transaction():
            store.put("a", {})
            store.put_local("checkpoint", {})
            store.set_floor("r:", "r:5")
            store.set_remote_revision("before", "brigid", "1-a")
            store.purge(["before"])
            raise WhimError

    with pytest.raises(WhimError):
        work()
    assert [document.id for document in store.documents()] == ["before"]
    assert store.get_local("checkpoint") is None
    assert not store.floor("r:1")
    assert store.remote_revision("before", "brigid") is None
    assert store.last_sequence == 1
    store.put("b", {})
    assert store.last_sequence == 2


def test_inner_transaction_fails_without_the_outer_one(store: Database) -> None:
    def inner() -> None:
        with store.transaction():
            store.put("b", {})
            with store.transaction():
                store.put("c", {})
            store.set_floor("r:", "r:5")
            raise WhimError

    with store.transaction():
        store.put("a", {})
        with pytest.raises(WhimError):
            inner()
        assert not store.floor("r:1")
        assert store.last_sequence == 1
        store.put("d", {})
    assert [(change.sequence, change.id) for change in store.changes()] == [(1, "a"), (2, "d")]


def test_inner_transaction_that_succeeds_is_undone_with_the_outer_one(store: Database) -> None:
    def outer() -> None:
        with store.transaction():
            with store.transaction():
                store.put("a", {})
            raise WhimError

    with pytest.raises(WhimError):
        outer()
    assert store.last_sequence == 0


def test_refused_write_inside_a_transaction_does_not_affect_other_writes(store: Database) -> None:
    with store.transaction():
        store.put("a", note(1))
        with pytest.raises(ConflictError):
            store.put("a", note(2))
        store.put("b", note(3))
    assert store.count() == 2


def test_transaction_reads_its_own_writes_and_others_do_not(store: Database, path: Path) -> None:
    with Database.open(path) as other:
        with store.transaction():
            store.put("a", {})
            assert store.get("a") is not None
            assert [change.id for change in store.changes()] == ["a"]
            assert other.get("a") is None
        assert other.get("a") is not None


def test_threads_share_a_store_one_transaction_at_a_time(store: Database) -> None:
    def write(name: str) -> None:
        for number in range(20):
            with store.transaction():
                first = store.put(f"{name}:{number}:a", {})
                store.put(f"{name}:{number}:b", {"rev": first})

    threads = [threading.Thread(target=write, args=(name,)) for name in ("x", "y", "z")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes = store.changes()
    assert len(changes) == 120
    assert all(one.id[:-1] == two.id[:-1] for one, two in zip(changes[::2], changes[1::2], strict=True))


def limit_pages(store: Database, more: int) -> None:
    """Limit the growth of the store to `more` pages, as on an SD card that is almost full."""
    connection = store._engine.connection
    connection.pragma("max_page_count", connection.pragma("page_count") + more)


def test_full_card_fails_the_write_and_keeps_existing_data(store: Database) -> None:
    store.put("a", note(1))
    limit_pages(store, 2)
    with pytest.raises(FullError, match="file system is full"):
        store.put("b", {"text": "x" * 100_000})
    assert store.get("b") is None
    limit_pages(store, 1000)
    store.put("b", {"text": "x" * 100_000})
    assert [(change.sequence, change.id) for change in store.changes()] == [(1, "a"), (2, "b")]
    assert store.check() == []


def test_transaction_that_sqlite_rolled_back_accepts_no_more_writes(store: Database) -> None:
    """Later writes would otherwise be committed without the earlier writes of the same transaction."""

    def work() -> None:
        with store.transaction():
            store.put("a", {})
            store._engine.connection.execute("ROLLBACK")  # as SQLite itself does after some errors
            writes: list[Callable[[], object]] = [
                lambda: store.put("b", {}),
                lambda: store.get("a"),
                lambda: store.transaction().__enter__(),
            ]
            for write in writes:
                with pytest.raises(StoreError, match="rolled back"):
                    write()

    with pytest.raises(StoreError, match="rolled back"):
        work()
    assert store.count() == 0
