"""Builders of settings, clocks and journals for tests of the recorder."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sensors.alarm_rules import AlarmRule, AlarmWhen
from sensors.kinds.manual import ManualOptions
from sensors.sample import Sample, Totals, Value
from sensors.settings import SensorSettings
from sensors.severity import Severity
from sensors.state import SensorState
from services.clocks.clock_quality import ClockQuality, TimeFloor, Timekeeper
from services.clocks.time_source import TimeSource
from services.journal.batch import AlarmRecord, Batch, Identity, SampleRow
from services.journal.journal import Journal
from services.recorder.group_commit import GroupCommitter, Ledger

SYNCED = ClockQuality(TimeSource.NETWORK, 0.01)
UTC = 1_760_000_000.0


@dataclass(slots=True)
class FakeClock:
    """Fake clocks that change only when the test sets them."""

    ms: int = 100_000
    utc: float = UTC

    def boottime_ns(self) -> int:
        return self.ms * 1_000_000

    def utc_ns(self) -> int:
        return round(self.utc * 1_000) * 1_000_000

    def advance(self, ms: int) -> None:
        self.ms += ms
        self.utc += ms / 1000


def settings(
    sensor: str = "rpm",
    *,
    kind: str = "manual",
    deadband: float = 0.0,
    window_s: float = 300.0,
    alarms: Iterable[AlarmRule] = (),
    path: str = "propulsion.main.revolutions",
    unit: str = "Hz",
) -> SensorSettings:
    return SensorSettings(
        id=sensor,
        name=sensor,
        kind=kind,
        path=path,
        unit=unit,
        options=ManualOptions(),
        deadband=deadband,
        window_s=window_s,
        alarms=tuple(alarms),
    )


def above(limit: float, **more: float) -> AlarmRule:
    return AlarmRule(severity=Severity.WARN, above=limit, **more)  # type: ignore[arg-type]


def when_active(after_s: float = 0.0) -> AlarmRule:
    return AlarmRule(severity=Severity.ALARM, when=AlarmWhen.ACTIVE, raise_after_s=after_s, text="Water")


def sample(
    value: Value,
    ms: int,
    *,
    sensor: str = "rpm",
    state: SensorState = SensorState.GOOD,
    totals: Totals | None = None,
) -> Sample:
    return Sample(sensor=sensor, boottime_ns=ms * 1_000_000, value=value, state=state, totals=totals)


def row(sequence: int, value: Value = 1.0, *, ms: int | None = None, sensor: str = "rpm") -> SampleRow:
    return SampleRow(sensor, sequence, 100_000 + sequence * 1_000 if ms is None else ms, value)


def batch(
    *rows: SampleRow, run: int = 1, boot: int = 1, episodes: dict[str, AlarmRecord] | None = None
) -> Batch:
    clock_ms = max((found.clock_ms for found in rows), default=100_000)
    told = tuple((episodes or {}).items())
    return Batch(run=run, boot=boot, clock_ms=clock_ms, utc=UTC, synced=True, rows=rows, episodes=told)


def journal(path: Path, *names: str) -> Journal:
    opened = Journal(path)
    opened.register((name, "propulsion.main.revolutions", "Hz") for name in names or ("rpm",))
    return opened


def recording(
    opened: Journal, clock: FakeClock, *sensors: SensorSettings, ledger: Ledger | None = None
) -> GroupCommitter:
    return GroupCommitter(
        identity=Identity(vessel="argo", log="abcdef", boot=1, run=1),
        sensors=sensors or (settings(),),
        journal=opened,
        clock=clock,
        timekeeper=Timekeeper(TimeFloor(image=0.0)),
        quality=lambda: SYNCED,
        ledger=ledger,
    )
