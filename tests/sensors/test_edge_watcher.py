"""A single thread calls all GPIO lines, each at an event or at the time that the line requested."""

import logging
import os
import threading
from collections.abc import Iterator

import pytest

from sensors.gpio.edge_watcher import EdgeWatcher, NextCall
from tests.sensors.fakes import SECOND
from tests.sensors.gpio import HandCranked, Kernel


class Probe:
    """Fake line that records its calls, and returns the values that the test sets."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.calls: list[int] = []
        self.wake = NextCall()
        self.fault: Exception | None = None
        self.called = threading.Event()

    def fileno(self) -> int | None:
        return self.fd

    def speak(self) -> None:
        os.eventfd_write(self.fd, 1)

    def service(self, now_ns: int) -> None:
        self.calls.append(now_ns)
        self.called.set()
        if self.fault:
            raise self.fault
        self.wake = NextCall()


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def watcher(kernel: Kernel) -> Iterator[EdgeWatcher]:
    made = HandCranked(kernel.monotonic_ns)
    yield made
    made.close()


@pytest.fixture
def probe(watcher: EdgeWatcher) -> Iterator[Probe]:
    """Yield a line that has been added to the watcher."""
    made = Probe()
    watcher.add(made)
    yield made
    os.close(made.fd)


def test_a_silent_line_is_not_called(watcher: EdgeWatcher, probe: Probe) -> None:
    watcher.step(0)
    assert probe.calls == []


def test_a_line_is_called_when_it_has_an_event(watcher: EdgeWatcher, probe: Probe) -> None:
    probe.speak()
    watcher.step(0)
    assert len(probe.calls) == 1


def test_line_is_called_at_the_requested_time_and_not_before(
    watcher: EdgeWatcher, probe: Probe, kernel: Kernel
) -> None:
    due_ns = kernel.now_ns + SECOND
    probe.wake = NextCall(due_ns)
    kernel.move_to(due_ns - 1)
    watcher.step(0)
    assert probe.calls == []
    kernel.move_to(due_ns)
    watcher.step(0)
    watcher.step(0)
    assert probe.calls == [due_ns]


def test_line_that_requests_a_pause_is_not_called_for_events(
    watcher: EdgeWatcher, probe: Probe, kernel: Kernel
) -> None:
    probe.wake = NextCall(kernel.now_ns + SECOND, on_events=False)
    probe.speak()
    watcher.step(0)
    assert probe.calls == []
    kernel.move_to(kernel.now_ns + SECOND)
    watcher.step(0)
    assert len(probe.calls) == 1


def test_closed_line_is_not_waited_for(watcher: EdgeWatcher, probe: Probe) -> None:
    class Closed(Probe):
        def fileno(self) -> int | None:
            return None

    closed = Closed()
    watcher.add(closed)
    probe.speak()
    watcher.step(0)
    assert (len(probe.calls), len(closed.calls)) == (1, 0)
    os.close(closed.fd)


def test_removed_line_is_not_called(watcher: EdgeWatcher, probe: Probe) -> None:
    probe.speak()
    watcher.remove(probe)
    watcher.step(0)
    assert probe.calls == []


def test_removing_an_unknown_line_is_not_an_error(watcher: EdgeWatcher, probe: Probe) -> None:
    watcher.remove(probe)
    watcher.remove(probe)


def test_error_in_one_line_is_logged_and_does_not_affect_others(
    watcher: EdgeWatcher, probe: Probe, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Probe()
    broken.fault = ZeroDivisionError("a fault of ours")
    watcher.add(broken)
    broken.speak()
    probe.speak()
    with caplog.at_level(logging.ERROR):
        watcher.step(0)
    assert "a fault of ours" in caplog.text
    watcher.step(0)
    assert len(broken.calls) == 1
    assert len(probe.calls) == 2
    os.close(broken.fd)


def test_garbage_collector_may_remove_lines_during_an_iteration(watcher: EdgeWatcher) -> None:
    lines = [Probe() for _ in range(3)]

    class Collecting(Probe):
        @property
        def wake(self) -> NextCall:
            for line in lines:
                watcher.remove(line)
            return NextCall()

        @wake.setter
        def wake(self, value: NextCall) -> None:
            pass

    for line in (Collecting(), *lines):
        watcher.add(line)
        line.speak()
    watcher.step(0)
    watcher.step(0)
    assert [len(line.calls) for line in lines] == [1, 1, 1]
    for line in lines:
        os.close(line.fd)


def test_thread_calls_lines_for_events_and_at_times_and_ends_when_closed() -> None:
    watcher, line = EdgeWatcher(), Probe()
    watcher.add(line)
    for _ in range(3):
        line.called.clear()
        line.wake = NextCall(0, on_events=False)
        watcher.nudge()
        assert line.called.wait(10)
    line.called.clear()
    line.speak()
    assert line.called.wait(10)
    line.wake = NextCall(on_events=False)
    watcher.close()
    assert watcher._thread is not None
    assert not watcher._thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        watcher.add(line)
    os.close(line.fd)


def test_watcher_may_be_closed_twice_and_from_a_line() -> None:
    watcher = EdgeWatcher()
    closed = threading.Event()

    class Closing(Probe):
        def service(self, now_ns: int) -> None:
            watcher.close()
            closed.set()

    line = Closing()
    watcher.add(line)
    line.speak()
    assert closed.wait(10)
    watcher.close()
    os.close(line.fd)
