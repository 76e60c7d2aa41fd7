"""The environment of a command: clocks, terminal input and systemd. Tests replace it."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sensors.clock import Clock, SystemClock
from sensors.plaintext import clean
from services.console.errors import UsageError
from services.system.processes import is_alive
from services.system.systemd import failed_units


def login_name() -> str:
    """Return the login name of the current user."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # the user id has no name
        return f"user {os.getuid()}"


def is_clock_synced() -> bool:
    """Return True if the system clock was set by the network, a satellite receiver or a clock chip."""
    from services.clocks.clock_quality import system_quality

    try:
        return system_quality().is_synced
    except OSError:
        return False


def ask_secret(prompt: str) -> str:
    """Prompt for a secret at the terminal, without showing what is typed.

    Raise UsageError if there is no terminal, or if input ends.
    """
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise UsageError(
            "no terminal is available to ask for the secret; put the secret in a file, and use"
            " --passphrase-file FILE"
        ) from None
    os.close(terminal)
    import getpass

    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise UsageError("no input") from None


def ask_person(question: str) -> str:
    """Prompt the user with a question, and return the answer.

    Raise UsageError if there is no terminal, or if input ends.
    """
    if not sys.stdin.isatty():
        raise UsageError("no terminal is available to ask for confirmation; use --yes to skip the question")
    try:
        return input(clean(question))
    except EOFError:
        raise UsageError("no input") from None


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment of a command: everything that tests may need to replace."""

    clock: Clock = field(default_factory=SystemClock)
    sleep: Callable[[float], None] = time.sleep
    alive: Callable[[int], bool] = is_alive
    failed_units: Callable[[], Sequence[str]] = failed_units
    """Function that returns Logboat's units that systemd lists as failed."""
    is_clock_synced: Callable[[], bool] = is_clock_synced
    """Function that returns True if the system clock was set by a reliable source."""
    user: Callable[[], str] = login_name
    secret: Callable[[str], str] = ask_secret
    ask: Callable[[str], str] = ask_person

    @property
    def utc(self) -> float:
        """Current time by the system clock, in seconds since 1970."""
        return self.clock.utc_ns() / 1e9

    @property
    def boottime(self) -> float:
        """Current reading of the boot clock, in seconds."""
        return self.clock.boottime_ns() / 1e9
