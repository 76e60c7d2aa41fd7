"""The recorder: the daemon that reads sensors, makes their samples durable and writes them to documents.

The drivers' threads put samples into a queue. The main thread numbers and commits them (`group_commit`). The
main thread waits for no file other than the journal. The writer thread follows the journal and writes
documents (`documenter`, `retention`).
"""

import logging
import queue
import shutil
import signal
import sys
import threading
from argparse import Namespace
from collections import defaultdict, deque
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sensors.clock import Clock, SystemClock
from sensors.driver import DriverError
from sensors.driver_context import DriverContext
from sensors.kinds.manual import ManualDriver
from sensors.registry import make_drivers
from sensors.sample import Sample
from sensors.sampling import Sampler
from sensors.service_settings import ServiceSettings
from sensors.settings import SensorSettings
from services.clocks.clock_quality import ClockQuality, TimeFloor, Timekeeper, system_quality
from services.clocks.time_source import TimeSource
from services.config.last_good import load_or_last_good
from services.config.loader import Configuration, ConfigurationError
from services.documents import boot_signing
from services.journal.journal import Journal
from services.journal.schema import JournalError
from services.logs.setup import fatal, running
from services.recovery import store_check
from services.state import state_file
from services.state.gnss_state import clock_quality
from services.system import machine
from services.system.control_socket import SOCKET, Addition, ControlAnswer, ControlServer
from services.system.systemd import Notifier
from sync.folders import make_folder
from sync.store import StoreError

from .disk_budget import disk_budget_of
from .durability_feed import LedgerFile
from .floor_store import keep_floor, read_floor
from .group_commit import GroupCommitter, Ledger
from .log_identity import establish
from .rules.history import PowerOff
from .rules.rebuild import rebuild
from .state_writer import PublishedState
from .writer_thread import WriterThread, make_room_to_start

log = logging.getLogger(__name__)

CLOCK_CHECK_MS: Final = 60_000
MOST_AT_ONCE: Final = 500
"""Maximum number of samples to process before checking again whether a commit is due."""


@dataclass(frozen=True, slots=True)
class RecorderPaths:
    """Paths that the recorder reads and writes."""

    config: Path
    sensors: Path
    data: Path
    run: Path


@dataclass(slots=True)
class _Manual:
    addition: Addition
    answer: "Future[ControlAnswer]" = field(default_factory=Future)


class Recorder:
    """The recorder. The journal is opened when the object is created, and closed at the end of `run`.

    `run` blocks until `stop` is called.
    """

    def __init__(
        self,
        *,
        places: RecorderPaths,
        configuration: Configuration,
        sensors: Iterable[SensorSettings],
        services: Iterable[ServiceSettings] = (),
        problems: Iterable[str] = (),
        warnings: Iterable[str] = (),
        clock: Clock | None = None,
        ledger: Ledger | None = None,
        vfs: str | None = None,
        notifier: Notifier | None = None,
        context: DriverContext | None = None,
        own: boot_signing.OwnIdentity = boot_signing.NONE,
    ) -> None:
        """Open the journal and prepare the drivers. Raise JournalError or OSError if that fails."""
        self._places = places
        self._configuration = configuration
        self._problems = list(problems)
        self._warnings = list(warnings)
        self._clock = clock or SystemClock()
        self._notifier = notifier or Notifier()
        self._queue: queue.SimpleQueue[Sample | _Manual | None] = queue.SimpleQueue()
        self._stopping = False
        self._second_ms = 0
        self._clock_ms: int | None = None
        self._clock_unknown = False
        self._asked: defaultdict[str, deque[Future[ControlAnswer]]] = defaultdict(deque)
        self._answers: list[tuple[Future[ControlAnswer], int]] = []
        self.damaged: str | None = None
        """Description of the damage that was found; None if there is none.

        If set, `run` returns 1, and the next start repairs the damage.
        """
        self._knows_of_damage = store_check.is_marked(places.data)
        """True if damage was known at startup but could not be repaired. Recording continues anyway."""
        self._settings = settings = tuple(sensors)
        self._vfs = vfs
        self._power_off: PowerOff | None = None

        room = disk_budget_of(shutil.disk_usage(places.data).total)
        self.journal = Journal(
            places.data / "samples.db", vfs=vfs, ring=room.ring, log_pages=room.journal_pages
        )
        try:
            self._previous = self.journal.last_batch
            floor = TimeFloor(image=machine.image_epoch(), kept=read_floor(self.journal))
            self.identity = establish(
                self.journal,
                vessel=configuration.vessel.id,
                board=machine.board(),
                boot_id=machine.boot_id(),
                documents=places.data / "log.db",
                sensors=settings,
                own=own,
                utc=max(self._clock.utc_ns() / 1e9, floor.utc),
                progress=self._notifier.progress,
            )
            self._measured_before = {name: (r.path, r.unit) for name, r in self.journal.sensors.items()}
            self._timekeeper = Timekeeper(floor)
            self.recording = GroupCommitter(
                identity=self.identity,
                sensors=settings,
                journal=self.journal,
                clock=self._clock,
                timekeeper=self._timekeeper,
                quality=self._quality,
                ledger=ledger,
            )
        except BaseException:
            self.journal.close()
            raise
        self._context = context or DriverContext(clock=self._clock)
        self._drivers = make_drivers(settings, context=self._context)
        self._sampler = Sampler(
            self._drivers, emit=self._queue.put, clock=self._clock, latest=self._context.latest
        )
        self.library = WriterThread(
            identity=self.identity,
            sensors=settings,
            services=tuple(services),
            configuration=configuration,
            journal=self.journal,
            previous=self._previous,
            measured_before=self._measured_before,
            data=places.data,
            announce=places.run / "watchers",
            room=room,
            clock=self._clock,
            vfs=vfs,
            own=own,
        )
        self._view = PublishedState(
            identity=self.identity,
            sensors=settings,
            started_utc=self._clock.utc_ns() / 1e9,
            started_ms=self._clock.boottime_ns() // 1_000_000,
            own=own,
        )

    def stop(self) -> None:
        """Request a shutdown. The recorder first writes all accepted samples.

        May be called from any thread or a signal handler.
        """
        self._stopping = True
        self._queue.put(None)

    def run(self) -> int:
        """Record until stopped.

        Return 0 after a clean shutdown, or 1 if samples are not durable or damage remains.
        """
        with (
            store_check.using(self._places.data),
            ControlServer(self._places.run / SOCKET, self._ask, asked=Addition),
        ):
            self._notifier.progress()
            self._observe_clock()
            self._rebuild_rules()
            self.library.start()
            self._sampler.start(self.recording.resume())
            try:
                self._loop()
            finally:
                self._notifier.stopping()
                self._sampler.stop()
                self._context.close()
                self._drain()
                done = self._finish()
                state_file.path(self._places.run).unlink(missing_ok=True)
        if self.damaged is not None:
            if not store_check.is_marked(self._places.data):
                store_check.mark_damaged(self._places.data, self.damaged)
            log.error("stopping for repair: %s", self.damaged)
        return 0 if done and self.damaged is None else 1

    def _rebuild_rules(self) -> None:
        """Compute the states of alarm rules from the samples that were recorded before this start."""
        self._power_off = rebuild(
            data=self._places.data,
            journal=self.journal.path,
            vfs=self._vfs,
            identity=self.identity,
            sensors=self._settings,
            measured_before=self._measured_before,
            anchors=self._timekeeper.anchors,
            now_ms=self.recording.now_ms(),
            raised=self.recording.raised,
            replay=self.recording.replay,
            progress=self._notifier.progress,
        )

    def _finish(self) -> bool:
        """Write all accepted samples and close all files. Return True if all samples are durable."""
        done = self.recording.commit()
        self._answer()
        self.library.stop(finish=done and self.damaged is None)
        try:
            self.journal.settle()
        except JournalError as error:
            # This step only saves work. Without it, the next start determines which samples are in documents.
            log.warning("%s", error)
        self.journal.close()
        if not done:
            log.error("%d samples are not recorded: %s", self.recording.pending, self.recording.fault)
        return done

    def _loop(self) -> None:
        first = True
        while not self._stopping and self.damaged is None:
            self._wait()
            now = self.recording.now_ms()
            if now - self._second_ms >= 1_000:
                self._second_ms = now
                self._every_second(now)
            due = self.recording.alarm_due_ms()
            if due is not None and now >= due:
                self.recording.elapse()
            if self.recording.is_commit_due():
                if self.recording.commit():
                    self._notifier.alive()
                    if first:
                        self._notifier.ready()
                        first = False
                    if self.recording.was_urgent:
                        self.library.wake()
                elif self.recording.waits_for_room:
                    # The damage is already known; a restart would only lose the samples in memory.
                    self._notifier.alive()
                self._answer()
            if self.recording.damaged:
                self.damaged = self.recording.fault
            elif self.library.damaged is not None:
                self.damaged = self.library.damaged

    def _wait(self) -> None:
        """Process the samples that have arrived. If none has arrived, wait for a sample or a deadline."""
        timeout = min(max(self.recording.due_ms() - self.recording.now_ms(), 0), 1_000) / 1000
        try:
            item = self._queue.get(timeout=timeout) if timeout else self._queue.get_nowait()
        except queue.Empty:
            return
        for _ in range(MOST_AT_ONCE):
            if item is not None:
                self._take(item)
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
        if item is not None:
            self._take(item)

    def _drain(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                self._take(item)

    def _take(self, item: Sample | _Manual) -> None:
        if isinstance(item, Sample):
            self._view.note_sample(item)
            asked = self._asked.get(item.sensor)
            self.recording.accept(item, urgent=bool(asked))
            if asked:
                self._answers.append((asked.popleft(), self.recording.intakes[item.sensor].last))
            return
        driver = next((d for d in self._drivers if d.settings.id == item.addition.sensor), None)
        if not isinstance(driver, ManualDriver):
            known = ", ".join(d.settings.id for d in self._drivers if isinstance(d, ManualDriver)) or "none"
            item.answer.set_result(
                ControlAnswer.refused(
                    f"{item.addition.sensor!r} is not a sensor of kind manual (known: {known})"
                )
            )
            return
        try:
            # The sample arrives through the queue like any other sample, and answers are in the order of
            # the requests.
            self._asked[item.addition.sensor].append(item.answer)
            driver.submit(item.addition.value)
        except (ValueError, DriverError) as error:
            self._asked[item.addition.sensor].pop()
            item.answer.set_result(ControlAnswer.refused(str(error)))

    def _ask(self, addition: Addition) -> ControlAnswer:
        """Record a value that a user entered, and wait until it is durable.

        This method runs on the control server's thread.
        """
        manual = _Manual(addition)
        self._queue.put(manual)
        try:
            return manual.answer.result(timeout=10)
        except TimeoutError:
            return ControlAnswer.refused("the value was not durable within 10 s; run `logboat status`")

    def _answer(self) -> None:
        waiting, self._answers = self._answers, []
        for answer, sequence in waiting:
            if self.recording.fault is None:
                answer.set_result(ControlAnswer.stored(log=self.identity.log, sequence=sequence))
            else:
                answer.set_result(
                    ControlAnswer.refused(f"the value is not stored yet: {self.recording.fault}")
                )

    def _every_second(self, now_ms: int) -> None:
        self._sampler.overdue(self._clock.boottime_ns())
        self.recording.elapse()
        if not self._knows_of_damage and store_check.is_marked(self._places.data):
            self.damaged = "another process has found damage in a store"
        if self._clock_ms is None or now_ms - self._clock_ms >= CLOCK_CHECK_MS:
            self._observe_clock()
        self.library.wake()
        try:
            state_file.write(
                state_file.path(self._places.run),
                self._view.state(
                    recording=self.recording,
                    library=self.library,
                    quality=self._timekeeper.judge(self._clock.utc_ns() / 1e9, self._quality()),
                    problems=self._problems,
                    warnings=self._warnings,
                    now_ms=now_ms,
                    utc=self._clock.utc_ns() / 1e9,
                ),
            )
        except OSError as error:
            log.warning("%s cannot be written: %s", state_file.path(self._places.run), error.strerror)

    def _observe_clock(self) -> None:
        self._clock_ms = self.recording.now_ms()
        utc, quality = self._clock.utc_ns() / 1e9, self._quality()
        self._timekeeper.observe(clock_s=self._clock.boottime_ns() / 1e9, utc=utc, quality=quality)
        is_synced = self._timekeeper.judge(utc, quality).is_synced
        keep_floor(self.journal, self._timekeeper.floor.record, is_synced=is_synced)
        self.library.set_anchors(self._timekeeper.anchors)
        if is_synced and self._power_off is not None:
            times, self._power_off = self._power_off, None
            self.recording.move_back(times.newly_known_ms(self._timekeeper.anchors))

    def _quality(self) -> ClockQuality:
        try:
            return clock_quality(self._places.run, system=system_quality)
        except OSError as error:
            if not self._clock_unknown:
                log.warning("the kernel does not report the accuracy of the clock: %s", error.strerror)
            self._clock_unknown = True
            return ClockQuality(TimeSource.FLOOR, 0.0)


def run(args: Namespace) -> int:
    """Run `logboat record` in the foreground.

    Return 0 after a clean stop, 1 after a failure, and 2 if the configuration is invalid.
    """
    with running("recorder", args.data):
        return _run(args)


def _run(args: Namespace) -> int:
    with ExitStack() as stack:
        return _record(args, stack)


def _record(args: Namespace, stack: ExitStack) -> int:
    """Create a recorder and run it. The caller closes `stack` afterwards."""
    places = RecorderPaths(config=args.config, sensors=args.sensors, data=args.data, run=args.run)
    notifier = Notifier()
    try:
        make_folder(places.data)
        make_folder(places.run)
        ledger = None if args.ledger is None else LedgerFile(args.ledger)
        loaded = load_or_last_good(places.config, places.sensors, places.data)
        notifier.progress()
        make_room_to_start(places.data)
        checked = store_check.prepare(places.data, progress=notifier.progress)
        if checked.in_use and store_check.is_marked(places.data):
            log.warning("%s: damaged, but in use by another process; not repaired at this start", places.data)
        # This must come before the journal is opened, because a repair replaces the file.
        stack.enter_context(store_check.using(places.data, progress=notifier.progress))
        own = boot_signing.load(args.identity, loaded.configuration.vessel.id)
        recorder = Recorder(
            places=places,
            configuration=loaded.configuration,
            sensors=loaded.sensors,
            services=loaded.services,
            problems=[str(problem) for problem in loaded.problems],
            warnings=[str(warning) for warning in loaded.warnings],
            ledger=ledger,
            notifier=notifier,
            own=own,
        )
    except ConfigurationError as error:
        fatal(str(error))
        return 2
    except (JournalError, StoreError) as error:
        fatal(f"logboat record: {error}")
        return 1
    except OSError as error:
        fatal(f"logboat record: {error.filename or places.data}: {error.strerror}")
        return 1
    for problem in (*loaded.problems, *loaded.warnings):
        log.warning("%s", problem)
    if own.fault is not None:
        log.warning("boot documents are not signed: %s", own.fault)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: recorder.stop())
    threading.current_thread().name = "recorder"
    log.info(
        "recording %d sensors of %s, log %s",
        len(loaded.sensors),
        recorder.identity.vessel,
        recorder.identity.log,
    )
    if sys.stderr.isatty():
        log.info("to stop recording, press Ctrl-C; nothing that is recorded is lost")
    status = recorder.run()
    if ledger is not None:
        ledger.finish()
    return status
