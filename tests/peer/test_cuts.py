"""After a connection breaks at any point, the next one completes the replication and resends little data."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.peer import limits
from sync.replication.checkpoint_id import Peer as PeerName
from sync.replication.checkpoint_id import Replication, checkpoint_id
from sync.store import Database

from .fleet import LOG, Fleet, fleet
from .rig import assert_same, contents

ALARM = documents.alarm_id("v0", "bilge", LOG, 7)
MOST_FRAMES = 500


def blob_of(store: Database, content: bytes) -> dict[str, Any]:
    digest = store.blobs.put(content)
    return {"@type": "blob", "digest": digest, "length": len(content), "content_type": "image/png"}


def part_of_everything(vessels: Fleet) -> None:
    """Replicate two stores, and then make different edits, deletions and new blobs in each."""
    filler = ["the quick brown fox"] * 40
    for name in ("changed", "gone"):
        vessels.write(0, name, {"filler": filler, "n": 0})
    vessels.acknowledge(0, ALARM)
    vessels.meet(0, 1)
    for number, store in enumerate(vessels.stores):
        name = vessels.names[number]
        for count in range(3):
            vessels.write(number, documents.reading_id(name, "rpm", LOG, count))
        vessels.write(number, f"photo-{number}", {"photo": blob_of(store, bytes([number]) * 20_000)})
        vessels.write(number, "both")
        vessels.acknowledge(number, ALARM)
    vessels.write(0, "changed", {"filler": filler, "n": 1})
    vessels.delete(1, "gone")


def end_of(vessels: Fleet) -> dict[str, Any]:
    assert_same(*vessels.stores)
    vessels.assert_converged()
    for number, store in enumerate(vessels.stores):
        for document in store.documents("photo-"):
            with store.blobs.open(document.body["photo"]["digest"]) as file:
                assert len(file.read()) == 20_000, number
    return contents(vessels.stores[0])


def test_cut_after_any_number_of_frames_leads_to_the_same_state(tmp_path: Path) -> None:
    ends: list[dict[str, Any]] = []
    for cut_after in range(1, MOST_FRAMES):
        folder = tmp_path / str(cut_after)
        folder.mkdir()
        with fleet(folder) as vessels:
            part_of_everything(vessels)
            first = vessels.meet(0, 1, cut_after=cut_after, lots=cut_after % 2 == 0)
            # Acknowledgements may be lost with the connection, so the second replication may send data again.
            second = vessels.meet(0, 1)
            assert vessels.meet(0, 1).revisions_sent == 0
            ends.append(end_of(vessels))
            assert second.active.ledger.progress.failed == 0
        assert _said(ends[-1]) == _said(ends[0])
        if not first.broke_off:
            break
    else:
        raise AssertionError("the replication never ends")
    assert cut_after > 20


def _said(end: dict[str, Any]) -> dict[str, Any]:
    """Return the contents of a store without the revision ids, which depend on the cut."""
    return {name: found[1:] for name, found in end.items()}


@pytest.mark.parametrize("way", ["push", "pull"])
@pytest.mark.parametrize("every", [80, 150, 700])
def test_data_sent_again_after_cuts_is_bounded(tmp_path: Path, way: str, every: int) -> None:
    count = 1_500
    with fleet(tmp_path) as vessels:
        number = 0 if way == "push" else 1
        with vessels.stores[number].transaction():
            for sequence in range(count):
                vessels.write(number, documents.reading_id(f"v{number}", "rpm", LOG, sequence))
        sent = cuts = 0
        while True:
            wire = vessels.meet(0, 1, cut_after=every, lots=True, per_frame=0.005)
            sent += wire.revisions_sent
            if not wire.broke_off:
                break
            cuts += 1
            assert cuts < 200
        assert_same(*vessels.stores)
        assert sent <= count + cuts * limits.REVISIONS_AWAITING
        assert wire.active.ledger.progress.failed == 0


def test_stored_revision_is_not_sent_again(tmp_path: Path) -> None:
    with fleet(tmp_path) as vessels:
        with vessels.stores[0].transaction():
            for sequence in range(1_000):
                vessels.write(0, documents.reading_id("v0", "rpm", LOG, sequence))
        first = vessels.meet(0, 1, cut_after=700)
        stored = vessels.stores[1].count()
        assert first.broke_off
        assert 0 < stored < 1_000
        second = vessels.meet(0, 1)
        assert second.revisions_sent == 1_000 - stored
        assert_same(*vessels.stores)


@dataclass(frozen=True)
class Copy:
    """Copy of a checkpoint. The active peer and the passive peer store one copy each."""

    store: Database
    name: str
    is_own: bool

    def drop(self) -> None:
        if self.is_own:
            found = self.store.get_local(self.key)
            assert found is not None
            self.store.delete_local(self.key, parent=found.rev)
        else:
            assert self.store.checkpoints.drop(self.owner, self.name)

    def write(self, body: bytes) -> None:
        if self.is_own:
            found = self.store.get_local(self.key)
            assert found is not None
            self.store.put_local(self.key, body, parent=found.rev)
        else:
            kept = self.store.checkpoints.get(self.owner, self.name)
            assert kept is not None
            self.store.checkpoints.put(self.owner, self.name, body, parent=kept.rev)

    @property
    def key(self) -> str:
        return f"checkpoint:{self.name}"

    @property
    def owner(self) -> str:
        (found,) = [kept.owner for kept in self.store.checkpoints.all() if kept.client == self.name]
        assert found is not None
        return found


Meddling = Callable[[Copy], None]


def overwrite(body: bytes) -> Meddling:
    return lambda copy: copy.write(body)


def meddle_with(vessels: Fleet, name: str, copy: int) -> None:
    """Alter one of the two copies of the checkpoint for the first vessel's replication with the second."""
    ours, theirs = vessels.stores
    peer = PeerName.member("vessel", vessels.names[1], theirs.uuid)
    checkpoint = checkpoint_id(Replication(database=ours.uuid, peer=peer, push=True, pull=True))
    MEDDLING[name](Copy(vessels.stores[copy], checkpoint, is_own=copy == 0))


MEDDLING = {
    "vanished": Copy.drop,
    "empty": overwrite(b"{}"),
    "of other types": overwrite(b'{"local":"many","remote":{"a":1}}'),
    "negative": overwrite(b'{"local":-5,"remote":-7}'),
    "beyond the end": overwrite(b'{"local":999999,"remote":999999}'),
    "behind": overwrite(b'{"local":3,"remote":2}'),
    "sparse": overwrite(b'{"localCompleted":[0,3,6,2],"remote":4}'),
    "of an odd set": overwrite(b'{"localCompleted":[5,-1,3],"remote":4}'),
    "foreign": overwrite(b'{"local":4,"remote":"4::7"}'),
}


@pytest.mark.parametrize("name", MEDDLING)
@pytest.mark.parametrize("copy", [0, 1])
def test_altered_checkpoint_copy_loses_no_document(tmp_path: Path, name: str, copy: int) -> None:
    with fleet(tmp_path) as vessels:
        for number in (0, 1):
            for count in range(20):
                vessels.write(number, f"{number}-{count}")
        vessels.meet(0, 1)
        for number in (0, 1):
            vessels.write(number, f"{number}-3")
            vessels.write(number, "both")
        meddle_with(vessels, name, copy)
        wire = vessels.meet(0, 1)
        assert_same(*vessels.stores)
        # Revisions that both stores have are announced again, but not sent.
        assert wire.revisions_sent <= 8
        assert sum(vessels.meet(0, 1).frames.values()) < 12
        assert vessels.converge() == 0


@pytest.mark.parametrize("name", ["vanished", "empty", "of other types", "negative"])
def test_loss_of_both_checkpoint_copies_loses_no_document(tmp_path: Path, name: str) -> None:
    with fleet(tmp_path) as vessels:
        for number in (0, 1):
            for count in range(20):
                vessels.write(number, f"{number}-{count}")
        vessels.meet(0, 1)
        for number in (0, 1):
            vessels.write(number, f"{number}-3")
            meddle_with(vessels, name, number)
        assert vessels.meet(0, 1).revisions_sent == 2
        assert_same(*vessels.stores)
        assert vessels.converge() == 0
