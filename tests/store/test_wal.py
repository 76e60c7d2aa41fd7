"""The reader of write-ahead logs finds the frames after a damaged frame, which SQLite ignores."""

import shutil
from pathlib import Path

import apsw
import pytest

from sync.store import wal
from sync.store.sqlite_pages import Pages
from sync.store.wal import UnreadFrames

COMMITS = 12


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Return the database of a killed process, with twelve one-page commits in its write-ahead log."""
    made, path = tmp_path / "made.db", tmp_path / "left.db"
    connection = apsw.Connection(str(made))
    connection.execute(
        "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0"
    ).fetchall()
    connection.execute("CREATE TABLE t(n INTEGER PRIMARY KEY, text TEXT)")
    connection.pragma("wal_checkpoint", "TRUNCATE")
    for number in range(1, COMMITS + 1):
        connection.execute("INSERT INTO t VALUES(?, ?)", (number, f"row {number}"))
    for suffix in ("", "-wal"):
        shutil.copy(f"{made}{suffix}", f"{path}{suffix}")
    connection.close()
    return path


def spoil(database: Path, frame: int, *, at: int = 4_000) -> None:
    """Damage a frame of the write-ahead log, at `at` bytes from the start of the frame's header."""
    with Path(f"{database}-wal").open("r+b") as file:
        file.seek(wal.length(frame, wal.PAGE) + at)
        file.write(b"rubbish, more than eight bytes")


def rows(database: Path) -> set[int | None]:
    with Pages(database) as pages:
        list(pages.rows())
        return {record.rowid for record in pages.rows_beyond()}


def test_sound_log_hides_nothing(database: Path) -> None:
    assert wal.unseen(database) is UnreadFrames.NOTHING
    assert rows(database) == set()


def test_nothing_is_unread_without_a_log(database: Path) -> None:
    Path(f"{database}-wal").unlink()
    assert wal.unseen(database) is UnreadFrames.NOTHING


@pytest.mark.parametrize("at", [0, 10, 18, 4_000])
def test_commits_after_a_damaged_frame_are_unread_by_sqlite_and_can_be_recovered(
    database: Path, at: int
) -> None:
    spoil(database, 5, at=at)
    assert wal.unseen(database) is UnreadFrames.COMMITS
    assert rows(database) == set(range(1, COMMITS + 1))


def test_inspection_does_not_change_the_log(database: Path) -> None:
    spoil(database, 5)
    before = Path(f"{database}-wal").read_bytes()
    wal.unseen(database)
    assert Path(f"{database}-wal").read_bytes() == before


def test_damaged_last_commit_may_be_the_result_of_a_power_cut(database: Path) -> None:
    spoil(database, COMMITS - 1)
    assert wal.unseen(database) is UnreadFrames.ONE_COMMIT


def test_log_with_a_damaged_header_is_completely_unread(database: Path) -> None:
    with Path(f"{database}-wal").open("r+b") as file:
        file.write(bytes(wal.PAGE))
    assert wal.unseen(database) is UnreadFrames.COMMITS
    assert rows(database) == set(range(1, COMMITS + 1))


def test_frames_of_an_older_log_do_not_count(database: Path) -> None:
    connection = apsw.Connection(str(database))
    connection.pragma("wal_checkpoint", "RESTART")
    connection.execute("INSERT INTO t VALUES(100, 'row')")
    copied = database.with_name("copied.db")
    for suffix in ("", "-wal"):
        shutil.copy(f"{database}{suffix}", f"{copied}{suffix}")
    connection.close()
    assert wal.unseen(copied) is UnreadFrames.NOTHING
    spoil(copied, 0)
    assert wal.unseen(copied) is UnreadFrames.ONE_COMMIT
    assert rows(copied) == set()


def test_preallocated_log_is_used_and_hides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "made.db"
    connection = apsw.Connection(str(path))
    connection.execute(
        "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; CREATE TABLE t(n INTEGER PRIMARY KEY)"
    ).fetchall()
    for _ in range(2):
        wal.lay_out(path, 50)
        assert Path(f"{path}-wal").stat().st_size == wal.length(50, wal.PAGE)
    for number in range(20):
        connection.execute("INSERT INTO t VALUES(?)", (number,))
    assert Path(f"{path}-wal").stat().st_size == wal.length(50, wal.PAGE)
    left = tmp_path / "left.db"
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{left}{suffix}")
    connection.close()
    assert wal.unseen(left) is UnreadFrames.NOTHING
    with apsw.Connection(str(left)) as again:
        assert again.execute("SELECT count(*) FROM t").get == 20
    again.close()


def test_preallocated_log_that_was_never_used_does_not_count(database: Path) -> None:
    Path(f"{database}-wal").write_bytes(bytes(wal.length(50, wal.PAGE)))
    assert wal.unseen(database) is UnreadFrames.NOTHING
