"""Who belongs, and what each may do here: certificates in both directions, passwords of the crew, rights.

Whatever a peer proves is judged here, whether it dialled or was dialled. Revocations travel as a document of
the store itself; `refresh` takes up what has come.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509

from sync import documents
from sync.fleet import users
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.rights import Crew, Rights, Vessel
from sync.fleet.standing import standing
from sync.fleet.trust import Trust
from sync.mesh.greeting import Greeting
from sync.mesh.streams import STREAMS
from sync.net.authenticators import (
    CertificateHolder,
    ListenerAuthenticators,
    ListenerCertificateAuthenticator,
    ListenerPasswordAuthenticator,
    Refusal,
    User,
)
from sync.net.listener import Visitor
from sync.peer.arrivals import Rule
from sync.peer.conflicts import REVOCATIONS
from sync.peer.passive import PassiveOptions
from sync.peer.quotas import Quota, Quotas
from sync.peer.selection import Selection
from sync.replication.checkpoint_id import Peer
from sync.store import Database

_CONFLICT: Final = 409
_MISDIRECTED: Final = 421


@dataclass(frozen=True, slots=True)
class CrewUser:
    """Somebody who may connect with a password."""

    name: str
    password_hash: str
    read_write: bool = True
    channels: tuple[str, ...] | None = None
    """None for all."""


class Membership:
    """One vessel's membership in its fleet."""

    def __init__(
        self,
        identity: FleetIdentity,
        database: Database,
        *,
        greeting: Greeting,
        crew: Sequence[CrewUser] = (),
        current_log: Callable[[], str | None],
        now: Callable[[], datetime],
        gives: bool = True,
        takes: bool = True,
        on_clone: Callable[[str], None] = lambda _: None,
        quotas: Quotas | None = None,
    ) -> None:
        """`now` is aware, and no earlier than is known. `gives`, `takes`: which ways documents go between us
        and other vessels. `on_clone` is told of a board that has our own identity. `quotas`: how much each
        user and vessel may bring; None for anything.

        Raises PasswordHashError for a user whose hash is none.
        """
        self.identity, self.greeting = identity, greeting
        self.trust: Trust = identity.trust
        self._database, self._now = database, now
        self._gives, self._takes, self._on_clone = gives, takes, on_clone
        self._quotas = quotas
        self._looked_at: str | None = ""
        """The revision of the revocations that were taken up last; None if there were none."""
        self._crew = {user.name: user for user in crew}
        self._rights = Rights(
            vessel=identity.vessel, log=current_log, trust=lambda: self.trust, leaves=database.leaves
        )
        self._check = users.checker({user.name: user.password_hash for user in crew})

    # Certificates

    def judge(self, certificate: x509.Certificate) -> str | None:
        """Why a certificate is not acceptable, a sentence; None if it is."""
        return self.trust.objection(certificate, self._now())

    def vessel_of(self, certificate: x509.Certificate) -> str | None:
        """The vessel that it names."""
        return self.trust.vessel(certificate)

    def rule(self, vessel: str) -> Rule:
        """What a vessel may write here."""
        return self._rights.rule(Vessel(vessel))

    def quota(self, vessel: str) -> Quota | None:
        """How much a vessel may bring here; None for anything."""
        return self._quota(f"vessel:{vessel}")

    def _quota(self, owner: str) -> Quota | None:
        return None if self._quotas is None else self._quotas.of(owner)

    # Who comes in

    def authenticators(self) -> ListenerAuthenticators:
        """For a listener: vessels by certificate, crew by password."""
        return ListenerAuthenticators(
            certificate=ListenerCertificateAuthenticator(
                lambda certificates: self.judge(certificates[0]) or True, roots=(self.trust.root,)
            ),
            password=ListenerPasswordAuthenticator(self._check) if self._crew else None,
            now=self._now,
        )

    def admit(self, visitor: Visitor) -> PassiveOptions | Refusal:
        """What one who was let in may do."""
        client = visitor.client
        if isinstance(client, User):
            return self._admit_crew(self._crew[client.name])
        assert isinstance(client, CertificateHolder)
        vessel = self.vessel_of(client.certificate)
        assert vessel is not None  # `judge` has seen to it
        greeting = Greeting.of(visitor.headers)
        if vessel == self.identity.vessel and greeting is not None:
            return self._refuse_own(greeting)
        return PassiveOptions(
            read_only=not self._takes,
            write_only=not self._gives,
            rule=self.rule(vessel),
            id_rule=self._rights.id_rule(Vessel(vessel)),
            remote=remote_name(vessel, greeting),
            owner=f"vessel:{vessel}",
            quota=self.quota(vessel),
            keeps=_keeps,
            streams=STREAMS,
        )

    def _admit_crew(self, user: CrewUser) -> PassiveOptions:
        writer = Crew(user.name, user.read_write, user.channels)
        return PassiveOptions(
            read_only=not user.read_write,
            readable=Selection(within=frozenset(user.channels or ())),
            rule=self._rights.rule(writer),
            id_rule=self._rights.id_rule(writer),
            keeps=_keeps,
            owner=f"user:{user.name}",
            quota=self._quota(f"user:{user.name}"),
        )

    def _refuse_own(self, greeting: Greeting) -> Refusal:
        if greeting.board == self.greeting.board:
            return Refusal(_MISDIRECTED, "this is the very appliance that calls", {})
        self._on_clone(greeting.board)
        return Refusal(
            _CONFLICT,
            f"both of us say we are vessel {self.identity.vessel}: a card was copied, or its key stolen",
            self.greeting.headers(),
        )

    # Revocations

    def refresh(self) -> bool:
        """Take up what files and store say of revocations, and let the store know what only the files did;
        whether that changed anything. Raises StoreError."""
        if self._revision() == self._looked_at:
            return False
        before, self.trust = self.trust, standing(self._database, self.identity, self.trust)
        self._looked_at = self._revision()
        return self.trust is not before

    def _revision(self) -> str | None:
        found = self._database.get(REVOCATIONS)
        return None if found is None else found.rev


def remote_name(vessel: str, greeting: Greeting | None) -> str | None:
    """The name under which is kept which revisions a vessel's store holds; None if it has not said which."""
    if greeting is None:
        return None
    peer = Peer.vessel(vessel, greeting.store)
    return f"{peer.kind}:{peer.name}"


def _keeps(document_id: str) -> bool:
    return not documents.is_immutable(document_id)
