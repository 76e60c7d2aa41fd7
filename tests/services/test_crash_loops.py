"""Repeated exits of a daemon are recorded, counted and reported until the daemon runs normally again."""

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.logs import error_log as kept
from services.state import crash_loops
from services.state.crash_loops import KEPT_EVERY_S, MANY, OVER_AFTER_S, SCRIPT, WITHIN_S
from tests.services.appliance import Appliance, logboat

__all__ = ["logboat"]

HOW = "exit status 1"


@dataclass
class Systemd:
    """Runner of the `ExecStopPost=` script, with a simulated boot clock and a PATH of system folders only."""

    folder: Path
    told: dict[str, str] = field(default_factory=lambda: {"SERVICE_RESULT": "exit-code", "EXIT_STATUS": "1"})

    def __post_init__(self) -> None:
        for name in ("run", "data"):
            (self.folder / name).mkdir()

    def ends(self, *clocks: float) -> None:
        """Run the script as if a service had exited at each of these times, in seconds on the boot clock."""
        for clock in clocks:
            (self.folder / "uptime").write_text(f"{clock:.2f} 1.00\n")
            done = subprocess.run(
                [SCRIPT, "sync", *(self.folder / name for name in ("run", "data", "uptime"))],
                env={"PATH": "/usr/bin:/bin", **self.told},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr

    def judge(self, clock: float) -> str | None:
        """Return the crash loop that status, doctor and lights report at this time, or None."""
        found = crash_loops.find_crash_loops(self.folder / "run", clock=clock)
        return str(found[0]) if found else None

    @property
    def kept(self) -> list[str]:
        """Messages in `errors.log`, in order."""
        return [found.line.text for found in kept.read(self.folder / "data")]


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path)


def test_few_crashes_are_recorded_and_not_a_fault(systemd: Systemd) -> None:
    systemd.ends(*range(MANY - 1))
    assert systemd.kept == [f"logboat-sync has stopped: {HOW}"] * (MANY - 1)
    assert systemd.judge(MANY) is None


def test_fifth_crash_within_ten_minutes_is_a_fault_and_logged_with_its_count(systemd: Systemd) -> None:
    systemd.ends(*range(MANY))
    words = f"logboat-sync has stopped 5 times in 10 min (last: {HOW})"
    assert systemd.kept[-1] == f"{words}; restarting it every 30 s"
    assert systemd.judge(MANY) == words


def test_crashes_far_apart_are_not_a_fault(systemd: Systemd) -> None:
    systemd.ends(*(number * WITHIN_S / 3 for number in range(20)))
    assert len(systemd.kept) == 20
    assert systemd.judge(20 * WITHIN_S / 3) is None


def test_daemon_that_fails_for_hours_remains_a_fault_and_is_logged_once_an_hour(
    systemd: Systemd,
) -> None:
    hours = 3
    for number in range(round(hours * KEPT_EVERY_S / 31)):
        systemd.ends(number * 31.0)
        assert number < MANY or systemd.judge(number * 31.0 + 30) is not None
    assert MANY + hours - 1 <= len(systemd.kept) <= MANY + hours
    assert len((systemd.folder / "run/ended-sync").read_text().splitlines()) <= WITHIN_S / 31 + 2


def test_fault_ends_when_the_daemon_has_run_for_a_while(systemd: Systemd) -> None:
    systemd.ends(*range(MANY + 3))
    last = MANY + 2
    assert systemd.judge(last + OVER_AFTER_S - 1) is not None
    assert systemd.judge(last + OVER_AFTER_S) is None
    systemd.ends(WITHIN_S * 2)
    assert systemd.kept[-1] == f"logboat-sync has stopped: {HOW}"


def test_crashes_of_another_boot_do_not_count(systemd: Systemd) -> None:
    systemd.ends(*(90_000.0 + number for number in range(MANY)))
    assert systemd.judge(10.0) is None
    systemd.ends(10.0)
    assert [end.clock for end in crash_loops.recorded_exits(systemd.folder / "run", "sync")] == [10.0]
    assert systemd.kept[-1] == f"logboat-sync has stopped: {HOW}"


def test_incomplete_record_of_crashes_is_tolerated(systemd: Systemd) -> None:
    (systemd.folder / "run/ended-sync").write_bytes(b"\n\xff\x00 x\n12 once\nno time\n5")
    systemd.ends(*range(20, 20 + MANY))
    assert systemd.judge(30.0) is not None


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"SERVICE_RESULT": "success", "EXIT_CODE": "exited", "EXIT_STATUS": "0"}, None),
        ({}, None),
        ({"SERVICE_RESULT": "exit-code", "EXIT_CODE": "exited", "EXIT_STATUS": "2"}, "exit status 2"),
        ({"SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}, "killed by signal KILL"),
        ({"SERVICE_RESULT": "core-dump", "EXIT_STATUS": "SEGV"}, "crashed with signal SEGV"),
        ({"SERVICE_RESULT": "watchdog", "EXIT_STATUS": "ABRT"}, "hung, stopped by the watchdog"),
        ({"SERVICE_RESULT": "timeout", "EXIT_STATUS": "TERM"}, "did not start or stop in time"),
        ({"SERVICE_RESULT": "resources"}, "resources"),
    ],
)
def test_cause_of_an_end_is_described_in_words(
    told: dict[str, str], words: str | None, systemd: Systemd
) -> None:
    systemd.told = told
    systemd.ends(1.0)
    assert [end.how for end in crash_loops.recorded_exits(systemd.folder / "run", "sync")] == (
        [words] if words else []
    )


def test_script_and_its_reader_use_the_same_limits() -> None:
    text = SCRIPT.read_text()
    assert f"within={WITHIN_S:g} many={MANY} kept_every={KEPT_EVERY_S:g} " in text
    assert f"log_limit={kept.LIMIT} " in text


def test_full_errors_log_is_rotated_and_the_new_file_contains_the_crash(systemd: Systemd) -> None:
    (systemd.folder / "data" / kept.NAME).write_text("x\n" * kept.LIMIT)
    systemd.ends(1.0)
    assert systemd.kept == [f"logboat-sync has stopped: {HOW}"]
    assert (systemd.folder / "data" / kept.OLDER).stat().st_size > kept.LIMIT


def test_ends_recorded_by_the_units_are_reported_by_status(
    logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    logboat.live()
    monkeypatch.setenv("SERVICE_RESULT", "signal")
    monkeypatch.setenv("EXIT_STATUS", "SEGV")
    for _ in range(MANY):
        assert logboat("status", "--json").json["restless"] == []
        assert logboat("ended", "recorder").status == 0
        logboat.clock.boottime += 2
        logboat.live(updated={"clock": logboat.clock.boottime, "utc": 1.0})
    words = "logboat-recorder has stopped 5 times in 10 min (last: killed by signal SEGV)"
    status = logboat("status")
    assert f"FAILING: {words}" in status.out
    assert f"to do: find out why {words}: journalctl -u logboat-recorder" in status.out
    assert logboat("status", "--json").json["restless"] == [words]
    assert [found.line.text for found in kept.read(logboat.data)][-1].startswith(words)
    monkeypatch.setenv("SERVICE_RESULT", "success")
    logboat.clock.boottime += OVER_AFTER_S
    assert logboat("ended", "recorder").status == 0
    assert "FAILING" not in logboat("status").out


def test_failed_unit_is_reported(logboat: Appliance) -> None:
    logboat.live()
    logboat.failed.append("logboat-store.service")
    status = logboat("status")
    assert "FAILED: logboat-store.service" in status.out
    assert "find out why logboat-store.service failed: systemctl status logboat-store.service" in status.out


def test_crash_is_recorded_although_the_run_directory_does_not_exist_yet(
    logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_RESULT", "timeout")
    logboat.run_folder.rmdir()
    assert logboat("ended", "boot").status == 0
    [found] = kept.read(logboat.data)
    assert found.line.text.startswith("logboat-boot has stopped: did not start or stop in time (")
    assert found.line.text.endswith("/run cannot be written)")
