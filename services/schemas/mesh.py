"""JSON output about the mesh and the gateways."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import UNSET, UnsetType

from services.state.described import described
from services.state.sync_state import LiveCrew, LiveGateway, LivePeer, LiveQuota, LiveRadioKey

from . import format_of
from .parts import Output, Part


class VesselRoute(Part, frozen=True, kw_only=True):
    """Route by which the vessel's documents arrive; null if none have arrived."""

    path: Annotated[
        Sequence[str],
        described(
            "Vessels on the route, from the neighbour that sends the documents to the vessel "
            "that wrote them; '?' for a section that no vessel has reported."
        ),
    ]
    hops: Annotated[int, described("Number of links on the route.", minimum=0)]
    utc: Annotated[float, described("Time at which the last document arrived, in seconds since 1970.")]
    age: Annotated[float, described("Seconds since the last document arrived.")]


class VesselRow(Part, frozen=True, kw_only=True):
    """A vessel that is nearby, or whose documents have arrived."""

    vessel: Annotated[str, described("Id of the vessel.")]
    state: Annotated[
        str,
        described(
            "State of the link to the vessel.",
            enum=["linked", "silent", "connecting", "refused", "in sight", "not near"],
        ),
    ]
    link: Annotated[LivePeer | None, described("Details of the link; null if the vessel is not nearby.")]
    route: Annotated[
        VesselRoute | None,
        described("Route by which the vessel's documents arrive; null if none have arrived."),
    ]


class Peers(Output, frozen=True, kw_only=True, tag=format_of("peers")):
    """State of the mesh. If the sync daemon provides no state, only the first members are included."""

    command: ClassVar[str] = "logboat peers --json"

    live: Annotated[bool, described("True if the sync daemon is running.")]
    why_not: Annotated[
        str | None, described("The reason why there is no mesh, and what to do; null if there is one.")
    ]
    vessel: Annotated[str | UnsetType, described("Id of this vessel.")] = UNSET
    fleet: Annotated[str | UnsetType | None, described("Name of the fleet.")] = UNSET
    port: Annotated[
        int | UnsetType | None,
        described(
            "TCP port of the listener; null if this vessel only makes outgoing connections.",
            minimum=1,
            maximum=65535,
        ),
    ] = UNSET
    fingerprint: Annotated[
        str | UnsetType | None, described("SHA-256 fingerprint of this vessel's certificate.")
    ] = UNSET
    clones: Annotated[
        Sequence[str] | UnsetType, described("Descriptions of boards that claim to be the same vessel.")
    ] = UNSET
    problems: Annotated[Sequence[str] | UnsetType, described("Descriptions of problems.")] = UNSET
    crew: Annotated[Sequence[LiveCrew] | UnsetType, described("Connected users of the crew's apps.")] = UNSET
    gateways: Annotated[Sequence[LiveGateway] | UnsetType, described("States of the gateways.")] = UNSET
    quotas: Annotated[
        Sequence[LiveQuota] | UnsetType,
        described("Daily allowances that users, vessels and gateways have used up."),
    ] = UNSET
    radio_key: Annotated[
        LiveRadioKey | UnsetType | None,
        described("The latest change of the radio key; null if it has never changed."),
    ] = UNSET
    vessels: Annotated[
        Sequence[VesselRow] | UnsetType,
        described("All vessels, whether nearby or not; those that need attention come first."),
    ] = UNSET


class GatewayRetry(Output, frozen=True, kw_only=True, tag=format_of("gateway-retry")):
    """Confirmation that the sync daemon is connecting to a gateway and offers rejected documents again."""

    command: ClassVar[str] = "logboat gateway retry NAME --json"

    gateway: Annotated[str, described("Name of the gateway.")]
    offered: Annotated[int, described("Number of rejected documents that are offered again.", minimum=0)]
