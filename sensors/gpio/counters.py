"""Calculations on edges: activations and running time of a contact, count and rate of pulses.

The kernel numbers the edges of a line before it buffers them. When the buffer overflows, the oldest edges are
lost. The numbers show how many were lost, so counts stay correct and the loss is reported. This module uses
no threads and no hardware. All times are in nanoseconds on one clock, which the caller selects.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from sensors.sample import Totals
from sensors.state import SensorState

_SECOND: Final = 1_000_000_000
_SEQUENCE: Final = 1 << 32


def edges_between(before: int, after: int) -> int:
    """Return the number of edges between two edge numbers of one line, including the edge at `after`.

    The kernel's numbers have 32 bits (`line_seqno` in `linux/gpio.h`) and wrap after ten days at 5 kHz. The
    bindings return them as signed numbers, which turn negative after five days.
    """
    return (after - before) % _SEQUENCE


def activations_among(edges: int, *, active: bool) -> int:
    """Return how many of `edges` consecutive edges activate a contact.

    `active` is the contact's state before the first of these edges.
    """
    return edges // 2 if active else (edges + 1) // 2


@dataclass(frozen=True, slots=True)
class PinLevels:
    """Level of a pin as read, and the level that its edges imply."""

    level: bool
    """Level as just read; True is high."""
    implied_level: bool
    """Level that the edges imply. It was read when edge detection began, and each edge has updated it."""
    edges: int
    """Number of edges since the pin was opened, including lost ones."""
    lost: int
    """Number of edges that were lost in the kernel's buffer, out of `edges`."""
    found: int = 0
    """Number of changes that were found by restarting the debounce since the last edge."""


class ContactTracker:
    """Tracker of a contact over time: its state, activations, running time and faults."""

    NOISE_WINDOW_NS: Final = 10 * _SECOND
    DISAGREEMENTS: Final = 3
    """Number of consecutive disagreements, or of changes without an edge, that counts as a fault.

    After a single disagreement between the level and the edges, the missing edge may still arrive.
    """

    def __init__(
        self, *, active: bool, at_ns: int, look: PinLevels, totals: Totals, noisy_above_hz: float
    ) -> None:
        self.active = active
        self.noisy = False
        self.at_ns = at_ns
        """Time of the last observation, in nanoseconds."""
        self._count = totals.count
        self._seconds = totals.seconds
        self._look = look
        self._lost = look.lost
        self._edge_lost = False
        self._disagreements = 0
        self._changes_allowed = int(noisy_above_hz * self.NOISE_WINDOW_NS / _SECOND)
        self._changes: deque[int] = deque(maxlen=self._changes_allowed + 1)

    @property
    def totals(self) -> Totals:
        """Number of activations, and total active time in seconds, up to the last observation."""
        return Totals(self._count, self._seconds)

    @property
    def state(self) -> SensorState:
        """State at the last observation. If several states apply, it is the most serious of them."""
        if max(self._disagreements, self._look.found) >= self.DISAGREEMENTS:
            return SensorState.DISAGREES
        if self.noisy:
            return SensorState.NOISY
        return SensorState.EDGES_LOST if self._edge_lost else SensorState.GOOD

    @property
    def detail(self) -> str:
        """Human-readable explanation of the state; empty when the state is good."""
        if self.state is SensorState.DISAGREES:
            level, implied = (
                ("low", "high")[value] for value in (self._look.level, self._look.implied_level)
            )
            if level == implied:
                return (
                    f"the pin reads {level}, but changes without edges; check that interrupts work and that"
                    " the signal is steady"
                )
            return (
                f"the pin reads {level}, but its last edge was to {implied}; check that the pin delivers"
                " interrupts"
            )
        if self.state is SensorState.NOISY:
            seconds = self.NOISE_WINDOW_NS // _SECOND
            return f"more than {self._changes_allowed} changes within {seconds} s; check the contact"
        if self.state is SensorState.EDGES_LOST:
            return "the kernel's buffer overflowed; the count is correct"
        return ""

    def observe(self, at_ns: int, *, active: bool, lost: int) -> bool:
        """Record whether the contact is active at `at_ns`; `lost` is the total number of lost edges so far.

        Returns True if the contact has changed or edges have been lost since the last observation.
        """
        newly_lost = lost - self._lost
        self._lost = lost
        self._pass(at_ns)
        before = self.active
        if newly_lost:
            self._count += activations_among(newly_lost, active=before)
            before ^= newly_lost % 2 == 1
        if active and not before:
            self._count += 1
        changed = active is not self.active
        self.active = active
        self._edge_lost = newly_lost > 0
        for _ in range(min(newly_lost + changed, self._changes_allowed + 1)):
            self._changes.append(self.at_ns)
        if len(self._changes) > self._changes_allowed:
            self.noisy |= self.at_ns - self._changes[0] < self.NOISE_WINDOW_NS
        return changed or newly_lost > 0

    def poll(self, at_ns: int, *, active: bool, look: PinLevels) -> None:
        """Compare the level of the pin at `at_ns` with the level that its edges imply."""
        heard = look.edges != self._look.edges
        self.observe(at_ns, active=active, lost=look.lost)
        self._look = look
        if look.implied_level is not look.level:
            self._disagreements += 1
        elif heard or self._disagreements < self.DISAGREEMENTS:
            # once this counts as a fault, only an edge proves that the fault is over
            self._disagreements = 0
        while self._changes and self.at_ns - self._changes[0] >= self.NOISE_WINDOW_NS:
            self._changes.popleft()
        if len(self._changes) <= self._changes_allowed // 2:
            self.noisy = False

    def _pass(self, at_ns: int) -> None:
        at_ns = max(at_ns, self.at_ns)
        if self.active:
            self._seconds += (at_ns - self.at_ns) / _SECOND
        self.at_ns = at_ns


class Pulse(Protocol):
    """Edge that begins a pulse, as gpiod reports it."""

    @property
    def timestamp_ns(self) -> int:
        """Time of the edge in nanoseconds on the kernel's clock for events."""
        ...

    @property
    def line_seqno(self) -> int:
        """Number of the edge on its line; the first is 1."""
        ...


class PulseMeter:
    """Counter of pulses that also measures their rate.

    A pulse less than `dead_ns` after the previous one is a glitch and is not counted. Lost pulses have no
    time stamps to compare, so all of them are counted.
    """

    def __init__(self, *, count: int, now_ns: int, zero_after_ns: int, dead_ns: int, after: int = 0) -> None:
        """Begin with the total `count`. Count the pulses that follow pulse number `after` on the line."""
        self.count = count
        """Total number of pulses."""
        self._zero_after_ns = zero_after_ns
        self._dead_ns = dead_ns
        self._number = after
        self._lost = 0
        self._opened_ns = now_ns
        self._last_ns: int | None = None
        self._mark: tuple[int, int] | None = None  # time and count from which the next rate is measured
        self._pause_rate: float | None = None  # pulses per second in the pause before the mark
        self._rate: float | None = None

    def take(self, pulses: Sequence[Pulse]) -> None:
        """Count pulses in the order in which the kernel buffered them.

        Any lost pulses preceded the first of `pulses`.
        """
        if not pulses:
            return
        lost = edges_between(self._number, pulses[-1].line_seqno) - len(pulses)
        self._number = pulses[-1].line_seqno
        self._lost += lost
        self.count += lost
        if self._dead_ns:
            pulses = self._without_glitches(pulses)
            if not pulses:
                return
        first_ns = pulses[0].timestamp_ns
        # after a standstill, measure from the first pulse after it; the pause counts only until the second
        started = self._last_ns is None or (lost == 0 and first_ns - self._last_ns >= self._zero_after_ns)
        if self._mark is None or started:
            self._mark = (first_ns, self.count + 1)
            if self._last_ns is not None:
                self._pause_rate = (lost + 1) * _SECOND / max(first_ns - self._last_ns, 1)
        self.count += len(pulses)
        self._last_ns = pulses[-1].timestamp_ns

    def _without_glitches(self, pulses: Sequence[Pulse]) -> list[Pulse]:
        genuine = []
        last_ns = self._last_ns
        for pulse in pulses:
            if last_ns is None or pulse.timestamp_ns - last_ns >= self._dead_ns:
                genuine.append(pulse)
                last_ns = pulse.timestamp_ns
        return genuine

    def rate(self, now_ns: int) -> float | None:
        """Return the current rate in pulses per second, or None while it is not yet known.

        Only the kernel's time stamps are used. The rate is measured over the pulses since the last call.
        After a single pulse that follows a pause of `zero_after_ns` or more, the rate is one pulse in that
        pause. Without a new pulse, the rate is at most one pulse in the time since the last pulse. After
        `zero_after_ns` without a pulse, it is 0.
        """
        if self._last_ns is None:
            return 0.0 if now_ns - self._opened_ns >= self._zero_after_ns else None
        silence_ns = now_ns - self._last_ns
        if silence_ns >= self._zero_after_ns:
            self._mark = None
            self._rate = 0.0
            return self._rate
        assert self._mark is not None
        from_ns, from_count = self._mark
        if self._last_ns > from_ns:
            self._rate = (self.count - from_count) * _SECOND / (self._last_ns - from_ns)
            self._mark = (self._last_ns, self.count)
            self._pause_rate = None
            return self._rate
        if self._pause_rate is not None:
            self._rate, self._pause_rate = self._pause_rate, None
        if self._rate is not None and silence_ns > 0:
            self._rate = min(self._rate, _SECOND / silence_ns)
        return self._rate

    def take_lost(self) -> int:
        """Return how many pulses were lost in the kernel's buffer since the last call."""
        lost, self._lost = self._lost, 0
        return lost
