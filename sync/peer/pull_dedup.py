"""Which revisions were asked for, and where: so that of many neighbours that offer one, one sends it.

In a dense mesh a new revision is offered by every neighbour, within moments. All sessions of a process on one
store share its claims. A receiver whose peer offers what another session has been asked for leaves that list
unanswered until the revision has come or is not to be waited for any more, and then looks again: mostly there
is nothing left to ask for.

    claims.ask(keys, session) ──► ended(key)          it is here, or will not come
                               ├► leave(session)      the session is over
                               └► holds(…) is false   it takes too long

What takes too long: a second, if little comes from that peer; a peer that goes on sending, as one does whose
link is slow or who was asked for much, is waited for a while longer, but never for good. So whoever is slow,
silent or gone delays the others once, and nobody waits for one who waits.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from weakref import WeakKeyDictionary

import msgspec

from sync.peer.session import Session
from sync.store import Database

from . import limits

PATIENCE: Final = 1.0
"""Seconds that a revision may take. One that is on its way needs some round trips, 0.1 s on a poor radio."""
LONGEST: Final = 10.0
"""Seconds that a revision may take while more comes from that peer: as long as all that may be asked for at
once (REVISIONS_WANTED) takes by a link of 50 kB/s."""
SLOWEST: Final = 16 * 1024
"""Bytes a second that are worth waiting for: with less, another may well be sooner."""
CLAIMS_MOST: Final = 2 * limits.REVISIONS_WANTED
"""Claims of one session: memory. What is asked for beyond that may be asked for twice."""

Key = tuple[str, str]
"""Document and revision."""


class _Asked(msgspec.Struct, gc=False):
    """One list's answer, by which revisions were asked for."""

    session: Session
    since: float
    looked: float
    """When it was last found to be worth waiting for."""
    received: int
    """Bytes that had come on the session by then."""


class Claims:
    """Those of one store."""

    def __init__(self) -> None:
        self._asked: dict[Key, _Asked] = {}
        self._waiting: dict[Key, set[Session]] = {}
        """Who is to be told when it has come, or will not."""
        self._counts: dict[Session, int] = {}

    def __len__(self) -> int:
        return len(self._asked)

    def ask(self, keys: Iterable[Key], session: Session) -> None:
        """These revisions are asked for on this session now, whoever was asked before."""
        now = session.clock()
        asked = _Asked(session, now, now, session.received)
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

    def others(self, keys: Iterable[Key], session: Session) -> list[Key]:
        """Those of these revisions that another session was asked for, and that are to be waited for."""
        if len(self._asked) == self._counts.get(session, 0):
            return []
        now = session.clock()
        return [key for key in keys if key in self._asked and self.holds(key, session, now)]

    def holds(self, key: Key, session: Session, now: float) -> bool:
        """Whether another session was asked for this, and it is to be waited for."""
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
        """When to look again whether this is to be waited for; None if nobody was asked."""
        asked = self._asked.get(key)
        return None if asked is None else asked.looked + PATIENCE

    def wait(self, key: Key, session: Session) -> None:
        """Give this session's peer a turn when the claim has ended."""
        self._waiting.setdefault(key, set()).add(session)

    def wait_no_more(self, key: Key, session: Session) -> None:
        """It need not have one."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            waiting.discard(session)
            if not waiting:
                del self._waiting[key]

    def came(self, key: Key) -> None:
        """The revision is here, from whomever."""
        asked = self._asked.pop(key, None)
        if asked is not None:
            self._counts[asked.session] -= 1
        if self._waiting:
            self._tell(key)

    def fails(self, key: Key, session: Session) -> None:
        """It will not come on this session."""
        asked = self._asked.get(key)
        if asked is not None and asked.session is session:
            self.came(key)

    def leave(self, session: Session) -> None:
        """The session is over."""
        if self._counts.get(session):
            for key in [key for key, asked in self._asked.items() if asked.session is session]:
                self.came(key)
        self._counts.pop(session, None)

    def _forget_old(self, session: Session, now: float) -> None:
        """Some that are asked for never come: what was to be sent has been replaced meanwhile."""
        for key, asked in list(self._asked.items()):
            if asked.session is session and now >= asked.since + LONGEST:
                self.came(key)

    def _tell(self, key: Key) -> None:
        for session in self._waiting.pop(key, ()):
            session.nudge()


class Turn:
    """Whether it is the turn of the first list that waits on a session."""

    def __init__(self, claims: Claims, session: Session) -> None:
        self._claims, self._session = claims, session
        self._since: float | None = None
        """When its list was first held back."""
        self._blockers: list[Key] = []
        session.at_end(self._end)

    @property
    def deadline(self) -> float | None:
        """When to look again even if nothing happens."""
        if not self._blockers or self._since is None:
            return None
        until = self._claims.until(self._blockers[-1])
        return self._since if until is None else min(until, self._since + LONGEST)

    def is_due(self) -> bool:
        """Whether the list is to be looked at, as far as is known from when it last was."""
        if not self._blockers:
            return True
        now, claims, session = self._session.clock(), self._claims, self._session
        assert self._since is not None
        while self._blockers:
            key = self._blockers[-1]
            if now < self._since + LONGEST and claims.holds(key, session, now):
                claims.wait(key, session)
                return False
            claims.wait_no_more(key, session)
            self._blockers.pop()
        return True

    def takes(self, keys: Sequence[Key]) -> bool:
        """Whether to ask for these now. If so they are this session's, and the next list has its turn."""
        now = self._session.clock()
        if self._since is None or now < self._since + LONGEST:
            self._blockers = self._claims.others(keys, self._session)
            if self._blockers:
                self._since = now if self._since is None else self._since
                self._claims.wait(self._blockers[-1], self._session)
                return False
        self._since = None
        if keys:
            self._claims.ask(keys, self._session)
        return True

    def _end(self) -> None:
        if self._blockers:
            self._claims.wait_no_more(self._blockers[-1], self._session)
            self._blockers.clear()
        self._claims.leave(self._session)


_claims: WeakKeyDictionary[Database, Claims] = WeakKeyDictionary()


def of(database: Database) -> Claims:
    """The claims of a store, for all sessions of this process that replicate it."""
    found = _claims.get(database)
    if found is None:
        found = _claims[database] = Claims()
    return found
