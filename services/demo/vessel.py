"""A vessel in the demo: its files and its daemons.

The daemons are separate processes, as on an appliance. The recorder writes its ledger, which lists the
samples that it reported as durable, to a file that only the demo reads.
"""

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, Final

from services.state import state_file
from sync.documents import POLICY
from sync.folders import OWN
from sync.store import Database

STOP_WITHIN_S: Final = 30.0
COMMAND: Final = "logboat"
"""Name of a script in a vessel's folder. The script runs `logboat` with that vessel's files."""
NO_LEDS: Final = "[lights]\npower = 0\nrecord = 0\nmesh = 0\ngateway = 0\nfault = 0\n"
"""Section of `logboat.toml` for a machine without LEDs.

`logboat lights explain` still shows the states of the lights.
"""

Ledger = dict[tuple[str, str], set[int]]
"""Numbers of the durable samples, by sensor and log."""


class DemoError(Exception):
    """The demo has failed. The error message states the cause."""


class Daemon(Enum):
    """A vessel's daemon; the value is the subcommand of `logboat` that runs it."""

    RECORDER = "record"
    SYNC = "sync"
    LIGHTS = "lights"

    @property
    def state(self) -> str:
        """Name used for the daemon's live state and for its systemd unit."""
        return "recorder" if self is Daemon.RECORDER else self.value

    @property
    def log(self) -> str:
        """Name of the file that receives the daemon's output."""
        return f"{self.value}.log"


@dataclass(slots=True)
class DemoVessel:
    """A simulated appliance with its processes."""

    name: str
    folder: Path
    identity: Path
    port: int
    """Port of the vessel's listener, on the loopback interface."""
    sensors: frozenset[str]
    gateways: str = ""
    """The gateway sections of the vessel's `logboat.toml`."""
    samples: int = 0
    """Number of durable samples in the ledger when `count` was last called."""
    _read: int = 0
    _processes: "dict[Daemon, subprocess.Popen[bytes]]" = field(default_factory=dict)
    _database: Database | None = None

    @property
    def title(self) -> str:
        """Display name of the vessel."""
        return f"SY {self.name.title()}"

    @property
    def store(self) -> Path:
        """Path of the vessel's document store."""
        return self.folder / "data" / "log.db"

    def configure(self, *, static: tuple[str, ...] = ()) -> None:
        """Write a `logboat.toml` that uses loopback only; `static` lists the addresses of other vessels."""
        lines = [
            f'[vessel]\nid = "{self.name}"\nname = "{self.title}"\n',
            f'[listener]\nport = {self.port}\ninterfaces = ["lo"]\n',
            NO_LEDS,
        ]
        if static:
            lines.append(f"[mesh]\nstatic = {json.dumps(static)}\n")
        (self.folder / "logboat.toml").write_text("\n".join([*lines, self.gateways]))

    def write_command(self) -> None:
        """Write a script, in the vessel's folder, that runs `logboat` with this vessel's files."""
        identity = f"--identity {shlex.quote(str(self.identity))}"
        places = " ".join(shlex.quote(word) for word in self._places())
        path = self.folder / COMMAND
        path.write_text(
            "#!/bin/sh\n"
            f"# logboat, of {self.title}: {COMMAND} COMMAND …\n"
            'word="${1:-status}"; [ $# -gt 0 ] && shift\n'
            f'case "$word" in doctor | bundle | lights | record | sync) set -- {identity} "$@" ;; esac\n'
            f'exec {shlex.quote(sys.executable)} -m services "$word" {places} "$@"\n'
        )
        path.chmod(0o755)

    def _places(self) -> list[str]:
        named = (("config", "logboat.toml"), ("sensors", "sensors.toml"), ("data", "data"), ("run", "run"))
        return [word for option, place in named for word in (f"--{option}", str(self.folder / place))]

    # Processes and signals

    def start(self, daemon: Daemon) -> None:
        """Start one of the vessel's daemons."""
        command = [sys.executable, "-m", "services", daemon.value, *self._places()]
        command += ["--identity", str(self.identity)]
        with (self.folder / daemon.log).open("ab") as log, self._ledger_path.open("ab") as ledger:
            if daemon is Daemon.RECORDER:
                command += ["--ledger", str(ledger.fileno())]
            elif daemon is Daemon.SYNC:
                # All vessels are on one machine. Without a board id of its own, a vessel would look like a
                # cloned card.
                command += ["--board", f"demo {self.name}"]
            self._processes[daemon] = subprocess.Popen(
                command,
                pass_fds=(ledger.fileno(),) if daemon is Daemon.RECORDER else (),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def signal(self, daemon: Daemon, how: signal.Signals) -> None:
        """Send a signal to a daemon, if it is running."""
        if daemon in self._processes:
            self._processes[daemon].send_signal(how)

    def wait(self, daemon: Daemon) -> None:
        """Wait until a daemon that received a stop signal has exited.

        Raise DemoError unless its exit status is 0, or SIGTERM ended it while it was still starting.
        """
        process = self._processes.get(daemon)
        if process is None:
            return
        try:
            status = process.wait(timeout=STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise DemoError(
                f"`logboat {daemon.value}` of {self.name} does not stop{self._said(daemon)}"
            ) from None
        was_starting = self.state(daemon) is None
        del self._processes[daemon]
        if status != 0 and not (status == -signal.SIGTERM and was_starting):
            raise DemoError(
                f"`logboat {daemon.value}` of {self.name} ended with {status}{self._said(daemon)}"
            )

    def kill(self, *daemons: Daemon) -> None:
        """Kill these daemons at once, as a power cut would. Without arguments, kill all running daemons."""
        for daemon in daemons or tuple(self._processes):
            if (process := self._processes.pop(daemon, None)) is not None:
                process.kill()
                process.wait()

    def check(self) -> None:
        """Raise DemoError if a daemon has exited unexpectedly."""
        for daemon, process in self._processes.items():
            if process.poll() is not None:
                raise DemoError(f"`logboat {daemon.value}` of {self.name} has stopped{self._said(daemon)}")

    def ended(self) -> list[tuple[Daemon, int]]:
        """Return the daemons that have exited since the last call, each with its exit status."""
        statuses = [(daemon, process.poll()) for daemon, process in self._processes.items()]
        gone = [(daemon, status) for daemon, status in statuses if status is not None]
        for daemon, _ in gone:
            del self._processes[daemon]
        return gone

    def runs(self, daemon: Daemon) -> bool:
        """Return True if the daemon was started and has not been stopped since."""
        return daemon in self._processes

    def _said(self, daemon: Daemon) -> str:
        lines = (self.folder / daemon.log).read_text(errors="replace").strip().splitlines()
        return f"; last output:  {lines[-1]}" if lines else " without output"

    # Live state and store

    def state(self, daemon: Daemon) -> dict[str, Any] | None:
        """Return a daemon's live state; None if the daemon is not running or has not written a state yet."""
        process = self._processes.get(daemon)
        state = state_file.read(state_file.path(self.folder / "run", daemon.state))
        is_its_own = process is not None and state is not None and state.get("pid") == process.pid
        return state if is_its_own else None

    def database(self) -> Database | None:
        """Return the vessel's store, for reading while other processes write to it.

        Return None if the vessel has no store yet.
        """
        if self._database is None and self.store.exists():
            # Only the sync daemon checkpoints the store.
            self._database = Database.open(self.store, policy=POLICY, checkpoint_pages=0, create=False)
        return self._database

    def close(self) -> None:
        """Close the store if it is open."""
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Open the vessel's store after all writers have stopped. Raise StoreError if that fails."""
        with Database.open(self.store, policy=POLICY, create=False) as database:
            yield database

    # The ledger

    @property
    def _ledger_path(self) -> Path:
        return self.folder / "ledger.csv"

    def count(self) -> None:
        """Update `samples` by reading the new part of the ledger."""
        with self._ledger_path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        self.samples += new.count(b"\n")

    def ledger(self) -> Ledger:
        """Return all samples that the recorder has reported as durable, across all runs of the recorder."""
        ledger: Ledger = {}
        whole, _, _ = self._ledger_path.read_text().rpartition("\n")  # the last line may be incomplete
        for line in whole.splitlines():
            sensor, log, number = line.split(",")
            ledger.setdefault((sensor, log), set()).add(int(number))
        return ledger


def make(folder: Path, name: str, *, identity: Path, port: int, sensors: frozenset[str]) -> DemoVessel:
    """Create a vessel with its folders, without starting anything."""
    vessel = DemoVessel(name, folder / name, identity, port, sensors)
    for place in (vessel.folder, vessel.folder / "data", vessel.folder / "run"):
        place.mkdir(mode=OWN)
    vessel.configure()
    return vessel
