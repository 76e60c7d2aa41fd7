"""Runs either side of a replication as a separate process, which a test can start, watch and kill.

    python -m tests.faults.syncing listen STORE FOLDER PORT
    python -m tests.faults.syncing replicate STORE FOLDER PORT

FOLDER contains the listener's certificate and key. Each side reports its progress on stdout, one line at a
time. A line contains the number of revisions that have arrived, whether they are new or not. The listener's
first line is its port. The replicator's last line is `done`.
"""

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from sync import documents
from sync.blip import RequestReceived
from sync.fleet.conflict_resolvers import Resolvers
from sync.net.endpoints import URLEndpoint
from sync.net.listener import URLEndpointListener, URLEndpointListenerConfiguration
from sync.net.replicator import Replicator, ReplicatorConfiguration
from sync.net.tls_identity import TLSIdentity
from sync.peer.session import Session
from sync.replication.checkpoint_id import Peer
from sync.store import Database
from tests import processes

from .processes import PATIENCE_S

TELL_EVERY_S = 0.005


class SyncProcess:
    """Process that runs one side of a replication and can be restarted, as a context manager."""

    def __init__(self, role: str, store: Path, folder: Path, *, told: threading.Condition) -> None:
        """Prepare one side. Both sides share the condition `told`, which is notified of each report."""
        self.role, self.store, self.folder = role, store, folder
        self.port = 0
        self.came = 0
        """Number of revisions that arrived in earlier runs, according to the reports received."""
        self.is_done = False
        self._life = 0
        self._told = told
        self._process: subprocess.Popen[bytes] | None = None
        self._listener: threading.Thread | None = None
        self._hung_up = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self.kill()

    @property
    def came_in_all(self) -> int:
        """Number of revisions that arrived in this and earlier runs, according to the reports received."""
        return self.came + (0 if self._process is None else max(0, self._life))

    @property
    def log(self) -> str:
        return (self.folder / f"{self.role}.log").read_text(errors="replace")

    def start(self) -> None:
        """Start the process, and wait for its first report."""
        assert self._process is None
        self._hung_up, self._life = False, -1
        with (self.folder / f"{self.role}.log").open("ab") as log:
            self._process = processes.Popen(
                [
                    *(sys.executable, "-m", "tests.faults.syncing"),
                    *(self.role, str(self.store), str(self.folder), str(self.port)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=Path(__file__).parents[2],
            )
        self._listener = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._listener.start()
        with self._told:
            self._told.wait_for(lambda: self._life >= 0 or self._hung_up, PATIENCE_S)
            assert self._life >= 0, self.log[-2000:]

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Stop the process with SIGTERM, and check its exit status."""
        status = self._end(signal.SIGTERM)
        assert status == 0, self.log[-2000:]

    def wait_for(self, more: int, *, unless: "SyncProcess") -> None:
        """Wait until `more` revisions have arrived, a process ends, or the side `unless` is done."""
        with self._told:
            wanted = self._life + more
            met = self._told.wait_for(
                lambda: self._life >= wanted or unless.is_done or self._hung_up or unless._hung_up,
                PATIENCE_S,
            )
            assert met, f"{self._life} of {wanted}: {self.log[-2000:]}"

    def wait_until_done(self) -> None:
        """Wait until the process reports that it is done. Fail if the process ends earlier."""
        with self._told:
            self._told.wait_for(lambda: self.is_done or self._hung_up, PATIENCE_S)
            assert self.is_done, self.log[-2000:]

    def _end(self, how: signal.Signals) -> int:
        assert self._process is not None
        assert self._listener is not None
        self._process.send_signal(how)
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._listener.join()
            self._process = self._listener = None
            self.came += max(0, self._life)

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as pipe:
            for line in pipe:
                if not line.endswith(b"\n"):
                    break  # a kill truncated this line
                word, _, number = line.decode().strip().partition(" ")
                with self._told:
                    if word == "port":
                        self.port, self._life = int(number), 0
                    elif word == "came":
                        self._life = int(number)
                    else:
                        self.is_done = True
                    self._told.notify_all()
        with self._told:
            self._hung_up = True
            self._told.notify_all()


class _Counter:
    """Counter of the revisions that arrive in this process. It reports its count regularly."""

    def __init__(self) -> None:
        self.came = 0
        requested = Session._requested

        def counted(session: Session, event: RequestReceived) -> None:
            self.came += event.profile == "rev"
            requested(session, event)

        Session._requested = counted  # type: ignore[method-assign, assignment]

    async def tell(self) -> None:
        told = 0
        while True:
            if self.came != told:
                told = self.came
                _say(f"came {told}")
            await asyncio.sleep(TELL_EVERY_S)


def _say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


async def _listen(database: Database, folder: Path, port: int) -> None:
    identity = TLSIdentity.load(folder / "cert.pem", folder / "key.pem")
    listener = URLEndpointListener(
        URLEndpointListenerConfiguration(
            {"log": database}, port=port, network_interface="127.0.0.1", tls_identity=identity
        )
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await listener.start()
    _say(f"port {listener.port}")
    await ended.wait()
    await listener.stop()


async def _replicate(database: Database, folder: Path, port: int) -> None:
    pin = TLSIdentity.load(folder / "cert.pem", folder / "key.pem").fingerprint
    replicator = Replicator(
        ReplicatorConfiguration(
            database,
            URLEndpoint(f"wss://127.0.0.1:{port}/log"),
            pinned_server_certificate=pin,
            conflict_resolver=Resolvers(),
            max_attempts=10_000,
            max_attempt_wait_time=0.05,
            peer=Peer("vessel", "theirs"),
        ),
        rng=random.Random(1),
    )
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    _say("came 0")
    status = await replicator.run()
    assert status.problem is None, status.problem
    assert replicator.must_be_repeated == 0
    _say("done")
    await ended.wait()


async def _main(role: str, store: Path, folder: Path, port: int) -> None:
    counter = _Counter()
    # If the parent process ends first, its end of stdin closes, and this process exits too.
    asyncio.get_running_loop().add_reader(0, os._exit, 1)
    with Database.open(store, policy=documents.POLICY) as database:
        telling = asyncio.create_task(counter.tell())
        await {"listen": _listen, "replicate": _replicate}[role](database, folder, port)
        telling.cancel()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])))
