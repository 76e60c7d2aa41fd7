"""`logboat demo --stay` runs a fleet for experiments, and restarts its daemons as systemd would."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.demo.supervisor import Supervisor, describe_exit, wait_s
from services.demo.vessel import Daemon
from services.state import crash_loops, state_file
from tests.polling import PATIENCE_S, wait_until

pytestmark = pytest.mark.wall_clock

UNITS = Path(__file__).parents[2] / "services" / "units"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[tuple[Path, "subprocess.Popen[str]"]]:
    """Yield the fleet's folder and the process that runs the demo."""
    folder = tmp_path / "a fleet's"
    command = [sys.executable, "-m", "services", "demo", "--vessels", "2", "--stay", str(folder)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    yield folder, demo
    if demo.poll() is None:
        demo.terminate()
        demo.communicate(timeout=PATIENCE_S)


def pid(folder: Path, vessel: str, state: str) -> int | None:
    found = state_file.read(state_file.path(folder / vessel / "run", state))
    return None if found is None else int(found["pid"])


def test_demo_keeps_running_and_restarts_killed_daemons(
    fleet: tuple[Path, "subprocess.Popen[str]"],
) -> None:
    folder, demo = fleet
    script = folder / "argo" / "logboat"

    def told(*words: str) -> dict[str, Any]:
        done = subprocess.run([script, *words, "--json"], capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.stdout else {}

    wait_until(lambda: pid(folder, "argo", "lights"), "the lights")
    wait_until(lambda: told("status").get("mesh", {}).get("linked") == ["brigid"], "argo's words of brigid")
    assert {each["name"] for each in told("doctor")["checks"]} > {"recorder", "identity"}
    assert told("status")["lines"]["identity"].startswith("member of fleet demo-")
    before = pid(folder, "argo", "recorder")
    assert before is not None
    os.kill(before, signal.SIGKILL)

    def another() -> int | None:
        now = pid(folder, "argo", "recorder")
        return None if now == before else now

    after = wait_until(another, "the recorder comes back")
    noted = crash_loops.recorded_exits(folder / "argo" / "run", "recorder")
    assert [end.how for end in noted] == ["killed by signal KILL"]
    demo.terminate()
    said, _ = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 0, said
    assert str(script) in said
    assert f"all processes have stopped; the stores and the output remain in {folder}" in said
    assert "argo: recorder has stopped (killed by signal KILL); restarting in 1 s" in said
    with pytest.raises(ProcessLookupError):
        os.kill(after, 0)


def test_folder_of_another_demo_is_not_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from services.cli.main import main

    (tmp_path / "argo").mkdir()
    assert main(["demo", "--stay", str(tmp_path)]) == 2
    assert "argo exists: choose another folder" in capsys.readouterr().err
    assert main(["demo", "--stay", str(tmp_path), "--keep", str(tmp_path)]) == 2


class Ended:
    """Fake vessel whose daemons end when the test requests it."""

    name = "argo"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir()
        self.gone: list[tuple[Daemon, int]] = []
        self.started: list[Daemon] = []

    def ended(self) -> list[tuple[Daemon, int]]:
        gone, self.gone = self.gone, []
        return gone

    def start(self, daemon: Daemon) -> None:
        self.started.append(daemon)


def test_daemon_that_ends_repeatedly_is_restarted_later_and_becomes_a_fault(tmp_path: Path) -> None:
    vessel = Ended(tmp_path)
    keeper, now, waits = Supervisor(vessel), 0.0, []  # type: ignore[arg-type]
    for _ in range(crash_loops.MANY):
        vessel.gone, vessel.started = [(Daemon.SYNC, -signal.SIGKILL)], []
        [words] = keeper.supervise(now)
        began = now
        while not vessel.started:
            now += 0.1
            assert keeper.supervise(now) == []
        waits.append(now - began)
    assert waits == pytest.approx([wait_s(number) for number in range(1, crash_loops.MANY + 1)], abs=0.11)
    assert (
        words
        == f"argo: sync has stopped (killed by signal KILL); restarting in {wait_s(crash_loops.MANY):.0f} s"
    )
    [restless] = crash_loops.find_crash_loops(tmp_path / "run", clock=time.clock_gettime(time.CLOCK_BOOTTIME))
    assert (restless.daemon, restless.count) == ("sync", crash_loops.MANY)


def test_daemon_that_exits_normally_is_not_a_fault(tmp_path: Path) -> None:
    vessel = Ended(tmp_path)
    vessel.gone = [(Daemon.RECORDER, 0)]
    said = Supervisor(vessel).supervise(0.0)  # type: ignore[arg-type]
    assert said == ["argo: recorder has stopped (exit status 0); restarting in 1 s"]
    assert not any((tmp_path / "run").iterdir())


def test_restart_delays_are_those_of_the_units() -> None:
    unit = (UNITS / "logboat-recorder.service").read_text().splitlines()
    first, longest, steps = wait_s(1), wait_s(10_000), 8
    assert {f"RestartSec={first:.0f}", f"RestartMaxDelaySec={longest:.0f}", f"RestartSteps={steps}"} <= set(
        unit
    )
    waits = [wait_s(number) for number in range(1, 12)]
    assert waits == sorted(waits)
    assert waits[steps] == pytest.approx(longest)
    assert waits[steps - 1] < longest


def test_ends_of_daemons_are_described_in_words() -> None:
    assert describe_exit(1) == "exit status 1"
    assert describe_exit(-signal.SIGSEGV) == "killed by signal SEGV"
    assert describe_exit(-63) == "killed by signal 63"
