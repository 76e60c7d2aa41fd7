"""The table of states: which light shows what, for which facts, its meaning and cure. Pure.

Each light shows the first of its rows that applies. The README's table and `logboat lights explain` are made
from this table.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from services.state.thresholds import EXPIRES_SOON_S, NEARLY_FULL

from .facts import LightFacts
from .patterns import FAST, OFF, ON, SLOW, Pattern, flashes

LIGHTS: Final = ("power", "record", "mesh", "gateway", "fault")


@dataclass(frozen=True, slots=True)
class LightState:
    """A row of the table."""

    light: str
    pattern: Pattern
    holds: Callable[[LightFacts], bool]
    means: str
    cure: str = ""
    """The action that the state calls for; '' if none."""
    severity: int = 0
    """Rank of the state for a single light, which shows the highest of all; 0 is good."""


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
    return facts.live is not None and any(
        sensor.state not in (None, "good") for sensor in facts.live.sensors.values()
    )


def _full(facts: LightFacts) -> bool:
    storage = None if facts.live is None else facts.live.storage
    return storage is not None and storage.free < NEARLY_FULL * storage.total


def _documents(facts: LightFacts) -> bool:
    return facts.live is not None and bool(facts.live.documents or facts.live.copies)


def _wrong_files(facts: LightFacts) -> bool:
    return bool(facts.boot.problems) or (facts.live is not None and bool(facts.live.problems))


def _certificate(facts: LightFacts) -> bool:
    return facts.expires is not None and facts.expires - facts.utc < EXPIRES_SOON_S


def _units(facts: LightFacts) -> bool:
    return (
        bool(facts.failed_units or facts.restless) or facts.recorder.state is None or facts.sync.state is None
    )


def _any(state: str) -> Callable[[LightFacts], bool]:
    return lambda facts: any(gateway.state == state for gateway in facts.gateways)


def _always(_facts: LightFacts) -> bool:
    return True


TABLE: Final[tuple[LightState, ...]] = (
    LightState(
        "power",
        FAST,
        lambda facts: facts.under_voltage,
        "the supply voltage is too low",
        "Check the supply, its cable and what else hangs on it: cards are damaged by low voltage.",
        5,
    ),
    LightState(
        "power",
        SLOW,
        lambda facts: facts.throttled,
        "the processor is too hot, or slowed down",
        "Give it air, or a smaller load.",
        2,
    ),
    LightState(
        "power",
        flashes(2),
        lambda facts: facts.maintenance,
        "maintenance: the system's partition is writable for a while",
        "Do not cut the power; it ends by itself.",
        1,
    ),
    LightState("power", ON, _always, "the appliance is up"),
    LightState(
        "record",
        FAST,
        lambda facts: not facts.is_recording,
        "NOTHING IS RECORDED",
        "logboat status says why: a full or broken card, a recorder that has stopped.",
        9,
    ),
    LightState(
        "record",
        SLOW,
        lambda facts: facts.live is not None and facts.live.clock.source == "floor",
        "recording, and the time is not known",
        "Nothing is lost; times follow when a network, GNSS or a clock chip tells the time.",
        1,
    ),
    LightState("record", ON, _always, "recording: what is taken is durable within a second"),
    LightState(
        "mesh",
        FAST,
        _sync_is_dead,
        "the sync daemon does not run, or hangs",
        "It is started again by itself; if not: journalctl -u logboat-sync.",
        4,
    ),
    LightState("mesh", OFF, _no_identity, "this vessel is of no fleet, and shares nothing"),
    LightState(
        "mesh",
        FAST,
        _mesh_fault,
        "no mesh: something is wrong here",
        "logboat peers says what.",
        4,
    ),
    LightState(
        "mesh",
        flashes(3),
        _clone,
        "a clone: two boards say that they are one vessel",
        "Find the second card with this vessel's name; revoke it if it was stolen.",
        4,
    ),
    LightState(
        "mesh",
        flashes(2),
        _refused_peer,
        "a vessel nearby is refused, or refuses us",
        "logboat peers says why: an expired or revoked certificate, a wrong clock.",
        2,
    ),
    LightState("mesh", ON, _linked, "linked with a vessel nearby"),
    LightState("mesh", SLOW, _always, "nobody of the fleet is in reach; it goes on looking"),
    LightState(
        "gateway",
        FAST,
        _sync_is_dead,
        "the sync daemon does not run, or hangs",
        "As for mesh.",
        4,
    ),
    LightState("gateway", OFF, lambda facts: not facts.gateways, "no gateway is configured"),
    LightState(
        "gateway",
        FAST,
        _any("refused"),
        "a gateway refuses us, or what we send: a person must do something",
        "logboat peers says what: password, certificate, rights.",
        3,
    ),
    LightState(
        "gateway",
        flashes(1),
        lambda facts: not _any("connected")(facts),
        "no way ashore just now; what is to go is kept",
    ),
    LightState(
        "gateway",
        flashes(2),
        _any("connecting"),
        "a gateway is not reached, though another is; what is to go there is kept",
        "logboat peers says which.",
    ),
    LightState(
        "gateway",
        SLOW,
        lambda facts: any(gateway.backlog_documents for gateway in facts.gateways),
        "connected, and catching up",
    ),
    LightState("gateway", ON, _always, "all is ashore"),
    LightState(
        "fault",
        FAST,
        _alarm,
        "an alarm holds",
        "logboat alarms, then see to it.",
        8,
    ),
    LightState(
        "fault",
        flashes(5),
        _units,
        "a service of the appliance has failed, ends again and again, or never started",
        "logboat status, then systemctl status 'logboat-*'.",
        7,
    ),
    LightState(
        "fault",
        flashes(4),
        _documents,
        "the document store or its copies cannot be written; recording goes on",
        "logboat status says why; logboat store check.",
        6,
    ),
    LightState(
        "fault",
        flashes(3),
        _wrong_files,
        "a configuration file is wrong; the last good one is in force",
        "logboat/PROBLEMS.txt on the card says file, line and cure.",
        4,
    ),
    LightState(
        "fault",
        flashes(2),
        _full,
        "the card is nearly full",
        "Bring the log ashore, or put in a larger card; the oldest history goes first.",
        5,
    ),
    LightState(
        "fault",
        flashes(6),
        _certificate,
        "the certificate has expired, or does within 30 days",
        "logboat fleet renew, ashore, and a new card or SSH.",
        2,
    ),
    LightState(
        "fault",
        flashes(1),
        _faulty_sensor,
        "a sensor is faulty: open, short, stale, noisy",
        "logboat sensors says which; check its wiring.",
        3,
    ),
    LightState("fault", OFF, _always, "no fault is known"),
)


def shown(facts: LightFacts) -> Mapping[str, LightState]:
    """Return the state that each light shows."""
    found: dict[str, LightState] = {}
    for state in TABLE:
        if state.light not in found and state.holds(facts):
            found[state.light] = state
    return found


def worst(states: Mapping[str, LightState]) -> LightState:
    """Return the state that a single light shows: the most severe, and of equals the first."""
    return max(states.values(), key=lambda state: state.severity)


def single(states: Mapping[str, LightState]) -> Pattern:
    """Return the pattern of a single light for the worst of these states.

    The light is on if all is well. Otherwise the number of flashes is the severity, and a fast blink means
    that nothing is recorded.
    """
    found = worst(states)
    if found.severity == 0:
        return ON
    return FAST if found.severity >= _GRAVEST else flashes(found.severity)


_GRAVEST: Final = 9
