"""Long-running jobs, which run in slices and within a rate limit per connection.

A message of 100 bytes can request a proof that takes a second of hashing. Such work is done by a job: a
generator that does one slice at each step, and yields the slice's cost in bytes. One slice is done each time
the peer is served, so that other connections are served in between. The work for each connection is limited
to a number of bytes per second. If a peer requests more work, its requests are queued.

    work.add(self._proving(request, event))     # answers the request when it is done
    …
    work.pump()                                 # each time the peer is served, and at `deadline`
"""

from collections import deque
from collections.abc import Callable, Generator
from http import HTTPStatus

from sync.replication.messages import MessageError

from . import limits

Job = Generator[int, None, None]
"""A generator that does one slice of work at each step, and yields the slice's cost in bytes.

The only exception that it may raise is StoreError.
"""


class Work:
    """Queue of one connection's jobs, with a limit on the work that they cause."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        rate: float = limits.WORK_RATE,
        allowance: float = limits.WORK_ALLOWANCE,
    ) -> None:
        """Create an empty queue of jobs.

        Args:
            clock: returns monotonic seconds.
            rate: maximum rate of work, in bytes per second.
            allowance: maximum burst of work after a pause, in bytes.
        """
        self._clock, self._rate, self._most = clock, rate, allowance
        self._balance = allowance
        """Number of bytes of work that may be done now; negative if the last slice exceeded the balance."""
        self._since = clock()
        """Time at which the balance was last updated, by `clock`."""
        self._quick: deque[Job] = deque()
        self._long: deque[Job] = deque()
        self._is_closed = False

    @property
    def is_idle(self) -> bool:
        """True if no job is waiting."""
        return not (self._quick or self._long)

    @property
    def deadline(self) -> float | None:
        """Time at which to call `pump`; None if no job is waiting."""
        if self.is_idle:
            return None
        now = self._clock()
        return now if self._earned(now) > 0 else self._since + (1 - self._balance) / self._rate

    def add(self, job: Job) -> None:
        """Queue a job. Raises MessageError (503) if too many jobs are queued."""
        self._put(job, self._long)

    def begin(self, job: Job) -> None:
        """Do the first step of a quick job now, or as soon as the balance allows it.

        Quick jobs are done before the jobs queued by `add`.

        Raises:
            MessageError: 503 if too many jobs are queued.
            StoreError: raised by the job.
        """
        if not self._quick and self._earned(self._clock()) > 0:
            self._step(job, self._quick)
        else:
            self._put(job, self._quick)

    def pump(self) -> None:
        """Do up to WORK_SLICE bytes of work, if the balance allows it.

        Raises StoreError if a job raises it.
        """
        left = limits.WORK_SLICE
        while left > 0 and not self.is_idle and self._earned(self._clock()) > 0:
            line = self._quick or self._long
            left -= self._step(line.popleft(), line)

    def close(self) -> None:
        """Discard all queued jobs, and discard each job that is added later."""
        self._is_closed = True
        for line in (self._quick, self._long):
            while line:
                line.popleft().close()

    def _put(self, job: Job, line: deque[Job]) -> None:
        if self._is_closed:
            return
        if len(self._quick) + len(self._long) >= limits.JOBS_WAITING:
            raise MessageError(
                "too many requests; send fewer at the same time", code=HTTPStatus.SERVICE_UNAVAILABLE
            )
        line.append(job)

    def _step(self, job: Job, line: deque[Job]) -> int:
        """Do one slice of a job, and put the job back at the head of its queue. Return the slice's cost."""
        cost = next(job, None)
        if cost is None:
            return 0
        self._balance -= cost
        if self._is_closed:
            job.close()
        else:
            line.appendleft(job)
        return cost

    def _earned(self, now: float) -> float:
        """Add the bytes allowed since the last update to the balance, and return the balance."""
        self._balance = min(self._most, self._balance + self._rate * (now - self._since))
        self._since = now
        return self._balance
