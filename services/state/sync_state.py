"""The sync daemon's live state as typed objects, for readers such as `peers` and `status`.

`services.syncd.state_writer` defines the contents of the file.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from msgspec import field

from sync.gateway.report import GatewayState
from sync.mesh.link_state import LinkState

from . import liveness, state_file
from .described import described
from .liveness import DaemonState, Shape


class LivePeer(Shape, frozen=True, kw_only=True):
    """A vessel nearby, or an address to which the sync daemon tries to connect."""

    vessel: Annotated[str, described("Id of the vessel, or the address as host:port if the id is unknown.")]
    state: Annotated[
        str,
        described(
            "State of the link. `silent` means that there is a link but the peer has not "
            "answered for some seconds.",
            enum=[each.value for each in LinkState],
        ),
    ]
    address: Annotated[str, described("Address as host:port; '' if unknown.")] = ""
    dialled: Annotated[bool, described("True if this vessel made the connection.")] = False
    up_for: Annotated[
        float | None, described("Seconds since the link was established; null without a link.", minimum=0)
    ] = None
    behind: Annotated[int, described("Number of changes here that the peer may not have yet.", minimum=0)] = 0
    receiving: Annotated[
        int,
        described("Number of documents that the peer has offered and that have not arrived yet.", minimum=0),
    ] = 0
    sent: Annotated[int, described("Number of bytes sent to the peer.", minimum=0)] = 0
    received: Annotated[int, described("Number of bytes received from the peer.", minimum=0)] = 0
    log: Annotated[str, described("Name of the log that the peer records; '' if unknown.")] = ""
    version: Annotated[str, described("Version of Logboat on the peer; '' if unknown.")] = ""
    problem: Annotated[
        str | None,
        described("The reason why the peer is refused, silent or not connected, or why the last link ended."),
    ] = None

    @property
    def has_link(self) -> bool:
        """True if a link to the peer exists, even if the peer does not respond."""
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

    user: Annotated[str, described("Name of the user.")]
    address: Annotated[str, described("Address of the user as host:port.")]


class LiveRefused(Shape, frozen=True, kw_only=True):
    """A document that a gateway has rejected.

    The daemon's own type is `sync.gateway.report.RefusedDocument`.
    """

    id: Annotated[str, described("Id of the document.")]
    reason: Annotated[str, described("Reason given by the gateway.")]
    when: Annotated[float, described("Time of the first refusal, in seconds since 1970.")]


class LiveGateway(Shape, frozen=True, kw_only=True):
    """State of a gateway, a service ashore to which documents are forwarded.

    The daemon's own type is `sync.gateway.report.GatewayReport`.
    """

    name: Annotated[str, described("Name of the gateway, as configured.")]
    kind: Annotated[str, described("Protocol of the gateway.", enum=["couchbase", "mqtt"])]
    url: Annotated[str, described("URL of the gateway.")]
    state: Annotated[
        str,
        described(
            "State of the connection. `connecting`: the gateway does not answer, or not yet. "
            "`waiting`: the policy allows no documents to be sent now. `refused`: a person "
            "must solve the problem.",
            enum=[each.value for each in GatewayState],
        ),
    ]
    since: Annotated[float | None, described("Time at which this state began, in seconds since 1970.")] = None
    last_acknowledged: Annotated[
        float | None,
        described("Time at which the gateway last acknowledged a document, in seconds since 1970."),
    ] = None
    backlog_documents: Annotated[
        int,
        described(
            "Number of documents that the gateway may not have yet, including rejected ones.", minimum=0
        ),
    ] = 0
    backlog_bytes: Annotated[
        int, described("Approximate size of the bodies of these documents, in bytes.", minimum=0)
    ] = 0
    refused_documents: Annotated[
        int,
        described(
            "Number of documents that the gateway has rejected. They are not ashore, and are "
            "offered again from time to time.",
            minimum=0,
        ),
    ] = 0
    refused: Annotated[list[LiveRefused], described("The most recently rejected documents, newest last.")] = (
        field(default_factory=list)
    )
    rate: Annotated[
        float | None,
        described("Recent rate in documents per second; null if no documents are being sent.", minimum=0),
    ] = None
    problem: Annotated[str | None, described("The last error; null if the problem no longer exists.")] = None
    estimated_seconds: Annotated[
        float | None,
        described(
            "Estimated seconds until everything has been sent, at the current rate; null if unknown.",
            minimum=0,
        ),
    ] = None


class LiveQuota(Shape, frozen=True, kw_only=True):
    """A daily allowance that has been used up.

    The daemon's own type is `sync.peer.quotas.ExhaustedAllowance`.
    """

    owner: Annotated[str, described("Owner of the allowance: user:<name>, vessel:<name> or gateway:<name>.")]
    measure: Annotated[str, described("What the allowance limits.", enum=["bytes", "revisions"])]
    limit: Annotated[int, described("The limit for one day, in this measure.", minimum=0)]
    refused: Annotated[
        int,
        described(
            "Number of documents rejected because of the limit. The sender keeps them, and sends them later.",
            minimum=0,
        ),
    ]
    until: Annotated[float, described("Time at which the next day begins, in seconds since 1970.")]

    @property
    def whose(self) -> str:
        """Owner of the allowance as human-readable text, such as `user guest`."""
        return self.owner.replace(":", " ", 1)


class LiveRadioKey(Shape, frozen=True, kw_only=True):
    """A change of the key of the radio between vessels."""

    number: Annotated[int, described("Number of the CA's statement.", minimum=1)]
    begins: Annotated[float, described("Time from which the key is used, in seconds since 1970.")]
    has_part: Annotated[bool, described("True if this vessel receives the key.")]
    has_begun: Annotated[bool, described("True if that time has passed.")]

    @property
    def is_ahead(self) -> bool:
        """True if this vessel's radio is due to change its key but has not done so yet."""
        return self.has_part and not self.has_begun


class LiveMesh(DaemonState, frozen=True, kw_only=True):
    """The complete live state of the sync daemon."""

    vessel: str
    fleet: str | None = None
    fault: str | None = None
    """Reason why there is no mesh; None if the mesh is running."""
    waits_for_identity: bool = False
    """True if there is no mesh because this vessel has no identity yet."""
    port: int | None = None
    fingerprint: str | None = None
    """Fingerprint of this vessel's certificate; None without a mesh."""
    expires: float | None = None
    """Expiry of this vessel's certificate, in seconds since 1970; None without a mesh."""
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
        """Vessels known to be nearby. Configured addresses that have not answered are excluded."""
        return [peer for peer in self.peers if ":" not in peer.vessel]

    @property
    def linked(self) -> list[LivePeer]:
        """Vessels that are linked and respond over the link."""
        return [peer for peer in self.peers if peer.state == LinkState.LINKED]

    @property
    def unreached(self) -> list[LivePeer]:
        """Nearby vessels without a working link. The `problem` of each vessel states the reason."""
        at_hand = (LinkState.SILENT, LinkState.CONNECTING, LinkState.IN_SIGHT)
        return [peer for peer in self.nearby if peer.state in at_hand and peer.problem]

    @property
    def refused(self) -> list[LivePeer]:
        """Peers to which no link is possible. The `problem` of each peer states the reason."""
        return [peer for peer in self.peers if peer.state == LinkState.REFUSED]


Sight = liveness.ObservedState[LiveMesh]
"""The sync daemon's state, and whether it is current."""


def read(run: Path, *, boottime: float, alive: Callable[[int], bool]) -> Sight:
    """Read the sync daemon's state file in the run directory, and check that the state is current.

    `boottime` is the boot clock's current time, in seconds. If the daemon gave a reason when it exited,
    `why_not` includes that reason.
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
