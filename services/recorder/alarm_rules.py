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
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sensors.presentation import format_exactly
from sensors.sample import Value
from sensors.settings import AlarmRule, AlarmWhen
from sensors.severity import Severity


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


@dataclass(slots=True)
class _Watch:
    rule: AlarmRule
    state: RuleState = RuleState.QUIET
    since_ms: int = 0

    def deadline(self) -> int | None:
        """Return the boot clock time in ms at which the state will change if no sample arrives.

        Return None if the state will not change.
        """
        if self.state is RuleState.PENDING:
            return self.since_ms + round(self.rule.raise_after_s * 1000)
        if self.state is RuleState.LEAVING:
            return self.since_ms + round(self.rule.clear_after_s * 1000)
        return None

    @property
    def is_met(self) -> bool:
        return self.state in (RuleState.ACTIVE, RuleState.LEAVING)

    @property
    def is_about_faults(self) -> bool:
        return self.rule.when is AlarmWhen.FAULT

    def observe(self, *, met: bool, now_ms: int) -> None:
        match self.state, met:
            case RuleState.QUIET, True:
                self._go(RuleState.PENDING, now_ms)
            case RuleState.PENDING, False:
                self._go(RuleState.QUIET, now_ms)
            case RuleState.ACTIVE, False:
                self._go(RuleState.LEAVING, now_ms)
            case RuleState.LEAVING, True:
                self._go(RuleState.ACTIVE, now_ms)
        self.elapse(now_ms)

    def elapse(self, now_ms: int) -> None:
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
    ) -> None:
        """Set up the rules.

        Args:
            rules: the sensor's alarm rules.
            unit: unit of the sensor's values, for use in descriptions.
            path: path of the sensor (see `in_words`).
            shown_in: unit in which the sensor's values are shown (see `in_words`).
            standing: True if an episode was in progress when the recorder stopped. That episode continues
                until values clear it, and is not raised again.
        """
        self._watches = [_Watch(rule) for rule in rules]
        self._unit, self._path, self._shown_in = unit, path, shown_in
        self._resumed = standing
        self._blind = False

    def __bool__(self) -> bool:
        return bool(self._watches) or self._resumed

    def observe(self, value: Value, now_ms: int, *, faulty: bool | None = None) -> None:
        """Evaluate a sample.

        A value of None changes only the states of rules about faults. `faulty` is True if the sensor is
        faulty, which some faults are even with a value. By default, a sensor without a value is faulty.
        """
        self._blind = value is None
        faulty = value is None if faulty is None else faulty
        for watch in self._watches:
            met = faulty
            if not watch.is_about_faults:
                if value is None:
                    continue
                met = is_met(watch.rule, value, holding=self._resumed or watch.is_met)
            if self._resumed and met:
                # An episode that was in progress before a restart continues without a second delay.
                watch.state = RuleState.ACTIVE
            else:
                watch.observe(met=met, now_ms=now_ms)
        if value is not None:
            self._resumed = False

    def elapse(self, now_ms: int) -> None:
        """Apply the transitions of rules whose delays have expired by `now_ms`."""
        for watch in self._running():
            watch.elapse(now_ms)

    def deadline(self) -> int | None:
        """Return the boot clock time in ms at which `elapse` may change a state.

        Return None if only a sample can change a state.
        """
        deadlines = [found for watch in self._running() if (found := watch.deadline()) is not None]
        return min(deadlines, default=None)

    def _running(self) -> Iterable[_Watch]:
        """Return the rules whose delays run: without a value, only those about faults."""
        return (watch for watch in self._watches if watch.is_about_faults or not self._blind)

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
        """True while an alarm from before a restart continues, until the sensor's first value arrives."""
        return self._resumed

    def signature(self) -> tuple[RuleState, ...]:
        """Return the states of all rules. A sample that changes any of these states is always recorded."""
        return tuple(watch.state for watch in self._watches)


def is_met(rule: AlarmRule, value: bool | float, *, holding: bool) -> bool:
    """Return True if a value meets the condition of a rule.

    `holding` is True for an active rule, whose condition stays met until the value has crossed back over the
    limit by the hysteresis.
    """
    if rule.when is not None:
        return bool(value) is (rule.when is AlarmWhen.ACTIVE)
    number, margin = float(value), rule.hysteresis if holding else 0.0
    over = rule.above is not None and number > rule.above - margin
    under = rule.below is not None and number < rule.below + margin
    return over or under


def in_words(rule: AlarmRule, unit: str = "", *, path: str = "", shown_in: str = "") -> str:
    """Return a rule's condition as text, such as `above 63 Hz for 5 s` or `active for 10 s`.

    Limits are in the SI unit, or in the unit `shown_in` if the sensor's key `display` selects one.
    """
    shown = "" if unit in ("", "bool", "ratio") else f" {unit}"
    words = []
    if rule.when is not None:
        words.append("faulty" if rule.when is AlarmWhen.FAULT else rule.when.value)
    for side, limit in (("above", rule.above), ("below", rule.below)):
        if limit is not None:
            exact = format_exactly(limit, unit, path=path, shown_in=shown_in) if shown_in else ""
            words.append(f"{side} {exact or f'{limit:g}{shown}'}")
    condition = " or ".join(words)
    return f"{condition} for {rule.raise_after_s:g} s" if rule.raise_after_s else condition
