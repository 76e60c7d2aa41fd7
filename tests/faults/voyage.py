"""A voyage: hours of simulated time with sensors of every kind of alarm rule, cuts of power, and a crew.

The recorder's core, journal and document store are real, on a disk on which only flushed data survives a cut.
The crew acknowledges alarms on board, and on another vessel that has copies of the alarms' documents.
"""

import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sensors.alarm_rules import AlarmRule, AlarmWhen, OtherSensor
from sensors.sample import Sample, Value
from sensors.settings import SensorSettings
from sensors.severity import Severity
from sensors.state import SensorState
from services.clocks.clock_quality import ClockQuality
from services.clocks.time_source import TimeSource
from services.recovery import store_check
from sync import documents
from sync.documents import DocumentType
from sync.fleet.acknowledgements import acknowledge
from sync.fleet.conflict_resolvers import Resolvers
from sync.peer.conflicts import resolve
from sync.store import Database, Document
from tests.services.recorder_builders import settings
from tests.services.rules.plain_model import Powered

from .loads import VESSEL
from .power import Witness, leave
from .processes import Line
from .rig import NETWORK, FakeClock, Rig
from .vfs import KEPT, FragileDisk, FragileFiles

SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
UNSET: Final = ClockQuality(TimeSource.FLOOR, 0.0)
WINDOW_S: Final = 600.0
STEP_MS: Final = 5 * MINUTE
"""Longest time without work. The real recorder works at least once a second."""


def rule(severity: Severity = Severity.WARN, **keys: object) -> AlarmRule:
    return AlarmRule(severity=severity, **keys)  # type: ignore[arg-type]


def _contact(name: str, *rules: AlarmRule) -> SensorSettings:
    return settings(name, kind="switch", unit="bool", path=f"x.{name}.state", window_s=WINDOW_S, alarms=rules)


def _number(
    name: str, *rules: AlarmRule, kind: str = "analog", deadband: float = 0.0, every_s: float = 240.0
) -> SensorSettings:
    made = settings(
        name, kind=kind, unit="K", path=f"x.{name}.value", window_s=WINDOW_S, alarms=rules, deadband=deadband
    )
    return replace(made, interval_s=every_s)


ENGINE_RUNS: Final = OtherSensor("rpm", "rpm above 8 Hz", above=8.0)
SENSORS: Final = (
    _contact(
        "float",
        rule(Severity.EMERGENCY, when=AlarmWhen.ACTIVE, raise_after_s=30.0, clear_after_s=120.0),
        rule(when=AlarmWhen.FAULT, raise_after_s=10.0),
    ),
    _contact(
        "pump",
        rule(starts_above=4, per_s=7200.0),
        rule(Severity.ALARM, runs_longer_s=900.0),
        rule(Severity.ALERT, runs_above_s=2400.0, per_s=21_600.0),
    ),
    _contact("watermaker", rule(idle_for_s=50_000.0), rule(Severity.ALARM, runs_longer_s=7200.0)),
    _number("rpm", rule(runs_longer_s=14_400.0), kind="pulse", deadband=0.5),
    _number(
        "coolant",
        rule(Severity.ALARM, above=368.0, hysteresis=4.0, raise_after_s=300.0),
        rule(rises_faster=25.0, per_s=1200.0),
        rule(Severity.EMERGENCY, falls_faster=30.0, per_s=1800.0, other=ENGINE_RUNS),
    ),
    _number(
        "oil",
        rule(Severity.EMERGENCY, below=1e5, other=ENGINE_RUNS, raise_after_s=60.0),
        rule(when=AlarmWhen.FAULT, clear_after_s=600.0),
        deadband=20_000.0,
    ),
    _number("tank", rule(falls_faster=0.08, per_s=10_800.0, clear_after_s=1200.0), deadband=0.01),
    _number("cabin", rule(Severity.ALERT, above=300.0), rule(above=305.0), rule(Severity.ALARM, below=285.0)),
)
"""Sensors with every kind of rule."""


def _switching(rng: random.Random, until_ms: int, off: tuple[int, int], on: tuple[int, int]) -> "_Signal":
    now, value = 0, False
    changes: list[tuple[int, Value]] = [(0, False)]
    while now < until_ms:
        now += rng.randrange(*(on if value else off))
        value = not value
        changes.append((now, value))
    return _Signal(changes)


@dataclass
class _Signal:
    """A value over time, as its changes."""

    changes: list[tuple[int, Value]]
    _place: int = 0

    def at(self, now_ms: int) -> Value:
        """Return the value at a time, which must not be before that of the last call."""
        while self.changes[self._place + 1][0] <= now_ms:
            self._place += 1
        return self.changes[self._place][1]

    def next_change(self, now_ms: int) -> int:
        """Return the time of the first change after a time."""
        self.at(now_ms)
        return self.changes[self._place + 1][0]


class World:
    """The true values on board, whether a recorder is running or not."""

    def __init__(self, rng: random.Random, until_ms: int) -> None:
        self._rng = rng
        hour = (HOUR // 2, 6 * HOUR)
        self._engine = _switching(rng, until_ms, hour, (HOUR, 8 * HOUR))
        self._leak = _switching(rng, until_ms, hour, (HOUR, 4 * HOUR))
        self._low_oil = _switching(rng, until_ms, (HOUR, 5 * HOUR), (3 * MINUTE, 40 * MINUTE))
        self._broken = {
            name: _switching(rng, until_ms, (4 * HOUR, 20 * HOUR), (30 * SECOND, HOUR))
            for name in ("float", "pump", "watermaker", "oil", "coolant")
        }
        self._contacts = {
            "float": _switching(rng, until_ms, (20 * MINUTE, 4 * HOUR), (5 * SECOND, 20 * MINUTE)),
            "pump": _switching(rng, until_ms, (5 * MINUTE, 90 * MINUTE), (20 * SECOND, 5 * MINUTE)),
            "watermaker": _switching(rng, until_ms, (2 * HOUR, 20 * HOUR), (10 * MINUTE, 3 * HOUR)),
        }
        self._pump_in_leak = _switching(rng, until_ms, (MINUTE, 20 * MINUTE), (MINUTE, 25 * MINUTE))
        self._coolant, self._tank, self._cabin = 300.0, 0.9, 295.0

    def contact(self, name: str, now_ms: int) -> tuple[Value, int]:
        """Return the state of a contact, None for a fault, and the time of its next change."""
        contact = self._contacts[name]
        if name == "pump" and self._leak.at(now_ms):
            contact = self._pump_in_leak
        causes = [contact, self._broken[name], *([self._leak] if name == "pump" else [])]
        value = None if self._broken[name].at(now_ms) else contact.at(now_ms)
        return value, min(each.next_change(now_ms) for each in causes)

    def number(self, name: str, now_ms: int, pause_ms: int) -> Value:
        """Return the value of a sensor; None for a fault. `pause_ms`: time since the last value."""
        rng, hours = self._rng, min(pause_ms / HOUR, 1.0)
        runs, leaks = self._engine.at(now_ms), self._leak.at(now_ms)
        if name in self._broken and self._broken[name].at(now_ms):
            return None
        match name:
            case "rpm":
                return rng.uniform(20.0, 40.0) if runs else 0.0
            case "coolant":
                goal = rng.choice((355.0, 362.0, 375.0)) if runs else 300.0
                self._coolant += (goal - self._coolant) * min(hours * 4, 0.9) + rng.uniform(-1, 1)
                return self._coolant
            case "oil":
                normal = 50_000.0 if self._low_oil.at(now_ms) else 300_000.0
                return rng.uniform(0.5, 1.5) * (normal if runs else 95_000.0)
            case "tank":
                self._tank -= hours * (0.12 if leaks else 0.01 if runs else 0.0)
                self._tank = 0.9 if self._tank < 0.1 else self._tank
                return self._tank + rng.uniform(-0.002, 0.002)
        self._cabin += rng.uniform(-8, 8) * hours + (295.0 - self._cabin) * hours * 0.2
        return self._cabin


@dataclass(frozen=True)
class Look:
    """State of a sensor's alarm, as the recorder has it after some work."""

    boot: int
    clock_ms: int
    is_set: bool
    """True if the clock has been set in this boot."""
    batch: int
    """Number of the batch that makes this state durable."""
    sensor: str
    severity: str | None
    sequence: int | None
    """Number of the sample that raised the alarm; None without an alarm."""
    is_sure: bool
    """True if the sensor has had a value since the recorder started."""


@dataclass
class _Boot:
    zero_ms: int
    """True time at which the boot clock was zero."""
    end_ms: int | None = None
    was_set: bool = False


@dataclass
class Voyage:
    """The life of a vessel, through cuts of power and kills of the recorder."""

    data: Path
    rng: random.Random
    hours: float
    calls: float
    """Mean number of calls to the disk between two cuts."""
    now_ms: int = 0
    looks: list[Look] = field(default_factory=list)
    boots: dict[int, _Boot] = field(default_factory=dict)
    told_acks: set[tuple[str, str]] = field(default_factory=set)
    """Acknowledgements that were reported as stored, as (document id, name)."""
    ledger: list[Line] = field(default_factory=list)
    starts: list[tuple[int, int]] = field(default_factory=list)
    """Starts of the recorder, each as the boot and the boot clock time in ms."""

    def __post_init__(self) -> None:
        self.until_ms = round(self.hours * HOUR)
        self.world = World(self.rng, self.until_ms + 24 * HOUR)
        self.clock = FakeClock()
        self._witness = Witness(self.data)
        self._elsewhere: dict[str, tuple[str, str, bytes]] = {}
        """Acknowledged copies on another vessel: revision, its parent and its body, by document."""
        self._number_ms = {each.id: -1 for each in SENSORS}
        self._set_at: int | None = 0
        self._sure: set[str] = set()

    def live(self) -> None:
        """Live through the voyage, and shut down properly at its end."""
        self.boots[1] = _Boot(self.now_ms - self.clock.ms, was_set=True)
        while self.now_ms < self.until_ms:
            self._life()
            self._go_down()
        self._set_clock()
        with Rig(
            self.data,
            clock=self.clock,
            rng=self.rng,
            ledger=self.ledger,
            sensors=SENSORS,
            quality=self._quality,
        ) as rig:
            self._began(rig)
            for each in SENSORS:
                self._offer(rig, each)
            self._commit(rig)
            self._look(rig)
            self._commit(rig)
            for _ in range(3):
                self._hear_from_elsewhere(rig)
            assert rig.finish()

    def powered(self, upto: int, *, is_set: bool) -> dict[int, Powered]:
        """Return the boots up to a number, as a recorder sees them then.

        Time without power is known between two boots whose clocks have been set. `is_set`: whether the last
        boot's clock has been set.
        """
        found: dict[int, Powered] = {}
        zero_ms, before = 0, None
        for number, boot in sorted(self.boots.items()):
            if number > upto or (number < upto and boot.end_ms is None):  # nothing was recorded in it
                continue
            if before is not None:
                assert before.end_ms is not None
                off_ms = boot.zero_ms - (before.zero_ms + before.end_ms)
                is_known = before.was_set and (boot.was_set if number < upto else is_set)
                zero_ms += before.end_ms + (max(off_ms, 0) if is_known else 0)
            found[number] = Powered(zero_ms, boot.end_ms if number < upto else None)
            before = boot
        return found

    # A single run of the recorder

    def _life(self) -> None:
        self._set_clock()
        told = 0
        before: dict[Path, bytes | None] = {}

        def cut() -> None:
            nonlocal told
            told = len(self.ledger)
            before.update((file, file.read_bytes()) for file in self.data.glob("copies/*.seg"))
            before[self._witness.path] = self._witness.after_cut(self.rng)

        with FragileDisk(self.rng, kept=(*KEPT, None, None, None, None, None)) as disk:
            disk.cut_after(round(self.rng.expovariate(1 / self.calls)), cut)
            self._disk = disk
            with Rig(
                self.data,
                clock=self.clock,
                rng=self.rng,
                ledger=self.ledger,
                vfs=disk.name,
                files=FragileFiles(disk),
                sync=self._witness.sync,
                sensors=SENSORS,
                quality=self._quality,
            ) as rig:
                if disk.left is None:
                    self._began(rig)
                while disk.left is None and self.now_ms < self.until_ms:
                    self._step(rig)
                if disk.left is None:
                    told = len(self.ledger)
                    cut()
                    disk.cut_now()
            assert disk.left is not None
            leave(before | disk.left)
        del self.ledger[told:]

    def _go_down(self) -> None:
        rng = self.rng
        if rng.random() < 0.5:
            assert store_check.prepare(self.data).findings == []
        self._advance(rng.choice((SECOND, 20 * SECOND, 3 * MINUTE, 30 * MINUTE)))
        if rng.random() < 0.6:
            self._advance(rng.choice((SECOND, MINUTE, HOUR, 3 * HOUR)))
            self.clock.boot()
            self._set_at = rng.choice((0, 0, rng.randrange(30 * MINUTE), None))
            if self._set_at != 0:
                self.clock.utc -= rng.choice((600.0, 86_400.0))  # the time at which the machine stopped

    def _began(self, rig: Rig) -> None:
        """Discard what the last run did not make durable, and note the time."""
        previous, boot = rig.previous, rig.identity.boot
        self.starts.append((boot, self.clock.ms))
        last = 0 if previous is None else previous.number
        self.looks = [each for each in self.looks if each.batch <= last]
        self._sure = set()
        zero_ms = self.now_ms - self.clock.ms
        if boot not in self.boots or self.boots[boot].zero_ms != zero_ms:
            if previous is not None:
                before = self.boots[previous.boot]
                before.end_ms = previous.clock_ms
                before.was_set = self._is_anchored(rig, previous.boot)
            self.boots[boot] = _Boot(zero_ms)
        self.boots[boot].was_set = self._is_set()
        self._events = list(self._upcoming())
        heapq.heapify(self._events)

    def _is_anchored(self, rig: Rig, boot: int) -> bool:
        """Return True if the store knows what time it was in a boot."""
        vfs = rig.library._vfs
        with Database.open(self.data / "log.db", policy=documents.POLICY, vfs=vfs) as database:
            found = database.get(documents.boot_id(VESSEL, rig.identity.log, boot))
        return found is not None and any(anchor[2] == NETWORK.source for anchor in found.body["anchors"])

    def _upcoming(self) -> Iterator[tuple[int, str]]:
        for each in SENSORS:
            yield self.now_ms + self.rng.randrange(1, 5 * SECOND), each.id
        yield self.now_ms + self.rng.randrange(1, HOUR), "crew"
        yield self.now_ms + self.rng.randrange(1, HOUR), "elsewhere"
        if self._set_at is not None and not self._is_set():
            yield self.now_ms - self.clock.ms + self._set_at, "clock"

    def _step(self, rig: Rig) -> None:
        """Let time pass until something happens, and do what a recorder does then."""
        due_ms = rig.recording.alarm_due_ms()
        moments = [self._events[0][0], self.now_ms + STEP_MS]
        if rig.recording.pending:
            moments.append(self.now_ms + SECOND)
        if due_ms is not None:
            moments.append(self.now_ms + due_ms - self.clock.ms)
        self._advance(max(min(moments) - self.now_ms, 0))
        if self._events[0][0] > self.now_ms:
            rig.recording.elapse()
        else:
            _, name = heapq.heappop(self._events)
            self._happens(rig, name)
        self._look(rig)
        self._commit(rig)

    def _happens(self, rig: Rig, name: str) -> None:
        pause_ms = 0
        match name:
            case "crew":
                self._acknowledge(rig)
                pause_ms = self.rng.randrange(1, HOUR)
            case "elsewhere":
                self._hear_from_elsewhere(rig)
                pause_ms = self.rng.randrange(1, HOUR)
            case "clock":
                boot = self.boots[rig.identity.boot]
                self.clock.utc = self.clock_utc_of(self.now_ms)
                boot.was_set = True
                rig.observe_clock()
                rig.recording.elapse()
            case _:
                made = next(each for each in SENSORS if each.id == name)
                pause_ms = self._offer(rig, made)
        if pause_ms:
            heapq.heappush(self._events, (self.now_ms + pause_ms, name))

    def _offer(self, rig: Rig, made: SensorSettings) -> int:
        """Offer the current value of a sensor, and return the time until its next sample."""
        name, rng = made.id, self.rng
        if made.unit == "bool":
            value, changes_ms = self.world.contact(name, self.now_ms)
            pause_ms = changes_ms - self.now_ms + rng.randrange(1, 50)
            known = rig.recording.intakes[name].row
            if known is not None and known.value is value and name in self._seen(rig):
                return pause_ms
        else:
            before, self._number_ms[name] = self._number_ms[name], self.now_ms
            value = self.world.number(name, self.now_ms, self.now_ms - before)
            pause_ms = round(made.interval_s * rng.uniform(900, 1_100))
        state = SensorState.GOOD if value is not None else SensorState.OPEN
        rig.recording.accept(Sample(name, self.clock.boottime_ns(), value, state))
        if value is not None:
            self._sure.add(name)
        return pause_ms

    def _seen(self, rig: Rig) -> Sequence[str]:
        return [name for name, intake in rig.recording.intakes.items() if intake.row is not None]

    def _commit(self, rig: Rig) -> None:
        was_urgent = False
        if rig.recording.is_commit_due():
            assert rig.recording.commit()
            was_urgent = rig.recording.was_urgent
        if was_urgent or self.rng.random() < 0.1:
            assert rig.library._attempt(finish=False), (rig.library.fault, rig.library.damaged)

    def _look(self, rig: Rig) -> None:
        last = rig.recording.last_commit or rig.previous
        batch = 1 if last is None else last.number + 1
        for name, intake in rig.recording.intakes.items():
            episode = intake.episode
            self.looks.append(
                Look(
                    boot=rig.identity.boot,
                    clock_ms=self.clock.ms,
                    is_set=self._is_set(),
                    batch=batch,
                    sensor=name,
                    severity=None if episode is None else episode.history[-1][2],
                    sequence=None if episode is None else episode.sequence,
                    is_sure=name in self._sure,
                )
            )

    # Time

    def _advance(self, ms: int) -> None:
        self.now_ms += ms
        self.clock.advance(ms)

    def clock_utc_of(self, now_ms: int) -> float:
        """Return the right UTC time."""
        return 1_760_000_000.0 + now_ms / 1000

    def _set_clock(self) -> None:
        if self._is_set():
            self.clock.utc = self.clock_utc_of(self.now_ms)

    def _is_set(self) -> bool:
        return self._set_at is not None and self.clock.ms >= self._set_at

    def _quality(self) -> ClockQuality:
        return NETWORK if self._is_set() else UNSET

    # The crew, here and on another vessel

    def _acknowledge(self, rig: Rig) -> None:
        with Database.open(self.data / "log.db", policy=documents.POLICY, vfs=self._disk.name) as database:
            found = self._choose(database)
            if found is None:
                return
            who = self.rng.choice(("anna", "ben"))
            acknowledge(database, found.id, who=who, when="2026-10-09T10:00:00.000Z")
            if self._disk.left is None:
                self.told_acks.add((found.id, who))

    def _hear_from_elsewhere(self, rig: Rig) -> None:
        """Receive acknowledgements from another vessel, and let it copy an alarm and acknowledge that."""
        vfs = self._disk.name if rig.library._vfs else None
        with Database.open(self.data / "log.db", policy=documents.POLICY, vfs=vfs) as database:
            for document_id, (rev, parent, body) in list(self._elsewhere.items()):
                database.insert(document_id, rev, [parent], body)
                resolve(database, document_id, Resolvers())
                if vfs is None or self._disk.left is None:
                    self.told_acks.add((document_id, "carla"))
                    if self.rng.random() < 0.5:
                        del self._elsewhere[document_id]
            found = self._choose(database)
            if found is not None and vfs is not None and self._disk.left is None:
                self._copy(found)

    def _copy(self, found: Document) -> None:
        with Database.open(self.data.parent / f"{self.data.name}-other.db", policy=documents.POLICY) as other:
            other.insert(found.id, found.rev, [], found.raw)
            copy = other.get(found.id)
            if copy is None or copy.rev != found.rev:
                return
            if acknowledge(other, found.id, who="carla", when="2026-10-09T11:00:00.000Z"):
                acked = other.get(found.id)
                assert acked is not None
                self._elsewhere[found.id] = (acked.rev, found.rev, acked.raw)

    def _choose(self, database: Database) -> Document | None:
        newest = list(database.documents(f"{DocumentType.ALARM}:", reverse=True, limit=200))
        return self.rng.choice(newest) if newest else None
