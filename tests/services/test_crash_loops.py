"""A daemon that ends repeatedly is noted, counted and reported until it runs normally again."""

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
    """Runner of the units' ExecStopPost=, on a simulated clock and with no Python in its path."""

    folder: Path
    told: dict[str, str] = field(default_factory=lambda: {"SERVICE_RESULT": "exit-code", "EXIT_STATUS": "1"})

    def __post_init__(self) -> None:
        for name in ("run", "data"):
            (self.folder / name).mkdir()

    def ends(self, *clocks: float) -> None:
        """Let a service end at these times, in seconds on the boot clock."""
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
        """Return what status, doctor and lights report, or None."""
        found = crash_loops.find_crash_loops(self.folder / "run", clock=clock)
        return str(found[0]) if found else None

    @property
    def kept(self) -> list[str]:
        """Messages in `errors.log`, in order."""
        return [found.line.text for found in kept.read(self.folder / "data")]


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path)


def test_a_few_ends_are_kept_and_no_fault(systemd: Systemd) -> None:
    systemd.ends(*range(MANY - 1))
    assert systemd.kept == [f"logboat-sync has stopped: {HOW}"] * (MANY - 1)
    assert systemd.judge(MANY) is None


def test_the_fifth_within_ten_minutes_is_a_fault_and_kept_with_its_count(systemd: Systemd) -> None:
    systemd.ends(*range(MANY))
    words = f"logboat-sync has stopped 5 times in 10 min (last: {HOW})"
    assert systemd.kept[-1] == f"{words}; restarting it every 30 s"
    assert systemd.judge(MANY) == words


def test_ends_far_apart_are_no_fault(systemd: Systemd) -> None:
    systemd.ends(*(number * WITHIN_S / 3 for number in range(20)))
    assert len(systemd.kept) == 20
    assert systemd.judge(20 * WITHIN_S / 3) is None


def test_a_daemon_that_fails_for_hours_is_a_fault_all_the_time_and_kept_once_an_hour(
    systemd: Systemd,
) -> None:
    hours = 3
    for number in range(round(hours * KEPT_EVERY_S / 31)):
        systemd.ends(number * 31.0)
        assert number < MANY or systemd.judge(number * 31.0 + 30) is not None
    assert MANY + hours - 1 <= len(systemd.kept) <= MANY + hours
    assert len((systemd.folder / "run/ended-sync").read_text().splitlines()) <= WITHIN_S / 31 + 2


def test_it_is_over_when_the_daemon_has_run_for_a_while(systemd: Systemd) -> None:
    systemd.ends(*range(MANY + 3))
    last = MANY + 2
    assert systemd.judge(last + OVER_AFTER_S - 1) is not None
    assert systemd.judge(last + OVER_AFTER_S) is None
    systemd.ends(WITHIN_S * 2)
    assert systemd.kept[-1] == f"logboat-sync has stopped: {HOW}"


def test_ends_of_another_boot_do_not_count(systemd: Systemd) -> None:
    systemd.ends(*(90_000.0 + number for number in range(MANY)))
    assert systemd.judge(10.0) is None
    systemd.ends(10.0)
    assert [end.clock for end in crash_loops.recorded_exits(systemd.folder / "run", "sync")] == [10.0]
    assert systemd.kept[-1] == f"logboat-sync has stopped: {HOW}"


def test_a_file_of_notes_that_is_not_whole_stops_nothing(systemd: Systemd) -> None:
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
def test_how_it_ended_is_said_in_words(told: dict[str, str], words: str | None, systemd: Systemd) -> None:
    systemd.told = told
    systemd.ends(1.0)
    assert [end.how for end in crash_loops.recorded_exits(systemd.folder / "run", "sync")] == (
        [words] if words else []
    )


def test_the_script_and_what_reads_its_notes_have_the_same_numbers() -> None:
    text = SCRIPT.read_text()
    assert f"within={WITHIN_S:g} many={MANY} kept_every={KEPT_EVERY_S:g} " in text
    assert f"log_limit={kept.LIMIT} " in text


def test_a_full_errors_log_is_turned_over_and_the_end_is_in_the_new_one(systemd: Systemd) -> None:
    (systemd.folder / "data" / kept.NAME).write_text("x\n" * kept.LIMIT)
    systemd.ends(1.0)
    assert systemd.kept == [f"logboat-sync has stopped: {HOW}"]
    assert (systemd.folder / "data" / kept.OLDER).stat().st_size > kept.LIMIT


def test_what_systemd_runs_makes_it_known_everywhere(
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


def test_a_unit_that_has_failed_is_told(logboat: Appliance) -> None:
    logboat.live()
    logboat.failed.append("logboat-store.service")
    status = logboat("status")
    assert "FAILED: logboat-store.service" in status.out
    assert "find out why logboat-store.service failed: systemctl status logboat-store.service" in status.out


def test_an_end_is_kept_though_the_run_directory_is_not_there_yet(
    logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_RESULT", "timeout")
    logboat.run_folder.rmdir()
    assert logboat("ended", "boot").status == 0
    [found] = kept.read(logboat.data)
    assert found.line.text.startswith("logboat-boot has stopped: did not start or stop in time (")
    assert found.line.text.endswith("/run cannot be written)")
