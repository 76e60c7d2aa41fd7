"""Runs an attack in a separate process, so that its work does not slow down the well-behaved client."""

import asyncio
import multiprocessing
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sync.net.tls_identity import TLSIdentity

Facts = dict[str, Any]
"""Observations, by name, that an attack reports to the test."""
Begun = Callable[[], None]
"""Function that an attack calls when its preparations are complete and the attack begins."""


@dataclass(frozen=True, slots=True)
class Target:
    """Information that the attacker has about the vessel under attack."""

    port: int
    fingerprint: str
    password: str
    """Password of every user of the vessel."""
    vessel: Path
    """Folder with the identity of another vessel in the fleet (vessel.pem and vessel.key)."""
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """URL for replication of the vessel's log."""
        return f"wss://{self.host}:{self.port}/log"

    @property
    def identity(self) -> TLSIdentity:
        """TLS identity that the attacker has stolen from another vessel in the fleet."""
        return TLSIdentity.load(self.vessel / "vessel.pem", self.vessel / "vessel.key")


Attack = Callable[[Target, Begun], Awaitable[Facts | None]]


class Attacker:
    """Handle for an attack that runs in a separate process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.has_begun = self.is_done = False
        self.facts: Facts = {}

    def fileno(self) -> int:
        """Return the file descriptor that becomes readable when the attacker's process has sent a message."""
        return self._pipe.fileno()

    def hear(self) -> None:
        """Process pending messages from the attacker's process. Raise AssertionError if the attack failed."""
        while self._pipe.poll():
            try:
                word, what = self._pipe.recv()
            except EOFError:
                self.is_done = True
                raise AssertionError("the attacker's process has ended without a word") from None
            if word == "failed":
                self.is_done = True
                raise AssertionError(f"the attack itself has failed:\n{what}")
            self.has_begun = True
            if word == "done":
                self.is_done, self.facts = True, what
                return


@contextmanager
def attacker(attack: Attack, target: Target) -> Iterator[Attacker]:
    """Run an attack in a separate process, which is killed at the end of the block."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_attack, args=(attack, target, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Attacker(ours)
    finally:
        process.kill()
        process.join()
        process.close()
        ours.close()


def _attack(attack: Attack, target: Target, pipe: Connection) -> None:
    async def run() -> Facts | None:
        return await attack(target, lambda: pipe.send(("begun", None)))

    try:
        facts = asyncio.run(run())
    except Exception:
        pipe.send(("failed", traceback.format_exc()))
    else:
        pipe.send(("done", facts or {}))
