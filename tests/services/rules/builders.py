"""A recorder's intake that is restarted, and a plain model of alarm rules that sees all samples at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from sensors.alarm_rules import AlarmRule
from sensors.sample import Sample, Value
from sensors.settings import SensorSettings
from sensors.severity import Severity
from sensors.state import SensorState
from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource
from services.documents.models import StoredDocument
from services.history.timeline import RecordedBoot
from services.journal.batch import AlarmRecord, Batch, Identity, SampleRow
from services.recorder.acceptance import ClockMoment, SensorIntake
from services.recorder.rules.history import Past, PowerOff
from tests.services.recorder_builders import UTC, settings

WINDOW_S = 300.0
SILENCE_MS = 313_000
"""Time after which the state of a contact with this window is unknown."""


def rule(**keys: Any) -> AlarmRule:
    """Return a rule with a severity and these fields."""
    return AlarmRule(severity=Severity.WARN, **keys)


def contact(*rules: AlarmRule) -> SensorSettings:
    """Return the settings of a bilge pump's contact."""
    return settings("pump", kind="switch", unit="bool", path="bilge.main.pump.state", alarms=rules)


class NoDocuments:
    """A store without documents."""

    def get(self, doc_id: str, /) -> StoredDocument | None:
        """Return None for every id."""
        return None

    def documents(
        self, prefix: str = "", /, *, after: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[StoredDocument]:
        """Yield no document at all."""
        return iter(())


def past_of(rows: Sequence[tuple[int, SampleRow]], times: PowerOff, now_ms: int) -> Past:
    """Return the recorded samples, each with its boot, as the journal would give them."""
    return Past(
        source=NoDocuments(),
        identity=Identity(vessel="argo", log="abcdef", boot=times.current, run=1),
        waiting=[
            Batch(run=1, boot=boot, clock_ms=row.clock_ms, utc=UTC, synced=True, rows=(row,))
            for boot, row in rows
        ],
        times=times,
        now_ms=now_ms,
    )


class Pair:
    """A sensor `a` with rules that may depend on the sensor `b`, as the recorder connects them."""

    def __init__(self, sensors: Sequence[SensorSettings]) -> None:
        self.sensors = sensors
        self.rows: list[tuple[int, SampleRow]] = []
        self.episode: AlarmRecord | None = None
        self.begin({})

    def begin(self, last: Mapping[str, int]) -> None:
        """Make the intakes of a recorder that starts."""
        self.a, self.b = (
            SensorIntake(each, last=last.get(each.id, 0), episode=self.episode if each.id == "a" else None)
            for each in self.sensors
        )
        for each in self.sensors[0].alarms:
            if each.other is not None:
                self.b.watch_for(each.other)
        self.seen: set[str] = set()

    @property
    def has_value(self) -> bool:
        """True if the rule knows its sensors again after a restart."""
        return {"a", *(rule.other.sensor for rule in self.sensors[0].alarms if rule.other)} <= self.seen

    @property
    def is_raised(self) -> bool:
        """True if the sensor has an alarm."""
        return self.a.episode is not None

    def offer(self, name: str, value: Value, ms: int) -> None:
        """Let the recorder do what is due, and offer a sample of a sensor."""
        state = SensorState.GOOD if value is not None else SensorState.OPEN
        sample, now = Sample(name, ms * 1_000_000, value, state), ClockMoment(ms, UTC, 1, lambda: True)
        if value is not None:
            self.seen.add(name)
        if name == "a":
            self._take(self.a.offer(sample, now))
        else:
            self._take((self.b.offer(sample, now)[0], None))
            self._take(self.a.offer_other(sample, now))

    def restart(self, ms: int) -> None:
        """Restart the recorder within its boot."""
        last = {row.sensor: row.sequence for _, row in self.rows}
        self.begin(last)
        past = past_of(self.rows, PowerOff("abcdef", 1, {}), ms)
        raised = 0 if self.a.episode is None else self.a.episode.sequence
        self.a.replay(past.boots(self.sensors[0], self.sensors[1:], raised=raised))

    def _take(self, found: tuple[SampleRow | None, AlarmRecord | None]) -> None:
        row, episode = found
        if row is not None:
            self.rows.append((1, row))
        if episode is not None:
            self.episode = episode


@dataclass
class Boot:
    """A boot, as the model sees it: times are on one clock for all boots."""

    zero_ms: int
    """Time at which the boot clock was zero."""
    is_anchored: bool
    utc: float
    """UTC time at which the boot clock was zero."""
    samples: list[tuple[int, Value]] = field(default_factory=list)
    """Time on the boot clock, and value."""
    end_ms: int | None = None


class Aboard:
    """A recorder's intake of one sensor with its recorded samples, which survive restarts."""

    def __init__(self, made: SensorSettings) -> None:
        self.settings = made
        self.rows: list[tuple[int, SampleRow]] = []
        self.episode: AlarmRecord | None = None
        self.ms = 1_000
        self.boots = [Boot(0, is_anchored=True, utc=UTC)]
        self.intake = SensorIntake(made, last=0, episode=None)
        self._has_value = False

    @property
    def is_raised(self) -> bool:
        """True if the sensor has an alarm."""
        return self.intake.episode is not None

    @property
    def has_value(self) -> bool:
        """True if a value has arrived since the last restart; until then an alarm continues."""
        return self._has_value

    def offer(self, value: Value, pause_ms: int) -> None:
        """Let time pass without work, and offer a sample."""
        self.ms += pause_ms
        self._has_value = self._has_value or value is not None
        state = SensorState.GOOD if value is not None else SensorState.OPEN
        self._take(
            self.intake.offer(Sample(self.settings.id, self.ms * 1_000_000, value, state), self._now())
        )

    def elapse(self, pause_ms: int) -> None:
        """Let time pass, and let the recorder do what is due without a sample."""
        self.ms += pause_ms
        self._take(self.intake.elapse(self._now()))

    def wait(self, pause_ms: int) -> None:
        """Let time pass, as `elapse` does, in short steps."""
        until = self.ms + pause_ms
        while self.ms < until:
            self.elapse(min(until - self.ms, 60_000))

    def restart(self) -> None:
        """Restart the recorder within the boot."""
        self._has_value = False
        number = len(self.boots)
        anchors = [
            (Anchor(0.0, boot.utc, TimeSource.NETWORK, 0.01),) if boot.is_anchored else ()
            for boot in self.boots
        ]
        known = {n: RecordedBoot("abcdef", n, found) for n, found in enumerate(anchors, 1)}
        ends = {n: (boot.end_ms or 0) / 1000 for n, boot in enumerate(self.boots[:-1], 1)}
        past = past_of(self.rows, PowerOff("abcdef", number, known, ends), self.ms)
        last = self.rows[-1][1].sequence if self.rows else 0
        self.intake = SensorIntake(self.settings, last=last, episode=self.episode)
        raised = 0 if self.intake.episode is None else self.intake.episode.sequence
        self.intake.replay(past.boots(self.settings, raised=raised))

    def cut_power(self, on_ms: int, off_ms: int, *, is_anchored: bool = True) -> None:
        """Cut the power after `on_ms`, for `off_ms`. `is_anchored`: whether the next clock gets set."""
        self.elapse(on_ms)
        old = self.boots[-1]
        old.end_ms = self.ms
        counted = off_ms if old.is_anchored and is_anchored else 0
        self.boots.append(
            Boot(
                old.zero_ms + old.end_ms + counted,
                is_anchored=is_anchored,
                utc=old.utc + (old.end_ms + off_ms) / 1000,
            )
        )
        self.ms = 1_000
        self.restart()

    def _now(self) -> ClockMoment:
        return ClockMoment(self.ms, UTC + self.ms / 1000, len(self.boots), lambda: True)

    def _take(self, found: tuple[SampleRow | None, AlarmRecord | None]) -> None:
        row, episode = found
        if row is not None:
            self.rows.append((len(self.boots), row))
            self.boots[-1].samples.append((row.clock_ms, row.value))
        if episode is not None:
            self.episode = episode

    def expected(self, now_ms: int | None = None) -> bool:
        """Return True if the plain model has an alarm now."""
        now_ms = self.ms if now_ms is None else now_ms
        return Model(self.boots, self.settings.alarms).is_raised(self.boots[-1].zero_ms + now_ms)


@dataclass(frozen=True)
class Stretch:
    """Time in which the state is known, from a sample until the next one."""

    begin: int
    end: int
    value: Value
    is_seen_change: bool
    """True if the value before was known until this stretch began."""


class Model:
    """All samples at once, and the rules as their documentation describes them."""

    def __init__(self, boots: Sequence[Boot], rules: Sequence[AlarmRule]) -> None:
        self.rules = rules
        self.stretches: list[Stretch] = []
        for boot in boots:
            for place, (at, value) in enumerate(boot.samples):
                is_last = place + 1 == len(boot.samples)
                until = (boot.end_ms or 10**15) if is_last else boot.samples[place + 1][0]
                seen = place > 0 and boot.samples[place - 1][1] is not None
                seen = seen and at - boot.samples[place - 1][0] <= SILENCE_MS
                self.stretches.append(
                    Stretch(
                        boot.zero_ms + at,
                        boot.zero_ms + min(until, at + SILENCE_MS),
                        value,
                        is_seen_change=seen,
                    )
                )

    def is_raised(self, now: int) -> bool:
        """Return True if any rule applies at the given time."""
        return any(self._applies(each, now) for each in self.rules)

    def _applies(self, rule: AlarmRule, now: int) -> bool:
        """Return True if a rule applies: in unknown time, as when the state was last known."""
        past = [each for each in self.stretches if each.begin <= now]
        known = [each for each in past if each.value is not None]
        if not known:
            return False
        last = known[-1]
        if last.value is None:
            return False
        at = min(now, last.end)
        return self._is_met(rule, past, at)

    def _is_met(self, rule: AlarmRule, past: Sequence[Stretch], now: int) -> bool:
        cut = [
            Stretch(each.begin, min(each.end, now), each.value, is_seen_change=each.is_seen_change)
            for each in past
            if each.begin <= now
        ]
        begin = now - round((rule.per_s or 0) * 1000)
        if rule.starts_above is not None:
            starts = [
                each.begin
                for before, each in pairwise(cut)
                if each.value is True and before.value is False and each.is_seen_change
            ]
            return sum(at > begin for at in starts) > rule.starts_above
        if rule.runs_above_s is not None:
            ran = sum(max(each.end - max(each.begin, begin), 0) for each in cut if each.value is True)
            return ran > rule.runs_above_s * 1000
        wanted = rule.runs_longer_s is not None
        limit = (rule.runs_longer_s if wanted else rule.idle_for_s) or 0
        known = [each for each in cut if each.value is not None]
        if known[-1].value is not wanted:
            return False
        lasted = 0
        for each in reversed(known):
            if each.value is not wanted:
                break
            lasted += each.end - each.begin
        return lasted >= limit * 1000
