"""The text of `logboat status`, built from facts that the caller provides.

There is one line for each subject, such as recording or alarms, and a line with the most urgent advice. The
lines and the rules for advice are defined in tables.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Final

from sensors.severity import Severity
from sensors.units import format_bytes, format_duration
from services.clocks.time_source import TimeSource
from services.history.alarms import AlarmEpisode
from services.history.current import CurrentValue
from services.maintenance_schedule.due import DueState
from services.maintenance_schedule.overview import NONE, Overview
from services.screens import service_list
from services.screens.alarm_list import silenced_words
from services.screens.lights_words import cannot_sound, lights_advice, lights_daemon, sound_advice
from services.state import gnss_state, lights_state, sync_state
from services.state.boot_state import BootState
from services.state.crash_loops import CrashLoop
from services.state.recorder_state import LiveState, RecordingStatus, Sight, recording_status
from services.state.sync_state import LiveGateway, LiveMesh, LiveQuota, LiveRadioKey
from services.state.thresholds import expires_soon
from services.terminal.present import count, moment_text, thousands, time_text
from sync.gateway.report import GatewayState

NAMED: Final = 4
"""Maximum number of names to list in a line. Further names are only counted.

`logboat sensors` and `logboat peers` list all names.
"""
NAMED_GATEWAYS: Final = 2
"""Maximum number of gateways to describe individually. `logboat peers` describes all of them."""

SOURCES: Final[Mapping[str, str]] = {
    TimeSource.GNSS: "set by GNSS",
    TimeSource.NETWORK: "set by the network",
    TimeSource.RTC: "set by the clock chip",
    TimeSource.FLOOR: "NOT KNOWN: readings are in order, and get their times once the clock is set",
}


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """Facts about the document store that can be determined without reading the whole store."""

    bytes: int
    """Size of the store on the card, in bytes."""
    last_sequence: int
    """Number of changes since the store was created."""


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """Facts from which the lines of `logboat status` are composed."""

    vessel: str
    """The vessel's id; '' if unknown."""
    sight: Sight
    mesh_sight: sync_state.Sight
    lights_sight: lights_state.Sight
    boottime: float
    utc: float
    """Current time, in seconds since 1970."""
    store: StoreFacts | None
    store_fault: str = ""
    """Reason why `store` is None; '' if there is a store."""
    sensors: Sequence[CurrentValue] = ()
    alarms: Sequence[AlarmEpisode] = ()
    """Alarms that are active or not acknowledged, most severe first."""
    problems: Sequence[str] = ()
    """Problems in the configuration files."""
    restless: Sequence[CrashLoop] = ()
    """Daemons that exit repeatedly."""
    outputs: Sequence[str] = ()
    """Ids of the configured outputs, such as sirens.

    They are read only while the lights daemon is not running.
    """
    failed_units: Sequence[str] = ()
    """Names of the units that systemd lists as failed and does not restart."""
    boot: BootState = field(default_factory=BootState)
    """Result of the last boot."""
    zone: tzinfo = UTC
    services: Overview = NONE
    """The maintenance tasks (services), and when they are due."""
    gnss_sight: gnss_state.Sight = gnss_state.NOT_CONFIGURED

    @property
    def live(self) -> LiveState | None:
        """The recorder's state if it is current, else None."""
        return self.sight.state if self.sight.is_live else None

    @property
    def gateways(self) -> Sequence[LiveGateway]:
        """The gateways' current states; empty if the sync daemon's state is not current."""
        state = self.mesh_sight.state
        return state.gateways if self.mesh_sight.is_live and state is not None else ()

    @property
    def quotas(self) -> Sequence[LiveQuota]:
        """The daily allowances that have been used up; empty if the sync daemon's state is not current."""
        state = self.mesh_sight.state
        return state.quotas if self.mesh_sight.is_live and state is not None else ()

    @property
    def mesh(self) -> LiveMesh | None:
        """The mesh's state if it is current and reports no fault, else None."""
        state = self.mesh_sight.state
        return state if self.mesh_sight.is_live and state is not None and state.fault is None else None

    @property
    def recording_status(self) -> RecordingStatus:
        """Recording status: whether samples are becoming durable now and, if not, the reason."""
        return recording_status(self.sight, boottime=self.boottime)

    @property
    def is_recording(self) -> bool:
        """True if samples are becoming durable now."""
        return self.recording_status is RecordingStatus.RECORDING


def committed(facts: StatusFacts) -> str:
    """Report, from the time of the last commit, whether samples are being recorded and, if not, why."""
    state = facts.live
    if state is None:
        return f"NO: {facts.sight.why_not}"
    status, durable = facts.recording_status, state.last_durable
    if status is RecordingStatus.FAULT:
        return f"NO: {state.fault}"
    if status is RecordingStatus.NOTHING_YET or durable is None:
        return "NOT YET: no sample has been committed yet"
    ago = format_duration(round(max(facts.boottime - durable.clock, 0.0), 1))
    if status is RecordingStatus.STALLED:
        return f"NO: no sample has been committed for {ago}"
    return f"yes; last commit {ago} ago"


def recording(facts: StatusFacts) -> str:
    """Return the text of `committed`, and the number of samples recorded since the recorder started."""
    state = facts.live
    durable = None if state is None else state.last_durable
    if state is None or durable is None or not facts.is_recording:
        return committed(facts)
    since = "" if state.running_s is None else f" in {format_duration(state.running_s)}"
    samples = "" if durable.samples is None else f", {count(durable.samples, 'sample')}{since}"
    return f"{committed(facts)}{samples}"


def clock(facts: StatusFacts) -> str:
    """Describe the source and uncertainty of the system clock."""
    if facts.live is None:
        return "unknown: the recorder is not running"
    source, give = facts.live.clock.source, facts.live.clock.uncertainty
    words = SOURCES.get(source, source)
    if source != TimeSource.FLOOR:
        words = f"{words}, ± {format_duration(give)}"
    return "; ".join(filter(None, (words, receiver(facts))))


def receiver(facts: StatusFacts) -> str:
    """Describe the satellite receiver; '' if none is configured."""
    sight = facts.gnss_sight
    if sight.state is None:
        return ""
    if not sight.is_live:
        return f"RECEIVER NOT READ: {sight.why_not}"
    return f"{'receiver' if sight.state.fault is None else 'RECEIVER'}: {sight.state.words}"


def store(facts: StatusFacts) -> str:
    """Describe the document store, and the samples that are not in the store yet."""
    if facts.store is None:
        return f"NO: {facts.store_fault}"
    words = f"{format_bytes(facts.store.bytes)}, {count(facts.store.last_sequence, 'change')}"
    state = facts.live
    if state is None:
        return words
    if state.documents is not None:
        return f"{words}; NOT WRITABLE, samples wait in the journal: {state.documents}"
    return f"{words}; {count(state.backlog.open, 'sample')} in open windows"


def card(facts: StatusFacts) -> str:
    """Describe the space available for history on the card."""
    storage = None if facts.live is None else facts.live.storage
    if storage is None:
        return "unknown" if facts.live is not None else "unknown: the recorder is not running"
    little = "NEARLY FULL: " if storage.is_nearly_full else ""
    return (
        f"{little}{format_bytes(storage.free)} free of {format_bytes(storage.total)}; history uses "
        f"{format_bytes(storage.used)} of its {format_bytes(storage.budget)} budget"
    )


def sensors(facts: StatusFacts) -> str:
    """Report how many sensors there are, and which of them have faults."""
    if not facts.sensors:
        return "none"
    faulty = [f"{sensor.sensor} ({sensor.state})" for sensor in facts.sensors if sensor.is_faulty]
    silent = [sensor.sensor for sensor in facts.sensors if sensor.state is None and sensor.kind != "manual"]
    words = count(len(facts.sensors), "sensor")
    parts = [f"{len(faulty)} faulty: {_named(faulty)}"] if faulty else []
    parts += [f"no data yet: {_named(silent)}"] if silent else []
    old = "" if facts.live is not None else "; last known state"
    return f"{words}, {'; '.join(parts) or 'all good'}{old}"


def alarms(facts: StatusFacts) -> str:
    """Count the alarms, and describe the most severe one."""
    if not facts.alarms:
        return "none"
    worst = facts.alarms[0]
    holding = sum(alarm.cleared is None for alarm in facts.alarms)
    waiting = sum(not alarm.is_acknowledged for alarm in facts.alarms)
    silenced = silenced_words(facts.alarms, facts.utc, facts.zone)
    counts = f"{holding} active, {waiting} not acknowledged{', ' if silenced else ''}{silenced}"
    return f"{counts}; most severe: {_alarm(worst, facts.zone)}"


def service(facts: StatusFacts) -> str:
    """Report how many services are due, and name the most urgent one. Return '' if none is configured."""
    return service_list.summary(facts.services)


def configuration(facts: StatusFacts) -> str:
    """Report whether the configuration files are valid, and name the first problem."""
    problems = [*facts.problems, *(words for words in facts.boot.problems if words not in facts.problems)]
    if not problems:
        warnings = [] if facts.live is None else facts.live.warnings
        if warnings:
            more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
            return f"in use, with a warning: {warnings[0]}{more}"
        if facts.boot.unused:
            return f"good, but NOT all files on the card are used: {facts.boot.unused[0]}"
        return "good, but no vessel id is configured" if facts.boot.generated else "good"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    force = "the last good configuration is in use; " if facts.live is not None else ""
    return f"WRONG: {force}{problems[0]}{more}"


def identity(facts: StatusFacts) -> str:
    """Report which fleet the vessel belongs to."""
    if facts.live is None:
        return "unknown: the recorder is not running"
    own = facts.live.identity
    if own.fault is not None:
        return f"WRONG, boot documents are not signed: {own.fault}"
    if own.fleet is None:
        return "none; this vessel belongs to no fleet"
    ends = None if facts.mesh is None else facts.mesh.expires
    if ends is None or not expires_soon(ends, utc=facts.utc):
        return f"member of fleet {own.fleet}"
    return f"member of fleet {own.fleet}; {_expiry(ends, facts)}"


def daemons(facts: StatusFacts) -> str:
    """Report whether the recorder, the sync daemon and the lights daemon keep running without exits."""
    fault = _not_running(facts)
    if not fault:
        return lights_daemon(facts.lights_sight, facts.outputs)
    return "; ".join(filter(None, (fault, cannot_sound(facts.lights_sight, facts.outputs))))


def _not_running(facts: StatusFacts) -> str:
    """Report daemons that fail or are not running, except the lights daemon; '' if there are none."""
    if facts.restless:
        return f"FAILING: {'; '.join(map(str, facts.restless))}"
    if facts.failed_units:
        return f"FAILED: {', '.join(facts.failed_units)}"
    sights = (("recorder", facts.sight), ("sync daemon", facts.mesh_sight))
    # the lights also show this as a fault
    absent = [name for name, sight in sights if sight.state is None]
    return f"NOT RUNNING: {', '.join(absent)}" if absent else ""


def mesh(facts: StatusFacts) -> str:
    """Report which vessels currently share the log."""
    sight, state = facts.mesh_sight, facts.mesh_sight.state
    if not sight.is_live or state is None:
        return f"NO: {sight.why_not}"
    if state.fault is not None:
        return f"{'none' if state.waits_for_identity else 'NO'}: {state.fault}"
    near = f"linked to {len(state.linked)} of {len(state.nearby)} nearby vessels"
    parts = [near if state.nearby else "no vessels nearby"]
    if state.unreached:
        parts.append(f"unreachable: {_named([peer.vessel for peer in state.unreached])}")
    if behind := max((peer.behind for peer in state.peers if peer.has_link), default=0):
        parts.append(f"up to {count(behind, 'change')} behind")
    if state.refused:
        parts.append(f"{len(state.refused)} refused: {_named([peer.vessel for peer in state.refused])}")
    if state.clones:
        parts.append("DUPLICATE IDENTITY: two boards claim to be one vessel")
    if state.radio_key is not None and state.radio_key.is_ahead:
        parts.append(radio_key_words(state.radio_key))
    parts += [f"REJECTED: {quota_words(quota, facts.utc)}" for quota in state.quotas]
    return "; ".join(parts)


def radio_key_words(change: LiveRadioKey) -> str:
    """Return a clause such as `the radio key changes on 2026-05-15 12:00:00Z`."""
    return f"the radio key changes on {time_text(change.begins, UTC)}"


def shore(facts: StatusFacts) -> str:
    """Describe the state of each gateway (a service ashore to which documents are forwarded)."""
    if not facts.gateways:
        return (
            "NO: the sync daemon is not running" if not facts.mesh_sight.is_live else "no gateway configured"
        )
    if len(facts.gateways) <= NAMED_GATEWAYS:
        return "; ".join(gateway_words(gateway, facts.utc) for gateway in facts.gateways)
    states: dict[str, list[str]] = {}
    for gateway in facts.gateways:
        states.setdefault(gateway.state, []).append(gateway.name)
    parts = [f"{len(names)} {state}: {_named(names)}" for state, names in sorted(states.items())]
    if most := max(gateway.backlog_documents for gateway in facts.gateways):
        parts.append(f"up to {count(most, 'document')} to send")
    if refused := sum(gateway.refused_documents for gateway in facts.gateways):
        parts.append(f"{count(refused, 'document')} rejected")
    return "; ".join(parts)


def gateway_words(gateway: LiveGateway, utc: float) -> str:
    """Describe the state of one gateway. `utc` is the current time in seconds since 1970."""
    parts = [f"{gateway.name} {gateway.state if gateway.state != GatewayState.REFUSED else 'REFUSED'}"]
    if gateway.backlog_documents:
        backlog = (
            f"{count(gateway.backlog_documents, 'document')} ({format_bytes(gateway.backlog_bytes)}) to send"
        )
        if gateway.estimated_seconds:
            backlog += f", about {format_duration(gateway.estimated_seconds)}"
        if gateway.refused_documents:
            backlog += f", {thousands(gateway.refused_documents)} of them rejected"
        parts.append(backlog)
    elif gateway.state == GatewayState.CONNECTED:
        parts.append("up to date")
    if gateway.last_acknowledged is not None:
        parts.append(
            f"last acknowledged {format_duration(max(round(utc - gateway.last_acknowledged), 0))} ago"
        )
    return ", ".join(parts)


def _named(names: Sequence[str]) -> str:
    """Return a list such as `a, b, c and 4 more`."""
    if len(names) <= NAMED + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"


LINES: Final[tuple[tuple[str, Callable[[StatusFacts], str]], ...]] = (
    ("recording", recording),
    ("alarms", alarms),
    ("sensors", sensors),
    ("service", service),
    ("clock", clock),
    ("store", store),
    ("card", card),
    ("mesh", mesh),
    ("shore", shore),
    ("daemons", daemons),
    ("configuration", configuration),
    ("identity", identity),
)


def _alarm(episode: AlarmEpisode, zone: tzinfo) -> str:
    alarm = episode.alarm
    return (
        f"{alarm.severity}, {alarm.text or alarm.path} ({alarm.sensor}), {moment_text(episode.raised, zone)}"
    )


def _water(facts: StatusFacts) -> str | None:
    urgent = [
        e
        for e in facts.alarms
        if e.cleared is None and not e.is_acknowledged and e.rank >= Severity.ALARM.rank
    ]
    return f"deal with the alarm: {_alarm(urgent[0], facts.zone)}; then run: logboat ack" if urgent else None


def _start(facts: StatusFacts) -> str | None:
    status = facts.recording_status
    if status in (RecordingStatus.RECORDING, RecordingStatus.NOTHING_YET):
        return None
    if status is RecordingStatus.NOT_RUNNING and facts.problems:
        return f"correct the configuration, then start the recorder: {facts.problems[0]}"
    if status is not RecordingStatus.NOT_RUNNING:
        return (
            "find out why the recorder commits nothing: journalctl -u logboat-recorder; then: systemctl "
            "restart logboat-recorder"
        )
    return (
        "start the recorder: systemctl restart logboat-recorder; to see why it stopped: journalctl -u "
        "logboat-recorder"
    )


def _fault(facts: StatusFacts) -> str | None:
    if facts.live is None or facts.live.fault is None:
        return None
    return f"fix this first, nothing is being recorded: {facts.live.fault}"


def _restless(facts: StatusFacts) -> str | None:
    if not facts.restless:
        return None
    first = facts.restless[0]
    return f"find out why {first}: journalctl -u logboat-{first.daemon}, logboat doctor"


def _failed(facts: StatusFacts) -> str | None:
    if not facts.failed_units:
        return None
    return f"find out why {facts.failed_units[0]} failed: systemctl status {facts.failed_units[0]}"


def _mute(facts: StatusFacts) -> str | None:
    return sound_advice(facts.lights_sight, facts.outputs)


def _lights(facts: StatusFacts) -> str | None:
    return lights_advice(facts.lights_sight)


def _expires(facts: StatusFacts) -> str | None:
    ends = None if facts.mesh is None else facts.mesh.expires
    if ends is None or not expires_soon(ends, utc=facts.utc):
        return None
    return (
        f"{_expiry(ends, facts)}: run `logboat fleet renew` ashore, then update the card or copy the "
        "identity by SSH"
    )


def _expiry(ends: float, facts: StatusFacts) -> str:
    is_over = ends <= facts.utc
    return f"the certificate {'EXPIRED' if is_over else 'expires'} on {time_text(ends, facts.zone)[:10]}"


def _documents(facts: StatusFacts) -> str | None:
    reason = facts.store_fault or (facts.live.documents if facts.live is not None else None)
    return f"check the document store: {reason}" if reason else None


def _copies(facts: StatusFacts) -> str | None:
    if facts.live is None or facts.live.copies is None:
        return None
    return f"check the card (recording continues): {facts.live.copies}"


def _problems(facts: StatusFacts) -> str | None:
    return f"correct the configuration: {facts.problems[0]}" if facts.problems else None


def _warnings(facts: StatusFacts) -> str | None:
    if facts.live is None or not facts.live.warnings:
        return None
    return f"make the meaning clear in the file in use: {facts.live.warnings[0]}"


def _identity(facts: StatusFacts) -> str | None:
    fault = None if facts.live is None else facts.live.identity.fault
    return None if fault is None else f"correct the vessel's identity: {fault}"


def _boot(facts: StatusFacts) -> str | None:
    problems = [words for words in facts.boot.problems if words not in facts.problems]
    problems += facts.boot.unused
    return f"correct the files on the card: {problems[0]}" if problems else None


def _network(facts: StatusFacts) -> str | None:
    return f"check the networks: {facts.boot.networks[0]}" if facts.boot.networks else None


def _unnamed(facts: StatusFacts) -> str | None:
    if not facts.boot.generated:
        return None
    return (
        "configure the vessel: write [vessel] id into logboat/vessel.toml on the card, or put its bundle "
        "there (`logboat fleet card --bundle-only`)"
    )


def _full(facts: StatusFacts) -> str | None:
    storage = None if facts.live is None else facts.live.storage
    if storage is None or not storage.is_nearly_full:
        return None
    return f"free up space: only {format_bytes(storage.free)} is free on the card"


def _faulty(facts: StatusFacts) -> str | None:
    # a fault of a wired sensor is also the fault of each sensor that is computed from it
    every = [sensor for sensor in facts.sensors if sensor.is_faulty]
    faulty = min(every, key=lambda sensor: sensor.kind == "derived", default=None)
    if faulty is None or facts.live is None:
        return None
    detail = f", {faulty.detail}" if faulty.detail else ""
    name = "" if faulty.name in ("", faulty.sensor) else f" ({faulty.name})"
    if faulty.kind == "derived":
        return f"check the sensors from which {faulty.sensor}{name} is computed: {faulty.state}{detail}"
    return f"check the wiring of {faulty.sensor}{name}: {faulty.state}{detail}"


def _unseen(facts: StatusFacts) -> str | None:
    waiting = [alarm for alarm in facts.alarms if not alarm.is_acknowledged]
    return f"check {count(len(waiting), 'alarm')}: logboat alarms" if waiting else None


def _overdue(facts: StatusFacts) -> str | None:
    first = next(iter(facts.services.services), None)
    if first is None or first.state is not DueState.OVERDUE:
        return None
    words = service_list.pressing_words(first)
    return f"do the service: {words}; then run: logboat service done {first.plan.id}"


def _time(facts: StatusFacts) -> str | None:
    state = facts.gnss_sight.state
    if facts.gnss_sight.is_live and state is not None and state.fault is not None:
        return f"check the satellite receiver: {state.words}; {_lower(state.remedy or '')}"
    if facts.live is None or facts.live.clock.is_known:
        return None
    return "set the clock: connect to a network, or fit a GNSS receiver or a clock chip"


def _lower(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _clone(facts: StatusFacts) -> str | None:
    return (
        f"resolve a duplicate identity: {facts.mesh.clones[0]}"
        if facts.mesh is not None and facts.mesh.clones
        else None
    )


def _sync(facts: StatusFacts) -> str | None:
    sight, state = facts.mesh_sight, facts.mesh_sight.state
    if not sight.is_live:
        return (
            "start the sync daemon: systemctl restart logboat-sync; to see why it stopped: journalctl -u "
            "logboat-sync"
        )
    if state is not None and state.fault is not None and not state.waits_for_identity:
        return f"fix the mesh: {state.fault}"
    return None


def _mesh_problem(facts: StatusFacts) -> str | None:
    problems = () if facts.mesh is None else facts.mesh.problems
    return next((f"check the mesh: {words}" for words in problems if words not in facts.problems), None)


def quota_words(quota: LiveQuota, utc: float) -> str:
    """Return a clause such as `user guest has used its daily limit of 4.0 MB: 17 rejected, …`.

    `utc` is the current time in seconds since 1970.
    """
    limit = format_bytes(quota.limit) if quota.measure == "bytes" else count(quota.limit, "revision")
    left = format_duration(max(round(quota.until - utc), 0))
    return (
        f"{quota.whose} has used its daily limit of {limit}: {thousands(quota.refused)} rejected, the "
        f"limit resets in {left}"
    )


def _quota(facts: StatusFacts) -> str | None:
    if not facts.quotas:
        return None
    first = facts.quotas[0]
    return f"check what {first.whose} sends (`logboat db changes`): {quota_words(first, facts.utc)}"


def _refused(facts: StatusFacts) -> str | None:
    refused = [] if facts.mesh is None else facts.mesh.refused
    if not refused:
        return None
    first = refused[0]
    return (
        f"check why {first.vessel} is refused: {first.problem or 'no reason given'}; details: logboat peers"
    )


def _gateway(facts: StatusFacts) -> str | None:
    refused = next((each for each in facts.gateways if each.state == GatewayState.REFUSED), None)
    return None if refused is None else f"check gateway {refused.name}: {refused.problem}"


def _membership(facts: StatusFacts) -> str | None:
    state = facts.mesh_sight.state
    if state is None or not state.waits_for_identity:
        return None
    return f"give this vessel an identity, to share its log: {state.fault}"


ADVICE: Final[tuple[Callable[[StatusFacts], str | None], ...]] = (
    _water,
    _fault,
    _restless,
    _start,
    _failed,
    _mute,
    _documents,
    _copies,
    _problems,
    _boot,
    _full,
    _clone,
    _sync,
    _lights,
    _expires,
    _mesh_problem,
    _quota,
    _faulty,
    _unseen,
    _identity,
    _warnings,
    _refused,
    _gateway,
    _time,
    _overdue,
    _unnamed,
    _network,
    _membership,
)
"""Functions that each return a piece of advice or None, most urgent first."""


def advice(facts: StatusFacts) -> str | None:
    """Return the most urgent advice; None if there is nothing to do."""
    return next((words for rule in ADVICE if (words := rule(facts)) is not None), None)
