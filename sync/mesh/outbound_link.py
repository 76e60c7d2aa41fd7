"""A link that we dial: two replications with one vessel, live and history, each on its own connection.

The history connection is opened after the live connection. The peer is known only from its certificate and
its response headers. So the first connection sets `greeting`, and also `vessel` if no vessel was expected.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from sync import blip
from sync.fleet.conflict_resolvers import Resolvers
from sync.net.authenticators import ClientCertificateAuthenticator
from sync.net.peer_driver import PeerDriver
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.net.tls_identity import TLSIdentity
from sync.net.transport import Transport
from sync.peer.active import Activity
from sync.peer.peer_base import PeerBase
from sync.peer.problems import Problem
from sync.peer.progress import DocumentEnded
from sync.peer.quotas import Quota
from sync.peer.revision_writer import Rule
from sync.peer.selection import Stream
from sync.replication import messages
from sync.replication.checkpoint_id import Peer
from sync.store import Database, Document

from .appliance_headers import ApplianceHeaders, vessel_peer
from .link_streams import HISTORY, LIVE
from .vessel_endpoint import VesselEndpoint

LONGEST_WAIT: Final = 4.0
"""Maximum seconds between attempts to connect to a vessel in range. An attempt takes only a few packets."""
LONGEST_WAIT_UNSEEN: Final = 30.0
"""Maximum seconds between attempts to connect to a configured address, which may be unreachable for weeks."""
STREAM_HEADER: Final = "Logboat-Stream"

_UP: Final = frozenset({Activity.BUSY, Activity.IDLE})


@dataclass(frozen=True, slots=True)
class LinkParameters:
    """The parameters that all outbound links of this vessel share."""

    vessel: str
    database: Database
    identity: TLSIdentity
    root: x509.Certificate
    judge: Callable[[x509.Certificate], str | None]
    """Function that returns None if a certificate is accepted, and otherwise the reason as a sentence."""
    vessel_of: Callable[[x509.Certificate], str | None]
    greeting: ApplianceHeaders
    """The HTTP headers that describe this appliance to the peer."""
    rule: Callable[[str], Rule]
    """Function that returns the rule that decides which documents a vessel may write here."""
    quota: Callable[[str], Quota | None]
    """Function that returns the quota for data that a vessel sends to us; None for no limit."""
    era: Callable[[], int] = lambda: 0
    """Function that returns the store's era: the number of times unvouched revisions were removed.

    The era is part of the names of checkpoints, so all documents are offered again after a removal.
    """
    push: bool = True
    pull: bool = True


class OutboundLink:
    """A link that we dial. It is active from `start` until `stop`."""

    def __init__(
        self,
        ties: LinkParameters,
        where: VesselEndpoint,
        *,
        expected: str | None,
        rng: random.Random,
        on_change: Callable[["OutboundLink"], None],
        on_link: Callable[["OutboundLink", PeerDriver], None],
        on_documents: Callable[["OutboundLink", Sequence[DocumentEnded]], None],
    ) -> None:
        """Create a link.

        Args:
            ties: the parameters that all links have in common.
            where: the endpoint to dial.
            expected: id of the vessel that must answer; None to accept any vessel of the fleet.
            rng: random source of the jitter.
            on_change: called when the link opens, closes or ends permanently.
            on_link: called with each live connection, before anything is transferred.
            on_documents: called with batches of documents that were transferred or failed.
        """
        self.where, self.expected = where, expected
        self.vessel: str | None = expected
        self.greeting: ApplianceHeaders | None = None
        """The HTTP headers that describe the peer's appliance; None before the first connection."""
        self.certificate: x509.Certificate | None = None
        self.problem: Problem | None = None
        """Reason why the live connection is down; None while it is open."""
        self.has_ended = False
        """True if the link will not connect again automatically."""
        self.up_since: float | None = None
        """Time at which the live connection opened, by the event loop's clock; None while it is not open."""
        self.link: PeerDriver | None = None
        """The current or most recent live connection; None before the first one."""
        self._ties = ties
        self._on_change, self._on_link, self._on_documents = on_change, on_link, on_documents
        self._rule: Rule | None = None
        self._received = 0
        longest = LONGEST_WAIT if expected is not None else LONGEST_WAIT_UNSEEN
        self._replicators = {
            stream: Replicator(
                self._configuration(stream, longest),
                on_status=on_status,
                on_documents=lambda outcomes: self._on_documents(self, outcomes),
                rng=rng,
            )
            for stream, on_status in ((LIVE, self._live), (HISTORY, self._history))
        }

    # Control by the manager

    def start(self) -> None:
        """Start dialling in the running event loop."""
        self._replicators[LIVE].start()

    async def stop(self) -> None:
        """End the link. If the peer answers in time, the checkpoints are stored first."""
        self.has_ended = True
        await asyncio.gather(*(replicator.stop() for replicator in self._replicators.values()))

    def cut(self, problem: Problem) -> None:
        """End the link at once, because no more data may be exchanged with the peer.

        The caller must call `stop` afterwards.
        """
        self.has_ended = True
        for replicator in self._replicators.values():
            replicator.cut(problem)

    def meet_again(self) -> None:
        """Connect at once if not connected, because the vessel was discovered or the network has changed."""
        for replicator in self._replicators.values():
            if replicator.status.activity is Activity.OFFLINE:
                replicator.reachability_changed()

    @property
    def is_up(self) -> bool:
        """True while the live connection is open."""
        return self.up_since is not None

    def has_spoken(self) -> bool:
        """Return True if any bytes were received over the link since the last call of this method."""
        before, self._received = self._received, self.transferred[1]
        return self._received != before

    @property
    def statuses(self) -> Mapping[str, Status]:
        """Status of the link's two replications, by the name of the stream."""
        return {stream.name: replicator.status for stream, replicator in self._replicators.items()}

    @property
    def peers(self) -> list[PeerBase]:
        """The protocol state (`PeerBase`) of each open connection of the link."""
        peers = [replicator.peer for replicator in self._replicators.values()]
        return [peer for peer in peers if peer is not None]

    @property
    def transferred(self) -> tuple[int, int]:
        """Total numbers of bytes sent and of bytes received on all connections of the link."""
        both = [replicator.transferred for replicator in self._replicators.values()]
        return sum(sent for sent, _ in both), sum(received for _, received in both)

    @property
    def silence(self) -> float:
        """Seconds for which no connection of the link has answered a ping; 0 if one of them has."""
        silences = [replicator.silence for replicator in self._replicators.values()]
        return min((seconds for seconds in silences if seconds is not None), default=0.0)

    # Replications

    def _configuration(self, stream: Stream, longest: float) -> ReplicatorConfiguration:
        ties = self._ties
        return ReplicatorConfiguration(
            ties.database,
            self.where,
            push=ties.push,
            pull=ties.pull,
            continuous=True,
            stream=stream,
            authenticator=ClientCertificateAuthenticator(ties.identity),
            roots=(ties.root,),
            judge=self._judge,
            headers={STREAM_HEADER: stream.name, **ties.greeting.headers()},
            limits=blip.APPLIANCE,
            message_limits=messages.APPLIANCE,
            conflict_resolver=Resolvers(),
            pull_rule=self._objection,
            pull_quota=lambda: None if self.vessel is None else ties.quota(self.vessel),
            peer=self._identify,
            max_attempt_wait_time=longest,
            # With a back-off of its own, the history stream could connect before the live stream.
            max_attempts=1 if stream is HISTORY else None,
            on_connected=self._connected if stream is LIVE else None,
        )

    def _judge(self, certificate: x509.Certificate) -> str | None:
        objection = self._ties.judge(certificate)
        if objection is not None:
            return objection
        vessel = self._ties.vessel_of(certificate)
        if vessel is None or (self.expected is not None and vessel != self.expected):
            return f"{vessel or 'an unknown vessel'} answers at {self.where.name} instead of {self.expected}"
        if vessel != self.vessel or self._rule is None:
            self._rule = self._ties.rule(vessel)
        self.vessel, self.certificate = vessel, certificate
        return None

    def _objection(self, document: Document) -> str | None:
        assert self._rule is not None
        return self._rule(document)

    def _identify(self, transport: Transport) -> Peer:
        self.greeting = ApplianceHeaders.parse(getattr(transport, "headers", None) or {})
        store = "unknown" if self.greeting is None else self.greeting.store
        era = self._ties.era()
        return vessel_peer(self.vessel or "unknown", f"{store}+{era}" if era else store)

    def _connected(self, link: PeerDriver) -> None:
        self.link = link
        self._on_link(self, link)

    def _live(self, status: Status) -> None:
        was_up, is_up = self.is_up, status.activity in _UP
        self.problem = None if is_up else status.problem or self.problem
        if status.activity is Activity.STOPPED:
            self.has_ended = True
        if is_up and not was_up:
            self.up_since = asyncio.get_running_loop().time()
            self._begin_history()
        elif not is_up:
            self.up_since = None
        if is_up != was_up or self.has_ended:
            self._on_change(self)

    def _begin_history(self) -> None:
        if not self.is_up or self.has_ended:  # once the link has ended, nothing would stop the replication
            return
        if self._replicators[HISTORY].status.activity is Activity.STOPPED:
            self._replicators[HISTORY].start()

    def _history(self, status: Status) -> None:
        """Schedule a restart of the history replication if it has stopped.

        Problems of this replication are visible only in `statuses`, because the state of the link is the
        state of the live connection.
        """
        if status.activity is Activity.STOPPED and not self.has_ended:
            asyncio.get_running_loop().call_later(LONGEST_WAIT, self._begin_history)
