"""Several document stores that are edited separately and replicate in pairs, and checks of the results."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sync import documents
from sync.blip import RequestReceived
from sync.peer.quotas import Quota
from sync.peer.session import Session
from sync.replication.checkpoint_id import Peer as PeerName
from sync.store import Database

from .rig import Clock, Wire, assert_same, contents, open_database

LOG = "abcdef"


class CountingWire(Wire):
    """Simulated connection that counts the BLIP requests received by both peers, by message type."""

    def __init__(self, ours: Database, theirs: Database, *, per_frame: float = 0.0, **options: Any) -> None:
        """Connect two stores. The transmission of each frame takes `per_frame` seconds of simulated time."""
        self._per_frame = per_frame
        self.broke_off = False
        super().__init__(ours, theirs, **options)
        self.requests: Counter[str] = Counter()
        for peer in self.peers:
            self._count(peer.session)

    @property
    def moved(self) -> int:
        """Number of revisions that were new to the store that received them."""
        return sum(peer.ledger.progress.pulled for peer in self.peers)

    @property
    def revisions_sent(self) -> int:
        """Number of revisions that both peers sent, including those that the receiver already had."""
        return self.requests["rev"]

    def step(self) -> bool:
        before = sum(self.frames.values())
        moved = super().step()
        self.clock.now += self._per_frame * (sum(self.frames.values()) - before)
        return moved

    def _count(self, session: Session) -> None:
        requested = session._requested

        def counted(event: RequestReceived) -> None:
            self.requests[event.profile or ""] += 1
            requested(event)

        session._requested = counted  # type: ignore[method-assign]


class Fleet:
    """Vessels of a simulated fleet. Each vessel has one document store, and any two can replicate."""

    def __init__(self, folder: Path, count: int, *, rng: random.Random, deltas: bool = True) -> None:
        self.rng, self.clock = rng, Clock()
        self.names = [f"v{number}" for number in range(count)]
        self._folder, self._deltas = folder, deltas
        self.stores = [open_database(self._path(number)) for number in range(count)]
        self.acks: dict[str, set[str]] = {}
        """Authors of all acknowledgements stored so far, by alarm id."""
        self._edits = 0

    def close(self) -> None:
        for store in self.stores:
            store.close()

    # Replication

    def meet(
        self,
        first: int,
        second: int,
        *,
        push: bool = True,
        pull: bool = True,
        cut_after: int | None = None,
        lots: bool = False,
        per_frame: float = 0.0,
        quota: Quota | None = None,
        pull_quota: Quota | None = None,
    ) -> CountingWire:
        """Replicate vessel `first` with vessel `second` until both are done or the connection is cut."""
        theirs = self.stores[second]
        wire = CountingWire(
            self.stores[first],
            theirs,
            clock=self.clock,
            active={
                "peer": PeerName.member("vessel", self.names[second], theirs.uuid),
                "push": push,
                "pull": pull,
                "deltas": self._deltas,
                "pull_quota": lambda: pull_quota,
            },
            passive={"deltas": self._deltas, "quota": quota},
            rng=self.rng if lots else None,
            cut_after=cut_after,
            per_frame=per_frame,
        )
        wire.settle()
        wire.broke_off = wire.is_cut
        if not wire.broke_off:
            for peer in wire.peers:
                assert peer.session.problem is None, peer.session.problem
            assert wire.active.session.is_over
        wire.cut()
        return wire

    def full_round(self) -> int:
        """Replicate each pair of vessels twice, once with each vessel as the active peer, in random order.

        Return the total number of revisions that were new to their receivers.
        """
        count = len(self.stores)
        pairs = [(first, second) for first in range(count) for second in range(count) if first != second]
        self.rng.shuffle(pairs)
        return sum(self.meet(first, second).moved for first, second in pairs)

    def converge(self, *, most: int = 6) -> int:
        """Run full rounds until a round transfers nothing, and return the number of earlier rounds."""
        for number in range(most + 1):
            if self.full_round() == 0:
                self.assert_converged()
                return number
        raise AssertionError(f"after {most} rounds something still moves: {self._differences()}")

    def assert_converged(self) -> None:
        assert_same(*self.stores)
        for store in self.stores:
            for alarm, acks in self.acks.items():
                document = store.get(alarm)
                assert document is not None
                assert acks == {ack["by"] for ack in document.body["acks"]}, alarm
            assert store.check() == []

    def _differences(self) -> dict[str, list[Any]]:
        everything = [contents(store) for store in self.stores]
        ids = set().union(*everything)
        return {
            name: [found.get(name) for found in everything]
            for name in sorted(ids)
            if len({found.get(name) for found in everything}) > 1
        }

    # Restoring a store

    def copy(self, number: int, name: str = "aside") -> None:
        """Copy the current files of a vessel's store, for a later `restore`."""
        self.stores[number].close()
        _copy(self._path(number), self._folder / name)
        self.stores[number] = open_database(self._path(number))

    def restore(self, number: int, name: str = "aside") -> None:
        """Replace the files of a vessel's store with those saved by `copy`."""
        self.stores[number].close()
        for file in self._folder.glob(self._path(number).name + "*"):
            shutil.rmtree(file) if file.is_dir() else file.unlink()
        for file in (self._folder / name).iterdir():
            copied = self._folder / file.name
            shutil.copytree(file, copied) if file.is_dir() else shutil.copy2(file, copied)
        self.stores[number] = open_database(self._path(number))

    # Edits

    def write(self, number: int, document_id: str, body: dict[str, Any] | None = None) -> None:
        """Write a new revision of a document. The default body contains the vessel and the edit's number."""
        self._edits += 1
        store = self.stores[number]
        found = store.get(document_id)
        parent = None if found is None or found.deleted else found.rev
        store.put(document_id, body or {"by": self.names[number], "edit": self._edits}, parent=parent)

    def delete(self, number: int, document_id: str) -> None:
        found = self.stores[number].get(document_id)
        if found is not None and not found.deleted:
            self._edits += 1
            body = {"because": self._edits} if self._edits % 2 else None
            self.stores[number].delete(document_id, parent=found.rev, body=body)

    def acknowledge(self, number: int, alarm: str) -> None:
        """Create an acknowledged alarm, or acknowledge the existing one. Do nothing if it is deleted."""
        store = self.stores[number]
        found = store.get(alarm)
        if found is not None and found.deleted:
            return
        self._edits += 1
        body: dict[str, Any] = {"severity": "alarm", "acks": []} if found is None else found.body
        by = f"{self.names[number]}/{self._edits}"
        body["acks"].append({"by": by, "when": f"{self._edits % 5}"})
        store.put(alarm, body, parent=None if found is None else found.rev)
        self.acks.setdefault(alarm, set()).add(by)

    def edit_anything(self, number: int, choice: int, *, deletes_shared: bool = False) -> None:
        """Make one of several kinds of edit, selected by `choice`.

        With `deletes_shared`, deletions affect documents that other vessels also write. Otherwise, a vessel
        deletes only its own document.
        """
        name, which = self.names[number], choice // 6 % 3
        own, shared = f"own-{name}", f"plain-{which}"
        match choice % 6:
            case 0:
                self.write(number, shared)
            case 1:
                self.write(number, shared if which else own)
            case 2:
                self.delete(number, shared if deletes_shared else own)
            case 3:
                self.acknowledge(number, documents.alarm_id(self.names[0], "bilge", LOG, which))
            case 4:
                self.write(number, documents.equipment_id(name, f"s{which}"))
            case _:
                self._edits += 1
                self.write(number, documents.reading_id(name, "rpm", LOG, self._edits))

    def _path(self, number: int) -> Path:
        return self._folder / f"v{number}.db"


@contextmanager
def fleet(
    folder: Path, count: int = 2, *, rng: random.Random | None = None, deltas: bool = True
) -> Iterator[Fleet]:
    made = Fleet(folder, count, rng=rng or random.Random(1), deltas=deltas)
    try:
        yield made
    finally:
        made.close()


def rewrite(fleet: Fleet, number: int, document_id: str, times: int) -> None:
    """Write `times` revisions of a document that differ only slightly, so that deltas are worthwhile."""
    store = fleet.stores[number]
    found = store.get(document_id)
    parent = None if found is None else found.rev
    filler = ["the quick brown fox"] * 30
    with store.transaction():
        for count in range(times):
            parent = store.put(document_id, {"n": count, "by": number, "filler": filler}, parent=parent)


def _copy(path: Path, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in path.parent.glob(path.name + "*"):
        copied = folder / file.name
        shutil.copytree(file, copied) if file.is_dir() else shutil.copy2(file, copied)
