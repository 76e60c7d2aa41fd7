"""Logboat's listener, in a thread with its own event loop. External programs connect to it.

with ListenerThread(database, users={"bridge": "secret"}, tls=True) as listener:
    app.replicator(listener.url, user="bridge", password="secret", certificate=listener.certificate).run()
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Final, Self

from cryptography.hazmat.primitives.serialization import Encoding

from sync.net.authenticators import ListenerPasswordAuthenticator
from sync.net.listener import PeerConnection, URLEndpointListener, URLEndpointListenerConfiguration
from sync.peer.passive import PassiveOptions
from sync.peer.problems import Problem
from sync.peer.quotas import Quota
from sync.store import Database
from tests.ports import free_port

NAME: Final = "log"
WAIT: Final = 60.0


def make_listener(
    database: Database,
    *,
    port: int,
    tls: bool,
    users: dict[str, str] | None,
    deltas: bool,
    read_only: bool,
    quota: Quota | None = None,
    on_disconnected: Callable[[PeerConnection, Problem | None], None],
) -> URLEndpointListener:
    """Return a listener on 127.0.0.1 that serves one database.

    `users` maps names to passwords. If it is None, every client is admitted.
    """
    authenticator = None
    if users is not None:
        authenticator = ListenerPasswordAuthenticator(lambda user, password: users.get(user) == password)
    return URLEndpointListener(
        URLEndpointListenerConfiguration(
            {NAME: database},
            port=port,
            network_interface="127.0.0.1",
            tls_identity=None,
            disable_tls=not tls,
            authenticator=authenticator,
            enable_delta_sync=deltas,
            read_only=read_only,
            authorize=None if quota is None else lambda _: PassiveOptions(quota=quota),
            on_disconnected=on_disconnected,
        )
    )


class ListenerThread:
    """Logboat's listener in a thread, as a context manager. It can be restarted on the same port."""

    def __init__(
        self,
        database: Database,
        *,
        tls: bool = False,
        users: dict[str, str] | None = None,
        deltas: bool = True,
        read_only: bool = False,
        quota: Quota | None = None,
    ) -> None:
        self._database, self._quota = database, quota
        self._tls, self._users, self._deltas, self._read_only = tls, users, deltas, read_only
        self._thread: threading.Thread | None = None
        self.port = free_port()
        self.certificate: str | None = None
        """Certificate of the listener in PEM format, which changes at each start, or None without TLS."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """URL at which clients replicate with the database."""
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}/{NAME}"

    def start(self) -> None:
        """Start the listener in a thread. Raise any exception that its start raises."""
        started: Future[None] = Future()
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="listener")
        self._thread.start()
        try:
            started.result(WAIT)
        except BaseException:
            self._thread.join()
            self._thread = None
            raise

    def wait_until_left(self) -> None:
        """Wait until all clients have disconnected. Raise TimeoutError if a connection remains open."""
        asyncio.run_coroutine_threadsafe(self._left(), self._loop).result(WAIT)

    async def _left(self) -> None:
        while self._listener.connections:
            self._somebody_left.clear()
            await self._somebody_left.wait()

    def stop(self) -> None:
        """Stop the listener and close all connections. Raise any exception that the listener has raised."""
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(WAIT)
        assert not self._thread.is_alive(), "the listener does not stop"
        self._thread = None
        self._ended.result()

    def _run(self, started: "Future[None]") -> None:
        try:
            asyncio.run(self._listen(started))
        except BaseException as error:
            (self._ended if started.done() else started).set_exception(error)
        else:
            self._ended.set_result(None)

    async def _listen(self, started: "Future[None]") -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._somebody_left = asyncio.Event()
        listener = make_listener(
            self._database,
            port=self.port,
            tls=self._tls,
            users=self._users,
            deltas=self._deltas,
            read_only=self._read_only,
            quota=self._quota,
            on_disconnected=lambda *_: self._somebody_left.set(),
        )
        await listener.start()
        self._listener = listener
        try:
            assert listener.port is not None
            self.port = listener.port
            if listener.tls_identity is not None:
                self.certificate = listener.tls_identity.certificate.public_bytes(Encoding.PEM).decode()
            started.set_result(None)
            await self._stopping.wait()
        finally:
            await listener.stop()
