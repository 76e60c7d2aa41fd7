"""Intake: which of a sensor's samples are recorded, under which number, and what they mean. Pure.

Everything a deadband keeps out takes no number. A sample that changes the sensor's state, or the state of an
alarm rule, is always recorded. A value that is merely held is recorded once a window.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Final

import msgspec

from sensors.quality import State
from sensors.sample import Sample, Totals, Value
from sensors.settings import SensorSettings, Severity

from .alarms import AlarmWatch, Standing
from .batch import Episode, Row

MOST_CHANGES: Final = 200
"""Changes of severity or condition that an episode tells of: a value that trembles about a limit for days
must not make it grow for ever."""
MOST_WHOLE: Final = 2**53 - 1
"""The largest whole number that JSON's readers agree on (RFC 8785)."""
GIVEN_KINDS = frozenset({"manual", "replay"})
"""Kinds whose values are what somebody gave, no more and no fewer."""


@dataclass(frozen=True, slots=True)
class Now:
    """A moment, on both clocks."""

    clock_ms: int
    utc: float
    boot: int


class SensorIntake:
    """One sensor's place in its log."""

    def __init__(self, settings: SensorSettings, *, last: int, episode: Episode | None) -> None:
        self.settings = settings
        self.last = last
        """The last sequence number given."""
        self.row: Row | None = None
        """The last recorded sample since the recorder started."""
        self.totals: Totals | None = None
        self.detail = ""
        """What the driver last said for people."""
        self.episode = episode if episode is not None and episode.cleared_ms is None else None
        self._watch = AlarmWatch(settings.alarms, unit=settings.unit, standing=self.episode is not None)
        self._speaks_of_changes = settings.kind == "runtime" or (
            settings.unit == "bool" and settings.kind not in GIVEN_KINDS
        )

    def offer(self, sample: Sample, now: Now) -> tuple[Row | None, Episode | None]:
        """Take a sample: the row to be recorded, if any, and the alarm's episode, if it changed."""
        clock_ms = sample.boottime_ns // 1_000_000
        if self.row is not None and clock_ms < self.row.clock_ms:
            clock_ms = self.row.clock_ms
        value, state = admissible(sample.value, sample.state)
        self.detail = sample.detail
        if sample.totals is not None:
            self.totals = sample.totals
        before = self._watch.signature()
        self._watch.observe(value, clock_ms)
        row = None
        if self._watch.signature() != before or self._is_news(value, state, clock_ms):
            row = self._record(value, state, clock_ms)
        return row, self._judge(dataclasses.replace(now, clock_ms=clock_ms))

    def elapse(self, now: Now) -> tuple[Row | None, Episode | None]:
        """Time has passed: a held value may be due, an alarm's delay may be over."""
        row = None
        last = self.row
        if (
            last is not None
            and self._speaks_of_changes
            and now.clock_ms - last.clock_ms >= self.settings.window_s * 1000
        ):
            row = self._record(last.value, last.state, now.clock_ms)
        self._watch.elapse(now.clock_ms)
        return row, self._judge(now)

    def deadline(self) -> int | None:
        """Boot clock, ms: when an alarm's delay is over; None if none runs."""
        return self._watch.deadline()

    def decline(self) -> int:
        """A sample came that cannot be kept: its number is used up and will be explained by a gap."""
        self.last += 1
        return self.last

    def _is_news(self, value: Value, state: State, clock_ms: int) -> bool:
        last, deadband = self.row, self.settings.deadband
        if last is None or state is not last.state or deadband == 0:
            return True
        if clock_ms - last.clock_ms >= self.settings.window_s * 1000:
            return True
        if value is None or last.value is None or isinstance(value, bool) or isinstance(last.value, bool):
            return value is not last.value
        return abs(value - last.value) >= deadband

    def _record(self, value: Value, state: State, clock_ms: int) -> Row:
        self.last += 1
        self.row = Row(self.settings.id, self.last, clock_ms, value, state)
        return self.row

    def _judge(self, now: Now) -> Episode | None:
        if self._watch.is_unknown:
            return None
        standing, episode = self._watch.standing(), self.episode
        if standing is None:
            if episode is None:
                return None
            self.episode = None
            return _cleared(episode, now)
        if episode is None:
            value = None if self.row is None else self.row.value
            self.episode = _raised(self.last, standing, value, now)
            return self.episode
        moment = (now.clock_ms, now.utc, standing.severity.value, standing.condition)
        if moment[2:] == episode.history[-1][2:]:
            return None
        self.episode = _changed(episode, standing, moment)
        return self.episode


def admissible(value: Value, state: State) -> tuple[Value, State]:
    """A value that a document can hold: none beside a state that carries none, no NaN or infinity, and whole
    numbers only as large as JSON's readers agree on."""
    if not state.carries_value:
        return None, state
    if isinstance(value, float) and not math.isfinite(value):
        return None, State.OUT_OF_RANGE
    if isinstance(value, int) and abs(value) > MOST_WHOLE:
        return float(value), state
    return value, state


def _raised(sequence: int, standing: Standing, value: Value, now: Now) -> Episode:
    return Episode(
        sequence=sequence,
        severity=standing.severity.value,
        text=standing.text,
        condition=standing.condition,
        value=value,
        raised_ms=now.clock_ms,
        raised_utc=now.utc,
        boot=now.boot,
        history=((now.clock_ms, now.utc, standing.severity.value, standing.condition),),
    )


def _changed(episode: Episode, standing: Standing, moment: tuple[int, float, str, str]) -> Episode:
    # The first ones, and always the latest.
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


def _cleared(episode: Episode, now: Now) -> Episode:
    return msgspec.structs.replace(
        episode, cleared_ms=now.clock_ms, cleared_utc=now.utc, cleared_boot=now.boot
    )
