"""The samples that alarm rules need after a restart, read from documents and from the journal.

Reading begins with the newest sample, and ends when all rules of the sensor have the samples that they need.
For example, a rule about the last hour needs the samples of one hour. Samples that are not in documents yet
come from the journal. Only the current log counts, because the rules of a new log start with an unknown
state.

Times are converted to milliseconds on the clock of the current boot, so times in earlier boots are negative.
The time without power between two boots is known if the clocks of both had been set. Otherwise that time
counts as 0. A rule that counts starts within a period then includes starts before a power cut until that
period has passed with power.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from sensors.alarm_rules import AlarmRule
from sensors.sample import Value
from sensors.settings import SensorSettings
from sensors.state import SensorState
from services.clocks.clock_quality import Anchor
from services.documents import models
from services.documents.models import DocumentSource, ReadingDocument, ReadingHead, ShapeError
from services.history.boots import boot_of
from services.history.timeline import RecordedBoot, Timeline, TimeTrust
from services.journal.batch import Batch, Identity, SampleRow
from sync import documents

MOST_SAMPLES: Final = 200_000
"""Maximum number of samples to read for a sensor: about 50 MB. Only a chattering contact has more samples."""
MOST_BOOTS: Final = 64
"""Maximum number of earlier boots from which to read samples."""


IsEnough = Callable[[int, int, SampleRow], bool]
"""Function that takes a boot, an age in ms and a sample, and returns True if no older sample is needed."""


@dataclass(frozen=True, slots=True)
class PastBoot:
    """A boot with recorded samples. All times are on the clock of the current boot."""

    samples: Sequence[SampleRow]
    end_ms: int | None
    """Last known moment of the boot; None for the current boot."""


@dataclass(slots=True)
class PowerOff:
    """The times of earlier boots on the clock of the current boot."""

    log: str
    current: int
    """Number of the current boot."""
    boots: Mapping[int, RecordedBoot]
    """The recorded boots, by number. The current boot has the anchors that are known now."""
    ends: dict[int, float] = field(default_factory=dict)
    """Boot clock time in s of the last known moment of each earlier boot."""
    _offsets: dict[int, int] = field(default_factory=dict)

    def offset_ms(self, boot: int) -> int:
        """Return the milliseconds to add to a boot's times; `ends` must contain all later boots."""
        if boot == self.current:
            return 0
        if boot not in self._offsets:
            gap_ms = self.gap_ms(boot, self.boots)
            end_ms = round(self.ends.get(boot, 0.0) * 1000)
            self._offsets[boot] = self.offset_ms(self._following(boot)) - gap_ms - end_ms
        return self._offsets[boot]

    def _following(self, boot: int) -> int:
        """Return the number of the first boot after `boot` in which samples were recorded.

        Return the number of the current boot if there is none.
        """
        return min((number for number in self.ends if boot < number < self.current), default=self.current)

    def gap_ms(self, boot: int, boots: Mapping[int, RecordedBoot]) -> int:
        """Return the time between a boot and the next boot with recorded samples, in ms; 0 if unknown."""
        following = self._following(boot)
        if boot not in boots or following not in boots:
            return 0
        timeline = Timeline(list(boots.values()))
        before = timeline.at(self.log, boot, self.ends.get(boot, 0.0), recorded=None)
        after = timeline.at(self.log, following, 0.0, recorded=None)
        for moment in (before, after):
            if moment.trust not in (TimeTrust.SYNCED, TimeTrust.RTC) or moment.utc is None:
                return 0
        assert before.utc is not None
        assert after.utc is not None
        return max(round((after.utc - before.utc) * 1000), 0)

    def newly_known_ms(self, anchors: Sequence[Anchor]) -> int:
        """Return by how many ms earlier boots' times move back once the current boot has these anchors."""
        boot = max((number for number in self.ends if number < self.current), default=self.current)
        now = dict(self.boots) | {self.current: RecordedBoot(self.log, self.current, tuple(anchors))}
        return max(self.gap_ms(boot, now) - self.gap_ms(boot, self.boots), 0)


def power_off(
    source: DocumentSource,
    identity: Identity,
    *,
    last_before: Callable[[int], Batch | None],
    anchors: Sequence[Anchor],
) -> PowerOff:
    """Return the times of the boots before the current boot.

    `last_before` returns the last batch before a boot, if the journal still contains that batch. It is needed
    for boots that lasted only a second, because they have no document. `anchors` are the anchors of the
    current boot.
    """
    boots: dict[int, RecordedBoot] = {}
    ends: dict[int, float] = {}
    for number in range(identity.boot, max(identity.boot - MOST_BOOTS, -1), -1):
        document = source.get(documents.boot_id(identity.vessel, identity.log, number))
        try:
            boot = None if document is None else boot_of(document)
        except ShapeError:
            boot = None
        if number == identity.boot:
            known = () if boot is None else boot.anchors
            boot = RecordedBoot(
                identity.log,
                number,
                (*known, *(anchor for anchor in anchors if anchor not in known)),
                None if boot is None else boot.previous_end,
            )
        elif boot is None:
            continue
        boots[number] = boot
        if boot.previous_end is not None:
            ends[boot.previous_end[0]] = boot.previous_end[1]
    number = identity.boot
    while number > identity.boot - MOST_BOOTS:
        end = boots[number].previous_end if number in boots else None
        if end is None:
            batch = last_before(number)
            if batch is None:
                break
            end = batch.boot, batch.clock_ms / 1000
        number = end[0]
        ends[number] = end[1]
    return PowerOff(identity.log, identity.boot, boots, ends)


class Past:
    """The recorded samples that the rules of a vessel's sensors need."""

    def __init__(
        self,
        *,
        source: DocumentSource,
        identity: Identity,
        waiting: Iterable[Batch],
        times: PowerOff,
        now_ms: int,
    ) -> None:
        """Read the samples in `waiting`, the batches of the journal that may not be in documents yet."""
        self._source, self._identity, self._times, self._now_ms = source, identity, times, now_ms
        self._waiting: dict[str, dict[int, tuple[int, SampleRow]]] = {}
        for batch in waiting:
            for row in batch.rows:
                self._waiting.setdefault(row.sensor, {})[row.sequence] = (batch.boot, row)

    def boots(
        self, settings: SensorSettings, others: Sequence[SensorSettings] = (), *, raised: int = 0
    ) -> list[PastBoot]:
        """Return the boots, with samples, that a sensor's rules need.

        Samples of the sensors in `while` are included.

        `raised` is the number of the sample that raised the sensor's current alarm; 0 if it has no alarm. If
        there is an alarm, the samples from which it was raised are also included.
        """
        rows = self._read(settings, _BeforeAlarm(settings, raised).after)
        oldest_ms = max((self._age_ms(boot, row.clock_ms) for boot, row in rows), default=0)
        for other in others:
            until_ms = oldest_ms + round(other.window_s * 1000)
            rows += self._read(other, _older_than(until_ms))
        rows.sort(key=lambda found: (found[0], found[1].clock_ms, found[1].sequence))
        boots = []
        for number, found in groupby(rows, key=lambda each: each[0]):
            samples = [row for _, row in found]
            last_ms = samples[-1].clock_ms
            end_s = self._times.ends.setdefault(number, last_ms / 1000)
            offset = self._times.offset_ms(number)
            is_current = number == self._identity.boot
            # A damaged document may state any time, but nothing was recorded after this moment.
            latest_ms = self._now_ms if is_current else 0
            end_ms = min(max(round(end_s * 1000), last_ms) + offset, latest_ms)
            moved = [
                SampleRow(
                    row.sensor, row.sequence, min(row.clock_ms + offset, latest_ms), row.value, row.state
                )
                for row in samples
            ]
            boots.append(PastBoot(moved, None if is_current else end_ms))
        return boots

    def _read(self, settings: SensorSettings, is_enough: IsEnough) -> list[tuple[int, SampleRow]]:
        documented = self._last_documented(settings.id)
        waiting = self._waiting.get(settings.id, {})
        found: dict[int, tuple[int, SampleRow]] = {}
        for boot, row in reversed(waiting.values()):
            if row.sequence <= documented:
                continue
            found[row.sequence] = (boot, row)
            self._times.ends.setdefault(boot, row.clock_ms / 1000)
            if is_enough(boot, self._age_ms(boot, row.clock_ms), row):
                break
        else:
            for boot, row in self._documented(settings):
                found[row.sequence] = (boot, row)
                age_ms = self._age_ms(boot, row.clock_ms)
                if len(found) >= MOST_SAMPLES or is_enough(boot, age_ms, row):
                    break
        return [found[number] for number in sorted(found)]

    def _last_documented(self, sensor: str) -> int:
        """Return the number of the sensor's last sample that is in a document; 0 if there is none."""
        prefix = documents.reading_prefix(self._identity.vessel, sensor, self._identity.log)
        for document in self._source.documents(prefix, reverse=True, limit=1):
            with contextlib.suppress(ShapeError):
                return models.read(document, ReadingHead).last
        return 0

    def _age_ms(self, boot: int, clock_ms: int) -> int:
        return self._now_ms - self._times.offset_ms(boot) - clock_ms

    def _documented(self, settings: SensorSettings) -> Iterator[tuple[int, SampleRow]]:
        """Yield the samples in documents, newest first, back to a change of the sensor's path or unit."""
        prefix = documents.reading_prefix(self._identity.vessel, settings.id, self._identity.log)
        for document in self._source.documents(prefix, reverse=True):
            try:
                reading = models.read(document, ReadingDocument)
            except ShapeError:  # `verify` reports the invalid document
                continue
            if reading.boot > self._identity.boot:
                continue
            is_same = (reading.path, reading.unit) == (settings.path, settings.unit)
            if not is_same or self._identity.boot - reading.boot >= MOST_BOOTS:
                return
            self._times.ends.setdefault(reading.boot, reading.end)
            start_ms = round(reading.start * 1000)
            for place in range(len(reading.samples) - 1, -1, -1):
                entry = reading.samples[place]
                yield (
                    reading.boot,
                    SampleRow(
                        settings.id,
                        reading.first + place,
                        start_ms + entry.offset,
                        entry.value,
                        _state(entry.state),
                    ),
                )


def _state(name: str) -> SensorState:
    return SensorState(name) if name in SensorState.__members__.values() else SensorState.FAILED


def _older_than(age_limit_ms: int) -> IsEnough:
    def is_enough(_boot: int, age_ms: int, _row: SampleRow) -> bool:
        return age_ms > age_limit_ms

    return is_enough


class _BeforeAlarm:
    """Check that enough samples have been read, both for the present and for the time an alarm was raised."""

    def __init__(self, settings: SensorSettings, raised: int) -> None:
        self._settings, self._raised, self._from_ms = settings, raised, 0
        self._enough = self._begin()

    def _begin(self) -> "_Enough":
        return _Enough(self._settings.alarms, window_ms=round(self._settings.window_s * 1000))

    def after(self, boot: int, age_ms: int, row: SampleRow) -> bool:
        """Record an earlier sample of the given age, and return True if no older samples are needed."""
        is_enough = self._enough.after(boot, age_ms - self._from_ms, row.value)
        if not self._raised:
            return is_enough
        if row.sequence <= self._raised:
            self._raised, self._from_ms, self._enough = 0, age_ms, self._begin()
        return False


class _Enough:
    """Check that enough samples have been read for a sensor's rules. Samples are read newest first."""

    def __init__(self, rules: Sequence[AlarmRule], *, window_ms: int) -> None:
        self._rules, self._window_ms = rules, window_ms
        self._starts = 0
        self._later_ms: int | None = None
        self._active: bool | None = None
        self._boot = 0
        self._run_ms: int | None = 0
        """Time for which the contact has been active, in ms, as far as read; None once its start was read."""
        self._idle_ms: int | None = 0

    def after(self, boot: int, age_ms: int, value: Value) -> bool:
        """Record an earlier sample of the given age, and return True if no older samples are needed."""
        later_ms = 0 if self._later_ms is None else self._later_ms
        is_same_boot = self._later_ms is not None and boot == self._boot
        known_ms = min(max(age_ms - later_ms, 0), self._window_ms) if is_same_boot else 0
        is_seen = is_same_boot and age_ms - later_ms <= self._window_ms
        self._later_ms, self._boot = age_ms, boot
        if value is None:
            self._active = None
        else:
            active = value > 0
            self._starts += is_seen and self._active is True and not active
            self._active = active
            if active:
                self._idle_ms = None
                self._run_ms = None if self._run_ms is None else self._run_ms + known_ms
            else:
                self._run_ms = None
                self._idle_ms = None if self._idle_ms is None else self._idle_ms + known_ms
        return all(self._is_enough(rule, age_ms) for rule in self._rules)

    def _is_enough(self, rule: AlarmRule, age_ms: int) -> bool:
        needed_ms = self._window_ms + round((rule.raise_after_s + rule.clear_after_s) * 1000)
        if age_ms <= needed_ms:
            return False
        if rule.starts_above is not None and self._starts > rule.starts_above:
            return True
        if rule.runs_longer_s is not None:
            return self._run_ms is None or self._run_ms > rule.runs_longer_s * 1000 + self._window_ms
        if rule.idle_for_s is not None:
            return self._idle_ms is None or self._idle_ms > rule.idle_for_s * 1000 + self._window_ms
        return age_ms > needed_ms + (rule.per_s or 0.0) * 1000


def needs_past(settings: SensorSettings) -> bool:
    """Return True if a rule of the sensor depends on more than the sensor's next sample."""
    return any(
        rule.raise_after_s
        or rule.clear_after_s
        or rule.other is not None
        or rule.per_s is not None
        or rule.runs_longer_s is not None
        or rule.idle_for_s is not None
        for rule in settings.alarms
    )
