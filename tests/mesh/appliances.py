"""Complete appliances for tests of the mesh, which run `logboat sync` and `logboat record` as processes."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from services.state import state_file
from sync import documents
from sync.documents import DocumentType
from sync.fleet.revocations import Revocations, to_body
from sync.net.tls_identity import TLSIdentity
from sync.store import Database
from tests import polling, processes
from tests.faults import loads
from tests.faults.processes import RecorderProcess
from tests.fleet import builders
from tests.namespaces import Host

ROOT: Final = Path(__file__).parents[2]
PATIENCE: Final = 60.0
"""Time limit in seconds for a condition to become true, long enough for a busy machine."""
LOG: Final = "qwerty"
READINGS: Final = 20


class Appliance:
    """Appliance of one vessel. Its daemons run as processes, and its files are in a separate folder."""

    def __init__(
        self,
        folder: Path,
        vessel: str,
        host: Host | None = None,
        *,
        identity: TLSIdentity | None = None,
        fleet: str = builders.FLEET,
        configuration: str = "",
        board: str | None = None,
    ) -> None:
        """Write the configuration and identity of an appliance on the simulated host `host`.

        If `host` is None, the appliance uses this machine's own network.
        """
        self.folder, self.vessel, self.host, self.board = folder, vessel, host, board or f"board of {vessel}"
        folder.mkdir(parents=True)
        (folder / "data").mkdir()
        loads.write(folder, loads.simulated(3, rate_hz=2))
        (folder / "logboat.toml").write_text(f'[vessel]\nid = "{vessel}"\n{configuration}')
        write_identity(folder / "identity", identity or builders.vessel(vessel, fleet=fleet), fleet=fleet)
        self.recorder = RecorderProcess(folder)
        self._sync: subprocess.Popen[Any] | None = None
        self._output: IO[bytes] | None = None
        self.written = 0
        """Number of reading documents that `write` has written."""

    def start(self) -> None:
        """Start the sync daemon as a process."""
        assert self._sync is None
        self._output = (self.folder / "sync.log").open("ab")
        argv = [
            *(sys.executable, "-m", "services", "sync"),
            *("--config", str(self.folder / "logboat.toml")),
            *("--sensors", str(self.folder / "sensors.toml")),
            *("--data", str(self.folder / "data")),
            *("--run", str(self.folder / "run")),
            *("--identity", str(self.folder / "identity")),
            *("--board", self.board),
        ]
        how: dict[str, Any] = {"stdout": self._output, "stderr": self._output, "cwd": ROOT}
        self._sync = processes.Popen(argv, **how) if self.host is None else self.host.popen(argv, **how)

    def stop(self) -> int:
        """Stop the sync daemon with SIGTERM, and return its exit status."""
        assert self._sync is not None
        self._sync.terminate()
        return self._ended()

    def kill(self) -> None:
        """Kill the sync daemon with SIGKILL, if it is running."""
        if self._sync is not None:
            self._sync.kill()
            self._ended()

    def end(self) -> None:
        """Kill both daemons with SIGKILL, if they are running."""
        self.kill()
        if self.recorder.is_running:
            self.recorder.kill()

    def _ended(self) -> int:
        assert self._sync is not None
        assert self._output is not None
        status = self._sync.wait(PATIENCE)
        self._output.close()
        self._sync = None
        return status

    @property
    def log(self) -> str:
        """Log messages of the sync daemon, from all its runs."""
        return (self.folder / "sync.log").read_text(errors="replace")

    def state(self) -> dict[str, Any]:
        """Return the sync daemon's live state, or an empty dictionary if there is none yet."""
        return state_file.read(state_file.path(self.folder / "run", "sync")) or {}

    def peer(self, vessel: str) -> dict[str, Any]:
        """Return the entry for a vessel in the sync daemon's live state, or an empty dictionary."""
        return next((peer for peer in self.state().get("peers", ()) if peer["vessel"] == vessel), {})

    @property
    def linked(self) -> set[str]:
        """Ids of the vessels that the sync daemon reports as linked."""
        return {peer["vessel"] for peer in self.state().get("peers", ()) if peer["state"] == "linked"}

    @contextmanager
    def store(self) -> Iterator[Database]:
        """Open the appliance's document store. The daemons may be using it at the same time."""
        with Database.open(
            self.folder / "data" / "log.db",
            policy=documents.POLICY,
            announce=self.folder / "run" / "watchers" if (self.folder / "run").exists() else None,
        ) as database:
            yield database

    def write(self, count: int = READINGS) -> None:
        """Write `count` readings, an alarm and a current value to the appliance's document store."""
        with self.store() as database, database.transaction():
            for _ in range(count):
                self.written += 1
                document_id = documents.reading_id(self.vessel, "rpm", LOG, self.written)
                database.put(document_id, builders.body(document_id, samples=[[0, self.written]]))
            alarm = documents.alarm_id(self.vessel, "rpm", LOG, self.written)
            database.put(alarm, builders.body(alarm, acks=[]))
            equipment = documents.equipment_id(self.vessel, "rpm")
            now = database.get(equipment)
            database.put(
                equipment,
                builders.body(equipment, value=self.written),
                parent=None if now is None else now.rev,
            )

    def count(self) -> int:
        """Return the number of documents in the appliance's store."""
        with self.store() as database:
            return database.count()

    def revisions(self) -> dict[str, str]:
        """Return the current revision of each document in the appliance's store, by document id."""
        with self.store() as database:
            return {change.id: change.rev for change in database.changes()}


def write_identity(folder: Path, identity: TLSIdentity, *, fleet: str = builders.FLEET) -> None:
    """Write the identity files of a vessel to a folder, as in `/etc/logboat/identity`."""
    folder.mkdir(exist_ok=True)
    authority = builders.authority(fleet)
    identity.save(folder / "vessel.pem", folder / "vessel.key")
    (folder / "fleet.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    write_revocations(folder, Revocations(), fleet=fleet)


def write_revocations(folder: Path, revocations: Revocations, *, fleet: str = builders.FLEET) -> None:
    """Write certificate revocations, signed by the fleet's CA, to an identity folder."""
    body = to_body(revocations, fleet=fleet, key=builders.authority(fleet).key)
    (folder / "revocations.json").write_text(json.dumps(body))


def wait_until(
    holds: Callable[[], object], what: str, appliances: Iterable[Appliance] = (), *, within: float = PATIENCE
) -> float:
    """Wait until a condition is true, and return the elapsed time in seconds.

    If the wait times out, the error message contains the logs of `appliances`.
    """

    def in_vain() -> str:
        said = "\n".join(f"== {each.vessel}: {each.log[-3000:]}" for each in appliances)
        return f"{what}\n{said}"

    began = time.monotonic()
    polling.wait_until(holds, in_vain, within=within)
    return time.monotonic() - began


def wait_for_agreement(appliances: Sequence[Appliance], *, within: float = PATIENCE) -> float:
    """Wait until all stores have the same revisions, and assert that their documents are identical.

    Return the waiting time in seconds.
    """

    def agree() -> bool:
        counts = {appliance.count() for appliance in appliances}  # cheaper to query than revisions
        if len(counts) > 1 or 0 in counts:
            return False
        first, *others = (appliance.revisions() for appliance in appliances)
        return all(other == first for other in others)

    took = wait_until(agree, "all stores hold the same", appliances, within=within)
    assert_identical(appliances)
    return took


def assert_identical(appliances: Sequence[Appliance]) -> None:
    """Assert that all stores contain the same documents, and that no conflict is unresolved."""
    found = []
    for appliance in appliances:
        with appliance.store() as database:
            assert list(database.conflicts()) == []
            found.append(
                {
                    document.id: (document.rev, document.deleted, document.raw)
                    for document in database.documents(deleted=True)
                }
            )
    for other in found[1:]:
        assert other == found[0]


def kinds(appliance: Appliance, kind: DocumentType) -> list[str]:
    """Return the ids of all documents of a type in an appliance's store."""
    return [document_id for document_id in appliance.revisions() if document_id.startswith(f"{kind}:")]
