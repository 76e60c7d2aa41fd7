"""A connection to the store's file, with locking, transactions and sequence numbers.

The engine does not interpret documents. Every read takes place in the scope `reading`, and every write in the
scope `writing` or `savepoint()`. Scopes may be nested. They convert apsw's exceptions to those of the store.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final

import apsw

from sync.store.errors import DamagedError, StoreError, damaged, translated

from .writer_queue import WriterQueue


class Scope:
    """Context manager that consists of an entry function and an exit function.

    The exit function receives the exception that ended the context, or None.
    """

    __slots__ = ("_enter", "_leave")

    def __init__(self, enter: Callable[[], None], leave: Callable[[BaseException | None], None]) -> None:
        self._enter = enter
        self._leave = leave

    def __enter__(self) -> None:
        self._enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave(error)


class Engine:
    """A database connection that threads may share. While one thread is in a transaction, the others wait."""

    def __init__(self, connection: apsw.Connection, path: Path, *, committed: Callable[[], None]) -> None:
        self.connection: Final = connection
        self.path: Final = path
        self.execute: Final = connection.execute
        self.reading: Final = Scope(self._lock_in, self._let_go)
        """Scope that holds the lock for reading."""
        self.writing: Final = Scope(self._join, self._part)
        """Scope that joins an open transaction, or begins one and commits it at the end."""
        self.damage: DamagedError | None = None
        """The last error that reported damage to the file; None if there was none."""
        self._committed = committed
        self._turnstile = WriterQueue(path.with_name(f"{path.name}.lock"))
        self._lock = threading.RLock()
        self._depth = 0
        self._sequence = 0
        self._changed = False
        self._undone: StoreError | None = None
        self._saved: list[tuple[int, bool]] = []
        self._begun = 0
        self._rolled_back = 0

    def savepoint(self) -> Scope:
        """Return a transaction scope.

        The outermost scope commits when it ends. An inner scope can be rolled back without the outer scope.
        """
        return Scope(self._save, self._release)

    @property
    def in_transaction(self) -> bool:
        """True while any thread is inside a transaction."""
        return self._depth > 0

    @property
    def transaction(self) -> tuple[int, int]:
        """Number of transactions begun and number of rollbacks, since the connection was opened.

        Values that are read in a transaction stay valid until one of these numbers changes.
        """
        return self._begun, self._rolled_back

    def next_sequence(self) -> int:
        """Return the sequence for the next change. Call this in a transaction.

        Watchers are notified when the transaction is committed.
        """
        self._sequence += 1
        self._changed = True
        return self._sequence

    def last_sequence(self) -> int:
        """Return the highest sequence that was ever assigned. Call this in one of the engine's scopes."""
        return self._sequence if self._depth else self._read_sequence()

    def damaged(self, what: str) -> DamagedError:
        """Record that the file is damaged, and return the error to raise. `what` states the damage."""
        self.damage = damaged(self.path, what)
        return self.damage

    def close(self) -> None:
        """Close the connection, and roll back any uncommitted transaction."""
        with self._lock:
            self.connection.close(True)
            self._turnstile.close()

    def _read_sequence(self) -> int:
        sequence: int = self.execute(
            "SELECT max(ifnull((SELECT max(seq) FROM docs), 0),"
            " ifnull((SELECT value FROM meta WHERE key = 'sequence'), 0))"
        ).get
        return sequence

    def _lock_in(self) -> None:
        self._lock.acquire()
        if self._depth and not self.connection.in_transaction:
            self._lock.release()
            raise self._gone()

    def _let_go(self, error: BaseException | None) -> None:
        """Release the lock. If an exception of apsw ended the scope, raise a StoreError in its place."""
        own: StoreError | None = None
        if isinstance(error, apsw.Error):
            own = translated(error, self.path)
            self.damage = own if isinstance(own, DamagedError) else self.damage
        elif isinstance(error, UnicodeDecodeError):  # apsw raises this if stored text is not valid UTF-8
            own = self.damaged(str(error))
        if own is not None and self._depth and not self.connection.in_transaction:
            self._undone = own
        self._lock.release()
        if own is not None:
            raise own from error

    def _join(self) -> None:
        self._lock_in()
        if self._depth:
            self._depth += 1
            return
        try:
            self._begin()
        except BaseException as error:
            self._let_go(error)
            raise

    def _part(self, error: BaseException | None) -> None:
        if self._depth > 1:
            self._depth -= 1
            self._let_go(error)
            return
        try:
            self._end(error)
        except BaseException as worse:
            self._let_go(worse)
            raise
        self._let_go(error)

    def _begin(self) -> None:
        self._turnstile.enter()
        try:
            self.execute("BEGIN IMMEDIATE")
        finally:
            self._turnstile.leave()
        try:
            self._sequence = self._read_sequence()
        except BaseException:
            self._rollback()
            raise
        self._changed = False
        self._undone = None
        self._begun += 1
        self._depth = 1

    def _end(self, error: BaseException | None) -> None:
        """Commit, or roll back after an error. Afterwards, no transaction is open, even if this raises."""
        self._depth = 0
        if error is not None:
            self._rollback()
            return
        if not self.connection.in_transaction:
            self._rolled_back += 1
            raise self._gone()
        try:
            self.execute("COMMIT")
        except BaseException:
            self._rollback()
            raise
        if self._changed:
            self._committed()

    def _gone(self) -> StoreError:
        """Return the error to raise if a transaction is used after SQLite has rolled it back by itself."""
        reason = "by SQLite" if self._undone is None else str(self._undone)
        return StoreError(
            f"{self.path}: nothing was written, because the transaction was rolled back: {reason}"
        )

    def _rollback(self) -> None:
        self._rolled_back += 1
        if self.connection.in_transaction:
            self.execute("ROLLBACK")

    def _save(self) -> None:
        self._join()
        if self._depth > 1:
            try:
                self.execute("SAVEPOINT inner")
            except BaseException as error:
                self._part(error)
                raise
            self._saved.append((self._sequence, self._changed))

    def _release(self, error: BaseException | None) -> None:
        if self._depth > 1:
            saved = self._saved.pop()
            try:
                if error is not None and self.connection.in_transaction:
                    self._sequence, self._changed = saved
                    self._rolled_back += 1
                    self.execute("ROLLBACK TO inner")
                if self.connection.in_transaction:
                    self.execute("RELEASE inner")
            except BaseException as worse:
                self._part(worse)
                raise
        self._part(error)
