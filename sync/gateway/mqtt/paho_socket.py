"""Integration of a paho client's socket into an asyncio event loop, using paho's public callbacks.

The aiomqtt package does the same, but has two drawbacks. It reports an error that paho raises only when the
next call waits for an answer. It also raises an error if the socket is closed before the event loop has begun
to watch it.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from paho.mqtt.client import Client as Paho

_HOUSEKEEPING_S: Final = 1.0
"""Seconds between calls of paho's `loop_misc`, which sends keepalive packets and detects missing answers."""


class PahoSocket:
    """Handler of one paho client's socket. The event loop calls it when the socket can be read or written."""

    def __init__(
        self,
        paho: Paho,
        events: asyncio.AbstractEventLoop,
        *,
        on_open: Callable[[Any], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        """Set the client's socket callbacks.

        Args:
            paho: the client.
            events: the event loop.
            on_open: called with the newly connected socket, in the thread that connects. An exception aborts
                the connection.
            on_error: called in the event loop with an exception that paho raised while it read or wrote.
        """
        self._paho, self._events = paho, events
        self._on_open, self._on_error = on_open, on_error
        self._housekeeping: asyncio.TimerHandle | None = None
        paho.on_socket_open = self._opened
        paho.on_socket_close = self._closing
        paho.on_socket_register_write = self._wants_to_write
        paho.on_socket_unregister_write = self._has_written

    def _opened(self, client: Paho, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        self._on_open(sock)
        self._events.call_soon_threadsafe(self._watch, sock)

    def _watch(self, sock: Any) -> None:
        if sock.fileno() >= 0:
            self._events.add_reader(sock.fileno(), self._read)
            self._keep_house()

    def _closing(self, client: Paho, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        # paho closes the socket in the connecting thread only if it cannot send CONNECT. It does so right
        # after this call, so the event loop must stop watching the descriptor at once, whichever thread runs
        # this code.
        if sock.fileno() >= 0:
            self._events.remove_reader(sock.fileno())
        if self._housekeeping is not None:
            self._housekeeping.cancel()

    def _wants_to_write(self, client: Paho, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        def watch() -> None:
            if sock.fileno() >= 0:
                self._events.add_writer(sock.fileno(), self._guarded, self._paho.loop_write)

        self._events.call_soon_threadsafe(watch)

    def _has_written(self, client: Paho, userdata: Any, sock: Any) -> None:  # noqa: ARG002
        if sock.fileno() >= 0:
            self._events.remove_writer(sock.fileno())

    def _read(self) -> None:
        def read() -> None:
            self._paho.loop_read()
            # TLS may have decrypted more bytes than paho has read. The event loop does not see these bytes.
            while (sock := self._paho.socket()) is not None and getattr(sock, "pending", int)() > 0:
                self._paho.loop_read()

        self._guarded(read)

    def _keep_house(self) -> None:
        self._housekeeping = self._events.call_later(_HOUSEKEEPING_S, self._keep_house)
        self._guarded(self._paho.loop_misc)

    def _guarded(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 -- after any error paho's state is unknown
            self._on_error(error)
