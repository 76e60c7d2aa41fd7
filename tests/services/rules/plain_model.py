"""A plain model of all alarm rules, which sees all recorded samples at once.

It follows the documentation of the rules, and shares no code with the recorder. All times are in milliseconds
on one time scale for all boots, except where the names say otherwise.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sensors.alarm_rules import AlarmRule, AlarmWhen
from sensors.sample import Value
from sensors.settings import SensorSettings
from sensors.severity import Severity

SLACK_MS = 10_000
SLOTS = 60
FOREVER_MS = 10**15


@dataclass(frozen=True)
class Recorded:
    """A recorded sample, with its time on the boot clock."""

    boot: int
    clock_ms: int
    value: Value
    is_faulty: bool


@dataclass(frozen=True)
class Powered:
    """A time with power, from one boot to its end."""

    zero_ms: int
    """Time at which the boot clock was zero."""
    end_ms: int | None
    """Boot clock time of the last known moment; None for the boot that goes on."""


@dataclass(frozen=True)
class Stretch:
    """Time in which the state of a sensor is known: from a sample until the next one, at most a window."""

    begin: int
    end: int
    sample: Recorded
    is_seen_change: bool
    """True if the value before was known until this stretch began."""

    @property
    def value(self) -> Value:
        return self.sample.value

    @property
    def is_running(self) -> bool:
        return self.value is not None and self.value > 0


@dataclass(frozen=True)
class _Part:
    """Time in which neither the sensor nor the other sensor of a rule has a new sample."""

    begin: int
    end: int
    sample: Recorded
    other_met: bool | None
    follows: bool
    """True if the state was known until this part began."""


class PlainModel:
    """The alarms of a vessel, from all recorded samples at once."""

    def __init__(
        self,
        sensors: Sequence[SensorSettings],
        boots: Mapping[int, Powered],
        samples: Mapping[str, Sequence[Recorded]],
    ) -> None:
        self._boots, self._samples = boots, samples
        self._rules = {
            each.id: [_rule(self, each, rule, sensors) for rule in each.alarms] for each in sensors
        }

    def severity(self, sensor: str, at_ms: int) -> Severity | None:
        """Return the severity of a sensor's alarm at a time, after the samples of that time; None without."""
        found = [each.rule.severity for each in self._rules[sensor] if each.is_raised(at_ms)]
        return max(found, key=lambda severity: severity.rank, default=None)

    def stretches(self, settings: SensorSettings) -> list[Stretch]:
        """Return the times in which a sensor's state is known."""
        silence_ms = round((settings.window_s + 3 * settings.interval_s) * 1000) + SLACK_MS
        if settings.kind == "replay":  # may be silent
            silence_ms = FOREVER_MS
        found: list[Stretch] = []
        samples = self._samples.get(settings.id, ())
        for place, sample in enumerate(samples):
            boot = self._boots[sample.boot]
            begin = boot.zero_ms + sample.clock_ms
            end = begin + silence_ms
            following = samples[place + 1] if place + 1 < len(samples) else None
            if following is not None and following.boot == sample.boot:
                end = min(end, boot.zero_ms + following.clock_ms)
            elif boot.end_ms is not None:
                end = min(end, boot.zero_ms + boot.end_ms)
            before = samples[place - 1] if place else None
            is_seen = (
                before is not None
                and before.boot == sample.boot
                and before.value is not None
                and sample.clock_ms - before.clock_ms <= silence_ms
            )
            found.append(Stretch(begin, end, sample, is_seen_change=is_seen))
        return found

    def parts(
        self, settings: SensorSettings, rule: AlarmRule, sensors: Sequence[SensorSettings]
    ) -> Iterator[_Part]:
        """Yield the times in which a rule's sensor is known, divided by the samples of the other sensor."""
        others: list[tuple[int, int, bool | None]] = []
        if rule.other is not None:
            others = [
                (
                    self._boots[each.boot].zero_ms + each.clock_ms,
                    each.boot,
                    None if each.value is None else rule.other.is_met(each.value),
                )
                for each in self._samples.get(rule.other.sensor, ())
            ]
        moments = [at for at, _, _ in others]
        until: int | None = None
        boot_before = 0
        for each in self.stretches(settings):
            boot = each.sample.boot
            inner = moments[bisect_right(moments, each.begin) : bisect_right(moments, each.end)]
            for begin, end in pairwise([each.begin, *inner, each.end]):
                place = bisect_right(moments, begin) - 1
                known = others[place] if place >= 0 and others[place][1] == boot else None
                yield _Part(
                    begin,
                    end,
                    each.sample,
                    None if known is None else known[2],
                    follows=begin == until and boot == boot_before,
                )
                until, boot_before = end, boot

    def held(self, settings: SensorSettings, boot: int) -> list[tuple[int, float]]:
        """Return a sensor's values in a boot, each with the time on the boot clock until which it counts.

        A value counts until one sampling interval before the next one, if nothing unknown is between them.
        """
        interval_ms = round(settings.interval_s * 1000)
        found = []
        stretches = [each for each in self.stretches(settings) if each.sample.boot == boot]
        for each, following in zip(stretches, [*stretches[1:], None], strict=True):
            clock_ms, value = each.sample.clock_ms, each.value
            if value is None:
                continue
            if following is not None and following.value is not None and following.is_seen_change:
                clock_ms = max(clock_ms, following.sample.clock_ms - interval_ms)
            found.append((clock_ms, float(value)))
        return found


def _rule(
    model: PlainModel, settings: SensorSettings, rule: AlarmRule, sensors: Sequence[SensorSettings]
) -> "_Equipment | _Number":
    if rule.equipment_conditions():
        return _Equipment(model, settings, rule)
    return _Number(model, settings, rule, sensors)


class _Equipment:
    """A rule on starts, running times or idle times."""

    def __init__(self, model: PlainModel, settings: SensorSettings, rule: AlarmRule) -> None:
        self.rule = rule
        self._stretches = model.stretches(settings)
        self._begins = [each.begin for each in self._stretches]
        self._starts = [
            each.begin
            for before, each in pairwise(self._stretches)
            if each.is_running and not before.is_running and before.value is not None and each.is_seen_change
        ]

    def is_raised(self, now: int) -> bool:
        """Return True if the rule applies: in unknown time, as when the state was last known."""
        last = bisect_right(self._begins, now) - 1
        while last >= 0 and self._stretches[last].value is None:
            last -= 1
        if last < 0:
            return False
        at = min(now, self._stretches[last].end)
        per_ms = round((self.rule.per_s or 0) * 1000)
        if self.rule.starts_above is not None:
            since = bisect_right(self._starts, at - per_ms)
            return bisect_right(self._starts, at) - since > self.rule.starts_above
        if self.rule.runs_above_s is not None:
            return self._ran_ms(last, at, at - per_ms) > self.rule.runs_above_s * 1000
        is_run = self.rule.runs_longer_s is not None
        limit_s = (self.rule.runs_longer_s if is_run else self.rule.idle_for_s) or 0
        return self._stretches[last].is_running is is_run and self._lasted_ms(last, at) >= limit_s * 1000

    def _ran_ms(self, last: int, at: int, since: int) -> int:
        ran = 0
        for each in reversed(self._stretches[: last + 1]):
            if each.end <= since:
                break
            if each.is_running:
                ran += max(min(each.end, at) - max(each.begin, since), 0)
        return ran

    def _lasted_ms(self, last: int, at: int) -> int:
        lasted = 0
        for each in reversed(self._stretches[: last + 1]):
            if each.value is None:
                continue
            if each.is_running is not self._stretches[last].is_running:
                break
            lasted += min(each.end, at) - each.begin
        return lasted


class _Number:
    """A rule on a value, on a fault or on a rate of change, with its delays."""

    def __init__(
        self,
        model: PlainModel,
        settings: SensorSettings,
        rule: AlarmRule,
        sensors: Sequence[SensorSettings],
    ) -> None:
        self.rule = rule
        self._values: dict[int, list[tuple[int, float]]] = {}
        if rule.rises_faster is not None or rule.falls_faster is not None:
            boots = {each.boot for each in model._samples.get(settings.id, ())}
            self._values = {boot: model.held(settings, boot) for boot in boots}
        self._changes = [0]
        """Times at which the rule becomes active and inactive, alternately, after a first 0."""
        self._run(model.parts(settings, rule, sensors))

    def is_raised(self, now: int) -> bool:
        return bisect_right(self._changes, now, lo=1) % 2 == 0

    def _run(self, parts: Iterator[_Part]) -> None:
        is_raised, since = False, None
        for part in parts:
            if not part.follows:
                since = None
            met = self._is_met(part, holding=is_raised)
            if met is None:
                continue
            if met is is_raised:
                since = None
                continue
            since = part.begin if since is None else since
            delay_s = self.rule.clear_after_s if is_raised else self.rule.raise_after_s
            due = max(since + round(delay_s * 1000), part.begin)
            if due <= part.end:
                self._changes.append(due)
                is_raised, since = not is_raised, None

    def _is_met(self, part: _Part, *, holding: bool) -> bool | None:
        """Return None while the rule neither becomes active nor inactive."""
        rule, value = self.rule, part.sample.value
        if rule.other is not None and part.other_met is None:
            return None
        if rule.when is AlarmWhen.FAULT:
            return part.sample.is_faulty and part.other_met is not False
        if value is None:
            return None
        if part.other_met is False:
            return False
        if rule.when is not None:
            return bool(value) is (rule.when is AlarmWhen.ACTIVE)
        if self._values:
            return self._changes_faster(part.sample, float(value))
        margin = rule.hysteresis if holding else 0.0
        return (rule.above is not None and value > rule.above - margin) or (
            rule.below is not None and value < rule.below + margin
        )

    def _changes_faster(self, sample: Recorded, value: float) -> bool:
        slot_ms = max(round((self.rule.per_s or 0) * 1000) // SLOTS, 1)
        slot = sample.clock_ms // slot_ms
        known = self._values[sample.boot]
        until = bisect_right(known, (sample.clock_ms, float("inf")))
        since = bisect_right(known, ((slot - SLOTS + 1) * slot_ms, float("-inf")))
        window = [value, *(each for _, each in known[since:until])]
        rule = self.rule
        rises = rule.rises_faster is not None and value - min(window) > rule.rises_faster
        return rises or (rule.falls_faster is not None and max(window) - value > rule.falls_faster)
