"""Messages from a service to systemd (sd_notify(3)), and systemd's list of failed units.

The messages report that a service is starting, ready, alive or stopping. Without systemd, none are sent.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Final

from sensors.plaintext import clean

log = logging.getLogger(__name__)

MORE_S: Final = 120.0
"""Seconds by which each progress message extends the time allowed for startup.

The slowest steps between two messages are importing a large library and creating a key. Each of them takes a
tenth of this time on a slow, busy board.
"""
_PROGRESS_EVERY_S: Final = 5.0


class Notifier:
    """Sends messages to `$NOTIFY_SOCKET`, if it is set and a process listens there."""

    def __init__(
        self, address: str | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Set the socket's address, by default from the environment. `@` begins an abstract address."""
        name = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._is_heard = True
        self._monotonic = monotonic
        self._progress_at = float("-inf")

    def ready(self) -> None:
        """Report that startup is complete and the daemon is working."""
        self._send("READY=1")

    def alive(self) -> None:
        """Reset the watchdog timer of the daemon's unit."""
        self._send("WATCHDOG=1")

    def set_watchdog(self, seconds: float) -> None:
        """Replace the time limit of the unit's watchdog until the daemon ends."""
        self._send(f"WATCHDOG_USEC={round(seconds * 1e6)}")

    def progress(self) -> None:
        """Report that startup is progressing, so that systemd waits another `MORE_S` seconds from now on.

        This method may be called often: it sends a message at most every few seconds.
        """
        now = self._monotonic()
        if self._address and now - self._progress_at >= _PROGRESS_EVERY_S:
            self._progress_at = now
            self._send(f"EXTEND_TIMEOUT_USEC={round(MORE_S * 1e6)}")

    def status(self, words: str) -> None:
        """Set the line shown by `systemctl status`."""
        self._send(f"STATUS={clean(words)}")

    def stopping(self) -> None:
        """Report that the daemon is stopping."""
        self._send("STOPPING=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.sendto(text.encode(), self._address)
        except OSError as error:
            # The daemon must work even if no process receives these messages.
            if self._is_heard:
                log.warning("cannot reach systemd at %s: %s", self._address, error.strerror or error)
            self._is_heard = False
        else:
            self._is_heard = True


class ImportProgress:
    """Import hook that reports startup progress to systemd.

    On a slow board, imports take most of the startup time.

    The hook must be the first entry in `sys.meta_path`. It never finds a module itself.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def find_spec(
        self,
        name: str,  # noqa: ARG002
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        """Report that another module is about to be imported."""
        self._notifier.progress()


def failed_units(ask: Callable[[], str] | None = None) -> tuple[str, ...]:
    """Return the names of Logboat's units that have failed; empty without systemd.

    `ask` is a function that returns systemd's list; None uses systemctl.
    """
    from subprocess import SubprocessError  # not needed when a daemon starts

    try:
        output = list_failed() if ask is None else ask()
    except (OSError, SubprocessError):
        return ()
    return tuple(line.split()[0] for line in output.splitlines() if line.strip())


_UNITS: Final = ("systemctl", "list-units", "--failed", "--plain", "--no-legend", "logboat-*")


def list_failed() -> str:
    """Return systemd's list of Logboat's failed units. Raise OSError or SubprocessError if that fails."""
    import subprocess

    return subprocess.run(_UNITS, capture_output=True, text=True, timeout=5, check=False).stdout
