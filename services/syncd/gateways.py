"""Creates the gateways configured in `logboat.toml`, and runs them as part of the sync daemon.

Gateways do not need a fleet identity: a vessel without a fleet also forwards its documents. A problem with a
gateway, such as a missing file, is reported, and does not affect other gateways.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sensors.contact_classes import contact_class
from sensors.presentation import presentation
from services.config import model
from services.config.loader import Configuration
from services.config.timezones import zone_of
from sync import documents
from sync.documents import DocumentType
from sync.fleet.rights import CertifiedVessel, CrewMember, Rights
from sync.fleet.trust import FleetTrust
from sync.gateway.couchbase import CouchbaseGateway, CouchbaseGatewayConfiguration
from sync.gateway.egress_interface import egress_interface_names
from sync.gateway.forwarded import Forwarded, Sign, unsigned
from sync.gateway.mqtt.configuration import MqttGatewayConfiguration
from sync.gateway.mqtt.gateway import MqttGateway
from sync.gateway.mqtt.lanes import LaneSettings
from sync.gateway.policy import PolicyConditions, PolicyEntry, PolicyPart, Situation, parts
from sync.gateway.report import Gateway, GatewayReport, GatewayState
from sync.mesh.interfaces import Interface, read_interfaces
from sync.net import certificates
from sync.net.authenticators import (
    Authenticator,
    BasicAuthenticator,
    ClientCertificateAuthenticator,
    Credentials,
    SessionAuthenticator,
)
from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import Domain, Problem, ProblemError
from sync.peer.quotas import Quotas
from sync.peer.revision_writer import Rule
from sync.store import Database, Document

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 5.0
"""Interval between checks of this machine's network interfaces, in seconds."""
WAY_EVERY: Final = 60.0
"""Interval between queries of the route to a gateway, in seconds, while the interfaces do not change."""


@dataclass(frozen=True, slots=True)
class GatewayResources:
    """Objects and functions that the gateways need from the daemon."""

    database: Database
    vessel: str
    folder: Path
    """Folder that contains `logboat.toml` and the files to which it refers."""
    now: Callable[[], datetime]
    """Function that returns the current time, with a time zone, for checking certificates."""
    rule: Rule
    """Function that returns the reason to reject a document pulled from a gateway, or None to accept it."""
    rng: random.Random
    is_recording: Callable[[], bool] = lambda: True
    """Function that returns True while this vessel's recorder makes samples durable."""
    quotas: Quotas | None = None
    """Daily limits on the data that may be pulled from gateways; None for no limits."""
    sign: Sign = unsigned
    """Function that signs `forwarded` documents."""


class Gateways:
    """All configured gateways, which run in one event loop."""

    def __init__(self, configuration: Configuration, means: GatewayResources) -> None:
        """Create the gateways. Raise StoreError if their state cannot be read."""
        self._means = means
        self._zone = zone_of(configuration.vessel.timezone)
        self._broken: list[GatewayReport] = []
        self._keepers: list[_RunningGateway] = []
        self._interfaces: tuple[Interface, ...] = ()
        self._looked_at = float("-inf")
        for gateway in configuration.gateways:
            try:
                self._keepers.append(_RunningGateway(gateway, means, self._minute))
            except Exception as error:  # noqa: BLE001  # a faulty gateway must not stop the others
                words = _words(error)
                log.error("gateway %s: %s", gateway.name, words)
                self._broken.append(
                    GatewayReport(
                        gateway.name,
                        gateway.kind,
                        gateway.url,
                        GatewayState.REFUSED,
                        since=time.time(),
                        problem=f"not in use: {words}",
                    )
                )

    def start(self) -> None:
        """Start all gateways in the running event loop."""
        for keeper in self._keepers:
            keeper.gateway.start()

    async def stop(self) -> None:
        """Stop all gateways, and save which documents have been acknowledged."""
        await asyncio.gather(*(keeper.stop() for keeper in self._keepers))

    def retry(self, name: str) -> int:
        """Connect to a gateway now, and resend rejected documents. Return the number of these documents.

        Raise LookupError with a message if the gateway does not exist, and StoreError if documents cannot be
        read.
        """
        for keeper in self._keepers:
            if keeper.name == name:
                return keeper.gateway.retry()
        for broken in self._broken:
            if broken.name == name:
                raise LookupError(f"gateway {name}: {broken.problem}; correct its [[gateway]] section")
        known = [broken.name for broken in self._broken] + [keeper.name for keeper in self._keepers]
        raise LookupError(f"unknown gateway {name!r}; configured gateways: {', '.join(known) or 'none'}")

    def attend(self) -> None:
        """Do the periodic work of the gateways. The caller must call this about once a second."""
        now = time.monotonic()
        if self._keepers and now - self._looked_at >= LOOK_EVERY:
            self._looked_at = now
            try:
                interfaces = read_interfaces()
            except OSError as error:
                log.warning("interfaces cannot be read: %s", error)
                interfaces = self._interfaces
            has_changed = interfaces != self._interfaces
            self._interfaces = interfaces
            for keeper in self._keepers:
                keeper.update_route(now, has_changed=has_changed)

    def reports(self) -> list[GatewayReport]:
        """Return the state of each gateway, in the order of the configuration."""
        return [*self._broken, *(keeper.gateway.report() for keeper in self._keepers)]

    def _minute(self) -> int:
        now = self._means.now().astimezone(self._zone)
        return now.hour * 60 + now.minute


class _RunningGateway:
    """A gateway, with its route and the other facts about this machine that its policy depends on."""

    def __init__(
        self, given: model.GatewaySection, means: GatewayResources, minute: Callable[[], int]
    ) -> None:
        """Create the gateway and its connection settings.

        Raise OSError if a broker's files are missing, and ValueError for invalid settings.
        """
        self.name: Final = given.name
        self._minute = minute
        self._asks = False
        self._interface: frozenset[str] | None = frozenset()
        self._asked_at = float("-inf")
        self._question: asyncio.Task[None] | None = None
        address = urlsplit(given.url)
        self._host, self._port = address.hostname or "", address.port or 443
        policy_parts = parts([_entry(policy) for policy in given.policy])
        self._asks = any(part.when.asks_for_interface for part in policy_parts)
        if self._asks:
            self._interface = None
        self.gateway: Final[Gateway] = (
            self._mqtt(given, means, policy_parts)
            if given.kind == "mqtt"
            else self._couchbase(given, means, policy_parts)
        )

    async def stop(self) -> None:
        """Stop the gateway, and cancel a lookup of its route that is still in progress."""
        if self._question is not None:
            self._question.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._question
        await self.gateway.stop()

    def situation(self) -> Situation:
        """Return the current network interfaces and time of day, on which policies depend."""
        return Situation(self._interface, self._minute())

    def update_route(self, now: float, *, has_changed: bool) -> None:
        """Query the route to the gateway.

        If no policy depends on the route, only report changed interfaces.
        """
        if self._asks and (self._question is None or self._question.done()):
            if has_changed or now - self._asked_at >= WAY_EVERY:
                self._asked_at = now
                self._question = asyncio.get_running_loop().create_task(self._ask())
        elif has_changed:
            self.gateway.network_changed()

    async def _ask(self) -> None:
        names = await asyncio.to_thread(egress_interface_names, self._host, self._port)
        if names != self._interface:
            self._interface = names
            self.gateway.network_changed()

    def _couchbase(
        self, given: model.GatewaySection, means: GatewayResources, policy_parts: Sequence[PolicyPart]
    ) -> Gateway:
        return CouchbaseGateway(
            means.database,
            CouchbaseGatewayConfiguration(
                given.name,
                given.url,
                credentials=lambda: _credentials(given, means.folder),
                pinned=given.pin,
                now=means.now,
                push=given.direction != "pull",
                pull=given.direction != "push",
                channels=frozenset(given.channels),
                pull_rule=means.rule,
                pull_quota=None if means.quotas is None else means.quotas.quota_of(f"gateway:{given.name}"),
                parts=tuple(policy_parts),
                limit=given.limit,
            ),
            vessel=means.vessel,
            situation=self.situation,
            rng=means.rng,
            sign=means.sign,
        )

    def _mqtt(
        self, given: model.GatewaySection, means: GatewayResources, policy_parts: Sequence[PolicyPart]
    ) -> Gateway:
        def path(name: str | None) -> Path | None:
            return None if name is None else means.folder / name

        for each in (given.ca, given.certificate, given.certificate_key):
            if each is not None:
                # raise OSError with the file's name now, instead of at the first connection attempt
                (means.folder / each).read_bytes()
        configuration = MqttGatewayConfiguration(
            given.name,
            given.url,
            user=given.user,
            read_password=lambda: _secret(means.folder, given.password_file),
            ca=path(given.ca),
            certificate=path(given.certificate),
            key=path(given.certificate_key),
            options=given.mqtt,
            presenter=presentation,
            contact_class=contact_class,
            limit=given.limit,
            lanes=tuple(self._lane(part) for part in policy_parts),
        )
        return MqttGateway(
            means.database,
            configuration,
            vessel=means.vessel,
            now=means.now,
            rng=means.rng,
            forwarded=Forwarded(means.database, given.name, means.vessel, sign=means.sign),
            is_recording=means.is_recording,
        )

    def _lane(self, part: PolicyPart) -> LaneSettings:
        return LaneSettings(
            part.name, part.holds, is_open=lambda: part.when.are_met(self.situation()), limit=part.limit
        )


def office_rule(
    name: str,
    database: Database,
    *,
    log_now: Callable[[], str | None],
    trust: Callable[[], FleetTrust | None],
) -> Rule:
    """Return the rule for documents that an office ashore, a Couchbase gateway, may write in this store.

    Like a member of the crew, the office may write notes, acknowledgements and documents of its own types. It
    may also write documents that the fleet's CA has signed. Readings and other log documents are accepted
    from vessels only. `name` is this vessel's id. `trust` returns None while this vessel belongs to no fleet.
    """

    def needed() -> FleetTrust:
        known = trust()
        assert known is not None
        return known

    rights = Rights(vessel=name, log=log_now, trust=needed, leaves=database.leaves)

    def objection(document: Document) -> str | None:
        parsed = documents.parse_id(document.id)
        if parsed is None:
            return rights.objection(CertifiedVessel(""), document)
        if parsed.kind is DocumentType.FLEET:
            if trust() is None:
                return "this vessel has no identity, so it cannot check whether the fleet's CA has signed it"
            return rights.objection(CertifiedVessel(""), document)
        return rights.objection(CrewMember("the office"), document)

    return objection


def _entry(policy: model.Policy) -> PolicyEntry:
    when = PolicyConditions() if policy.when is None else PolicyConditions.parse(policy.when)
    return PolicyEntry(policy.channels, when, policy.limit)


def _credentials(given: model.GatewaySection, folder: Path) -> Credentials:
    """Read the files to which a gateway's section refers.

    Raise ProblemError, with a message, if a file cannot be used.
    """
    try:
        roots = None if given.ca is None else tuple(certificates.load_certificates(folder / given.ca))
        return Credentials(_authenticator(given, folder), roots)
    except (OSError, ValueError) as error:
        raise ProblemError(Problem(Domain.CONFIGURATION, 0, _words(error))) from error


def _authenticator(given: model.GatewaySection, folder: Path) -> Authenticator | None:
    if given.certificate is not None and given.certificate_key is not None:
        return ClientCertificateAuthenticator(
            TLSIdentity.load(folder / given.certificate, folder / given.certificate_key)
        )
    if given.session_file is not None:
        return SessionAuthenticator(_secret(folder, given.session_file) or "")
    if given.user is not None:
        return BasicAuthenticator(given.user, _secret(folder, given.password_file) or "")
    return None


def _secret(folder: Path, name: str | None) -> str | None:
    """Return the first line of a file; None if no file is configured.

    Raise OSError if the file cannot be read, and ValueError if the line is empty.
    """
    if name is None:
        return None
    path = folder / name
    lines = path.read_text().splitlines()
    if not lines or not lines[0].strip():
        msg = f"{path}: the first line is empty"
        raise ValueError(msg)
    return lines[0].strip()


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror or error}"
    return str(error) or type(error).__name__
