"""Claims on revisions, so that a revision offered by many neighbours is requested from only one of them.

In a dense mesh, all neighbours offer a new revision at nearly the same time. A claim records that a session
has requested a revision. All sessions of a process on one store share their claims. If a peer offers a
revision that another session has claimed, the peer's `changes` message stays unanswered until the revision
arrives or takes too long. Then the message is checked again, and usually no revision is left to request.

    claims.claim(keys, session) ──► arrived(key)              it is stored
                                ├► fails(key, session)       it will not arrive on this session
                                ├► remove_session(session)   the session is over
                                └► is_claimed_elsewhere(…)   is False after it has taken too long

A revision normally takes too long if it has not arrived after one second. If the peer keeps sending data, the
limit is ten seconds, because the link may be slow, or the peer may have to send many revisions. So a slow or
unresponsive peer delays the other sessions only once. A `changes` message that is left unanswered claims no
revisions, so no session waits for a session that is itself waiting.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from sync.peer.session import Session
from sync.store import Database

from . import limits

PATIENCE: Final = 1.0
"""Seconds within which a claimed revision must arrive: enough for several round trips over a poor link."""
LONGEST: Final = 10.0
"""Seconds within which a claimed revision must arrive if other data keeps arriving from the same peer.

Over a 50 kB/s link, all revisions that may be requested at once (REVISIONS_WANTED) take this long.
"""
SLOWEST: Final = 16 * 1024
"""Minimum receiving rate, in bytes per second, at which a session's claims stay valid after PATIENCE seconds.

At a lower rate, another peer is probably faster.
"""
CLAIMS_MOST: Final = 2 * limits.REVISIONS_WANTED
"""Maximum number of claims of one session, to limit memory.

Revisions beyond this number may be requested from several peers.
"""

_CLAIM: Final = 350
"""Approximate memory, in bytes, used by a claim: a key of two strings, and its dictionary entry."""

Key = tuple[str, str]
"""Document id and revision id."""


class _RequestedRevisions(msgspec.Struct, gc=False):
    """The revisions that a session has requested with its answer to one `changes` message."""

    session: Session
    since: float
    looked: float
    """Time of the last check that found the session fast enough to wait for."""
    received: int
    """Number of bytes received on the session up to the time `looked`."""


class Claims:
    """Record of the revisions that the sessions on one store have requested (claimed) from their peers."""

    def __init__(self) -> None:
        self._asked: dict[Key, _RequestedRevisions] = {}
        self._waiting: dict[Key, set[Session]] = {}
        """Sessions to notify when a revision has arrived or will not arrive, by revision."""
        self._counts: dict[Session, int] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def bytes_held(self, session: Session) -> int:
        """Return the approximate memory, in bytes, that the claims of a session use."""
        return _CLAIM * self._counts.get(session, 0)

    def claim(self, keys: Iterable[Key], session: Session) -> None:
        """Record that a session has requested these revisions. A claim of another session is replaced."""
        now = session.clock()
        asked = _RequestedRevisions(session, now, now, session.received)
        mine = self._counts.get(session, 0)
        if mine >= CLAIMS_MOST:
            self._forget_old(session, now)
            mine = self._counts.get(session, 0)
        for key in keys:
            if mine >= CLAIMS_MOST:
                break
            before = self._asked.get(key)
            self._asked[key] = asked
            if before is None:
                mine += 1
            elif before.session is not session:
                self._counts[before.session] -= 1
                mine += 1
        self._counts[session] = mine

    def claimed_elsewhere(self, keys: Iterable[Key], session: Session) -> list[Key]:
        """Return those of the keys whose revisions another session has claimed and can deliver soon."""
        if len(self._asked) == self._counts.get(session, 0):
            return []
        now = session.clock()
        return [key for key in keys if key in self._asked and self.is_claimed_elsewhere(key, session, now)]

    def is_claimed_elsewhere(self, key: Key, session: Session, now: float) -> bool:
        """Return True if a session other than `session` has claimed a revision and can deliver it soon."""
        asked = self._asked.get(key)
        if asked is None or asked.session is session:
            return False
        if now < asked.looked + PATIENCE:
            return True
        came = asked.session.received
        if now < asked.since + LONGEST and came - asked.received >= SLOWEST * (now - asked.looked):
            asked.looked, asked.received = now, came
            return True
        return False

    def until(self, key: Key) -> float | None:
        """Return the time of the next check of a claim's progress; None if the revision is unclaimed."""
        asked = self._asked.get(key)
        return None if asked is None else asked.looked + PATIENCE

    def wait(self, key: Key, session: Session) -> None:
        """Register a session to be woken when the claim on a revision ends."""
        self._waiting.setdefault(key, set()).add(session)

    def wait_no_more(self, key: Key, session: Session) -> None:
        """Cancel the registration made with `wait`."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.discard(session)
            if not waiting:
                del self._waiting[key]

    def arrived(self, key: Key) -> None:
        """End the claim on a revision that has arrived, from whichever peer."""
        asked = self._asked.pop(key, None)
        if asked is not None:
            self._counts[asked.session] -= 1
        if self._waiting:
            self._tell(key)

    def fails(self, key: Key, session: Session) -> None:
        """End a session's claim on a revision that will not arrive on that session."""
        asked = self._asked.get(key)
        if asked is not None and asked.session is session:
            self.arrived(key)

    def remove_session(self, session: Session) -> None:
        """Remove all claims of a session that is over."""
        if self._counts.get(session):
            for key in [key for key, asked in self._asked.items() if asked.session is session]:
                self.arrived(key)
        self._counts.pop(session, None)

    def _forget_old(self, session: Session, now: float) -> None:
        """End those claims of a session that are older than LONGEST seconds.

        A claimed revision never arrives if it was replaced at the peer before it was sent.
        """
        for key, asked in list(self._asked.items()):
            if asked.session is session and now >= asked.since + LONGEST:
                self.arrived(key)

    def _tell(self, key: Key) -> None:
        for session in self._waiting.pop(key, ()):
            session.nudge()


class AnswerTurn:
    """Arbiter that decides when a session may answer the first of its unanswered `changes` messages."""

    def __init__(self, claims: Claims, session: Session) -> None:
        self._claims, self._session = claims, session
        self._since: float | None = None
        """Time at which the first message was first left unanswered; None if it is new."""
        self._blockers: list[Key] = []
        session.at_end(self._end)

    @property
    def deadline(self) -> float | None:
        """Time of the next check unless a message arrives earlier; None if no message is unanswered."""
        if not self._blockers or self._since is None:
            return None
        until = self._claims.until(self._blockers[-1])
        return self._since if until is None else min(until, self._since + LONGEST)

    def is_due(self) -> bool:
        """Return True if the first waiting message is new, or if no other session's claim blocks it."""
        if not self._blockers:
            return True
        now, claims, session = self._session.clock(), self._claims, self._session
        assert self._since is not None
        while self._blockers:
            key = self._blockers[-1]
            if now < self._since + LONGEST and claims.is_claimed_elsewhere(key, session, now):
                claims.wait(key, session)
                return False
            claims.wait_no_more(key, session)
            self._blockers.pop()
        return True

    def try_claim(self, keys: Sequence[Key]) -> bool:
        """Return True if the first waiting message may be answered now, and claim the revisions `keys` in it.

        If the result is True, the caller must remove the message from the queue.
        """
        now = self._session.clock()
        if self._since is None or now < self._since + LONGEST:
            self._blockers = self._claims.claimed_elsewhere(keys, self._session)
            if self._blockers:
                self._since = now if self._since is None else self._since
                self._claims.wait(self._blockers[-1], self._session)
                return False
        self._since = None
        if keys:
            self._claims.claim(keys, self._session)
        return True

    def _end(self) -> None:
        if self._blockers:
            self._claims.wait_no_more(self._blockers[-1], self._session)
            self._blockers.clear()
        self._claims.remove_session(self._session)


_claims: WeakKeyDictionary[Database, Claims] = WeakKeyDictionary()


def claims_of(database: Database) -> Claims:
    """Return the claims of a store, which all sessions of this process share."""
    claims = _claims.get(database)
    if claims is None:
        claims = _claims[database] = Claims()
    return claims
