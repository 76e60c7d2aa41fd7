"""A store file of an older version is migrated. A damaged file or a file of a newer version is rejected."""

import re
import shutil
from pathlib import Path

import apsw
import pytest

from sync.store import DamagedError, Database, StoreError, UnsupportedError, meta, schema

from .builders import note


def test_connection_is_configured_for_durability_and_little_wear(store: Database) -> None:
    pragma = store._engine.connection.pragma
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("mmap_size") == 0
    assert pragma("auto_vacuum") == 2
    assert pragma("temp_store") == 2
    assert pragma("wal_autocheckpoint") == schema.WAL_PAGES
    assert pragma("application_id") == schema.APPLICATION_ID
    assert pragma("user_version") == schema.VERSION


def test_recorder_does_not_checkpoint_by_itself(path: Path) -> None:
    with Database.open(path, checkpoint_pages=0) as store:
        assert store._engine.connection.pragma("wal_autocheckpoint") == 0


@pytest.mark.parametrize("version", ["3.40.1", "3.46.1", "3.51.2", "2.8.17"])
def test_sqlite_that_can_corrupt_the_file_is_refused(version: str) -> None:
    with pytest.raises(UnsupportedError, match=version):
        schema.check_sqlite(version)


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0", apsw.sqlite_lib_version()])
def test_sqlite_without_that_fault_is_accepted(version: str) -> None:
    schema.check_sqlite(version)


@pytest.mark.parametrize("left", [b"", None], ids=["empty file", "set up, no tables"])
def test_file_of_version_zero_becomes_a_store(path: Path, left: bytes | None) -> None:
    """A power cut during the creation of a store can leave a file that is empty or has no tables."""
    path.write_bytes(b"")
    if left is None:
        connection = apsw.Connection(str(path))
        connection.pragma("auto_vacuum", 2)
        connection.pragma("journal_mode", "wal")
        connection.close()
    with Database.open(path) as store:
        store.put("x", note(1))
        assert store.check() == []


def test_older_file_is_migrated_in_one_transaction_and_keeps_its_documents(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Database.open(path) as store:
        store.put("x", note(1))
        identity = store.uuid
    newer = (
        *schema.MIGRATIONS,
        "CREATE TABLE trial(a); INSERT INTO trial VALUES (1)",
        "ALTER TABLE trial ADD b",
    )
    monkeypatch.setattr(schema, "MIGRATIONS", (*newer, "CREATE TABLE docs(a)"))
    monkeypatch.setattr(schema, "VERSION", 4)
    with pytest.raises(StoreError):
        Database.open(path)
    monkeypatch.setattr(schema, "MIGRATIONS", newer)
    monkeypatch.setattr(schema, "VERSION", 3)
    for _ in range(2):
        with Database.open(path) as store:
            assert store._engine.connection.pragma("user_version") == 3
            assert store._engine.execute("SELECT a, b FROM trial").fetchall() == [(1, None)]
            assert store.get("x") is not None
            assert store.uuid == identity
            assert store.check() == []


def test_file_of_a_newer_version_is_refused_and_not_changed(path: Path) -> None:
    Database.open(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.execute(meta.PUT, (meta.SCHEMA, 99, meta.checksum(meta.SCHEMA, 99)))
    connection.close()
    before = path.read_bytes()
    with pytest.raises(UnsupportedError, match="newer Logboat"):
        Database.open(path)
    assert path.read_bytes() == before


def test_file_whose_header_and_properties_disagree_is_damaged(path: Path) -> None:
    Database.open(path).close()
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 99)
    connection.close()
    with pytest.raises(DamagedError, match="99"):
        Database.open(path)


def test_database_of_another_program_is_refused_and_not_changed(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE logs(a)")
    connection.close()
    with pytest.raises(UnsupportedError, match="not a document store"):
        Database.open(path)
    connection = apsw.Connection(str(path))
    assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("logs",)]
    connection.close()


def test_store_without_a_table_is_damaged(path: Path) -> None:
    Database.open(path).close()
    connection = apsw.Connection(str(path))
    connection.execute("DROP TABLE floors")
    connection.close()
    with pytest.raises(DamagedError, match="a table is missing"):
        Database.open(path)


def test_store_of_an_older_logboat_starts_to_record_channel_removals(path: Path) -> None:
    with Database.open(path) as store:
        first = store.put("x", {"channels": ["notes"]})
    connection = apsw.Connection(str(path))
    connection.execute("DROP TABLE departures")
    version = connection.pragma("user_version")
    connection.close()
    with Database.open(path) as store:
        assert store.departed("x") == {}
        store.delete("x", parent=first)
        assert store.departed("x") == {"notes": store.last_sequence}
        assert store.check() == []
        assert store._engine.connection.pragma("user_version") == version, "an older one can still open it"


def test_file_that_is_not_a_database_is_damaged(path: Path) -> None:
    path.write_text("Dear diary, " * 500)
    with pytest.raises(DamagedError, match=r"log\.db"):
        Database.open(path)


def test_missing_folder_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere/log\.db"):
        Database.open(tmp_path / "nowhere" / "log.db")
    with pytest.raises(StoreError, match=re.escape(str(tmp_path))):
        Database.open(tmp_path)


def test_opening_a_store_writes_nothing_to_the_card(path: Path) -> None:
    with Database.open(path) as store:
        store.put("x", note(1))
    before = path.read_bytes()
    with Database.open(path) as store:
        assert store.get("x") is not None
        assert store.uuid
        assert store.last_sequence == 1
    assert path.read_bytes() == before


def test_store_can_be_copied_as_a_file_after_closing(path: Path, tmp_path: Path) -> None:
    with Database.open(path) as store:
        store.put("x", note(1))
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["log.db", "log.db.lock"]
    shutil.copyfile(path, tmp_path / "copy.db")
    with Database.open(tmp_path / "copy.db") as copy:
        assert copy.get("x") is not None
