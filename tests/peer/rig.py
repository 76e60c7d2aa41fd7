"""Two replicating peers connected to each other, in one thread and on one simulated clock."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sync import documents
from sync.fleet.conflict_resolvers import Resolvers
from sync.peer.active import ActiveOptions, ActivePeer
from sync.peer.passive import PassiveOptions, PassivePeer
from sync.peer.peer_base import PeerBase
from sync.peer.progress import DocumentEnded, Ledger
from sync.peer.session import Session
from sync.replication.checkpoint_id import Peer as PeerName
from sync.store import Database

MOST_ROUNDS = 100_000


class Clock:
    """Simulated clock, in seconds, that the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def open_database(path: Path) -> Database:
    return Database.open(path, policy=documents.POLICY)


@contextmanager
def databases(folder: Path, *names: str) -> Iterator[list[Database]]:
    opened = [open_database(folder / f"{name}.db") for name in names or ("ours", "theirs")]
    try:
        yield opened
    finally:
        for database in opened:
            database.close()


class Wire:
    """Simulated connection between an active and a passive peer, with the frames in transit."""

    def __init__(
        self,
        ours: Database,
        theirs: Database,
        *,
        clock: Clock | None = None,
        active: dict[str, Any] | None = None,
        passive: dict[str, Any] | None = None,
        rng: random.Random | None = None,
        cut_after: int | None = None,
    ) -> None:
        """Connect two stores. `active` and `passive` override the default options of the peers.

        By default, both peers use the conflict resolvers of vessels. With `rng`, frames are delivered in
        groups of random size instead of all at once. The connection breaks after `cut_after` frames.
        """
        self.clock = clock or Clock()
        self._rng, self._left = rng, cut_after
        self.frames = {"there": 0, "here": 0}
        self.bytes = {"there": 0, "here": 0}
        self.told: list[DocumentEnded] = []
        options = {"peer": PeerName.address("theirs"), "conflict_resolver": Resolvers(), **(active or {})}
        self.active = ActivePeer(
            Session(clock=self.clock), ours, ActiveOptions(**options), Ledger(self.told.extend)
        )
        self.passive = PassivePeer(
            Session(clock=self.clock),
            theirs,
            PassiveOptions(**{"conflict_resolver": Resolvers(), **(passive or {})}),
            Ledger(),
        )
        self._there: list[bytes] = []
        self._here: list[bytes] = []
        self.is_cut = False
        self.active.start()

    def step(self) -> bool:
        """Let each peer work for one time slice, and deliver the frames that it has sent.

        Return True if a frame was delivered or is queued.
        """
        moved = False
        for peer, out in ((self.active, self._there), (self.passive, self._here)):
            peer.turn()
            while (frame := peer.next_frame()) is not None:
                out.append(frame)
        for name, peer, waiting in (
            ("there", self.passive, self._there),
            ("here", self.active, self._here),
        ):
            lot = len(waiting) if self._rng is None else min(len(waiting), self._rng.randrange(1, 20))
            if self._left is not None:
                lot = min(lot, self._left)
                self._left -= lot
            frames = waiting[:lot]
            del waiting[:lot]
            if frames:
                moved = True
                self.frames[name] += len(frames)
                self.bytes[name] += sum(map(len, frames))
                peer.receive(frames)
        if self._left == 0:
            self.cut()
            return False
        if not moved:
            for peer in (self.active, self.passive):
                peer.turn()
            moved = self.active.session.connection.queued > 0 or self.passive.session.connection.queued > 0
        return moved

    def cut(self) -> None:
        """Break the connection of both peers."""
        self.is_cut = True
        self.active.session.end()
        self.passive.session.end()

    def settle(self) -> None:
        """Run both peers until they are idle, and advance the clock to events due within 60 s."""
        for _ in range(MOST_ROUNDS):
            if self.is_cut or self.active.session.is_over:
                break
            if self.step():
                continue
            times = [due for peer in self.peers if (due := peer.deadline) is not None]
            if not times or min(times) > self.clock.now + 60:
                break
            self.clock.now = max(self.clock.now, *times[:1], min(times))
        else:
            raise AssertionError("the peers never come to rest")

    def wake(self) -> None:
        """Notify both peers that their stores have changed."""
        for peer in self.peers:
            peer.wake()

    @property
    def peers(self) -> list[PeerBase]:
        return [self.active, self.passive]


def replicate(ours: Database, theirs: Database, **options: Any) -> Wire:
    """Replicate two stores until both peers are done, and return the simulated connection.

    By default, the active peer pushes and pulls.
    """
    wire = Wire(ours, theirs, **options)
    wire.settle()
    if not wire.is_cut:
        if not wire.active._options.continuous:
            assert wire.active.session.is_over
        assert wire.active.session.problem is None, wire.active.session.problem
        assert wire.passive.session.problem is None, wire.passive.session.problem
    wire.passive.session.end()
    return wire


def contents(database: Database) -> dict[str, tuple[str, bool, bytes]]:
    """Return the winning revision, deletion flag and body of every document, by document id."""
    return {
        document.id: (document.rev, document.deleted, _canonical(document.body))
        for document in database.documents(deleted=True)
    }


def _canonical(body: dict[str, Any]) -> bytes:
    import rfc8785

    return rfc8785.dumps(body)


def assert_same(*stores: Database) -> None:
    first = contents(stores[0])
    for store in stores[1:]:
        assert contents(store) == first
    for store in stores:
        assert store.conflicts() == []
