"""The checkpoints that peers save in the store are limited per owner, and unused ones are removed."""

from pathlib import Path

import apsw
import pytest

from sync.store import ConflictError, Database, DocumentError, salvage
from sync.store.checkpoints import EXPIRES, LARGEST, MOST, MOST_BYTES
from sync.store.remotes import unnamed

BODY = b'{"remote":"17"}'
GUEST = "user:guest"


def names(store: Database, owner: str | None = GUEST) -> list[str]:
    return [kept.client for kept in store.checkpoints.all() if kept.owner == owner]


def fill(store: Database, count: int, *, owner: str = GUEST, size: int = 0) -> None:
    for number in range(count):
        store.checkpoints.put(owner, f"cp-{number}", BODY[:-1] + b" " * size + b"}", parent=None)


def pass_days(store: Database, days: int) -> None:
    with store.transaction():
        for _ in range(days * 24 * 6):
            store.checkpoints.tick()


def test_checkpoint_can_be_written_only_with_its_current_revision(path: Path) -> None:
    with Database.open(path) as store:
        assert store.checkpoints.get(GUEST, "cp") is None
        assert store.checkpoints.put(GUEST, "cp", BODY, parent=None) == "0-1"
        assert store.checkpoints.put(GUEST, "cp", b'{"remote":18}', parent="0-1") == "0-2"
        with pytest.raises(ConflictError) as caught:
            store.checkpoints.put(GUEST, "cp", BODY, parent="0-1")
        assert caught.value.current == "0-2"
    with Database.open(path) as store:
        found = store.checkpoints.get(GUEST, "cp")
        assert found is not None
        assert (found.key, found.rev, found.raw) == ("cp", "0-2", b'{"remote":18}')


def test_checkpoint_is_accessible_only_to_its_owner(store: Database) -> None:
    store.checkpoints.put(GUEST, "cp", BODY, parent=None)
    assert store.checkpoints.get("user:bridge", "cp") is None
    store.checkpoints.put("user:bridge", "cp", b"{}", parent=None)
    found = store.checkpoints.get(GUEST, "cp")
    assert found is not None
    assert found.raw == BODY


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"_id":"a"}'])
def test_invalid_checkpoint_is_refused(store: Database, body: bytes) -> None:
    with pytest.raises(DocumentError):
        store.checkpoints.put(GUEST, "cp", body, parent=None)


def test_checkpoint_that_is_too_large_is_refused(store: Database) -> None:
    with pytest.raises(ValueError, match=str(LARGEST)):
        fill(store, 1, size=LARGEST)


def test_number_of_an_owners_checkpoints_is_limited_and_the_oldest_are_dropped_first(store: Database) -> None:
    fill(store, 1, owner="user:bridge")
    fill(store, MOST)
    store.checkpoints.put(GUEST, "cp-0", BODY, parent="0-1")  # counts as a use of the checkpoint
    fill(store, 1, owner="")
    store.checkpoints.put(GUEST, "new", BODY, parent=None)
    assert names(store) == [*(f"cp-{number}" for number in range(2, MOST)), "cp-0", "new"]
    assert (names(store, "user:bridge"), names(store, "")) == (["cp-0"], ["cp-0"])


def test_bytes_of_an_owners_checkpoints_are_limited(store: Database) -> None:
    fill(store, 20, size=LARGEST - 100)
    kept = [found for found in store.checkpoints.all() if found.owner == GUEST]
    assert MOST_BYTES - LARGEST < sum(found.size for found in kept) <= MOST_BYTES
    assert kept[-1].client == "cp-19"


def test_unused_checkpoint_expires_and_a_used_one_is_kept(store: Database) -> None:
    fill(store, 2)
    days = EXPIRES // (24 * 6)
    pass_days(store, days - 1)
    assert store.checkpoints.get(GUEST, "cp-0") is not None
    pass_days(store, 2)
    assert names(store) == ["cp-0"]
    pass_days(store, days)
    assert names(store) == []


def test_wrong_clocks_expire_no_checkpoint(path: Path) -> None:
    times = iter([0.0, 4e9, 1e9])
    for _ in range(3):
        with Database.open(path, clock=lambda: next(times)) as store:
            if store.checkpoints.get(GUEST, "cp") is None:
                store.checkpoints.put(GUEST, "cp", BODY, parent=None)
            store.checkpoints.tick()
            store.purge_expired()
    with Database.open(path) as store:
        assert [kept.idle for kept in store.checkpoints.all()] == [3]


def test_remote_revisions_of_a_peer_are_dropped_with_its_checkpoint(store: Database) -> None:
    store.put("a", {})
    for number in range(MOST + 5):
        store.set_remote_revision("a", unnamed(GUEST, f"cp-{number}@x"), "1-a")
        store.set_remote_revision("a", f"vessel:brigid/{number}", "1-a")
    store.set_remote_revision("a", unnamed("user:bridge", "cp-0"), "1-a")
    known = store.remote_revisions("a")
    assert len([name for name in known if name.endswith(f"@{GUEST}")]) == MOST
    assert len([name for name in known if name.startswith("vessel:brigid/")]) == MOST
    assert unnamed("user:bridge", "cp-0") in known
    store.checkpoints.put("user:bridge", "cp-0", BODY, parent=None)
    assert store.checkpoints.drop("user:bridge", "cp-0")
    assert not store.checkpoints.drop("user:bridge", "cp-0")
    assert unnamed("user:bridge", "cp-0") not in store.remote_revisions("a")


def as_before(path: Path, *sizes: int) -> None:
    """Create a store in the format of an older Logboat, with checkpoints of about these sizes in bytes."""
    with Database.open(path) as store:
        for number, size in enumerate(sizes):
            store.put_local(f"peer-checkpoint:old-{number}", BODY[:-1] + b" " * size + b"}")
        store.put_local("checkpoint:own", {"local": 3})
        store.set_remote_revision("a", "client:old-0", "1-a")
    connection = apsw.Connection(str(path))
    connection.execute("DROP TABLE checkpoints")
    connection.close()


def test_checkpoints_of_an_older_logboat_belong_to_the_first_peer_that_requests_them(path: Path) -> None:
    as_before(path, 0, 0)
    with Database.open(path) as store:
        assert names(store, None) == ["old-0", "old-1"]
        found = store.checkpoints.get(GUEST, "old-0")
        assert found is not None
        assert (found.rev, found.raw) == ("0-1", BODY[:-1] + b"}")
        assert store.checkpoints.put(GUEST, "old-0", b"{}", parent="0-1") == "0-2"
        assert store.remote_revisions("a") == {unnamed(GUEST, "old-0"): "1-a"}
        assert store.checkpoints.put("user:bridge", "old-1", b"{}", parent="0-1") == "0-2"
        assert names(store, None) == []
        assert store.get_local("checkpoint:own") is not None


def test_oversized_checkpoints_from_an_older_logboat_are_dropped(path: Path) -> None:
    as_before(path, 256 * 1024, 0, 256 * 1024)
    with Database.open(path) as store:
        assert names(store, None) == ["old-1"]
        assert store.checkpoints.drop(None, "old-1")
        assert store.checkpoints.all() == []


def test_damaged_checkpoints_are_found_and_intact_ones_saved(path: Path) -> None:
    with Database.open(path) as store:
        fill(store, 3)
        pass_days(store, 1)
        store.checkpoint()
    connection = apsw.Connection(str(path))
    connection.execute("UPDATE checkpoints SET body = x'7b7d' WHERE client = 'cp-1'")
    connection.close()
    with Database.open(path) as store:
        assert store.check(deep=False) == [f"{path}: checkpoints 'user:guest' does not match its checksum"]
        store.checkpoint()
    salvage(path, path.with_name("saved.db"))
    with Database.open(path.with_name("saved.db")) as store:
        assert sorted(names(store)) == ["cp-0", "cp-2"]
        assert {kept.idle for kept in store.checkpoints.all()} == {24 * 6}
