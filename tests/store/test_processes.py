"""A store stays undamaged while several processes write to it and some of them are killed."""

import fcntl
import signal
from pathlib import Path

from sync.store import Database

from .builders import note, program

OPENER = """
import sys
from pathlib import Path
from sync.store import Database
print("ready", flush=True)
sys.stdin.readline()
print(Database.open(Path(sys.argv[1])).uuid)
"""

WRITER = """
import sys
from pathlib import Path
from sync.store import Database
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with Database.open(path) as store:
    for number in range(count):
        with store.transaction():
            store.put(f"{name}:{number:05d}:a", {"n": number})
            store.put(f"{name}:{number:05d}:b", {"n": number})
        counter = store.get("shared")
        while True:
            try:
                store.put("shared", {"n": counter.body["n"] + 1}, parent=counter.rev)
            except Exception as error:
                assert type(error).__name__ == "ConflictError", error
                counter = store.get("shared")
            else:
                break
        print(number, flush=True)
"""

FOREVER = """
import itertools, sys
from pathlib import Path
from sync.store import Database
with Database.open(Path(sys.argv[1])) as store:
    for number in itertools.count():
        with store.transaction():
            store.put(f"{sys.argv[2]}:{number:06d}:a", {"text": "x" * (number % 5000)})
            store.put(f"{sys.argv[2]}:{number:06d}:b", {})
        print(number, flush=True)
"""


def test_two_processes_that_create_the_store_at_once_create_one(path: Path) -> None:
    for number in range(5):
        fresh = path.with_name(f"{number}.db")
        with program(OPENER, fresh) as one, program(OPENER, fresh) as two:
            for process in (one, two):
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            first, second = one.communicate("go\n")[0], two.communicate("go\n")[0]
        assert first == second != ""


def test_writers_in_two_processes_lose_no_writes(path: Path) -> None:
    count = 60
    with Database.open(path) as store:
        store.put("shared", note(0))
        with program(WRITER, path, "x", count) as one, program(WRITER, path, "y", count) as two:
            one.communicate()
            two.communicate()
        assert (one.returncode, two.returncode) == (0, 0)
        changes = [change for change in store.changes() if change.id != "shared"]
        assert len(changes) == 4 * count
        for a, b in zip(changes[::2], changes[1::2], strict=True):
            assert (a.id[:-1], a.sequence + 1) == (b.id[:-1], b.sequence)
        counter = store.get("shared")
        assert counter is not None
        assert counter.body["n"] == 2 * count
        assert counter.rev.startswith(f"{2 * count + 1}-")
        assert store.check() == []


HOG = """
import itertools, os, sys
from pathlib import Path
from sync.store import Database
parent = os.getppid()
with Database.open(Path(sys.argv[1])) as store:
    for number in itertools.count():
        if os.getppid() != parent:
            sys.exit("the test is gone")
        with store.transaction():
            for part in range(200):
                store.insert(f"hog:{number}:{part}", "1-a", [], b"{}")
"""


def test_writer_that_never_pauses_does_not_starve_others(path: Path) -> None:
    """While another process waits to write, the busy writer may commit only a few transactions."""
    puts = 25
    passed = 0
    with Database.open(path) as store, program(HOG, path) as hog:
        for number in range(puts):
            before = store.last_sequence
            while store.last_sequence < before + 1000:
                assert hog.poll() is None
            before = store.last_sequence
            store.put(f"ours:{number}", {})
            passed += (store.last_sequence - before) // 200
        hog.kill()
    assert passed / puts < 10


def test_process_suspended_with_the_fairness_lock_does_not_block_others(store: Database, path: Path) -> None:
    with path.with_name("log.db.lock").open("wb") as stopped:
        fcntl.flock(stopped, fcntl.LOCK_EX)
        store.put("x", {})
    assert store.get("x") is not None


def test_kill_at_any_moment_keeps_every_committed_transaction_complete(path: Path) -> None:
    for turn in range(4):
        done = -1
        with program(FOREVER, path, turn) as writer:
            assert writer.stdout is not None
            for _ in range(5 + 37 * turn):
                done = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                if line.endswith("\n"):
                    done = int(line)
        with Database.open(path) as store:
            ids = [document.id for document in store.documents(f"{turn}:")]
            wanted = [f"{turn}:{number:06d}:{part}" for number in range(len(ids) // 2) for part in "ab"]
            assert ids == wanted
            assert len(ids) // 2 in {done + 1, done + 2}
            assert store.check() == []
