"""The intake, which decides which samples of a sensor are recorded and assigns sequence numbers to them.

A sample that a deadband suppresses gets no number. A sample that changes the sensor's state, or the state of
an alarm rule, is always recorded. A value that does not change is recorded once in each window.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import msgspec

from sensors.alarm_rules import OtherSensor
from sensors.registry import kind_named
from sensors.sample import Sample, Totals, Value
from sensors.settings import SensorSettings
from sensors.severity import Severity
from sensors.state import SensorState, is_fault
from services.alarms.rules import AlarmState, AlarmWatch
from services.journal.batch import AlarmRecord, SampleRow

from .rules.history import PastBoot

MOST_CHANGES: Final = 200
"""Maximum number of changes in severity or condition to store for one episode (see `services.alarms.rules`).

This limits the size of the alarm's document if a value fluctuates around a limit for days.
"""
MOST_WHOLE: Final = 2**53 - 1
"""Largest integer that all JSON parsers represent exactly (RFC 8785)."""
GIVEN_KINDS = frozenset({"manual", "replay"})
"""Kinds of sensors whose values are entered by a user or replayed from a recording.

Unchanged values of these sensors are not recorded again in each window.
"""


SLACK_S: Final = 10.0
"""Time by which recording an unchanged value again may be late on a busy machine, in seconds."""


@dataclass(frozen=True, slots=True)
class ClockMoment:
    """A point in time, as a boot clock reading and in UTC."""

    clock_ms: int
    utc: float
    boot: int
    is_synced: Callable[[], bool]
    """Function that returns True if `utc` came from the network, GNSS or a clock chip.

    Querying the kernel for each sample would take too long, so the function is called only for alarms.
    """


class SensorIntake:
    """Intake of one sensor's samples: selects and numbers them, and stores the sensor's alarm state."""

    def __init__(self, settings: SensorSettings, *, last: int, episode: AlarmRecord | None) -> None:
        self.settings = settings
        self.last = last
        """Last sequence number that was assigned to a sample of the sensor."""
        self.row: SampleRow | None = None
        """The last sample that was recorded since the recorder started."""
        self.totals: Totals | None = None
        self.detail = ""
        """Latest human-readable detail that the driver has reported about the sensor; '' if there is none."""
        self.episode = episode if episode is not None and episode.cleared_ms is None else None
        self._named = 0 if episode is None else episode.sequence
        """Number of the sample from which the last alarm's id is derived."""
        self._seen: tuple[Value, SensorState] | None = None
        self._judged_ms = 0
        """Boot clock time of the last change of the alarm since the recorder started."""
        self._watch = AlarmWatch(
            settings.alarms,
            unit=settings.unit,
            path=settings.path,
            shown_in=settings.display,
            standing=self.episode is not None,
            silence_ms=None if settings.kind in GIVEN_KINDS else _silence_ms(settings),
            interval_ms=round(settings.interval_s * 1000),
        )
        self._speaks_of_changes = kind_named(settings.kind).reports_only_changes or (
            settings.unit == "bool" and settings.kind not in GIVEN_KINDS
        )

    def offer(self, sample: Sample, now: ClockMoment) -> tuple[SampleRow | None, AlarmRecord | None]:
        """Process a sample of this sensor.

        Return the row to record and the changed alarm episode, either of which may be None.
        """
        clock_ms = sample.boottime_ns // 1_000_000
        if self.row is not None and clock_ms < self.row.clock_ms:
            clock_ms = self.row.clock_ms
        value, state = admissible(sample.value, sample.state)
        self.detail = sample.detail
        if sample.totals is not None:
            self.totals = sample.totals
        before = self._watch.signature()
        self._watch.observe(value, clock_ms, faulty=is_fault(state))
        self._seen = value, state
        row = None
        if self._watch.signature() != before or self._is_news(value, state, clock_ms):
            row = self._record(value, state, clock_ms)
        return self._judge(dataclasses.replace(now, clock_ms=clock_ms), row)

    def elapse(self, now: ClockMoment) -> tuple[SampleRow | None, AlarmRecord | None]:
        """Return the row and the changed alarm episode that are due because time has passed.

        Each is None if it is not due. A row is due when an unchanged value must be recorded again. An episode
        is due when an alarm's delay has expired.
        """
        row = None
        last = self.row
        if (
            last is not None
            and self._speaks_of_changes
            and now.clock_ms - last.clock_ms >= self.settings.window_s * 1000
        ):
            self._watch.observe(last.value, now.clock_ms, faulty=is_fault(last.state))
            row = self._record(last.value, last.state, now.clock_ms)
        self._watch.elapse(now.clock_ms)
        return self._judge(now, row)

    def offer_other(self, sample: Sample, now: ClockMoment) -> tuple[SampleRow | None, AlarmRecord | None]:
        """Process a sample of a sensor to which this sensor's rules refer with `while`.

        Return the row to record and the changed alarm episode, either of which may be None.
        """
        clock_ms = sample.boottime_ns // 1_000_000
        if self.row is not None:
            clock_ms = max(clock_ms, self.row.clock_ms)
        value, _ = admissible(sample.value, sample.state)
        self._watch.observe_other(sample.sensor, value, clock_ms)
        return self._judge(dataclasses.replace(now, clock_ms=clock_ms), None)

    @property
    def others(self) -> frozenset[str]:
        """Ids of the other sensors to which this sensor's rules refer with `while`."""
        return frozenset(rule.other.sensor for rule in self.settings.alarms if rule.other is not None)

    def watch_for(self, condition: OtherSensor) -> None:
        """Record every sample that changes whether a condition in another sensor's rule is met."""
        self._watch.watch_for(condition)

    def replay(self, boots: Iterable[PastBoot]) -> None:
        """Compute the states of the rules from the samples that were recorded before this start."""
        boots, episode = tuple(boots), self.episode
        own = (row.sequence for boot in boots for row in boot.samples if row.sensor == self.settings.id)
        first = next(own, None)
        is_complete = first == 1 or (first is not None and episode is not None and first < episode.sequence)
        with self._watch.replaying(is_complete=is_complete):
            for boot in boots:
                self._replay(boot)

    def _replay(self, boot: PastBoot) -> None:
        for row in boot.samples:
            if row.sensor == self.settings.id:
                self._watch.observe(row.value, row.clock_ms, faulty=is_fault(row.state))
                self._watch.record(row.value, row.clock_ms)
            else:
                self._watch.observe_other(row.sensor, row.value, row.clock_ms)
        if boot.end_ms is not None:
            self._watch.end_boot(boot.end_ms)

    def move_back(self, gap_ms: int) -> None:
        """Move the times of earlier boots back by `gap_ms`, the newly known time without power."""
        self._watch.move_back(gap_ms)

    def deadline(self) -> int | None:
        """Return the boot clock time in ms at which an alarm's delay expires; None if no delay is running."""
        return self._watch.deadline()

    def decline(self, sample: Sample, now: ClockMoment) -> AlarmRecord | None:
        """Assign a number to a sample that cannot be recorded, and return the changed alarm episode.

        The alarm rules are still evaluated with the sample. The caller must record a gap for the number.
        """
        self.last += 1
        clock_ms = sample.boottime_ns // 1_000_000
        if self.row is not None:
            clock_ms = max(clock_ms, self.row.clock_ms)
        self._seen = value, state = admissible(sample.value, sample.state)
        self.detail = sample.detail
        self._watch.observe(value, clock_ms, faulty=is_fault(state))
        return self._judge_unrecorded(dataclasses.replace(now, clock_ms=clock_ms))

    def elapse_unrecorded(self, now: ClockMoment) -> AlarmRecord | None:
        """Return the changed alarm episode, as `elapse` does, while no sample can be recorded.

        If `last` has changed, the caller must record a gap for the number.
        """
        self._watch.elapse(now.clock_ms)
        return self._judge_unrecorded(now)

    def note_other(self, sample: Sample) -> None:
        """Process a sample as `offer_other` does, but change no episode before this sensor's next sample."""
        value, _ = admissible(sample.value, sample.state)
        self._watch.observe_other(sample.sensor, value, sample.boottime_ns // 1_000_000)

    def _is_news(self, value: Value, state: SensorState, clock_ms: int) -> bool:
        last, deadband = self.row, self.settings.deadband
        if last is None or state is not last.state or deadband == 0:
            return True
        if clock_ms - last.clock_ms >= self.settings.window_s * 1000:
            return True
        if value is None or last.value is None or isinstance(value, bool) or isinstance(last.value, bool):
            return value is not last.value
        return abs(value - last.value) >= deadband

    def _record(self, value: Value, state: SensorState, clock_ms: int) -> SampleRow:
        self.last += 1
        self.row = SampleRow(self.settings.id, self.last, clock_ms, value, state)
        self._watch.record(value, clock_ms)
        return self.row

    def _judge(self, now: ClockMoment, row: SampleRow | None) -> tuple[SampleRow | None, AlarmRecord | None]:
        """Return the row to record, by default `row`, and the changed alarm episode.

        After a start, nothing changes before the first sample. An alarm's id contains the number of a sample.
        If the last sample's number is already used by an alarm, the sensor's value is recorded again, to get
        a new number.
        """
        if self.row is None:
            return row, None
        standing = self._watch.highest()
        if standing is not None and self.episode is None and self.last == self._named and self._seen:
            row = self._record(*self._seen, now.clock_ms)
        return row, self._changed_episode(standing, now, value=self.row.value)

    def _judge_unrecorded(self, now: ClockMoment) -> AlarmRecord | None:
        """Return the changed alarm episode. If a new alarm needs a sample number for its id, assign one."""
        if self.row is None or self._seen is None:
            return None
        standing = self._watch.highest()
        if standing is not None and self.episode is None and self.last == self._named:
            self.last += 1
        return self._changed_episode(standing, now, value=self._seen[0])

    def _changed_episode(
        self, standing: AlarmState | None, now: ClockMoment, *, value: Value
    ) -> AlarmRecord | None:
        if self._watch.is_unknown:
            return None
        if now.clock_ms < self._judged_ms:  # a sample that was taken just before a delay ended
            now = dataclasses.replace(now, clock_ms=self._judged_ms)
        changed = self._episode_after(standing, now, value=value)
        if changed is not None:
            self._judged_ms = now.clock_ms
        return changed

    def _episode_after(
        self, standing: AlarmState | None, now: ClockMoment, *, value: Value
    ) -> AlarmRecord | None:
        episode = self.episode
        if standing is None:
            if episode is None:
                return None
            self.episode = None
            return cleared(episode, now)
        if episode is None:
            self.episode, self._named = _raised(self.last, standing, value, now), self.last
            return self.episode
        moment = (now.clock_ms, now.utc, standing.severity.value, standing.condition)
        if moment[2:] == episode.history[-1][2:]:
            return None
        self.episode = _changed(episode, standing, moment)
        return self.episode


def _silence_ms(settings: SensorSettings) -> int:
    """Return the longest time between two recorded samples of a sensor whose state is known, in ms.

    A value that does not change is recorded again by the first sample after a window.
    """
    return round((settings.window_s + 3 * settings.interval_s + SLACK_S) * 1000)


def admissible(value: Value, state: SensorState) -> tuple[Value, SensorState]:
    """Return the value and state in a form that a document can contain.

    A value is replaced with None if it is NaN or infinite, or if the state allows no value. An integer that
    some JSON readers cannot represent exactly becomes a float.
    """
    if not state.carries_value:
        return None, state
    if isinstance(value, float) and not math.isfinite(value):
        return None, SensorState.OUT_OF_RANGE
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        return float(value), state
    return value, state


def _raised(sequence: int, standing: AlarmState, value: Value, now: ClockMoment) -> AlarmRecord:
    return AlarmRecord(
        sequence=sequence,
        severity=standing.severity.value,
        text=standing.text,
        condition=standing.condition,
        value=value,
        raised_ms=now.clock_ms,
        raised_utc=now.utc,
        boot=now.boot,
        history=((now.clock_ms, now.utc, standing.severity.value, standing.condition),),
        raised_synced=now.is_synced(),
    )


def _changed(episode: AlarmRecord, standing: AlarmState, moment: tuple[int, float, str, str]) -> AlarmRecord:
    # Keep the first changes and the latest change.
    history = (*episode.history[: MOST_CHANGES - 1], moment)
    if standing.severity.rank <= Severity(episode.severity).rank:
        return msgspec.structs.replace(episode, history=history)
    return msgspec.structs.replace(
        episode,
        severity=standing.severity.value,
        text=standing.text,
        condition=standing.condition,
        history=history,
    )


def cleared(episode: AlarmRecord, now: ClockMoment) -> AlarmRecord:
    """Return an alarm's episode with the given moment as the time at which the alarm was cleared."""
    return msgspec.structs.replace(
        episode,
        cleared_ms=now.clock_ms,
        cleared_utc=now.utc,
        cleared_boot=now.boot,
        cleared_synced=now.is_synced(),
    )
