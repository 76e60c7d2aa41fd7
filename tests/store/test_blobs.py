"""A stored blob is always complete, and matches its digest."""

import base64
import fcntl
import hashlib
import io
import os
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from sync.store import BlobError, Database, FullError, ReadOnlyError
from sync.store.errors import translated_os

CONTENT = b"a photograph of the bilge" * 10009
DIGEST = "sha1-" + base64.b64encode(hashlib.sha1(CONTENT).digest()).decode()


def referring(digest: str = DIGEST) -> dict[str, Any]:
    return {"photos": [{"front": {"@type": "blob", "digest": digest, "length": len(CONTENT)}}]}


def file_of(store: Database) -> Path:
    [path] = store.blobs.directory.iterdir()
    return path


@pytest.mark.parametrize(
    "content",
    [CONTENT, io.BytesIO(CONTENT), [CONTENT[:7], b"", CONTENT[7:]]],
    ids=["bytes", "file", "pieces"],
)
def test_blob_is_returned_by_its_digest(path: Path, content: Any) -> None:
    with Database.open(path) as store:
        assert store.blobs.put(content) == DIGEST
    with Database.open(path) as store:
        assert store.blobs.has(DIGEST)
        assert store.blobs.length(DIGEST) == len(CONTENT)
        assert store.blobs.read(DIGEST) == CONTENT
        with store.blobs.open(DIGEST) as file:
            assert file.read(10) == CONTENT[:10]
            file.seek(100)
            assert file.read(5) == CONTENT[100:105]
        assert list(store.blobs.digests()) == [DIGEST]


def test_empty_blob_has_the_well_known_digest(store: Database) -> None:
    assert store.blobs.put(b"") == "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="


def test_blob_that_does_not_match_its_digest_is_not_stored(store: Database) -> None:
    with pytest.raises(BlobError, match="the received bytes have the digest"):
        store.blobs.put(CONTENT[:-1], digest=DIGEST)
    assert not store.blobs.has(DIGEST)
    assert list(store.blobs.directory.iterdir()) == []
    assert store.blobs.put(CONTENT, digest=DIGEST) == DIGEST


def test_damaged_blob_is_not_returned(store: Database) -> None:
    store.blobs.put(CONTENT)
    data = bytearray(CONTENT)
    data[5000] ^= 1
    file_of(store).write_bytes(data)
    with pytest.raises(BlobError, match="damaged"):
        store.blobs.open(DIGEST)
    store.blobs.put(CONTENT)
    assert store.blobs.read(DIGEST) == CONTENT


def test_missing_blob_is_an_error_that_names_it(store: Database) -> None:
    assert not store.blobs.has(DIGEST)
    assert store.blobs.length(DIGEST) is None
    assert list(store.blobs.digests()) == []
    with pytest.raises(BlobError, match="is not stored here"):
        store.blobs.read(DIGEST)


@pytest.mark.parametrize(
    "digest", ["", "sha1-", "md5-" + DIGEST[5:], DIGEST[:-4], "sha1-../../../etc/passwd", DIGEST[5:]]
)
def test_invalid_digest_is_refused(store: Database, digest: str) -> None:
    for ask in (store.blobs.has, store.blobs.open, store.blobs.length):
        with pytest.raises(BlobError, match="not a blob digest"):
            ask(digest)


def test_blob_without_a_document_is_removed_at_the_second_compaction(store: Database) -> None:
    store.blobs.put(CONTENT)
    assert store.compact().blobs == 0
    assert store.blobs.has(DIGEST)
    compacted = store.compact()
    assert (compacted.blobs, compacted.blob_bytes) == (1, len(CONTENT))
    assert not store.blobs.has(DIGEST)


def test_blob_stored_again_or_referred_to_meanwhile_is_kept(store: Database) -> None:
    store.blobs.put(CONTENT)
    store.compact()
    store.blobs.put(CONTENT)
    assert store.compact().blobs == 0
    revision = store.put("note:argo:1", referring())
    assert store.compact().blobs == 0
    assert store.compact().blobs == 0
    store.purge(["note:argo:1"])
    store.compact()
    assert revision
    assert store.compact().blobs == 1


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":{"@type":"blob","digest":"%s"}}' % DIGEST.encode(),
        b'{"a":{"\\u0040type":"blob","digest":"%s"}}' % DIGEST.replace("/", "\\/").encode(),
        b'{"a":{"\\u0040\\u0074ype" : "bl\\u006fb","d\\u0069gest":"%s"}}'
        % DIGEST.replace("/", "\\u002f").encode(),
    ],
)
def test_blob_is_kept_however_its_document_is_written(store: Database, raw: bytes) -> None:
    assert "/" in DIGEST
    store.blobs.put(CONTENT)
    store.insert("x", "1-a", [], raw)
    for _ in range(3):
        assert store.compact().blobs == 0


def test_blob_of_a_losing_branch_is_kept_until_the_branch_is_removed(store: Database) -> None:
    store.blobs.put(CONTENT)
    store.insert("x", "1-a", [], b'{"a":{"@type":"blob","digest":"%s"}}' % DIGEST.encode())
    store.insert("x", "1-b", [], b"{}")
    for _ in range(3):
        assert store.compact().blobs == 0
    store.resolve("x", "1-b", {})
    store.compact()
    assert store.compact().blobs == 1


def test_many_documents_keep_their_blobs(store: Database) -> None:
    digests = [store.blobs.put(str(number).encode()) for number in range(150)]
    with store.transaction():
        for number, digest in enumerate(digests):
            store.put(f"note:argo:{number}", referring(digest))
    for _ in range(3):
        assert store.compact().blobs == 0


def test_file_of_another_program_among_the_blobs_is_not_touched(store: Database) -> None:
    store.blobs.put(b"x")
    other = store.blobs.directory / "lost+found"
    other.mkdir()
    assert store.blobs.size() == 1
    store.compact()
    assert store.compact().blobs == 1
    assert other.exists()


def test_remains_of_a_crash_are_removed_and_files_being_written_are_kept(store: Database) -> None:
    store.blobs.put(b"x")
    left = store.blobs.directory / ".part-left"
    left.write_bytes(b"half")
    writing = store.blobs.directory / ".part-writing"
    with writing.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        store.compact()
        assert not left.exists()
        assert writing.exists()
    assert sum(1 for _ in store.blobs.digests()) == 1


def test_unfinished_blob_can_be_discarded_on_a_full_card(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing the file writes the buffered bytes, so it fails just as the previous write did."""
    store.blobs.put(b"x")
    monkeypatch.setattr(os, "fdopen", lambda descriptor, mode: full_file(descriptor))
    writer = store.blobs.writer()
    writer.write(b"buffered")
    with pytest.raises(FullError):
        writer.write(CONTENT)
    writer.close()
    assert len(list(store.blobs.directory.iterdir())) == 1


def full_file(descriptor: int) -> BinaryIO:
    os.close(descriptor)
    return Path("/dev/full").open("wb")


@pytest.mark.parametrize(
    ("number", "kind"), [(28, FullError), (122, FullError), (30, ReadOnlyError), (13, ReadOnlyError)]
)
def test_file_system_errors_say_what_to_do(tmp_path: Path, number: int, kind: type[Exception]) -> None:
    error = translated_os(OSError(number, os.strerror(number)), tmp_path)
    assert isinstance(error, kind)
    assert str(error).startswith(str(tmp_path))
