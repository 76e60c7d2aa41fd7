"""The sync daemon's live state as `peers` and `status` read it: typed, with a judgement whether it is alive.

What is written there is in `meshstate`.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from msgspec import field

from . import liveness, livestate
from .liveness import Shape, Told


class LivePeer(Shape, frozen=True, kw_only=True):
    """One vessel nearby, or an address that is dialled."""

    vessel: str
    state: str
    """`linked`, `silent`, `connecting`, `refused` or `in sight`."""
    address: str = ""
    dialled: bool = False
    up_for: float | None = None
    """Seconds."""
    behind: int = 0
    """Changes that it may not have yet."""
    receiving: int = 0
    """Documents that it has told us of and that are not here yet."""
    sent: int = 0
    received: int = 0
    """Bytes."""
    log: str = ""
    version: str = ""
    problem: str | None = None

    @property
    def has_link(self) -> bool:
        """Whether a link stands, answered or not."""
        return self.state in ("linked", "silent")


class LiveRoute(Shape, frozen=True, kw_only=True):
    """How a vessel's documents come here."""

    path: list[str]
    """From the neighbour that gives them to us to the vessel that wrote them."""
    hops: int
    utc: float
    """When the last one came."""


class LiveCrew(Shape, frozen=True, kw_only=True):
    """A user who is connected."""

    user: str
    address: str


class LiveRefused(Shape, frozen=True, kw_only=True):
    """A document that a gateway does not take; as `sync.gateway.report.RefusedDocument`."""

    id: str
    reason: str
    when: float
    """Seconds since 1970."""


class LiveGateway(Shape, frozen=True, kw_only=True):
    """One way ashore; as `sync.gateway.report.GatewayReport`."""

    name: str
    kind: str
    url: str
    state: str
    """`connected`, `connecting`, `waiting` or `refused`."""
    since: float | None = None
    last_acknowledged: float | None = None
    """Seconds since 1970."""
    backlog_documents: int = 0
    backlog_bytes: int = 0
    refused_documents: int = 0
    refused: list[LiveRefused] = field(default_factory=list)
    """The last of them."""
    rate: float | None = None
    problem: str | None = None
    estimated_seconds: float | None = None


class LiveQuota(Shape, frozen=True, kw_only=True):
    """What somebody has used up; as `sync.peer.quotas.Bite`."""

    owner: str
    """`user:<name>`, `vessel:<name>` or `gateway:<name>`."""
    measure: str
    """`bytes` or `revisions`."""
    limit: int
    """In a day."""
    refused: int
    """Times that something was refused for it."""
    until: float
    """Seconds since 1970."""

    @property
    def whose(self) -> str:
        """`user guest`."""
        return self.owner.replace(":", " ", 1)


class LiveRadioKey(Shape, frozen=True, kw_only=True):
    """A change of the radio's key."""

    number: int
    begins: float
    """From when on the radio has the next key, seconds since 1970."""
    has_part: bool
    """Whether this vessel gets the next key."""
    has_begun: bool

    @property
    def is_ahead(self) -> bool:
        """Return True if this vessel's radio will change its key."""
        return self.has_part and not self.has_begun


class LiveMesh(Told, frozen=True, kw_only=True):
    """All of it."""

    vessel: str
    fleet: str | None = None
    fault: str | None = None
    """Why there is no mesh."""
    waits_for_identity: bool = False
    """Whether that is because nobody has given this vessel an identity yet."""
    port: int | None = None
    fingerprint: str | None = None
    """Of our certificate."""
    expires: float | None = None
    """When our certificate does, seconds since 1970."""
    problems: list[str] = field(default_factory=list)
    peers: list[LivePeer] = field(default_factory=list)
    crew: list[LiveCrew] = field(default_factory=list)
    routes: dict[str, LiveRoute] = field(default_factory=dict)
    clones: list[str] = field(default_factory=list)
    radio_key: LiveRadioKey | None = None
    """None if the radio's key never changed."""
    gateways: list[LiveGateway] = field(default_factory=list)
    """With or without a mesh."""
    quotas: list[LiveQuota] = field(default_factory=list)
    """What is used up."""

    @property
    def nearby(self) -> list[LivePeer]:
        """Those that are known to be there: without configured addresses at which nobody has answered."""
        return [peer for peer in self.peers if ":" not in peer.vessel]

    @property
    def linked(self) -> list[LivePeer]:
        """Those with whom a link stands, and that answer."""
        return [peer for peer in self.peers if peer.state == "linked"]

    @property
    def unreached(self) -> list[LivePeer]:
        """Those nearby that do not answer, for now; the problem is what is known of it."""
        at_hand = ("silent", "connecting", "in sight")
        return [peer for peer in self.nearby if peer.state in at_hand and peer.problem]

    @property
    def refused(self) -> list[LivePeer]:
        """Those that cannot be linked with, for a reason."""
        return [peer for peer in self.peers if peer.state == "refused"]


Sight = liveness.Sight[LiveMesh]
"""What can be seen of the sync daemon."""


def look(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Judge the file in the run directory; `boottime` is the boot clock now, seconds.

    A daemon that ended for a reason has left that in its last state.
    """
    seen = liveness.judge(
        livestate.path(run, "sync"), LiveMesh, "the sync daemon", boottime=boottime, alive=alive
    )
    if seen.is_live or seen.state is None or seen.state.fault is None or alive(seen.state.pid):
        return seen
    return replace(seen, why_not=f"{seen.why_not}: {seen.state.fault}")
