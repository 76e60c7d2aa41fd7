"""Work that takes long, done in slices, and no more of it than one connection may cause.

A message of 100 bytes can ask for a proof that takes a second of hashing. Such work is a job: an generator
that does a slice at each step and yields how many bytes that cost. A slice is done at each turn of the peer,
so that everybody else has a turn in between, and only as many bytes a second as the connection is allowed, so
that the answers to one who asks for more wait in line.

    work.add(self._proving(request, event))     # answers the request when it is done
    …
    work.pump()                                 # at each turn, and at `deadline`
"""

from collections import deque
from collections.abc import Callable, Generator
from typing import Final

from sync.replication.messages import MessageError

from . import limits

_UNAVAILABLE: Final = 503

Job = Generator[int, None, None]
"""Does a slice of work at each step, and yields its cost in bytes. It raises nothing but StoreError."""


class Work:
    """Jobs of one connection, and how much work it may still cause."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        rate: float = limits.WORK_RATE,
        allowance: float = limits.WORK_ALLOWANCE,
    ) -> None:
        """`clock`: seconds that only rise; `rate`: bytes a second; `allowance`: bytes at once at most."""
        self._clock, self._rate, self._most = clock, rate, allowance
        self._balance = allowance
        """Bytes that may be worked on now; negative while what was done is not earned yet."""
        self._since = clock()
        """When the balance was last brought up to date."""
        self._quick: deque[Job] = deque()
        self._long: deque[Job] = deque()
        self._is_closed = False

    @property
    def is_idle(self) -> bool:
        """Return True if nothing waits."""
        return not (self._quick or self._long)

    @property
    def deadline(self) -> float | None:
        """Return the time at which `pump` has something to do; None if nothing waits."""
        if self.is_idle:
            return None
        now = self._clock()
        return now if self._earned(now) > 0 else self._since + (1 - self._balance) / self._rate

    def add(self, job: Job) -> None:
        """Put a job in line. Raises MessageError (503) if there are too many."""
        self._put(job, self._long)

    def begin(self, job: Job) -> None:
        """Do the first step of a quick job now, or when the connection has earned it: before all that `add`
        put in line. Raises MessageError (503) if there are too many, StoreError."""
        if not self._quick and self._earned(self._clock()) > 0:
            self._step(job, self._quick)
        else:
            self._put(job, self._quick)

    def pump(self) -> None:
        """Do the next slice, if it may be done now. Raises StoreError."""
        left = limits.WORK_SLICE
        while left > 0 and not self.is_idle and self._earned(self._clock()) > 0:
            line = self._quick or self._long
            left -= self._step(line.popleft(), line)

    def close(self) -> None:
        """Leave everything undone, now and from now on."""
        self._is_closed = True
        for line in (self._quick, self._long):
            while line:
                line.popleft().close()

    def _put(self, job: Job, line: deque[Job]) -> None:
        if self._is_closed:
            return
        if len(self._quick) + len(self._long) >= limits.JOBS_WAITING:
            raise MessageError("ask for less at once", code=_UNAVAILABLE)
        line.append(job)

    def _step(self, job: Job, line: deque[Job]) -> int:
        """Do one slice, and put what is left of the job at the head of its line; return the cost."""
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
        """Bring the balance up to date, and return it."""
        self._balance = min(self._most, self._balance + self._rate * (now - self._since))
        self._since = now
        return self._balance
