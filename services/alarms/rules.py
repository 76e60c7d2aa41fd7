"""Alarm rules, which decide when a sensor's values raise and clear an alarm.

Callers pass the boot clock, in milliseconds. A sensor has at most one *episode* at a time. An episode begins
when the first rule becomes active, and ends when no rule is active. Its severity is the highest severity of
the active rules, because a path's notification in Signal K has one state. A sensor fault neither raises nor
clears a rule about the sensor's value, because it does not show the state of the equipment. Only a rule with
`when = "fault"` is about the sensor itself.

Transitions of a rule (rows: state; columns: what the value does):

    state     | condition met                     | condition no longer met
    ----------+-----------------------------------+------------------------------------
    quiet     | -> pending, or active if no delay | quiet
    pending   | -> active after `for`             | -> quiet
    active    | active                            | -> leaving, or quiet if no delay
    leaving   | -> active                         | -> quiet after `clear_for`

The states are a function of the samples and of the time. After a restart, the recorded samples are replayed
(`services.recorder.rules.history`), which yields the same states again. A sample's state lasts until the next
sample, but at most for the time in which a sample must be recorded (`silence_ms`). After that, and without
power, time is unknown: delays begin again, and `activity` counts nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Final

from sensors.alarm_rules import AlarmRule, AlarmWhen, OtherSensor
from sensors.sample import Value
from sensors.severity import Severity

from .activity import Activity
from .rates import Rate
from .words import in_words

__all__ = ["AlarmState", "AlarmWatch", "RuleState", "in_words", "is_met"]


class RuleState(StrEnum):
    """State of one alarm rule."""

    QUIET = "quiet"
    PENDING = "pending"
    ACTIVE = "active"
    LEAVING = "leaving"


@dataclass(frozen=True, slots=True)
class AlarmState:
    """Combined state of a sensor's alarm rules: the state of the most severe active rule."""

    severity: Severity
    text: str
    condition: str


_LONG_AGO: Final = -(2**62)
"""Time in ms before any sample, on the clock of the current boot."""


def _ms(seconds: float | None) -> int:
    return round((seconds or 0.0) * 1000)


@dataclass(slots=True)
class _Watch:
    """A rule with its state, and the data about the sensor and the other sensor that the rule needs."""

    rule: AlarmRule
    state: RuleState = RuleState.QUIET
    since_ms: int | None = 0
    """Time at which a delay began; None if it begins at the next evaluation."""
    is_known: bool = False
    """False if the sensor's state is not known: at the start, and in unknown time."""
    value: Value = None
    faulty: bool = False
    other_met: bool | None = None
    """True if the condition on the other sensor is met; None if this is unknown."""
    activity: Activity | None = field(init=False, default=None)
    rate: Rate | None = field(init=False, default=None)
    is_fast: bool = False
    """True if the rate of change met the condition at the sensor's last sample."""
    interval_ms: int = 0

    def __post_init__(self) -> None:
        rule = self.rule
        if (rule.starts_above, rule.runs_above_s, rule.runs_longer_s, rule.idle_for_s) != (None,) * 4:
            self.activity = Activity(per_ms=_ms(rule.per_s), most_starts=rule.starts_above or 0)
        if rule.rises_faster is not None or rule.falls_faster is not None:
            self.rate = Rate(_ms(rule.per_s), interval_ms=self.interval_ms)

    @property
    def is_about_faults(self) -> bool:
        return self.rule.when is AlarmWhen.FAULT

    @property
    def is_met(self) -> bool:
        return self.state in (RuleState.ACTIVE, RuleState.LEAVING)

    def take(self, value: Value, now_ms: int, *, faulty: bool) -> None:
        """Process a sample of the sensor."""
        self.is_known, self.value, self.faulty = True, value, faulty
        if self.activity is not None:
            self.activity.observe(now_ms, active=None if value is None else value > 0)
        if self.rate is not None and value is None:
            self.rate.interrupt()
        elif self.rate is not None and value is not None:
            self.is_fast = _is_met_by_rate(self.rule, self.rate, float(value), now_ms)

    def interrupt(self, now_ms: int) -> None:
        """Record that the time after `now_ms` is unknown until the next sample."""
        self.is_known, self.since_ms = False, None
        if self.activity is not None:
            self.activity.observe(now_ms, active=None)
        if self.rate is not None:
            self.rate.interrupt()

    @property
    def is_frozen(self) -> bool:
        """True if the state must not change, because it is unknown whether the condition is met."""
        if not self.is_known or (self.rule.other is not None and self.other_met is None):
            return True
        return self.value is None and not self.is_about_faults

    def condition_met(self, now_ms: int, *, holding: bool) -> bool:
        """Return True if the condition is met. The caller must check `is_frozen` first."""
        if self.other_met is False:
            return False
        if self.is_about_faults:
            return self.faulty
        value = self.value
        assert value is not None
        if self.activity is not None:
            return _is_met_by_activity(self.rule, self.activity, now_ms)
        if self.rate is not None:
            return self.is_fast
        return is_met(self.rule, value, holding=holding)

    def value_signature(self) -> tuple[bool, ...]:
        """Return the comparison results that the rule needs once the other sensor meets its condition."""
        if self.rule.other is None or self.value is None or self.is_about_faults:
            return ()
        if self.rate is not None:
            return (self.is_fast,)
        if self.activity is not None:
            return ()
        return tuple(is_met(self.rule, self.value, holding=holding) for holding in (False, True))

    def deadline(self) -> int | None:
        """Return the boot clock time in ms at which the delay ends; None if no delay is running."""
        if self.since_ms is None:
            return None
        if self.state is RuleState.PENDING:
            return self.since_ms + _ms(self.rule.raise_after_s)
        if self.state is RuleState.LEAVING:
            return self.since_ms + _ms(self.rule.clear_after_s)
        return None

    def change(self, now_ms: int) -> int | None:
        """Return when the condition may change without a sample; None if only a sample can change it."""
        if self.activity is None:
            return None
        return _change_of_activity(self.rule, self.activity, now_ms)

    def evaluate(self, now_ms: int, *, resumed: bool = False) -> None:
        """Apply the transition that is due at `now_ms`.

        `resumed` is True for an episode that was in progress before a restart, and is not known otherwise.
        """
        if self.is_frozen:
            return
        met = self.condition_met(now_ms, holding=resumed or self.is_met)
        if resumed and met:
            # The episode continues without a second delay.
            self.state = RuleState.ACTIVE
            return
        if self.since_ms is None:
            self.since_ms = now_ms
        match self.state, met:
            case RuleState.QUIET, True:
                self._go(RuleState.PENDING, now_ms)
            case RuleState.PENDING, False:
                self._go(RuleState.QUIET, now_ms)
            case RuleState.ACTIVE, False:
                self._go(RuleState.LEAVING, now_ms)
            case RuleState.LEAVING, True:
                self._go(RuleState.ACTIVE, now_ms)
        self.end_delay(now_ms)

    def end_delay(self, now_ms: int) -> None:
        """Change the state if its delay has ended."""
        deadline = self.deadline()
        if deadline is not None and now_ms >= deadline:
            self._go(RuleState.ACTIVE if self.state is RuleState.PENDING else RuleState.QUIET, now_ms)

    def _go(self, state: RuleState, now_ms: int) -> None:
        self.state, self.since_ms = state, now_ms


class AlarmWatch:
    """The alarm rules of a sensor, and their states."""

    def __init__(
        self,
        rules: Sequence[AlarmRule],
        *,
        unit: str = "",
        path: str = "",
        shown_in: str = "",
        standing: bool = False,
        silence_ms: int | None = None,
        interval_ms: int = 0,
    ) -> None:
        """Set up the rules.

        Args:
            rules: the sensor's alarm rules.
            unit: unit of the sensor's values, for use in descriptions.
            path: path of the sensor (see `in_words`).
            shown_in: unit in which the sensor's values are shown (see `in_words`).
            standing: True if an episode was in progress when the recorder stopped. That episode continues
                until values clear it, and is not raised again.
            silence_ms: time in ms without a sample after which the sensor's state is unknown; None if the
                sensor may be silent.
            interval_ms: time in ms between samples.
        """
        self._watches = [_Watch(rule, interval_ms=interval_ms) for rule in rules]
        self._unit, self._path, self._shown_in = unit, path, shown_in
        self._resumed = standing
        self._has_decided = False
        """True if a value has arrived that can decide whether a resumed episode continues."""
        self._silence_ms = silence_ms
        self._last_ms: int | None = None
        self._clock_ms = _LONG_AGO
        self._conditions: list[OtherSensor] = []
        self._met_for_others: tuple[bool, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._watches) or self._resumed

    def watch_for(self, condition: OtherSensor) -> None:
        """Add a condition that a rule of another sensor has on this sensor's value (see `signature`)."""
        self._conditions.append(condition)

    def observe(self, value: Value, now_ms: int, *, faulty: bool | None = None) -> None:
        """Evaluate a sample.

        A value of None changes only the states of rules about faults. `faulty` is True if the sensor is
        faulty, which some faults are even with a value. By default, a sensor without a value is faulty.
        """
        self.elapse(now_ms)
        silent_from = self._silent_from()
        if silent_from is not None and now_ms > silent_from:
            self._interrupt(silent_from)
        self._last_ms = now_ms
        self._clock_ms = max(self._clock_ms, now_ms)
        if value is not None:
            self._met_for_others = tuple(condition.is_met(value) for condition in self._conditions)
        for watch in self._watches:
            watch.take(value, now_ms, faulty=value is None if faulty is None else faulty)
            watch.evaluate(now_ms, resumed=self._resumed)
        if value is not None and self._resumed:
            self._has_decided = True
        self._end_resumption()

    def record(self, value: Value, now_ms: int) -> None:
        """Process a value that is recorded."""
        for watch in self._watches:
            if watch.rate is not None and value is not None:
                watch.rate.record(float(value), now_ms)

    def observe_other(self, sensor: str, value: Value, now_ms: int) -> None:
        """Evaluate a sample of another sensor, to which rules refer with `while`."""
        self.elapse(now_ms)
        self._clock_ms = max(self._clock_ms, now_ms)
        for watch in self._watches:
            other = watch.rule.other
            if other is not None and other.sensor == sensor:
                watch.other_met = None if value is None else other.is_met(value)
                if self._has_decided or not self._resumed:
                    watch.evaluate(now_ms, resumed=self._resumed)
        self._end_resumption()

    def elapse(self, now_ms: int) -> None:
        """Apply the transitions that are due by `now_ms` without a sample."""
        while (due := self.deadline()) is not None and due <= now_ms:
            self._clock_ms = max(self._clock_ms, due)
            for watch in self._running():
                watch.evaluate(due) if watch.activity is not None else watch.end_delay(due)
        silent_from = self._silent_from()
        self._clock_ms = max(self._clock_ms, now_ms if silent_from is None else min(now_ms, silent_from))

    def deadline(self) -> int | None:
        """Return the boot clock time in ms at which `elapse` may change a state.

        Return None if only a sample can change a state.
        """
        moments = [
            moment
            for watch in self._running()
            for moment in (watch.deadline(), watch.change(self._clock_ms))
            if moment is not None
        ]
        due, silent_from = min(moments, default=None), self._silent_from()
        return None if due is None or (silent_from is not None and due > silent_from) else due

    def end_boot(self, now_ms: int) -> None:
        """Record that a boot ended at `now_ms`: the time until the next boot is unknown."""
        self.elapse(now_ms)
        silent_from = self._silent_from()
        self._interrupt(now_ms if silent_from is None else min(now_ms, silent_from))
        self._last_ms = None
        for watch in self._watches:
            watch.other_met = None
            if watch.rate is not None:
                watch.rate.forget_all()

    @contextmanager
    def replaying(self, *, is_complete: bool) -> Iterator[None]:
        """Accept samples that were recorded before this start while the context is active.

        `is_complete` is True if an episode from before this start was raised during the replayed samples.
        They then show whether the episode continues. Otherwise the first new value shows this, unless a rule
        is active.
        """
        standing, self._resumed = self._resumed, False
        yield
        self._resumed = standing and not is_complete and not any(watch.is_met for watch in self._watches)

    def move_back(self, gap_ms: int) -> None:
        """Move the times of earlier boots back, because the time without power has become known."""
        for watch in self._watches:
            if watch.activity is not None:
                watch.activity.move_back(gap_ms)
                if not self._resumed:
                    watch.evaluate(self._clock_ms)

    def _end_resumption(self) -> None:
        """Let the rules decide about a resumed episode as soon as the values that they need are known.

        A rule whose other sensor is not known yet may be the one that raised the episode.
        """
        if self._has_decided and (
            any(watch.is_met for watch in self._watches)
            or not any(watch.rule.other is not None and watch.other_met is None for watch in self._watches)
        ):
            self._resumed = self._has_decided = False

    def _interrupt(self, now_ms: int) -> None:
        for watch in self._watches:
            watch.interrupt(now_ms)

    def _silent_from(self) -> int | None:
        if self._silence_ms is None or self._last_ms is None:
            return None
        return self._last_ms + self._silence_ms

    def _running(self) -> Iterable[_Watch]:
        """Return the rules whose states can change without a sample."""
        return (watch for watch in self._watches if not watch.is_frozen)

    def highest(self) -> AlarmState | None:
        """Return the state of the most severe active rule; None if no rule is active.

        Check `is_unknown` first. While it is True, the state from before the restart still applies.
        """
        holding = [watch.rule for watch in self._watches if watch.is_met]
        if not holding:
            return None
        rule = max(holding, key=lambda rule: rule.severity.rank)
        return AlarmState(severity=rule.severity, text=rule.text, condition=self._in_words(rule))

    def _in_words(self, rule: AlarmRule) -> str:
        return in_words(rule, self._unit, path=self._path, shown_in=self._shown_in)

    @property
    def is_unknown(self) -> bool:
        """True while an alarm from before a restart continues, until values decide about it.

        These are the sensor's first value, and one of each sensor in `while`.
        """
        return self._resumed

    def signature(self) -> tuple[object, ...]:
        """Return the states of all rules, and of the conditions on this sensor in other sensors' rules.

        A sample that changes any of these states is always recorded. So is a sample that shows equipment
        starting or stopping, so that a replay counts the same starts, and a sample that will matter when
        another sensor meets a condition.
        """
        runs = tuple(
            watch.value is not None and watch.value > 0
            for watch in self._watches
            if watch.activity is not None
        )
        values = chain.from_iterable(watch.value_signature() for watch in self._watches)
        return (*(watch.state for watch in self._watches), *self._met_for_others, *runs, *values)


def is_met(rule: AlarmRule, value: bool | float, *, holding: bool) -> bool:
    """Return True if a value meets the condition of a rule about a state or a limit.

    `holding` is True for an active rule, whose condition stays met until the value has crossed back over the
    limit by the hysteresis.
    """
    if rule.when is not None:
        return bool(value) is (rule.when is AlarmWhen.ACTIVE)
    number, margin = float(value), rule.hysteresis if holding else 0.0
    over = rule.above is not None and number > rule.above - margin
    under = rule.below is not None and number < rule.below + margin
    return over or under


def _is_met_by_activity(rule: AlarmRule, activity: Activity, now_ms: int) -> bool:
    if rule.starts_above is not None:
        return activity.starts_too_often(now_ms)
    if rule.runs_above_s is not None:
        return activity.ran_ms(now_ms) > _ms(rule.runs_above_s)
    is_run = rule.runs_longer_s is not None
    limit_ms = _ms(rule.runs_longer_s if is_run else rule.idle_for_s)
    lasted_ms = activity.lasted_ms(now_ms, active=is_run)
    return lasted_ms is not None and lasted_ms >= limit_ms


def _change_of_activity(rule: AlarmRule, activity: Activity, now_ms: int) -> int | None:
    if rule.starts_above is not None:
        return activity.starts_end(now_ms)
    if rule.runs_above_s is not None:
        return activity.ran_change(now_ms, _ms(rule.runs_above_s))
    is_run = rule.runs_longer_s is not None
    limit_ms = _ms(rule.runs_longer_s if is_run else rule.idle_for_s)
    due = activity.lasts_at(limit_ms, active=is_run)
    return due if due is not None and due > now_ms else None


def _is_met_by_rate(rule: AlarmRule, rate: Rate, value: float, now_ms: int) -> bool:
    rises = rule.rises_faster is not None and rate.rise(value, now_ms) > rule.rises_faster
    return rises or (rule.falls_faster is not None and rate.fall(value, now_ms) > rule.falls_faster)
