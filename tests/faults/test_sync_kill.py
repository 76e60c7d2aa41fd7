"""Either side of a replication is killed at random moments. The replication still completes without loss."""

import random
import threading
from pathlib import Path

import pytest

from sync import documents
from sync.net.tls_identity import TLSIdentity
from sync.peer import limits
from sync.store import Database

from .syncing import SyncProcess

pytestmark = pytest.mark.disk

LOG = "abcdef"
REPEATED_AT_MOST = 2 * limits.REVISIONS_AWAITING
"""Maximum number of revisions that may be sent again after a kill.

Only revisions that were in flight, in either direction, are sent again. Stored revisions are not.
"""
TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))


def fill(path: Path, name: str, count: int, contested: int) -> None:
    """Fill a store with readings, and with documents that conflict with those of the other side."""
    with Database.open(path, policy=documents.POLICY) as store, store.transaction():
        for number in range(contested // 2):
            store.put(f"note-{number:05d}", {"by": name})
            alarm = documents.alarm_id("argo", "bilge", LOG, number)
            store.put(alarm, {"severity": "alarm", "acks": [{"by": name, "when": name}]})
        for number in range(count - contested // 2 * 2):
            store.put(documents.reading_id(name, "rpm", LOG, number), {"values": [number] * 10})


def contents(store: Database) -> dict[str, tuple[str, bool, bytes]]:
    return {found.id: (found.rev, found.deleted, found.raw) for found in store.documents(deleted=True)}


class Meter:
    """Counter of the revisions that arrive on both sides, and of those that were new."""

    def __init__(self, paths: list[Path], sides: list[SyncProcess]) -> None:
        self._paths, self._sides = paths, sides
        self.came = self.worst = self.kills = 0
        self._sequences = self._stored()

    def kill(self, victim: SyncProcess, replicator: SyncProcess) -> bool:
        """Kill and restart one side. Return True if replication was in progress."""
        victim.kill()
        in_midst = not replicator.is_done
        self.kills += in_midst
        victim.start()
        return in_midst

    def read(self) -> None:
        """Read the reports, and assert that kills have not caused too many repeated revisions."""
        came, sequences = sum(side.came_in_all for side in self._sides), self._stored()
        # Each new revision is a change in the store that receives it.
        repeated = (came - self.came) - (sequences - self._sequences)
        assert repeated <= REPEATED_AT_MOST
        self.worst = max(self.worst, repeated)
        self.came, self._sequences = came, sequences

    def _stored(self) -> int:
        found = 0
        for path in self._paths:
            with Database.open(path, policy=documents.POLICY) as store:
                found += store.last_sequence
        return found


@pytest.mark.parametrize(
    ("kills", "soon"),
    [(3, 2_500), pytest.param(50, 150, marks=TORTURE)],
)
def test_stores_are_identical_after_kills_of_either_side(
    tmp_path: Path, rng: random.Random, kills: int, soon: int
) -> None:
    """Each kill happens after fewer than `soon` further revisions have reached one side."""
    landed, lives = 0, 0
    while landed < kills:  # replication may be complete before all kills have happened
        folder = tmp_path / str(lives)
        folder.mkdir()
        landed += killed_in_midst(folder, rng, kills - landed, soon)
        lives += 1
        assert lives <= kills
    print(f"{landed} kills in {lives} replications")


def killed_in_midst(
    folder: Path, rng: random.Random, kills: int, soon: int, *, count: int = 10_000, contested: int = 1_000
) -> int:
    """Replicate two stores, kill a random side up to `kills` times, and return the number of kills."""
    TLSIdentity.self_signed("logboat").save(folder / "cert.pem", folder / "key.pem")
    paths = [folder / "ours.db", folder / "theirs.db"]
    for path in paths:
        fill(path, path.stem, count, contested)
    told = threading.Condition()
    with SyncProcess("listen", paths[1], folder, told=told) as listener:
        listener.start()
        with SyncProcess("replicate", paths[0], folder, told=told) as replicator:
            replicator.port = listener.port
            replicator.start()
            meter = Meter(paths, [listener, replicator])
            while meter.kills < kills:
                watched, victim = rng.choice([listener, replicator]), rng.choice([listener, replicator])
                watched.wait_for(rng.randrange(1, soon), unless=replicator)
                if replicator.is_done or not meter.kill(victim, replicator):
                    break
                meter.read()
            replicator.wait_until_done()
            replicator.stop()
            listener.stop()
            meter.read()
    with (
        Database.open(paths[0], policy=documents.POLICY) as ours,
        Database.open(paths[1], policy=documents.POLICY) as theirs,
    ):
        for store in (ours, theirs):
            assert store.check(deep=True) == []
            assert store.conflicts() == []
            assert store.count() == 2 * count - contested
            for alarm in store.documents("alarm:"):
                assert {ack["by"] for ack in alarm.body["acks"]} == {"ours", "theirs"}
        assert contents(ours) == contents(theirs)
    # For a document in conflict, the other side's revision, the tombstone of its branch and the resolution
    # arrive.
    assert meter.came <= 2 * (count - contested) + 4 * contested + meter.kills * REPEATED_AT_MOST
    print(f"{meter.kills} kills, {meter.came} revisions came, {meter.worst} for one of them not new")
    return meter.kills
