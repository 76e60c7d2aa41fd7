"""On a simulated clock, a peer that stops answering pings is considered lost after a set time."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from sync.net.heartbeat import Heartbeat


class Loop:
    """Simulated event loop with timers, whose clock the test advances."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, asyncio.TimerHandle]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(self.now + delay, call, (), self)  # type: ignore[arg-type]
        self._timers.append((self.now + delay, timer))
        return timer

    def _timer_handle_cancelled(self, _timer: Any) -> None: ...

    def get_debug(self) -> bool:
        return False

    def run_until(self, end: float) -> None:
        while due := [each for each in self._timers if each[0] <= end]:
            first = min(due, key=lambda each: each[0])
            self._timers.remove(first)
            self.now = max(self.now, first[0])
            if not first[1].cancelled():
                first[1]._run()
        self.now = end


class Rig:
    """Heartbeat under test, and a simulated peer that answers pings until a set time."""

    def __init__(self, *, interval: float, grace: float, silent_from: float = float("inf")) -> None:
        self.loop = Loop()
        self.pings: list[float] = []
        self.lost_at: float | None = None
        self._silent_from = silent_from
        self.heartbeat = Heartbeat(
            self.loop,  # type: ignore[arg-type]
            interval=interval,
            grace=grace,
            ping=self._ping,
            lost=self._lost,
        )

    def _ping(self) -> None:
        self.pings.append(self.loop.now)
        if self.loop.now < self._silent_from:
            self.heartbeat.heard = True

    def _lost(self) -> None:
        self.lost_at = self.loop.now


TIMES = st.floats(0.1, 400)


@given(TIMES, TIMES, st.floats(0, 2_000))
def test_silent_peer_is_lost_after_the_grace_period_and_at_most_one_interval(
    interval: float, grace: float, silent: float
) -> None:
    rig = Rig(interval=interval, grace=grace, silent_from=silent)
    rig.loop.run_until(silent + interval + grace + 0.001)
    assert rig.lost_at is not None
    assert silent + grace - 0.001 <= rig.lost_at


@given(TIMES, TIMES)
def test_answering_peer_is_kept_and_pinged_every_interval(interval: float, grace: float) -> None:
    rig = Rig(interval=interval, grace=grace)
    rig.loop.run_until(interval * 10.5)
    assert rig.lost_at is None
    assert len(rig.pings) == 10
    rig.heartbeat.stop()


@given(TIMES, TIMES, st.floats(0, 2_000), st.floats(0, 1))
def test_silence_is_measured_from_the_first_unanswered_ping(
    interval: float, grace: float, silent: float, part: float
) -> None:
    rig = Rig(interval=interval, grace=grace, silent_from=silent)
    while not rig.pings or rig.pings[-1] < silent:
        assert rig.heartbeat.silence == 0
        rig.loop.run_until(rig.loop.now + interval / 2)
    rig.loop.run_until(max(rig.loop.now, rig.pings[-1] + grace * part * 0.99))
    assume(rig.lost_at is None)
    assert rig.heartbeat.silence == rig.loop.now - rig.pings[-1]


def test_peer_is_not_considered_lost_while_we_do_not_read() -> None:
    rig = Rig(interval=4, grace=8, silent_from=0)
    rig.heartbeat.is_deaf = True
    rig.loop.run_until(100)
    assert rig.lost_at is None
    assert rig.heartbeat.silence == 0
    rig.heartbeat.is_deaf = False
    rig.loop.run_until(112)
    assert rig.lost_at is not None
