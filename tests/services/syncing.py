"""Runs the sync daemon as a real process on loopback, in a fleet of its own."""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from services.state import state_file
from sync.fleet import names
from sync.fleet.revocations import Revocations, Revoked, serial_text, to_body
from sync.net.tls_identity import TLSIdentity
from tests import processes
from tests.net.certificates import CA, NOW
from tests.polling import PATIENCE_S, wait_until
from tests.ports import free_port

from . import commands


@dataclass
class Fleet:
    """A CA and the identities that it issues, with unique names because other tests use loopback too."""

    name: str = field(default_factory=lambda: f"test-{secrets.token_hex(4)}")

    @cached_property
    def ca(self) -> CA:
        return CA.new(self.name)

    def identity(self, folder: Path, vessel: str = "argo", *, number: int = 1) -> TLSIdentity:
        """Write an identity of a vessel, with a new certificate, into a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        made = self.ca.issue(vessel, hosts=[names.host(vessel)], uri=names.uri(self.name, vessel))
        made.save(folder / "vessel.pem", folder / "vessel.key")
        (folder / "fleet.pem").write_bytes(TLSIdentity((self.ca.certificate,), self.ca.key).chain_pem())
        self.revoke(folder, number=number)
        return made

    def revoke(self, folder: Path, *revoked: TLSIdentity, number: int) -> None:
        """Write the CA's signed statement that revokes these certificates into a vessel's folder."""
        entries = tuple(
            Revoked(serial_text(each.certificate.serial_number), "ferry", "stolen", NOW) for each in revoked
        )
        body = to_body(Revocations(number, NOW, entries), fleet=self.name, key=self.ca.key)
        (folder / "revocations.json").write_text(json.dumps(body))


class SyncProcess:
    """Sync daemon of one vessel; a context manager that ends the daemon if it is still running."""

    def __init__(
        self,
        folder: Path,
        *,
        vessel: str = "argo",
        toml: str = "",
        popen: "type[subprocess.Popen[Any]]" = processes.Popen,
    ) -> None:
        """Prepare a daemon, which is later started with `popen`.

        `popen` is `subprocess.Popen` if a test measures the cost of a start, or of the process itself.
        """
        self._popen = popen
        self.folder, self.vessel, self.port = folder, vessel, free_port()
        folder.mkdir(parents=True, exist_ok=True)
        self.identity = folder / "identity"
        self.config = folder / "logboat.toml"
        self.config.write_text(
            f'[vessel]\nid = "{vessel}"\n[listener]\nport = {self.port}\ninterfaces = ["lo"]\n{toml}'
        )
        (folder / "sensors.toml").write_text("no_sensors = true\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def places(self) -> list[str]:
        return [
            *("--config", str(self.config), "--sensors", str(self.folder / "sensors.toml")),
            *("--data", str(self.folder / "data"), "--run", str(self.folder / "run")),
        ]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True if the daemon was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        return (self.folder / "sync.log").read_text(errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def start(self, *, notify: Path | None = None) -> None:
        environment = os.environ | ({} if notify is None else {"NOTIFY_SOCKET": str(notify)})
        with (self.folder / "sync.log").open("ab") as log:
            self._process = self._popen(
                [
                    *(sys.executable, "-m", "services", "sync", *self.places),
                    *("--identity", str(self.identity), "--board", self.vessel),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
            )

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill the daemon with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(PATIENCE_S)
        self._process = None

    def stop(self) -> int:
        """Send SIGTERM, and return the exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until the daemon ends by itself, and return its exit status."""
        assert self._process is not None
        status = self._process.wait(PATIENCE_S)
        self._process = None
        assert "Traceback" not in self.log
        return status

    def state(self) -> dict[str, Any]:
        return state_file.read(state_file.path(self.folder / "run", "sync")) or {}

    def until(
        self, wanted: Callable[[dict[str, Any]], object], *, within: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Wait at most `within` seconds until the daemon's live state meets the condition, and return it."""

        def found() -> dict[str, Any] | None:
            state = self.state()
            return state if state and wanted(state) else None

        state = wait_until(
            found, lambda: f"the state is {self.state()}; it says: {self.log[-3000:]}", within=within
        )
        assert state is not None
        return state

    def logboat(self, *arguments: str, places: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command on this vessel, in the test's process."""
        return commands.logboat(*arguments, *(self.places if places else ()))
