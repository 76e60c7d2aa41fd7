"""What a daemon tells systemd: ready, alive, stopping, in words (sd_notify(3)). Without systemd, nothing."""

import logging
import os
import socket

log = logging.getLogger(__name__)


class Notifier:
    """Sends to `$NOTIFY_SOCKET`, if there is one and somebody listens there."""

    def __init__(self, address: str | None = None) -> None:
        """`address` is the environment's unless given; a leading `@` means the abstract namespace."""
        found = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + found[1:] if found.startswith("@") else found
        self._is_heard = True

    def ready(self) -> None:
        """The daemon does its work from now on."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feeds the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, words: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={words}")

    def stopping(self) -> None:
        """The daemon is on its way out."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.sendto(text.encode(), self._address)
        except OSError as error:
            # A daemon does its work whether or not anybody listens.
            if self._is_heard:
                log.warning("systemd does not listen at %s: %s", self._address, error.strerror or error)
            self._is_heard = False
        else:
            self._is_heard = True
