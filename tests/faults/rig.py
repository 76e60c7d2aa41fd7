"""A vessel inside the test's process. The test runs its recorder second by second, on a fake clock.

The work of the threads of `Recorder` is done in sequence, so that the same random numbers always cause the
same run.
"""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from sensors.alarm_rules import AlarmRule
from sensors.kinds.manual import ManualOptions
from sensors.sample import Sample
from sensors.settings import SensorSettings
from sensors.severity import Severity
from services.clocks.clock_quality import ClockQuality, TimeFloor, Timekeeper
from services.clocks.time_source import TimeSource
from services.config.loader import Configuration
from services.config.model import VesselSection
from services.journal.journal import Journal
from services.mirror.segment_file import FileAccess
from services.recorder.disk_budget import disk_budget_of
from services.recorder.group_commit import GroupCommitter
from services.recorder.log_identity import establish
from services.recorder.rules.history import PowerOff
from services.recorder.rules.rebuild import rebuild
from services.recorder.writer_thread import WriterThread

from .loads import ALARM_ABOVE, LOW, VESSEL, WARN_ABOVE
from .processes import Line

SENSORS = ("coolant", "oil", "rpm")
START_UTC = 1_760_000_000.0
RESERVE_BYTES = 1_000_000
"""Size of the file that keeps space free. The usual one is larger than all other files together."""
NETWORK = ClockQuality(TimeSource.NETWORK, 0.01)


class FakeClock:
    """Boot clock and UTC, which the test controls."""

    def __init__(self) -> None:
        self.boots = 0
        self.utc = START_UTC
        self.boot()

    def boot(self) -> None:
        """Restart the machine, which resets the boot clock."""
        self.boots += 1
        self.ms = 20_000

    def advance(self, ms: int) -> None:
        self.ms += ms
        self.utc += ms / 1000

    def boottime_ns(self) -> int:
        return self.ms * 1_000_000

    def utc_ns(self) -> int:
        return round(self.utc * 1_000) * 1_000_000


def settings() -> tuple[SensorSettings, ...]:
    """Return the settings of `SENSORS`, with windows of 10 s and the alarms of `loads.flapping`."""
    return tuple(
        SensorSettings(
            id=name,
            name=name,
            kind="manual",
            path=f"propulsion.{name}.revolutions",
            unit="Hz",
            options=ManualOptions(),
            window_s=10.0,
            alarms=(
                AlarmRule(severity=Severity.WARN, above=WARN_ABOVE),
                AlarmRule(severity=Severity.ALARM, above=ALARM_ABOVE),
            ),
        )
        for name in SENSORS
    )


class Rig:
    """Single run of a recorder, as a context manager that opens the recorder's files and closes them."""

    def __init__(
        self,
        data: Path,
        *,
        clock: FakeClock,
        rng: random.Random,
        ledger: list[Line],
        vfs: str | None = None,
        log_pages: int = 1_000,
        ring: int | None = None,
        files: FileAccess | None = None,
        sync: Callable[[int], None] = os.fdatasync,
        sensors: Sequence[SensorSettings] | None = None,
        quality: Callable[[], ClockQuality] = lambda: NETWORK,
    ) -> None:
        """Open the journal and the document store, and compute the states of the alarm rules.

        Args:
            data: folder with the vessel's data.
            clock: clock of the recorder.
            rng: source of random samples.
            ledger: list to which the recorder's durable samples are appended.
            vfs: name of a SQLite VFS for both stores.
            log_pages: number of pages at which the journal's write-ahead log is checkpointed.
            ring: number of bytes of documented batches that the journal keeps.
            files: file access for the writer of copies.
            sync: function that flushes the number witness to disk, given its file descriptor.
            sensors: settings of the sensors; None for those of `settings`.
            quality: function that returns the quality of the clock.

        Raises:
            JournalError: the journal cannot be opened.
        """
        self.clock, self._rng = clock, rng
        sensors = settings() if sensors is None else tuple(sensors)
        self._quality = quality
        self._power_off: PowerOff | None = None
        self._timekeeper = timekeeper = Timekeeper(TimeFloor(image=0.0))
        self.journal = Journal(data / "samples.db", vfs=vfs, log_pages=log_pages, ring=ring, sync=sync)
        try:
            self.previous = self.journal.last_batch
            """The last batch before this run; None if there is none."""
            self.identity = identity = establish(
                self.journal,
                vessel=VESSEL,
                board="board",
                boot_id=f"boot-{clock.boots}",
                documents=data / "log.db",
            )
            measured_before = {name: (r.path, r.unit) for name, r in self.journal.sensors.items()}
            self.recording = GroupCommitter(
                identity=identity,
                sensors=sensors,
                journal=self.journal,
                clock=clock,
                timekeeper=timekeeper,
                quality=quality,
                ledger=ledger.extend,
            )
            self.library = WriterThread(
                identity=identity,
                sensors=sensors,
                configuration=Configuration(vessel=VesselSection(id=VESSEL)),
                journal=self.journal,
                previous=self.previous,
                measured_before=measured_before,
                data=data,
                announce=data / "watchers",
                room=replace(disk_budget_of(10**9), reserve=RESERVE_BYTES),
                clock=clock,
                vfs=vfs,
                files=files,
            )
            self.observe_clock()
            self._power_off = rebuild(
                data=data,
                journal=self.journal.path,
                vfs=vfs,
                identity=identity,
                sensors=sensors,
                measured_before=measured_before,
                anchors=timekeeper.anchors,
                now_ms=self.recording.now_ms(),
                raised=self.recording.raised,
                replay=self.recording.replay,
                progress=lambda: None,
            )
        except BaseException:
            self.journal.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.library._close()
        self.journal.close()

    def observe_clock(self) -> None:
        """Take note of the clock, as the recorder does once a minute."""
        utc, quality = self.clock.utc, self._quality()
        self._timekeeper.observe(clock_s=self.clock.ms / 1000, utc=utc, quality=quality)
        self.library.set_anchors(self._timekeeper.anchors)
        if self._timekeeper.judge(utc, quality).is_synced and self._power_off is not None:
            times, self._power_off = self._power_off, None
            self.recording.move_back(times.newly_known_ms(self._timekeeper.anchors))

    def second(self, levels: Sequence[float] = (LOW, LOW, 70.0, 90.0)) -> None:
        """Simulate one second: up to four samples of each sensor, commits that are due, and documents."""
        for name in SENSORS:
            for _ in range(self._rng.randrange(5)):
                self.clock.advance(self._rng.randrange(120))
                self.recording.accept(
                    Sample(sensor=name, boottime_ns=self.clock.boottime_ns(), value=self._rng.choice(levels))
                )
                if self._rng.random() < 0.3:
                    self._commit()
        self.clock.advance(self._rng.randrange(1_000))
        self.recording.elapse()
        self._commit()
        self.library._attempt(finish=False)

    @property
    def is_damaged(self) -> bool:
        """True if the recorder has found damage that would make it exit for a repair."""
        return self.recording.damaged or self.library.damaged is not None

    def finish(self) -> bool:
        """Shut down as a recorder does after SIGTERM, and return True if everything was written."""
        return self.recording.commit() and self.library._attempt(finish=True)

    def _commit(self) -> None:
        if self.recording.is_commit_due():
            self.recording.commit()
