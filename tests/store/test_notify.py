"""Processes are notified when another process has changed a store."""

import asyncio
import contextlib
import os
import select
import socket
from pathlib import Path

import pytest

from sync.store import Database, InputOutputError, StoreError

from .builders import note, program

WAIT = 30.0
"""Time limit for a notification, in seconds. A test that passes never waits this long."""

WRITER = """
import sys
from pathlib import Path
from sync.store import Database
with Database.open(Path(sys.argv[1]), announce=Path(sys.argv[2]) if sys.argv[2] else None) as store:
    for line in sys.stdin:
        print(store.put(line.strip(), {}), flush=True)
"""

WATCHER = """
import sys
from pathlib import Path
from sync.store import Database
with Database.open(Path(sys.argv[1]), announce=Path(sys.argv[2])) as store, store.watch() as watcher:
    print("watching", flush=True)
    assert watcher.wait(60)
    print(store.changes()[-1].id, flush=True)
    sys.stdin.read()
"""


def test_commit_in_another_process_makes_the_watcher_readable(path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Database.open(path, announce=run) as store, store.watch() as watcher:
        with program(WRITER, path, run) as writer:
            assert writer.stdin is not None
            assert writer.stdout is not None
            for name in ("a", "b"):
                writer.stdin.write(f"{name}\n")
                writer.stdin.flush()
                assert writer.stdout.readline().startswith("1-")
                assert select.select([watcher], [], [], WAIT)[0] == [watcher]
                assert watcher.drain()
                assert store.changes()[-1].id == name
                assert not watcher.drain()
            writer.stdin.close()
        assert writer.returncode == 0


def test_commit_here_wakes_a_watcher_in_another_process(path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Database.open(path, announce=run) as store, program(WATCHER, path, run) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "watching\n"
        store.put("note:argo:1", {})
        assert other.stdout.readline() == "note:argo:1\n"
        other.stdin.close()


def test_unannounced_change_is_found_by_polling(path: Path) -> None:
    with Database.open(path) as store, store.watch() as watcher, program(WRITER, path, "") as writer:
        assert writer.stdin is not None
        assert not watcher.ask()
        writer.stdin.write("a\n")
        writer.stdin.close()
        assert watcher.wait(WAIT)
        assert store.changes()[-1].id == "a"
        assert writer.stdout is not None
        assert writer.stdout.read().startswith("1-")
        assert not watcher.wait(0)


@pytest.mark.parametrize("announced", [True, False])
def test_own_commits_wake_every_watcher_and_failed_ones_wake_none(
    path: Path, tmp_path: Path, announced: bool
) -> None:
    with (
        Database.open(path, announce=tmp_path / "run" if announced else None) as store,
        store.watch() as one,
        store.watch() as two,
    ):
        store.put("a", note(1))
        assert one.drain()
        assert two.wait(0)
        assert not one.wait(0)
        with contextlib.suppress(ZeroDivisionError), store.transaction():
            store.put("b", note(1))
            raise ZeroDivisionError
        assert not store.put_if_absent("a", note(2))
        store.put_local("cp", {})
        store.set_expiry("a", 5)
        assert not one.drain()
        with store.transaction():
            store.put("b", note(1))
            store.put("c", note(1))
            assert not one.drain()
        assert one.drain()
        two.close()
        store.put("d", note(1))
        assert one.drain()


def test_watcher_of_another_store_in_the_same_folder_is_not_woken(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with (
        Database.open(tmp_path / "log.db", announce=run) as store,
        Database.open(tmp_path / "other.db", announce=run) as other,
        other.watch() as watcher,
    ):
        store.put("a", {})
        assert not watcher.drain()


def test_socket_of_a_dead_process_is_removed(path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    dead.bind(str(run / "log.db.1.0.dead"))
    dead.close()
    (run / "log.db.notes").write_text("a file of somebody's")
    with Database.open(path, announce=run) as store, store.watch() as watcher:
        store.put("a", {})
        assert watcher.drain()
        assert not (run / "log.db.1.0.dead").exists()
    assert [entry.name for entry in run.iterdir()] == ["log.db.notes"]


def test_full_buffer_of_a_sleeping_watcher_does_not_delay_commits(path: Path, tmp_path: Path) -> None:
    with Database.open(path, announce=tmp_path / "run") as store, store.watch() as watcher:
        for number in range(600):
            store.put(f"x:{number}", {})
        assert watcher.drain()
        assert len(store.changes()) == 600


def test_path_longer_than_the_limit_for_sockets_works(tmp_path: Path) -> None:
    run = tmp_path / ("long" * 30) / "run"
    assert len(os.fsencode(run)) > 108
    with Database.open(tmp_path / "log.db", announce=run) as store, store.watch() as watcher:
        store.put("a", {})
        assert watcher.drain()
    assert list(run.iterdir()) == []


def test_unusable_folder_fails_the_watcher_but_no_commit(path: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file, no folder")
    with Database.open(path, announce=tmp_path / "run") as store:
        with pytest.raises(StoreError, match="run"):
            store.watch()
        store.put("a", {})
        assert store.last_sequence == 1


def test_missing_folder_does_not_prevent_commits(path: Path, tmp_path: Path) -> None:
    with Database.open(path, announce=tmp_path / "run") as store:
        store.put("a", {})
        with store.watch() as watcher:
            watcher.close()
        (tmp_path / "run").rmdir()
        store.put("b", {})
        assert store.last_sequence == 2


def test_watcher_works_with_an_event_loop(path: Path, tmp_path: Path) -> None:
    async def follow() -> list[str]:
        loop = asyncio.get_running_loop()
        woken = asyncio.Event()
        with Database.open(path, announce=tmp_path / "run") as store, store.watch() as watcher:

            def look() -> None:
                if watcher.drain():
                    woken.set()

            loop.add_reader(watcher, look)
            store.put("a", {})
            await asyncio.wait_for(woken.wait(), WAIT)
            loop.remove_reader(watcher)
            return [change.id for change in store.changes()]

    assert asyncio.run(follow()) == ["a"]


def test_store_that_cannot_be_opened_leaves_no_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: object) -> str:
        raise InputOutputError("the card does not answer")

    monkeypatch.setattr("sync.store.database.meta.identity", failing)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(InputOutputError) as caught:
        Database.open(tmp_path / "log.db", announce=tmp_path / "watchers")
    assert len(list(Path("/proc/self/fd").iterdir())) == before, caught
