"""The sync daemon: runs this vessel's mesh and gateways as configured, and publishes their state.

It uses the network but no GPIO. If the vessel has no identity, the daemon waits for one. Recording does not
need an identity. When the identity's files change, the mesh restarts with the new files.
"""

import asyncio
import concurrent.futures
import hashlib
import logging
import random
import signal
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from services.boot import clock
from services.boot.radio_key import RadioKeyWatch
from services.clocks.clock_floor import Floor
from services.clocks.clock_quality import KEEP_EVERY_S
from services.config.last_good import load_or_last_good
from services.config.loader import Configuration, ConfigurationError, load
from services.logs.setup import fatal, running
from services.recovery import store_check
from services.recovery.current_log import CurrentLog
from services.state import recorder_state, state_file
from services.state.gnss_state import clock_quality
from services.system import machine
from services.system.control_socket import SYNC_SOCKET, ControlAnswer, ControlServer, Retry
from services.system.folder_poller import FolderWatch
from services.system.processes import is_alive
from services.system.systemd import Notifier
from sync import documents
from sync.documents import POLICY
from sync.fleet import identity_files, signing
from sync.fleet.errors import (
    FleetError,
    IdentityError,
    NoIdentityError,
    PasswordHashError,
    SignatureError,
)
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.rights import Claim
from sync.fleet.trust import FleetTrust
from sync.folders import make_folder
from sync.mesh import report
from sync.mesh.appliance_headers import ApplianceHeaders
from sync.mesh.link_plan import MeshNode, Role
from sync.mesh.link_state import LinkState
from sync.mesh.manager import Mesh, MeshSettings
from sync.mesh.membership import CrewUser, Membership
from sync.mesh.report import MeshReport
from sync.net.memory import APPLIANCE_MOST, economise, memory
from sync.peer.problems import ProblemError
from sync.peer.quotas import Allowance, Quotas
from sync.store import DamagedError, Database, StoreError
from sync.store.checkpoints import TICK_S

from . import ahead_claims, daily_quotas, state_writer
from .gateways import GatewayResources, Gateways, office_rule

log = logging.getLogger(__name__)

WRITE_EVERY: Final = 1.0
"""Interval between writes of the live state, in seconds."""
LOOK_AT_IDENTITY_EVERY: Final = 3.0
_ANSWER_S: Final = 10.0
"""Maximum time that a request through the control socket waits for the event loop, in seconds."""


@dataclass(frozen=True, slots=True)
class SyncPaths:
    """Paths that the sync daemon reads and writes."""

    config: Path
    sensors: Path
    data: Path
    run: Path
    identity: Path


class SyncDaemon:
    """The sync daemon, from one start until it stops."""

    def __init__(
        self,
        *,
        places: SyncPaths,
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
        self._called = asyncio.Event()
        self._is_stopping = self._must_reload = False
        self._started = time.time()
        self._state = state_file.path(places.run, "sync")
        self._watch = FolderWatch(places.identity)
        self._file = FolderWatch(places.config)
        self._crew = _crew(configuration)
        self._knows_of_damage = False
        self._turns = -1
        self._words = ""
        self._gateways: Gateways | None = None
        self._own: FleetIdentity | None = None
        """The identity with which this vessel signs documents; None before an identity is loaded."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self.quotas = Quotas(self._allowance, clock=_service_clock, largest=daily_quotas.largest)
        """Daily limits on the data that each user, vessel and gateway may send."""
        self._radio_key: RadioKeyWatch | None = None
        self.mesh: Mesh | None = None
        self.damaged: str | None = None
        """Description of damage that was found.

        If set, `run` returns 1, and the next check repairs the damage.
        """

    def _allowance(self, owner: str) -> Allowance:
        budget = self._configuration.retention.budget.in_bytes(self._places.data)
        return daily_quotas.allowance(owner, budget)

    def stop(self) -> None:
        """Request that the daemon stop."""
        self._is_stopping = True
        self._called.set()

    def reload(self) -> None:
        """Request that the identity be reloaded now."""
        self._must_reload = True
        self._called.set()

    async def run(self) -> int:
        """Run until stopped; return 0 after a clean stop, or 1 if the store needs to be repaired.

        Raise StoreError, FleetError, OSError or ProblemError if the daemon cannot work; the last published
        state contains the reason.
        """
        places = self._places
        try:
            make_folder(places.run)
            make_folder(places.data)
            with store_check.using(places.data, progress=self._notifier.progress):
                # Known damage that could not be repaired does not stop replication.
                self._knows_of_damage = store_check.is_marked(places.data)
                await self._run()
        except DamagedError as error:
            self.damaged = str(error)
        except ProblemError as error:
            self._tell(fault=error.problem.text)
            raise
        except (StoreError, FleetError, OSError) as error:
            self._tell(fault=str(error))
            raise
        if self.damaged is not None:
            if not store_check.is_marked(places.data):
                store_check.mark_damaged(places.data, self.damaged)
            log.error("stopping for repair: %s", self.damaged)
            self._tell(fault=f"stopped for repair: {self.damaged}")
            return 1
        self._state.unlink(missing_ok=True)
        return 0

    async def _run(self) -> None:
        with Database.open(
            self._places.data / "log.db",
            policy=POLICY,
            announce=self._places.run / "watchers",
        ) as database:
            self._notifier.ready()
            self._gateways = gateways = self._gateways_of(database)
            self._loop = asyncio.get_running_loop()
            memory().most = APPLIANCE_MOST
            control = self._listen()
            gateways.start()
            try:
                while (identity := await self._identity(database)) is not None:
                    await self._run_mesh(database, identity)
            finally:
                self._notifier.stopping()
                if control is not None:
                    await asyncio.to_thread(control.close)
                await gateways.stop()

    def _listen(self) -> ControlServer[Retry] | None:
        """Open the control socket. Only log a failure, because syncing does not need the control socket."""
        try:
            return ControlServer(self._places.run / SYNC_SOCKET, self._asked, asked=Retry)
        except OSError as error:
            log.warning("the control socket cannot be opened: %s", error)
            return None

    def _asked(self, request: Retry) -> ControlAnswer:
        """Answer a request from the control socket. This runs on the connection's own thread."""
        assert self._loop is not None
        answer: concurrent.futures.Future[ControlAnswer] = concurrent.futures.Future()
        self._loop.call_soon_threadsafe(lambda: answer.set_result(self._retry(request.gateway)))
        try:
            return answer.result(_ANSWER_S)
        except TimeoutError:
            return ControlAnswer.refused("the sync daemon is busy; try again in a minute")

    def _retry(self, gateway: str) -> ControlAnswer:
        assert self._gateways is not None
        try:
            return ControlAnswer(ok=True, offered=self._gateways.retry(gateway))
        except (LookupError, StoreError) as error:
            return ControlAnswer.refused(str(error.args[0]) if isinstance(error, LookupError) else str(error))

    def _gateways_of(self, database: Database) -> Gateways:
        configuration = self._configuration
        try:
            vessel = self._loaded().vessel
        except IdentityError:
            vessel = configuration.vessel.id
        floor = Floor(database, image=machine.image_epoch(), quality=lambda: clock_quality(self._places.run))
        current_log = CurrentLog(self._places.run, database, vessel)
        rule = office_rule(vessel, database, log_now=current_log, trust=self._trust)
        means = GatewayResources(
            database,
            vessel,
            self._places.config.parent,
            floor.now,
            rule,
            self._rng,
            is_recording=self._is_recording,
            quotas=self.quotas,
            sign=self._sign,
        )
        return Gateways(configuration, means)

    def _loaded(self) -> FleetIdentity:
        """Load and return the identity that signs documents from now on.

        Raise IdentityError if it is unusable.
        """
        self._own = identity_files.load(self._places.identity)
        return self._own

    def _sign(self, document_id: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return this vessel's document with a signature added, or unchanged if there is no identity."""
        name = documents.parse_id(document_id)
        if self._own is None or name is None or name.vessel != self._own.vessel:
            return body
        try:
            return signing.sign(self._own.tls, document_id, body)
        except SignatureError as error:
            log.warning("%s", error)
            return body

    def _is_recording(self) -> bool:
        boottime = time.clock_gettime(time.CLOCK_BOOTTIME)
        sight = recorder_state.read(self._places.run, boottime=boottime, alive=is_alive)
        return recorder_state.is_recording(sight, boottime=boottime)

    def _trust(self) -> FleetTrust | None:
        return None if self.mesh is None else self.mesh.membership.trust

    def _is_over(self, database: Database) -> bool:
        """Return True if the daemon should exit, on request or because the store must be checked."""
        if self.damaged is None and database.damage is not None:
            self.damaged = str(database.damage)
        elif self.damaged is None and not self._knows_of_damage and store_check.is_marked(self._places.data):
            self.damaged = "another process has found damage in a store"
        return self._is_stopping or self.damaged is not None

    async def _pause(self, seconds: float) -> None:
        """Wait for this many seconds, or until `stop` or `reload` is called."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._called.wait()
        self._called.clear()

    # Identity

    async def _identity(self, database: Database) -> FleetIdentity | None:
        """Wait for this vessel's identity and return it.

        Return None if the daemon should end before an identity is found.
        """
        reported = ""
        while not self._is_over(database):
            self._must_reload = False
            self._watch.accept()
            try:
                return self._loaded()
            except NoIdentityError as error:
                words, waits = str(error), True
            except IdentityError as error:
                words, waits = f"the identity cannot be used: {error}", False
            if words != reported:
                log.warning("no mesh: %s", words)
                reported = words
            until = time.monotonic() + LOOK_AT_IDENTITY_EVERY
            while time.monotonic() < until and not self._must_reload and not self._is_over(database):
                self._tell(fault=words, waits_for_identity=waits)
                self._notifier.alive()
                await self._pause(WRITE_EVERY)
        return None

    def _new_identity(self) -> str | None:
        """Return the reason why the changed identity cannot be used; None if it can be used."""
        self._must_reload = False
        self._watch.accept()
        try:
            identity_files.load(self._places.identity)
        except IdentityError as error:
            words = f"the new identity cannot be used, so the previous one stays in use: {error}"
            log.warning("%s", words)
            return words
        log.info("%s has changed: restarting the mesh", self._places.identity)
        return None

    # The mesh

    async def _run_mesh(self, database: Database, identity: FleetIdentity) -> None:
        """Run the mesh until the daemon should end or the identity changes."""
        configuration, mesh_settings = self._configuration, self._configuration.mesh
        problems = list(self._problems)
        if configuration.vessel.id not in (identity.vessel, "vessel"):
            problems.append(
                f"the configuration names vessel {configuration.vessel.id}, but the identity is for "
                f"{identity.vessel}, which the mesh uses; correct one of the two"
            )
        floor = Floor(database, image=machine.image_epoch(), quality=lambda: clock_quality(self._places.run))
        current_log = CurrentLog(self._places.run, database, identity.vessel)
        greeting = ApplianceHeaders(
            store=database.uuid,
            board=self._board,
            log=current_log.recorded() or "",
            version=machine.logboat_version(),
        )
        gives, takes = mesh_settings.direction != "pull", mesh_settings.direction != "push"
        membership = Membership(
            identity,
            database,
            greeting=greeting,
            crew=self._crew,
            current_log=current_log,
            now=floor.now,
            gives=gives,
            takes=takes,
            on_clone=self._clone,
            on_ahead=partial(self._ahead, database),
            quotas=self.quotas,
        )
        self.mesh = mesh = Mesh(
            MeshSettings(
                place=MeshNode(
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
        self._radio_key = RadioKeyWatch(
            identity,
            folder=self._places.identity,
            data=self._places.data,
            run=self._places.run,
            database=database,
            has_radio=configuration.network.vessel_radio.mode != "off",
        )
        self._radio_key.attend(self._as_at_a_start())
        try:
            await mesh.start()
            own = membership.judge(identity.tls.certificate)
            if own is not None:
                problems.append(f"other vessels will refuse this one: {own}")
            log.info("vessel %s of fleet %s listens on port %s", identity.vessel, identity.fleet, mesh.port)
            await self._attend(mesh, database, floor, problems)
        finally:
            if self._is_stopping or self.damaged is not None:
                self._notifier.stopping()
            await mesh.stop()
            self.mesh = self._radio_key = None

    async def _attend(self, mesh: Mesh, database: Database, floor: Floor, problems: list[str]) -> None:
        """Publish the mesh's state and do periodic work, until the daemon ends or the identity changes."""
        loop = asyncio.get_running_loop()
        keep_at, look_at = loop.time(), loop.time() + LOOK_AT_IDENTITY_EVERY
        tick_at = loop.time() + TICK_S
        trouble: str | None = None
        while not self._is_over(database):
            if loop.time() >= keep_at:
                floor.keep()
                keep_at = loop.time() + KEEP_EVERY_S
            if loop.time() >= tick_at:
                database.checkpoints.tick()
                tick_at += TICK_S
            if self._file.has_changed():
                self._reload_users(mesh)
            has_changed = self._must_reload
            if loop.time() >= look_at:
                has_changed |= self._watch.has_changed()
                if self._radio_key is not None:
                    self._radio_key.attend(self._as_at_a_start())
                look_at = loop.time() + LOOK_AT_IDENTITY_EVERY
            if has_changed and (trouble := self._new_identity()) is None:
                return
            self._tell(mesh, problems if trouble is None else [*problems, trouble])
            self._feed(mesh)
            await self._pause(WRITE_EVERY)

    def _as_at_a_start(self) -> datetime:
        """Return the time at which to select the radio key, by the same rule as the boot does."""
        return clock.now(self._places.data, utc=time.time())

    def _reload_users(self, mesh: Mesh) -> None:
        """Apply changes to users in the configuration file. All other changes take effect after a restart."""
        self._file.accept()
        path = self._places.config
        try:
            if path.stat().st_size:  # a file emptied by a power cut must not remove all users
                crew = _crew(load(path))
                mesh.set_crew(crew)
                self._crew = crew
        except (ConfigurationError, PasswordHashError, OSError) as error:
            log.warning("the list of users was not changed: %s", error)

    def _feed(self, mesh: Mesh) -> None:
        """Feed the watchdog if the mesh has done work since the last call.

        A running event loop alone does not show that the mesh works.
        """
        if mesh.turns != self._turns:
            self._turns = mesh.turns
            self._notifier.alive()

    def _clone(self, board: str) -> None:
        if self.mesh is not None:
            self.mesh.own_identity_connected(board)

    def _ahead(self, database: Database, peer: str, claim: Claim) -> None:
        """Leave a note for the recorder if a peer claims to have later samples of this vessel's log."""
        if self.mesh is not None:
            ahead_claims.check_claim(
                claim,
                peer,
                vessel=self.mesh.vessel,
                data=self._places.data,
                database=database,
                clones=self.mesh.clones,
                report=self.mesh.log_ahead_reported,
            )

    # Published state

    def _tell(
        self,
        mesh: Mesh | None = None,
        problems: list[str] | None = None,
        *,
        fault: str | None = None,
        waits_for_identity: bool = False,
    ) -> None:
        own = self._problems if problems is None else problems
        if self._gateways is not None:
            self._gateways.attend()
        state: dict[str, Any] = state_writer.state(
            vessel=self._configuration.vessel.id,
            board=self._board,
            started=self._started,
            problems=own,
            fault=fault,
            waits_for_identity=waits_for_identity,
            gateways=[] if self._gateways is None else self._gateways.reports(),
            quotas=self.quotas.bites,
        )
        words = f"no mesh: {fault}"
        if mesh is not None:
            mesh_state = report.mesh_report(mesh)
            tls = mesh.membership.identity.tls
            expires = tls.certificate.not_valid_after_utc.timestamp()
            radio = self._radio_key
            state |= state_writer.of_mesh(
                mesh_state,
                fingerprint=tls.fingerprint,
                expires=expires,
                problems=own if radio is None else [*own, *radio.problems],
                radio_key=None if radio is None else radio.told,
            )
            words = _status(mesh_state)
        if words != self._words:
            self._notifier.status(words)
            self._words = words
        try:
            state_file.write(self._state, state)
        except OSError as error:
            log.warning("%s: %s", self._state, error.strerror or error)


def _service_clock() -> float:
    """Return the seconds since the machine started, from a monotonic clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _crew(configuration: Configuration) -> list[CrewUser]:
    return [
        CrewUser(user.name, user.password_hash, user.access == "read-write", user.channels)
        for user in configuration.users
    ]


def _status(mesh: MeshReport) -> str:
    linked = sum(peer.state is LinkState.LINKED for peer in mesh.peers)
    return f"vessel {mesh.vessel}, fleet {mesh.fleet}: linked to {linked} of {len(mesh.peers)} vessels"


def run(args: Namespace) -> int:
    """Run `logboat sync`.

    Return 0 if stopped, 1 if it failed or needs a repair, and 2 if the configuration is invalid.
    """
    with running("sync", args.data):
        return _serve(args)


def _serve(args: Namespace) -> int:
    economise()
    places = SyncPaths(args.config, args.sensors, args.data, args.run, args.identity)
    try:
        loaded = load_or_last_good(args.config, args.sensors, args.data)
    except ConfigurationError as error:
        fatal(str(error))
        return 2
    for problem in loaded.problems:
        log.warning("%s", problem)
    try:
        return asyncio.run(_run(places, loaded.configuration, tuple(map(str, loaded.problems)), args.board))
    except ProblemError as error:
        fatal(f"logboat sync: {error.problem.text}")
    except (StoreError, FleetError) as error:
        fatal(f"logboat sync: {error}")
    except OSError as error:
        fatal(f"logboat sync: {error.filename or places.data}: {error.strerror or error}")
    return 1


async def _run(
    places: SyncPaths, configuration: Configuration, problems: tuple[str, ...], board: str | None
) -> int:
    daemon = SyncDaemon(places=places, configuration=configuration, problems=problems, board=board)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload)
    return await daemon.run()
