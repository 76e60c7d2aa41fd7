"""Blobs are replicated with their documents, completely, only once, and only to permitted peers."""

from pathlib import Path
from typing import Any

import pytest

from sync.peer.progress import Direction
from sync.store import Database

from .rig import Wire, assert_same, databases, replicate


def content(size: int, seed: int = 7) -> bytes:
    return bytes((number * seed) % 251 for number in range(size))


def blob(database: Database, data: bytes, kind: str = "image/jpeg") -> dict[str, Any]:
    return {
        "@type": "blob",
        "digest": database.blobs.put(data),
        "length": len(data),
        "content_type": kind,
    }


@pytest.mark.parametrize("size", [0, 1, 20_000, 400_000])
@pytest.mark.parametrize("way", ["push", "pull"])
def test_blob_arrives_before_its_document(tmp_path: Path, size: int, way: str) -> None:
    with databases(tmp_path) as (ours, theirs):
        source, target = (ours, theirs) if way == "push" else (theirs, ours)
        photo = blob(source, content(size))
        source.put("note", {"photo": photo, "more": [{"again": photo}]})
        replicate(ours, theirs)
        assert_same(ours, theirs)
        assert target.blobs.read(photo["digest"]) == content(size)


def test_blob_of_two_documents_is_fetched_once(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        photo = blob(theirs, content(200_000))
        for number in range(5):
            theirs.put(f"note-{number}", {"photo": photo})
        wire = replicate(ours, theirs)
        assert wire.active.ledger.progress.blobs_pulled == 1
        assert wire.passive.ledger.progress.blobs_pushed == 1
        assert_same(ours, theirs)


def test_blob_that_is_already_stored_is_not_fetched(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        photo = blob(theirs, content(200_000))
        ours.blobs.put(content(200_000))
        theirs.put("note", {"photo": photo})
        wire = replicate(ours, theirs)
        assert wire.passive.ledger.progress.blobs_pushed == 0
        assert_same(ours, theirs)


@pytest.mark.parametrize("way", ["push", "pull"])
def test_interrupted_transfer_leaves_no_partial_blob_and_is_repeated_later(tmp_path: Path, way: str) -> None:
    with databases(tmp_path) as (ours, theirs):
        source, target = (ours, theirs) if way == "push" else (theirs, ours)
        photos = [blob(source, content(150_000, seed)) for seed in (3, 5, 7)]
        for number, photo in enumerate(photos):
            source.put(f"note-{number}", {"photo": photo})
        for cut_after in range(5, 200, 5):
            wire = replicate(ours, theirs, cut_after=cut_after)
            for document in target.documents():
                assert target.blobs.has(document.body["photo"]["digest"])
            assert not list(target.blobs.directory.glob(".part-*"))
            if not wire.is_cut:
                break
        assert_same(ours, theirs)
        for photo in photos:
            assert target.blobs.has(photo["digest"])


def test_blob_missing_at_the_peer_fails_only_its_document(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        photo = blob(theirs, content(100))
        theirs.put("bad", {"photo": photo})
        theirs.put("good", {})
        next(theirs.blobs.directory.glob("[0-9a-f]*")).unlink()
        wire = Wire(ours, theirs)
        wire.settle()
        assert wire.active.session.problem is None
        assert [document.id for document in ours.documents()] == ["good"]
        (failed,) = [ended for ended in wire.told if ended.problem is not None]
        assert (failed.id, failed.direction) == ("bad", Direction.PULL)


def test_blob_longer_than_its_document_says_is_not_stored(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        photo = blob(theirs, content(300_000))
        theirs.put("bad", {"photo": {**photo, "length": 1000}})
        theirs.put("good", {})
        wire = Wire(ours, theirs)
        wire.settle()
        assert [document.id for document in ours.documents()] == ["good"]
        assert not ours.blobs.has(photo["digest"])
        (failed,) = [ended for ended in wire.told if ended.problem is not None]
        assert failed.id == "bad"
        assert not failed.is_transient


def test_blob_with_wrong_content_is_not_stored_and_requested_again_next_time(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        photo = blob(theirs, content(5000))
        theirs.put("note", {"photo": photo})
        (file,) = theirs.blobs.directory.glob("[0-9a-f]*")
        file.write_bytes(content(5000, 9))
        wire = Wire(ours, theirs)
        wire.settle()
        assert ours.get("note") is None
        file.write_bytes(content(5000))
        replicate(ours, theirs, active={"reset_checkpoint": True})
        assert_same(ours, theirs)


def test_large_blob_does_not_delay_small_documents(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, theirs):
        theirs.put("big", {"photo": blob(theirs, content(2_000_000))})
        for number in range(50):
            theirs.put(f"small-{number}", {})
        wire = Wire(ours, theirs)
        while ours.count("small-") < 50:
            wire.step()
            wire.clock.now += 0.01
        assert ours.get("big") is None
        wire.settle()
        assert_same(ours, theirs)


def test_restricted_peer_must_prove_that_it_has_a_blob_that_we_have(tmp_path: Path) -> None:
    from sync.peer.selection import Selection

    passive = {"readable": Selection(within=frozenset({"notes"}))}
    with databases(tmp_path) as (ours, theirs):
        secret = blob(theirs, content(5000))
        ours.put("mine", {"channels": ["notes"], "photo": secret})  # the blob is not in our store
        wire = Wire(ours, theirs, passive=passive)
        wire.settle()
        assert theirs.get("mine") is None
        ours.blobs.put(content(5000))
        replicate(ours, theirs, active={"reset_checkpoint": True}, passive=passive)
        assert theirs.get("mine") is not None
