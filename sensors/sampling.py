"""Runs the drivers: one thread for each bus, and one interval for each sensor.

The sampler decides when a driver is opened and polled, and how long to wait after a failure. A failure of one
sensor does not affect the others. After any exception, the sensor has the state `failed`, and its driver is
opened again later. The first retry is after 1 s. Each further delay is twice as long as the previous one, up
to a minute.

The drivers on one bus form a *lane* and share a thread. A call that blocks stalls only its lane, and
`overdue` then reports the sensors of the lane as `stale`. A lane is blocked if it makes no progress, not if
it is late. For example, a 1-wire bus takes 750 ms for each thermometer, so a lane with several of them is
slow but not blocked.

The samples of one sensor are emitted in order of time. Polls keep their cadence, and missed polls are
skipped. The values of a sensor with the key `average` are replaced with their running mean. This module does
not number, filter or store samples. `Schedule` and `BusLane.step` use no threads, and take the time from the
clock that is passed in.
"""

import heapq
import logging
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from .averaging import RunningMean
from .clock import Clock
from .driver import Driver, DriverError, Emit
from .latest_samples import LatestSamples
from .sample import Sample, Totals
from .state import SensorState

_log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000_000
RETRY_FIRST_NS: Final = 1 * _SECOND
RETRY_MOST_NS: Final = 60 * _SECOND
"""Maximum delay, in nanoseconds, before a failed sensor is opened again.

So a sensor that is reconnected is read within a minute, and a missing sensor causes only one attempt a
minute.
"""
OVERDUE_NS: Final = 10 * _SECOND
"""Time in nanoseconds without progress after which a lane counts as blocked.

No single call into the kernel takes more than half of this time.
"""
OVERDUE_INTERVALS: Final = 3
TOO_SLOW_POLLS: Final = 3
"""Number of consecutive polls, each late by a whole interval, after which a lane counts as too slow.

A short burst of load must not cause a warning.
"""


def next_on_cadence(due_ns: int, interval_ns: int, now_ns: int) -> int:
    """Return the first time after `now_ns` that is a whole number of intervals after `due_ns`."""
    return due_ns + max(1, (now_ns - due_ns) // interval_ns + 1) * interval_ns


def retry_after(failures: int) -> int:
    """Return the delay in nanoseconds before the retry after `failures` consecutive failures (1 or more).

    The delay doubles with each failure.
    """
    return min(RETRY_MOST_NS, RETRY_FIRST_NS << min(failures - 1, 16))


class Schedule:
    """Queue of channels, ordered by due time. The channel that has waited longest is first."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Channel]] = []
        self._added = 0

    def add(self, due_ns: int, channel: "Channel") -> None:
        """Schedule `channel`, so that a call of `take` at or after `due_ns` returns it once."""
        self._added += 1
        heapq.heappush(self._heap, (due_ns, self._added, channel))

    def take(self, now_ns: int) -> "Channel | None":
        """Remove and return the next channel that is due by `now_ns`; return None if no channel is due."""
        if self._heap and self._heap[0][0] <= now_ns:
            return heapq.heappop(self._heap)[2]
        return None

    @property
    def next_ns(self) -> int | None:
        """Time in nanoseconds at which `take` will next return a channel; None if no channel is scheduled."""
        return self._heap[0][0] if self._heap else None


class Channel:
    """Connection between one driver and the recorder, with the driver's last report and its failures."""

    def __init__(self, driver: Driver, emit: Emit, latest: LatestSamples | None = None) -> None:
        self.driver = driver
        self.sensor = driver.settings.id
        self.totals = Totals()
        self.is_open = False
        self.stale = False
        self.failures = 0
        self.due_ns: int | None = None
        """Time of the driver's next poll, or of its next `open` if it is closed; None if not scheduled."""
        self.late_polls = 0
        """Number of consecutive polls that were at least one interval late."""
        self.emitted = 0
        self._emit = emit
        self._latest = latest
        settings = driver.settings
        self._mean = (
            None
            if settings.average_s is None
            else RunningMean(settings.average_s, is_angle=settings.unit == "rad")
        )
        self._lock = threading.Lock()
        self._last_ns = 0
        self._fault: tuple[SensorState, str] | None = None
        self._silent = False
        self._logged = ""

    def accept(self, sample: Sample) -> None:
        """Emit a sample. This method can be called from any thread.

        If the sample is dated before the previous one, it is given the time of the previous sample.
        """
        with self._lock:
            self._hand_on(sample)
            self._fault = None

    def report(self, now_ns: int, state: SensorState, detail: str) -> None:
        """Emit a sample without a value, unless the last report had the same state and detail."""
        with self._lock:
            if self._fault != (state, detail):
                self._hand_on(Sample(self.sensor, now_ns, None, state, detail=detail))
                self._fault = (state, detail)

    def _hand_on(self, sample: Sample) -> None:
        if self._silent:
            return
        if sample.boottime_ns < self._last_ns:
            sample = replace(sample, boottime_ns=self._last_ns)
        self._last_ns = sample.boottime_ns
        if self._mean is not None:
            sample = self._mean.smooth(sample)
        if sample.totals is not None:
            self.totals = sample.totals
        self.emitted += 1
        if self._latest is not None:
            self._latest.note(sample)
        self._emit(sample)

    def silence(self) -> None:
        """Stop emitting samples from now on."""
        with self._lock:
            self._silent = True

    def log_once(self, error: Exception) -> None:
        """Log an error that no driver should raise, with its traceback, unless it repeats the last error."""
        description = f"{type(error).__name__}: {error}"
        if description != self._logged:
            self._logged = description
            _log.error("the driver of %s failed: %s", self.sensor, description, exc_info=error)


class BusLane:
    """Group of drivers that share a bus and are called one after the other."""

    def __init__(self, name: str, channels: Iterable[Channel], clock: Clock) -> None:
        self.name = name
        self.channels = tuple(channels)
        self.stopping = threading.Event()
        self.moved_ns = 0
        """Time of the last start or end of a call, or of the last check for a due call (boot clock, ns)."""
        self.calling: str | None = None
        """Id of the sensor whose driver is being called; None between calls."""
        self._clock = clock
        self._schedule = Schedule()
        self._is_too_slow = False

    def begin(self) -> None:
        """Schedule every driver to be opened now."""
        now_ns = self.moved_ns = self._clock.boottime_ns()
        for channel in self.channels:
            self._put(channel, now_ns)

    def step(self) -> int | None:
        """Call every driver that is due. Return the time of the next call, or None if none is scheduled."""
        while not self.stopping.is_set():
            now_ns = self.moved_ns = self._clock.boottime_ns()
            channel = self._schedule.take(now_ns)
            if channel is None:
                break
            if channel.is_open:
                self._poll(channel, now_ns)
            else:
                self._open(channel)
        return self._schedule.next_ns

    def run(self) -> None:
        """Call `step` at the right times until `stopping` is set, and then close the drivers."""
        while not self.stopping.is_set():
            next_ns = self.step()
            wait_s = None if next_ns is None else max(0.0, (next_ns - self._clock.boottime_ns()) / _SECOND)
            self.stopping.wait(wait_s)
        for channel in self.channels:
            self._close(channel)

    @contextmanager
    def _calling(self, channel: Channel) -> Iterator[None]:
        """Record the lane's progress when a call of a driver begins and when the call ends."""
        self.calling, self.moved_ns = channel.sensor, self._clock.boottime_ns()
        try:
            yield
        finally:
            self.calling, self.moved_ns = None, self._clock.boottime_ns()

    def _put(self, channel: Channel, due_ns: int) -> None:
        channel.due_ns = due_ns
        self._schedule.add(due_ns, channel)

    def _open(self, channel: Channel) -> None:
        due_ns = channel.due_ns
        assert due_ns is not None
        try:
            with self._calling(channel):
                channel.driver.open(channel.accept, resume=channel.totals)
        except Exception as error:  # noqa: BLE001  # whatever a driver raises, the lane continues
            self._failed(channel, error)
            return
        channel.is_open = True
        channel.stale = False
        if channel.driver.interval_ns is None:
            channel.failures = 0
            channel.due_ns = None
        else:
            # the time when opening was due, not the present time: the sensors of the lane are then due
            # together, in one wake-up
            self._put(channel, due_ns)

    def _poll(self, channel: Channel, now_ns: int) -> None:
        due_ns, interval_ns = channel.due_ns, channel.driver.interval_ns
        assert due_ns is not None
        assert interval_ns is not None
        emitted = channel.emitted
        was_stale = channel.stale
        try:
            with self._calling(channel):
                channel.driver.poll(now_ns)
        except Exception as error:  # noqa: BLE001  # as above
            self._failed(channel, error)
            return
        channel.failures = 0
        channel.stale = False
        self._note_lateness(channel, now_ns - due_ns, interval_ns)
        if was_stale and channel.emitted == emitted:
            # the driver reports only changes, and `stale` replaced its last report: when it is opened again,
            # it reports its present state
            self._close(channel)
            self._put(channel, now_ns)
        else:
            self._put(channel, next_on_cadence(due_ns, interval_ns, self._clock.boottime_ns()))

    def _note_lateness(self, channel: Channel, late_ns: int, interval_ns: int) -> None:
        """Log a warning once if the lane cannot read its sensors at their configured intervals."""
        channel.late_polls = channel.late_polls + 1 if late_ns >= interval_ns else 0
        if channel.late_polls >= TOO_SLOW_POLLS and not self._is_too_slow:
            self._is_too_slow = True
            _log.warning(
                "bus %s is too slow for its %d sensors: %s is read every %.3g s instead of every %.3g s;"
                " set a longer interval for the sensors on this bus",
                self.name,
                len(self.channels),
                channel.sensor,
                (late_ns + interval_ns) / _SECOND,
                interval_ns / _SECOND,
            )

    def _failed(self, channel: Channel, error: Exception) -> None:
        now_ns = self._clock.boottime_ns()
        if isinstance(error, DriverError):
            detail = str(error)
        else:
            channel.log_once(error)
            detail = f"the driver failed ({type(error).__name__}: {error}); see the log for details"
        self._close(channel)
        channel.stale = False
        channel.failures += 1
        channel.report(now_ns, SensorState.FAILED, detail)
        self._put(channel, now_ns + retry_after(channel.failures))

    def _close(self, channel: Channel) -> None:
        channel.is_open = False
        try:
            channel.driver.close()
        except Exception as error:  # noqa: BLE001  # as above
            channel.log_once(error)


class Sampler:
    """Runner of all drivers on a vessel."""

    def __init__(
        self,
        drivers: Iterable[Driver],
        emit: Emit,
        *,
        clock: Clock,
        latest: LatestSamples | None = None,
    ) -> None:
        """Prepare the lanes. The last sample of each sensor is written to `latest`, if it is given."""
        by_lane: dict[str, list[Channel]] = {}
        for driver in drivers:
            by_lane.setdefault(driver.lane, []).append(Channel(driver, emit, latest))
        self.lanes = tuple(BusLane(name, channels, clock) for name, channels in by_lane.items())
        self._threads: list[threading.Thread] = []

    def start(self, resume: Mapping[str, Totals]) -> None:
        """Open the drivers and sample until `stop`; counters continue from their totals in `resume`.

        Counters that have no totals there, or have counted nothing yet, begin with the driver's first totals.
        """
        for lane in self.lanes:
            for channel in lane.channels:
                known = resume.get(channel.sensor, Totals())
                channel.totals = channel.driver.first_totals if known == Totals() else known
            lane.begin()
            # a daemon: a call into the kernel that never returns must not keep the process alive
            thread = threading.Thread(target=lane.run, name=f"lane {lane.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_s: float = 5.0) -> tuple[str, ...]:
        """Close the drivers; samples that they emit while closing are passed on, and later ones are dropped.

        Returns the names of the lanes that are stuck in a driver call, and whose threads were left running.
        """
        for lane in self.lanes:
            lane.stopping.set()
        deadline = time.monotonic() + timeout_s
        hung = []
        for lane, thread in zip(self.lanes, self._threads, strict=False):
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                hung.append(lane.name)
                _log.warning("bus %s is stuck in a driver call; its thread was left running", lane.name)
        for lane in self.lanes:
            for channel in lane.channels:
                channel.silence()
        return tuple(hung)

    def overdue(self, now_ns: int) -> tuple[str, ...]:
        """Emit `stale` for each overdue sensor of a blocked lane. This must be called about once a second.

        A lane is blocked if it has made no progress for `OVERDUE_NS`. A sensor of such a lane becomes stale
        when its poll is late by more than three intervals and by more than 10 s. Returns the ids of the
        sensors that have just become stale.
        """
        late = []
        for lane in self.lanes:
            still_ns = now_ns - lane.moved_ns
            if still_ns <= OVERDUE_NS:
                continue
            for channel in lane.channels:
                due_ns = channel.due_ns
                if due_ns is None or channel.stale or channel.failures:
                    continue
                interval_ns = channel.driver.interval_ns or 0
                if now_ns - due_ns > max(OVERDUE_INTERVALS * interval_ns, OVERDUE_NS):
                    channel.stale = True
                    channel.report(now_ns, SensorState.STALE, _hung(lane, still_ns))
                    late.append(channel.sensor)
        return tuple(late)


def _hung(lane: BusLane, still_ns: int) -> str:
    """Return a description of a blocked lane, with the duration and the driver that blocks it."""
    by = "" if lane.calling is None else f" by the driver of {lane.calling}"
    return f"bus {lane.name} has been blocked for {still_ns // _SECOND} s{by}"
