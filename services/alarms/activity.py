"""Starts, running times and idle times of a piece of equipment, as one alarm rule needs them.

The equipment is *active* while its contact is active, or while its pulse rate is above 0. Callers pass times
in milliseconds on the boot clock; times of earlier boots are below 0 (`services.recorder.rules.history`).

Only observed changes and times count. Time is *unknown* during a fault, without power, and if no sample
arrives for too long. Unknown time is neither running time nor idle time. A change during unknown time does
not count as a start. However, a run continues after unknown time if the equipment is still active then.

Memory is bounded: `starts` keeps the starts that the rule's limit needs, and `MOST_RUNS` limits the runs.
"""

from collections import deque
from itertools import chain
from typing import Final

MOST_RUNS: Final = 1_000
"""Maximum number of runs to keep.

A contact that chatters has more runs. The oldest ones are then moved together: their running time remains
exact, but leaves the window a little later.
"""


class Activity:
    """Starts, running times and idle times of a piece of equipment, for one alarm rule."""

    def __init__(self, *, per_ms: int = 0, most_starts: int = 0) -> None:
        """Start with an unknown state.

        `per_ms` is the length of the window in which starts and running time count. `most_starts` is the
        number of starts above which the rule applies.
        """
        self._per_ms = per_ms
        self._starts: deque[int] = deque(maxlen=most_starts + 1)
        self._runs: deque[tuple[int, int]] = deque()
        self._runs_ms = 0
        """Total length of `_runs`."""
        self._active: bool | None = None
        self._since = 0
        self._last_known: bool | None = None
        self._before_ms = 0
        """Duration of the part of the current run or idle time before `_since`, in milliseconds."""

    def observe(self, now_ms: int, *, active: bool | None) -> None:
        """Process the state at a moment. None means that it is unknown from now on."""
        if active is self._active:
            return
        if self._active is not None:
            self._before_ms += now_ms - self._since
            if self._active:
                self._keep(self._since, now_ms)
        if active is not None and active is not self._last_known:
            self._before_ms = 0
            if active and self._active is not None:
                self._starts.append(now_ms)
            self._last_known = active
        self._active, self._since = active, now_ms

    def _keep(self, begin: int, end: int) -> None:
        runs = self._runs
        if self._per_ms and end > begin:
            runs.append((begin, end))
            self._runs_ms += end - begin
        self._forget(end - self._per_ms)
        if len(runs) > MOST_RUNS:
            (first, until), (second, last) = runs.popleft(), runs.popleft()
            runs.appendleft((second - (until - first), last))

    def _forget(self, before_ms: int) -> None:
        """Remove the runs that ended before a time, which must not be before that of earlier calls."""
        while self._runs and self._runs[0][1] <= before_ms:
            begin, end = self._runs.popleft()
            self._runs_ms -= end - begin

    def move_back(self, gap_ms: int) -> None:
        """Move all times of earlier boots back, because the time without power has become known."""
        self._starts = deque((at - gap_ms if at <= 0 else at for at in self._starts), self._starts.maxlen)
        self._runs = deque(
            (begin - gap_ms, end - gap_ms) if end <= 0 else (begin, end) for begin, end in self._runs
        )

    # Starts

    def starts_too_often(self, now_ms: int) -> bool:
        """Return True if there are more starts in the window than the rule allows."""
        return len(self._starts) == self._starts.maxlen and self._starts[0] > now_ms - self._per_ms

    def starts_end(self, now_ms: int) -> int | None:
        """Return when `starts_too_often` becomes False without a further start; None if it is False now."""
        return self._starts[0] + self._per_ms if self.starts_too_often(now_ms) else None

    # Running time in the window

    def ran_ms(self, now_ms: int) -> int:
        """Return the running time within the window, in milliseconds.

        No run is forgotten here: a sample that was taken before `now_ms` may still arrive.
        """
        begin = now_ms - self._per_ms
        ran_ms = self._runs_ms
        for start, end in self._runs:
            ran_ms -= min(end, max(begin, start)) - start
            if end > begin:
                break
        return ran_ms + (max(now_ms - max(self._since, begin), 0) if self._active else 0)

    def ran_change(self, now_ms: int, limit_ms: int) -> int | None:
        """Return when the running time in the window will cross the limit; None if a sample must come first.

        While the equipment is active the running time grows, except while earlier runs leave the window.
        """
        difference = self.ran_ms(now_ms) - limit_ms
        if self._active and difference <= 0:
            return self._at(now_ms, 1 - difference, leaving=False)
        if not self._active and difference > 0:
            return self._at(now_ms, difference, leaving=True)
        return None

    def _at(self, now_ms: int, wanted_ms: int, *, leaving: bool) -> int | None:
        """Return when runs, or the times between them, have left the window for `wanted_ms` in total."""
        edge = now_ms - self._per_ms
        for start, end in self._all_runs(now_ms):
            for part_end, counts in ((start, not leaving), (end, leaving)):
                length = max(part_end - edge, 0)
                if counts and wanted_ms <= length:
                    return edge + wanted_ms + self._per_ms
                wanted_ms -= length if counts else 0
                edge += length
        return None

    def _all_runs(self, now_ms: int) -> "chain[tuple[int, int]]":
        return chain(self._runs, [(self._since, max(now_ms, self._since))] if self._active else ())

    # The current run, and the current idle time

    def lasted_ms(self, now_ms: int, *, active: bool) -> int | None:
        """Return for how many milliseconds the equipment has been active or inactive, without unknown time.

        Return None if it is in the opposite state, or if its state is unknown.
        """
        if self._last_known is not active:
            return None
        return self._before_ms + (0 if self._active is None else max(now_ms - self._since, 0))

    def lasts_at(self, limit_ms: int, *, active: bool) -> int | None:
        """Return when the current run or idle time reaches a length; None if a sample must come first."""
        return None if self._active is not active else self._since + limit_ms - self._before_ms
