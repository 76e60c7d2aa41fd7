"""Notifications between processes that documents have changed.

Each watcher binds a datagram socket in a shared directory, and each commit sends one byte to every socket
there. This notification is only a hint: the watcher must read the changes feed from the last sequence that it
has seen. If a socket's buffer is full, the hint is lost. The watcher still misses no change, because earlier
hints are waiting in the buffer.

Without a shared directory, as with the `db` commands, only watchers of the same `Database` are notified at
once. Other watchers detect changes by polling SQLite's `data_version`.
"""

import contextlib
import itertools
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sync.folders import SHARED_FILE, make_folder
from sync.store.errors import translated_os

_PATH_LIMIT: Final = 107
"""Maximum length of a Unix socket's path, in bytes (unix(7): 108 including the terminating NUL)."""
_POLL: Final = 0.2
"""Seconds between polls of SQLite while waiting, to detect changes by processes that send no hints."""
_numbers: Final = itertools.count()


class ChangeWatcher:
    """Receiver of hints that documents may have changed.

    The watcher is a context manager, and must be closed after use.
    """

    def __init__(self, own: socket.socket, *, close: Callable[[], None], changed: Callable[[], bool]) -> None:
        self._socket = own
        self._close = close
        self._changed = changed

    def fileno(self) -> int:
        """Return a file descriptor that becomes readable when there is a hint.

        Use the descriptor with `select` or asyncio's `add_reader`, and then call `drain`.
        """
        return self._socket.fileno()

    def drain(self) -> bool:
        """Consume all pending hints without waiting. Return True if there were any."""
        was_notified = False
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(16):
                was_notified = True
        return was_notified

    def ask(self) -> bool:
        """Return True if another connection has written to the store since the last call of `ask`.

        Changes of connections that send no hints are detected too.
        """
        return self._changed()

    def wait(self, timeout: float) -> bool:
        """Wait until documents may have changed, for at most `timeout` seconds.

        Return True if documents may have changed, and False after a timeout.
        """
        deadline = time.monotonic() + timeout
        while True:
            was_notified = self.drain()
            if self.ask() or was_notified:
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            select.select([self._socket], [], [], min(left, _POLL))

    def close(self) -> None:
        """Stop receiving hints, and close the socket."""
        self._close()
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class ChangeAnnouncer:
    """Sender of hints that the documents of one store may have changed. It also creates watchers."""

    def __init__(self, directory: Path | None, name: str, *, changed_elsewhere: Callable[[], int]) -> None:
        """Create an announcer.

        Args:
            directory: directory of the watchers' sockets; None to notify only watchers of this object.
            name: name that distinguishes the store from other stores that use the same directory.
            changed_elsewhere: returns a number that changes when another connection has written to the store.
        """
        self._directory = directory
        self._prefix = f"{name}."
        self._version = changed_elsewhere
        self._local: list[socket.socket] = []
        self._sender = _datagram_socket() if directory is not None else None

    def announce(self) -> None:
        """Send a hint to every watcher, without waiting. Watchers that cannot be reached are skipped."""
        for sender in list(self._local):
            with contextlib.suppress(OSError):  # for the reasons that `_send` gives
                sender.send(b"\n")
        if self._directory is None or self._sender is None:
            return
        try:
            names = [p.name for p in self._directory.iterdir() if p.name.startswith(self._prefix)]
        except OSError:  # the directory does not exist yet or cannot be read
            return
        for name in names:
            self._send(self._sender, self._directory, name)

    def watch(self) -> ChangeWatcher:
        """Return a new watcher.

        Raises:
            StoreError: a socket cannot be created in the shared directory.
        """
        if self._directory is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            ours.setblocking(False)
            theirs.setblocking(False)
            self._local.append(theirs)

            def forget() -> None:
                if theirs in self._local:
                    self._local.remove(theirs)
                theirs.close()

            return ChangeWatcher(ours, close=forget, changed=self._asker())
        try:
            return self._bind(self._directory)
        except OSError as error:
            raise translated_os(error, self._directory) from error

    def _bind(self, directory: Path) -> ChangeWatcher:
        make_folder(directory)
        name = f"{self._prefix}{os.getpid()}.{next(_numbers)}.{os.urandom(4).hex()}"
        bound = _datagram_socket()
        try:
            os.fchmod(
                bound.fileno(), SHARED_FILE
            )  # bind creates the socket file with this mode (unix_bind in Linux)
            with _address(directory, name) as address:
                bound.bind(address)
        except BaseException:
            bound.close()
            raise
        path = directory / name
        return ChangeWatcher(bound, close=lambda: path.unlink(missing_ok=True), changed=self._asker())

    def close(self) -> None:
        """Close the announcer's sockets. No hints are sent afterwards."""
        for sender in self._local:
            sender.close()
        self._local.clear()
        if self._sender is not None:
            self._sender.close()

    def _asker(self) -> Callable[[], bool]:
        """Return a function that checks whether another connection has written since the last check."""
        version = self._version()

        def changed() -> bool:
            nonlocal version
            before, version = version, self._version()
            return version != before

        return changed

    @staticmethod
    def _send(sender: socket.socket, directory: Path, name: str) -> None:
        try:
            with _address(directory, name) as address:
                sender.sendto(b"\n", address)
        except ConnectionRefusedError:
            with contextlib.suppress(OSError):
                _remove_if_socket(directory / name)  # the process that bound the socket has died
        except OSError:
            # The socket's buffer is full of earlier hints, or the socket was just closed, or the owner of the
            # socket is another user. The commit is not affected. A watcher that misses the hint polls SQLite.
            return


def _remove_if_socket(path: Path) -> None:
    if path.is_socket():
        path.unlink()


def _datagram_socket() -> socket.socket:
    unix_socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    unix_socket.setblocking(False)
    return unix_socket


@contextlib.contextmanager
def _address(directory: Path, name: str) -> Iterator[str]:
    """Yield a socket's path, or if it is too long, a shorter path through a descriptor of its directory."""
    path = str(directory / name)
    if len(os.fsencode(path)) <= _PATH_LIMIT:
        yield path
        return
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)
