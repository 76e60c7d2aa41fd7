"""What edges come to: activations and running time of a contact, count and rate of pulses. Pure.

The kernel numbers the edges of a line before it buffers them. When the buffer overflows, the oldest edges
are lost and the numbers tell how many: counts stay right, and the loss is known. Knows no threads and no
hardware; all times are in ns on one clock, which the caller chooses.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from .quality import State
from .sample import Totals

_SECOND: Final = 1_000_000_000
_SEQUENCE: Final = 1 << 32


def edges_between(before: int, after: int) -> int:
    """How many edges later on its line the edge numbered `after` is than the one numbered `before`.

    The kernel's numbers have 32 bits (`line_seqno` in `linux/gpio.h`) and wrap, at 5 kHz in ten days; the
    bindings hand them over as signed numbers, which turn negative after five.
    """
    return (after - before) % _SEQUENCE


def activations_among(edges: int, *, active: bool) -> int:
    """How many of so many edges in a row activate a contact that was `active` before them."""
    return edges // 2 if active else (edges + 1) // 2


@dataclass(frozen=True, slots=True)
class Look:
    """What a pin is, and what its edges have told of it."""

    level: bool
    """As read just now; True is high."""
    told: bool
    """Its level when edges began to be watched, as changed by each edge since."""
    edges: int
    """Edges since the pin was opened, the lost ones too."""
    lost: int
    """Of these, how many were lost in the kernel's buffer."""
    found: int = 0
    """Changes since the last edge that came to light only when the kernel was made to read the pin anew."""


class ContactTracker:
    """A contact over time: is it active, how often and how long was it, is it well."""

    NOISE_WINDOW_NS: Final = 10 * _SECOND
    DISAGREEMENTS: Final = 3
    """Polls in a row, or changes without an edge: once, an edge may still be on its way."""

    def __init__(
        self, *, active: bool, at_ns: int, look: Look, totals: Totals, noisy_above_hz: float
    ) -> None:
        self.active = active
        self.noisy = False
        self.at_ns = at_ns
        """When it was last observed."""
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
        """Activations, and seconds active up to the last observation."""
        return Totals(self._count, self._seconds)

    @property
    def state(self) -> State:
        """As of the last observation; what is worst comes first."""
        if max(self._disagreements, self._look.found) >= self.DISAGREEMENTS:
            return State.DISAGREES
        if self.noisy:
            return State.NOISY
        return State.EDGES_LOST if self._edge_lost else State.GOOD

    @property
    def detail(self) -> str:
        """What was seen, for people; '' when good."""
        if self.state is State.DISAGREES:
            level, told = (("low", "high")[value] for value in (self._look.level, self._look.told))
            if level == told:
                return f"the pin reads {level} and changes without an edge: no interrupts, or never still?"
            return f"the pin reads {level} and its last edge said {told}: no interrupts from it?"
        if self.state is State.NOISY:
            seconds = self.NOISE_WINDOW_NS // _SECOND
            return f"more than {self._changes_allowed} changes within {seconds} s: a bad contact?"
        if self.state is State.EDGES_LOST:
            return "the kernel's buffer overflowed; the count is right"
        return ""

    def observe(self, at_ns: int, *, active: bool, lost: int) -> bool:
        """The contact is `active` at this time, after so many `lost` edges in all; whether that is news."""
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

    def poll(self, at_ns: int, *, active: bool, look: Look) -> None:
        """What the pin is and what its edges told of it, at this time."""
        heard = look.edges != self._look.edges
        self.observe(at_ns, active=active, lost=look.lost)
        self._look = look
        if look.told is not look.level:
            self._disagreements += 1
        elif heard or self._disagreements < self.DISAGREEMENTS:
            # once it is a fault, only an edge proves that it is over
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
    """An edge on which a pulse begins, as gpiod hands it over."""

    @property
    def timestamp_ns(self) -> int:
        """When, on the kernel's clock for events."""
        ...

    @property
    def line_seqno(self) -> int:
        """Its number on its line; the first has 1."""
        ...


class PulseMeter:
    """Counts pulses, and tells how fast they come.

    `dead_ns`: a pulse sooner than this after the one before is a glitch and not counted. That cannot be said
    of lost ones: they are counted.
    """

    def __init__(self, *, count: int, now_ns: int, zero_after_ns: int, dead_ns: int) -> None:
        self.count = count
        """Pulses in all."""
        self._zero_after_ns = zero_after_ns
        self._dead_ns = dead_ns
        self._number = 0
        self._lost = 0
        self._opened_ns = now_ns
        self._last_ns: int | None = None
        self._mark: tuple[int, int] | None = None  # time and count from which the next rate is measured
        self._rate: float | None = None

    def take(self, pulses: Sequence[Pulse]) -> None:
        """Pulses as the kernel had buffered them, in order; the lost ones came before the first of these."""
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
        # after a standstill the pause says nothing of the speed: measure from the first pulse of the new run
        started = self._last_ns is None or (lost == 0 and first_ns - self._last_ns >= self._zero_after_ns)
        if self._mark is None or started:
            self._mark = (first_ns, self.count + 1)
        self.count += len(pulses)
        self._last_ns = pulses[-1].timestamp_ns

    def _without_glitches(self, pulses: Sequence[Pulse]) -> list[Pulse]:
        kept = []
        last_ns = self._last_ns
        for pulse in pulses:
            if last_ns is None or pulse.timestamp_ns - last_ns >= self._dead_ns:
                kept.append(pulse)
                last_ns = pulse.timestamp_ns
        return kept

    def rate(self, now_ns: int) -> float | None:
        """Pulses a second now, from the kernel's time stamps alone; None while nothing can be said yet.

        Measured over the pulses since the rate was last asked for. Without a new one it is no more than the
        silence since the last allows, and 0 when that has lasted for `zero_after_ns`.
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
        elif self._rate is not None and silence_ns > 0:
            self._rate = min(self._rate, _SECOND / silence_ns)
        return self._rate

    def take_lost(self) -> int:
        """How many pulses were lost in the kernel's buffer since this was last asked."""
        lost, self._lost = self._lost, 0
        return lost
