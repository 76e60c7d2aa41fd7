"""A daemon that ends again and again: kept, counted, told, and tried on; and over when it runs."""

import pytest

from services import ends
from services.ends import MANY, OVER_AFTER_S, TOLD_EVERY_S, WITHIN_S, Ends
from services.logs import kept
from tests.services.appliance import Appliance, logboat

__all__ = ["logboat"]

HOW = "exit status 1"


def after(*clocks: float) -> tuple[Ends, list[str]]:
    """What is known after ends at these times, and what of them was kept."""
    found, told = Ends(daemon="sync"), []
    for clock in clocks:
        found, words = ends.add(found, HOW, clock=clock)
        told += [words] if words else []
    return found, told


def test_a_few_ends_are_kept_and_no_fault() -> None:
    found, told = after(*range(MANY - 1))
    assert told == [f"logboat-sync has ended: {HOW}"] * (MANY - 1)
    assert ends.judge(found, clock=MANY) is None


def test_the_fifth_within_ten_minutes_is_a_fault_and_kept_with_its_count() -> None:
    found, told = after(*range(MANY))
    assert (
        told[-1]
        == f"logboat-sync has ended 5 times in 10 min (the last time: {HOW}); it is tried on, every 30 s"
    )
    assert (
        str(ends.judge(found, clock=MANY))
        == f"logboat-sync has ended 5 times in 10 min (the last time: {HOW})"
    )


def test_ends_far_apart_are_no_fault() -> None:
    found, told = after(*(number * WITHIN_S / 3 for number in range(20)))
    assert len(told) == 20
    assert ends.judge(found, clock=20 * WITHIN_S / 3) is None


def test_a_daemon_that_fails_for_a_day_is_a_fault_all_the_time_and_kept_once_an_hour() -> None:
    day = [number * 31.0 for number in range(86_400 // 31)]
    found, told = Ends(daemon="sync"), 0
    for clock in day:
        found, words = ends.add(found, HOW, clock=clock)
        told += words is not None
        assert clock < 5 * 31 or ends.judge(found, clock=clock + 30) is not None
    assert told <= MANY + 86_400 / TOLD_EVERY_S + 1
    assert len(found.ends) <= 50


def test_it_is_over_when_the_daemon_has_run_for_a_while() -> None:
    found, _ = after(*range(MANY + 3))
    last = MANY + 2
    assert ends.judge(found, clock=last + OVER_AFTER_S - 1) is not None
    assert ends.judge(found, clock=last + OVER_AFTER_S) is None
    _, told = after(*range(MANY + 3), WITHIN_S * 2)
    assert told[-1] == f"logboat-sync has ended: {HOW}"


def test_ends_of_another_boot_do_not_count() -> None:
    found, _ = after(*(90_000.0 + number for number in range(MANY)))
    assert ends.judge(found, clock=10.0) is None
    found, words = ends.add(found, HOW, clock=10.0)
    assert [end.clock for end in found.ends] == [10.0]
    assert words == f"logboat-sync has ended: {HOW}"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"SERVICE_RESULT": "success", "EXIT_CODE": "exited", "EXIT_STATUS": "0"}, None),
        ({}, None),
        ({"SERVICE_RESULT": "exit-code", "EXIT_CODE": "exited", "EXIT_STATUS": "2"}, "exit status 2"),
        ({"SERVICE_RESULT": "signal", "EXIT_CODE": "killed", "EXIT_STATUS": "KILL"}, "killed by signal KILL"),
        ({"SERVICE_RESULT": "core-dump", "EXIT_STATUS": "SEGV"}, "it crashed, signal SEGV"),
        ({"SERVICE_RESULT": "watchdog", "EXIT_STATUS": "ABRT"}, "it hung, and the watchdog ended it"),
        ({"SERVICE_RESULT": "resources"}, "resources"),
    ],
)
def test_how_it_ended_is_said_in_words(told: dict[str, str], words: str | None) -> None:
    assert ends.in_words(told) == words


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
    words = "logboat-recorder has ended 5 times in 10 min (the last time: killed by signal SEGV)"
    status = logboat("status")
    assert f"FAILING: {words}" in status.out
    assert f"to do: see why {words}; it is tried on: journalctl -u logboat-recorder" in status.out
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
    assert "see why logboat-store.service has failed: systemctl status logboat-store.service" in status.out


def test_an_end_is_kept_though_the_run_directory_is_not_there_yet(
    logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_RESULT", "timeout")
    logboat.run_folder.rmdir()
    assert logboat("ended", "boot").status == 0
    [found] = kept.read(logboat.data)
    assert found.line.text.startswith("logboat-boot has ended: it did not start or end in time (")
    assert found.line.text.endswith("No such file or directory)")
