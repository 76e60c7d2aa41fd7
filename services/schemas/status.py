"""JSON output of `logboat status` and `logboat top`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

from services.state.boot_state import BootState
from services.state.described import described
from services.state.recorder_state import LiveState
from services.state.sync_state import LiveGateway, LiveQuota

from . import format_of
from .appliance import Lights
from .mesh import Peers
from .parts import Output, Part
from .recording import Alarms, Sensors


class StoreSize(Part, frozen=True, kw_only=True):
    """Facts about the document store; null if it cannot be read."""

    bytes: Annotated[int, described("Size of the store on the card in bytes, without blobs.", minimum=0)]
    last_sequence: Annotated[
        int,
        described(
            "Number of changes since the store was created; `logboat db info` counts documents.", minimum=0
        ),
    ]


class AlarmCounts(Part, frozen=True, kw_only=True):
    """Numbers of alarms that are active or have not been acknowledged."""

    holding: Annotated[int, described("Number of active alarms.", minimum=0)]
    not_acknowledged: Annotated[int, described("Number of alarms that nobody has acknowledged.", minimum=0)]
    audible: Annotated[
        int, described("Number of active alarms that are neither acknowledged nor silenced.", minimum=0)
    ]
    silenced: Annotated[int, described("Number of active alarms that are silenced now.", minimum=0)]
    ids: Annotated[Sequence[str], described("Ids of the alarms' documents, most severe first.")]


class StatusLines(Part, frozen=True, kw_only=True):
    """The lines of the command's text output, by label."""

    recording: Annotated[str, described("Whether samples are being recorded now, and if not, why.")]
    alarms: Annotated[str, described("The most severe alarm, and how many there are.")]
    sensors: Annotated[str, described("Number of sensors, and which of them have faults.")]
    service: Annotated[
        str, described("Number of services that are due, and the most urgent one; '' if none is described.")
    ]
    clock: Annotated[str, described("Source and uncertainty of the system clock.")]
    store: Annotated[str, described("The document store, and samples that are not in it yet.")]
    card: Annotated[str, described("Space for history on the card.")]
    mesh: Annotated[str, described("The vessels that are sharing the log now.")]
    shore: Annotated[str, described("The transfer of documents to the shore, by gateway.")]
    daemons: Annotated[
        str, described("Whether the daemons for recording, synchronisation and lights keep running.")
    ]
    configuration: Annotated[str, described("Whether the configuration files are in use.")]
    identity: Annotated[str, described("The fleet to which the vessel belongs.")]


class MeshSummary(Part, frozen=True, kw_only=True):
    """State of the mesh, and of the vessels nearby."""

    live: Annotated[bool, described("True if the sync daemon is running.")]
    why_not: Annotated[str | None, described("The reason why there is no mesh; null if there is one.")]
    waits_for_identity: Annotated[
        bool, described("True if the reason is that this vessel has no identity yet.")
    ]
    linked: Annotated[Sequence[str], described("Vessels that have a link and answer.")]
    nearby: Annotated[Sequence[str], described("Vessels nearby, whether linked or not.")]
    unreached: Annotated[Sequence[str], described("Vessels nearby that do not answer at present.")]
    refused: Annotated[
        Mapping[str, str | None], described("Vessels with which no link is possible, each with the reason.")
    ]
    clones: Annotated[Sequence[str], described("Descriptions of boards that claim to be the same vessel.")]


class Status(Output, frozen=True, kw_only=True, tag=format_of("status")):
    """Status of the appliance."""

    command: ClassVar[str] = "logboat status --json"

    vessel: Annotated[str, described("Id of the vessel; '' if unknown.")]
    running: Annotated[bool, described("True if the recorder is running.")]
    recording: Annotated[bool, described("True if samples are becoming durable now.")]
    why_not: Annotated[
        str | None, described("The reason why samples are not becoming durable; null if they are.")
    ]
    store: Annotated[
        StoreSize | None, described("Facts about the document store; null if it cannot be read.")
    ]
    store_fault: Annotated[str | None, described("The reason why the store cannot be read; null if it can.")]
    alarms: Annotated[AlarmCounts, described("Alarms that are active or have not been acknowledged.")]
    faulty: Annotated[Sequence[str], described("Ids of the sensors whose state is not good.")]
    failed_units: Annotated[
        Sequence[str], described("Logboat's systemd units that have failed and are not restarted.")
    ]
    mute_outputs: Annotated[
        Sequence[str], described("Ids of the outputs, such as sirens, that alarms cannot turn on now.")
    ]
    restless: Annotated[Sequence[str], described("Descriptions of daemons that exit repeatedly.")]
    problems: Annotated[Sequence[str], described("Descriptions of problems in the configuration.")]
    boot: Annotated[BootState, described("Result of the last boot.")]
    lines: Annotated[StatusLines, described("The lines of the command's text output, by label.")]
    to_do: Annotated[str | None, described("The most urgent advice; null if there is nothing to do.")]
    recorder: Annotated[
        LiveState | None,
        described(
            "The last state published by the recorder; null if there is none. It is current "
            "only if `running` is true."
        ),
    ]
    mesh: Annotated[MeshSummary, described("The mesh with vessels nearby.")]
    gateways: Annotated[Sequence[LiveGateway], described("Current states of the gateways.")]
    quotas: Annotated[
        Sequence[LiveQuota], described("Daily allowances that users, vessels and gateways have used up.")
    ]


class Top(Output, frozen=True, kw_only=True, tag=format_of("top")):
    """The output of several commands in one object, by command; with --plain, one line for each update."""

    command: ClassVar[str] = "logboat top --json"

    status: Annotated[Status, described("Status of the appliance.")]
    sensors: Annotated[Sensors, described("All sensors.")]
    alarms: Annotated[
        Alarms, described("Alarms that are active or not acknowledged, most severe first; at most a hundred.")
    ]
    peers: Annotated[Peers, described("The mesh.")]
    lights: Annotated[Lights, described("What the lights are showing.")]
