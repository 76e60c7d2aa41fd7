"""The table of light states: the facts that cause each state, its pattern, its meaning, and what to do.

Each light shows the state in the first row for that light that applies. `logboat lights explain` is
generated from this table, and docs/lights.md contains what its option `--table` prints.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.state.thresholds import expires_soon
from sync.gateway.report import GatewayState

from .facts import LightFacts
from .patterns import FAST, OFF, ON, SLOW, Pattern, flashes


@dataclass(frozen=True, slots=True)
class LightState:
    """A row of the table: one state of a light."""

    light: str
    pattern: Pattern
    holds: Callable[[LightFacts], bool]
    means: str
    cure: str = ""
    """Action that the user should take; '' if none is needed."""
    severity: int = 0
    """Severity of the state; 0 if there is no problem. A single light shows the most severe of all states."""


def _sync_is_dead(facts: LightFacts) -> bool:
    return facts.mesh is None


def _no_identity(facts: LightFacts) -> bool:
    return facts.mesh is not None and facts.mesh.waits_for_identity


def _mesh_fault(facts: LightFacts) -> bool:
    return facts.mesh is not None and facts.mesh.fault is not None


def _clone(facts: LightFacts) -> bool:
    return facts.mesh is not None and bool(facts.mesh.clones)


def _refused_peer(facts: LightFacts) -> bool:
    return facts.mesh is not None and bool(facts.mesh.refused)


def _linked(facts: LightFacts) -> bool:
    return facts.mesh is not None and bool(facts.mesh.linked)


def _alarm(facts: LightFacts) -> bool:
    return facts.live is not None and any(sensor.alarm for sensor in facts.live.sensors.values())


def _faulty_sensor(facts: LightFacts) -> bool:
    return facts.live is not None and any(sensor.is_faulty for sensor in facts.live.sensors.values())


def _full(facts: LightFacts) -> bool:
    storage = None if facts.live is None else facts.live.storage
    return storage is not None and storage.is_nearly_full


def _documents(facts: LightFacts) -> bool:
    return facts.live is not None and bool(facts.live.documents or facts.live.copies)


def _wrong_files(facts: LightFacts) -> bool:
    boot = facts.boot
    return bool(boot.problems or boot.unused) or (facts.live is not None and bool(facts.live.problems))


def _certificate(facts: LightFacts) -> bool:
    return expires_soon(facts.expires, utc=facts.utc)


def _units(facts: LightFacts) -> bool:
    return (
        bool(facts.failed_units or facts.restless) or facts.recorder.state is None or facts.sync.state is None
    )


def _any(state: GatewayState) -> Callable[[LightFacts], bool]:
    return lambda facts: any(gateway.state == state for gateway in facts.gateways)


def _always(_facts: LightFacts) -> bool:
    return True


TABLE: Final[tuple[LightState, ...]] = (
    LightState(
        "power",
        FAST,
        lambda facts: facts.under_voltage,
        "the supply voltage is too low",
        "Check the supply, its cable and its other loads: low voltage damages cards.",
        5,
    ),
    LightState(
        "power",
        SLOW,
        lambda facts: facts.throttled,
        "the processor is too hot, or throttled",
        "Improve the ventilation, or reduce the load.",
        2,
    ),
    LightState(
        "power",
        flashes(2),
        lambda facts: facts.maintenance,
        "maintenance: the system partition is temporarily writable",
        "Do not cut the power. Maintenance ends automatically.",
        1,
    ),
    LightState("power", ON, _always, "the appliance is running"),
    LightState(
        "record",
        FAST,
        lambda facts: not facts.is_recording,
        "NOTHING IS RECORDED",
        "logboat status shows why: for example, a full or broken card, or a stopped recorder.",
        9,
    ),
    LightState(
        "record",
        SLOW,
        lambda facts: facts.live is not None and not facts.live.clock.is_known,
        "recording, but the time is unknown",
        "Nothing is lost: readings get their times once a network, GNSS or a clock chip has set the clock.",
        1,
    ),
    LightState("record", ON, _always, "recording: samples are durable within a second"),
    LightState(
        "mesh",
        FAST,
        _sync_is_dead,
        "the sync daemon is not running, or hangs",
        "The daemon is restarted automatically; if not, run: journalctl -u logboat-sync.",
        4,
    ),
    LightState("mesh", OFF, _no_identity, "this vessel belongs to no fleet, and does not exchange records"),
    LightState(
        "mesh",
        FAST,
        _mesh_fault,
        "no mesh: there is a fault on this vessel",
        "logboat peers shows the fault.",
        4,
    ),
    LightState(
        "mesh",
        flashes(3),
        _clone,
        "duplicate identity: two boards claim to be one vessel",
        "Find the other card with this vessel's identity; if it was stolen, revoke its certificate.",
        4,
    ),
    LightState(
        "mesh",
        flashes(2),
        _refused_peer,
        "a nearby vessel is refused, or refuses this one",
        "logboat peers shows why: for example, an expired or revoked certificate, or a wrong clock.",
        2,
    ),
    LightState("mesh", ON, _linked, "linked to a nearby vessel"),
    LightState("mesh", SLOW, _always, "no vessel of the fleet is in range; still searching"),
    LightState(
        "gateway",
        FAST,
        _sync_is_dead,
        "the sync daemon is not running, or hangs",
        "Same as for the mesh light.",
        4,
    ),
    LightState("gateway", OFF, lambda facts: not facts.gateways, "no gateway configured"),
    LightState(
        "gateway",
        FAST,
        _any(GatewayState.REFUSED),
        "a gateway refuses this vessel, or its documents: action needed",
        "logboat peers shows why: for example, the password, certificate or access rights.",
        3,
    ),
    LightState(
        "gateway",
        flashes(1),
        lambda facts: not _any(GatewayState.CONNECTED)(facts),
        "no uplink at present; documents are kept until there is one",
    ),
    LightState(
        "gateway",
        flashes(2),
        _any(GatewayState.CONNECTING),
        "one gateway is connected, another is not; its documents are kept",
        "logboat peers shows which.",
    ),
    LightState(
        "gateway",
        SLOW,
        lambda facts: any(gateway.backlog_documents for gateway in facts.gateways),
        "connected, and catching up",
    ),
    LightState("gateway", ON, _always, "all documents have been sent"),
    LightState(
        "fault",
        FAST,
        _alarm,
        "an alarm is active",
        "Run logboat alarms, then deal with the cause.",
        8,
    ),
    LightState(
        "fault",
        flashes(5),
        _units,
        "a service has failed, keeps stopping, or never started",
        "Run logboat status, then systemctl status 'logboat-*'.",
        7,
    ),
    LightState(
        "fault",
        flashes(4),
        _documents,
        "the document store or its copies cannot be written; recording continues",
        "logboat status shows why; then run logboat store check.",
        6,
    ),
    LightState(
        "fault",
        flashes(3),
        _wrong_files,
        "a file on the card is wrong or is not used; the last good configuration is in use",
        "logboat/PROBLEMS.txt on the card gives the file, the line and the remedy.",
        4,
    ),
    LightState(
        "fault",
        flashes(2),
        _full,
        "the card is nearly full",
        "Send the log ashore, or fit a larger card; the oldest history is removed first.",
        5,
    ),
    LightState(
        "fault",
        flashes(6),
        _certificate,
        "the certificate has expired, or expires within 30 days",
        "Run logboat fleet renew ashore, then update the card or copy the identity by SSH.",
        2,
    ),
    LightState(
        "fault",
        flashes(1),
        _faulty_sensor,
        "a sensor is faulty, for example: open, short, stale, noisy",
        "logboat sensors shows which; check its wiring.",
        3,
    ),
    LightState("fault", OFF, _always, "no known fault"),
)


def shown(facts: LightFacts) -> Mapping[str, LightState]:
    """Return the state of each light, by the light's name, for these facts."""
    by_light: dict[str, LightState] = {}
    for state in TABLE:
        if state.light not in by_light and state.holds(facts):
            by_light[state.light] = state
    return by_light


def worst(states: Mapping[str, LightState]) -> LightState:
    """Return the state that a single light shows: the first of the most severe states."""
    return max(states.values(), key=lambda state: state.severity)


def single(states: Mapping[str, LightState]) -> Pattern:
    """Return the pattern that a single light shows for these states.

    The light is on if all is well. Otherwise the number of flashes is the severity of the worst state, and a
    fast blink means that nothing is being recorded.
    """
    most_severe = worst(states)
    if most_severe.severity == 0:
        return ON
    return FAST if most_severe.severity >= _GRAVEST else flashes(most_severe.severity)


_GRAVEST: Final = 9
