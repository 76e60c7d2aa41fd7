"""What a service tells systemd: ready, alive, starting, stopping (sd_notify(3)); which units have failed.

Without systemd, nothing.
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
"""Seconds that a sign of progress earns a start. The slowest step between two of them (a large library is
loaded, a key made) takes a slow board, at work on something else, a tenth of that."""
_PROGRESS_EVERY_S: Final = 5.0


class Notifier:
    """Sends to `$NOTIFY_SOCKET`, if there is one and somebody listens there."""

    def __init__(
        self, address: str | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`address` is the environment's unless given; a leading `@` means the abstract namespace."""
        found = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + found[1:] if found.startswith("@") else found
        self._is_heard = True
        self._monotonic = monotonic
        self._progress_at = float("-inf")

    def ready(self) -> None:
        """The daemon does its work from now on."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feeds the watchdog."""
        self._send("WATCHDOG=1")

    def progress(self) -> None:
        """Tell that a start makes progress: it then has `MORE_S` from now on, whatever its unit's limit is.

        May be called often: most calls do nothing.
        """
        now = self._monotonic()
        if self._address and now - self._progress_at >= _PROGRESS_EVERY_S:
            self._progress_at = now
            self._send(f"EXTEND_TIMEOUT_USEC={round(MORE_S * 1e6)}")

    def status(self, words: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={clean(words)}")

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


class ImportProgress:
    """Tells systemd of progress while modules are loaded: on a slow board that is most of a start.

    The first of `sys.meta_path`; it finds no module itself.
    """

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    def find_spec(
        self,
        name: str,  # noqa: ARG002
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> None:
        """Note that one more module is about to be loaded."""
        self._notifier.progress()


def failed_units(ask: Callable[[], str] | None = None) -> tuple[str, ...]:
    """Names of Logboat's units that have failed; none where there is no systemd. `ask`: what lists them."""
    from subprocess import SubprocessError  # no daemon's start needs it

    try:
        told = list_failed() if ask is None else ask()
    except (OSError, SubprocessError):
        return ()
    return tuple(line.split()[0] for line in told.splitlines() if line.strip())


_UNITS: Final = ("systemctl", "list-units", "--failed", "--plain", "--no-legend", "logboat-*")


def list_failed() -> str:
    """What systemd lists of our units that have failed. Raises OSError, SubprocessError."""
    import subprocess

    return subprocess.run(_UNITS, capture_output=True, text=True, timeout=5, check=False).stdout
