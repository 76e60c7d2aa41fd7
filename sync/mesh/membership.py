"""Membership in the fleet: the certificates of vessels, the passwords of the crew, and their permissions.

This module checks the credentials of every peer, regardless of which side has dialled. Revocations are
replicated as a document in the store. `refresh` applies new revocations.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from cryptography import x509

from sync import documents
from sync.documents import REVOCATIONS
from sync.fleet import unvouched_revisions, users
from sync.fleet.conflict_resolvers import Resolvers
from sync.fleet.effective_trust import current_trust
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.rights import CertifiedVessel, Claim, CrewMember, Rights
from sync.fleet.trust import FleetTrust
from sync.net.authenticators import (
    CertificateHolder,
    Client,
    ListenerAuthenticators,
    ListenerCertificateAuthenticator,
    ListenerPasswordAuthenticator,
    Refusal,
    User,
)
from sync.net.known_addresses import KnownAddresses
from sync.net.listener import Visitor
from sync.net.login_rate_limit import LoginAttempts
from sync.peer.passive import PassiveOptions
from sync.peer.quotas import Quota, Quotas
from sync.peer.revision_writer import Rule
from sync.peer.selection import Selection
from sync.store import Database, StoreError

from .appliance_headers import ApplianceHeaders, vessel_peer
from .link_streams import STREAMS

log = logging.getLogger(__name__)

_WELCOME: Final = "welcome"
"""Key of the local document that contains the addresses from which users have logged in."""


@dataclass(frozen=True, slots=True)
class CrewUser:
    """A user who may connect with a password."""

    name: str
    password_hash: str
    read_write: bool = True
    channels: tuple[str, ...] | None = None
    """Channels that the user may access; None for all channels."""


class Membership:
    """The membership of a vessel in its fleet, which determines the peers that the vessel accepts."""

    def __init__(
        self,
        identity: FleetIdentity,
        database: Database,
        *,
        greeting: ApplianceHeaders,
        crew: Sequence[CrewUser] = (),
        current_log: Callable[[], str | None],
        now: Callable[[], datetime],
        gives: bool = True,
        takes: bool = True,
        on_clone: Callable[[str], None] = lambda _: None,
        on_ahead: Callable[[str, Claim], object] = lambda _, __: None,
        quotas: Quotas | None = None,
    ) -> None:
        """Create the membership.

        Args:
            identity: this vessel's identity in the fleet.
            database: the store.
            greeting: the HTTP headers that describe this appliance.
            crew: users who may connect with a password.
            current_log: returns the id of the recorder's current log; None if there is none.
            now: returns the time as an aware datetime, which must not be earlier than the time floor.
            gives: True if other vessels may pull documents from us.
            takes: True if other vessels may push documents to us.
            on_clone: called with the id of another board that has our own identity.
            on_ahead: called with the id of a vessel, and its claim to have more of our current log than is
                stored here.
            quotas: limits on what each user and vessel may send; None for no limit.

        Raises:
            PasswordHashError: a user's hash is invalid.
        """
        self.identity, self.greeting = identity, greeting
        self.trust: FleetTrust = identity.trust
        self._database, self._now = database, now
        self._gives, self._takes, self._on_clone = gives, takes, on_clone
        self._quotas = quotas
        self._looked_at: str | None = ""
        """Revision id of the revocations document that was last applied; None if there was no document."""
        self._crew = {user.name: user for user in crew}
        self._rights = Rights(
            vessel=identity.vessel,
            log=current_log,
            trust=lambda: self.trust,
            leaves=database.leaves,
            stored_voucher=lambda vessel: unvouched_revisions.stored_voucher(database, vessel),
            on_ahead=on_ahead,
        )
        self._check = users.checker({user.name: user.password_hash for user in crew})
        document = database.get_local(_WELCOME)
        welcome = KnownAddresses(
            utc=lambda: now().timestamp(), stored=None if document is None else document.body
        )
        self._guesses = LoginAttempts(time.monotonic, welcome=welcome, on_welcome=self._store_known_addresses)

    # Certificates

    def judge(self, certificate: x509.Certificate) -> str | None:
        """Return None if a vessel's certificate is accepted, and otherwise the reason as a sentence."""
        return self.trust.objection(certificate, self._now())

    def _revocation(self, certificate: x509.Certificate) -> str | None:
        return None if self.trust.revoked(certificate) is None else self.judge(certificate)

    def vessel_of(self, certificate: x509.Certificate) -> str | None:
        """Return the id of the vessel to which a certificate was issued; None if it names no vessel."""
        return self.trust.vessel(certificate)

    def objection(self, client: Client) -> str | None:
        """Return None if a client may stay connected, and otherwise the reason as a sentence."""
        if isinstance(client, CertificateHolder):
            return self.judge(client.certificate)
        if isinstance(client, User) and client.name not in self._crew:
            return f"user {client.name} no longer exists"
        return None

    def set_crew(self, crew: Sequence[CrewUser]) -> set[str]:
        """Replace the users who may connect. Return the names of users who were added, removed or changed.

        Raises PasswordHashError if a user's hash is invalid.
        """
        known = {user.name: user for user in crew}
        check = users.checker({user.name: user.password_hash for user in crew})
        changed = {
            name for name in known.keys() | self._crew.keys() if known.get(name) != self._crew.get(name)
        }
        self._crew, self._check = known, check
        if self._guesses.welcome.forget(changed):
            self._store_known_addresses()
        return changed

    def _store_known_addresses(self) -> None:
        """Store the addresses from which users have logged in."""
        try:
            with self._database.transaction():
                before = self._database.get_local(_WELCOME)
                addresses = self._guesses.welcome.as_json()
                self._database.put_local(_WELCOME, addresses, parent=None if before is None else before.rev)
        except StoreError as error:
            log.warning("the addresses of users who logged in cannot be stored: %s", error)

    def rule(self, vessel: str) -> Rule:
        """Return the rule that decides which documents a vessel may write here."""
        return self._rights.rule(CertifiedVessel(vessel))

    def quota(self, vessel: str) -> Quota | None:
        """Return the quota of a vessel, or None if there is no limit."""
        return self._quota(f"vessel:{vessel}")

    def _quota(self, owner: str) -> Quota | None:
        return None if self._quotas is None else self._quotas.quota_of(owner)

    # Admission

    def authenticators(self) -> ListenerAuthenticators:
        """Return authenticators for a listener. Vessels use certificates, and crew members use passwords."""
        return ListenerAuthenticators(
            certificate=ListenerCertificateAuthenticator(
                lambda certificates: self.judge(certificates[0]) or True,
                roots=(self.trust.root,),
                revoked=self._revocation,
            ),
            password=ListenerPasswordAuthenticator(self._has_password, guesses=self._guesses)
            if self._crew
            else None,
            now=self._now,
        )

    def _has_password(self, user: str, password: str) -> bool:
        return self._check(user, password)  # `_check` changes when the crew changes

    def admit(self, visitor: Visitor) -> PassiveOptions | Refusal:
        """Return the replication options of an authenticated client, or a refusal."""
        client = visitor.client
        if isinstance(client, User):
            user = self._crew.get(client.name)
            return (
                Refusal(HTTPStatus.FORBIDDEN, "wrong user name or password", {})
                if user is None
                else self._admit_crew(user)
            )
        assert isinstance(client, CertificateHolder)
        vessel = self.vessel_of(client.certificate)
        assert vessel is not None  # `judge` has checked this
        greeting = ApplianceHeaders.parse(visitor.headers)
        if vessel == self.identity.vessel and greeting is not None:
            return self._refuse_own(greeting)
        return PassiveOptions(
            read_only=not self._takes,
            write_only=not self._gives,
            rule=self.rule(vessel),
            id_rule=self._rights.id_rule(CertifiedVessel(vessel)),
            remote=remote_name(vessel, greeting),
            owner=f"vessel:{vessel}",
            quota=self.quota(vessel),
            keeps=_keeps,
            conflict_resolver=Resolvers(),
            streams=STREAMS,
        )

    def _admit_crew(self, user: CrewUser) -> PassiveOptions:
        writer = CrewMember(user.name, user.read_write, user.channels)
        return PassiveOptions(
            read_only=not user.read_write,
            readable=Selection(within=frozenset(user.channels or ())),
            rule=self._rights.rule(writer),
            id_rule=self._rights.id_rule(writer),
            keeps=_keeps,
            conflict_resolver=Resolvers(),
            owner=f"user:{user.name}",
            quota=self._quota(f"user:{user.name}"),
        )

    def _refuse_own(self, greeting: ApplianceHeaders) -> Refusal:
        if greeting.board == self.greeting.board:
            return Refusal(HTTPStatus.MISDIRECTED_REQUEST, "the appliance has connected to itself", {})
        self._on_clone(greeting.board)
        return Refusal(
            HTTPStatus.CONFLICT,
            f"both appliances have the identity of vessel {self.identity.vessel}: a card was copied, or"
            " its key was stolen",
            self.greeting.headers(),
        )

    # Revisions whose generation is not vouched for

    @property
    def removal_count(self) -> int:
        """Number of times that `remove_unvouched` has removed revisions from the store.

        See `sync.fleet.unvouched_revisions`. After each removal, peers must offer all documents again.
        """
        return unvouched_revisions.removal_count(self._database)

    def remove_unvouched(self, vessels: Collection[str] | None = None) -> bool:
        """Remove revisions whose generation the document's vessel does not vouch for.

        Valid revisions of these documents are then accepted again. With `vessels`, only the documents of
        these vessels are checked. Return True if any revisions were removed. Raises StoreError if the store
        fails.
        """
        judge = self._rights.generations
        database = self._database
        removed = (
            unvouched_revisions.remove_unvouched(database, judge)
            if vessels is None
            else unvouched_revisions.remove_unvouched_of(database, judge, vessels)
        )
        for document_id in removed:
            log.warning(
                "%s: the stored revision was removed, because its vessel has not confirmed such a high"
                " generation; the document is requested again",
                document_id,
            )
        return bool(removed)

    # Applying revocations

    def refresh(self) -> bool:
        """Apply new revocations from the identity files and the store.

        If the revocations in the files are newer than those in the store, the former are stored. Return True
        if the revocations in use have changed. Raises StoreError if the store fails.
        """
        if self._revision() == self._looked_at:
            return False
        before, self.trust = self.trust, current_trust(self._database, self.identity, self.trust)
        self._looked_at = self._revision()
        return self.trust is not before

    def _revision(self) -> str | None:
        document = self._database.get(REVOCATIONS)
        return None if document is None else document.rev


def remote_name(vessel: str, greeting: ApplianceHeaders | None) -> str | None:
    """Return the name under which a vessel's revisions are recorded; None if its store is unknown."""
    if greeting is None:
        return None
    peer = vessel_peer(vessel, greeting.store)
    return f"{peer.kind}:{peer.name}"


def _keeps(document_id: str) -> bool:
    return not documents.is_immutable(document_id)
