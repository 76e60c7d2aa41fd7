"""A human-readable view of a sensor's readings: graph, extremes, gaps, faults and the last few rows.

Samples are processed one by one, so a year of samples needs no more memory than a day.
"""

from argparse import Namespace
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from sensors.plaintext import clean
from sensors.presentation import format_value
from sensors.sample import Value
from sensors.state import is_fault
from sensors.units import format_duration
from services.console.environment import Environment
from services.history.samples import RecordedSample
from services.state.recorder_state import read
from services.terminal.present import Curve, Screen, count, moment_text, thousands, wrap
from services.terminal.table import fitted

USUAL_LIMIT: Final = 20
"""Default for --limit: the number of rows to list."""
WIDEST: Final = 100
"""Maximum width of a graph in columns; a wider graph would be harder to read."""


@dataclass(slots=True)
class _Summary:
    """Summary of a sensor's samples, built while the samples are read."""

    rows: deque[RecordedSample]
    samples: int = 0
    first: RecordedSample | None = None
    absent: int = 0
    """Number of missing samples, counted from jumps in the sample numbers."""
    faults: Counter[str] = field(default_factory=Counter)
    curve: Curve = field(default_factory=Curve)
    place: float = 0.0
    """Position of the most recent sample in the graph, in seconds after the first sample."""

    def take(self, sample: RecordedSample) -> None:
        if self.first is None:
            self.first = sample
        else:
            before = self.rows[-1]
            if before.log == sample.log:
                self.absent += max(sample.sequence - before.sequence - 1, 0)
            self.place += _seconds_between(before, sample)
        self.samples += 1
        self.rows.append(sample)
        if is_fault(sample.state):
            self.faults[sample.state] += 1
        self.curve.add(self.place, None if sample.value is None else float(sample.value))


def _seconds_between(before: RecordedSample, after: RecordedSample) -> float:
    """Return the seconds between two samples, at least 0.

    For samples from the same boot, the result is the difference on the boot clock. Otherwise it is the
    difference in UTC, or 0 if UTC is unknown.
    """
    if (before.log, before.boot) == (after.log, after.boot):
        return max(after.clock - before.clock, 0.0)
    if before.moment.utc is None or after.moment.utc is None:
        return 0.0
    return max(after.moment.utc - before.moment.utc, 0.0)


def lines(
    samples: Iterable[RecordedSample], args: Namespace, *, vessel: str, where: Screen, shown_in: str
) -> Iterator[str]:
    """Yield the lines of the view of a sensor's readings, formatted for the screen `where`.

    `shown_in` is the unit in which the sensor's values are shown; '' for the default unit.
    """
    show = partial(shown, raw=args.raw_units, shown_in=shown_in)
    summary = _Summary(rows=deque(maxlen=args.limit or USUAL_LIMIT))
    for sample in samples:
        summary.take(sample)
    if summary.first is None:
        absent = "no readings yet"
        if args.since is not None or args.until is not None:
            absent = "no readings in this period"
        yield from wrap(f"{args.sensor} of {vessel}: {absent}", where.width)
        return
    for text in _heading(summary, summary.first, vessel=vessel, where=where, args=args):
        yield from wrap(text, where.width)
    if where.is_terminal and summary.curve.values:
        yield summary.curve.line(width=min(where.width, WIDEST), unicode=where.unicode)
    for text in _findings(summary, show):
        yield from wrap(text, where.width)
    rows = [_row(sample, where, show) for sample in summary.rows]
    head, blocks = fitted([("time", "number", "value", ""), *rows], right=(1, 2), width=where.width)
    yield from head
    for block in blocks:
        yield from block


def _heading(
    summary: _Summary, first: RecordedSample, *, vessel: str, where: Screen, args: Namespace
) -> Iterator[str]:
    last = summary.rows[-1]
    yield f"{args.sensor} of {vessel}: {last.path}"
    begin, end = (moment_text(sample.moment, where.zone) for sample in (first, last))
    yield f"{begin} to {end}, {count(summary.samples, 'sample')}"


def _findings(summary: _Summary, show: "Show") -> Iterator[str]:
    yield from _extremes(summary, summary.rows[-1], show)
    if summary.faults:
        parts = ", ".join(f"{number} {state}" for state, number in summary.faults.most_common())
        yield f"{count(summary.faults.total(), 'sample')} with a fault: {parts}"
    if summary.absent:
        yield f"{count(summary.absent, 'sample')} missing in between; run `logboat verify` for details"
    if summary.samples > len(summary.rows):
        yield f"last {count(len(summary.rows), 'sample')}:"


def _row(sample: RecordedSample, where: Screen, show: "Show") -> tuple[str, ...]:
    return (
        moment_text(sample.moment, where.zone, milliseconds=True),
        str(sample.sequence),
        show(sample.value, sample.unit, sample.path),
        sample.state if is_fault(sample.state) else "",
    )


def _extremes(summary: _Summary, last: RecordedSample, show: "Show") -> Iterator[str]:
    curve = summary.curve
    if not curve.values:
        return
    if last.unit == "bool":
        yield f"active in {thousands(round(curve.total))} of {count(curve.values, 'sample')}"
        return
    low, mean, high = (
        show(value, last.unit, last.path)
        for value in (curve.lowest, curve.total / curve.values, curve.highest)
    )
    yield f"lowest {low}, mean {mean}, highest {high}"


Show = Callable[[Value, str, str], str]
"""Function that returns a value as text. Its arguments are the value, its SI unit and the sensor's path."""


def shown(value: Value, unit: str, path: str, *, raw: bool, shown_in: str = "") -> str:
    """Return a value as human-readable text, in the unit `shown_in` if that is not empty.

    `raw` shows the value in the recorded SI unit instead.
    """
    if not raw or isinstance(value, bool):
        return format_value(value, unit, path=path, shown_in=shown_in)
    return "-" if value is None else f"{value:.10g} {unit}".strip()


def now_line(args: Namespace, world: Environment, vessel: str) -> str:
    """Return a line with the sensor's current value from the recorder.

    Return '' if the vessel is not this machine's vessel, or if the recorder is not running.
    """
    sight = read(args.run, boottime=world.boottime, alive=world.alive)
    if not sight.is_live or sight.state is None or sight.state.vessel != vessel:
        return ""
    sensor = sight.state.sensors.get(args.sensor)
    if sensor is None or sensor.clock is None:
        return ""
    value = shown(sensor.value, sensor.unit, sensor.path, raw=args.raw_units, shown_in=sensor.display)
    state = f" ({sensor.state})" if sensor.is_faulty else ""
    ago = format_duration(max(round(world.boottime - sensor.clock, 1), 0.0))
    return clean(f"now {value}{state}, {ago} ago, number {sensor.sequence} of log {sight.state.log}")
