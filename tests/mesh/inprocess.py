"""Vessels of a mesh that all run in this process, and connect over real sockets on loopback."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from sync import documents
from sync.fleet import names
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.revocations import Revocations, Revoked, serial_text
from sync.fleet.trust import FleetTrust
from sync.mesh.appliance_headers import ApplianceHeaders
from sync.mesh.link_plan import MeshNode
from sync.mesh.link_state import LinkState
from sync.mesh.manager import Mesh, MeshSettings
from sync.mesh.membership import Membership
from sync.mesh.report import mesh_report
from sync.net.tls_identity import TLSIdentity
from sync.store import Database
from tests.namespaces import own_loopback
from tests.net.certificates import CA
from tests.polling import until

NOW = datetime(2026, 6, 1, tzinfo=UTC)
PATIENCE = 60.0
"""Time limit in seconds for a condition. Of two vessels, one waits 15 to 30 s before it connects."""


@dataclass(frozen=True)
class Fleet:
    """Fleet with a CA and a unique name, so that tests on the same network interface do not interfere."""

    name: str
    authority: CA

    @classmethod
    def new(cls) -> "Fleet":
        return cls(f"t{os.getpid()}-{random.randrange(10**6)}", CA.new(f"fleet {random.random()}"))

    def issue(self, vessel: str, *, end: datetime | None = None) -> TLSIdentity:
        uri = names.uri(self.name, vessel)
        begin = NOW - timedelta(days=400)
        return self.authority.issue(vessel, uri=uri, begin=begin, end=end or NOW + timedelta(days=400))

    def revoke(self, identity: TLSIdentity, number: int = 1) -> Revocations:
        entry = Revoked(serial_text(identity.certificate.serial_number), identity.common_name, "stolen", NOW)
        return Revocations(number, NOW, (entry,))


@asynccontextmanager
async def vessel(
    folder: Path,
    fleet: Fleet,
    name: str,
    *,
    identity: TLSIdentity | None = None,
    knows: tuple[Mesh, ...] = (),
    known: tuple[str, ...] = (),
    port: int = 0,
    place: MeshNode | None = None,
    board: str = "",
    gives: bool = True,
    takes: bool = True,
    now: Callable[[], datetime] = lambda: NOW,
) -> AsyncIterator[Mesh]:
    """Run a vessel in this process, and yield its mesh.

    The configured addresses of the vessel are those of the vessels in `knows` and those in `known`.
    """
    with Database.open(folder / f"{name}{board}.db", policy=documents.POLICY) as database:
        shown = identity or fleet.issue(name)
        greeting = ApplianceHeaders(
            database.uuid, (board or name).encode().hex().ljust(16, "0")[:16], "qwerty", "1.0"
        )
        trust = FleetTrust(fleet.authority.certificate, fleet.name)
        membership = Membership(
            FleetIdentity(name, fleet.name, shown, trust),
            database,
            greeting=greeting,
            current_log=lambda: "qwerty",
            now=now,
            gives=gives,
            takes=takes,
            on_clone=lambda found: mesh.own_identity_connected(found),  # noqa: PLW0108 -- it is made below
            on_ahead=lambda peer, found: mesh.log_ahead_reported(peer, found),  # noqa: PLW0108
        )
        static = (*known, *(f"wss://127.0.0.1:{other.port}" for other in knows))
        settings = MeshSettings(place=place or MeshNode(name), port=port, interfaces=("lo",), static=static)
        mesh = Mesh(settings, database, membership, rng=random.Random(1), push=gives, pull=takes)
        await mesh.start()
        try:
            yield mesh
        finally:
            await mesh.stop()


async def turned(meshes: Sequence[Mesh], times: int = 3) -> None:
    """Wake all meshes `times` times. Each time, wait until each mesh has reviewed its peers."""
    for _ in range(times):
        wanted = [mesh.turns + 1 for mesh in meshes]
        for mesh in meshes:
            mesh._wake.set()
        await until(partial(_have_looked, meshes, wanted), "they looked again")


def _have_looked(meshes: Sequence[Mesh], wanted: Sequence[int]) -> bool:
    return all(mesh.turns >= turns for mesh, turns in zip(meshes, wanted, strict=True))


def said_about(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if words in record.getMessage()]


def run(main: Coroutine[None, None, None]) -> None:
    """Run a test's coroutine on a separate loopback interface, for at most 90 s."""
    with own_loopback():
        asyncio.run(asyncio.wait_for(main, 90))


def problem_of(mesh: Mesh) -> str:
    """Return the text of the problems that the mesh reports for refused peers."""
    return " ".join(peer.problem or "" for peer in mesh_report(mesh).peers if peer.state is LinkState.REFUSED)
