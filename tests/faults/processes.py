"""A recorder as a real process, whose ledger is kept outside that process.

A thread in the test's process reads the ledger. Every line in the ledger was therefore reported before the
recorder ended, whatever ended it.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from services.state import state_file
from tests import processes
from tests.polling import wait_until

PATIENCE_S = 110.0
"""Seconds to wait on a busy machine for something that must happen, before the test fails."""

Line = tuple[str, str, int]
"""Line of the ledger: (sensor, log, sequence)."""


class RecorderProcess:
    """A vessel's recorder, which can be started repeatedly on the same data; a context manager."""

    def __init__(
        self, folder: Path, *, data: Path | None = None, prefix: Sequence[str] = (), module: str = "services"
    ) -> None:
        """Prepare a recorder for a folder that contains logboat.toml and sensors.toml.

        `prefix` is put before the recorder's command; `module` is the module to run.
        """
        self.folder = folder
        self.data = folder / "data" if data is None else data
        self.run = folder / "run"
        self.ledger: list[Line] = []
        """All lines from all starts, in order."""
        self._prefix, self._module = tuple(prefix), module
        self._told = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._hung_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def log(self) -> str:
        """Output on stderr from all starts."""
        return (self.folder / "recorder.log").read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """True if the test has started the recorder and has not ended it."""
        return self._process is not None

    @property
    def has_hung_up(self) -> bool:
        """True if the recorder has ended without the test ending it."""
        return self._hung_up

    def start(self) -> None:
        assert self._process is None
        ours, theirs = os.pipe()
        try:
            with (self.folder / "recorder.log").open("ab") as log:
                self._process = processes.Popen(
                    [
                        *self._prefix,
                        *(sys.executable, "-m", self._module, "record"),
                        *("--config", str(self.folder / "logboat.toml")),
                        *("--sensors", str(self.folder / "sensors.toml")),
                        *("--data", str(self.data)),
                        *("--run", str(self.run)),
                        *("--ledger", str(theirs)),
                    ],
                    pass_fds=(theirs,),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=Path(__file__).parents[2],
                )
        finally:
            os.close(theirs)
        self._hung_up = False
        self._listener = threading.Thread(target=self._listen, args=(ours,), name="ledger", daemon=True)
        self._listener.start()

    def kill(self) -> None:
        """Kill the recorder with SIGKILL; afterwards `ledger` contains everything that it reported."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Tell the recorder to end, and return its exit status."""
        return self._end(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until the recorder ends without being told to, and return its exit status."""
        return self._end(None)

    def state(self) -> dict[str, Any] | None:
        """Return the recorder's live state, or None if there is none."""
        return state_file.read(state_file.path(self.run))

    def wait_for_lines(self, more: int = 1, *, timeout: float = PATIENCE_S) -> None:
        """Wait until the ledger has this many more lines than now."""
        with self._told:
            wanted = len(self.ledger) + more
            self._told.wait_for(lambda: len(self.ledger) >= wanted or self._hung_up, timeout)
            assert len(self.ledger) >= wanted, (
                f"{len(self.ledger)} lines of {wanted}; the recorder says: {self.log[-2000:]}"
            )

    def listen_for_lines(self, more: int, *, timeout: float = PATIENCE_S) -> None:
        """Wait like `wait_for_lines`, but stop waiting if the recorder ends earlier."""
        with self._told:
            wanted = len(self.ledger) + more
            assert self._told.wait_for(lambda: len(self.ledger) >= wanted or self._hung_up, timeout), (
                f"{len(self.ledger)} lines of {wanted}; the recorder says: {self.log[-2000:]}"
            )

    def listen(self, seconds: float) -> None:
        """Collect the recorder's lines for this many seconds, or until it ends."""
        with self._told:
            self._told.wait_for(lambda: self._hung_up, seconds)

    def wait_for_state(
        self, wanted: Callable[[dict[str, Any]], bool], *, timeout: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait until the recorder's live state meets the condition, and return the state."""
        found: dict[str, Any] = {}

        def is_wanted() -> bool:
            found.clear()
            found.update(self.state() or {})
            return bool(found) and wanted(found)

        wait_until(
            is_wanted,
            lambda: f"the state is {found}; the recorder says: {self.log[-2000:]}",
            within=timeout,
        )
        return found

    def _end(self, how: signal.Signals | None) -> int:
        assert self._process is not None
        assert self._listener is not None
        if how is not None:
            self._process.send_signal(how)
        try:
            status = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._listener.join()
            self._process = self._listener = None
        return status

    def _listen(self, descriptor: int) -> None:
        rest = b""
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            while some := pipe.read(65_536):
                *lines, rest = (rest + some).split(b"\n")  # a line that a kill truncated does not count
                told = [_parse(line) for line in lines]
                with self._told:
                    self.ledger += told
                    self._told.notify_all()
        with self._told:
            self._hung_up = True
            self._told.notify_all()


def _parse(line: bytes) -> Line:
    sensor, log, sequence = line.decode().split(",")
    return sensor, log, int(sequence)
