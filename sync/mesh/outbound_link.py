"""A link that we dial: two replications with one vessel, live and history, over a connection each.

The history's connection is made once the live one stands. What a vessel's certificate says, and the headers
of its answer, are all that is known of who it is: `vessel` and `greeting` are set with the first connection.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from sync import blip
from sync.mesh.greeting import Greeting
from sync.mesh.streams import HISTORY, LIVE
from sync.net.authenticators import ClientCertificateAuthenticator
from sync.net.link import Link
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.net.tls_identity import TLSIdentity
from sync.net.transport import Transport
from sync.peer.active import Activity
from sync.peer.peer import PeerBase
from sync.peer.problems import Problem
from sync.peer.progress import DocumentEnded
from sync.peer.quotas import Quota
from sync.peer.revision_writer import Rule
from sync.peer.selection import Stream
from sync.replication import messages
from sync.replication.checkpoint_id import Peer
from sync.store import Database, Document

from .vessel_endpoint import Whereabouts

LONGEST_WAIT: Final = 4.0
"""Seconds between attempts at most: whoever is in sight is near, and a try costs a packet or two."""
LONGEST_WAIT_UNSEEN: Final = 30.0
"""The same for an address from the configuration, which may be nowhere in reach for weeks."""
STREAM_HEADER: Final = "Logboat-Stream"

_UP: Final = frozenset({Activity.BUSY, Activity.IDLE})


@dataclass(frozen=True, slots=True)
class Ties:
    """What all links of a vessel have in common."""

    vessel: str
    database: Database
    identity: TLSIdentity
    root: x509.Certificate
    judge: Callable[[x509.Certificate], str | None]
    """Why a certificate is not acceptable, a sentence; None if it is."""
    vessel_of: Callable[[x509.Certificate], str | None]
    greeting: Greeting
    """What we say of ourselves."""
    rule: Callable[[str], Rule]
    """What a vessel may write here."""
    quota: Callable[[str], Quota | None]
    """How much a vessel may bring here; None for anything."""
    era: Callable[[], int] = lambda: 0
    """How often something was removed here that others are to offer again. Checkpoints are named by it."""
    push: bool = True
    pull: bool = True


class Outward:
    """One link that we dial, from `start` to `stop`."""

    def __init__(
        self,
        ties: Ties,
        where: Whereabouts,
        *,
        expected: str | None,
        rng: random.Random,
        on_change: Callable[["Outward"], None],
        on_link: Callable[["Outward", Link], None],
        on_documents: Callable[["Outward", Sequence[DocumentEnded]], None],
    ) -> None:
        """`expected`: the vessel it must be; None to take any of the fleet.

        `on_change` is told when it comes up, goes down, or ends; `on_link` of the live connection, before
        anything passes; `on_documents` of documents that passed.
        """
        self.where, self.expected = where, expected
        self.vessel: str | None = expected
        self.greeting: Greeting | None = None
        """Of the appliance at the other end, once it has been connected."""
        self.certificate: x509.Certificate | None = None
        self.problem: Problem | None = None
        """Why there is no connection just now."""
        self.has_ended = False
        """Whether it will not try again by itself."""
        self.up_since: float | None = None
        """By the event loop's clock; None while there is no connection."""
        self.link: Link | None = None
        """The live connection."""
        self._ties = ties
        self._on_change, self._on_link, self._on_documents = on_change, on_link, on_documents
        self._rule: Rule | None = None
        self._received = 0
        longest = LONGEST_WAIT if expected is not None else LONGEST_WAIT_UNSEEN
        self._replicators = {
            stream: Replicator(
                self._configuration(stream, longest),
                on_status=on_status,
                on_documents=lambda told: self._on_documents(self, told),
                rng=rng,
            )
            for stream, on_status in ((LIVE, self._live), (HISTORY, self._history))
        }

    # What the manager does with it

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._replicators[LIVE].start()

    async def stop(self) -> None:
        """End it, with what is on its way."""
        self.has_ended = True
        await asyncio.gather(*(replicator.stop() for replicator in self._replicators.values()))

    def cut(self, problem: Problem) -> None:
        """End it now: with whom it leads to nothing more is shared. `stop` it all the same."""
        self.has_ended = True
        for replicator in self._replicators.values():
            replicator.cut(problem)

    def meet_again(self) -> None:
        """The vessel was seen, or the network has changed: try at once."""
        for replicator in self._replicators.values():
            if replicator.status.activity is Activity.OFFLINE:
                replicator.reachability_changed()

    @property
    def is_up(self) -> bool:
        """Whether the live connection stands."""
        return self.up_since is not None

    def has_spoken(self) -> bool:
        """Whether anything came from there since this was last asked."""
        before, self._received = self._received, self.transferred[1]
        return self._received != before

    @property
    def statuses(self) -> Mapping[str, Status]:
        """Of both replications, by the name of their stream."""
        return {stream.name: replicator.status for stream, replicator in self._replicators.items()}

    @property
    def peers(self) -> list[PeerBase]:
        """The replications of the connections that stand."""
        found = [replicator.peer for replicator in self._replicators.values()]
        return [peer for peer in found if peer is not None]

    @property
    def transferred(self) -> tuple[int, int]:
        """Bytes sent and received, on all connections so far."""
        both = [replicator.transferred for replicator in self._replicators.values()]
        return sum(sent for sent, _ in both), sum(received for _, received in both)

    @property
    def silence(self) -> float:
        """Seconds for which the vessel has owed any sign of life, on all connections; 0 if all is well."""
        found = [replicator.silence for replicator in self._replicators.values()]
        return min((seconds for seconds in found if seconds is not None), default=0.0)

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
            pull_rule=self._objection,
            pull_quota=lambda: None if self.vessel is None else ties.quota(self.vessel),
            peer=self._identify,
            max_attempt_wait_time=longest,
            # Else it would have a back-off of its own, and could connect before the live one after an outage.
            max_attempts=1 if stream is HISTORY else None,
            on_connected=self._connected if stream is LIVE else None,
        )

    def _judge(self, certificate: x509.Certificate) -> str | None:
        objection = self._ties.judge(certificate)
        if objection is not None:
            return objection
        vessel = self._ties.vessel_of(certificate)
        if vessel is None or (self.expected is not None and vessel != self.expected):
            return f"it is {vessel or 'nobody'} that answers at {self.where.name}, not {self.expected}"
        if vessel != self.vessel or self._rule is None:
            self._rule = self._ties.rule(vessel)
        self.vessel, self.certificate = vessel, certificate
        return None

    def _objection(self, document: Document) -> str | None:
        assert self._rule is not None
        return self._rule(document)

    def _identify(self, transport: Transport) -> Peer:
        self.greeting = Greeting.of(getattr(transport, "headers", None) or {})
        store = "unknown" if self.greeting is None else self.greeting.store
        era = self._ties.era()
        return Peer.vessel(self.vessel or "unknown", f"{store}+{era}" if era else store)

    def _connected(self, link: Link) -> None:
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
        if not self.is_up or self.has_ended:  # nobody would ever stop what begins after the end
            return
        if self._replicators[HISTORY].status.activity is Activity.STOPPED:
            self._replicators[HISTORY].start()

    def _history(self, status: Status) -> None:
        """Its problems show in `statuses`; the live connection is what counts as the link."""
        if status.activity is Activity.STOPPED and not self.has_ended:
            asyncio.get_running_loop().call_later(LONGEST_WAIT, self._begin_history)
