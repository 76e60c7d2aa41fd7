"""The sync daemon's live state as `peers` and `status` read it: typed, with a check that it is current.

`services.syncd.state_writer` defines the contents of the file.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from msgspec import field

from sync.mesh.link_state import LinkState

from . import liveness, state_file
from .liveness import DaemonState, Shape


class LivePeer(Shape, frozen=True, kw_only=True):
    """A vessel nearby, or an address to which the sync daemon tries to connect."""

    vessel: str
    state: str
    """State of the link: `linked`, `silent`, `connecting`, `refused` or `in sight`."""
    address: str = ""
    dialled: bool = False
    up_for: float | None = None
    """Seconds since the link was established; None without a link."""
    behind: int = 0
    """Number of changes that the peer may not have yet."""
    receiving: int = 0
    """Number of documents that the peer has offered and that have not arrived yet."""
    sent: int = 0
    received: int = 0
    """Number of bytes received from the peer."""
    log: str = ""
    version: str = ""
    problem: str | None = None

    @property
    def has_link(self) -> bool:
        """True if there is a link, even if the peer does not answer."""
        return self.state in (LinkState.LINKED, LinkState.SILENT)


class LiveRoute(Shape, frozen=True, kw_only=True):
    """The route by which a vessel's documents arrive."""

    path: list[str]
    """Vessels on the route, from the neighbour that sends the documents to the vessel that wrote them."""
    hops: int
    utc: float
    """Time at which the last document arrived, in seconds since 1970."""


class LiveCrew(Shape, frozen=True, kw_only=True):
    """A connected user of the crew's apps."""

    user: str
    address: str


class LiveRefused(Shape, frozen=True, kw_only=True):
    """A document that a gateway has refused, as in `sync.gateway.report.RefusedDocument`."""

    id: str
    reason: str
    when: float
    """Time of the refusal, in seconds since 1970."""


class LiveGateway(Shape, frozen=True, kw_only=True):
    """State of a gateway, as in `sync.gateway.report.GatewayReport`."""

    name: str
    kind: str
    url: str
    state: str
    """State of the connection: `connected`, `connecting`, `waiting` or `refused`."""
    since: float | None = None
    last_acknowledged: float | None = None
    """Time of the last acknowledgement, in seconds since 1970."""
    backlog_documents: int = 0
    backlog_bytes: int = 0
    refused_documents: int = 0
    refused: list[LiveRefused] = field(default_factory=list)
    """The most recently refused documents."""
    rate: float | None = None
    problem: str | None = None
    estimated_seconds: float | None = None


class LiveQuota(Shape, frozen=True, kw_only=True):
    """An allowance that has been used up, as in `sync.peer.quotas.ExhaustedAllowance`."""

    owner: str
    """Owner of the allowance: `user:<name>`, `vessel:<name>` or `gateway:<name>`."""
    measure: str
    """What the allowance limits: `bytes` or `revisions`."""
    limit: int
    """The limit for one day."""
    refused: int
    """Number of documents refused because of the limit."""
    until: float
    """Time until which documents are refused, in seconds since 1970."""

    @property
    def whose(self) -> str:
        """The owner in words, such as `user guest`."""
        return self.owner.replace(":", " ", 1)


class LiveRadioKey(Shape, frozen=True, kw_only=True):
    """A change of the radio key."""

    number: int
    begins: float
    """Time from which the radio uses the next key, in seconds since 1970."""
    has_part: bool
    """True if this vessel receives the next key."""
    has_begun: bool

    @property
    def is_ahead(self) -> bool:
        """True if this vessel's radio has yet to change its key."""
        return self.has_part and not self.has_begun


class LiveMesh(DaemonState, frozen=True, kw_only=True):
    """The complete live state of the sync daemon."""

    vessel: str
    fleet: str | None = None
    fault: str | None = None
    """The reason why there is no mesh; None if there is one."""
    waits_for_identity: bool = False
    """True if the reason is that this vessel has no identity yet."""
    port: int | None = None
    fingerprint: str | None = None
    """Fingerprint of our certificate; None without a mesh."""
    expires: float | None = None
    """Expiry of our certificate, in seconds since 1970; None without a mesh."""
    problems: list[str] = field(default_factory=list)
    peers: list[LivePeer] = field(default_factory=list)
    crew: list[LiveCrew] = field(default_factory=list)
    routes: dict[str, LiveRoute] = field(default_factory=dict)
    clones: list[str] = field(default_factory=list)
    radio_key: LiveRadioKey | None = None
    """The latest change of the radio key; None if the key has never changed."""
    gateways: list[LiveGateway] = field(default_factory=list)
    """The gateways, which work with or without a mesh."""
    quotas: list[LiveQuota] = field(default_factory=list)
    """Allowances that have been used up."""

    @property
    def nearby(self) -> list[LivePeer]:
        """Vessels known to be nearby, excluding configured addresses at which nobody has answered."""
        return [peer for peer in self.peers if ":" not in peer.vessel]

    @property
    def linked(self) -> list[LivePeer]:
        """Vessels that have a link and answer."""
        return [peer for peer in self.peers if peer.state == LinkState.LINKED]

    @property
    def unreached(self) -> list[LivePeer]:
        """Vessels nearby that do not answer at present; their `problem` says why, if known."""
        at_hand = (LinkState.SILENT, LinkState.CONNECTING, LinkState.IN_SIGHT)
        return [peer for peer in self.nearby if peer.state in at_hand and peer.problem]

    @property
    def refused(self) -> list[LivePeer]:
        """Peers with which no link is possible; their `problem` says why."""
        return [peer for peer in self.peers if peer.state == LinkState.REFUSED]


Sight = liveness.ObservedState[LiveMesh]
"""The sync daemon's state, and whether it is current."""


def read(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Read and check the file in the run directory; `boottime` is the boot clock's current time, in seconds.

    If the daemon gave a reason when it ended, `why_not` includes it.
    """
    observed = liveness.read_checked(
        state_file.path(run, "sync"), LiveMesh, "the sync daemon", boottime=boottime, alive=alive
    )
    if (
        observed.is_live
        or observed.state is None
        or observed.state.fault is None
        or alive(observed.state.pid)
    ):
        return observed
    return replace(observed, why_not=f"{observed.why_not}: {observed.state.fault}")
