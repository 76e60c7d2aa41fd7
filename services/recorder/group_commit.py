"""Commits samples from the sensor drivers to the journal in durable batches, on one thread.

The caller provides the clocks, the journal and the ledger, a list of durable samples (`durability_feed`). If
the journal cannot be written (card full, read-only, broken), no accepted sample is lost. The fault is
reported, and the write is retried. This module never waits for the document store or the network.

Group commit: a batch is committed at most a second after its first sample, and at once if an alarm changes.
"""

import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from sensors.clock import Clock
from sensors.sample import Sample, Totals
from sensors.settings import SensorSettings
from services.clocks.clock_quality import ClockQuality, Timekeeper
from services.journal.batch import AlarmRecord, Batch, Identity, NumberGap, SampleRow
from services.journal.journal import Journal
from services.journal.schema import (
    JournalDamagedError,
    JournalError,
    JournalFullError,
    JournalUnavailableError,
)

from .acceptance import ClockMoment, SensorIntake, cleared
from .rules.history import PastBoot

log = logging.getLogger(__name__)

GROUP_MS: Final = 1_000
"""Maximum time that an accepted sample waits to be committed, in milliseconds."""
HEARTBEAT_MS: Final = 5_000
"""Interval between commits if there are no samples, in milliseconds.

These commits show that recording works, and record the latest known time of the boot.
"""
RETRY_MS: Final = 1_000
"""Interval between attempts to write to the journal after a failure, in milliseconds."""
MOST_PENDING: Final = 50_000
"""Maximum number of samples kept in memory while the journal cannot be written: about 10 MB.

This is enough for 1,000 s of samples from 50 sensors at 1 Hz.
"""
MOST_EPISODES: Final = 5_000
"""Maximum number of alarms kept in memory while the journal cannot be written: about 5 MB.

If there are more, the oldest of the alarms that have ended are discarded.
"""
COMMITS_TIMED: Final = 4_096
"""Number of recent commits whose durations are kept.

This is enough to compute a 99.9th percentile, and covers more than an hour.
"""

Ledger = Callable[[Iterable[tuple[str, str, int]]], None]
"""Function that is called after a durable commit, with the (sensor, log, sequence) of each sample."""


class GroupCommitter:
    """Assigns numbers to samples, and commits the samples to the journal."""

    def __init__(
        self,
        *,
        identity: Identity,
        sensors: Iterable[SensorSettings],
        journal: Journal,
        clock: Clock,
        timekeeper: Timekeeper,
        quality: Callable[[], ClockQuality],
        ledger: Ledger | None = None,
    ) -> None:
        self.identity = identity
        self.fault: str | None = None
        """Reason why nothing can be recorded now; None if recording works."""
        self.damaged = False
        """True if the journal is damaged and must be repaired."""
        self.waits_for_room = False
        """True if the current fault is that the card is full."""
        self.last_commit: Batch | None = None
        self.commit_ms: deque[float] = deque(maxlen=COMMITS_TIMED)
        """Durations of the latest commits in ms, from the time a commit was due until it was durable."""
        self.accepted: Counter[str] = Counter()
        """Number of samples durably recorded since startup, by sensor."""
        self._journal = journal
        self._clock = clock
        self._timekeeper = timekeeper
        self._quality = quality
        self._ledger = ledger
        self._rows: list[SampleRow] = []
        self._totals: dict[str, Totals] = {}
        self._totals_seen: dict[str, Totals] = {}
        self._episodes: dict[tuple[str, int], AlarmRecord] = {}
        self._declined: dict[str, tuple[int, int]] = {}
        self.was_urgent = False
        """True if the last commit was urgent, so that its documents must be written at once."""
        self._urgent = False
        self._urgent_ns = 0
        self._first_ms: int | None = None
        self._retry_ms: int | None = None
        journal.register((sensor.id, sensor.path, sensor.unit) for sensor in sensors)
        self.intakes: dict[str, SensorIntake] = {}
        for sensor in sensors:
            record = journal.sensors[sensor.id]
            self.intakes[sensor.id] = SensorIntake(sensor, last=record.last, episode=record.episode)
        self._dependents: defaultdict[str, list[SensorIntake]] = defaultdict(list)
        """For each sensor's id, the sensors whose rules refer to that sensor with `while`."""
        for intake in self.intakes.values():
            for other in intake.others:
                self._dependents[other].append(intake)
            for rule in intake.settings.alarms:
                if rule.other is not None and rule.other.sensor in self.intakes:
                    self.intakes[rule.other.sensor].watch_for(rule.other)

        self._clear_alarms_of_removed_sensors()

    def _clear_alarms_of_removed_sensors(self) -> None:
        """Clear the alarms of sensors that are no longer configured, because no sample can clear them."""
        for name, record in self._journal.sensors.items():
            episode = record.episode
            if name not in self.intakes and episode is not None and episode.cleared_ms is None:
                self._episodes[name, episode.sequence] = cleared(episode, self._now(self.now_ms()))
                log.info("the alarm of %s is cleared, because the sensor is no longer configured", name)
                self._hurry()

    def resume(self) -> Mapping[str, Totals]:
        """Return the totals from which counting sensors must continue, by sensor id."""
        return {name: self._journal.sensors[name].totals for name in self.intakes}

    def replay(self, sensor: str, boots: Iterable[PastBoot]) -> None:
        """Compute the states of a sensor's alarm rules from samples recorded before this start."""
        self.intakes[sensor].replay(boots)

    @property
    def raised(self) -> dict[str, int]:
        """Numbers of the samples that raised the current alarms, by sensor."""
        return {
            name: intake.episode.sequence
            for name, intake in self.intakes.items()
            if intake.episode is not None
        }

    def move_back(self, gap_ms: int) -> None:
        """Move the times of earlier boots back in all rules, because the time without power is now known.

        The next `elapse` raises and clears the alarms that this changes.
        """
        for intake in self.intakes.values():
            intake.move_back(gap_ms)

    def now_ms(self) -> int:
        """Return the boot clock's current time, in milliseconds."""
        return self._clock.boottime_ns() // 1_000_000

    @property
    def pending(self) -> int:
        """Number of samples that have been accepted but are not yet durable."""
        return len(self._rows)

    def accept(self, sample: Sample, *, urgent: bool = False) -> None:
        """Accept a sample, which becomes durable at the next successful `commit`.

        If `urgent` is True, that commit is due at once.
        """
        intake = self.intakes.get(sample.sensor)
        if intake is None:
            raise KeyError(f"no sensor {sample.sensor!r} is configured")
        if len(self._rows) >= MOST_PENDING or sample.sensor in self._declined:
            # Decline all samples until a commit records a gap for the declined numbers, so that these numbers
            # form one range.
            self._decline(intake, sample)
            return
        now = self._now(sample.boottime_ns // 1_000_000)
        self._elapse_before(intake, now.clock_ms)
        row, episode = intake.offer(sample, now)
        self._take(intake, row, episode)
        for dependent in self._dependents.get(sample.sensor, ()):
            if dependent.settings.id not in self._declined:
                self._elapse_before(dependent, now.clock_ms)
                self._take(dependent, *dependent.offer_other(sample, now))
        if urgent:
            self._hurry()

    def elapse(self) -> None:
        """Record unchanged values that are due again, and evaluate alarm delays that have expired."""
        is_full = len(self._rows) >= MOST_PENDING
        now = self._now(self.now_ms())
        for name, intake in self.intakes.items():
            if is_full or name in self._declined:
                last = intake.last
                self._take_unrecorded(intake, last, intake.elapse_unrecorded(now))
            else:
                row, episode = intake.elapse(now)
                self._take(intake, row, episode)

    def _decline(self, intake: SensorIntake, sample: Sample) -> None:
        """Evaluate the alarm rules with a sample that cannot be recorded, so that alarms still sound."""
        last = intake.last
        now = self._now(sample.boottime_ns // 1_000_000)
        self._take_unrecorded(intake, last, intake.decline(sample, now))
        for dependent in self._dependents.get(sample.sensor, ()):
            dependent.note_other(sample)

    def _take_unrecorded(self, intake: SensorIntake, last: int, episode: AlarmRecord | None) -> None:
        """Accept a sensor's changed alarm, and schedule a gap for the numbers after `last`.

        These numbers have no samples.
        """
        if intake.last > last:
            name = intake.settings.id
            first, _ = self._declined.get(name, (last + 1, last + 1))
            self._declined[name] = (first, intake.last)
        self._take(intake, None, episode)

    def _elapse_before(self, intake: SensorIntake, clock_ms: int) -> None:
        """Evaluate the alarm delays that expired before a sample.

        After a slow commit, samples are accepted late. Without this step, the sample that ends a condition
        would hide that the condition has lasted long enough.
        """
        while (due := intake.deadline()) is not None and due <= clock_ms:
            self._take(intake, *intake.elapse(self._now(due)))

    def alarm_due_ms(self) -> int | None:
        """Return the boot clock time in ms at which the next alarm delay expires and `elapse` is due.

        Return None if no delay is running.
        """
        return min(
            (due for intake in self.intakes.values() if (due := intake.deadline()) is not None), default=None
        )

    def due_ms(self) -> int:
        """Return the boot clock time in ms at which `commit` or `elapse` is due if no sample arrives."""
        if self._retry_ms is not None:
            return self._retry_ms
        if self._urgent:
            return self.now_ms()
        beat = self.now_ms() if self.last_commit is None else self.last_commit.clock_ms + HEARTBEAT_MS
        moments = [beat] if self._first_ms is None else [beat, self._first_ms + GROUP_MS]
        alarm = self.alarm_due_ms()
        return min(moments if alarm is None else [*moments, alarm])

    def is_commit_due(self) -> bool:
        """Return True if it is time to commit."""
        now = self.now_ms()
        if self._retry_ms is not None:
            return now >= self._retry_ms
        if self._urgent or self.last_commit is None:
            return True
        if self._first_ms is not None and now - self._first_ms >= GROUP_MS:
            return True
        return now - self.last_commit.clock_ms >= HEARTBEAT_MS

    def commit(self) -> bool:
        """Make all accepted samples durable.

        Return False if that fails (see `fault`). The caller must then retry later.
        """
        due_ns, batch = self._due_ns(), self._batch()
        try:
            landed = self._journal.reopen() if self._retry_ms is not None else []
            for durable in landed:
                self._settle(durable)
            if landed:
                batch = self._batch()
            done = self._journal.commit(batch)
            self.commit_ms.append((self._clock.boottime_ns() - due_ns) / 1e6)
        except JournalError as error:
            self._fail(error)
            return False
        if self.fault is not None:
            log.warning("recording again; %d samples were waiting", len(batch.rows))
        self.fault, self._retry_ms = None, None
        self._settle(done)
        return True

    def _now(self, clock_ms: int) -> ClockMoment:
        here = self._clock.boottime_ns() // 1_000_000
        utc = self._timekeeper.utc(self._clock.utc_ns() / 1e9) - (here - clock_ms) / 1000
        return ClockMoment(clock_ms, round(utc, 3), self.identity.boot, self._is_synced)

    def _is_synced(self) -> bool:
        return self._timekeeper.judge(self._clock.utc_ns() / 1e9, self._quality()).is_synced

    def _take(self, intake: SensorIntake, row: SampleRow | None, episode: AlarmRecord | None) -> None:
        name = intake.settings.id
        if row is not None:
            self._rows.append(row)
            if self._first_ms is None:
                self._first_ms = self.now_ms()
        if intake.totals is not None and intake.totals != self._totals_seen.get(name):
            self._totals[name] = self._totals_seen[name] = intake.totals
        if episode is not None:
            self._episodes[name, episode.sequence] = episode
            if len(self._episodes) > MOST_EPISODES:
                ended = (key for key, each in self._episodes.items() if each.cleared_ms is not None)
                self._episodes.pop(next(ended, (name, episode.sequence)))
            self._hurry()

    def _hurry(self) -> None:
        """Make the next commit due at once."""
        if not self._urgent:
            self._urgent, self._urgent_ns = True, self._clock.boottime_ns()

    def _due_ns(self) -> int:
        """Return the boot clock time in ns at which the commit became due.

        Return the current time if the commit is early or has already been tried.
        """
        moments = [self._clock.boottime_ns()]
        if self._retry_ms is None and self._urgent:
            moments.append(self._urgent_ns)
        if self._retry_ms is None and self._first_ms is not None:
            moments.append((self._first_ms + GROUP_MS) * 1_000_000)
        return min(moments)

    def _batch(self) -> Batch:
        here = self.now_ms()
        now = self._now(here)
        return Batch(
            run=self.identity.run,
            boot=self.identity.boot,
            clock_ms=here,
            utc=now.utc,
            synced=self._is_synced(),
            rows=tuple(self._rows),
            totals=dict(self._totals),
            episodes=tuple((name, episode) for (name, _), episode in self._episodes.items()),
            gaps=tuple(
                NumberGap(name, first, last, "not recorded: the card could not be written")
                for name, (first, last) in self._declined.items()
            ),
        )

    def _settle(self, done: Batch) -> None:
        """Remove the contents of a durable batch from the data that waits to be committed."""
        last = {row.sensor: row.sequence for row in done.rows}
        self._rows = [row for row in self._rows if row.sequence > last.get(row.sensor, 0)]
        self._totals = {name: t for name, t in self._totals.items() if done.totals.get(name) != t}
        written = {(name, episode.sequence): episode for name, episode in done.episodes}
        self._episodes = {key: e for key, e in self._episodes.items() if written.get(key) != e}
        explained = {(gap.sensor, gap.last) for gap in done.gaps}
        self._declined = {
            name: span for name, span in self._declined.items() if (name, span[1]) not in explained
        }
        self.was_urgent, self._urgent = self._urgent, False
        if self._episodes:
            self._hurry()
        self._first_ms = self.now_ms() if self._rows else None
        self.last_commit = done
        self.accepted.update(row.sensor for row in done.rows)
        if self._ledger is not None and done.rows:
            self._ledger((row.sensor, self.identity.log, row.sequence) for row in done.rows)

    def _fail(self, error: JournalError) -> None:
        match error:
            case JournalDamagedError():
                self.damaged = True
                words = f"the journal is damaged: {error}"
            case JournalFullError():
                words = f"the card is full: {error}"
            case JournalUnavailableError():
                words = f"the card cannot be written: {error}"
            case _:
                words = f"the journal cannot be written: {error}"
        self.waits_for_room = isinstance(error, JournalFullError)
        if words != self.fault:
            log.error("not recording: %s", words)
        self.fault = words
        self._retry_ms = self.now_ms() + RETRY_MS
