"""A vessel of the demo: its files and its daemons.

The daemons are separate processes, as on an appliance. The recorder writes its ledger (what it has reported
as durable) into a file that only the demo reads.
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
from sync.documents import is_single_writer
from sync.folders import OWN
from sync.store import Database

STOP_WITHIN_S: Final = 30.0
COMMAND: Final = "logboat"
"""Name of the script beside a vessel's files."""
NO_LEDS: Final = "[lights]\npower = 0\nrecord = 0\nmesh = 0\ngateway = 0\nfault = 0\n"
"""Section of `logboat.toml` for a machine without LEDs; `logboat lights explain` shows their states."""

Ledger = dict[tuple[str, str], set[int]]
"""Numbers of the samples that are durable, by sensor and log."""


class DemoError(Exception):
    """Failure to carry out the demo; the text says what happened."""


class Daemon(Enum):
    """A vessel's processes; the value is the name of the command."""

    RECORDER = "record"
    SYNC = "sync"
    LIGHTS = "lights"

    @property
    def state(self) -> str:
        """Name of its live state, which is that of its unit, too."""
        return "recorder" if self is Daemon.RECORDER else self.value

    @property
    def log(self) -> str:
        """Name of the file with its output."""
        return f"{self.value}.log"


@dataclass(slots=True)
class DemoVessel:
    """A simulated appliance with its processes."""

    name: str
    folder: Path
    identity: Path
    port: int
    """Port of its listener, on loopback."""
    sensors: frozenset[str]
    gateways: str = ""
    """The gateway sections of its `logboat.toml`."""
    samples: int = 0
    """Number of durable samples in the ledger, as of the last `count`."""
    _read: int = 0
    _processes: "dict[Daemon, subprocess.Popen[bytes]]" = field(default_factory=dict)
    _database: Database | None = None

    @property
    def title(self) -> str:
        """Name of the vessel, for people."""
        return f"SY {self.name.title()}"

    @property
    def store(self) -> Path:
        """Path of its document store."""
        return self.folder / "data" / "log.db"

    def configure(self, *, static: tuple[str, ...] = ()) -> None:
        """Write `logboat.toml`, which uses loopback only; `static` are the addresses of other vessels."""
        lines = [
            f'[vessel]\nid = "{self.name}"\nname = "{self.title}"\n',
            f'[listener]\nport = {self.port}\ninterfaces = ["lo"]\n',
            NO_LEDS,
        ]
        if static:
            lines.append(f"[mesh]\nstatic = {json.dumps(static)}\n")
        (self.folder / "logboat.toml").write_text("\n".join([*lines, self.gateways]))

    def write_command(self) -> None:
        """Write a script beside its files that runs `logboat` as if aboard this vessel."""
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
        """Start one of its processes."""
        command = [sys.executable, "-m", "services", daemon.value, *self._places()]
        command += ["--identity", str(self.identity)]
        with (self.folder / daemon.log).open("ab") as log, self._ledger_path.open("ab") as ledger:
            if daemon is Daemon.RECORDER:
                command += ["--ledger", str(ledger.fileno())]
            elif daemon is Daemon.SYNC:
                # All vessels are on this machine: the board is what distinguishes them from a cloned card.
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
        """Send a signal to one of its processes, if it runs."""
        if daemon in self._processes:
            self._processes[daemon].send_signal(how)

    def wait(self, daemon: Daemon) -> None:
        """Wait until a process that was told to stop has exited. Raise DemoError unless its status is 0."""
        process = self._processes.get(daemon)
        if process is None:
            return
        try:
            status = process.wait(timeout=STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise DemoError(
                f"`logboat {daemon.value}` of {self.name} does not stop{self._said(daemon)}"
            ) from None
        del self._processes[daemon]
        if status != 0:
            raise DemoError(
                f"`logboat {daemon.value}` of {self.name} ended with {status}{self._said(daemon)}"
            )

    def kill(self, *daemons: Daemon) -> None:
        """Kill processes at once, as a power cut would; without arguments, all that run."""
        for daemon in daemons or tuple(self._processes):
            if (process := self._processes.pop(daemon, None)) is not None:
                process.kill()
                process.wait()

    def check(self) -> None:
        """Raise DemoError if a process has exited by itself."""
        for daemon, process in self._processes.items():
            if process.poll() is not None:
                raise DemoError(f"`logboat {daemon.value}` of {self.name} has stopped{self._said(daemon)}")

    def ended(self) -> list[tuple[Daemon, int]]:
        """Return the processes that have exited since the last call, each with its status."""
        statuses = [(daemon, process.poll()) for daemon, process in self._processes.items()]
        gone = [(daemon, status) for daemon, status in statuses if status is not None]
        for daemon, _ in gone:
            del self._processes[daemon]
        return gone

    def runs(self, daemon: Daemon) -> bool:
        """Return True if it was started and has not been stopped."""
        return daemon in self._processes

    def _said(self, daemon: Daemon) -> str:
        lines = (self.folder / daemon.log).read_text(errors="replace").strip().splitlines()
        return f"; last output:  {lines[-1]}" if lines else " without output"

    # Live state and store

    def state(self, daemon: Daemon) -> dict[str, Any] | None:
        """Return the daemon's live state; None if it does not run, or has not written one yet."""
        process = self._processes.get(daemon)
        state = state_file.read(state_file.path(self.folder / "run", daemon.state))
        is_its_own = process is not None and state is not None and state.get("pid") == process.pid
        return state if is_its_own else None

    def database(self) -> Database | None:
        """Return its store, to be read while others write to it; None if there is none yet."""
        if self._database is None and self.store.exists():
            # Only sync checkpoints the store.
            self._database = Database.open(
                self.store, single_writer=is_single_writer, checkpoint_pages=0, create=False
            )
        return self._database

    def close(self) -> None:
        """Close the store if it is open."""
        if self._database is not None:
            self._database.close()
            self._database = None

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Open its store after all writers have stopped. Raise StoreError if that fails."""
        with Database.open(self.store, single_writer=is_single_writer, create=False) as database:
            yield database

    # The ledger

    @property
    def _ledger_path(self) -> Path:
        return self.folder / "ledger.csv"

    def count(self) -> None:
        """Update `samples` from the new part of the ledger."""
        with self._ledger_path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        self._read += len(new)
        self.samples += new.count(b"\n")

    def ledger(self) -> Ledger:
        """Return all samples that the recorder reported as durable, in all its runs."""
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
