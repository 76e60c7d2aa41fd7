"""Notifies replications of changes to their store. A process has one watcher for each store."""

import asyncio
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

from sync.store import Database, StoreError

ASK_EVERY: Final = 0.5
"""Seconds between polls of SQLite, which detect changes by processes that send no notifications."""


class StoreWatch:
    """Watcher that calls functions when a store has changed. To create or share one, use `watch`."""

    def __init__(self, database: Database) -> None:
        self._watcher = database.watch()
        self._loop = asyncio.get_running_loop()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self._loop.add_reader(self._watcher.fileno(), self._hinted)
        self._timer = self._loop.call_later(ASK_EVERY, self._ask)

    def add(self, key: object, callback: Callable[[], None]) -> None:
        """Call `callback` whenever the store has changed."""
        self._callbacks[key] = callback

    def remove(self, key: object) -> bool:
        """Remove the callback with this key. Return True if no callbacks remain."""
        self._callbacks.pop(key, None)
        return not self._callbacks

    def close(self) -> None:
        """Stop watching the store."""
        self._timer.cancel()
        self._loop.remove_reader(self._watcher.fileno())
        self._watcher.close()

    def _hinted(self) -> None:
        if self._watcher.drain():
            self._tell()

    def _ask(self) -> None:
        self._timer = self._loop.call_later(ASK_EVERY, self._ask)
        try:
            changed = self._watcher.ask()
        except StoreError:
            changed = True  # the callbacks will read the store, encounter the same error, and handle it
        if changed:
            self._tell()

    def _tell(self) -> None:
        for callback in list(self._callbacks.values()):
            callback()


_watches: WeakKeyDictionary[Database, StoreWatch] = WeakKeyDictionary()


def watch(database: Database, key: object, callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback` in this event loop after each change of the store.

    Return a function that stops these calls.
    """
    store_watch = _watches.get(database)
    if store_watch is None:
        store_watch = _watches[database] = StoreWatch(database)
    store_watch.add(key, callback)

    def end() -> None:
        if store_watch.remove(key) and _watches.get(database) is store_watch:
            del _watches[database]
            store_watch.close()

    return end
