"""What a daemon tells systemd: ready, alive, stopping, in words (sd_notify(3)); what systemd says has failed.

Without systemd, nothing.
"""

import logging
import os
import socket
import subprocess
from collections.abc import Callable
from typing import Final

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


def failed_units(ask: Callable[[], str] | None = None) -> tuple[str, ...]:
    """Names of Logboat's units that have failed; none where there is no systemd. `ask`: what lists them."""
    try:
        told = list_failed() if ask is None else ask()
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.split()[0] for line in told.splitlines() if line.strip())


_UNITS: Final = ("systemctl", "list-units", "--failed", "--plain", "--no-legend", "logboat-*")


def list_failed() -> str:
    """What systemd lists of our units that have failed. Raises OSError, SubprocessError."""
    return subprocess.run(_UNITS, capture_output=True, text=True, timeout=5, check=False).stdout
