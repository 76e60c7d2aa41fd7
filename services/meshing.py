"""The sync daemon: the mesh of this vessel, from its files, and what it tells of itself.

It has the network and no GPIO. Without an identity it waits for one: recording does not depend on it.
"""

import asyncio
import dataclasses
import hashlib
import json
import logging
import os
import random
import signal
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sync.documents import is_single_writer
from sync.fleet import identity_files
from sync.fleet.errors import FleetError, IdentityError, NoIdentityError
from sync.fleet.identity_files import FleetIdentity
from sync.mesh import report
from sync.mesh.greeting import Greeting
from sync.mesh.manager import Mesh, MeshSettings
from sync.mesh.membership import CrewUser, Membership
from sync.mesh.plan import Place, Role
from sync.peer.problems import ProblemError
from sync.store import Database, StoreError

from . import livestate, machine, storecheck
from .configuration import Configuration, ConfigurationError
from .lastgood import load_or_last_good
from .systemd import Notifier
from .timekeeping import system_quality

log = logging.getLogger(__name__)

WRITE_EVERY: Final = 1.0
"""Seconds between two states."""
LOOK_FOR_IDENTITY_EVERY: Final = 5.0
KEEP_TIME_EVERY: Final = 600.0
"""Seconds between notes of what time it is, for a start without a clock."""
_CLOCK: Final = "mesh:clock"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the daemon finds and keeps things."""

    config: Path
    sensors: Path
    data: Path
    run: Path
    identity: Path


class Floor:
    """What time it is at least: the image's date, or the last time that was known; kept in the store."""

    def __init__(self, database: Database, *, image: float, utc: Callable[[], float] = time.time) -> None:
        """Raises StoreError."""
        self._database, self._utc = database, utc
        kept = database.get_local(_CLOCK)
        self._floor = max(image, float(kept.body.get("utc", 0.0)) if kept is not None else 0.0)

    def now(self) -> datetime:
        """The clock's time, or the floor if that is later."""
        return datetime.fromtimestamp(max(self._utc(), self._floor), UTC)

    def keep(self) -> None:
        """Note what time it is, if the clock can be believed. Raises StoreError."""
        if system_quality().is_synced and self._utc() > self._floor:
            self._floor = self._utc()
            kept = self._database.get_local(_CLOCK)
            self._database.put_local(_CLOCK, {"utc": self._floor}, parent=None if kept is None else kept.rev)


class SyncDaemon:
    """One run of the daemon."""

    def __init__(
        self,
        *,
        places: Places,
        configuration: Configuration,
        problems: tuple[str, ...] = (),
        board: str | None = None,
        notifier: Notifier | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._places, self._configuration = places, configuration
        self._problems = list(problems)
        self._board = hashlib.sha256((board or machine.board()).encode()).hexdigest()[:16]
        self._notifier = notifier or Notifier()
        self._rng = rng or random.SystemRandom()
        self._stop = asyncio.Event()
        self._started = time.time()
        self._state = livestate.path(places.run, "sync")
        self.mesh: Mesh | None = None

    def stop(self) -> None:
        """Begin to end."""
        self._stop.set()

    async def run(self) -> int:
        """Until stopped; 0 after a clean stop. Raises StoreError if the store is broken, ProblemError if the
        listener cannot listen."""
        self._places.run.mkdir(parents=True, exist_ok=True)
        with (
            storecheck.using(self._places.data),
            Database.open(
                self._places.data / "log.db",
                single_writer=is_single_writer,
                announce=self._places.run / "watchers",
            ) as database,
        ):
            self._notifier.ready()
            identity = await self._identity()
            if identity is None:
                return 0
            await self._take_part(database, identity)
        return 0

    async def _identity(self) -> FleetIdentity | None:
        """This vessel's identity, once there is one; None if we are to end before."""
        told = ""
        while not self._stop.is_set():
            try:
                return identity_files.load(self._places.identity)
            except NoIdentityError as error:
                words = str(error)
            except IdentityError as error:
                words = f"the identity cannot be used: {error}"
            if words != told:
                log.warning("no mesh: %s", words)
                told = words
            self._tell(None, [words])
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), LOOK_FOR_IDENTITY_EVERY)
        return None

    async def _take_part(self, database: Database, identity: FleetIdentity) -> None:
        configuration, mesh_settings = self._configuration, self._configuration.mesh
        if configuration.vessel.id not in (identity.vessel, "vessel"):
            self._problems.append(
                f"logboat.toml names vessel {configuration.vessel.id}, and the identity is that of"
                f" {identity.vessel}: the mesh takes part as the latter; correct one of the two"
            )
        floor = Floor(database, image=machine.image_epoch())
        greeting = Greeting(
            store=database.uuid,
            board=self._board,
            log=self._current_log() or "",
            version=machine.logboat_version(),
        )
        gives, takes = mesh_settings.direction != "pull", mesh_settings.direction != "push"
        membership = Membership(
            identity,
            database,
            greeting=greeting,
            crew=[
                CrewUser(user.name, user.password_hash, user.access == "read-write", user.channels)
                for user in configuration.users
            ],
            current_log=self._current_log,
            now=floor.now,
            gives=gives,
            takes=takes,
            on_clone=self._clone,
        )
        self._publish_revocations(membership)
        self.mesh = mesh = Mesh(
            MeshSettings(
                place=Place(
                    identity.vessel,
                    Role(mesh_settings.role),
                    frozenset(mesh_settings.hub),
                    mesh_settings.max_peers,
                ),
                port=configuration.listener.port,
                interfaces=configuration.listener.interfaces,
                static=mesh_settings.static,
            ),
            database,
            membership,
            rng=self._rng,
            push=gives,
            pull=takes,
        )
        await mesh.start()
        own = membership.judge(identity.tls.certificate)
        if own is not None:
            self._problems.append(f"other vessels will refuse this one: {own}")
        log.info("vessel %s of fleet %s listens on port %s", identity.vessel, identity.fleet, mesh.port)
        try:
            await self._attend(mesh, floor)
        finally:
            self._notifier.stopping()
            await mesh.stop()

    async def _attend(self, mesh: Mesh, floor: Floor) -> None:
        loop = asyncio.get_running_loop()
        keep_at = loop.time()
        while not self._stop.is_set():
            if loop.time() >= keep_at:
                floor.keep()
                keep_at = loop.time() + KEEP_TIME_EVERY
            self._tell(report.look(mesh), self._problems)
            self._notifier.alive()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), WRITE_EVERY)

    def _clone(self, board: str) -> None:
        if self.mesh is not None:
            self.mesh.hear_own(board)

    def _current_log(self) -> str | None:
        state = livestate.read(livestate.path(self._places.run))
        found = None if state is None else state.get("log")
        return found if isinstance(found, str) else None

    def _publish_revocations(self, membership: Membership) -> None:
        path = self._places.identity / identity_files.REVOCATIONS
        try:
            membership.publish(json.loads(path.read_bytes()))
        except (OSError, ValueError, FleetError) as error:
            self._problems.append(f"{path}: {error}")

    def _tell(self, found: report.MeshReport | None, problems: list[str]) -> None:
        state: dict[str, Any] = {
            "pid": os.getpid(),
            "started": self._started,
            "updated": {"clock": time.clock_gettime(time.CLOCK_BOOTTIME), "utc": time.time()},
            "vessel": self._configuration.vessel.id,
            "fleet": None,
            "board": self._board,
            "problems": problems,
        }
        if found is not None:
            state |= _written(found) | {"problems": [*problems, *found.problems]}
        try:
            livestate.write(self._state, state)
        except OSError as error:
            log.warning("%s: %s", self._state, error.strerror or error)


def _written(found: report.MeshReport) -> dict[str, Any]:
    return {
        "vessel": found.vessel,
        "fleet": found.fleet,
        "port": found.port,
        "peers": [
            {_camel(name): value for name, value in dataclasses.asdict(peer).items()}
            | {"state": peer.state.value}
            for peer in found.peers
        ],
        "crew": [{"user": user, "address": address} for user, address in found.crew],
        "routes": {
            vessel: {"path": list(route.path), "hops": route.hops, "utc": route.utc}
            for vessel, route in found.routes.items()
        },
        "clones": found.clones,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def run(args: Namespace) -> int:
    """`logboat sync`."""
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr, force=True
    )
    places = Places(args.config, args.sensors, args.data, args.run, args.identity)
    try:
        loaded = load_or_last_good(args.config, args.sensors, args.data)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        return asyncio.run(_run(places, loaded.configuration, tuple(map(str, loaded.problems)), args.board))
    except ProblemError as error:
        sys.stderr.write(f"logboat: {error.problem.text}\n")
    except (StoreError, FleetError) as error:
        sys.stderr.write(f"logboat: {error}\n")
    return 1


async def _run(
    places: Places, configuration: Configuration, problems: tuple[str, ...], board: str | None
) -> int:
    daemon = SyncDaemon(places=places, configuration=configuration, problems=problems, board=board)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    return await daemon.run()
