"""Recording does not wait for any process that uses the document store.

`tests.bench.delay` measures how long commits take. The tests in this module check the reasons why commits are
not delayed.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.polling import wait_until

from . import loads, proof
from .processes import RecorderProcess

pytestmark = [pytest.mark.wall_clock, pytest.mark.disk]

_HOLDER = """
import sys
import apsw
connection = apsw.Connection(sys.argv[1])
connection.set_busy_timeout(60_000)
connection.execute("BEGIN IMMEDIATE")
connection.execute("DELETE FROM docs WHERE id = 'nobody'")
print("held", flush=True)
sys.stdin.read()
connection.execute("ROLLBACK")
"""


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep a write transaction open in another process."""
    command = [sys.executable, "-c", _HOLDER, str(database)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        yield
        holder.stdin.close()
        assert holder.wait() == 0


def vessel(folder: Path) -> Path:
    """Configure a vessel with 2,500 samples/s, alarms, and windows that are full every 2 s."""
    return loads.write(
        folder,
        [
            *loads.simulated(10, rate_hz=50.0),
            *loads.rapid(folder, 2, loads.WHOLE),
            loads.flapping(folder, "flap", rate_hz=10.0),
        ],
    )


def assert_nothing_lost(recorder: RecorderProcess) -> None:
    proof.assert_sound(recorder.data)
    history = proof.read(recorder.data)
    assert history.absent(recorder.ledger) == []
    proof.assert_told_once(recorder.ledger)
    assert history.gaps == {}
    proof.assert_proved(history)
    proof.assert_alarms_follow_from_samples(history, ["flap"])


def test_commits_continue_while_another_process_locks_the_document_store(tmp_path: Path) -> None:
    with RecorderProcess(vessel(tmp_path / "vessel")) as recorder:
        recorder.start()
        recorder.wait_for_lines(500)
        wait_until((recorder.data / "log.db").exists, lambda: recorder.log)
        with locked(recorder.data / "log.db"):
            before = proof.documented(recorder.data, tmp_path / "before")
            recorder.wait_for_lines(8_000)
            assert proof.documented(recorder.data, tmp_path / "after") == before
            state = recorder.state()
            assert state is not None
            assert state["recording"]
        assert recorder.stop() == 0
        assert_nothing_lost(recorder)


def test_store_locked_beyond_the_timeout_is_reported_and_caught_up_with(
    tmp_path: Path,
) -> None:
    with RecorderProcess(vessel(tmp_path / "vessel")) as recorder:
        recorder.start()
        recorder.wait_for_lines(500)
        wait_until((recorder.data / "log.db").exists, lambda: recorder.log)
        with locked(recorder.data / "log.db"):
            state = recorder.wait_for_state(lambda state: state["documents"] is not None)
            assert "lock" in state["documents"]
            assert state["recording"]
            recorder.wait_for_lines(1_000)
        recorder.wait_for_state(lambda state: state["documents"] is None)
        assert recorder.stop() == 0
        assert_nothing_lost(recorder)
