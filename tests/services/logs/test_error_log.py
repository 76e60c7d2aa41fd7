"""The file `errors.log` is bounded and durable, contains complete lines, and never blocks a daemon."""

import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from services.bundle.contents import parts
from services.logs import setup
from services.logs.error_log import LIMIT, NAME, OLDER, SYNC_EVERY_S, ErrorLog, read, recent
from services.logs.lines import LogLine
from tests.faults.disks import in_memory

UTC = 1_790_000_000.0


def line(text: str, daemon: str = "recorder") -> LogLine:
    return LogLine("error", daemon, "recording", text)


def texts(data: Path) -> list[str]:
    return [found.line.text for found in read(data)]


def write(log: ErrorLog, *said: str, at: float = 0.0) -> None:
    for text in said:
        log.append(line(text), utc=UTC + at, clock=100.0 + at, now=at)


def words(number: int) -> str:
    """Return a string without digits that is unique to this number."""
    return "".join(chr(97 + int(digit)) for digit in f"{number:05}") * 100


def test_errors_are_kept_in_order_for_all_daemons(tmp_path: Path) -> None:
    write(ErrorLog(tmp_path), "one", "two")
    ErrorLog(tmp_path).append(line("three", "sync"), utc=UTC, clock=1.0, now=0.0)
    assert texts(tmp_path) == ["one", "two", "three"]
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o660


def test_log_is_limited_to_two_files_and_the_newest_lines_are_kept(tmp_path: Path) -> None:
    log = ErrorLog(tmp_path)
    for number in range(1_000):
        write(log, words(number), at=float(number))
    sizes = [(tmp_path / name).stat().st_size for name in (NAME, OLDER)]
    assert all(0 < size <= LIMIT for size in sizes)
    assert texts(tmp_path)[-200:] == [words(number) for number in range(800, 1_000)]
    assert not log.lost


def test_several_processes_write_complete_lines(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_flood, args=(tmp_path, begin)) for begin in (10_000, 20_000)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    found = texts(tmp_path)
    known = {words(begin + number) for begin in (10_000, 20_000) for number in range(300)}
    # A process that finds another's incomplete line ends it. This leaves an empty line, and loses nothing.
    whole = [text for name in (OLDER, NAME) for text in (tmp_path / name).read_text().split("\n") if text]
    assert set(found) <= known
    assert len(whole) == len(found) > 200


def _flood(data: Path, begin: int) -> None:
    log = ErrorLog(data)
    for number in range(300):
        write(log, words(begin + number), at=float(number))


def test_error_at_every_start_is_stored_once_and_counted(tmp_path: Path) -> None:
    for start in range(15):
        write(ErrorLog(tmp_path), "samples.db: disk I/O error", at=start * 30.0)
    assert texts(tmp_path) == ["samples.db: disk I/O error"]
    write(ErrorLog(tmp_path), "samples.db: disk I/O error", at=700.0)
    assert len(texts(tmp_path)) == 2


def test_incomplete_line_after_a_power_cut_affects_no_other(tmp_path: Path) -> None:
    write(ErrorLog(tmp_path), "one", "two")
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-5])
    write(ErrorLog(tmp_path), "three")
    assert texts(tmp_path) == ["one", "three"]


def test_log_is_synced_at_once_and_then_periodically(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[float] = []
    now = [0.0]
    monkeypatch.setattr(os, "fsync", lambda _file: synced.append(now[0]))
    log = ErrorLog(tmp_path)
    for step in range(100):
        now[0] = step / 10
        write(log, words(step), at=now[0])
    assert synced == [0.0, SYNC_EVERY_S]
    assert log.waits
    log.sync(now[0])
    log.sync(2 * SYNC_EVERY_S)
    assert synced == [0.0, SYNC_EVERY_S, now[0]]
    assert not log.waits


def test_full_disk_is_not_an_error_and_lost_lines_are_counted(tmp_path: Path) -> None:
    with in_memory(tmp_path, megabytes=1) as disk:
        log = ErrorLog(disk.seen)
        write(log, "one")
        disk.fill()
        for number in range(3_000):
            write(log, words(number))
        assert log.lost
        disk.make_room()
        lost = log.lost
        write(log, "room again")
        found = list(read(disk.seen))
        assert found[-1].line.text == "room again"
        assert found[-1].lost == lost


def test_recent_errors_include_those_stamped_by_a_fast_clock(tmp_path: Path) -> None:
    log = ErrorLog(tmp_path)
    write(log, "old", at=-100_000.0)
    write(log, "new", at=-10.0)
    write(log, "ahead", at=1e8)
    assert [found.line.text for found in recent(tmp_path, utc=UTC, within_s=86_400)] == ["new", "ahead"]


# The behaviour of daemons


def test_errors_of_a_daemon_are_printed_and_stored_and_other_messages_only_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with setup.running("recorder", tmp_path):
        logging.getLogger("services.recorder.group_commit").error("not recording: %s", "full")
        logging.getLogger("sync.mesh").warning("a peer is late")
        setup.fatal("logboat record: no journal")
    assert texts(tmp_path) == ["not recording: full", "logboat record: no journal"]
    assert capsys.readouterr().err.splitlines() in (
        [shown := 'level=error daemon=recorder what=recorder.group_commit msg="not recording: full"',
         late := 'level=warning daemon=recorder what=sync.mesh msg="a peer is late"',
         "logboat record: no journal"],
        [shown, "logboat record: no journal", late],
        ["logboat record: no journal", shown, late],
    )  # fmt: skip


def test_exception_that_ends_a_daemon_or_thread_is_stored(tmp_path: Path) -> None:
    def fails() -> None:
        raise RuntimeError("no more")

    def daemon() -> None:
        with setup.running("sync", tmp_path):
            thread = threading.Thread(target=fails, name="documents")
            thread.start()
            thread.join()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        daemon()
    one, other = texts(tmp_path)
    assert one.startswith("thread documents has stopped: RuntimeError: no more (test_error_log.py:")
    assert other.startswith("stopping: ZeroDivisionError: division by zero (test_error_log.py:")


def test_flood_of_messages_is_counted_and_the_count_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with setup.running("sync", tmp_path):
        for number in range(1_000):
            logging.getLogger("sync.net").warning("connection %d refused", number)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert lines[-1].endswith("again=997")


def test_logging_does_not_wait_for_the_card_or_the_system_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, goes_on = threading.Event(), threading.Event()

    def hang(self: ErrorLog, *_: Any, **__: Any) -> None:
        hangs.set()
        goes_on.wait(30)

    monkeypatch.setattr(ErrorLog, "append", hang)
    with setup.running("recorder", tmp_path):
        log = logging.getLogger("services.recorder.group_commit")
        log.error("first")
        assert hangs.wait(10)
        for number in range(3 * setup.MOST_WAITING):
            log.error("%s", words(number))
        goes_on.set()


def test_messages_of_a_killed_daemon_are_stored(tmp_path: Path) -> None:
    script = (
        "import logging, os, pathlib, sys, time\n"
        "from services.logs import setup\n"
        "data = pathlib.Path(sys.argv[1])\n"
        "with setup.running('recorder', data):\n"
        "    logging.getLogger('services.recorder.group_commit').error('the card is gone')\n"
        "    while not (data / 'errors.log').exists() or not (data / 'errors.log').stat().st_size:\n"
        "        time.sleep(0.01)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], timeout=30, check=False, env={**os.environ}
    )
    assert done.returncode == -9
    assert texts(tmp_path) == ["the card is gone"]


def test_support_archive_contains_both_files(rig: Any) -> None:
    log = ErrorLog(rig.root / "data")
    for number in range(500):
        write(log, words(number), at=float(number))
    found = {part.name: part.text for part in parts(rig.appliance())}["logs/kept.txt"]
    assert found.count("\n") > LIMIT / 500
    assert words(499) in found


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from services.doctor import network
    from tests.services.doctor.test_checks import Rig, interface

    monkeypatch.setattr(network, "read_interfaces", lambda: (interface("eth0"),))
    monkeypatch.setattr(network, "_comes_back", lambda _index: True)
    return Rig(tmp_path)
