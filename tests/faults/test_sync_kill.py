"""SIGKILL of either side of a replication at random moments: what is done stays done, and all is done."""

import random
import threading
from pathlib import Path

import pytest

from sync import documents
from sync.net.tls_identity import TLSIdentity
from sync.peer import tuning
from sync.store import Database

from .syncing import SyncProcess

LOG = "abcdef"
REPEATED_AT_MOST = 2 * (tuning.REVISIONS_AWAITING + tuning.REVISIONS_WANTED)
"""Revisions that a kill costs: those on their way, both ways."""
TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))


def fill(path: Path, name: str, count: int, contested: int) -> None:
    """Windows of samples, and documents that the other side has as well, otherwise."""
    with Database.open(path, single_writer=documents.is_single_writer) as store, store.transaction():
        for number in range(contested // 2):
            store.put(f"note-{number:05d}", {"by": name})
            alarm = documents.alarm_id("argo", "bilge", LOG, number)
            store.put(alarm, {"severity": "alarm", "acks": [{"by": name, "when": name}]})
        for number in range(count - contested // 2 * 2):
            store.put(documents.reading_id(name, "rpm", LOG, number), {"values": [number] * 10})


def contents(store: Database) -> dict[str, tuple[str, bool, bytes]]:
    return {found.id: (found.rev, found.deleted, found.raw) for found in store.documents(deleted=True)}


@pytest.mark.parametrize(
    ("count", "contested", "kills"),
    [(3_000, 300, 3), pytest.param(10_000, 1_000, 50, marks=TORTURE)],
)
def test_stores_are_identical_however_often_either_side_was_killed(
    tmp_path: Path, rng: random.Random, count: int, contested: int, kills: int
) -> None:
    TLSIdentity.self_signed("logboat").save(tmp_path / "cert.pem", tmp_path / "key.pem")
    paths = [tmp_path / "ours.db", tmp_path / "theirs.db"]
    for path in paths:
        fill(path, path.stem, count, contested)
    killed, told = 0, threading.Condition()
    with SyncProcess("listen", paths[1], tmp_path, told=told) as listener:
        listener.start()
        with SyncProcess("replicate", paths[0], tmp_path, told=told) as replicator:
            replicator.port = listener.port
            replicator.start()
            while killed < kills:
                watched, victim = rng.choice([listener, replicator]), rng.choice([listener, replicator])
                watched.wait_for(rng.randrange(1, count // (2 * kills)), unless=replicator)
                if replicator.is_done:
                    break  # then a kill costs nothing any more
                victim.kill()
                killed += 1
                victim.start()
            replicator.wait_until_done()
            replicator.stop()
            listener.stop()
            came = replicator.came + listener.came
    assert killed >= kills // 3
    with (
        Database.open(paths[0], single_writer=documents.is_single_writer) as ours,
        Database.open(paths[1], single_writer=documents.is_single_writer) as theirs,
    ):
        for store in (ours, theirs):
            assert store.check(deep=True) == []
            assert store.conflicts() == []
            assert store.count() == 2 * count - contested
            for alarm in store.documents("alarm:"):
                assert {ack["by"] for ack in alarm.body["acks"]} == {"ours", "theirs"}
        assert contents(ours) == contents(theirs)
    # Of a contested document come theirs, the end of its branch, and what both come to.
    assert came <= 2 * (count - contested) + 4 * contested + killed * REPEATED_AT_MOST
    print(f"{killed} kills, {came} revisions came")
