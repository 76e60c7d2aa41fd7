"""Sensors are polled regularly and retried after failures, and no sensor affects another."""

import logging
import queue
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.clock import SystemClock
from sensors.driver import Driver, DriverError, Emit
from sensors.kinds.manual import ManualOptions
from sensors.sample import Sample, Totals
from sensors.sampling import (
    RETRY_FIRST_NS,
    RETRY_MOST_NS,
    BusLane,
    Channel,
    Sampler,
    Schedule,
    next_on_cadence,
    retry_after,
)
from sensors.state import SensorState
from tests.sensors.fakes import SECOND, Collector, FakeClock, sensor


class ScriptedDriver(Driver):
    """Fake driver that counts its calls. Its functions `on_open` and `on_poll` may raise, block or emit."""

    def __init__(
        self,
        name: str = "probe",
        *,
        lane: str = "lane",
        interval_s: float | None = 1.0,
        on_open: Callable[[Emit], None] = lambda _: None,
        on_poll: Callable[[Emit, int], None] | None = None,
    ) -> None:
        super().__init__(sensor(ManualOptions(), id=name))
        self.lane = lane
        self.interval_ns = None if interval_s is None else round(interval_s * SECOND)
        self.on_open = on_open
        self.on_poll = on_poll or (lambda emit, now_ns: emit(Sample(name, now_ns, 1.0)))
        self.resumed: list[Totals] = []
        self.closed = 0
        self._emit: Emit | None = None

    def open(self, emit: Emit, *, resume: Totals) -> None:
        self.resumed.append(resume)
        self.on_open(emit)
        self._emit = emit

    def poll(self, now_ns: int) -> None:
        assert self._emit is not None
        self.on_poll(self._emit, now_ns)

    def close(self) -> None:
        self.closed += 1
        self._emit = None


def fails(*errors: Exception | None) -> Callable[..., None]:
    """Return a function that raises the next error at each call, or nothing for None.

    The last one repeats.
    """
    left = list(errors)

    def call(*_: object) -> None:
        error = left.pop(0) if len(left) > 1 else left[0]
        if error is not None:
            raise error

    return call


class Bench:
    """Sampler on a simulated clock. The test runs its lanes (polling groups) without threads."""

    def __init__(self, *drivers: Driver) -> None:
        self.clock = FakeClock()
        self.said = Collector()
        self.sampler = Sampler(drivers, self.said, clock=self.clock)
        for lane in self.sampler.lanes:
            lane.begin()

    def run(self, seconds: float, *, step_s: float = 0.25) -> None:
        """Advance time in steps, and call every lane at each step."""
        for _ in range(round(seconds / step_s)):
            for lane in self.sampler.lanes:
                lane.step()
            self.clock.advance(step_s)

    def of(self, name: str) -> list[Sample]:
        return [sample for sample in self.said if sample.sensor == name]


class TestCadence:
    @given(due_ns=st.integers(0, 10**18), interval_ns=st.integers(1, 10**13), late_ns=st.integers(0, 10**15))
    def test_next_poll_is_at_the_next_whole_interval(
        self, due_ns: int, interval_ns: int, late_ns: int
    ) -> None:
        now_ns = due_ns + late_ns
        following = next_on_cadence(due_ns, interval_ns, now_ns)
        assert now_ns < following <= now_ns + interval_ns
        assert (following - due_ns) % interval_ns == 0

    @given(due_ns=st.integers(100, 10**18), interval_ns=st.integers(1, 10**13))
    def test_sensor_polled_early_is_due_one_interval_later(self, due_ns: int, interval_ns: int) -> None:
        assert next_on_cadence(due_ns, interval_ns, due_ns - 100) == due_ns + interval_ns

    @given(dues=st.lists(st.integers(0, 20), max_size=30), now_ns=st.integers(0, 25))
    def test_schedule_returns_each_due_sensor_once_with_the_longest_waiting_first(
        self, dues: list[int], now_ns: int
    ) -> None:
        schedule = Schedule()
        channels = [Channel(ScriptedDriver(str(n)), Collector()) for n in range(len(dues))]
        for due_ns, channel in zip(dues, channels, strict=True):
            schedule.add(due_ns, channel)
        taken = []
        while (found := schedule.take(now_ns)) is not None:
            taken.append(int(found.sensor))
        expected = sorted((n for n in range(len(dues)) if dues[n] <= now_ns), key=lambda n: (dues[n], n))
        assert taken == expected
        later = [due for due in dues if due > now_ns]
        assert schedule.next_ns == (min(later) if later else None)

    def test_polls_do_not_drift(self) -> None:
        bench = Bench(driver := ScriptedDriver(interval_s=1.0))
        began_ns = bench.clock.now_ns

        def poll(emit: Emit, now_ns: int) -> None:
            emit(Sample("probe", now_ns, 1.0))
            bench.clock.advance(0.1)

        driver.on_poll = poll
        bench.run(4.4, step_s=0.05)
        times = [(sample.boottime_ns - began_ns) / SECOND for sample in bench.said]
        assert times == pytest.approx([0, 1, 2, 3, 4], abs=0.051)

    def test_missed_polls_are_skipped(self) -> None:
        bench = Bench(ScriptedDriver(interval_s=1.0))
        began_ns = bench.clock.now_ns
        bench.run(2)
        bench.clock.advance(3600)
        bench.run(2.5)
        assert [(s.boottime_ns - began_ns) / SECOND for s in bench.said] == [0, 1, 3602, 3603, 3604]

    def test_sensors_with_one_interval_are_due_at_the_same_time(self) -> None:
        bench = Bench(*(ScriptedDriver(str(n), interval_s=0.05) for n in range(50)))
        bench.run(0.05, step_s=0.05)
        assert len(bench.said) == 50
        bench.run(0.05, step_s=0.05)
        assert len(bench.said) == 100

    def test_sensors_of_an_overloaded_lane_are_polled_equally_often(self) -> None:
        drivers = [ScriptedDriver(str(n), interval_s=1.0) for n in range(5)]
        bench = Bench(*drivers)
        lane = bench.sampler.lanes[0]
        polled = []

        def polling(name: str) -> Callable[[Emit, int], None]:
            def poll(_: Emit, __: int) -> None:
                polled.append(name)
                bench.clock.advance(0.75)
                if len(polled) == 40:
                    lane.stopping.set()

            return poll

        for driver in drivers:
            driver.on_poll = polling(driver.settings.id)
        lane.step()
        assert [polled.count(str(n)) for n in range(5)] == [8] * 5


class TestFailures:
    def test_driver_that_cannot_open_is_failed_with_the_reason(self) -> None:
        bench = Bench(ScriptedDriver(on_open=fails(DriverError("no chip"))))
        bench.run(0.5)
        assert [(s.value, s.state, s.detail) for s in bench.said] == [(None, SensorState.FAILED, "no chip")]

    def test_failure_is_reported_once_and_not_at_each_attempt(self) -> None:
        bench = Bench(driver := ScriptedDriver(on_open=fails(DriverError("no chip"))))
        bench.run(600)
        assert len(driver.resumed) > 10
        assert len(bench.said) == 1

    def test_new_reason_is_reported(self) -> None:
        bench = Bench(ScriptedDriver(on_open=fails(DriverError("no bus"), DriverError("no chip"))))
        bench.run(60)
        assert [sample.detail for sample in bench.said] == ["no bus", "no chip"]

    def test_driver_that_finally_opens_is_sampled(self) -> None:
        bench = Bench(ScriptedDriver(on_open=fails(DriverError("no"), DriverError("no"), None)))
        bench.run(6)
        assert bench.said.states[0] == "failed"
        assert set(bench.said.states[1:]) == {"good"}
        assert len(bench.said) > 2

    def test_interval_of_attempts_grows_up_to_a_minute(self) -> None:
        assert retry_after(1) == RETRY_FIRST_NS
        assert [retry_after(n + 1) // retry_after(n) for n in range(1, 6)] == [2] * 5
        assert retry_after(7) == retry_after(10**6) == RETRY_MOST_NS

    def test_driver_is_closed_and_reopened_after_a_failed_poll(self) -> None:
        bench = Bench(driver := ScriptedDriver())
        good = driver.on_poll
        driver.on_poll = fails(DriverError("gone"))
        bench.run(0.5)
        assert (bench.said.states, driver.closed) == (["failed"], 1)
        driver.on_poll = good
        bench.run(3)
        assert set(bench.said.states[1:]) == {"good"}
        assert len(driver.resumed) == 2

    def test_failure_after_a_recovery_is_reported_again(self) -> None:
        bench = Bench(driver := ScriptedDriver())
        good = driver.on_poll
        for on_poll in (fails(DriverError("gone")), good, fails(DriverError("gone"))):
            driver.on_poll = on_poll
            bench.run(4)
        states = [s for n, s in enumerate(bench.said.states) if n == 0 or s != bench.said.states[n - 1]]
        assert states == ["failed", "good", "failed"]
        assert bench.said.states.count("failed") == 2

    def test_unexpected_exception_is_logged_once_with_its_traceback(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench = Bench(ScriptedDriver(on_poll=fails(ZeroDivisionError("by zero"))))
        with caplog.at_level(logging.ERROR):
            bench.run(300)
        assert len(caplog.records) == 1
        assert caplog.records[0].exc_info is not None
        assert "probe" in caplog.text
        assert "ZeroDivisionError: by zero" in caplog.text
        assert bench.said.states == ["failed"]
        assert "ZeroDivisionError" in bench.said[0].detail

    def test_failing_driver_does_not_affect_others_in_its_lane(self) -> None:
        bench = Bench(
            ScriptedDriver("a"),
            ScriptedDriver("b", on_poll=fails(RuntimeError("bug"))),
            ScriptedDriver("c", on_open=fails(DriverError("no chip"))),
            ScriptedDriver("d"),
        )
        bench.run(10)
        assert [len(bench.of(name)) for name in "abcd"] == [10, 1, 1, 10]

    def test_driver_that_fails_to_close_affects_nothing_else(self, caplog: pytest.LogCaptureFixture) -> None:
        broken = ScriptedDriver("a", on_poll=fails(DriverError("gone")))
        broken.close = fails(RuntimeError("stuck"))  # type: ignore[method-assign]
        bench = Bench(broken, ScriptedDriver("b"))
        bench.run(3)
        assert len(bench.of("b")) == 3
        assert "stuck" in caplog.text

    def test_totals_continue_from_the_last_sample_when_reopened(self) -> None:
        driver = ScriptedDriver()
        driver.on_poll = lambda emit, now_ns: emit(Sample("probe", now_ns, 1.0, totals=Totals(7, 1.5)))
        bench = Bench(driver)
        bench.run(1)
        driver.on_poll = fails(DriverError("gone"))
        bench.run(3)
        assert driver.resumed[0] == Totals()
        assert set(driver.resumed[1:]) == {Totals(7, 1.5)}


class TestOrder:
    def test_sample_older_than_the_previous_one_gets_the_previous_time(self) -> None:
        said = Collector()
        channel = Channel(ScriptedDriver(), said)
        for boottime_ns in (5, 9, 7, 10):
            channel.accept(Sample("probe", boottime_ns, 1.0))
        assert [sample.boottime_ns for sample in said] == [5, 9, 9, 10]

    def test_order_is_kept_separately_for_each_sensor(self) -> None:
        said = Collector()
        first, second = Channel(ScriptedDriver("a"), said), Channel(ScriptedDriver("b"), said)
        first.accept(Sample("a", 9, 1.0))
        second.accept(Sample("b", 3, 1.0))
        assert [sample.boottime_ns for sample in said] == [9, 3]


class TestOverdue:
    """Tests of a blocked lane (polling group), which is simulated by not running the lane."""

    @pytest.fixture
    def bench(self) -> Bench:
        bench = Bench(
            ScriptedDriver("hung", lane="w1"),
            ScriptedDriver("slow", lane="w1", interval_s=60),
            ScriptedDriver("alive", lane="spi-0"),
            ScriptedDriver("typed", lane="manual", interval_s=None),
        )
        bench.run(1)
        bench.said.clear()
        return bench

    def leave(self, bench: Bench, seconds: int) -> list[tuple[str, ...]]:
        """Block the 1-wire lane for `seconds`, and return the newly overdue sensors of each second."""
        found = []
        lanes = [lane for lane in bench.sampler.lanes if lane.name != "w1"]
        for _ in range(seconds):
            for lane in lanes:
                lane.step()
            found.append(bench.sampler.overdue(bench.clock.now_ns))
            bench.clock.advance(1)
        return found

    def test_no_sensor_is_overdue_while_all_lanes_run(self, bench: Bench) -> None:
        for _ in range(100):
            bench.run(1)
            assert bench.sampler.overdue(bench.clock.now_ns) == ()
        assert set(bench.said.states) == {"good"}

    def test_sensor_of_a_hung_lane_becomes_stale_after_ten_seconds(self, bench: Bench) -> None:
        found = self.leave(bench, 30)
        assert found.index(("hung",)) == 11  # the first whole second after ten seconds
        stale = [sample for sample in bench.said if sample.state is SensorState.STALE]
        assert [(s.sensor, s.value) for s in stale] == [("hung", None)]
        assert "w1" in stale[0].detail

    def test_slow_sensor_becomes_stale_after_three_intervals(self, bench: Bench) -> None:
        found = self.leave(bench, 300)
        assert 59 + 3 * 60 <= found.index(("slow",)) <= 61 + 3 * 60

    def test_other_lanes_continue(self, bench: Bench) -> None:
        self.leave(bench, 30)
        assert [sample.value for sample in bench.of("alive")] == [1.0] * 30

    def test_sensor_that_is_never_polled_never_becomes_stale(self, bench: Bench) -> None:
        self.leave(bench, 300)
        assert bench.of("typed") == []

    def test_sensor_is_good_again_when_its_lane_continues(self, bench: Bench) -> None:
        self.leave(bench, 30)
        bench.run(3)
        states = [sample.state.value for sample in bench.of("hung")]
        assert states == ["stale", "good", "good", "good"]
        assert bench.sampler.overdue(bench.clock.now_ns) == ()

    def test_sensor_that_emits_only_changes_is_reopened_to_emit_its_state(self) -> None:
        contact = ScriptedDriver(
            "contact", on_open=lambda emit: emit(Sample("contact", 0, True)), on_poll=lambda _, __: None
        )
        bench = Bench(contact)
        bench.run(2)
        bench.clock.advance(60)
        assert bench.sampler.overdue(bench.clock.now_ns) == ("contact",)
        bench.run(5)
        assert bench.said.states == ["good", "stale", "good"]
        assert len(contact.resumed) == 2

    def test_failed_sensor_stays_failed(self) -> None:
        bench = Bench(ScriptedDriver(on_poll=fails(DriverError("gone"))))
        bench.run(5)
        bench.clock.advance(3600)
        assert bench.sampler.overdue(bench.clock.now_ns) == ()
        assert bench.said.states == ["failed"]

    def test_event_driven_sensor_that_hangs_while_opening_is_overdue(self) -> None:
        bench = Bench(ScriptedDriver(interval_s=None))
        assert bench.sampler.overdue(bench.clock.advance(11)) == ("probe",)

    def test_overloaded_bus_is_not_mistaken_for_a_hung_one(self) -> None:
        drivers = [ScriptedDriver(str(n)) for n in range(30)]
        bench = Bench(*drivers)
        lane = bench.sampler.lanes[0]
        polls = 0

        def poll(_: Emit, __: int) -> None:
            nonlocal polls
            polls += 1
            bench.clock.advance(0.75)
            assert bench.sampler.overdue(bench.clock.now_ns) == ()
            if polls == 200:
                lane.stopping.set()

        for driver in drivers:
            driver.on_poll = poll
        lane.step()
        assert polls == 200
        assert "failed" not in bench.said.states

    def test_slow_bus_that_hangs_is_reported_after_ten_seconds_however_late_its_sensors_were(self) -> None:
        drivers = [ScriptedDriver(str(n), lane="w1") for n in range(30)]
        bench = Bench(*drivers)
        lane = bench.sampler.lanes[0]
        polls = 0
        stale: list[str] = []

        def poll(_: Emit, __: int) -> None:
            nonlocal polls
            polls += 1
            if polls < 100:
                bench.clock.advance(0.75)
                return
            for second in range(1, 16):
                found = bench.sampler.overdue(bench.clock.advance(1))
                assert not found or second == 11
                stale.extend(found)
            lane.stopping.set()

        for driver in drivers:
            driver.on_poll = poll
        lane.step()
        assert sorted(stale, key=int) == [str(n) for n in range(30)]
        assert {sample.detail for sample in bench.said} == {
            "bus w1 has been blocked for 11 s by the driver of 9"
        }

    def test_overloaded_bus_is_reported_once(self, caplog: pytest.LogCaptureFixture) -> None:
        drivers = [ScriptedDriver(f"t{n:02d}", lane="w1") for n in range(14)]
        bench = Bench(*drivers)
        lane = bench.sampler.lanes[0]
        polls = 0

        def poll(emit: Emit, now_ns: int) -> None:
            nonlocal polls
            polls += 1
            bench.clock.advance(0.75)
            if polls == 14 * 10:
                lane.stopping.set()

        for driver in drivers:
            driver.on_poll = poll
        with caplog.at_level(logging.WARNING):
            lane.step()
        [told] = [record.getMessage() for record in caplog.records]
        assert told == (
            "bus w1 is too slow for its 14 sensors: t02 is read every 10.5 s instead of every 1 s;"
            " set a longer interval for the sensors on this bus"
        )

    def test_short_overload_of_a_bus_is_not_reported(self, caplog: pytest.LogCaptureFixture) -> None:
        bench = Bench(ScriptedDriver())
        for _ in range(3):
            bench.run(5)
            bench.clock.advance(7)
        assert caplog.records == []


class TestThreads:
    """Tests with real threads and the machine's own clock."""

    @pytest.fixture
    def release(self) -> Iterator[threading.Event]:
        """Release drivers that are still blocked at the end of the test."""
        event = threading.Event()
        yield event
        event.set()

    def test_hung_lane_does_not_affect_others_and_is_abandoned_at_the_stop(
        self, release: threading.Event, caplog: pytest.LogCaptureFixture
    ) -> None:
        said: queue.SimpleQueue[Sample] = queue.SimpleQueue()
        hanging = threading.Event()

        def hang(emit: Emit, now_ns: int) -> None:
            hanging.set()
            release.wait()
            emit(Sample("hung", now_ns, 1.0))

        sampler = Sampler(
            [
                ScriptedDriver("hung", lane="w1", on_poll=hang),
                ScriptedDriver("alive", lane="spi-0", interval_s=0.001),
            ],
            said.put,
            clock=SystemClock(),
        )
        sampler.start({})
        assert hanging.wait(30)
        for _ in range(20):
            assert said.get(timeout=30).sensor == "alive"
        assert sampler.stop(timeout_s=0.2) == ("w1",)
        assert "w1" in caplog.text

    def test_samples_of_a_hung_driver_are_ignored_after_a_stop(self, release: threading.Event) -> None:
        said = Collector()
        hanging = threading.Event()

        def hang(emit: Emit, now_ns: int) -> None:
            hanging.set()
            release.wait()
            emit(Sample("hung", now_ns, 1.0))

        driver = ScriptedDriver("hung", on_poll=hang)
        sampler = Sampler([driver], said, clock=SystemClock())
        sampler.start({})
        assert hanging.wait(30)
        assert sampler.stop(timeout_s=0.05) == ("lane",)
        thread = next(thread for thread in threading.enumerate() if thread.name == "lane lane")
        release.set()
        thread.join(30)
        assert not thread.is_alive()
        assert (said, driver.closed) == ([], 1)

    @pytest.mark.parametrize(
        ("known", "resumed"),
        [
            ({}, Totals(0, 3600.0)),
            ({"probe": Totals()}, Totals(0, 3600.0)),
            ({"probe": Totals(2, 5.0)}, Totals(2, 5.0)),
        ],
        ids=["unknown", "has counted nothing", "has counted"],
    )
    def test_first_totals_are_used_until_the_sensor_has_counted(
        self, known: dict[str, Totals], resumed: Totals
    ) -> None:
        opened = threading.Event()
        driver = ScriptedDriver(interval_s=None, on_open=lambda _: opened.set())
        driver.first_totals = Totals(0, 3600.0)
        sampler = Sampler([driver], Collector(), clock=SystemClock())
        sampler.start(known)
        assert opened.wait(30)
        assert sampler.stop() == ()
        assert driver.resumed == [resumed]

    def test_stop_closes_every_driver(self) -> None:
        said: queue.SimpleQueue[Sample] = queue.SimpleQueue()
        drivers = [
            ScriptedDriver("a", lane="spi-0", interval_s=0.01),
            ScriptedDriver("b", lane="spi-0", interval_s=3600),
            ScriptedDriver("c", lane="gpio", interval_s=None, on_open=lambda e: e(Sample("c", 1, True))),
        ]
        sampler = Sampler(drivers, said.put, clock=SystemClock())
        sampler.start({"a": Totals(3, 4.0)})
        heard: set[str] = set()
        while len(heard) < 3:
            heard.add(said.get(timeout=30).sensor)
        assert sampler.stop() == ()
        assert [driver.closed for driver in drivers] == [1, 1, 1]
        assert drivers[0].resumed == [Totals(3, 4.0)]
        assert drivers[1].resumed == [Totals()]

    def test_sample_emitted_while_closing_is_passed_on(self) -> None:
        said = Collector()
        opened = threading.Event()

        class Closing(ScriptedDriver):
            def close(self) -> None:
                assert self._emit is not None
                self._emit(Sample("probe", 1, 2.0, totals=Totals(1, 3.0)))
                super().close()

        sampler = Sampler(
            [Closing(interval_s=None, on_open=lambda _: opened.set())], said, clock=SystemClock()
        )
        sampler.start({})
        assert opened.wait(30)
        assert sampler.stop() == ()
        assert said.values == [2.0]

    def test_sampler_without_sensors_starts_and_stops(self) -> None:
        sampler = Sampler([], Collector(), clock=SystemClock())
        sampler.start({})
        assert sampler.stop() == ()
        assert sampler.overdue(0) == ()


def test_lane_without_polled_sensors_is_never_due() -> None:
    lane = BusLane("manual", [Channel(ScriptedDriver(interval_s=None), Collector())], FakeClock())
    lane.begin()
    assert lane.step() is None
