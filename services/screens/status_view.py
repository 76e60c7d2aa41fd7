"""Gathers the facts for `logboat status` from state files and the store, and formats them as lines."""

import re
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import TYPE_CHECKING, Final

from services.console.environment import Environment
from services.console.errors import CommandError, FailedError
from services.console.stores import own_vessel, reading_store, zone_for
from services.history.current import CurrentValue, from_documents, from_recorder
from services.maintenance_schedule.overview import NONE, Overview, overview
from services.screens.lights_words import mute_outputs
from services.screens.service_list import trusted_utc
from services.screens.status_lines import LINES, StatusFacts, StoreFacts
from services.state import boot_state as bootstate
from services.state import crash_loops, gnss_state, lights_state, sync_state
from services.state.recorder_state import Sight, read
from services.terminal.present import Screen, Style, paint, wrap

if TYPE_CHECKING:
    from services.config.model import VesselSection
    from services.history.alarms import AlarmEpisode
    from services.schemas.status import MeshSummary, Status
    from sync.store import Database


ROOMY: Final = 60
"""Minimum screen width for showing the text in a separate column beside the labels, in columns."""
LABEL: Final = max(len(label) for label, _ in LINES) + 2
MARKS: Final = (
    (
        re.compile(r"^(NO|WRONG|NOT YET|FAILING|FAILED)\b|^[1-9][0-9]* active|\bALARMS CANNOT SOUND\b"),
        Style.BAD,
    ),
    (
        re.compile(
            r"\b(NOT|REFUSED|REJECTED|DUPLICATE|EXPIRED|NEARLY FULL)\b"
            r"|[1-9][0-9]* (faulty|overdue|due soon|not acknowledged|refused|rejected)"
        ),
        Style.WARN,
    ),
    (re.compile(r"^yes;"), Style.GOOD),
)
"""Patterns that determine the style of a line's text. The first matching pattern applies."""


def title(facts: StatusFacts, name: str) -> str:
    """Return a title such as `argo (SY Argo), log abcdef, boot 1`.

    `name` is the configured name of the vessel.
    """
    who = f"{facts.vessel} ({name})" if name and name != facts.vessel else facts.vessel
    state = facts.live
    where = "" if state is None else f", log {state.log}, boot {state.boot}"
    return f"{who or 'a vessel without a name'}{where}"


def styled_lines(label: str, words: str, where: Screen) -> list[str]:
    """Return a label and its text as lines, such as `clock  set by the network`.

    If the screen is wide enough, continuation lines are aligned with the start of the text.
    """
    style = next((style for mark, style in MARKS if mark.search(words)), None)
    if where.width >= ROOMY:
        wrapped = wrap(f"{label:<{LABEL}}{words}", where.width, indent="  ", hang=LABEL)
    else:
        wrapped = wrap(f"{label}: {words}", where.width, indent="  ")
    return [paint(line, style, where) for line in wrapped]


@dataclass(frozen=True, slots=True)
class FromStore:
    """Facts that were read from the document store."""

    vessel: str = ""
    store: StoreFacts | None = None
    fault: str = ""
    alarms: "tuple[AlarmEpisode, ...]" = ()
    sensors: tuple[CurrentValue, ...] = ()
    services: Overview = NONE


def gather(args: Namespace, world: Environment, configured: "VesselSection | None") -> StatusFacts:
    """Gather all facts for the status. If a source cannot be read, the reason is reported as a fact.

    `configured` is the vessel section of the configuration.
    """
    sight = read(args.run, boottime=world.boottime, alive=world.alive)
    mesh_sight = sync_state.read(args.run, boottime=world.boottime, alive=world.alive)
    lights_sight = lights_state.read(args.run, boottime=world.boottime, alive=world.alive)
    gnss_sight = gnss_state.read(args.run, boottime=world.boottime, alive=world.alive)
    problems = () if sight.is_live else problems_of(args)
    outputs = () if lights_sight.is_live else outputs_of(args)
    stored = _from_store(args, world, sight, configured)
    return compose(
        args,
        sight,
        mesh_sight,
        lights_sight,
        stored,
        gnss_sight=gnss_sight,
        boottime=world.boottime,
        utc=world.utc,
        problems=problems,
        outputs=outputs,
        failed_units=world.failed_units(),
        place=zone_for(configured),
    )


def compose(
    args: Namespace,
    sight: Sight,
    mesh_sight: sync_state.Sight,
    lights_sight: lights_state.Sight,
    stored: FromStore,
    *,
    gnss_sight: gnss_state.Sight,
    boottime: float,
    utc: float,
    problems: tuple[str, ...],
    outputs: tuple[str, ...],
    failed_units: Sequence[str],
    place: tzinfo,
) -> StatusFacts:
    """Build the facts from data that has already been read.

    `problems` are the configuration's problems, used if no recorder reports any. `outputs` are the ids of the
    configured outputs, used while the lights daemon is not running. `failed_units` are the units that systemd
    lists as failed.
    """
    state = sight.state
    live = state if sight.is_live else None
    return StatusFacts(
        vessel=state.vessel if state is not None else stored.vessel,
        sight=sight,
        mesh_sight=mesh_sight,
        lights_sight=lights_sight,
        gnss_sight=gnss_sight,
        boottime=boottime,
        utc=utc,
        store=stored.store,
        store_fault=stored.fault,
        sensors=stored.sensors if live is None else tuple(from_recorder(live, boottime=boottime)),
        alarms=stored.alarms,
        problems=problems if live is None else tuple(live.problems),
        outputs=outputs,
        failed_units=failed_units,
        restless=crash_loops.find_crash_loops(args.run, clock=boottime),
        boot=bootstate.read(args.run),
        zone=place,
        services=stored.services,
    )


def _from_store(
    args: Namespace, world: Environment, sight: Sight, configured: "VesselSection | None"
) -> FromStore:
    try:
        with reading_store(args) as database:
            return _read(args, world, sight, database)
    except FailedError as error:
        return FromStore(vessel="" if configured is None else configured.id, fault=str(error))


def _read(args: Namespace, world: Environment, sight: Sight, database: "Database") -> FromStore:
    from services.history.open_alarms import open_alarms

    # These functions must not take longer as the store grows: a slow card may contain millions of documents.
    facts = store_facts(database)
    vessel = vessel_of(args, sight, database)
    if not vessel:
        return FromStore(store=facts)
    alarms = open_alarms(database, vessel, args.run)
    sensors = () if sight.is_live else tuple(from_documents(database, vessel, utc=world.utc)[0])
    live = sight.state if sight.is_live else None
    services = overview(database, vessel, live=live, utc=trusted_utc(live, world))
    return FromStore(vessel=vessel, store=facts, alarms=tuple(alarms), sensors=sensors, services=services)


def store_facts(database: "Database") -> StoreFacts:
    """Return the facts about the store that can be determined without reading the whole store."""
    return StoreFacts(
        bytes=database.path.stat().st_size + database.wal_bytes, last_sequence=database.last_sequence
    )


def vessel_of(args: Namespace, sight: Sight, database: "Database") -> str:
    """Return the id of this vessel.

    Return '' if the store has documents from several vessels and this vessel's id is unknown.
    """
    try:
        return sight.state.vessel if sight.state is not None else own_vessel(args, database)
    except CommandError:
        return ""


def problems_of(args: Namespace) -> tuple[str, ...]:
    """Return the problems in the configuration files. They are used if no recorder reports any."""
    from services.config.pair_check import check_pair

    return tuple(map(str, check_pair(args.config, args.sensors, check_recordings=False).problems))


def outputs_of(args: Namespace) -> tuple[str, ...]:
    """Return the ids of the configured outputs. They are used while the lights daemon is not running."""
    from services.config.configured_outputs import configured_outputs

    return tuple(output.id for output in configured_outputs(args.config, args.sensors, args.data))


def as_json(facts: StatusFacts, todo: str | None) -> "Status":
    """Return the status as an object for JSON output. `todo` is the most urgent advice."""
    from services.schemas.status import AlarmCounts, Status, StatusLines, StoreSize

    store = facts.store
    return Status(
        vessel=facts.vessel,
        running=facts.live is not None,
        recording=facts.is_recording,
        why_not=facts.sight.why_not or (facts.live.fault if facts.live is not None else None),
        store=None if store is None else StoreSize(bytes=store.bytes, last_sequence=store.last_sequence),
        store_fault=facts.store_fault or None,
        alarms=AlarmCounts(
            holding=sum(alarm.cleared is None for alarm in facts.alarms),
            not_acknowledged=sum(not alarm.is_acknowledged for alarm in facts.alarms),
            audible=sum(alarm.is_audible(facts.utc) for alarm in facts.alarms),
            silenced=sum(alarm.silenced_until(facts.utc) is not None for alarm in facts.alarms),
            ids=[alarm.id for alarm in facts.alarms],
        ),
        faulty=[sensor.sensor for sensor in facts.sensors if sensor.is_faulty],
        failed_units=facts.failed_units,
        mute_outputs=mute_outputs(facts.lights_sight, facts.outputs),
        restless=[str(each) for each in facts.restless],
        problems=facts.problems,
        boot=facts.boot,
        lines=StatusLines(**{label: words(facts) for label, words in LINES}),
        to_do=todo,
        recorder=facts.sight.state,
        mesh=_mesh_json(facts),
        gateways=facts.gateways,
        quotas=facts.quotas,
    )


def _mesh_json(facts: StatusFacts) -> "MeshSummary":
    from services.schemas.status import MeshSummary

    sight, mesh = facts.mesh_sight, facts.mesh
    fault = None if sight.state is None else sight.state.fault
    return MeshSummary(
        live=sight.is_live,
        why_not=sight.why_not or fault or None,
        waits_for_identity=sight.is_live and sight.state is not None and sight.state.waits_for_identity,
        linked=[] if mesh is None else [peer.vessel for peer in mesh.linked],
        nearby=[] if mesh is None else [peer.vessel for peer in mesh.nearby],
        unreached=[] if mesh is None else [peer.vessel for peer in mesh.unreached],
        refused={} if mesh is None else {peer.vessel: peer.problem for peer in mesh.refused},
        clones=[] if mesh is None else mesh.clones,
    )
