"""A recorder as a real process, with its ledger in the test's process.

The ledger lists the samples that the recorder has reported as durable. A thread of the test reads it from a
pipe. It therefore contains exactly the lines that the recorder wrote before it ended or was killed.
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
"""Time limit in seconds for a condition to become true, long enough for a busy machine."""

Line = tuple[str, str, int]
"""Line of the ledger, which identifies a durable sample as (sensor, log, sequence)."""


class RecorderProcess:
    """Recorder of a vessel, which can be restarted on the same data. A context manager."""

    def __init__(
        self, folder: Path, *, data: Path | None = None, prefix: Sequence[str] = (), module: str = "services"
    ) -> None:
        """Prepare a recorder for a folder that contains logboat.toml and sensors.toml.

        `prefix` is put before the recorder's command. `module` is the Python module to run.
        """
        self.folder = folder
        self.data = folder / "data" if data is None else data
        self.run = folder / "run"
        self.ledger: list[Line] = []
        """Lines from all runs of the recorder, in order."""
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
        """Standard error of all runs of the recorder."""
        return (self.folder / "recorder.log").read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        """True from `start` until the recorder is killed, is stopped, or has been waited for."""
        return self._process is not None

    @property
    def has_hung_up(self) -> bool:
        """True if the recorder has exited or closed its ledger."""
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
        """Kill the recorder with SIGKILL. Afterwards, `ledger` contains all lines that it wrote."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop the recorder with SIGTERM, and return its exit status."""
        return self._end(signal.SIGTERM)

    def wait(self) -> int:
        """Wait until the recorder ends on its own, and return its exit status."""
        return self._end(None)

    def state(self) -> dict[str, Any] | None:
        """Return the recorder's live state, or None if there is none."""
        return state_file.read(state_file.path(self.run))

    def wait_for_lines(self, more: int = 1, *, timeout: float = PATIENCE_S) -> None:
        """Wait until the ledger has `more` lines in addition to its current lines."""
        with self._told:
            wanted = len(self.ledger) + more
            self._told.wait_for(lambda: len(self.ledger) >= wanted or self._hung_up, timeout)
            assert len(self.ledger) >= wanted, (
                f"{len(self.ledger)} lines of {wanted}; the recorder says: {self.log[-2000:]}"
            )

    def listen_for_lines(self, more: int, *, timeout: float = PATIENCE_S) -> None:
        """Wait like `wait_for_lines`, but also return if the recorder ends earlier."""
        with self._told:
            wanted = len(self.ledger) + more
            assert self._told.wait_for(lambda: len(self.ledger) >= wanted or self._hung_up, timeout), (
                f"{len(self.ledger)} lines of {wanted}; the recorder says: {self.log[-2000:]}"
            )

    def listen(self, seconds: float) -> None:
        """Collect lines from the recorder for `seconds`, or until it ends."""
        with self._told:
            self._told.wait_for(lambda: self._hung_up, seconds)

    def wait_for_state(
        self, wanted: Callable[[dict[str, Any]], bool], *, timeout: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait until the recorder's live state meets a condition, and return the state."""
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
